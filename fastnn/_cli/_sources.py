"""Kinds of data, a row of the table `KINDS` each: how they are split, measured, and read for predictions."""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from .. import data
from .._check import Array
from ._csv import read_csv, read_csv_parts, read_rows
from ._inputs import Inputs, Kind, Samples, fingerprint, split_rows, told
from ._labels import classes_of, numbers_of
from ._npz import read_npz, read_npz_parts
from ._pictures import Folder, Images
from ._sequences import Sequences
from ._signals import Signals
from ._table import Place, Table, moments

__all__ = ["KINDS", "Inputs", "Samples", "classes_of", "kind_of", "read_rows"]


class Format(NamedTuple):
    """How files of rows with one suffix are read."""

    whole: Callable[..., Table]  # with known targets
    parts: Callable[..., Iterator[tuple[Array, Place]]]  # without them


FORMATS = {
    ".csv": Format(read_csv, read_csv_parts),
    ".tsv": Format(read_csv, read_csv_parts),
    ".npz": Format(read_npz, read_npz_parts),
}


def format_of(file: str) -> str:
    """The suffix if it is in `FORMATS`, else "": then predictions take the file for CSV."""
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
            learned, held_out = split_rows(path, table.place, len(table.x), options.seed, targets, classes)
        else:
            numbers = numbers_of(path, table)
            learned, held_out = split_rows(path, table.place, len(table.x), options.seed)
            mean, std = moments(numbers[learned])
            inputs.target_mean, inputs.target_std = float(mean), float(std)
            targets = inputs.scaled_targets(path, numbers, table.place)
        mean, std = moments(table.x[learned])  # without the held-out rows
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
    "folder": Folder(),
    "table": Tables(),
    "signals": Signals(),
    "sequences": Sequences(),
}
OF_MODELS = {"cnn1d": "signals", "lstm": "sequences", "gru": "sequences", "transformer": "sequences"}
NAMED = [name for name, kind in KINDS.items() if isinstance(kind, Images)]


def kind_of(source: str, model: str = "mlp") -> str:
    """The kind of data that --data names; models of signals and sequences read files of rows as these."""
    if model in OF_MODELS and (format_of(source) == ".npz" or OF_MODELS[model] == "sequences"):
        if not KINDS[OF_MODELS[model]].takes("", source):
            raise ArgumentTypeError(f"--data: expected a .csv, .tsv or .npz file of {OF_MODELS[model]}, got {source!r}")
        return OF_MODELS[model]
    found = next((name for name, kind in KINDS.items() if kind.takes(name, source)), None)
    if found is None:
        expected = f"{', '.join(NAMED)}, a .csv, .tsv or .npz file, or a folder of folders of images"
        raise ArgumentTypeError(f"--data: expected {expected}, got {source!r}")
    return found
