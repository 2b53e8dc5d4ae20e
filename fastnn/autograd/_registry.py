"""Derivatives of NumPy's ufuncs, and functions without a derivative; `_dispatch.derivative` declares the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from .._check import Array
from ..functional._layout import summed as summed, unbroadcast as unbroadcast

Gradients: TypeAlias = "Sequence[Array | None]"


def quotient(x: Array, y: Array) -> Array:
    """x / y, and 0 where y is 0."""
    out = np.zeros(np.broadcast_shapes(np.shape(x), np.shape(y)), np.result_type(x, y))
    return np.divide(x, y, out=out, where=np.not_equal(y, 0))


class Rule(NamedTuple):
    """The gradient of one argument of a ufunc: a function of dy and of the values that it reads.

    reads : tuple of int
        Their places in (result, *arguments); the tape keeps no others.
    """

    gradient: Callable[..., Any]
    reads: tuple[int, ...]


def declare(ufunc: np.ufunc, *gradients: Callable[..., Any]) -> None:
    """Give a ufunc the gradient of each argument: a function of dy, and of y (the result), x or a, b by these names."""
    places = {"y": 0, "x": 1, "a": 1, "b": 2}
    names = [each.__code__.co_varnames[1 : each.__code__.co_argcount] for each in gradients]
    UFUNCS[ufunc] = tuple(
        Rule(each, tuple(places[n] for n in read)) for each, read in zip(gradients, names, strict=True)
    )


# _ufuncs.py and _matmul.py fill these.
# UFUNCS: for each argument of a ufunc, the rule of its gradient.
# OWN: functions of this package that compute a ufunc in place of NumPy's loop.
# UNDIFFERENTIATED: functions of NumPy whose results have no derivative.
UFUNCS: dict[np.ufunc, tuple[Rule, ...]] = {}
OWN: dict[np.ufunc, Callable[..., Any]] = {}
UNDIFFERENTIATED: set[Callable[..., Any]] = set()
