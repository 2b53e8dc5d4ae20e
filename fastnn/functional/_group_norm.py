"""Normalization of each sample by itself: layer, group, instance and RMS norm, and rows of unit length.

All are one kernel over rows: a row of k channels with s values each is normalized as one, every channel with its own
weight and bias.  Statistics are float64 and taken as in batch normalization, so that a large mean costs no digits.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .. import _check, _core
from .._check import Array
from .._dispatch import differentiable
from ._norm import batch_norm, check_eps, check_running
from ._softmax import from_rows, kernel_type, to_rows

__all__ = [
    "group_norm",
    "group_norm_backward",
    "group_norm_stats",
    "instance_norm",
    "instance_norm_backward",
    "instance_norm_stats",
    "layer_norm",
    "layer_norm_backward",
    "layer_norm_stats",
    "normalize",
    "normalize_backward",
    "rms_norm",
    "rms_norm_backward",
    "rms_norm_stats",
]


class Rows(NamedTuple):
    """How an input falls into rows: g rows a sample with parameters of their own, k channels a row, s values each."""

    shape: tuple[int, ...]  # of the statistics
    g: int
    k: int
    s: int
    centre: bool = True


def _forward(x: Array, rows: Rows, weight: Array | None, bias: Array | None, eps: float) -> tuple[Array, Array, Array]:
    """The result, mean and rstd of contiguous x."""
    y = np.empty(x.shape, x.dtype)
    mean, rstd = np.zeros(rows.shape), np.zeros(rows.shape)
    if y.size:
        kernel = _core.group_norm[kernel_type(x)]
        sizes = (rows.g, rows.k, rows.s, eps, rows.centre)
        kernel(y.reshape(-1), mean.reshape(-1), rstd.reshape(-1), x.reshape(-1), weight, bias, *sizes)
    return y, mean, rstd


def _backward(
    name: str, dy: Any, x: Array, dtype: Any, rows: Rows, mean: Any, rstd: Any, weight: Array | None
) -> tuple[Array, Array, Array]:
    """dx, dweight, dbias; the last two as vectors of g k values."""
    gradient = _check.as_float(name, dy, "dy")
    _check.same_shape(name, "input", x, "dy", gradient)
    gradient, flat_x = (np.ascontiguousarray(each, x.dtype).reshape(-1) for each in (gradient, x))
    statistics = []
    for argument, value in (("mean", mean), ("rstd", rstd)):
        array = _check.as_float(name, value, argument)
        if array.shape != rows.shape:
            raise ValueError(f"{name}: expected {argument} of shape {rows.shape}, got {array.shape}")
        statistics.append(np.ascontiguousarray(array, np.float64).reshape(-1))
    dx = np.empty(x.shape, x.dtype)
    dweight, dbias = np.zeros((2, rows.g * rows.k), x.dtype)
    if x.size:
        sizes = (rows.g, rows.k, rows.s)
        work = np.empty(_core.group_norm_work(len(statistics[0]), *sizes))
        kernel = _core.group_norm_backward[kernel_type(x)]
        kernel(dx.reshape(-1), dweight, dbias, work, gradient, flat_x, *statistics, weight, *sizes, rows.centre)
    return _check.finish(dx, dtype, None), _check.finish(dweight, dtype, None), _check.finish(dbias, dtype, None)


# -- layer norm and RMS norm ------------------------------------------------------------------------------------------


def _normalized(name: str, value: Any) -> tuple[int, ...]:
    sizes = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    if not sizes:
        raise ValueError(f"{name}: expected normalized_shape of at least one dimension, got ()")
    return tuple(_check.count(name, "each size of normalized_shape", size) for size in sizes)


def _layer_rows(x: Array, dimensions: int, centre: bool = True) -> Rows:
    leading = x.shape[: x.ndim - dimensions]
    return Rows(leading, 1, math.prod(x.shape[x.ndim - dimensions :]), 1, centre)


def _layer_input(name: str, input: Any, normalized_shape: Any) -> tuple[Array, np.dtype[Any], tuple[int, ...]]:
    x, dtype = _check.as_compute(name, input)
    shape = _normalized(name, normalized_shape)
    if x.shape[x.ndim - len(shape) :] != shape or x.ndim < len(shape):
        raise ValueError(f"{name}: expected an input whose last dimensions are {shape}, got shape {x.shape}")
    return np.ascontiguousarray(x).reshape(x.shape), dtype, shape


def _shaped(name: str, argument: str, value: Any, shape: tuple[int, ...], dtype: Any) -> Array | None:
    """A parameter of this shape, flat."""
    if value is None:
        return None
    array = _check.as_float(name, value, argument)
    if array.shape != shape:
        raise ValueError(f"{name}: expected {argument} of shape {shape}, got {array.shape}")
    return np.ascontiguousarray(array, dtype).reshape(-1)


def layer_forward(
    name: str, input: Any, normalized_shape: Any, weight: Any, bias: Any, eps: float, out: Array | None, centre: bool
) -> tuple[Array, Array, Array]:
    """The result, mean and rstd of layer norm, or, without `centre`, of RMS norm."""
    x, dtype, shape = _layer_input(name, input, normalized_shape)
    weight = _shaped(name, "weight", weight, shape, x.dtype)
    bias = _shaped(name, "bias", bias, shape, x.dtype)
    _check.check_out(name, out, x.shape, dtype)
    y, mean, rstd = _forward(x, _layer_rows(x, len(shape), centre), weight, bias, eps)
    return _check.finish(y, dtype, out), mean, rstd


def layer_norm_stats(input: Any, normalized_shape: Any, eps: float = 1e-5) -> tuple[Array, Array]:
    """Mean and 1 / sqrt(var + eps) over the last dimensions; var is biased.

    Parameters
    ----------
    input : array_like, (*, *normalized_shape)
    normalized_shape : int or tuple of int
    eps : float

    Returns
    -------
    mean, rstd : ndarray of float64, (*)

    Examples
    --------
    >>> mean, rstd = layer_norm_stats([[1.0, 3.0]], 2)
    >>> mean, rstd.round(3)
    (array([2.]), array([1.]))
    """
    eps = _check.real("layer_norm_stats", "eps", eps)
    return layer_forward("layer_norm_stats", input, normalized_shape, None, None, eps, None, True)[1:]


@differentiable
def layer_norm(
    input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5, *, out: Any = None
) -> Array:
    """(x - mean) / sqrt(var + eps) * weight + bias over the last dimensions (Ba, Kiros, Hinton 2016).

    Parameters
    ----------
    input : array_like, (*, *normalized_shape)
    normalized_shape : int or tuple of int
        The last dimensions; each row over them has its own mean and biased variance.
    weight, bias : array_like, normalized_shape, or None
    eps : float
    out : ndarray, optional
        Where to put the result.

    Returns
    -------
    ndarray

    Raises
    ------
    ValueError
        If the input's last dimensions are others.

    Examples
    --------
    >>> layer_norm([[1.0, 3.0], [5.0, 5.0]], 2).round(3)
    array([[-1.,  1.],
           [ 0.,  0.]])
    """
    eps = _check.real("layer_norm", "eps", eps)
    return layer_forward("layer_norm", input, normalized_shape, weight, bias, eps, out, True)[0]


def layer_norm_backward(dy: Any, input: Any, mean: Any, rstd: Any, weight: Any = None) -> tuple[Array, Array, Array]:
    """Gradients of `layer_norm`: of the input, the weight and the bias.

    Parameters
    ----------
    dy, input : array_like
    mean, rstd : array_like
        From `layer_norm_stats`; their number of dimensions tells which dimensions are normalized.
    weight : array_like or None

    Returns
    -------
    dx : ndarray
        rstd * (g - mean(g) - xhat * mean(g * xhat)), g = dy * weight, xhat = (input - mean) * rstd.
    dweight, dbias : ndarray
        The sums of dy * xhat and of dy over the rows.

    Examples
    --------
    >>> x = np.array([[1.0, 3.0]])
    >>> dx, dweight, dbias = layer_norm_backward([[1.0, 0.0]], x, *layer_norm_stats(x, 2))
    >>> dweight.round(3), dbias
    (array([-1.,  0.]), array([1., 0.]))
    """
    name = "layer_norm_backward"
    x, dtype = _check.as_compute(name, input)
    shape = x.shape[np.ndim(mean) :]
    weight = _shaped(name, "weight", weight, shape, x.dtype)
    dx, dweight, dbias = _backward(name, dy, x, dtype, _layer_rows(x, len(shape)), mean, rstd, weight)
    return dx, dweight.reshape(shape), dbias.reshape(shape)


def rms_eps(name: str, input: Any, eps: float | None) -> float:
    """Eps, or the machine epsilon of the input's dtype."""
    if eps is not None:
        return _check.real(name, "eps", eps)
    return float(np.finfo(_check.as_float(name, input).dtype).eps)


def rms_norm_stats(input: Any, normalized_shape: Any, eps: float | None = None) -> Array:
    """1 / sqrt(mean(x^2) + eps) over the last dimensions, float64.

    Examples
    --------
    >>> rms_norm_stats([[3.0, 3.0]], 2).round(4)
    array([0.3333])
    """
    eps = rms_eps("rms_norm_stats", input, eps)
    return layer_forward("rms_norm_stats", input, normalized_shape, None, None, eps, None, False)[2]


@differentiable
def rms_norm(
    input: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None, *, out: Array | None = None
) -> Array:
    """x / sqrt(mean(x^2) + eps) * weight over the last dimensions (Zhang, Sennrich 2019).

    Parameters
    ----------
    input : array_like, (*, *normalized_shape)
    normalized_shape : int or tuple of int
    weight : array_like, normalized_shape, or None
    eps : float, optional
        None: the machine epsilon of the input's dtype.
    out : ndarray, optional
        Where to put the result.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> rms_norm([[3.0, -3.0]], 2).round(3)
    array([[ 1., -1.]])
    """
    eps = rms_eps("rms_norm", input, eps)
    return layer_forward("rms_norm", input, normalized_shape, weight, None, eps, out, False)[0]


def rms_norm_backward(dy: Any, input: Any, rstd: Any, weight: Any = None) -> tuple[Array, Array]:
    """Gradients of `rms_norm`: of the input and the weight.

    Examples
    --------
    >>> dx, dweight = rms_norm_backward([[1.0, 0.0]], [[3.0, 3.0]], [1 / 3])
    >>> dx.round(4), dweight
    (array([[ 0.1667, -0.1667]]), array([1., 0.]))
    """
    name = "rms_norm_backward"
    x, dtype = _check.as_compute(name, input)
    shape = x.shape[np.ndim(rstd) :]
    weight = _shaped(name, "weight", weight, shape, x.dtype)
    rows = _layer_rows(x, len(shape), centre=False)
    dx, dweight, _ = _backward(name, dy, x, dtype, rows, np.zeros(rows.shape), rstd, weight)
    return dx, dweight.reshape(shape)


# -- group norm and instance norm -------------------------------------------------------------------------------------


def _group_input(name: str, input: Any, num_groups: Any) -> tuple[Array, np.dtype[Any], Rows]:
    x, dtype = _check.as_compute(name, input)
    groups = _check.count(name, "num_groups", num_groups, low=1)
    if x.ndim < 2:
        raise ValueError(f"{name}: expected an input of 2 or more dimensions (N, C, *), got shape {x.shape}")
    n, c = x.shape[:2]
    if c % groups:
        raise ValueError(f"{name}: expected channels divisible by num_groups {groups}, got {c} with shape {x.shape}")
    s = math.prod(x.shape[2:])
    if n * (c // groups) * s == 1:
        raise ValueError(f"{name}: expected more than 1 value per group, got input size {x.shape}")
    return np.ascontiguousarray(x), dtype, Rows((n, groups), groups, c // groups, s)


def group_forward(
    name: str, input: Any, num_groups: Any, weight: Any, bias: Any, eps: float, out: Array | None
) -> tuple[Array, Array, Array]:
    """The result, mean and rstd of group norm."""
    x, dtype, rows = _group_input(name, input, num_groups)
    weight = _check.as_vector(name, weight, "weight", x.shape[1], x.dtype)
    bias = _check.as_vector(name, bias, "bias", x.shape[1], x.dtype)
    _check.check_out(name, out, x.shape, dtype)
    y, mean, rstd = _forward(x, rows, weight, bias, _check.real(name, "eps", eps))
    return _check.finish(y, dtype, out), mean, rstd


def group_norm_stats(input: Any, num_groups: int, eps: float = 1e-5) -> tuple[Array, Array]:
    """Mean and 1 / sqrt(var + eps) of each sample's groups of channels, float64, (N, num_groups).

    Examples
    --------
    >>> mean, rstd = group_norm_stats([[1.0, 3.0, 5.0, 5.0]], 2)
    >>> mean
    array([[2., 5.]])
    """
    return group_forward("group_norm_stats", input, num_groups, None, None, eps, None)[1:]


@differentiable
def group_norm(
    input: Any,
    num_groups: int,
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
    *,
    out: Array | None = None,
) -> Array:
    """(x - mean) / sqrt(var + eps) * weight + bias with the statistics of each sample's groups (Wu, He 2018).

    Parameters
    ----------
    input : array_like, (N, C, *)
    num_groups : int
        Must divide C; a group is C / num_groups neighbouring channels.
    weight, bias : array_like, (C,), or None
    eps : float
    out : ndarray, optional
        Where to put the result.

    Returns
    -------
    ndarray

    Raises
    ------
    ValueError
        If C is not divisible by num_groups, or there is one value alone.

    Examples
    --------
    >>> group_norm([[1.0, 3.0, 5.0, 5.0]], 2).round(3)
    array([[-1.,  1.,  0.,  0.]])
    """
    return group_forward("group_norm", input, num_groups, weight, bias, eps, out)[0]


def group_norm_backward(dy: Any, input: Any, mean: Any, rstd: Any, weight: Any = None) -> tuple[Array, Array, Array]:
    """Gradients of `group_norm`: of the input, the weight and the bias; mean and rstd from `group_norm_stats`.

    Examples
    --------
    >>> x = np.array([[1.0, 3.0, 5.0, 5.0]])
    >>> dx, dweight, dbias = group_norm_backward(np.ones((1, 4)), x, *group_norm_stats(x, 2))
    >>> dweight.round(3), dbias
    (array([-1.,  1.,  0.,  0.]), array([1., 1., 1., 1.]))
    """
    name = "group_norm_backward"
    if np.ndim(mean) != 2:
        raise ValueError(f"{name}: expected mean of shape (N, num_groups), got {np.shape(mean)}")
    x, dtype, rows = _group_input(name, input, max(np.shape(mean)[1], 1))
    weight = _check.as_vector(name, weight, "weight", x.shape[1], x.dtype)
    return _backward(name, dy, x, dtype, rows, mean, rstd, weight)


def _instance_input(name: str, input: Any) -> tuple[Array, np.dtype[Any], Rows]:
    x, dtype = _check.as_compute(name, input)
    if x.ndim < 2:
        raise ValueError(f"{name}: expected an input of 3 or more dimensions (N, C, *), got shape {x.shape}")
    n, c = x.shape[:2]
    s = math.prod(x.shape[2:])
    if s == 1:
        raise ValueError(f"{name}: expected more than 1 spatial element when training, got input size {x.shape}")
    return np.ascontiguousarray(x), dtype, Rows((n, c), c, 1, s)


def instance_forward(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any,
    bias: Any,
    momentum: float,
    eps: float,
    *,
    out: Array | None = None,
    name: str = "instance_norm",
) -> tuple[Array, Array, Array]:
    """`instance_norm` with the input's statistics, and its mean and rstd."""
    x, dtype, rows = _instance_input(name, input)
    c = x.shape[1]
    weight = _check.as_vector(name, weight, "weight", c, x.dtype)
    bias = _check.as_vector(name, bias, "bias", c, x.dtype)
    if (running_mean is None) != (running_var is None):
        raise ValueError(f"{name}: expected both running_mean and running_var, or neither")
    running = [
        check_running(name, argument, value, c, update=True)
        for argument, value in (("running_mean", running_mean), ("running_var", running_var))
    ]
    momentum, eps = _check.real(name, "momentum", momentum), check_eps(name, eps)
    _check.check_out(name, out, x.shape, dtype)
    y, mean, rstd = _forward(x, rows, weight, bias, eps)
    if x.size:
        batch = (mean.mean(0), ((1 / rstd**2 - eps) * (rows.s / (rows.s - 1))).mean(0))
        for array, value in zip(running, batch, strict=True):
            if array is not None:
                array[...] = (1 - momentum) * array.astype(np.float64) + momentum * value
    return _check.finish(y, dtype, out), mean, rstd


def instance_norm_stats(input: Any, eps: float = 1e-5) -> tuple[Array, Array]:
    """Mean and 1 / sqrt(var + eps) of each channel of each sample, float64, (N, C).

    Examples
    --------
    >>> mean, rstd = instance_norm_stats([[[1.0, 3.0], [5.0, 5.0]]])
    >>> mean
    array([[2., 5.]])
    """
    return instance_forward(input, None, None, None, None, 0.1, eps, name="instance_norm_stats")[1:]


@differentiable
def instance_norm(
    input: Any,
    running_mean: Array | None = None,
    running_var: Array | None = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    out: Array | None = None,
) -> Array:
    """(x - mean) / sqrt(var + eps) * weight + bias for each channel of each sample (Ulyanov, Vedaldi, Lempitsky 2016).

    Parameters
    ----------
    input : array_like, (N, C, *)
    running_mean, running_var : ndarray, (C,), or None
        With the input's statistics they are updated as in `batch_norm`, by the mean over the samples; else used.
    weight, bias : array_like, (C,), or None
    use_input_stats : bool
    momentum, eps : float
    out : ndarray, optional
        Where to put the result.

    Returns
    -------
    ndarray

    Raises
    ------
    ValueError
        If a channel has one value.

    Examples
    --------
    >>> instance_norm([[[1.0, 3.0], [5.0, 5.0]]]).round(3)
    array([[[-1.,  1.],
            [ 0.,  0.]]])
    """
    if use_input_stats:
        return instance_forward(input, running_mean, running_var, weight, bias, momentum, eps, out=out)[0]
    if running_mean is None or running_var is None:
        raise ValueError("instance_norm: expected running_mean and running_var without use_input_stats, got None")
    return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps, out=out)


def instance_norm_backward(dy: Any, input: Any, mean: Any, rstd: Any, weight: Any = None) -> tuple[Array, Array, Array]:
    """Gradients of `instance_norm` with the input's statistics, which `instance_norm_stats` gives.

    Examples
    --------
    >>> x = np.array([[[1.0, 3.0], [5.0, 5.0]]])
    >>> dx, dweight, dbias = instance_norm_backward(np.ones((1, 2, 2)), x, *instance_norm_stats(x))
    >>> dweight.round(3), dbias
    (array([0., 0.]), array([2., 2.]))
    """
    name = "instance_norm_backward"
    x, dtype, rows = _instance_input(name, input)
    weight = _check.as_vector(name, weight, "weight", x.shape[1], x.dtype)
    return _backward(name, dy, x, dtype, rows, mean, rstd, weight)


# -- unit length ------------------------------------------------------------------------------------------------------


def _unit_input(name: str, input: Any, p: Any, dim: Any, eps: Any) -> tuple[Array, np.dtype[Any], float, Any, float]:
    x, dtype = _check.as_compute(name, input)
    p, eps = _check.real(name, "p", p), _check.real(name, "eps", eps)
    dims = tuple(_check.axis(name, each, x.ndim) for each in (dim if isinstance(dim, (tuple, list)) else (dim,)))
    return x, dtype, p, dims if x.ndim else (), eps


def _lengths(x: Array, p: float, dims: tuple[int, ...]) -> Array:
    """The p-norms along dims, which stay as dimensions of size 1."""
    size = np.abs(x)
    if p == math.inf:
        return size.max(axis=dims, keepdims=True, initial=0)
    if p == -math.inf:
        return size.min(axis=dims, keepdims=True)
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
        y = np.empty_like(rows)
        if y.size:
            _core.unit_rows[kernel_type(y)](y, rows, eps)
        y = from_rows(y, x.shape, dims[0])
    else:
        with np.errstate(all="ignore"):
            y = np.asarray(x / np.maximum(_lengths(x, p, dims), x.dtype.type(eps)))
    return _check.finish(y, dtype, out)


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
        dx = np.empty_like(rows)
        if dx.size:
            _core.unit_rows_backward[kernel_type(dx)](dx, dy_rows, rows, eps)
        return _check.finish(from_rows(dx, x.shape, dims[0]), dtype, None)
    length = _lengths(x, p, dims)
    with np.errstate(all="ignore"):
        divisor = np.maximum(length, x.dtype.type(eps))
        along = np.where(length >= eps, (gradient * x).sum(axis=dims, keepdims=True) / divisor**2, 0)
        dx = gradient / divisor - along * _length_gradient(x, length, p, dims)
    return _check.finish(np.asarray(dx, x.dtype), dtype, None)


def _length_gradient(x: Array, length: Array, p: float, dims: tuple[int, ...]) -> Array:
    """d length / dx; equal maxima share it, and it is 0 at 0."""
    size, sign = np.abs(x), np.sign(x)
    if math.isinf(p):
        hit = size == length
        return sign * hit / hit.sum(axis=dims, keepdims=True)
    if p == 0:
        return np.zeros_like(x)
    slope = sign * (size / length) ** (p - 1)
    return np.where((length == 0) | (x == 0), 0, slope) if p != 1 else sign
