"""Lowering: the calls of a graph that a program can do, as its steps."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import _check, functional
from .._check import Array
from ._graph import Call, Constant, Graph, Ref, Unary

Shape = tuple[int, ...]


class NotLowered(Exception):
    """A call that no step of a program does."""


@dataclass
class Step:
    """A step of a program before its registers are chosen; `record` says what its op is run on."""

    kind: str
    number: int
    sources: tuple[int, ...]
    shape: Shape
    options: dict[str, Any]
    constants: dict[str, Array | None] = field(default_factory=dict)


def _arguments(call: Call) -> dict[str, Any]:
    bound = inspect.signature(call.function).bind(*call.args, **call.kwargs)
    bound.apply_defaults()
    return bound.arguments


def _source(argument: Any, graph: Graph, call: Call) -> tuple[int, Shape]:
    """The number and sample shape of an argument that a step may read: of the result's dtype, not empty."""
    if not isinstance(argument, Ref):
        raise NotLowered
    shape, dtype = graph.sample(argument.number), graph.values[argument.number].dtype
    if shape is None or dtype != graph.values[call.number].dtype or dtype not in _check.FLOATS[1:] or 0 in shape:
        raise NotLowered
    return argument.number, shape


def _constant(argument: Any, graph: Graph, call: Call) -> Array | None:
    """A weight, of the result's dtype."""
    if argument is None:
        return None
    if not isinstance(argument, Constant) or argument.array.dtype != graph.values[call.number].dtype:
        raise NotLowered
    return argument.array


def _linear(call: Call, graph: Graph) -> Step:
    given = _arguments(call)
    number, shape = _source(given["input"], graph, call)
    weight, bias = (_constant(given[name], graph, call) for name in ("weight", "bias"))
    if weight is None or weight.size == 0 or not shape:
        raise NotLowered
    n, k = weight.shape
    options = {"rows": math.prod(shape[:-1]), "n": n, "k": k}
    return Step("linear", call.number, (number,), (*shape[:-1], n), options, {"weight": weight, "bias": bias})


def _batch_norm(call: Call, graph: Graph) -> Step:
    given = _arguments(call)
    number, shape = _source(given["input"], graph, call)
    mean, var, weight, bias = (
        _constant(given[name], graph, call) for name in ("running_mean", "running_var", "weight", "bias")
    )
    if given["training"] or mean is None or var is None:
        raise NotLowered
    constants = {
        "mean": mean.astype(np.float64), "rstd": 1 / np.sqrt(var.astype(np.float64) + given["eps"]),
        "weight": weight, "bias": bias,
    }  # fmt: skip
    return Step("batch_norm", call.number, (number,), shape, {"n": shape[0], "s": math.prod(shape[1:])}, constants)


def _unary(call: Call, graph: Graph) -> Step:
    number, shape = _source(call.args[0], graph, call)
    unary = call.function
    assert isinstance(unary, Unary)
    options = {"n": math.prod(shape), "act": unary.act, "a": unary.a, "b": unary.b}
    return Step("act", call.number, (number,), shape, options)


def _softmax(call: Call, graph: Graph) -> Step:
    given = _arguments(call)
    number, shape = _source(given["input"], graph, call)
    dim = 1 if given["dim"] is None else given["dim"]  # None has passed the trace: a batch of vectors
    if not shape or dim not in (-1, len(shape)) or given["dtype"] is not None:
        raise NotLowered
    options = {"rows": math.prod(shape[:-1]), "n": shape[-1], "option": int(call.function is functional.log_softmax)}
    return Step("softmax", call.number, (number,), shape, options)


def _layer_norm(call: Call, graph: Graph) -> Step:
    given = _arguments(call)
    number, shape = _source(given["input"], graph, call)
    own = given["normalized_shape"]
    own = tuple(own) if isinstance(own, (tuple, list)) else (own,)
    if not own or shape[-len(own) :] != own:
        raise NotLowered
    centre = call.function is functional.layer_norm
    eps = np.finfo(graph.values[call.number].dtype).eps if given["eps"] is None else given["eps"]
    options = {"rows": math.prod(shape[: -len(own)]), "n": math.prod(own), "a": float(eps), "option": int(centre)}
    constants = {name: _constant(given.get(name), graph, call) for name in ("weight", "bias")}
    return Step("layer_norm", call.number, (number,), shape, options, constants)


def _combine(call: Call, graph: Graph) -> Step:
    if len(call.args) != 2 or call.kwargs:
        raise NotLowered
    (first, shape), (second, other) = (_source(argument, graph, call) for argument in call.args)
    if shape != other:
        raise NotLowered
    options = {"n": math.prod(shape), "option": int(call.function is np.multiply)}
    return Step("combine", call.number, (first, second), shape, options)


def _same_values(call: Call, graph: Graph) -> Step:
    """A call that changes nothing but, perhaps, the shape of a sample."""
    argument = call.args[0] if call.args else None
    number, shape = _source(argument, graph, call)
    result = graph.sample(call.number)
    if result is None or math.prod(result) != math.prod(shape):
        raise NotLowered
    given = _arguments(call)
    if given.get("training") or given.get("order", "C") != "C":
        raise NotLowered
    return Step("alias", call.number, (number,), result, {})


_LOWERINGS: dict[Any, Callable[[Call, Graph], Step]] = {
    functional.linear: _linear,
    functional.batch_norm: _batch_norm,
    functional.softmax: _softmax,
    functional.log_softmax: _softmax,
    functional.layer_norm: _layer_norm,
    functional.rms_norm: _layer_norm,
    functional.dropout: _same_values,
    np.add: _combine,
    np.multiply: _combine,
    np.reshape: _same_values,
}


def lowered(graph: Graph) -> list[Step | Call]:
    """The graph's calls, in order, as steps where a program can do them."""

    def item(call: Call) -> Step | Call:
        lowering = _unary if isinstance(call.function, Unary) else _LOWERINGS.get(call.function)
        try:
            return call if lowering is None else lowering(call, graph)
        except NotLowered:
            return call

    return [item(call) for call in graph.calls]


# -- steps as records of ops ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Places:
    """The registers of a step: its result, its sources, and two that hold a layer norm's statistics."""

    to: int
    sources: tuple[int, ...]
    scratch: tuple[int, int]


Held = dict[str, Array | None]
Record = tuple[str, tuple[Any, ...], tuple[Any, ...], tuple[float, ...]]


def _product(at: Places, o: dict[str, Any], held: Held) -> Record:
    arrays = at.to, at.sources[0], None, None, held["weight"], held["bias"], None
    strides = 0, o["n"], 1, 0, o["k"], 1, 0, 0, 0
    integers = *strides, 1, (o["rows"],), o["n"], o["k"], 0, 0, 0, o.get("act", -1)
    return "product", arrays, integers, (o.get("a", 0), o.get("b", 0))


def _normalized(at: Places, o: dict[str, Any], held: Held) -> Record:
    arrays = at.to, at.sources[0], held["mean"], held["rstd"], held["weight"], held["bias"]
    return "batch_norm", arrays, ((1,), o["n"], o["s"], int(o["s"] == 1)), ()


def _group_norm(at: Places, o: dict[str, Any], held: Held) -> Record:
    arrays = at.to, *at.scratch, at.sources[0], held["weight"], held["bias"]
    return "group_norm", arrays, ((o["rows"],), 1, o["n"], 1, o["option"]), (o["a"],)


_RECORDS: dict[str, Callable[[Places, dict[str, Any], Held], Record]] = {
    "linear": _product,
    "batch_norm": _normalized,
    "layer_norm": _group_norm,
    "act": lambda at, o, _: ("activation", (at.to, *at.sources), (o["act"], (o["n"],)), (o["a"], o["b"])),
    "softmax": lambda at, o, _: ("softmax", (at.to, *at.sources), ((o["rows"],), o["n"], o["option"]), ()),
    "combine": lambda at, o, _: ("combine", (at.to, *at.sources), ((o["n"],), o["option"]), ()),
}


def record(step: Step, at: Places, held: Held) -> Record:
    """The step's op, and its arrays, integers and numbers in the order of the op's fields.

    Arrays are registers or constants; integers in a tuple are of one sample.
    """
    return _RECORDS[step.kind](at, step.options, held)
