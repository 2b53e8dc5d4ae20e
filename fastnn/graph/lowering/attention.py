"""Attention of heads that a product has computed side by side, read in place."""

from __future__ import annotations

import math
import operator
import os
from typing import Any

import numpy as np

from ... import _core
from ...functional._attention import _attention
from .._graph import Call, Graph, Ref, filled
from ._step import Each, NotLowered, Result, Scratch, Source, Step, Strided, arguments, lowering, source

Place = tuple[int, int, tuple[int, ...]]  # a value, where in one of its samples another one begins, and its strides


@lowering(np.transpose)
def _heads_side_by_side(call: Call, graph: Graph) -> Step:
    """(N, L, H, D), transposed from attention's (N, H, L, D): the order in which the op writes its result."""
    number = call.args[0].number if call.args and isinstance(call.args[0], Ref) else -1
    maker = _maker(number, graph)
    axes = arguments(call)["axes"]
    if maker is None or maker.function is not _attention or axes is None or tuple(axes) != (0, 2, 1, 3):
        raise NotLowered
    given = arguments(maker)
    if given["attn_mask"] is not None or given["dropout_p"] or given["past"]:
        raise NotLowered
    places = [_place(given[name], graph, call) for name in ("query", "key", "value")]
    (heads, l, e), (k_heads, s, _), (v_heads, _, ev) = (
        _sample(given[name], graph) for name in ("query", "key", "value")
    )
    if len({heads, k_heads, v_heads}) != 1 or any(strides[-1] != 1 for _, _, strides in places):
        raise NotLowered
    sources = tuple(dict.fromkeys(number for number, _, _ in places))
    views = {
        name: Strided(Source(sources.index(number)), strides)
        for name, (number, _, strides) in zip("qkv", places, strict=True)
    }
    fields: dict[str, Any] = {
        "y": Strided(Result, (l * heads * ev, ev, heads * ev, 1)), "stats": Scratch(2 * heads * l), **views,
        "bias": Strided(None, (0,) * 4), "keep": Strided(None, (0,) * 4),
        "n": Each(1), "heads": heads, "l": l, "s": s, "e": e, "ev": ev, "k_group": 1, "v_group": 1,
        "causal": given["is_causal"], "slots": max(_core.get_num_threads(), os.cpu_count() or 1),
        "scale": 1 / math.sqrt(e) if given["scale"] is None else given["scale"],
        **{f"{name}_at": begin for name, (_, begin, _) in zip("qkv", places, strict=True)},
    }  # fmt: skip
    return Step("attention", call.number, sources, (l, heads, ev), fields)


def _maker(number: int, graph: Graph) -> Call | None:
    """The call whose result it is."""
    return next((each for each in graph.calls if each.number == number), None)


def _sample(argument: Any, graph: Graph) -> tuple[int, ...]:
    shape = graph.sample(argument.number) if isinstance(argument, Ref) else None
    if shape is None or len(shape) != 3 or 0 in shape:
        raise NotLowered
    return shape


VIEWS = (np.transpose, np.reshape, np.split, np.swapaxes, operator.getitem)


def _place(argument: Any, graph: Graph, call: Call) -> Place:
    """The place of an operand in the value of which it is a view: the calls in between run on two empty samples."""
    chain: list[Call] = []
    number = argument.number
    maker = _maker(number, graph)
    while maker is not None and maker.function in VIEWS and len(maker.reads) == 1:
        chain.append(maker)
        number = next(iter(maker.reads))
        maker = _maker(number, graph)
    _, shape = source(Ref(number), graph, call)
    base = np.empty((2, *shape), np.int8)
    values: dict[int, Any] = {number: base}
    for each in reversed(chain):
        args, kwargs = filled((each.args, each.kwargs), values.__getitem__, len(base))
        values[each.number] = each.function(*args, **kwargs)
    view = values[argument.number]
    begin, size = view.__array_interface__["data"][0] - base.__array_interface__["data"][0], math.prod(shape)
    if not np.may_share_memory(view, base) or view.ndim != 4 or view.shape[0] != 2 or view.strides[0] != size:
        raise NotLowered
    return number, begin, (size, *view.strides[1:])
