"""Rows of a table as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._check import Array


@dataclass
class Encoded:
    """What `Encoder.transform` makes of rows.

    Attributes
    ----------
    numbers : ndarray of float32, (N, K)
        Quantities in standardized units, 0 and 1, sines and cosines.
    codes : ndarray of int64, (N, C)
        Of categories: 0 missing, 1 other, then the known values.  `concat` returns the smallest integer type.
    target : ndarray or None
        int64 (N,) numbers of classes, float64 (N,), or float32 (N, L) of several labels; -1 or NaN where it is not
        known.
    weight : ndarray of float32, (N,), or None
        How much each row counts.
    group : ndarray of int64, (N,), or None
        Equal numbers for rows that belong together.
    ids : DataFrame or None
        The columns that tell rows apart.
    """

    numbers: Array
    codes: Array
    target: Array | None = None
    weight: Array | None = None
    group: Array | None = None
    ids: Any = None

    @property
    def known(self) -> Array | None:
        """Which rows have all targets (bool); None without targets."""
        if self.target is None:
            return None
        if self.target.ndim == 2:
            return np.asarray(~np.isnan(self.target).any(1))
        return np.asarray(self.target >= 0 if self.target.dtype.kind == "i" else ~np.isnan(self.target))

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: Any) -> Encoded:
        """Some of the rows, without their ids."""
        rest = (None if each is None else each[index] for each in (self.target, self.weight, self.group))
        return Encoded(self.numbers[index], self.codes[index], *rest)

    @classmethod
    def concat(cls, parts: Sequence[Encoded], cardinalities: Sequence[int] = ()) -> Encoded:
        """Rows one after the other; codes in the smallest integers that hold them; without ids."""
        kind = np.min_scalar_type(max(cardinalities, default=2**31))

        def joined(name: str) -> Array | None:
            arrays = [getattr(part, name) for part in parts]
            return None if any(each is None for each in arrays) else np.concatenate(arrays)

        codes = np.concatenate([part.codes.astype(kind) for part in parts])
        return cls(np.concatenate([part.numbers for part in parts]), codes, *map(joined, ("target", "weight", "group")))
