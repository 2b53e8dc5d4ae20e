"""Measures what docs/distributed.md says: `mpiexec -n 4 python docs/scaling.py shares` what messages cost in a step,
`python docs/scaling.py` what a step costs, and from that times for other numbers of machines.

All are seconds of the processor, with one thread, the least of many steps, which others on the machine hardly change.
"""

import itertools
import sys
import time

import numpy as np

import fastnn
from fastnn import distributed, models, nn, optim

SHARDS, EACH = 4, 16  # samples of a shard
WIRE, RATES = 20e-6, {"10 Gbit/s": 1.1e9, "100 Gbit/s": 11e9}  # assumed: seconds of a message; bytes a second


class Timed(distributed.MPIEngine):
    """Notes the processor's seconds that messages cost, waiting apart, and how many they are."""

    def __init__(self, comm):
        super().__init__(comm)
        self.seconds, self.calls, self.beside = 0.0, 0, None

    def exchange(self, buffer, peer):
        begin = time.thread_time()
        found = super().exchange(buffer, peer)
        self.seconds, self.calls = self.seconds + time.thread_time() - begin, self.calls + 1
        return found

    def apart(self):
        self.beside = Timed(self._comm)
        return self.beside


def networks():
    """Names, models and inputs of a batch."""
    fastnn.manual_seed(0)
    rng = np.random.default_rng(0)
    images = rng.normal(size=(SHARDS * EACH, 3, 32, 32)).astype(np.float32)
    rows = rng.normal(size=(SHARDS * EACH, 784)).astype(np.float32)
    first = (nn.Linear(784, 1024), nn.BatchNorm1d(1024), nn.ReLU())
    wide = nn.Sequential(*first, nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10))
    return {"resnet20, 32 x 32": (models.resnet20(10), images), "784-1024-1024-10": (wide, rows)}


def step_of(group, model, x):
    optimizer, loss = optim.SGD(model.parameters(), 0.01), nn.CrossEntropyLoss()
    y = np.arange(len(x)) % 10
    return lambda: group.step(model, loss, (x, y), optimizer)


def least(call, times):
    """The processor's seconds of the cheapest call."""
    found = []
    for _ in range(times):
        begin = time.process_time()
        call()
        found.append(time.process_time() - begin)
    return min(found)


def shares(comm):
    """Of the cheapest step: its time, and what messages cost of it."""
    for name, (model, x) in networks().items():
        engine = Timed(comm)
        group = distributed.Group(engine, SHARDS)
        call, best = step_of(group, model, x), (np.inf, 0.0, 0)
        call()
        for _ in range(20):
            engines = [each for each in (engine, engine.beside) if each is not None]
            before = sum(each.seconds for each in engines), sum(each.calls for each in engines)
            begin = time.process_time()
            call()
            spent = time.process_time() - begin
            found = sum(each.seconds for each in engines) - before[0], sum(each.calls for each in engines) - before[1]
            best = min(best, (spent, *found))
        if group.rank == 0:
            print(f"| {name} | {group.size} | {best[0] * 1e3:.1f} | {best[2]} | {best[1] / best[0]:.0%} |", flush=True)


def extrapolated(message):
    """The time of a step with one shard a machine, and the share of it that is not communication."""
    flat, other = np.ones((2, 1 << 22), np.float32)
    adding = least(lambda: np.add(flat, other, out=flat), 30) / flat.nbytes
    print(f"adding: {1e-9 / adding:.1f} GB/s; a message: {message * 1e6:.0f} us, {WIRE * 1e6:.0f} of the wire")
    for (name, (model, x)), each in itertools.product(networks().items(), (EACH, 8 * EACH)):
        compute = least(step_of(distributed.local(1), model, np.resize(x, (each, *x.shape[1:]))), 20)
        gradient = sum(each.data.nbytes for each in model.parameters())
        norms = sum("BatchNorm" in type(each).__name__ for each in model.modules())
        joins = 2 * norms + 5  # the batch, the loss, its denominator, that all have one loss, and one state
        print(f"{name}: {compute * 1e3:.1f} ms, {gradient / 1e6:.2f} MB, {joins} joins")
        for rate, speed in RATES.items():
            cells = []
            for machines in (16, 64, 1024):
                levels = machines.bit_length() - 1
                travel = levels * (
                    gradient / speed + gradient * adding + (message + WIRE) * (1 + gradient // (1 << 22))
                )
                waits = levels * (message + WIRE) * joins + max(0.0, travel - compute / 2)
                cells.append(f"{compute / (compute + waits):.0%}")
            print(f"| {name}, {each} | {compute * 1e3:.0f} | {rate} | {' | '.join(cells)} |")


def message(comm):
    """What one small exchange costs the processor, of two workers."""
    engine = Timed(comm)
    for _ in range(500):
        engine.exchange(np.zeros(40), 1 - engine.rank)
    return engine.seconds / engine.calls


if __name__ == "__main__":
    fastnn.set_num_threads(1)
    if len(sys.argv) > 1 and sys.argv[1] in ("shares", "message"):
        from mpi4py import MPI

        shares(MPI.COMM_WORLD) if sys.argv[1] == "shares" else print(message(MPI.COMM_WORLD))
    else:
        extrapolated(float(sys.argv[1]) if len(sys.argv) > 1 else 50e-6)
