"""Replicas of a model in lock-step: threads of which one runs at a time, in order, from one meeting to the next.

Threads, since Python can pause a user's forward pass in no other way.  One at a time, since kernels have threads of
their own; this also fixes the order in which replicas add gradients and fail.
"""

from __future__ import annotations

import contextvars
import copy
import threading
from collections.abc import Callable, Sequence
from typing import Any

from .. import _core
from .._core import mode
from .._shard import now
from ..functional._conv_precision import chosen, conv_precision

Meet = Callable[[Any], Any]


class _Abandoned(BaseException):
    """Ends a replica that waits at a meeting to which others do not come."""


def in_lockstep(functions: Sequence[Callable[[Meet], Any]], join: Callable[[list[Any]], Any]) -> list[Any]:
    """The results of functions, each called with `meet`: meet(value) waits for all, then returns join(their values).

    An error of one of them, or of `join`, ends all.
    """
    if len(functions) == 1:
        return [functions[0](lambda value: join([value]))]
    replicas = [_Replica(function) for function in functions]
    try:
        while True:
            for each in replicas:
                each.run()
            if all(each.ended for each in replicas):
                return [each.result for each in replicas]
            ended = [i for i, each in enumerate(replicas) if each.ended]
            if ended:
                i = next(i for i, each in enumerate(replicas) if not each.ended)
                raise RuntimeError(
                    f"distributed: expected the same calls for every shard, but one at {replicas[i].value[0]} waits "
                    "for another that has ended"
                )
            answer = join([each.value for each in replicas])
            for each in replicas:
                each.answer = answer
    finally:
        for each in replicas:
            each.abandon()


class _Replica:
    """A thread that runs when it is told to, until its function meets or ends."""

    def __init__(self, function: Callable[[Meet], Any]):
        self.function, self.ended, self.abandoned = function, False, False
        self.value: Any = None
        self.answer: Any = None
        self.result: Any = None
        self.error: BaseException | None = None
        self._go, self._back = threading.Semaphore(0), threading.Semaphore(0)
        state = _State()
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._work, state), name="fastnn-shard", daemon=True)
        self._thread.start()

    def _work(self, state: _State) -> None:
        self._go.acquire()
        try:
            if not self.abandoned:
                with state.restored():
                    self.result = self.function(self._meet)
        except BaseException as error:
            self.error = error
        self.function = None  # type: ignore[assignment]  # what it refers to is free
        self.ended = True
        self._back.release()

    def _meet(self, value: Any) -> Any:
        self.value = value
        self._back.release()
        self._go.acquire()
        if self.abandoned:
            raise _Abandoned
        return self.answer

    def run(self) -> None:
        """Let it run to its next meeting or its end; its error is raised here."""
        self._go.release()
        self._back.acquire()
        if self.error is not None:
            raise self.error

    def abandon(self) -> None:
        """End it."""
        self.abandoned = True
        if not self.ended:
            self._go.release()
            self._back.acquire()
        self._thread.join()


class _State:
    """What the calling thread has set for itself, which its replicas are to work under."""

    def __init__(self) -> None:
        self.enabled, self.axis, self.precision = mode.enabled, now.sample_axis, chosen()
        self.observer = _own(mode.observer)
        self.limit = _core.set_thread_limit(0)
        _core.set_thread_limit(self.limit)

    def restored(self) -> Any:
        """Set it in this thread, which runs one replica alone."""
        mode.enabled, now.sample_axis, mode.observer = self.enabled, self.axis, self.observer
        _core.set_thread_limit(self.limit)
        return conv_precision(self.precision)


def _own(observer: Any) -> Any:
    """A copy of an observer with its own stack of modules, which notes into the original's record."""
    if observer is None:
        return None
    own = copy.copy(observer)
    own.modules, own.outer = [], _own(observer.outer)
    return own
