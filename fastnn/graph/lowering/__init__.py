"""The lowering of a graph's calls to steps: one file for each family of functions, which declares its rules.

A new family is a new file here and its name in the import below.
"""

from . import arrays, attention, elementwise, images, linear, norm, parametric, recurrent, sequences
from ._step import (
    FOLDINGS,
    LOWERINGS,
    Derived,
    Each,
    Further,
    Lowered,
    Result,
    Same,
    Scratch,
    Source,
    Step,
    Strided,
    Wrong,
    lowered,
    reads,
    record,
)

__all__ = [
    "FOLDINGS", "LOWERINGS", "Derived", "Each", "Further", "Lowered", "Result", "Same", "Scratch", "Source", "Step",
    "Strided", "Wrong", "arrays", "attention", "elementwise", "images", "linear", "lowered", "norm", "parametric",
    "reads", "record", "recurrent", "sequences",
]  # fmt: skip
