"""Kinds of prediction, a row of `HEADS` each: loss, first bias of the network, from its output to predictions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import functional
from .._check import Array


@dataclass(frozen=True)
class Target:
    """What a head knows of the training rows' targets.

    Parameters
    ----------
    width : int
        Classes or labels; 1 of a number.
    mean, std : list of float
        Of each class or label its share; of numbers what they are scaled by.
    quantiles : list of float
        Of the loss "quantile".
    """

    width: int
    mean: list[float]
    std: list[float]
    quantiles: list[float]


@dataclass(frozen=True)
class Head:
    """Functions of one kind of prediction."""

    losses: Callable[[Any, Array, Target], Any]  # of output (N, outputs) and scaled targets, for each row
    linked: Callable[[Array, Target], Array]  # probabilities, or numbers in the targets' unit, of output in float64
    bias: Callable[[Target], Array]
    scaled: Callable[[Array, Target], Array]  # targets as the loss wants them

    def outputs(self, target: Target) -> int:
        """How many outputs the network has."""
        return len(self.bias(target))


def _by_row(function: Callable[..., Any], **options: Any) -> Callable[[Any, Array, Target], Any]:
    """A loss of two arrays, its mean over each row."""
    return lambda output, y, target: function(output, y, reduction="none", **options).mean(1)


def _pinball(output: Any, y: Array, target: Target) -> Any:
    """max(q d, (q - 1) d) of d = y - output, the mean over the quantiles q."""
    d = y - output
    return (functional.relu(d) - (1 - np.asarray(target.quantiles, np.float32)) * d).mean(1)


def _log(shares: Any) -> Array:
    return np.log(np.maximum(shares, 1e-6))


def _column(y: Array, target: Target) -> Array:
    return y[:, None].astype(np.float32)


def _standard(y: Array, target: Target) -> Array:
    return _column((y - target.mean[0]) / target.std[0], target)


def _own_unit(output: Array, target: Target) -> Array:
    return output * target.std[0] + target.mean[0]


def _plain(y: Array, target: Target) -> Array:
    return y


HEADS = {
    "classes": Head(
        lambda output, y, target: functional.cross_entropy(output, y, reduction="none"),
        lambda output, target: functional.softmax(output, 1),
        lambda target: _log(target.mean),
        _plain,
    ),
    "labels": Head(
        _by_row(functional.binary_cross_entropy_with_logits),
        lambda output, target: functional.sigmoid(output),
        lambda target: _log(target.mean) - _log(1 - np.asarray(target.mean)),
        _plain,
    ),
    "mse": Head(_by_row(functional.mse_loss), _own_unit, lambda target: np.zeros(1), _standard),
    "huber": Head(_by_row(functional.huber_loss), _own_unit, lambda target: np.zeros(1), _standard),
    "poisson": Head(
        _by_row(functional.poisson_nll_loss, log_input=True),
        lambda output, target: np.exp(np.minimum(output, 700)),
        lambda target: _log(target.mean),
        _column,
    ),
    "quantile": Head(
        _pinball,
        lambda output, target: _own_unit(np.sort(output, 1), target),  # in rising order
        lambda target: 2 * np.asarray(target.quantiles) - 1,
        _standard,
    ),
}


class Criterion:
    """sum(weight loss) / sum(weight) over a batch; `classes` are weights of classes."""

    def __init__(self, head: Head, target: Target, classes: Array | None = None):
        self.head, self.target = head, target
        self.classes = None if classes is None else classes.astype(np.float32)

    def __call__(self, output: Any, given: tuple[Array, Array]) -> Any:
        """Output (N, outputs) and (targets, weights of rows)."""
        y, weight = given
        if self.classes is not None:
            weight = weight * self.classes[y]
        losses = self.head.losses(output, self.head.scaled(y, self.target), self.target)
        return (losses * weight).sum() * (1 / max(float(weight.sum()), 1e-30))
