"""Activations that exporters write as several elementwise calls."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from ..._core import ACTS
from ...graph._graph import Call, Ref, Unary
from ..operators._elementwise import erf
from ._rewriter import Made, Rewriter, near, scalar, unary


def identity(r: Rewriter, call: Call) -> Made:
    """Drop products with 1, sums with 0, and reshapes to the same shape."""
    if call.function is np.reshape and r.shape(call.args[0]) == r.shape(Ref(call.number)):
        return call.args[0] if isinstance(call.args[0], Ref) else None
    neutrals: dict[Any, int] = {np.multiply: 1, np.divide: 1, np.add: 0, np.subtract: 0}
    neutral = neutrals.get(call.function)
    if neutral is None or len(call.args) != 2:
        return None
    first, second = call.args if call.function in (np.divide, np.subtract) else r.operands(call)
    same = isinstance(first, Ref) and r.shape(first) == r.shape(Ref(call.number))
    return first if same and scalar(second) == neutral else None


def _clipped_sum(r: Rewriter, value: Any, x: Any) -> bool:
    """Whether a value is relu6(x + 3)."""
    call = r.maker(value, unary("relu6"))
    total = r.operands(r.maker(call.args[0], np.add)) if call is not None else []
    return bool(total) and total[0] == x and scalar(total[1]) == 3


def _one_and(r: Rewriter, value: Any, function: Any) -> Any:
    """y if a value is 1 + function(y), else None."""
    total = r.operands(r.maker(value, np.add))
    inner = r.maker(total[0], function) if total and scalar(total[1]) == 1 else None
    return None if inner is None else inner.args[0]


def _cubic(r: Rewriter, value: Any, x: Any) -> bool:
    """Whether a value is sqrt(2 / pi) (x + .044715 x^3), in one of the two ways that it is written."""
    number, rest = r.factors(value)
    if not near(number, math.sqrt(2 / math.pi)) or len(rest) not in (1, 2) or (len(rest) == 2 and x not in rest):
        return False
    total = r.operands(r.maker(next(each for each in rest if each != x or len(rest) == 1), np.add))
    for one, other in (total, total[::-1]) if total else ():
        factor, powers = r.factors(other)
        linear = one == x if len(rest) == 1 else scalar(one) == 1
        if linear and near(factor, 0.044715) and powers == [x] * (4 - len(rest)):
            return True
    return False


def activation(r: Rewriter, call: Call) -> Made:
    """Fuse x sigmoid(beta x), x relu6(x + 3) / 6, x tanh(softplus(x)), gelu by erf and by tanh."""
    if call.function not in (np.multiply, np.divide):
        return None
    number, rest = _own_factors(r, call)
    if len(rest) != 2:
        return None
    for x, other in (rest, rest[::-1]):
        found = _gated(r, number, x, other)
        if found is not None and r.shape(x) == r.shape(Ref(call.number)):
            return replace(call, function=found, args=(x,), kwargs={})
    return None


def _own_factors(r: Rewriter, call: Call) -> tuple[float, list[Any]]:
    """A product or quotient as a number, and its other factors."""
    if call.function is np.divide:
        divisor = scalar(call.args[1])
        number, rest = r.factors(call.args[0])
        return (number / divisor, rest) if divisor else (1.0, [])
    parts = [r.factors(each) for each in call.args]
    return parts[0][0] * parts[1][0], parts[0][1] + parts[1][1]


def _gated(r: Rewriter, number: float, x: Any, other: Any) -> Unary | None:
    gate = r.maker(other)
    if gate is None:
        return None
    if gate.function == unary("sigmoid") and number == 1:
        beta, inner = r.factors(gate.args[0])
        if inner == [x]:
            return unary("silu") if beta == 1 else unary("swish", beta)
    if gate.function == unary("hardsigmoid") and number == 1 and gate.args[0] == x:
        return unary("hardswish")
    if _clipped_sum(r, other, x) and near(number, 1 / 6):
        return unary("hardswish")
    if gate.function == unary("tanh") and number == 1:
        inner_call = r.maker(gate.args[0], Unary(ACTS["softplus"], 1, 20))
        return unary("mish") if inner_call is not None and inner_call.args[0] == x else None
    if number != 0.5:
        return None
    argument = _one_and(r, other, erf)
    if argument is not None:
        factor, inner = r.factors(argument)
        return unary("gelu") if inner == [x] and near(factor, math.sqrt(0.5)) else None
    argument = _one_and(r, other, unary("tanh"))
    return unary("gelu_tanh") if argument is not None and _cubic(r, argument, x) else None


def hard_sigmoid(r: Rewriter, call: Call) -> Made:
    """Fuse relu6(x + 3) / 6."""
    if call.function not in (np.multiply, np.divide):
        return None
    number, rest = _own_factors(r, call)
    clipped = r.maker(rest[0], unary("relu6")) if len(rest) == 1 and near(number, 1 / 6) else None
    total = r.operands(r.maker(clipped.args[0], np.add)) if clipped is not None else []
    if not total or not _clipped_sum(r, rest[0], total[0]):
        return None
    return replace(call, function=unary("hardsigmoid"), args=(total[0],), kwargs={})
