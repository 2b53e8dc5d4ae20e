"""Cells as text, as numbers in the notations of many countries, as dates, and as yes or no."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from .._check import Array

_WORDS = ("na", "n/a", "#n/a", "nan", "-nan", "null", "none", "nil", "<na>", "nat", "#null!", "#div/0!", "#value!")
MISSING = sorted(
    {"", "?", "-", "--", ".", *(w for word in _WORDS for w in (word, word.upper(), word.capitalize())), "NaN", "NaT"}
)
YES_NO = (
    ("yes", "no"), ("y", "n"), ("true", "false"), ("t", "f"), ("on", "off"), ("1", "0"), ("1.0", "0.0"), ("ja", "nein"),
    ("j", "n"), ("oui", "non"), ("si", "no"), ("sí", "no"), ("sim", "não"), ("ja", "nee"), ("ja", "nej"),
)  # fmt: skip
YES = frozenset(yes for yes, _ in YES_NO)
_MONEY = r"(?:[$€£¥₹]|USD|EUR|GBP|CHF)"
_TRIM = (rf"^([+-]?)\s*{_MONEY}?\s*([+-]?)", rf"\s*(?:{_MONEY}|%)?$")
_SPACES = "[ \u00a0\u202f]"


class Marks(NamedTuple):
    """The marks in the numbers of a column."""

    decimal: str = "."
    thousands: str = ""

    def __str__(self) -> str:
        return f"decimal {self.decimal!r}" + (f", thousands {self.thousands!r}" if self.thousands else "")


NOTATIONS = [
    Marks(*pair)
    for pair in ((".", ""), (",", ""), (".", ","), (",", "."), (".", " "), (",", " "), (".", "'"), (",", "'"))
]


def to_arrow(series: Any) -> Any:
    """A column of a DataFrame as an array of Arrow."""
    import pyarrow as pa

    try:
        found = pa.array(series, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # objects of several kinds
        found = pa.array(series.map(lambda cell: None if cell is None or cell != cell else str(cell)), pa.string())
    if isinstance(found, pa.ChunkedArray):
        found = found.combine_chunks()
    if pa.types.is_dictionary(found.type):
        found = found.cast(found.type.value_type)
    return found


def texts(series: Any, missing: Sequence[str] = ()) -> Any:
    """Cells as Arrow's strings, stripped, null where they are missing; a float 2.0 becomes "2"."""
    import pyarrow as pa
    import pyarrow.compute as pc

    cells = to_arrow(series)
    kind = cells.type
    if pa.types.is_floating(kind):
        values = cells.to_numpy(zero_copy_only=False).astype(np.float64)
        whole = values[~np.isnan(values)]
        if np.isfinite(whole).all() and (whole == np.trunc(whole)).all() and (np.abs(whole) < 2**53).all():
            cells = pa.array(np.where(np.isnan(values), 0, values).astype(np.int64), mask=np.isnan(values))
        else:
            cells = pa.array(values, from_pandas=True)
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        try:
            return cells.cast(pa.string())
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid):  # lists, structures
            return pa.array([None if cell is None else str(cell) for cell in cells.to_pylist()], pa.string())
    cells = pc.utf8_trim_whitespace(cells.cast(pa.string()))
    gone = pc.is_in(cells, value_set=pa.array([*MISSING, *missing]))
    return pc.if_else(gone, None, cells) if pc.any(gone).as_py() else cells


@lru_cache(64)
def pattern(marks: Marks, strict: bool = False) -> str:
    """A regular expression for numbers in a notation; `strict` demands groups of thousands, and no zeros in front."""
    group = {"": "", " ": _SPACES, "'": "['\u2019]"}.get(marks.thousands, re.escape(marks.thousands))
    point = re.escape(marks.decimal)
    whole = r"\d+" if not group else rf"(?:[1-9]\d{{0,2}}(?:{group}\d{{3}})*|0)"
    if group and not strict:
        whole = rf"(?:{whole}|\d+)"
    return rf"^[+-]?(?:{whole}(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d+)?$"


def bare(cells: Any) -> Any:
    """The cells without signs of currency and percent."""
    import pyarrow.compute as pc

    return pc.replace_substring_regex(pc.replace_substring_regex(cells, _TRIM[0], r"\1\2"), _TRIM[1], "")


def as_float(cells: Any) -> Array | None:
    """Plain numbers as float64, NaN where they are missing; None if a cell is no number."""
    import pyarrow as pa

    try:
        cells[:100].cast(pa.float64())  # most text fails here, at little cost
        return cells.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def numbers(series: Any, marks: Marks = NOTATIONS[0], missing: Sequence[str] = ()) -> tuple[Array, int, str]:
    """A column as finite float64 with NaN elsewhere; how many cells are no numbers, and one of them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    cells = to_arrow(series)
    if pa.types.is_integer(cells.type) or pa.types.is_floating(cells.type) or pa.types.is_decimal(cells.type):
        found = cells.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        return _finite(found, found)
    if pa.types.is_boolean(cells.type):
        return cells.cast(pa.int8()).cast(pa.float64()).to_numpy(zero_copy_only=False), 0, ""
    for clean in (False, True):
        cells = texts(series, missing) if clean else cells
        found = as_float(cells) if marks.decimal == "." else None
        if found is not None:
            return _finite(found, found)
    plain = bare(cells)
    right = pc.match_substring_regex(plain, pattern(marks))
    kept = pc.if_else(right, plain, None)
    for mark in {" ": " \u00a0\u202f", "'": "'\u2019"}.get(marks.thousands, marks.thousands):
        kept = pc.replace_substring(kept, mark, "")
    if marks.decimal != ".":
        kept = pc.replace_substring(kept, marks.decimal, ".")
    found = kept.cast(pa.float64()).to_numpy(zero_copy_only=False)
    strays = len(cells) - cells.null_count - (len(found) - int(np.isnan(found).sum()))
    stray = ""
    if strays:
        stray = str(pc.filter(cells, pc.fill_null(pc.invert(right), False))[0].as_py())
    finite, more, value = _finite(found, found)
    return finite, strays + more, stray or value


def _finite(found: Array, shown: Array) -> tuple[Array, int, str]:
    endless = np.isinf(found)
    if not endless.any():
        return found, 0, ""
    return np.where(endless, np.nan, found), int(endless.sum()), str(shown[endless][0])


DATES = (
    "ISO", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%d.%m.%y", "%d/%m/%y", "%m/%d/%y",
    "%d %b %Y", "%b %d, %Y", "%b %d %Y", "%d-%b-%Y", "%d-%b-%y", "%Y%m%d",
)  # fmt: skip
TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", "T%H:%M:%S")
_ISO = r"^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?\s*(?:Z|UTC|[+-]\d\d:?\d\d)?$"
_ZONE = r"(?:\.\d+)?\s*(?:Z|UTC|[+-]\d\d:?\d\d)$"


def dates(series: Any, form: str, missing: Sequence[str] = ()) -> Array:
    """A column as datetime64[s] in its own local time, NaT where it holds no date of this form."""
    import pyarrow as pa
    import pyarrow.compute as pc

    cells = to_arrow(series)
    if pa.types.is_timestamp(cells.type) and cells.type.tz:
        cells = pc.local_timestamp(cells)
    if pa.types.is_date(cells.type) or pa.types.is_timestamp(cells.type):
        return cells.cast(pa.timestamp("s"), safe=False).to_numpy(zero_copy_only=False)
    return parse_dates(texts(series, missing), form)


def parse_dates(cells: Any, form: str) -> Array:
    """Arrow's strings as datetime64[s], NaT where they are no dates of this form."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if form != "ISO":
        # Systems differ in what %y makes of 1 to 4 digits: ask for as many as the form has.
        if "%y" in form.lower():
            count = "4" if "%Y" in form else "2"
            mark = rf"(?:^|\D)\d{{{count}}}(?:\D|$)" if form != "%Y%m%d" else r"^\d{8}$"
            cells = pc.if_else(pc.match_substring_regex(cells, mark), cells, None)
        found = pc.strptime(cells, format=form, unit="s", error_is_null=True)
        return found.to_numpy(zero_copy_only=False)
    for clean in (_bare_iso, None):
        try:
            return _clock(cells)
        except pa.ArrowInvalid:  # zones, or other text
            cells = clean(cells) if clean else cells
    return np.array([_iso(each) for each in cells.to_pylist()], "datetime64[s]")  # such as a 30th of February, NaT


def _bare_iso(cells: Any) -> Any:
    """The cells without time zones, null where they are not ISO dates."""
    import pyarrow.compute as pc

    return pc.replace_substring_regex(pc.if_else(pc.match_substring_regex(cells, _ISO), cells, None), _ZONE, "")


def _clock(cells: Any) -> Array:
    import pyarrow as pa

    return cells.cast(pa.timestamp("us")).cast(pa.timestamp("s"), safe=False).to_numpy(zero_copy_only=False)


def _iso(cell: str | None) -> Any:
    try:
        return np.datetime64(cell or "NaT", "s")
    except ValueError:
        return np.datetime64("NaT")
