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


def register(tensor: type, record: Callable[..., Any]) -> None:
    """Name the tensor class, and the function (function, args, kwargs) that runs and records a call on tensors."""
    global tensor_type, _record
    tensor_type, _record = tensor, record


def differentiable(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function of arrays take Tensors too."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        for value in args:
            if isinstance(value, tensor_type):
                return _record(call, args, kwargs)
        for value in kwargs.values():
            if isinstance(value, tensor_type):
                return _record(call, args, kwargs)
        return function(*args, **kwargs)

    return call
