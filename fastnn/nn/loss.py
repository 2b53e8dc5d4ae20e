"""Loss layers; the functions of the same names have the formulas."""

from __future__ import annotations

from typing import Any, ClassVar

from .. import _check, functional
from ..functional._reduction import REDUCTIONS
from ._function_layer import FunctionLayer

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CTCLoss",
    "CrossEntropyLoss",
    "GaussianNLLLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "MSELoss",
    "NLLLoss",
    "PoissonNLLLoss",
    "SmoothL1Loss",
]


class _Loss(FunctionLayer):
    """A layer that calls one loss function with the options it was made with; weights are buffers."""

    _reductions: ClassVar[tuple[str, ...]] = REDUCTIONS
    _weights: ClassVar[tuple[str, ...]] = ()

    def __init__(self, **options: Any):
        super().__init__()
        self._options = tuple(options)
        _check.choice(type(self).__name__, "reduction", options["reduction"], self._reductions)
        for name, value in options.items():
            if name in self._weights:
                self.register_buffer(name, value)
            else:
                setattr(self, name, value)

    def forward(self, *arrays: Any) -> Any:
        """Return the loss of the function's arrays."""
        options = {name: getattr(self, name) for name in self._options}
        return type(self)._function(*arrays, **options)


class L1Loss(_Loss):
    """abs(x - t); see `fastnn.l1_loss`.

    Examples
    --------
    >>> L1Loss()([1.0, 2.0], [0.0, 4.0])
    np.float64(1.5)
    """

    _function = functional.l1_loss

    def __init__(self, *, reduction: str = "mean"):
        super().__init__(reduction=reduction)


class MSELoss(_Loss):
    """Squared error (x - t)^2; see `fastnn.mse_loss`.

    Examples
    --------
    >>> MSELoss()([1.0, 2.0], [0.0, 4.0])
    np.float64(2.5)
    """

    _function = functional.mse_loss

    def __init__(self, *, reduction: str = "mean"):
        super().__init__(reduction=reduction)


class SmoothL1Loss(_Loss):
    """d^2 / (2 beta) where d = abs(x - t) < beta, else d - beta / 2; see `fastnn.smooth_l1_loss`.

    Examples
    --------
    >>> SmoothL1Loss()([0.5, 3.0], [0.0, 0.0])
    np.float64(1.3125)
    """

    _function = functional.smooth_l1_loss

    def __init__(self, *, reduction: str = "mean", beta: float = 1.0):
        super().__init__(reduction=reduction, beta=_check.in_range("SmoothL1Loss", "beta", beta, 0))


class HuberLoss(_Loss):
    """d^2 / 2 where d = abs(x - t) < delta, else delta (d - delta / 2); see `fastnn.huber_loss`.

    Examples
    --------
    >>> HuberLoss()([0.5, 3.0], [0.0, 0.0])
    np.float64(1.3125)
    """

    _function = functional.huber_loss

    def __init__(self, reduction: str = "mean", delta: float = 1.0):
        if not _check.real("HuberLoss", "delta", delta) > 0:
            raise ValueError(f"HuberLoss: expected delta above 0, got {delta}")
        super().__init__(reduction=reduction, delta=delta)


class CrossEntropyLoss(_Loss):
    """Cross-entropy of logits with classes or their probabilities; see `fastnn.cross_entropy`.

    Examples
    --------
    >>> CrossEntropyLoss()([[0.0, 0.0]], [1]).round(4)
    np.float64(0.6931)
    """

    _function = functional.cross_entropy
    _weights = ("weight",)

    def __init__(
        self, weight: Any = None, *, ignore_index: int = -100, reduction: str = "mean", label_smoothing: float = 0.0
    ):
        smoothing = _check.in_range("CrossEntropyLoss", "label_smoothing", label_smoothing, 0, 1)
        super().__init__(weight=weight, ignore_index=ignore_index, reduction=reduction, label_smoothing=smoothing)


class NLLLoss(_Loss):
    """Negative log-likelihood of log-probabilities; see `fastnn.nll_loss`.

    Examples
    --------
    >>> NLLLoss()([[-1.0, -2.0], [-3.0, -4.0]], [0, 1])
    np.float64(2.5)
    """

    _function = functional.nll_loss
    _weights = ("weight",)

    def __init__(self, weight: Any = None, *, ignore_index: int = -100, reduction: str = "mean"):
        super().__init__(weight=weight, ignore_index=ignore_index, reduction=reduction)


class BCELoss(_Loss):
    """Cross-entropy of probabilities; see `fastnn.binary_cross_entropy`.

    Examples
    --------
    >>> BCELoss()([0.5, 0.9], [1.0, 1.0]).round(4)
    np.float64(0.3993)
    """

    _function = functional.binary_cross_entropy
    _weights = ("weight",)

    def __init__(self, weight: Any = None, *, reduction: str = "mean"):
        super().__init__(weight=weight, reduction=reduction)


class BCEWithLogitsLoss(_Loss):
    """Cross-entropy of sigmoid(x); see `fastnn.binary_cross_entropy_with_logits`.

    Examples
    --------
    >>> BCEWithLogitsLoss()([0.0, 2.0], [1.0, 1.0]).round(4)
    np.float64(0.41)
    """

    _function = functional.binary_cross_entropy_with_logits
    _weights = ("weight", "pos_weight")

    def __init__(self, weight: Any = None, *, reduction: str = "mean", pos_weight: Any = None):
        super().__init__(weight=weight, reduction=reduction, pos_weight=pos_weight)


class KLDivLoss(_Loss):
    """Kullback-Leibler divergence of log-probabilities; see `fastnn.kl_div`.

    Examples
    --------
    >>> KLDivLoss(reduction="batchmean")(np.log([[0.5, 0.5]]), [[1.0, 0.0]]).round(4)
    np.float64(0.6931)
    """

    _function = functional.kl_div
    _reductions = (*REDUCTIONS, "batchmean")

    def __init__(self, *, reduction: str = "mean", log_target: bool = False):
        super().__init__(reduction=reduction, log_target=log_target)


class PoissonNLLLoss(_Loss):
    """Negative log-likelihood of counts under a Poisson distribution; see `fastnn.poisson_nll_loss`.

    Examples
    --------
    >>> PoissonNLLLoss()([0.0], [1.0])
    np.float64(1.0)
    """

    _function = functional.poisson_nll_loss

    def __init__(self, log_input: bool = True, full: bool = False, *, eps: float = 1e-8, reduction: str = "mean"):
        eps = _check.real("PoissonNLLLoss", "eps", eps)
        super().__init__(log_input=log_input, full=full, eps=eps, reduction=reduction)


class GaussianNLLLoss(_Loss):
    """Negative log-likelihood of a normal distribution; see `fastnn.gaussian_nll_loss`.

    Examples
    --------
    >>> GaussianNLLLoss()([1.0], [0.0], [1.0])
    np.float64(0.5)
    """

    _function = functional.gaussian_nll_loss

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean"):
        super().__init__(full=full, eps=_check.real("GaussianNLLLoss", "eps", eps), reduction=reduction)


class CTCLoss(_Loss):
    """The loss of labels that are not aligned with the steps of their sequence; see `fastnn.ctc_loss`.

    Examples
    --------
    >>> CTCLoss()(np.log([[0.5, 0.5], [0.5, 0.5]]), [1], 2, 1).round(4)
    np.float64(0.2877)
    """

    _function = functional.ctc_loss

    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False):
        super().__init__(
            blank=_check.count("CTCLoss", "blank", blank), reduction=reduction, zero_infinity=zero_infinity
        )
