"""Element-wise functions of one array or of several, broadcast, and reductions over dimensions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._graph import Call, Constant, Graph, Method, Unary
from ._build import BOOL, CODES, FLOATS, INT, POINTWISE, Builder, Operand
from ._step import (
    Each,
    NotLowered,
    Result,
    Same,
    Source,
    Step,
    any_source,
    arguments,
    lowering,
    source,
)


@lowering(Unary)
def _unary(call: Call, graph: Graph) -> Step:
    number, shape = source(call.args[0], graph, call)
    unary = call.function
    assert isinstance(unary, Unary)
    fields = {"y": Result, "x": Source(0), "act": unary.act, "n": Each(math.prod(shape)), "a": unary.a, "b": unary.b}
    return Step("activation", call.number, (number,), shape, fields)


# -- NumPy's functions ------------------------------------------------------------------------------------------------

_TWO: dict[Any, str] = {
    np.add: "add", np.subtract: "subtract", np.multiply: "multiply", np.divide: "divide", np.maximum: "maximum",
    np.minimum: "minimum",
}  # fmt: skip
_COMPARED: dict[Any, tuple[str, int]] = {
    np.less: ("less", 1), np.less_equal: ("less_equal", 1), np.greater: ("less", -1),
    np.greater_equal: ("less_equal", -1), np.equal: ("equal", 1), np.not_equal: ("not_equal", 1),
}  # fmt: skip
_LOGIC: dict[Any, str] = {
    np.logical_and: "multiply", np.bitwise_and: "multiply", np.logical_or: "maximum", np.bitwise_or: "maximum",
    np.logical_xor: "not_equal", np.bitwise_xor: "not_equal",
}  # fmt: skip


def keeps_order(step: Step) -> bool:
    """Whether a step of pointwise.def may run in any memory order that all its arrays share."""
    given = [step.fields[name] for name in "abc" if name in step.fields]
    return step.fields["n2"] == 1 and all(each.strides[-1] == isinstance(each.array, Source) for each in given)


def adds_alike(step: Step) -> bool:
    """Whether the step adds two values of one shape."""
    return step.fields["function"] == POINTWISE["add"] and keeps_order(step) and len(step.sources) == 2


def _plain(call: Call, count: int) -> None:
    if len(call.args) != count or call.kwargs:
        raise NotLowered


def _result(call: Call, graph: Graph) -> tuple[int, Any]:
    """Dimensions and dtype of the call's result."""
    value = graph.values[call.number]
    return len(value.shape), value.dtype


def _into(steps: Builder, x: Operand, dtype: Any) -> list[Step]:
    """The steps; the last one makes x the result, of that dtype."""
    return steps.done(x if x.dtype == dtype else steps.converted(x, dtype))


@lowering(*_TWO)
def _of_two(call: Call, graph: Graph) -> list[Step]:
    _plain(call, 2)
    steps, (dimensions, dtype) = Builder(call, graph), _result(call, graph)
    if dtype not in (*FLOATS, INT):
        raise NotLowered
    real = dtype if dtype in FLOATS else FLOATS[1]  # integers as far as double holds them
    operands = [steps.converted(steps.operand(each, dimensions), real) for each in call.args]
    return _into(steps, steps.pointwise(_TWO[call.function], real, *operands), dtype)


def _common(operands: list[Operand]) -> Any:
    """The float type in which operands are compared."""
    dtype = np.result_type(*(each.dtype if each.plain is None else each.plain for each in operands))
    return dtype if dtype in FLOATS else FLOATS[1]


@lowering(*_COMPARED)
def _compared(call: Call, graph: Graph) -> list[Step]:
    _plain(call, 2)
    steps, (dimensions, _) = Builder(call, graph), _result(call, graph)
    name, order = _COMPARED[call.function]
    operands = [steps.operand(each, dimensions) for each in call.args[::order]]
    real = _common(operands)
    return steps.done(steps.pointwise(name, real, *(steps.converted(each, real) for each in operands)))


@lowering(*_LOGIC)
def _logic(call: Call, graph: Graph) -> list[Step]:
    _plain(call, 2)
    steps, (dimensions, dtype) = Builder(call, graph), _result(call, graph)
    operands = [steps.operand(each, dimensions) for each in call.args]
    if dtype != BOOL or any(each.dtype != BOOL for each in operands):
        raise NotLowered
    operands = [steps.converted(each, FLOATS[0]) for each in operands]
    return _into(steps, steps.pointwise(_LOGIC[call.function], FLOATS[0], *operands), dtype)


@lowering(np.logical_not, np.invert)
def _not(call: Call, graph: Graph) -> list[Step]:
    _plain(call, 1)
    steps, (dimensions, _) = Builder(call, graph), _result(call, graph)
    x = steps.operand(call.args[0], dimensions)
    if x.dtype != BOOL:
        raise NotLowered
    x = steps.converted(x, FLOATS[0])
    return steps.done(steps.pointwise("equal", FLOATS[0], x, Operand(np.zeros((), np.float32), (), np.float32)))


@lowering(np.where)
def _where(call: Call, graph: Graph) -> list[Step]:
    _plain(call, 3)
    steps, (dimensions, dtype) = Builder(call, graph), _result(call, graph)
    real = dtype if dtype in FLOATS else FLOATS[1]
    choice = steps.converted(steps.operand(call.args[0], dimensions), BOOL)
    chosen = [steps.converted(steps.operand(each, dimensions), real) for each in call.args[1:]]
    return _into(steps, steps.pointwise("where", real, *chosen, choice=choice), dtype)


def _number(value: float, real: Any) -> Operand:
    return Operand(np.asarray(value, real), (), real)


@lowering(np.negative, np.square, np.sqrt, np.exp, np.log, np.absolute, np.fabs, np.reciprocal)
def _of_one(call: Call, graph: Graph) -> list[Step]:
    _plain(call, 1)
    steps, (dimensions, dtype) = Builder(call, graph), _result(call, graph)
    if dtype not in (*FLOATS, INT) or (dtype == INT and call.function is np.reciprocal):
        raise NotLowered
    real, function = dtype if dtype in FLOATS else FLOATS[1], call.function
    x = steps.converted(steps.operand(call.args[0], dimensions), real)
    if function is np.negative:
        y = steps.pointwise("multiply", real, x, _number(-1, real))
    elif function is np.square:
        y = steps.pointwise("multiply", real, x, x)
    elif function is np.reciprocal:
        y = steps.pointwise("divide", real, _number(1, real), x)
    elif function in (np.absolute, np.fabs):
        y = steps.pointwise("maximum", real, x, steps.pointwise("multiply", real, x, _number(-1, real)))
    else:
        y = steps.pointwise(function.__name__, real, x)
    return _into(steps, y, dtype)


@lowering(np.power)
def _power(call: Call, graph: Graph) -> list[Step]:
    _plain(call, 2)
    steps, (dimensions, dtype) = Builder(call, graph), _result(call, graph)
    exponent = call.args[1].array if isinstance(call.args[1], Constant) else call.args[1]
    if dtype not in FLOATS or np.ndim(exponent) or exponent not in (2, 3, 0.5, -0.5, -1):
        raise NotLowered
    x = steps.converted(steps.operand(call.args[0], dimensions), dtype)
    if exponent in (2, 3):
        y = steps.pointwise("multiply", dtype, x, x)
        return steps.done(y if exponent == 2 else steps.pointwise("multiply", dtype, y, x))
    y = x if exponent == -1 else steps.pointwise("sqrt", dtype, x)
    return steps.done(y if exponent == 0.5 else steps.pointwise("divide", dtype, _number(1, dtype), y))


@lowering(np.clip)
def _clip(call: Call, graph: Graph) -> list[Step]:
    steps, (dimensions, dtype) = Builder(call, graph), _result(call, graph)
    if dtype not in FLOATS or not 2 <= len(call.args) <= 3 or call.kwargs:
        raise NotLowered
    y = steps.converted(steps.operand(call.args[0], dimensions), dtype)
    for name, bound in zip(("maximum", "minimum"), call.args[1:], strict=False):
        if bound is not None:
            y = steps.pointwise(name, dtype, y, steps.converted(steps.operand(bound, dimensions), dtype))
    return steps.done(y)


@lowering(Method("astype"))
def _astype(call: Call, graph: Graph) -> Any:
    steps, (dimensions, dtype) = Builder(call, graph), _result(call, graph)
    x = steps.operand(call.args[0], dimensions)
    if x.dtype == dtype:
        return Same(call.number, x.value)
    return steps.done(steps.converted(x, dtype))


# -- over dimensions --------------------------------------------------------------------------------------------------

_REDUCED = {
    np.sum: "add", np.mean: "add", np.max: "maximum", np.amax: "maximum", np.min: "minimum", np.amin: "minimum",
    np.var: "add", np.std: "add",
}  # fmt: skip


@lowering(*_REDUCED)
def _reduction(call: Call, graph: Graph) -> list[Step]:
    given, steps, (_, dtype) = arguments(call), Builder(call, graph), _result(call, graph)
    number, shape, found = any_source(given.pop("a"), graph)
    axis, keepdims, ddof = given.pop("axis"), given.pop("keepdims", False), given.pop("ddof", 0)
    asked = given.pop("dtype", None)
    if any(value is not None and value is not np._NoValue for value in given.values()) or axis is None:
        raise NotLowered
    if not isinstance(keepdims, bool) and keepdims is not np._NoValue:
        raise NotLowered
    dimensions = len(shape) + graph.lead
    axes = sorted({int(each) % dimensions - graph.lead for each in (axis if isinstance(axis, tuple) else (axis,))})
    if not axes or axes[0] < 0 or found not in CODES or (asked is not None and dtype not in FLOATS):
        raise NotLowered
    real = dtype if dtype in FLOATS else FLOATS[1]
    x = steps.converted(Operand(number, shape, found), real)
    function, name = call.function, _REDUCED[call.function]
    y = steps.reduced(name, x, tuple(axes), function in (np.mean, np.var, np.std))
    if function in (np.var, np.std):
        count = math.prod(shape[each] for each in axes)
        if not isinstance(ddof, int) or ddof >= count:
            raise NotLowered
        gap = steps.pointwise("subtract", real, x, y)
        y = steps.reduced("add", steps.pointwise("multiply", real, gap, gap), tuple(axes), mean=True)
        if ddof:
            y = steps.pointwise("multiply", real, y, _number(count / (count - ddof), real))
        if function is np.std:
            y = steps.pointwise("sqrt", real, y)
    return _into(steps, y, dtype)
