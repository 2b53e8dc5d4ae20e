"""What a column holds, counted part by part: numbers and their notations, dates, values."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._check import Array
from ._cells import DATES, NOTATIONS, TIMES, Marks, as_float, bare, parse_dates, pattern, texts, to_arrow

MOST_VALUES = 20_000  # different texts that are counted
MOST_NUMBERS = 1000  # different numbers that are counted
MOST_STRAYS = 0.1  # share of cells that are no numbers in a column of numbers
LOOKED_AT = 1000  # cells by which it is decided whether to look for dates
_GROUPED = {".": Marks(",", "."), ",": Marks(".", ",")}


class Survey:
    """What is known of one column."""

    def __init__(self, name: str, missing: Sequence[str] = ()):
        self.name, self.words = name, missing
        self.rows = self.missing = 0
        self.kind = ""  # "number", "date", "yesno" of a typed column; "text" of cells that have to be read
        self.values: Counter[str] | None = Counter()  # None if there are more than are counted
        self.counts = dict.fromkeys(NOTATIONS, 0)
        self.whole = True  # all numbers are integers without a mark
        self.marked = {".": 0, ",": 0}  # numbers with such a mark
        self.round = {".": 0, ",": 0}  # numbers that end in a zero after such a mark
        self.rising: bool | None = None  # each number is one more than the one before
        self.unique = True  # no value occurs twice in the first part
        self.zeros = False  # a whole number begins with 0
        self.forms: list[str] | None = None  # forms of dates that fit nearly all cells so far
        self.has_time = False
        self.spaced = False  # most cells have several words
        self.length = 0
        self.head: list[str] = []  # some cells of the first rows
        self.read = 0  # cells whose notation was looked at
        self._last = np.nan

    @property
    def known(self) -> int:
        """Cells that are not missing."""
        return self.rows - self.missing

    def add(self, series: Any) -> None:
        """Count a part of the column."""
        import pyarrow as pa

        first = self.known == 0
        cells = to_arrow(series)
        kind = cells.type
        self.rows += len(cells)
        if pa.types.is_boolean(kind):
            self._typed("yesno")
        elif pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            self._typed("number")
        elif pa.types.is_timestamp(kind) or pa.types.is_date(kind):
            self._typed("date")
            self.missing += cells.null_count
            if pa.types.is_timestamp(kind):
                seconds = cells.drop_null().cast(pa.timestamp("s"), safe=False).cast(pa.int64()).to_numpy()
                self.has_time |= bool((seconds % 86400).any())
            self._count(cells.cast(pa.timestamp("us"), safe=False).cast(pa.string()), first)
            return
        else:
            self.kind = self.kind or "text"
        if self.kind == "number":
            values = cells.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
            values = values[~np.isnan(values)]
            self.missing += len(cells) - len(values)
            self.whole &= bool((values == np.trunc(values)).all())
            self._range(values)
            if self.values is not None:
                self._count(texts(series), first, MOST_NUMBERS)
            return
        found = as_float(cells)
        if found is None:
            cells = texts(series, self.words)
            found = as_float(cells)
        self.missing += cells.null_count
        cells = cells.drop_null() if cells.null_count else cells
        if len(cells):
            self._read(cells, None if found is None else found[~np.isnan(found)], first)

    def _typed(self, kind: str) -> None:
        self.kind = kind if self.kind in ("", kind) else "text"

    def _read(self, cells: Any, found: Array | None, first: bool) -> None:
        """Count text cells: numbers by notation, dates, values."""
        import pyarrow as pa

        if self.values is not None or first:
            self._count(cells, first, MOST_VALUES if found is None else MOST_NUMBERS)
        if pa.types.is_boolean(cells.type):
            return
        if found is not None and np.isfinite(found).all():
            self._plain(cells, found)
            self._range(found)
        else:
            self.whole = False
            self._notations(cells)
        if first or self.forms:
            self._dates(cells, first)

    def _range(self, values: Array) -> None:
        if len(values) and self.rising is not False:
            steps = np.diff(values, prepend=self._last)
            self.rising = bool((steps[np.isfinite(steps)] == 1).all())
            self._last = float(values[-1])

    def _count(self, cells: Any, first: bool, most: int = MOST_VALUES) -> None:
        import pyarrow.compute as pc

        known = cells.drop_null()
        if first and len(known):
            strings = known.cast("string")
            self.unique = pc.count_distinct(known).as_py() == len(known)
            self.zeros = pc.any(pc.match_substring_regex(strings, r"^[+-]?0\d")).as_py()
            self.spaced = pc.mean(pc.cast(pc.match_substring(strings, " "), "int8")).as_py() > 0.5
            self.head = strings[:20].to_pylist()
            self.length = pc.max(pc.utf8_length(strings)).as_py()
        if self.values is None:
            return
        pairs = pc.value_counts(known.cast("string"))
        if len(pairs) > most:
            self.values = None
            return
        for value, count in zip(pairs.field(0).to_pylist(), pairs.field(1).to_pylist(), strict=True):
            self.values[value] += count
        if len(self.values) > most:
            self.values = None

    def _alive(self, marks: Marks, before: int) -> bool:
        return self.counts[marks] >= (1 - MOST_STRAYS) * before

    def _plain(self, cells: Any, found: Array) -> None:
        """Count plain numbers; in notations with another decimal mark their point must separate thousands."""
        import pyarrow as pa

        before, whole = self.read, bool((found == np.trunc(found)).all())
        if whole:
            try:
                cells.cast(pa.int64())
            except pa.ArrowInvalid:  # 2.0, 1e3
                whole = False
        self.whole &= whole
        for marks in NOTATIONS:
            if whole or marks.decimal == ".":
                self.counts[marks] += len(cells)
            elif self._alive(marks, before):
                self.counts[marks] += _matches(cells, pattern(marks, strict=True))
        if not whole:
            self._marks(cells, before, ".")
        self.read = before + len(cells)

    def _notations(self, cells: Any) -> None:
        before = self.read
        self.read += len(cells)
        alive = [marks for marks in NOTATIONS if self._alive(marks, before)]
        if not alive:
            return
        plain = bare(cells)
        for marks in alive:
            self.counts[marks] += _matches(plain, pattern(marks, strict=True))
        for mark in ".,":
            self._marks(plain, before, mark)

    def _marks(self, cells: Any, before: int, mark: str) -> None:
        """Count what tells a decimal mark from one of thousands."""
        if self._alive(_GROUPED[mark], before):
            self.marked[mark] += _matches(cells, rf"\d{re.escape(mark)}\d")
            self.round[mark] += _matches(cells, rf"{re.escape(mark)}\d*0$")

    def _dates(self, cells: Any, first: bool) -> None:
        """The forms of dates that fit nearly all cells so far."""
        head = cells[:LOOKED_AT]
        if first:
            if self._alive(NOTATIONS[0], self.read) and self.length != 8:
                self.forms = []
                return
            self.forms = [day + time for day in DATES for time in (TIMES if day != "ISO" else ("",))]
            self.forms = [form for form in self.forms if _share(head, form) > 0.9]
        self.forms = [form for form in self.forms or [] if _share(cells, form) > 0.9]
        if self.forms and not self.has_time:
            found = parse_dates(head, self.forms[0])
            self.has_time = bool((found[~np.isnat(found)].astype(np.int64) % 86400).any())

    def examples(self, most: int = 3) -> list[str]:
        """Some of the values."""
        if self.values is None:
            return self.head[:most]
        return [value for value, _ in self.values.most_common(most)]


def _matches(cells: Any, regex: str) -> int:
    import pyarrow.compute as pc

    return pc.sum(pc.match_substring_regex(cells, regex)).as_py() or 0


def _share(cells: Any, form: str) -> float:
    """The share of cells that are dates of a form, in the years 1800 to 2200."""
    found = parse_dates(cells, form)
    found = found[~np.isnat(found)]
    years = found.astype("datetime64[Y]").astype(np.int64) + 1970
    return float(((years >= 1800) & (years <= 2200)).sum()) / max(1, len(cells))
