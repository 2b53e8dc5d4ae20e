"""A model as an ONNX file: traced, its calls written one by one, its inputs and outputs named."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import _version
from ..._check import Array
from ...graph import Call, Constant, Frozen, Graph, Ref, Times, Value
from ...graph._graph import refs
from ...graph._trace import SIZES, ReadsBatch, Untraceable, trace
from ...nn import Module
from .. import _write
from ._build import WRITERS, Builder, NotWritten, as_numpy, key_of
from .recurrent import CELLS, LAYERS

OPSETS = 13, 28
GUESSES = 27  # most combinations of the inputs' batch dimensions that are tried
LIMIT = (1 << 31) - 1  # most bytes of a protobuf message
LOST = "onnx.save: expected a model of which ONNX has every part; it does not have "


@dataclass
class Exported:
    """A file's contents, not yet bytes."""

    fields: dict[str, Any]

    def pieces(self) -> list[Any]:
        """The bytes, in pieces."""
        found = _write.pieces("Model", self.fields)
        size = sum(map(len, found))
        if size > LIMIT:
            raise ValueError(
                f"onnx.save: the model takes {size / 1e9:.1f} GB, a file of ONNX's holds at most {LIMIT / 1e9:.1f}"
            )
        return found


def export(model: Any, example: Any, dynamic_batch: bool, opset: int) -> Exported:
    """The file's contents; all that cannot be written is named in one error."""
    if isinstance(model, Frozen):
        model = model.model
    if not isinstance(model, Module):
        if not hasattr(model, "_onnx_module"):
            raise TypeError(f"onnx.save: expected a Module or an estimator, got a {type(model).__name__}")
        model = model._onnx_module()
    low, high = OPSETS
    if isinstance(opset, bool) or not isinstance(opset, (int, np.integer)) or not low <= opset <= high:
        raise ValueError(f"onnx.save: expected an opset from {low} to {high}, got {opset!r}")
    example = _Example(model, example)
    graph = example.graph(dynamic_batch)
    batches = [
        next((axis for axis, size in enumerate(value.shape) if isinstance(size, Times)), None) for value in graph.inputs
    ]
    builder = Builder(graph, int(opset), dict(zip(example.names, batches, strict=True)))
    _write_calls(builder)
    outputs = _outputs(builder, example.names)
    opset_import = [{"domain": "", "version": builder.opset}]
    inputs = [_declared(name, value) for name, value in zip(example.names, graph.inputs, strict=True)]
    read = {name for node in builder.nodes for name in node["input"]}  # leaves out constants that were combined
    constants = {name: array for name, array in builder.constants.items() if name in read}
    whole = _write.graph(builder.nodes, inputs, outputs, constants) | {"name": type(model).__name__}
    return Exported(
        {
            "ir_version": _write.ir_version(builder.opset), "opset_import": opset_import, "producer_name": "fastnn",
            "producer_version": _version.__version__, "graph": whole,
        }
    )  # fmt: skip


# -- from the model to a graph ----------------------------------------------------------------------------------------


class _Example:
    """The arguments that a model is traced with: their structure, and the arrays among them, which get names."""

    def __init__(self, model: Module, example: Any):
        args = example if isinstance(example, tuple) else (example,)
        args, kwargs = (args[:-1], args[-1]) if args and isinstance(args[-1], dict) else (args, {})
        self.model = model
        self.arrays: list[Array] = []
        self.names: list[str] = []
        names = [each for each in inspect.signature(model.forward).parameters if each != "self"]
        places = dict(enumerate(names))
        self.args = tuple(self._taken(places.get(i, f"input{i}"), each) for i, each in enumerate(args))
        self.kwargs = {name: self._taken(name, each) for name, each in kwargs.items()}
        if not self.arrays:
            raise ValueError("onnx.save: expected an example of at least one array")
        self.batch = next((array.shape[0] for array in self.arrays if array.ndim), 1)

    def _taken(self, name: str, value: Any) -> Any:
        """The argument with Refs in place of its arrays, named by argument and path."""
        if isinstance(value, (tuple, list)) and any(hasattr(each, "shape") for each in value):
            return type(value)(self._taken(f"{name}.{i}", each) for i, each in enumerate(value))
        if isinstance(value, dict):
            return {key: self._taken(f"{name}.{key}", each) for key, each in value.items()}
        if value is None or isinstance(value, (bool, str)) or np.isscalar(value):
            return value
        array = np.asarray(value.data if hasattr(value, "requires_grad") else value)
        if array.dtype.kind not in "biuf":
            raise TypeError(f"onnx.save: expected an example of numbers for {name!r}, got {array.dtype}")
        if array.dtype == np.float64 and isinstance(value, list):
            array = array.astype(np.float32)
        self.arrays.append(array)
        self.names.append(name)
        return Ref(len(self.arrays) - 1)

    def _resized(self, axes: tuple[int | None, ...], size: int) -> list[Array]:
        return [
            array.copy() if axis is None else np.take(array, np.arange(size) % self.batch, axis)
            for array, axis in zip(self.arrays, axes, strict=True)
        ]

    def _guesses(self) -> Iterator[tuple[int | None, ...]]:
        """Which dimension of each array may be the batch: the first, the second as in recurrent states, or none."""
        choices: list[list[int | None]] = []
        for array in self.arrays:
            found: list[int | None] = [axis for axis, size in enumerate(array.shape[:2]) if size == self.batch]
            choices.append(found[:1] if not choices else [*found, None])
        return itertools.islice(itertools.product(*choices), GUESSES)

    def graph(self, dynamic: bool) -> Graph:
        """What the model does, for any batch or for the example's."""
        if not self.batch:
            raise ValueError("onnx.save: expected an example of at least one sample, got none")
        failed: Exception | None = None
        for axes in self._guesses() if dynamic else [(None,) * len(self.arrays)]:
            try:
                return self._traced(axes, SIZES if dynamic else (self.batch,))
            except (IndexError, TypeError, ValueError) as error:  # raised by the model: the guess was wrong
                failed = failed or error
        assert failed is not None
        raise failed

    def _traced(self, axes: tuple[int | None, ...], sizes: tuple[int, ...]) -> Graph:
        arrays = [self._resized(axes, size) for size in sizes]
        try:
            with _evaluating(self.model):
                return trace(self.model, self.args, self.kwargs, arrays, sizes, whole=LAYERS + CELLS)
        except ReadsBatch:
            raise NotImplementedError(
                "onnx.save: the forward pass asks for the batch size: "
                f"dynamic_batch=False exports it for {self.batch} samples, the example's"
            ) from None
        except Untraceable as error:
            raise NotImplementedError(f"onnx.save: the forward pass is no list of calls: {error}") from None


@contextmanager
def _evaluating(model: Module) -> Iterator[None]:
    """Switch to evaluation mode, and restore each module's mode."""
    before = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in before:
            module.__dict__["training"] = training


# -- from the graph to nodes ------------------------------------------------------------------------------------------


def _write_calls(b: Builder) -> None:
    """The nodes of all calls that the results need, or one error that names those which cannot be written."""
    missing: list[str] = []
    for call in _needed(b.graph):
        call = as_numpy(call)
        write = WRITERS.get(key_of(call.function)) or WRITERS.get(call.function)
        lost = refs(call.args, call.kwargs) - b.names.keys()
        if lost:  # a call that it reads is reported already
            continue
        if write is None:
            missing.append(_shown(call))
            continue
        try:
            b.names[call.number] = write(b, call)
        except NotWritten as error:
            missing.append(f"{_shown(call)}: {error}")
    if missing:
        raise NotImplementedError(LOST + "; ".join(dict.fromkeys(missing)))


def _needed(graph: Graph) -> list[Call]:
    needed, kept = refs(graph.results), []
    for call in reversed(graph.calls):
        if call.number in needed:
            kept.append(call)
            needed |= call.reads
    return kept[::-1]


def _shown(call: Call) -> str:
    name = getattr(call.function, "__name__", repr(call.function))
    known = key_of(call.function) in WRITERS or not hasattr(call.function, "reason")
    return name if known else str(call.function)


def _outputs(b: Builder, taken: list[str]) -> list[dict[str, Any]]:
    """The declared outputs; each is the output of a node, under a name that is used only once."""
    found: list[tuple[str, Any]] = []
    _collect("", b.graph.results, found)
    if len(found) == 1 and not found[0][0]:
        found = [("output", found[0][1])]
    renamed: dict[str, str] = {}
    declared = []
    made = {name for node in b.nodes for name in node["output"]}
    for name, leaf in found:
        name = f"output{name}" if name.isdigit() else name
        while name in taken or name in renamed.values() or name in b.constants:
            name += "_"
        before = b.value(leaf)
        if before not in made or before in renamed:
            before = b("Identity", before)
        renamed[before] = name
        value = (
            b.graph.values[leaf.number] if isinstance(leaf, Ref) else Value(np.shape(_array(leaf)), _array(leaf).dtype)
        )
        declared.append(_declared(name, value))
    for node in b.nodes:
        node["input"] = [renamed.get(name, name) for name in node["input"]]
        node["output"] = [renamed.get(name, name) for name in node["output"]]
    return declared


def _array(leaf: Any) -> Any:
    return leaf.array if isinstance(leaf, Constant) else np.asarray(0 if isinstance(leaf, Times) else leaf)


def _collect(name: str, value: Any, found: list[tuple[str, Any]]) -> None:
    """(name, leaf) of all results but None: the keys of dicts, the fields of named tuples, else numbers."""
    if isinstance(value, (list, tuple)) and not isinstance(value, (Ref, Times)):
        keys = getattr(value, "_fields", None) or range(len(value))
        for key, each in zip(keys, value, strict=True):
            _collect(f"{name}.{key}" if name else str(key), each, found)
    elif isinstance(value, dict):
        for key, each in value.items():
            _collect(f"{name}.{key}" if name else str(key), each, found)
    elif isinstance(value, str):
        raise NotImplementedError(f"onnx.save: it returns a text, {value!r}")
    elif value is not None:
        found.append((name, value))


def _declared(name: str, value: Value) -> dict[str, Any]:
    sizes = [size if type(size) is int else "N" if size == Times(1) else str(size or f"{name}_{i}")
             for i, size in enumerate(value.shape)]  # fmt: skip
    return _write.value(name, value.dtype, sizes)
