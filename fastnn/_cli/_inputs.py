"""A training's data: how samples become inputs of the network, and which samples are held out."""

from __future__ import annotations

import hashlib
import sys
import warnings
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from .. import data
from .._check import Array
from ._labels import label_numbers
from ._table import CHUNK, Place, Table, check_finite, shown


@dataclass
class Inputs:
    """How samples become inputs of the network; stored beside the weights."""

    source: str  # a name of `KINDS`
    mean: list[float]
    std: list[float]
    columns: list[str] = field(default_factory=list)  # of a table, without the target
    target: str = ""
    classes: list[str] = field(default_factory=list)  # empty if the targets are numbers
    target_mean: float = 0.0  # if the targets are numbers
    target_std: float = 1.0
    header: bool | None = None  # whether a table's first line names its columns; None if it had no lines
    group: str = ""  # a table's column of ids: rows with the same id are one sequence
    shape: list[int] = field(default_factory=list)  # of an image (H, W, C), if the kind of data does not fix it

    def scaled(self, source: Any, x: Array, place: Place) -> Array:
        """A table's rows, each column standardized by its own mean and deviation."""
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = ((x - np.asarray(self.mean)) / np.asarray(self.std)).astype(np.float32)
        check_finite(source, scaled, place, x)
        return scaled

    def scaled_targets(self, source: Any, values: Array, place: Place) -> Array:
        """A column of targets, standardized by mean and deviation."""
        values = values.reshape(-1, 1)
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = ((values - self.target_mean) / self.target_std).astype(np.float32)
        check_finite(source, scaled, place, values)
        return scaled

    def class_numbers(self, source: Any, table: Table) -> Array:
        """The class numbers of a table's targets."""
        found = np.array(label_numbers(table.values, self.classes))
        if (found < 0).any():
            unknown = {str(value): i for i, value in reversed(list(enumerate(table.values))) if found[i] < 0}
            names = shown(sorted(unknown), 5)
            where = f"{source}, column {table.target}: expected targets among {shown(self.classes)}"
            raise ValueError(f"{where}; got {names} ({table.place(min(unknown.values()))})")
        return found


class Samples(NamedTuple):
    """The samples to learn from, and those that are held out."""

    train: Any
    held_out: Any
    inputs: Inputs
    features: int  # numbers of a sample
    fingerprint: str  # of all samples
    shape: tuple[int, ...] = ()  # of a sample as an image (C, H, W) or a signal (C, T); () of rows


class Kind(Protocol):
    """A kind of data, a row of the table `KINDS`."""

    @property
    def layers(self) -> list[int]:
        """Sizes of the hidden layers, if no option gives them."""

    @property
    def epochs(self) -> int:
        """Passes over the data, if no option gives them."""

    @property
    def pictures(self) -> bool:
        """Whether samples can be shown as pictures."""

    def takes(self, name: str, source: str) -> bool:
        """Whether --data means this kind, whose name in the table is `name`."""

    def split(self, options: Namespace) -> Samples:
        """What `fastnn train` needs."""

    def known(self, options: Namespace, inputs: Inputs) -> Any:
        """Batches of inputs and true targets, which are not scaled."""

    def prepared(self, file: str, inputs: Inputs) -> Iterator[tuple[Array, Place]]:
        """Inputs of the network from a file, in parts, and where each row stands in the file."""


def told(path: Any, table: Table, classes: list[str]) -> None:
    """Print a line about what was taken for names, inputs and target of a table."""
    named = {True: "names of columns in its first line, ", False: "no names of columns, ", None: ""}[table.header]
    task = f"{len(classes)} classes {shown(classes)}" if classes else "numbers"
    line = f"{path}: {named}{len(table.x)} rows, inputs {shown(table.columns)}, target {table.target}: {task}"
    print(line, file=sys.stderr)


def split_rows(
    path: Path, place: Place, count: int, seed: int, targets: Array | None = None, classes: list[str] | None = None
) -> tuple[Array, Array]:
    """The rows to learn from, with at least one of each class, and the rows that are held out."""
    learned, held_out = (np.asarray(part.indices) for part in data.random_split(range(count), [0.8, 0.2], rng=seed))
    for number, name in enumerate(classes or []):
        mine = np.asarray(targets) == number
        if not mine[learned].any():
            first = held_out[mine[held_out]][0]
            learned, held_out = np.append(learned, first), held_out[held_out != first]
            warnings.warn(
                f"{path}: class {name} occurs among the held-out rows alone: {place(int(first))} is "
                "learned from, not held out",
                stacklevel=2,
            )
    if not len(held_out):
        raise ValueError(f"{path}: expected classes of more than one row, to hold one out")
    return learned, held_out


def fingerprint(text: str, arrays: list[Array]) -> str:
    """A hash of the data."""
    found = hashlib.sha256(text.encode(errors="surrogateescape"))
    for array in arrays:
        found.update(f"{array.shape} {array.dtype}".encode())
        for start in range(0, len(array), CHUNK):
            found.update(np.ascontiguousarray(array[start : start + CHUNK]).tobytes())
    return found.hexdigest()
