"""Functions that move values, take parts of them, or change their shape."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from ...graph import Call, Ref
from ...graph._graph import Method, leaves
from ._build import END, Builder, NotWritten, Size, named, writer


@writer(np.reshape, np.ravel)
def _reshape(b: Builder, call: Call) -> str:
    given = named(call)
    if given.get("order", "C") != "C":
        raise NotWritten(f"order {given['order']!r}")
    return b.reshape(b.value(given["a"]), b.graph.values[call.number].shape)


@writer(np.copy, np.ascontiguousarray, Method("copy"))
def _same(b: Builder, call: Call) -> str:
    return b.value(call.args[0])


@writer(Method("astype"), np.astype if hasattr(np, "astype") else Method("astype"))
def _astype(b: Builder, call: Call) -> str:
    return b.value(call.args[0], b.result(call))


@writer(np.transpose, np.swapaxes, np.moveaxis)
def _transposed(b: Builder, call: Call) -> str:
    x = call.args[0]
    ndim = len(b.dims(x))
    places = call.function(np.empty(range(2, 2 + ndim)) if ndim else np.empty(()), *call.args[1:], **call.kwargs).shape
    return b.transpose(b.value(x), [size - 2 for size in places])


@writer(np.expand_dims, np.squeeze, np.atleast_1d, np.atleast_2d, np.atleast_3d)
def _other_dimensions(b: Builder, call: Call) -> str:
    return b.reshape(b.value(call.args[0]), b.graph.values[call.number].shape)


@writer(np.broadcast_to)
def _broadcast_to(b: Builder, call: Call) -> str:
    return str(b("Expand", b.value(call.args[0]), b.scalars(b.graph.values[call.number].shape)))


@writer(np.zeros_like, np.ones_like, np.full_like, np.empty_like)
def _like(b: Builder, call: Call) -> str:
    value = {np.zeros_like: 0, np.ones_like: 1, np.empty_like: 0}.get(call.function)
    if value is None:
        value = call.args[1] if len(call.args) > 1 else call.kwargs["fill_value"]
    if isinstance(value, Ref):
        raise NotWritten("a value that is computed")
    return str(b("ConstantOfShape", b("Shape", b.value(call.args[0])), value=np.full(1, value, b.result(call))))


@writer(np.concatenate)
def _concatenate(b: Builder, call: Call) -> str:
    given, dtype = named(call), b.result(call)
    parts, axis = [b.value(each, dtype) for each in _listed(given["arrays"])], given["axis"]
    if axis is None:
        parts, axis = [b("Reshape", each, b.ints(-1)) for each in parts], 0
    return str(b("Concat", *parts, axis=int(axis)))


def _listed(arrays: Any) -> Any:
    if not isinstance(arrays, (list, tuple)) or isinstance(arrays, Ref):
        raise NotWritten("an array in place of a list of arrays")
    return arrays


@writer(np.stack)
def _stack(b: Builder, call: Call) -> str:
    given, dtype = named(call), b.result(call)
    axis = int(given["axis"]) % len(b.graph.values[call.number].shape)
    parts = [b.unsqueeze(b.value(each, dtype), axis) for each in _listed(given["arrays"])]
    return str(b("Concat", *parts, axis=axis))


@writer(np.split, np.array_split)
def _split(b: Builder, call: Call) -> list[str]:
    given = named(call)
    axis, cuts = int(given["axis"]), given["indices_or_sections"]
    (size,) = b.fixed(b.dims(given["ary"])[axis])
    parts = np.array_split(np.empty((size, 0)), cuts)
    sizes = b.ints(*map(len, parts))
    return list(b("Split", b.value(given["ary"]), sizes, outputs=len(parts), axis=axis))


@writer(np.take)
def _take(b: Builder, call: Call) -> str:
    given = named(call)
    if given["mode"] != "raise":
        raise NotWritten(f"mode {given['mode']!r}")
    x, axis = b.value(given["a"]), given["axis"]
    x, axis = (b("Reshape", x, b.ints(-1)), 0) if axis is None else (x, axis)
    return str(b("Gather", x, b.value(_array(given["indices"]), np.int64), axis=int(axis)))


# -- repeated, turned, put in order -----------------------------------------------------------------------------------


@writer(np.tile)
def _tile(b: Builder, call: Call) -> str:
    given = named(call)
    counts, x = np.atleast_1d(given["reps"]), b.value(given["A"])
    ndim = len(b.dims(given["A"]))
    x = b.unsqueeze(x, *range(len(counts) - ndim))
    return str(b("Tile", x, b.ints(*(1,) * (ndim - len(counts)), *counts)))


@writer(np.repeat)
def _repeat(b: Builder, call: Call) -> str:
    given = named(call)
    x, dims, axis, counts = b.value(given["a"]), b.dims(given["a"]), given["axis"], np.asarray(given["repeats"])
    if axis is None:
        x, dims, axis = b("Reshape", x, b.ints(-1)), (math.prod(b.fixed(*dims)),), 0
    axis = int(axis) % len(dims)
    if counts.ndim == 0:  # the axis may depend on the batch
        x = b("Tile", b.unsqueeze(x, axis + 1), b.ints(*(1,) * (axis + 1), int(counts), *(1,) * (len(dims) - axis - 1)))
        return b.reshape(x, b.graph.values[call.number].shape)
    return str(b("Gather", x, b.constant(np.repeat(np.arange(*b.fixed(dims[axis])), counts)), axis=axis))


@writer(np.tril, np.triu)
def _triangle(b: Builder, call: Call) -> str:
    given, dims = named(call), b.dims(call.args[0])
    if len(dims) < 2:
        raise NotWritten("a value of one dimension")
    x, k = b.value(given["m"]), int(given["k"])
    if b.opset >= 14:
        return str(b("Trilu", x, b.constant(np.int64(k)), upper=int(call.function is np.triu)))
    kept = call.function(np.ones(b.fixed(*dims[-2:]), bool), k)
    return str(b("Where", b.constant(kept), x, b.value(0, b.result(call))))


@writer(np.flip)
def _flip(b: Builder, call: Call) -> str:
    given = named(call)
    ndim, axis = len(b.dims(given["m"])), given["axis"]
    axes = {int(each) % ndim for each in (range(ndim) if axis is None else np.atleast_1d(axis))}
    places = [slice(None, None, -1) if i in axes else slice(None) for i in range(ndim)]
    return _sliced(b, b.value(given["m"]), places)


@writer(np.sort, np.argsort)
def _sorted(b: Builder, call: Call) -> str:
    given, dims = named(call), b.dims(call.args[0])
    axis, dtype = given["axis"], b.dtype(given["a"])
    if axis is None or given["order"] is not None or dtype.kind not in "fiu":
        raise NotWritten("all values, by fields, or of flags")
    x, size = b.value(given["a"]), b.scalars([dims[axis]])
    return str(b("TopK", x, size, outputs=2, axis=int(axis), largest=0)[call.function is np.argsort])


@writer(np.pad)
def _pad(b: Builder, call: Call) -> str:
    given = dict(zip(("array", "pad_width", "mode"), call.args, strict=False)) | call.kwargs
    x, mode, value = given.pop("array"), given.pop("mode", "constant"), given.pop("constant_values", 0)
    widths = np.broadcast_to(given.pop("pad_width"), (len(b.dims(x)), 2))
    if given or mode not in ("constant", "edge", "reflect") or np.ndim(value):
        raise NotWritten(f"mode {mode!r} with {', '.join(given) or value}")
    return str(b("Pad", b.value(x), b.ints(*widths.T.reshape(-1)), b.value(value, b.dtype(x)), mode=mode))


# -- parts ------------------------------------------------------------------------------------------------------------


@writer(operator.getitem)
def _getitem(b: Builder, call: Call) -> Any:
    x, index = call.args
    several = b.names.get(x.number) if isinstance(x, Ref) else None
    if isinstance(several, list):
        return several[index]
    name, places = b.value(x), _places(index, len(b.dims(x)))
    arrays = [place for place in places if place is not None and not isinstance(place, (slice, int, np.integer))]
    if len(arrays) > 1:
        raise NotWritten("several arrays as indices")
    name = _sliced(b, name, places)
    axis = 0
    dropped: list[int] = []
    added: list[int] = []
    for place in places:  # dropped: axes before the squeeze, added: axes of the result
        if place is None:
            added.append(axis - len(dropped) + len(added))
            continue
        if isinstance(place, (int, np.integer)):
            dropped.append(axis)
        axis += 1
    name = b.squeeze(name, *dropped)
    if arrays:
        at = next(i for i, place in enumerate(p for p in places if p is not None) if place is arrays[0])
        if added or any(d > at for d in dropped):
            raise NotWritten("an array among other indices")
        name = b("Gather", name, b.value(_array(arrays[0]), np.int64), axis=at - len(dropped))
    return b.unsqueeze(name, *added)


def _places(index: Any, ndim: int) -> list[Any]:
    """An index for each dimension, without ellipsis, and None for each new dimension."""
    places = list(index) if isinstance(index, tuple) and not isinstance(index, Ref) else [index]
    taken = sum(place is not None and place is not Ellipsis for place in places)
    full = [slice(None)] * (ndim - taken)
    for i, place in enumerate(places):
        if place is Ellipsis:
            return places[:i] + full + places[i + 1 :]
    return places + full


def _sliced(b: Builder, name: str, places: list[Any]) -> str:
    """The slices of a value; an integer is a slice of length 1."""
    starts: list[Size] = []
    ends: list[Size] = []
    axes, steps = [], []
    for axis, place in enumerate(place for place in places if place is not None):
        if isinstance(place, (int, np.integer)):
            place = slice(int(place), int(place) + 1 or END)
        if not isinstance(place, slice) or place == slice(None):
            continue
        step = 1 if place.step is None else int(place.step)
        if any(isinstance(each, Ref) for each in leaves(place)):
            raise NotWritten("a range that is computed")
        starts.append((0 if step > 0 else -1) if place.start is None else place.start)
        ends.append((END if step > 0 else -END) if place.stop is None else place.stop)
        axes.append(axis)
        steps.append(step)
    if not axes:
        return name
    return str(b("Slice", name, b.scalars(starts), b.scalars(ends), b.ints(*axes), b.ints(*steps)))


def _array(index: Any) -> Any:
    return np.asarray(index) if isinstance(index, list) else index
