"""`python -m bench.throughput`: what two Python threads compute beside one, with and without the interpreter's lock.

Both share model and input; the least of short bursts counts, in which one thread and two take turns.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

import numpy as np

import fastnn
from fastnn import nn, optim

BURSTS = 25
rng = np.random.default_rng(0)
X, LABELS = rng.normal(size=(64, 32)).astype(np.float32), rng.integers(0, 3, 64)
LARGE = rng.normal(size=30_000).astype(np.float32)


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 3))


frozen = fastnn.freeze(network(), X)


def python_alone() -> None:
    sum(i * i for i in range(20_000))


def predictions_of_one_row() -> None:
    for _ in range(1000):
        frozen(X[:1])


def predictions_of_64_rows() -> None:
    for _ in range(100):
        frozen(X)


def functions_of_2000_numbers() -> None:
    for _ in range(100):
        fastnn.gelu(X)
        fastnn.relu(X)
        fastnn.tanh(X)


def functions_of_30_000_numbers() -> None:
    for _ in range(30):
        fastnn.gelu(LARGE)


def training_steps() -> None:
    model = network()
    optimizer = optim.AdamW(model.parameters())
    for _ in range(6):
        optimizer.zero_grad()
        fastnn.cross_entropy(model(X), LABELS).backward()
        optimizer.step()


def seconds(work: Callable[[], None], number: int) -> float:
    """From the first start to the last end of `number` threads that each do the work."""
    start, spans = threading.Barrier(number), []

    def run() -> None:
        start.wait()
        begin = time.perf_counter()
        work()
        spans.append((begin, time.perf_counter()))

    threads = [threading.Thread(target=run) for _ in range(number)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return max(end for _, end in spans) - min(begin for begin, _ in spans)


def main() -> None:
    fastnn.set_num_threads(1)
    works = [
        python_alone, predictions_of_one_row, predictions_of_64_rows, functions_of_2000_numbers, functions_of_30_000_numbers,
        training_steps,
    ]  # fmt: skip
    least = {(work, number): seconds(work, number) for work in works for number in (1, 2)}
    for _ in range(BURSTS):
        for work, number in least:
            least[work, number] = min(least[work, number], seconds(work, number))
    locked = getattr(sys, "_is_gil_enabled", lambda: True)()
    print(f"Python {sys.version.split()[0]}, {'with' if locked else 'without'} the interpreter's lock")
    for work in works:
        print(f"{work.__name__:28} two threads compute {2 * least[work, 1] / least[work, 2]:.2f} times as much as one")


if __name__ == "__main__":
    main()
