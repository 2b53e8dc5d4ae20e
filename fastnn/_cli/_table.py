"""The content of a file of rows, whatever its format, and names of rows in messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._check import Array

CHUNK = 4096  # rows of a file at a time
Place = Callable[[int], str]  # the name of row i, such as "line 7"


@dataclass
class Table:
    """Rows with known targets."""

    columns: list[str]  # of the inputs
    target: str
    x: Array  # (N, D)
    values: Any  # N targets: a list of text, or an array
    place: Place
    header: bool | None  # whether the first line names the columns; None where there are no lines


def row_of(start: int = 0) -> Place:
    """Names for an array's rows, the first of which is row `start`."""
    return lambda i: f"row {start + i} (counted from 0)"


def shown(names: Sequence[str], most: int = 12) -> str:
    """A list of names that fits into a line."""
    rest = f", ... ({len(names)} in all)" if len(names) > most else ""
    return ", ".join(name or "''" for name in names[:most]) + rest


def check_finite(source: Any, rows: Array, place: Place, given: Array | None = None) -> None:
    """Refuse rows of numbers with a NaN or an infinity, naming the first; `given` is what they were computed from."""
    if np.isfinite(rows).all():
        return
    at = np.unravel_index(int(np.argmin(np.isfinite(rows))), rows.shape)
    if given is None:
        raise ValueError(f"{source}: expected finite numbers in x, got {rows[at]} in {place(int(at[0]))}")
    raise ValueError(f"{source}: expected numbers that float32 can hold, got {given[at]} in {place(int(at[0]))}")


def moments(x: Array) -> tuple[Array, Array]:
    """Mean and deviation of each column, without overflow or underflow; of a constant column the deviation is 1."""
    _, exponent = np.frexp(np.abs(x).max(0))
    scaled = np.ldexp(x, -exponent)
    std = np.where(np.ptp(scaled, 0) > 0, scaled.std(0), 0)  # rounding may leave a constant a tiny deviation
    return np.ldexp(scaled.mean(0), exponent), np.where(std > 0, np.ldexp(std, exponent), 1)
