"""Kinds of data, a row of the table `KINDS` each: how they are split, measured on and read for predictions."""

from __future__ import annotations

import hashlib
import math
import sys
import warnings
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from .. import data
from .._check import Array
from ..data import transforms
from ._csv import read_csv, read_csv_parts, read_rows
from ._labels import classes_of, label_numbers, numbers_of
from ._npz import features, load_arrays, read_npz, read_npz_parts
from ._table import CHUNK, Place, Table, check_finite, moments, row_of, shown

__all__ = ["KINDS", "Inputs", "Samples", "classes_of", "kind_of", "read_rows"]


@dataclass
class Inputs:
    """How a sample becomes what the network takes; stored beside the weights."""

    source: str  # a name of `KINDS`
    mean: list[float]
    std: list[float]
    columns: list[str] = field(default_factory=list)  # of a table, without the target
    target: str = ""
    classes: list[str] = field(default_factory=list)  # empty for numbers
    target_mean: float = 0.0  # of numbers
    target_std: float = 1.0
    header: bool | None = None  # whether a table's first line names its columns; None if it had no lines

    def scaled(self, source: Any, x: Array, place: Place) -> Array:
        """A table's rows, each column by its own mean and deviation."""
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = ((x - np.asarray(self.mean)) / np.asarray(self.std)).astype(np.float32)
        check_finite(source, scaled, place, x)
        return scaled

    def scaled_targets(self, source: Any, values: Array, place: Place) -> Array:
        """A column of numbers by their mean and deviation."""
        values = values.reshape(-1, 1)
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = ((values - self.target_mean) / self.target_std).astype(np.float32)
        check_finite(source, scaled, place, values)
        return scaled

    def class_numbers(self, source: Any, table: Table) -> Array:
        """The numbers of a table's classes."""
        found = np.array(label_numbers(table.values, self.classes))
        if (found < 0).any():
            unknown = {str(value): i for i, value in reversed(list(enumerate(table.values))) if found[i] < 0}
            names = shown(sorted(unknown), 5)
            where = f"{source}, column {table.target}: expected targets among {shown(self.classes)}"
            raise ValueError(f"{where}; got {names} ({table.place(min(unknown.values()))})")
        return found


class Samples(NamedTuple):
    """What a training learns from, and what is held out."""

    train: Any
    held_out: Any
    inputs: Inputs
    features: int  # numbers of a sample
    fingerprint: str  # of all samples


class Kind(Protocol):
    """A row of the table."""

    @property
    def layers(self) -> list[int]:
        """Sizes of the hidden layers, where the command does not say them."""

    @property
    def epochs(self) -> int:
        """Passes over the data, where the command does not say."""

    @property
    def pictures(self) -> bool:
        """Whether samples can be shown as pictures."""

    def takes(self, name: str, source: str) -> bool:
        """Whether --data means this kind, whose name in the table is `name`."""

    def split(self, options: Namespace) -> Samples:
        """What `fastnn train` needs."""

    def known(self, options: Namespace, inputs: Inputs) -> Any:
        """Batches of inputs and true targets, these in their own unit."""

    def prepared(self, file: str, inputs: Inputs) -> Iterator[tuple[Array, Place]]:
        """A file's rows as the network takes them, some at a time, and where each stands."""


@dataclass(frozen=True)
class Images:
    """A dataset of images that has a name; its files are downloaded where they are missing."""

    dataset: Callable[..., Any]
    shape: tuple[int, int, int]
    mean: list[float]  # of the training images' channels
    std: list[float]
    layers: list[int]
    epochs: int
    root: bool = True  # whether it takes the folder of its files
    crop: bool = True  # moved at random to learn from
    flip: bool = True  # mirrored
    pictures: bool = True

    def _transform(self, inputs: Inputs, augment: bool) -> transforms.Compose:
        steps: list[Any] = [transforms.RandomCrop(self.shape[0], padding=4)] if augment and self.crop else []
        steps += [transforms.RandomHorizontalFlip()] if augment and self.flip else []
        return transforms.Compose([*steps, transforms.ToTensor(), transforms.Normalize(inputs.mean, inputs.std)])

    def _open(self, root: str, inputs: Inputs, train: bool, augment: bool) -> Any:
        transform = self._transform(inputs, augment)
        found = self.dataset(root, train, transform) if self.root else self.dataset(train, transform)
        if found.data.shape[1:] != self.shape:
            expected = f"images of {self.shape}, got {found.data.shape[1:]}"
            raise ValueError(f"{root}: expected {self.dataset.__name__}'s {expected}")
        return found

    def takes(self, name: str, source: str) -> bool:
        """Whether it is called so."""
        return source == name

    def split(self, options: Namespace) -> Samples:
        """Training and test images."""
        for flag, usual in (("target", None), ("ignore", []), ("header", "auto")):
            if getattr(options, flag) != usual:
                raise ArgumentTypeError(f"--{flag}: expected a table, got {options.data}, which has no columns")
        if options.task == "regression":
            raise ArgumentTypeError(f"--task: expected classification of {options.data}, got regression")
        inputs = Inputs(options.data, self.mean, self.std)
        train = self._open(options.root, inputs, True, not options.no_augment)
        held_out = self._open(options.root, inputs, False, False)
        inputs.classes = train.classes
        parts = [train.data, train.targets, held_out.data, held_out.targets]
        return Samples(train, held_out, inputs, math.prod(self.shape), fingerprint("", parts))

    def known(self, options: Namespace, inputs: Inputs) -> Any:
        """The test images."""
        return data.DataLoader(self._open(options.root, inputs, False, False), CHUNK)

    def prepared(self, file: str, inputs: Inputs) -> Iterator[tuple[Array, Place]]:
        """Images in an NPZ file."""
        if format_of(file) != ".npz":
            raise ValueError(f"the model learned from images ({inputs.source}): expected an NPZ file with an array x")
        x = features(file, load_arrays(file, ["x"])[0])
        if x.shape[1:] != self.shape and (*x.shape[1:], 1) != self.shape:
            raise ValueError(f"{file}: expected images x (N, {str(self.shape)[1:]}, got shape {x.shape}")
        if x.dtype != np.uint8 and x.dtype.kind != "f":
            raise ValueError(f"{file}: expected images of bytes, or of floats in [0, 1], got {x.dtype}")
        prepare = self._transform(inputs, augment=False)
        for start in range(0, len(x), CHUNK):
            part, place = x[start : start + CHUNK].reshape(-1, *self.shape), row_of(start)
            if part.dtype != np.uint8:
                check_finite(file, part, place)
                outside = ((part < 0) | (part > 1)).any((1, 2, 3))
                if outside.any():
                    raise ValueError(f"{file}: expected floats in [0, 1], got others in {place(int(outside.argmax()))}")
            yield prepare(part), place


class Format(NamedTuple):
    """How files of rows are read whose names end alike."""

    whole: Callable[..., Table]  # with known targets
    parts: Callable[..., Iterator[tuple[Array, Place]]]  # without them


FORMATS = {
    ".csv": Format(read_csv, read_csv_parts),
    ".tsv": Format(read_csv, read_csv_parts),
    ".npz": Format(read_npz, read_npz_parts),
}


def format_of(file: str) -> str:
    """A name of `FORMATS`, or ""; the standard input and files of other names hold CSV when they are predicted."""
    suffix = Path(file).suffix.lower()
    return suffix if suffix in FORMATS else ""


class Tables:
    """Rows of numbers in a file, with a column of targets."""

    layers: list[int] = [128, 64]  # noqa: RUF012
    epochs = 60
    pictures = False

    def takes(self, name: str, source: str) -> bool:
        """Whether it is a file of a known kind."""
        return format_of(source) != ""

    def split(self, options: Namespace) -> Samples:
        """Four fifths of the rows to learn from, and a fifth to hold out."""
        path = Path(options.data)
        header = {"yes": True, "no": False}.get(options.header)
        table = FORMATS[format_of(options.data)].whole(path, options.target, options.ignore, None, header)
        try:
            classes = classes_of(table.values, options.task, table.place)
        except ValueError as error:
            raise ValueError(f"{path}, column {table.target}: {error}") from error
        told(path, table, classes)
        if len(table.x) < 5:
            raise ValueError(f"{path}: expected at least 5 rows, one of which is held out, got {len(table.x)}")
        inputs = Inputs("table", [], [], table.columns, table.target, classes, header=table.header)
        if classes:
            targets = inputs.class_numbers(path, table)
            learned, held_out = split_rows(path, table, len(table.x), options.seed, targets, classes)
        else:
            numbers = numbers_of(path, table)
            learned, held_out = split_rows(path, table, len(table.x), options.seed)
            mean, std = moments(numbers[learned])
            inputs.target_mean, inputs.target_std = float(mean), float(std)
            targets = inputs.scaled_targets(path, numbers, table.place)
        mean, std = moments(table.x[learned])  # what is held out says nothing, not even by its mean
        inputs.mean, inputs.std = mean.tolist(), std.tolist()
        whole = data.TensorDataset(inputs.scaled(path, table.x, table.place), targets)
        known = fingerprint("\n".join([table.target, *table.columns, *map(str, table.values)]), [table.x])
        return Samples(data.Subset(whole, learned), data.Subset(whole, held_out), inputs, len(table.columns), known)

    def known(self, options: Namespace, inputs: Inputs) -> Any:
        """All rows of a file."""
        whole = FORMATS[format_of(options.data)].whole
        table = whole(Path(options.data), inputs.target, (), inputs.columns, inputs.header)
        told(options.data, table, inputs.classes)
        if inputs.classes:
            targets = inputs.class_numbers(options.data, table)
        else:
            targets = numbers_of(options.data, table).reshape(-1, 1)
        return [(inputs.scaled(options.data, table.x, table.place), targets)]

    def prepared(self, file: str, inputs: Inputs) -> Iterator[tuple[Array, Place]]:
        """Rows without targets."""
        parts = FORMATS[format_of(file) or ".csv"].parts
        for x, place in parts(file, inputs.columns or [str(i) for i in range(len(inputs.mean))], inputs.header):
            yield inputs.scaled(file, x, place), place


KINDS: dict[str, Kind] = {
    "digits": Images(data.Digits, (8, 8, 1), [0.3053], [0.3760], [128, 64], 30, root=False, crop=False, flip=False),
    "mnist": Images(data.MNIST, (28, 28, 1), [0.1307], [0.3081], [512, 256], 15, flip=False),
    "fashion_mnist": Images(data.FashionMNIST, (28, 28, 1), [0.2860], [0.3530], [512, 256], 20),
    "cifar10": Images(data.CIFAR10, (32, 32, 3), [0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616], [1024, 512], 30),
    "table": Tables(),
}
NAMED = [name for name, kind in KINDS.items() if isinstance(kind, Images)]


def kind_of(source: str) -> str:
    """The name of the kind of data that --data names."""
    found = next((name for name, kind in KINDS.items() if kind.takes(name, source)), None)
    if found is None:
        raise ArgumentTypeError(f"--data: expected {', '.join(NAMED)}, a .csv, .tsv or .npz file, got {source!r}")
    return found


def told(path: Any, table: Table, classes: list[str]) -> None:
    """Say in a line what a table's parts were taken for."""
    named = {True: "names of columns in its first line, ", False: "no names of columns, ", None: ""}[table.header]
    task = f"{len(classes)} classes {shown(classes)}" if classes else "numbers"
    line = f"{path}: {named}{len(table.x)} rows, inputs {shown(table.columns)}, target {table.target}: {task}"
    print(line, file=sys.stderr)


def split_rows(
    path: Path, table: Table, count: int, seed: int, targets: Array | None = None, classes: list[str] | None = None
) -> tuple[Array, Array]:
    """The rows to learn from, and those that are held out; of each class a row at least is learned from."""
    learned, held_out = (np.asarray(part.indices) for part in data.random_split(range(count), [0.8, 0.2], rng=seed))
    for number, name in enumerate(classes or []):
        mine = np.asarray(targets) == number
        if not mine[learned].any():
            first = held_out[mine[held_out]][0]
            learned, held_out = np.append(learned, first), held_out[held_out != first]
            warnings.warn(
                f"{path}: class {name} occurs among the held-out rows alone: {table.place(int(first))} is "
                "learned from, not held out",
                stacklevel=2,
            )
    if not len(held_out):
        raise ValueError(f"{path}: expected classes of more than one row, to hold one out")
    return learned, held_out


def fingerprint(text: str, arrays: list[Array]) -> str:
    """What tells these data from others."""
    found = hashlib.sha256(text.encode(errors="surrogateescape"))
    for array in arrays:
        found.update(f"{array.shape} {array.dtype}".encode())
        for start in range(0, len(array), CHUNK):
            found.update(np.ascontiguousarray(array[start : start + CHUNK]).tobytes())
    return found.hexdigest()
