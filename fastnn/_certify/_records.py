"""One record for each element-wise function: what it is, where it bends, what it tends to.

The certificate, the tests and the benchmarks read these records and nothing else, so that a new function is certified,
tested and benched by its record.  No formula is taken from the kernels.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._formulas import INF, Doubles, Formula, Record


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


def _gelu(m: Any, x: Any, approximate: str = "none") -> Any:
    return x * (_sigmoid(m, _z(m, x)) if approximate == "tanh" else m.erfc(-x / m.sqrt(m.number("2"))) / 2)


def _gelu_slope(m: Any, x: Any, approximate: str = "none") -> Any:
    if approximate == "tanh":
        bell = _bell(m, _z(m, x))
        dz = 2 * m.sqrt(2 / m.pi) * (1 + 3 * m.number("0.044715") * x * x)
        return _sigmoid(m, _z(m, x)) + m.where(bell > 0, x * bell * dz, 0)
    density = m.exp(-x * x / 2) / m.sqrt(2 * m.pi)
    return m.erfc(-x / m.sqrt(m.number("2"))) / 2 + m.where(density > 0, x * density, 0)


def _z(m: Any, x: Any) -> Any:
    return 2 * m.sqrt(2 / m.pi) * (x + m.number("0.044715") * x * x * x)


def _mish_slope(m: Any, x: Any) -> Any:
    """By the side's own form, of e = exp(-|x|): tanh(softplus) is near 1 on the right, small on the left."""
    e = m.exp(-abs(x))
    c = m.where(e > 0, x, 0)
    left = e * (e * e * e + 4 * e * e + (6 + 4 * c) * e + 4 * (1 + c)) / (e * e + 2 * e + 2) ** 2
    d = 1 + 2 * e + 2 * e * e
    return m.where(x < 0, left, (1 + 2 * e) / d + 4 * c * e * e * (1 + e) / d**2)


def _swish_slope(m: Any, x: Any, beta: float = 1) -> Any:
    bell = _bell(m, beta * x)
    return _sigmoid(m, beta * x) + m.where(bell > 0, beta * x * bell, 0)


def _selu(m: Any) -> tuple[Any, Any]:
    """Scale, and scale * alpha."""
    scale, alpha = m.number("1.0507009873554804934193349852946"), m.number("1.6732632423543772848170429916717")
    return scale, scale * alpha


SELU = _selu(Doubles)


def _clip(m: Any, x: Any, low: float, high: float) -> Any:
    return m.where(x < low, low, m.where(x > high, high, x))


def _expm1(m: Any, x: Any) -> Any:
    """Where x < 0, else 0: it would overflow."""
    return m.expm1(m.where(x > 0, 0, x))


def _exp(m: Any, x: Any) -> Any:
    """Where x < 0, else 1."""
    return m.exp(m.where(x > 0, 0, x))


def _step(m: Any, condition: Any) -> Any:
    return m.where(condition, 1, 0)


def _gelu_scipy(sp: Any, x: Any, approximate: str = "none") -> Any:
    inner = np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x**3)) if approximate == "tanh" else sp.erf(x * 0.5**0.5)
    return 0.5 * x * (1 + inner)


def _softplus_beta(m: Any, x: Any, beta: Any = 1.0, threshold: float = 20.0) -> Any:
    return m.where(beta * x > threshold, x, _softplus(m, beta * x) / beta)


def _softplus_beta_slope(m: Any, x: Any, beta: Any = 1.0, threshold: float = 20.0) -> Any:
    return m.where(beta * x > threshold, 1, _sigmoid(m, beta * x))


LEAK = float(np.float32(0.01))  # what a float32 kernel is given

RECORDS = [
    Record(
        "relu",
        lambda m, x: m.where(x > 0, x, 0),
        lambda m, x: _step(m, x > 0),
        limits=(INF, 0, -0.0, 1, 0),
        kinks=(0,),
        at_kinks=((0, 0),),
        nan_slope=1,
        peers={"numpy": lambda np, x: np.maximum(x, 0)},
    ),
    Record(
        "leaky_relu",
        lambda m, x, negative_slope=0.01: m.where(x > 0, x, negative_slope * x),
        lambda m, x, negative_slope=0.01: m.where(x > 0, 1, negative_slope),
        limits=(INF, -INF, -0.0, 1, 0.01),
        kinks=(0,),
        at_kinks=((0, 0.01),),
        nan_slope=0.01,
        variants=({"negative_slope": 0.25}, {"negative_slope": -0.5}, {"negative_slope": 0.0}),
        certified=({"negative_slope": LEAK},),
        peers={"numpy": lambda np, x, negative_slope=0.01: np.where(x > 0, x, x * negative_slope)},
    ),
    Record(
        "elu",
        lambda m, x, alpha=1.0: m.where(x > 0, x, alpha * _expm1(m, x)),
        lambda m, x, alpha=1.0: m.where(x > 0, 1, alpha * _exp(m, x)),
        limits=(INF, -1, -0.0, 1, 0),
        kinks=(0,),
        at_kinks=((0, 1),),
        nan_slope=1,
        variants=({"alpha": 0.5}, {"alpha": -2.0}),
        peers={"numpy": lambda np, x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))},
    ),
    Record(
        "selu",
        lambda m, x: m.where(x > 0, _selu(m)[0] * x, _selu(m)[1] * _expm1(m, x)),
        lambda m, x: m.where(x > 0, _selu(m)[0], _selu(m)[1] * _exp(m, x)),
        limits=(INF, -SELU[1], -0.0, SELU[0], 0),
        kinks=(0,),
        at_kinks=((0, SELU[1]),),
        nan_slope=SELU[0],
        peers={"numpy": lambda np, x: SELU[0] * np.where(x > 0, x, SELU[1] / SELU[0] * np.expm1(np.minimum(x, 0)))},
    ),
    Record(
        "celu",
        lambda m, x, alpha=1.0: m.where(x > 0, x, alpha * m.expm1(m.where(x > 0, 0, x / alpha))),
        lambda m, x, alpha=1.0: m.where(x > 0, 1, m.exp(m.where(x > 0, 0, x / alpha))),
        limits=(INF, -1, -0.0, 1, 0),
        kinks=(0,),
        at_kinks=((0, 1),),
        nan_slope=1,
        variants=({"alpha": 0.5}, {"alpha": 3.0}, {"alpha": -2.0}),
        certified=({"alpha": 1.5},),
        peers={"numpy": lambda np, x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(np.minimum(x / alpha, 0)))},
    ),
    Record(
        "relu6",
        lambda m, x: _clip(m, x, 0, 6),
        lambda m, x: _step(m, (x > 0) & (x < 6)),
        limits=(6, 0, -0.0, 0, 0),
        kinks=(0, 6),
        at_kinks=((0, 0), (6, 0)),
        nan_slope=1,
        peers={"numpy": lambda np, x: np.clip(x, 0, 6)},
    ),
    Record(
        "sigmoid",
        _sigmoid,
        _bell,
        limits=(1, 0, 0.5, 0, 0),
        peers={"numpy": lambda np, x: 1 / (1 + np.exp(-x)), "scipy": lambda sp, x: sp.expit(x)},
    ),
    Record(
        "tanh",
        lambda m, x: m.tanh(x),
        lambda m, x: 4 * _bell(m, 2 * x),
        limits=(1, -1, -0.0, 0, 0),
        peers={"numpy": lambda np, x: np.tanh(x)},
    ),
    Record(
        "tanhshrink",
        _tanhshrink,
        lambda m, x: m.tanh(x) ** 2,
        limits=(INF, -INF, -0.0, 1, 1),
        peers={"numpy": lambda np, x: x - np.tanh(x)},
    ),
    Record(
        "silu",
        lambda m, x: x * _sigmoid(m, x),
        _swish_slope,
        limits=(INF, -0.0, -0.0, 1, 0),
        falls=True,
        roots=(-1.2784645,),
        peers={"numpy": lambda np, x: x / (1 + np.exp(-x)), "scipy": lambda sp, x: x * sp.expit(x)},
    ),
    Record(
        "gelu",
        _gelu,
        _gelu_slope,
        limits=(INF, -0.0, -0.0, 1, 0),
        variants=({"approximate": "tanh"},),
        certified=({}, {"approximate": "tanh"}),
        falls=True,
        roots=(-0.7517916, -0.7524614),
        peers={"scipy": _gelu_scipy},
    ),
    Record(
        "mish",
        lambda m, x: x * m.tanh(_softplus(m, x)),
        _mish_slope,
        limits=(INF, -0.0, -0.0, 1, 0),
        falls=True,
        roots=(-1.1924471,),
        peers={"numpy": lambda np, x: x * np.tanh(np.logaddexp(0, x))},
    ),
    Record(
        "softplus",
        _softplus_beta,
        _softplus_beta_slope,
        limits=(INF, 0, math.log(2), 1, 0),
        kinks=(20.0, 8.0),
        variants=({"beta": 2.5},),
        domain=(-44.0, 44.0),
        peers={"numpy": lambda np, x: np.logaddexp(0, x)},
    ),
    Record(
        "logsigmoid",
        lambda m, x: -_softplus(m, -x),
        lambda m, x: _sigmoid(m, -x),
        limits=(0, -INF, -math.log(2), 0, 1),
        peers={"numpy": lambda np, x: -np.logaddexp(0, -x), "scipy": lambda sp, x: sp.log_expit(x)},
    ),
    Record(
        "softsign",
        lambda m, x: x / (1 + abs(x)),
        lambda m, x: 1 / (1 + abs(x)) ** 2,
        limits=(1, -1, -0.0, 0, 0),
        peers={"numpy": lambda np, x: x / (1 + np.abs(x))},
    ),
    Record(
        "hardswish",
        lambda m, x: m.where(x < 3, m.where(x > -3, x * (_clip(m, x, -3, 3) + 3) / 6, 0), x),
        lambda m, x: m.where(x < 3, m.where(x > -3, (2 * _clip(m, x, -3, 3) + 3) / 6, 0), 1),
        limits=(INF, -0.0, -0.0, 1, 0),
        kinks=(-3, 3),
        at_kinks=((-3, 0), (3, 1)),
        nan_slope=1,
        falls=True,
        roots=(-1.5,),
        peers={"numpy": lambda np, x: x * np.clip(x + 3, 0, 6) / 6},
    ),
    Record(
        "hardsigmoid",
        lambda m, x: (_clip(m, x, -3, 3) + 3) / 6,
        lambda m, x: _step(m, (x > -3) & (x < 3)) / m.number("6"),
        limits=(1, 0, 0.5, 0, 0),
        kinks=(-3, 3),
        at_kinks=((-3, 0), (3, 0)),
        nan_slope=0,
        peers={"numpy": lambda np, x: np.clip(x + 3, 0, 6) / 6},
    ),
    Record(
        "hardtanh",
        lambda m, x, min_val=-1.0, max_val=1.0: _clip(m, x, min_val, max_val),
        lambda m, x, min_val=-1.0, max_val=1.0: _step(m, (x > min_val) & (x < max_val)),
        limits=(1, -1, -0.0, 0, 0),
        kinks=(-1, 1, -2, 0.5),
        at_kinks=((-1, 0), (1, 0)),
        nan_slope=1,
        variants=({"min_val": -2.0, "max_val": 0.5},),
        peers={"numpy": lambda np, x, min_val=-1.0, max_val=1.0: np.clip(x, min_val, max_val)},
    ),
    Record(
        "hardshrink",
        lambda m, x, lambd=0.5: m.where(abs(x) > lambd, x, 0),
        lambda m, x, lambd=0.5: _step(m, abs(x) > lambd),
        limits=(INF, -INF, 0.0, 1, 1),
        kinks=(-0.5, 0.5, -2, 2, 0),
        at_kinks=((-0.5, 0), (0.5, 0)),
        nan_slope=1,
        variants=({"lambd": 2.0}, {"lambd": 0.0}, {"lambd": -1.0}),
        peers={"numpy": lambda np, x, lambd=0.5: np.where(np.abs(x) > lambd, x, 0)},
    ),
    Record(
        "softshrink",
        lambda m, x, lambd=0.5: m.where(abs(x) > lambd, x - m.where(x > 0, lambd, -lambd), 0),
        lambda m, x, lambd=0.5: _step(m, abs(x) > lambd),
        limits=(INF, -INF, -0.0, 1, 1),
        kinks=(-0.5, 0.5, -2, 2, 0),
        at_kinks=((-0.5, 0), (0.5, 0)),
        nan_slope=1,
        variants=({"lambd": 2.0}, {"lambd": 0.0}),
        peers={"numpy": lambda np, x, lambd=0.5: np.sign(x) * np.maximum(np.abs(x) - lambd, 0)},
    ),
    Record(
        "threshold",
        lambda m, x, threshold, value: m.where(x > threshold, x, value),
        lambda m, x, threshold, value: _step(m, x > threshold),
        limits=(INF, 20.0, 20.0, 1, 0),
        kinks=(0.5, -1),
        at_kinks=((0.5, 0),),
        nan_slope=1,
        given={"threshold": 0.5, "value": 20.0},
        variants=({"threshold": -1.0, "value": 0.0},),
        certified=({"value": -2.0},),
        peers={"numpy": lambda np, x, threshold, value: np.where(x > threshold, x, value)},
    ),
    Record(
        "prelu",
        lambda m, x, weight: m.where(x > 0, x, weight * x),
        lambda m, x, weight: m.where(x > 0, 1, weight),
        given={"weight": 0.25},
        learned="leaky_relu",
    ),
    Record(
        "swish",
        lambda m, x, beta: x * _sigmoid(m, beta * x),
        _swish_slope,
        given={"beta": 1.0},
        certified=({"beta": 1.75},),
        falls=True,
        roots=(-1.2784645 / 1.75,),
        learned="swish",
    ),
    Record(
        "parametric_elu",
        lambda m, x, alpha: m.where(x > 0, x, alpha * _expm1(m, x)),
        lambda m, x, alpha: m.where(x > 0, 1, alpha * _exp(m, x)),
        given={"alpha": 1.0},
        certified=({"alpha": 1.5},),
        learned="elu",
    ),
    Record(
        "parametric_softplus",
        _softplus_beta,
        _softplus_beta_slope,
        given={"beta": 1.0},
        certified=({"beta": 2.5},),
        learned="softplus",
    ),
    Record(
        "parametric_sigmoid",
        lambda m, x, a, b: a * _sigmoid(m, b * x),
        lambda m, x, a, b: a * b * _bell(m, b * x),
        given={"a": 1.0, "b": 1.0},
        certified=({"a": 1.5, "b": 0.75},),
        learned="parametric_sigmoid",
    ),
    Record(
        "scaled_relu",
        lambda m, x, alpha: m.where(x > 0, alpha * x, 0),
        lambda m, x, alpha: alpha * _step(m, x > 0),
        given={"alpha": 1.0},
        certified=({"alpha": 1.5},),
        learned="scaled_relu",
    ),
]

FORMULAS = [Formula(record, record.given | case) for record in RECORDS for case in record.certified]
