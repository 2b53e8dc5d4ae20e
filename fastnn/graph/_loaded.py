"""Frozen models from files: plans are made of the graphs in the file, without the model."""

from __future__ import annotations

import json
import os
import threading
from typing import Any

import numpy as np

from .._check import Array
from ..functional._conv_precision import conv_precision
from ._files import KEY, FileWeights, mapped_arrays, read, replayed
from ._freeze import Frozen, Given, hashable
from ._graph import Times
from ._plan import Plan
from ._recent import Recent


class Loaded(Frozen):
    """The result of `load_frozen`: it predicts without the model, for the kinds of input that the file holds."""

    def __init__(self, path: str | os.PathLike[str]):
        self.path = os.fspath(path)
        try:
            arrays, metadata = mapped_arrays(path)
            content = json.loads(metadata[KEY])
            self._kinds = {_kind_of(record): record for record in content["kinds"]}
            self._weights = FileWeights(arrays, str(content["tier"]))
            self.conv = content.get("conv", "exact")
            conv_precision(self.conv)  # raises an error for an unknown word
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"load_frozen: {self.path!r} is no frozen model: {error}") from None
        self._arrays = arrays
        self.unplanned, self.graph, self.plan, self._program = (), None, None, None
        self._plans, self._compared, self._lock = Recent(), set(), threading.Lock()

    def _planned(self, given: Given, batch: int | None) -> Plan | None:
        kind = given.key()[:2]
        record = self._kinds.get((*kind, batch))
        if record is None and batch is None and any(each[:2] == kind for each in self._kinds):
            return None
        if record is None:
            raise ValueError(f"load_frozen: {self.path!r} holds no plan for {given.described()}")
        try:
            return Plan(replayed(record, self._arrays), self._weights)
        except Exception as error:
            raise ValueError(f"load_frozen: {self.path!r} holds a graph that fails: {error}") from error

    def _as_it_is(self, given: Given, arrays: list[Array]) -> Any:
        raise ValueError(
            f"load_frozen: the plan refuses {given.described()}: no batch of numbers, an index beyond its table, or an "
            "integer of more than 53 bits"
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Refused: the file is there already."""
        raise ValueError(f"save: copy {self.path!r}")

    def __reduce__(self) -> Any:
        return type(self), (self.path,)

    def __repr__(self) -> str:
        return f"Loaded({self.path!r})"


def _kind_of(record: Any) -> Any:
    """The kind of input that a file's graph is for, as `Given.key` has it, and its batch size."""
    args, kwargs = read(record["args"], {}), read(record["kwargs"], {})
    batch, kinds = record["batch"], []
    for dtype, shape in record["inputs"]:
        sizes = [read(each, {}) for each in shape]
        led = bool(sizes) and (isinstance(sizes[0], Times) if batch is None else sizes[0] == batch)
        kinds.append((led, tuple(sizes[led:]), np.dtype(dtype)))
    return hashable((args, kwargs)), tuple(kinds), batch


def load_frozen(path: str | os.PathLike[str]) -> Frozen:
    """Load a file of `Frozen.save`, without the model's code: arrays stay in the file's pages, which processes share.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    Frozen
        Predicts for the kinds of input that the file holds, and refuses others.  Weights are packed anew where this
        processor reads them in another order than the one that wrote the file.

    Raises
    ------
    ValueError
        If the file is no frozen model, in one line.
    OSError
        From the file system.
    """
    return Loaded(path)
