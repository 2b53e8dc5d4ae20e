"""Functions of single elements: arithmetic with broadcasting, comparisons, casts, activations."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ... import functional
from ..._check import Array
from .._tensors import dtype_of
from ._table import operator

HALVES = ("float16", "bfloat16")


def in_float32(function: Callable[..., Any]) -> Callable[..., Any]:
    """Extend a function to 16-bit floats: it computes in float32, and each float32 result is rounded once."""

    @functools.wraps(function)
    def wide(x: Array, *args: Any, **kwargs: Any) -> Any:
        if x.dtype.char in "fd" or x.dtype.name not in HALVES:
            return function(x, *args, **kwargs)
        others = [each.astype(np.float32) if getattr(each, "dtype", None) == x.dtype else each for each in args]
        result = function(x.astype(np.float32), *others, **kwargs)
        if isinstance(result, tuple):
            return tuple(
                each.astype(x.dtype) if each is not None and each.dtype == np.float32 else each for each in result
            )
        return result.astype(x.dtype)

    return wide


# -- of one array -----------------------------------------------------------------------------------------------------

UNARY: dict[str, Callable[..., Any]] = {
    "Abs": np.abs, "Ceil": np.ceil, "Floor": np.floor, "Neg": np.negative, "Exp": np.exp, "Log": np.log,
    "Sqrt": np.sqrt, "Sin": np.sin, "Cos": np.cos, "Tan": np.tan, "Asin": np.arcsin, "Acos": np.arccos,
    "Atan": np.arctan, "Sinh": np.sinh, "Cosh": np.cosh, "Asinh": np.arcsinh, "Acosh": np.arccosh,
    "Atanh": np.arctanh, "Round": np.rint, "Sign": np.sign, "Reciprocal": np.reciprocal,
    "BitwiseNot": np.bitwise_not,
}  # fmt: skip
KERNELS: dict[str, Callable[..., Any]] = {
    "Sigmoid": functional.sigmoid, "Tanh": functional.tanh, "Softplus": functional.softplus,
    "Softsign": functional.softsign, "Mish": functional.mish, "HardSwish": functional.hardswish,
}  # fmt: skip


def _typed(function: Callable[..., Any]) -> Callable[[Array], Any]:
    def typed(x: Array) -> Any:
        return np.asarray(function(x), x.dtype)

    return typed


for name, function in UNARY.items():
    operator(name)(_typed(function))
for name, function in KERNELS.items():
    operator(name)(in_float32(_typed(function)))


@operator("Relu")
@in_float32
def relu(x: Array) -> Any:
    return functional.relu(x) if x.dtype.kind == "f" else np.maximum(x, x.dtype.type(0))


@operator("Not")
def negated(x: Array) -> Any:
    return np.logical_not(x)


@operator("IsNaN")
def is_nan(x: Array) -> Any:
    return np.isnan(x)


@operator("Identity")
def identity(x: Array) -> Array:
    return x


@operator("Elu")
@in_float32
def elu(x: Array, *, alpha: float = 1.0) -> Any:
    return functional.elu(x, alpha)


@operator("Celu")
@in_float32
def celu(x: Array, *, alpha: float = 1.0) -> Any:
    return functional.celu(x, alpha)


@operator("Selu")
@in_float32
def selu(x: Array, *, alpha: float = 1.67326319217681884765625, gamma: float = 1.05070102214813232421875) -> Any:
    alpha, gamma = x.dtype.type(alpha), x.dtype.type(gamma)
    return gamma * functional.elu(x, float(alpha))


@operator("LeakyRelu")
@in_float32
def leaky_relu(x: Array, *, alpha: float = 0.01) -> Any:
    return functional.leaky_relu(x, alpha)


@operator("HardSigmoid")
def hard_sigmoid(x: Array, *, alpha: float = 0.2, beta: float = 0.5) -> Any:
    return np.clip(x * x.dtype.type(alpha) + x.dtype.type(beta), x.dtype.type(0), x.dtype.type(1))


@operator("ThresholdedRelu")
def thresholded_relu(x: Array, *, alpha: float = 1.0) -> Any:
    return np.where(x > x.dtype.type(alpha), x, x.dtype.type(0))


@operator("Shrink")
def shrink(x: Array, *, bias: float = 0.0, lambd: float = 0.5) -> Any:
    bias = x.dtype.type(bias)
    return np.where(x < -lambd, x + bias, np.where(x > lambd, x - bias, x.dtype.type(0)))


@operator("Gelu")
@in_float32
def gelu(x: Array, *, approximate: str = "none") -> Any:
    return functional.gelu(x, approximate)


@operator("Swish")
@in_float32
def swish(x: Array, *, alpha: float = 1.0) -> Any:
    return functional.silu(x) if alpha == 1 else x * functional.sigmoid(x.dtype.type(alpha) * x)


@operator("Erf")
@in_float32
def erf(x: Array) -> Any:
    """Solve gelu(z) = z/2 (1 + erf(z/sqrt 2)) for erf; where |x| < 0.25, this cancels: use a series, cut at 1e-9."""
    if x.dtype.kind != "f":
        return np.vectorize(math.erf)(x).astype(x.dtype)
    root = x * x.dtype.type(math.sqrt(2))
    with np.errstate(all="ignore"):
        far = np.where(root < 0, -1, 1) * (2 * functional.gelu(np.abs(root)) / np.abs(root) - 1)
    square = x * x
    near = 2 / math.sqrt(math.pi) * x * (1 + square * (-1 / 3 + square * (1 / 10 + square * (-1 / 42 + square / 216))))
    return np.where(np.abs(x) < 0.25, near, np.where(np.isinf(x), np.sign(x), far)).astype(x.dtype)


@operator("IsInf")
def is_inf(x: Array, *, detect_negative: int = 1, detect_positive: int = 1) -> Any:
    return np.isinf(x) & ((x > 0) & bool(detect_positive) | (x < 0) & bool(detect_negative))


@operator("Clip")
def clip(x: Array, low: Any = None, high: Any = None, *, min: float | None = None, max: float | None = None) -> Any:
    """Limit x to [low, high], by default its dtype's finite values; if low > high, the result is high."""
    low = low if low is not None else None if min is None else x.dtype.type(min)
    high = high if high is not None else None if max is None else x.dtype.type(max)
    if x.dtype.kind == "f":
        finite = np.finfo(x.dtype)
        low, high = finite.min if low is None else low, finite.max if high is None else high
    x = x if low is None else np.maximum(x, low)
    return x if high is None else np.minimum(x, high)


@operator("PRelu")
def prelu(x: Array, slope: Array) -> Any:
    return np.where(x < 0, x * slope, x)


@operator("Binarizer", domain="ai.onnx.ml")
def binarizer(x: Array, *, threshold: float = 0.0) -> Any:
    return (x > threshold).astype(x.dtype)


@operator("SwiGLU")
def swiglu(gate: Array, x: Array, *, alpha: float = 1.0) -> Any:
    return swish(gate, alpha=alpha) * x


# -- of two arrays ----------------------------------------------------------------------------------------------------


def _aligned(a: Array, b: Array, axis: int | None, broadcast: int) -> tuple[Array, Array]:
    """Align b's axes with those of a from `axis` on (before opset 7)."""
    if broadcast and axis is not None:
        b = b.reshape(b.shape + (1,) * (a.ndim - axis % a.ndim - b.ndim))
    return a, b


def _binary(ufunc: Callable[..., Any]) -> Callable[..., Any]:
    def calculate(a: Array, b: Array, *, axis: int | None = None, broadcast: int = 0) -> Any:
        return ufunc(*_aligned(a, b, axis, broadcast))

    return calculate


def _divide(a: Array, b: Array) -> Any:
    """Divide; integer quotients are truncated toward 0, and are 0 where b is 0."""
    if a.dtype.kind not in "iu":
        return np.divide(a, b)
    with np.errstate(divide="ignore", over="ignore"):
        quotient = np.floor_divide(a, b)
        if a.dtype.kind == "u":
            return quotient
        return quotient + ((quotient < 0) & (quotient * b != a)).astype(a.dtype)


def _power(a: Array, b: Array) -> Any:
    if a.dtype.kind in "iu":
        if b.dtype.kind in "iu" and not (b < 0).any():
            return np.power(a, b.astype(a.dtype)) if b.dtype != a.dtype else np.power(a, b)
        return np.power(a.astype(np.float64), b).astype(a.dtype)
    return np.power(a, b.astype(a.dtype))


BINARY: dict[str, Callable[..., Any]] = {
    "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": _divide, "Pow": _power, "And": np.logical_and,
    "Or": np.logical_or, "Xor": np.logical_xor, "Equal": np.equal, "Less": np.less, "Greater": np.greater,
    "LessOrEqual": np.less_equal, "GreaterOrEqual": np.greater_equal, "BitwiseAnd": np.bitwise_and,
    "BitwiseOr": np.bitwise_or, "BitwiseXor": np.bitwise_xor,
}  # fmt: skip
for name, function in BINARY.items():
    operator(name)(_binary(function))


@operator("Mod")
def mod(a: Array, b: Array, *, fmod: int = 0) -> Any:
    return np.fmod(a, b) if fmod else np.mod(a, b)


@operator("BitShift")
def bit_shift(a: Array, b: Array, *, direction: str) -> Any:
    """Shift bits; a shift by the type's width or more leaves none of them."""
    width = a.dtype.itemsize * 8
    shift = np.minimum(b, b.dtype.type(width - 1))
    shifted = np.left_shift(a, shift) if direction == "LEFT" else np.right_shift(a, shift)
    lost = shifted if direction == "RIGHT" and a.dtype.kind == "i" else a.dtype.type(0)
    return np.where(b < width, shifted, lost)


@operator("Where")
def where(condition: Array, a: Array, b: Array) -> Any:
    return np.where(condition, a, b)


# -- of any number ----------------------------------------------------------------------------------------------------


@operator("Sum")
def total(*arrays: Array) -> Any:
    return functools.reduce(np.add, arrays)


@operator("Mean")
def mean(*arrays: Array) -> Any:
    return functools.reduce(np.add, arrays) / arrays[0].dtype.type(len(arrays))


@operator("Max")
def maximum(*arrays: Array) -> Any:
    return functools.reduce(np.maximum, arrays)


@operator("Min")
def minimum(*arrays: Array) -> Any:
    return functools.reduce(np.minimum, arrays)


# -- types ------------------------------------------------------------------------------------------------------------

SATURATING = {"float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz"}


@operator("Cast")
def cast(x: Array, *, to: int, saturate: int = 1, round_mode: str = "up") -> Any:
    return converted(x, dtype_of(to), bool(saturate), round_mode)


@operator("CastLike")
def cast_like(x: Array, like: Array, *, saturate: int = 1, round_mode: str = "up") -> Any:
    return converted(x, like.dtype, bool(saturate), round_mode)


def converted(x: Array, dtype: np.dtype[Any], saturate: bool = True, round_mode: str = "up") -> Any:
    """Convert x: floats are truncated toward 0 for integers; on overflow, 8-bit floats saturate if `saturate`."""
    if dtype.kind == "O" or x.dtype.kind == "O":
        raise NotImplementedError("casts to and from texts are not here")
    if dtype.name == "float8_e8m0fnu":
        return _power_of_two(x, bool(saturate), round_mode)
    if dtype.name in SATURATING:
        return _to_float8(x.astype(np.float32), dtype, saturate)
    if dtype.name == "float4_e2m1fn":
        return np.clip(x.astype(np.float32), -6, 6).astype(dtype)
    if dtype.name in ("int4", "uint4", "int2", "uint2"):
        bits, signed = int(dtype.name[-1]), dtype.name.startswith("int")
        whole = x.astype(np.int64 if x.dtype.kind in "iu" else np.float64).astype(np.int64) & (2**bits - 1)
        return (whole - (whole >> bits - 1 << bits) if signed else whole).astype(dtype)
    with np.errstate(invalid="ignore", over="ignore"):
        if dtype.kind in "iu" and x.dtype.kind not in "iufb":
            x = x.astype(np.float32)
        return x.astype(dtype)


def _to_float8(x: Array, dtype: np.dtype[Any], saturate: bool) -> Any:
    import ml_dtypes

    types: Any = ml_dtypes  # the module has no type annotations
    largest = np.float32(types.finfo(dtype).max)
    with np.errstate(over="ignore", invalid="ignore"):
        result = x.astype(dtype)
        if not saturate:
            return result
        return np.where(np.abs(x) > largest, np.copysign(largest, x).astype(dtype), result)


def _power_of_two(x: Array, saturate: bool, round_mode: str) -> Any:
    """Convert to float8_e8m0, an exponent alone: round |x| up, down or to the nearest power of two."""
    values = np.abs(x.astype(np.float32)).view(np.uint32)
    exponent = (values >> 23).astype(np.int64)
    fraction = values & 0x7FFFFF
    if round_mode == "up":
        exponent += fraction > 0
    elif round_mode == "nearest":
        exponent += fraction >= 0x400000
    special = np.isnan(x.astype(np.float32))
    exponent = np.where(exponent > 254, 254 if saturate else 255, exponent)
    exponent = np.where(special, 255, np.where(np.isinf(x.astype(np.float32)), 254 if saturate else 255, exponent))
    import ml_dtypes

    return exponent.astype(np.uint8).view(ml_dtypes.float8_e8m0fnu)


@operator("BitCast")
def bit_cast(x: Array, *, to: int) -> Any:
    dtype = dtype_of(to)
    if dtype.itemsize != x.dtype.itemsize:
        raise ValueError(f"{x.dtype} and {dtype} have numbers of different sizes")
    return np.ascontiguousarray(x).view(dtype).reshape(x.shape)
