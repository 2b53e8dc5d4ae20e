"""Elementwise activations, softmax, GLU and dropout."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import _core, functional
from ...graph import Call, Unary
from ._build import Builder, NotWritten, named, writer

NAMES = {act: name for name, act in _core.ACTS.items()}


@writer(Unary)
def _unary(b: Builder, call: Any) -> str:
    act = call.function.act
    given = zip(_core.PARAMETERS[act], (call.function.a, call.function.b), strict=False)
    dtype = b.dtype(call.args[0])
    return str(FUNCTIONS[NAMES[act]](_Elements(b, dtype), b.value(call.args[0]), **dict(given)))


class _Elements:
    """The builder, with numbers among the inputs as constants of one dtype."""

    def __init__(self, builder: Builder, dtype: Any):
        self.builder, self.dtype, self.opset = builder, np.dtype(dtype), builder.opset

    def __call__(self, operator: str, *inputs: Any, **attributes: Any) -> str:
        """Add a node."""
        names = [each if isinstance(each, str) else self.builder.constant(self.dtype.type(each)) for each in inputs]
        return str(self.builder(operator, *names, **attributes))


def _gelu(e: _Elements, x: str) -> str:
    if e.opset >= 20:
        return e("Gelu", x)
    return e("Mul", e("Mul", x, 0.5), e("Add", e("Erf", e("Mul", x, math.sqrt(0.5))), 1.0))


def _gelu_tanh(e: _Elements, x: str) -> str:
    if e.opset >= 20:
        return e("Gelu", x, approximate="tanh")
    inner = e("Add", x, e("Mul", e("Mul", e("Mul", x, x), x), 0.044715))
    return e("Mul", e("Mul", x, 0.5), e("Add", e("Tanh", e("Mul", inner, math.sqrt(2 / math.pi))), 1.0))


def _celu(e: _Elements, x: str, alpha: float) -> str:
    if e.dtype == np.float32:
        return e("Celu", x, alpha=alpha)
    below = e("Mul", e("Sub", e("Exp", e("Div", e("Min", x, 0), alpha)), 1), alpha)
    return e("Where", e("Greater", x, 0), x, below)


def _mish(e: _Elements, x: str) -> str:
    return e("Mish", x) if e.opset >= 18 else e("Mul", x, e("Tanh", e("Softplus", x)))


def _hardswish(e: _Elements, x: str) -> str:
    return e("HardSwish", x) if e.opset >= 14 else e("Mul", x, _hardsigmoid(e, x))


def _hardsigmoid(e: _Elements, x: str) -> str:
    return e("HardSigmoid", x, alpha=1 / 6, beta=0.5)


def _softplus(e: _Elements, x: str, beta: Any, threshold: float) -> str:
    if beta == 1 and threshold >= 20 and e.dtype.itemsize <= 4:  # above the threshold it rounds to x
        return e("Softplus", x)
    scaled = x if beta == 1 else e("Mul", x, beta)
    curve = e("Softplus", scaled)
    return e("Where", e("Greater", scaled, threshold), x, curve if beta == 1 else e("Div", curve, beta))


FUNCTIONS: dict[str, Any] = {
    "relu": lambda e, x: e("Relu", x),
    "relu6": lambda e, x: e("Clip", x, 0, 6),
    "celu": _celu,
    "selu": lambda e, x: e("Selu", x),
    "sigmoid": lambda e, x: e("Sigmoid", x),
    "tanh": lambda e, x: e("Tanh", x),
    "tanhshrink": lambda e, x: e("Sub", x, e("Tanh", x)),
    "silu": lambda e, x: e("Mul", x, e("Sigmoid", x)),
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "mish": _mish,
    "logsigmoid": lambda e, x: e("Neg", e("Softplus", e("Neg", x))),
    "softsign": lambda e, x: e("Softsign", x),
    "hardswish": _hardswish,
    "hardsigmoid": _hardsigmoid,
    "hardtanh": lambda e, x, min_val, max_val: e("Clip", x, min_val, max_val),
    "hardshrink": lambda e, x, lambd: e("Where", e("LessOrEqual", e("Abs", x), lambd), 0, x),
    "softshrink": lambda e, x, lambd: e("Shrink", x, lambd=lambd, bias=lambd),
    "threshold": lambda e, x, threshold, value: e("Where", e("LessOrEqual", x, threshold), value, x),
    "leaky_relu": lambda e, x, negative_slope: e("LeakyRelu", x, alpha=negative_slope),
    "elu": lambda e, x, alpha: e("Elu", x, alpha=alpha),
    "softplus": _softplus,
    "swish": lambda e, x, beta: e("Mul", x, e("Sigmoid", e("Mul", x, beta))),
    "parametric_sigmoid": lambda e, x, a, b: e("Mul", e("Sigmoid", e("Mul", x, b)), a),
    "scaled_relu": lambda e, x, alpha: e("Mul", e("Relu", x), alpha),
    "prelu": lambda e, x, weight: e("PRelu", x, weight),
    "parametric_elu": lambda e, x, alpha: e("Where", e("Greater", x, 0), x, e("Mul", e("Elu", x, alpha=1.0), alpha)),
}


@writer(
    functional.prelu, functional.swish, functional.parametric_elu, functional.parametric_sigmoid,
    functional.parametric_softplus, functional.scaled_relu,
)  # fmt: skip
def _parametric(b: Builder, call: Call) -> str:
    given = named(call)
    x, threshold, dtype = given.pop("input"), given.pop("threshold", None), b.result(call)
    given.pop("out", None)
    learned = {name: b.per_channel(each, len(b.dims(x)), dtype) for name, each in given.items()}
    if threshold is not None:
        return _softplus(_Elements(b, dtype), b.value(x, dtype), threshold=threshold, **learned)
    return str(FUNCTIONS[call.function.__name__](_Elements(b, dtype), b.value(x, dtype), **learned))


@writer(functional.rrelu)
def _rrelu(b: Builder, call: Call) -> str:
    given = named(call)
    if given["training"]:
        raise NotWritten("it draws")
    return str(b("LeakyRelu", b.value(given["input"]), alpha=(given["lower"] + given["upper"]) / 2))


@writer(functional.softmax, functional.log_softmax, functional.softmin)
def _softmax(b: Builder, call: Call) -> str:
    given = named(call)
    ndim, dim = len(b.dims(given["input"])), given["dim"]
    x = b.value(given["input"], b.result(call))
    if not ndim:
        raise NotWritten("its input has no dimensions")
    dim = int(ndim not in (1, 3)) if dim is None else dim
    if call.function is functional.softmin:
        x = b("Neg", x)
    return str(b("LogSoftmax" if call.function is functional.log_softmax else "Softmax", x, axis=dim))


@writer(functional.glu)
def _glu(b: Builder, call: Call) -> str:
    given = named(call)
    axis = given["dim"]
    (size,) = b.fixed(b.dims(given["input"])[axis])
    half = b.ints(size // 2, size // 2)
    first, second = b("Split", b.value(given["input"]), half, outputs=2, axis=axis)
    return str(b("Mul", first, b("Sigmoid", second)))


@writer(
    functional.dropout, functional.dropout1d, functional.dropout2d, functional.dropout3d, functional.alpha_dropout,
    functional.feature_alpha_dropout,
)  # fmt: skip
def _dropout(b: Builder, call: Call) -> str:
    given = named(call)
    if given["training"] and given["p"]:
        raise NotWritten("it draws: training=True")
    return b.value(given["input"])
