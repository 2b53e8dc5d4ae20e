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
from ._graph import Call, Constant, Graph, Own, Ref, Value, filled, refs
from ._layout import lay_out
from ._passes import Steps
from ._program import LAST, make_program
from .lowering import Derived, Further, Result, Scratch, Source, Step, Strided, Wrong, lowered, reads, record

Shape = tuple[int, ...]

_made: weakref.WeakValueDictionary[Any, Any] = weakref.WeakValueDictionary()  # derived arrays of all models, by content


class Weights:
    """Constants as programs read them: each is made once for a model, and shared with other models by content."""

    def __init__(self, arrays: list[Array]):
        self.own = {id(array): array for array in arrays}
        self.contents: dict[Any, bytes] = {}  # hashes of the model's own arrays, which nobody changes, by address
        self.made: dict[Any, Array] = {}

    def __call__(self, value: Constant | Derived | Array) -> Array:
        """The array, contiguous."""
        if isinstance(value, np.ndarray):
            return dense(value)
        if isinstance(value, Constant):
            flags = value.array.flags
            return value.array if flags.c_contiguous and flags.aligned else self(Derived(dense, (value,)))
        key = self._key(value), _core.isa()
        if key not in self.made:
            found = _made.get(key)
            self.made[key] = _made[key] = dense(self._value(value)) if found is None else found
        return self.made[key]

    def _value(self, given: Any) -> Any:
        if isinstance(given, Derived):
            return given.make(*map(self._value, given.given))
        return np.require(given.array, requirements="A") if isinstance(given, Constant) else given

    def _key(self, given: Any) -> Any:
        """A key that is equal for arrays of equal values."""
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


def dense(array: Any) -> Array:
    """The array as kernels read it: contiguous and aligned, which one in a mapped file need not be."""
    return np.require(array, requirements=["C", "A"])


def _content(array: Array) -> Any:
    dense = np.ascontiguousarray(array)
    return hashlib.blake2b(dense.data if dense.size else b"", digest_size=32).digest(), array.shape, array.dtype.str


Known = dict[int, tuple[Any, Shape]]  # the dtype and sample shape of values


def _program(
    steps: list[Step], outputs: list[int], known: Known, weights: Weights, whole: bool
) -> tuple[_core.Program, list[int]]:
    """One program for steps, and the numbers of its inputs."""
    written = {number for step in steps for number in step.written}
    inputs = sorted({source for step in steps for source in step.sources} - written)
    arena = _Arena(steps, inputs, outputs)

    def placed(step: Step) -> Any:
        """The places of a step's arrays."""
        scratch = iter(range(arena.given, arena.given + arena.scratch))

        def place(value: Any) -> Any:
            if value is Result:
                return arena.register[step.number]
            if isinstance(value, Source):
                return arena.register[step.sources[value.place]]
            if isinstance(value, Further):
                return arena.register[value.number]
            if isinstance(value, Scratch):
                return next(scratch)
            if value is Wrong:
                return LAST
            return None if value is None else weights(value)

        return place

    records = [record(step, placed(step)) for step in steps]
    given, made = ([known[number] for number in numbers] for numbers in (inputs, outputs))
    return make_program(given, made, arena.sizes, records, whole), inputs


class _Arena:
    """Assigns values to registers: when no later step reads a value, its register serves another one.

    register : dict of int to int
        The register of each value; inputs and outputs come first, then scratch memory, which all steps share.
    sizes : list of int
        Bytes of one sample in each register after the outputs.
    """

    def __init__(self, steps: list[Step], inputs: list[int], outputs: list[int]):
        self.register = {number: i for i, number in enumerate([*inputs, *outputs])}
        self.given, self.sizes = len(self.register), [0] * 0
        for step in steps:
            for i, each in enumerate(value for value in step.fields.values() if isinstance(value, Scratch)):
                self.sizes[i:] = [max(8 * each.doubles, *self.sizes[i : i + 1], 0), *self.sizes[i + 1 :]]
        self.scratch = len(self.sizes)
        last_use = {source: i for i, step in enumerate(steps) for source in step.sources}
        kept, free = {*inputs, *outputs}, list[int]()
        for i, step in enumerate(steps):
            for number, shape in ((step.number, step.shape), *step.further.items()):
                if number not in self.register:
                    self.register[number] = self.given + self._slot(math.prod(shape) * step.dtype.itemsize, free)
            free += [self.register[n] - self.given for n in set(step.sources) - kept if last_use[n] == i]

    def _slot(self, size: int, free: list[int]) -> int:
        """A register for this number of bytes: the free one that has to grow least."""
        if not free:
            self.sizes.append(size)
            return len(self.sizes) - 1
        slot = min(free, key=lambda each: (max(size - self.sizes[each], 0), self.sizes[each]))
        free.remove(slot)
        self.sizes[slot] = max(self.sizes[slot], size)
        return slot


@dataclass(frozen=True)
class Stage:
    """A program of steps or a call, and the numbers of the values that it reads and writes."""

    work: _core.Program | Call
    inputs: list[int]
    outputs: list[int]
    steps: list[Step]


MOST_STEPS = 128  # of one program, which has at most MOST_REGISTERS registers


class Refused(Exception):
    """Raised for values that a program refuses: an index beyond its table, an integer that double does not hold."""


class Plan:
    """The stages of a graph: `plan(inputs, batch)` is the model's output."""

    def __init__(self, graph: Graph, weights: Weights):
        self.graph = graph
        listed = Steps(lowered(graph), graph)
        lay_out(listed, graph)
        self.stored, self.results, self.weights = listed.stored, graph.results, weights
        self.stages: list[Stage] = []
        self._known: Known = {}
        for number in self.stored:
            shape = graph.sample(number)
            if shape is not None:
                self._known[number] = graph.values[number].dtype, shape
        for item in listed.items:
            if isinstance(item, Step):
                self._known[item.number] = item.dtype, item.shape
                self._known |= {number: (item.dtype, shape) for number, shape in item.further.items()}
        group: list[Step] = []
        ends = {n: i for i, item in enumerate(listed.items) if isinstance(item, Step) for n in item.written}
        whole = 0  # index of the step that completes the values of which the group has written parts
        for i, item in enumerate(listed.items):
            if isinstance(item, Step):
                group.append(item)
                whole = max(whole, *(ends[number] for number in item.written))
            if isinstance(item, Call) or (len(group) >= MOST_STEPS and whole <= i):
                self._close(group, listed.items[i + isinstance(item, Step) :])
            if isinstance(item, Call):
                self.stages.append(Stage(item, sorted(item.reads), [item.number], []))
        self._close(group, [])
        self._samples = {number: graph.sample(number) for number in self.stored if number >= 0}
        self._run = [self._runner(stage) for stage in self.stages]

    def _close(self, group: list[Step], rest: list[Step | Call]) -> None:
        """Make a stage of the steps gathered."""
        needed = {self.stored[number] for number in refs(self.results)}
        needed |= {self.stored.get(number, number) for item in rest for number in reads(item)}
        outputs = list(dict.fromkeys(number for step in group for number in step.written if number in needed))
        if outputs:
            program, inputs = _program(group, outputs, self._known, self.weights, self.graph.whole)
            program.only = 0 if self.graph.whole else self.graph.batch or 0
            self.stages.append(Stage(program, inputs, outputs, group.copy()))
        group.clear()

    @property
    def program(self) -> _core.Program | None:
        """The only stage, if it is a program of all inputs, in order, whose output is the model's."""
        stage = self.stages[0] if len(self.stages) == 1 else None
        if stage is None or isinstance(stage.work, Call):
            return None
        result = self.results.number if isinstance(self.results, Ref) else None
        if result is None or [self.stored[result]] != stage.outputs:
            return None
        if stage.inputs != list(range(len(self.graph.inputs))):
            return None
        return stage.work if stage.work.outputs == (self.graph.sample(result),) else None

    @property
    def own(self) -> list[str]:
        """Modules that are called as they are, and why."""
        return [str(call.function) for call in self.graph.calls if isinstance(call.function, Own)]

    def steps(self) -> dict[int, list[tuple[str, tuple[str, str], int, int]]]:
        """The steps of each program, by its key: name, module, bytes of constants, bytes of one sample."""
        found = {}
        for stage in self.stages:
            if not isinstance(stage.work, Call):
                found[stage.work.key] = [
                    (step.name, (step.calls[0].path, ""), *self._bytes(step)) for step in stage.steps
                ]
        return found

    def _bytes(self, step: Step) -> tuple[int, int]:
        sizes = [
            math.prod(shape) * dtype.itemsize
            for dtype, shape in map(self._known.__getitem__, (step.number, *step.sources))
        ]
        given = [value.array if isinstance(value, Strided) else value for value in step.fields.values()]
        constants = [self.weights(value) for value in given if isinstance(value, (Constant, Derived, np.ndarray))]
        return sum(each.nbytes for each in constants), sum(sizes)

    def __str__(self) -> str:
        """A table of the steps in C, each with the calls that it carries out, and of the calls left to Python."""
        table = []
        for stage in self.stages:
            for item in stage.steps if not isinstance(stage.work, Call) else [stage.work]:
                value = Value(item.shape, item.dtype) if isinstance(item, Step) else self.graph.values.get(item.number)
                path = item.calls[0].path if isinstance(item, Step) else item.path
                how = item.op if isinstance(item, Step) else "Python"
                table.append((item.name, path, how, "" if value is None else str(value)))
        steps = sum(row[2] != "Python" for row in table)
        widths = [max(map(len, column)) for column in zip(*table, strict=True)] if table else []
        lines = ["    " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in table]
        head = f"{len(self.graph.calls)} calls: {steps} steps in C, {len(table) - steps} calls of Python"
        return "\n".join([head, *lines])

    def _fetch(self, number: int, values: dict[int, Any], batch: int) -> Any:
        kept, shape = values[self.stored[number]], self._samples.get(number)
        if self.stored[number] == number or shape is None:
            return kept
        return kept.reshape(shape if self.graph.whole else (batch, *shape))

    def _runner(self, stage: Stage) -> Callable[[dict[int, Any], int], None]:
        """The function that computes a stage's results from the values before it and the batch size."""
        work, outputs, whole = stage.work, stage.outputs, self.graph.whole
        if isinstance(work, Call):
            template = work.args, work.kwargs

            def call(values: dict[int, Any], batch: int) -> None:
                values[outputs[0]] = self._call(work.function, template, values, batch)

            return call

        def run(values: dict[int, Any], batch: int) -> None:
            given = [
                np.ascontiguousarray(values[number]).reshape(shape if whole else (batch, *shape))
                for number, shape in zip(stage.inputs, work.inputs, strict=True)
            ]
            found = work(*given)
            if found is None:
                raise Refused
            values.update(zip(outputs, found if len(outputs) > 1 else [found], strict=True))

        return run

    def _call(self, function: Any, template: Any, values: dict[int, Any], batch: int) -> Any:
        args, kwargs = filled(template, lambda number: self._fetch(number, values, batch), batch)
        return function(*args, **kwargs)

    def __call__(self, inputs: list[Array], batch: int) -> Any:
        """Compute the output for inputs; Refused is raised where the model itself has to compute it."""
        values: dict[int, Any] = dict(enumerate(inputs))
        with no_grad():
            for run in self._run:
                run(values, batch)
            return filled(self.results, lambda number: self._fetch(number, values, batch), batch)
