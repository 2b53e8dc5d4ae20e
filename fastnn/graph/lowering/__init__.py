"""How a program does the calls of a graph: one file for each family of functions, which declares its rules.

A new family is a new file here and its name in the import below.
"""

from . import arrays, elementwise, linear, norm
from ._step import FOLDINGS, LOWERINGS, Derived, Lowered, Result, Same, Scratch, Source, Step, lowered, record

__all__ = [
    "FOLDINGS", "LOWERINGS", "Derived", "Lowered", "Result", "Same", "Scratch", "Source", "Step", "arrays",
    "elementwise", "linear", "lowered", "norm", "record",
]  # fmt: skip
