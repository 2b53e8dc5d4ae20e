"""How a file of delimited text is written, found out from its bytes: encoding, delimiter, names of the columns."""

from __future__ import annotations

import codecs
import contextlib
import csv
import gzip
import io
import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from ._text import is_number, names_columns

DELIMITERS = ",;\t|"
HEAD = 1 << 18  # bytes that are looked at for all but the encoding
_NOT_CP1252 = frozenset(b"\x81\x8d\x8f\x90\x9d")  # bytes that mean nothing there
NAMES = {"\t": "tab", " ": "space"}
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass
class Dialect:
    """How a file is written, found out or given by options."""

    format: str  # "text", "parquet" or "excel"
    names: list[str]  # of the columns
    encoding: str = ""
    delimiter: str = ""
    header: bool | None = None  # whether the first line that is not blank names the columns
    blank: int = 0  # blank lines at the start
    gzip: bool = False
    odd_quotes: bool = False  # a quote is never closed
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        if self.format != "text":
            return f"{self.format}, {len(self.names)} columns"
        named = "named in the first line" if self.header else "without names, called 0, 1, 2"
        parts = [*["gzip"] * self.gzip, self.encoding, f"delimiter {NAMES.get(self.delimiter, self.delimiter)}"]
        return ", ".join([*parts, f"{len(self.names)} columns {named}", *self.notes])


def is_gzip(path: Any) -> bool:
    """Whether a file is compressed, by its first bytes."""
    with open(path, "rb") as file:
        return file.read(2) == b"\x1f\x8b"


def open_bytes(path: Any, compressed: bool) -> IO[bytes]:
    """A file's bytes, unpacked."""
    return gzip.open(path, "rb") if compressed else open(path, "rb")


def find_dialect(path: Any, delimiter: str, encoding: str, header: bool | None) -> Dialect:
    """Find out how a file is written, but for what is given."""
    compressed = is_gzip(path)
    with open_bytes(path, compressed) as file:
        head = file.read(HEAD)
    if not head:
        raise ValueError(f"{path} is empty")
    encoding = encoding or _encoding_of(head)
    odd, found, why = _scan(path, compressed, decode=not encoding)
    notes = [why] if why else []
    encoding = encoding or found
    lines = _lines_of(path, head, encoding)
    blank = sum(1 for _ in itertools.takewhile(lambda line: not line.strip(), lines))
    lines = lines[blank:]
    if not lines:
        raise ValueError(f"{path} is empty")
    tabs = str(path).lower().removesuffix(".gz").endswith((".tsv", ".tab"))
    delimiter = delimiter or _delimiter_of(lines, "\t" if tabs else "")
    rows = [row for row in _parsed(lines[:2000], delimiter) if any(cell.strip() for cell in row)]
    if not rows:  # a line of delimiters alone
        raise ValueError(f"{path} has no rows")
    first, below = rows[0], rows[1:]
    width = max(len(first), Counter(map(len, below)).most_common(1)[0][0] if below else 0)
    if width == len(first) + 1 and all(len(row) == width and not row[-1] for row in below):
        first = [*first, ""]  # each row ends in a delimiter, the names do not
    if len(first) > 1 and not first[-1].strip() and all(not row[-1].strip() for row in below if len(row) == width):
        notes.append("each row ends in a delimiter")
    if header is None:
        header = names_columns(first, [row for row in below if len(row) == len(first)])
        if header and 2 * sum(map(is_number, first)) > len(first):
            notes.append(f"the names are numbers ({', '.join(first[:4])}): with --header no they are a row")
    names = _names(path, first, notes) if header else [str(i) for i in range(len(first))]
    return Dialect("text", names, encoding, delimiter, header, blank, compressed, odd, notes)


def _encoding_of(head: bytes) -> str:
    """UTF-8 with a mark, or UTF-16 or UTF-32; "" where only the rest of the bytes can tell."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    if head.count(0) > len(head) // 4:  # every other byte of UTF-16 is 0
        return "utf-16-le" if head[1::2].count(0) > head[::2].count(0) else "utf-16-be"
    return ""


def _scan(path: Any, compressed: bool, decode: bool) -> tuple[bool, str, str]:
    """Read all bytes: whether a quote is left open; UTF-8, cp1252 or Latin-1; and why it is not UTF-8."""
    decoder, lines, quotes, encoding, why, part = codecs.getincrementaldecoder("utf-8")(), 0, 0, "utf-8", "", b"\n"
    with open_bytes(path, compressed) as file:
        while part:
            part = file.read(1 << 20)
            if decode and not why and not (part and part.isascii() and decoder.getstate()[0] == b""):
                try:
                    decoder.decode(part, final=not part)
                except UnicodeDecodeError as error:
                    byte, line = error.object[error.start], 1 + lines + error.object[: error.start].count(b"\n")
                    encoding, why = "cp1252", f"not UTF-8 by byte 0x{byte:02x} in line {line}"
            if why and set(part) & _NOT_CP1252:
                encoding = "latin-1"
            quotes, lines = quotes + part.count(b'"'), lines + part.count(b"\n")
    return quotes % 2 == 1, encoding, why


def _lines_of(path: Any, head: bytes, encoding: str) -> list[str]:
    """The whole lines of the first bytes."""
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head)
    except (UnicodeDecodeError, LookupError) as error:
        raise ValueError(f"{path} cannot be read as {encoding}: {error}") from error
    lines = io.StringIO(text.removeprefix("\ufeff"), newline=None).readlines()
    for number, line in enumerate(lines, 1):
        if "\0" in line:
            raise ValueError(f"{path} is not text: NUL in line {number}, column {line.index(chr(0)) + 1}")
    return lines[:-1] if len(head) == HEAD and len(lines) > 1 else lines


def _parsed(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    rows: list[list[str]] = []
    with contextlib.suppress(csv.Error):  # rows after an error are left out; reading the file reports it
        rows.extend(csv.reader(lines, delimiter=delimiter))
    return rows


def _delimiter_of(lines: Sequence[str], usual: str) -> str:
    """The delimiter that gives most rows the first row's number of cells, then most cells; `usual` gets a lead."""

    def quality(delimiter: str) -> tuple[bool, float, int]:
        rows = [row for row in _parsed(lines[:200], delimiter) if row]
        width = len(rows[0]) if rows else 0
        same = sum(len(row) in (width, width + (not row[-1])) for row in rows)
        return width > 1, round(same / max(1, len(rows)), 1) + (delimiter == usual), width

    return max(DELIMITERS, key=quality)


def _names(path: Any, first: Sequence[str], notes: list[str]) -> list[str]:
    """The columns' names: missing ones as pandas makes them up, repeated ones numbered."""
    names: list[str] = []
    seen: Counter[str] = Counter()
    for i, cell in enumerate(first):
        name = cell.strip() or f"Unnamed: {i}"
        seen[name] += 1
        while seen[name] > 1 and (name := f"{cell.strip()}.{seen[name] - 1}") in first:
            seen[cell.strip()] += 1
        names.append(name)
    twice = [name for name, count in seen.items() if count > 1]
    if twice:
        notes.append(f"names that stand twice are numbered: {', '.join(twice)}")
    return names
