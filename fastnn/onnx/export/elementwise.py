"""NumPy's functions of elements, comparisons, and what reduces dimensions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...graph import Call
from ._build import Builder, NotWritten, named, writer

UNARY: dict[np.ufunc, str] = {
    np.absolute: "Abs", np.negative: "Neg", np.exp: "Exp", np.log: "Log", np.sqrt: "Sqrt", np.sin: "Sin", np.cos: "Cos",
    np.tan: "Tan", np.arcsin: "Asin", np.arccos: "Acos", np.arctan: "Atan", np.sinh: "Sinh", np.cosh: "Cosh",
    np.tanh: "Tanh", np.arcsinh: "Asinh", np.arccosh: "Acosh", np.arctanh: "Atanh", np.floor: "Floor",
    np.ceil: "Ceil", np.rint: "Round", np.sign: "Sign", np.reciprocal: "Reciprocal", np.positive: "Identity",
}  # fmt: skip
BINARY: dict[np.ufunc, str] = {
    np.add: "Add", np.subtract: "Sub", np.multiply: "Mul", np.divide: "Div", np.power: "Pow",
    np.maximum: "Max", np.minimum: "Min", np.bitwise_and: "And", np.bitwise_or: "Or", np.bitwise_xor: "Xor",
}  # fmt: skip
COMPARISONS: dict[np.ufunc, str] = {
    np.greater: "Greater", np.greater_equal: "GreaterOrEqual", np.less: "Less", np.less_equal: "LessOrEqual",
    np.equal: "Equal", np.not_equal: "Equal",
}  # fmt: skip
LOGIC: dict[np.ufunc, str] = {np.logical_and: "And", np.logical_or: "Or", np.logical_xor: "Xor"}


def _plain(call: Any) -> tuple[Any, ...]:
    if call.kwargs or len(call.args) != call.function.nin:
        raise NotWritten("it has options (" + ", ".join(call.kwargs) + ")")
    return call.args


@writer(*UNARY)
def _unary(b: Builder, call: Any) -> str:
    (x,) = _plain(call)
    return str(b(UNARY[call.function], b.value(x, b.result(call))))


# -- functions that ONNX lacks: of the operand's name, and a maker of constants ---------------------------------------

COMPOSED: dict[np.ufunc, Callable[..., str]] = {
    np.square: lambda b, x, c: b("Mul", x, x),
    np.exp2: lambda b, x, c: b("Pow", c(2), x),
    np.expm1: lambda b, x, c: b("Sub", b("Exp", x), c(1)),
    np.log1p: lambda b, x, c: b("Log", b("Add", x, c(1))),
    np.log2: lambda b, x, c: b("Mul", b("Log", x), c(1 / math.log(2))),
    np.log10: lambda b, x, c: b("Mul", b("Log", x), c(1 / math.log(10))),
    np.trunc: lambda b, x, c: b("Mul", b("Sign", x), b("Floor", b("Abs", x))),
}


@writer(*COMPOSED)
def _composed(b: Builder, call: Any) -> str:
    (x,), dtype = _plain(call), b.result(call)
    return COMPOSED[call.function](b, b.value(x, dtype), lambda number: b.constant(dtype.type(number)))


@writer(np.round)
def _round(b: Builder, call: Call) -> str:
    given, dtype = named(call), b.result(call)
    x, digits = b.value(given["a"], dtype), int(given["decimals"])
    if dtype.kind != "f" or not digits:
        return str(b("Round", x)) if dtype.kind == "f" else x
    scale = b.constant(dtype.type(10.0 ** abs(digits)))
    up, down = ("Mul", "Div") if digits > 0 else ("Div", "Mul")
    return str(b(down, b("Round", b(up, x, scale)), scale))


@writer(np.isnan, np.isinf, np.isfinite)
def _is(b: Builder, call: Call) -> str:
    (x,) = _plain(call)
    name = b.value(x)
    if call.function is np.isfinite:
        return str(b("Not", b("Or", b("IsNaN", name), b("IsInf", name))))
    return str(b("IsNaN" if call.function is np.isnan else "IsInf", name))


@writer(np.logical_not, np.invert)
def _not(b: Builder, call: Call) -> str:
    (x,) = _plain(call)
    if call.function is np.invert and b.dtype(x).kind != "b":
        raise NotWritten("the bits of integers")
    return str(b("Not", b.value(x, bool)))


@writer(*BINARY)
def _binary(b: Builder, call: Any) -> str:
    dtype, name = b.result(call), BINARY[call.function]
    operands = _plain(call)
    if name in ("And", "Or", "Xor") and dtype.kind != "b":
        raise NotWritten("the bits of integers")
    if name == "Mul" and dtype.kind == "b":
        name = "And"
    return str(b(name, *(b.value(each, dtype) for each in operands)))


@writer(*LOGIC)
def _logic(b: Builder, call: Any) -> str:
    return str(b(LOGIC[call.function], *(b.value(each, bool) for each in _plain(call))))


@writer(*COMPARISONS)
def _compared(b: Builder, call: Any) -> str:
    operands = _plain(call)
    dtype = np.result_type(*(each if type(each) in (int, float) else b.dtype(each) for each in operands))
    found = b(COMPARISONS[call.function], *(b.value(each, dtype) for each in operands))
    return str(b("Not", found) if call.function is np.not_equal else found)


@writer(np.remainder, np.floor_divide)
def _divided(b: Builder, call: Call) -> str:
    dtype = b.result(call)
    x, y = (b.value(each, dtype) for each in _plain(call))
    if dtype.kind in "iu":
        if call.function is np.remainder:
            return str(b("Mod", x, y))
        return str(b("Div", b("Sub", x, b("Mod", x, y)), y))
    quotient = b("Floor", b("Div", x, y))
    return str(quotient if call.function is np.floor_divide else b("Sub", x, b("Mul", quotient, y)))


@writer(np.where)
def _where(b: Builder, call: Call) -> str:
    condition, x, y = call.args
    return str(b("Where", b.value(condition, bool), *(b.value(each, b.result(call)) for each in (x, y))))


@writer(np.clip)
def _clip(b: Builder, call: Call) -> str:
    given = dict(zip(("a", "a_min", "a_max"), call.args, strict=False)) | call.kwargs
    low, high = (given.pop(name, given.pop(other, None)) for name, other in (("a_min", "min"), ("a_max", "max")))
    x, dtype = b.value(given.pop("a"), b.result(call)), b.result(call)
    if {name for name, value in given.items() if value is not None}:
        raise NotWritten("it has options")
    for operator, bound in (("Max", low), ("Min", high)):
        x = x if bound is None else b(operator, x, b.value(bound, dtype))
    return x


# -- reductions -------------------------------------------------------------------------------------------------------

REDUCTIONS: dict[Any, str] = {
    np.sum: "ReduceSum", np.mean: "ReduceMean", np.max: "ReduceMax", np.min: "ReduceMin", np.prod: "ReduceProd",
    np.any: "ReduceMax", np.all: "ReduceMin", np.var: "ReduceMean", np.std: "ReduceMean",
}  # fmt: skip


def _axes(axis: Any) -> list[int] | None:
    return None if axis is None else [int(each) for each in (axis if isinstance(axis, (tuple, list)) else (axis,))]


def _keeps(given: dict[str, Any]) -> bool:
    """Whether reduced dimensions stay; NumPy's "not given" is no."""
    others = {name: given.get(name) for name in ("initial", "where", "mean", "correction")}
    if any(value is not None and value is not np._NoValue for value in others.values()):
        raise NotWritten("it has options (" + ", ".join(others) + ")")
    return given.get("keepdims") is True


@writer(*REDUCTIONS)
def _reduced(b: Builder, call: Call) -> str:
    given, dtype = named(call), b.result(call)
    x, axes, keep = given["a"], _axes(given["axis"]), _keeps(given)
    if axes == []:
        return b.value(x, dtype)
    if call.function in (np.var, np.std):
        return _variance(b, x, axes, keep, given["ddof"], call.function is np.std, dtype)
    if dtype.kind == "b":
        y = b.reduce(REDUCTIONS[call.function], b.cast(b.value(x, bool), np.dtype(bool), np.int32), axes, keep)
        return b.cast(y, np.dtype(np.int32), bool)
    return b.reduce(REDUCTIONS[call.function], b.value(x, dtype), axes, keep)


def _variance(b: Builder, x: Any, axes: list[int] | None, keep: bool, lost: float, root: bool, dtype: Any) -> str:
    name, shape = b.value(x, dtype), b.dims(x)
    centred = b("Sub", name, b.reduce("ReduceMean", name, axes))
    y = b.reduce("ReduceMean", b("Mul", centred, centred), axes, keep)
    if lost:
        n = math.prod(b.fixed(*(shape[axis] for axis in (range(len(shape)) if axes is None else axes))))
        y = b("Mul", y, b.constant(dtype.type(n / (n - lost))))
    return str(b("Sqrt", y) if root else y)


@writer(np.argmax, np.argmin)
def _arg(b: Builder, call: Call) -> str:
    given = named(call)
    operator, axis, keep = "ArgMax" if call.function is np.argmax else "ArgMin", given["axis"], _keeps(given)
    dtype = b.dtype(given["a"])
    x = b.value(given["a"], np.int32 if dtype.kind == "b" else dtype)
    if axis is None:
        if keep:
            raise NotWritten("keepdims without an axis")
        return str(b(operator, b("Reshape", x, b.ints(-1)), axis=0, keepdims=0))
    return str(b(operator, x, axis=int(axis), keepdims=int(keep)))


@writer(np.cumsum)
def _cumsum(b: Builder, call: Call) -> str:
    given, dtype = named(call), b.result(call)
    x, axis = b.value(given["a"], dtype), given["axis"]
    x, axis = (b("Reshape", x, b.ints(-1)), 0) if axis is None else (x, axis)
    return str(b("CumSum", x, b.constant(np.int64(axis))))
