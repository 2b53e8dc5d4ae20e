"""The tape's derivatives of NumPy's sums, means, extremes and statistics.

Sums, counts and divisors are kept in at least float32: float16 ends at 65504, and cannot
count beyond 2048.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .._check import Array
from .._dispatch import derivative
from ._registry import quotient


def _axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """The reduced dimensions; NumPy reduces a 0-d array along axis 0 too."""
    if axis is None or ndim == 0:
        return tuple(range(ndim))
    return tuple(int(i) % ndim for i in (axis if isinstance(axis, tuple) else (axis,)))


def _count(axis: Any, shape: tuple[int, ...]) -> int:
    """The number of elements of each result."""
    return math.prod(shape[i] for i in _axes(axis, len(shape)))


def _kept(dy: Array, axis: Any, shape: tuple[int, ...]) -> Array:
    """A reduction's dy, with size 1 in the reduced dimensions."""
    axes = _axes(axis, len(shape))
    return dy.reshape([1 if i in axes else size for i, size in enumerate(shape)])


def _spread(dy: Array, axis: Any, shape: tuple[int, ...]) -> Array:
    """A reduction's dy, repeated along the reduced dimensions."""
    return np.broadcast_to(_kept(dy, axis, shape), shape).copy()


@derivative(np.sum, "a")
def _sum(wanted: tuple[bool], a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    if a.dtype.char == "e":
        y = np.sum(a, axis=axis, dtype=np.float32, keepdims=keepdims).astype(a.dtype)
    else:
        y = np.sum(a, axis=axis, keepdims=keepdims)
    shape = a.shape
    return y, lambda dy: (_spread(dy, axis, shape),)


@derivative(np.mean, "a")
def _mean(wanted: tuple[bool], a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    shape = a.shape
    count = np.float64(max(_count(axis, shape), 1))

    def backward(dy: Array) -> tuple[Array]:
        return (_spread((dy / count).astype(dy.dtype), axis, shape),)

    return np.mean(a, axis=axis, keepdims=keepdims), backward


def _extreme(function: Callable[..., Any]) -> None:
    @derivative(function, "a")
    def run(wanted: tuple[bool], a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
        y = function(a, axis=axis, keepdims=keepdims)

        def backward(dy: Array) -> tuple[Array]:
            top = _kept(y, axis, a.shape)
            hit = (a == top) | ((a != a) & (top != top))
            share = _kept(dy, axis, a.shape) / hit.sum(axis=axis, keepdims=True)
            return (np.where(hit, share.astype(dy.dtype), dy.dtype.type(0)),)

        return y, backward


for _function in (np.max, np.amax, np.min, np.amin):
    _extreme(_function)


def wide(x: Array) -> np.dtype[Any]:
    """The dtype that statistics are computed in."""
    return np.result_type(x.dtype, np.float32)


def _centred(x: Array, axis: Any) -> Array:
    """x minus its mean, taken of the differences from the first value: exactly 0 where all values are equal."""
    axes = _axes(axis, x.ndim)
    first = x[tuple(slice(0, 1) if i in axes else slice(None) for i in range(x.ndim))]
    apart = x.astype(wide(x), copy=False) - first
    return apart - apart.mean(axis=axes, keepdims=True)


def _variance_gradient(dy: Array, x: Array, axis: Any, ddof: float) -> Array:
    """The gradient of a variance: 2 (x - mean) / (n - ddof) dy; NaN or an infinity where n <= ddof."""
    if not x.size:
        return np.zeros_like(x)
    centred = _centred(x, axis)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.divide(2.0, max(_count(axis, x.shape) - ddof, 0))
        return _kept(dy.astype(centred.dtype) * centred.dtype.type(scale), axis, x.shape) * centred


@derivative(np.var, "a")
def _var(wanted: tuple[bool], a: Any, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> Any:
    y = np.var(a, axis=axis, dtype=wide(a), ddof=ddof, keepdims=keepdims)
    return y.astype(a.dtype, copy=False), lambda dy: (_variance_gradient(dy, a, axis, ddof),)


@derivative(np.std, "a")
def _std(wanted: tuple[bool], a: Any, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> Any:
    y = np.asarray(np.std(a, axis=axis, dtype=wide(a), ddof=ddof, keepdims=keepdims))

    def backward(dy: Array) -> tuple[Array]:
        return (_variance_gradient(quotient(dy, 2 * y), a, axis, ddof),)  # 0 for equal values

    return y.astype(a.dtype, copy=False), backward
