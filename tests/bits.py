"""Prints a hash of what the library computes: the same for any thread count, team, memory order and FMA tier.

Run as a script in a subprocess, with the environment saying which.  The first line is the hash of everything; then comes one
line for each record, for the optimizers and for a training run, so that a difference is named.
"""

from __future__ import annotations

import hashlib

import numpy as np
from records import COMPANIONS, OPTIMIZERS, RECORDS

import fastnn
from fastnn import _core, functional, nn, optim


def results(record, dtype):
    """Values, statistics and masks, and gradients by the twin, of every large call."""
    for call in record.large_calls(dtype):
        value = call.value()
        yield value
        for suffix in COMPANIONS[1:]:
            if hasattr(functional, record.name + suffix):
                found = call.companion(suffix)
                yield from found if isinstance(found, tuple) else (found,)
        if record.gradients:
            dy = np.random.default_rng(1).normal(size=np.shape(value))
            dy = dy.astype(dtype) if np.ndim(dy) else float(dy)  # as a user gives the gradient of a loss
            yield from call.gradients(dy).values()


def products(dtype):
    """The tape's matmul: batches, broadcast operands, vectors, and their gradients."""
    rng = np.random.default_rng(0)
    shapes = ((3, 70, 300), (300, 65)), ((5, 1, 12, 40), (3, 40, 33)), ((1000, 300), (300,)), ((300,), (2, 300, 9))
    for left, right in shapes:
        a, b = (fastnn.tensor(rng.normal(size=size).astype(dtype), requires_grad=True) for size in (left, right))
        y = a @ b
        y.backward(rng.normal(size=y.shape))
        yield from (y.data, a.grad, b.grad)


def updates(dtype):
    """Parameters after three steps of every optimizer."""
    rng = np.random.default_rng(0)
    for rule in OPTIMIZERS:
        parameters = [nn.Parameter(rng.normal(size=size).astype(dtype)) for size in (3, 20_000)]
        optimizer = rule.make(parameters, l1_decay=0.01)
        for _ in range(3):
            for each in parameters:
                each.grad = rng.normal(size=each.shape).astype(dtype)
            optimizer.step()
        yield from (each.data for each in parameters)


def training(dtype):
    """The state of a network after ten steps."""
    fastnn.manual_seed(0)
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(300, 256), nn.BatchNorm1d(256), nn.GELU(), nn.Dropout(0.2), nn.Linear(256, 10)).to(
        dtype
    )
    for optimizer in (optim.Adam(model.parameters(), amsgrad=True), optim.SGD(model.parameters(), 0.01, 0.9)):
        for _ in range(5):
            x, t = rng.normal(size=(200, 300)), rng.integers(0, 10, 200)
            optimizer.zero_grad()
            fastnn.cross_entropy(model(x), t).backward()
            optimizer.step()
    yield from model.state_dict().values()


FAMILIES = {record.name: lambda dtype, record=record: results(record, dtype) for record in RECORDS}
FAMILIES |= {"matmul": products, "optimizers": updates, "training": training}


def digests() -> dict[str, str]:
    """Hashes of the results in float32 and float64, by the record's name."""
    found = {}
    for name, make in FAMILIES.items():
        total = hashlib.sha256()
        for dtype in (np.float32, np.float64):
            for array in make(dtype):
                total.update(np.ascontiguousarray(array).tobytes())
        found[name] = total.hexdigest()
    return found


if __name__ == "__main__":
    found = digests()
    whole = hashlib.sha256("".join(found.values()).encode()).hexdigest()
    print(fastnn.isa(), _core.team(), fastnn.get_num_threads(), whole)
    for name, digest in found.items():
        print(name, digest)
