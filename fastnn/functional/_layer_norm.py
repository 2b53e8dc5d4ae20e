"""Layer norm and RMS norm, over the last dimensions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _check, _core
from .._check import Array
from .._dispatch import derivative, differentiable
from ._groups import Groups, backward, forward, statistics

__all__ = [
    "layer_norm",
    "layer_norm_backward",
    "layer_norm_stats",
    "rms_norm",
    "rms_norm_backward",
    "rms_norm_stats",
]


def _layer_groups(x: Array, dimensions: int, centre: bool = True) -> Groups:
    leading = x.shape[: x.ndim - dimensions]
    return Groups(leading, 1, math.prod(x.shape[x.ndim - dimensions :]), 1, centre)


def _layer_input(name: str, input: Any, normalized_shape: Any) -> tuple[Array, np.dtype[Any], tuple[int, ...]]:
    x, dtype = _check.as_compute(name, input)
    shape = _check.normalized_shape(name, normalized_shape)
    if x.shape[x.ndim - len(shape) :] != shape or x.ndim < len(shape):
        raise ValueError(f"{name}: expected an input whose last dimensions are {shape}, got shape {x.shape}")
    return x if x.flags.c_contiguous else x.copy(), dtype, shape


def _shaped(name: str, argument: str, value: Any, shape: tuple[int, ...], dtype: Any) -> Array | None:
    """A parameter, whose shape is checked, flat."""
    if value is None:
        return None
    array = _check.as_float(name, value, argument)
    if array.shape != shape:
        raise ValueError(f"{name}: expected {argument} of shape {shape}, got {array.shape}")
    return _check.contiguous(array, dtype).reshape(-1)


def layer_forward(
    name: str, input: Any, normalized_shape: Any, weight: Any, bias: Any, eps: float, out: Array | None, centre: bool
) -> tuple[Array, Array, Array]:
    """The result, mean and rstd of layer norm, or, without `centre`, of RMS norm."""
    plain = _core.plain_layer_norm(input, normalized_shape, weight, bias, eps, centre) if out is None else None
    if plain is not None:
        return plain
    x, dtype, shape = _layer_input(name, input, normalized_shape)
    weight = _shaped(name, "weight", weight, shape, x.dtype)
    bias = _shaped(name, "bias", bias, shape, x.dtype)
    _check.check_out(name, out, x.shape, dtype)
    y, mean, rstd = forward(x, _layer_groups(x, len(shape), centre), weight, bias, eps, out)
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
    x, _, shape = _layer_input("layer_norm_stats", input, normalized_shape)
    mean, rstd = statistics(x, _layer_groups(x, len(shape)), eps)
    return _check.finish(mean, np.float64, None), _check.finish(rstd, np.float64, None)


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


@derivative(layer_norm, "input", "weight", "bias")
def _layer_norm(
    wanted: tuple[bool, bool, bool],
    input: Any,
    normalized_shape: Any,
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
) -> Any:
    eps = _check.real("layer_norm", "eps", eps)
    y, mean, rstd = layer_forward("layer_norm", input, normalized_shape, weight, bias, eps, None, True)
    return y, lambda dy: _layer_gradients(dy, input, mean, rstd, weight, wanted[0])


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
    return _layer_gradients(dy, input, mean, rstd, weight, True)


def _layer_gradients(
    dy: Any, input: Any, mean: Any, rstd: Any, weight: Any, of_input: bool
) -> tuple[Any, Array, Array]:
    """`layer_norm_backward`, without the input's gradient if it is not wanted; the others cost little beside it."""
    plain = _core.plain_layer_norm_backward(dy, input, mean, rstd, weight, True, of_input)
    if plain is not None:
        return plain
    name = "layer_norm_backward"
    x, dtype = _check.as_compute(name, input)
    shape = x.shape[np.ndim(mean) :]
    weight = _shaped(name, "weight", weight, shape, x.dtype)
    dx, dweight, dbias = backward(name, dy, x, dtype, _layer_groups(x, len(shape)), mean, rstd, weight, of_input)
    return dx, dweight.reshape(shape), dbias.reshape(shape)


def rms_eps(name: str, input: Any, eps: float | None) -> float:
    """Eps, or the machine epsilon of the type that is computed in, which is float32 for float16 as in PyTorch."""
    if eps is not None:
        return _check.real(name, "eps", eps)
    return float(np.finfo(np.result_type(_check.as_float(name, input), np.float32)).eps)


def rms_norm_stats(input: Any, normalized_shape: Any, eps: float | None = None) -> Array:
    """1 / sqrt(mean(x^2) + eps) over the last dimensions, float64.

    Parameters
    ----------
    input : array_like, (*, *normalized_shape)
    normalized_shape : int or tuple of int
    eps : float, optional
        As in `rms_norm`.

    Returns
    -------
    ndarray of float64, (*)

    Raises
    ------
    ValueError
        If the input's last dimensions are others.

    Examples
    --------
    >>> rms_norm_stats([[3.0, 3.0]], 2).round(4)
    array([0.3333])
    """
    eps = rms_eps("rms_norm_stats", input, eps)
    x, _, shape = _layer_input("rms_norm_stats", input, normalized_shape)
    return _check.finish(statistics(x, _layer_groups(x, len(shape), centre=False), eps)[1], np.float64, None)


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
        None: the machine epsilon of the type that is computed in, float32 for float16.
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


@derivative(rms_norm, "input", "weight")
def _rms_norm(
    wanted: tuple[bool, bool], input: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None
) -> Any:
    number = rms_eps("rms_norm", input, eps)
    y, _, rstd = layer_forward("rms_norm", input, normalized_shape, weight, None, number, None, False)
    return y, lambda dy: _rms_gradients(dy, input, rstd, weight, wanted[0])


def rms_norm_backward(dy: Any, input: Any, rstd: Any, weight: Any = None) -> tuple[Array, Array]:
    """Gradients of `rms_norm`: of the input and the weight.

    Parameters
    ----------
    dy, input : array_like, (*, *normalized_shape)
        Of one shape: the gradient of the result, and the input of `rms_norm`.
    rstd : array_like, (*)
        From `rms_norm_stats`; its number of dimensions tells which dimensions are normalized.
    weight : array_like, normalized_shape, or None
        That of the forward call.

    Returns
    -------
    dx : ndarray
        rstd * (g - xhat * mean(g * xhat)), g = dy * weight, xhat = input * rstd; of the input's shape and dtype.
    dweight : ndarray, normalized_shape
        The sum of dy * xhat over the rows.

    Raises
    ------
    ValueError
        If shapes do not fit.

    Examples
    --------
    >>> dx, dweight = rms_norm_backward([[1.0, 0.0]], [[3.0, 3.0]], [1 / 3])
    >>> dx.round(4), dweight
    (array([[ 0.1667, -0.1667]]), array([1., 0.]))
    """
    return _rms_gradients(dy, input, rstd, weight, True)


def _rms_gradients(dy: Any, input: Any, rstd: Any, weight: Any, of_input: bool) -> tuple[Any, Array]:
    """`rms_norm_backward`, without the input's gradient if it is not wanted."""
    plain = _core.plain_layer_norm_backward(dy, input, None, rstd, weight, False, of_input)
    if plain is not None:
        return plain[:2]
    name = "rms_norm_backward"
    x, dtype = _check.as_compute(name, input)
    shape = x.shape[np.ndim(rstd) :]
    weight = _shaped(name, "weight", weight, shape, x.dtype)
    groups = _layer_groups(x, len(shape), centre=False)
    dx, dweight, _ = backward(name, dy, x, dtype, groups, np.zeros(groups.shape), rstd, weight, of_input)
    return dx, dweight.reshape(shape)
