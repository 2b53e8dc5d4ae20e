"""Contestants side by side: each in its own process, their bursts in turn.

In one process their threads would disturb each other: idle OpenMP pools spin for up to 25 ms, so a pause comes before each
burst, and the first calls after it, cold from the pause, are not timed.

Two bursts of one turn are a pair: a machine that is slow for a while is slow for both, so their ratio says more than their
times.  A verdict is what three quarters of the pairs agree on.
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


# What keeps a library from using AVX-512, for a race of the AVX2 tier.  The others have no such switch.
AVX2_ONLY = {
    "fastnn": {"FASTNN_ISA": "avx2"},
    "numpy": {"OPENBLAS_CORETYPE": "Haswell"},
    "torch": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    "jax": {"XLA_FLAGS": "--xla_cpu_max_isa=AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
}
AVX2_ONLY |= {"openmp": AVX2_ONLY["fastnn"], "copy": {}, "torch_compile": AVX2_ONLY["torch"]}
AVX2_ONLY |= {"scipy": AVX2_ONLY["numpy"], "sklearn": AVX2_ONLY["numpy"]}


def avx2_only(library: str) -> dict[str, str]:
    """Return the environment in which a library uses nothing beyond AVX2."""
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    wide = [name for name in __cpu_dispatch__ if ("512" in name or name == "X86_V4") and __cpu_features__[name]]
    return {"NPY_DISABLE_CPU_FEATURES": " ".join(wide), **AVX2_ONLY[library]}


def quartiles(values: list[float]) -> tuple[float, float, float]:
    """The lower quartile, the median and the upper quartile."""
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    return low, middle, high


@dataclass
class Result:
    """Seconds per call of one row: {library: the bursts', turn by turn}, and what each library said that took no part."""

    row: str
    kind: str
    goal: float
    times: dict[str, list[float]] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)

    def median(self, library: str) -> float:
        """The median burst of a library."""
        return statistics.median(self.times[library])

    def ratios(self, peer: str) -> tuple[float, float, float]:
        """A peer's time / ours, turn by turn: quartiles."""
        return quartiles([theirs / own for theirs, own in zip(self.times[peer], self.times["fastnn"], strict=True)])

    @property
    def peers(self) -> list[str]:
        """The libraries that ran the row beside ours."""
        return [name for name in self.times if name not in (*OURS, "copy") and "fastnn" in self.times]

    @property
    def best_peer(self) -> str | None:
        """The fastest library but for ours and the copy."""
        return min(self.peers, key=lambda peer: self.ratios(peer)[1], default=None)

    @property
    def ratio(self) -> float | None:
        """The best peer's time / ours, the median of the pairs; above 1 we are ahead."""
        return self.ratios(self.best_peer)[1] if self.best_peer else None

    @property
    def verdict(self) -> str | None:
        """Ahead of every peer, behind one, or neither for sure."""
        all_ratios = [self.ratios(peer) for peer in self.peers]
        if not all_ratios:
            return None
        behind = min(high for _, _, high in all_ratios) < 1
        return "behind" if behind else "ahead" if min(low for low, _, _ in all_ratios) > 1 else "too noisy to say"

    @property
    def met(self) -> bool | None:
        """Whether the ratio reaches the goal."""
        return None if self.ratio is None else self.ratio >= self.goal

    def add(self, other: Result) -> None:
        """Take over the bursts of another round; a library that missed one of the rounds takes no part."""
        self.refusals |= other.refusals
        for library in self.refusals:
            self.times.pop(library, None)
        for library in self.times:
            self.times[library] += other.times[library]

    def record(self) -> dict[str, Any]:
        """What the JSON file holds."""
        about = {name: getattr(self, name) for name in ("ratio", "best_peer", "verdict", "met")}
        return asdict(self) | about


class Contestant:
    """One library in its own process."""

    def __init__(self, library: str, isa: str, alone: bool):
        # OpenBLAS would look for work for 100 ms after a burst, into those of its rivals
        environment = {"OPENBLAS_THREAD_TIMEOUT": "20", **os.environ}
        # What a machine says of OpenBLAS for all programs may keep it from its fastest kernels
        for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
            environment.pop(name, None)
        environment |= avx2_only(library) if isa else {}
        if alone:
            environment |= dict.fromkeys(("FASTNN_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        if library == "openmp":
            environment["FASTNN_THREADING"] = "openmp"
        self.library = library
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.race", library, *(["alone"] if alone else [])],
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


def race(
    numbered: list[tuple[int, Row]], libraries: list[str], bursts: int, isa: str = "", alone: bool = False
) -> Iterator[Result]:
    """Run the rows; each result comes when it is there.

    isa: "avx2" keeps all libraries from AVX-512.  alone: each has one thread on one processor, and what counts is the
    processor's time, which does not pass while another program has the processor.
    """
    contestants = [Contestant(library, isa, alone) for library in libraries if not isa or library in AVX2_ONLY]
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


_clock = time.perf_counter


def _seconds(call: Any, calls: int) -> float:
    start = _clock()
    for _ in range(calls):
        call()
    return (_clock() - start) / calls


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
    if sys.argv[2:] == ["alone"]:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        _clock = time.process_time
    sys.stdout, answers = sys.stderr, sys.stdout  # what a library prints must not be taken for an answer
    print = __import__("functools").partial(print, file=answers)
    answer_questions(sys.argv[1])
