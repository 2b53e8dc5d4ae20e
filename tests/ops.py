"""One record for each element-wise function: what it is, where it bends, how exact it must be.

Tests and benchmarks read these records and nothing else, so that a new function is tested and benched by its record.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import mpmath as mp
import numpy as np
import scipy.special as sp

from fastnn import nn

INF, NAN = math.inf, math.nan
SELU_SCALE, SELU_ALPHA = mp.mpf("1.0507009873554804934193349852946"), mp.mpf("1.6732632423543772848170429916717")


@dataclass(frozen=True)
class Op:
    """A function f(x; parameters).

    exact     f in multiple precision
    numpy     the same as a NumPy user would write it: the peer in the benchmarks
    layer     the class in fastnn.nn
    kinks     x where the derivative jumps
    limits    f at inf, -inf and -0.0 (PyTorch's values but for the deliberate differences), and f' at inf and -inf
    at_kinks  (x, f'(x)) by PyTorch's convention
    nan_slope f'(NaN)
    variants  other parameters worth testing
    required  values for parameters without a default
    """

    name: str
    exact: Callable[..., Any]
    numpy: Callable[..., Any]
    layer: type[nn.Module]
    limits: tuple[float, float, float, float, float]
    kinks: tuple[float, ...] = ()
    at_kinks: tuple[tuple[float, float], ...] = ()
    nan_slope: float = NAN
    variants: tuple[dict[str, Any], ...] = ()
    required: dict[str, Any] = field(default_factory=dict)
    domain: tuple[float, float] = (-110.0, 110.0)

    @property
    def cases(self) -> list[dict[str, Any]]:
        return [self.required, *self.variants]


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x))


def _log1pexp(x: Any) -> Any:
    return mp.log1p(mp.exp(-abs(x))) + max(x, 0)


def _gelu(x: Any, approximate: str = "none") -> Any:
    if approximate == "tanh":
        return x * _sigmoid(2 * mp.sqrt(2 / mp.pi) * (x + mp.mpf("0.044715") * x**3))
    return x * mp.erfc(-x / mp.sqrt(2)) / 2


def _gelu_numpy(x: Any, approximate: str = "none") -> Any:
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + sp.erf(x * x.dtype.type(math.sqrt(0.5))))


OPS = [
    Op(
        "relu",
        lambda x: max(x, mp.mpf(0)),
        lambda x: np.maximum(x, 0),
        nn.ReLU,
        limits=(INF, 0, -0.0, 1, 0),
        kinks=(0,),
        at_kinks=((0, 0),),
        nan_slope=1,
    ),
    Op(
        "leaky_relu",
        lambda x, negative_slope=0.01: x if x > 0 else x * negative_slope,
        lambda x, negative_slope=0.01: np.where(x > 0, x, x * x.dtype.type(negative_slope)),
        nn.LeakyReLU,
        limits=(INF, -INF, -0.0, 1, 0.01),
        kinks=(0,),
        at_kinks=((0, 0.01),),
        nan_slope=0.01,
        variants=({"negative_slope": 0.25}, {"negative_slope": -0.5}, {"negative_slope": 0.0}),
    ),
    Op(
        "elu",
        lambda x, alpha=1.0: x if x > 0 else alpha * mp.expm1(x),
        lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))),
        nn.ELU,
        limits=(INF, -1, -0.0, 1, 0),
        kinks=(0,),
        at_kinks=((0, 1),),
        nan_slope=1,
        variants=({"alpha": 0.5}, {"alpha": -2.0}),
    ),
    Op(
        "selu",
        lambda x: SELU_SCALE * (x if x > 0 else SELU_ALPHA * mp.expm1(x)),
        lambda x: x.dtype.type(SELU_SCALE) * np.where(x > 0, x, x.dtype.type(SELU_ALPHA) * np.expm1(np.minimum(x, 0))),
        nn.SELU,
        limits=(INF, -float(SELU_SCALE * SELU_ALPHA), -0.0, float(SELU_SCALE), 0),
        kinks=(0,),
        at_kinks=((0, float(SELU_SCALE * SELU_ALPHA)),),
        nan_slope=float(SELU_SCALE),
    ),
    Op(
        "celu",
        lambda x, alpha=1.0: x if x > 0 else alpha * mp.expm1(x / alpha),
        lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(np.minimum(x / alpha, 0))),
        nn.CELU,
        limits=(INF, -1, -0.0, 1, 0),
        kinks=(0,),
        at_kinks=((0, 1),),
        nan_slope=1,
        variants=({"alpha": 0.5}, {"alpha": 3.0}, {"alpha": -2.0}),
    ),
    Op(
        "relu6",
        lambda x: min(max(x, mp.mpf(0)), mp.mpf(6)),
        lambda x: np.clip(x, 0, 6),
        nn.ReLU6,
        limits=(6, 0, -0.0, 0, 0),
        kinks=(0, 6),
        at_kinks=((0, 0), (6, 0)),
        nan_slope=1,
    ),
    Op("sigmoid", _sigmoid, sp.expit, nn.Sigmoid, limits=(1, 0, 0.5, 0, 0)),
    Op("tanh", mp.tanh, np.tanh, nn.Tanh, limits=(1, -1, -0.0, 0, 0)),
    Op(
        "tanhshrink",
        lambda x: x - mp.tanh(x) if abs(x) > 1e-6 else x**3 / 3 - 2 * x**5 / 15 + 17 * x**7 / 315,
        lambda x: x - np.tanh(x),
        nn.Tanhshrink,
        limits=(INF, -INF, -0.0, 1, 1),
    ),
    Op("silu", lambda x: x * _sigmoid(x), lambda x: x * sp.expit(x), nn.SiLU, limits=(INF, -0.0, -0.0, 1, 0)),
    Op(
        "gelu",
        _gelu,
        _gelu_numpy,
        nn.GELU,
        limits=(INF, -0.0, -0.0, 1, 0),
        variants=({"approximate": "tanh"},),
    ),
    Op(
        "mish",
        lambda x: x * mp.tanh(_log1pexp(x)),
        lambda x: x * np.tanh(np.logaddexp(0, x)),
        nn.Mish,
        limits=(INF, -0.0, -0.0, 1, 0),
    ),
    Op(
        "softplus",
        lambda x, beta=1.0, threshold=20.0: x if beta * x > threshold else _log1pexp(beta * x) / beta,
        lambda x, beta=1.0, threshold=20.0: np.logaddexp(0, beta * x) / beta,
        nn.Softplus,
        limits=(INF, 0, math.log(2), 1, 0),
        kinks=(20.0, 8.0),
        variants=({"beta": 2.5},),
        domain=(-44.0, 44.0),
    ),
    Op(
        "logsigmoid",
        lambda x: -_log1pexp(-x),
        lambda x: -np.logaddexp(0, -x),
        nn.LogSigmoid,
        limits=(0, -INF, -math.log(2), 0, 1),
    ),
    Op("softsign", lambda x: x / (1 + abs(x)), lambda x: x / (1 + abs(x)), nn.Softsign, limits=(1, -1, -0.0, 0, 0)),
    Op(
        "hardswish",
        lambda x: x * min(max(x + 3, mp.mpf(0)), mp.mpf(6)) / 6,
        lambda x: x * np.clip(x + 3, 0, 6) / 6,
        nn.Hardswish,
        limits=(INF, -0.0, -0.0, 1, 0),
        kinks=(-3, 3),
        at_kinks=((-3, 0), (3, 1)),
        nan_slope=1,
    ),
    Op(
        "hardsigmoid",
        lambda x: min(max(x + 3, mp.mpf(0)), mp.mpf(6)) / 6,
        lambda x: np.clip(x + 3, 0, 6) / 6,
        nn.Hardsigmoid,
        limits=(1, 0, 0.5, 0, 0),
        kinks=(-3, 3),
        at_kinks=((-3, 0), (3, 0)),
        nan_slope=0,
    ),
    Op(
        "hardtanh",
        lambda x, min_val=-1.0, max_val=1.0: min(max(x, min_val), max_val),
        lambda x, min_val=-1.0, max_val=1.0: np.clip(x, min_val, max_val),
        nn.Hardtanh,
        limits=(1, -1, -0.0, 0, 0),
        kinks=(-1, 1, -2, 0.5),
        at_kinks=((-1, 0), (1, 0)),
        nan_slope=1,
        variants=({"min_val": -2.0, "max_val": 0.5},),
    ),
    Op(
        "hardshrink",
        lambda x, lambd=0.5: x if abs(x) > lambd else mp.mpf(0),
        lambda x, lambd=0.5: np.where(abs(x) > lambd, x, x.dtype.type(0)),
        nn.Hardshrink,
        limits=(INF, -INF, 0.0, 1, 1),
        kinks=(-0.5, 0.5, -2, 2, 0),
        at_kinks=((-0.5, 0), (0.5, 0)),
        nan_slope=1,
        variants=({"lambd": 2.0}, {"lambd": 0.0}, {"lambd": -1.0}),
    ),
    Op(
        "softshrink",
        lambda x, lambd=0.5: x - lambd if x > lambd else x + lambd if x < -lambd else mp.mpf(0),
        lambda x, lambd=0.5: np.sign(x) * np.maximum(abs(x) - x.dtype.type(lambd), 0),
        nn.Softshrink,
        limits=(INF, -INF, -0.0, 1, 1),
        kinks=(-0.5, 0.5, -2, 2, 0),
        at_kinks=((-0.5, 0), (0.5, 0)),
        nan_slope=1,
        variants=({"lambd": 2.0}, {"lambd": 0.0}),
    ),
    Op(
        "threshold",
        lambda x, threshold, value: x if x > threshold else mp.mpf(value),
        lambda x, threshold, value: np.where(x > threshold, x, x.dtype.type(value)),
        nn.Threshold,
        limits=(INF, 20.0, 20.0, 1, 0),
        kinks=(0.5, -1),
        at_kinks=((0.5, 0),),
        nan_slope=1,
        required={"threshold": 0.5, "value": 20.0},
        variants=({"threshold": -1.0, "value": 0.0},),
    ),
]

BY_NAME = {op.name: op for op in OPS}
CASES = [(op, case) for op in OPS for case in op.cases]
CASE_IDS = ["-".join([op.name, *(f"{k}={v}" for k, v in case.items())]) for op, case in CASES]

# Rows of activations.def that are reached through another function's option.
ROWS_BY_OPTION = {"gelu_tanh": ("gelu", {"approximate": "tanh"})}


@dataclass(frozen=True)
class Learned:
    """An activation with learned parameters: the function's name, its row, f in multiple precision, where they start."""

    name: str
    row: str
    exact: Callable[..., Any]
    layer: type[nn.Module]
    parameters: dict[str, float]


LEARNED = [
    Learned("prelu", "leaky_relu", lambda x, w: x if x > 0 else w * x, nn.PReLU, {"weight": 0.25}),
    Learned("swish", "swish", lambda x, b: x * _sigmoid(b * x), nn.Swish, {"beta": 1.0}),
    Learned("parametric_elu", "elu", lambda x, a: x if x > 0 else a * mp.expm1(x), nn.ParametricELU, {"alpha": 1.0}),
    Learned(
        "parametric_softplus",
        "softplus",
        lambda x, b: x if b * x > 20 else _log1pexp(b * x) / b,
        nn.ParametricSoftplus,
        {"beta": 1.0},
    ),
    Learned(
        "parametric_sigmoid",
        "parametric_sigmoid",
        lambda x, a, b: a * _sigmoid(b * x),
        nn.ParametricSigmoid,
        {"a": 1.0, "b": 1.0},
    ),
    Learned("scaled_relu", "scaled_relu", lambda x, a: a * max(x, mp.mpf(0)), nn.ScaledReLU, {"alpha": 1.0}),
]
