"""Operators that read, write or order elements by index."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..._check import Array
from ._table import operator


def _inside(indices: Array, length: int) -> Array:
    """Return indices in [0, length); raise ValueError for one outside [-length, length)."""
    indices = np.asarray(indices, np.int64)
    if indices.size and (indices.min() < -length or indices.max() >= length):
        raise ValueError(f"indices from {indices.min()} to {indices.max()} into {length}")
    return np.where(indices < 0, indices + length, indices)


@operator("Gather")
def gather(x: Array, indices: Array, *, axis: int = 0) -> Any:
    return np.take(x, _inside(indices, x.shape[axis]), axis)


def _along(indices: Array, axis: int) -> tuple[Array, ...]:
    """Return an index per axis: `indices` for `axis`, each element's own position for others."""
    grid: list[Any] = list(np.ogrid[tuple(slice(n) for n in indices.shape)])
    grid[axis] = indices
    return tuple(grid)


@operator("GatherElements")
def gather_elements(x: Array, indices: Array, *, axis: int = 0) -> Any:
    axis = axis % x.ndim
    return x[_along(_inside(indices, x.shape[axis]), axis)]


@operator("GatherND")
def gather_nd(x: Array, indices: Array, *, batch_dims: int = 0) -> Any:
    if not 0 <= batch_dims < min(x.ndim, indices.ndim):
        raise ValueError(f"batch_dims {batch_dims} of {x.ndim} and {indices.ndim} dimensions")
    batch = x.shape[:batch_dims]
    parts = [
        np.broadcast_to(
            np.arange(n).reshape(
                [-1 if i == j else 1 for j in range(batch_dims)] + [1] * (indices.ndim - 1 - batch_dims)
            ),
            indices.shape[:-1],
        )
        for i, n in enumerate(batch)
    ]
    depth = indices.shape[-1]
    parts += [_inside(indices[..., i], x.shape[batch_dims + i]) for i in range(depth)]
    return x[tuple(parts)]


JOINED = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}


def _put(x: Array, index: Any, updates: Array, reduction: str) -> Any:
    y = np.array(x)
    if reduction == "none":
        y[index] = updates
    else:
        JOINED[reduction].at(y, index, updates)
    return y


WIDE = 8  # elements per slice from which adding whole slices is faster


@operator("ScatterElements", "Scatter")
def scatter_elements(x: Array, indices: Array, updates: Array, *, axis: int = 0, reduction: str = "none") -> Any:
    axis = axis % x.ndim
    fits = reduction == "add" and indices.ndim == x.ndim and indices.shape == updates.shape
    if fits and indices.size >= WIDE * indices.shape[axis] > 0:
        first = indices[tuple([slice(None if i == axis else 1) for i in range(x.ndim)])]
        if np.array_equal(indices, np.broadcast_to(first, indices.shape)):
            return _add_slices(x, _inside(first.reshape(-1), x.shape[axis]), updates, axis)
    return _put(x, _along(_inside(indices, x.shape[axis]), axis), updates, reduction)


def _add_slices(x: Array, places: Array, updates: Array, axis: int) -> Any:
    """Add whole slices, summed per index first: many times faster than element by element."""
    order = np.argsort(places, kind="stable")
    starts = np.flatnonzero(np.diff(places[order], prepend=-1))
    index: list[Any] = [slice(n) for n in updates.shape]
    index[axis] = places[order[starts]]
    y = np.array(x)
    y[tuple(index)] += np.add.reduceat(np.take(updates, order, axis), starts, axis)
    return y


@operator("ScatterND")
def scatter_nd(x: Array, indices: Array, updates: Array, *, reduction: str = "none") -> Any:
    parts = tuple(_inside(indices[..., i], x.shape[i]) for i in range(indices.shape[-1]))
    return _put(x, parts, updates, reduction)


@operator("TensorScatter")
def tensor_scatter(
    past: Array, update: Array, places: Array | None = None, *, axis: int = -2, mode: str = "linear"
) -> Any:
    """Write each sample's update along an axis, from that sample's own index on."""
    axis, length = axis % past.ndim, past.shape[axis]
    y = np.array(past)
    for i in range(past.shape[0]):
        where = (0 if places is None else int(places[i])) + np.arange(update.shape[axis])
        if mode == "circular":
            where %= length
        elif where.size and where[-1] >= length:
            raise ValueError(f"{where[-1] + 1} places along an axis of {length}")
        index: list[Any] = [slice(None)] * (past.ndim - 1)
        index[axis - 1] = where
        y[i][tuple(index)] = update[i]
    return y


@operator("OneHot")
def one_hot(indices: Array, depth: Array, values: Array, *, axis: int = -1) -> Any:
    count = int(np.asarray(depth).reshape(-1)[0])
    axis = axis % (indices.ndim + 1)
    places = indices.astype(np.int64)
    places = np.expand_dims(np.where(places < 0, places + count, places), axis)
    counted = np.arange(count).reshape([-1 if i == axis else 1 for i in range(indices.ndim + 1)])
    return np.where(counted == places, values[1], values[0])


@operator("NonZero")
def non_zero(x: Array) -> Any:
    if x.ndim == 0:
        return np.zeros((0, int(x != 0)), np.int64)
    return np.array(np.nonzero(x), np.int64).reshape(x.ndim, -1)


@operator("Compress")
def compress(x: Array, condition: Array, *, axis: int | None = None) -> Any:
    return np.compress(condition, x, axis)


@operator("Unique")
def unique(x: Array, *, axis: int | None = None, sorted: int = 1) -> Any:
    values, first, inverse, counts = np.unique(x, True, True, True, axis)
    inverse = inverse.reshape(-1)
    if not sorted:
        order = np.argsort(first, kind="stable")
        place = np.argsort(order, kind="stable")
        values, first, counts = np.take(values, order, axis or 0), first[order], counts[order]
        inverse = place[inverse]
    return values, first.astype(np.int64), inverse.astype(np.int64), counts.astype(np.int64)


@operator("TopK")
def top_k(
    x: Array, count: Array | None = None, *, axis: int = -1, k: int | None = None, largest: int = 1, sorted: int = 1
) -> Any:
    """Return sorted values and indices; ties keep their order, NaN counts as the largest."""
    wanted = int(np.asarray(count).reshape(-1)[0]) if count is not None else int(k or 0)
    if wanted > x.shape[axis]:
        raise ValueError(f"the {wanted} largest of {x.shape[axis]}")
    if largest:  # flipped before and after, so that equal values keep their order
        order = x.shape[axis] - 1 - np.flip(np.argsort(np.flip(x, axis), axis, kind="stable"), axis)
    else:
        order = np.argsort(x, axis, kind="stable")
    order = np.take(order, range(wanted), axis)
    return np.take_along_axis(x, order, axis), order.astype(np.int64)


@operator("ReverseSequence")
def reverse_sequence(x: Array, lengths: Array, *, batch_axis: int = 1, time_axis: int = 0) -> Any:
    y = np.moveaxis(np.array(x), (batch_axis, time_axis), (0, 1))
    for i, n in enumerate(lengths):
        y[i, :n] = y[i, :n][::-1].copy()
    return np.moveaxis(y, (0, 1), (batch_axis, time_axis))


@operator("ArrayFeatureExtractor", domain="ai.onnx.ml")
def array_feature_extractor(x: Array, places: Array) -> Any:
    return np.take(x, places.reshape(-1), -1).reshape(*x.shape[:-1] or (1,), -1)
