"""Finding the call that gave a NaN or an infinity."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .. import _core
from .._check import Array
from .._core import mode
from .._dispatch import flat
from .._observe import Observer, Origin, swap
from .._scope import Scope
from ..autograd import Tensor


class AnomalyError(FloatingPointError):
    """A computation gave NaN or an infinity.

    Attributes
    ----------
    path : str
        The module's path as in `named_modules`; empty for the outermost module and outside of modules.
    op : str
        The function.
    direction : str
        "forward" or "backward".
    index : tuple of int
        Of the first such value.
    value : float
    produced : bool
        Whether everything that entered the function was finite.
    """

    def __init__(
        self, path: str, kind: str, op: str, direction: str, index: tuple[int, ...], value: float, source: str
    ):
        self.path, self.op, self.direction, self.index, self.value = path, op, direction, index, value
        self.produced = not source
        where = f" of {kind}{f' {path!r}' if path else ''}" if kind else ""
        how = f"passed on: {source}" if source else "produced: finite came in"
        place = f" at index {index}" if index else ""
        super().__init__(f"detect_anomaly: {direction} of {op}{where} gave {value}{place}, {how}")


def _first(value: Any) -> tuple[tuple[int, ...], float] | None:
    """Index and value of the first number that is not finite."""
    array = np.asarray(_core.value_of(value))
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return None
    flat = int(np.argmin(np.isfinite(array).reshape(-1)))
    index = np.unravel_index(flat, array.shape)
    return tuple(map(int, index)), float(array[index])


def _said(who: str, value: Any) -> str:
    """Which number of a value is not finite, in words; empty if all are."""
    found = _first(value)
    if found is None:
        return ""
    index, number = found
    return f"{who} held {number} at index {index}" if index else f"{who} was {number}"


def _source(values: Iterable[Any]) -> str:
    """The first argument that is not finite, in words; empty if all are."""
    for i, value in enumerate(flat(tuple(values))):
        if isinstance(value, (np.ndarray, Tensor, float)):
            text = _said(f"argument {i + 1}", value)
            if text:
                return text
    return ""


def _bad_gradient(dys: list[Array | None]) -> str:
    """The first gradient of a call's results that is not finite, in words; empty if all are."""
    for i, dy in enumerate(dys, 1):
        text = _said(f"the gradient of its result{f' {i}' if len(dys) > 1 else ''}", dy) if dy is not None else ""
        if text:
            return text
    return ""


class _Watcher(Observer):
    """Observes calls, and checks their results and gradients."""

    def call(self, name: str, function: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
        """Call a function and check its result; indexing computes nothing, and is not checked."""
        if function is operator.getitem:
            return function(*args)
        source = _source((*args, *kwargs.values()))  # before: the result may be written over an input
        path, kind, _ = mode.origin
        result = super().call(name, function, args, kwargs)
        for each in result if isinstance(result, (list, tuple)) else (result,):
            found = _first(each) if isinstance(each, (np.ndarray, np.floating, float, Tensor)) else None
            if found is not None:
                raise AnomalyError(path, kind, name, "forward", *found, source)
        return result

    def back(self, origin: Origin, function: Callable[..., Any], dys: list[Array | None]) -> Any:
        """Check the gradients of one recorded call."""
        gradients = super().back(origin, function, dys)
        for gradient in gradients:
            found = None if gradient is None else _first(gradient)
            if found is not None:
                raise AnomalyError(*origin, "backward", *found, _bad_gradient(dys))
        return gradients


def _swap(block: Any) -> Any:
    """Make a new watcher this thread's observer, or restore what was before: (observer, NumPy's error state)."""
    if block is None:
        quiet = np.errstate(all="ignore")
        quiet.__enter__()
        watcher = _Watcher()
        watcher.outer = mode.observer
        return swap(watcher), quiet
    observer, quiet = block
    swap(observer)
    quiet.__exit__(None, None, None)
    return None


def detect_anomaly() -> Scope[Any]:
    """Stop at the first NaN or infinity that a function of this thread gives, forward or backward.

    Everything that the package computes inside the `with` block is looked at: functions of arrays and of Tensors, NumPy
    functions of Tensors, and the steps of `backward()` recorded inside.  That takes several times as long; outside of a
    block it costs nothing.

    Raises
    ------
    AnomalyError
        A FloatingPointError that names the module's path, the function, the direction, the first index, and whether the
        function produced the value or only passed it on.

    Examples
    --------
    >>> import fastnn
    >>> x = fastnn.tensor([0.0, 1.0], requires_grad=True)
    >>> with fastnn.detect_anomaly():
    ...     np.log(x)
    Traceback (most recent call last):
    fastnn.nn._anomaly.AnomalyError: detect_anomaly: forward of np.log gave -inf at index (0,), produced: finite came in
    """
    return Scope("detect_anomaly", _swap, None)
