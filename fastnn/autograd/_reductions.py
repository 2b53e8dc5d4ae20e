"""The tape's derivatives of NumPy's sums, means, extremes and statistics.

Sums, counts and divisors are kept in at least float32: float16 ends at 65504, fewer than the elements of many arrays,
and cannot count beyond 2048.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .._check import Array
from .._core import make
from ._registry import recorded


def _axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """The reduced dimensions; NumPy lets a 0-d array be reduced along axis 0 too."""
    if axis is None or ndim == 0:
        return tuple(range(ndim))
    return tuple(int(i) % ndim for i in (axis if isinstance(axis, tuple) else (axis,)))


def _count(axis: Any, shape: tuple[int, ...]) -> int:
    """How many elements make one result."""
    return math.prod(shape[i] for i in _axes(axis, len(shape)))


def _kept(dy: Array, axis: Any, shape: tuple[int, ...]) -> Array:
    """A reduction's dy with the reduced dimensions, of size 1."""
    axes = _axes(axis, len(shape))
    return dy.reshape([1 if i in axes else size for i, size in enumerate(shape)])


def _spread(dy: Array, axis: Any, shape: tuple[int, ...]) -> Array:
    """A reduction's dy, repeated along the reduced dimensions."""
    return np.broadcast_to(_kept(dy, axis, shape), shape).copy()


@recorded(np.sum, a=0)
def _sum(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    x = a.data
    if x.dtype.char == "e":
        y = np.sum(x, axis=axis, dtype=np.float32, keepdims=keepdims).astype(x.dtype)
    else:
        y = np.sum(x, axis=axis, keepdims=keepdims)
    return make(y, (a,), lambda dy: (_spread(dy, axis, x.shape),))


@recorded(np.mean, a=0)
def _mean(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    x = a.data
    count = np.float64(max(_count(axis, x.shape), 1))

    def backward(dy: Array) -> tuple[Array]:
        return (_spread((dy / count).astype(dy.dtype), axis, x.shape),)

    return make(np.mean(x, axis=axis, keepdims=keepdims), (a,), backward)


def _extreme(function: Callable[..., Any]) -> None:
    @recorded(function, a=0)
    def version(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
        x = a.data
        y = function(x, axis=axis, keepdims=keepdims)

        def backward(dy: Array) -> tuple[Array]:
            top = _kept(y, axis, x.shape)
            hit = (x == top) | ((x != x) & (top != top))
            share = _kept(dy, axis, x.shape) / hit.sum(axis=axis, keepdims=True)
            return (np.where(hit, share.astype(dy.dtype), dy.dtype.type(0)),)

        return make(y, (a,), backward)


for _function in (np.max, np.amax, np.min, np.amin):
    _extreme(_function)


def _wide(x: Array) -> np.dtype[Any]:
    """The dtype that statistics are computed in."""
    return np.result_type(x.dtype, np.float32)


def _centred(x: Array, axis: Any) -> Array:
    """x minus its mean, exactly 0 where all values are equal: the mean is that of the differences from the first."""
    axes = _axes(axis, x.ndim)
    first = x[tuple(slice(0, 1) if i in axes else slice(None) for i in range(x.ndim))]
    apart = x.astype(_wide(x), copy=False) - first
    return apart - apart.mean(axis=axes, keepdims=True)


def _variance_gradient(dy: Array, x: Array, axis: Any, ddof: float) -> Array:
    """Of a variance: 2 (x - mean) / (n - ddof) dy; NaN or an infinity where n <= ddof leaves nothing to divide by."""
    if not x.size:
        return np.zeros_like(x)
    centred = _centred(x, axis)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.divide(2.0, max(_count(axis, x.shape) - ddof, 0))
        return _kept(dy.astype(centred.dtype) * centred.dtype.type(scale), axis, x.shape) * centred


@recorded(np.var, a=0)
def _var(a: Any, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> Any:
    x = a.data
    y = np.var(x, axis=axis, dtype=_wide(x), ddof=ddof, keepdims=keepdims)
    return make(y.astype(x.dtype, copy=False), (a,), lambda dy: (_variance_gradient(dy, x, axis, ddof),))


@recorded(np.std, a=0)
def _std(a: Any, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> Any:
    x = a.data
    y = np.asarray(np.std(x, axis=axis, dtype=_wide(x), ddof=ddof, keepdims=keepdims))

    def backward(dy: Array) -> tuple[Array]:
        of_variance = np.divide(dy, 2 * y, out=np.zeros_like(y), where=y != 0)  # 0 for equal values
        return (_variance_gradient(of_variance, x, axis, ddof),)

    return make(y.astype(x.dtype, copy=False), (a,), backward)
