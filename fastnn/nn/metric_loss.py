"""Layers of similarities, and of losses made of margins; the functions of the same names have the formulas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import _check, functional
from ._module import Module
from .loss import _Loss

__all__ = [
    "CosineEmbeddingLoss",
    "CosineSimilarity",
    "HingeEmbeddingLoss",
    "MarginRankingLoss",
    "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss",
    "MultiMarginLoss",
    "PairwiseDistance",
    "SoftMarginLoss",
    "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
]


class CosineSimilarity(Module):
    """Cosine of the angle between vectors; see `fastnn.cosine_similarity`.

    Parameters
    ----------
    dim : int
    eps : float

    Examples
    --------
    >>> CosineSimilarity()([[3.0, 4.0]], [[4.0, 3.0]])
    array([0.96])
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8):
        super().__init__()
        self.dim, self.eps = dim, _check.real("CosineSimilarity", "eps", eps)

    def forward(self, x1: Any, x2: Any) -> Any:
        """Return the cosines."""
        return functional.cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    """Distance of vectors, the p-norm of their difference; see `fastnn.pairwise_distance`.

    Parameters
    ----------
    p, eps : float
    keepdim : bool

    Examples
    --------
    >>> PairwiseDistance(eps=0.0)([[3.0, 4.0]], [[0.0, 0.0]])
    array([5.])
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False):
        super().__init__()
        self.norm, self.eps = _check.real("PairwiseDistance", "p", p), _check.real("PairwiseDistance", "eps", eps)
        self.keepdim = keepdim

    def forward(self, x1: Any, x2: Any) -> Any:
        """Return the distances."""
        return functional.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)


class HingeEmbeddingLoss(_Loss):
    """x where t = 1, max(0, margin - x) where t = -1; see `fastnn.hinge_embedding_loss`.

    Examples
    --------
    >>> HingeEmbeddingLoss()([0.5, 0.25], [1, -1])
    np.float64(0.625)
    """

    _function = functional.hinge_embedding_loss

    def __init__(self, margin: float = 1.0, *, reduction: str = "mean"):
        super().__init__(margin=_check.real("HingeEmbeddingLoss", "margin", margin), reduction=reduction)


class MarginRankingLoss(_Loss):
    """max(0, margin - t (x1 - x2)); see `fastnn.margin_ranking_loss`.

    Examples
    --------
    >>> MarginRankingLoss()([0.5, 2.0], [1.0, 1.0], [1, 1])
    np.float64(0.25)
    """

    _function = functional.margin_ranking_loss

    def __init__(self, margin: float = 0.0, *, reduction: str = "mean"):
        super().__init__(margin=_check.real("MarginRankingLoss", "margin", margin), reduction=reduction)


class SoftMarginLoss(_Loss):
    """log(1 + exp(-t x)); see `fastnn.soft_margin_loss`.

    Examples
    --------
    >>> SoftMarginLoss()([0.0, 2.0], [1.0, -1.0]).round(4)
    np.float64(1.41)
    """

    _function = functional.soft_margin_loss

    def __init__(self, *, reduction: str = "mean"):
        super().__init__(reduction=reduction)


class CosineEmbeddingLoss(_Loss):
    """1 - cosine where t = 1, max(0, cosine - margin) where t = -1; see `fastnn.cosine_embedding_loss`.

    Examples
    --------
    >>> CosineEmbeddingLoss()([[3.0, 4.0]], [[4.0, 3.0]], [1]).round(4)
    np.float64(0.04)
    """

    _function = functional.cosine_embedding_loss

    def __init__(self, margin: float = 0.0, *, reduction: str = "mean"):
        super().__init__(margin=_check.real("CosineEmbeddingLoss", "margin", margin), reduction=reduction)


class TripletMarginLoss(_Loss):
    """max(0, margin + d(anchor, positive) - d(anchor, negative)); see `fastnn.triplet_margin_loss`.

    Examples
    --------
    >>> TripletMarginLoss(eps=0.0)([0.0, 0.0], [3.0, 4.0], [0.0, 5.0])
    np.float64(1.0)
    """

    _function = functional.triplet_margin_loss

    def __init__(
        self, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6, swap: bool = False, *, reduction: str = "mean"
    ):
        _above_zero("TripletMarginLoss", margin)
        super().__init__(margin=margin, p=p, eps=eps, swap=swap, reduction=reduction)


class TripletMarginWithDistanceLoss(_Loss):
    """The loss of triplets with any distance; see `fastnn.triplet_margin_with_distance_loss`.

    Examples
    --------
    >>> TripletMarginWithDistanceLoss(distance_function=PairwiseDistance(p=1.0, eps=0.0))([0.0], [1.0], [1.5])
    np.float64(0.5)
    """

    _function = functional.triplet_margin_with_distance_loss

    def __init__(
        self,
        *,
        distance_function: Callable[[Any, Any], Any] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ):
        _above_zero("TripletMarginWithDistanceLoss", margin)
        super().__init__(distance_function=distance_function, margin=margin, swap=swap, reduction=reduction)


def _above_zero(name: str, margin: Any) -> None:
    if not _check.real(name, "margin", margin) > 0:
        raise ValueError(f"{name}: expected margin above 0, got {margin}")


class MultiMarginLoss(_Loss):
    """Margins between the target's score and all others; see `fastnn.multi_margin_loss`.

    Examples
    --------
    >>> MultiMarginLoss()([[0.5, 1.0, -1.0, 0.0]], [1])
    np.float64(0.125)
    """

    _function = functional.multi_margin_loss
    _weights = ("weight",)

    def __init__(self, p: float = 1, margin: float = 1.0, weight: Any = None, *, reduction: str = "mean"):
        if _check.real("MultiMarginLoss", "p", p) not in (1, 2):
            raise ValueError(f"MultiMarginLoss: expected p of 1 or 2, got {p}")
        super().__init__(p=p, margin=margin, weight=weight, reduction=reduction)


class MultiLabelMarginLoss(_Loss):
    """Margins between the scores of a sample's classes and all others; see `fastnn.multilabel_margin_loss`.

    Examples
    --------
    >>> MultiLabelMarginLoss()([0.5, 1.0, -1.0, 0.0], [1, 0, -1, 0])
    np.float64(0.125)
    """

    _function = functional.multilabel_margin_loss

    def __init__(self, *, reduction: str = "mean"):
        super().__init__(reduction=reduction)


class MultiLabelSoftMarginLoss(_Loss):
    """Cross-entropy of each class, their mean; see `fastnn.multilabel_soft_margin_loss`.

    Examples
    --------
    >>> MultiLabelSoftMarginLoss()([[0.0, 2.0]], [[1, 1]]).round(4)
    np.float64(0.41)
    """

    _function = functional.multilabel_soft_margin_loss
    _weights = ("weight",)

    def __init__(self, weight: Any = None, *, reduction: str = "mean"):
        super().__init__(weight=weight, reduction=reduction)
