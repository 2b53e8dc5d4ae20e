"""Rules of elementwise functions, shape operators and functions along axes."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ... import functional
from ..._core import ACTS
from ...graph._graph import Method, Unary
from .._tensors import dtype_of
from ..operators import _elementwise, _shape
from ._table import NATIVE, TRANSLATIONS, floats, full, known, need, rule


def _unary(name: str, a: float = 0.0, b: float = 0.0) -> Unary:
    return Unary(ACTS[name], a, b)


_ACTIVATIONS: dict[str, Callable[..., Unary]] = {
    "Sigmoid": lambda: _unary("sigmoid"), "Tanh": lambda: _unary("tanh"), "Relu": lambda: _unary("relu"),
    "Softplus": lambda: _unary("softplus", 1, 20), "Softsign": lambda: _unary("softsign"),
    "Mish": lambda: _unary("mish"), "HardSwish": lambda: _unary("hardswish"),
    "Elu": lambda alpha=1.0: _unary("elu", alpha), "Celu": lambda alpha=1.0: _unary("celu", alpha),
    "LeakyRelu": lambda alpha=0.01: _unary("leaky_relu", alpha),
    "Swish": lambda alpha=1.0: _unary("silu") if alpha == 1 else _unary("swish", alpha),
    "Gelu": lambda approximate="none": _unary("gelu" if approximate == "none" else "gelu_tanh"),
}  # fmt: skip
_ONE: dict[str, Any] = {
    "Abs": np.absolute, "Neg": np.negative, "Exp": np.exp, "Log": np.log, "Sqrt": np.sqrt,
    "Reciprocal": np.reciprocal,
}  # fmt: skip
_TWO: dict[str, Any] = {
    "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide, "Less": np.less,
    "LessOrEqual": np.less_equal, "Greater": np.greater, "GreaterOrEqual": np.greater_equal, "Equal": np.equal,
    "And": np.logical_and, "Or": np.logical_or, "Xor": np.logical_xor,
}  # fmt: skip
_MANY: dict[str, Any] = {"Sum": np.add, "Max": np.maximum, "Min": np.minimum}


def _activation(make: Any, r: Any, x: Any, **attributes: Any) -> Any:
    floats(x)
    return r.emit(make(**attributes), x)


def _of_one(function: Any, r: Any, x: Any) -> Any:
    floats(x)
    return r.emit(function, x)


def _of_two(function: Any, r: Any, a: Any, b: Any, **attributes: Any) -> Any:
    need(not attributes and a.dtype == b.dtype and a.dtype.char in ("fd" if function is np.divide else NATIVE))
    return r.emit(function, a, b)


def _of_many(function: Any, r: Any, *arrays: Any) -> Any:
    need(len({each.dtype for each in arrays}) == 1 and arrays[0].dtype.char in NATIVE)
    return functools.reduce(lambda a, b: r.emit(function, a, b), arrays)


@rule("Mean")
def _mean(r: Any, *arrays: Any) -> Any:
    floats(*arrays)
    return r.emit(np.divide, _of_many(np.add, r, *arrays), arrays[0].dtype.type(len(arrays)))


@rule("Pow")
def _power(r: Any, x: Any, exponent: Any, **attributes: Any) -> Any:
    floats(x)
    known(exponent)
    need(exponent.size == 1 and exponent.ndim <= x.ndim and not attributes)
    value = exponent.item()
    need(value in (1, 2, 3, 0.5, -0.5, -1))
    if value in (1, 2, 0.5):
        return x if value == 1 else r.emit(np.square if value == 2 else np.sqrt, x)
    return r.emit(np.power, x, float(value))


@rule("Not")
def _not(r: Any, x: Any) -> Any:
    return r.emit(np.logical_not, x)


@rule("Erf")
def _erf(r: Any, x: Any) -> Any:
    floats(x)
    return r.emit(_elementwise.erf, x)


@rule("IsNaN")
def _is_nan(r: Any, x: Any) -> Any:
    floats(x)
    return r.emit(np.not_equal, x, x)


@rule("Identity")
def _identity(r: Any, x: Any) -> Any:
    return x


@rule("Where")
def _where(r: Any, condition: Any, a: Any, b: Any) -> Any:
    need(a.dtype == b.dtype and a.dtype.char in NATIVE)
    return r.emit(np.where, condition, a, b)


@rule("Cast")
def _cast(r: Any, x: Any, *, to: int, **attributes: Any) -> Any:
    dtype = dtype_of(to)
    need(dtype.char in NATIVE and x.dtype.char in NATIVE)
    return x if x.dtype == dtype else r.emit(Method("astype"), x, dtype)


@rule("Clip")
def _clip(r: Any, x: Any, low: Any = None, high: Any = None, *, min: Any = None, max: Any = None) -> Any:
    """Limit x to [low, high], by default its dtype's finite values; if low > high, the result is high."""
    floats(x)
    finite = np.finfo(x.dtype)
    chosen = (low, min, finite.min), (high, max, finite.max)
    bounds = [next(each for each in choices if each is not None) for choices in chosen]
    known(*(each for each in bounds if hasattr(each, "shape")))
    first, last = (float(np.asarray(each).reshape(-1)[0]) for each in bounds)
    if not first <= last:
        return r.emit(np.minimum, r.emit(np.maximum, x, x.dtype.type(first)), x.dtype.type(last))
    return r.emit(_unary("relu6") if (first, last) == (0, 6) else _unary("hardtanh", first, last), x)


@rule("HardSigmoid")
def _hard_sigmoid(r: Any, x: Any, *, alpha: float = 0.2, beta: float = 0.5) -> Any:
    floats(x)
    if abs(alpha * 6 - 1) < 1e-6 and beta == 0.5:
        return r.emit(_unary("hardsigmoid"), x)
    real = x.dtype.type
    return r.emit(_unary("hardtanh", 0, 1), r.emit(np.add, r.emit(np.multiply, x, real(alpha)), real(beta)))


# -- shapes -----------------------------------------------------------------------------------------------------------


def _same_values(function: Any, r: Any, x: Any, *given: Any, **attributes: Any) -> Any:
    return r.emit(np.reshape, x, function(x.array, *given, **attributes).shape)


for _moving in (_shape.reshape, _shape.flatten, _shape.squeeze, _shape.unsqueeze):
    TRANSLATIONS[_moving] = functools.partial(_same_values, _moving)


@rule("Transpose")
def _transposed(r: Any, x: Any, *, perm: Any = None) -> Any:
    return r.emit(np.transpose, x, tuple(perm or range(x.ndim)[::-1]))


@rule("Expand")
def _expanded(r: Any, x: Any, shape: Any) -> Any:
    sizes = np.broadcast_shapes(x.shape, _shape.bounded(shape))
    return x if sizes == x.shape else r.emit(np.broadcast_to, x, sizes)


@rule("Slice")
def _sliced(r: Any, x: Any, *given: Any, **attributes: Any) -> Any:
    return r.emit(operator.getitem, x, _shape.slices(x.shape, *given, **attributes))


@rule("Split")
def _parted(r: Any, x: Any, *given: Any, axis: int = 0, **attributes: Any) -> Any:
    parts, at, found = _shape.parts(x.shape, *given, axis=axis, **attributes), 0, []
    for part in parts:
        index = (*[slice(None)] * (axis % x.ndim), slice(at, at + part))
        found.append(r.emit(operator.getitem, x, index))
        at += part
    return found


@rule("Concat")
def _joined(r: Any, *arrays: Any, axis: int = 1) -> Any:
    need(len({each.dtype for each in arrays}) == 1)
    arrays = tuple(each for each in arrays if each.shape[axis]) or arrays[:1]
    return arrays[0] if len(arrays) == 1 else r.emit(np.concatenate, arrays, axis)


@rule("Gather")
def _gathered(r: Any, x: Any, indices: Any, *, axis: int = 0) -> Any:
    axis = axis % x.ndim
    if not isinstance(indices, np.ndarray):
        known(x)
        need(axis == 0 and x.dtype.char in NATIVE)
        return r.emit(np.take, x, indices, 0)
    length, flat = x.shape[axis], indices.reshape(-1)
    need(flat.size and -length <= flat.min() and flat.max() < length)
    flat = np.where(flat < 0, flat + length, flat)
    need(indices.ndim < 2 and np.array_equal(flat, flat[0] + np.arange(flat.size)))
    at = int(flat[0])
    return r.emit(operator.getitem, x, (*[slice(None)] * axis, slice(at, at + flat.size) if indices.ndim else at))


def padded(r: Any, x: Any, pairs: Any, mode: str, value: Any) -> Any:
    """Pad one axis after the other: join what comes before, x, and what comes after."""
    for axis, (before, after) in enumerate(pairs):
        lead, length = [slice(None)] * axis, x.shape[axis]
        if before < 0 or after < 0:
            x = r.emit(operator.getitem, x, (*lead, slice(max(0, -before), length - max(0, -after))))
            length = x.shape[axis]
        parts = []
        for count, place in ((max(0, before), 0), (max(0, after), length - 1)):
            if not count:
                continue
            shape = (*x.shape[:axis], count, *x.shape[axis + 1 :])
            if mode == "constant":
                parts.append(np.full(shape, value, x.dtype))
            elif mode == "edge":
                one = r.emit(operator.getitem, x, (*lead, slice(place, place + 1)))
                parts.append(r.emit(np.broadcast_to, one, shape))
            else:
                need(mode == "reflect" and count < length)
                index = slice(count, 0, -1) if not place else slice(length - 2, length - 2 - count, -1)
                if place and count == length - 1:
                    index = slice(length - 2, None, -1)
                parts.append(r.emit(operator.getitem, x, (*lead, index)))
        if parts:
            x = r.emit(np.concatenate, (*parts[: before > 0], x, *parts[before > 0 :]), axis)
    return x


@rule("Pad")
def _pad(
    r: Any, x: Any, widths: Any = None, fill: Any = None, along: Any = None, *, mode: str = "constant",
    value: float = 0.0, **attributes: Any,
) -> Any:  # fmt: skip
    need(x.dtype.char in NATIVE and mode in ("constant", "edge", "reflect"))
    known(widths, fill, along)
    pairs = _shape.widths_of(full(x).ndim, widths, along, **attributes)
    need(all(n + min(0, a) + min(0, b) > 0 for n, (a, b) in zip(x.shape, pairs, strict=True)))
    _shape.bounded(n + a + b for n, (a, b) in zip(x.shape, pairs, strict=True))
    return padded(r, x, pairs, mode, value if fill is None else fill.reshape(-1)[0])


# -- over axes --------------------------------------------------------------------------------------------------------

_REDUCED: dict[str, Any] = {"ReduceSum": np.sum, "ReduceMean": np.mean, "ReduceMax": np.max, "ReduceMin": np.min}


def _reduced(
    function: Any, r: Any, x: Any, given: Any = None, *, axes: Any = None, keepdims: int = 1,
    noop_with_empty_axes: int = 0,
) -> Any:  # fmt: skip
    need(x.dtype.char in "fd" or (x.dtype == np.int64 and function is not np.mean))
    over = given if given is not None else axes
    if over is None or len(over) == 0:
        over = () if noop_with_empty_axes else range(x.ndim)
    over = tuple(int(axis) for axis in over)
    return r.emit(function, full(x), axis=over, keepdims=bool(keepdims)) if over else x


@rule("GlobalAveragePool")
def _global_average(r: Any, x: Any) -> Any:
    floats(x)
    return r.emit(np.mean, full(x), axis=tuple(range(2, x.ndim)), keepdims=True)


@rule("GlobalMaxPool")
def _global_max(r: Any, x: Any) -> Any:
    floats(x)
    return r.emit(np.max, full(x), axis=tuple(range(2, x.ndim)), keepdims=True)


@rule("Softmax", since=13)
def _softmax(r: Any, x: Any, *, axis: int = -1) -> Any:
    floats(x)
    return r.emit(functional.softmax, full(x), axis)


@rule("LogSoftmax", since=13)
def _log_softmax(r: Any, x: Any, *, axis: int = -1) -> Any:
    floats(x)
    return r.emit(functional.log_softmax, full(x), axis)


def _flattened(function: Any, r: Any, x: Any, *, axis: int = 1) -> Any:
    """Before opset 13, normalize over all axes from `axis` on together."""
    floats(x)
    if axis in (-1, x.ndim - 1):
        return r.emit(function, full(x), -1)
    rows = math.prod(full(x).shape[: axis % x.ndim if axis < x.ndim else axis])
    flat = r.emit(np.reshape, x, (rows, x.array.size // rows))
    return r.emit(np.reshape, r.emit(function, flat, 1), x.shape)


rule("Softmax", since=1)(functools.partial(_flattened, functional.softmax))
rule("LogSoftmax", since=1)(functools.partial(_flattened, functional.log_softmax))


for _rule, _table in (
    (_activation, _ACTIVATIONS), (_of_one, _ONE), (_of_two, _TWO), (_of_many, _MANY), (_reduced, _REDUCED)
):  # fmt: skip
    for _name, _given in _table.items():
        rule(_name)(functools.partial(_rule, _given))
