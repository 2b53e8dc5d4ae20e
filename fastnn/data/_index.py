"""Which samples an index means: one rule for all datasets."""

from __future__ import annotations

from collections.abc import Sized
from typing import Any

import numpy as np

from .._check import Array
from ..autograd import Tensor, value_of


def numbers(name: str, indices: Any) -> Array:
    """A vector of sample numbers; booleans and fractions are refused, since a cast would turn them into numbers."""
    array = np.asarray(value_of(indices))
    if array.size == 0 and array.ndim == 1:
        return array.astype(np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected a list of integers, got dtype {array.dtype} and shape {array.shape}")
    return array


def sized(name: str, argument: str, source: Any) -> Any:
    """The source, refused if it has no length."""
    if not isinstance(source, Sized):
        raise TypeError(f"{name}: expected {argument} with a length, got a {type(source).__name__}")
    return source


def positions(name: str, indices: Any, size: int) -> Array:
    """Sample numbers in [0, size), from a vector of indices."""
    return within(name, numbers(name, indices), size)


def within(name: str, indices: Array, size: int) -> Array:
    """Sample numbers in [0, size), from indices, of which negative ones count from the end."""
    wrong = (indices < -size) | (indices >= size)
    if wrong.any():
        raise IndexError(f"{name}: expected an index of {size} samples, got {indices[wrong].flat[0]}")
    indices = indices.astype(np.int64, copy=False)
    return np.where(indices < 0, indices + size, indices)


def chosen(name: str, index: Any, size: int) -> int | Array:
    """The sample that an index means or, if it is a slice, a list or a mask, the samples."""
    if isinstance(index, slice):
        return np.arange(size)[index]
    if isinstance(index, (list, range)) or (isinstance(index, (np.ndarray, Tensor)) and index.ndim):
        array = np.asarray(value_of(index))
        if array.dtype.kind == "b" and array.shape == (size,):
            return np.flatnonzero(array)
        return positions(name, array, size)
    value = index.item() if isinstance(index, (np.ndarray, np.integer, Tensor)) else index
    if type(value) is not int:
        raise TypeError(f"{name}: expected an integer, a slice, or a list of integers, got {index!r}")
    if not -size <= value < size:
        raise IndexError(f"{name}: expected an index of {size} samples, got {value}")
    return value % size
