"""What moves values, takes parts of them, or shows them in another shape."""

from __future__ import annotations

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
    for place in places:  # of the value as it is after each step
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
    """One for each dimension, and None for each new one."""
    places = list(index) if isinstance(index, tuple) and not isinstance(index, Ref) else [index]
    taken = sum(place is not None and place is not Ellipsis for place in places)
    full = [slice(None)] * (ndim - taken)
    for i, place in enumerate(places):
        if place is Ellipsis:
            return places[:i] + full + places[i + 1 :]
    return places + full


def _sliced(b: Builder, name: str, places: list[Any]) -> str:
    """The ranges; an integer is a range of one."""
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
