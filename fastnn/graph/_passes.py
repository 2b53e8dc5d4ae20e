"""Passes over a graph's steps: what changes no value goes, what the step before can do as well is folded into it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ._graph import Call, Graph, refs
from ._lower import Step


class Steps:
    """Steps, and calls that are none, in order.

    items : list of Step or Call
    place : dict of int to int
        Under which number a value is kept that has no own; others under theirs.
    """

    def __init__(self, items: list[Step | Call], graph: Graph):
        self.items: list[Step | Call] = []
        self.place = {number: number for number in range(len(graph.inputs))}
        self.place.update({item.number: item.number for item in items})
        self.uses = Counter(number for call in graph.calls for number in call.reads)
        self.uses.update(refs(graph.results))
        for item in items:
            self._add(item)

    def _add(self, item: Step | Call) -> None:
        if isinstance(item, Step):
            item.sources = tuple(self.place[number] for number in item.sources)
            before = self.items[-1] if self.items else None
            if item.kind == "alias":
                return self._merge(item.number, item.sources[0])
            if isinstance(before, Step) and item.sources == (before.number,) and self._fold(before, item):
                return self._merge(item.number, before.number)
        return self.items.append(item)

    def _merge(self, number: int, kept: int) -> None:
        self.place[number] = kept
        self.uses[kept] += self.uses[number] - 1

    def _fold(self, before: Step, step: Step) -> bool:
        """Batch norm goes into the weights before it, an activation into the loop that ends the product."""
        if before.kind != "linear" or "act" in before.options or self.uses[before.number] != 1:
            return False
        if step.kind == "batch_norm" and len(step.shape) == 1 and len(before.shape) == 1:
            before.constants = scaled(before.constants, step.constants)
            return True
        if step.kind == "act":
            before.options.update({name: step.options[name] for name in ("act", "a", "b")})
            return True
        return False


def scaled(linear: dict[str, Any], norm: dict[str, Any]) -> dict[str, Any]:
    """W and b of norm(W x + b), computed in double and rounded once."""
    weight, bias = linear["weight"], linear["bias"]
    gain = norm["rstd"] if norm["weight"] is None else norm["rstd"] * norm["weight"]
    shift = (-norm["mean"] if bias is None else bias - norm["mean"]) * gain
    shift = shift if norm["bias"] is None else shift + norm["bias"]
    return {"weight": (weight * gain[:, None]).astype(weight.dtype, order="K"), "bias": shift.astype(weight.dtype)}
