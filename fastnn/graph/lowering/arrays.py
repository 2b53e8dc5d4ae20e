"""Calls that move values, or only look at them in another shape."""

from __future__ import annotations

import math

import numpy as np

from ... import functional
from .._graph import Call, Graph
from ._step import NotLowered, Same, arguments, lowering, source


@lowering(functional.dropout, np.reshape)
def _same_values(call: Call, graph: Graph) -> Same:
    """A call that changes nothing but, perhaps, the shape of a sample."""
    number, shape = source(call.args[0] if call.args else None, graph, call)
    result = graph.sample(call.number)
    if result is None or math.prod(result) != math.prod(shape):
        raise NotLowered
    given = arguments(call)
    if given.get("training") or given.get("order", "C") != "C":
        raise NotLowered
    return Same(call.number, number)
