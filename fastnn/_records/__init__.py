"""One record for each element-wise function, read by the accuracy certificate and by the tests.

The records of all other functions, which only tests and benchmarks read, stand in tests/records.
"""

from __future__ import annotations

from ._activation import Activation, Formula
from .elementwise import ACTIVATIONS
from .parametric import GATES, LEARNED

__all__ = ["ACTIVATIONS", "FORMULAS", "GATES", "LEARNED", "Activation", "Formula"]

FORMULAS = [Formula(each, each.given | case) for each in [*ACTIVATIONS, *LEARNED] for case in each.certified]
