"""Targets: whether they are classes or numbers, and which classes there are."""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import numpy as np

from .._check import Array
from ..tables._text import is_number
from ._table import Place, Table, row_of

MOST_CLASSES = 20  # different integers that still count as classes, if --task does not say


def label(value: Any) -> str | int | float:
    """A class's key: its text, or a number if that prints as this text: 1 and 1.0 are equal, 01 and 1.00 are others."""
    text = str(value)
    if is_number(text):
        for kind in (int, float):
            try:
                number = kind(text)
            except ValueError:  # no integer, or one of thousands of digits
                continue
            if str(number) == text:
                return number
    return text


def label_numbers(values: Iterable[Any], classes: list[str]) -> list[int]:
    """The number of each value's class; -1 for values of no class."""
    known = {label(name): i for i, name in enumerate(classes)}
    of_text: dict[str, int] = {}
    found = []
    for value in map(str, values):
        if value not in of_text:
            of_text[value] = known.get(label(value), -1)
        found.append(of_text[value])
    return found


def classes_of(values: Any, task: str, place: Place | None = None) -> list[str]:
    """The classes' names in order, or none if the values are to be predicted as numbers."""
    texts = list(map(str, values))
    firsts = {text: i for i, text in reversed(list(enumerate(texts)))}
    named = {label(text): text for text in sorted(firsts, key=firsts.__getitem__, reverse=True)}
    names = list(named.values())  # in the spelling that comes first
    words = sorted(text for text in names if not is_number(text))

    def where(text: str) -> str:
        return (place or row_of())(firsts[text])

    if task != "classification":
        missing = next((word for word in words if word.lower().strip("+-") in ("nan", "inf", "infinity")), None)
        if missing is not None and len(words) < len(names):
            raise ValueError(f"expected finite numbers, got {missing} in {where(missing)}")
    if task == "auto" and words and 2 * sum(map(is_number, texts)) > len(texts):
        hint = f"--task says which they are ({where(words[0])})"
        raise ValueError(f"expected numbers, or classes, got numbers and {words[0]!r}; {hint}")
    if task == "auto" and words and len(texts) > MOST_CLASSES and 2 * len(names) > len(texts):
        raise ValueError(f"expected classes, got {len(names)} different texts in {len(texts)} rows; see --task")
    whole = not words and all(float(text).is_integer() for text in names)
    if task == "regression" or (task == "auto" and not words and not (whole and len(names) <= MOST_CLASSES)):
        if words:
            raise ValueError(f"expected numbers to predict, got {words[0]!r} in {where(words[0])}")
        return []
    if len(names) < 2:
        raise ValueError(f"expected at least two classes, got {len(names)}")
    return sorted(names) if words else sorted(names, key=lambda text: (Decimal(text.strip()), text))


def numbers_of(path: Any, table: Table) -> Array:
    """Targets that are numbers, as float64."""
    if isinstance(table.values, np.ndarray) and table.values.dtype.kind in "biuf":
        return table.values.astype(np.float64)
    for i, text in enumerate(table.values):
        if not is_number(str(text)) or not math.isfinite(float(text)):
            where = f"{path}, column {table.target}"
            raise ValueError(f"{where}: expected finite numbers, got {str(text)!r} in {table.place(i)}")
    return np.array(list(map(float, table.values)))
