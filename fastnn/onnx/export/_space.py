"""What convolutions, pooling and resizing have in common: padding, and windows that share an axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ._build import Builder, NotWritten, Size

MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge"}


def pad(
    b: Builder, x: str, shape: Sequence[Size], pairs: list[tuple[int, int]], mode: str, value: Any, dtype: Any
) -> str:
    """A value padded by (begin, end) in each dimension; negative numbers cut."""
    if not any(map(any, pairs)):
        return x
    if mode == "circular":  # by indices, as Pad's mode "wrap" needs opset 19
        for axis, (begin, end) in enumerate(pairs):
            if begin or end:
                (size,) = b.fixed(shape[axis])
                x = b("Gather", x, b.constant(np.arange(-begin, size + end) % size), axis=axis)
        return x
    if mode not in MODES:
        raise NotWritten(f"padding of mode {mode!r}")
    places = b.ints(*(begin for begin, _ in pairs), *(end for _, end in pairs))
    filling = [b.constant(np.asarray(value or 0, dtype))] if mode == "constant" else []
    return str(b("Pad", x, places, *filling, mode=MODES[mode]))


def each(value: Any, dims: int) -> list[Any]:
    """One number for all dimensions, or one for each."""
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    return values * dims if len(values) == 1 else values


def bounds(size: int, out: int) -> list[tuple[int, int]]:
    """(begin, end) of the `out` windows of adaptive pooling along an axis."""
    return [(i * size // out, -(-(i + 1) * size // out)) for i in range(out)]


def means(b: Builder, x: str, axis: int, ndim: int, size: int, out: int, dtype: Any) -> str:
    """Means of windows of different sizes, as a product with a matrix."""
    weights = np.zeros((size, out), dtype)
    for i, (begin, end) in enumerate(bounds(size, out)):
        weights[begin:end, i] = 1 / (end - begin)
    return along(b, x, axis, ndim, weights)


def along(b: Builder, x: str, axis: int, ndim: int, weights: Any) -> str:
    """A value multiplied along one axis by a matrix (size, out)."""
    perm = list(range(ndim))
    perm[axis], perm[-1] = perm[-1], perm[axis]
    return b.transpose(b("MatMul", b.transpose(x, perm), b.constant(weights)), perm)
