"""What is known of NumPy's ufuncs, and of functions without a derivative; `_dispatch.derivative` has the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from .._check import Array

Gradients: TypeAlias = "Sequence[Array | None]"


# _ufuncs.py and _matmul.py fill these.
# UFUNCS: for each argument of a ufunc, a function (dy, y, *arguments) that returns the argument's gradient.
# OWN: functions of this package that compute a ufunc in place of NumPy's loop.
# UNDIFFERENTIATED: functions of NumPy whose results have no derivative.
UFUNCS: dict[np.ufunc, tuple[Callable[..., Any], ...]] = {}
OWN: dict[np.ufunc, Callable[..., Any]] = {}
UNDIFFERENTIATED: set[Callable[..., Any]] = set()


def summed(gradient: Array, axes: tuple[int, ...], keepdims: bool = False) -> Array:
    """Sum over dimensions, of float16 in float32: a float16 that has reached 2048 cannot grow by ones."""
    dtype = np.float32 if gradient.dtype == np.float16 else None
    return np.asarray(gradient.sum(axis=axes, dtype=dtype, keepdims=keepdims))


def unbroadcast(gradient: Any, shape: tuple[int, ...]) -> Array:
    """Sum over the dimensions along which an argument of this shape was repeated."""
    gradient = np.asarray(gradient)
    if gradient.shape == shape:
        return gradient
    extra = gradient.ndim - len(shape)
    repeated = tuple(i + extra for i, size in enumerate(shape) if size == 1 and gradient.shape[i + extra] != 1)
    return summed(gradient, (*range(extra), *repeated), keepdims=True).reshape(shape)
