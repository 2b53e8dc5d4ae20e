"""Activations with learned or drawn parameters, and the gate.

A learned one is a row of the kernels' table with a parameter for each channel.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _random
from ._activation import Activation
from ._formulas import Doubles
from ._record import IN_TABLE, LayerCall, Options, Record, Wrong, normal
from .elementwise import bell, exp_below, expm1_below, sigmoid, softplus, softplus_slope, step, swish_slope

LEARNED = [
    Activation(
        "prelu",
        lambda m, x, weight: m.where(x > 0, x, weight * x),
        lambda m, x, weight: m.where(x > 0, 1, weight),
        given={"weight": 0.25},
        learned="leaky_relu",
    ),
    Activation(
        "swish",
        lambda m, x, beta: x * sigmoid(m, beta * x),
        swish_slope,
        given={"beta": 1.0},
        certified=({"beta": 1.75},),
        falls=True,
        roots=(-1.2784645 / 1.75,),
        learned="swish",
    ),
    Activation(
        "parametric_elu",
        lambda m, x, alpha: m.where(x > 0, x, alpha * expm1_below(m, x)),
        lambda m, x, alpha: m.where(x > 0, 1, alpha * exp_below(m, x)),
        given={"alpha": 1.0},
        certified=({"alpha": 1.5},),
        learned="elu",
    ),
    Activation(
        "parametric_softplus",
        softplus,
        softplus_slope,
        given={"beta": 1.0},
        certified=({"beta": 2.5},),
        learned="softplus",
    ),
    Activation(
        "parametric_sigmoid",
        lambda m, x, a, b: a * sigmoid(m, b * x),
        lambda m, x, a, b: a * b * bell(m, b * x),
        given={"a": 1.0, "b": 1.0},
        certified=({"a": 1.5, "b": 0.75},),
        learned="parametric_sigmoid",
    ),
    Activation(
        "scaled_relu",
        lambda m, x, alpha: m.where(x > 0, alpha * x, 0),
        lambda m, x, alpha: alpha * step(m, x > 0),
        given={"alpha": 1.0},
        certified=({"alpha": 1.5},),
        learned="scaled_relu",
    ),
]


def _rrelu(input: Any, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, rng: Any = None) -> Any:
    slopes: Any = (lower + upper) / 2
    if training:
        slopes = np.random.default_rng(_random.key("rrelu", rng)).uniform(lower, upper, input.shape)
    return np.where(input > 0, input, slopes * input)


def _glu(input: Any, dim: int = -1) -> Any:
    first, second = np.split(input, 2, dim)
    return first * sigmoid(Doubles, second)


def _trained(arguments: Options) -> bool:
    return bool(arguments["training"])


GATES = [
    Record(
        "rrelu",
        {"input": normal(0, 3), "lower": 0.125, "upper": 0.25, "training": True, "rng": 5},
        ((), (7,), (3, 4, 5)),
        ({}, {"training": False}, {"lower": 0.25, "training": False}),
        reference=_rrelu,
        joins=_trained,
        random=_trained,
        torch="rrelu",
        wrong=(
            Wrong("expected a finite lower of at most upper, got 0.5 and 0.25", {"lower": 0.5}),
            Wrong("expected lower to be a real number", {"lower": "a"}, error=TypeError),
        ),
        any_shape=lambda shape: {"training": True, "rng": 3},
        large=((300_001,),),
        layers=(LayerCall("RReLU", (0.25, 0.25), {}, ((3, 4),)),),
        bench=((1024, 512),),
        native=IN_TABLE,
    ),
    Record(
        "glu",
        {"input": normal(0, 3), "dim": -1},
        ((6,), (4, 6), (2, 3, 4, 6)),
        ({}, {"dim": 0}, {"dim": lambda shape: len(shape) // 2}),
        reference=_glu,
        joins=lambda arguments: arguments["dim"] % arguments["input"].ndim == 0,
        torch="glu",
        wrong=(
            Wrong("expected dimension 1 to be even", shape=(4, 5)),
            Wrong("expected an input of 1 or more dimensions, got a scalar", shape=()),
            Wrong("expected dim in", {"dim": 2}, (4, 6), IndexError),
        ),
        large=((500, 1300),),
        layers=(LayerCall("GLU", (1,), {}, ((3, 4),)),),
        bench=((1024, 512),),
        native="""
        EACH(n, 1, 5, 16, 500, 658)
        {
            FILL(x, 37 * n * 2, -9, 9); FILL(dy, 37 * n, -2, 2);
            RUN(glu, .y = y, .x = x, .rows = 37, .n = n);
            RUN(glu_backward, .dx = z, .dy = dy, .x = x, .rows = 37, .n = n);
            ADD(y, 37 * n); ADD(z, 37 * n * 2);
        }""",
    ),
]
