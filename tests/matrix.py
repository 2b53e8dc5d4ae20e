"""Prints a hash for each memory layout and each split of the batch: all the same, for any thread count and FMA tier.

Run as a script in a subprocess, with the environment saying which.
"""

from __future__ import annotations

import hashlib

import numpy as np
from ops import CASES, LEARNED

import fastnn
from fastnn import _core, nn


def strided(x):
    wide = np.zeros(tuple(2 * n for n in x.shape), x.dtype)
    view = wide[tuple(slice(1, None, 2) for _ in x.shape)]
    view[...] = x
    return view


def channels_last(x):
    order = (0, *range(2, x.ndim), 1)
    return np.moveaxis(np.ascontiguousarray(x.transpose(order)), -1, 1)


LAYOUTS = {"C": np.ascontiguousarray, "F": np.asfortranarray, "channels-last": channels_last, "strided": strided}


def sample_wise(x, t, p):
    """What treats each sample for itself, so that splits of the batch must not matter; x (N, 12, 50), p of 12 channels."""
    for op, case in CASES:
        yield getattr(fastnn, op.name)(x, **case)
        saved = fastnn.relu(x) if _core.SAVES_Y[_core.ACTS[op.name]] else x
        yield getattr(fastnn, op.name + "_backward")(t, saved, **case)
    for act in LEARNED:
        yield getattr(fastnn, act.name)(x, *[np.abs(p) + x.dtype.type(0.5)] * len(act.given))
    yield fastnn.batch_norm(x, p, np.abs(p), p, p)
    yield fastnn.layer_norm(x, (50,))
    yield fastnn.rms_norm(x, (50,))
    yield fastnn.group_norm(x, 4, p, p)
    yield fastnn.instance_norm(x)
    for dim in (1, 2):
        yield fastnn.softmax(x, dim)
        yield fastnn.log_softmax(x, dim)
        yield fastnn.softmax_backward(t, x, dim)
        yield fastnn.normalize(x, dim=dim)
    yield fastnn.glu(x, 1)
    yield fastnn.cross_entropy(x, np.argmax(t, 1), reduction="none")
    yield fastnn.cross_entropy(x, fastnn.softmax(t, 1), reduction="none")
    yield fastnn.mse_loss(x, t, reduction="none")
    w = np.outer(np.linspace(-1, 1, 33), np.cos(np.arange(50))).astype(x.dtype)
    for weight in (w, np.asfortranarray(w)):
        yield fastnn.linear(x, weight)
        yield fastnn.linear_backward(fastnn.linear(x, weight), x, weight)[0]


def whole_batch(x, t, p):
    """What joins the samples."""
    stats = fastnn.batch_norm_stats(x)
    yield from stats
    yield fastnn.batch_norm(x, None, None, p, p, training=True)
    yield from fastnn.batch_norm_backward(t, x, *stats, p)
    yield from fastnn.layer_norm_backward(t, x, *fastnn.layer_norm_stats(x, (50,)), np.ones(50, x.dtype))
    yield from fastnn.group_norm_backward(t, x, *fastnn.group_norm_stats(x, 4), p)
    yield from fastnn.linear_backward(t, x, np.ones((50, 50), x.dtype))
    yield fastnn.cross_entropy(x, np.argmax(t, 1))
    yield fastnn.mse_loss(x, t)
    yield fastnn.dropout(x, 0.3, rng=3)
    yield fastnn.dropout2d(x, 0.3, rng=3)


def network(x):
    """Frozen, and the model itself."""
    fastnn.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(600, 70), nn.BatchNorm1d(70), nn.GELU(), nn.Linear(70, 9)).to(x.dtype)
    model.eval()
    frozen = fastnn.freeze(model)
    yield frozen
    with fastnn.no_grad():
        yield model


def digest(layout, cuts):
    """Hash of everything, the batch split at `cuts` where samples are independent."""
    total = hashlib.sha256()

    def add(array):
        plain = np.ascontiguousarray(array)
        total.update(np.where(np.isnan(plain), plain.dtype.type(12345), plain).tobytes())

    for dtype in (np.float32, np.float64):
        rng = np.random.default_rng(0)
        x, t = (layout(rng.normal(0, 4, (64, 12, 50)).astype(dtype)) for _ in range(2))
        p = rng.normal(size=12).astype(dtype)
        parts = [list(sample_wise(a, b, p)) for a, b in zip(np.split(x, cuts), np.split(t, cuts), strict=True)]
        for pieces in zip(*parts, strict=True):
            add(np.concatenate(pieces))
        for array in whole_batch(x, t, p):
            add(array)
        for run in network(x):
            add(np.concatenate([np.asarray(run(part)) for part in np.split(x, cuts)]))
    return total.hexdigest()


SPLITS = {"whole": [], "halves": [32], "odd": [1, 2, 9, 40, 63]}

if __name__ == "__main__":
    for layout_name, layout in LAYOUTS.items():
        for split_name, cuts in SPLITS.items():
            print(fastnn.isa(), fastnn.get_num_threads(), layout_name, split_name, digest(layout, cuts))
