"""Losses of two arrays, element by element, and their gradients with respect to the first.

"mean" divides by the number of elements, "sum" adds, "none" gives one loss for each.
"""

from __future__ import annotations

from typing import Any

from .. import _check
from .._check import Array
from .._dispatch import differentiable
from ._class_loss import REDUCTIONS
from ._pair_loss_common import PairLoss, broadcast_weight, checked_pair, checks, forward, gradient, weighted

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_backward",
    "binary_cross_entropy_with_logits",
    "binary_cross_entropy_with_logits_backward",
    "huber_loss",
    "huber_loss_backward",
    "kl_div",
    "kl_div_backward",
    "l1_loss",
    "l1_loss_backward",
    "mse_loss",
    "mse_loss_backward",
    "smooth_l1_loss",
    "smooth_l1_loss_backward",
    "soft_margin_loss",
    "soft_margin_loss_backward",
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
def soft_margin_loss(input: Any, target: Any, *, reduction: str = "mean") -> Array:
    """Logistic loss of targets 1 and -1, log(1 + exp(-t x)).

    Parameters
    ----------
    input, target : array_like
        Of one shape; other shapes are refused, not broadcast.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    ndarray
        A scalar, or of `input`'s shape for "none".  The mean over nothing is NaN.

    Examples
    --------
    >>> soft_margin_loss([0.0, 2.0], [1.0, -1.0]).round(4)
    np.float64(1.41)
    """
    return forward(_soft_margin("soft_margin_loss", input, target, reduction=reduction))


@checks(soft_margin_loss)
def _soft_margin(name: str, input: Any, target: Any, *, reduction: str = "mean") -> PairLoss:
    return checked_pair(name, "soft_margin", input, target, reduction)


def soft_margin_loss_backward(
    dy: Any, input: Any, target: Any, *, reduction: str = "mean", out: Array | None = None
) -> Array:
    """Gradient of `soft_margin_loss`: -t sigmoid(-t x) dy, divided as the reduction does.

    Examples
    --------
    >>> soft_margin_loss_backward(1.0, [0.0], [1.0])
    array([-0.5])
    """
    return gradient(_soft_margin("soft_margin_loss_backward", input, target, reduction=reduction), dy, out=out)
