"""Dropout: of values, of whole channels, and the kinds that keep mean and variance."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn import functional
from fastnn._records._record import LayerCall, Options, Record, Shape, Wrong, normal

# selu's least value, which alpha dropout puts in the place of what it drops
SELU_LIMIT = -1.7580993408473766


def _drawn(arguments: Options) -> bool:
    return bool(arguments["training"])


def _formula(whole: int | None, trailing: int, alpha: bool) -> Any:
    """The mask is one value for each of the leading axes: `whole` of them, or all but `trailing`."""

    def formula(input: Any, p: float, training: bool, rng: int) -> Any:
        if not training:
            return input
        leading = input.ndim - trailing if whole is None else whole
        mask = functional.dropout_mask(input.shape[:leading], p, rng=rng)
        mask = mask.reshape(mask.shape + (1,) * (input.ndim - leading))
        scale, shift, dropped = 1 / (1 - p), 0.0, 0.0
        if alpha:
            scale = ((1 - p) * (1 + p * SELU_LIMIT**2)) ** -0.5
            shift, dropped = -scale * SELU_LIMIT * p, scale * SELU_LIMIT * (1 - p)
        return np.where(mask, input * scale + shift, dropped)

    return formula


def _dropout(
    name: str,
    layer: str,
    shapes: tuple[Shape, ...],
    formula: Any,
    bench: tuple[Shape, ...],
    large: Shape,
    batch: Shape = (64, 12, 50),
    wrong: tuple[Wrong, ...] = (),
    native: str = "dropout",
) -> Record:
    return Record(
        name,
        {"input": normal(), "p": 0.3, "training": True, "rng": 9},
        shapes,
        ({}, {"p": 0.5}, {"p": 0.0}, {"training": False}),
        reference=formula,
        joins=_drawn,
        random=lambda arguments: _drawn(arguments) and arguments["p"] > 0,
        torch=name,
        wrong=(
            Wrong(r"expected p in \[0, 1\]", {"p": 1.1}),
            Wrong(r"expected p in \[0, 1\]", {"p": np.nan}),
            Wrong("expected rng to be None, an integer", {"rng": "1"}, error=TypeError),
            Wrong("expected rng of at least 0, got -1", {"rng": -1}),
            *wrong,
        ),
        any_shape=lambda shape: {"p": 0.5, "training": True, "rng": 3},
        large=(large,),
        batch=batch,
        layers=(LayerCall(layer, (0.0,), {}, (shapes[-1],)),),
        bench=bench,
        bench_with={"p": 0.5, "rng": None},
        native=native,
    )


_IMAGES = (32, 64, 32, 32)
_FEW = Wrong("expected", {}, (4,))

RECORDS = [
    _dropout(
        "dropout",
        "Dropout",
        ((), (7,), (3, 4, 5)),
        _formula(None, 0, alpha=False),
        bench=((1_000,), (10_000,), (65_536,), (1_000_000,), (32_000_000,)),
        large=(300_001,),
        native="""
        FILL(x, 40000, -1, 1);
        RUN(dropout, .y = y, .x = x, .rows = 40000, .s = 1, .key = 77, .threshold = 20000, .scale = 1.5, .shift = 0.25,
            .dropped = -1);
        RUN(dropout, .y = z, .x = x, .rows = 400, .s = 100, .key = 78, .threshold = 20000, .scale = 1.5, .shift = 0.25,
            .dropped = -1);
        RUN(dropout_mask, .mask = (uint8_t *)us, .n = 40000, .key = 79, .threshold = 20000);
        add_bytes(us, 40000);
        ADD(y, 40000); ADD(z, 40000);""",
    ),
    _dropout(
        "dropout1d",
        "Dropout1d",
        ((5, 6), (4, 5, 6)),
        _formula(None, 1, alpha=False),
        ((256, 64, 64),),
        (90, 60, 50),
        wrong=(_FEW,),
    ),
    _dropout(
        "dropout2d",
        "Dropout2d",
        ((4, 5), (4, 5, 6), (4, 5, 6, 7)),
        _formula(2, 0, alpha=False),
        (_IMAGES,),
        (9, 60, 50, 13),
        wrong=(_FEW,),
    ),
    _dropout(
        "dropout3d",
        "Dropout3d",
        ((5, 2, 3, 2), (4, 5, 2, 3, 2)),
        _formula(None, 3, alpha=False),
        bench=((16, 32, 8, 16, 16),),
        large=(9, 60, 5, 10, 13),
        batch=(64, 3, 4, 5, 6),
        wrong=(_FEW,),
    ),
    _dropout(
        "alpha_dropout",
        "AlphaDropout",
        ((7,), (4, 5), (2, 3, 4)),
        _formula(None, 0, alpha=True),
        ((1024, 512),),
        (300_001,),
    ),
    _dropout(
        "feature_alpha_dropout",
        "FeatureAlphaDropout",
        ((4, 5), (4, 5, 6)),
        _formula(2, 0, alpha=True),
        bench=(_IMAGES,),
        large=(9, 60, 50, 13),
        wrong=(_FEW,),
    ),
]
