"""Signals (N, C, T) in NPZ files."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError, Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .. import data
from .._check import Array
from ._inputs import Inputs, Samples, fingerprint, split_rows, told
from ._labels import classes_of, numbers_of
from ._npz import features, load_arrays, targets_of
from ._table import CHUNK, Place, Table, check_finite, moments, row_of


class Signals:
    """Arrays x (N, C, T), or (N, T) for one channel, and targets y (N,); each channel is standardized."""

    layers: list[int] = [128, 64]  # noqa: RUF012
    epochs = 60
    pictures = False

    def takes(self, name: str, source: str) -> bool:
        """Whether it is an NPZ file."""
        return Path(source).suffix.lower() == ".npz"

    def split(self, options: Namespace) -> Samples:
        """Four fifths of the signals to learn from, and a fifth to hold out."""
        if options.ignore or options.header != "auto":
            raise ArgumentTypeError(f"--ignore, --header: expected a table, got signals in {options.data}")
        path = Path(options.data)
        table, x = _read(path, options.target or "y")
        try:
            classes = classes_of(table.values, options.task, table.place)
        except ValueError as error:
            raise ValueError(f"{path}, {table.target}: {error}") from error
        told(path, table, classes)
        if len(x) < 5:
            raise ValueError(f"{path}: expected at least 5 signals, one of which is held out, got {len(x)}")
        inputs = Inputs("signals", [], [], target=table.target, classes=classes)
        if classes:
            targets = inputs.class_numbers(path, table)
            learned, held_out = split_rows(path, table.place, len(x), options.seed, targets, classes)
        else:
            numbers = numbers_of(path, table)
            learned, held_out = split_rows(path, table.place, len(x), options.seed)
            mean, std = moments(numbers[learned])
            inputs.target_mean, inputs.target_std = float(mean), float(std)
            targets = inputs.scaled_targets(path, numbers, table.place)
        mean, std = moments(np.moveaxis(x[learned], 1, -1).reshape(-1, x.shape[1]))
        inputs.mean, inputs.std = mean.tolist(), std.tolist()
        whole = data.TensorDataset(_scaled(path, inputs, x, table.place), targets)
        known = fingerprint("\n".join([table.target, *map(str, table.values)]), [x])
        parts = data.Subset(whole, learned), data.Subset(whole, held_out)
        return Samples(*parts, inputs, math.prod(x.shape[1:]), known, x.shape[1:])

    def known(self, options: Namespace, inputs: Inputs) -> Any:
        """All signals of a file."""
        path = Path(options.data)
        table, x = _read(path, inputs.target)
        told(path, table, inputs.classes)
        scaled = _scaled(path, inputs, x, table.place)
        targets = inputs.class_numbers(path, table) if inputs.classes else numbers_of(path, table).reshape(-1, 1)
        return [(scaled[i : i + CHUNK], targets[i : i + CHUNK]) for i in range(0, len(x), CHUNK)]

    def prepared(self, file: str, inputs: Inputs) -> Iterator[tuple[Array, Place]]:
        """Signals without targets."""
        if not self.takes("", file):
            raise ValueError("the model learned from signals: expected an NPZ file with an array x")
        x = _signals(file, load_arrays(file, ["x"])[0])
        for start in range(0, len(x), CHUNK):
            yield _scaled(file, inputs, x[start : start + CHUNK], row_of(start)), row_of(start)


def _read(path: Path, target: str) -> tuple[Table, Array]:
    x, y = load_arrays(path, ["x", target])
    x = _signals(path, x)
    if y.shape != x.shape[:1]:
        raise ValueError(f"{path}: expected {target} of shape ({len(x)},), one for each signal, got {y.shape}")
    if not len(x):
        raise ValueError(f"{path} has no signals")
    return Table([str(c) for c in range(x.shape[1])], target, x, targets_of(path, target, y), row_of(), None), x


def _signals(path: str | Path, x: Array) -> Array:
    """(N, C, T), finite."""
    x = features(path, x)
    x = x[:, np.newaxis] if x.ndim == 2 else x
    if x.ndim != 3:
        raise ValueError(f"{path}: expected signals x (N, C, T) or (N, T), got shape {x.shape}")
    check_finite(path, x, row_of())
    return x


def _scaled(path: Any, inputs: Inputs, x: Array, place: Place) -> Array:
    if x.shape[1] != len(inputs.mean):
        raise ValueError(f"{path}: expected signals x (N, {len(inputs.mean)}, T), got shape {x.shape}")
    mean, std = (np.asarray(each)[:, np.newaxis] for each in (inputs.mean, inputs.std))
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = ((x - mean) / std).astype(np.float32)
    check_finite(path, scaled, place)
    return scaled
