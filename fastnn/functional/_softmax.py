"""softmax, log_softmax and their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _check, _core
from .._check import Array
from .._core import ops
from .._dispatch import derivative, differentiable, respelled
from ._layout import from_rows, to_rows

__all__ = [
    "log_softmax",
    "log_softmax_backward",
    "softmax",
    "softmax_backward",
    "softmin",
    "softmin_backward",
]


def _dimension(name: str, dim: Any, shape: tuple[int, ...]) -> int:
    """`dim`; None is the last of up to two dimensions, and refused for more (PyTorch silently takes 0 of three)."""
    if dim is None and len(shape) > 2:
        raise ValueError(
            f"{name}: expected dim for an input of more than 2 dimensions, got None with shape {shape}; "
            "dim=1 takes the channels of (N, C, *), dim=-1 the last dimension"
        )
    return _check.axis(name, max(len(shape) - 1, 0) if dim is None else dim, len(shape))


def _forward(name: str, input: Any, dim: int | None, dtype: Any, out: Array | None, log: bool) -> Array:
    if dtype is None and out is None:
        plain = _core.plain_softmax(input, dim, log)
        if plain is not None:
            return plain
    x = _check.as_float(name, input)
    if dtype is not None:
        if dtype not in _check.FLOATS:
            raise TypeError(f"{name}: expected dtype float16, float32 or float64, got {dtype!r}")
        x = x.astype(dtype)
    dim = _dimension(name, dim, x.shape)
    result = x.dtype.newbyteorder("=")
    _check.check_out(name, out, x.shape, result)
    rows = to_rows(_check.compute_array(x), dim)
    y = _core.empty_like(rows)
    if y.size:
        ops.softmax(y, rows, *rows.shape, log)
    return _check.finish(from_rows(y, x.shape, dim), result, out)


def _backward(name: str, dy: Any, y: Any, dim: int | None, out: Array | None, log: bool) -> Array:
    if out is None:
        plain = _core.plain_softmax_backward(dy, y, dim, log)
        if plain is not None:
            return plain
    dy, y = _check.as_float(name, dy, "dy"), _check.as_float(name, y, "y")
    _check.same_shape(name, "y", y, "dy", dy)
    dim = _dimension(name, dim, y.shape)
    result = np.result_type(dy, y)
    _check.check_out(name, out, y.shape, result)
    compute = np.result_type(result, np.float32)
    dy_rows, y_rows = (to_rows(_check.compute_array(each.astype(compute, copy=False)), dim) for each in (dy, y))
    dx = _core.empty_like(y_rows)
    if dx.size:
        ops.softmax_backward(dx, dy_rows, y_rows, *dx.shape, log)
    return _check.finish(from_rows(dx, y.shape, dim), result, out)


@differentiable
def softmax(input: Any, dim: int | None = None, *, dtype: Any = None, out: Array | None = None) -> Array:
    """exp(x) / sum exp(x) along one dimension, computed about the maximum.

    Parameters
    ----------
    input : array_like
    dim : int, optional
        None takes the last dimension of a 1-D or 2-D input; of more dimensions, one must be named.
    dtype : data-type, optional
        Cast `input` to it first.
    out : ndarray, optional
        Where to put the result.

    Returns
    -------
    ndarray
        Of `input`'s shape.  A row that holds NaN or inf, or -inf alone, is NaN.

    Examples
    --------
    >>> softmax([1.0, -1.0, 1.0]).round(4)
    array([0.4683, 0.0634, 0.4683])
    """
    return _forward("softmax", input, dim, dtype, out, log=False)


@derivative(softmax, "input")
def _softmax(wanted: tuple[bool], input: Any, dim: int | None = None, *, dtype: Any = None) -> Any:
    y = softmax(input, dim, dtype=dtype)
    return y, lambda dy: (softmax_backward(dy, y, dim),)


@respelled
def softmax_backward(dy: Any, y: Any, dim: int | None = None, *, out: Array | None = None) -> Array:
    """Gradient of `softmax`: y * (dy - sum y dy).

    Examples
    --------
    >>> softmax_backward([1.0, 0.0], [0.5, 0.5])
    array([ 0.25, -0.25])
    """
    return _backward("softmax_backward", dy, y, dim, out, log=False)


@differentiable
def log_softmax(input: Any, dim: int | None = None, *, dtype: Any = None, out: Array | None = None) -> Array:
    """Logarithm of `softmax`, x - max - log(sum exp(x - max)).

    Parameters
    ----------
    input : array_like
    dim : int, optional
        As in `softmax`.
    dtype : data-type, optional
        Cast `input` to it first.
    out : ndarray, optional
        Where to put the result.

    Returns
    -------
    ndarray
        Of `input`'s shape.

    Notes
    -----
    The logarithm is log1p of the sum without its largest term, so that the largest entry keeps its digits where it
    exceeds the others by far.

    Examples
    --------
    >>> log_softmax([0.0, 0.0]).round(4)
    array([-0.6931, -0.6931])
    """
    return _forward("log_softmax", input, dim, dtype, out, log=True)


@derivative(log_softmax, "input")
def _log_softmax(wanted: tuple[bool], input: Any, dim: int | None = None, *, dtype: Any = None) -> Any:
    y = log_softmax(input, dim, dtype=dtype)
    return y, lambda dy: (log_softmax_backward(dy, y, dim),)


@respelled
def log_softmax_backward(dy: Any, y: Any, dim: int | None = None, *, out: Array | None = None) -> Array:
    """Gradient of `log_softmax`: dy - exp(y) * sum dy.

    Examples
    --------
    >>> log_softmax_backward([1.0, 0.0], log_softmax([0.0, 0.0])).round(4)
    array([ 0.5, -0.5])
    """
    return _backward("log_softmax_backward", dy, y, dim, out, log=True)


@differentiable
def softmin(input: Any, dim: int | None = None, *, dtype: Any = None, out: Array | None = None) -> Array:
    """`softmax` of the negative input.

    Parameters
    ----------
    input : array_like
    dim : int, optional
    dtype : data-type, optional
        As in `softmax`.
    out : ndarray, optional
        Where to put the result.

    Returns
    -------
    ndarray
        Of `input`'s shape.

    Examples
    --------
    >>> softmin([1.0, -1.0, 1.0]).round(4)
    array([0.1065, 0.787 , 0.1065])
    """
    return _forward("softmin", -_check.as_float("softmin", input), dim, dtype, out, log=False)


@derivative(softmin, "input")
def _softmin(wanted: tuple[bool], input: Any, dim: int | None = None, *, dtype: Any = None) -> Any:
    y = softmin(input, dim, dtype=dtype)
    return y, lambda dy: (softmin_backward(dy, y, dim),)


@respelled
def softmin_backward(dy: Any, y: Any, dim: int | None = None, *, out: Array | None = None) -> Array:
    """Gradient of `softmin`: -y * (dy - sum y dy).

    Examples
    --------
    >>> softmin_backward([1.0, 0.0], [0.5, 0.5])
    array([-0.25,  0.25])
    """
    return _backward("softmin_backward", -_check.as_float("softmin_backward", dy, "dy"), y, dim, out, log=False)
