"""Functions of one element, and of two arrays."""

from __future__ import annotations

import math

import numpy as np

from .._graph import Call, Graph, Unary
from ._step import Each, NotLowered, Result, Source, Step, lowering, source


@lowering(Unary)
def _unary(call: Call, graph: Graph) -> Step:
    number, shape = source(call.args[0], graph, call)
    unary = call.function
    assert isinstance(unary, Unary)
    fields = {"y": Result, "x": Source(0), "act": unary.act, "n": Each(math.prod(shape)), "a": unary.a, "b": unary.b}
    return Step("activation", call.number, (number,), shape, fields)


@lowering(np.add, np.multiply)
def _combine(call: Call, graph: Graph) -> Step:
    if len(call.args) != 2 or call.kwargs:
        raise NotLowered
    (first, shape), (second, other) = (source(argument, graph, call) for argument in call.args)
    if shape != other:
        raise NotLowered
    fields = {
        "y": Result, "x1": Source(0), "x2": Source(1), "n": Each(math.prod(shape)),
        "multiply": call.function is np.multiply,
    }  # fmt: skip
    return Step("combine", call.number, (first, second), shape, fields)
