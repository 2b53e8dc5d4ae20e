"""Rows picked by index, and products of two inputs, with their gradients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _check, _core
from .._check import Array
from .._core import ops
from .._dispatch import derivative, differentiable
from ._linear import gradients as linear_gradients, linear
from ._matmul import matmul

__all__ = [
    "bilinear",
    "bilinear_backward",
    "embedding",
    "embedding_backward",
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


def refuse_renormalizing(name: str, max_norm: Any, sparse: Any) -> None:
    """What PyTorch's embedding has and this one has not."""
    if max_norm is not None:
        raise NotImplementedError(f"{name}: max_norm changes the weight in a forward call and is not supported")
    if sparse:
        raise NotImplementedError(f"{name}: sparse gradients are not supported")


@differentiable
def embedding(
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: None = None,
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
    max_norm, norm_type, sparse
        Not supported: max_norm and sparse=True raise NotImplementedError.
    scale_grad_by_freq : bool
        Divide each row's gradient by how often it was picked.

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
    refuse_renormalizing("embedding", max_norm, sparse)
    table = _check.as_float("embedding", weight, "weight")
    if table.ndim != 2:
        raise ValueError(f"embedding: expected a weight of 2 dimensions, got shape {table.shape}")
    padding_row("embedding", padding_idx, len(table))
    picked = np.asarray(table[_indices("embedding", input, len(table))])
    return picked.astype(picked.dtype.newbyteorder("="), copy=False)


@derivative(embedding, "weight")
def _embedding(
    wanted: tuple[bool],
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: None = None,
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
    index = _indices(
        name, np.array(_check.as_array(name, input)), rows
    )  # a copy: what was checked is what is written through
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


def _outer(name: str, input1: Any, input2: Any, weight: Any) -> tuple[Array, Array, Array, Array, np.dtype[Any]]:
    """The inputs and the weight to compute with, the products of all pairs of features (*, in1 in2), and the dtype."""
    arrays = {"input1": input1, "input2": input2, "weight": weight}
    given = [_check.as_float(name, value, argument) for argument, value in arrays.items()]
    compute = np.result_type(*given, np.float32)
    x1, x2, w = (_check.contiguous(each, compute).reshape(each.shape) for each in given)
    if w.ndim != 3:
        raise ValueError(f"{name}: expected a weight (out, in1, in2), got shape {w.shape}")
    expected = (*x1.shape[:-1], w.shape[2])
    if x1.ndim < 1 or x1.shape[-1] != w.shape[1] or x2.shape != expected:
        raise ValueError(
            f"{name}: expected inputs (*, {w.shape[1]}) and (*, {w.shape[2]}) of one batch, "
            f"got {x1.shape} and {x2.shape}"
        )
    pairs = x1[..., :, np.newaxis] * x2[..., np.newaxis, :]
    return x1, x2, w, pairs.reshape(*x1.shape[:-1], math.prod(w.shape[1:])), np.result_type(*given)


@differentiable
def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Array:
    """x1^T W_o x2 + b_o for each output o.

    Parameters
    ----------
    input1 : array_like, (*, in1_features)
    input2 : array_like, (*, in2_features)
    weight : array_like, (out_features, in1_features, in2_features)
    bias : array_like, (out_features,), optional

    Returns
    -------
    ndarray, (*, out_features)

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Notes
    -----
    The products of all pairs of features are a matrix (rows, in1 in2) in memory, and one matrix product does the rest.

    Examples
    --------
    >>> bilinear([[1.0, 2.0]], [[3.0]], [[[1.0], [10.0]]])
    array([[63.]])
    """
    _, _, w, pairs, dtype = _outer("bilinear", input1, input2, weight)
    if bias is not None:
        bias = _check.as_float("bilinear", bias, "bias")
        if bias.shape != w.shape[:1]:
            raise ValueError(f"bilinear: expected bias of shape {w.shape[:1]}, got {bias.shape}")
    y = linear(pairs, w.reshape(len(w), math.prod(w.shape[1:])), bias)
    return _check.finish(y, dtype, None)


@derivative(bilinear, "input1", "input2", "weight", "bias")
def _bilinear(wanted: tuple[bool, bool, bool, bool], input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    return bilinear(input1, input2, weight, bias), lambda dy: _gradients(dy, input1, input2, weight, wanted)


def bilinear_backward(dy: Any, input1: Any, input2: Any, weight: Any) -> tuple[Array, Array, Array, Array]:
    """Gradients of `bilinear`: of both inputs, the weight and the bias.

    Parameters
    ----------
    dy : array_like, (*, out)
        The gradient of the result of `bilinear`.
    input1 : array_like, (*, in1)
    input2 : array_like, (*, in2)
    weight : array_like, (out, in1, in2)
        Those of the forward call.

    Returns
    -------
    dx1, dx2, dweight, dbias : ndarray
        Of the shapes of the inputs and of the weight, and (out,); in the dtype that the arrays have together.

    Raises
    ------
    ValueError
        If shapes do not fit.

    Examples
    --------
    >>> dx1, dx2, dweight, dbias = bilinear_backward([[1.0]], [[1.0, 2.0]], [[3.0]], [[[1.0], [10.0]]])
    >>> dx1, dx2, dweight.ravel(), dbias
    (array([[ 3., 30.]]), array([[21.]]), array([3., 6.]), array([1.]))
    """
    return _gradients(dy, input1, input2, weight, (True, True, True, True))


def _gradients(dy: Any, input1: Any, input2: Any, weight: Any, wanted: tuple[bool, bool, bool, bool]) -> Any:
    """`bilinear_backward`, only those gradients that are wanted."""
    name = "bilinear_backward"
    x1, x2, w, pairs, dtype = _outer(name, input1, input2, weight)
    gradient, expected = _check.as_float(name, dy, "dy"), (*x1.shape[:-1], len(w))
    if gradient.shape != expected:
        raise ValueError(f"{name}: expected dy of shape {expected}, got {gradient.shape}")
    matrix = w.reshape(len(w), math.prod(w.shape[1:]))
    dpairs, dweight, dbias = linear_gradients(gradient, pairs, matrix, (wanted[0] or wanted[1], *wanted[2:]))
    dx1 = dx2 = None
    if dpairs is not None:
        dpairs = dpairs.reshape(*x1.shape[:-1], *w.shape[1:])
        dx1 = matmul(dpairs, x2[..., np.newaxis])[..., 0] if wanted[0] else None
        dx2 = matmul(x1[..., np.newaxis, :], dpairs)[..., 0, :] if wanted[1] else None
    if dweight is not None:
        dweight = _check.contiguous(dweight).reshape(w.shape)
    return tuple(None if each is None else _check.finish(each, dtype, None) for each in (dx1, dx2, dweight, dbias))
