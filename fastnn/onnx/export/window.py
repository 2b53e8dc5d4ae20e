"""Functions of sliding windows: convolutions, pooling, fold and unfold.

Windows that reach beyond the padding (ceil_mode, which runtimes round each in their own way) are written as padding
at the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ... import functional
from ...graph import Call
from ._build import Builder, NotWritten, Size, named, writer
from ._space import bounds, each, means, pad


class _Planes:
    """An input (N, C, *) with `dims` dimensions of space; one without N gets N = 1."""

    def __init__(self, b: Builder, argument: Any, dims: int, dtype: Any):
        self.b, self.dims = b, dims
        shape = b.dims(argument)
        self.single = len(shape) == dims + 1
        self.shape: tuple[Size, ...] = (1, *shape) if self.single else shape
        self.space = b.fixed(*self.shape[2:])
        name = b.value(argument, dtype)
        self.x = b.unsqueeze(name, 0) if self.single else name

    def finished(self, y: str) -> str:
        return self.b.squeeze(y, 0) if self.single else y


# -- convolutions -----------------------------------------------------------------------------------------------------


def _convolution(dims: int) -> Callable[[Builder, Call], str]:
    def write(b: Builder, call: Call) -> str:
        given, dtype = named(call), b.result(call)
        planes = _Planes(b, given["input"], dims, dtype)
        weight, bias = (b.value(given[name], dtype) for name in ("weight", "bias"))
        kernel = b.fixed(*b.dims(given["weight"])[2:])
        stride, dilation = each(given["stride"], dims), each(given["dilation"], dims)
        pairs = _pairs(given["padding"], kernel, dilation)
        x, mode = planes.x, given["padding_mode"]
        if mode != "zeros" and any(map(any, pairs)):
            x = pad(b, x, planes.shape, [(0, 0), (0, 0), *pairs], mode, 0, dtype)
            pairs = [(0, 0)] * dims
        pads = [begin for begin, _ in pairs] + [end for _, end in pairs]
        return planes.finished(
            b(
                "Conv", x, weight, bias, kernel_shape=kernel, strides=stride, pads=pads, dilations=dilation,
                group=int(given["groups"]),
            )
        )  # fmt: skip

    return write


def _pairs(padding: Any, kernel: list[int], dilation: list[int]) -> list[tuple[int, int]]:
    if padding == "valid":
        return [(0, 0)] * len(kernel)
    if padding == "same":
        totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        return [(total // 2, total - total // 2) for total in totals]
    return [(p, p) for p in each(padding, len(kernel))]


def _transposed(dims: int) -> Callable[[Builder, Call], str]:
    def write(b: Builder, call: Call) -> str:
        given, dtype = named(call), b.result(call)
        planes = _Planes(b, given["input"], dims, dtype)
        weight, bias = (b.value(given[name], dtype) for name in ("weight", "bias"))
        stride, dilation, padding, more = (
            each(given[name], dims) for name in ("stride", "dilation", "padding", "output_padding")
        )
        kernel = b.fixed(*b.dims(given["weight"])[2:])
        return planes.finished(
            b(
                "ConvTranspose", planes.x, weight, bias, kernel_shape=kernel, strides=stride, pads=padding * 2,
                output_padding=more, dilations=dilation, group=int(given["groups"]),
            )
        )  # fmt: skip

    return write


# -- pooling ----------------------------------------------------------------------------------------------------------


class _Pool:
    """Kernel, stride, dilation, and padding at both ends so that `out` windows fit."""

    def __init__(self, planes: _Planes, given: dict[str, Any], out: list[int]):
        dims = planes.dims
        self.kernel = each(given["kernel_size"], dims)
        self.stride = self.kernel if given.get("stride") is None else each(given["stride"], dims)
        self.padding = each(given.get("padding", 0), dims)
        self.dilation = each(given.get("dilation", 1), dims)
        sizes = zip(out, planes.space, self.kernel, self.stride, self.padding, self.dilation, strict=True)
        self.more = [max(0, (o - 1) * s + d * (k - 1) + 1 - n - 2 * p) for o, n, k, s, p, d in sizes]
        self.pads = self.padding + [p + more for p, more in zip(self.padding, self.more, strict=True)]

    def options(self) -> dict[str, Any]:
        return {"kernel_shape": self.kernel, "strides": self.stride}

    def outer(self, more: bool) -> list[tuple[int, int]]:
        ends = self.pads[len(self.kernel) :] if more else self.padding
        return [(0, 0), (0, 0), *zip(self.padding, ends, strict=True)]


def _result_space(b: Builder, call: Call, dims: int, several: bool = False) -> list[int]:
    number = call.number
    if several:  # the first of the results
        number = next(
            (other.number for other in b.graph.calls if other.args and other.args[0] == (call.number,)), number
        )
    return b.fixed(*b.graph.values[number].shape[-dims:])


def _max_pool(dims: int) -> Callable[[Builder, Call], Any]:
    def write(b: Builder, call: Call) -> Any:
        given, indices = named(call), named(call)["return_indices"]
        dtype = b.dtype(given["input"])
        planes = _Planes(b, given["input"], dims, dtype)
        pool = _Pool(planes, given, _result_space(b, call, dims, indices))
        return _maxima(b, planes, pool, indices, dtype)

    return write


def _maxima(b: Builder, planes: _Planes, pool: _Pool, indices: bool, dtype: Any) -> Any:
    x, pads = planes.x, pool.pads
    if any(p >= k for p, k in zip(pads, pool.kernel * 2, strict=True)):  # ONNX Runtime refuses such pads
        if indices:
            raise NotWritten("indices of windows that are narrower than their padding")
        x = pad(b, x, planes.shape, pool.outer(True), "constant", -np.inf, dtype)
        pads = [0] * len(pads)
    options = pool.options() | {"pads": pads, "dilations": pool.dilation}
    if not indices:
        return planes.finished(b("MaxPool", x, **options))
    y, places = b("MaxPool", x, outputs=2, **options)  # indices in the whole array: those in each plane are wanted
    return [planes.finished(y), planes.finished(b("Mod", places, b.constant(np.int64(math.prod(planes.space)))))]


def _average(b: Builder, planes: _Planes, pool: _Pool, include: bool, divisor: Any, dtype: Any) -> str:
    x, pads, options = planes.x, pool.pads, pool.options()
    if any(pads) and (include or divisor):
        x = pad(b, x, planes.shape, pool.outer(bool(divisor)), "constant", 0, dtype)
        pads = [0] * planes.dims + (pool.more if not divisor else [0] * planes.dims)
    y = b("AveragePool", x, pads=pads, count_include_pad=0, **options)
    if divisor:
        y = b("Mul", y, b.constant(dtype.type(math.prod(pool.kernel) / divisor)))
    return str(y)


def _avg_pool(dims: int) -> Callable[[Builder, Call], str]:
    def write(b: Builder, call: Call) -> str:
        given, dtype = named(call), b.result(call)
        planes = _Planes(b, given["input"], dims, dtype)
        pool = _Pool(planes, given, _result_space(b, call, dims))
        include, divisor = bool(given["count_include_pad"]), given.get("divisor_override")
        return planes.finished(_average(b, planes, pool, include, divisor, dtype))

    return write


def _lp_pool(dims: int) -> Callable[[Builder, Call], str]:
    def write(b: Builder, call: Call) -> str:
        given, dtype = named(call), b.result(call)
        planes = _Planes(b, given["input"], dims, dtype)
        pool = _Pool(planes, given, _result_space(b, call, dims))
        p = given["norm_type"]
        if math.isinf(p) or p == 0:
            raise NotWritten(f"a norm of exponent {p}")
        planes.x = b("Pow", planes.x, b.constant(dtype.type(p))) if p != 1 else planes.x
        total = _average(b, planes, pool, False, 1, dtype)
        return planes.finished(b("Pow", total, b.constant(dtype.type(1 / p))) if p != 1 else total)

    return write


def _adaptive(dims: int, maximum: bool) -> Callable[[Builder, Call], Any]:
    def write(b: Builder, call: Call) -> Any:
        given, dtype = named(call), b.dtype(named(call)["input"])
        planes = _Planes(b, given["input"], dims, dtype)
        indices = bool(given.get("return_indices"))
        out = _result_space(b, call, dims, indices)
        if out == [1] * dims and not indices:
            return planes.finished(b("GlobalMaxPool" if maximum else "GlobalAveragePool", planes.x))
        if all(o and n % o == 0 for o, n in zip(out, planes.space, strict=True)):
            pool = _Pool(planes, {"kernel_size": [n // o for o, n in zip(out, planes.space, strict=True)]}, out)
            if maximum:
                return _maxima(b, planes, pool, indices, dtype)
            return planes.finished(_average(b, planes, pool, True, None, dtype))
        if indices or 0 in out:
            raise NotWritten("windows of different sizes, with indices" if indices else "an output without values")
        x = planes.x
        for i, sizes in enumerate(zip(planes.space, out, strict=True)):
            x = (_axis_maxima if maximum else means)(b, x, i + 2, dims + 2, *sizes, dtype)
        return planes.finished(x)

    return write


def _axis_maxima(b: Builder, x: str, axis: int, ndim: int, size: int, out: int, dtype: Any) -> str:
    """Maxima of windows of different sizes, gathered by index; shorter ones repeat their last value."""
    windows = bounds(size, out)
    width = max(end - begin for begin, end in windows)
    places = np.array([[min(begin + i, end - 1) for i in range(width)] for begin, end in windows])
    return b.reduce("ReduceMax", b("Gather", x, b.constant(places), axis=axis), [axis + 1], keepdims=False)


def _max_unpool(dims: int) -> Callable[[Builder, Call], str]:
    def write(b: Builder, call: Call) -> str:
        """Values put where their indices say, in planes of zeros."""
        given, dtype = named(call), b.result(call)
        planes, shape = _Planes(b, given["input"], dims, dtype), b.dims(given["input"])
        lead = shape[: len(shape) - dims]
        out = _result_space(b, call, dims)
        flat = b.reshape(planes.x, (*planes.shape[:2], math.prod(planes.space)))
        places = b.reshape(b.value(given["indices"], np.int64), (*planes.shape[:2], math.prod(planes.space)))
        zeros = b("ConstantOfShape", b.scalars((*planes.shape[:2], math.prod(out))), value=np.zeros(1, dtype))
        return b.reshape(b("ScatterElements", zeros, places, flat, axis=2), (*lead, *out))

    return write


for _dims in (1, 2, 3):
    for _name, _make in {
        "conv": _convolution, "conv_transpose": _transposed, "max_pool": _max_pool, "avg_pool": _avg_pool,
        "lp_pool": _lp_pool, "max_unpool": _max_unpool,
    }.items():  # fmt: skip
        writer(getattr(functional, f"{_name}{_dims}d"))(_make(_dims))
    writer(getattr(functional, f"adaptive_avg_pool{_dims}d"))(_adaptive(_dims, False))
    writer(getattr(functional, f"adaptive_max_pool{_dims}d"))(_adaptive(_dims, True))


# -- windows as columns -----------------------------------------------------------------------------------------------


def _columns(given: dict[str, Any], space: list[int]) -> tuple[list[int], list[int], list[list[int]]]:
    """Kernel, windows along each dimension, and (stride, padding, dilation) of each."""
    kernel = each(given["kernel_size"], 2)
    rest = [
        list(map(int, row)) for row in zip(*(each(given[n], 2) for n in ("stride", "padding", "dilation")), strict=True)
    ]
    out = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, (s, p, d) in zip(space, kernel, rest, strict=True)]
    return kernel, out, rest


@writer(functional.unfold)
def _unfold(b: Builder, call: Call) -> str:
    given, dtype = named(call), b.dtype(named(call)["input"])
    planes = _Planes(b, given["input"], 2, dtype)
    kernel, out, rest = _columns(given, planes.space)
    x = pad(b, planes.x, planes.shape, [(0, 0), (0, 0), *((p, p) for _, p, _ in rest)], "constant", 0, dtype)
    for axis, (k, o, (s, _, d)) in zip((2, 4), zip(kernel, out, rest, strict=True), strict=True):
        places = np.arange(k)[:, None] * d + np.arange(o) * s
        x = b("Gather", x, b.constant(places.astype(np.int64)), axis=axis)
    (channels,) = b.fixed(planes.shape[1])
    y = b.reshape(b.transpose(x, (0, 1, 2, 4, 3, 5)), (planes.shape[0], channels * math.prod(kernel), math.prod(out)))
    return planes.finished(y)


@writer(functional.fold)
def _fold(b: Builder, call: Call) -> str:
    """A transposed convolution with kernels of a single 1."""
    given, dtype = named(call), b.result(call)
    planes = _Planes(b, given["input"], 1, dtype)
    space = each(given["output_size"], 2)
    kernel, out, rest = _columns(given, space)
    (rows,) = b.fixed(planes.shape[1])
    area = math.prod(kernel)
    weight = np.tile(np.eye(area, dtype=dtype).reshape(area, 1, *kernel), (rows // area, 1, 1, 1))
    sizes = zip(space, out, kernel, rest, strict=True)
    more = [n - ((o - 1) * s - 2 * p + d * (k - 1) + 1) for n, o, k, (s, p, d) in sizes]
    strides, pads, dilations = zip(*rest, strict=True)
    y = b(
        "ConvTranspose", b.reshape(planes.x, (planes.shape[0], rows, *out)), b.constant(weight), kernel_shape=kernel,
        strides=strides, pads=pads * 2, dilations=dilations, output_padding=more, group=rows // area,
    )  # fmt: skip
    return planes.finished(y)
