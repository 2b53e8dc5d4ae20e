"""A graph as stages: programs, which run in C without the interpreter, and single calls between them."""

from __future__ import annotations

import hashlib
import math
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _core
from .._check import Array
from ..autograd import no_grad
from ._graph import Call, Constant, Graph, Own, Ref, filled, refs
from ._layout import lay_out
from ._passes import Steps
from .lowering import Derived, Result, Scratch, Source, Step, lowered, record

Shape = tuple[int, ...]

_made: weakref.WeakValueDictionary[Any, Any] = weakref.WeakValueDictionary()  # what all plans hold, by content


class Weights:
    """Constants as programs read them: each is made once for a model, and shared with other models by content."""

    def __init__(self, arrays: list[Array]):
        self.own = {id(array): array for array in arrays}
        self.contents: dict[Any, bytes] = {}  # of the model's own arrays, which nobody changes
        self.made: dict[Any, Array] = {}

    def __call__(self, value: Constant | Derived | Array) -> Array:
        """The array, contiguous."""
        if isinstance(value, np.ndarray):
            return np.ascontiguousarray(value)
        if isinstance(value, Constant):
            return value.array if value.array.flags.c_contiguous else self(Derived(np.ascontiguousarray, (value,)))
        key = self._key(value), _core.isa()
        if key not in self.made:
            found = _made.get(key)
            self.made[key] = _made[key] = np.ascontiguousarray(self._value(value)) if found is None else found
        return self.made[key]

    def _value(self, given: Any) -> Any:
        if isinstance(given, Derived):
            return given.make(*map(self._value, given.given))
        return given.array if isinstance(given, Constant) else given

    def _key(self, given: Any) -> Any:
        """Equal for what has equal values."""
        if isinstance(given, Derived):
            return given.make, *map(self._key, given.given)
        return self._content(given.array) if isinstance(given, Constant) else given

    def _content(self, array: Array) -> Any:
        owner: Any = array
        while owner is not None and id(owner) not in self.own:
            owner = getattr(owner, "base", None)  # the array that it is a view of
        if owner is None:
            return _content(array)
        place = array.__array_interface__["data"][0], array.shape, array.strides
        if place not in self.contents:
            self.contents[place] = _content(array)
        return self.contents[place]


def _content(array: Array) -> Any:
    dense = np.ascontiguousarray(array)
    return hashlib.blake2b(dense.data if dense.size else b"", digest_size=32).digest(), array.shape, array.dtype.str


def _program(steps: list[Step], graph: Graph, weights: Weights) -> tuple[_core.Program, list[int]]:
    """One program for steps of which only the last is needed afterwards, and the numbers of its inputs."""
    own = {step.number for step in steps}
    inputs = sorted({source for step in steps for source in step.sources} - own)
    dtype = graph.values[steps[-1].number].dtype
    arena = _Arena(steps, inputs, dtype)
    shapes = []
    for number in inputs:
        shape = graph.sample(number)
        assert shape is not None
        shapes.append(shape)

    def placed(step: Step) -> Any:
        """Where the arrays of a step lie."""
        scratch = iter(range(len(inputs), len(inputs) + arena.scratch))

        def place(value: Any) -> Any:
            if value is Result:
                return arena.register[step.number]
            if isinstance(value, Source):
                return arena.register[step.sources[value.place]]
            if isinstance(value, Scratch):
                return next(scratch)
            return None if value is None else weights(value)

        return place

    records = [record(step, placed(step)) for step in steps]
    return _core.Program(dtype, shapes, arena.sizes, steps[-1].shape, records), inputs


class _Arena:
    """Registers of values by lifetime: one that no later step reads is given to another value.

    register : dict of int to int
        Of each value; those of the inputs come first, then scratch memory, which all steps share, and the last one is
        the output's.
    sizes : list of int
        Bytes for one sample, of the registers after the inputs.
    """

    def __init__(self, steps: list[Step], inputs: list[int], dtype: np.dtype[Any]):
        self.sizes: list[int] = []
        for step in steps:
            needed = [value.doubles * 8 for value in step.fields.values() if isinstance(value, Scratch)]
            for i, size in enumerate(needed):
                self.sizes[i:] = [max(size, *self.sizes[i : i + 1], 0), *self.sizes[i + 1 :]]
        self.scratch, own = len(self.sizes), {step.number for step in steps}
        last_use = {source: i for i, step in enumerate(steps) for source in step.sources}
        self.register = {number: i for i, number in enumerate(inputs)}
        free: list[int] = []
        for i, step in enumerate(steps[:-1]):
            size = math.prod(step.shape) * dtype.itemsize
            if free:
                slot = free.pop()
                self.sizes[slot] = max(self.sizes[slot], size)
            else:
                slot = len(self.sizes)
                self.sizes.append(size)
            self.register[step.number] = len(inputs) + slot
            free += [self.register[n] - len(inputs) for n in set(step.sources) & own if last_use[n] == i]
        self.register[steps[-1].number] = len(inputs) + len(self.sizes)
        self.sizes.append(math.prod(steps[-1].shape) * dtype.itemsize)


@dataclass(frozen=True)
class Stage:
    """A program or a call, the numbers of what it reads, and the number of its result."""

    work: _core.Program | Call
    inputs: list[int]
    number: int


class Plan:
    """The stages of a graph: `plan(inputs, batch)` is the model's output."""

    def __init__(self, graph: Graph, weights: Weights):
        self.graph = graph
        listed = Steps(lowered(graph), graph)
        lay_out(listed, graph)
        self.stored, self.results, self.weights = listed.stored, graph.results, weights
        self.stages: list[Stage] = []
        group: list[Step] = []
        for i, item in enumerate(listed.items):
            if isinstance(item, Step):
                group.append(item)
            else:
                self._close(group, listed.items[i:])
                self.stages.append(Stage(item, sorted(item.reads), item.number))
        self._close(group, [])
        self._samples = {number: graph.sample(number) for number in self.stored}
        self._run = [self._runner(stage) for stage in self.stages]

    def _close(self, group: list[Step], rest: list[Step | Call]) -> None:
        """Make stages of the steps gathered."""
        needed = {self.stored[number] for number in refs(self.results)}
        for item in rest:
            read = item.sources if isinstance(item, Step) else item.reads
            needed.update(self.stored[number] for number in read)
        leaving = [step.number for step in group if step.number in needed]
        parts = [group] if leaving == [step.number for step in group[-1:]] else [[step] for step in group]
        for part in parts if group else []:
            program, inputs = _program(part, self.graph, self.weights)
            self.stages.append(Stage(program, inputs, part[-1].number))
        group.clear()

    @property
    def program(self) -> _core.Program | None:
        """The only stage, if it is a program of all inputs, in order, whose output is the model's for any batch."""
        stage = self.stages[0] if len(self.stages) == 1 else None
        if stage is None or isinstance(stage.work, Call) or self.graph.batch is not None:
            return None
        result = self.results.number if isinstance(self.results, Ref) else None
        if result is None or self.stored[result] != stage.number or stage.inputs != list(range(len(self.graph.inputs))):
            return None
        return stage.work if stage.work.output == self.graph.sample(result) else None

    @property
    def own(self) -> list[str]:
        """Modules that are called as they are, and why."""
        return [str(call.function) for call in self.graph.calls if isinstance(call.function, Own)]

    def _fetch(self, number: int, values: dict[int, Any], batch: int) -> Any:
        kept, shape = values[self.stored[number]], self._samples[number]
        return kept if self.stored[number] == number or shape is None else kept.reshape(batch, *shape)

    def _runner(self, stage: Stage) -> Callable[[dict[int, Any], int], Any]:
        """What computes a stage's result from the values before it and the batch size."""
        work = stage.work
        if isinstance(work, Call):
            template = work.args, work.kwargs
            return lambda values, batch: self._call(work.function, template, values, batch)

        def run(values: dict[int, Any], batch: int) -> Any:
            given = [
                np.ascontiguousarray(self._fetch(number, values, batch)).reshape(batch, *shape)
                for number, shape in zip(stage.inputs, work.inputs, strict=True)
            ]
            return work(*given)

        return run

    def _call(self, function: Any, template: Any, values: dict[int, Any], batch: int) -> Any:
        args, kwargs = filled(template, lambda number: self._fetch(number, values, batch), batch)
        return function(*args, **kwargs)

    def __call__(self, inputs: list[Array], batch: int) -> Any:
        """Compute the output for inputs."""
        values: dict[int, Any] = dict(enumerate(inputs))
        with no_grad():
            for stage, run in zip(self.stages, self._run, strict=True):
                values[stage.number] = run(values, batch)
            return filled(self.results, lambda number: self._fetch(number, values, batch), batch)
