"""An ONNX file as Python objects: nodes with plain attributes, graphs, functions."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from .._check import Array
from ._protobuf import DamagedError, Message, read
from ._tensors import Files, array_of, dtype_of

LARGEST = 1 << 28  # most elements of a sparse tensor, which is stored dense


@dataclass(eq=False, repr=False)
class NodeProto:
    """One operator's call: names of what it reads ("" for what is absent) and gives, and its attributes."""

    operator: str
    domain: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]
    name: str

    def __str__(self) -> str:
        return f"{self.operator} {self.name or ', '.join(self.outputs)!r}"


class Reference(NamedTuple):
    """An attribute of the function that the node is in, whose calls give its value."""

    name: str


@dataclass(eq=False, repr=False)
class Declared:
    """An input or output: ONNX's number of its type, and its shape, in which a name stands for any size."""

    name: str
    type: int | None
    shape: list[int | str | None] | None


@dataclass(eq=False, repr=False)
class Graph:
    """A graph whose nodes follow the nodes that they read from."""

    name: str
    nodes: list[NodeProto]
    inputs: list[Declared]
    outputs: list[Declared]
    constants: dict[str, Array]


@dataclass(eq=False, repr=False)
class Function:
    """An operator that the file defines."""

    inputs: list[str]
    outputs: list[str]
    defaults: dict[str, Any]
    nodes: list[NodeProto]
    opsets: dict[str, int]


@dataclass(eq=False, repr=False)
class File:
    """A whole model."""

    graph: Graph
    opsets: dict[str, int]
    functions: dict[tuple[str, str], Function] = field(default_factory=dict)
    producer: str = ""
    metadata: dict[str, str] = field(default_factory=dict)


def file_of(data: memoryview, folder: str | None) -> File:
    """The model that those bytes are, its large tensors in files of that folder."""
    model, files = read("Model", data), Files(folder)
    if model.graph is None or not model.opset_import:
        raise DamagedError("it has no graph or no opset: it is no ONNX model")
    functions = {
        (_domain(each.domain), each.name or ""): Function(
            each.input,
            each.output,
            dict.fromkeys(each.attribute) | {a.name: _value(a, files) for a in each.attribute_proto},
            [_node(node, files) for node in each.node],
            _opsets(each.opset_import),
        )
        for each in model.functions
    }
    return File(
        _graph(model.graph, files),
        _opsets(model.opset_import),
        functions,
        model.producer_name or "",
        {entry.key or "": entry.value or "" for entry in model.metadata_props},
    )


def _domain(domain: str | None) -> str:
    return "" if domain in (None, "ai.onnx") else str(domain)


def _opsets(entries: list[Message]) -> dict[str, int]:
    return {_domain(entry.domain): entry.version or 0 for entry in entries}


def _graph(message: Message, files: Files) -> Graph:
    constants = {tensor.name or "": array_of(tensor, files) for tensor in message.initializer}
    constants |= {each.values.name or "": _dense(each, files) for each in message.sparse_initializer}
    return Graph(
        message.name or "",
        [_node(node, files) for node in message.node],
        [_declared(each) for each in message.input],
        [_declared(each) for each in message.output],
        constants,
    )


def _dense(message: Message, files: Files) -> Array:
    """A sparse tensor made dense; its indices are places in the flat array, or one row of indices per value."""
    if message.values is None or message.indices is None:
        raise DamagedError("a sparse tensor without values or indices")
    values, indices = array_of(message.values, files), array_of(message.indices, files)
    if any(size < 0 for size in message.dims) or math.prod(message.dims) > LARGEST:
        raise DamagedError(f"a sparse tensor of shape {tuple(message.dims)}")
    dense = np.zeros(message.dims, values.dtype)
    flat = indices if indices.ndim == 1 else np.ravel_multi_index(tuple(indices.T), dense.shape)
    dense.reshape(-1)[flat] = values
    return dense


def _declared(message: Message) -> Declared:
    tensor = message.type.tensor_type if message.type is not None else None
    if tensor is None:
        return Declared(message.name or "", 0 if message.type is None else None, None)
    sizes = None
    if tensor.shape is not None:
        sizes = [each.dim_value if each.dim_value is not None else each.dim_param for each in tensor.shape.dim]
    return Declared(message.name or "", tensor.elem_type or 0, sizes)


def _node(message: Message, files: Files) -> NodeProto:
    attributes = {each.name or "": _value(each, files) for each in message.attribute}
    operator, domain = message.op_type or "", _domain(message.domain)
    return NodeProto(operator, domain, message.input, message.output, attributes, message.name or "")


def _value(attribute: Message, files: Files) -> Any:
    """An attribute's value: a number, a text, an array, a graph, or a list of those."""
    if attribute.ref_attr_name:
        return Reference(attribute.ref_attr_name)
    kind = attribute.type
    if kind == 1:
        return attribute.f or 0.0
    if kind == 2:
        return attribute.i or 0
    if kind == 3:
        return _string(attribute.s or b"")
    if kind == 4 and attribute.t is not None:
        return array_of(attribute.t, files)
    if kind == 5 and attribute.g is not None:
        return _graph(attribute.g, files)
    if kind == 6:
        return attribute.floats
    if kind == 7:
        return attribute.ints
    if kind == 8:
        return [_string(each) for each in attribute.strings]
    if kind == 9:
        return [array_of(each, files) for each in attribute.tensors]
    if kind == 10:
        return [_graph(each, files) for each in attribute.graphs]
    if kind == 11 and attribute.sparse_tensor is not None:
        return _dense(attribute.sparse_tensor, files)
    if kind in (12, 13, 14):
        raise NotImplementedError(f"onnx.load: attribute {attribute.name!r} of kind {kind}: types and sparse tensors")
    raise DamagedError(f"attribute {attribute.name!r} of kind {kind}, or without its value")


def _string(data: Any) -> str:
    return bytes(data).decode("utf-8", "replace")


def check_types(file: File) -> None:
    """Refuse inputs and outputs of types that ONNX does not have, or that are no tensors."""
    for each in (*file.graph.inputs, *file.graph.outputs):
        if each.type is None:
            raise NotImplementedError(f"onnx.load: {each.name!r} is a sequence, a map or optional; tensors are read")
        if each.type:
            dtype_of(each.type)
