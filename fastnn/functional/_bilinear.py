"""Products of two inputs, x1^T W x2, and their gradients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _check
from .._check import Array
from .._dispatch import derivative, differentiable
from ._linear import gradients as linear_gradients, linear
from ._matmul import matmul

__all__ = [
    "bilinear",
    "bilinear_backward",
]


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
    """`bilinear_backward`, only with the gradients that are wanted."""
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
