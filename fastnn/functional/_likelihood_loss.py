"""Negative log-likelihoods of distributions, element by element, and their gradients.

"mean" divides by the number of elements, "sum" adds, "none" gives one loss for each.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _check
from .._check import Array
from .._dispatch import differentiable
from ._pair_loss_common import (
    PairLoss,
    broadcast_pair,
    broadcast_weight,
    checked_pair,
    checks,
    forward,
    gradient,
    gradients,
)
from ._reduction import REDUCTIONS

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_backward",
    "binary_cross_entropy_with_logits",
    "binary_cross_entropy_with_logits_backward",
    "gaussian_nll_loss",
    "gaussian_nll_loss_backward",
    "kl_div",
    "kl_div_backward",
    "poisson_nll_loss",
    "poisson_nll_loss_backward",
]


@differentiable
def binary_cross_entropy(input: Any, target: Any, weight: Any = None, *, reduction: str = "mean") -> Array:
    """Cross-entropy of probabilities, -(t log x + (1 - t) log(1 - x)); the logarithms are at least -100.

    Parameters
    ----------
    input, target : array_like
        Of one shape; other shapes are refused, not broadcast.
    weight : array_like, optional
        A factor for each element; broadcasts.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    ndarray
        A scalar, or of `input`'s shape for "none".  The mean over nothing is NaN.

    Raises
    ------
    ValueError
        If an input or a target is not in [0, 1].

    Examples
    --------
    >>> binary_cross_entropy([0.5, 0.9], [1.0, 1.0]).round(4)
    np.float64(0.3993)
    """
    return forward(_bce("binary_cross_entropy", input, target, weight, reduction=reduction))


@checks(binary_cross_entropy)
def _bce(name: str, input: Any, target: Any, weight: Any = None, *, reduction: str = "mean") -> PairLoss:
    pair = checked_pair(name, "bce", input, target, reduction)
    for argument, values in (("input", pair.x), ("target", pair.t)):
        if values.size and not (values.min() >= 0 and values.max() <= 1):
            wrong = int((~((values >= 0) & (values <= 1))).argmax())
            advice = "; binary_cross_entropy_with_logits takes scores" if argument == "input" else ""
            raise ValueError(f"{name}: expected {argument} in [0, 1], got {values[wrong]} at index {wrong}{advice}")
    return pair._replace(weight=broadcast_weight(pair, "weight", weight))


def binary_cross_entropy_backward(
    dy: Any, input: Any, target: Any, weight: Any = None, *, reduction: str = "mean", out: Array | None = None
) -> Array:
    """Gradient of `binary_cross_entropy`: (x - t) / max(x (1 - x), 1e-12) dy, divided as the reduction does.

    Examples
    --------
    >>> binary_cross_entropy_backward(1.0, [0.5], [1.0])
    array([-2.])
    """
    return gradient(_bce("binary_cross_entropy_backward", input, target, weight, reduction=reduction), dy, out=out)


@differentiable
def binary_cross_entropy_with_logits(
    input: Any, target: Any, weight: Any = None, *, reduction: str = "mean", pos_weight: Any = None
) -> Array:
    """Cross-entropy of sigmoid(x): (1 - t) softplus(x) + pos_weight t softplus(-x).

    Parameters
    ----------
    input, target : array_like
        Of one shape; other shapes are refused, not broadcast.
    weight, pos_weight : array_like, optional
        A factor for each element, and one for its positive part; both broadcast.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    ndarray
        A scalar, or of `input`'s shape for "none".  The mean over nothing is NaN.

    Notes
    -----
    Nothing cancels, and an infinite logit costs nothing where the target agrees with it.

    Examples
    --------
    >>> binary_cross_entropy_with_logits([0.0, 2.0], [1.0, 1.0]).round(4)
    np.float64(0.41)
    """
    return forward(
        _bce_logits(
            "binary_cross_entropy_with_logits", input, target, weight, reduction=reduction, pos_weight=pos_weight
        )
    )


@checks(binary_cross_entropy_with_logits)
def _bce_logits(
    name: str, input: Any, target: Any, weight: Any = None, *, reduction: str = "mean", pos_weight: Any = None
) -> PairLoss:
    pair = checked_pair(name, "bce_logits", input, target, reduction, 1.0)
    return pair._replace(
        weight=broadcast_weight(pair, "weight", weight), each=broadcast_weight(pair, "pos_weight", pos_weight)
    )


def binary_cross_entropy_with_logits_backward(
    dy: Any,
    input: Any,
    target: Any,
    weight: Any = None,
    *,
    reduction: str = "mean",
    pos_weight: Any = None,
    out: Array | None = None,
) -> Array:
    """Gradient of `binary_cross_entropy_with_logits`: (1 - t) sigmoid(x) - pos_weight t sigmoid(-x), times dy.

    Examples
    --------
    >>> binary_cross_entropy_with_logits_backward(1.0, [0.0], [1.0])
    array([-0.5])
    """
    return gradient(
        _bce_logits(
            "binary_cross_entropy_with_logits_backward",
            input,
            target,
            weight,
            reduction=reduction,
            pos_weight=pos_weight,
        ),
        dy,
        out=out,
    )


@differentiable
def kl_div(input: Any, target: Any, *, reduction: str = "mean", log_target: bool = False) -> Array:
    """Kullback-Leibler divergence t (log t - x) of log-probabilities x; 0 where t is 0.

    Parameters
    ----------
    input, target : array_like
        Of one shape; other shapes are refused, not broadcast.
    reduction : {"mean", "batchmean", "sum", "none"}
        "batchmean", the divergence proper, divides by the first dimension's size.
    log_target : bool
        The target is log t.

    Returns
    -------
    ndarray
        A scalar, or of `input`'s shape for "none".  The mean over nothing is NaN.

    Examples
    --------
    >>> kl_div(np.log([[0.5, 0.5]]), [[1.0, 0.0]], reduction="batchmean").round(4)
    np.float64(0.6931)
    """
    return forward(_kl("kl_div", input, target, reduction=reduction, log_target=log_target))


@checks(kl_div)
def _kl(name: str, input: Any, target: Any, *, reduction: str = "mean", log_target: bool = False) -> PairLoss:
    row = "kl_div_log" if log_target else "kl_div"
    pair = checked_pair(name, row, input, target, reduction, options=(*REDUCTIONS, "batchmean"))
    return pair._replace(divisor=float(pair.shape[0])) if reduction == "batchmean" and pair.shape else pair


def kl_div_backward(
    dy: Any, input: Any, target: Any, *, reduction: str = "mean", log_target: bool = False, out: Array | None = None
) -> Array:
    """Gradient of `kl_div`: -t dy, divided as the reduction does.

    Examples
    --------
    >>> kl_div_backward(1.0, [[-1.0, -1.0]], [[0.5, 0.5]], reduction="batchmean")
    array([[-0.5, -0.5]])
    """
    return gradient(_kl("kl_div_backward", input, target, reduction=reduction, log_target=log_target), dy, out=out)


@differentiable
def poisson_nll_loss(
    input: Any,
    target: Any,
    log_input: bool = True,
    full: bool = False,
    *,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Array:
    """Negative log-likelihood of counts under a Poisson distribution: exp(x) - t x, or x - t log(x + eps).

    Parameters
    ----------
    input : array_like
        The logarithm of the rate, or the rate itself.
    target : array_like
        The counts; broadcasts with `input`.
    log_input : bool
        Whether `input` is the logarithm.
    full : bool
        Add Stirling's estimate of log t!, t log t - t + log(2 pi t) / 2, where t is above 1.
    eps : float
        Keeps log(x + eps) finite; used without `log_input`.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    ndarray
        A scalar, or of the arrays' joint shape for "none".  The mean over nothing is NaN.

    Notes
    -----
    A count of 0 costs the rate alone, also where the rate is 0.  The formulas are those of PyTorch's page of
    `PoissonNLLLoss`.

    Examples
    --------
    >>> poisson_nll_loss([0.0, 1.0], [1.0, 2.0], reduction="none").round(4)
    array([1.    , 0.7183])
    """
    return forward(_poisson("poisson_nll_loss", input, target, log_input, full, eps=eps, reduction=reduction))


@checks(poisson_nll_loss)
def _poisson(
    name: str,
    input: Any,
    target: Any,
    log_input: bool = True,
    full: bool = False,
    *,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> PairLoss:
    eps = _check.real(name, "eps", eps)
    row = "poisson_log" if log_input else "poisson"
    return broadcast_pair(name, row, {"input": input, "target": target}, reduction, eps, float(bool(full)))


def poisson_nll_loss_backward(
    dy: Any,
    input: Any,
    target: Any,
    log_input: bool = True,
    full: bool = False,
    *,
    eps: float = 1e-8,
    reduction: str = "mean",
    out: Array | None = None,
) -> Array:
    """Gradient of `poisson_nll_loss`: exp(x) - t, or 1 - t / (x + eps), times dy, divided as the reduction does.

    Examples
    --------
    >>> poisson_nll_loss_backward(1.0, [0.0], [3.0])
    array([-2.])
    """
    name = "poisson_nll_loss_backward"
    return gradient(_poisson(name, input, target, log_input, full, eps=eps, reduction=reduction), dy, out=out)


@differentiable
def gaussian_nll_loss(
    input: Any, target: Any, var: Any, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Array:
    """Negative log-likelihood of a normal distribution, (log v + (x - t)^2 / v) / 2 with v = max(var, eps).

    Parameters
    ----------
    input : array_like
        The means.
    target : array_like
        Broadcasts with `input`.
    var : array_like
        The variances: of `input`'s shape, or with one of its dimensions of size 1, or without the last one; or one
        number for all.
    full : bool
        Add log(2 pi) / 2.
    eps : float
        Variances are raised to at least this, for which their gradient makes no exception.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    ndarray
        A scalar, or of the arrays' joint shape for "none".  The mean over nothing is NaN.

    Raises
    ------
    ValueError
        If a variance is negative, or has another shape.

    Notes
    -----
    Nix and Weigend 1994, "Estimating the mean and variance of the target probability distribution".

    Examples
    --------
    >>> gaussian_nll_loss([1.0, 2.0], [0.0, 4.0], [1.0, 4.0], reduction="none").round(4)
    array([0.5   , 1.1931])
    """
    return forward(_gaussian("gaussian_nll_loss", input, target, var, full, eps, reduction))


@checks(gaussian_nll_loss, "input", "target", "var")
def _gaussian(
    name: str, input: Any, target: Any, var: Any, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> PairLoss:
    eps, shape = _check.real(name, "eps", eps), _check.as_float(name, input).shape
    given = variance = _check.as_float(name, var, "var")
    if given.ndim and given.shape != shape:
        if given.shape == shape[:-1]:
            variance = given[..., np.newaxis]
        elif given.ndim != len(shape) or [n for n, m in zip(given.shape, shape, strict=True) if n != m] != [1]:
            raise ValueError(
                f"{name}: expected var of shape {shape}, with one size of it 1, or {shape[:-1]}, got {given.shape}"
            )
    if given.size and given.min() < 0:
        raise ValueError(f"{name}: expected var of at least 0, got {given.min()}")
    arrays = {"input": input, "target": target, "var": var if type(var) is float else variance}
    pair = broadcast_pair(name, "gaussian", arrays, reduction, b=eps)
    plus = math.log(2 * math.pi) / 2 if full else 0.0
    return pair._replace(shapes=(*pair.shapes[:2], (given.shape, variance.shape)), plus=plus)


def gaussian_nll_loss_backward(
    dy: Any, input: Any, target: Any, var: Any, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> tuple[Array, ...]:
    """Gradients of `gaussian_nll_loss`: (x - t) / v, its negative, and (1 - (x - t)^2 / v) / (2 v), times dy.

    Examples
    --------
    >>> gaussian_nll_loss_backward(1.0, [1.0], [0.0], [2.0])
    (array([0.5]), array([-0.5]), array([0.125]))
    """
    return gradients(_gaussian("gaussian_nll_loss_backward", input, target, var, full, eps, reduction), dy, 3)
