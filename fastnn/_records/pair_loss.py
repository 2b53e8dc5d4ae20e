"""Losses of two arrays, element by element."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from ._formulas import Doubles
from ._record import IN_TABLE, Draw, LayerCall, Options, Record, Wrong, normal, signs, uniform
from .elementwise import log1p_exp

REDUCTIONS = ("mean", "sum", "none")
LOGARITHM, PROBABILITY = normal(0, 2), uniform(0.01, 0.99)


@dataclass(frozen=True)
class PairLoss:
    """A loss of x and t.

    each        the loss of one element in the terms of a library `m`: (m, x, t, **options)
    options     other options, each with what makes it another loss
    input, target  what x and t are drawn from
    weighted    whether it takes a weight for each element, and whether "mean" then divides by the weights' sum
    """

    name: str
    each: Callable[..., Any]
    layer: str
    options: tuple[Options, ...] = ({},)
    input: Draw = LOGARITHM
    target: Draw = LOGARITHM
    weighted: str = ""
    reductions: tuple[str, ...] = REDUCTIONS
    wrong: tuple[Wrong, ...] = ()

    def reference(
        self,
        input: Any,
        target: Any,
        reduction: str = "mean",
        weight: Any = None,
        pos_weight: Any = None,
        **options: Any,
    ) -> Any:
        """The loss in NumPy."""
        if pos_weight is not None:
            options["pos_weight"] = pos_weight
        losses = self.each(Doubles, input, target, **options) * (1 if weight is None else weight)
        if reduction == "none":
            return losses
        if reduction == "batchmean":
            return losses.sum() / (len(losses) if losses.ndim else 1)
        divisor = weight.sum() if weight is not None and self.weighted == "by the weights" else losses.size
        return losses.sum() / (divisor if reduction == "mean" else 1)

    @property
    def record(self) -> Record:
        """The record of the function as one of many."""
        weights: list[Options] = [{"weight": uniform(0.5, 2)}] if self.weighted else []
        variants = product((*self.options, *weights), self.reductions)
        return Record(
            self.name,
            {"input": self.input, "target": self.target},
            ((), (5,), (4, 5), (2, 3, 4)),
            tuple({**options, "reduction": reduction} for options, reduction in variants),
            reference=self.reference,
            gradients=("input", "target"),
            twin=("input",),
            joins=lambda arguments: arguments["reduction"] != "none",
            torch=self.name,
            step=1e-5,
            wrong=(
                Wrong("expected target of input's shape", {"target": np.full(3, 0.5)}, (3, 1)),
                Wrong("expected reduction to be one of", {"reduction": "avg"}),
                Wrong("expected target of real numbers", {"target": ["a"]}, (1,), TypeError),
                *self.wrong,
            ),
            large=((300, 301),),
            layers=(LayerCall(self.layer),),
            bench=((256, 4096),),
            native=IN_TABLE,
        )


def _smooth_l1(m: Any, x: Any, t: Any, beta: float = 1.0) -> Any:
    d = abs(x - t)
    return m.where(d < beta, d * d / (2 * (beta or 1)), d - m.number(str(beta)) / 2)


def _huber(m: Any, x: Any, t: Any, delta: float = 1.0) -> Any:
    d = abs(x - t)
    return m.where(d < delta, d * d / 2, delta * (d - m.number(str(delta)) / 2))


def _logits(m: Any, x: Any, t: Any, pos_weight: Any = 1) -> Any:
    return (1 - t) * log1p_exp(m, x) + pos_weight * t * log1p_exp(m, -x)


def _kl_div(m: Any, x: Any, t: Any, log_target: bool = False) -> Any:
    return m.exp(t) * (t - x) if log_target else t * (m.log(t) - x)


_RANGE = r"expected (input|target) in \[0, 1\]"

LOSSES = [
    PairLoss("l1_loss", lambda m, x, t: abs(x - t), "L1Loss", weighted="by the weights"),
    PairLoss("mse_loss", lambda m, x, t: (x - t) ** 2, "MSELoss", weighted="by the weights"),
    PairLoss(
        "smooth_l1_loss",
        _smooth_l1,
        "SmoothL1Loss",
        ({}, {"beta": 0.5}, {"beta": 0.0}),
        wrong=(Wrong("expected beta in", {"beta": -1}),),
    ),
    PairLoss(
        "huber_loss",
        _huber,
        "HuberLoss",
        ({"delta": 2.0}, {}),
        weighted="by the count",
        wrong=(Wrong("expected delta above 0, got 0", {"delta": 0}),),
    ),
    PairLoss(
        "binary_cross_entropy",
        lambda m, x, t: -(t * m.log(x) + (1 - t) * m.log1p(-x)),
        "BCELoss",
        input=PROBABILITY,
        target=PROBABILITY,
        weighted="by the count",
        wrong=(
            Wrong(_RANGE, {"input": [1.5], "target": [0.0]}, (1,)),
            Wrong(_RANGE, {"input": [np.nan], "target": [0.0]}, (1,)),
            Wrong(_RANGE, {"input": [0.5], "target": [2.0]}, (1,)),
        ),
    ),
    PairLoss(
        "binary_cross_entropy_with_logits",
        _logits,
        "BCEWithLogitsLoss",
        ({}, {"pos_weight": uniform(0.5, 3)}, {"pos_weight": uniform(0.5, 3), "weight": uniform(0.5, 2)}),
        target=PROBABILITY,
        weighted="by the count",
        wrong=(Wrong("expected pos_weight to broadcast", {"pos_weight": np.ones(9)}, (4, 5)),),
    ),
    PairLoss(
        "kl_div",
        _kl_div,
        "KLDivLoss",
        ({}, {"log_target": True}),
        target=PROBABILITY,
        reductions=(*REDUCTIONS, "batchmean"),
    ),
    PairLoss("soft_margin_loss", lambda m, x, t: m.log1p(m.exp(-t * x)), "SoftMarginLoss", target=signs()),
]
