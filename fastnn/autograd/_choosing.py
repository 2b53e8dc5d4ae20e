"""The tape's derivatives of NumPy's functions that choose, repeat, sort, join and accumulate elements.

A function that only moves elements is also applied to the elements' numbers, which shows where each result came from.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .._check import Array
from .._dispatch import derivative
from ._indexing import index_gradient
from ._reductions import wide
from ._registry import quotient


def _numbers(shape: tuple[int, ...], first: int = 0) -> Array:
    return np.arange(first, first + math.prod(shape)).reshape(shape)


def _added(dy: Array, came_from: Array, shape: tuple[int, ...]) -> Array:
    """Zeros, with each element of dy added to the element whose number is in `came_from`."""
    index = (came_from.reshape(-1),)
    return index_gradient(dy.reshape(-1), index, True, (math.prod(shape),), dy.dtype).reshape(shape)


def _choosing(function: Callable[..., Any], argument: str) -> None:
    """Declare a function whose result holds elements of its argument, each any number of times."""

    @derivative(function, argument)
    def run(wanted: tuple[bool], x: Any, *where: Any, **named: Any) -> Any:
        shape = x.shape
        came_from = function(_numbers(shape), *where, **named)
        return function(x, *where, **named), lambda dy: (_added(dy, came_from, shape),)


_choosing(np.repeat, "a")
_choosing(np.tile, "A")
_choosing(np.take, "a")
_choosing(np.take_along_axis, "arr")
_choosing(np.diagonal, "a")
_choosing(np.rot90, "m")
_choosing(np.fliplr, "m")
_choosing(np.flipud, "m")


def _joining(function: Callable[..., Any]) -> None:
    """Declare a function whose result holds each element of several arrays once."""

    @derivative(function, "arrays")
    def run(wanted: tuple[bool, ...], arrays: Sequence[Any]) -> Any:
        shapes = [np.shape(each) for each in arrays]
        ends = np.cumsum([math.prod(shape) for shape in shapes]).tolist()
        came_from = function([_numbers(shape, first) for shape, first in zip(shapes, [0, *ends], strict=False)])

        def backward(dy: Array) -> list[Array]:
            dx = np.empty(dy.size, dy.dtype)
            dx[came_from.reshape(-1)] = dy.reshape(-1)
            return [part.reshape(shape) for part, shape in zip(np.split(dx, ends[:-1]), shapes, strict=True)]

        return function(arrays), backward


for _joiner in (np.hstack, np.vstack, np.dstack, np.column_stack):
    _joining(_joiner)


@derivative(np.sort, "a")
def _sort(wanted: tuple[bool], a: Any, axis: int | None = -1) -> Any:
    """Equal elements keep their order."""
    shape = a.shape
    x, along = (a.reshape(-1), 0) if axis is None else (a, axis)
    order = np.argsort(x, along, kind="stable")
    came_from = np.take_along_axis(_numbers(x.shape), order, along)
    return np.take_along_axis(x, order, along), lambda dy: (_added(dy, came_from, shape),)


def _triangle(function: Callable[..., Any]) -> None:
    @derivative(function, "m")
    def run(wanted: tuple[bool], m: Any, k: int = 0) -> Any:
        return function(m, k), lambda dy: (function(dy, k),)


_triangle(np.tril)
_triangle(np.triu)


@derivative(np.cumsum, "a")
def _cumsum(wanted: tuple[bool], a: Any, axis: int | None = None) -> Any:
    """Sums of float16 are rounded once, from float32."""
    dtype, shape, along = wide(a), a.shape, 0 if axis is None else axis

    def backward(dy: Array) -> tuple[Array]:
        sums = np.flip(np.cumsum(np.flip(dy, along), along, dtype=dtype), along)
        return (sums.astype(dy.dtype, copy=False).reshape(shape),)

    return np.cumsum(a, axis, dtype=dtype).astype(a.dtype, copy=False), backward


@derivative(np.prod, "a")
def _prod(wanted: tuple[bool], a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """A factor's gradient is the product of the other factors, without a division: factors may be 0."""

    def backward(dy: Array) -> tuple[Array]:
        axes = range(a.ndim) if axis is None else [i % a.ndim for i in np.atleast_1d(axis).tolist()]
        order = [*(i for i in range(a.ndim) if i not in axes), *axes]
        left = tuple(a.shape[i] for i in order[: a.ndim - len(axes)])
        x = np.transpose(a, order).reshape(*left, math.prod(a.shape[i] for i in axes))
        before, after = np.ones_like(x), np.ones_like(x)
        before[..., 1:] = np.cumprod(x[..., :-1], -1)
        after[..., :-1] = np.cumprod(x[..., :0:-1], -1)[..., ::-1]
        dx = (before * after * dy.reshape(*left, 1)).reshape([a.shape[i] for i in order])
        return (np.transpose(dx, np.argsort(order)),)

    return np.prod(a, axis=axis, keepdims=keepdims), backward


@derivative(np.linalg.norm, "x")
def _norm(wanted: tuple[bool], x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Norms of vectors of order 1 and 2, and the root of a sum of squares; its gradient at 0 is 0, as PyTorch's.

    Squares of float16 are computed in float32, since those of values beyond 255 overflow float16.
    """
    of_vectors = np.ndim(axis) == 0 and (axis is not None or x.ndim == 1)
    if not (ord is None or (isinstance(ord, str) and ord == "fro") or (of_vectors and ord in (1, 2))):
        raise TypeError(f"np.linalg.norm with ord={ord!r} has no derivative here for these axes; use .numpy()")
    kept = np.asarray(np.linalg.norm(x.astype(wide(x), copy=False), ord, axis, keepdims=True))
    y = kept if keepdims else np.squeeze(kept, tuple(range(x.ndim)) if axis is None else axis)

    def backward(dy: Array) -> tuple[Array]:
        slope = np.sign(x) if ord == 1 else quotient(x, kept)
        return (dy.reshape(kept.shape) * slope,)

    return y.astype(x.dtype, copy=False), backward
