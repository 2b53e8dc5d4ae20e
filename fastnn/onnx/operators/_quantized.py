"""Quantization to 8 bits and less, and products of quantized arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import _core
from ..._check import Array
from ..._core import ops
from ...functional._conv_precision import conv_precision
from .._tensors import dtype_of
from ._elementwise import converted
from ._table import NOTHING, Kept, operator
from ._window import conv


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


def _exact(weight: Array) -> Any:
    """Return the dtype in which sums of integers times rows of 8-bit differences are exact; weight has them by rows."""
    most = 255 * np.abs(weight).sum(1, dtype=np.float64).max(initial=0)
    return np.float32 if most < 2**24 else np.float64


class Weight:
    """Differences of 8-bit integers (k, columns), packed for exact products with rows of such differences."""

    def __init__(self, weight: Array, zero: Array | None):
        wide = weight.astype(np.float32)
        wide = wide if zero is None else wide - zero.astype(np.float32)
        self._dtype, self._columns = np.dtype(_exact(wide.T)), wide.shape[1]
        self._packed = _core.pack(wide.T.astype(self._dtype)) if wide.size else None
        self._unread = np.empty((1, 0, 0), self._dtype)  # stands for the weight, which is packed

    def __call__(self, rows: Array) -> Array:
        """Return rows (m, k) times the weight."""
        m, k = rows.shape
        y = _core.empty((1, m, self._columns), self._dtype)
        if self._packed is None or not m:
            y[...] = 0
            return y[0]
        rows = rows.astype(self._dtype, copy=False)[np.newaxis]
        ops.product(
            y, rows, self._unread, None, self._packed, None, None, 1, m, self._columns, k, 0, 0, False, -1, 0, 0
        )
        return y[0]


def _integer_product(
    kept: Kept, a: Array, za: Array | None, b: Array, zb: Array | None, places: tuple[int, int]
) -> Any:
    """Multiply integers less their zero points; `places` are those of b and zb among the node's inputs."""
    if b.ndim != 2 or a.ndim < 2 or not a.size or (zb is not None and zb.ndim > 1):
        return np.matmul(_centred(a, za, -2), _centred(b, zb, -1))
    weight = kept("b", {places[0]: b, places[1]: zb}, Weight)
    rows = _centred(a, za, -2).astype(np.float32).reshape(-1, a.shape[-1])
    return weight(rows).reshape(*a.shape[:-1], -1)


def _wrapped(total: Array) -> Array:
    return np.asarray(total, np.float64).astype(np.int64).astype(np.int32)


@operator("MatMulInteger")
def matmul_integer(
    a: Array, b: Array, za: Array | None = None, zb: Array | None = None, *, kept: Kept = NOTHING
) -> Any:
    return _wrapped(_integer_product(kept, a, za, b, zb, (1, 3)))


@operator("QLinearMatMul")
def qlinear_matmul(
    a: Array, sa: Array, za: Array, b: Array, sb: Array, zb: Array, sy: Array, zy: Array, *, kept: Kept = NOTHING
) -> Any:
    total = np.asarray(_integer_product(kept, a, za, b, zb, (3, 5)), np.float64)
    column = sa.reshape(-1, 1) if sa.size > 1 else sa.reshape(())
    factor = (
        column.astype(np.float32) * sb.reshape(-1 if sb.size > 1 else ()).astype(np.float32) / sy.astype(np.float32)
    )
    return _quantized(total * factor, np.float64(1), zy, zy.dtype)


def _kernel(w: Array, zero: Array | None) -> Array:
    """Return the differences of a convolution's integers in the dtype in which its sums are exact."""
    wide = w.astype(np.float32)
    if zero is not None:
        wide -= (zero.reshape(-1, *[1] * (w.ndim - 1)) if zero.size > 1 else zero.reshape(())).astype(np.float32)
    return wide.astype(_exact(wide.reshape(len(wide), -1)))


def _sums(x: Array, zx: Array | None, kernel: Array, geometry: dict[str, Any]) -> Array:
    """Convolve integers exactly; padding stands for the zero point and so adds nothing."""
    with conv_precision("exact"):
        return np.asarray(conv(_centred(x, zx, None).astype(kernel.dtype), kernel, **geometry), np.float64)


@operator("ConvInteger")
def conv_integer(
    x: Array, w: Array, zx: Array | None = None, zw: Array | None = None, *, auto_pad: str = "NOTSET",
    dilations: Any = None, group: int = 1, kernel_shape: Any = None, pads: Any = None, strides: Any = None,
    kept: Kept = NOTHING,
) -> Any:  # fmt: skip
    geometry = {"auto_pad": auto_pad, "dilations": dilations, "group": group, "pads": pads, "strides": strides}
    return _wrapped(_sums(x, zx, kept("w", {1: w, 3: zw}, _kernel), geometry))


@operator("QLinearConv")
def qlinear_conv(
    x: Array, sx: Array, zx: Array, w: Array, sw: Array, zw: Array, sy: Array, zy: Array, b: Array | None = None, *,
    auto_pad: str = "NOTSET", dilations: Any = None, group: int = 1, kernel_shape: Any = None, pads: Any = None,
    strides: Any = None, kept: Kept = NOTHING,
) -> Any:  # fmt: skip
    geometry = {"auto_pad": auto_pad, "dilations": dilations, "group": group, "pads": pads, "strides": strides}
    total = _sums(x, zx, kept("w", {3: w, 5: zw}, _kernel), geometry)
    total = total if b is None else total + b.reshape(-1, *[1] * (x.ndim - 2))
    factor = sx.astype(np.float32) * sw.astype(np.float32) / sy.astype(np.float32)
    factor = factor.reshape(-1, *[1] * (x.ndim - 2)) if factor.size > 1 else factor.reshape(())
    return _quantized(total * factor, np.float64(1), zy, zy.dtype)
