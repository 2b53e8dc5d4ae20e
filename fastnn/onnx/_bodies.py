"""Graphs inside nodes (bodies of loops, branches of `If`), which get plans as models do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._plans import Kept, Plans
from ._program import Program, Scope

SHAPES = 8  # most kinds of inputs that get plans; a growing state has a new one each turn


class Body:
    """A graph inside a node, planned from the second call on; outer values that it reads are inputs of its plans."""

    def __init__(self, program: Program):
        self.program = program
        constants = {name: program.around[name] for name in program.reads if name in program.around}
        self.outer = sorted(program.reads - constants.keys())
        self.plans = Plans(program, constants, self.outer, by_value=False)
        self.seen: set[Any] = set()

    def bound(self, scope: Scope) -> Callable[..., list[Any]]:
        """The graph as a function of its inputs."""
        outer = {name: scope[name] for name in self.outer}
        again: Callable[..., list[Any] | None] | None = None  # the last call's plan, with the values of `outer` fixed

        def body(*values: Any) -> list[Any]:
            nonlocal again
            if again is not None:
                results = again(values)
                if results is not None:
                    return results
            given = dict(zip(self.program.inputs, values, strict=True))
            feeds = given | outer
            if not all(isinstance(each, np.ndarray) for each in feeds.values()):
                return self.program(given, scope)
            kept = self.plans.find(feeds)
            whole = None if kept is None else kept.whole
            again = None if whole is None else whole.bound(given, outer)
            results = None if again is None else again(values)
            results = self._planned(kept, feeds) if results is None else results
            return self.program(given, scope) if results is None else results

        return body

    def _planned(self, kept: Kept | None, feeds: dict[str, Any]) -> list[Any] | None:
        """The plan's outputs or None; a plan is made when this kind of inputs comes again."""
        if kept is None:
            kind = self.plans.kind(feeds)
            if kind not in self.seen:
                if len(self.seen) < SHAPES:
                    self.seen.add(kind)
                return None
        return self.plans(feeds)
