"""Quantization to 8 bits and less, and products of quantized arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..._check import Array
from .._tensors import dtype_of
from ._elementwise import converted
from ._shape import in_space
from ._table import operator
from ._window import _padded, _pads


def _spread(vector: Array, x: Array, axis: int, block_size: int = 0) -> Array:
    """Shape scales or zero points to broadcast with x: one in all, one per index of `axis`, or one per block."""
    if vector.size == 1 and vector.ndim < 2:
        return vector.reshape(())
    if vector.ndim == 1 and not block_size:
        return vector.reshape([-1 if i == axis % x.ndim else 1 for i in range(x.ndim)])
    if not block_size:
        return vector
    return np.take(np.repeat(vector, block_size, axis), range(x.shape[axis]), axis)


def _limits(dtype: np.dtype[Any]) -> tuple[int, int]:
    if dtype.name in ("int4", "uint4", "int2", "uint2"):
        bits, signed = int(dtype.name[-1]), dtype.name.startswith("int")
        return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def _quantized(x: Array, scale: Array, zero: Array, dtype: np.dtype[Any]) -> Array:
    """Return saturate(round_half_even(x / scale) + zero)."""
    low, high = _limits(dtype)
    return np.clip(np.rint(x / scale) + zero.astype(np.int64), low, high).astype(dtype)


@operator("QuantizeLinear")
def quantize(
    x: Array, scale: Array, zero: Array | None = None, *, axis: int = 1, block_size: int = 0, output_dtype: int = 0,
    precision: int = 0, saturate: int = 1,
) -> Any:  # fmt: skip
    dtype = zero.dtype if zero is not None else dtype_of(output_dtype or 2)
    factor = _spread(scale, x, axis, block_size)
    if precision:
        factor, x = factor.astype(dtype_of(precision)), x.astype(dtype_of(precision))
    if dtype.kind not in "iu" and not dtype.name.startswith(("int", "uint")):
        shift = 0 if zero is None else _spread(zero, x, axis, block_size).astype(np.float32)
        return converted((x / factor).astype(np.float32) + shift, dtype, bool(saturate))
    offset = np.zeros((), np.int64) if zero is None else _spread(zero, x, axis, block_size)
    return _quantized(x, factor.astype(x.dtype), offset, dtype)


@operator("DequantizeLinear")
def dequantize(
    x: Array, scale: Array, zero: Array | None = None, *, axis: int = 1, block_size: int = 0, output_dtype: int = 0
) -> Any:
    dtype = dtype_of(output_dtype) if output_dtype else scale.dtype
    factor = _spread(scale, x, axis, block_size).astype(np.float32)
    if x.dtype.kind in "iu" or x.dtype.name.startswith(("int", "uint")):
        whole = x.astype(np.int64)
        whole = whole if zero is None else whole - _spread(zero, x, axis, block_size).astype(np.int64)
        return (whole.astype(np.float32) * factor).astype(dtype)
    shift = 0 if zero is None else _spread(zero, x, axis, block_size).astype(np.float32)
    return ((x.astype(np.float32) - shift) * factor).astype(dtype)


@operator("DynamicQuantizeLinear")
def dynamic_quantize(x: Array) -> Any:
    low, high = np.minimum(x.min(initial=0), np.float32(0)), np.maximum(x.max(initial=0), np.float32(0))
    scale = np.float32((high - low) / np.float32(255)) if high > low else np.float32(1)
    zero = np.clip(np.rint(-low / scale), 0, 255).astype(np.uint8)
    return _quantized(x, np.asarray(scale), np.asarray(zero), np.dtype(np.uint8)), np.asarray(scale), np.asarray(zero)


def _centred(x: Array, zero: Array | None, axis: int | None) -> Array:
    """Subtract the zero point, in float64, where sums of products of 8-bit integers are exact."""
    wide = x.astype(np.float64)
    if zero is None:
        return wide
    if zero.ndim == 1 and zero.size > 1 and axis is not None:
        zero = np.expand_dims(zero, 1) if axis == -2 else zero
    elif zero.size == 1:
        zero = zero.reshape(())
    return wide - zero.astype(np.float64)


def _wrapped(total: Array) -> Array:
    return np.asarray(total, np.float64).astype(np.int64).astype(np.int32)


@operator("MatMulInteger")
def matmul_integer(a: Array, b: Array, za: Array | None = None, zb: Array | None = None) -> Any:
    return _wrapped(np.matmul(_centred(a, za, -2), _centred(b, zb, -1)))


@operator("QLinearMatMul")
def qlinear_matmul(a: Array, sa: Array, za: Array, b: Array, sb: Array, zb: Array, sy: Array, zy: Array) -> Any:
    total = np.matmul(_centred(a, za, -2), _centred(b, zb, -1))
    column = sa.reshape(-1, 1) if sa.size > 1 else sa.reshape(())
    factor = (
        column.astype(np.float32) * sb.reshape(-1 if sb.size > 1 else ()).astype(np.float32) / sy.astype(np.float32)
    )
    return _quantized(total * factor, np.float64(1), zy, zy.dtype)


def _sums(x: Array, w: Array, zx: Any, zw: Any, geometry: dict[str, Any]) -> Array:
    """Convolve integers exactly, in float64; padding stands for the zero point and so adds nothing."""
    dims, group = w.ndim - 2, geometry["group"]
    strides, dilations = geometry["strides"] or [1] * dims, geometry["dilations"] or [1] * dims
    around = _pads(x.shape[2:], w.shape[2:], strides, dilations, geometry["auto_pad"], geometry["pads"])
    values = _padded(_centred(x, zx, None), around)
    zero = None if zw is None else zw.reshape(-1, *[1] * (w.ndim - 1)) if zw.size > 1 else zw
    kernel = w.astype(np.float64) if zero is None else w.astype(np.float64) - zero.astype(np.float64)
    spans = [d * (k - 1) + 1 for k, d in zip(w.shape[2:], dilations, strict=True)]
    view = np.lib.stride_tricks.sliding_window_view(values, spans, tuple(range(2, x.ndim)))
    view = view[in_space(*(slice(None, None, s) for s in strides), *(slice(None, None, d) for d in dilations))]
    n, c, places = x.shape[0], x.shape[1] // group, view.shape[2 : 2 + dims]
    view = view.reshape(n, group, c, *places, -1)
    kernel = kernel.reshape(group, w.shape[0] // group, c, -1)
    letters = "xyz"[:dims]
    return np.einsum(f"ngc{letters}k,gock->ngo{letters}", view, kernel, optimize=True).reshape(n, w.shape[0], *places)


@operator("ConvInteger")
def conv_integer(
    x: Array, w: Array, zx: Array | None = None, zw: Array | None = None, *, auto_pad: str = "NOTSET",
    dilations: Any = None, group: int = 1, kernel_shape: Any = None, pads: Any = None, strides: Any = None,
) -> Any:  # fmt: skip
    geometry = {"auto_pad": auto_pad, "dilations": dilations, "group": group, "pads": pads, "strides": strides}
    return _wrapped(_sums(x, w, zx, zw, geometry))


@operator("QLinearConv")
def qlinear_conv(
    x: Array, sx: Array, zx: Array, w: Array, sw: Array, zw: Array, sy: Array, zy: Array, b: Array | None = None, *,
    auto_pad: str = "NOTSET", dilations: Any = None, group: int = 1, kernel_shape: Any = None, pads: Any = None,
    strides: Any = None,
) -> Any:  # fmt: skip
    geometry = {"auto_pad": auto_pad, "dilations": dilations, "group": group, "pads": pads, "strides": strides}
    total = _sums(x, w, zx, zw, geometry)
    total = total if b is None else total + b.reshape(-1, *[1] * (x.ndim - 2))
    factor = sx.astype(np.float32) * sw.astype(np.float32) / sy.astype(np.float32)
    factor = factor.reshape(-1, *[1] * (x.ndim - 2)) if factor.size > 1 else factor.reshape(())
    return _quantized(total * factor, np.float64(1), zy, zy.dtype)
