"""How functions meet Tensors without importing them: the tape registers itself here.

A function on plain arrays runs at once.  One that meets a Tensor hands itself and its arguments to the tape, which
computes on the arrays and records the step.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

tensor_type: Any = ()  # the class; until it is registered, no class
_record: Callable[..., Any]
_tracks: Callable[..., bool]


def register(tensor: type, record: Callable[..., Any], tracks: Callable[..., bool]) -> None:
    """Name the tensor class, the function that runs and records a call on tensors, and the test for tracked ones."""
    global tensor_type, _record, _tracks
    tensor_type, _record, _tracks = tensor, record, tracks


def refuse_tracked(name: str, argument: str, value: Any) -> None:
    """Refuse a Tensor that tracks gradients, or a list of such, where a call is not recorded: it would lose them."""
    values = value if isinstance(value, (list, tuple)) else (value,)
    for each in values:
        if isinstance(each, tensor_type) and _tracks(each):
            raise TypeError(f"{name}: {argument} would lose its gradient here; give its .numpy(), or use no_grad()")


def differentiable(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function of arrays take Tensors too."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        for value in args:
            if isinstance(value, tensor_type):
                return _record(call, args, kwargs)
        if kwargs:
            for value in kwargs.values():
                if isinstance(value, tensor_type):
                    return _record(call, args, kwargs)
        return function(*args, **kwargs)

    return call
