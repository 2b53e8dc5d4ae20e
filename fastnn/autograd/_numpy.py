"""The tape's derivatives of NumPy's functions.

A ufunc has one rule for each argument, a function of dy, the result y and the arguments.  Another function has its
recorded version, which computes the result and says what goes back to whom.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .._check import Array
from .._core import make, value_of
from ._registry import UFUNCS, UNDIFFERENTIATED, recorded, unbroadcast

# -- ufuncs -----------------------------------------------------------------------------------------------------------


def _shared(dy: Array, y: Array, chosen: Array, other: Array) -> Array:
    """Gradient of a maximum or minimum: all of it to the one chosen, half where both are equal."""
    return np.where(chosen == other, dy / 2, np.where((chosen == y) | (chosen != chosen), dy, 0))


def _power_exponent(dy: Array, y: Array, a: Array, b: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.where((a == 0) & (b >= 0), 0, dy * y * np.log(a))


def _matmul_left(dy: Array, y: Array, a: Array, b: Array) -> Array:
    if b.ndim == 1:
        return np.multiply.outer(dy, b) if a.ndim > 1 else dy * b
    if a.ndim == 1:
        dy = np.expand_dims(dy, -2)
        return (dy @ b.swapaxes(-1, -2)).reshape(-1, len(a)).sum(0)
    return dy @ b.swapaxes(-1, -2)


def _matmul_right(dy: Array, y: Array, a: Array, b: Array) -> Array:
    if a.ndim == 1:
        return (
            np.multiply.outer(a, dy) if b.ndim == 2 else dy * a if b.ndim == 1 else a[:, None] * np.expand_dims(dy, -2)
        )
    if b.ndim == 1:
        return (a.swapaxes(-1, -2) @ np.expand_dims(dy, -1)).reshape(-1, len(b)).sum(0)
    return a.swapaxes(-1, -2) @ dy


UFUNCS.update(
    {
        np.add: (lambda dy, y, a, b: dy, lambda dy, y, a, b: dy),
        np.subtract: (lambda dy, y, a, b: dy, lambda dy, y, a, b: -dy),
        np.multiply: (lambda dy, y, a, b: dy * b, lambda dy, y, a, b: dy * a),
        np.divide: (lambda dy, y, a, b: dy / b, lambda dy, y, a, b: -dy * y / b),
        np.power: (lambda dy, y, a, b: dy * b * np.power(a, np.where(b == 0, 1, b - 1)), _power_exponent),
        np.matmul: (_matmul_left, _matmul_right),
        np.maximum: (lambda dy, y, a, b: _shared(dy, y, a, b), lambda dy, y, a, b: _shared(dy, y, b, a)),
        np.minimum: (lambda dy, y, a, b: _shared(dy, y, a, b), lambda dy, y, a, b: _shared(dy, y, b, a)),
        np.negative: (lambda dy, y, x: -dy,),
        np.positive: (lambda dy, y, x: dy,),
        np.absolute: (lambda dy, y, x: dy * np.sign(x),),
        np.exp: (lambda dy, y, x: dy * y,),
        np.expm1: (lambda dy, y, x: dy * (y + 1),),
        np.exp2: (lambda dy, y, x: dy * y * x.dtype.type(np.log(2)),),
        np.log: (lambda dy, y, x: dy / x,),
        np.log2: (lambda dy, y, x: dy / (x * x.dtype.type(np.log(2))),),
        np.log10: (lambda dy, y, x: dy / (x * x.dtype.type(np.log(10))),),
        np.log1p: (lambda dy, y, x: dy / (x + 1),),
        np.sqrt: (lambda dy, y, x: dy / (2 * y),),
        np.square: (lambda dy, y, x: dy * (2 * x),),
        np.reciprocal: (lambda dy, y, x: -dy * y * y,),
        np.sin: (lambda dy, y, x: dy * np.cos(x),),
        np.cos: (lambda dy, y, x: -dy * np.sin(x),),
        np.tan: (lambda dy, y, x: dy * (1 + y * y),),
        np.arctan: (lambda dy, y, x: dy / (1 + x * x),),
        np.sinh: (lambda dy, y, x: dy * np.cosh(x),),
        np.cosh: (lambda dy, y, x: dy * np.sinh(x),),
        np.tanh: (lambda dy, y, x: dy * (1 - y * y),),
    }
)

UNDIFFERENTIATED.update(
    {
        np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal, np.isnan, np.isinf, np.isfinite,
        np.logical_and, np.logical_or, np.logical_not, np.logical_xor, np.signbit,
        np.argmax, np.argmin, np.argsort, np.count_nonzero, np.any, np.all, np.shape, np.ndim, np.size, np.array_equal,
        np.allclose, np.isclose, np.nonzero, np.searchsorted, np.array2string, np.array_repr, np.array_str,
        np.zeros_like, np.ones_like, np.empty_like, np.full_like, np.result_type, np.shares_memory, np.may_share_memory,
    }
)  # fmt: skip

# -- NumPy's other functions ------------------------------------------------------------------------------------------


def _axes(axis: Any, ndim: int) -> tuple[int, ...]:
    return tuple(range(ndim)) if axis is None else tuple(i % ndim for i in np.atleast_1d(axis))


def _spread(dy: Array, axis: Any, shape: tuple[int, ...]) -> Array:
    """A reduction's dy, repeated along the reduced dimensions."""
    kept = tuple(1 if i in _axes(axis, len(shape)) else size for i, size in enumerate(shape))
    return np.broadcast_to(dy.reshape(kept), shape).copy()


@recorded(np.sum, a=0)
def _sum(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    x = a.data
    return make(np.sum(x, axis=axis, keepdims=keepdims), (a,), lambda dy: (_spread(dy, axis, x.shape),))


@recorded(np.mean, a=0)
def _mean(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    x = a.data
    y = np.mean(x, axis=axis, keepdims=keepdims)
    share = x.size // max(np.size(y), 1)
    return make(y, (a,), lambda dy: (_spread(dy / dy.dtype.type(share), axis, x.shape),))


def _extreme(function: Callable[..., Any]) -> None:
    @recorded(function, a=0)
    def version(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
        x = a.data
        y = function(x, axis=axis, keepdims=keepdims)

        def backward(dy: Array) -> tuple[Array]:
            top = _spread(np.asarray(y), axis, x.shape)
            hit = (x == top) | ((x != x) & (top != top))
            return (_spread(dy, axis, x.shape) * hit / hit.sum(axis=axis, keepdims=True),)

        return make(y, (a,), backward)


_extreme(np.max)
_extreme(np.min)


@recorded(np.var, a=0)
def _var(a: Any, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> Any:
    x = a.data
    y = np.var(x, axis=axis, ddof=ddof, keepdims=keepdims)
    count = x.size / max(np.size(y), 1) - ddof
    centred = x - x.mean(axis=axis, keepdims=True)
    return make(y, (a,), lambda dy: (_spread(dy, axis, x.shape) * centred * x.dtype.type(2 / count),))


@recorded(np.std, a=0)
def _std(a: Any, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> Any:
    return np.sqrt(np.var(a, axis=axis, ddof=ddof, keepdims=keepdims))


def _rearrangement(function: Callable[..., Any]) -> None:
    """A function that only moves values about: its gradient moves them back."""

    @recorded(function, a=0)
    def version(a: Any, *args: Any, **kwargs: Any) -> Any:
        x = a.data
        places = None

        def backward(dy: Array) -> tuple[Array]:
            nonlocal places
            if places is None:
                places = function(np.arange(x.size).reshape(x.shape), *args, **kwargs)
            dx = np.empty(x.size, dy.dtype)
            dx[places.reshape(-1)] = dy.reshape(-1)
            return (dx.reshape(x.shape),)

        return make(function(x, *args, **kwargs), (a,), backward)


_rearrangement(np.moveaxis)
_rearrangement(np.swapaxes)
_rearrangement(np.flip)
_rearrangement(np.roll)


def _reshaping(function: Callable[..., Any]) -> None:
    """A function that keeps the values' order: its gradient takes the old shape again."""

    @recorded(function, a=0)
    def version(a: Any, *args: Any, **kwargs: Any) -> Any:
        shape = a.data.shape
        return make(function(a.data, *args, **kwargs), (a,), lambda dy: (dy.reshape(shape),))


_reshaping(np.reshape)
_reshaping(np.ravel)
_reshaping(np.squeeze)
_reshaping(np.expand_dims)


@recorded(np.transpose, a=0)
def _transpose(a: Any, axes: Any = None) -> Any:
    inverse = None if axes is None else np.argsort([i % a.ndim for i in axes])
    return make(np.transpose(a.data, axes), (a,), lambda dy: (np.transpose(dy, inverse),))


@recorded(np.broadcast_to, array=0)
def _broadcast_to(array: Any, shape: Any) -> Any:
    before = array.data.shape
    return make(np.broadcast_to(array.data, shape), (array,), lambda dy: (unbroadcast(dy, before),))


@recorded(np.concatenate, arrays=0)
def _concatenate(arrays: Sequence[Any], axis: int | None = 0) -> Any:
    if axis is None:
        return np.concatenate([np.ravel(each) for each in arrays])
    values = [np.asarray(value_of(each)) for each in arrays]
    edges = np.cumsum([value.shape[axis] for value in values])[:-1]
    return make(np.concatenate(values, axis), tuple(arrays), lambda dy: np.split(dy, edges, axis))


@recorded(np.stack, arrays=0)
def _stack(arrays: Sequence[Any], axis: int = 0) -> Any:
    values = [value_of(each) for each in arrays]
    return make(np.stack(values, axis), tuple(arrays), lambda dy: list(np.moveaxis(dy, axis, 0)))


@recorded(np.where, x=1, y=2)
def _where(condition: Any, x: Any, y: Any) -> Any:
    mask, a, b = np.array(condition), value_of(x), value_of(y)  # a copy: it may change before the backward pass

    def backward(dy: Array) -> tuple[Array | None, ...]:
        zero = dy.dtype.type(0)
        return (
            None,
            unbroadcast(np.where(mask, dy, zero), np.shape(a)),
            unbroadcast(np.where(mask, zero, dy), np.shape(b)),
        )

    return make(np.where(mask, a, b), (None, x, y), backward)


@recorded(np.clip, a=0)
def _clip(a: Any, a_min: Any = None, a_max: Any = None) -> Any:
    x = a.data
    y = np.clip(x, a_min, a_max)
    return make(y, (a,), lambda dy: (np.where(x == y, dy, dy.dtype.type(0)),))
