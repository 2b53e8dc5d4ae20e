"""How functions meet Tensors without importing them.

A function on plain arrays runs at once.  One that meets a Tensor hands itself and its arguments to the tape, which
computes on the arrays and records the step.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from . import _core

P = ParamSpec("P")
R = TypeVar("R")


def refuse_tracked(name: str, argument: str, value: Any) -> None:
    """Refuse a Tensor that tracks gradients, or a list of such, where a call is not recorded: it would lose them."""
    values = value if isinstance(value, (list, tuple)) else (value,)
    if _core.tracks(*values):
        raise TypeError(f"{name}: {argument} would lose its gradient here; give its .numpy(), or use no_grad()")


def differentiable(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function of arrays take Tensors too."""
    return _core.differentiable(function, _respelled)


# What an argument is called here, by its name in NumPy or in PyTorch, or by what PyTorch has given up
SPELLINGS = {
    "axis": "dim",
    "dim": "axis",
    "keepdims": "keepdim",
    "keepdim": "keepdims",
    "reduce": "reduction",
    "size_average": "reduction",
}


def respelled(function: Callable[P, R]) -> Callable[P, R]:
    """Answer an argument named as NumPy does (`axis`) or as PyTorch does (`dim`) with the name that it has here."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except TypeError as error:
            raise _respelled(error, function, kwargs) from error.__cause__

    return call


def _respelled(error: TypeError, function: Any, kwargs: dict[str, Any]) -> TypeError:
    """The error itself, or, if an argument goes by another name here, one that says so."""
    code = function.__code__
    known = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    for given in kwargs:
        meant = SPELLINGS.get(given)
        if given not in known and meant in known:
            name = function.__qualname__.removesuffix(".__init__")
            error = TypeError(f"{name}: got an unexpected argument {given!r}; did you mean {meant}=?")
            error.__cause__ = None  # the other error would only repeat it
    return error
