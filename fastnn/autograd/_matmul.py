"""Products on the tape: np.matmul by the kernel of `linear`, forward and backward, and np.dot, np.einsum and others."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from .._check import Array
from .._dispatch import derivative
from ..functional._matmul import matmul
from ._registry import OWN, declare, unbroadcast


def _rows_of(x: Array) -> Array:
    """(rows, n) of (*, n)."""
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def _left(dy: Array, a: Array, b: Array) -> Array:
    if b.ndim == 1:
        return np.multiply.outer(dy, b) if a.ndim > 1 else dy * b
    if a.ndim > 2 or b.ndim == 2:
        return matmul(dy, b.swapaxes(-1, -2))
    dy = dy if a.ndim > 1 else np.expand_dims(dy, -2)  # a has no batch: one product sums over b's
    da = matmul(_rows_of(dy.swapaxes(-1, -2)).T, _rows_of(b.swapaxes(-1, -2)))
    return da.reshape(a.shape)


def _right(dy: Array, a: Array, b: Array) -> Array:
    if a.ndim == 1:
        return (
            np.multiply.outer(a, dy) if b.ndim == 2 else dy * a if b.ndim == 1 else a[:, None] * np.expand_dims(dy, -2)
        )
    if b.ndim > 2:
        return matmul(a.swapaxes(-1, -2), dy)
    rows = _rows_of(a)  # b has no batch: one product sums over a's
    return matmul(rows.T, dy.reshape(len(rows), *b.shape[1:]))


OWN[np.matmul] = matmul
declare(np.matmul, _left, _right)


# -- built on matmul --------------------------------------------------------------------------------------------------

Pair: TypeAlias = "tuple[Any, Callable[[Array], Sequence[Array | None]]]"


def _times(wanted: tuple[bool, bool], a: Any, b: Any) -> Pair:
    """a b with broadcasting."""

    def backward(dy: Array) -> Sequence[Array | None]:
        return (
            unbroadcast(dy * b, np.shape(a)) if wanted[0] else None,
            unbroadcast(dy * a, np.shape(b)) if wanted[1] else None,
        )

    return np.multiply(a, b), backward


@derivative(np.dot, "a", "b")
def _dot(wanted: tuple[bool, bool], a: Any, b: Any) -> Pair:
    if 0 in (np.ndim(a), np.ndim(b)):
        return _times(wanted, a, b)
    return _tensordot(wanted, a, b, (-1, 0 if np.ndim(b) == 1 else -2))


@derivative(np.inner, "a", "b")
def _inner(wanted: tuple[bool, bool], a: Any, b: Any) -> Pair:
    return _times(wanted, a, b) if 0 in (np.ndim(a), np.ndim(b)) else _tensordot(wanted, a, b, (-1, -1))


@derivative(np.vdot, "a", "b")
def _vdot(wanted: tuple[bool, bool], a: Any, b: Any) -> Pair:
    y, backward = _tensordot(wanted, np.reshape(a, -1), np.reshape(b, -1), 1)
    shapes = np.shape(a), np.shape(b)
    return y, lambda dy: [None if d is None else d.reshape(s) for d, s in zip(backward(dy), shapes, strict=True)]


@derivative(np.outer, "a", "b")
def _outer(wanted: tuple[bool, bool], a: Any, b: Any) -> Pair:
    y, backward = _times(wanted, np.reshape(a, (-1, 1)), np.reshape(b, (1, -1)))
    shapes = np.shape(a), np.shape(b)
    return y, lambda dy: [None if d is None else d.reshape(s) for d, s in zip(backward(dy), shapes, strict=True)]


@derivative(np.tensordot, "a", "b")
def _tensordot(wanted: tuple[bool, bool], a: Any, b: Any, axes: Any = 2) -> Pair:
    of_a, of_b = (range(-axes, 0), range(axes)) if isinstance(axes, (int, np.integer)) else axes
    a, b = np.asarray(a), np.asarray(b)
    (left, free_a), (right, free_b) = _parted(a.shape, of_a), _parted(b.shape, of_b)
    summed, other = [a.shape[i] for i in left], [b.shape[i] for i in right]
    if summed != other:
        raise ValueError(f"np.tensordot: expected axes of equal sizes, got {summed} and {other}")
    rows, columns = [a.shape[i] for i in free_a], [b.shape[i] for i in free_b]
    matrix_a = a.transpose(free_a + left).reshape(math.prod(rows), math.prod(summed))
    matrix_b = b.transpose(right + free_b).reshape(math.prod(summed), math.prod(columns))

    def backward(dy: Array) -> Sequence[Array | None]:
        dy = np.reshape(dy, (len(matrix_a), matrix_b.shape[1]))
        da = matmul(dy, matrix_b.T).reshape(rows + summed) if wanted[0] else None
        db = matmul(matrix_a.T, dy).reshape(summed + columns) if wanted[1] else None
        return (
            None if da is None else da.transpose(np.argsort(free_a + left)),
            None if db is None else db.transpose(np.argsort(right + free_b)),
        )

    return matmul(matrix_a, matrix_b).reshape(rows + columns), backward


def _parted(shape: tuple[int, ...], axes: Any) -> tuple[list[int], list[int]]:
    """The axes that are named, counted from the front, and the others."""
    every = range(len(shape))
    named = [every[i] for i in ([axes] if isinstance(axes, (int, np.integer)) else axes)]
    return named, [i for i in every if i not in named]


# -- einsum -----------------------------------------------------------------------------------------------------------


@derivative(np.einsum, "a", "b")
def _einsum(wanted: tuple[bool, bool], subscripts: str, a: Any, b: Any = None, *, optimize: Any = False) -> Pair:
    values = [np.asarray(each) for each in ((a,) if b is None else (a, b))]
    y = np.einsum(subscripts, *values, optimize=optimize)
    letters, result = _letters(subscripts)

    def backward(dy: Array) -> Sequence[Array | None]:
        return [_einsum_gradient(i, dy, result, letters, values, optimize) if wanted[i] else None for i in range(2)]

    return y, backward


def _letters(subscripts: str) -> tuple[list[str], str]:
    """The letters of each operand's axes, and of the result's."""
    text, arrow, result = subscripts.replace(" ", "").partition("->")
    letters = text.split(",")
    if "." in subscripts or any(len(set(own)) < len(own) for own in letters):
        raise TypeError(
            f"np.einsum: {subscripts!r} has no derivative here: expected no '...', and no letter twice in one operand"
        )
    return letters, result if arrow else "".join(sorted(each for each in set(text) - {","} if text.count(each) == 1))


def _einsum_gradient(
    i: int, dy: Array, result: str, letters: Sequence[str], values: Sequence[Array], optimize: Any
) -> Array:
    """dy times the other operand, summed over axes that this one lacks, repeated along axes that it alone has."""
    own, shape = letters[i], values[i].shape
    others = [(letters[j], values[j]) for j in range(len(values)) if j != i]
    there = result + "".join(each for each, _ in others)
    kept = "".join(each for each in own if each in there)
    d = np.einsum(
        ",".join([result, *(each for each, _ in others)]) + "->" + kept, dy, *(each for _, each in others),
        optimize=optimize,
    )  # fmt: skip
    sizes = iter(np.shape(d))
    d = np.reshape(d, [next(sizes) if each in there else 1 for each in own])
    return unbroadcast(np.broadcast_to(d, np.broadcast_shapes(d.shape, shape)).copy(), shape)
