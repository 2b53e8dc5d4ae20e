"""Joining samples to a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import _check
from .._check import Array
from ..autograd import Tensor, value_of
from ._index import sized

__all__ = ["default_collate"]

_NUMBERS = (bool, int, float, np.number, np.bool_)
_INTEGERS = (int, np.integer, np.bool_)
_KINDS: tuple[Any, ...] = ((np.ndarray, Tensor), _NUMBERS, str, bytes, Mapping, (tuple, list))


def contiguous(batch: Any) -> Any:
    """A batch whose arrays are C-contiguous."""
    if isinstance(batch, np.ndarray):
        return np.ascontiguousarray(batch)
    if isinstance(batch, (tuple, list)) and not hasattr(batch, "_fields"):
        return type(batch)(map(contiguous, batch))
    return batch


def default_collate(batch: Sequence[Any]) -> Any:
    """Join samples: arrays are stacked, numbers become an array, tuples and mappings are joined part by part.

    Parameters
    ----------
    batch : sequence of samples
        All of one kind.  Python floats become float64, integers int64, as NumPy has it; strings stay a list.

    Raises
    ------
    ValueError
        If shapes or lengths differ, or integers do not fit into 64 bits.
    TypeError
        If the samples cannot be joined.

    Examples
    --------
    >>> default_collate([(np.zeros(2), 3), (np.ones(2), 4)])
    (array([[0., 0.],
           [1., 1.]]), array([3, 4]))
    """
    if not len(sized("default_collate", "samples", batch)):
        raise ValueError("default_collate: expected at least one sample, got none")
    first = batch[0]
    kind = next((kind for kind in _KINDS if isinstance(first, kind)), type(first))
    strangers = {type(each).__name__ for each in batch if not isinstance(each, kind)}
    if strangers:
        raise TypeError(
            f"default_collate: expected samples of one kind, got {type(first).__name__} and {', '.join(strangers)}"
        )
    if isinstance(first, (np.ndarray, Tensor)):
        arrays = [_check.as_array("default_collate", value_of(each), "samples") for each in batch]
        if len({each.shape for each in arrays}) > 1:
            shapes = ", ".join(str(shape) for shape in sorted({each.shape for each in arrays}))
            raise ValueError(f"default_collate: expected arrays of one shape, got {shapes}")
        stacked = np.stack(arrays)
        if stacked.dtype.kind == "f" and all(each.dtype.kind in "iu" for each in arrays):
            kinds = ", ".join(sorted({str(each.dtype) for each in arrays}))
            raise TypeError(f"default_collate: expected integers that one integer type holds, got {kinds}")
        return stacked
    if isinstance(first, _NUMBERS):
        return _numbers(batch)
    if isinstance(first, (str, bytes)):
        return list(batch)
    if isinstance(first, Mapping):
        if any(each.keys() != first.keys() for each in batch):
            raise ValueError(f"default_collate: expected mappings with the keys {list(first)}, got others")
        return {key: default_collate([each[key] for each in batch]) for key in first}
    if isinstance(first, (tuple, list)):
        if len({len(each) for each in batch}) > 1:
            raise ValueError(f"default_collate: expected samples of one length, got {sorted({*map(len, batch)})}")
        parts = [default_collate(part) for part in zip(*batch, strict=True)]
        if isinstance(first, tuple):
            return type(first)(*parts) if hasattr(first, "_fields") else tuple(parts)
        return parts
    if hasattr(first, "__array_interface__"):  # such as Pillow's images
        return default_collate([np.asarray(each) for each in batch])
    raise TypeError(
        "default_collate: expected samples of arrays, numbers, strings, tuples, lists and mappings, "
        f"got {type(first).__name__}; give the loader a collate_fn"
    )


def _numbers(batch: Sequence[Any]) -> Array:
    """Numbers as an array; integers stay integers, where NumPy would make floats or objects of large ones."""
    array = np.array(batch)
    if array.dtype.kind in "fO" and all(isinstance(each, _INTEGERS) for each in batch):
        whole = [int(each) for each in batch]
        low, high = min(whole), max(whole)
        if low < 0 or high >= 2**64:
            raise ValueError(f"default_collate: expected integers of 64 bits, got {low} to {high}")
        return np.array(whole, np.uint64)
    return array
