"""Delimited text by Python's own csv: rows with the lines where they begin, and whether a line names columns."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

_PLAIN = re.compile(r"[0-9+\-.eE \t]*")


class Row(list[str]):
    """The cells of a row, and the number of the line where it begins: 0 for names that no line gives."""

    def __init__(self, cells: Sequence[str], line: int):
        super().__init__(cells)
        self.line = line


def is_number(text: str) -> bool:
    """Whether a cell is a number in the notation of CSV: digits, a point, an exponent, and nothing else."""
    if not _PLAIN.fullmatch(text):
        return False
    try:
        float(text)
    except ValueError:
        return False
    return True


def rows_of(path: str | Path, file: Iterable[str], tabs: bool = False, delimiter: str = "") -> Iterator[Row]:
    """The rows that are not blank, each of as many cells as the first.

    Without a delimiter, cells are parted by commas, semicolons or tabs, whichever the first line has most of.
    """
    lines = _lines(path, file)
    blank, head = 0, ""
    for head in lines:
        if head.strip():
            break
        blank += 1
    else:
        return
    delimiter = delimiter or ("\t" if tabs else max(",;\t", key=lambda each: count_cells(head, each)))
    reader = csv.reader(itertools.chain([head], lines), delimiter=delimiter, strict=True)
    width = 0
    while True:
        line = blank + reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise ValueError(f"{path}, line {line}: {_cause(error)}") from error
        if not cells or (width > 1 and len(cells) == 1 and not cells[0].strip()):
            continue  # a blank line
        width = width or len(cells)
        if len(cells) != width:
            raise ValueError(f"{path}, line {line}: expected {width} cells, got {len(cells)}")
        yield Row(cells, line)


def _lines(path: str | Path, file: Iterable[str]) -> Iterator[str]:
    """Lines of text; bytes that are not UTF-8 arrive as surrogates, and are refused."""
    for number, line in enumerate(file, 1):
        if "\0" in line:
            raise ValueError(f"{path} is not text: NUL in line {number}, column {line.index(chr(0)) + 1}")
        if not line.isascii():
            try:
                line.encode()
            except UnicodeEncodeError as error:
                byte, place = ord(line[error.start]) - 0xDC00, f"line {number}, column {error.start + 1}"
                raise ValueError(f"{path} is not text in UTF-8: byte 0x{byte:02x} in {place}") from error
        yield line


def count_cells(line: str, delimiter: str) -> int:
    """How many cells a line has with a delimiter; 0 if it cannot be read."""
    try:
        return len(next(csv.reader([line], delimiter=delimiter), []))
    except csv.Error:  # reading the whole file reports it
        return 0


def _cause(error: csv.Error) -> str:
    text = str(error)
    if "unexpected end" in text:
        return "a quote is opened and never closed"
    if "field limit" in text:
        return f"a cell has more than {csv.field_size_limit():,} characters; is a quote never closed?"
    return text


def names_columns(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first line names the columns: a line with text does, unless a number occurs in it twice.

    Numbers alone name columns if they are 0, 1, 2 as pandas counts, if there is no number below one of them, if they
    are years, if they are whole and rise over a column of decimals, or if they rise and are far from all that is below.
    """
    figures = [cell for cell in first if is_number(cell)]
    if len(figures) < len(first):
        return len(set(figures)) == len(figures)
    if len(first) > 1 and list(first) == [str(i) for i in range(len(first))]:
        return True
    columns = list(zip(*rows, strict=True))
    if any(not any(map(is_number, column)) for column in columns):
        return True
    if len(first) < 2 or not rows:
        return False
    if _are_years(first) and not all(map(_are_years, rows)):
        return True
    values = [float(cell) for cell in first]
    if any(a >= b for a, b in itertools.pairwise(values)):
        return False
    if all(map(_is_whole, first)) and any(not any(map(_is_whole, column)) for column in columns):
        return True
    return all(_is_apart(value, column) for value, column in zip(values, columns, strict=True))


def _is_whole(cell: str) -> bool:
    return cell.strip().isdecimal()


def _are_years(cells: Sequence[str]) -> bool:
    """Whether these are different years, 1800 to 2200."""
    return len(set(cells)) == len(cells) and all(_is_whole(cell) and 1800 <= int(cell) <= 2200 for cell in cells)


def _is_apart(number: float, column: Sequence[str]) -> bool:
    """Whether a number is farther from a column's values than these spread."""
    values = [float(cell) for cell in column if is_number(cell)]
    low, high = min(values), max(values)
    return number < low - (high - low) or number > high + (high - low)
