"""Floats that files hold and NumPy has no type for: as ml_dtypes' types, or widened to float32."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._check import Array

# ml_dtypes' name of each type of the format
NAMES = {"BF16": "bfloat16", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "F8_E8M0": "float8_e8m0fnu"}


def narrow_type(kind: str) -> np.dtype[Any]:
    """ml_dtypes' type; ModuleNotFoundError where that library is missing, as the caller words it."""
    import ml_dtypes

    return np.dtype(getattr(ml_dtypes, NAMES[kind]))


def widened(data: Any, kind: str) -> Array:
    """The same numbers in float32, which holds each of them exactly.

    A bfloat16 is the upper half of a float32, an e5m2 that of a float16.  e4m3's exponent has one bit less than
    float16's, so its bits moved into place are 2^-8 of the number; it has no infinities, and NaN where all bits but the
    sign are set.  An e8m0 is a power of two, its exponent as float32 has it.
    """
    if kind == "BF16":
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    bits = np.frombuffer(data, np.uint8)
    if kind == "F8_E5M2":
        return (bits.astype(np.uint16) << 8).view(np.float16).astype(np.float32)
    if kind == "F8_E8M0":
        words = bits.astype(np.uint32) << 23
        words[bits == 0] = 1 << 22  # 2^-127 is subnormal
        words[bits == 0xFF] = 0x7FC00000  # NaN
        return words.view(np.float32)
    magnitude = ((bits & np.uint8(0x7F)).astype(np.uint16) << 7).view(np.float16).astype(np.float32) * np.float32(256)
    magnitude[bits & 0x7F == 0x7F] = np.nan
    return np.where(bits & 0x80, -magnitude, magnitude)
