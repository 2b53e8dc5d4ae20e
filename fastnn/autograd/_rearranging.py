"""The tape's derivatives of NumPy's functions that move, join, cut, choose or repeat values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from .._check import Array
from .._core import make, value_of
from ._registry import recorded, unbroadcast

# -- the same values in another shape or order ------------------------------------------------------------------------


def _plain_order(name: str, order: Any, x: Array) -> Literal["C", "F"]:
    """The order in which a call reads the elements, whatever their order in memory."""
    order = "C" if order is None else str(order).upper()
    if order in ("A", "K") and x.flags.forc:
        return "F" if x.flags.fnc else "C"
    if order == "K":
        raise TypeError(f"{name} with order='K' has no derivative here for an array in neither C nor Fortran order")
    return "F" if order == "F" else "C"


@recorded(np.reshape, a=0)
def _reshape(a: Any, shape: Any, order: Any = "C", **options: Any) -> Any:
    x = a.data
    y = np.reshape(x, shape, order=order, **options)
    read = _plain_order("np.reshape", order, x)
    return make(y, (a,), lambda dy: (dy.reshape(x.shape, order=read),))


@recorded(np.ravel, a=0)
def _ravel(a: Any, order: Any = "C") -> Any:
    x = a.data
    y = np.ravel(x, order)
    read = _plain_order("np.ravel", order, x)
    return make(y, (a,), lambda dy: (dy.reshape(x.shape, order=read),))


@recorded(np.squeeze, a=0)
def _squeeze(a: Any, axis: Any = None) -> Any:
    shape = a.data.shape
    return make(np.squeeze(a.data, axis), (a,), lambda dy: (dy.reshape(shape),))


@recorded(np.expand_dims, a=0)
def _expand_dims(a: Any, axis: Any) -> Any:
    shape = a.data.shape
    return make(np.expand_dims(a.data, axis), (a,), lambda dy: (dy.reshape(shape),))


@recorded(np.transpose, a=0)
def _transpose(a: Any, axes: Any = None) -> Any:
    inverse = None if axes is None else np.argsort([i % a.ndim for i in axes])
    return make(np.transpose(a.data, axes), (a,), lambda dy: (np.transpose(dy, inverse),))


@recorded(np.moveaxis, a=0)
def _moveaxis(a: Any, source: Any, destination: Any) -> Any:
    y = np.moveaxis(a.data, source, destination)
    return make(y, (a,), lambda dy: (np.moveaxis(dy, destination, source),))


@recorded(np.swapaxes, a=0)
def _swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    return make(np.swapaxes(a.data, axis1, axis2), (a,), lambda dy: (np.swapaxes(dy, axis1, axis2),))


@recorded(np.flip, m=0)
def _flip(m: Any, axis: Any = None) -> Any:
    return make(np.flip(m.data, axis), (m,), lambda dy: (np.flip(dy, axis),))


@recorded(np.roll, a=0)
def _roll(a: Any, shift: Any, axis: Any = None) -> Any:
    back = np.negative(shift)
    return make(np.roll(a.data, shift, axis), (a,), lambda dy: (np.roll(dy, back, axis),))


# -- repeated and chosen values ---------------------------------------------------------------------------------------


@recorded(np.broadcast_to, array=0)
def _broadcast_to(array: Any, shape: Any) -> Any:
    before = array.data.shape
    return make(np.broadcast_to(array.data, shape), (array,), lambda dy: (unbroadcast(dy, before),))


@recorded(np.full_like, a=0, fill_value=1)
def _full_like(a: Any, fill_value: Any, *args: Any, **options: Any) -> Any:
    value = value_of(fill_value)
    y = np.full_like(value_of(a), value, *args, **options)  # of `a` it takes the shape alone
    return make(y, (None, fill_value), lambda dy: (None, unbroadcast(dy, np.shape(value))), np.full_like)


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

    return make(np.where(mask, a, b), (None, x, y), backward, np.where)


@recorded(np.clip, a=0)
def _clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    if min is not None or max is not None:
        if a_min is not None or a_max is not None:
            raise ValueError("np.clip: expected min and max, or a_min and a_max, got some of both")
        a_min, a_max = min, max
    x = a.data

    def backward(dy: Array) -> tuple[Array]:
        within = np.True_ if a_min is None else x >= a_min
        within = within if a_max is None else within & (x <= a_max)
        return (unbroadcast(np.where(within, dy, dy.dtype.type(0)), x.shape),)

    return make(np.clip(x, a_min, a_max), (a,), backward, np.clip)


# -- several arrays into one, one into several ------------------------------------------------------------------------


@recorded(np.concatenate, arrays=0)
def _concatenate(arrays: Sequence[Any], axis: int | None = 0) -> Any:
    if axis is None:
        return np.concatenate([np.ravel(each) for each in arrays])
    arrays = tuple(arrays)
    values = [np.asarray(value_of(each)) for each in arrays]
    edges = np.cumsum([value.shape[axis] for value in values])[:-1]
    return make(np.concatenate(values, axis), arrays, lambda dy: np.split(dy, edges, axis), np.concatenate)


@recorded(np.stack, arrays=0)
def _stack(arrays: Sequence[Any], axis: int = 0) -> Any:
    arrays = tuple(arrays)
    values = [value_of(each) for each in arrays]
    return make(np.stack(values, axis), arrays, lambda dy: list(np.moveaxis(dy, axis, 0)), np.stack)


def _splitting(function: Callable[..., Any]) -> None:
    """A function that cuts an array: the gradient is written through the same views of a new one."""

    @recorded(function, ary=0)
    def version(ary: Any, *where: Any, **named: Any) -> Any:
        from copy import deepcopy  # takes its time, and only cutting needs it

        x = ary.data
        where, named = deepcopy((where, named))  # an array of indices may change before the backward pass

        def backward(*dys: Array | None) -> tuple[Array]:
            dx = np.zeros(x.shape, x.dtype)
            for part, dy in zip(function(dx, *where, **named), dys, strict=True):
                if dy is not None:
                    part += dy
            return (dx,)

        return list(make(tuple(function(x, *where, **named)), (ary,), backward))


for _function in (np.split, np.array_split, np.hsplit, np.vsplit, np.dsplit):
    _splitting(_function)

if hasattr(np, "unstack"):  # NumPy 2.1

    @recorded(np.unstack, x=0)
    def _unstack(x: Any, *, axis: int = 0) -> Any:
        data = x.data

        def backward(*dys: Array | None) -> tuple[Array]:
            dx = np.zeros(data.shape, data.dtype)
            for part, dy in zip(np.moveaxis(dx, axis, 0)[..., np.newaxis], dys, strict=True):
                if dy is not None:
                    part[..., 0] = dy
            return (dx,)

        return make(tuple(np.unstack(data, axis=axis)), (x,), backward)
