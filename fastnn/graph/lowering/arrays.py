"""Calls that move values, look them up, or only change their shape."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from ... import functional
from ..._check import Array
from .._graph import Call, Constant, Graph, Ref, filled, leaves
from ._build import CODES, FLOATS, INT, POINTWISE, Builder, Operand
from ._step import (
    Each,
    NotLowered,
    Result,
    Same,
    Shape,
    Source,
    Step,
    Strided,
    Wrong,
    any_source,
    arguments,
    folding,
    lowering,
    samples,
)

MOST = 5  # dimensions of the op `move`
BATCH = 7  # samples of an array that stands for a batch of any size


@lowering(functional.dropout, np.reshape)
def _same_values(call: Call, graph: Graph) -> Same:
    """A call that changes nothing but, perhaps, the shape of a sample."""
    number, shape, _ = any_source(call.args[0] if call.args else None, graph)
    result = graph.sample(call.number)
    if result is None or math.prod(result) != math.prod(shape):
        raise NotLowered
    given = arguments(call)
    if given.get("training") or given.get("order", "C") != "C":
        raise NotLowered
    return Same(call.number, number)


# -- views ------------------------------------------------------------------------------------------------------------

_NOTHING = np.zeros(16, np.uint8)


def stand_in(shape: Shape, item: int) -> Array:
    """A dense array without values of its own: functions of it show a view's offset and strides."""
    return np.lib.stride_tricks.as_strided(_NOTHING[:0].view(f"V{item}"), shape, _dense(shape, item))


def _dense(shape: Shape, item: int) -> tuple[int, ...]:
    return tuple(item * math.prod(shape[i + 1 :]) for i in range(len(shape)))


def moved(number: int, source: int, view: Array, result: Shape, to: Strided | None = None) -> Step | Same:
    """The step that makes a dense copy of a view.

    view : of a stand-in for a batch
    result : shape of one sample of the value
    to : where the view's values go, if they are a part of the result; strides in bytes
    """
    item, offset = view.itemsize, _address(view) - _address(_NOTHING)
    if to is None and not offset and view.strides == _dense(view.shape, item):
        return Same(number, source)
    to = to or Strided(Result, _dense(view.shape, item))
    dims = [(1, to.strides[0], view.strides[0])]  # the batch, times its count
    for size, into, out in zip(view.shape[1:], to.strides[1:], view.strides[1:], strict=True):
        before, before_into, before_out = dims[-1]
        if (before_into, before_out) == (into * size, out * size):
            dims[-1] = before * size, into, out
        elif size > 1:
            dims.append((size, into, out))
    if len(dims) > MOST:
        raise NotLowered
    fill = MOST - len(dims)
    fields: dict[str, Any] = {f"n{i}": 1 for i in range(fill)}
    fields |= {f"n{fill + i}": Each(size) if i == 0 else size for i, (size, _, _) in enumerate(dims)}
    writing, reading = ((0,) * fill + tuple(dim[i] for dim in dims) for i in (1, 2))
    fields |= {"y": Strided(Result, writing, to.offset), "x": Strided(Source(0), reading, offset), "item": item}
    return Step("move", number, (source,), result, fields, real=np.float32)


def led(graph: Graph, shape: Shape) -> Shape:
    """The shape of a value whose samples have this shape."""
    return shape if graph.whole else (graph.batch or BATCH, *shape)


def of_batch(graph: Graph, view: Array, size: int) -> Array:
    """The view with the batch in front; a graph without a batch gets one of a single sample of `size` bytes."""
    if not graph.whole:
        return view
    return np.lib.stride_tricks.as_strided(view, (1, *view.shape), (size, *view.strides))


def _address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])


def viewed(call: Call, graph: Graph, number: int, function: Any) -> Step | Same:
    """A call whose result is a view of a value, computed by `function` of a stand-in."""
    shape, result = graph.sample(number), graph.sample(call.number)
    if shape is None or result is None or 0 in (*shape, *result):
        raise NotLowered
    item = graph.values[number].dtype.itemsize
    view = function(stand_in(led(graph, shape), item), graph.batch or BATCH)
    if view.shape != led(graph, result) or item not in (1, 4, 8):
        raise NotLowered
    if not graph.whole and view.strides[0] != math.prod(shape) * item:
        raise NotLowered
    return moved(call.number, number, of_batch(graph, view, math.prod(shape) * item), result)


@lowering(np.transpose, np.swapaxes, np.moveaxis, np.expand_dims, np.squeeze, np.flip, np.broadcast_to)
def _view(call: Call, graph: Graph) -> Step | Same:
    number, _, _ = any_source(call.args[0], graph)

    def function(array: Array, samples: int) -> Array:
        args, kwargs = filled((call.args[1:], call.kwargs), _refused, samples)
        return call.function(array, *args, **kwargs)

    return viewed(call, graph, number, function)


def _refused(number: int) -> Any:
    raise NotLowered


# -- parts ------------------------------------------------------------------------------------------------------------


@lowering(operator.getitem)
def _getitem(call: Call, graph: Graph) -> Any:
    array, index = call.args
    if isinstance(array, Constant):
        index = index[0] if type(index) is tuple and len(index) == 1 else index
        return _taken(call, graph, array, index, wrap=True)
    if any(leaf is not None and leaf is not Ellipsis and type(leaf) is not int for leaf in leaves(index)):
        raise NotLowered
    if array.number not in graph.values:
        return _part(call, graph, index)
    return viewed(call, graph, array.number, lambda stand, _: stand[index])


_SPLITS = (np.split, np.array_split, np.hsplit, np.vsplit, np.dsplit)


def _part(call: Call, graph: Graph, place: Any) -> Step | Same:
    """One of the results of np.split."""
    split = next(each for each in graph.calls if each.number == call.args[0].number)
    if split.function not in _SPLITS or not isinstance(split.args[0], Ref) or type(place) is not int:
        raise NotLowered
    number = split.args[0].number
    args, kwargs = filled((split.args[1:], split.kwargs), _refused, graph.batch or BATCH)
    return viewed(call, graph, number, lambda stand, _: split.function(stand, *args, **kwargs)[place])


@lowering(np.concatenate, np.stack)
def _joined(call: Call, graph: Graph) -> list[Any]:
    given = arguments(call)
    arrays, axis, result = given["arrays"], given["axis"], graph.sample(call.number)
    if given.get("out") is not None or given["dtype"] is not None or given["casting"] != "same_kind":
        raise NotLowered
    if not isinstance(arrays, (list, tuple)) or type(axis) is not int or result is None or 0 in result:
        raise NotLowered
    steps, dtype, lead = Builder(call, graph), graph.values[call.number].dtype, graph.lead
    dimensions, joined = len(result) + lead, call.function is np.concatenate
    axis = axis % dimensions - lead
    if axis < 0 or dtype.itemsize not in (1, 4, 8):
        raise NotLowered
    whole, at, parts = _dense((1, *result), dtype.itemsize), 0, []
    for array in arrays:
        x = steps.operand(array, dimensions - (not joined))
        if len(x.shape) != len(result) - (not joined):
            raise NotLowered
        x = x if x.dtype == dtype else steps.converted(x, dtype)
        shape = x.shape if joined else (*x.shape[:axis], 1, *x.shape[axis:])
        view = stand_in((graph.batch or BATCH, *shape), dtype.itemsize)
        if not x.led:  # a constant is copied into each sample
            view = np.broadcast_to(view[:1], view.shape)
        part = moved(call.number, x.value, view, result, Strided(Result, whole, at))
        if not x.led and isinstance(part, Step):
            part.sources, part.fields["x"] = (), Strided(x.value, part.fields["x"].strides)
        elif isinstance(part, Step) and joined and axis == 1 - lead:
            part.last = _channels_last(*samples(graph, result), shape[axis], at, whole, dtype.itemsize)
        parts.append(part)
        at += whole[axis + 1] * shape[axis]
    return [*steps.made, *parts]


def _channels_last(count: int, image: Shape, c: int, at: int, whole: Shape, item: int) -> dict[str, Any] | None:
    """The fields of a move of c channels into an image of more channels, both with channels last."""
    if len(image) < 2:
        return None
    channels, places = image[0], math.prod(image[1:])
    into = 0, 0, channels * places * item, channels * item, item
    return {
        "n0": 1, "n1": 1, "n2": Each(count), "n3": places, "n4": c,
        "y": Strided(Result, into, at // places), "x": Strided(Source(0), (0, 0, c * places * item, c * item, item)),
    }  # fmt: skip


# -- rows of a table --------------------------------------------------------------------------------------------------


@lowering(functional.embedding)
def _embedding(call: Call, graph: Graph) -> list[Step]:
    given = arguments(call)
    return _taken(call, graph, given["weight"], given["input"], wrap=False)


@lowering(np.take)
def _take(call: Call, graph: Graph) -> list[Step]:
    given = arguments(call)
    if given["axis"] != 0 or given["mode"] != "raise" or given["out"] is not None:
        raise NotLowered
    return _taken(call, graph, given["a"], given["indices"], wrap=True)


def _taken(call: Call, graph: Graph, table: Any, index: Any, wrap: bool) -> list[Step]:
    number, shape, dtype = any_source(index, graph)
    if not isinstance(table, Constant) or not table.array.ndim or table.array.size == 0 or dtype.kind not in "iu":
        raise NotLowered
    if dtype not in CODES or table.array.dtype.kind not in "biuf":
        raise NotLowered
    steps = Builder(call, graph)
    at = steps.converted(Operand(number, shape, dtype), INT)
    rows, result = len(table.array), (*shape, *table.array.shape[1:])
    fields = {
        "y": Result, "wrong": Wrong, "table": table, "index": Source(0), "n": Each(math.prod(shape)), "rows": rows,
        "bytes": table.array.nbytes // rows, "wrap": wrap,
    }  # fmt: skip
    steps.step("take", (at.value,), result, fields, table.array.dtype, np.float32)
    return steps.done(Operand(steps.made[-1].number, result, table.array.dtype))


@lowering(functional.embedding_bag)
def _embedding_bag(call: Call, graph: Graph) -> list[Step]:
    """Bags of one size."""
    given = arguments(call)
    number, shape, dtype = any_source(given["input"], graph)
    table, mode = given["weight"], given["mode"]
    if any(given[name] is not None for name in ("offsets", "per_sample_weights", "padding_idx")):
        raise NotLowered
    if graph.whole or len(shape) != 1 or dtype not in CODES or dtype.kind not in "iu":
        raise NotLowered
    if not isinstance(table, Constant) or table.array.dtype not in FLOATS or not table.array.size:
        raise NotLowered
    steps = Builder(call, graph)
    at, (rows, c) = steps.converted(Operand(number, shape, dtype), INT), table.array.shape
    fields = {"y": Result, "wrong": Wrong, "table": table, "index": Source(0), "n": Each(shape[0]), "rows": rows}
    fields |= {"bytes": table.array.nbytes // rows, "wrap": False}
    taken = steps.step("take", (at.value,), (shape[0], c), fields, table.array.dtype, np.float32)
    if mode == "max":
        return steps.done(steps.reduced("maximum", taken, (0,)))
    return steps.done(steps.reduced("add", taken, (0,), mean=mode == "mean"))


@folding("take", "reduce")
def _sum_of_taken(take: Step, reduction: Step) -> bool:
    """Rows are added as they are looked up, without an array of them."""
    table, given = take.fields["table"], reduction.fields
    if given["function"] != POINTWISE["add"] or take.fields["wrap"] or table.array.dtype != reduction.real:
        return False
    index, c = take.fields["n"].number, table.array[0].size
    if given["inner"] != c or given["outer"].number * given["n"] != index:
        return False
    take.op, take.shape, take.real = "sum_taken", reduction.shape, reduction.real
    take.fields = {
        "y": Result, "wrong": Wrong, "table": table, "index": Source(0), "outer": given["outer"], "n": given["n"],
        "rows": len(table.array), "c": c, "divisor": given["divisor"],
    }  # fmt: skip
    return True
