"""What is known of the functions that the tape records: the rules of ufuncs, the recorded versions of the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from .._check import Array

Gradients: TypeAlias = "Sequence[Array | None]"


class Recorded:
    """The recorded version of a function, and its arguments that have a derivative, by name and position.

    An argument called `arrays` is a list of arrays; no other argument may be a list of Tensors.
    """

    def __init__(self, function: Callable[..., Any], version: Callable[..., Any], differentiable: dict[str, int]):
        self.function, self.version, self.differentiable = function, version, differentiable
        self.positions = frozenset(differentiable.values())
        self.takes_list = "arrays" in differentiable

    @cached_property
    def takes(self) -> tuple[frozenset[str], frozenset[str], int]:
        """Keywords of the version, all keywords of the function (such as out), and how many arguments need none.

        Found when first asked for: signatures take their time.
        """
        known, own = _parameters(self.function), _parameters(self.version)
        kinds = {each.kind.name for each in own.values()}
        names = frozenset(known) - {"out"} if "VAR_KEYWORD" in kinds else frozenset(own)
        listed = known if "VAR_POSITIONAL" in kinds and known else own
        positions = sum(each.kind.name in ("POSITIONAL_ONLY", "POSITIONAL_OR_KEYWORD") for each in listed.values())
        return names, names | frozenset(known), positions


def _parameters(function: Callable[..., Any]) -> Mapping[str, Any]:
    import inspect  # takes its time, and only the first recorded call with keywords needs it

    try:
        return inspect.signature(function).parameters
    except ValueError:  # some of NumPy's functions do not say
        return {}


# Filled by the modules of derivatives.  UFUNCS: for each argument a function (dy, y, *arguments) of its gradient.
# OWN: what computes a ufunc in place of NumPy's loop.
# FUNCTIONS: the recorded version of a function.  UNDIFFERENTIATED: functions whose results have no derivative.
UFUNCS: dict[np.ufunc, tuple[Callable[..., Any], ...]] = {}
OWN: dict[np.ufunc, Callable[..., Any]] = {}
FUNCTIONS: dict[Callable[..., Any], Recorded] = {}
UNDIFFERENTIATED: set[Callable[..., Any]] = set()


def recorded(function: Callable[..., Any], **differentiable: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Name the function that the decorated one is the recorded version of, and the arguments with a derivative."""

    def register(version: Callable[..., Any]) -> Callable[..., Any]:
        FUNCTIONS[function] = Recorded(function, version, differentiable)
        return version

    return register


def summed(gradient: Array, axes: tuple[int, ...], keepdims: bool = False) -> Array:
    """Sum over dimensions, of float16 in float32: a float16 that has reached 2048 cannot grow by ones."""
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
