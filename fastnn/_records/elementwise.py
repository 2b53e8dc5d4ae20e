"""One record for each element-wise function: its formulas, kinks and limits.

No formula is taken from the kernels.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._activation import INF, Activation
from ._formulas import Doubles


def sigmoid(m: Any, x: Any) -> Any:
    e = m.exp(-abs(x))
    return m.where(x < 0, e, 1) / (1 + e)


def bell(m: Any, x: Any) -> Any:
    """sigmoid(x) sigmoid(-x)."""
    e = m.exp(-abs(x))
    return e / (1 + e) ** 2


def log1p_exp(m: Any, x: Any) -> Any:
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
    return x * (sigmoid(m, _z(m, x)) if approximate == "tanh" else m.erfc(-x / m.sqrt(m.number("2"))) / 2)


def _gelu_slope(m: Any, x: Any, approximate: str = "none") -> Any:
    if approximate == "tanh":
        peak = bell(m, _z(m, x))
        dz = 2 * m.sqrt(2 / m.pi) * (1 + 3 * m.number("0.044715") * x * x)
        return sigmoid(m, _z(m, x)) + m.where(peak > 0, x * peak * dz, 0)
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


def swish_slope(m: Any, x: Any, beta: float = 1) -> Any:
    peak = bell(m, beta * x)
    return sigmoid(m, beta * x) + m.where(peak > 0, beta * x * peak, 0)


def _selu(m: Any) -> tuple[Any, Any]:
    """Scale, and scale * alpha."""
    scale, alpha = m.number("1.0507009873554804934193349852946"), m.number("1.6732632423543772848170429916717")
    return scale, scale * alpha


SELU = _selu(Doubles)


def _clip(m: Any, x: Any, low: float, high: float) -> Any:
    return m.where(x < low, low, m.where(x > high, high, x))


def expm1_below(m: Any, x: Any) -> Any:
    """Where x < 0, else 0: it would overflow."""
    return m.expm1(m.where(x > 0, 0, x))


def exp_below(m: Any, x: Any) -> Any:
    """Where x < 0, else 1."""
    return m.exp(m.where(x > 0, 0, x))


def step(m: Any, condition: Any) -> Any:
    return m.where(condition, 1, 0)


def _gelu_scipy(sp: Any, x: Any, approximate: str = "none") -> Any:
    inner = np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x**3)) if approximate == "tanh" else sp.erf(x * 0.5**0.5)
    return 0.5 * x * (1 + inner)


def softplus(m: Any, x: Any, beta: Any = 1.0, threshold: float = 20.0) -> Any:
    return m.where(beta * x > threshold, x, log1p_exp(m, beta * x) / beta)


def softplus_slope(m: Any, x: Any, beta: Any = 1.0, threshold: float = 20.0) -> Any:
    return m.where(beta * x > threshold, 1, sigmoid(m, beta * x))


LEAK = float(np.float32(0.01))  # as a float32 kernel gets them

ACTIVATIONS = [
    Activation(
        "relu",
        lambda m, x: m.where(x > 0, x, 0),
        lambda m, x: step(m, x > 0),
        limits=(INF, 0, -0.0, 1, 0),
        kinks=(0,),
        at_kinks=((0, 0),),
        nan_slope=1,
        peers={"numpy": lambda np, x: np.maximum(x, 0)},
        jax="relu",
        onnx=("Relu", {}),
        aten=("threshold_backward", "x", (0,)),
    ),
    Activation(
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
        jax="leaky_relu",
        onnx=("LeakyRelu", {"alpha": 0.01}),
        aten=("leaky_relu_backward", "x", (0.01, False)),
    ),
    Activation(
        "elu",
        lambda m, x, alpha=1.0: m.where(x > 0, x, alpha * expm1_below(m, x)),
        lambda m, x, alpha=1.0: m.where(x > 0, 1, alpha * exp_below(m, x)),
        limits=(INF, -1, -0.0, 1, 0),
        kinks=(0,),
        at_kinks=((0, 1),),
        nan_slope=1,
        variants=({"alpha": 0.5}, {"alpha": -2.0}),
        peers={"numpy": lambda np, x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))},
        jax="elu",
        onnx=("Elu", {}),
        aten=("elu_backward", "x", (1, 1, 1, False)),
    ),
    Activation(
        "selu",
        lambda m, x: m.where(x > 0, _selu(m)[0] * x, _selu(m)[1] * expm1_below(m, x)),
        lambda m, x: m.where(x > 0, _selu(m)[0], _selu(m)[1] * exp_below(m, x)),
        limits=(INF, -SELU[1], -0.0, SELU[0], 0),
        kinks=(0,),
        at_kinks=((0, SELU[1]),),
        nan_slope=SELU[0],
        peers={"numpy": lambda np, x: SELU[0] * np.where(x > 0, x, SELU[1] / SELU[0] * np.expm1(np.minimum(x, 0)))},
        jax="selu",
        onnx=("Selu", {}),
        aten=("elu_backward", "x", (1.6732632423543772, 1.0507009873554805, 1, False)),
    ),
    Activation(
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
        jax="celu",
        onnx=("Celu", {}),
        aten=("elu_backward", "x", (1, 1, 1, False)),
    ),
    Activation(
        "relu6",
        lambda m, x: _clip(m, x, 0, 6),
        lambda m, x: step(m, (x > 0) & (x < 6)),
        limits=(6, 0, -0.0, 0, 0),
        kinks=(0, 6),
        at_kinks=((0, 0), (6, 0)),
        nan_slope=1,
        peers={"numpy": lambda np, x: np.clip(x, 0, 6)},
        jax="relu6",
        aten=("hardtanh_backward", "x", (0, 6)),
    ),
    Activation(
        "sigmoid",
        sigmoid,
        bell,
        limits=(1, 0, 0.5, 0, 0),
        peers={"numpy": lambda np, x: 1 / (1 + np.exp(-x)), "scipy": lambda sp, x: sp.expit(x)},
        jax="sigmoid",
        onnx=("Sigmoid", {}),
        aten=("sigmoid_backward", "y", ()),
    ),
    Activation(
        "tanh",
        lambda m, x: m.tanh(x),
        lambda m, x: 4 * bell(m, 2 * x),
        limits=(1, -1, -0.0, 0, 0),
        peers={"numpy": lambda np, x: np.tanh(x)},
        jax="tanh",
        onnx=("Tanh", {}),
        aten=("tanh_backward", "y", ()),
    ),
    Activation(
        "tanhshrink",
        _tanhshrink,
        lambda m, x: m.tanh(x) ** 2,
        limits=(INF, -INF, -0.0, 1, 1),
        peers={"numpy": lambda np, x: x - np.tanh(x)},
    ),
    Activation(
        "silu",
        lambda m, x: x * sigmoid(m, x),
        swish_slope,
        limits=(INF, -0.0, -0.0, 1, 0),
        falls=True,
        roots=(-1.2784645,),
        peers={"numpy": lambda np, x: x / (1 + np.exp(-x)), "scipy": lambda sp, x: x * sp.expit(x)},
        jax="silu",
        aten=("silu_backward", "x", ()),
    ),
    Activation(
        "gelu",
        _gelu,
        _gelu_slope,
        limits=(INF, -0.0, -0.0, 1, 0),
        variants=({"approximate": "tanh"},),
        certified=({}, {"approximate": "tanh"}),
        falls=True,
        roots=(-0.7517916, -0.7524614),
        peers={"scipy": _gelu_scipy},
        jax="gelu",
        onnx=("Gelu", {}),
        aten=("gelu_backward", "x", ()),
    ),
    Activation(
        "mish",
        lambda m, x: x * m.tanh(log1p_exp(m, x)),
        _mish_slope,
        limits=(INF, -0.0, -0.0, 1, 0),
        falls=True,
        roots=(-1.1924471,),
        peers={"numpy": lambda np, x: x * np.tanh(np.logaddexp(0, x))},
        jax="mish",
        onnx=("Mish", {}),
        aten=("mish_backward", "x", ()),
    ),
    Activation(
        "softplus",
        softplus,
        softplus_slope,
        limits=(INF, 0, math.log(2), 1, 0),
        kinks=(20.0, 8.0),
        variants=({"beta": 2.5},),
        domain=(-44.0, 44.0),
        peers={"numpy": lambda np, x: np.logaddexp(0, x)},
        jax="softplus",
        onnx=("Softplus", {}),
        aten=("softplus_backward", "x", (1, 20)),
    ),
    Activation(
        "logsigmoid",
        lambda m, x: -log1p_exp(m, -x),
        lambda m, x: sigmoid(m, -x),
        limits=(0, -INF, -math.log(2), 0, 1),
        peers={"numpy": lambda np, x: -np.logaddexp(0, -x), "scipy": lambda sp, x: sp.log_expit(x)},
        jax="log_sigmoid",
    ),
    Activation(
        "softsign",
        lambda m, x: x / (1 + abs(x)),
        lambda m, x: 1 / (1 + abs(x)) ** 2,
        limits=(1, -1, -0.0, 0, 0),
        peers={"numpy": lambda np, x: x / (1 + np.abs(x))},
        jax="soft_sign",
        onnx=("Softsign", {}),
    ),
    Activation(
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
        jax="hard_silu",
        onnx=("HardSwish", {}),
        aten=("hardswish_backward", "x", ()),
    ),
    Activation(
        "hardsigmoid",
        lambda m, x: (_clip(m, x, -3, 3) + 3) / 6,
        lambda m, x: step(m, (x > -3) & (x < 3)) / m.number("6"),
        limits=(1, 0, 0.5, 0, 0),
        kinks=(-3, 3),
        at_kinks=((-3, 0), (3, 0)),
        nan_slope=0,
        peers={"numpy": lambda np, x: np.clip(x + 3, 0, 6) / 6},
        jax="hard_sigmoid",
        onnx=("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
        aten=("hardsigmoid_backward", "x", ()),
    ),
    Activation(
        "hardtanh",
        lambda m, x, min_val=-1.0, max_val=1.0: _clip(m, x, min_val, max_val),
        lambda m, x, min_val=-1.0, max_val=1.0: step(m, (x > min_val) & (x < max_val)),
        limits=(1, -1, -0.0, 0, 0),
        kinks=(-1, 1, -2, 0.5),
        at_kinks=((-1, 0), (1, 0)),
        nan_slope=1,
        variants=({"min_val": -2.0, "max_val": 0.5},),
        peers={"numpy": lambda np, x, min_val=-1.0, max_val=1.0: np.clip(x, min_val, max_val)},
        jax="hard_tanh",
        aten=("hardtanh_backward", "x", (-1, 1)),
    ),
    Activation(
        "hardshrink",
        lambda m, x, lambd=0.5: m.where(abs(x) > lambd, x, 0),
        lambda m, x, lambd=0.5: step(m, abs(x) > lambd),
        limits=(INF, -INF, 0.0, 1, 1),
        kinks=(-0.5, 0.5, -2, 2, 0),
        at_kinks=((-0.5, 0), (0.5, 0)),
        nan_slope=1,
        variants=({"lambd": 2.0}, {"lambd": 0.0}, {"lambd": -1.0}),
        peers={"numpy": lambda np, x, lambd=0.5: np.where(np.abs(x) > lambd, x, 0)},
        aten=("hardshrink_backward", "x", (0.5,)),
    ),
    Activation(
        "softshrink",
        lambda m, x, lambd=0.5: m.where(abs(x) > lambd, x - m.where(x > 0, lambd, -lambd), 0),
        lambda m, x, lambd=0.5: step(m, abs(x) > lambd),
        limits=(INF, -INF, -0.0, 1, 1),
        kinks=(-0.5, 0.5, -2, 2, 0),
        at_kinks=((-0.5, 0), (0.5, 0)),
        nan_slope=1,
        variants=({"lambd": 2.0}, {"lambd": 0.0}),
        peers={"numpy": lambda np, x, lambd=0.5: np.sign(x) * np.maximum(np.abs(x) - lambd, 0)},
        aten=("softshrink_backward", "x", (0.5,)),
    ),
    Activation(
        "threshold",
        lambda m, x, threshold, value: m.where(x > threshold, x, value),
        lambda m, x, threshold, value: step(m, x > threshold),
        limits=(INF, 20.0, 20.0, 1, 0),
        kinks=(0.5, -1),
        at_kinks=((0.5, 0),),
        nan_slope=1,
        given={"threshold": 0.5, "value": 20.0},
        variants=({"threshold": -1.0, "value": 0.0},),
        certified=({"value": -2.0},),
        peers={"numpy": lambda np, x, threshold, value: np.where(x > threshold, x, value)},
        aten=("threshold_backward", "x", (0.5,)),
    ),
]
