"""Loss layers."""

from __future__ import annotations

from typing import Any

from .. import _check, functional
from ..functional._loss import REDUCTIONS
from ._module import Module


class CrossEntropyLoss(Module):
    """Cross-entropy of logits with class indices; see `fastnn.cross_entropy`.

    Parameters
    ----------
    weight : array_like, (C), optional
    ignore_index : int
    reduction : {"mean", "sum", "none"}
    label_smoothing : float

    Examples
    --------
    >>> CrossEntropyLoss()([[0.0, 0.0]], [1]).round(4)
    np.float64(0.6931)
    """

    def __init__(
        self, weight: Any = None, *, ignore_index: int = -100, reduction: str = "mean", label_smoothing: float = 0.0
    ):
        super().__init__()
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.reduction = _check.choice("CrossEntropyLoss", "reduction", reduction, REDUCTIONS)
        self.label_smoothing = _check.in_range("CrossEntropyLoss", "label_smoothing", label_smoothing, 0, 1)

    def forward(self, input: Any, target: Any) -> Any:
        """Return the loss."""
        return functional.cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class MSELoss(Module):
    """Squared error (x - t)^2; see `fastnn.mse_loss`.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> MSELoss()([1.0, 2.0], [0.0, 4.0])
    array(2.5)
    """

    def __init__(self, *, reduction: str = "mean"):
        super().__init__()
        self.reduction = _check.choice("MSELoss", "reduction", reduction, REDUCTIONS)

    def forward(self, input: Any, target: Any) -> Any:
        """Return the loss."""
        return functional.mse_loss(input, target, reduction=self.reduction)
