"""Sequences: arrays x (N, T, F) with lengths in NPZ files, and tables whose rows a column of ids groups."""

from __future__ import annotations

import zipfile
from argparse import ArgumentTypeError, Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import data
from .._check import Array
from ._csv import read_csv, read_csv_parts, read_rows
from ._inputs import Inputs, Samples, fingerprint, split_rows, told
from ._labels import classes_of, numbers_of
from ._npz import load_arrays, targets_of
from ._table import CHUNK, Place, Table, check_finite, moments, row_of

MOST_VALUES = 1 << 28  # of padded sequences, which may be far larger than the file


class Joined(NamedTuple):
    """Sequences one after the other: all their steps (rows, F), and how many each has."""

    x: Array
    lengths: Array
    place: Place


class Sequences:
    """Sequences: each feature is standardized over all steps; a last feature is 1 on steps, 0 on padding."""

    layers: list[int] = [64]  # noqa: RUF012
    epochs = 60
    pictures = False

    def takes(self, name: str, source: str) -> bool:
        """Whether it is an NPZ file or a table."""
        return Path(source).suffix.lower() in (".npz", ".csv", ".tsv")

    def split(self, options: Namespace) -> Samples:
        """Four fifths of the sequences to learn from, and a fifth to hold out."""
        path = Path(options.data)
        header = {"yes": True, "no": False}.get(options.header)
        if path.suffix.lower() == ".npz" and (options.ignore or header is not None):
            raise ArgumentTypeError(f"--ignore, --header: expected a table, got sequences in {path}")
        sequences, table = _read(path, options.group, options.target, options.ignore, None, header)
        try:
            classes = classes_of(table.values, options.task, table.place)
        except ValueError as error:
            raise ValueError(f"{path}, {table.target}: {error}") from error
        told(path, table, classes)
        count = len(sequences.lengths)
        if count < 5:
            raise ValueError(f"{path}: expected at least 5 sequences, one of which is held out, got {count}")
        inputs = Inputs(
            "sequences", [], [], table.columns, table.target, classes, header=table.header, group=options.group or ""
        )
        if classes:
            targets = inputs.class_numbers(path, table)
            learned, held_out = split_rows(path, table.place, count, options.seed, targets, classes)
        else:
            numbers = numbers_of(path, table)
            learned, held_out = split_rows(path, table.place, count, options.seed)
            mean, std = moments(numbers[learned])
            inputs.target_mean, inputs.target_std = float(mean), float(std)
            targets = inputs.scaled_targets(path, numbers, table.place)
        mean, std = moments(sequences.x[np.repeat(np.isin(np.arange(count), learned), sequences.lengths)])
        inputs.mean, inputs.std = mean.tolist(), std.tolist()
        x = _padded(path, inputs, sequences)
        whole = data.TensorDataset(x, targets)
        known = fingerprint("\n".join([table.target, *map(str, table.values)]), [sequences.x, sequences.lengths])
        parts = data.Subset(whole, learned), data.Subset(whole, held_out)
        return Samples(*parts, inputs, len(inputs.mean), known, x.shape[1:])

    def known(self, options: Namespace, inputs: Inputs) -> Any:
        """All sequences of a file."""
        path = Path(options.data)
        sequences, table = _read(path, inputs.group, inputs.target, (), inputs.columns, inputs.header)
        told(path, table, inputs.classes)
        x = _padded(path, inputs, sequences)
        targets = inputs.class_numbers(path, table) if inputs.classes else numbers_of(path, table).reshape(-1, 1)
        return [(x[i : i + CHUNK], targets[i : i + CHUNK]) for i in range(0, len(x), CHUNK)]

    def prepared(self, file: str, inputs: Inputs) -> Iterator[tuple[Array, Place]]:
        """Sequences without targets."""
        if Path(file).suffix.lower() == ".npz":
            sequences = _arrays(file, load_arrays(file, ["x"])[0])
        elif not inputs.group or file == "-":
            raise ValueError(
                "the model learned from sequences: expected an NPZ file with an array x, or a table whose rows are "
                "grouped, as those that it learned from"
            )
        else:
            parts = list(read_csv_parts(file, inputs.columns, inputs.header))
            if not parts:
                raise ValueError(f"{file} has no rows")
            x = np.concatenate([part for part, _ in parts])
            sequences, _ = _grouped(file, x, _column(file, inputs.group, inputs.header))
        x = _padded(file, inputs, sequences)
        for start in range(0, len(x), CHUNK):
            yield x[start : start + CHUNK], _after(sequences.place, start)


def _after(place: Place, start: int) -> Place:
    return lambda i: place(start + i)


def _read(
    path: Path,
    group: str | None,
    target: str | None,
    ignore: Sequence[str],
    wanted: Sequence[str] | None,
    header: bool | None,
) -> tuple[Joined, Table]:
    """The sequences, and a table of their targets."""
    if path.suffix.lower() == ".npz":
        if group and wanted is None:
            raise ArgumentTypeError(f"--group: expected a table, got sequences in {path}")
        x, y = load_arrays(path, ["x", target or "y"])
        sequences = _arrays(path, x)
        if y.shape != sequences.lengths.shape:
            raise ValueError(
                f"{path}: expected {target or 'y'} of shape ({len(x)},), one for each sequence, got {y.shape}"
            )
        columns = [str(i) for i in range(x.shape[2])] if wanted is None else list(wanted)
        return sequences, Table(columns, target or "y", x, targets_of(path, target or "y", y), row_of(), None)
    if not group:
        raise ArgumentTypeError(f"--group: expected the column of {path} whose ids tell which rows are one sequence")
    table = read_csv(path, target, [*ignore, group] if wanted is None else (), wanted, header)
    if table.target == group:
        raise ArgumentTypeError(f"--group: expected another column than the target, got {group}")
    sequences, firsts = _grouped(path, table.x, _column(path, group, header))
    values, ends = [table.values[i] for i in firsts.order], np.cumsum(sequences.lengths)
    for i, end in enumerate(ends):
        own = values[end - sequences.lengths[i] : end]
        if any(each != own[0] for each in own):
            other = next(each for each in own if each != own[0])
            raise ValueError(
                f"{path}, column {table.target}: expected one target for each {group}, got {own[0]} and {other} for "
                f"{firsts.names[i]}"
            )
    targets = [values[end - length] for end, length in zip(ends, sequences.lengths, strict=True)]
    return sequences, Table(table.columns, table.target, sequences.x, targets, sequences.place, table.header)


def _arrays(path: str | Path, x: Array) -> Joined:
    """x (N, T, F) and, if the file has them, lengths (N,)."""
    if x.dtype.kind not in "biuf" or x.ndim != 3 or 0 in x.shape:
        raise ValueError(f"{path}: expected sequences x (N, T, F) of numbers, got shape {x.shape} and dtype {x.dtype}")
    n, steps, _ = x.shape
    lengths = np.full(n, steps)
    if "lengths.npy" in zipfile.ZipFile(path).namelist():
        (lengths,) = load_arrays(path, ["lengths"])
        if lengths.shape != (n,) or lengths.dtype.kind not in "iu":
            raise ValueError(
                f"{path}: expected lengths ({n},) of integers, got shape {lengths.shape} and dtype {lengths.dtype}"
            )
        if ((lengths < 1) | (lengths > steps)).any():
            raise ValueError(f"{path}: expected lengths from 1 to {steps}, got {lengths.min()} to {lengths.max()}")
    real = np.arange(steps) < np.asarray(lengths)[:, None]
    rows = x[real].astype(np.float64)  # padding may hold anything
    sequence = np.nonzero(real)[0]
    check_finite(path, rows, lambda i: row_of()(int(sequence[i])))
    return Joined(rows, np.asarray(lengths, np.int64), row_of())


class _Groups(NamedTuple):
    """The groups' names in order of appearance, and the numbers of their rows, group after group."""

    names: list[str]
    order: Array


def _grouped(path: str | Path, x: Array, ids: list[str]) -> tuple[Joined, _Groups]:
    """Rows with one id as one sequence, in the order in which they stand."""
    number: dict[str, int] = {}
    groups = np.array([number.setdefault(each, len(number)) for each in ids])
    order, names = np.argsort(groups, kind="stable"), list(number)
    lengths = np.bincount(groups, minlength=len(names))
    return Joined(x[order], lengths, lambda i: f"group {names[i]}"), _Groups(names, order)


def _column(path: str | Path, name: str, header: bool | None) -> list[str]:
    """A table's column as text."""
    found: list[str] = []
    for names, rows in read_rows(path, header):
        if name not in names:
            raise ValueError(f"{path} has no column {name}")
        at = list(names).index(name)
        found += [row[at].strip() for row in rows]
    return found


def _padded(path: Any, inputs: Inputs, sequences: Joined) -> Array:
    """(N, T, F + 1) in float32: scaled features, 0 after a sequence's end; the last feature marks steps."""
    features = len(inputs.mean)
    if sequences.x.shape[1] != features:
        raise ValueError(f"{path}: expected sequences of {features} features, got {sequences.x.shape[1]}")
    n, steps = len(sequences.lengths), int(sequences.lengths.max())
    if n * steps * (features + 1) > MOST_VALUES:
        raise ValueError(
            f"{path}: {n} sequences of up to {steps} steps take more than {MOST_VALUES:,} values when padded"
        )
    sequence = np.repeat(np.arange(n), sequences.lengths)
    scaled = inputs.scaled(path, sequences.x, lambda i: sequences.place(int(sequence[i])))
    x = np.zeros((n, steps, features + 1), np.float32)
    real = np.arange(steps) < sequences.lengths[:, None]
    x[real, :features], x[real, features] = scaled, 1
    return x
