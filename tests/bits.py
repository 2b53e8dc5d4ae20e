"""Prints a hash of what the library computes: the same for any thread count, team, memory order and FMA tier.

Run as a script in a subprocess, with the environment saying which.
"""

from __future__ import annotations

import hashlib

import numpy as np
from ops import CASES, LEARNED
from rules import RULES

import fastnn
from fastnn import _core, nn, optim


def elementwise(dtype):
    x = np.random.default_rng(0).normal(0, 5, 300_001).astype(dtype)
    dy = np.random.default_rng(1).normal(size=x.shape).astype(dtype)
    for op, case in CASES:
        y = getattr(fastnn, op.name)(x, **case)
        saved = y if _core.SAVES_Y[_core.ACTS[op.name]] else x
        yield y
        yield getattr(fastnn, op.name + "_backward")(dy, saved, **case)


def families(dtype):
    rng = np.random.default_rng(0)
    for shape in ((32, 64, 17, 16), (3000, 70), (2, 3, 20_000)):
        x, dy = rng.normal(3, 2, (2, *shape)).astype(dtype)
        weight = rng.normal(size=shape[1]).astype(dtype)
        stats = fastnn.batch_norm_stats(x)
        yield from stats
        yield fastnn.batch_norm(x, None, None, weight, training=True)
        yield from fastnn.batch_norm_backward(dy, x, *stats, weight)
    for m, k, n in ((128, 784, 256), (700, 300, 10), (1, 3000, 513), (241, 513, 65)):
        x, w, dy = (rng.normal(size=s).astype(dtype) for s in ((m, k), (n, k), (m, n)))
        for weight in (w, np.asfortranarray(w)):
            yield fastnn.linear(x, weight, w[:, 0])
            yield from fastnn.linear_backward(dy, x, weight)
    x, dy = rng.normal(0, 4, (2, 500, 1300)).astype(dtype)
    t = rng.integers(0, 1300, 500)
    yield fastnn.softmax(x, 1)
    yield fastnn.softmax_backward(dy, fastnn.softmax(x, 1), 1)
    yield fastnn.log_softmax(x, 1)
    yield fastnn.log_softmax_backward(dy, fastnn.log_softmax(x, 1), 1)
    yield fastnn.cross_entropy(x, t, label_smoothing=0.1)
    yield fastnn.cross_entropy_backward(1.0, x, t, label_smoothing=0.1)
    yield fastnn.mse_loss(x, dy)
    yield fastnn.mse_loss_backward(1.0, x, dy)
    yield fastnn.dropout(x, 0.3, rng=5)
    yield fastnn.dropout_mask(300_001, 0.3, rng=5)


def vocabulary(dtype):
    """Learned activations, normalization of samples, channel dropout, losses of two arrays, all optimizers."""
    rng = np.random.default_rng(0)
    x, dy = rng.normal(3, 2, (2, 9, 6, 50, 13)).astype(dtype)
    for act in LEARNED:
        for size in (1, 6):
            parameters = [rng.uniform(0.5, 2, size).astype(dtype) for _ in act.given]
            yield getattr(fastnn, act.name)(x, *parameters)
            yield from getattr(fastnn, act.name + "_backward")(dy, x, *parameters)
    weight = rng.normal(size=6).astype(dtype)
    rows, drows = rng.normal(3, 2, (2, 1500, 300)).astype(dtype)
    gamma = rng.normal(size=300).astype(dtype)
    for name, (a, d), args, w in (
        ("layer_norm", (rows, drows), (300,), gamma),
        ("rms_norm", (rows, drows), (300,), gamma),
        ("group_norm", (x, dy), (3,), weight),
        ("instance_norm", (x, dy), (), weight),
    ):
        stats = getattr(fastnn, name + "_stats")(a, *args)
        stats = stats if isinstance(stats, tuple) else (stats,)
        yield getattr(fastnn, name)(a, *args, weight=w)
        yield from getattr(fastnn, name + "_backward")(d, a, *stats, w)
    yield fastnn.normalize(rows)
    yield fastnn.normalize_backward(drows, rows)
    shares = rng.normal(size=(2, 3))
    yield fastnn.switchable_norm(x, None, None, weight, weight, *shares, training=True)
    yield from fastnn.switchable_norm_backward(dy, x, None, None, weight, *shares, training=True)
    yield fastnn.dropout2d(x, 0.3, rng=5)
    yield fastnn.alpha_dropout(x, 0.3, training=True, rng=5)
    p, t = rng.uniform(size=(2, 300, 301)).astype(dtype)
    for name in (
        "l1_loss",
        "smooth_l1_loss",
        "huber_loss",
        "binary_cross_entropy",
        "binary_cross_entropy_with_logits",
        "kl_div",
    ):
        yield getattr(fastnn, name)(p, t)
        yield getattr(fastnn, name + "_backward")(1.0, p, t)
    yield fastnn.cross_entropy(rows, fastnn.softmax(drows, 1), label_smoothing=0.1)
    yield fastnn.cross_entropy_backward(1.0, rows, fastnn.softmax(drows, 1), label_smoothing=0.1)
    for rule in RULES:
        parameters = [nn.Parameter(rng.normal(size=size).astype(dtype)) for size in (3, 20_000)]
        optimizer = rule.make(parameters, l1_decay=0.01)
        for _ in range(3):
            for each in parameters:
                each.grad = rng.normal(size=each.shape).astype(dtype)
            optimizer.step()
        yield from (each.data for each in parameters)


def training(dtype):
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


def digest() -> str:
    """Hash of every result, in float32 and float64."""
    total = hashlib.sha256()
    for dtype in (np.float32, np.float64):
        for make in (elementwise, families, vocabulary, training):
            for array in make(dtype):
                total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()


if __name__ == "__main__":
    print(fastnn.isa(), _core.team(), fastnn.get_num_threads(), digest())
