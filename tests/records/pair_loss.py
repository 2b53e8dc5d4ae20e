"""Losses of two arrays, element by element."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from fastnn._records._formulas import Doubles
from fastnn._records._record import IN_TABLE, Draw, LayerCall, Options, Record, Wrong, normal, signs, uniform
from fastnn._records.elementwise import log1p_exp

REDUCTIONS = ("mean", "sum", "none")
LOGARITHM, PROBABILITY = normal(0, 2), uniform(0.01, 0.99)


@dataclass(frozen=True)
class PairLoss:
    """A loss of x and t.

    each        the loss of one element in the terms of a library `m`: (m, x, t, **options)
    options     other options, each with what makes it another loss
    input, target  what x and t are drawn from
    weighted    whether it takes a weight for each element, and whether "mean" then divides by the weights' sum
    gradients   the arguments with a derivative that differences show
    broadcasts  whether the arrays may have different shapes
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
    gradients: tuple[str, ...] = ("input", "target")
    broadcasts: bool = False

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
            gradients=self.gradients,
            twin=("input",),
            joins=lambda arguments: arguments["reduction"] != "none",
            torch=self.name,
            step=1e-5,
            wrong=(
                Wrong("expected input and target of shapes that broadcast", {"target": np.ones(4)}, (3,))
                if self.broadcasts
                else Wrong("expected target of input's shape", {"target": np.full(3, 0.5)}, (3, 1)),
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


def _stirling(m: Any, t: Any) -> Any:
    return m.where(t > 1, t * m.log(t) - t + m.log(2 * m.number(PI) * t) / 2, 0 * t)


def _poisson(m: Any, x: Any, t: Any, log_input: bool = True, full: bool = False, eps: float = 1e-8) -> Any:
    loss = m.exp(x) - t * x if log_input else x - t * m.log(x + m.number(str(eps)))
    return loss + _stirling(m, t) if full else loss


def _hinge(m: Any, x: Any, t: Any, margin: float = 1.0) -> Any:
    z = m.number(str(margin)) - x
    return m.where(t == 1, x, m.where(z > 0, z, 0 * z))


PI = "3.14159265358979323846264338327950288419716939937510582097494459"
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
    PairLoss(
        "hinge_embedding_loss",
        _hinge,
        "HingeEmbeddingLoss",
        ({}, {"margin": 0.5}),
        target=signs(),
        wrong=(Wrong("expected margin to be a real number", {"margin": "1"}, error=TypeError),),
        gradients=("input",),
        broadcasts=True,
    ),
    PairLoss(
        "poisson_nll_loss",
        _poisson,
        "PoissonNLLLoss",
        ({}, {"full": True}, {"log_input": False}, {"log_input": False, "full": True, "eps": 0.001}),
        input=uniform(0.1, 4),
        target=uniform(0.1, 6),
        wrong=(Wrong("expected eps to be a real number", {"eps": "1"}, error=TypeError),),
        broadcasts=True,
    ),
]


def reduced(losses: Any, reduction: str) -> Any:
    """The losses as the reduction has it."""
    return losses if reduction == "none" else losses.sum() if reduction == "sum" else losses.mean()


def _gaussian(input: Any, target: Any, var: Any, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> Any:
    v = np.maximum(var, eps)
    v = v[..., None] if v.shape == input.shape[:-1] and v.ndim < input.ndim else v
    return reduced((np.log(v) + (input - target) ** 2 / v + full * np.log(2 * np.pi)) / 2, reduction)


def _ranking(input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: str = "mean") -> Any:
    return reduced(np.maximum(0, margin - target * (input1 - input2)), reduction)


def _joins(arguments: Options) -> bool:
    return arguments["reduction"] != "none"


THREE = [
    Record(
        "gaussian_nll_loss",
        {"input": LOGARITHM, "target": LOGARITHM, "var": uniform(0.5, 3), "reduction": "mean"},
        ((5,), (4, 5), (2, 3, 4)),
        tuple(
            {"var": var, "full": full, "eps": eps, "reduction": reduction}
            for (var, full, eps), reduction in product(
                (
                    (uniform(0.5, 3), False, 1e-6),
                    (uniform(0.5, 3), True, 0.1),
                    (Draw(lambda rng, shape: rng.uniform(0.5, 3, shape[:-1]), per_sample=True), False, 1e-6),
                ),
                REDUCTIONS,
            )
        ),
        reference=_gaussian,
        gradients=("input", "target", "var"),
        joins=_joins,
        torch="gaussian_nll_loss",
        step=1e-5,
        wrong=(
            Wrong("expected var of shape", {"var": np.ones((2, 5))}, (4, 5)),
            Wrong("expected var of at least 0, got -1", {"var": -np.ones(3)}, (3,)),
            Wrong("expected input, target and var of shapes that broadcast", {"target": np.ones(4)}, (3,)),
            Wrong("expected reduction to be one of", {"reduction": "avg"}),
        ),
        large=((300, 301),),
        layers=(LayerCall("GaussianNLLLoss"),),
        bench=((256, 4096),),
        native=IN_TABLE,
    ),
    Record(
        "margin_ranking_loss",
        {"input1": LOGARITHM, "input2": LOGARITHM, "target": signs(), "reduction": "mean"},
        ((), (5,), (4, 5), (2, 3, 4)),
        tuple({"margin": m, "reduction": reduction} for m, reduction in product((0.0, 0.5), REDUCTIONS)),
        reference=_ranking,
        gradients=("input1", "input2", "target"),
        joins=_joins,
        torch="margin_ranking_loss",
        step=1e-5,
        wrong=(
            Wrong("expected arrays of the same number of dimensions", {"target": np.ones(5)}, (4, 5)),
            Wrong("expected input1, input2 and target of shapes that broadcast", {"input2": np.ones(4)}, (3,)),
            Wrong("expected reduction to be one of", {"reduction": "avg"}),
        ),
        large=((300, 301),),
        layers=(LayerCall("MarginRankingLoss"),),
        bench=((256, 4096),),
        native=IN_TABLE,
    ),
]
