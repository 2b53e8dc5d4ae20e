"""Events: which calls ran when, inside which others, on which thread."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import _core
from .._check import Array

# struct fnn_event of src_c/fastnn.h
NOTED = np.dtype(
    [(name, np.int64) for name in ("begin", "end", "operations", "thread", "plan", "step", "samples")]
    + [(name, np.int32) for name in ("op", "threads", "alone", "chunk")]
)
OPS = list(vars(_core.ops))
# enum fnn_alone of src_c/runtime/parallel.h
ALONE = ("serial", "limit", "one row", "small", "busy", "late")


@dataclass(slots=True)
class Event:
    """A call, or an op inside of one.

    kind : "module", "forward", "backward", "step" of a plan, or "kernel": an op in C
    begin, end : nanoseconds
    bytes : of arrays read and written
    operations : multiplications and additions of products
    thread : 0 for the one that is profiled
    threads : how many took part, 0 where that is not known
    alone : why only one did
    share : the part of its time that counts: 1 / n for steps that run on n threads at once
    calls : 1, or 0 for further parts of a step
    inner : the events inside of it
    """

    kind: str
    name: str
    module: tuple[str, str]
    begin: int
    end: int
    bytes: int = 0
    operations: int = 0
    thread: int = 0
    threads: int = 0
    alone: str = ""
    share: float = 1.0
    calls: int = 1
    inner: list[Event] = field(default_factory=list)

    @property
    def time(self) -> float:
        """Seconds."""
        return (self.end - self.begin) * self.share / 1e9

    @property
    def own(self) -> float:
        """Seconds outside of the calls inside."""
        return max(self.time - sum(each.time for each in self.inner if self.apart(each)), 0.0)

    def apart(self, inner: Event) -> bool:
        """Whether an inner event's time counts separately: that of an op in C counts for the function that runs it."""
        return inner.kind != "kernel" or self.kind == "module"


def size_of(*values: Any) -> int:
    """Bytes of the arrays among values, in lists, tuples and dicts as well, each counted once."""
    found: dict[int, Array] = {}

    def walk(value: Any) -> None:
        value = _core.value_of(value)
        if isinstance(value, np.ndarray):
            found[id(value)] = value
        elif isinstance(value, (list, tuple)):
            for each in value:
                walk(each)
        elif isinstance(value, dict):
            walk(list(value.values()))

    walk(values)
    return sum(each.nbytes for each in found.values())


def noted() -> Array:
    """The log of this thread's ops."""
    log = np.empty(_core.log_read(0), NOTED)
    _core.log_read(log.ctypes.data)
    return log


def of_ops(log: Array, begin: int, steps: dict[int, list[Any]]) -> list[Event]:
    """The ops noted since `begin`; `steps`: by a plan's address, its steps' (name, module, bytes, bytes per sample)."""
    runs = np.cumsum((log["plan"] != 0) & (log["chunk"] == 0) & (log["step"] == 0))
    own = _core.thread()
    threads = {own: 0}
    events, among = [], dict[int, set[int]]()
    for run, row in zip(runs.tolist(), log.tolist(), strict=True):
        start, end, operations, thread, plan, step, samples, op, took, alone, chunk = row
        if start < begin:  # ran before, or was refused
            continue
        name, module, whole, each = OPS[op], ("", ""), 0, 0
        if plan:
            among.setdefault(run, set()).add(thread)
            if plan in steps:
                name, module, whole, each = steps[plan][step]
        event = Event("step" if plan else "kernel", name, module, start, end, whole * (chunk == 0) + each * samples)
        event.operations, event.threads, event.alone = operations, took, ALONE[alone] if took == 1 else ""
        event.thread, event.calls = threads.setdefault(thread, len(threads)), int(chunk == 0)
        events.append((run if plan else -1, event))
    for run, event in events:
        if len(among.get(run, ())) > 1:
            event.threads, event.alone, event.share = len(among[run]), "", 1 / len(among[run])
    return [event for _, event in events]


def nested(events: Iterable[Event]) -> list[Event]:
    """The outermost events; every other one is put into the innermost event during which it happened.

    Events of other threads are put into the calls of the thread that is profiled.
    """
    outermost: list[Event] = []
    stack: list[Event] = []
    for event in sorted(events, key=lambda each: (each.begin, -each.end)):
        while stack and stack[-1].end < event.end:
            stack.pop()
        (stack[-1].inner if stack else outermost).append(event)
        if event.kind not in ("kernel", "step"):
            stack.append(event)
    return outermost


def flat(events: Iterable[Event]) -> Iterable[Event]:
    """These events, and all inside of them."""
    for event in events:
        yield event
        yield from flat(event.inner)
