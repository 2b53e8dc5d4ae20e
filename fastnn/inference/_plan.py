"""A traced model as stages: programs, which run in C without the interpreter, and single calls between them."""

from __future__ import annotations

import inspect
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import _check, _core, functional
from .._check import Array
from ..autograd import no_grad, value_of
from ._trace import Node, Own, Ref, Unary, filled, refs

Shape = tuple[int, ...]


class NotLowered(Exception):
    """A call that no step of a program does."""


@dataclass
class Step:
    """A step of a program before its registers are chosen; see struct fnn_plan_step for the options."""

    kind: str
    number: int
    sources: tuple[int, ...]
    shape: Shape
    options: dict[str, Any]
    constants: dict[str, Array | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Value:
    """What is known of a result: the shape of one sample, if a batch leads it, and the dtype; nothing of several."""

    shape: Shape | None
    dtype: np.dtype[Any] | None


# -- calls as steps ---------------------------------------------------------------------------------------------------


def _arguments(node: Node) -> dict[str, Any]:
    bound = inspect.signature(node.call).bind(*node.args, **node.kwargs)
    bound.apply_defaults()
    return bound.arguments


def _source(argument: Any, values: dict[int, Value], node: Node) -> tuple[int, Shape]:
    """The number and shape of an argument that a step may read: of the result's dtype, not empty."""
    if not isinstance(argument, Ref):
        raise NotLowered
    value = values[argument.number]
    if value.shape is None or value.dtype != node.dtype or value.dtype not in _check.FLOATS[1:] or 0 in value.shape:
        raise NotLowered
    return argument.number, value.shape


def _constant(argument: Any, dtype: Any) -> Array | None:
    """A weight, of that dtype."""
    array = value_of(argument)
    if array is None:
        return None
    if not isinstance(array, np.ndarray) or array.dtype != dtype:
        raise NotLowered
    return array


def _linear(node: Node, values: dict[int, Value]) -> Step:
    given = _arguments(node)
    number, shape = _source(given["input"], values, node)
    weight, bias = (_constant(given[name], node.dtype) for name in ("weight", "bias"))
    if weight is None or weight.size == 0:
        raise NotLowered
    n, k = weight.shape
    options = {"rows": math.prod(shape[:-1]), "n": n, "k": k}
    return Step("linear", node.number, (number,), (*shape[:-1], n), options, {"weight": weight, "bias": bias})


def _batch_norm(node: Node, values: dict[int, Value]) -> Step:
    given = _arguments(node)
    number, shape = _source(given["input"], values, node)
    mean, var, weight, bias = (
        _constant(given[name], node.dtype) for name in ("running_mean", "running_var", "weight", "bias")
    )
    if given["training"] or mean is None or var is None:
        raise NotLowered
    constants = {
        "mean": mean.astype(np.float64), "rstd": 1 / np.sqrt(var.astype(np.float64) + given["eps"]),
        "weight": weight, "bias": bias,
    }  # fmt: skip
    return Step("batch_norm", node.number, (number,), shape, {"n": shape[0], "s": math.prod(shape[1:])}, constants)


def _unary(node: Node, values: dict[int, Value]) -> Step:
    number, shape = _source(node.args[0], values, node)
    call = node.call
    assert isinstance(call, Unary)
    return Step(
        "act", node.number, (number,), shape, {"n": math.prod(shape), "act": call.act, "a": call.a, "b": call.b}
    )


def _softmax(node: Node, values: dict[int, Value]) -> Step:
    given = _arguments(node)
    number, shape = _source(given["input"], values, node)
    dim = 1 if given["dim"] is None else given["dim"]  # None has passed the trace: a batch of vectors
    if not shape or dim not in (-1, len(shape)) or given["dtype"] is not None:
        raise NotLowered
    options = {"rows": math.prod(shape[:-1]), "n": shape[-1], "option": int(node.call is functional.log_softmax)}
    return Step("softmax", node.number, (number,), shape, options)


def _layer_norm(node: Node, values: dict[int, Value]) -> Step:
    given = _arguments(node)
    number, shape = _source(given["input"], values, node)
    own = given["normalized_shape"]
    own = tuple(own) if isinstance(own, (tuple, list)) else (own,)
    if not own or shape[-len(own) :] != own:
        raise NotLowered
    centre = node.call is functional.layer_norm
    eps = np.finfo(node.dtype).eps if given["eps"] is None else given["eps"]
    options = {"rows": math.prod(shape[: -len(own)]), "n": math.prod(own), "a": float(eps), "option": int(centre)}
    constants = {name: _constant(given.get(name), node.dtype) for name in ("weight", "bias")}
    return Step("layer_norm", node.number, (number,), shape, options, constants)


def _combine(node: Node, values: dict[int, Value]) -> Step:
    if len(node.args) != 2 or node.kwargs:
        raise NotLowered
    (first, shape), (second, other) = (_source(argument, values, node) for argument in node.args)
    if shape != other:
        raise NotLowered
    options = {"n": math.prod(shape), "option": int(node.call is np.multiply)}
    return Step("combine", node.number, (first, second), shape, options)


def _same_values(node: Node, values: dict[int, Value]) -> Step:
    """A call that changes nothing but, perhaps, the shape of a sample."""
    argument = node.args[0] if node.args else None
    number, shape = _source(argument, values, node)
    if node.shape is None or math.prod(node.shape) != math.prod(shape):
        raise NotLowered
    if node.call is functional.dropout and _arguments(node)["training"]:
        raise NotLowered
    return Step("alias", node.number, (number,), node.shape, {})


_LOWERINGS: dict[Any, Callable[[Node, dict[int, Value]], Step]] = {
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


def _lowered(node: Node, values: dict[int, Value]) -> Step | None:
    try:
        lowering = _unary if isinstance(node.call, Unary) else _LOWERINGS.get(node.call)
        return None if lowering is None else lowering(node, values)
    except NotLowered:
        return None


# -- the list of steps and calls --------------------------------------------------------------------------------------


class _List:
    """Steps, and nodes that are none, in order; `place` says under which number a value is kept that has no own."""

    def __init__(self, nodes: list[Node], values: dict[int, Value], result: int):
        self.items: list[Step | Node] = []
        self.place = {number: number for number in values}
        self.uses = Counter(ref for node in nodes for ref in refs(node.args, node.kwargs))
        self.uses[result] += 1
        self.values = values
        for node in nodes:
            self._add(_lowered(node, values) or node)

    def _add(self, item: Step | Node) -> None:
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
            before.constants = _scaled(before.constants, step.constants)
            return True
        if step.kind == "act":
            before.options.update({name: step.options[name] for name in ("act", "a", "b")})
            return True
        return False


def _scaled(linear: dict[str, Any], norm: dict[str, Any]) -> dict[str, Any]:
    """W and b of norm(W x + b), computed in double and rounded once."""
    weight, bias = linear["weight"], linear["bias"]
    gain = norm["rstd"] if norm["weight"] is None else norm["rstd"] * norm["weight"]
    shift = (-norm["mean"] if bias is None else bias - norm["mean"]) * gain
    shift = shift if norm["bias"] is None else shift + norm["bias"]
    return {"weight": (weight * gain[:, None]).astype(weight.dtype, order="K"), "bias": shift.astype(weight.dtype)}


# -- programs ---------------------------------------------------------------------------------------------------------


def _program(steps: list[Step], values: dict[int, Value]) -> tuple[_core.Program, list[int]]:
    """The program of steps of which only the last is needed afterwards, and the numbers of its inputs."""
    own = {step.number for step in steps}
    inputs = sorted({source for step in steps for source in step.sources} - own)
    last_use = {source: i for i, step in enumerate(steps) for source in step.sources}
    register = {number: i for i, number in enumerate(inputs)}
    sizes: list[int] = []
    free: list[int] = []
    for i, step in enumerate(steps[:-1]):
        size = math.prod(step.shape)
        if free:
            slot = free.pop()
            sizes[slot] = max(sizes[slot], size)
        else:
            slot = len(sizes)
            sizes.append(size)
        register[step.number] = len(inputs) + slot
        free += [register[n] - len(inputs) for n in set(step.sources) & own if last_use[n] == i]
    register[steps[-1].number] = len(inputs) + len(sizes)
    sizes.append(math.prod(steps[-1].shape))
    shapes = []
    for number in inputs:
        shape = values[number].shape
        assert shape is not None
        shapes.append(shape)
    described = [(step.kind, _members(step, register)) for step in steps]
    return _core.Program(values[steps[-1].number].dtype, shapes, sizes, steps[-1].shape, described), inputs


def _members(step: Step, register: dict[int, int]) -> dict[str, Any]:
    """What struct fnn_plan_step holds."""
    constants = {name: None if array is None else np.ascontiguousarray(array) for name, array in step.constants.items()}
    weight = constants.get("weight")
    if step.kind == "linear" and weight is not None:
        constants["weight"] = _core.pack(weight)
    places = {"to": register[step.number], "source": register[step.sources[0]], "other": register[step.sources[-1]]}
    return {**places, **step.options, **constants}


@dataclass(frozen=True)
class Stage:
    """A program or a node, the numbers of what it reads, and the number of its result."""

    work: _core.Program | Node
    inputs: list[int]
    number: int


class Plan:
    """The stages of one kind of input: `plan(batch)` is the model's output."""

    def __init__(self, nodes: list[Node], result: int, example: Array):
        self.values = {0: Value(example.shape[1:], example.dtype)}
        self.values.update({node.number: Value(node.shape, node.dtype) for node in nodes})
        listed = _List(nodes, self.values, result)
        self.place, self.result = listed.place, result
        self.stages: list[Stage] = []
        group: list[Step] = []
        for i, item in enumerate(listed.items):
            if isinstance(item, Step):
                group.append(item)
            else:
                self._close(group, listed.items[i:])
                self.stages.append(Stage(item, sorted(refs(item.args, item.kwargs)), item.number))
        self._close(group, [])

    def _close(self, group: list[Step], rest: list[Step | Node]) -> None:
        """Make stages of the steps gathered."""
        needed = {self.place[self.result]}
        for item in rest:
            read = item.sources if isinstance(item, Step) else refs(item.args, item.kwargs)
            needed.update(self.place[number] for number in read)
        leaving = [step.number for step in group if step.number in needed]
        parts = [group] if leaving == [step.number for step in group[-1:]] else [[step] for step in group]
        for part in parts if group else []:
            program, inputs = _program(part, self.values)
            self.stages.append(Stage(program, inputs, part[-1].number))
        group.clear()

    @property
    def program(self) -> _core.Program | None:
        """The only stage, if it is a program whose output is the model's."""
        stage = self.stages[0] if len(self.stages) == 1 else None
        if stage is None or isinstance(stage.work, Node) or self.place[self.result] != stage.number:
            return None
        return stage.work if stage.work.output == self.values[self.result].shape else None

    @property
    def own(self) -> list[str]:
        """Modules that are called as they are."""
        return [str(s.work.call) for s in self.stages if isinstance(s.work, Node) and isinstance(s.work.call, Own)]

    def __call__(self, x: Array) -> Any:
        """Compute the output for a batch."""
        results: dict[int, Any] = {0: x}

        def fetch(number: int) -> Any:
            kept, shape = results[self.place[number]], self.values[number].shape
            return kept if self.place[number] == number or shape is None else kept.reshape(len(x), *shape)

        with no_grad():
            for stage in self.stages:
                given = {number: fetch(number) for number in stage.inputs}
                if isinstance(stage.work, Node):
                    args, kwargs = filled((stage.work.args, stage.work.kwargs), given, len(x))
                    results[stage.number] = stage.work.call(*map(value_of, args), **kwargs)
                else:
                    inputs = [
                        np.ascontiguousarray(given[n]).reshape(len(x), *shape)
                        for n, shape in zip(stage.inputs, stage.work.inputs, strict=True)
                    ]
                    results[stage.number] = stage.work(*inputs)
        return fetch(self.result)
