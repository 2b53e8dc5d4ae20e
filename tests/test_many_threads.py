"""Threads that train, predict, freeze, save and load at once, and share frozen models: each has the results of one alone.

With an interpreter without the lock they truly run at once; with it they change places at any step of Python's.
"""

import concurrent.futures
import os
import sys
import threading

import numpy as np
import pytest

import fastnn
from fastnn import nn, optim

THREADS = 8
ROUNDS = int(os.environ.get("FASTNN_ROUNDS", "2"))
SEEDING = threading.Lock()
X = np.random.default_rng(0).normal(size=(256, 20)).astype(np.float32)


def network(seed):
    with SEEDING:  # the generator that weights are drawn from is the process's
        fastnn.manual_seed(seed)
        return nn.Sequential(
            nn.Linear(20, 64), nn.BatchNorm1d(64), nn.GELU(), nn.Dropout(0.2, rng=seed), nn.Linear(64, 64), nn.Mish(), nn.Linear(64, 3)
        )  # fmt: skip


def trained(seed):
    model, labels = network(seed), np.random.default_rng(seed).integers(0, 3, len(X))
    optimizer = optim.AdamW(model.parameters(), lr=1e-2)
    for start in range(0, len(X), 64):
        optimizer.zero_grad()
        loss = fastnn.cross_entropy(model(X[start : start + 64]), labels[start : start + 64])
        loss.backward()
        optimizer.step()
    return model.eval()


def everything(seed, folder, shared):
    """Arrays of all kinds of work, which depend on the seed alone."""
    model = trained(seed)
    frozen = fastnn.freeze(model)
    results = [value.copy() for value in model.state_dict().values()]
    results += [frozen(X), frozen(X[:1]), *(each(X * seed) for each in shared)]  # plans of shared models are made here
    path = folder / f"{seed}-{threading.get_ident()}"
    frozen.save(path)
    results.append(fastnn.load_frozen(path)(X))
    fastnn.save(model.state_dict(), path)
    again = network(seed + 1)
    again.load_state_dict(fastnn.load(path))
    with fastnn.no_grad():
        results.append(again.eval()(X).data)
    large = np.linspace(-5, 5, 100_000 + seed).astype(np.float32)  # of the pool of memory, worked on by the team
    results += [fastnn.gelu(large), fastnn.softmax(large.reshape(1, -1))]
    with fastnn.threads(1 + seed % 2):
        results.append(fastnn.tanh(large))
    x = fastnn.tensor(large, requires_grad=True)
    (np.tanh(x) * x).sum().backward()
    return [*results, x.grad]


def shared_models():
    """Not planned yet, so that threads meet there."""
    return [
        fastnn.freeze(network(100)),
        fastnn.freeze(nn.Sequential(nn.Unflatten(1, (1, 4, 5)), nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 2))),
        fastnn.freeze(nn.Sequential(nn.Unflatten(1, (5, 4)), nn.LayerNorm(4), nn.Flatten())),
    ]  # fmt: skip


@pytest.mark.parametrize("team", [1, 2])
def test_all_at_once(tmp_path, team):
    before, interval = fastnn.get_num_threads(), sys.getswitchinterval()
    fastnn.set_num_threads(team)
    with SEEDING:
        fastnn.manual_seed(7)
    shared = shared_models()
    weights = [each.model for each in shared]
    expected = [everything(seed, tmp_path, [fastnn.freeze(each) for each in weights]) for seed in range(THREADS)]
    sys.setswitchinterval(1e-5)
    try:
        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            for _ in range(ROUNDS):
                models = [fastnn.freeze(each) for each in weights]
                start = threading.Barrier(THREADS)

                def work(seed, models=models, start=start):
                    start.wait()
                    return everything(seed, tmp_path, models)

                for found, right in zip(pool.map(work, range(THREADS)), expected, strict=True):
                    for a, b in zip(found, right, strict=True):
                        np.testing.assert_array_equal(a, b)
    finally:
        sys.setswitchinterval(interval)
        fastnn.set_num_threads(before)


def test_threads_train_one_after_the_other_what_they_share():
    """A model goes from thread to thread between steps, as in a pool of workers; the tape of a step is one thread's."""
    model, other = network(3), network(3)
    optimizers = [optim.SGD(each.parameters(), lr=0.1, momentum=0.9) for each in (model, other)]

    def step(model, optimizer):
        optimizer.zero_grad()
        fastnn.cross_entropy(model(X), np.arange(len(X)) % 3).backward()
        optimizer.step()

    for _ in range(10):
        thread = threading.Thread(target=step, args=(model, optimizers[0]))
        thread.start()
        thread.join()
        step(other, optimizers[1])
    for a, b in zip(model.parameters(), other.parameters(), strict=True):
        np.testing.assert_array_equal(a.data, b.data)
