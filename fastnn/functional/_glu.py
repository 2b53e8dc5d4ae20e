"""The gated linear unit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _check
from .._check import Array
from .._core import ops
from .._dispatch import derivative, differentiable, respelled

__all__ = [
    "glu",
    "glu_backward",
]


def _halved(name: str, input: Any, dim: Any) -> tuple[Array, np.dtype[Any], tuple[int, ...], int]:
    """The input to compute with, the result's dtype, the shape of one half, the number of rows of two halves."""
    x, dtype = _check.as_compute(name, input)
    if x.ndim == 0:
        raise ValueError(f"{name}: expected an input of 1 or more dimensions, got a scalar")
    axis = _check.axis(name, dim, x.ndim)
    if x.shape[axis] % 2:
        raise ValueError(f"{name}: expected dimension {axis} to be even, got shape {x.shape}")
    half = (*x.shape[:axis], x.shape[axis] // 2, *x.shape[axis + 1 :])
    return _check.contiguous(x), dtype, half, math.prod(x.shape[:axis])


@differentiable
def glu(input: Any, dim: int = -1, *, out: Array | None = None) -> Array:
    """a * sigmoid(b), a and b the two halves of the input along a dimension (Dauphin et al. 2017).

    Parameters
    ----------
    input : array_like
    dim : int
        Of even size.
    out : ndarray, optional
        Where to put the result.

    Returns
    -------
    ndarray
        Half as long along `dim`.

    Raises
    ------
    ValueError
        If the dimension's size is odd.

    Examples
    --------
    >>> glu([4.0, 0.0])
    array([2.])
    """
    x, dtype, half, rows = _halved("glu", input, dim)
    _check.check_out("glu", out, half, dtype)
    y = _check.target_for(out, half, x.dtype, x)
    if y.size:
        ops.glu(y, x, rows, y.size // rows)
    return _check.finish(y, dtype, out)


@derivative(glu, "input")
def _glu(wanted: tuple[bool], input: Any, dim: int = -1) -> Any:
    return glu(input, dim), lambda dy: (glu_backward(dy, input, dim),)


@respelled
def glu_backward(dy: Any, x: Any, dim: int = -1, *, out: Array | None = None) -> Array:
    """Gradient of `glu`: s * dy for the first half and a * s * (1 - s) * dy for the second, s = sigmoid(b).

    Examples
    --------
    >>> glu_backward([1.0], [4.0, 0.0])
    array([0.5, 1. ])
    """
    array, dtype, half, rows = _halved("glu_backward", x, dim)
    _check.check_out("glu_backward", out, array.shape, dtype)
    gradient = _check.as_float("glu_backward", dy, "dy").astype(array.dtype, copy=False)
    if gradient.shape != half:
        raise ValueError(f"glu_backward: expected dy of the half input's shape {half}, got {gradient.shape}")
    dx = _check.target_for(out, array.shape, array.dtype, array, gradient)
    if dx.size:
        ops.glu_backward(dx, _check.contiguous(gradient), array, rows, gradient.size // rows)
    return _check.finish(dx, dtype, out)
