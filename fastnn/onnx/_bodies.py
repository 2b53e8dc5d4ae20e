"""Graphs inside of nodes: bodies of loops and branches, which have plans as models do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._plans import Plans
from ._program import Program, Scope

SHAPES = 8  # kinds of inputs that have plans; of states that grow each turn sees another one


class Body:
    """A graph inside a node, planned from the second call on: a plan takes its inputs and what it reads around it."""

    def __init__(self, program: Program):
        self.program = program
        constants = {name: program.around[name] for name in program.reads if name in program.around}
        self.outer = sorted(program.reads - constants.keys())
        self.plans = Plans(program, constants, self.outer, by_value=False)
        self.seen: set[Any] = set()

    def bound(self, scope: Scope) -> Callable[..., list[Any]]:
        """The graph as a function of its inputs."""

        def body(*values: Any) -> list[Any]:
            given = dict(zip(self.program.inputs, values, strict=True))
            results = self._planned(given | {name: scope[name] for name in self.outer})
            return self.program(given, scope) if results is None else results

        return body

    def _planned(self, feeds: dict[str, Any]) -> list[Any] | None:
        """What the plan gives, or None."""
        if not all(isinstance(each, np.ndarray) for each in feeds.values()):
            return None
        kept = self.plans.find(feeds)
        if kept is not None and kept.whole is not None:
            results = kept.whole(feeds)
            if results is not None:
                return results
        if kept is None:
            kind = self.plans.kind(feeds)
            if kind not in self.seen:
                if len(self.seen) < SHAPES:
                    self.seen.add(kind)
                return None
        return self.plans(feeds)
