"""A model's plans, one for each kind of inputs: their shapes, dtypes, and values that decide branches or shapes."""

from __future__ import annotations

import operator
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _core
from .._check import Array
from ..graph._compare import close, rounding
from ..graph._graph import Call, Graph, Ref
from ..graph._plan import Plan, Refused, Weights
from ..graph._recent import Recent
from ._program import Program
from ._specialize import NeedsValue, Recorder, TooLarge

VALUED = 512  # most kinds of inputs whose deciding inputs are remembered


@dataclass(eq=False, repr=False)
class Kept:
    """A plan, or None where the program runs as it is; the inputs that the plan takes."""

    plan: Plan | None
    inputs: list[str]
    whole: Whole | None
    isa: str
    used: int = 0


class Whole:
    """A plan that consists of one program, which is called directly.

    places : for each output of the model its index among the program's outputs, or -1 - i if it is input i
    shapes : for each output of the model its shape where the program's differs, else None
    """

    def __init__(
        self, program: _core.Program, inputs: list[str], places: list[int], shapes: list[Any], given: list[str]
    ):
        self.program, self.inputs, self.places, self.shapes, self.given = program, inputs, places, shapes, given
        self.single = len(program.outputs) == 1
        self.as_made = places == list(range(len(program.outputs))) and all(each is None for each in shapes)

    def __call__(self, feeds: dict[str, Array]) -> list[Array] | None:
        """The outputs, or None if the plan has to be called instead."""
        found = self.program(*[feeds[name] for name in self.inputs])
        if found is None:
            return None
        made = [found] if self.single else found
        if self.as_made:
            return list(made)
        results = [
            np.array(feeds[self.given[-1 - i]]) if i < 0 else made[i] if i not in self.places[:at] else made[i].copy()
            for at, i in enumerate(self.places)
        ]
        return [y if shape is None else y.reshape(shape) for y, shape in zip(results, self.shapes, strict=True)]

    def bound(self, values: dict[str, Array], outer: dict[str, Array]) -> Callable[..., Any]:
        """A function of a tuple of inputs, of the same kind and order as `values`; those of `outer` are fixed.

        It returns the outputs, which may share memory or be inputs, or None if the plan has to be called instead.
        """
        places = {name: i for i, name in enumerate([*values, *outer])}
        taken = [places[name] for name in self.inputs]
        unread = [(places[name], x.shape, x.dtype) for name, x in values.items() if name not in self.inputs]
        count = len(self.program.outputs)
        made = [i if i >= 0 else count + places[self.given[-1 - i]] for i in self.places]
        changed = [(i, shape) for i, shape in enumerate(self.shapes) if shape is not None]
        program, single, rest = self.program, self.single, tuple(outer.values())
        chosen, picked = _picker(taken), _picker(made)

        def call(given: tuple[Array, ...]) -> Any:
            for i, shape, dtype in unread:
                if given[i].shape != shape or given[i].dtype != dtype:
                    return None
            given += rest
            found = program(*chosen(given))
            if found is None:
                return None
            results = picked((found, *given) if single else found + given)
            if not changed:
                return results
            results = list(results)
            for i, shape in changed:
                results[i] = results[i].reshape(shape)
            return results

        return call


def _picker(places: list[int]) -> Callable[[tuple[Any, ...]], Any]:
    """A function that picks these entries of a tuple."""
    return operator.itemgetter(*places) if len(places) > 1 else lambda values: [values[i] for i in places]


class Plans:
    """The plans of a program; `plans(feeds)` is what the program gives, or None where it has to run as it is.

    For a graph inside a node, `around` holds the constants of enclosing graphs that it reads, and `outer` the names of
    other values that it reads there, which are fed as inputs.  Only with `by_value` may an input get a plan per value.

    Attributes
    ----------
    graph : Graph or None
        The graph of the plan made last.
    passes : dict of str to int
        What each pass did to that graph, and how often.
    unplanned : tuple of str
        Why the last attempt to make a plan failed: the error's type and text.
    """

    graph: Graph | None

    def __init__(
        self, program: Program, around: dict[str, Any] | None = None, outer: Sequence[str] = (), by_value: bool = True
    ):
        self.program, self.graph, self.by_value = program, None, by_value
        self.constants = (around or {}) | program.constants
        self.passes: dict[str, int] = {}
        self.unplanned: tuple[str, ...] = ()
        self._names = [*(name for name in program.inputs if name not in program.constants), *outer]
        self._weights = Weights([each for each in self.constants.values() if isinstance(each, np.ndarray)])
        self._kept: Recent[Kept] = Recent()
        self._valued: dict[Any, frozenset[str]] = {}
        self._lock = threading.Lock()

    def find(self, feeds: dict[str, Array]) -> Kept | None:
        """The plan that is kept for inputs of this kind, or None."""
        if len(feeds) != len(self._names):
            return None
        key = self.kind(feeds)
        valued = self._valued.get(key)
        if valued:
            key = key, tuple([feeds[name].item() for name in valued])
        return self._kept.find(key)

    def steps(self) -> dict[int, Any]:
        """The steps of all programs by the programs' keys: names, modules and bytes."""
        plans = [kept.plan for kept in list(self._kept.values()) if kept.plan is not None]
        return {key: each for plan in plans for key, each in plan.steps().items()}

    def kind(self, feeds: dict[str, Array]) -> Any:
        """The shapes and dtypes of the inputs."""
        given = [feeds[name] for name in self._names]
        return tuple([x.shape for x in given]), tuple([x.dtype for x in given])

    def __call__(self, feeds: dict[str, Array]) -> list[Array] | None:
        """The outputs, or None: the program has to run as it is."""
        if any(x.dtype.kind == "O" for x in feeds.values()):  # strings
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
            results = kept.plan([feeds[name] for name in kept.inputs], 0)
            return [np.asarray(each) for each in results]  # NumPy's functions make numbers of arrays without dimensions
        except Refused:
            return None

    def _keep(self, feeds: dict[str, Array]) -> Kept:
        shapes = self.kind(feeds)
        valued = self._valued.get(shapes, frozenset[str]())
        recorder: Recorder | None
        while True:
            try:
                recorder = Recorder(self.program, feeds, valued, self.constants)
                break
            except NeedsValue as error:
                valued |= error.names if self.by_value else frozenset()
                if self.by_value:
                    continue
            except TooLarge:
                pass
            recorder = None
            break
        plan, inputs = (None, []) if recorder is None else (self._planned(recorder, feeds), recorder.inputs)
        if len(self._valued) > VALUED:
            self._valued.clear()
        self._valued[shapes] = valued
        key = (shapes, tuple([feeds[name].item() for name in valued])) if valued else shapes
        return self._kept.keep(key, Kept(plan, inputs, _whole(plan, inputs), _core.isa()))

    def _planned(self, recorder: Recorder, feeds: dict[str, Array]) -> Plan | None:
        """A plan, or None; unless random, its results are compared with the program's."""
        if not any(isinstance(each, Ref) for each in recorder.graph.results):
            return None
        try:
            plan = Plan(recorder.graph, self._weights)
            if not recorder.drawn:
                with np.errstate(all="ignore"):
                    made = plan([feeds[name].copy() for name in recorder.inputs], 0)
                relative = rounding(recorder.graph)
                if not all(_alike(*both, relative) for both in zip(made, recorder.results, strict=True)):
                    raise ValueError("a plan computes other numbers")
        except Refused:
            return None
        except Exception as error:
            if os.environ.get("FASTNN_DEBUG"):
                raise
            self.unplanned = (f"{type(error).__name__}: {error}",)
            return None
        self.graph, self.passes, self.unplanned = recorder.graph, dict(recorder.passes), ()
        return plan


def _alike(made: Any, expected: Array, relative: float) -> bool:
    """Whether a result equals the program's up to rounding, or bit by bit for dtypes that NumPy does not define."""
    made = np.asarray(made)
    if expected.dtype.num < 256:  # other packages' dtypes begin at 256
        return close(made, expected, relative)
    return made.dtype == expected.dtype and made.shape == expected.shape and made.tobytes() == expected.tobytes()


def _whole(plan: Plan | None, inputs: list[str]) -> Whole | None:
    """The plan as a single call, if it is one."""
    if plan is None or len(plan.stages) != 1:
        return None
    stage, program, results = plan.stages[0], plan.stages[0].work, plan.graph.results
    if isinstance(program, Call) or not all(isinstance(each, Ref) for each in results):
        return None
    numbers = [plan.stored[each.number] for each in results]
    made = [number for number in numbers if number >= len(inputs)]
    if set(made) != set(stage.outputs):
        return None
    places = [stage.outputs.index(n) if n in made else -1 - n for n in numbers]
    sample = plan.graph.sample
    shapes = [
        None if sample(n) == sample(each.number) else sample(each.number)
        for n, each in zip(numbers, results, strict=True)
    ]
    return Whole(program, [inputs[i] for i in stage.inputs], places, shapes, inputs)
