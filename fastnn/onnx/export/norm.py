"""Norms, by ONNX's operators if the opset has them, else by primitives."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import functional
from ...graph import Call
from ._build import Builder, NotWritten, Size, named, writer


def _filled(b: Builder, argument: Any, count: int, default: float, dtype: Any) -> str:
    """A vector of C values, or of C times the default."""
    if argument is None:
        return b.constant(np.full(count, default, dtype))
    name = b.value(argument, dtype)
    return name if len(b.dims(argument)) == 1 else b.reshape(name, (count,))


def _scaled(b: Builder, y: str, given: dict[str, Any], ndim: int, dtype: Any) -> str:
    """Times the weight of each channel, plus its bias."""
    for operator, argument in (("Mul", given["weight"]), ("Add", given["bias"])):
        if argument is not None:
            y = b(operator, y, b.per_channel(argument, ndim, dtype))
    return y


@writer(functional.batch_norm)
def _batch_norm(b: Builder, call: Call) -> str:
    given, dtype = named(call), b.result(call)
    shape = b.dims(given["input"])
    if given["running_mean"] is None or given["training"]:
        x, axes = b.value(given["input"], dtype), [0, *range(2, len(shape))]
        return _scaled(b, _standardized(b, x, axes, given["eps"], dtype), given, len(shape), dtype)
    return _by_running(b, b.value(given["input"], dtype), given, b.fixed(shape[1])[0], dtype)


def _by_running(b: Builder, x: str, given: dict[str, Any], channels: int, dtype: Any) -> str:
    parts = [("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)]
    values = [_filled(b, given[name], channels, default, dtype) for name, default in parts]
    return str(b("BatchNormalization", x, *values, epsilon=float(given["eps"])))


def _standardized(b: Builder, x: str, axes: list[int], eps: float, dtype: Any) -> str:
    """(x - mean) / sqrt(var + eps) over axes."""
    centred = b("Sub", x, b.reduce("ReduceMean", x, axes))
    variance = b.reduce("ReduceMean", b("Mul", centred, centred), axes)
    return str(b("Div", centred, b("Sqrt", b("Add", variance, b.constant(dtype.type(eps))))))


@writer(functional.instance_norm)
def _instance_norm(b: Builder, call: Call) -> str:
    given, dtype = named(call), b.result(call)
    (channels,) = b.fixed(b.dims(given["input"])[1])
    x = b.value(given["input"], dtype)
    if not given["use_input_stats"]:
        return _by_running(b, x, given, channels, dtype)
    weight, bias = (_filled(b, given[name], channels, float(name == "weight"), dtype) for name in ("weight", "bias"))
    return str(b("InstanceNormalization", x, weight, bias, epsilon=float(given["eps"])))


@writer(functional.group_norm)
def _group_norm(b: Builder, call: Call) -> str:
    """An instance norm with groups as channels: GroupNormalization's weights differ between opsets."""
    given, dtype = named(call), b.result(call)
    shape, groups = b.dims(given["input"]), given["num_groups"]
    ones, zeros = (b.constant(np.full(groups, value, dtype)) for value in (1, 0))
    x = b.reshape(b.value(given["input"], dtype), (shape[0], groups, math.prod(b.fixed(*shape[1:])) // groups))
    y = b("InstanceNormalization", x, ones, zeros, epsilon=float(given["eps"]))
    return _scaled(b, b.reshape(y, shape), given, len(shape), dtype)


@writer(functional.layer_norm)
def _layer_norm(b: Builder, call: Call) -> str:
    given, dtype = named(call), b.result(call)
    x, weight, bias = (b.value(given[name], dtype) for name in ("input", "weight", "bias"))
    sizes = np.atleast_1d(given["normalized_shape"]).tolist()
    if b.opset >= 17:
        weight = weight or b.constant(np.ones(sizes, dtype))
        return str(b("LayerNormalization", x, weight, bias, axis=-len(sizes), epsilon=float(given["eps"])))
    y = _standardized(b, x, list(range(-len(sizes), 0)), given["eps"], dtype)
    y = b("Mul", y, weight) if weight else y
    return str(b("Add", y, bias) if bias else y)


@writer(functional.rms_norm)
def _rms_norm(b: Builder, call: Call) -> str:
    given, dtype = named(call), b.result(call)
    x, weight = b.value(given["input"], dtype), b.value(given["weight"], dtype)
    sizes = np.atleast_1d(given["normalized_shape"]).tolist()
    eps = np.finfo(np.result_type(dtype, np.float32)).eps if given["eps"] is None else given["eps"]
    if b.opset >= 23:
        weight = weight or b.constant(np.ones(sizes, dtype))
        return str(b("RMSNormalization", x, weight, axis=-len(sizes), epsilon=float(eps)))
    mean = b.reduce("ReduceMean", b("Mul", x, x), list(range(-len(sizes), 0)))
    y = b("Div", x, b("Sqrt", b("Add", mean, b.constant(dtype.type(eps)))))
    return str(b("Mul", y, weight) if weight else y)


@writer(functional.local_response_norm)
def _local_response_norm(b: Builder, call: Call) -> str:
    given, dtype = named(call), b.result(call)
    x, size, shape = b.value(given["input"], dtype), given["size"], b.dims(given["input"])
    alpha, beta, k = (float(given[name]) for name in ("alpha", "beta", "k"))
    if size % 2 and len(shape) == 4:
        return str(b("LRN", x, size=size, alpha=alpha, beta=beta, bias=k))
    planes: tuple[Size, ...] = (shape[0], 1, shape[1], math.prod(b.fixed(*shape[2:])))
    squares = b.reshape(b("Mul", x, x), planes)
    pads = [size // 2, 0, (size - 1) // 2, 0]
    if size > b.fixed(shape[1])[0]:  # ONNX Runtime takes no pads as large as the windows, which may be larger than x
        squares = b("Pad", squares, b.ints(0, 0, size // 2, 0, 0, 0, (size - 1) // 2, 0))
        pads = [0] * 4
    mean = b("AveragePool", squares, kernel_shape=[size, 1], strides=[1, 1], pads=pads, count_include_pad=1)
    scale = b("Add", b("Mul", mean, b.constant(dtype.type(alpha))), b.constant(dtype.type(k)))
    return str(b("Div", x, b("Pow", b.reshape(scale, shape), b.constant(dtype.type(beta)))))


@writer(functional.switchable_norm)
def _switchable_norm(b: Builder, call: Call) -> str:
    """The mixture of the means and variances of instances, layers and running statistics."""
    given, dtype = named(call), b.result(call)
    if given["training"]:
        raise NotWritten("training=True")
    shape, x = b.dims(given["input"]), b.value(given["input"], dtype)
    space, ndim = math.prod(b.fixed(*shape[2:])), len(shape)
    spatial = list(range(2, ndim)) if space > 1 else [1]
    count = space if space > 1 else b.fixed(shape[1])[0]

    def moments(values: str, axes: list[int], m: float) -> tuple[str, str]:
        mean = b.reduce("ReduceMean", values, axes)
        centred = b("Sub", values, mean)
        variance = b.reduce("ReduceMean", b("Mul", centred, centred), axes)
        return mean, variance if m == 1 else b("Mul", variance, b.constant(dtype.type(m)))

    mean, variance = moments(x, spatial, count / (count - bool(given["unbiased"])))
    means, variances = [mean], [variance]
    if space > 1:
        between, spread = moments(mean, [1], 1)
        means.append(between)
        variances.append(b("Add", b.reduce("ReduceMean", variance, [1]), spread))
    if given["using_bn"]:
        means.append(b.per_channel(given["running_mean"], ndim, dtype))
        variances.append(b.per_channel(given["running_var"], ndim, dtype))

    def mixed(parts: list[str], weight: Any) -> str:
        shares = b("Softmax", b.value(weight, dtype), axis=0)
        taken = [b("Mul", part, b("Gather", shares, b.ints(i), axis=0)) for i, part in enumerate(parts)]
        return str(b("Sum", *taken))

    deviation = b("Sqrt", b("Add", mixed(variances, given["var_weight"]), b.constant(dtype.type(given["eps"]))))
    y = b("Div", b("Sub", x, mixed(means, given["mean_weight"])), deviation)
    return _scaled(b, y, given, ndim, dtype)


def p_norm(b: Builder, x: str, p: float, axes: list[int], dtype: Any, keepdims: bool = True) -> str:
    """The p-norm over axes."""
    if p in (1, 2):
        return b.reduce(f"ReduceL{int(p)}", x, axes, keepdims)
    size = b("Abs", x)
    if math.isinf(p):
        return b.reduce("ReduceMax" if p > 0 else "ReduceMin", size, axes, keepdims)
    if p == 0:
        raise NotWritten("a norm of exponent 0")
    total = b.reduce("ReduceSum", b("Pow", size, b.constant(dtype.type(p))), axes, keepdims)
    return str(b("Pow", total, b.constant(dtype.type(1 / p))))


@writer(functional.normalize)
def _normalize(b: Builder, call: Call) -> str:
    given, dtype = named(call), b.result(call)
    x = b.value(given["input"], dtype)
    axes = list(given["dim"]) if isinstance(given["dim"], (list, tuple)) else [given["dim"]]
    return str(b("Div", x, b("Max", p_norm(b, x, given["p"], axes, dtype), b.constant(dtype.type(given["eps"])))))


@writer(functional.cosine_similarity)
def _cosine_similarity(b: Builder, call: Call) -> str:
    given, dtype = named(call), b.result(call)
    x1, x2 = (b.value(given[name], dtype) for name in ("x1", "x2"))
    ndim = max(len(b.dims(given["x1"])), len(b.dims(given["x2"])))
    axes = [given["dim"] % ndim - ndim]
    eps = b.constant(dtype.type(given["eps"]))
    lengths = []
    for name, x in (("x1", x1), ("x2", x2)):
        if len(b.dims(given[name])) < -axes[0]:
            raise NotWritten("the vectors' dimension is not there in both")
        lengths.append(b("Max", b.reduce("ReduceL2", x, axes), eps))
    product = b("Mul", b("Div", x1, lengths[0]), b("Div", x2, lengths[1]))
    return b.reduce("ReduceSum", product, axes, keepdims=False)


@writer(functional.pairwise_distance)
def _pairwise_distance(b: Builder, call: Call) -> str:
    given, dtype = named(call), b.result(call)
    x1, x2 = (b.value(given[name], dtype) for name in ("x1", "x2"))
    difference = b("Add", b("Sub", x1, x2), b.constant(dtype.type(given["eps"])))
    return p_norm(b, difference, given["p"], [-1], dtype, bool(given["keepdim"]))
