"""The wire format of protobuf, as far as ONNX files use it.

A message is a run of fields: a key, which holds the field's number and how its value is written, and the value.  What
the numbers mean is told by onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3).  Large values, such as
the bytes of a weight, are views of the file's memory.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, ClassVar

DEPTH = 100  # most levels of messages in messages, as in protobuf's own readers


class DamagedError(ValueError):
    """The bytes are no valid message of the expected kind."""


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """Decode an unsigned integer, 7 bits per byte, lowest first; return it and the offset behind it."""
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise DamagedError(f"a number does not end at byte {at}")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _numbers(way: int, value: Any) -> list[int]:
    """A field's integers: one (wire type 0), or many packed."""
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

# The fields that are read of each message: number -> (name, kind); a field whose name ends in * may be repeated.
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
    """A message with its fields as attributes; an absent field is [] if it may be repeated, else None."""

    absent: ClassVar[dict[str, bool]]  # field -> whether it may be repeated

    def __getattr__(self, name: str) -> Any:
        if name not in self.absent:
            raise AttributeError(name)
        return [] if self.absent[name] else None


_NAMES = {
    kind: {n: (name.rstrip("*"), name[-1] == "*", of) for n, (name, of) in MESSAGES[kind].items()} for kind in MESSAGES
}
_CLASSES = {
    kind: type(kind, (Message,), {"absent": {name: many for name, many, _ in known.values()}})
    for kind, known in _NAMES.items()
}


def read(kind: str, data: memoryview, depth: int = 0) -> Message:
    """Decode a message of that kind."""
    if depth > DEPTH:
        raise DamagedError(f"messages in more than {DEPTH} messages")
    known, found = _NAMES[kind], dict[str, Any]()
    at, end = 0, len(data)
    while at < end:
        key, at = (data[at], at + 1) if data[at] < 0x80 else _varint(data, at)
        way = key & 7
        value: Any
        if way == 0:
            value, at = _varint(data, at)
        else:
            size, at = _size(way, data, at)
            value, at = data[at : at + size], at + size
        if key >> 3 not in known:
            continue
        name, many, of = known[key >> 3]
        scalar = SCALARS.get(of)
        values = scalar(way, value) if scalar else [read(of, _bytes(way, value)[0], depth + 1)]
        if not many:
            found[name] = values[-1] if values else found.get(name)
        elif name in found:
            found[name] += values
        else:
            found[name] = values
    message: Message = _CLASSES[kind]()
    vars(message).update(found)
    return message


def _size(way: int, data: memoryview, at: int) -> tuple[int, int]:
    """The length and offset of a value of wire type 1 (8 bytes), 2 (length first) or 5 (4 bytes)."""
    if way == 2:
        size, at = (data[at], at + 1) if at < len(data) and data[at] < 0x80 else _varint(data, at)
    elif way in (1, 5):
        size = 8 if way == 1 else 4
    else:
        raise DamagedError(f"a field of kind {way} at byte {at}")
    if size > len(data) - at:
        raise DamagedError(f"a field of {size} bytes, {len(data) - at} are left")
    return size, at
