"""Frames, one or many: what may be given where rows are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from .._check import Array


def frames_of(data: Any) -> Iterable[Any]:
    """A frame's parts: itself, or those of a Source or another iterable."""
    return [data] if hasattr(data, "columns") else data


def names_of(data: Any) -> list[str]:
    """The columns' names, without reading rows."""
    return [str(name) for name in (data.names if hasattr(data, "names") else data.columns)]


class Split:
    """Which rows are held out: the same ones whenever it is asked, however the rows are cut into parts.

    Rows without a target are left out; rows of one group stay together.
    """

    def __init__(self, schema: Any, seed: int = 0, fraction: float = 0.2):
        self.schema, self.seed, self.fraction = schema, seed, fraction

    def masks(self, data: Any) -> Iterator[tuple[Any, Array]]:
        """Frames of rows with targets, and which of these are held out (bool)."""
        rng, groups = np.random.default_rng(self.seed), self.schema.of_role("group")
        for frame in frames_of(data):
            drawn = hashed(frame[groups[0].name], self.seed) / 2.0**64 if groups else rng.random(len(frame))
            known = self.schema.known(frame)
            yield (frame, drawn < self.fraction) if known.all() else (frame[known], drawn[known] < self.fraction)

    def training(self, data: Any) -> Iterator[Any]:
        """The rows that are learned from."""
        for frame, held_out in self.masks(data):
            yield frame[~held_out] if held_out.any() else frame


def hashed(series: Any, seed: int = 0) -> Array:
    """A number (uint64) for each name in a column, from the name alone."""
    import pandas as pd

    from ._cells import texts

    names = np.asarray(texts(series).to_pylist(), object)
    return pd.util.hash_array(names, hash_key=f"{seed:016d}"[-16:])
