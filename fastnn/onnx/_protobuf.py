"""The wire format of protobuf, as far as ONNX files use it.

A message is a run of fields: a key, which holds the field's number and how its value is written, and the value.  What
the numbers mean is told by onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3).  Large values, such as
the bytes of a weight, are views of the file's memory.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any

DEPTH = 100  # of messages in messages, as in protobuf's own readers


class DamagedError(ValueError):
    """The bytes are no message of that kind."""


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """An unsigned number of 7 bits per byte, the lowest first; the value and where it ends."""
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise DamagedError(f"a number does not end at byte {at}")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at


def _fields(data: memoryview) -> Iterator[tuple[int, int, Any]]:
    """(number, way of writing, value) of each field: numbers of ways 0, 1 and 5 as int, others as their bytes."""
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        way = key & 7
        if way == 0:
            value, at = _varint(data, at)
            yield key >> 3, way, value
            continue
        if way == 2:
            size, at = _varint(data, at)
        elif way in (1, 5):
            size = 8 if way == 1 else 4
        else:
            raise DamagedError(f"a field of kind {way} at byte {at}")
        if size > end - at:
            raise DamagedError(f"a field of {size} bytes, {end - at} are left")
        yield key >> 3, way, data[at : at + size]
        at += size


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _numbers(way: int, value: Any) -> list[int]:
    """Integers of a field: one, or many packed."""
    if way == 0:
        return [_signed(value)]
    found, at = [], 0
    while at < len(value):
        number, at = _varint(value, at)
        found.append(_signed(number))
    return found


def _floats(code: str) -> Callable[[int, Any], list[float]]:
    size = struct.calcsize(code)

    def read(way: int, value: Any) -> list[float]:
        if way == 0 or len(value) % size:
            raise DamagedError("a float of the wrong size")
        return list(struct.unpack(f"<{len(value) // size}{code}", value))

    return read


def _text(way: int, value: Any) -> list[str]:
    return [str(_bytes(way, value)[0], "utf-8", "replace")]


def _bytes(way: int, value: Any) -> list[memoryview]:
    if way != 2:
        raise DamagedError("a number in place of bytes")
    return [value]


SCALARS: dict[str, Callable[[int, Any], list[Any]]] = {
    "int": _numbers, "float": _floats("f"), "double": _floats("d"), "text": _text, "bytes": _bytes,
}  # fmt: skip

# Of each message the fields that are read: number -> name and kind; a name with * may stand there many times.
MESSAGES: dict[str, dict[int, tuple[str, str]]] = {
    "Model": {1: ("ir_version", "int"), 2: ("producer_name", "text"), 3: ("producer_version", "text"),
              7: ("graph", "Graph"), 8: ("opset_import*", "OperatorSet"), 14: ("metadata_props*", "Entry"),
              25: ("functions*", "Function")},
    "OperatorSet": {1: ("domain", "text"), 2: ("version", "int")},
    "Entry": {1: ("key", "text"), 2: ("value", "text")},
    "Graph": {1: ("node*", "Node"), 2: ("name", "text"), 5: ("initializer*", "Tensor"), 11: ("input*", "ValueInfo"),
              12: ("output*", "ValueInfo"), 15: ("sparse_initializer*", "SparseTensor")},
    "Node": {1: ("input*", "text"), 2: ("output*", "text"), 3: ("name", "text"), 4: ("op_type", "text"),
             5: ("attribute*", "Attribute"), 7: ("domain", "text"), 8: ("overload", "text")},
    "Attribute": {1: ("name", "text"), 2: ("f", "float"), 3: ("i", "int"), 4: ("s", "bytes"), 5: ("t", "Tensor"),
                  6: ("g", "Graph"), 7: ("floats*", "float"), 8: ("ints*", "int"), 9: ("strings*", "bytes"),
                  10: ("tensors*", "Tensor"), 11: ("graphs*", "Graph"), 20: ("type", "int"),
                  21: ("ref_attr_name", "text"), 22: ("sparse_tensor", "SparseTensor")},
    "Tensor": {1: ("dims*", "int"), 2: ("data_type", "int"), 4: ("float_data*", "float"), 5: ("int32_data*", "int"),
               6: ("string_data*", "bytes"), 7: ("int64_data*", "int"), 8: ("name", "text"), 9: ("raw_data", "bytes"),
               10: ("double_data*", "double"), 11: ("uint64_data*", "int"), 13: ("external_data*", "Entry"),
               14: ("data_location", "int")},
    "SparseTensor": {1: ("values", "Tensor"), 2: ("indices", "Tensor"), 3: ("dims*", "int")},
    "ValueInfo": {1: ("name", "text"), 2: ("type", "Type")},
    "Type": {1: ("tensor_type", "TensorType"), 4: ("sequence_type", "Other"), 5: ("map_type", "Other"),
             8: ("sparse_tensor_type", "Other"), 9: ("optional_type", "Other")},
    "TensorType": {1: ("elem_type", "int"), 2: ("shape", "Shape")},
    "Shape": {1: ("dim*", "Dimension")},
    "Dimension": {1: ("dim_value", "int"), 2: ("dim_param", "text")},
    "Other": {},
    "Function": {1: ("name", "text"), 4: ("input*", "text"), 5: ("output*", "text"), 6: ("attribute*", "text"),
                 7: ("node*", "Node"), 9: ("opset_import*", "OperatorSet"), 10: ("domain", "text"),
                 11: ("attribute_proto*", "Attribute"), 13: ("overload", "text")},
}  # fmt: skip


class Message:
    """A message: its fields as attributes; one that is absent is a list without entries, or None."""

    def __init__(self, kind: str):
        for name, _ in MESSAGES[kind].values():
            setattr(self, name.rstrip("*"), [] if name.endswith("*") else None)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


def read(kind: str, data: memoryview, depth: int = 0) -> Message:
    """The message of that kind."""
    if depth > DEPTH:
        raise DamagedError(f"messages in more than {DEPTH} messages")
    message, known = Message(kind), MESSAGES[kind]
    for number, way, value in _fields(data):
        if number not in known:
            continue
        name, of = known[number]
        values = SCALARS[of](way, value) if of in SCALARS else [read(of, _bytes(way, value)[0], depth + 1)]
        if name.endswith("*"):
            getattr(message, name[:-1]).extend(values)
        elif values:
            setattr(message, name, values[-1])
    return message
