"""The writing of ONNX files: messages, given as fields by name, in the wire format that `_protobuf` reads."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from .._check import Array
from ._protobuf import MESSAGES, SCALARS
from ._tensors import NARROW, NUMPY

Fields = dict[str, Any]
NUMBERS = {
    kind: {name.rstrip("*"): (number, of) for number, (name, of) in fields.items()} for kind, fields in MESSAGES.items()
}


def _varint(value: int) -> bytes:
    value &= 0xFFFFFFFFFFFFFFFF
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def pieces(kind: str, fields: Fields) -> list[Any]:
    """A message of that kind: bytes and views of the arrays, in order.

    fields : values by name; a list for a repeated field, a dict for a message
    """
    found: list[Any] = []
    for name, values in fields.items():
        number, of = NUMBERS[kind][name]
        for value in values if isinstance(values, (list, tuple)) else [values]:
            if of == "int":
                found.append(_varint(number << 3) + _varint(int(value)))
            elif of in ("float", "double"):
                way, code = (5, "<f") if of == "float" else (1, "<d")
                found.append(_varint(number << 3 | way) + struct.pack(code, value))
            else:
                inner = [value.encode() if isinstance(value, str) else value] if of in SCALARS else pieces(of, value)
                found += [_varint(number << 3 | 2) + _varint(sum(map(len, inner))), *inner]
    return found


def write(kind: str, fields: Fields) -> bytes:
    """A message of that kind as one bytes object."""
    return b"".join(pieces(kind, fields))


def number_of(dtype: Any) -> int:
    """ONNX's number of a dtype."""
    name = "object" if np.dtype(dtype).kind in "UO" else np.dtype(dtype).name
    for number, known in (NUMPY | NARROW).items():
        if known == name:
            return number
    raise TypeError(f"onnx: ONNX has no tensors of {name}")


def tensor(array: Any, name: str = "") -> Fields:
    """An array as a tensor's fields."""
    array = np.asarray(array)
    fields: Fields = {"dims": list(array.shape), "data_type": number_of(array.dtype), "name": name}
    if array.dtype.kind in "UO":
        return fields | {"string_data": [str(each).encode() for each in array.reshape(-1)]}
    dense: Any = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(-1).view(np.uint8)
    return fields | {"raw_data": memoryview(dense)}


def attribute(name: str, value: Any) -> Fields:
    """An attribute: a number, a text, an array, a graph, or a list of integers, floats or texts."""
    if isinstance(value, float):
        return {"name": name, "f": value, "type": 1}
    if isinstance(value, (int, np.integer)):
        return {"name": name, "i": value, "type": 2}
    if isinstance(value, str):
        return {"name": name, "s": value, "type": 3}
    if isinstance(value, np.ndarray):
        return {"name": name, "t": tensor(value), "type": 4}
    if isinstance(value, dict):
        return {"name": name, "g": value, "type": 5}
    values = list(value)
    if values and isinstance(values[0], (float, str)):
        field, kind = ("floats", 6) if isinstance(values[0], float) else ("strings", 8)
        return {"name": name, field: values, "type": kind}
    return {"name": name, "ints": values, "type": 7}


def node(operator: str, inputs: list[str], outputs: list[str], domain: str = "", **attributes: Any) -> Fields:
    """A call of an operator."""
    given = [attribute(*each) for each in attributes.items()]
    return {"op_type": operator, "input": inputs, "output": outputs, "domain": domain, "attribute": given}


def value(name: str, dtype: Any = np.float32, shape: Any = None) -> Fields:
    """An input or output; sizes are integers or names."""
    kind: Fields = {"elem_type": number_of(dtype)}
    if shape is not None:
        kind["shape"] = {"dim": [{"dim_value" if isinstance(n, int) else "dim_param": n} for n in shape]}
    return {"name": name, "type": {"tensor_type": kind}}


def graph(nodes: Any, inputs: Any = (), outputs: Any = (), constants: dict[str, Array] | None = None) -> Fields:
    """A graph."""
    return {
        "node": list(nodes), "input": list(inputs), "output": list(outputs),
        "initializer": [tensor(array, name) for name, array in (constants or {}).items()],
    }  # fmt: skip


def ir_version(opset: int) -> int:
    """The oldest version of the format that has an opset."""
    return next(version for since, version in IR if opset >= since)


IR = (25, 13), (24, 12), (23, 11), (21, 10), (19, 9), (15, 8), (0, 7)
