"""The tape's derivatives of NumPy's functions that move, join, cut, choose or repeat values."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from .._check import Array
from .._dispatch import derivative
from ._registry import unbroadcast

# -- the same values in another shape or order ------------------------------------------------------------------------


def _plain_order(name: str, order: Any, x: Array) -> Literal["C", "F"]:
    """The order, "C" or "F", in which a call reads the elements."""
    order = "C" if order is None else str(order).upper()
    if order in ("A", "K") and x.flags.forc:
        return "F" if x.flags.fnc else "C"
    if order == "K":
        raise TypeError(f"{name} with order='K' has no derivative here for an array in neither C nor Fortran order")
    return "F" if order == "F" else "C"


@derivative(np.reshape, "a")
def _reshape(wanted: tuple[bool], a: Any, shape: Any, order: Any = "C", **options: Any) -> Any:
    y = np.reshape(a, shape, order=order, **options)
    before, read = a.shape, _plain_order("np.reshape", order, a)
    return y, lambda dy: (dy.reshape(before, order=read),)


@derivative(np.ravel, "a")
def _ravel(wanted: tuple[bool], a: Any, order: Any = "C") -> Any:
    y = np.ravel(a, order)
    before, read = a.shape, _plain_order("np.ravel", order, a)
    return y, lambda dy: (dy.reshape(before, order=read),)


@derivative(np.squeeze, "a")
def _squeeze(wanted: tuple[bool], a: Any, axis: Any = None) -> Any:
    shape = a.shape
    return np.squeeze(a, axis), lambda dy: (dy.reshape(shape),)


@derivative(np.expand_dims, "a")
def _expand_dims(wanted: tuple[bool], a: Any, axis: Any) -> Any:
    shape = a.shape
    return np.expand_dims(a, axis), lambda dy: (dy.reshape(shape),)


@derivative(np.transpose, "a")
def _transpose(wanted: tuple[bool], a: Any, axes: Any = None) -> Any:
    inverse = None if axes is None else np.argsort([i % a.ndim for i in axes])
    return np.transpose(a, axes), lambda dy: (np.transpose(dy, inverse),)


@derivative(np.moveaxis, "a")
def _moveaxis(wanted: tuple[bool], a: Any, source: Any, destination: Any) -> Any:
    return np.moveaxis(a, source, destination), lambda dy: (np.moveaxis(dy, destination, source),)


@derivative(np.swapaxes, "a")
def _swapaxes(wanted: tuple[bool], a: Any, axis1: int, axis2: int) -> Any:
    return np.swapaxes(a, axis1, axis2), lambda dy: (np.swapaxes(dy, axis1, axis2),)


@derivative(np.flip, "m")
def _flip(wanted: tuple[bool], m: Any, axis: Any = None) -> Any:
    return np.flip(m, axis), lambda dy: (np.flip(dy, axis),)


@derivative(np.roll, "a")
def _roll(wanted: tuple[bool], a: Any, shift: Any, axis: Any = None) -> Any:
    back = np.negative(shift)
    return np.roll(a, shift, axis), lambda dy: (np.roll(dy, back, axis),)


# -- repeated and chosen values ---------------------------------------------------------------------------------------


@derivative(np.broadcast_to, "array")
def _broadcast_to(wanted: tuple[bool], array: Any, shape: Any) -> Any:
    before = array.shape
    return np.broadcast_to(array, shape), lambda dy: (unbroadcast(dy, before),)


@derivative(np.full_like, "a", "fill_value")
def _full_like(wanted: tuple[bool, bool], a: Any, fill_value: Any, *args: Any, **options: Any) -> Any:
    y = np.full_like(a, fill_value, *args, **options)  # only the shape of `a` counts
    return y, (lambda dy: (None, unbroadcast(dy, np.shape(fill_value)))) if wanted[1] else None


@derivative(np.where, "x", "y")
def _where(wanted: tuple[bool, bool], condition: Any, x: Any, y: Any) -> Any:
    mask = np.array(condition)  # a copy: it may change before the backward pass

    def backward(dy: Array) -> tuple[Array | None, ...]:
        zero = dy.dtype.type(0)
        return (
            unbroadcast(np.where(mask, dy, zero), np.shape(x)) if wanted[0] else None,
            unbroadcast(np.where(mask, zero, dy), np.shape(y)) if wanted[1] else None,
        )

    return np.where(mask, x, y), backward


@derivative(np.clip, "a")
def _clip(
    wanted: tuple[bool], a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None
) -> Any:
    if min is not None or max is not None:
        if a_min is not None or a_max is not None:
            raise ValueError("np.clip: expected min and max, or a_min and a_max, got some of both")
        a_min, a_max = min, max

    def backward(dy: Array) -> tuple[Array]:
        within = np.True_ if a_min is None else a >= a_min
        within = within if a_max is None else within & (a <= a_max)
        return (unbroadcast(np.where(within, dy, dy.dtype.type(0)), a.shape),)

    return np.clip(a, a_min, a_max), backward


# -- several arrays into one, one into several ------------------------------------------------------------------------


@derivative(np.concatenate, "arrays")
def _concatenate(wanted: tuple[bool, ...], arrays: Sequence[Any], axis: int | None = 0) -> Any:
    shapes = [np.shape(each) for each in arrays]
    if axis is None:
        edges = np.cumsum([math.prod(shape) for shape in shapes])[:-1]
        return np.concatenate(arrays, None), lambda dy: [
            part.reshape(shape) for part, shape in zip(np.split(dy, edges), shapes, strict=True)
        ]
    y = np.concatenate(arrays, axis)
    edges = np.cumsum([shape[axis] for shape in shapes])[:-1]
    return y, lambda dy: np.split(dy, edges, axis)


@derivative(np.stack, "arrays")
def _stack(wanted: tuple[bool, ...], arrays: Sequence[Any], axis: int = 0) -> Any:
    return np.stack(arrays, axis), lambda dy: list(np.moveaxis(dy, axis, 0))


def _splitting(function: Callable[..., Any]) -> None:
    """Declare a function that cuts an array: the gradient is written through the same cuts of a new array."""

    @derivative(function, "ary")
    def run(wanted: tuple[bool], ary: Any, *where: Any, **named: Any) -> Any:
        from copy import deepcopy  # slow to import, and seldom needed

        shape, dtype = ary.shape, ary.dtype
        where, named = deepcopy((where, named))  # an array of indices may change before the backward pass

        def backward(*dys: Array | None) -> tuple[Array]:
            dx = np.zeros(shape, dtype)
            for part, dy in zip(function(dx, *where, **named), dys, strict=True):
                if dy is not None:
                    part += dy
            return (dx,)

        return list(function(ary, *where, **named)), backward


for _function in (np.split, np.array_split, np.hsplit, np.vsplit, np.dsplit):
    _splitting(_function)

if hasattr(np, "unstack"):  # NumPy 2.1

    @derivative(np.unstack, "x")
    def _unstack(wanted: tuple[bool], x: Any, *, axis: int = 0) -> Any:
        shape, dtype = x.shape, x.dtype

        def backward(*dys: Array | None) -> tuple[Array]:
            dx = np.zeros(shape, dtype)
            for part, dy in zip(np.moveaxis(dx, axis, 0)[..., np.newaxis], dys, strict=True):
                if dy is not None:
                    part[..., 0] = dy
            return (dx,)

        return tuple(np.unstack(x, axis=axis)), backward
