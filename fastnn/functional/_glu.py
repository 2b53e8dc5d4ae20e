"""The gated linear unit."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _check
from .._check import Array
from .._dispatch import differentiable
from ._activation import sigmoid

__all__ = [
    "glu",
    "glu_backward",
]


def _halves(name: str, input: Any, dim: Any) -> tuple[Array, Array, Array, int]:
    x = _check.as_float(name, input)
    if x.ndim == 0:
        raise ValueError(f"{name}: expected an input of 1 or more dimensions, got a scalar")
    axis = _check.axis(name, dim, x.ndim)
    if x.shape[axis] % 2:
        raise ValueError(f"{name}: expected dimension {axis} to be even, got shape {x.shape}")
    value, gate = np.split(x, 2, axis)
    return x, value, gate, axis


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
    x, value, gate, _ = _halves("glu", input, dim)
    dtype = x.dtype.newbyteorder("=")
    _check.check_out("glu", out, value.shape, dtype)
    with np.errstate(all="ignore"):
        y = _check.compute_array(value) * sigmoid(_check.compute_array(gate))
        return _check.finish(y, dtype, out)


def glu_backward(dy: Any, x: Any, dim: int = -1, *, out: Array | None = None) -> Array:
    """Gradient of `glu`: s * dy for the first half and a * s * (1 - s) * dy for the second, s = sigmoid(b).

    Examples
    --------
    >>> glu_backward([1.0], [4.0, 0.0])
    array([0.5, 1. ])
    """
    array, value, gate, axis = _halves("glu_backward", x, dim)
    dtype = array.dtype.newbyteorder("=")
    _check.check_out("glu_backward", out, array.shape, dtype)
    gradient = _check.as_float("glu_backward", dy, "dy")
    _check.same_shape("glu_backward", "the half input", value, "dy", gradient)
    s = sigmoid(_check.compute_array(gate))
    with np.errstate(all="ignore"):
        first = _check.compute_array(gradient).astype(s.dtype, copy=False) * s
        dx = np.concatenate([first, first * (1 - s) * _check.compute_array(value)], axis)
        return _check.finish(dx, dtype, out)
