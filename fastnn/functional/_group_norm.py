"""Group norm, over channels and space of each sample."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _check
from .._check import Array
from .._dispatch import derivative, differentiable
from ._groups import Groups, backward, forward, statistics

__all__ = [
    "group_norm",
    "group_norm_backward",
    "group_norm_stats",
]


def _group_input(name: str, input: Any, num_groups: Any) -> tuple[Array, np.dtype[Any], Groups]:
    x, dtype = _check.as_compute(name, input)
    count = _check.count(name, "num_groups", num_groups, low=1)
    if x.ndim < 2:
        raise ValueError(f"{name}: expected an input of 2 or more dimensions (N, C, *), got shape {x.shape}")
    n, c = x.shape[:2]
    if c % count:
        raise ValueError(f"{name}: expected channels divisible by num_groups {count}, got {c} with shape {x.shape}")
    s = math.prod(x.shape[2:])
    if n * (c // count) * s == 1:
        raise ValueError(f"{name}: expected more than 1 value per group, got input size {x.shape}")
    return _check.contiguous(x), dtype, Groups((n, count), count, c // count, s)


def group_forward(
    name: str, input: Any, num_groups: Any, weight: Any, bias: Any, eps: float, out: Array | None
) -> tuple[Array, Array, Array]:
    """The result, mean and rstd of group norm."""
    x, dtype, groups = _group_input(name, input, num_groups)
    weight = _check.as_vector(name, weight, "weight", x.shape[1], x.dtype)
    bias = _check.as_vector(name, bias, "bias", x.shape[1], x.dtype)
    _check.check_out(name, out, x.shape, dtype)
    y, mean, rstd = forward(x, groups, weight, bias, _check.real(name, "eps", eps), out)
    return _check.finish(y, dtype, out), mean, rstd


def group_norm_stats(input: Any, num_groups: int, eps: float = 1e-5) -> tuple[Array, Array]:
    """Mean and 1 / sqrt(var + eps) of each sample's groups of channels, float64, (N, num_groups).

    Parameters
    ----------
    input : array_like, (N, C, *)
    num_groups : int
        Must divide C.
    eps : float

    Returns
    -------
    mean, rstd : ndarray of float64, (N, num_groups)

    Raises
    ------
    ValueError
        If C is not divisible by num_groups, or there is one value alone.

    Examples
    --------
    >>> mean, rstd = group_norm_stats([[1.0, 3.0, 5.0, 5.0]], 2)
    >>> mean
    array([[2., 5.]])
    """
    x, _, groups = _group_input("group_norm_stats", input, num_groups)
    return statistics(x, groups, _check.real("group_norm_stats", "eps", eps))


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


@derivative(group_norm, "input", "weight", "bias")
def _group_norm(
    wanted: tuple[bool, bool, bool],
    input: Any,
    num_groups: int,
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
) -> Any:
    y, mean, rstd = group_forward("group_norm", input, num_groups, weight, bias, eps, None)
    return y, lambda dy: _gradients(dy, input, mean, rstd, weight, wanted[0])


def group_norm_backward(dy: Any, input: Any, mean: Any, rstd: Any, weight: Any = None) -> tuple[Array, Array, Array]:
    """Gradients of `group_norm`: of the input, the weight and the bias; mean and rstd from `group_norm_stats`.

    Parameters
    ----------
    dy, input : array_like, (N, C, *)
        Of one shape: the gradient of the result, and the input of `group_norm`.
    mean, rstd : array_like, (N, num_groups)
        From `group_norm_stats`.
    weight : array_like, (C,), or None
        That of the forward call.

    Returns
    -------
    dx : ndarray
        rstd * (g - mean(g) - xhat * mean(g * xhat)), g = dy * weight, xhat = (input - mean) * rstd, the means over a
        group; of the input's shape and dtype.
    dweight, dbias : ndarray, (C,)
        The sums of dy * xhat and of dy over samples and space.

    Raises
    ------
    ValueError
        If shapes do not fit.

    Examples
    --------
    >>> x = np.array([[1.0, 3.0, 5.0, 5.0]])
    >>> dx, dweight, dbias = group_norm_backward(np.ones((1, 4)), x, *group_norm_stats(x, 2))
    >>> dweight.round(3), dbias
    (array([-1.,  1.,  0.,  0.]), array([1., 1., 1., 1.]))
    """
    return _gradients(dy, input, mean, rstd, weight, True)


def _gradients(dy: Any, input: Any, mean: Any, rstd: Any, weight: Any, of_input: bool) -> tuple[Any, Array, Array]:
    """`group_norm_backward`, without the input's gradient if it is not wanted; the others cost little beside it."""
    name = "group_norm_backward"
    if np.ndim(mean) != 2:
        raise ValueError(f"{name}: expected mean of shape (N, num_groups), got {np.shape(mean)}")
    x, dtype, groups = _group_input(name, input, max(np.shape(mean)[1], 1))
    weight = _check.as_vector(name, weight, "weight", x.shape[1], x.dtype)
    return backward(name, dy, x, dtype, groups, mean, rstd, weight, of_input)
