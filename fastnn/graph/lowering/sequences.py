"""One direction of a recurrent layer, of a graph without a batch: a product, then all steps of time in one op."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from ...functional._recurrent import GATES, KINDS, recurrent
from .._graph import Call, Constant, Graph
from ._step import (
    Derived,
    NotLowered,
    Result,
    Scratch,
    Shape,
    Source,
    Step,
    Strided,
    arguments,
    between,
    lowering,
    source,
)
from .arrays import moved, of_batch, stand_in
from .linear import pack


@lowering(recurrent)
def _recurrent(call: Call, graph: Graph) -> list[Any]:
    """The input's product, copies of the first states to where the last ones come, the op; y, h, c are one array."""
    given = arguments(call)
    weights = [given[name] for name in ("w_ih", "w_hh", "b_ih", "b_hh")]
    if not graph.whole or given["w_hr"] is not None or given["out"] is not None:
        raise NotLowered
    if not all(isinstance(each, Constant) for each in weights if each is not None):
        raise NotLowered
    sizes, kind, dtype = tuple(given["batch_sizes"]), given["kind"], weights[0].array.dtype
    _, offsets = parts(call)
    steps, n, (wide, features) = len(sizes), sizes[0], weights[0].array.shape
    units, gru = wide // GATES[kind], kind == "GRU"
    if set(sizes) != {n} or dtype not in (np.float32, np.float64):
        raise NotLowered
    rows, gates, total = steps * n, between(call, 0), (offsets[-1],)
    first, _ = source(given["input"], graph, call, dtype)
    bias = None if weights[2] is None else Derived(_bias, (*weights[2:], gru))
    product = {
        "c": Strided(Result, (0, wide, 1)), "a": Strided(Source(0), (0, features, 1)), "b": Strided(None, (0, 0, 0)),
        "packed": Derived(pack, (weights[0],)), "bias": bias, "batch": 1, "m": rows, "n": wide, "k": features,
        "act": -1,
    }  # fmt: skip
    made = [Step("product", gates, (first,), (rows, wide), product, dtype)]
    for state, offset in zip(("h0", "c0"), offsets[1:-1], strict=False):
        made.append(_first(call, graph, given[state], (n, units), total, offset * dtype.itemsize, dtype))
    fields: dict[str, Any] = {
        "y": Strided(Result, (units, 1)), "h": Strided(Result, (), offsets[1] * dtype.itemsize), "gates": Source(0),
        "inner": Scratch(rows * units) if kind in ("LSTM", "GRU") else None, "w_hh": weights[1],
        "packed": Derived(_joint, (weights[1], gru)), "packed_n": Derived(_apart, (weights[1],)) if gru else None,
        "b_hn": Derived(_late, (weights[3],)) if gru and weights[3] is not None else None,
        "batch_sizes": np.array(sizes, np.int64), "kind": KINDS[kind], "steps": steps, "rows": rows, "n": n,
        "size": units, "p": units, "reverse": given["reverse"],
    }  # fmt: skip
    if kind == "LSTM":
        fields["c"] = Strided(Result, (), offsets[2] * dtype.itemsize)
    fields |= {f"{name}0": fields[name] for name in "hc" if name in fields}
    return [*made, Step("recurrent", call.number, (gates,), total, fields, dtype)]


def _first(call: Call, graph: Graph, value: Any, shape: Shape, total: Shape, offset: int, dtype: Any) -> Step:
    """Copy a first state to an offset of the results."""
    item = dtype.itemsize
    number, x = (None, value) if isinstance(value, Constant) else (source(value, graph, call, dtype)[0], Source(0))
    size = math.prod(shape)
    fields = {
        "y": Strided(Result, (0, 0, 0, 0, item), offset), "x": Strided(x, (0, 0, 0, 0, item)),
        "n0": 1, "n1": 1, "n2": 1, "n3": 1, "n4": size, "item": item,
    }  # fmt: skip
    return Step("move", call.number, () if number is None else (number,), total, fields, dtype, np.float32)


def parts(call: Call) -> tuple[list[Shape], list[int]]:
    """The shapes of y, h and c, and their offsets in one array, with its end."""
    given = arguments(call)
    rows, units, n = sum(given["batch_sizes"]), given["w_hh"].array.shape[1], given["batch_sizes"][0]
    shapes: list[Shape] = [(rows, units), *[(n, units)] * (1 + (given["kind"] == "LSTM"))]
    offsets = [0]
    for shape in shapes:
        offsets.append(offsets[-1] + math.prod(shape))
    return shapes, offsets


@lowering(operator.getitem)
def _part(call: Call, graph: Graph) -> Any:
    """One of the results."""
    source = call.args[0]
    maker = None if isinstance(source, Constant) else next((e for e in graph.calls if e.number == source.number), None)
    if maker is None or maker.function is not recurrent or not graph.whole:
        raise NotLowered
    shapes, offsets = parts(maker)
    place, item = call.args[1], graph.values[call.number].dtype.itemsize
    view = stand_in((offsets[-1],), item)[offsets[place] : offsets[place + 1]].reshape(shapes[place])
    return moved(call.number, maker.number, of_batch(graph, view, offsets[-1] * item), shapes[place])


def _bias(b_ih: Any, b_hh: Any, gru: bool) -> Any:
    """What is added to W x; a GRU adds the last part of b_hh to its own product."""
    bias = b_ih + b_hh
    if gru:
        bias[-len(bias) // 3 :] = b_ih[-len(bias) // 3 :]
    return bias


def _late(b_hh: Any) -> Any:
    return b_hh[-len(b_hh) // 3 :]


def _joint(w_hh: Any, gru: bool) -> Any:
    """The gates that one product makes, packed; a GRU's last is multiplied apart."""
    return pack(w_hh[: len(w_hh) * 2 // 3] if gru else w_hh)


def _apart(w_hh: Any) -> Any:
    return pack(w_hh[len(w_hh) * 2 // 3 :])
