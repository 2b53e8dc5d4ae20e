"""Local response normalization: each channel over a mean of its neighbours' squares."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _check, _core
from .._check import Array
from .._core import ops
from .._dispatch import differentiable, gradient_of
from ._windows import MOST, Axis, Windows

__all__ = ["local_response_norm", "local_response_norm_backward"]


class _Response:
    """The input as (N, C, S), and the base of the power by which its values are divided."""

    def __init__(self, name: str, input: Any, size: Any, alpha: Any, beta: Any, k: Any):
        x, self.dtype = _check.as_compute(name, input)
        self.size = _check.count(name, "size", size, 1, MOST)
        self.alpha, self.beta, self.k = (
            _check.real(name, *each) for each in (("alpha", alpha), ("beta", beta), ("k", k))
        )
        if x.ndim < 3:
            raise ValueError(f"{name}: expected an input (N, C, *) of 3 or more dimensions, got shape {x.shape}")
        self.shape = x.shape
        self.x = _check.contiguous(x).reshape(*x.shape[:2], math.prod(x.shape[2:]))
        with np.errstate(all="ignore"):
            self.base = self.means(self.x * self.x, self.size // 2)
            self.base = np.asarray(self.k + self.alpha * self.base, x.dtype)

    def means(self, values: Array, before: int) -> Array:
        """Means over `size` channels, from the one `before` places before on."""
        n, c, s = values.shape
        y = _core.empty(values.shape, values.dtype)
        if values.size:
            windows = Windows((Axis(c, c, self.size, 1, before),))
            ops.avg_pool(y, values, *windows.arguments(n, s), False, self.size)
        return y


@differentiable
def local_response_norm(input: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Array:
    """x / (k + alpha mean(x^2))^beta, the mean over `size` neighbouring channels, 0 beyond the first and the last.

    Parameters
    ----------
    input : array_like, (N, C, *)
        Of 3 or more dimensions.
    size : int
        How many channels: those from c - size // 2 on.
    alpha, beta, k : float

    Returns
    -------
    ndarray

    Raises
    ------
    ValueError
        If the input has fewer dimensions.

    Examples
    --------
    >>> local_response_norm(np.full((1, 2, 1), 2.0), 1, alpha=3.0, beta=0.5, k=4.0).ravel()
    array([0.5, 0.5])
    """
    response = _Response("local_response_norm", input, size, alpha, beta, k)
    with np.errstate(all="ignore"):
        y = np.asarray(response.x * response.base ** (-response.beta), response.x.dtype)
    return _check.finish(y.reshape(response.shape), response.dtype, None)


@gradient_of(local_response_norm)
def local_response_norm_backward(
    dy: Any, input: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Array:
    """Gradient of `local_response_norm`: dy b^-beta - 2 alpha beta x mean(dy x b^(-beta - 1)).

    b = k + alpha mean(x^2).

    Examples
    --------
    >>> local_response_norm_backward([[[1.0]]], [[[2.0]]], 1, alpha=3.0, beta=0.5, k=4.0)
    array([[[0.0625]]])
    """
    name = "local_response_norm_backward"
    response = _Response(name, input, size, alpha, beta, k)
    x, base = response.x, response.base
    gradient = _check.as_float(name, dy, "dy").astype(x.dtype, copy=False)
    if gradient.shape != response.shape:
        raise ValueError(f"{name}: expected dy of the input's shape {response.shape}, got {gradient.shape}")
    g = _check.contiguous(gradient).reshape(x.shape)
    with np.errstate(all="ignore"):
        share = g * base ** (-response.beta)
        through = response.means(np.asarray(share * x / base, x.dtype), (response.size - 1) // 2)
        dx = np.asarray(share - 2 * response.alpha * response.beta * x * through, x.dtype)
    return _check.finish(dx.reshape(response.shape), response.dtype, None)
