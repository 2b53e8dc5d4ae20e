"""From rows of a table to the arrays that a network takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .._check import Array
from ._cells import YES_NO, numbers, texts
from ._drift import Drift
from ._encoded import Encoded
from ._frames import frames_of, hashed
from ._parts import PARTS, Category, Part, Scale
from ._roles import Schema


class Encoder:
    """Numbers and codes of a table's rows, by scales and categories learned from training rows.

    Quantities are standardized, and missing ones replaced by the median, with a column that says so; dates become the
    year and the sine and cosine of month, weekday and, if there are times, hour; yes and no become 1 and 0; categories
    become codes, of which 0 stands for missing and 1 for all values that are rare or were never seen.

    Parameters
    ----------
    schema : Schema
        From `find_roles`.
    rare : int, optional
        Values of a category that occur less often are one class "other" (rows / 5000, but 3 to 100).

    Examples
    --------
    >>> import pandas as pd
    >>> from fastnn import tables
    >>> frame = pd.DataFrame({"city": ["Rome", "Oslo", "Rome", None] * 3, "size": [1.0, 2.0, 3.0, None] * 3})
    >>> encoder = tables.Encoder(tables.find_roles(frame)).fit(frame)
    >>> encoder.number_names, encoder.cardinalities
    (['size', 'size is missing'], [4])
    >>> new = encoder.transform(pd.DataFrame({"city": ["Paris", "Rome"], "size": [2.0, None]}))
    >>> new.codes.ravel(), new.numbers[:, 1]
    (array([1, 3]), array([0., 1.], dtype=float32))
    """

    def __init__(self, schema: Schema, rare: int | None = None):
        self.schema, self.rare = schema, rare
        self.parts: list[Part] = [PARTS[column.role](column, schema.missing) for column in schema.features]

    def fit(self, frames: Any) -> Encoder:
        """Learn from a frame, or from frames one after the other: the training rows and no others."""
        rows = 0
        for frame in frames_of(frames):
            rows += len(frame)
            for part in self.parts:
                part.add(frame[part.column.name])
        rare = self.rare if self.rare is not None else min(100, max(3, rows // 5000))
        for part in self.parts:
            part.finish(rare)
        return self

    @property
    def _layout(self) -> list[tuple[Part, str, bool]]:
        return [(part, *each) for part in self.parts for each in part.layout()]

    @property
    def _categories(self) -> list[Category]:
        return [part for part in self.parts if isinstance(part, Category)]

    @property
    def number_names(self) -> list[str]:
        """Names of the K columns of `Encoded.numbers`."""
        return [name for _, name, _ in self._layout]

    @property
    def continuous(self) -> Array:
        """Bool (K,): which columns of `Encoded.numbers` are quantities in standardized units."""
        return np.array([each for *_, each in self._layout], bool)

    @property
    def quantiles(self) -> Array:
        """(101, K): percentiles of the training rows, standardized; zeros where there is no quantity."""
        found = np.zeros((101, len(self._layout)))
        for i, (part, _, quantity) in enumerate(self._layout):
            if quantity and isinstance(part, Scale):
                found[:, i] = part.scaled(np.array(part.percentiles))
        return found

    @property
    def code_names(self) -> list[str]:
        """Names of the columns of `Encoded.codes`."""
        return [part.column.name for part in self._categories]

    @property
    def categories(self) -> list[list[str]]:
        """The known values of each column of codes; the first value has code 2."""
        return [part.values for part in self._categories]

    @property
    def cardinalities(self) -> list[int]:
        """How many codes each column of codes has."""
        return [len(values) + 2 for values in self.categories]

    def columns_of(self, name: str) -> tuple[list[int], list[int]]:
        """Where a column of the table stands among numbers and codes."""
        of_numbers = [i for i, (part, *_) in enumerate(self._layout) if part.column.name == name]
        return of_numbers, [i for i, each in enumerate(self.code_names) if each == name]

    def new_drift(self) -> Drift:
        """Counts to be handed to `transform`."""
        return Drift(self.parts)

    def transform(self, frame: Any, targets: bool = True, drift: Drift | None = None) -> Encoded:
        """The arrays of a frame's rows; a ValueError names all columns that the frame lacks.

        Without `targets`, or if the frame lacks them, target, weight and group are None.  `drift` counts
        what differs from the training.
        """
        absent = [part.column.name for part in self.parts if part.column.name not in frame.columns]
        if absent:
            raise ValueError(f"Encoder.transform: expected columns {', '.join(absent)}, which the table does not have")
        drift = drift or self.new_drift()
        drift.rows += len(frame)
        numbers_: list[Array] = [np.zeros((len(frame), 0), np.float32)]
        codes: list[Array] = []
        for part in self.parts:
            found = part.encode(frame[part.column.name], drift.counts[part.column.name])
            (codes if isinstance(part, Category) else numbers_).append(found)
        packed = np.stack(codes, 1) if codes else np.zeros((len(frame), 0), np.int64)
        ids = [column.name for column in self.schema.of_role("id") if column.name in frame.columns]
        rest = (self.targets(frame), self._weight(frame), self._group(frame)) if targets else (None, None, None)
        return Encoded(np.concatenate(numbers_, 1), packed, *rest, frame[ids] if ids else None)

    def targets(self, frame: Any) -> Array | None:
        """The targets of a frame's rows: -1 or NaN where they are unknown or no class; None if it has no target."""
        schema = self.schema
        if not schema.task or any(name not in frame.columns for name in schema.targets):
            return None
        column = schema[schema.target]
        if schema.task == "regression":
            return numbers(frame[column.name], column.marks, schema.missing)[0]
        import pyarrow as pa
        import pyarrow.compute as pc

        if schema.task == "classification":
            cells = texts(frame[column.name], schema.missing)
            found = pc.index_in(cells, value_set=pa.array(schema.classes, pa.string()))
            return pc.fill_null(found, -1).to_numpy().astype(np.int64)
        words = pa.array(sorted(yes for yes, _ in YES_NO))
        labels = []
        for name in schema.targets:
            cells = pc.utf8_lower(texts(frame[name], schema.missing))
            yes = pc.is_in(cells, value_set=words).to_numpy(zero_copy_only=False)
            labels.append(np.where(cells.is_null().to_numpy(zero_copy_only=False), np.nan, yes))
        return np.stack(labels, 1).astype(np.float32)

    def _weight(self, frame: Any) -> Array | None:
        for column in self.schema.of_role("weight"):
            if column.name in frame.columns:
                found, strays, stray = numbers(frame[column.name], column.marks, self.schema.missing)
                if strays or np.isnan(found).any() or (found < 0).any():
                    got = stray or ("a missing cell" if np.isnan(found).any() else found[found < 0][0])
                    raise ValueError(f"column {column.name}: expected weights of at least 0, got {got}")
                return found.astype(np.float32)
        return None

    def _group(self, frame: Any) -> Array | None:
        for column in self.schema.of_role("group"):
            if column.name in frame.columns:
                return hashed(frame[column.name]).view(np.int64)
        return None

    def state(self) -> dict[str, Any]:
        """All that `from_state` needs, as JSON has it."""
        return {"schema": self.schema.state(), "rare": self.rare, "parts": [part.state() for part in self.parts]}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Encoder:
        """The encoder of a `state()`; a ValueError if it is none."""
        try:
            encoder = cls(Schema.from_state(state["schema"]), state["rare"])
            for part, each in zip(encoder.parts, state["parts"], strict=True):
                part.load(dict(each))
            finite = np.isfinite(encoder.quantiles).all()
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"Encoder.from_state: expected the state of an encoder: {error}") from error
        if not finite:
            raise ValueError("Encoder.from_state: expected finite numbers")
        return encoder
