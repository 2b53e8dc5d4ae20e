"""Padding: values beyond the edges, by a constant or from the input itself; negative numbers crop."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from .. import _check
from .._check import Array
from .._core import ops
from .._dispatch import differentiable, gradient_of
from ._windows import MOST

__all__ = ["pad", "pad_backward"]

_KEPT = 4096  # places of a result up to which tables are kept
MODES = ("constant", "reflect", "replicate", "circular")
Piece = tuple[slice, slice]  # of the result, and of the input: one place if it is repeated
Axis = tuple[int, int, int, str]  # a dimension's size, the padding before and behind it, the mode


def empty_as(name: str, x: Array, shape: tuple[int, ...]) -> Array:
    """Memory for a result of x's dtype, in x's memory order if x is dense."""
    if x.flags.c_contiguous:
        return _check.new(name, shape, x.dtype)
    order = _check.dense_order(x) or list(range(x.ndim))
    return _check.new(name, tuple(shape[i] for i in order), x.dtype).transpose(np.argsort(order))


def _pieces(size: int, left: int, right: int, mode: str) -> tuple[Piece, ...]:
    """Runs of places of the result whose sources ascend or descend by one, or are the same place."""
    start, stop = -left, size + right  # the result's places in the input's numbering
    first, last = (max(0, start), min(size, stop)) if mode == "circular" else (0, size)  # only kept places repeat

    def source(at: int) -> int:
        if mode == "replicate" or first <= at < last:
            return min(max(at, 0), size - 1)
        if mode == "reflect":
            return -at if at < 0 else 2 * (size - 1) - at
        return at + (last - first if at < first else first - last)

    runs = [(start, min(stop, first)), (max(start, first), min(stop, last)), (max(start, last), stop)]
    runs = runs[1:2] if mode == "constant" else runs
    return tuple((slice(a + left, b + left), _places(source(a), source(b - 1))) for a, b in runs if a < b)


def _places(first: int, last: int) -> slice:
    if last >= first:
        return slice(first, last + 1)
    return slice(first, last - 1 if last else None, -1)


def _amounts(name: str, pad: Any, shape: tuple[int, ...], mode: str) -> list[tuple[int, int]]:
    """The number of places to add before and behind each dimension."""
    values = pad if isinstance(pad, (tuple, list)) else None
    if values is None:
        raise TypeError(f"{name}: expected pad to be a tuple of integers, got {type(pad).__name__}")
    numbers = [_check.count(name, "pad", each, -MOST, MOST) for each in values]
    if len(numbers) % 2 or len(numbers) > 2 * len(shape):
        raise ValueError(
            f"{name}: expected pad of an even length up to {2 * len(shape)} for shape {shape}, got {len(numbers)}"
        )
    n = len(numbers) // 2
    if mode != "constant" and not (1 <= n <= 3 and len(shape) in (n + 1, n + 2)):
        raise ValueError(
            f"{name}: expected, with mode {mode!r}, 2 numbers for 2 or 3 dimensions, 4 for 3 or 4, 6 for 4 or 5, "
            f"got {len(numbers)} for shape {shape}"
        )
    pairs = [(numbers[2 * i], numbers[2 * i + 1]) for i in range(n)]
    return [(0, 0)] * (len(shape) - n) + pairs[::-1]


def _check_amounts(name: str, amounts: list[tuple[int, int]], shape: tuple[int, ...], mode: str) -> None:
    """Refuse amounts that leave a place of the result without a value."""
    for i, ((left, right), size) in enumerate(zip(amounts, shape, strict=True)):
        if (left, right) == (0, 0):
            continue
        mirrors = mode in ("reflect", "replicate")  # these may read values that the other side crops
        kept = size + (left + right if mirrors else min(0, left) + min(0, right))
        if kept < mirrors or (mode != "constant" and size == 0):
            raise ValueError(f"{name}: expected dimension {i} to keep a place, got {size} with pad {left}, {right}")
        most = {"reflect": size - 1, "circular": kept}.get(mode)
        if most is not None and max(left, right) > most:
            raise ValueError(f"{name}: expected pad of at most {most} in dimension {i} of {size}, got {left}, {right}")


def _axes(name: str, shape: tuple[int, ...], pad: Any, mode: Any, value: Any) -> tuple[tuple[int, ...], list[Axis]]:
    """The result's shape, and how each dimension is padded."""
    _check.choice(name, "mode", mode, MODES)
    if mode != "constant" and value is not None and value != 0:
        raise ValueError(f"{name}: expected value=None with mode {mode!r}, got {value!r}")
    amounts = _amounts(name, pad, shape, mode)
    _check_amounts(name, amounts, shape, mode)
    result = tuple(size + left + right for size, (left, right) in zip(shape, amounts, strict=True))
    return result, [(size, *each, mode) for size, each in zip(shape, amounts, strict=True)]


def _blocks(axes: list[Axis]) -> Iterator[tuple[tuple[slice, ...], tuple[slice, ...]]]:
    for pieces in product(*(_pieces(*axis) for axis in axes)):
        yield tuple(to for to, _ in pieces), tuple(of for _, of in pieces)


def _sources(axis: Axis) -> Array:
    """The place of the input that each place of the result takes its value from, -1 for none."""
    size, left, right, _ = axis
    found = np.full(left + size + right, -1)
    for to, of in _pieces(*axis):
        found[to] = np.arange(size)[of]
    return found


def _runs(axis: Axis) -> Array:
    """The sources of a dimension as runs: (first place, length); the place is -1 for the constant."""
    places = _sources(axis)
    before, at = places[:-1], places[1:]
    goes_on = (at == before + 1) & (before >= 0) | (at < 0) & (before < 0)
    starts = np.flatnonzero(np.concatenate([[True], ~goes_on]))
    return np.stack([places[starts], np.diff(starts, append=len(places))], 1)


def _tables(axes: tuple[Axis, ...]) -> tuple[Array, Array]:
    """The op's places and runs, of up to three dimensions."""
    fill = np.zeros(3 - len(axes), np.int64)
    return np.concatenate([fill, *map(_sources, axes[:-1])]), _runs(axes[-1])


class _Layout(NamedTuple):
    """How arrays of one shape are padded."""

    shape: tuple[int, ...]  # the result's
    axes: list[Axis]
    sizes: tuple[int, ...]  # the op's sizes, or () if NumPy pads
    padded: tuple[Axis, ...]  # the dimensions that the op pads, in the order of memory
    tables: tuple[Array, Array] | None  # the op's tables, kept if they are small


@_check.kept
def _layout(name: str, shape: tuple[int, ...], order: Any, pad: Any, mode: Any, value: Any) -> _Layout:
    """How arrays of a shape are padded; `order` is the order of a dense array's dimensions in memory, else None.

    The op pads dense arrays in which the padded dimensions lie within three that follow each other in memory.
    """
    result, axes = _axes(name, shape, pad, mode, value)
    padded = [i for i, axis in enumerate(order or ()) if axes[axis][1:3] != (0, 0)]
    if not padded or padded[-1] - padded[0] > 2 or 0 in shape or 0 in result:
        return _Layout(result, axes, (), (), None)
    first, end = max(0, padded[-1] - 2), padded[-1] + 1
    of, to = ([each[axis] for axis in order] for each in (shape, result))
    three = tuple(axes[axis] for axis in order[first:end])
    ones = [1] * (3 - (end - first))
    sizes = (math.prod(of[:first]), *ones, *of[first:end], math.prod(of[end:]), *ones, *to[first:end])
    return _Layout(result, axes, sizes, three, _tables(three) if sum(to[first:end]) <= _KEPT else None)


def of_numbers(name: str, input: Any) -> Array:
    """An array of real numbers in its own dtype: padding moves values and computes nothing."""
    if _check.is_ready(input):
        return input
    x = _check.as_array(name, input)
    if x.dtype.kind not in "biu":
        x = _check.as_float(name, input)
    return x.astype(x.dtype.newbyteorder("="), copy=False)


@differentiable
def pad(input: Any, pad: Any, mode: str = "constant", value: float | None = None) -> Array:
    """The input with values added before and behind its last dimensions; negative numbers crop.

    Parameters
    ----------
    input : array_like
        Integers keep their dtype.
    pad : tuple of int
        (left, right, top, bottom, front, back ...): a pair for each dimension, the last dimension first.
    mode : str
        "constant" takes `value`, for any number of dimensions; the others take (N, C, *) or (C, *) and pairs for
        all of space.  "reflect" mirrors the input about its edge, "replicate" repeats the edge, "circular" continues
        at the other end.
    value : float, optional
        By default 0.

    Returns
    -------
    ndarray
        A copy, in the memory order of the input.

    Raises
    ------
    ValueError
        If there are too many numbers, or more places are asked for than the input has.

    Examples
    --------
    >>> pad([1, 2, 3], (1, 2))
    array([0, 1, 2, 3, 0, 0])
    >>> pad([[1, 2, 3]], (2, -1), mode="reflect")
    array([[3, 2, 1, 2]])
    """
    x = of_numbers("pad", input)
    order = _check.dense_order(x)
    layout = _layout("pad", x.shape, None if order is None else tuple(order), pad, mode, value)
    number = 0.0 if value is None else _check.real("pad", "value", value)
    y = empty_as("pad", x, layout.shape)
    if layout.sizes and _check.is_ready(x):
        places, runs = layout.tables or _tables(layout.padded)
        ops.pad(y.transpose(order), x.transpose(order), places, runs, *layout.sizes, len(runs), number)
        return y
    if mode == "constant":
        y[...] = np.asarray(number).astype(x.dtype)
    for to, of in _blocks(layout.axes):
        y[to] = x[of]
    return y


@gradient_of(pad)
def pad_backward(dy: Any, input: Any, pad: Any, mode: str = "constant", value: float | None = None) -> Array:
    """Gradient of `pad`: each place gets the sum of dy over its copies.

    Examples
    --------
    >>> pad_backward([[1.0, 1.0, 1.0, 1.0, 1.0]], [[1.0, 2.0, 3.0]], (1, 1), mode="replicate")
    array([[2., 1., 2.]])
    """
    name = "pad_backward"
    x, dtype = _check.as_compute(name, input)
    shape, axes = _axes(name, x.shape, pad, mode, value)
    gradient = _check.as_float(name, dy, "dy").astype(x.dtype, copy=False)
    if gradient.shape != shape:
        raise ValueError(f"{name}: expected dy of the result's shape {shape}, got {gradient.shape}")
    for i, axis in enumerate(axes):
        if axis[1:3] != (0, 0):
            gradient = _folded(gradient, i, x.shape[i], _pieces(*axis))
    return _check.finish(gradient.copy() if np.may_share_memory(gradient, dy) else gradient, dtype, None)


def _folded(gradient: Array, axis: int, size: int, pieces: tuple[Piece, ...]) -> Array:
    """Add the gradients of copies along one dimension to their originals', in order."""
    sizes = (*gradient.shape[:axis], size, *gradient.shape[axis + 1 :])
    found = empty_as("pad_backward", gradient, sizes)
    found[...] = 0
    moved, dy = np.moveaxis(found, axis, 0), np.moveaxis(gradient, axis, 0)
    for to, of in pieces:
        if len(range(*of.indices(size))) == to.stop - to.start:
            moved[of] += dy[to]
        else:  # one place, repeated
            for i in range(to.start, to.stop):
                moved[of] += dy[i]
    return found
