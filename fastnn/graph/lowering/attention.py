"""Attention of heads that a product has computed side by side, read in place."""

from __future__ import annotations

import math
import operator
import os
from typing import Any, NamedTuple

import numpy as np

from ... import _core
from ..._check import Array
from ...functional._attention import _attention
from .._graph import Call, Constant, Graph, Ref, filled
from ._step import (
    Derived,
    Each,
    NotLowered,
    Result,
    Scratch,
    Shape,
    Source,
    Step,
    Strided,
    Wrong,
    any_source,
    arguments,
    lowering,
)


def attend(q: Array, k: Array, v: Array, mask: Array | None, scale: float, guarded: bool) -> Array:
    """softmax(scale q k^T + mask) v as it is written: NaN for a query that sees no key, 0 if `guarded`."""
    scores = q @ np.swapaxes(k, -1, -2) * q.dtype.type(scale)
    scores = scores if mask is None else scores + mask
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    shares /= shares.sum(-1, keepdims=True)
    return (np.where(shares == shares, shares, 0) if guarded else shares) @ v


class _Operand(NamedTuple):
    """Where an operand (n, heads, rows, columns) lies: in value `number`, from element `begin` on, by strides."""

    number: int
    begin: int
    shape: Shape
    strides: Shape


@lowering(_attention, attend)
def _heads(call: Call, graph: Graph) -> Step:
    return _step(call, call.number, (0, 1, 2, 3), graph)


@lowering(np.transpose, np.swapaxes)
def _heads_side_by_side(call: Call, graph: Graph) -> Step:
    """Attention's result (n, heads, l, ev) in another order of dimensions, in which the op writes it."""
    maker = _maker(call.args[0], graph)
    value = None if maker is None or maker.function not in (_attention, attend) else graph.values.get(maker.number)
    if maker is None or value is None:
        raise NotLowered
    sizes = (2, 3, 5, 7)[-len(value.shape) :]  # all different, to see where each dimension goes
    moved = call.function(np.empty(sizes, np.int8), *call.args[1:], **call.kwargs)
    more = 4 - len(sizes)
    return _step(maker, call.number, (*range(more), *(more + sizes.index(n) for n in moved.shape)), graph)


def _step(call: Call, number: int, order: tuple[int, ...], graph: Graph) -> Step:
    """The step of a call of attention: it writes value `number`, the result with its dimensions in this order."""
    given = arguments(call)
    if call.function is attend:
        mask, causal, scale, wrong = given["mask"], False, given["scale"], Wrong
    else:
        mask, causal, scale, wrong = given["attn_mask"], given["is_causal"], given["scale"], None
        if given["dropout_p"] or given["past"]:
            raise NotLowered
    operands = [_operand(each, graph, call) for each in list(given.values())[:3]]
    q, k, v = operands
    (n, heads, l, e), (s, ev) = q.shape, v.shape[2:]
    if (
        (order[0] != 0 and not graph.whole)
        or order[-1] != 3
        or k.shape != (n, heads, s, e)
        or v.shape[:2] != k.shape[:2]
    ):
        raise NotLowered
    bias, keep, source = _mask(mask, (n, heads, l, s), graph, call)
    sources = tuple(dict.fromkeys([each.number for each in operands] + source))
    views = {
        name: Strided(Source(sources.index(each.number)), each.strides)
        for name, each in zip("qkv", operands, strict=True)
    }
    if source:
        place = Source(sources.index(source[0]))
        bias, keep = (each and each._replace(array=place) for each in (bias, keep))
    strides, step = {}, 1
    for axis in reversed(order):
        strides[axis], step = step, step * (n, heads, l, ev)[axis]
    fields: dict[str, Any] = {
        "y": Strided(Result, tuple(strides[axis] for axis in range(4))), "stats": Scratch(2 * n * heads * l), **views,
        "wrong": wrong, "blind": bool(given.get("guarded")), "bias": bias or NOWHERE, "keep": keep or NOWHERE,
        "n": n if graph.whole else Each(1), "heads": heads, "l": l, "s": s, "e": e, "ev": ev, "k_group": 1,
        "v_group": 1, "causal": causal, "slots": max(_core.get_num_threads(), os.cpu_count() or 1),
        "scale": 1 / math.sqrt(e) if scale is None else scale,
        **{f"{name}_at": each.begin for name, each in zip("qkv", operands, strict=True)},
    }  # fmt: skip
    return Step("attention", number, sources, graph.sample(number) or (), fields, graph.values[call.number].dtype)


NOWHERE = Strided(None, (0,) * 4)


def _maker(argument: Any, graph: Graph) -> Call | None:
    """The call whose result it is."""
    number = argument.number if isinstance(argument, Ref) else -1
    return next((each for each in graph.calls if each.number == number), None)


VIEWS = (np.transpose, np.reshape, np.split, np.swapaxes, operator.getitem)


def _operand(argument: Any, graph: Graph, call: Call) -> _Operand:
    """Where an operand lies: in the value that it is a view of, if its columns are contiguous there, else in itself."""
    if not isinstance(argument, Ref) or graph.sample(argument.number) is None:
        raise NotLowered
    chain: list[Call] = []
    numbers = [argument.number]
    maker = _maker(argument, graph)
    while maker is not None and maker.function in VIEWS and len(maker.reads) == 1:
        chain.append(maker)
        numbers += maker.reads
        maker = _maker(Ref(numbers[-1]), graph)
    while True:
        found = _viewed(argument.number, numbers[-1], chain, graph, call)
        if found is not None:
            return found
        if not chain:
            raise NotLowered
        chain.pop(), numbers.pop()


def _viewed(number: int, base: int, chain: list[Call], graph: Graph, call: Call) -> _Operand | None:
    """A value's place in another one, if these calls make it a view, which a run on two samples shows."""
    shape = graph.sample(base)
    if shape is None or 0 in shape or graph.values[base].dtype != graph.values[call.number].dtype:
        return None
    lead = () if graph.whole else (2,)
    whole = np.empty((*lead, *shape), np.int8)
    values: dict[int, Any] = {base: whole}
    for each in reversed(chain):
        args, kwargs = filled((each.args, each.kwargs), values.__getitem__, 2)
        values[each.number] = each.function(*args, **kwargs)
    view = values[number]
    if not np.may_share_memory(view, whole) or view.ndim not in (3, 4) or 0 in view.shape or view.strides[-1] != 1:
        return None
    begin = view.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
    if view.ndim == 3:
        view = view[None] if graph.whole else view[:, None]
    if lead and (view.shape[0] != 2 or view.strides[0] != math.prod(shape)):
        return None
    return _Operand(base, begin, (view.shape[0] if graph.whole else 1, *view.shape[1:]), view.strides)


def _flags(mask: Array) -> Array:
    return np.ascontiguousarray(mask).view(np.uint8)


def _mask(mask: Any, scores: Shape, graph: Graph, call: Call) -> tuple[Strided | None, Strided | None, list[int]]:
    """The bias of the scores or the flags of keys that take part, and the number of the value that the mask is."""
    if mask is None:
        return None, None, []
    source, led = list[int](), False
    if isinstance(mask, Ref):
        number, shape, dtype = any_source(mask, graph)
        source, led = [number], not graph.whole
    elif isinstance(mask, Constant):
        shape, dtype = mask.array.shape, mask.array.dtype
    else:
        raise NotLowered
    if len(shape) > 4 - led or (led and len(graph.values[mask.number].shape) != len(graph.values[call.number].shape)):
        raise NotLowered
    own, strides, step = (1,) * (4 - len(shape)) + shape, list[int](), 1
    for size, full in zip(own[::-1], scores[::-1], strict=True):
        if size not in (1, full):
            raise NotLowered
        strides.insert(0, 0 if size == 1 else step)
        step *= size
    strides[0] = step if led else strides[0]
    if dtype == np.bool_:
        return None, Strided(mask if source else Derived(_flags, (mask,)), tuple(strides)), source
    if dtype != graph.values[call.number].dtype:
        raise NotLowered
    return Strided(mask, tuple(strides)), None, source
