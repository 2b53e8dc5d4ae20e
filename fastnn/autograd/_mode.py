"""Whether this thread's calls are recorded."""

from __future__ import annotations

from .._core import mode
from .._scope import Scope


def is_grad_enabled() -> bool:
    """Whether calls in this thread are recorded."""
    return mode.enabled


def _swap_enabled(value: bool) -> bool:
    before = mode.enabled
    mode.enabled = value
    return before


def no_grad() -> Scope[bool]:
    """Record nothing inside a `with` block, or in a function so decorated: calls return arrays in place of Tensors.

    A decorated generator function records nothing while its own body runs; what its caller does between two items is
    recorded as before.  Async functions are refused: use a `with` block that holds no await.

    Examples
    --------
    >>> import fastnn
    >>> x = fastnn.tensor([1.0], requires_grad=True)
    >>> with fastnn.no_grad():
    ...     fastnn.relu(x)
    array([1.])
    """
    return Scope("no_grad", _swap_enabled, False)


def enable_grad() -> Scope[bool]:
    """Record again inside a `with` block under `no_grad`, or in a function so decorated."""
    return Scope("enable_grad", _swap_enabled, True)
