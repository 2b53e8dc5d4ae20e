"""Arrays of samples, alone or in tuples, lists and mappings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .._check import Array
from ..autograd import Tensor, value_of


def mapped(method: str, function: Callable[[Array], Any], value: Any) -> Any:
    """The same nested structure with function(array) in place of each array."""
    if isinstance(value, (np.ndarray, Tensor)):
        return function(value_of(value))
    if isinstance(value, Mapping):
        return {name: mapped(method, function, each) for name, each in value.items()}
    if isinstance(value, (tuple, list)):
        found = [mapped(method, function, each) for each in value]
        return found if isinstance(value, list) else type(value)(*found) if hasattr(value, "_fields") else tuple(found)
    raise TypeError(f"{method}: expected arrays, or tuples, lists and mappings of arrays, got a {type(value).__name__}")


def arrays_of(method: str, value: Any) -> list[Array]:
    """The arrays of a nested structure, in order."""
    found: list[Array] = []
    mapped(method, found.append, value)
    return found


def samples_of(method: str, value: Any) -> int:
    """How many samples all arrays hold, in dimension 0; another number in one of them is refused."""
    arrays = arrays_of(method, value)
    if not arrays:
        raise ValueError(f"{method}: expected a batch of arrays, got none")
    size = len(arrays[-1]) if arrays[-1].ndim else 0
    for each in arrays:
        if each.ndim < 1 or len(each) != size or not size:
            raise ValueError(
                f"{method}: expected arrays of the same number of samples in dimension 0, at least 1, got shapes "
                f"{' and '.join(sorted({str(each.shape) for each in arrays}))}"
            )
    return size


def piece(value: Any, begin: int, end: int) -> Any:
    """Samples begin .. end - 1."""
    return mapped("distributed", lambda array: array[begin:end], value)
