"""Comparing a plan's output with the model's, and copying results that share memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .._check import Array
from ._graph import Graph, mapped


def rounding(graph: Graph) -> float:
    """How far a plan's output may be off by rounding, relative to the largest value."""
    fine = all(value.dtype.itemsize >= 8 or value.dtype.kind not in "fc" for value in graph.values.values())
    return 2.0**-30 if fine else 2.0**-10


def close(y: Any, expected: Any, relative: float) -> bool:
    """Whether two outputs differ by rounding alone."""
    if isinstance(expected, (list, tuple)):
        alike = type(y) is type(expected) and len(y) == len(expected)
        return alike and all(close(*both, relative) for both in zip(y, expected, strict=True))
    if isinstance(expected, dict):
        alike = type(y) is type(expected) and list(y) == list(expected)
        return alike and all(close(y[key], expected[key], relative) for key in y)
    if not isinstance(expected, (np.ndarray, np.generic)):
        return bool(y == expected)
    if not isinstance(y, (np.ndarray, np.generic)) or y.shape != expected.shape or y.dtype != expected.dtype:
        return False
    if expected.dtype.kind not in "fc":
        return bool(np.array_equal(y, expected))
    top = np.max(np.abs(expected), initial=0, where=np.isfinite(expected))
    return bool(np.allclose(y, expected, rtol=0, atol=top * relative, equal_nan=True))


def root(array: Array) -> Array:
    """The array that owns a view's memory."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def owned(results: Any, others: Iterable[Array]) -> Any:
    """Results that the caller may change: copies of those that share memory with other arrays or with each other."""
    taken = set(map(id, others))

    def own(leaf: Any) -> Any:
        if not isinstance(leaf, np.ndarray):
            return leaf
        leaf = leaf.copy() if not leaf.flags.writeable or id(root(leaf)) in taken else leaf
        taken.add(id(root(leaf)))
        return leaf

    return mapped(results, own)
