"""np.matmul on the tape: the kernel of `linear`, forward and backward."""

from __future__ import annotations

import math

import numpy as np

from .._check import Array
from ..functional._matmul import matmul
from ._registry import OWN, UFUNCS


def _rows_of(x: Array) -> Array:
    """(rows, n) of (*, n)."""
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def _left(dy: Array, y: Array, a: Array, b: Array) -> Array:
    if b.ndim == 1:
        return np.multiply.outer(dy, b) if a.ndim > 1 else dy * b
    if a.ndim > 2 or b.ndim == 2:
        return matmul(dy, b.swapaxes(-1, -2))
    dy = dy if a.ndim > 1 else np.expand_dims(dy, -2)  # one product over all the batch, where a has none
    da = matmul(_rows_of(dy.swapaxes(-1, -2)).T, _rows_of(b.swapaxes(-1, -2)))
    return da.reshape(a.shape)


def _right(dy: Array, y: Array, a: Array, b: Array) -> Array:
    if a.ndim == 1:
        return (
            np.multiply.outer(a, dy) if b.ndim == 2 else dy * a if b.ndim == 1 else a[:, None] * np.expand_dims(dy, -2)
        )
    if b.ndim > 2:
        return matmul(a.swapaxes(-1, -2), dy)
    rows = _rows_of(a)  # one product over all the batch, where b has none
    return matmul(rows.T, dy.reshape(len(rows), *b.shape[1:]))


OWN[np.matmul] = matmul
UFUNCS[np.matmul] = (_left, _right)
