"""Whether this thread's calls are recorded, and who is told of those that are not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .._core import mode


def is_grad_enabled() -> bool:
    """Whether calls in this thread are recorded."""
    return mode.enabled


@contextmanager
def _with_mode(name: str, value: Any) -> Iterator[None]:
    """Set an attribute of this thread's mode for a while."""
    before = getattr(mode, name)
    setattr(mode, name, value)
    try:
        yield
    finally:
        setattr(mode, name, before)


def no_grad() -> Any:
    """Record nothing inside a `with` block, or in a function so decorated; arrays come back in place of Tensors.

    Examples
    --------
    >>> import fastnn
    >>> x = fastnn.tensor([1.0], requires_grad=True)
    >>> with fastnn.no_grad():
    ...     fastnn.relu(x)
    array([1.])
    """
    return _with_mode("enabled", False)


def enable_grad() -> Any:
    """Record again inside a `with` block under `no_grad`."""
    return _with_mode("enabled", True)


def tracing(tracer: Callable[[Callable[..., Any], Any, Any], Any] | None) -> Any:
    """Hand this thread's calls on Tensors that nothing records to `tracer`, as (function, args, kwargs)."""
    return _with_mode("tracer", tracer)


def tracer_of_thread() -> Any:
    """What `tracing` has set."""
    return mode.tracer
