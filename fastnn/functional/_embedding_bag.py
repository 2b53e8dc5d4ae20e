"""Bags of rows of a table, each bag reduced to one row."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import _check
from .._check import Array
from .._core import ops
from .._dispatch import derivative, differentiable
from ._embedding import _indices, embedding_backward, padding_row, renormalize

__all__ = [
    "embedding_bag",
    "embedding_bag_backward",
]

MODES = ("sum", "mean", "max")


class Bags(NamedTuple):
    """A checked call, without entries of padding_idx."""

    entries: Array  # the table's row of each entry
    bag: Array  # the bag of each entry
    kept: Array | None  # the numbers of these entries in the input, None for all
    counts: Array  # entries of each bag
    table: Array
    weights: Array | None  # of each entry
    looked_up: Array  # the input
    dtype: np.dtype[Any]  # of the result


@differentiable
def embedding_bag(
    input: Any,
    weight: Any,
    offsets: Any = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Array:
    """Rows of a table by bags of indices: the sum, the mean or the largest values of each bag.

    Parameters
    ----------
    input : array_like of int, (entries,) or (bags, size)
        Indices of rows, bag after bag.
    weight : array_like, (num_embeddings, embedding_dim)
    offsets : array_like of int, (bags,)
        Where each bag begins, of an input of one dimension; the first is 0.
    max_norm : float, optional
        First, rows of `weight` that are picked and have a larger norm are scaled to this one, in place.
    norm_type : float
        p of that norm.
    scale_grad_by_freq : bool
        Divide each row's gradient by how often it was picked; not with "max".
    mode : "sum", "mean" or "max"
    sparse : bool
        Changes nothing: the gradient is dense.
    per_sample_weights : array_like, of the input's shape, optional
        What each entry is multiplied by; with "sum" alone.
    include_last_offset : bool
        `offsets` have one value more, where the last bag ends.
    padding_idx : int, optional
        A row that counts in no bag and receives no gradient.

    Returns
    -------
    ndarray, (bags, embedding_dim)
        0 for a bag without entries.

    Raises
    ------
    IndexError
        If an index is no row.
    ValueError
        If shapes do not fit, or offsets are not in order.

    Notes
    -----
    A bag is summed in the order of its entries.

    Examples
    --------
    >>> table = [[1.0, 2.0], [3.0, 4.0], [5.0, 0.0]]
    >>> embedding_bag([0, 1, 2, 2], table, [0, 3], mode="sum")
    array([[9., 6.],
           [5., 0.]])
    >>> embedding_bag([[0, 1], [2, 2]], table)
    array([[2., 3.],
           [5., 0.]])
    """
    name = "embedding_bag"
    options = (include_last_offset, padding_idx, scale_grad_by_freq)
    bags = _checked(name, input, weight, offsets, mode, per_sample_weights, *options)
    renormalize(name, weight, bags.looked_up, max_norm, norm_type)
    return _check.finish(_reduced(bags, mode), bags.dtype, None)


def _checked(
    name: str,
    input: Any,
    weight: Any,
    offsets: Any,
    mode: str,
    per_sample_weights: Any,
    include_last_offset: Any,
    padding_idx: Any,
    scale_grad_by_freq: Any,
) -> Bags:
    _check.choice(name, "mode", mode, MODES)
    table = _check.as_float(name, weight, "weight")
    if table.ndim != 2:
        raise ValueError(f"{name}: expected a weight of 2 dimensions, got shape {table.shape}")
    index = _indices(name, np.array(_check.as_array(name, input)), len(table))
    if scale_grad_by_freq and mode == "max":
        raise ValueError(f"{name}: expected scale_grad_by_freq with mode 'sum' or 'mean', got 'max'")
    starts = _starts(name, index, offsets, include_last_offset)
    counts = np.diff(starts)
    bag = np.repeat(np.arange(len(counts)), counts)
    dtype, weights = table.dtype, None
    if per_sample_weights is not None:
        if mode != "sum":
            raise ValueError(f"{name}: expected per_sample_weights with mode 'sum' alone, got {mode!r}")
        weights = _check.as_float(name, per_sample_weights, "per_sample_weights")
        if weights.shape != index.shape:
            raise ValueError(
                f"{name}: expected per_sample_weights of the input's shape {index.shape}, got {weights.shape}"
            )
        dtype = np.result_type(table, weights)
        weights = weights.reshape(-1)[: starts[-1]].astype(np.result_type(dtype, np.float32), copy=False)
    flat, kept = index.reshape(-1)[: starts[-1]], None
    padding = padding_row(name, padding_idx, len(table))
    if padding is not None:
        kept = np.flatnonzero(flat != padding)
        flat, bag = flat[kept], bag[kept]
        weights = None if weights is None else weights[kept]
        counts = np.bincount(bag, minlength=len(counts))
    return Bags(flat, bag, kept, counts, table, weights, index, dtype.newbyteorder("="))


def _starts(name: str, index: Array, offsets: Any, include_last_offset: Any) -> Array:
    """The first entry of each bag, and the end of the last one."""
    if index.ndim == 2:
        if offsets is not None:
            raise ValueError(f"{name}: expected no offsets with an input of 2 dimensions, whose rows are bags")
        count, size = index.shape
        return np.arange(count + 1) * size
    if index.ndim != 1 or offsets is None:
        raise ValueError(f"{name}: expected an input (bags, size), or (entries,) with offsets, got shape {index.shape}")
    starts = _check.as_array(name, offsets, "offsets")
    if starts.dtype.kind not in "iu" and starts.size:
        raise TypeError(f"{name}: expected offsets of integers, got dtype {starts.dtype}")
    if starts.ndim != 1 or (include_last_offset and not starts.size):
        raise ValueError(f"{name}: expected offsets of 1 dimension, got shape {starts.shape}")
    starts = starts.astype(np.int64)
    if starts.size and (starts[0] != 0 or (np.diff(starts) < 0).any() or starts[-1] > len(index)):
        raise ValueError(f"{name}: expected offsets that grow from 0 up to at most {len(index)}, got {starts.tolist()}")
    if not starts.size:
        return np.zeros(1, np.int64)
    return starts if include_last_offset else np.append(starts, len(index))


def _picked(bags: Bags) -> Array:
    """The table's row of each entry, in the computing type."""
    return bags.table[bags.entries].astype(np.result_type(bags.dtype, np.float32), copy=False)


def _summed(rows: Array, index: Array, count: int) -> Array:
    """Sums of the rows of each index, in the order of the rows."""
    sums = np.zeros((count, rows.shape[1]), rows.dtype)
    if rows.size:
        ops.scatter_add(sums, _check.contiguous(index, np.int64), _check.contiguous(rows), *rows.shape)
    return sums


def _reduced(bags: Bags, mode: str) -> Array:
    rows, count = _picked(bags), len(bags.counts)
    if mode == "max":
        return _largest(bags, rows)[0]
    if bags.weights is not None:
        rows = rows * bags.weights[:, np.newaxis]
    y = _summed(rows, bags.bag, count)
    return y / np.maximum(bags.counts, 1)[:, np.newaxis].astype(y.dtype) if mode == "mean" else y


def _largest(bags: Bags, rows: Array) -> tuple[Array, Array]:
    """The largest value of each bag and column, and the first entry that has it, or -1."""
    full = np.flatnonzero(bags.counts)
    y = np.zeros((len(bags.counts), rows.shape[1]), rows.dtype)
    first = np.full(y.shape, -1)
    if full.size:
        starts = (np.cumsum(bags.counts) - bags.counts)[full]
        y[full] = np.maximum.reduceat(rows, starts, axis=0)
        top = y[bags.bag]
        places = np.where((rows == top) | np.isnan(rows), np.arange(len(rows))[:, np.newaxis], len(rows))
        first[full] = np.minimum.reduceat(places, starts, axis=0)
    return y, first


@derivative(embedding_bag, "weight", "per_sample_weights")
def _embedding_bag(
    wanted: tuple[bool, bool],
    input: Any,
    weight: Any,
    offsets: Any = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Any:
    name = "embedding_bag"
    options = (include_last_offset, padding_idx, scale_grad_by_freq)
    bags = _checked(name, input, weight, offsets, mode, per_sample_weights, *options)
    renormalize(name, weight, bags.looked_up, max_norm, norm_type)
    y = _check.finish(_reduced(bags, mode), bags.dtype, None)
    return y, lambda dy: _gradients(name, bags, dy, mode, scale_grad_by_freq, wanted)


def _gradients(
    name: str, bags: Bags, dy: Any, mode: str, scale_grad_by_freq: bool, wanted: tuple[bool, bool]
) -> tuple[Array | None, Array | None]:
    gradient, expected = _check.as_float(name, dy, "dy"), (len(bags.counts), bags.table.shape[1])
    if gradient.shape != expected:
        raise ValueError(f"{name}: expected dy of shape {expected}, got {gradient.shape}")
    dtype = np.result_type(bags.dtype, np.float32)
    gradient = gradient.astype(dtype, copy=False)
    if mode == "mean":
        gradient = gradient / np.maximum(bags.counts, 1)[:, np.newaxis].astype(dtype)
    if mode == "max":
        rows = _picked(bags)
        _, first = _largest(bags, rows)
        bag, column = np.nonzero(first >= 0)
        parts = np.zeros(rows.shape, dtype)
        parts[first[bag, column], column] = gradient[bag, column]
    else:
        parts = gradient[bags.bag]
    own = weights = None
    if wanted[1] and bags.weights is not None:
        weights = np.zeros(bags.looked_up.size, dtype)
        products = (parts * _picked(bags)).sum(-1)
        weights[np.arange(len(products)) if bags.kept is None else bags.kept] = products
        weights = _check.finish(weights.reshape(bags.looked_up.shape), bags.dtype, None)
    if wanted[0]:
        parts = parts if bags.weights is None else parts * bags.weights[:, np.newaxis]
        own = embedding_backward(parts, bags.entries, len(bags.table), None, scale_grad_by_freq)
        own = _check.finish(own, bags.table.dtype.newbyteorder("="), None)
    return own, weights


def embedding_bag_backward(
    dy: Any,
    input: Any,
    weight: Any,
    offsets: Any = None,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> tuple[Array | None, ...]:
    """Gradients of `embedding_bag`: of the table, and of per_sample_weights.

    Parameters
    ----------
    dy : array_like, (bags, embedding_dim)
        The gradient of the result.
    input, weight, offsets, per_sample_weights : array_like
        Those of the forward call, as are the other arguments.
    scale_grad_by_freq : bool
    mode : "sum", "mean" or "max"
        The largest value's gradient goes to the first entry that has it.
    include_last_offset : bool
    padding_idx : int, optional

    Returns
    -------
    dweight : ndarray, (num_embeddings, embedding_dim)
    dper_sample_weights : ndarray, of the input's shape, or None

    Raises
    ------
    IndexError
        If an index is no row.
    ValueError
        If shapes do not fit.

    Examples
    --------
    >>> embedding_bag_backward([[1.0], [10.0]], [0, 1, 1], np.ones((3, 1)), [0, 2])[0].ravel()
    array([ 0.5, 10.5,  0. ])
    """
    name = "embedding_bag_backward"
    options = (include_last_offset, padding_idx, scale_grad_by_freq)
    bags = _checked(name, input, weight, offsets, mode, per_sample_weights, *options)
    return _gradients(name, bags, dy, mode, scale_grad_by_freq, (True, True))
