"""How operators are written down in a graph: as functions of NumPy and of the project, which plans know.

A rule takes the recorder, the operator's inputs (arrays that are known, `Traced` values, None) and its attributes, and
returns what `recorder.emit` does for its calls; it raises Untranslated where the operator itself is to be called.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import functional
from .._core import ACTS
from ..functional._interpolate import resampled
from ..functional._matmul import matmul
from ..graph._graph import Method, Unary
from ._tensors import dtype_of
from .operators import TABLE, _resize, _shape, _window

RULES: dict[Callable[..., Any], Callable[..., Any]] = {}
NATIVE = frozenset("?bBhHiIlLqQfd")


class Untranslated(Exception):
    """Raised by a rule for a call that it does not do."""


def rule(*names: str, since: int | None = None) -> Callable[[Any], Any]:
    """Declare the rule of operators by name, of all versions or of the one since an opset."""

    def declare(function: Any) -> Any:
        for name in names:
            versions = TABLE[("", name)]
            for each in versions if since is None else (since,):
                RULES[versions[each].function] = function
        return function

    return declare


def _floats(*values: Any) -> None:
    """Only values of float32 or float64."""
    _need(all(each is None or each.dtype.char in "fd" for each in values))


def _need(condition: Any) -> None:
    if not condition:
        raise Untranslated


def _known(*values: Any) -> None:
    _need(all(each is None or isinstance(each, np.ndarray) for each in values))


def _full(value: Any) -> Any:
    """Not empty: plans compute with values."""
    _need(0 not in value.shape)
    return value


# -- of single elements -----------------------------------------------------------------------------------------------


def _unary(name: str, a: float = 0.0, b: float = 0.0) -> Unary:
    return Unary(ACTS[name], a, b)


_ACTIVATIONS: dict[str, Callable[..., Unary]] = {
    "Sigmoid": lambda: _unary("sigmoid"), "Tanh": lambda: _unary("tanh"), "Relu": lambda: _unary("relu"),
    "Softplus": lambda: _unary("softplus", 1, 20), "Softsign": lambda: _unary("softsign"),
    "Mish": lambda: _unary("mish"), "HardSwish": lambda: _unary("hardswish"),
    "Elu": lambda alpha=1.0: _unary("elu", alpha), "Celu": lambda alpha=1.0: _unary("celu", alpha),
    "LeakyRelu": lambda alpha=0.01: _unary("leaky_relu", alpha),
    "Swish": lambda alpha=1.0: _unary("silu") if alpha == 1 else _unary("swish", alpha),
    "Gelu": lambda approximate="none": _unary("gelu" if approximate == "none" else "gelu_tanh"),
}  # fmt: skip
_ONE: dict[str, Any] = {
    "Abs": np.absolute, "Neg": np.negative, "Exp": np.exp, "Log": np.log, "Sqrt": np.sqrt,
    "Reciprocal": np.reciprocal,
}  # fmt: skip
_TWO: dict[str, Any] = {
    "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide, "Less": np.less,
    "LessOrEqual": np.less_equal, "Greater": np.greater, "GreaterOrEqual": np.greater_equal, "Equal": np.equal,
    "And": np.logical_and, "Or": np.logical_or, "Xor": np.logical_xor,
}  # fmt: skip
_MANY: dict[str, Any] = {"Sum": np.add, "Max": np.maximum, "Min": np.minimum}


def _activation(make: Any, r: Any, x: Any, **attributes: Any) -> Any:
    _floats(x)
    return r.emit(make(**attributes), x)


def _of_one(function: Any, r: Any, x: Any) -> Any:
    _floats(x)
    return r.emit(function, x)


def _of_two(function: Any, r: Any, a: Any, b: Any, **attributes: Any) -> Any:
    _need(not attributes and a.dtype == b.dtype and a.dtype.char in ("fd" if function is np.divide else NATIVE))
    return r.emit(function, a, b)


def _of_many(function: Any, r: Any, *arrays: Any) -> Any:
    _need(len({each.dtype for each in arrays}) == 1 and arrays[0].dtype.char in NATIVE)
    return functools.reduce(lambda a, b: r.emit(function, a, b), arrays)


@rule("Mean")
def _mean(r: Any, *arrays: Any) -> Any:
    _floats(*arrays)
    return r.emit(np.divide, _of_many(np.add, r, *arrays), arrays[0].dtype.type(len(arrays)))


@rule("Pow")
def _power(r: Any, x: Any, exponent: Any, **attributes: Any) -> Any:
    _floats(x)
    _known(exponent)
    _need(exponent.size == 1 and exponent.ndim <= x.ndim and not attributes)
    value = exponent.item()
    _need(value in (1, 2, 3, 0.5, -0.5, -1))
    if value in (1, 2, 0.5):
        return x if value == 1 else r.emit(np.square if value == 2 else np.sqrt, x)
    return r.emit(np.power, x, float(value))


@rule("Not")
def _not(r: Any, x: Any) -> Any:
    return r.emit(np.logical_not, x)


@rule("Identity")
def _identity(r: Any, x: Any) -> Any:
    return x


@rule("Where")
def _where(r: Any, condition: Any, a: Any, b: Any) -> Any:
    _need(a.dtype == b.dtype and a.dtype.char in NATIVE)
    return r.emit(np.where, condition, a, b)


@rule("Cast")
def _cast(r: Any, x: Any, *, to: int, **attributes: Any) -> Any:
    dtype = dtype_of(to)
    _need(dtype.char in NATIVE and x.dtype.char in NATIVE)
    return x if x.dtype == dtype else r.emit(Method("astype"), x, dtype)


@rule("Clip")
def _clip(r: Any, x: Any, low: Any = None, high: Any = None, *, min: Any = None, max: Any = None) -> Any:
    """Below both bounds' order the upper one wins."""
    _floats(x)
    bounds = [given if given is not None else made for given, made in ((low, min), (high, max))]
    _known(*(each for each in bounds if hasattr(each, "shape")))
    first, last = (None if each is None else float(np.asarray(each).reshape(-1)[0]) for each in bounds)
    if last is None:
        return x if first is None else r.emit(np.maximum, x, x.dtype.type(first))
    if first is None or not first <= last:
        x = x if first is None else r.emit(np.maximum, x, x.dtype.type(first))
        return r.emit(np.minimum, x, x.dtype.type(last))
    return r.emit(_unary("relu6") if (first, last) == (0, 6) else _unary("hardtanh", first, last), x)


@rule("HardSigmoid")
def _hard_sigmoid(r: Any, x: Any, *, alpha: float = 0.2, beta: float = 0.5) -> Any:
    _floats(x)
    if abs(alpha * 6 - 1) < 1e-6 and beta == 0.5:
        return r.emit(_unary("hardsigmoid"), x)
    real = x.dtype.type
    return r.emit(_unary("hardtanh", 0, 1), r.emit(np.add, r.emit(np.multiply, x, real(alpha)), real(beta)))


# -- shapes -----------------------------------------------------------------------------------------------------------


def _same_values(function: Any, r: Any, x: Any, *given: Any, **attributes: Any) -> Any:
    return r.emit(np.reshape, x, function(x.array, *given, **attributes).shape)


for _moving in (_shape.reshape, _shape.flatten, _shape.squeeze, _shape.unsqueeze):
    RULES[_moving] = functools.partial(_same_values, _moving)


@rule("Transpose")
def _transposed(r: Any, x: Any, *, perm: Any = None) -> Any:
    return r.emit(np.transpose, x, tuple(perm or range(x.ndim)[::-1]))


@rule("Expand")
def _expanded(r: Any, x: Any, shape: Any) -> Any:
    sizes = np.broadcast_shapes(x.shape, _shape.bounded(shape))
    return x if sizes == x.shape else r.emit(np.broadcast_to, x, sizes)


@rule("Slice")
def _sliced(r: Any, x: Any, *given: Any, **attributes: Any) -> Any:
    return r.emit(operator.getitem, x, _shape.slices(x.shape, *given, **attributes))


@rule("Split")
def _parted(r: Any, x: Any, *given: Any, axis: int = 0, **attributes: Any) -> Any:
    parts, at, found = _shape.parts(x.shape, *given, axis=axis, **attributes), 0, []
    for part in parts:
        index = (*[slice(None)] * (axis % x.ndim), slice(at, at + part))
        found.append(r.emit(operator.getitem, x, index))
        at += part
    return found


@rule("Concat")
def _joined(r: Any, *arrays: Any, axis: int = 1) -> Any:
    _need(len({each.dtype for each in arrays}) == 1)
    arrays = tuple(each for each in arrays if each.shape[axis]) or arrays[:1]
    return arrays[0] if len(arrays) == 1 else r.emit(np.concatenate, arrays, axis)


@rule("Gather")
def _gathered(r: Any, x: Any, indices: Any, *, axis: int = 0) -> Any:
    axis = axis % x.ndim
    if not isinstance(indices, np.ndarray):
        _known(x)
        _need(axis == 0 and x.dtype.char in NATIVE)
        return r.emit(np.take, x, indices, 0)
    length, flat = x.shape[axis], indices.reshape(-1)
    _need(flat.size and -length <= flat.min() and flat.max() < length)
    flat = np.where(flat < 0, flat + length, flat)
    _need(indices.ndim < 2 and np.array_equal(flat, flat[0] + np.arange(flat.size)))
    at = int(flat[0])
    return r.emit(operator.getitem, x, (*[slice(None)] * axis, slice(at, at + flat.size) if indices.ndim else at))


def _padded(r: Any, x: Any, pairs: Any, mode: str, value: Any) -> Any:
    """Axis by axis: what stands before, the values, what stands behind."""
    for axis, (before, after) in enumerate(pairs):
        lead, length = [slice(None)] * axis, x.shape[axis]
        if before < 0 or after < 0:
            x = r.emit(operator.getitem, x, (*lead, slice(max(0, -before), length - max(0, -after))))
            length = x.shape[axis]
        parts = []
        for count, place in ((max(0, before), 0), (max(0, after), length - 1)):
            if not count:
                continue
            shape = (*x.shape[:axis], count, *x.shape[axis + 1 :])
            if mode == "constant":
                parts.append(np.full(shape, value, x.dtype))
            elif mode == "edge":
                one = r.emit(operator.getitem, x, (*lead, slice(place, place + 1)))
                parts.append(r.emit(np.broadcast_to, one, shape))
            else:
                _need(mode == "reflect" and count < length)
                index = slice(count, 0, -1) if not place else slice(length - 2, length - 2 - count, -1)
                if place and count == length - 1:
                    index = slice(length - 2, None, -1)
                parts.append(r.emit(operator.getitem, x, (*lead, index)))
        if parts:
            x = r.emit(np.concatenate, (*parts[: before > 0], x, *parts[before > 0 :]), axis)
    return x


@rule("Pad")
def _pad(
    r: Any, x: Any, widths: Any = None, fill: Any = None, along: Any = None, *, mode: str = "constant",
    value: float = 0.0, **attributes: Any,
) -> Any:  # fmt: skip
    _need(x.dtype.char in NATIVE and mode in ("constant", "edge", "reflect"))
    _known(widths, fill, along)
    pairs = _shape.widths_of(_full(x).ndim, widths, along, **attributes)
    _need(all(n + min(0, a) + min(0, b) > 0 for n, (a, b) in zip(x.shape, pairs, strict=True)))
    _shape.bounded(n + a + b for n, (a, b) in zip(x.shape, pairs, strict=True))
    return _padded(r, x, pairs, mode, value if fill is None else fill.reshape(-1)[0])


# -- over axes --------------------------------------------------------------------------------------------------------

_REDUCED: dict[str, Any] = {"ReduceSum": np.sum, "ReduceMean": np.mean, "ReduceMax": np.max, "ReduceMin": np.min}


def _reduced(
    function: Any, r: Any, x: Any, given: Any = None, *, axes: Any = None, keepdims: int = 1,
    noop_with_empty_axes: int = 0,
) -> Any:  # fmt: skip
    _need(x.dtype.char in "fd" or (x.dtype == np.int64 and function is not np.mean))
    over = given if given is not None else axes
    if over is None or len(over) == 0:
        over = () if noop_with_empty_axes else range(x.ndim)
    over = tuple(int(axis) for axis in over)
    return r.emit(function, _full(x), axis=over, keepdims=bool(keepdims)) if over else x


@rule("GlobalAveragePool")
def _global_average(r: Any, x: Any) -> Any:
    _floats(x)
    return r.emit(np.mean, _full(x), axis=tuple(range(2, x.ndim)), keepdims=True)


@rule("GlobalMaxPool")
def _global_max(r: Any, x: Any) -> Any:
    _floats(x)
    return r.emit(np.max, _full(x), axis=tuple(range(2, x.ndim)), keepdims=True)


@rule("Softmax", since=13)
def _softmax(r: Any, x: Any, *, axis: int = -1) -> Any:
    _floats(x)
    return r.emit(functional.softmax, _full(x), axis)


@rule("LogSoftmax", since=13)
def _log_softmax(r: Any, x: Any, *, axis: int = -1) -> Any:
    _floats(x)
    return r.emit(functional.log_softmax, _full(x), axis)


def _flattened(function: Any, r: Any, x: Any, *, axis: int = 1) -> Any:
    """Before opset 13: one distribution over all axes from `axis` on."""
    _floats(x)
    rows = math.prod(_full(x).shape[: axis % x.ndim if axis < x.ndim else axis])
    flat = r.emit(np.reshape, x, (rows, x.array.size // rows))
    return r.emit(np.reshape, r.emit(function, flat, 1), x.shape)


rule("Softmax", since=1)(functools.partial(_flattened, functional.softmax))
rule("LogSoftmax", since=1)(functools.partial(_flattened, functional.log_softmax))


# -- layers -----------------------------------------------------------------------------------------------------------


@rule("MatMul")
def _matmul(r: Any, a: Any, b: Any) -> Any:
    _floats(_full(a), _full(b))
    if isinstance(b, np.ndarray) and b.ndim == 2 and a.ndim > 1:
        return r.emit(functional.linear, a, b.T)
    return r.emit(matmul, a, b)


@rule("Gemm")
def _gemm(
    r: Any, a: Any, b: Any, c: Any = None, *, alpha: float = 1.0, beta: float = 1.0, transA: int = 0, transB: int = 0,
    broadcast: int = 1,
) -> Any:  # fmt: skip
    _floats(_full(a), _full(b), c)
    a = r.emit(np.transpose, a, (1, 0)) if transA else a
    b = b if transB else r.emit(np.transpose, b, (1, 0))  # (n, k), as `linear` has it
    b = b if alpha == 1 else r.emit(np.multiply, b, b.dtype.type(alpha))
    c = c if c is None or beta == 1 else r.emit(np.multiply, c, c.dtype.type(beta))
    n = b.shape[0]
    if not isinstance(b, np.ndarray):
        y = r.emit(matmul, a, r.emit(np.transpose, b, (1, 0)))
    elif isinstance(c, np.ndarray) and c.shape in ((n,), (1, n), (1,), (1, 1), ()):
        return r.emit(functional.linear, a, b, np.broadcast_to(c.reshape(-1), (n,)))
    else:
        y = r.emit(functional.linear, a, b)
    return y if c is None else r.emit(np.add, y, c)


@rule("Conv")
def _conv(
    r: Any, x: Any, w: Any, b: Any = None, *, auto_pad: str = "NOTSET", dilations: Any = None, group: int = 1,
    kernel_shape: Any = None, pads: Any = None, strides: Any = None,
) -> Any:  # fmt: skip
    _floats(_full(x), _full(w), b)
    dims = w.ndim - 2
    _need(1 <= dims <= 3 and x.ndim == w.ndim)
    strides, dilations = strides or [1] * dims, dilations or [1] * dims
    around = _window._pads(x.shape[2:], w.shape[2:], strides, dilations, auto_pad, pads)
    even = all(first == last >= 0 for first, last in around)
    if not even:
        _need(all(n + min(0, p) + min(0, q) > 0 for n, (p, q) in zip(x.shape[2:], around, strict=True)))
        _shape.bounded(n + p + q for n, (p, q) in zip(x.shape[2:], around, strict=True))
        x = _padded(r, x, [(0, 0), (0, 0), *around], "constant", 0)
    padding = tuple(first for first, _ in around) if even else (0,) * dims
    return r.emit(_window.CONV[dims - 1], x, w, b, tuple(strides), padding, tuple(dilations), group)


@rule("ConvTranspose")
def _conv_transpose(r: Any, x: Any, w: Any, b: Any = None, **attributes: Any) -> Any:
    """Windows side by side: a convolution of 1 by 1 for each of a window's places, which are then put in order."""
    _floats(_full(x), _full(w), b)
    _known(w, b)
    dims, kernel, m = w.ndim - 2, w.shape[2:], w.shape[1]
    _need(dims in (1, 2) and x.ndim == w.ndim and list(kernel) == list(attributes.pop("strides", None) or []))
    plain = {"auto_pad": ("NOTSET", "VALID"), "group": (1,), "kernel_shape": (list(kernel),)}
    _need(all(attributes[name] in plain[name] for name in attributes.keys() & plain.keys()))
    _need(not any(np.ravel(attributes.get(name) or 0).any() for name in ("output_padding", "pads")))
    _need(attributes.get("output_shape") is None and set(np.ravel(attributes.get("dilations") or 1)) == {1})
    weight = np.ascontiguousarray(np.moveaxis(w, 0, -1)).reshape(-1, w.shape[0], *[1] * dims)
    bias = None if b is None else np.repeat(b, math.prod(kernel))
    y = r.emit(_window.CONV[dims - 1], x, weight, bias)
    n, space = x.shape[0], x.shape[2:]
    y = r.emit(np.reshape, y, (n, m, *kernel, *space))
    order = [0, 1, *(i for axis in range(dims) for i in (2 + dims + axis, 2 + axis))]
    sizes = (places * k for places, k in zip(space, kernel, strict=True))
    return r.emit(np.reshape, r.emit(np.transpose, y, tuple(order)), (n, m, *sizes))


def _pooled(
    kind: str, r: Any, x: Any, *, kernel_shape: Any, auto_pad: str = "NOTSET", ceil_mode: int = 0,
    dilations: Any = None, pads: Any = None, strides: Any = None, outputs: int = 1, storage_order: int = 0,
    count_include_pad: int = 0,
) -> Any:  # fmt: skip
    _floats(_full(x))
    dims = len(kernel_shape)
    _need(outputs == 1 and not ceil_mode and 1 <= dims <= 3 and x.ndim == dims + 2)
    strides, dilations = strides or [1] * dims, dilations or [1] * dims
    around = _window._pads(x.shape[2:], kernel_shape, strides, dilations, auto_pad, pads)
    even = all(first == last and 0 <= 2 * first <= k for (first, last), k in zip(around, kernel_shape, strict=True))
    if not even:
        _need(kind == "max" and all(min(pair) >= 0 for pair in around))
        _shape.bounded(n + p + q for n, (p, q) in zip(x.shape[2:], around, strict=True))
        x = _padded(r, x, [(0, 0), (0, 0), *around], "constant", -np.inf)
    padding = tuple(first for first, _ in around) if even else (0,) * dims
    pool, sizes = getattr(functional, f"{kind}_pool{dims}d"), (tuple(kernel_shape), tuple(strides), padding)
    if kind == "max":
        return r.emit(pool, x, *sizes, tuple(dilations))
    _need(set(dilations) == {1})
    return r.emit(pool, x, *sizes, False, bool(count_include_pad))


RULES[_window.max_pool] = functools.partial(_pooled, "max")
RULES[_window.average_pool] = functools.partial(_pooled, "avg")


@rule("BatchNormalization")
def _batch_norm(
    r: Any, x: Any, scale: Any, bias: Any, mean: Any, var: Any, *, epsilon: float = 1e-5, training_mode: int = 0,
    outputs: int, **attributes: Any,
) -> Any:  # fmt: skip
    _floats(_full(x), scale, bias, mean, var)
    _known(scale, bias, mean, var)
    _need(not training_mode and outputs == 1 and attributes.get("spatial", 1) and x.ndim > 1)
    _need(len({each.dtype for each in (x, scale, bias, mean, var)}) == 1)
    return r.emit(functional.batch_norm, x, mean, var, scale, bias, False, 0.1, epsilon)


@rule("LayerNormalization")
def _layer_norm(
    r: Any, x: Any, scale: Any, bias: Any = None, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1,
    outputs: int,
) -> Any:  # fmt: skip
    _floats(_full(x), scale, bias)
    shape = x.shape[axis % x.ndim :]
    _need(outputs == 1 and scale.shape == shape and (bias is None or bias.shape == shape))
    return r.emit(functional.layer_norm, x, shape, scale, bias, epsilon)


@rule("InstanceNormalization")
def _instance_norm(r: Any, x: Any, scale: Any, bias: Any, *, epsilon: float = 1e-5) -> Any:
    _floats(_full(x), scale, bias)
    _need(x.ndim > 2)
    return r.emit(functional.group_norm, x, x.shape[1], scale, bias, epsilon)


@rule("GroupNormalization", since=21)
def _group_norm(
    r: Any, x: Any, scale: Any, bias: Any, *, num_groups: int, epsilon: float = 1e-5, stash_type: int = 1
) -> Any:
    _floats(_full(x), scale, bias)
    return r.emit(functional.group_norm, x, num_groups, scale, bias, epsilon)


@rule("Resize", since=11)
def _resized(r: Any, x: Any, *given: Any, **attributes: Any) -> Any:
    """Images alone, each axis by itself, from places that are taken with weights."""
    _floats(_full(x))
    _known(*given)
    _need(3 <= x.ndim <= 5 and attributes.get("coordinate_transformation_mode") != "tf_crop_and_resize")
    changed = {axis: (at, weights) for axis, at, weights, _ in _resize.axes_of(x.shape, *given, **attributes)}
    _need(changed.keys().isdisjoint((0, 1)))
    tables = [changed.get(axis, (np.arange(n)[:, None], np.ones((n, 1)))) for axis, n in enumerate(x.shape) if axis > 1]
    places = np.concatenate([at.T.reshape(-1) for at, _ in tables])
    weights = np.concatenate([weight.T.reshape(-1) for _, weight in tables])
    sizes, taps = zip(*(at.shape for at, _ in tables), strict=True)
    _need(0 not in sizes)
    return r.emit(resampled, x, places.astype(np.int64), weights.astype(x.dtype), sizes, taps)


for _rule, _table in (
    (_activation, _ACTIVATIONS), (_of_one, _ONE), (_of_two, _TWO), (_of_many, _MANY), (_reduced, _REDUCED)
):  # fmt: skip
    for _name, _given in _table.items():
        rule(_name)(functools.partial(_rule, _given))
