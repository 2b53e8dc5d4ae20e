"""A model's plans, one for each kind of input: its shapes and types, and the values of what decides branches."""

from __future__ import annotations

import itertools
import os
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _core
from .._check import Array
from ..graph._freeze import _close, _rounding
from ..graph._graph import Call, Graph, Ref
from ..graph._plan import Plan, Refused, Weights
from ._program import Program
from ._specialize import NeedsValue, Recorder

PLANS = 32  # of one model; the one used longest ago goes


@dataclass
class Kept:
    """A plan, or None where the program runs as it is; the inputs that the plan takes."""

    plan: Plan | None
    inputs: list[str]
    whole: Whole | None
    used: int
    isa: str


class Whole:
    """A plan's only program, if the model's outputs are its own, in order: called without a look at the plan."""

    def __init__(self, program: _core.Program, inputs: list[str], shapes: list[Any]):
        self.program, self.inputs, self.shapes = program, inputs, shapes
        self.single, self.as_made = len(shapes) == 1, all(each is None for each in shapes)

    def __call__(self, feeds: dict[str, Array]) -> list[Array] | None:
        """The outputs, or None: the plan is to be asked."""
        found = self.program(*[feeds[name] for name in self.inputs])
        if found is None:
            return None
        results = [found] if self.single else list(found)
        if self.as_made:
            return results
        return [y if shape is None else y.reshape(shape) for y, shape in zip(results, self.shapes, strict=True)]


class Plans:
    """The plans of a program; `plans(feeds)` is what the program gives, or None where it has to run as it is.

    Attributes
    ----------
    graph : Graph or None
        Of the plan made last.
    passes : dict of str to int
        What each pass did to that graph, and how often.
    """

    def __init__(self, program: Program):
        self.program, self.graph = program, None
        self.passes: dict[str, int] = {}
        self._names = [name for name in program.inputs if name not in program.constants]
        self._weights = Weights([each for each in program.constants.values() if isinstance(each, np.ndarray)])
        self._kept: dict[Any, Kept] = {}
        self._valued: dict[Any, frozenset[str]] = {}
        self._clock = itertools.count()
        self._lock = threading.Lock()

    graph: Graph | None

    def find(self, feeds: dict[str, Array]) -> Kept | None:
        """The plan for inputs of which one like them has been seen."""
        if len(feeds) != len(self._names):
            return None
        key = self._shapes(feeds)
        valued = self._valued.get(key)
        if valued:
            key = key, tuple([feeds[name].item() for name in valued])
        kept = self._kept.get(key)
        if kept is not None:
            kept.used = next(self._clock)
        return kept

    def steps(self) -> dict[int, Any]:
        """Of all programs, by their keys: what their steps are called, and bytes."""
        plans = [kept.plan for kept in list(self._kept.values()) if kept.plan is not None]
        return {key: each for plan in plans for key, each in plan.steps().items()}

    def _shapes(self, feeds: dict[str, Array]) -> Any:
        given = [feeds[name] for name in self._names]
        return tuple([x.shape for x in given]), tuple([x.dtype for x in given])

    def __call__(self, feeds: dict[str, Array]) -> list[Array] | None:
        """The outputs."""
        if any(x.dtype.kind == "O" for x in feeds.values()):  # texts
            return None
        kept = self.find(feeds)
        if kept is None or kept.isa != _core.isa():
            with self._lock:
                kept = self.find(feeds)
                if kept is None or kept.isa != _core.isa():
                    kept = self._keep(feeds)
        if kept.plan is None:
            return None
        try:
            return list(kept.plan([feeds[name] for name in kept.inputs], 0))
        except Refused:
            return None

    def _keep(self, feeds: dict[str, Array]) -> Kept:
        shapes = self._shapes(feeds)
        valued = self._valued.get(shapes, frozenset[str]())
        while True:
            try:
                recorder = Recorder(self.program, feeds, valued)
                break
            except NeedsValue as error:
                valued |= error.names
        plan = self._planned(recorder, feeds)
        if len(self._kept) >= PLANS:
            del self._kept[min(self._kept, key=lambda each: self._kept[each].used)]
        if len(self._valued) > 16 * PLANS:
            self._valued.clear()
        self._valued[shapes] = valued
        key = (shapes, tuple([feeds[name].item() for name in valued])) if valued else shapes
        kept = self._kept[key] = Kept(
            plan, recorder.inputs, _whole(plan, recorder.inputs), next(self._clock), _core.isa()
        )
        return kept

    def _planned(self, recorder: Recorder, feeds: dict[str, Array]) -> Plan | None:
        """A plan that gives what the program gave, or None."""
        if not any(isinstance(each, Ref) for each in recorder.graph.results):
            return None
        try:
            plan = Plan(recorder.graph, self._weights)
            if not recorder.drawn:
                with np.errstate(all="ignore"):
                    made = plan([feeds[name].copy() for name in recorder.inputs], 0)
                rounding = _rounding(recorder.graph)
                if not all(_alike(*both, rounding) for both in zip(made, recorder.results, strict=True)):
                    raise ValueError("a plan computes other numbers")
        except Refused:
            return None
        except Exception:
            if os.environ.get("FASTNN_DEBUG"):
                raise
            return None
        self.graph, self.passes = recorder.graph, dict(recorder.passes)
        return plan


def _alike(made: Any, expected: Array, rounding: float) -> bool:
    """Whether a result is what the program gave, but for rounding; types that NumPy does not know, bit by bit."""
    made = np.asarray(made)
    if expected.dtype.isbuiltin == 1:
        return _close(made, expected, rounding)
    return made.dtype == expected.dtype and made.shape == expected.shape and made.tobytes() == expected.tobytes()


def _whole(plan: Plan | None, inputs: list[str]) -> Whole | None:
    """The plan as a single call, if it is one."""
    if plan is None or len(plan.stages) != 1:
        return None
    stage, program = plan.stages[0], plan.stages[0].work
    if isinstance(program, Call):
        return None
    results = [each.number if isinstance(each, Ref) else -1 for each in plan.graph.results]
    if [plan.stored.get(number) for number in results] != stage.outputs:
        return None
    shapes = [None if plan.stored[number] == number else plan.graph.sample(number) for number in results]
    return Whole(program, [inputs[i] for i in stage.inputs], shapes)


def owned(results: list[Any], given: list[Array]) -> list[Any]:
    """Results that the caller may change: copies of those that share memory with the model, an input, or each other."""
    found: list[Any] = []
    for each in results:
        each = np.asarray(each)
        shared = not each.flags.writeable or any(np.may_share_memory(each, other) for other in (*given, *found))
        found.append(each.copy() if shared else each)
    return found
