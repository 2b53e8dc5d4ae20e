"""Passes over a graph's steps: those that change no value are dropped, others are folded into the step before."""

from __future__ import annotations

from collections import Counter

from ._graph import Call, Graph, refs
from .lowering import FOLDINGS, Same, Step, reads


class Steps:
    """Steps, and calls that are not lowered, in order.

    items : list of Step or Call
    stored : dict of int to int
        For each value, the one whose memory holds it: itself, or another one if it was reshaped or folded.
    """

    def __init__(self, items: list[Step | Same | Call], graph: Graph):
        self.items: list[Step | Call] = []
        self.stored = {number: number for number in range(len(graph.inputs))}
        self.uses = Counter(number for item in items for number in reads(item))
        self.uses.update(refs(graph.results))
        self._last_maker: dict[int, int] = {}  # the place in `items` of the last item that makes a value
        self._parted: set[int] = set()  # values that several steps make in parts
        for item in items:
            self._add(item)

    def _add(self, item: Step | Same | Call) -> None:
        if isinstance(item, Same):
            return self._merge(item.number, self.stored[item.source])
        if isinstance(item, Step):
            item.sources = tuple(self.stored[number] for number in item.sources)
            for number in item.sources:
                if self._fold(number, item):
                    return self._merge(item.number, number)
        for number in item.written if isinstance(item, Step) else (item.number,):
            self.stored[number] = number
            self._parted.update({number} & self._last_maker.keys())
            self._last_maker[number] = len(self.items)
        return self.items.append(item)

    def _merge(self, number: int, kept: int) -> None:
        self.stored[number] = kept
        self.uses[kept] += self.uses[number] - 1

    def _fold(self, number: int, step: Step) -> bool:
        """Fold `step` into the step that makes this value; return whether that was possible."""
        place = self._last_maker.get(number, -1)
        before = self.items[place] if place >= 0 else None
        if not isinstance(before, Step) or self.uses[number] != 1 or number in self._parted:
            return False
        fold = FOLDINGS.get((before.op, step.op))
        others = [self._last_maker.get(source, -1) for source in step.sources if source != number]
        if fold is None or not all(other < place for other in others) or not fold(before, step):
            return False
        before.calls += step.calls
        return True
