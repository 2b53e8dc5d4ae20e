"""Blocks that change how this thread works for a while, and that decorate functions too."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar, cast

V = TypeVar("V")
F = TypeVar("F", bound=Callable[..., Any])


class Scope(Generic[V]):
    """A `with` block, or a decorator, that sets a value on entry and sets the one before it on exit.

    A decorated generator function works under the value while its body runs; while it is suspended, its caller's holds.
    So does a generator that a decorated function returns.

    Parameters
    ----------
    name : str
        What the user calls it, for messages.
    swap : callable
        Sets a value for this thread and returns the one before.
    value : object
    """

    __slots__ = ("_before", "_name", "_swap", "_value")

    def __init__(self, name: str, swap: Callable[[V], V], value: V):
        self._name, self._swap, self._value = name, swap, value
        self._before: list[V] = []

    def __enter__(self) -> None:
        self._before.append(self._swap(self._value))

    def __exit__(self, *_: Any) -> None:
        self._swap(self._before.pop())

    def _again(self) -> Scope[V]:
        """The same for one call, which other threads and calls inside it do not share."""
        return type(self)(self._name, self._swap, self._value)

    def __call__(self, function: F) -> F:
        """Decorate a function."""
        import inspect  # takes its time, and only decorators need it

        if isinstance(function, type) or not callable(function):
            raise TypeError(f"{self._name}: expected a function to decorate, got {function!r}")
        kinds = (function, type(function).__call__)  # an object may be called, too
        if any(inspect.iscoroutinefunction(each) or inspect.isasyncgenfunction(each) for each in kinds):
            called = getattr(function, "__name__", function)
            raise TypeError(
                f"{self._name}: {called} is async, and other tasks would run under it while it waits; "
                f"use `with {self._name}(...):` between its awaits"
            )
        if any(map(inspect.isgeneratorfunction, kinds)):

            @functools.wraps(function)
            def resumed(*args: Any, **kwargs: Any) -> Any:
                return (yield from self._running(function(*args, **kwargs)))

            return cast(F, resumed)

        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self._again():
                result = function(*args, **kwargs)
            return self._running(result) if inspect.isgenerator(result) else result

        return cast(F, inside)

    def _running(self, generator: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """Pass on what goes into a generator and what comes out, and hold the value while it runs."""
        try:
            with self._again():
                item = next(generator)
            while True:
                try:
                    sent = yield item
                except GeneratorExit:
                    with self._again():
                        generator.close()
                    raise
                except BaseException:
                    with self._again():
                        item = generator.throw(sys.exc_info()[1])  # type: ignore[arg-type]
                else:
                    with self._again():
                        item = generator.send(sent)
        except StopIteration as end:
            return end.value
