"""The two number systems in which the records' formulas are computed.

A formula is written for a library `m`: `Doubles` computes with NumPy on arrays of float64, whose 29 bits more than
float32's decide every comparison; `Multiple` with mpmath on one number.
"""

from __future__ import annotations

from typing import Any

import numpy as np


class Doubles:
    """float64 arrays; erfc is SciPy's."""

    exp, expm1, log, log1p, tanh, where = np.exp, np.expm1, np.log, np.log1p, np.tanh, np.where

    @staticmethod
    def number(text: str) -> float:
        """A constant."""
        return float(text)

    @staticmethod
    def sqrt(x: Any) -> Any:
        """Of a constant."""
        return np.sqrt(x)

    @staticmethod
    def erfc(x: Any) -> Any:
        """1 - erf(x)."""
        from scipy.special import erfc

        return erfc(x)

    pi = np.pi


class Multiple:
    """One mpmath number of 60 digits, or of a given context's precision."""

    def __init__(self, context: Any = None) -> None:
        if context is None:
            import mpmath

            context = mpmath.MPContext()
            context.dps = 60
        self.context = c = context
        self.exp, self.expm1, self.log, self.log1p, self.tanh, self.sqrt, self.number = (
            c.exp, c.expm1, c.log, c.log1p, c.tanh, c.sqrt, c.mpf,
        )  # fmt: skip

    @property
    def pi(self) -> Any:
        """The same numbers at the context's present precision."""
        return +self.context.pi

    def erfc(self, x: Any) -> Any:
        """1 - erf(x); mpmath itself fails where that is 0 or 2 to a million digits."""
        return self.context.erfc(max(min(x, 2000), -2000))

    def where(self, condition: Any, then: Any, otherwise: Any) -> Any:
        """One of two numbers, by a condition."""
        return self.context.mpf(then if condition else otherwise)
