"""A graph as a list of calls, all checked before the first run."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._protobuf import DamagedError
from ._structure import Declared, File, Function, Graph, NodeProto, Reference
from .operators import BROADCASTING, DRAWN, LIMIT, Kept, find

FOLDED = 1 << 22  # most elements of a constant that is computed when the model is loaded
DEPTH = 64  # most levels of graphs in graphs and functions in functions


@dataclass(eq=False, repr=False)
class Operation:
    """One call: its node, the function and its attributes, the values that nobody reads after it."""

    node: NodeProto
    function: Callable[..., Any]
    attributes: dict[str, Any]
    done: list[str]


class Scope(dict[str, Any]):
    """Values by name; other names are looked up in the constants, then the outer scope."""

    def __init__(self, outer: Scope | None, constants: dict[str, Any], values: dict[str, Any]):
        super().__init__(values)
        self.outer, self.constants = outer, constants

    def __missing__(self, name: str) -> Any:
        if name in self.constants or self.outer is None:
            return self.constants[name]
        return self.outer[name]

    def keep(self, operation: Operation, results: list[Any]) -> None:
        """Name the results of an operation, and forget what nobody reads after it."""
        names = operation.node.outputs
        if any(names[len(results) :]):
            raise ValueError(f"onnx: {operation.node} gives {len(results)} results, not {len(names)}")
        for name, result in zip(names, results, strict=False):
            if name:
                self[name] = result
        for name in operation.done:
            self.pop(name, None)


class Program:
    """A graph, run by `program(inputs by name, the enclosing graph's scope or None)`.

    Parameters
    ----------
    graph : Graph
    file : File
    opsets : dict
        The version of each domain's operators.
    outer : set of str
        Names of values of the enclosing graphs.
    missing : list of str
        Unsupported operators are added here: the caller names all of them at once.
    around : dict
        Constants of the enclosing graphs.
    """

    def __init__(
        self, graph: Graph, file: File, opsets: dict[str, int], outer: set[str], missing: list[str], depth: int = 0,
        given: dict[str, Any] | None = None, around: dict[str, Any] | None = None,
    ):  # fmt: skip
        if depth > DEPTH:
            raise DamagedError(f"graphs in more than {DEPTH} graphs or functions")
        self.inputs = [each.name for each in graph.inputs]
        self.outputs = [each.name for each in graph.outputs]
        self.constants: dict[str, Any] = {name: _kept(each) for name, each in graph.constants.items()}
        self.reads: set[str] = set()  # names of enclosing graphs' values
        self._file, self._opsets, self._missing, self._depth, self._given = file, opsets, missing, depth, given or {}
        self.operations: list[Operation] = []
        self._known = set(self.inputs) | set(self.constants)
        self.around = around or {}
        self._outer = outer
        for node in graph.nodes:
            self._add(node)
        for name in self.outputs:
            self._check(name, "the graph's outputs")
        self._free()

    def _check(self, name: str, reader: Any) -> None:
        if name in self._known:
            return
        if name not in self._outer:
            raise DamagedError(f"{reader} reads {name!r}, which nothing before it gives")
        self.reads.add(name)

    def _add(self, node: NodeProto) -> None:
        for name in node.inputs:
            if name:
                self._check(name, node)
        for name in node.outputs:
            if name and name in self._known and name not in self._outer:
                raise DamagedError(f"{node} gives {name!r}, which is there already")
        operation = self._operation(node)
        self._known.update(name for name in node.outputs if name)
        if operation is not None and not self._fold(operation):
            self.operations.append(operation)

    def _operation(self, node: NodeProto) -> Operation | None:
        attributes = {}
        for name, value in node.attributes.items():
            value = self._given.get(value.name) if isinstance(value, Reference) else value
            if value is not None:
                attributes[name] = self._inner(value)
        function = self._file.functions.get((node.domain, node.operator))
        if function is not None:
            return Operation(node, self._called(function, attributes), {}, [])
        operator = find(node.domain, node.operator, self._opsets.get(node.domain, 0))
        if isinstance(operator, str):
            self._missing.append(f"{operator} ({node.name or ', '.join(node.outputs)})")
            return None
        unknown = sorted(attributes.keys() - operator.attributes - {"consumed_inputs"})
        if unknown:
            version = self._opsets.get(node.domain, 0)
            self._missing.append(f"{node.operator} of opset {version} with {', '.join(unknown)} ({node.name})")
            return None
        attributes.pop("consumed_inputs", None)
        if operator.wants_outputs:
            attributes["outputs"] = len(node.outputs)
        if operator.keeps:
            attributes["kept"] = Kept(frozenset(i for i, name in enumerate(node.inputs) if self._is_constant(name)))
        return Operation(node, operator.function, attributes, [])

    def _inner(self, value: Any) -> Any:
        """An attribute's value, with its graphs as programs."""
        if isinstance(value, Graph):
            known = self._known | self._outer
            hidden = self._known - self.constants.keys()
            around = {name: each for name, each in self.around.items() if name not in hidden} | self.constants
            program = Program(
                value, self._file, self._opsets, known, self._missing, self._depth + 1, self._given, around
            )
            self.reads |= program.reads - self._known
            return program
        return [self._inner(each) for each in value] if isinstance(value, list) else value

    def _called(self, function: Function, attributes: dict[str, Any]) -> Callable[..., Any]:
        """A function of the file's own, as one call."""
        graph = Graph("", function.nodes, [], [], {})
        graph.inputs = [Declared(name, 0, None) for name in function.inputs]
        graph.outputs = [Declared(name, 0, None) for name in function.outputs]
        given = function.defaults | attributes
        program = Program(graph, self._file, function.opsets, set(), self._missing, self._depth + 1, given)

        return Called(program)

    def _fold(self, operation: Operation) -> bool:
        """Replace a call of constants alone by its results; return whether it was."""
        names = [name for name in operation.node.inputs if name]
        inner = [each for each in operation.attributes.values() if isinstance(each, Program)]
        if inner or operation.node.operator in DRAWN or not all(map(self._is_constant, names)):
            return False
        given = [self.constants.get(name, self.around.get(name)) if name else None for name in operation.node.inputs]
        if operation.node.operator == "Constant" and type(operation.attributes.get("value")) is np.ndarray:
            self.constants[operation.node.outputs[0]] = _kept(operation.attributes["value"])
            return True
        if operation.node.operator != "Constant" and _size_bound(operation.node.operator, given) > FOLDED:
            return False
        token = LIMIT.set(FOLDED)
        try:
            results = results_of(operation, given)
        except Exception:  # the error is raised again if the call is ever run
            return False
        finally:
            LIMIT.reset(token)
        self.constants |= {
            name: _kept(each) for name, each in zip(operation.node.outputs, results, strict=False) if name
        }
        return True

    def _is_constant(self, name: str) -> bool:
        return name in self.constants or (name in self.around and name not in self._known)

    def _free(self) -> None:
        """Note with each operation which values nobody reads after it."""
        last = set(self.outputs)
        for operation in reversed(self.operations):
            inner: set[str] = set()
            for value in operation.attributes.values():
                inner |= value.reads if isinstance(value, Program) else set()
            touched = {*operation.node.inputs, *operation.node.outputs, *inner} - {""}
            operation.done = [name for name in touched if name not in last and name not in self.constants]
            last |= touched

    def __call__(self, values: dict[str, Any], outer: Scope | None) -> list[Any]:
        """The outputs for these inputs."""
        scope = Scope(outer, self.constants, values)
        for operation in self.operations:
            given = [scope[name] if name else None for name in operation.node.inputs]
            results = results_of(operation, given, bound(operation, scope))
            scope.keep(operation, results)
        return [scope[name] for name in self.outputs]


def _kept(array: Any) -> Any:
    """A constant as a read-only view, since all calls of the model share it."""
    if isinstance(array, np.ndarray):
        array = array.view()
        array.setflags(write=False)
    return array


def _size_bound(operator: str, given: list[Any]) -> int:
    """How many elements a result may have at most, unless the operator bounds it itself."""
    shapes = [np.shape(each) for each in given if each is not None]
    if operator == "Concat":
        return sum(map(math.prod, shapes))
    if operator not in BROADCASTING:
        return math.prod(max(1, math.prod(shape)) for shape in shapes)
    try:
        return math.prod(np.broadcast_shapes(*shapes))
    except ValueError:
        return max(map(math.prod, shapes))


class Called:
    """A function of the file's own, as one call."""

    def __init__(self, program: Program):
        self.program = program

    def padded(self, values: Any) -> dict[str, Any]:
        """The values by name, None for those that are not given."""
        names = self.program.inputs
        return dict(zip(names, (*values, *[None] * (len(names) - len(values))), strict=True))

    def __call__(self, *values: Any) -> Any:
        """The result, or the tuple of several."""
        results = self.program(self.padded(values), None)
        return results[0] if len(results) == 1 else tuple(results)


def bound(operation: Operation, scope: Scope) -> dict[str, Any]:
    """The attributes, with graphs as functions that can read this scope."""
    return {
        name: _bound(value, scope) if isinstance(value, Program) else value
        for name, value in operation.attributes.items()
    }


def _bound(program: Program, scope: Scope) -> Callable[..., list[Any]]:
    """A graph inside a node, called with the values of its inputs."""

    def body(*values: Any) -> list[Any]:
        return program(dict(zip(program.inputs, values, strict=True)), scope)

    return body


ERRORS = ValueError, TypeError, AttributeError, LookupError, ArithmeticError


def told(operation: Operation, given: list[Any], error: Exception) -> ValueError:
    """An error that names the node."""
    shapes = ", ".join("-" if each is None else f"{np.shape(each)}" for each in given)
    return ValueError(f"onnx: {operation.node} of {shapes}: {error}")


def results_of(operation: Operation, given: list[Any], attributes: dict[str, Any] | None = None) -> list[Any]:
    """The list of a call's results; an error names the node."""
    try:
        result = operation.function(*given, **(operation.attributes if attributes is None else attributes))
    except ERRORS as error:
        raise told(operation, given, error) from error
    results = list(result) if isinstance(result, tuple) else [result]
    return [each if each is None or isinstance(each, np.ndarray) else _array(each) for each in results]


def _array(value: Any) -> Any:
    return np.asarray(value) if isinstance(value, (np.generic, int, float, bool)) else value
