"""Rows of unit length."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _check, _core
from .._check import Array
from .._core import ops
from .._dispatch import derivative, differentiable, respelled
from ._layout import from_rows, to_rows

__all__ = [
    "normalize",
    "normalize_backward",
]


def _unit_input(name: str, input: Any, p: Any, dim: Any, eps: Any) -> tuple[Array, np.dtype[Any], float, Any, float]:
    x, dtype = _check.as_compute(name, input)
    p, eps = _check.real(name, "p", p), _check.real(name, "eps", eps)
    dims = tuple(_check.axis(name, each, x.ndim) for each in (dim if isinstance(dim, (tuple, list)) else (dim,)))
    if len(set(dims)) != len(dims):
        raise ValueError(f"{name}: expected different dims, got {dim}")
    return x, dtype, p, (dims or tuple(range(x.ndim))) if x.ndim else (), eps


def lengths(x: Array, p: float, dims: tuple[int, ...]) -> Array:
    """The p-norms along dims, which stay as dimensions of size 1."""
    size = np.abs(x)
    if p == math.inf:
        return size.max(axis=dims, keepdims=True, initial=0)
    if p == -math.inf:
        return size.min(axis=dims, keepdims=True, initial=math.inf)
    if p == 0:
        return (size != 0).sum(axis=dims, keepdims=True).astype(x.dtype)
    return (size**p).sum(axis=dims, keepdims=True) ** (1 / p)


@differentiable
def normalize(input: Any, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, out: Array | None = None) -> Array:
    """x / max(norm(x), eps), the p-norm taken along a dimension.

    Parameters
    ----------
    input : array_like
    p : float
        The norm's exponent; inf is the largest absolute value.
    dim : int or tuple of int
        () takes all dimensions.
    eps : float
    out : ndarray, optional
        Where to put the result.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> normalize([[3.0, 4.0]])
    array([[0.6, 0.8]])
    """
    x, dtype, p, dims, eps = _unit_input("normalize", input, p, dim, eps)
    _check.check_out("normalize", out, x.shape, dtype)
    if p == 2 and len(dims) == 1:
        rows = to_rows(x, dims[0])
        y = _core.empty_like(rows)
        if y.size:
            ops.unit_rows(y, rows, *y.shape, eps)
        y = from_rows(y, x.shape, dims[0])
    else:
        with np.errstate(all="ignore"):
            x = _check.contiguous(x).reshape(x.shape)  # so that sums have one order for any memory order
            y = np.asarray(x / np.maximum(lengths(x, p, dims), x.dtype.type(eps)))
    return _check.finish(y, dtype, out)


@derivative(normalize, "input")
def _normalize(wanted: tuple[bool], input: Any, p: float = 2.0, dim: Any = 1, eps: float = 1e-12) -> Any:
    return normalize(input, p, dim, eps), lambda dy: (normalize_backward(dy, input, p, dim, eps),)


@respelled
def normalize_backward(dy: Any, input: Any, p: float = 2.0, dim: Any = 1, eps: float = 1e-12) -> Array:
    """Gradient of `normalize`: dy / length - x * (dy . x) / length^3 for p = 2.

    Examples
    --------
    >>> normalize_backward([[1.0, 0.0]], [[3.0, 4.0]]).round(4)
    array([[ 0.128, -0.096]])
    """
    name = "normalize_backward"
    x, dtype, p, dims, eps = _unit_input(name, input, p, dim, eps)
    gradient = _check.as_float(name, dy, "dy").astype(x.dtype, copy=False)
    _check.same_shape(name, "input", x, "dy", gradient)
    if p == 2 and len(dims) == 1:
        rows, dy_rows = to_rows(x, dims[0]), to_rows(gradient, dims[0])
        dx = _core.empty_like(rows)
        if dx.size:
            ops.unit_rows_backward(dx, dy_rows, rows, *dx.shape, eps)
        return _check.finish(from_rows(dx, x.shape, dims[0]), dtype, None)
    x, gradient = (_check.contiguous(each).reshape(each.shape) for each in (x, gradient))
    with np.errstate(all="ignore"):
        length = lengths(x, p, dims)
        divisor = np.maximum(length, x.dtype.type(eps))
        along = np.where(length >= eps, (gradient * x).sum(axis=dims, keepdims=True) / divisor**2, 0)
        dx = gradient / divisor - along * length_gradient(x, length, p, dims)
    return _check.finish(np.asarray(dx, x.dtype), dtype, None)


def length_gradient(x: Array, length: Array, p: float, dims: tuple[int, ...]) -> Array:
    """d length / dx; equal maxima share it, and it is 0 at 0.  NaN has no sign, as in PyTorch."""
    size, sign = np.abs(x), np.subtract(x > 0, x < 0, dtype=x.dtype)
    if math.isinf(p):
        hit = (size == length) | np.isnan(size)
        return sign * hit / hit.sum(axis=dims, keepdims=True)
    if p == 0:
        return np.zeros_like(x)
    slope = sign * (size / length) ** (p - 1)
    return np.where((length == 0) | (x == 0), 0, slope) if p != 1 else sign
