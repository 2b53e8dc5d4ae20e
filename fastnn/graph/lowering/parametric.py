"""Functions of one element whose parameters are learned, one value for all or one for each channel."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import _core, functional
from ..._check import Array
from .._graph import Call, Constant, Graph
from ._step import Derived, Each, NotLowered, Result, Source, Step, arguments, lowering, samples, source

# the row of activations.def of each function, and the arguments that are the row's parameters
_ROWS: dict[Any, tuple[str, tuple[str, ...]]] = {
    functional.prelu: ("leaky_relu", ("weight",)),
    functional.swish: ("swish", ("beta",)),
    functional.scaled_relu: ("scaled_relu", ("alpha",)),
    functional.parametric_elu: ("elu", ("alpha",)),
    functional.parametric_sigmoid: ("parametric_sigmoid", ("a", "b")),
    functional.parametric_softplus: ("softplus", ("beta", "threshold")),
}


def _spread(value: Any, channels: int, dtype: str) -> Array:
    """One value for each channel."""
    return np.array(np.broadcast_to(np.asarray(value, dtype).reshape(-1), (channels,)))


@lowering(*_ROWS)
def _parametric(call: Call, graph: Graph) -> Step:
    given = arguments(call)
    number, shape = source(given["input"], graph, call)
    row, names = _ROWS[call.function]
    count, image = samples(graph, shape)
    channels, dtype = image[0] if image else 1, graph.values[call.number].dtype
    values = [given[name] for name in names]
    for each in values:
        if not isinstance(each, (Constant, int, float, np.floating)) or given["out"] is not None:
            raise NotLowered
        if isinstance(each, Constant) and (each.array.dtype.kind not in "iuf" or each.array.size not in (1, channels)):
            raise NotLowered
    a, b = (Derived(_spread, (each, channels, dtype.str)) for each in (*values, 0.0)[:2])
    fields = {
        "y": Result, "x": Source(0), "a": a, "b": b, "act": _core.ACTS[row], "n": Each(count), "c": channels,
        "s": math.prod(image[1:]), "last": len(image) < 2,
    }  # fmt: skip
    return Step("activation_channels", call.number, (number,), shape, fields)
