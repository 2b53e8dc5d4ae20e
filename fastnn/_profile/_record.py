"""`profile`, and what it returns."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

from .. import _core
from .._core import mode, nanoseconds
from .._observe import Observer, Origin, swap
from ._events import Event, flat, nested, noted, of_ops, size_of
from ._table import Row, limits, rows_of, written
from ._trace import write_trace


class _Recorder(Observer):
    """Records when each call begins and ends, and the bytes of its arrays."""

    def __init__(self) -> None:
        super().__init__()
        self.outer = mode.observer
        self.events: list[Event] = []
        self.frozen: dict[int, Any] = {}  # models that have plans

    def call(self, name: str, function: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
        """Time a function."""
        path, kind, _ = mode.origin
        result, begin = None, nanoseconds()
        try:
            result = super().call(name, function, args, kwargs)
            return result
        finally:
            event = Event("forward", name.lstrip("_"), (path, kind), begin, nanoseconds())
            given = args[:1] if isinstance(function, functools.partial) else args  # the second one may be `out`
            read = size_of(given, {key: value for key, value in kwargs.items() if key != "out"})
            event.bytes = read + size_of(result)
            self.events.append(event)
            owner = getattr(function, "__self__", None)
            if hasattr(owner, "steps_by_plan"):
                self.frozen[id(owner)] = owner

    def enter(self, module: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Time a module."""
        begin = nanoseconds()
        try:
            return super().enter(module, args, kwargs)
        finally:
            end, kind = nanoseconds(), type(module).__name__
            path = self.paths.get(id(module), "")
            self.events.append(Event("module", kind, (path, kind), begin, end))

    def back(self, origin: Origin, function: Callable[..., Any], dys: list[Any]) -> Any:
        """Time the backward pass of a call, which reads the arrays that its closure holds."""
        gradients, begin = None, nanoseconds()
        try:
            gradients = super().back(origin, function, dys)
            return gradients
        finally:
            end, (path, kind, name) = nanoseconds(), origin
            cells = getattr(function, "__closure__", None) or ()
            size = size_of(dys, [each.cell_contents for each in cells]) + size_of(gradients)
            self.events.append(Event("backward", f"{name.lstrip('_')} backward", (path, kind), begin, end, size))


class Profile:
    """What `profile` returns: a `with` block whose calls are recorded; entered again, it adds to the record.

    Attributes
    ----------
    seconds : float
        Spent in its blocks.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._outermost: list[Event] = []
        self._recorder: _Recorder | None = None

    def __enter__(self) -> Profile:
        if self._recorder is not None:
            raise RuntimeError("profile: this one is running already; call fastnn.profile() for another one inside")
        if _core.log_start():
            raise MemoryError
        self._recorder = _Recorder()
        swap(self._recorder)
        self._begin = nanoseconds()
        return self

    def __exit__(self, *_: Any) -> None:
        recorder, end = self._recorder, nanoseconds()
        assert recorder is not None
        swap(recorder.outer)
        self._recorder = None
        ops = noted()
        _core.log_stop()
        self.seconds += (end - self._begin) / 1e9
        steps: dict[int, list[Any]] = {}
        for model in recorder.frozen.values():
            steps |= model.steps_by_plan()
        self._outermost += nested([*recorder.events, *of_ops(ops, self._begin, steps)])

    @property
    def events(self) -> list[Event]:
        """Modules, calls, backward calls, steps of plans, ops in C: each before those inside of it."""
        return list(flat(self._outermost))

    def rows(self, by: str = "call") -> list[Row]:
        """The rows of the table, in the order of their first calls."""
        return rows_of(self._outermost, by)

    def table(self, sort: str = "own", by: str = "call", rows: int | None = None) -> str:
        """Return the table, one row for each function of each module.

        Parameters
        ----------
        sort : {"own", "total", "calls", "bytes", "operations"}
            The largest come first.
        by : {"call", "name"}
            "name": one row for each function, whichever module called it.
        rows : int, optional
            Only so many; `print` shows 50.

        Returns
        -------
        str
            time: seconds of the calls with all that they called; own: without that; kernel: the part in C.  GB/s counts
            the bytes of arrays read and written, GFLOP/s the multiplications and additions of products; limit: the
            share of what this machine reaches, of the two the larger.  threads: how many took part, and why only
            one: small (less work than waking a thread repays), one row (nothing to split), limit (of one thread, by
            set_num_threads or for want of processors), busy (another call has the team), late (no thread woke in time),
            serial (the op has no parallel part).
        """
        return written(self.rows(by), self.seconds, sort, rows)

    def to_dict(self) -> dict[str, Any]:
        """Return seconds, rows and this machine's limits as numbers and texts."""
        return {"seconds": self.seconds, "limits": limits(), "rows": [row.to_dict() for row in self.rows()]}

    def save_trace(self, path: str | os.PathLike[str]) -> None:
        """Write when everything ran, on which thread, as JSON for https://ui.perfetto.dev or chrome://tracing."""
        write_trace(self.events, path)

    def __str__(self) -> str:
        return self.table(rows=50)

    def __repr__(self) -> str:
        return f"Profile({len(self.events)} events, {self.seconds:.6f} s)"


def profile() -> Profile:
    """Record what this thread's time goes into: a `with` block, whose table `print` shows.

    Functions, modules, NumPy's functions of Tensors, the backward pass, optimizers' steps, frozen models and each step
    of their plans are recorded, with the ops in C that they ran.  A call takes some microseconds longer; outside of a
    block it takes one comparison.  Of other threads only their share in this thread's calls is recorded.

    Returns
    -------
    Profile

    Examples
    --------
    >>> import numpy as np, fastnn
    >>> model = fastnn.nn.Linear(4, 3)
    >>> with fastnn.profile() as prof:
    ...     _ = model(np.ones((2, 4), np.float32))
    >>> [(row.name, row.calls, row.operations) for row in prof.rows()]
    [('Linear', 1, 48), ('linear', 1, 48)]
    """
    return Profile()
