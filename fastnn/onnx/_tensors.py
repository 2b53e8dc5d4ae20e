"""Tensors of an ONNX file as arrays."""

from __future__ import annotations

import math
import mmap
import os
from typing import Any

import numpy as np

from .._check import Array
from ._protobuf import DamagedError, Message

# NumPy's or ml_dtypes' name of each type, by ONNX's number; those in BITS are packed, several in a byte
NUMPY = {1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "object", 9: "bool",
         10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 14: "complex64", 15: "complex128"}  # fmt: skip
NARROW = {16: "bfloat16", 17: "float8_e4m3fn", 18: "float8_e4m3fnuz", 19: "float8_e5m2", 20: "float8_e5m2fnuz",
          21: "uint4", 22: "int4", 23: "float4_e2m1fn", 24: "float8_e8m0fnu", 25: "uint2", 26: "int2"}  # fmt: skip
BITS = {21: 4, 22: 4, 23: 4, 25: 2, 26: 2}
TYPE_NAMES = {1: "float", 10: "float16", 11: "double", 8: "string", 16: "bfloat16"}  # as ONNX Runtime says them


def dtype_of(number: int | None) -> np.dtype[Any]:
    """The dtype of ONNX's type of that number."""
    if number in NUMPY:
        return np.dtype(NUMPY[number])
    if number not in NARROW:
        raise DamagedError(f"a tensor of type {number}, which ONNX does not have")
    try:
        import ml_dtypes
    except ModuleNotFoundError as error:
        message = f"onnx: a tensor of type {NARROW[number]}, which NumPy does not have: pip install ml_dtypes"
        raise ModuleNotFoundError(message, name=error.name) from None
    return np.dtype(getattr(ml_dtypes, NARROW[number]))


def type_name(number: int) -> str:
    """A tensor's type as ONNX Runtime says it: tensor(float)."""
    return f"tensor({TYPE_NAMES.get(number) or (NUMPY | NARROW)[number]})"


class Files:
    """The files beside a model that hold its large tensors; each is mapped into memory once."""

    def __init__(self, folder: str | None):
        self.folder = folder
        self.mapped: dict[str, memoryview] = {}

    def read(self, tensor: Message, length: int) -> memoryview:
        """The bytes of a tensor that lie in a file of their own."""
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = entries.get("location") or ""
        if self.folder is None:
            raise DamagedError(f"{tensor.name!r} lies in the file {location!r}: load the model by its path")
        folder = os.path.realpath(self.folder)
        path = os.path.realpath(os.path.join(folder, location))
        if not location or os.path.commonpath([folder, path]) != folder:
            raise DamagedError(f"{tensor.name!r} lies in {location!r}, which is outside the model's folder")
        if path not in self.mapped:
            with open(path, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                self.mapped[path] = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b"")
        whole = self.mapped[path]
        offset, count = int(entries.get("offset") or 0), int(entries.get("length") or length)
        if not 0 <= offset <= offset + count <= len(whole):
            raise DamagedError(
                f"{tensor.name!r}: bytes {offset} to {offset + count} of {location!r}, which has {len(whole)}"
            )
        return whole[offset : offset + count]


def array_of(tensor: Message, files: Files) -> Array:
    """The array of a tensor; a view of the file's memory if NumPy can use the bytes there as they are."""
    name, shape, number = tensor.name or "", tuple(tensor.dims), tensor.data_type
    dtype = dtype_of(number)
    if any(size < 0 for size in shape):
        raise DamagedError(f"tensor {name!r} of shape {shape}")
    count = math.prod(shape)
    bits = BITS.get(number or 0, dtype.itemsize * 8)
    length = (count * bits + 7) // 8
    if number == 8:
        return _filled(name, [bytes(each).decode("utf-8", "replace") for each in tensor.string_data], shape, dtype)
    if tensor.data_location == 1:
        data: Any = files.read(tensor, length)
    elif tensor.raw_data is not None:
        data = tensor.raw_data
    else:
        return _listed(tensor, shape, dtype)
    if len(data) != length:
        raise DamagedError(f"tensor {name!r} of shape {shape} and {dtype} has {len(data)} bytes, should have {length}")
    if number in BITS:
        return _unpacked(np.frombuffer(data, np.uint8), bits, count, dtype).reshape(shape)
    return np.frombuffer(data, dtype).reshape(shape)


def _listed(tensor: Message, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """The array of numbers in a typed field (float_data, ...)."""
    number, name = tensor.data_type, tensor.name or ""
    if number in (14, 15):
        flat = np.array(tensor.float_data if number == 14 else tensor.double_data)
        return _filled(name, flat[::2] + 1j * flat[1::2] if flat.size % 2 == 0 else [], shape, dtype)
    field = {1: "float_data", 7: "int64_data", 11: "double_data", 12: "uint64_data", 13: "uint64_data"}
    values = getattr(tensor, field.get(number, "int32_data"))
    if number in BITS:
        data = np.array(values, np.int64).astype(np.uint8)
        count = math.prod(shape)
        if data.size * 8 // BITS[number] < count:
            raise DamagedError(f"tensor {name!r} of shape {shape} has {data.size} bytes")
        return _unpacked(data, BITS[number], count, dtype).reshape(shape)
    if number == 10 or number in NARROW:  # each number's bits are stored as an integer
        width = np.dtype(f"u{dtype.itemsize}")
        return _filled(name, np.array(values, np.int64).astype(width).view(dtype), shape, dtype)
    if number in (12, 13):
        values = np.array(values, np.int64).view(np.uint64)
    return _filled(name, np.array(values).astype(dtype), shape, dtype)


def _filled(name: str, values: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    if len(values) != math.prod(shape):
        raise DamagedError(f"tensor {name!r} of shape {shape} has {len(values)} numbers")
    return np.array(values, dtype).reshape(shape)


def _unpacked(data: Array, bits: int, count: int, dtype: np.dtype[Any]) -> Array:
    """Numbers of 2 or 4 bits, the lowest bits of a byte first."""
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    parts = (data[:, None] >> shifts & (2**bits - 1)).reshape(-1)[:count]
    if dtype.name.startswith("int"):
        parts = (parts ^ (1 << bits - 1)).astype(np.int8) - (1 << bits - 1)
        return parts.astype(dtype)
    return parts.astype(dtype) if dtype.name.startswith("uint") else parts.view(dtype)
