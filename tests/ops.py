"""The records of the element-wise functions, as tests and benchmarks use them."""

from __future__ import annotations

from typing import Any

import mpmath as mp

from fastnn import nn
from fastnn._certify import RECORDS, Record
from fastnn._certify._formulas import Multiple

MULTIPLE = Multiple(mp.mp)
OPS = [record for record in RECORDS if not record.learned]
LEARNED = [record for record in RECORDS if record.learned]
BY_NAME = {op.name: op for op in OPS}
CASES = [(op, case) for op in OPS for case in op.cases]
CASE_IDS = ["-".join([op.name, *(f"{k}={v}" for k, v in case.items())]) for op, case in CASES]
LAYERS = {name.lower(): getattr(nn, name) for name in nn.__all__}

# Rows of activations.def that are reached through another function's option.
ROWS_BY_OPTION = {"gelu_tanh": ("gelu", {"approximate": "tanh"})}


def exact(op: Record, x: Any, *parameters: Any, **options: Any) -> Any:
    """f(x) at mpmath's precision of now."""
    return op.value(MULTIPLE, x, *parameters, **options)


def layer_of(op: Record) -> type[nn.Module]:
    """The class in fastnn.nn."""
    return LAYERS[op.name.replace("_", "")]
