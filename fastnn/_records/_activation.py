"""The record of an element-wise function: of one array, and of parameters that are numbers or one for each channel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ._formulas import Doubles
from ._record import IN_TABLE, Record, channels, fixed, normal, signature_of

Rule = Callable[..., Any]
Case = dict[str, Any]
INF, NAN = float("inf"), float("nan")
SHAPES = ((), (7,), (3, 4, 5), (0, 2))
BENCH = ((100,), (10_000,), (1_000_000,), (32_000_000,))
LEARNED_BENCH = ((128, 64), (32, 64, 32, 32))
LEARNED_SHAPES = ((7,), (5, 3), (2, 3, 5), (2, 4, 3, 2), (2, 3, 2, 2, 2))


def shaped(parameters: Case, x: Any) -> Case:
    """Parameters of channels as they broadcast over x."""
    trailing = (1,) * max(np.ndim(x) - 2, 0)
    return {
        key: value.reshape(*value.shape, *trailing) if np.ndim(value) else value for key, value in parameters.items()
    }


@dataclass(frozen=True)
class Activation:
    """The facts of an element-wise function f(x; parameters) that tests and certificate need.

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
    jax         JAX's name of it, in jax.nn
    onnx        ONNX's operator and its attributes
    aten        PyTorch's kernel of the derivative, whether it reads x or y, and the constants beside these
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
    jax: str = ""
    onnx: tuple[str, Case] | None = None
    aten: tuple[str, str, tuple[Any, ...]] | None = None
    domain: tuple[float, float] = (-110.0, 110.0)
    learned: str = ""

    @property
    def cases(self) -> list[Case]:
        """Parameters worth testing."""
        return [self.given, *self.variants]

    @property
    def saves_y(self) -> bool:
        """Whether the derivative is computed from the result; the `_backward` function's second argument says so."""
        return list(signature_of(self.name + "_backward").parameters)[1] == "y"

    @property
    def record(self) -> Record:
        """The record of the function as one of many."""
        learned = list(self.given) if self.learned else []
        given = {name: channels(0.5, 2.0) for name in learned} or self.given
        single = ({name: fixed(1, low=0.5, high=2.0) for name in learned},) if learned else ()
        return Record(
            self.name,
            {"input": normal(0, 3)} | given,
            LEARNED_SHAPES if learned else SHAPES,
            ({}, *single, *self.variants),
            reference=lambda input, **parameters: self.value(Doubles, input, **shaped(parameters, input)),
            gradients=("input", *learned),
            torch=None if learned and self.name != "prelu" else self.name,
            bench=LEARNED_BENCH if learned else BENCH,
            large=((9, 6, 50, 13),) if learned else ((300_001,),),
            any_shape=lambda shape: dict.fromkeys(learned, 1.0),
            native=IN_TABLE,
        )


@dataclass(frozen=True)
class Formula:
    """An activation with its parameters."""

    activation: Activation
    parameters: Case

    @property
    def name(self) -> str:
        """The name of the function."""
        return self.activation.name

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
        return self.activation.value(m, x, **self.parameters)

    def slope(self, m: Any, x: Any) -> Any:
        """f'(x)."""
        return self.activation.slope(m, x, **self.parameters)
