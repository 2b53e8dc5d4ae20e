"""The gradient of `x[index]`."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from .._check import Array
from .._core import ops

BASIC = {int, bool, slice, type(None), type(Ellipsis)}


def own_index(index: Any) -> tuple[Any, bool]:
    """The index, with copies of arrays that may change before the backward pass, and whether it may repeat elements.

    Only arrays of integers can name an element twice.
    """
    parts = index if isinstance(index, tuple) else (index,)
    if all(type(part) in BASIC for part in parts):
        return parts, False
    own = tuple(_own(part) for part in parts)
    return own, any(isinstance(part, np.ndarray) and part.ndim and part.dtype != bool for part in own)


def _own(part: Any) -> Any:
    if type(part) in BASIC:
        return part
    if isinstance(part, (list, tuple, np.ndarray)):
        array = np.array(part)
        return array if array.size or isinstance(part, np.ndarray) else array.astype(np.intp)  # [] names no element
    return operator.index(part) if hasattr(part, "__index__") else np.asarray(part)


def index_gradient(dy: Array, index: tuple[Any, ...], repeats: bool, shape: tuple[int, ...], dtype: Any) -> Array:
    """dy at the indexed places, 0 elsewhere; an element that is indexed twice gets the sum, in the order of the index.

    Sums of float16 are computed in float32, since a float16 of 2048 cannot grow by ones.
    """
    dx = np.zeros(shape, np.result_type(dtype, np.float32) if repeats else dtype)
    if not repeats:
        dx[index] = dy
    elif dx.dtype in (np.float32, np.float64):
        _scatter(dx, index, dy)
    else:
        np.add.at(dx, index, dy)
    return dx


def _scatter(dx: Array, index: tuple[Any, ...], dy: Array) -> None:
    """dx[index] += dy, element after element, or row after row where a single array indexes rows."""
    if not dy.size:
        return
    width = 1
    if len(index) == 1:
        rows, width = np.where(index[0] < 0, index[0] + len(dx), index[0]), dx[0].size
    elif len(index) == dx.ndim and all(_is_integer(part) for part in index):
        rows = np.ravel_multi_index(index, dx.shape, mode="wrap")
    else:
        rows = np.arange(dx.size).reshape(dx.shape)[index]
    rows, parts = np.ascontiguousarray(rows, np.int64), np.ascontiguousarray(dy, dx.dtype)
    ops.scatter_add(dx, rows, parts, rows.size, width)


def _is_integer(part: Any) -> bool:
    return type(part) is int or (isinstance(part, np.ndarray) and part.dtype.kind in "iu")
