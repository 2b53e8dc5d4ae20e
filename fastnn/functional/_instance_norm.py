"""Instance norm, over the space of each sample's channels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _check, _shard
from .._check import Array
from .._dispatch import DERIVATIVES, derivative, differentiable
from ._batch_norm import batch_norm, check_eps, check_running, follow
from ._groups import Groups, backward, forward, statistics

__all__ = [
    "instance_norm",
    "instance_norm_backward",
    "instance_norm_stats",
]


def _instance_input(name: str, input: Any) -> tuple[Array, np.dtype[Any], Groups]:
    x, dtype = _check.as_compute(name, input)
    if x.ndim < 2:
        raise ValueError(f"{name}: expected an input of 2 or more dimensions (N, C, *), got shape {x.shape}")
    n, c = x.shape[:2]
    s = math.prod(x.shape[2:])
    if s == 1:
        raise ValueError(f"{name}: expected more than 1 spatial element when training, got input size {x.shape}")
    return _check.contiguous(x), dtype, Groups((n, c), c, 1, s)


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
) -> tuple[Array, Array, Array]:
    """`instance_norm` with the input's statistics, and its mean and rstd."""
    name = "instance_norm"
    x, dtype, groups = _instance_input(name, input)
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
    if running_mean is not None:
        _shard.refuse(name, "running statistics")
    y, mean, rstd = forward(x, groups, weight, bias, eps, out)
    if x.size:
        with np.errstate(all="ignore"):
            batch = (mean.mean(0), ((1 / rstd**2 - eps) * (groups.s / (groups.s - 1))).mean(0))
        for array, value in zip(running, batch, strict=True):
            follow(array, value, momentum)
    return _check.finish(y, dtype, out), mean, rstd


def instance_norm_stats(input: Any, eps: float = 1e-5) -> tuple[Array, Array]:
    """Mean and 1 / sqrt(var + eps) of each channel of each sample, float64, (N, C).

    Parameters
    ----------
    input : array_like, (N, C, *)
    eps : float
        Above 0.

    Returns
    -------
    mean, rstd : ndarray of float64, (N, C)

    Raises
    ------
    ValueError
        If a channel has one value, or eps is not above 0.

    Examples
    --------
    >>> mean, rstd = instance_norm_stats([[[1.0, 3.0], [5.0, 5.0]]])
    >>> mean
    array([[2., 5.]])
    """
    x, _, groups = _instance_input("instance_norm_stats", input)
    return statistics(x, groups, check_eps("instance_norm_stats", eps))


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


@derivative(instance_norm, "input", "weight", "bias")
def _instance_norm(
    wanted: tuple[bool, bool, bool],
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    if not use_input_stats:
        by_running = DERIVATIVES[batch_norm].run
        return by_running(wanted, input, running_mean, running_var, weight, bias, False, momentum, eps)
    y, mean, rstd = instance_forward(input, running_mean, running_var, weight, bias, momentum, eps)
    return y, lambda dy: _gradients(dy, input, mean, rstd, weight, wanted[0])


def instance_norm_backward(dy: Any, input: Any, mean: Any, rstd: Any, weight: Any = None) -> tuple[Array, Array, Array]:
    """Gradients of `instance_norm` with the input's statistics, which `instance_norm_stats` gives.

    Parameters
    ----------
    dy, input : array_like, (N, C, *)
        Of one shape: the gradient of the result, and the input of `instance_norm`.
    mean, rstd : array_like, (N, C)
        From `instance_norm_stats`.
    weight : array_like, (C,), or None
        That of the forward call.

    Returns
    -------
    dx : ndarray
        rstd * (g - mean(g) - xhat * mean(g * xhat)), g = dy * weight, xhat = (input - mean) * rstd, the means over a
        channel; of the input's shape and dtype.
    dweight, dbias : ndarray, (C,)
        The sums of dy * xhat and of dy over samples and space.

    Raises
    ------
    ValueError
        If shapes do not fit.

    Examples
    --------
    >>> x = np.array([[[1.0, 3.0], [5.0, 5.0]]])
    >>> dx, dweight, dbias = instance_norm_backward(np.ones((1, 2, 2)), x, *instance_norm_stats(x))
    >>> dweight.round(3), dbias
    (array([0., 0.]), array([2., 2.]))
    """
    return _gradients(dy, input, mean, rstd, weight, True)


def _gradients(dy: Any, input: Any, mean: Any, rstd: Any, weight: Any, of_input: bool) -> tuple[Any, Array, Array]:
    """`instance_norm_backward`, without the input's gradient if it is not wanted; the others cost little beside it."""
    name = "instance_norm_backward"
    x, dtype, groups = _instance_input(name, input)
    weight = _check.as_vector(name, weight, "weight", x.shape[1], x.dtype)
    return backward(name, dy, x, dtype, groups, mean, rstd, weight, of_input)
