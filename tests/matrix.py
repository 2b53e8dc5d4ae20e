"""Prints a hash for each memory layout and each split of the batch: all the same, for any thread count and FMA tier.

Run as a script in a subprocess, with the environment saying which.
"""

from __future__ import annotations

import hashlib
import itertools

import numpy as np
from records import RECORDS

import fastnn
from fastnn import nn


def strided(x):
    wide = np.zeros(tuple(2 * n for n in x.shape), x.dtype)
    view = wide[tuple(slice(1, None, 2) for _ in x.shape)]
    view[...] = x
    return view


def channels_last(x):
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1) if x.ndim > 1 else x.copy()


LAYOUTS = {"C": np.ascontiguousarray, "F": np.asfortranarray, "channels-last": channels_last, "strided": strided}
SPLITS = {"whole": [], "halves": [32], "odd": [1, 2, 9, 40, 63]}


def gradient_of(shape, dtype):
    return np.asarray(np.random.default_rng(1).normal(size=shape), dtype)


def results(call, layout, cuts):
    """Value and gradients: of the batch's parts, joined, where samples are independent; what joins them of the whole."""
    laid = call.mapped(lambda array: layout(array) if array.ndim else array, lambda name: name in call.parts)
    if call.joins:
        value = laid.value()
        yield value
        if call.record.gradients:
            yield from laid.gradients(gradient_of(np.shape(value), value.dtype)).values()
        return
    ends = [0, *cuts, len(call.input)]
    parts = [slice(start, end) for start, end in itertools.pairwise(ends)]
    yield np.concatenate([laid.part(part).value() for part in parts])
    if not call.record.gradients:
        return
    value = call.value()
    dy = layout(gradient_of(value.shape, value.dtype))
    pieces = [laid.part(part).gradients(dy[part]) for part in parts]
    for name, gradient in laid.gradients(dy).items():
        yield np.concatenate([piece[name] for piece in pieces]) if name in call.parts else gradient


def network(x):
    """Frozen, and the model itself; a product between them."""
    fastnn.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(600, 70), nn.BatchNorm1d(70), nn.GELU(), nn.Linear(70, 9)).to(x.dtype)
    model.eval()
    frozen = fastnn.freeze(model)
    yield frozen
    weight = fastnn.Tensor(np.cos(np.arange(350)).reshape(50, 7).astype(x.dtype))
    yield lambda part: part @ weight
    with fastnn.no_grad():
        yield model


def digest(layout, cuts):
    """Hash of everything, the batch split at `cuts` where samples are independent."""
    total = hashlib.sha256()

    def add(array):
        plain = np.ascontiguousarray(array)
        total.update(np.where(np.isnan(plain), plain.dtype.type(12345), plain).tobytes())

    for dtype in (np.float32, np.float64):
        for record in RECORDS:
            for variant in record.variants:
                for array in results(record.call(record.batch, variant, dtype), layout, cuts):
                    add(array)
        x = layout(np.random.default_rng(0).normal(0, 4, (64, 12, 50)).astype(dtype))
        for run in network(x):
            add(np.concatenate([np.asarray(run(part)) for part in np.split(x, cuts)]))
    return total.hexdigest()


if __name__ == "__main__":
    for layout_name, layout in LAYOUTS.items():
        for split_name, cuts in SPLITS.items():
            print(fastnn.isa(), fastnn.get_num_threads(), layout_name, split_name, digest(layout, cuts))
