"""Contestants side by side: each in its own process, their bursts in turn.

In one process their threads would disturb each other: idle OpenMP pools spin for up to 25 ms, so a pause comes before each
burst, and the first calls after it, cold from the pause, are not timed.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .contest import OURS, Row

PAUSE, BURST, MOST_CALLS = 0.05, 0.01, 100_000


@dataclass
class Result:
    """Seconds per call of one row: {library: the bursts'}, and what each library said that took no part."""

    row: str
    kind: str
    goal: float
    times: dict[str, list[float]] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)

    def median(self, library: str) -> float:
        """The median burst of a library."""
        return statistics.median(self.times[library])

    @property
    def best_peer(self) -> str | None:
        """The fastest library but for ours and the copy."""
        return min((name for name in self.times if name not in (*OURS, "copy")), key=self.median, default=None)

    @property
    def ratio(self) -> float | None:
        """The best peer's time / ours; above 1 we are ahead."""
        return (
            self.median(self.best_peer) / self.median("fastnn") if self.best_peer and "fastnn" in self.times else None
        )

    @property
    def met(self) -> bool | None:
        """Whether the ratio reaches the goal."""
        return None if self.ratio is None else self.ratio >= self.goal

    def record(self) -> dict[str, Any]:
        """What the JSON file holds."""
        return asdict(self) | {"ratio": self.ratio, "best_peer": self.best_peer, "met": self.met}


class Contestant:
    """One library in its own process."""

    def __init__(self, library: str):
        # OpenBLAS would look for work for 100 ms after a burst, into those of its rivals
        environment = {"OPENBLAS_THREAD_TIMEOUT": "20", **os.environ}
        if library == "openmp":
            environment["FASTNN_THREADING"] = "openmp"
        self.library = library
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.race", library],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
            env=environment, cwd=Path(__file__).parent.parent,
        )  # fmt: skip

    def ask(self, question: str) -> Any:
        """Send a row's number, or nothing for one more burst; the answer is seconds per call, or a refusal's text."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(question + "\n")
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.library}: its process ended ({self.process.wait()})")
        return json.loads(answer)

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def race(numbered: list[tuple[int, Row]], libraries: list[str], bursts: int) -> Iterator[Result]:
    """Run the rows; each result comes when it is there."""
    contestants = [Contestant(library) for library in libraries]
    try:
        for number, row in numbered:
            result, taking_part = Result(str(row), row.kind, row.goal), []
            for each in contestants:
                answer = each.ask(str(number))
                if isinstance(answer, str):
                    result.refusals[each.library] = answer
                else:
                    taking_part.append(each)
            for turn in range(bursts):
                for each in taking_part[turn % len(taking_part) :] + taking_part[: turn % len(taking_part)]:
                    time.sleep(PAUSE)
                    result.times.setdefault(each.library, []).append(each.ask(""))
            yield result
    finally:
        for each in contestants:
            each.close()


# -- inside a contestant's process ------------------------------------------------------------------------------------


def _seconds(call: Any, calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - start) / calls


def _calls_in_a_burst(call: Any) -> int:
    """How many calls fill a burst, after a warm-up."""
    calls = 1
    while (taken := _seconds(call, calls) * calls) < BURST / 2 and calls < MOST_CALLS:
        calls *= 4
    return max(1, min(MOST_CALLS, round(BURST / (taken / calls))))


def answer_questions(library: str) -> None:
    """Read questions, print answers."""
    import gc

    from .contest import rows

    every, call, calls = rows(), None, 1
    gc.disable()
    for line in sys.stdin:
        if line.strip():
            call = None
            gc.collect()
            try:
                call = every[int(line)].call_of(library)
                calls = _calls_in_a_burst(call)
                print(json.dumps(0), flush=True)
            except Exception as error:  # a peer that cannot do a row must not end the race
                print(json.dumps(f"{type(error).__name__}: {error}".splitlines()[0]), flush=True)
        else:
            _seconds(call, max(1, calls // 10))
            print(json.dumps(_seconds(call, calls)), flush=True)


if __name__ == "__main__":
    sys.stdout, answers = sys.stderr, sys.stdout  # what a library prints must not be taken for an answer
    print = __import__("functools").partial(print, file=answers)
    answer_questions(sys.argv[1])
