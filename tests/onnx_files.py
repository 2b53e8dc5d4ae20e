"""ONNX files made by hand: no library of ONNX's is needed."""

import struct

import numpy as np

from fastnn.onnx._protobuf import MESSAGES
from fastnn.onnx._tensors import NARROW, NUMPY


def _written_varint(value):
    value &= 0xFFFFFFFFFFFFFFFF
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _written(of, value):
    """How a value is written, and its bytes."""
    if of == "int":
        return 0, _written_varint(int(value))
    if of in ("float", "double"):
        return (5, struct.pack("<f", value)) if of == "float" else (1, struct.pack("<d", value))
    data = value.encode() if isinstance(value, str) else write(of, value) if isinstance(value, dict) else bytes(value)
    return 2, _written_varint(len(data)) + data


def write(kind, fields):
    """A message of that kind: its fields by name, lists where a field may stand many times, dicts for messages."""
    parts = []
    numbers = {name.rstrip("*"): (number, of) for number, (name, of) in MESSAGES[kind].items()}
    for name, value in fields.items():
        number, of = numbers[name]
        for each in value if isinstance(value, (list, tuple)) else [value]:
            way, data = _written(of, each)
            parts += [_written_varint(number << 3 | way), data]
    return b"".join(parts)


def number_of(dtype):
    """ONNX's number of a dtype."""
    name = np.dtype(dtype).name
    return next(number for number, known in (NUMPY | NARROW).items() if known == name)


def tensor(array, name=""):
    array = np.asarray(array)
    return {"dims": list(array.shape), "data_type": number_of(array.dtype), "raw_data": array.tobytes(), "name": name}


def attribute(name, value):
    if isinstance(value, float):
        return {"name": name, "f": value, "type": 1}
    if isinstance(value, int):
        return {"name": name, "i": value, "type": 2}
    if isinstance(value, str):
        return {"name": name, "s": value.encode(), "type": 3}
    if isinstance(value, np.ndarray):
        return {"name": name, "t": tensor(value), "type": 4}
    if isinstance(value, dict):
        return {"name": name, "g": value, "type": 5}
    return {"name": name, "ints": list(value), "type": 7}


def node(operator, inputs, outputs, domain="", **attributes):
    return {
        "op_type": operator, "input": inputs.split(), "output": outputs.split(), "domain": domain,
        "attribute": [attribute(*each) for each in attributes.items()],
    }  # fmt: skip


def value(name, dtype=np.float32, shape=None):
    kind = {"elem_type": number_of(dtype)}
    if shape is not None:
        kind["shape"] = {"dim": [{"dim_value" if isinstance(n, int) else "dim_param": n} for n in shape]}
    return {"name": name, "type": {"tensor_type": kind}}


def graph(nodes, inputs=(), outputs=(), **constants):
    return {
        "node": list(nodes), "input": list(inputs), "output": list(outputs),
        "initializer": [tensor(array, name) for name, array in constants.items()],
    }  # fmt: skip


def model(nodes, inputs=(), outputs=(), opset=18, functions=(), domains=(), **constants):
    sets = [{"domain": "", "version": opset}, *({"domain": each, "version": 1} for each in domains)]
    whole = graph(nodes, inputs, outputs, **constants)
    return write("Model", {"ir_version": 8, "graph": whole, "opset_import": sets, "functions": list(functions)})
