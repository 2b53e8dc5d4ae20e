"""Losses of the distance between two arrays, element by element, and their gradients with respect to the first.

"mean" divides by the number of elements, "sum" adds, "none" gives one loss for each.
"""

from __future__ import annotations

from typing import Any

from .. import _check
from .._check import Array
from .._dispatch import differentiable
from ._pair_loss_common import PairLoss, checked_pair, checks, forward, gradient, weighted

__all__ = [
    "huber_loss",
    "huber_loss_backward",
    "l1_loss",
    "l1_loss_backward",
    "mse_loss",
    "mse_loss_backward",
    "smooth_l1_loss",
    "smooth_l1_loss_backward",
]


@differentiable
def l1_loss(input: Any, target: Any, *, reduction: str = "mean", weight: Any = None) -> Array:
    """Absolute error abs(x - t).

    Parameters
    ----------
    input, target : array_like
        Of one shape; other shapes are refused, not broadcast.
    reduction : {"mean", "sum", "none"}
    weight : array_like of `input`'s shape, optional
        A factor for each element; "mean" divides by their sum.

    Returns
    -------
    ndarray
        A scalar, or of `input`'s shape for "none".  The mean over nothing is NaN.

    Examples
    --------
    >>> l1_loss([1.0, 2.0], [0.0, 4.0])
    np.float64(1.5)
    """
    return forward(_l1("l1_loss", input, target, reduction=reduction, weight=weight))


@checks(l1_loss)
def _l1(name: str, input: Any, target: Any, *, reduction: str = "mean", weight: Any = None) -> PairLoss:
    return weighted(checked_pair(name, "l1", input, target, reduction), weight, mean_of_weights=True)


def l1_loss_backward(
    dy: Any, input: Any, target: Any, *, reduction: str = "mean", weight: Any = None, out: Array | None = None
) -> Array:
    """Gradient of `l1_loss`, sign(x - t) dy, divided as the reduction does.

    Examples
    --------
    >>> l1_loss_backward(1.0, [1.0, 2.0], [0.0, 4.0])
    array([ 0.5, -0.5])
    """
    return gradient(_l1("l1_loss_backward", input, target, reduction=reduction, weight=weight), dy, out=out)


@differentiable
def mse_loss(input: Any, target: Any, *, reduction: str = "mean", weight: Any = None) -> Array:
    """Squared error (x - t)^2.

    Parameters
    ----------
    input, target : array_like
        Of one shape; other shapes are refused, not broadcast.
    reduction : {"mean", "sum", "none"}
    weight : array_like of `input`'s shape, optional
        A factor for each element; "mean" divides by their sum.

    Returns
    -------
    ndarray
        A scalar, or of `input`'s shape for "none".  The mean over nothing is NaN.

    Examples
    --------
    >>> mse_loss([1.0, 2.0], [0.0, 4.0])
    np.float64(2.5)
    """
    return forward(_mse("mse_loss", input, target, reduction=reduction, weight=weight))


@checks(mse_loss)
def _mse(name: str, input: Any, target: Any, *, reduction: str = "mean", weight: Any = None) -> PairLoss:
    return weighted(checked_pair(name, "mse", input, target, reduction), weight, mean_of_weights=True)


def mse_loss_backward(
    dy: Any, input: Any, target: Any, *, reduction: str = "mean", weight: Any = None, out: Array | None = None
) -> Array:
    """Gradient of `mse_loss` with respect to the input, 2 (x - t) dy, divided as the reduction does.

    Examples
    --------
    >>> mse_loss_backward(1.0, [1.0, 2.0], [0.0, 4.0])
    array([ 1., -2.])
    """
    return gradient(_mse("mse_loss_backward", input, target, reduction=reduction, weight=weight), dy, out=out)


@differentiable
def smooth_l1_loss(input: Any, target: Any, *, reduction: str = "mean", beta: float = 1.0) -> Array:
    """d^2 / (2 beta) where d = abs(x - t) < beta, else d - beta / 2 (Girshick 2015).

    Parameters
    ----------
    input, target : array_like
        Of one shape; other shapes are refused, not broadcast.
    reduction : {"mean", "sum", "none"}
    beta : float
        Not negative; 0 makes it `l1_loss`.

    Returns
    -------
    ndarray
        A scalar, or of `input`'s shape for "none".  The mean over nothing is NaN.

    Examples
    --------
    >>> smooth_l1_loss([0.5, 3.0], [0.0, 0.0], reduction="none")
    array([0.125, 2.5  ])
    """
    return forward(_smooth_l1("smooth_l1_loss", input, target, reduction=reduction, beta=beta))


@checks(smooth_l1_loss)
def _smooth_l1(name: str, input: Any, target: Any, *, reduction: str = "mean", beta: float = 1.0) -> PairLoss:
    beta = _check.in_range(name, "beta", beta, 0)
    return checked_pair(name, "smooth_l1" if beta else "l1", input, target, reduction, beta)


def smooth_l1_loss_backward(
    dy: Any, input: Any, target: Any, *, reduction: str = "mean", beta: float = 1.0, out: Array | None = None
) -> Array:
    """Gradient of `smooth_l1_loss`: (x - t) / beta, at most 1 in size, times dy, divided as the reduction does.

    Examples
    --------
    >>> smooth_l1_loss_backward(2.0, [0.5, 3.0], [0.0, 0.0])
    array([0.5, 1. ])
    """
    return gradient(_smooth_l1("smooth_l1_loss_backward", input, target, reduction=reduction, beta=beta), dy, out=out)


@differentiable
def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None) -> Array:
    """d^2 / 2 where d = abs(x - t) < delta, else delta (d - delta / 2) (Huber 1964).

    Parameters
    ----------
    input, target : array_like
        Of one shape; other shapes are refused, not broadcast.
    reduction : {"mean", "sum", "none"}
    delta : float
        Above 0.
    weight : array_like of `input`'s shape, optional
        A factor for each element.

    Returns
    -------
    ndarray
        A scalar, or of `input`'s shape for "none".  The mean over nothing is NaN.

    Examples
    --------
    >>> huber_loss([0.5, 3.0], [0.0, 0.0], reduction="none", delta=2.0)
    array([0.125, 4.   ])
    """
    return forward(_huber("huber_loss", input, target, reduction, delta, weight))


@checks(huber_loss)
def _huber(
    name: str, input: Any, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None
) -> PairLoss:
    if not _check.real(name, "delta", delta) > 0:
        raise ValueError(f"{name}: expected delta above 0, got {delta}")
    pair = checked_pair(name, "huber", input, target, reduction, float(delta))
    return weighted(pair, weight, mean_of_weights=False)


def huber_loss_backward(
    dy: Any,
    input: Any,
    target: Any,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Any = None,
    *,
    out: Array | None = None,
) -> Array:
    """Gradient of `huber_loss`: x - t, at most delta in size, times dy, divided as the reduction does.

    Examples
    --------
    >>> huber_loss_backward(2.0, [0.5, 3.0], [0.0, 0.0])
    array([0.5, 1. ])
    """
    return gradient(_huber("huber_loss_backward", input, target, reduction, delta, weight), dy, out=out)
