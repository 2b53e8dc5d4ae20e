"""A profile as a file of Chrome's trace format, which Perfetto reads.

https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
"""

from __future__ import annotations

import json
import os
from typing import Any

from .._replace import replacing
from ._events import Event


def write_trace(events: list[Event], path: str | os.PathLike[str]) -> None:
    """One complete event ("X") for each; times in microseconds from the first one."""
    start = min((each.begin for each in events), default=0)
    process = os.getpid()
    found: list[dict[str, Any]] = [
        {"name": "thread_name", "ph": "M", "pid": process, "tid": thread, "args": {"name": name}}
        for thread, name in _names(events).items()
    ]
    for each in events:
        args = {"module": " ".join(filter(None, each.module)), "bytes": each.bytes, "operations": each.operations}
        args |= {"threads": each.threads, "alone": each.alone}
        found.append(
            {
                "name": each.name,
                "cat": each.kind,
                "ph": "X",
                "pid": process,
                "tid": each.thread,
                "ts": (each.begin - start) / 1e3,
                "dur": (each.end - each.begin) / 1e3,
                "args": {key: value for key, value in args.items() if value},
            }
        )
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        json.dump({"traceEvents": found, "displayTimeUnit": "ms"}, file)


def _names(events: list[Event]) -> dict[int, str]:
    return {each.thread: f"worker {each.thread}" if each.thread else "profiled" for each in events}
