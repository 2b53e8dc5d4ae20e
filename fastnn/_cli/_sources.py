"""Where samples come from: named datasets, tables in CSV files, arrays in NPZ files."""

from __future__ import annotations

import csv
import itertools
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .. import data
from .._check import Array
from ..data import transforms

IMAGES = {"digits": data.Digits, "mnist": data.MNIST, "fashion_mnist": data.FashionMNIST, "cifar10": data.CIFAR10}
# mean and deviation of the training images' channels
SCALES = {
    "digits": ([0.3053], [0.3760]),
    "mnist": ([0.1307], [0.3081]),
    "fashion_mnist": ([0.2860], [0.3530]),
    "cifar10": ([0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]),
}
CHUNK = 4096  # rows of a file at a time
MOST_CLASSES = 20  # of integers that are not said to be classes


@dataclass
class Inputs:
    """How a sample becomes what the network takes; stored beside the weights."""

    source: str
    mean: list[float]
    std: list[float]
    columns: list[str] = field(default_factory=list)  # of a table, without the target
    target: str = ""
    classes: list[str] = field(default_factory=list)  # empty for numbers
    target_mean: float = 0.0  # of numbers
    target_std: float = 1.0

    def scaled(self, x: Array) -> Array:
        """A table's rows, each column by its own mean and deviation."""
        if x.shape[1] != len(self.mean):
            raise ValueError(f"expected rows of {len(self.mean)} numbers, got {x.shape[1]}")
        return ((x - np.asarray(self.mean)) / np.asarray(self.std)).astype(np.float32)

    def targets(self, values: Array) -> Array:
        """Class numbers, or a column of numbers by their mean and deviation."""
        if not self.classes:
            return ((values.astype(np.float64).reshape(-1, 1) - self.target_mean) / self.target_std).astype(np.float32)
        numbers = {_label(name): i for i, name in enumerate(self.classes)}
        unknown = sorted({str(value) for value in values if _label(value) not in numbers})
        if unknown:
            raise ValueError(f"expected targets among {', '.join(self.classes)}; got {', '.join(unknown[:5])}")
        return np.array([numbers[_label(value)] for value in values])


def image_transform(inputs: Inputs, augment: bool) -> transforms.Compose:
    """From stored images to normalised arrays, moved and mirrored where it helps."""
    steps: list[Any] = []
    if augment and inputs.source != "digits":  # 8 x 8 pixels have none to lose
        steps.append(transforms.RandomCrop(32 if inputs.source == "cifar10" else 28, padding=4))
        steps += [] if inputs.source == "mnist" else [transforms.RandomHorizontalFlip()]
    return transforms.Compose([*steps, transforms.ToTensor(), transforms.Normalize(inputs.mean, inputs.std)])


def open_images(inputs: Inputs, root: str, train: bool, augment: bool) -> Any:
    """A named dataset."""
    kind: Any = IMAGES[inputs.source]
    transform = image_transform(inputs, augment)
    return kind(train, transform) if inputs.source == "digits" else kind(root, train, transform)


def read_rows(path: str | Path) -> Iterator[tuple[list[str], list[list[str]]]]:
    """The names of a CSV file's columns, and its rows, some at a time; columns without names are called 0, 1, 2.

    "-" is the standard input.  Cells are parted by commas, semicolons or tabs, whichever the first line has most of.
    """
    try:
        yield from _rows(path)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not text in UTF-8: {error}") from error


def _rows(path: str | Path) -> Iterator[tuple[list[str], list[list[str]]]]:
    source = sys.stdin.fileno() if path == "-" else path
    with open(source, newline="", encoding="utf-8-sig", closefd=path != "-") as file:
        head = file.readline()
        delimiter = max(",;\t", key=lambda each: len(next(csv.reader([head], delimiter=each), [])))
        reader = csv.reader(itertools.chain([head], file), delimiter=delimiter)
        first = next(reader, None)
        if not first:
            raise ValueError(f"{path} is empty")
        names = [name.strip() for name in first]
        twice = next((name for name in names if names.count(name) > 1), None)
        rows: list[list[str]] = []
        if all(_is_number(cell) for cell in first):
            names, rows, twice = [str(i) for i in range(len(first))], [first], None
        if twice is not None:
            raise ValueError(f"{path} has two columns {twice}")
        if not rows and 2 * sum(map(_is_number, first)) > len(first):
            warnings.warn(f"{path}: its first line is taken as names of columns: {', '.join(names)}", stacklevel=3)
        for row in reader:
            if not row:
                continue
            if len(row) != len(names):
                raise ValueError(f"{path}, line {reader.line_num}: expected {len(names)} cells, got {len(row)}")
            rows.append(row)
            if len(rows) == CHUNK:
                yield names, rows
                rows = []
        if rows:
            yield names, rows


def targets_of(path: Path, target: str, values: Array) -> Array:
    """Targets that are numbers, as float64."""
    found = values.astype(np.float64)
    if not np.isfinite(found).all():
        raise ValueError(f"{path}, column {target}: expected finite numbers, got {found[~np.isfinite(found)][0]}")
    return found


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def numbers(path: str | Path, names: Sequence[str], rows: Sequence[Sequence[str]], wanted: Sequence[str]) -> Array:
    """Columns of a table as float64."""
    missing = [name for name in wanted if name not in names]
    if missing:
        raise ValueError(f"{path} has no column {', '.join(missing)}; it has {', '.join(names)}")
    places = [list(names).index(name) for name in wanted]
    try:
        found = np.array([[float(row[i]) for i in places] for row in rows]).reshape(len(rows), len(places))
        if np.isfinite(found).all():
            return found
    except ValueError:
        pass
    cells = ((name, row[i]) for row in rows for name, i in zip(wanted, places, strict=True))
    column, cell = next(each for each in cells if not _is_number(each[1]) or not np.isfinite(float(each[1])))
    got = repr(cell) if cell else "an empty cell"
    raise ValueError(f"{path}, column {column}: expected numbers, got {got}")


def read_table(
    path: Path, target: str | None, ignore: Sequence[str] = (), wanted: Sequence[str] | None = None
) -> tuple[list[str], str, Array, Array]:
    """Names of the inputs' columns, the target's, inputs (N, D), and targets (N,) as text or numbers.

    The inputs are the columns that are `wanted`, or all but those to `ignore`.
    """
    if path.suffix == ".npz":
        return _read_arrays(path, target)
    parts = list(read_rows(path))
    if not parts:
        raise ValueError(f"{path} has no rows")
    names = parts[0][0]
    target = target or names[-1]
    for name in (target, *ignore):
        if name not in names:
            raise ValueError(f"{path} has no column {name}; it has {', '.join(names)}")
    columns = [name for name in names if name != target and name not in ignore] if wanted is None else list(wanted)
    if not columns:
        raise ValueError(f"{path} has no column to learn {target} from; it has {', '.join(names)}")
    x = np.concatenate([numbers(path, names, rows, columns) for _, rows in parts])
    at = names.index(target)
    values = np.array([row[at].strip() for _, rows in parts for row in rows])
    if "" in values:
        raise ValueError(f"{path}, column {target}: expected targets, got an empty cell")
    return columns, target, x, values


def _read_arrays(path: Path, target: str | None) -> tuple[list[str], str, Array, Array]:
    target = target or "y"
    arrays = load_arrays(path)
    if "x" not in arrays or target not in arrays:
        raise ValueError(f"{path}: expected arrays 'x' and {target!r}, got {', '.join(arrays) or 'none'}")
    x, y = arrays["x"], arrays[target]
    if x.dtype.kind not in "biuf" or x.ndim < 2 or len(y) != len(x) or y.ndim != 1:
        raise ValueError(
            f"{path}: expected x (N, ...) of numbers and {target} (N,), got shapes {x.shape} and {y.shape}"
        )
    x = x.reshape(len(x), -1)
    if not np.isfinite(x).all():
        raise ValueError(f"{path}: expected finite numbers in x, got {x[~np.isfinite(x)][0]}")
    return [str(i) for i in range(x.shape[1])], target, x, y


def load_arrays(path: Path) -> dict[str, Array]:
    """The arrays of an NPZ file; none of them may hold Python objects."""
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _label(value: Any) -> str | float:
    """What makes a class: 1 and 1.0 are one."""
    return float(value) if _is_number(str(value)) else str(value)


def classes_of(values: Array, task: str) -> list[str]:
    """The classes' names in order, or none if the values are to be predicted as numbers."""
    texts = {_label(value): str(value) for value in values[::-1]}.values()  # each named as it came first
    words = sorted(text for text in texts if not _is_number(text))
    if task == "auto" and words and 2 * sum(_is_number(str(value)) for value in values) > len(values):
        raise ValueError(f"expected numbers, or classes, got numbers and {words[0]!r}; --task says which they are")
    if task == "auto" and words and len(values) > MOST_CLASSES and 2 * len(texts) > len(values):
        raise ValueError(f"expected classes, got {len(texts)} different texts in {len(values)} rows; see --task")
    whole = not words and all(float(text).is_integer() for text in texts)
    if task == "regression" or (task == "auto" and not words and not (whole and len(texts) <= MOST_CLASSES)):
        if words:
            raise ValueError(f"expected numbers to predict, got {words[0]!r}")
        return []
    names = sorted(texts, key=float) if whole else sorted(texts)
    if len(names) < 2:
        raise ValueError(f"expected at least two classes, got {len(names)}")
    return names
