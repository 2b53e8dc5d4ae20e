"""Tables in files: text with delimiters, Parquet, Excel; in parts of bounded memory."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sys
import tempfile
import weakref
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .._extras import extra
from ._cells import MISSING
from ._dialect import Dialect, find_dialect, open_bytes
from ._text import rows_of

TEXT = (".csv", ".tsv", ".tab", ".txt", ".psv", ".gz")
SUFFIXES = (*TEXT, ".parquet", ".pq", ".xlsx", ".xls")
ROWS = 1 << 16  # of a part of a Parquet file
BLOCK = 1 << 22  # bytes of a part of text


class Source:
    """A table in a file: iterating gives its rows in parts, as often as one likes; `read` makes it.

    Attributes
    ----------
    path : str
        The file.
    dialect : Dialect
        What was found out about it; `str(dialect)` is a line of text.
    names : list of str
        Its columns.
    decimal, thousands : str or None
        The marks in numbers if they were given; else each column's are found out.
    """

    def __init__(self, path: Any, dialect: Dialect, missing: Sequence[str] = ()):
        self.path, self.dialect, self.names, self.missing = path, dialect, dialect.names, tuple(missing)
        self.decimal: str | None = None
        self.thousands: str | None = None
        self.label = str(path)

    def __iter__(self) -> Iterator[Any]:
        parts = {"text": self._text, "parquet": self._parquet, "excel": self._excel}[self.dialect.format]
        rows = 0
        for frame in parts():
            if len(frame):
                frame.index += rows
                rows += len(frame)
                yield frame

    def frame(self) -> Any:
        """All rows as one DataFrame."""
        pd = extra("fastnn.tables.read", "pandas", "pyarrow")
        parts = list(self)
        return pd.concat(parts) if parts else pd.DataFrame({name: pd.Series(dtype="object") for name in self.names})

    def _text(self) -> Iterator[Any]:
        """Cells as Arrow's strings, null where they are empty or a word for missing."""
        import pyarrow as pa
        from pyarrow import csv

        dialect = self.dialect
        reading = csv.ReadOptions(
            column_names=self.names,
            skip_rows=dialect.blank,
            skip_rows_after_names=int(bool(dialect.header)),
            encoding="utf-8" if dialect.encoding == "utf-8-sig" else dialect.encoding,
            block_size=BLOCK,
        )
        converting = csv.ConvertOptions(
            column_types=dict.fromkeys(self.names, pa.string()),
            null_values=[*MISSING, *self.missing],
            strings_can_be_null=True,
        )
        parsing = csv.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=True)
        with open_bytes(self.path, dialect.gzip) as file:
            try:
                for batch in csv.open_csv(file, reading, parsing, converting):
                    yield _frame(batch)
            except (pa.ArrowInvalid, UnicodeDecodeError, EOFError) as error:
                with contextlib.suppress(UnicodeError, EOFError):
                    if self.check() <= bool(dialect.header):  # the file has names, but no rows
                        return
                raise ValueError(f"{self.label}: {' '.join(str(error).split())}") from error

    def check(self) -> int:
        """Count the rows one by one, slowly; a ValueError names the first line that is wrong."""
        with open_bytes(self.path, self.dialect.gzip) as file:
            lines = io.TextIOWrapper(file, self.dialect.encoding, newline="")
            return sum(1 for _ in rows_of(self.label, lines, delimiter=self.dialect.delimiter))

    def _parquet(self) -> Iterator[Any]:
        import pyarrow as pa
        from pyarrow import parquet

        try:
            with parquet.ParquetFile(self.path) as file:
                for batch in file.iter_batches(ROWS):
                    yield _frame(batch)
        except pa.ArrowInvalid as error:
            raise ValueError(f"{self.label}: {' '.join(str(error).split())}") from error

    def _excel(self) -> Iterator[Any]:
        yield _read_excel(self.path)


def _frame(batch: Any) -> Any:
    """A DataFrame that shares a record batch's memory."""
    import pandas as pd

    return batch.to_pandas(types_mapper=pd.ArrowDtype)


def _read_excel(path: Any) -> Any:
    pd = extra("fastnn.tables.read of Excel's files", "pandas", "openpyxl")
    frame = pd.read_excel(path, engine="openpyxl")
    frame.columns = [str(name) for name in frame.columns]
    return frame


def read(
    path: str | os.PathLike[str],
    delimiter: str | None = None,
    decimal: str | None = None,
    thousands: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
    missing: Sequence[str] = (),
) -> Source:
    r"""A table in a file, whose rows are read in parts when they are asked for.

    What is not given is found out: the encoding from the bytes (UTF-8 and UTF-16 with or without a mark, else cp1252),
    the delimiter from the first lines (`,`, `;`, tab or `|`), the marks in numbers from whole columns when their roles
    are found.  Compressed text is known by its first bytes.

    Parameters
    ----------
    path : path-like
        Text (.csv, .tsv, .txt, each also .gz), .parquet or .xlsx; "-" is text on the standard input.
    delimiter, decimal, thousands : str, optional
        One character each.
    encoding : str, optional
        A name that Python knows.
    header : bool, optional
        Whether the first line that is not blank names the columns.
    missing : sequence of str, optional
        Further words for what is not known, beside the empty cell, `?`, `NA`, `null` and the like.

    Returns
    -------
    Source
        Iterate over it for DataFrames of some ten thousand rows, or take its `frame()`.

    Raises
    ------
    ModuleNotFoundError
        Without pandas and pyarrow: the extra [tables].
    ValueError
        If the file is none of these, or an option is not one character.

    Examples
    --------
    >>> import os, tempfile
    >>> from fastnn import tables
    >>> path = os.path.join(tempfile.mkdtemp(), "t.csv")
    >>> with open(path, "w", encoding="utf-16") as file:
    ...     _ = file.write("city;price\nRome;3,5\nOslo;4,25\n")
    >>> source = tables.read(path)
    >>> print(source.dialect)
    utf-16, delimiter ;, 2 columns named in the first line
    >>> source.frame()["city"].tolist()
    ['Rome', 'Oslo']
    """
    extra("fastnn.tables.read", "pandas", "pyarrow")
    delimiter = {"tab": "\t", "\\t": "\t", "space": " "}.get(delimiter or "", delimiter or "")
    for name, value in (("delimiter", delimiter), ("decimal", decimal), ("thousands", thousands)):
        if value and len(value) != 1:
            raise ValueError(f"read: expected {name} to be one character, got {value!r}")
    if decimal and decimal == thousands:
        raise ValueError(f"read: expected different marks for decimals and thousands, got {decimal!r} for both")
    name = str(path)
    if name == "-":
        path = _copied()
    suffix = Path(name).suffix.lower()
    if suffix in (".parquet", ".pq"):
        dialect = Dialect("parquet", _parquet_names(path))
    elif suffix in (".xlsx", ".xls"):
        dialect = Dialect("excel", list(_read_excel(path).columns))
    else:
        try:
            dialect = find_dialect(path, delimiter, encoding or "", header)
        except (EOFError, zlib.error) as error:
            raise ValueError(f"{name} is not a whole gzip file: {error}") from error
    if dialect.format != "text" and (delimiter or encoding):
        raise ValueError(f"{name}: expected delimiter and encoding of text alone, not of {dialect.format}")
    source = Source(path, dialect, missing)
    source.decimal, source.thousands = decimal, thousands
    source.label = name
    if name == "-":
        weakref.finalize(source, os.remove, path)
    if dialect.odd_quotes:
        source.check()
    return source


def _copied() -> str:
    """The standard input copied to a file, which can be read more than once."""
    number, path = tempfile.mkstemp(prefix="fastnn-")
    with open(number, "wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    return path


def _parquet_names(path: Any) -> list[str]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return list(parquet.read_schema(path).names)
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path}: {' '.join(str(error).split())}") from error
