"""Builds several steps for one call: with broadcast operands, converted dtypes, values between the steps."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import _core
from ..._check import Array
from .._graph import Call, Constant, Graph, Ref
from ._step import Derived, Each, NotLowered, Result, Shape, Source, Step, Strided, Wrong, any_source, between

POINTWISE = _core.POINTWISE
MOST = 4  # dimensions of the op `pointwise`
FLOATS = np.dtype(np.float32), np.dtype(np.float64)
BOOL, INT = np.dtype(np.bool_), np.dtype(np.int64)
_TYPES = ["int8", "int16", "int32", "uint16", "uint32", "uint8", "bool", "int64", "float32", "float64"]
CODES = {np.dtype(name): code for code, name in enumerate(_TYPES)}  # enum fnn_type_code


class Operand:
    """What a step may read: a value of the graph, or a constant that all samples share.

    value : int or ndarray, Constant, Derived
        The number of a value, or a constant.
    shape : tuple of int
        Of one sample.
    plain : bool, int, float, optional
        A number of Python's, which takes on the dtype of the other operand.
    """

    def __init__(self, value: Any, shape: Shape, dtype: Any, plain: Any = None):
        self.value, self.shape, self.dtype, self.plain = value, shape, np.dtype(dtype), plain

    @property
    def led(self) -> bool:
        """Whether each sample has a value of its own."""
        return type(self.value) is int

    def strides(self, shape: Shape) -> tuple[int, ...]:
        """The strides of the batch and of a sample of that shape, 0 where values repeat."""
        own, found, step = (1,) * (len(shape) - len(self.shape)) + self.shape, [], 1
        for size in reversed(own):
            found.append(0 if size == 1 else step)
            step *= size
        return (step if self.led else 0, *reversed(found))


def _cast(array: Array, dtype: str) -> Array:
    return np.asarray(array, dtype)


class Builder:
    """The steps of one call, one after another."""

    def __init__(self, call: Call, graph: Graph):
        self.call, self.graph = call, graph
        self.made: list[Step] = []

    def operand(self, argument: Any, dimensions: int) -> Operand:
        """An argument of a call whose result has this number of dimensions, the batch's included."""
        if isinstance(argument, Ref):
            number, shape, dtype = any_source(argument, self.graph)
            if dtype not in CODES or (len(shape) + 1 != dimensions and not self.graph.whole) or len(shape) > dimensions:
                raise NotLowered
            return Operand(number, shape, dtype)
        if isinstance(argument, (bool, int, float)):
            return Operand(np.asarray(argument), (), np.asarray(argument).dtype, argument)
        if not isinstance(argument, (Constant, np.generic)):
            raise NotLowered
        array = argument.array if isinstance(argument, Constant) else np.asarray(argument)
        shape = array.shape
        if len(shape) == dimensions and shape[:1] == (1,) and not self.graph.whole:
            shape = shape[1:]
        if len(shape) > dimensions - self.graph.lead or array.dtype not in CODES or 0 in shape:
            raise NotLowered
        return Operand(argument if isinstance(argument, Constant) else array, shape, array.dtype)

    def step(self, op: str, sources: Shape, shape: Shape, fields: Any, dtype: Any, real: Any = None) -> Operand:
        """Add a step with a result of its own."""
        number = between(self.call, len(self.made))
        self.made.append(Step(op, number, sources, shape, fields, dtype, real))
        return Operand(number, shape, dtype)

    def converted(self, x: Operand, dtype: Any) -> Operand:
        """The same values in another dtype."""
        dtype = np.dtype(dtype)
        if x.dtype == dtype:
            return x
        if not x.led:
            array = isinstance(x.value, np.ndarray)
            value = np.asarray(x.value, dtype) if array else Derived(_cast, (x.value, dtype.str))
            return Operand(value, x.shape, dtype)
        if dtype not in (*FLOATS, INT, BOOL):  # the op writes no other dtypes
            raise NotLowered
        fields = {"y": Result, "wrong": Wrong, "x": Source(0), "n": Each(math.prod(x.shape))}
        fields |= {"to": CODES[dtype], "from": CODES[x.dtype]}
        return self.step("convert", (x.value,), x.shape, fields, dtype, np.float32)

    def pointwise(self, function: str, real: Any, *operands: Operand, choice: Operand | None = None) -> Operand:
        """A row of pointwise.def; its operands are of dtype `real`, and broadcast."""
        given = [*operands, *([] if choice is None else [choice])]
        shape = np.broadcast_shapes(*(each.shape for each in given))
        sizes, strides = _coalesced(shape, [each.strides(shape) for each in given], self.graph.whole)
        names = ["a", "b"][: len(operands)] + ["c"] * (choice is not None)
        sources = tuple(each.value for each in given if each.led)
        fields: dict[str, Any] = {"y": Result, "function": POINTWISE[function]}
        for name, each, steps in zip(names, given, strides, strict=True):
            fields[name] = Strided(Source(_place(sources, each)) if each.led else each.value, steps)
        fields |= {f"n{i}": size for i, size in enumerate(sizes)}
        truth = function in ("less", "less_equal", "equal", "not_equal")
        if not sources:
            raise NotLowered
        result = self.step("pointwise", sources, shape, fields, BOOL if truth else real, real)
        self.made[-1].last = self._channels_last(shape, dict(zip(names, given, strict=True)), fields)
        return result

    def _channels_last(self, shape: Shape, operands: dict[str, Operand], fields: Any) -> dict[str, Any] | None:
        """Fields for channels last; None unless each operand is an image, a value for each channel, or one value."""
        count, image = (shape[0], shape[1:]) if self.graph.whole and shape else (1, shape)
        if len(image) < 2:
            return None
        c, places = image[0], math.prod(image[1:])
        changed: dict[str, Any] = {"n0": 1, "n1": Each(count), "n2": places, "n3": c}
        for name, each in operands.items():
            own = (1,) * (len(shape) - len(each.shape)) + each.shape
            batch, mine = (own[0] if self.graph.whole else int(each.led), own[len(shape) - len(image) :])
            several = batch > 1 or (each.led and not self.graph.whole)
            if mine == image and each.led:
                strides = c * places * several, c, 1
            elif math.prod(mine) in (1, mine[0]):
                strides = mine[0] * several, 0, int(mine[0] > 1)
            else:
                return None
            changed[name] = Strided(fields[name].array, (0, *strides))
        return changed

    def reduced(self, function: str, x: Operand, axes: tuple[int, ...], mean: bool = False) -> Operand:
        """A reduction over dimensions of a sample, which then have size 1."""
        left = list(axes)
        while left:
            first = end = left.pop()
            while left and left[-1] == first - 1:
                first = left.pop()
            outer, n, inner = (
                math.prod(part) for part in (x.shape[:first], x.shape[first : end + 1], x.shape[end + 1 :])
            )
            shape = (*x.shape[:first], *[1] * (end + 1 - first), *x.shape[end + 1 :])
            fields = {
                "y": Result, "x": Source(0), "outer": Each(outer), "n": n, "inner": inner,
                "function": POINTWISE[function], "divisor": n if mean else 1,
            }  # fmt: skip
            whole = self.graph.whole
            count, image = (x.shape[0], x.shape[1:]) if whole else (1, x.shape)
            x = self.step("reduce", (x.value,), shape, fields, x.dtype)
            if len(image) > 1 and first == whole + 1 and end + 1 == whole + len(image):
                self.made[-1].last = {"outer": Each(count), "inner": image[0]}
        return x

    def done(self, result: Operand) -> list[Step]:
        """The steps; the last one makes the call's result."""
        expected = self.graph.sample(self.call.number), self.graph.values[self.call.number].dtype
        last = self.made[-1] if self.made else None
        if last is None or result.value != last.number or expected[0] is None or result.dtype != expected[1]:
            raise NotLowered
        if math.prod(expected[0]) != math.prod(result.shape):
            raise NotLowered
        last.number, last.shape = self.call.number, expected[0]
        return self.made


def _place(sources: tuple[int, ...], operand: Operand) -> int:
    return sources.index(operand.value)


def _coalesced(shape: Shape, strides: list[tuple[int, ...]], whole: bool) -> tuple[list[Any], list[tuple[int, ...]]]:
    """Sizes and strides of batch and sample: dimensions are merged where strides allow it, then filled up to four.

    The batch has a dimension of its own; but `whole` arrays have none, which leaves room for one more.
    """
    dims: list[tuple[int, list[int]]] = [(1, [each[0] for each in strides])]  # the batch: so many per sample
    for i, size in enumerate(shape):
        steps = [each[i + 1] for each in strides]
        if size == 1:
            continue
        if all(before == own * size for before, own in zip(dims[-1][1], steps, strict=True)):
            dims[-1] = dims[-1][0] * size, steps
        else:
            dims.append((size, steps))
    if whole and len(dims) > MOST and dims[0][0] == 1:
        dims = dims[1:]
    if len(dims) > MOST:
        raise NotLowered
    fill = MOST - len(dims)
    sizes = [1] * fill + [Each(dims[0][0]), *(size for size, _ in dims[1:])]
    found = [(0,) * fill + tuple(steps[i] for _, steps in dims) for i in range(len(strides))]
    return sizes, found
