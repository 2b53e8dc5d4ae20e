"""The two number systems in which the records' formulas are computed.

A formula is written for a library `m`: `Doubles` computes with NumPy on arrays of float64, whose 29 bits more than
float32's decide every comparison; `Multiple` with mpmath on one number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np


class Doubles:
    """float64 arrays; erfc is SciPy's."""

    exp, expm1, log1p, tanh, where = np.exp, np.expm1, np.log1p, np.tanh, np.where

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
        self.exp, self.expm1, self.log1p, self.tanh, self.sqrt, self.number = (
            c.exp, c.expm1, c.log1p, c.tanh, c.sqrt, c.mpf,
        )  # fmt: skip

    @property
    def pi(self) -> Any:
        """At the precision of now."""
        return +self.context.pi

    def erfc(self, x: Any) -> Any:
        """1 - erf(x); mpmath itself fails where that is 0 or 2 to a million digits."""
        return self.context.erfc(max(min(x, 2000), -2000))

    def where(self, condition: Any, then: Any, otherwise: Any) -> Any:
        """One of two numbers."""
        return self.context.mpf(then if condition else otherwise)


Rule = Callable[..., Any]
Case = dict[str, Any]
INF, NAN = float("inf"), float("nan")


@dataclass(frozen=True)
class Record:
    """All that is to be known of an element-wise function f(x; parameters).

    value       f(m, x, **parameters), m being one of the two libraries
    slope       its derivative
    limits      f at inf, -inf and -0.0 (PyTorch's values but for the deliberate differences), and f' at inf and -inf
    kinks       x where the derivative jumps
    at_kinks    (x, f'(x)) by PyTorch's convention
    nan_slope   f'(NaN)
    given       values for parameters that have no default; of learned ones, where they start
    variants    other parameters worth testing
    certified   the parameters whose accuracy is measured over all inputs
    falls       whether f falls anywhere
    roots       of the derivative, where it is bounded absolutely
    peers       f as people write it with NumPy or SciPy: (library, x, **parameters)
    domain      where f is tested most densely
    learned     the row of the table of kernels that computes it, if its parameters can be learned
    """

    name: str
    value: Rule
    slope: Rule
    limits: tuple[float, float, float, float, float] = (NAN,) * 5
    kinks: tuple[float, ...] = ()
    at_kinks: tuple[tuple[float, float], ...] = ()
    nan_slope: float = NAN
    given: Case = field(default_factory=dict)
    variants: tuple[Case, ...] = ()
    certified: tuple[Case, ...] = ({},)
    falls: bool = False
    roots: tuple[float, ...] = ()
    peers: dict[str, Rule] = field(default_factory=dict)
    domain: tuple[float, float] = (-110.0, 110.0)
    learned: str = ""

    @property
    def cases(self) -> list[Case]:
        """Parameters worth testing."""
        return [self.given, *self.variants]


@dataclass(frozen=True)
class Formula:
    """A record's function with its parameters."""

    record: Record
    parameters: Case

    @property
    def name(self) -> str:
        """Of the function."""
        return self.record.name

    @property
    def title(self) -> str:
        """Name and parameters."""
        return " ".join(
            [
                self.name,
                *(
                    f"{key}={value:.9g}" if isinstance(value, float) else f"{key}={value}"
                    for key, value in self.parameters.items()
                ),
            ]
        )

    def value(self, m: Any, x: Any) -> Any:
        """f(x)."""
        return self.record.value(m, x, **self.parameters)

    def slope(self, m: Any, x: Any) -> Any:
        """f'(x)."""
        return self.record.slope(m, x, **self.parameters)
