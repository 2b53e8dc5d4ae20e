"""Measures what docs/distributed.md says: `mpiexec -n 4 python docs/scaling.py` the share of communication of a step,
`python docs/scaling.py` the rates, and from these times for other numbers of machines.
"""

import sys
import time

import numpy as np

import fastnn
from fastnn import distributed, models, nn, optim
from fastnn.distributed._gradients import Gradients

SHARDS, EACH = 4, 16  # samples of a shard
LATENCY, RATES = 30e-6, {"10 Gbit/s": 1.1e9, "100 Gbit/s": 11e9}  # seconds of a message; bytes a second after protocols


class Timed(distributed.MPIEngine):
    """Notes how long, how often and with how many bytes messages are exchanged."""

    def __init__(self, comm):
        super().__init__(comm)
        self.seconds, self.calls, self.bytes = 0.0, 0, 0

    def exchange(self, buffer, peer):
        begin = time.perf_counter()
        found = super().exchange(buffer, peer)
        self.seconds += time.perf_counter() - begin
        self.calls, self.bytes = self.calls + 1, self.bytes + buffer.nbytes
        return found

    def apart(self):
        return Timed(self._comm)


def networks():
    """Names, models and inputs of a shard."""
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
    """The shortest of some calls."""
    found = []
    for _ in range(times):
        begin = time.perf_counter()
        call()
        found.append(time.perf_counter() - begin)
    return min(found)


def shares(comm):
    """Of the shortest step: its time, and how much of it waited for others' messages."""
    joined, waited = Gradients.joined, [0.0]

    def timed(self):
        begin = time.perf_counter()
        found = joined(self)
        waited[0] += time.perf_counter() - begin
        return found

    Gradients.joined = timed
    for name, (model, x) in networks().items():
        engine = Timed(comm)
        group = distributed.Group(engine, SHARDS)
        call, best = step_of(group, model, x), (np.inf, 0.0)
        call()
        for _ in range(12):
            engine.seconds = waited[0] = 0.0
            comm.Barrier()
            begin = time.perf_counter()
            call()
            best = min(best, (time.perf_counter() - begin, engine.seconds + waited[0]))
        if group.rank == 0:
            print(f"| {name} | {group.size} | {best[0] * 1e3:.1f} | {best[1] / best[0]:.0%} |", flush=True)


def extrapolated():
    """The time of a step with one shard a machine, and the share that is not computing."""
    fastnn.set_num_threads(2)
    flat = np.ones(1 << 20, np.float32)
    adding = least(lambda: np.add(flat, flat, out=flat), 50) / flat.nbytes
    print(f"adding: {1e-9 / adding:.1f} GB/s")
    for name, (model, x) in networks().items():
        x = x[:EACH]
        compute = least(step_of(distributed.local(1), model, x), 15)
        gradient = sum(each.data.nbytes for each in model.parameters())
        norms = sum(isinstance(each, nn.BatchNorm1d | nn.BatchNorm2d) for each in model.modules())
        joins = 2 * norms + 6  # loss and its divisor, and what all must have alike
        print(f"{name}: {compute * 1e3:.1f} ms, {gradient / 1e6:.2f} MB, {joins} joins")
        for rate, speed in RATES.items():
            cells = []
            for machines in (16, 64, 1024):
                levels = machines.bit_length() - 1
                travel = levels * (LATENCY + gradient / speed + gradient * adding)
                waits = levels * LATENCY * joins + max(0.0, travel - 0.5 * compute)  # half of a step hides travelling
                cells.append(f"{(compute + waits) * 1e3:.1f} ms, {compute / (compute + waits):.0%}")
            print(f"| {name} | {rate} | {' | '.join(cells)} |")


if __name__ == "__main__":
    if "shares" in sys.argv:
        from mpi4py import MPI

        shares(MPI.COMM_WORLD)
    else:
        extrapolated()
