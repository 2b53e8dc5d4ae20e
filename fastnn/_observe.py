"""Observers: a thread's observer is given each call, and carries it out or does something else in its place.

`functional`, NumPy's functions of Tensors, modules, the backward pass and optimizers look for it, each at one place.
While nobody observes, `_core.observers` is empty, and the look costs one comparison.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._core import mode, observers

Origin = tuple[str, str, str]  # the path and the class of the module in which something is called, and its name


class Observer:
    """Carries out every call unchanged; subclasses do more.

    outer : the thread's observer before this one, which gets every call that this one carries out
    modules : path and class of each module that is being called, the innermost last; paths begin below the outermost
    """

    outer: Observer | None = None

    def __init__(self) -> None:
        self.modules: list[tuple[str, str]] = []
        self.paths: dict[int, str] = {}

    def tell(self, name: str, function: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
        """Called in place of a function: runs `call`; calls inside of it go to `outer` alone."""
        before = mode.origin
        mode.observer, mode.origin = self.outer, (*(self.modules[-1] if self.modules else ("", "")), name)
        try:
            return self.call(name, function, args, kwargs)
        finally:
            mode.observer, mode.origin = self, before

    def call(self, name: str, function: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
        """The result of a function's call."""
        return function(*args, **kwargs)

    def enter(self, module: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """The result of a module's call; the calls inside of it come to this observer too."""
        if not self.modules:
            self.paths = {id(each): path for path, each in module.named_modules()}
        self.modules.append((self.paths.get(id(module), ""), type(module).__name__))
        try:
            if self.outer is not None:
                return self.outer.enter(module, args, kwargs)
            hooks = vars(module).get("_hooks")
            return module.forward(*args, **kwargs) if hooks is None else hooks.call(module, args, kwargs)
        finally:
            self.modules.pop()

    def back(self, origin: Origin, function: Callable[..., Any], dys: list[Any]) -> Any:
        """The gradients of one recorded call's arguments, from those of its results."""
        mode.observer = self.outer
        try:
            return function(*dys) if self.outer is None else self.outer.back(origin, function, dys)
        finally:
            mode.observer = self


def swap(observer: Observer | None) -> Observer | None:
    """Make this the thread's observer (None: it has none) and return the one before."""
    before = mode.observer
    if observer is not None:
        observers.append(observer)
    if before is not None:
        observers.remove(before)
    mode.observer = observer
    return before
