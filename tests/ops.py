"""The records of the element-wise functions, as their tests use them."""

from __future__ import annotations

from typing import Any

import mpmath as mp
from records import ACTIVATIONS as OPS, LEARNED, Activation

from fastnn import nn
from fastnn._records._formulas import Multiple

__all__ = ["BY_NAME", "CASES", "CASE_IDS", "LAYERS", "LEARNED", "OPS", "ROWS_BY_OPTION", "exact", "layer_of"]

MULTIPLE = Multiple(mp.mp)
BY_NAME = {op.name: op for op in OPS}
CASES = [(op, case) for op in OPS for case in op.cases]
CASE_IDS = ["-".join([op.name, *(f"{k}={v}" for k, v in case.items())]) for op, case in CASES]
LAYERS = {name.lower(): getattr(nn, name) for name in nn.__all__}

# Rows of activations.def that are reached through another function's option.
ROWS_BY_OPTION = {"gelu_tanh": ("gelu", {"approximate": "tanh"})}


def exact(op: Activation, x: Any, *parameters: Any, **options: Any) -> Any:
    """f(x) at mpmath's precision of now."""
    return op.value(MULTIPLE, x, *parameters, **options)


def layer_of(op: Activation) -> type[nn.Module]:
    """The class in fastnn.nn."""
    return LAYERS[op.name.replace("_", "")]
