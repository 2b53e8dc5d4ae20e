"""Encoded rows, in memory or in a temporary file, and batches of them in the same order from either."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .._check import Array

IN_MEMORY = 128 << 20  # bytes of rows; more go to a file
_BLOCK = 8192  # rows of one read
_POOL = 32 << 20  # bytes of rows that are shuffled together
_NAMES = ("numbers", "codes", "target", "weight")


class Store:
    """Numbers, codes, targets and weights of rows, a record each; codes in the smallest type that holds them all."""

    def __init__(self, cardinalities: Sequence[int]):
        self.counts = [np.zeros(n, np.int64) for n in cardinalities]  # rows that have each code
        self.small = np.min_scalar_type(max(cardinalities, default=1) - 1)
        self.rows = 0
        self.parts: list[Array] = []
        self.file: Any = None

    def append(self, numbers: Array, codes: Array, target: Array, weight: Array | None) -> None:
        """Add rows: float32 (N, K), integers (N, C), targets (N,) or (N, L), weights (N,)."""
        weight = np.ones(len(target), np.float32) if weight is None else weight
        fields = dict(zip(_NAMES, (numbers, codes.astype(self.small), target, weight), strict=True))
        part = np.empty(len(target), [(name, each.dtype, each.shape[1:]) for name, each in fields.items()])
        for name, each in fields.items():
            part[name] = each
        for column, count in zip(codes.T, self.counts, strict=True):
            count += np.bincount(column, minlength=len(count))
        self.rows, self.dtype = self.rows + len(part), part.dtype
        self.parts.append(part)
        if self.file is not None or self.rows * self.dtype.itemsize > IN_MEMORY:
            self.file = self.file or tempfile.TemporaryFile()  # noqa: SIM115  it lives as long as the store
            for each in self.parts:
                each.tofile(self.file)
            self.parts = []

    def read(self, start: int) -> Array:
        """A block of rows in the order in which they came; a view where they are in memory."""
        count = min(_BLOCK, self.rows - start)
        if self.file is None:
            if len(self.parts) > 1:
                self.parts = [np.concatenate(self.parts)]
            return self.parts[0][start : start + count]
        self.file.flush()
        self.file.seek(start * self.dtype.itemsize)
        return np.fromfile(self.file, self.dtype, count)

    def blocks(self) -> Iterator[Array]:
        """All rows, some thousands at a time."""
        return map(self.read, range(0, self.rows, _BLOCK))

    def close(self) -> None:
        """Let go of the file."""
        if self.file is not None:
            self.file.close()


class Batches:
    """((numbers, codes), (targets, weights)) of a store's rows; in a new order at each pass if there is a generator.

    Blocks come in random order, and rows are shuffled within `_POOL` bytes of them, so that a pass reads the file once
    and in long runs.  A last batch of a single row is joined to the batch before.
    """

    def __init__(self, store: Store, size: int, rng: np.random.Generator | None = None):
        self.store, self.size, self.rng = store, size, rng

    def __len__(self) -> int:
        whole, rest = divmod(self.store.rows, self.size)
        return whole + (rest > 1 or (not whole and rest == 1))

    def __iter__(self) -> Iterator[Any]:
        left, seen = np.empty(0, self.store.dtype), 0
        for pool in self._pools():
            seen += len(pool)
            rows = np.concatenate([left, pool]) if len(left) else pool
            ends = list(range(self.size, len(rows) + 1, self.size))
            rest = len(rows) - (ends[-1] if ends else 0)
            if seen == self.store.rows and rest:
                ends = [*(ends[:-1] if rest == 1 else ends), len(rows)]
            for start, end in zip([0, *ends], ends, strict=False):
                parts = [np.ascontiguousarray(rows[start:end][name]) for name in _NAMES]
                yield (parts[0], parts[1].astype(np.int64)), (parts[2], parts[3])
            left = rows[ends[-1] if ends else 0 :]

    def _pools(self) -> Iterator[Array]:
        together = max(1, _POOL // (self.store.dtype.itemsize * _BLOCK))
        starts = np.arange(0, self.store.rows, _BLOCK)
        if self.rng is not None:
            self.rng.shuffle(starts)
        for first in range(0, len(starts), together):
            rows = np.concatenate([self.store.read(at) for at in starts[first : first + together].tolist()])
            yield rows if self.rng is None else rows[self.rng.permutation(len(rows))]
