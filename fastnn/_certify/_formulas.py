"""What each element-wise function is, in terms that double precision and multiple precision both understand.

A formula is written for a library `m`: `Doubles` computes with NumPy on arrays of float64, whose 29 bits more than
float32's decide every comparison; `Multiple` with mpmath on one number, for float64.  None is taken from the kernels.
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
    """One mpmath number of 60 digits."""

    def __init__(self) -> None:
        import mpmath

        self.context = mpmath.MPContext()
        self.context.dps = 60
        c = self.context
        self.exp, self.expm1, self.log1p, self.tanh = c.exp, c.expm1, c.log1p, c.tanh
        self.sqrt, self.number, self.pi = c.sqrt, c.mpf, +c.pi

    def erfc(self, x: Any) -> Any:
        """1 - erf(x); mpmath itself fails where that is 0 or 2 to a million digits."""
        return self.context.erfc(max(min(x, 2000), -2000))

    def where(self, condition: Any, then: Any, otherwise: Any) -> Any:
        """One of two numbers."""
        return self.context.mpf(then if condition else otherwise)


Rule = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Formula:
    """A function f(x; parameters) with its derivative.

    increasing  f never falls
    roots       of the derivative, where it is bounded absolutely
    peers       expressions in NumPy (np) or SciPy (sp) that people write for f of a float32 array x, by library
    """

    name: str
    value: Rule
    slope: Rule
    parameters: dict[str, Any] = field(default_factory=dict)
    increasing: bool = True
    roots: tuple[float, ...] = ()
    peers: dict[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Name and parameters."""
        return " ".join([self.name, *(f"{key}={value}" for key, value in self.parameters.items())])


def _sigmoid(m: Any, x: Any) -> Any:
    e = m.exp(-abs(x))
    return m.where(x < 0, e, 1) / (1 + e)


def _bell(m: Any, x: Any) -> Any:
    """sigmoid(x) sigmoid(-x)."""
    e = m.exp(-abs(x))
    return e / (1 + e) ** 2


def _softplus(m: Any, x: Any) -> Any:
    return m.where(x > 0, x, 0) + m.log1p(m.exp(-abs(x)))


def _tanhshrink(m: Any, x: Any) -> Any:
    """x - tanh(x), by its series where that cancels."""
    s = m.where(abs(x) < 0.03, x, 0) ** 2
    series = 1
    for top, bottom in ((929569, 2583630), (21844, 60858), (1382, 3410), (62, 153), (17, 42), (2, 5)):
        series = 1 - s * series * top / bottom
    # where x itself is large its cube would overflow
    return m.where(abs(x) < 0.03, m.where(abs(x) < 0.03, x, 0) ** 3 / 3 * series, x - m.tanh(x))


def _gelu_slope(m: Any, x: Any) -> Any:
    density = m.exp(-x * x / 2) / m.sqrt(2 * m.pi)
    return m.erfc(-x / m.sqrt(m.number("2"))) / 2 + m.where(density > 0, x * density, 0)


def _z(m: Any, x: Any) -> Any:
    return 2 * m.sqrt(2 / m.pi) * (x + m.number("0.044715") * x * x * x)


def _gelu_tanh_slope(m: Any, x: Any) -> Any:
    bell = _bell(m, _z(m, x))
    dz = 2 * m.sqrt(2 / m.pi) * (1 + 3 * m.number("0.044715") * x * x)
    return _sigmoid(m, _z(m, x)) + m.where(bell > 0, x * bell * dz, 0)


def _mish_slope(m: Any, x: Any) -> Any:
    """By the side's own form, of e = exp(-|x|): tanh(softplus) is near 1 on the right, small on the left."""
    e = m.exp(-abs(x))
    c = m.where(e > 0, x, 0)
    left = e * (e * e * e + 4 * e * e + (6 + 4 * c) * e + 4 * (1 + c)) / (e * e + 2 * e + 2) ** 2
    d = 1 + 2 * e + 2 * e * e
    return m.where(x < 0, left, (1 + 2 * e) / d + 4 * c * e * e * (1 + e) / d**2)


def _swish_slope(m: Any, x: Any, beta: float) -> Any:
    bell = _bell(m, beta * x)
    return _sigmoid(m, beta * x) + m.where(bell > 0, beta * x * bell, 0)


def _selu(m: Any) -> tuple[Any, Any]:
    scale, alpha = m.number("1.0507009873554804934193349852946"), m.number("1.6732632423543772848170429916717")
    return scale, scale * alpha


def _clip(m: Any, x: Any, low: float, high: float) -> Any:
    return m.where(x < low, low, m.where(x > high, high, x))


def _step(m: Any, condition: Any) -> Any:
    return m.where(condition, 1, 0)


LEAK = float(np.float32(0.01))  # what a float32 kernel is given

FORMULAS = [
    Formula(
        "relu", lambda m, x: m.where(x > 0, x, 0), lambda m, x: _step(m, x > 0), peers={"numpy": "np.maximum(x, 0)"}
    ),
    Formula(
        "relu6",
        lambda m, x: _clip(m, x, 0, 6),
        lambda m, x: _step(m, (x > 0) & (x < 6)),
        peers={"numpy": "np.clip(x, 0, 6)"},
    ),
    Formula(
        "leaky_relu",
        lambda m, x: m.where(x > 0, x, LEAK * x),
        lambda m, x: m.where(x > 0, 1, LEAK),
        {"negative_slope": LEAK},
        peers={"numpy": "np.where(x > 0, x, x * np.float32(0.01))"},
    ),
    Formula(
        "elu",
        lambda m, x: m.where(x > 0, x, m.expm1(m.where(x > 0, 0, x))),
        lambda m, x: m.exp(m.where(x > 0, 0, x)),
        peers={"numpy": "np.where(x > 0, x, np.expm1(np.minimum(x, 0)))"},
    ),
    Formula(
        "selu",
        lambda m, x: m.where(x > 0, _selu(m)[0] * x, _selu(m)[1] * m.expm1(m.where(x > 0, 0, x))),
        lambda m, x: m.where(x > 0, _selu(m)[0], _selu(m)[1] * m.exp(m.where(x > 0, 0, x))),
        peers={
            "numpy": "np.float32(1.05070098) * np.where(x > 0, x, np.float32(1.67326324) * np.expm1(np.minimum(x, 0)))"
        },
    ),
    Formula(
        "celu",
        lambda m, x: m.where(x > 0, x, 1.5 * m.expm1(m.where(x > 0, 0, x / m.number("1.5")))),
        lambda m, x: m.exp(m.where(x > 0, 0, x / m.number("1.5"))),
        {"alpha": 1.5},
        peers={"numpy": "np.where(x > 0, x, np.float32(1.5) * np.expm1(np.minimum(x / np.float32(1.5), 0)))"},
    ),
    Formula("sigmoid", _sigmoid, _bell, peers={"numpy": "1 / (1 + np.exp(-x))", "scipy": "sp.expit(x)"}),
    Formula("tanh", lambda m, x: m.tanh(x), lambda m, x: 4 * _bell(m, 2 * x), peers={"numpy": "np.tanh(x)"}),
    Formula("tanhshrink", _tanhshrink, lambda m, x: m.tanh(x) ** 2, peers={"numpy": "x - np.tanh(x)"}),
    Formula(
        "silu",
        lambda m, x: x * _sigmoid(m, x),
        lambda m, x: _swish_slope(m, x, 1),
        increasing=False,
        roots=(-1.2784645,),
        peers={"numpy": "x / (1 + np.exp(-x))", "scipy": "x * sp.expit(x)"},
    ),
    Formula(
        "gelu",
        lambda m, x: x * m.erfc(-x / m.sqrt(m.number("2"))) / 2,
        _gelu_slope,
        increasing=False,
        roots=(-0.7517916,),
        peers={"scipy": "0.5 * x * (1 + sp.erf(x * np.float32(0.5**0.5)))"},
    ),
    Formula(
        "gelu",
        lambda m, x: x * _sigmoid(m, _z(m, x)),
        _gelu_tanh_slope,
        {"approximate": "tanh"},
        increasing=False,
        roots=(-0.7524614,),
        peers={"numpy": "0.5 * x * (1 + np.tanh(np.float32(0.79788456) * (x + np.float32(0.044715) * x**3)))"},
    ),
    Formula(
        "mish",
        lambda m, x: x * m.tanh(_softplus(m, x)),
        _mish_slope,
        increasing=False,
        roots=(-1.1924471,),
        peers={"numpy": "x * np.tanh(np.logaddexp(np.float32(0), x))"},
    ),
    Formula(
        "softplus",
        lambda m, x: m.where(x > 20, x, _softplus(m, x)),
        lambda m, x: m.where(x > 20, 1, _sigmoid(m, x)),
        peers={"numpy": "np.logaddexp(np.float32(0), x)"},
    ),
    Formula(
        "logsigmoid",
        lambda m, x: -_softplus(m, -x),
        lambda m, x: _sigmoid(m, -x),
        peers={"numpy": "-np.logaddexp(np.float32(0), -x)", "scipy": "sp.log_expit(x)"},
    ),
    Formula(
        "softsign",
        lambda m, x: x / (1 + abs(x)),
        lambda m, x: 1 / (1 + abs(x)) ** 2,
        peers={"numpy": "x / (1 + np.abs(x))"},
    ),
    Formula(
        "hardswish",
        lambda m, x: m.where(x < 3, m.where(x > -3, x * (_clip(m, x, -3, 3) + 3) / 6, 0), x),
        lambda m, x: m.where(x < 3, m.where(x > -3, (2 * _clip(m, x, -3, 3) + 3) / 6, 0), 1),
        increasing=False,
        roots=(-1.5,),
        peers={"numpy": "x * np.clip(x + 3, 0, 6) / 6"},
    ),
    Formula(
        "hardsigmoid",
        lambda m, x: (_clip(m, x, -3, 3) + 3) / 6,
        lambda m, x: _step(m, (x > -3) & (x < 3)) / m.number("6"),
        peers={"numpy": "np.clip(x + 3, 0, 6) / 6"},
    ),
    Formula(
        "hardtanh",
        lambda m, x: _clip(m, x, -1, 1),
        lambda m, x: _step(m, abs(x) < 1),
        peers={"numpy": "np.clip(x, -1, 1)"},
    ),
    Formula(
        "hardshrink",
        lambda m, x: m.where(abs(x) > 0.5, x, 0),
        lambda m, x: _step(m, abs(x) > 0.5),
        peers={"numpy": "np.where(np.abs(x) > 0.5, x, 0)"},
    ),
    Formula(
        "softshrink",
        lambda m, x: m.where(abs(x) > 0.5, x - m.where(x > 0, 0.5, -0.5), 0),
        lambda m, x: _step(m, abs(x) > 0.5),
        peers={"numpy": "np.sign(x) * np.maximum(np.abs(x) - np.float32(0.5), 0)"},
    ),
    Formula(
        "threshold",
        lambda m, x: m.where(x > 0.5, x, -2),
        lambda m, x: _step(m, x > 0.5),
        {"threshold": 0.5, "value": -2.0},
        peers={"numpy": "np.where(x > 0.5, x, np.float32(-2))"},
    ),
    Formula("prelu", lambda m, x: m.where(x > 0, x, 0.25 * x), lambda m, x: m.where(x > 0, 1, 0.25), {"weight": 0.25}),
    Formula(
        "swish",
        lambda m, x: x * _sigmoid(m, 1.75 * x),
        lambda m, x: _swish_slope(m, x, 1.75),
        {"beta": 1.75},
        increasing=False,
        roots=(-1.2784645 / 1.75,),
    ),
    Formula(
        "parametric_elu",
        lambda m, x: m.where(x > 0, x, 1.5 * m.expm1(m.where(x > 0, 0, x))),
        lambda m, x: m.where(x > 0, 1, 1.5 * m.exp(m.where(x > 0, 0, x))),
        {"alpha": 1.5},
    ),
    Formula(
        "parametric_softplus",
        lambda m, x: m.where(x > 8, x, _softplus(m, 2.5 * x) / 2.5),
        lambda m, x: m.where(x > 8, 1, _sigmoid(m, 2.5 * x)),
        {"beta": 2.5},
    ),
    Formula(
        "parametric_sigmoid",
        lambda m, x: 1.5 * _sigmoid(m, 0.75 * x),
        lambda m, x: 1.5 * 0.75 * _bell(m, 0.75 * x),
        {"a": 1.5, "b": 0.75},
    ),
    Formula("scaled_relu", lambda m, x: m.where(x > 0, 1.5 * x, 0), lambda m, x: 1.5 * _step(m, x > 0), {"alpha": 1.5}),
]
