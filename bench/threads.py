"""`python -m bench.threads`: time over n with one thread and with two, and from which n on fastnn chooses two.

Two regimes: calls in a row, in which waiting threads still poll when the next call comes, and calls after a pause, in which they
sleep and have to be woken.  The ways take turns in short bursts, of which the least counts; of single calls after a pause, which
may find anything, it is the median.  The choice is wrong where the way
that was chosen takes more than a tenth longer than the other one; the exit code says whether there is such a place.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import fastnn
from fastnn import _core

ROW = 256  # values of a row where a function works on rows
WRONG = 1.1
BURST, PAUSE = 5e-4, 1e-3
WAYS = {
    "one thread": 1,
    "two threads": -2,
    "as chosen": 2,
}  # limits of the thread; below 0: however little work there is
Call = Callable[[], Any]


def _activation(name: str, *constants: float) -> Callable[[int], Call]:
    def make(n: int) -> Call:
        function, x, y = getattr(fastnn, name), values(n), np.empty(n, np.float32)
        return lambda: function(x, *constants, out=y)

    return make


def _gradient(name: str) -> Callable[[int], Call]:
    def make(n: int) -> Call:
        function, x, dy = getattr(fastnn, name + "_backward"), values(n), values(n)
        return lambda: function(dy, x)

    return make


def _rows(name: str, *constants: Any) -> Callable[[int], Call]:
    def make(n: int) -> Call:
        function, x = getattr(fastnn, name), values(n).reshape(-1, ROW)
        return lambda: function(x, *constants)

    return make


def _loss(n: int) -> Call:
    x, t = values(n), values(n)
    return lambda: fastnn.mse_loss(x, t)


def _linear(n: int) -> Call:
    x, w = values(32 * 64).reshape(32, 64), np.asfortranarray(values(n).reshape(-1, 64))
    return lambda: fastnn.linear(x, w)


def _one_row(n: int) -> Call:
    x, w = values(ROW).reshape(1, ROW), np.asfortranarray(values(n).reshape(-1, ROW))
    return lambda: fastnn.linear(x, w)


def _adam(n: int) -> Call:
    parameter = fastnn.nn.Parameter(values(n))
    parameter.grad = values(n)
    return fastnn.optim.Adam([parameter]).step


# what n counts is the values of the largest array
CASES: dict[str, Callable[[int], Call]] = {
    "relu": _activation("relu"), "relu backward": _gradient("relu"), "sigmoid": _activation("sigmoid"), "tanh": _activation("tanh"),
    "silu": _activation("silu"), "gelu": _activation("gelu"), "gelu backward": _gradient("gelu"), "softplus": _activation("softplus"),
    "softmax": _rows("softmax", 1), "layer_norm": _rows("layer_norm", ROW), "dropout": _rows("dropout", 0.5), "mse_loss": _loss,
    "linear 32 x 64": _linear, f"linear 1 x {ROW}": _one_row, "Adam": _adam,
}  # fmt: skip


def values(n: int) -> np.ndarray[Any, Any]:
    """Normal values of deviation 2."""
    return np.random.default_rng(n).normal(0, 2, n).astype(np.float32)


@dataclass
class Point:
    """Seconds of each way at one n, and whether two threads were chosen."""

    n: int
    times: dict[str, float]
    two: bool

    @property
    def loss(self) -> float:
        """The time of the way that was chosen / that of the best."""
        return self.times["two threads" if self.two else "one thread"] / min(
            self.times["one thread"], self.times["two threads"]
        )


def chosen(call: Call, asleep: bool) -> bool:
    """Whether the call was given to two threads, as most of a few calls were; a thread that came too late counts as given."""
    _core.set_thread_limit(2)
    seen = []
    for _ in range(9):
        if asleep:
            time.sleep(PAUSE)
        with fastnn.profile() as prof:
            for _ in range(1 if asleep else 8):
                call()
        seen += [threads > 1 or why == "late" for row in prof.rows() for threads, why in row.threads]
    return 2 * sum(seen) > len(seen)


def measure(call: Call, n: int, turns: int, asleep: bool) -> Point:
    """Time the three ways in turn."""
    bursts: dict[str, list[float]] = {way: [] for way in WAYS}
    call()
    start = time.perf_counter()
    call()
    calls = 1 if asleep else max(1, round(BURST / (time.perf_counter() - start)))
    for _ in range(3 * turns if asleep else turns):
        for way, limit in WAYS.items():
            _core.set_thread_limit(limit)
            if asleep:
                time.sleep(PAUSE)
            else:
                call()
            start = time.perf_counter()
            for _ in range(calls):
                call()
            bursts[way].append((time.perf_counter() - start) / calls)
    times = {way: (statistics.median if asleep else min)(each) for way, each in bursts.items()}
    point = Point(n, times, chosen(call, asleep))
    _core.set_thread_limit(0)
    return point


def switch(points: list[Point]) -> str:
    """From which n on there are two threads."""
    return next((f"{point.n:,}" for point in points if point.two), "none")


def draw(curves: dict[tuple[str, bool], list[Point]], path: Path) -> None:
    """A panel for each function and regime: time over n, and a line where the switch lies."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    columns = 4
    lines = -(-len(curves) // columns)
    figure, grid = plt.subplots(lines, columns, figsize=(13, 2.6 * lines), layout="constrained", squeeze=False)
    for axes, ((name, asleep), points) in zip(grid.flat, curves.items(), strict=False):
        for way in ("one thread", "two threads"):
            axes.loglog(
                [p.n for p in points], [1e6 * p.times[way] for p in points], marker="o", markersize=3, label=way
            )
        first = next((p.n for p in points if p.two), None)
        if first:
            axes.axvline(first, color="grey", linestyle="--", linewidth=0.8, label="two are chosen")
        axes.set_title(f"{name}, {'after a pause' if asleep else 'in a row'}", fontsize=9)
        axes.grid(alpha=0.2)
    for axes in grid.flat[len(curves) :]:
        axes.remove()
    for axes in grid[:, 0]:
        axes.set_ylabel("µs")
    grid[0, 0].legend(fontsize=7)
    figure.supxlabel("values", fontsize=9)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def main() -> None:
    """Measure, print a line for each function and regime, draw, and say by the exit code whether a choice is wrong."""
    parser = argparse.ArgumentParser(prog="python -m bench.threads", description=__doc__)
    parser.add_argument("names", nargs="*", help="of: " + ", ".join(CASES))
    parser.add_argument("--turns", type=int, default=15, help="bursts of each way (15)")
    parser.add_argument("--least", type=int, default=11, help="the least n, as a power of 2 (11)")
    parser.add_argument("--most", type=int, default=17, help="the largest n, as a power of 2 (17)")
    parser.add_argument("--out", type=Path, default=Path("threads.png"), help="the picture")
    options = parser.parse_args()
    if unknown := set(options.names) - set(CASES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    print(f"{fastnn.isa()}; ns a value on one thread; two threads from n on; where the choice costs most")
    curves: dict[tuple[str, bool], list[Point]] = {}
    wrong = 0
    for name in options.names or CASES:
        for asleep in (False, True):
            sizes = [round(2 ** (half / 2)) // ROW * ROW for half in range(2 * options.least, 2 * options.most + 1)]
            points = [measure(CASES[name](n), n, options.turns, asleep) for n in sizes]
            worst, last = max(points, key=lambda point: point.loss), points[-1]
            wrong += worst.loss > WRONG
            times = ", ".join(f"{way} {1e6 * worst.times[way]:.1f} µs" for way in ("one thread", "two threads"))
            print(f"{name:14} {'after a pause' if asleep else 'in a row':13} {1e9 * last.times['one thread'] / last.n:5.2f} ns, "
                  f"two from {switch(points):>7}; at worst {worst.loss:.2f} times the better way, n = {worst.n:,}: {times}"
                  f"{'  <-- wrong' if worst.loss > WRONG else ''}", flush=True)  # fmt: skip
            curves[name, asleep] = points
    draw(curves, options.out)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
