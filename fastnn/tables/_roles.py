"""The role of each column of a table, from its cells and from what the user says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np

from ._cells import NOTATIONS, YES_NO, Marks, numbers, texts
from ._survey import Survey
from ._text import is_number

ROLES = {
    "number": "a quantity",
    "category": "one of several values, each of which gets a vector",
    "yesno": "yes or no",
    "date": "a date, perhaps with a time",
    "text": "text that differs from row to row: left out",
    "id": "tells rows apart: left out, kept in predictions",
    "constant": "one value in all rows: left out",
    "ignore": "left out",
    "target": "to be predicted",
    "weight": "how much a row counts",
    "group": "rows that belong together: held out together, left out of the features",
}
FEATURES = ("number", "category", "yesno", "date")
MOST_CLASSES = 20  # different integers in a target that still count as classes
_ID = re.compile(
    r"(?i:(?:^|[_\W])(?:id|ids|key|index|idx|nr|no|num|number|row|rownum|uuid|guid)\.?$)|[a-z](?:Id|ID|Nr|No)$"
)
_INDEX = re.compile(r"Unnamed: \d+$")


@dataclass
class Column:
    """A column and its role."""

    name: str
    role: str
    marks: Marks = NOTATIONS[0]  # of its numbers
    form: str = "ISO"  # of its dates: ISO, or as strptime has it
    has_time: bool = False
    missing: float = 0.0  # share of the cells
    distinct: int | None = None  # values, None if they are too many to be counted
    examples: list[str] = field(default_factory=list)
    note: str = ""
    numeric: bool = False  # the cells are numbers


@dataclass
class Schema:
    """All columns of a table, and what is to be learned from them; made by `find_roles`."""

    columns: list[Column]
    task: str = ""  # "classification", "regression", "multilabel"; "" without a target
    classes: list[str] = field(default_factory=list)  # in order, of a classification
    missing: list[str] = field(default_factory=list)  # further words for what is not known
    rows: int = 0
    header: bool | None = None  # whether the first line of a file names the columns
    notes: list[str] = field(default_factory=list)  # what had to be guessed

    def of_role(self, *roles: str) -> list[Column]:
        """The columns of these roles."""
        return [column for column in self.columns if column.role in roles]

    @property
    def features(self) -> list[Column]:
        """The columns that are learned from."""
        return self.of_role(*FEATURES)

    @property
    def targets(self) -> list[str]:
        """Names of the columns to be predicted."""
        return [column.name for column in self.of_role("target")]

    @property
    def target(self) -> str:
        """The first of `targets`, or ""."""
        return self.targets[0] if self.targets else ""

    def __getitem__(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    def known(self, frame: Any) -> Any:
        """Which rows of a frame have all targets (bool)."""
        keep = np.ones(len(frame), bool)
        for name in self.targets:
            if self.task == "regression":
                keep &= ~np.isnan(numbers(frame[name], self[name].marks, self.missing)[0])
            else:
                keep &= texts(frame[name], self.missing).is_valid().to_numpy(zero_copy_only=False)
        return keep

    def table(self) -> str:
        """The columns as text: role, missing cells, values and notes."""
        head = ("column", "role", "missing", "values", "for example", "")
        lines = [head]
        for column in self.columns:
            count = "many" if column.distinct is None else f"{column.distinct:,}"
            share = f"{100 * column.missing:.1f} %" if column.missing else ""
            shown = ", ".join(each[:16] for each in column.examples[:3])
            what = f"date {column.form}" if column.role == "date" and column.form != "ISO" else ""
            if column.numeric and column.marks != NOTATIONS[0] and column.role in ("number", "target", "weight"):
                what = str(column.marks)
            lines.append(
                (column.name[:32], column.role, share, count, shown[:40], "; ".join(filter(None, [what, column.note])))
            )
        widths = [max(len(line[i]) for line in lines) for i in range(5)]
        return "\n".join("  ".join([*map(str.ljust, line[:5], widths), line[5]]).rstrip() for line in lines)

    def state(self) -> dict[str, Any]:
        """The schema, as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Schema:
        """The schema of a `state()`; a ValueError if it is none."""
        try:
            columns = [Column(**{**each, "marks": Marks(*each["marks"])}) for each in state["columns"]]
            schema = cls(**{**state, "columns": columns})
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"Schema.from_state: expected the state of a schema: {error}") from error
        if any(column.role not in ROLES for column in columns):
            raise ValueError(f"Schema.from_state: expected roles among {', '.join(ROLES)}")
        return schema


def survey(data: Any, missing: Sequence[str] = ()) -> list[Survey]:
    """Look at all rows of a frame, or of frames."""
    from ._frames import frames_of

    found: dict[str, Survey] = {}
    for frame in frames_of(data):
        for name in frame.columns:
            found.setdefault(str(name), Survey(str(name), missing)).add(frame[name])
    return list(found.values())


def find_roles(
    data: Any,
    target: str | Sequence[str] | None = None,
    roles: Mapping[str, str] | None = None,
    task: str = "auto",
    missing: Sequence[str] = (),
    forms: Mapping[str, str] | None = None,
) -> Schema:
    """What each column of a table is for, found out from all of its rows.

    Parameters
    ----------
    data : DataFrame or Source
        A file is read once.
    target : str or sequence of str, optional
        What is to be predicted; several are labels that may hold at the same time, each yes or no.
    roles : mapping of str to str, optional
        Roles that are known, by the columns' names: number, category, yesno, date, text, id, constant, ignore, weight,
        group.
    task : {"auto", "classification", "regression"}
        auto: text, or up to 20 different integers, are classes.
    missing : sequence of str, optional
        Further words for cells that are not known.
    forms : mapping of str to str, optional
        How dates are written, as strptime has it, by the columns' names.

    Returns
    -------
    Schema
        `schema.table()` shows it.

    Raises
    ------
    ValueError
        Naming all columns that cannot be used, and what would make them usable.

    Examples
    --------
    >>> import pandas as pd
    >>> from fastnn import tables
    >>> frame = pd.DataFrame({"id": range(8), "city": ["Rome", "Oslo"] * 4, "size": ["1,5", "2", "3,25", "?"] * 2,
    ...                       "sold": ["yes", "no"] * 4})
    >>> schema = tables.find_roles(frame, "sold")
    >>> [(column.name, column.role) for column in schema.columns]
    [('id', 'id'), ('city', 'category'), ('size', 'number'), ('sold', 'target')]
    >>> schema.classes
    ['no', 'yes']
    """
    from ._frames import names_of
    from ._guess import Guess

    names, roles = names_of(data), dict(roles or {})
    targets = [target] if isinstance(target, str) else list(target or [])
    _check_names(data, names, [*targets, *roles, *(forms or {})])
    unknown = {role for role in roles.values() if role not in ROLES or role == "target"}
    if unknown:
        raise ValueError(f"find_roles: expected roles among {', '.join(ROLES)}; got {', '.join(sorted(unknown))}")
    both = [name for name in targets if roles.get(name, "ignore") != "ignore" or name in roles]
    if both:
        raise ValueError(f"find_roles: {', '.join(both)} cannot be the target and {roles[both[0]]}")
    seen = survey(data, missing)
    if not seen or not seen[0].rows:
        raise ValueError(f"{_label(data)} has no rows")
    guess = Guess(seen, getattr(data, "decimal", None), getattr(data, "thousands", None), _delimiter(data), forms or {})
    columns = [guess.column(each, roles.get(each.name), each.name in targets) for each in seen]
    if guess.faults:
        raise ValueError(
            f"{_label(data)}: cannot use {len(guess.faults)} of {len(seen)} columns: " + "; ".join(guess.faults)
        )
    while len(columns) > 1 and columns[-1].note == "empty" and _INDEX.match(columns[-1].name):
        columns.pop()  # the empty column after a last delimiter
    header = getattr(getattr(data, "dialect", None), "header", None)
    schema = Schema(columns, missing=list(missing), rows=seen[0].rows, header=header, notes=guess.notes)
    if targets:
        schema.columns.sort(key=lambda column: targets.index(column.name) if column.name in targets else -1)
        _check_features(_label(data), schema)
        schema.task, schema.classes = _task(_label(data), schema, seen, targets, task)
    return schema


def _label(data: Any) -> str:
    return str(getattr(data, "label", "the table"))


def _delimiter(data: Any) -> str:
    return str(getattr(getattr(data, "dialect", None), "delimiter", ""))


def _check_names(data: Any, names: list[str], wanted: Iterable[str]) -> None:
    absent = [name for name in dict.fromkeys(wanted) if name not in names]
    if absent:
        shown = ", ".join(names[:12]) + (f", ... ({len(names)} in all)" if len(names) > 12 else "")
        raise ValueError(f"{_label(data)} has no column {', '.join(absent)}; it has {shown}")


def _check_features(label: str, schema: Schema) -> None:
    """If there are no other features, numbers that count the rows become features; refuse a table without any."""
    if not schema.features:
        for column in schema.of_role("id"):
            if column.numeric and not looks_like_id(column.name):
                column.role = "number"
    if not schema.features:
        rest = [f"{column.name} ({column.role})" for column in schema.columns if column.role != "target"]
        only = f"it has {', '.join(rest)}" if rest else "it has no other"
        raise ValueError(f"{label} has no column to learn {', '.join(schema.targets)} from: {only}")


def _task(label: str, schema: Schema, seen: list[Survey], targets: list[str], task: str) -> tuple[str, list[str]]:
    """The task, and the classes."""
    by_name = {each.name: each for each in seen}
    if len(targets) > 1:
        bad = [name for name in targets if not is_yes_no(by_name[name].values)]
        if bad:
            raise ValueError(f"{label}: expected several targets to be yes or no each, got others in {', '.join(bad)}")
        return "multilabel", []
    column, values = schema[targets[0]], by_name[targets[0]].values
    where = f"{label}, column {column.name}"
    if by_name[column.name].known == 0:
        raise ValueError(f"{where}: expected targets, got none in {schema.rows} rows")
    few = values is not None and by_name[column.name].whole and len(values) <= MOST_CLASSES
    if task == "regression" or (task == "auto" and column.numeric and not few):
        if not column.numeric:
            raise ValueError(f"{where}: expected numbers to predict, got {column.examples[0]!r}")
        return "regression", []
    if values is None or (len(values) > MOST_CLASSES and 2 * len(values) > by_name[column.name].known):
        count = "more than can be counted" if values is None else len(values)
        raise ValueError(f"{where}: expected classes, got {count} different values in {schema.rows} rows; see --task")
    if len(values) < 2:
        raise ValueError(f"{where}: expected at least two classes, got {len(values)}")
    return "classification", sorted_values(values)


def sorted_values(values: Iterable[str]) -> list[str]:
    """Numbers by size, text by letters."""
    names = list(values)
    if all(map(is_number, names)):
        try:
            return sorted(names, key=lambda text: (Decimal(text.strip()), text))
        except InvalidOperation:  # an exponent beyond all bounds
            pass
    return sorted(names)


def is_yes_no(values: Iterable[str] | None) -> bool:
    """Whether there are two values that mean yes and no."""
    words = {value.lower() for value in values or ()}
    return len(words) == 2 and any(words == set(pair) for pair in YES_NO)


def looks_like_id(name: str) -> bool:
    """Whether a column has the name of an identifier."""
    return bool(_ID.search(name) or _INDEX.match(name))
