"""Tables in CSV files: their rows, which line names the columns, and cells that are numbers."""

from __future__ import annotations

import itertools
import math
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from .._check import Array
from ..tables._text import Row, is_number, names_columns, rows_of
from ._table import CHUNK, Place, Table, shown

_PLAIN = re.compile(r"[0-9+\-.eE \t]*")
_INDEX = ("", "Unnamed: 0")  # names that pandas gives the column of row numbers


def read_rows(path: str | Path, header: bool | None = None) -> Iterator[tuple[Row, list[Row]]]:
    """The names of a CSV file's columns, and its rows in parts; columns without names are called 0, 1, 2.

    "-" is the standard input.  Cells are parted by commas, semicolons or tabs, whichever the first line has most of; in
    a .tsv file by tabs.  `header` says whether the first line that is not blank names the columns; if it is None, the
    cells decide.
    """
    rows = _rows(path)
    first = next(rows, None)
    if first is None:
        raise ValueError(f"{path} is empty")
    names, part = _named(path, first, list(itertools.islice(rows, CHUNK)), header)
    yield names, part[:CHUNK]
    while part := part[CHUNK:] + list(itertools.islice(rows, CHUNK)):
        yield names, part[:CHUNK]


def _rows(path: str | Path) -> Iterator[Row]:
    """The rows that are not blank, each of as many cells as the first."""
    source = sys.stdin.fileno() if path == "-" else path
    with open(source, newline="", encoding="utf-8-sig", errors="surrogateescape", closefd=path != "-") as file:
        yield from rows_of(path, file, tabs=str(path).lower().endswith(".tsv"))


def _named(path: str | Path, first: Row, rows: list[Row], header: bool | None) -> tuple[Row, list[Row]]:
    """The columns' names and the rows; `first` is either the names or a row."""
    named = names_columns(first, rows) if header is None else header
    if not named:
        return Row([str(i) for i in range(len(first))], 0), [first, *rows]
    names = Row([name.strip() for name in first], first.line)
    twice = next((name for name in names if name and names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"{path} has two columns {twice}")
    if header is None and 2 * sum(map(is_number, first)) > len(first):
        taken = f"its first line is taken as names of columns: {shown(names)}"
        warnings.warn(f"{path}: {taken}; with --header no it is a row", stacklevel=2)
    return names, rows


def numbers(path: str | Path, names: Sequence[str], rows: Sequence[Row], wanted: Sequence[str]) -> Array:
    """Columns of a table as float64."""
    missing = [name for name in wanted if name not in names]
    if missing:
        raise ValueError(f"{path} has no column {shown(missing)}; it has {shown(names)}")
    places = [list(names).index(name) for name in wanted]
    cells = [row[i] for row in rows for i in places]
    if _PLAIN.fullmatch("".join(cells)):
        try:
            found = np.array(list(map(float, cells))).reshape(len(rows), len(places))
            if np.isfinite(found).all():
                return found
        except ValueError:
            pass
    for row in rows:
        for name, i in zip(wanted, places, strict=True):
            if not is_number(row[i]) or not math.isfinite(float(row[i])):
                got = repr(row[i]) if row[i].strip() else "an empty cell"
                finite = "finite " if is_number(row[i]) else ""
                where = f"{path}, column {name or repr(name)}"
                raise ValueError(f"{where}: expected {finite}numbers, got {got} in line {row.line}")
    raise AssertionError


def line_of(lines: Sequence[int]) -> Place:
    """Names for rows that begin in these lines, for messages."""
    return lambda i: f"line {lines[i]}"


def read_csv(
    path: Path,
    target: str | None,
    ignore: Sequence[str] = (),
    wanted: Sequence[str] | None = None,
    header: bool | None = None,
) -> Table:
    """All rows; the inputs are the columns that are `wanted`, or all but those to `ignore`."""
    columns: list[str] = []
    parts: list[Array] = []
    values: list[str] = []
    lines: list[int] = []
    names: Row | None = None
    for names, rows in read_rows(path, header):
        if not columns:
            target, columns = _chosen(path, names, rows, target, ignore, wanted)
        at = names.index(str(target))
        parts.append(numbers(path, names, rows, columns))
        for row in rows:
            if not row[at].strip():
                where = f"{path}, column {target}"
                raise ValueError(f"{where}: expected targets, got an empty cell in line {row.line}")
            values.append(row[at].strip())
            lines.append(row.line)
    if names is None or not values:
        raise ValueError(f"{path} has no rows")
    return Table(columns, str(target), np.concatenate(parts), values, line_of(lines), names.line > 0)


def _chosen(
    path: Path,
    names: Sequence[str],
    rows: Sequence[Row],
    target: str | None,
    ignore: Sequence[str],
    wanted: Sequence[str] | None,
) -> tuple[str, list[str]]:
    """The names of the target and of the inputs."""
    kept = [name for name in names if name not in ignore]
    target = target or (kept[-1] if kept else names[-1])
    for name in (target, *ignore):
        if name not in names:
            raise ValueError(f"{path} has no column {name or repr(name)}; it has {shown(names)}")
    if wanted is not None:
        return target, list(wanted)
    columns = [name for name in kept if name != target]
    for name in (target, *columns):
        if name == "" or (name in _INDEX and _counts([row[list(names).index(name)] for row in rows])):
            place = f"column {list(names).index(name) + 1}"
            kind = f"is called {name!r} and counts the rows" if name else "has no name"
            hint = f"--ignore '{name}' leaves it out; give it a name to learn from it"
            raise ValueError(f"{path}: {place} {kind}, as pandas writes its index: {hint}")
    if not columns:
        raise ValueError(f"{path} has no column to learn {target} from; it has {shown(names)}")
    return target, columns


def _counts(cells: Sequence[str]) -> bool:
    """Whether cells are 0, 1, 2 ..., or 1, 2, 3 ..."""
    return any(list(cells) == [str(start + i) for i in range(len(cells))] for start in (0, 1))


def read_csv_parts(file: str, columns: Sequence[str], header: bool | None) -> Iterator[tuple[Array, Place]]:
    """Columns of a file's rows, in parts."""
    for names, rows in read_rows(file, header):
        x = numbers(file, names, rows, columns)
        if rows:
            yield x, line_of([row.line for row in rows])
