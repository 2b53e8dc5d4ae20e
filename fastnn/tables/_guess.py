"""The roles of columns, from a survey of their cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ._cells import NOTATIONS, Marks
from ._roles import Column, is_yes_no, looks_like_id
from ._survey import _GROUPED, MOST_STRAYS, Survey

MOST_TEXT = 0.5  # share of different values from which on text is no category


class Guess:
    """Roles, with what had to be guessed in `notes` and what cannot be used in `faults`."""

    def __init__(
        self,
        seen: Sequence[Survey],
        decimal: str | None,
        thousands: str | None,
        delimiter: str,
        forms: Mapping[str, str],
    ):
        self.decimal, self.thousands, self.delimiter, self.forms = decimal, thousands, delimiter, forms
        self.notes: list[str] = []
        self.faults: list[str] = []
        self.how: dict[str, str] = {}  # by column, how an ambiguous cell was read
        self.marks = {each.name: self._sure(each) for each in seen}
        used = [
            marks[0].decimal for each, marks in zip(seen, self.marks.values(), strict=True) if self._shows(each, marks)
        ]
        self.file_decimal = max(set(used), key=used.count) if used else ""

    def _sure(self, seen: Survey, most: float = MOST_STRAYS) -> list[Marks]:
        """The notations that fit as many cells as any; empty if more cells than a share are no numbers."""
        if seen.kind == "number":
            return [NOTATIONS[0]]
        fits = [marks for marks in NOTATIONS if self._allowed(marks)]
        best = max((seen.counts[marks] for marks in fits), default=0)
        if not best or best < (1 - most) * seen.known:
            return []
        return [marks for marks in fits if seen.counts[marks] == best]

    def _allowed(self, marks: Marks) -> bool:
        """Whether the options (decimal and thousands marks) allow a notation."""
        if self.decimal and marks.decimal != self.decimal:
            return False
        if self.thousands is None:
            return True
        same = marks.thousands == self.thousands or not marks.thousands
        return same and (bool(self.decimal) or marks.decimal != self.thousands)

    def _shows(self, seen: Survey, marks: list[Marks]) -> bool:
        """Whether a column by itself shows what the decimal mark is."""
        if len(marks) == 1:
            return seen.kind != "number" and not seen.whole
        return len({each.decimal for each in marks}) == 1 and bool(marks) and not seen.whole

    def marks_of(self, seen: Survey) -> Marks:
        """A column's notation: if its cells leave a choice, that of other columns, else by how common the mark is."""
        fits = self.marks[seen.name]
        if seen.whole or len({each.decimal for each in fits}) == 1:
            return fits[0]
        mark = "." if seen.marked["."] else ","
        grouped, plain = _GROUPED[mark], Marks(mark)
        if not seen.marked[mark] or grouped not in fits or plain not in fits:
            return fits[0]
        if self.file_decimal:
            chosen, why = grouped if self.file_decimal != mark else plain, "as in other columns"
        elif seen.marked[mark] < seen.read and (seen.round[mark] or seen.marked[mark] >= 3):
            chosen, why = grouped, f"all {mark} stand before three digits, and numbers below 1000 have none"
        else:
            chosen = plain if (mark == ".") != (self.delimiter == ";") else grouped
            why = f"all {mark} stand before three digits"
        self.notes.append(f"column {seen.name}: {chosen}, {why}")
        other = f"--{'decimal' if chosen == grouped else 'thousands'} '{mark}'"
        cell = next((each for each in seen.head if mark in each), "")
        read = cell.replace(mark, "" if chosen == grouped else ".")
        self.how[seen.name] = f"{cell} read as {read}; {other} for the other reading"
        return chosen

    def column(self, seen: Survey, role: str | None, is_target: bool) -> Column:
        """A column's role, and how its cells are read."""
        distinct = None if seen.values is None else len(seen.values)
        column = Column(seen.name, role or "", has_time=seen.has_time, distinct=distinct, examples=seen.examples())
        column.missing = seen.missing / max(1, seen.rows)
        if role in ("number", "weight"):
            self.marks[seen.name] = self._sure(seen, 1.0)
        column.numeric = bool(self.marks[seen.name]) and not (seen.zeros and not is_target) and seen.known > 0
        if column.numeric:
            column.marks = self.marks_of(seen)
            column.note = self.how.get(seen.name, "")
            self._strays(seen, column, role)
        column.form = self.forms.get(seen.name) or self._form(seen)
        if is_target:
            column.role = "target"
        elif role is None:
            column.role = "date" if seen.name in self.forms else self._role(seen, column)
        else:
            self._check(seen, column, role)
        return column

    def _strays(self, seen: Survey, column: Column, role: str | None) -> None:
        strays = seen.known - seen.counts[column.marks] if seen.kind != "number" else 0
        if strays > 0 and role in (None, "number", "target", "weight"):
            note = f"{strays if role is None else 'all'} cells that are no numbers count as missing"
            self.notes.append(f"column {seen.name}: {note}")
            column.note = "; ".join(filter(None, [column.note, note]))

    def _form(self, seen: Survey) -> str:
        forms = seen.forms or ["ISO"]
        if len(forms) > 1:
            us = next((form for form in forms if form.startswith("%m")), forms[0])
            chosen = forms[0] if self.delimiter == ";" or self.file_decimal == "," else us
            self.notes.append(
                f"column {seen.name}: dates may be {' or '.join(forms)}, taken as {chosen}; --date-format says which"
            )
            return chosen
        return forms[0]

    def _role(self, seen: Survey, column: Column) -> str:
        """The role of a column for which the user gave none."""
        many = column.distinct is None or column.distinct > max(2, MOST_TEXT * seen.known)
        if seen.known == 0:
            column.note = "empty"
            return "constant"
        if column.distinct == 1:
            return "category" if seen.missing else "constant"
        if seen.kind == "date" or (seen.forms and not column.numeric):
            return "date"
        if seen.kind == "yesno" or is_yes_no(seen.values):
            return "yesno"
        if column.numeric:
            if seen.whole and seen.unique and many and (seen.rising or looks_like_id(seen.name)):
                return "id"
            return "category" if seen.whole and looks_like_id(seen.name) and not many else "number"
        share = max(seen.counts.values()) / max(1, seen.known)
        if many and share > 0.3 and not seen.zeros and not looks_like_id(seen.name):
            self._fault(seen, f"numbers in {100 * share:.0f} % of the cells, else text", "number")
            return "ignore"
        if seen.unique and many and not seen.spaced and seen.length <= 64 and seen.known > 2:
            return "id"
        if many:
            column.note = "differs from row to row"
            return "text"
        return "category"

    def _check(self, seen: Survey, column: Column, role: str) -> None:
        """Note a fault if a column cannot have the role that the user gave."""
        if role in ("number", "weight") and not self.marks[seen.name] and seen.kind not in ("number", "yesno"):
            self._fault(
                seen,
                f"expected numbers for a {role}, got {', '.join(map(repr, column.examples)) or 'none'}",
                "category",
            )
        if role == "date" and seen.kind != "date" and not seen.forms and seen.name not in self.forms:
            shown = ", ".join(map(repr, column.examples))
            self.faults.append(
                f"{seen.name} (expected dates, got {shown}): --date-format '{seen.name}=%d.%m.%Y' or the like"
            )
        if role == "yesno" and seen.kind != "yesno" and not is_yes_no(seen.values):
            self._fault(seen, f"expected yes and no, got {', '.join(map(repr, column.examples))}", "category")

    def _fault(self, seen: Survey, cause: str, instead: str) -> None:
        name = seen.name
        word = (
            f" or --missing WORD for its words, --number {name}" if instead == "number" else f" or --{instead} {name}"
        )
        first = f"--category {name}" if instead == "number" else f"--ignore {name}"
        self.faults.append(f"{name} ({cause}): {first}{word if instead != 'number' else word + f', --ignore {name}'}")
