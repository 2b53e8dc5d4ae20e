"""How a column of each role becomes numbers or codes, learned from the training rows."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from .._check import Array
from ._cells import YES_NO, dates, numbers, texts
from ._roles import Column

SAMPLE = 200_000  # numbers from which quantiles are taken, evenly spread among more
MOST_VALUES = 1000  # of a category, each with a code
MOST_COUNTED = 200_000  # different texts that are counted; the rarest are dropped
_NO = frozenset(no for _, no in YES_NO)
_YES = frozenset(yes for yes, _ in YES_NO)


class Part:
    """A column's share of the features: some columns of numbers, or one of codes."""

    def __init__(self, column: Column, missing: list[str]):
        self.column, self.words = column, missing
        self.rows = self.gaps = 0  # training rows, and those whose cell is missing
        self.others = 0  # training rows of rare values

    def add(self, series: Any) -> None:
        """Look at a part of the training rows."""
        raise NotImplementedError

    def finish(self, rare: int) -> None:
        """End the learning; values seen less often than `rare` times count as rare."""

    def layout(self) -> list[tuple[str, bool]]:
        """The columns of numbers: names, and whether they are quantities rather than 0 and 1 or sines."""
        return []

    def encode(self, series: Any, counts: dict[str, int]) -> Array:
        """(N, columns) float32, or (N,) codes; counts what differs from the training."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """What was learned, as JSON can hold it."""
        return {name: value for name, value in vars(self).items() if name not in ("column", "words") and name[0] != "_"}

    def load(self, state: dict[str, Any]) -> None:
        """Take a `state()` over."""
        if set(state) != set(self.state()):
            raise ValueError(f"expected {', '.join(self.state())} of {self.column.name}, got {', '.join(state)}")
        vars(self).update(state)

    def _marked(self, name: str, quantity: bool) -> list[tuple[str, bool]]:
        return [(name, quantity), *[(f"{self.column.name} is missing", False)] * bool(self.gaps)]


class Scale(Part):
    """A quantity, standardized; a missing cell gets the median, and a column says where cells were missing."""

    suffix = ""

    def __init__(self, column: Column, missing: list[str]):
        super().__init__(column, missing)
        self.mean, self.std, self.median = 0.0, 1.0, 0.0
        self.percentiles: list[float] = []  # 0 to 100
        self._sample: list[Array] = []
        self._range = (0.0, 0.0)
        self._stride, self._kept, self._known, self._squares = 1, 0, 0, 0.0

    def values(self, series: Any) -> tuple[Array, int]:
        """Float64 with NaN where a cell is missing, and how many cells are no numbers."""
        found, strays, _ = numbers(series, self.column.marks, self.words)
        return found, strays

    def add(self, series: Any) -> None:
        found, _ = self.values(series)
        known = found[~np.isnan(found)]
        self.rows, self.gaps = self.rows + len(found), self.gaps + len(found) - len(known)
        if not len(known):
            return
        low, high = known.min(), known.max()
        self._range = (min(self._range[0], low), max(self._range[1], high)) if self._known else (low, high)
        with np.errstate(over="ignore", invalid="ignore"):
            mean, before = float(known.mean()), self._known
            self._known += len(known)
            shift = mean - self.mean
            self.mean += shift * len(known) / self._known
            self._squares += float(((known - mean) ** 2).sum()) + shift**2 * before * len(known) / self._known
        self._sample.append(known[:: self._stride])
        self._kept += len(self._sample[-1])
        if self._kept > 2 * SAMPLE:
            self._sample, self._stride = [part[::2] for part in self._sample], 2 * self._stride
            self._kept = sum(map(len, self._sample))

    def finish(self, rare: int) -> None:
        sample = np.concatenate(self._sample) if self._sample else np.zeros(1)
        low, high = map(float, self._range)
        with np.errstate(over="ignore", invalid="ignore"):
            std = float(np.sqrt(self._squares / max(1, self._known)))
        self.median = float(np.median(sample))
        if not np.isfinite([std, self.mean]).all():
            self.mean, std = self.median, high / 2 - low / 2
        self.std = std if std > 1e-12 * max(abs(low), abs(high)) else 1.0
        self.percentiles = [low, *np.quantile(sample, np.arange(1, 100) / 100).tolist(), high]
        self._sample = []

    def layout(self) -> list[tuple[str, bool]]:
        return self._marked(self.column.name + self.suffix, True)

    def scaled(self, values: Array) -> Array:
        """The values standardized, within the range of float32."""
        with np.errstate(over="ignore"):
            return np.clip((values - self.mean) / self.std, -1e30, 1e30)

    def filled(self, found: Array, counts: dict[str, int]) -> list[Array]:
        """The standardized values, and whether they are missing."""
        gone = np.isnan(found)
        counts["missing"] += int(gone.sum())
        with np.errstate(invalid="ignore"):
            counts["outside"] += int(((found < self.percentiles[0]) | (found > self.percentiles[-1])).sum())
        return [self.scaled(np.where(gone, self.median, found)), *[gone] * bool(self.gaps)]

    def encode(self, series: Any, counts: dict[str, int]) -> Array:
        found, strays = self.values(series)
        counts["strays"] += strays
        return np.column_stack(self.filled(found, counts)).astype(np.float32)


class Moment(Scale):
    """A date: the year with its fraction as a quantity, and the circles of month, weekday and hour."""

    suffix = " year"

    @property
    def _circles(self) -> list[tuple[str, int]]:
        return [("month", 12), ("weekday", 7), *[("hour", 24)] * self.column.has_time]

    def _dates(self, series: Any) -> tuple[Array, int]:
        found = dates(series, self.column.form, self.words)
        return found, int(np.isnat(found).sum()) - texts(series, self.words).null_count

    def values(self, series: Any) -> tuple[Array, int]:
        found, strays = self._dates(series)
        return _years(found), strays

    def layout(self) -> list[tuple[str, bool]]:
        circles = [f"{self.column.name} {unit} {which}" for unit, _ in self._circles for which in ("sine", "cosine")]
        return [*super().layout(), *((name, False) for name in circles)]

    def encode(self, series: Any, counts: dict[str, int]) -> Array:
        found, strays = self._dates(series)
        counts["strays"] += strays
        columns = self.filled(_years(found), counts)
        days = found.astype("datetime64[D]")
        of = {
            "month": found.astype("datetime64[M]").astype(np.int64) % 12,
            "weekday": (days.astype(np.int64) + 3) % 7,
            "hour": (found - days).astype(np.int64) / 3600,
        }
        for unit, period in self._circles:
            angle = np.where(np.isnat(found), np.nan, of[unit] * (2 * np.pi / period))
            columns += [np.nan_to_num(np.sin(angle)), np.nan_to_num(np.cos(angle))]  # 0, 0 if missing
        return np.column_stack(columns).astype(np.float32)


def _years(found: Array) -> Array:
    """Dates as years with their fraction."""
    year = found.astype("datetime64[Y]")
    start, end = year.astype("datetime64[s]"), (year + 1).astype("datetime64[s]")
    with np.errstate(invalid="ignore"):
        fraction = (found - start) / (end - start)
    return np.where(np.isnat(found), np.nan, year.astype(np.int64) + 1970 + fraction)


class Switch(Part):
    """Yes or no as 1 or 0; a missing cell gets the more frequent one, and a column says where cells were missing."""

    def __init__(self, column: Column, missing: list[str]):
        super().__init__(column, missing)
        self.usual = 0.0
        self._yes = 0

    def _found(self, series: Any) -> tuple[Array, Array]:
        """1, 0 or NaN, and which cells are missing."""
        import pyarrow as pa
        import pyarrow.compute as pc

        cells = pc.utf8_lower(texts(series, self.words))
        yes, no = (
            pc.is_in(cells, value_set=pa.array(sorted(words))).to_numpy(zero_copy_only=False) for words in (_YES, _NO)
        )
        return np.where(yes, 1.0, np.where(no, 0.0, np.nan)), cells.is_null().to_numpy(zero_copy_only=False)

    def add(self, series: Any) -> None:
        found, _ = self._found(series)
        self.rows, self.gaps = self.rows + len(found), self.gaps + int(np.isnan(found).sum())
        self._yes += int((found == 1).sum())

    def finish(self, rare: int) -> None:
        self.usual = float(2 * self._yes > self.rows - self.gaps)

    def layout(self) -> list[tuple[str, bool]]:
        return self._marked(self.column.name, False)

    def encode(self, series: Any, counts: dict[str, int]) -> Array:
        found, gone = self._found(series)
        unclear = np.isnan(found)
        counts["missing"] += int(gone.sum())
        counts["unseen"] += int((unclear & ~gone).sum())
        columns = [np.where(unclear, self.usual, found), *[unclear] * bool(self.gaps)]
        return np.column_stack(columns).astype(np.float32)


class Category(Part):
    """One of several values: 0 where it is missing, 1 if it is rare or was never seen, else the value's number."""

    def __init__(self, column: Column, missing: list[str]):
        super().__init__(column, missing)
        self.values: list[str] = []
        self._counted: Counter[str] = Counter()

    def add(self, series: Any) -> None:
        cells = texts(series, self.words)
        self.rows, self.gaps = self.rows + len(cells), self.gaps + cells.null_count
        pairs = cells.drop_null().value_counts()
        self._counted.update(dict(zip(pairs.field(0).to_pylist(), pairs.field(1).to_pylist(), strict=True)))
        if len(self._counted) > MOST_COUNTED:
            self._counted = Counter(dict(self._counted.most_common(MOST_COUNTED // 2)))

    def finish(self, rare: int) -> None:
        kept = sorted(self._counted.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_VALUES]
        self.values = sorted(value for value, count in kept if count >= rare)
        self.others = self.rows - self.gaps - sum(self._counted[value] for value in self.values)
        self._counted = Counter()

    def encode(self, series: Any, counts: dict[str, int]) -> Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        cells = texts(series, self.words)
        found = pc.fill_null(pc.index_in(cells, value_set=pa.array(self.values, pa.string())), -1).to_numpy() + 2
        found = np.where(cells.is_null().to_numpy(zero_copy_only=False), 0, found).astype(np.int64)
        counts["missing"] += int((found == 0).sum())
        counts["unseen"] += int((found == 1).sum())
        return found


PARTS: dict[str, type[Part]] = {"number": Scale, "date": Moment, "yesno": Switch, "category": Category}
