"""Rows of a table picked by index, and the gradient of the table."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _check, _core, _shard
from .._check import Array
from .._core import ops
from .._dispatch import derivative, differentiable

__all__ = [
    "embedding",
    "embedding_backward",
    "one_hot",
]


def _indices(name: str, input: Any, rows: int) -> Array:
    index = _check.as_array(name, input)
    if index.dtype.kind not in "iu":
        if index.size:
            raise TypeError(
                f"{name}: expected input of integers, the rows to take, got dtype {index.dtype} of shape {index.shape}"
            )
        index = index.astype(np.int64)
    if index.size and not (index.min() >= 0 and index.max() < rows):
        wrong = index[(index < 0) | (index >= rows)].flat[0]
        raise IndexError(f"{name}: expected indices in [0, {rows - 1}], got {wrong}")
    return index


def padding_row(name: str, padding_idx: Any, rows: int) -> int | None:
    """The row that receives no gradient; negative numbers count from the end."""
    if padding_idx is None:
        return None
    number = _check.count(name, "padding_idx", padding_idx, low=-rows)
    if number >= rows:
        raise ValueError(f"{name}: expected padding_idx in [{-rows}, {rows - 1}], got {padding_idx}")
    return number % rows


def norm_options(name: str, max_norm: Any, norm_type: Any) -> tuple[float | None, float]:
    """The largest norm of a row, if there is one, and p of the norm."""
    most = None if max_norm is None else _check.real(name, "max_norm", max_norm)
    if most is not None and not most >= 0:
        raise ValueError(f"{name}: expected max_norm of at least 0, got {max_norm}")
    return most, _check.real(name, "norm_type", norm_type)


def renormalize(name: str, weight: Any, index: Array, max_norm: Any, norm_type: Any) -> None:
    """Scale the indexed rows whose norm exceeds max_norm down to it, in place."""
    most, p = norm_options(name, max_norm, norm_type)
    if most is not None:
        _shard.refuse(name, "max_norm")
    if most is None:
        return
    if not isinstance(weight, np.ndarray) or weight.dtype.kind != "f" or not weight.flags.writeable:
        kind = type(weight).__name__
        if isinstance(weight, np.ndarray):
            kind = f"an array of {weight.dtype}" if weight.flags.writeable else f"a read-only array of {weight.dtype}"
        raise ValueError(
            f"{name}: expected weight to be a writable array of floats, which max_norm changes, got {kind}"
        )
    picked = np.unique(index)
    values = weight[picked].astype(np.float64)
    norms = np.linalg.norm(values, p, axis=1) if values.size else np.zeros(len(picked))
    above = norms > most
    weight[picked[above]] = values[above] * (most / (norms[above, np.newaxis] + 1e-7))


@differentiable
def embedding(
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Array:
    """Rows of a table: weight[input].

    Parameters
    ----------
    input : array_like of int, (*)
    weight : array_like, (num_embeddings, embedding_dim)
    padding_idx : int, optional
        A row that receives no gradient.
    max_norm : float, optional
        First, rows of `weight` that are picked and have a larger norm are scaled to this one, in place.
    norm_type : float
        p of that norm.
    scale_grad_by_freq : bool
        Divide each row's gradient by how often it was picked.
    sparse : bool
        Changes nothing: the gradient is dense.

    Returns
    -------
    ndarray, (*, embedding_dim)

    Raises
    ------
    IndexError
        If an index is no row.

    Examples
    --------
    >>> embedding([1, 0, 1], [[1.0, 2.0], [3.0, 4.0]])
    array([[3., 4.],
           [1., 2.],
           [3., 4.]])
    """
    table = _check.as_float("embedding", weight, "weight")
    if table.ndim != 2:
        raise ValueError(f"embedding: expected a weight of 2 dimensions, got shape {table.shape}")
    padding_row("embedding", padding_idx, len(table))
    index = _indices("embedding", input, len(table))
    renormalize("embedding", weight, index, max_norm, norm_type)
    picked = np.asarray(table[index])
    return picked.astype(picked.dtype.newbyteorder("="), copy=False)


@derivative(embedding, "weight")
def _embedding(
    wanted: tuple[bool],
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Any:
    index = np.array(input)  # a copy: it may change before the backward pass
    y = embedding(index, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
    options = (len(weight), padding_idx, scale_grad_by_freq)
    return y, lambda dy: (embedding_backward(dy, index, *options),)


def embedding_backward(
    dy: Any, input: Any, num_embeddings: int, padding_idx: int | None = None, scale_grad_by_freq: bool = False
) -> Array:
    """Gradient of `embedding` with respect to the weight: each row's dy summed in the order of the input.

    Parameters
    ----------
    dy : array_like, (*, D)
        The gradient of the result of `embedding`.
    input : array_like of int, (*)
        The indices of the forward call.
    num_embeddings : int
        How many rows the table has.
    padding_idx : int, optional
        The row that receives no gradient.
    scale_grad_by_freq : bool
        Divide a row's gradient by how often it was taken.

    Returns
    -------
    ndarray, (num_embeddings, D)
        Of dy's dtype: the sum of dy over the places where each row was taken.

    Raises
    ------
    IndexError
        If there is no such row.
    ValueError
        If shapes do not fit.

    Examples
    --------
    >>> embedding_backward([[1.0], [10.0], [100.0]], [1, 0, 1], 3)
    array([[ 10.],
           [101.],
           [  0.]])
    """
    name = "embedding_backward"
    rows = _check.count(name, "num_embeddings", num_embeddings)
    if rows > np.iinfo(np.intp).max:
        raise ValueError(f"{name}: expected num_embeddings of at most {np.iinfo(np.intp).max}, got {rows}")
    index = _indices(name, np.array(_check.as_array(name, input)), rows)  # a copy, which cannot change after the check
    gradient = _check.as_float(name, dy, "dy")
    if gradient.ndim != index.ndim + 1 or gradient.shape[:-1] != index.shape:
        raise ValueError(f"{name}: expected dy of shape {(*index.shape, 'embedding_dim')}, got {gradient.shape}")
    dtype = gradient.dtype.newbyteorder("=")
    gradient = _check.compute_array(gradient)
    flat, parts = index.reshape(-1), gradient.reshape(index.size, gradient.shape[-1])
    if scale_grad_by_freq:
        parts = parts / np.bincount(flat, minlength=rows)[flat, np.newaxis].astype(gradient.dtype)
    dweight = _core.empty((rows, gradient.shape[-1]), gradient.dtype)
    dweight[...] = 0
    if parts.size:
        flat, parts = _check.contiguous(flat, np.int64), _check.contiguous(parts)
        ops.scatter_add(dweight, flat, parts, *parts.shape)
    padding = padding_row(name, padding_idx, rows)
    if padding is not None:
        dweight[padding] = 0
    return _check.finish(dweight, dtype, None)


def one_hot(tensor: Any, num_classes: int = -1) -> Array:
    """Rows that are 1 at their class and 0 elsewhere.

    Parameters
    ----------
    tensor : array_like of int
        Classes, not negative.
    num_classes : int
        -1: one more than the largest class.

    Returns
    -------
    ndarray of int64, (*, num_classes)

    Raises
    ------
    ValueError
        If a class is negative or not below num_classes, or num_classes is -1 and there are no classes.

    Examples
    --------
    >>> one_hot([0, 2])
    array([[1, 0, 0],
           [0, 0, 1]])
    """
    classes = _check.as_array("one_hot", tensor, "classes")
    if classes.dtype.kind not in "iu" and not (classes.size == 0 and isinstance(tensor, list)):
        raise TypeError(f"one_hot: expected classes to be integers, got dtype {classes.dtype}")
    number = _check.count("one_hot", "num_classes", num_classes, low=-1)
    if classes.size == 0:
        if number < 1:
            raise ValueError("one_hot: expected num_classes above 0 for an empty array")
        return np.zeros((*classes.shape, number), np.int64)
    low, high = int(classes.min()), int(classes.max())
    number = high + 1 if number == -1 else number
    if low < 0 or high >= number:
        expected = f"in [0, {number - 1}]" if number > 0 else "of at least 0"
        raise ValueError(f"one_hot: expected classes {expected}, got {low if low < 0 else high}")
    return (classes[..., np.newaxis] == np.arange(number)).astype(np.int64)
