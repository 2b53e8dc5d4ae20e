"""Losses that ask for a margin between scores, and their gradients.

"mean" divides by the number of losses, "sum" adds, "none" gives each.
"""

from __future__ import annotations

from typing import Any

from .. import _check
from .._check import Array
from .._dispatch import differentiable
from ._pair_loss_common import (
    PairLoss,
    broadcast_pair,
    checked_pair,
    checks,
    forward,
    gradient,
    gradients,
)

__all__ = [
    "hinge_embedding_loss",
    "hinge_embedding_loss_backward",
    "margin_ranking_loss",
    "margin_ranking_loss_backward",
    "soft_margin_loss",
    "soft_margin_loss_backward",
]


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


@differentiable
def hinge_embedding_loss(input: Any, target: Any, margin: float = 1.0, *, reduction: str = "mean") -> Array:
    """Distances x of pairs that are alike (t = 1) or not (t = -1): x, or max(0, margin - x).

    Parameters
    ----------
    input : array_like
    target : array_like
        1 or -1; broadcasts with `input`.  Any other value adds both losses, as in PyTorch.
    margin : float
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    ndarray
        A scalar, or of the arrays' joint shape for "none".  The mean over nothing is NaN.

    Examples
    --------
    >>> hinge_embedding_loss([0.5, 0.25], [1, -1], reduction="none")
    array([0.5 , 0.75])
    """
    return forward(_hinge("hinge_embedding_loss", input, target, margin, reduction=reduction))


@checks(hinge_embedding_loss)
def _hinge(name: str, input: Any, target: Any, margin: float = 1.0, *, reduction: str = "mean") -> PairLoss:
    margin = _check.real(name, "margin", margin)
    return broadcast_pair(name, "hinge_embedding", {"input": input, "target": target}, reduction, margin)


def hinge_embedding_loss_backward(
    dy: Any, input: Any, target: Any, margin: float = 1.0, *, reduction: str = "mean", out: Array | None = None
) -> Array:
    """Gradient of `hinge_embedding_loss`: dy where t = 1, -dy where t = -1 and x <= margin.

    Examples
    --------
    >>> hinge_embedding_loss_backward(1.0, [0.5, 0.25], [1, -1])
    array([ 0.5, -0.5])
    """
    name = "hinge_embedding_loss_backward"
    return gradient(_hinge(name, input, target, margin, reduction=reduction), dy, out=out)


@differentiable
def margin_ranking_loss(
    input1: Any, input2: Any, target: Any, margin: float = 0.0, *, reduction: str = "mean"
) -> Array:
    """max(0, margin - t (x1 - x2)): x1 should be the larger score where t = 1, x2 where t = -1.

    Parameters
    ----------
    input1, input2, target : array_like
        Of the same number of dimensions; they broadcast.
    margin : float
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    ndarray
        A scalar, or of the arrays' joint shape for "none".  The mean over nothing is NaN.

    Raises
    ------
    ValueError
        If the arrays differ in their number of dimensions, or do not broadcast.

    Examples
    --------
    >>> margin_ranking_loss([0.5, 2.0], [1.0, 1.0], [1, 1], reduction="none")
    array([0.5, 0. ])
    """
    return forward(_ranking("margin_ranking_loss", input1, input2, target, margin, reduction=reduction))


@checks(margin_ranking_loss, "input1", "input2", "target")
def _ranking(
    name: str, input1: Any, input2: Any, target: Any, margin: float = 0.0, *, reduction: str = "mean"
) -> PairLoss:
    arrays = {"input1": input1, "input2": input2, "target": target}
    margin = _check.real(name, "margin", margin)
    pair = broadcast_pair(name, "margin_ranking", arrays, reduction, b=margin)
    shapes = [shape for shape, _ in pair.shapes]
    if len(set(map(len, shapes))) > 1:
        raise ValueError(
            f"{name}: expected arrays of the same number of dimensions, got {' and '.join(map(str, shapes))}"
        )
    return pair


def margin_ranking_loss_backward(
    dy: Any, input1: Any, input2: Any, target: Any, margin: float = 0.0, *, reduction: str = "mean"
) -> tuple[Array, ...]:
    """Gradients of `margin_ranking_loss`: -t dy, t dy and -(x1 - x2) dy where margin - t (x1 - x2) >= 0, else 0.

    Examples
    --------
    >>> margin_ranking_loss_backward(1.0, [0.5], [1.0], [1.0])
    (array([-1.]), array([1.]), array([0.5]))
    """
    name = "margin_ranking_loss_backward"
    return gradients(_ranking(name, input1, input2, target, margin, reduction=reduction), dy, 3)
