"""A profile's rows, compared with this machine's limits."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import _core, functional
from .._threads import get_num_threads
from ._events import Event, flat

SORTS = ("own", "total", "calls", "bytes", "operations")


@dataclass
class Row:
    """Calls of one function in one module.

    total, own, kernel : seconds with all that they called, without it, and in C
    bytes, operations : of all calls
    threads : counts of (threads that took part, why it was only one)
    """

    name: str
    module: str
    kind: str
    calls: int = 0
    total: float = 0.0
    own: float = 0.0
    kernel: float = 0.0
    bytes: int = 0
    operations: int = 0
    threads: Counter[tuple[int, str]] = field(default_factory=Counter)

    def add(self, event: Event) -> None:
        """Count one more call."""
        inside = [each for each in flat(event.inner) if each.kind in ("kernel", "step")]
        kernels = [event] if event.kind in ("kernel", "step") else inside
        self.calls += event.calls
        self.total += event.time
        self.own += event.own
        self.kernel += sum(each.time for each in kernels)
        self.bytes += event.bytes
        self.operations += event.operations + sum(each.operations for each in inside)
        if kernels and event.kind != "module":
            longest = max(kernels, key=lambda each: each.time)
            self.threads[longest.threads, longest.alone] += event.calls

    @property
    def limit(self) -> float | None:
        """The share of this machine's bytes or operations a second that was reached, whichever is larger."""
        known = limits()
        if not self.total or not (self.bytes or self.operations) or self.kind == "module":
            return None
        return max(self.bytes / known["bytes"], self.operations / known["operations"]) / self.total

    @property
    def took(self) -> str:
        """The threads, in words."""
        if not self.threads:
            return ""
        alone = Counter({why: count for (number, why), count in self.threads.items() if number == 1})
        most = max(number for number, _ in self.threads)
        why = ", ".join(alone)
        if most == 1:
            return f"1 {why}"
        return str(most) + (f" ({alone.total()} on 1: {why})" if alone else "")

    def to_dict(self) -> dict[str, Any]:
        """As numbers and texts."""
        found = {name: getattr(self, name) for name in ("name", "module", "kind", "calls", "total", "own", "kernel")}
        found |= {"bytes": self.bytes, "operations": self.operations, "limit": self.limit, "threads": self.took}
        return found


def rows_of(outermost: Iterable[Event], by: str = "call") -> list[Row]:
    """Rows in the order in which their first calls began."""
    if by not in ("call", "name"):
        raise ValueError(f"table: expected by to be 'call' or 'name', got {by!r}")
    rows: dict[Any, Row] = {}

    def put(events: Iterable[Event]) -> None:
        for event in events:
            path, kind = event.module if by == "call" else ("", "")
            key = event.name, path, kind, event.kind
            row = rows.setdefault(key, Row(event.name, path or (kind if event.kind != "module" else ""), event.kind))
            row.add(event)
            put(each for each in event.inner if event.apart(each))

    put(outermost)
    return list(rows.values())


def written(rows: list[Row], seconds: float, sort: str, most: int | None) -> str:
    """The table as text."""
    if sort not in SORTS:
        raise ValueError(f"table: expected sort to be one of {', '.join(SORTS)}, got {sort!r}")
    shown = sorted(rows, key=lambda row: -getattr(row, sort))[:most]
    lines = [HEAD, *(_cells(row, seconds) for row in shown)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    aligned = [str.ljust if name in LEFT else str.rjust for name in HEAD]
    text = ["  ".join(map(lambda put, *cell: put(*cell), aligned, line, widths)).rstrip() for line in lines]
    if len(shown) < len(rows):
        text.append(f"... and {len(rows) - len(shown)} rows more")
    known, inside = limits(), sum(row.own for row in rows)
    reach = f"{known['bytes'] / 1e9:.0f} GB/s, {known['operations'] / 1e9:.0f} GFLOP/s"
    text.append(f"{in_words(seconds)} in all, {in_words(inside)} in calls")
    text.append(f"limits of this machine: {reach} in float32, on {get_num_threads()} threads")
    return "\n".join(text)


HEAD = ("", "module", "calls", "total", "own", "own %", "kernel", "GB/s", "GFLOP/s", "limit", "threads")
LEFT = ("", "module", "threads")


def _cells(row: Row, seconds: float) -> tuple[str, ...]:
    rates = [f"{each / row.total / 1e9:.1f}" if each and row.total else "" for each in (row.bytes, row.operations)]
    share = f"{row.own / seconds:.1%}" if seconds else ""
    limit = "" if row.limit is None else f"{row.limit:.0%}"
    times = in_words(row.total), in_words(row.own), share, in_words(row.kernel) if row.kernel else ""
    return row.name, row.module, f"{row.calls:,}", *times, *rates, limit, row.took


def in_words(value: float) -> str:
    """A time with three digits and a fitting unit."""
    for unit, name in ((1.0, "s"), (1e-3, "ms")):
        if value >= unit:
            return f"{value / unit:.3g} {name}"
    return f"{value / 1e-6:.3g} us"


def limits() -> dict[str, float]:
    """Bytes and float32 operations a second that this machine reaches: measured once, by a copy and a product."""
    return _measured(_core.isa(), get_num_threads())


@functools.cache
def _measured(isa: str, threads: int) -> dict[str, float]:
    x = np.ones(1 << 24, np.float32)
    y, square = np.empty_like(x), x[: 1 << 18].reshape(1 << 9, 1 << 9)
    copy = _least(15, lambda: functional.relu(x, out=y))
    product = _least(20, lambda: functional.linear(square, square))
    return {"bytes": 2 * x.nbytes / copy, "operations": 2.0**28 / product}


def _least(calls: int, call: Callable[[], Any]) -> float:
    """Seconds of the fastest of some calls, the first of which touches the memory."""
    times = []
    for _ in range(calls):
        begin = _core.nanoseconds()
        call()
        times.append(_core.nanoseconds() - begin)
    return min(times) / 1e9
