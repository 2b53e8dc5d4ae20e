"""Recurrent layers: a step for each layer and direction, in which the sequences of a batch run side by side."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..._check import FLOATS, Array
from ...functional._recurrence import recurrent_layers
from ...functional._recurrent import GATES, KINDS, _joined
from .._graph import Call, Constant, Graph, Ref, refs
from ._step import (
    Derived,
    Each,
    Further,
    NotLowered,
    Result,
    Same,
    Shape,
    Source,
    Step,
    Strided,
    any_source,
    arguments,
    between,
    lowering,
)
from .linear import pack

MOST_VALUES = 255  # of one call, as `between` numbers them


def _rows_packed(weight: Array, begin: int, end: int) -> Array:
    return pack(weight[begin:end])


def _bias(b_ih: Array, b_hh: Array, units: int, kind: str, part: int) -> Array:
    found = _joined(b_ih, b_hh, units, kind)[part]
    assert found is not None
    return found


def _state(states: Array, place: int) -> Array:
    return states[place]


class _Layers:
    """A call of `recurrent_layers`, and the numbers of the values that its steps write."""

    def __init__(self, call: Call, graph: Graph):
        self.call, self.given = call, arguments(call)
        self.number, self.shape, self.dtype = any_source(self.given["input"], graph)
        self.kind, self.batch_first = self.given["kind"], self.given["batch_first"]
        self.directions = [own for layer in self.given["weights"] for own in layer]
        self.width = len(self.given["weights"][0])  # directions of a layer
        self.states = 1 + (self.kind == "LSTM")
        if graph.whole or len(self.shape) != 2 or self.dtype not in FLOATS[1:]:
            raise NotLowered
        if len(self.directions) * 3 > MOST_VALUES:
            raise NotLowered
        if any(each is not None and _array(each).dtype != self.dtype for own in self.directions for each in own):
            raise NotLowered
        parts = {each.args[1]: each.number for each in graph.calls if each.reads == {call.number}}
        read = set(refs(graph.results))
        for each in reversed(graph.calls):
            read |= each.reads if each.number in read else set()
        self.kept = any(parts.get(i) in read for i in range(1, 1 + self.states))
        fixed = self.given["states"] or []
        if self.kept and not self.batch_first:  # time leads the program's arrays, but not the states
            raise NotLowered
        if any(not isinstance(each, Constant) or each.array.dtype != self.dtype for each in fixed):
            raise NotLowered
        if fixed and self.batch_first and graph.batch is None:
            raise NotLowered

    def output(self, layer: int) -> int:
        """The number of a layer's output."""
        return between(self.call, layer)

    def last(self, state: int, place: int) -> int:
        """The number of a direction's h or c after its last step."""
        return between(self.call, (1 + state) * len(self.directions) + place)

    def steps(self) -> list[Step]:
        found = []
        for place, own in enumerate(self.directions):
            layer = place // self.width
            found.append(self._step(place, own, self.output(layer - 1) if layer else self.number))
        return found

    def _step(self, place: int, own: list[Any], source: int) -> Step:
        w_ih, w_hh, b_ih, b_hh, w_hr = own
        steps, n = (self.shape[0], Each(1)) if self.batch_first else (Each(1), self.shape[0])
        units, p = _array(w_hh).shape[0] // GATES[self.kind], _array(w_hh).shape[1]
        joint, gates = (GATES[self.kind] - (self.kind == "GRU")) * units, GATES[self.kind] * units
        row, layer, direction = p * self.width, *divmod(place, self.width)
        biases = [Derived(_bias, (b_ih, b_hh, units, self.kind, part)) for part in (0, 1)]
        fields: dict[str, Any] = {
            "y": Strided(Result, (row, 1), direction * p * self.dtype.itemsize), "x": Source(0),
            "bias": None if b_ih is None else biases[0], "packed_x": Derived(pack, (w_ih,)),
            "packed": Derived(_rows_packed, (w_hh, 0, joint)), "kind": KINDS[self.kind], "steps": steps, "n": n,
            "rows": Each(self.shape[0]), "size": units, "p": p, "reverse": direction == 1,
            "batch_first": self.batch_first, "features": _array(w_ih).shape[1],
        }  # fmt: skip
        if self.kind == "GRU":
            fields["packed_n"] = Derived(_rows_packed, (w_hh, joint, gates))
            fields["b_hn"] = None if b_ih is None else biases[1]
        if w_hr is not None:
            fields["packed_r"] = Derived(pack, (w_hr,))
        for letter, each in zip("hc", self.given["states"] or [], strict=False):
            fields[f"{letter}0"] = Derived(_state, (each, place))
        further: dict[int, Shape] = {}
        for state, letter in enumerate("hc"[: self.states] if self.kept else ""):
            fields[letter] = Further(self.last(state, place))
            further[self.last(state, place)] = (units if state else p,)
        return Step(
            "recurrent", self.output(layer), (source,), (self.shape[0], row), fields, self.dtype, further=further
        )


def _array(weight: Any) -> Array:
    if not isinstance(weight, Constant):
        raise NotLowered
    return weight.array


@lowering(recurrent_layers)
def _recurrent_layers(call: Call, graph: Graph) -> list[Step]:
    return _Layers(call, graph).steps()


def _maker(argument: Any, graph: Graph) -> Call | None:
    """The call that made what `argument` refers to."""
    return next((each for each in graph.calls if isinstance(argument, Ref) and each.number == argument.number), None)


@lowering(operator.getitem)
def _part(call: Call, graph: Graph) -> Same | Call:
    """The output, all last states, or those of one layer and direction."""
    array, index = call.args
    maker = _maker(array, graph)
    if maker is not None and maker.function is recurrent_layers:
        layers = _Layers(maker, graph)
        if index == 0:
            return Same(call.number, layers.output(len(layers.given["weights"]) - 1))
        states = [Ref(layers.last(index - 1, place)) for place in range(len(layers.directions))]
        return Call(np.stack, (states,), {}, call.number)
    part = maker.args[1] if maker is not None and maker.function is operator.getitem else 0
    whole = _maker(maker.args[0], graph) if maker is not None and part in (1, 2) else None
    if whole is None or whole.function is not recurrent_layers or type(index) is not int:
        raise NotLowered
    layers = _Layers(whole, graph)
    return Same(call.number, layers.last(part - 1, range(len(layers.directions))[index]))
