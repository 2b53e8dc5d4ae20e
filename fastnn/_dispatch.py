"""How functions meet Tensors without importing them.

A function on plain arrays runs at once.  One that meets a Tensor hands itself and its arguments to the tape, which
computes on the arrays and records the step.
"""

from __future__ import annotations

from collections.abc import Callable
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
    return _core.differentiable(function)


def respelled(function: Callable[P, R]) -> Callable[P, R]:
    """Answer an argument named as NumPy does (`axis`) or as PyTorch does (`dim`) with the name that it has here."""
    return _core.respelled(function)
