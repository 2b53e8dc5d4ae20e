"""The memory order of arrays, as kernels describe it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .. import _check
from .._check import Array


def to_rows(x: Array, dim: int) -> Array:
    """(rows, n) with dimension `dim` last, contiguous; a copy only if needed."""
    if x.ndim == 2 and dim == 1 and x.flags.c_contiguous:
        return x
    if x.ndim == 0:
        return _check.contiguous(x).reshape(1, 1)
    moved = np.moveaxis(x, dim, -1)
    return _check.contiguous(moved).reshape(moved.size // moved.shape[-1] if moved.size else 0, moved.shape[-1])


def from_rows(rows: Array, shape: tuple[int, ...], dim: int) -> Array:
    """The array of that shape whose rows along `dim` these are."""
    if shape == rows.shape and dim == 1:
        return rows
    if not shape:
        return rows.reshape(())
    moved = shape[:dim] + shape[dim + 1 :] + shape[dim : dim + 1]
    return _check.contiguous(np.moveaxis(rows.reshape(moved), -1, dim))


class Memory(NamedTuple):
    """How (N, C, *) lies in memory: sizes for the kernels and the permutation that makes it C-contiguous."""

    n: int
    c: int
    s: int
    last: bool
    permutation: tuple[int, ...]

    @property
    def sizes(self) -> tuple[int, int, int, bool]:
        """The kernels' sizes: n, c, s, last."""
        return self[:4]

    def flat(self, array: Array) -> Array:
        """The values in their order in memory."""
        return array.transpose(self.permutation).reshape(-1)


def memory_of(x: Array) -> tuple[Array, Memory]:
    """x, copied only if neither order fits, and its memory."""
    n, c = x.shape[:2]
    s = math.prod(x.shape[2:])
    spatial = tuple(range(2, x.ndim))
    first = Memory(n, c, s, x.ndim == 2, (0, 1, *spatial))
    if x.flags.c_contiguous:
        return x, first
    for other in (Memory(n, c, s, True, (0, *spatial, 1)), Memory(1, c, n * s, False, (1, 0, *spatial))):
        if x.transpose(other.permutation).flags.c_contiguous:
            return x, other
    return _check.contiguous(x), first


def summed(gradient: Array, axes: tuple[int, ...], keepdims: bool = False) -> Array:
    """Sum over dimensions, float16 in float32: a float16 of 2048 cannot grow by ones."""
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
