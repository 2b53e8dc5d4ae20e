"""Argument checks, and every error text.

All of them run before anything changes.  A text names the function, what was expected and what came.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeAlias, TypeVar

import numpy as np

from . import _core, _dispatch

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
_Result = TypeVar("_Result")

FLOATS = (np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64))


CONSTANTS: dict[tuple[float, int], Array] = {}  # of `constant`


def constant(value: float, n: int) -> Array:
    """A read-only vector of float64 that holds one value; the next call may return the same one."""
    found = CONSTANTS.get((value, n))
    if found is None:
        found = np.full(n, value)
        found.flags.writeable = False
        if len(CONSTANTS) >= 64:
            oldest, *_ = list(CONSTANTS)  # in one step, since other threads may enter theirs meanwhile
            CONSTANTS.pop(oldest, None)
        CONSTANTS[value, n] = found
    return found


def is_masked(value: Any) -> bool:
    """Whether it is an array with a mask; there is none as long as nobody has imported them."""
    return "numpy.ma" in sys.modules and isinstance(value, np.ma.MaskedArray)


def as_array(name: str, value: Any, argument: str = "input") -> Array:
    """`value` as an array of its own dtype; a mask, which would be lost, is refused."""
    if type(value) is not np.ndarray and is_masked(value):
        raise TypeError(f"{name}: expected {argument} without a mask, got a masked array")
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ValueError(
            f"{name}: expected {argument} to have one shape, got nested lists of unequal lengths"
        ) from error
    except (TypeError, RuntimeError) as error:  # another library's array that NumPy cannot read
        kind = f"{type(value).__module__}.{type(value).__name__}"
        raise TypeError(f"{name}: expected {argument} to be array_like, got {kind}: {error}") from error


def as_float(name: str, value: Any, argument: str = "input") -> Array:
    """`value` as a float16, float32 or float64 array; integers and booleans become float64, as NumPy has it."""
    if type(value) is not np.ndarray:
        _dispatch.refuse_tracked(name, argument, value)
    array = as_array(name, value, argument)
    if array.dtype.kind in "biu":
        return array.astype(np.float64)
    if array.dtype.kind != "f" or array.dtype.itemsize > 8:
        raise TypeError(f"{name}: expected {argument} of real numbers up to float64, got {_kind(value, array)}")
    return array


def _kind(value: Any, array: Array) -> str:
    """The type of a value that is no array of real numbers, for a message, and how to make it one."""
    if array.dtype.kind == "O" and array.ndim == 0:  # nothing that NumPy knows
        dense = "; give its .toarray()" if hasattr(value, "toarray") else ""
        return f"{type(value).__name__}{dense}"
    advice = {"c": "; give its .real or .imag", "f": "; give its .astype(np.float64)"}.get(array.dtype.kind, "")
    return f"dtype {array.dtype}{advice}"


def compute_array(array: Array) -> Array:
    """A native, aligned array of the type that kernels compute in; float16 is computed in float32."""
    dtype = np.float32 if array.dtype.itemsize == 2 else array.dtype.newbyteorder("=")
    if array.dtype != dtype or not array.dtype.isnative or not array.flags.aligned:
        return array.astype(dtype)
    return array


def is_ready(value: Any) -> bool:
    """Whether kernels compute with it as it is."""
    return type(value) is np.ndarray and value.dtype.char in "fd" and value.dtype.isnative and value.flags.aligned


def contiguous(array: Array, dtype: Any = None) -> Array:
    """The array in C order and aligned, which NumPy's function of this name does not see to."""
    if array.flags.carray and array.dtype is dtype:
        return array
    result = np.ascontiguousarray(array, dtype)
    return result if result.flags.aligned else result.copy()


def as_compute(name: str, value: Any, argument: str = "input") -> tuple[Array, np.dtype[Any]]:
    """The array to compute with, and the dtype of the result."""
    if is_ready(value):
        return value, value.dtype
    array = as_float(name, value, argument)
    return compute_array(array), array.dtype.newbyteorder("=")


def as_vector(name: str, value: Any, argument: str, size: int, dtype: Any) -> Array | None:
    """None, or a contiguous vector of `size` values."""
    if value is None:
        return None
    array = as_float(name, value, argument)
    if array.shape != (size,):
        raise ValueError(f"{name}: expected {argument} of shape ({size},), got {array.shape}")
    return contiguous(array, dtype)


def real(name: str, argument: str, value: Any) -> float:
    """A real number as a float."""
    if type(value) is float:
        return value
    _dispatch.refuse_tracked(name, argument, value)
    array = np.asarray(value)
    if array.ndim or array.dtype.kind not in "biufO" or is_masked(value):
        raise TypeError(f"{name}: expected {argument} to be a real number, got {type(value).__name__}")
    try:
        return float(value)
    except TypeError:
        raise TypeError(f"{name}: expected {argument} to be a real number, got {type(value).__name__}") from None
    except OverflowError:
        raise ValueError(f"{name}: expected {argument} in the range of float64, got a larger number") from None


def finite(name: str, argument: str, value: Any) -> float:
    """A real number that is neither NaN nor infinite."""
    number = real(name, argument, value)
    if not math.isfinite(number):
        raise ValueError(f"{name}: expected {argument} to be finite, got {number:g}")
    return number


def in_range(
    name: str, argument: str, value: Any, low: float, high: float = math.inf, *, open_high: bool = False
) -> float:
    """A real number of [low, high], or of [low, high) if open_high."""
    number = real(name, argument, value)
    if not (low <= number <= high) or (open_high and number == high):
        bracket = ")" if open_high or high == math.inf else "]"
        raise ValueError(f"{name}: expected {argument} in [{low:g}, {high:g}{bracket}, got {number:g}")
    return number


def count(name: str, argument: str, value: Any, low: int = 0, high: int | None = None) -> int:
    """An integer of at least `low` and at most `high`."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name}: expected {argument} to be an integer, got {type(value).__name__}")
    if value < low:
        raise ValueError(f"{name}: expected {argument} of at least {low}, got {value}")
    if high is not None and value > high:
        raise ValueError(f"{name}: expected {argument} of at most {high}, got {value}")
    return int(value)


def _is_exact(value: Any) -> bool:
    """Whether a cache may have it as a key.  (1,) may not stand for (True,): they are equal, but True is no size."""
    kind = type(value)
    return kind in (int, str, bool, float, type(None)) or (kind is tuple and all(type(each) is int for each in value))


def kept(function: Callable[..., _Result]) -> Callable[..., _Result]:
    """A function of numbers, names and shapes whose latest results are kept: checks are the time of a small call."""
    known = lru_cache(256, typed=True)(function)

    def call(*arguments: Any) -> _Result:
        return (known if all(map(_is_exact, arguments)) else function)(*arguments)

    return call


def sizes(name: str, argument: str, value: Any) -> tuple[int, ...]:
    """A shape: an integer, or a tuple or list of them, none negative."""
    values = value if isinstance(value, (tuple, list)) else (value,)
    return tuple(count(name, f"each size of {argument}", each) for each in values)


def normalized_shape(name: str, value: Any) -> tuple[int, ...]:
    """The sizes of the last dimensions, which a norm goes over: at least one."""
    shape = sizes(name, "normalized_shape", value)
    if not shape:
        raise ValueError(f"{name}: expected normalized_shape of at least one dimension, got ()")
    return shape


def choice(name: str, argument: str, value: Any, options: Sequence[str]) -> str:
    """One of the options."""
    if not isinstance(value, str) or value not in options:
        raise ValueError(f"{name}: expected {argument} to be one of {', '.join(map(repr, options))}, got {value!r}")
    return str(value)


def float_dtype(name: str, dtype: Any) -> np.dtype[Any]:
    """A layer's dtype: float32 (also for None) or float64."""
    if dtype is None:
        return np.dtype(np.float32)
    try:
        known = np.dtype(dtype)
    except TypeError:
        known = None
    if known is not None and known in FLOATS[1:]:
        return known
    raise TypeError(f"{name}: expected dtype float32 or float64, got {dtype!r}")


def axis(name: str, dim: Any, ndim: int) -> int:
    """A dimension's index, not negative; a 0-d array counts as one dimension of one element, as in PyTorch."""
    if isinstance(dim, (bool, np.bool_)) or not isinstance(dim, (int, np.integer)):
        raise TypeError(f"{name}: expected dim to be an integer, got {type(dim).__name__}")
    size = max(ndim, 1)
    if not -size <= dim < size:
        raise IndexError(f"{name}: expected dim in [{-size}, {size - 1}], got {dim}")
    return int(dim) % size


def flattened(name: str, shape: tuple[int, ...], start_dim: Any, end_dim: Any) -> tuple[int, ...]:
    """The shape with dimensions start_dim to end_dim joined into one."""
    first, last = (axis(name, dim, len(shape)) for dim in (start_dim, end_dim))
    if first > last:
        raise ValueError(f"{name}: expected start_dim before end_dim, got {start_dim} and {end_dim}")
    return (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :])


def differ_by_ones(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """Whether two shapes are of the same values in the same order: they differ in dimensions of size 1 alone."""
    return a != b and [size for size in a if size != 1] == [size for size in b if size != 1]


def same_shape(name: str, first: str, a: Array, second: str, b: Array) -> None:
    """Two arrays of one shape."""
    if a.shape != b.shape:
        advice = f"; give {second}.reshape{a.shape}" if differ_by_ones(a.shape, b.shape) else ""
        raise ValueError(f"{name}: expected {second} of {first}'s shape {a.shape}, got {b.shape}{advice}")


def check_out(name: str, out: Any, shape: tuple[int, ...], dtype: Any) -> None:
    """`out` is None or a writeable array of this shape and dtype."""
    if out is None:
        return
    as_array(name, out, "out")
    if not isinstance(out, np.ndarray):
        raise TypeError(f"{name}: expected out to be an array, got {type(out).__name__}")
    if out.shape != shape:
        raise ValueError(f"{name}: expected out of shape {shape}, got {out.shape}")
    if out.dtype != dtype:
        raise TypeError(f"{name}: expected out of dtype {dtype}, got {out.dtype}")
    if not out.flags.writeable:
        raise ValueError(f"{name}: out is read-only")


def dense_order(*arrays: Array) -> list[int] | None:
    """The order of dimensions in which all arrays fill one block of memory each, if there is one."""
    if all(each.flags.c_contiguous for each in arrays):
        return list(range(arrays[0].ndim))
    order = sorted(range(arrays[0].ndim), key=lambda i: -abs(arrays[0].strides[i]))
    return order if all(each.transpose(order).flags.c_contiguous for each in arrays) else None


def laid_out_as(like: Array, array: Array) -> Array:
    """The array itself if it lies in memory as `like` does, else a copy that does."""
    fits = array.shape == like.shape and array.strides == like.strides and array.dtype == like.dtype
    if fits and array.flags.aligned:
        return array
    copy = np.empty_like(like)
    copy[...] = array
    return copy


def target_for(out: Array | None, shape: tuple[int, ...], dtype: Any, *inputs: Array | None) -> Array:
    """Memory for a C-contiguous result: `out` if it is C-contiguous and apart from the inputs, else new."""
    if (
        out is not None
        and out.dtype == dtype
        and out.dtype.isnative
        and out.flags.carray
        and not any(each is not None and np.may_share_memory(out, each) for each in inputs)
    ):
        return out
    return _core.empty(shape, dtype)


def new(name: str, shape: tuple[int, ...], dtype: Any) -> Array:
    """Memory for a result, of a size that a caller may have asked for."""
    try:
        return _core.empty(shape, np.dtype(dtype))
    except (MemoryError, OverflowError, ValueError) as error:
        raise MemoryError(f"{name}: no memory for an array of shape {shape}") from error


def finish(result: Array, dtype: Any, out: Array | None) -> Array:
    """The result in its dtype, rounded once, in `out` if given; else, without dimensions, a scalar as from NumPy."""
    if out is result or (out is None and result.ndim and result.dtype is dtype):
        return result
    with np.errstate(all="ignore"):  # what is too large for float16 becomes inf in silence
        if out is None:
            result = result.astype(dtype, copy=False)
            return result if result.ndim else result[()]
        out[...] = result
    return out
