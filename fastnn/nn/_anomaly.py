"""Where a NaN or an infinity came from."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .. import _core
from .._check import Array
from .._scope import Scope
from ..autograd import Tensor
from ._module import Module

_lock = threading.Lock()
_METHODS: tuple[tuple[type, str], ...] = (
    (Module, "__call__"),
    (Tensor, "__array_ufunc__"),
    (Tensor, "__array_function__"),
)
_plain: dict[tuple[type, str], Callable[..., Any]] = {each: getattr(*each) for each in _METHODS}


class AnomalyError(FloatingPointError):
    """A computation gave NaN or an infinity.

    Attributes
    ----------
    path : str
        Of the module, as `named_modules` has it below the outermost one; empty for that one and outside of all.
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
    for i, value in enumerate(_core.flat(tuple(values))):
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


class _Watcher:
    """One thread's modules on the way down, and the function that runs."""

    def __init__(self) -> None:
        self.modules: list[Module] = []
        self.paths: dict[int, str] = {}
        self.op = ""  # the function that runs; while there is one, functions that it calls are not watched

    @property
    def place(self) -> tuple[str, str]:
        """Path and class name of the innermost module."""
        if not self.modules:
            return "", ""
        module = self.modules[-1]
        return self.paths.get(id(module), ""), type(module).__name__

    @property
    def free(self) -> bool:
        """Whether no function runs."""
        return not self.op

    def enter(self, module: Module, args: Any, kwargs: Any) -> Any:
        """Call a module."""
        if not self.modules:
            self.paths = {id(each): path for path, each in module.named_modules()}
        self.modules.append(module)
        try:
            return _plain[Module, "__call__"](module, *args, **kwargs)
        finally:
            self.modules.pop()

    def run(self, op: str, call: Callable[[], Any], inputs: Iterable[Any]) -> Any:
        """Call a function and look at its result."""
        source = _source(inputs)  # before: the result may be written over an input
        self.op = op
        try:
            result = call()
        finally:
            self.op = ""
        for each in result if isinstance(result, (list, tuple)) else (result,):
            found = _first(each) if isinstance(each, (np.ndarray, np.floating, float, Tensor)) else None
            if found is not None:
                raise AnomalyError(*self.place, op, "forward", *found, source)
        return result

    @property
    def origin(self) -> tuple[str, str, str]:
        """What a recorded step is called on its way back."""
        return (*self.place, self.op)

    def back(self, origin: tuple[str, str, str], dys: list[Array | None], gradients: Iterable[Any]) -> None:
        """Look at the gradients of one recorded call."""
        for gradient in gradients:
            found = None if gradient is None else _first(gradient)
            if found is not None:
                raise AnomalyError(*origin, "backward", *found, _bad_gradient(dys))


def _watched_module(module: Module, *args: Any, **kwargs: Any) -> Any:
    watcher = _core.mode.watcher
    call = _plain[Module, "__call__"]
    return call(module, *args, **kwargs) if watcher is None else watcher.enter(module, args, kwargs)


def _watched(name: str) -> Callable[..., Any]:
    plain = _plain[Tensor, name]

    def method(tensor: Tensor, function: Any, how: Any, *rest: Any, **kwargs: Any) -> Any:
        watcher = _core.mode.watcher
        if watcher is None or not watcher.free:
            return plain(tensor, function, how, *rest, **kwargs)
        inputs = rest if name == "__array_ufunc__" else rest[0]
        return watcher.run(f"np.{function.__name__}", lambda: plain(tensor, function, how, *rest, **kwargs), inputs)

    return method


def _install(change: int) -> None:
    """Count the blocks that run; the classes' own methods stand in their place while there is none."""
    with _lock:
        if _core.watch(change) == 0:
            for (owner, name), plain in _plain.items():
                setattr(owner, name, plain)
        else:
            for owner, name in _METHODS:
                setattr(owner, name, _watched_module if owner is Module else _watched(name))


def _swap(block: Any) -> Any:
    """Let this block's watcher look at this thread, or let the one before look again: (watcher, its error state)."""
    before = _core.mode.watcher
    if block is None:
        quiet = np.errstate(all="ignore")
        quiet.__enter__()
        _install(1)
        _core.mode.watcher = _Watcher()
        return before, quiet
    _core.mode.watcher, quiet = block
    _install(-1)
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
