"""Checks of the batches that `fit`, `evaluate` and `predict` get, before anything is done with them."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..autograd import Tensor
from ..data import DataLoader, Dataset
from ..data._sampler import lasts_one_pass

WANTED = "expected batches (input, target), such as a DataLoader of a TensorDataset(x, y) or a list [(x, y)]"


def said(value: Any) -> str:
    """A value as error messages describe it."""
    if isinstance(value, (np.ndarray, Tensor)):
        return f"an array of shape {value.shape}"
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    return f"a {type(value).__name__}"


def size_of(batch: Any) -> int | None:
    """How many samples an array, a list, or a tuple or mapping of them holds; None if it is no batch."""
    if isinstance(batch, (tuple, Mapping)):
        parts = list(batch.values()) if isinstance(batch, Mapping) else batch
        return size_of(parts[0]) if parts else None
    shape = getattr(batch, "shape", None)
    if shape is not None:
        return int(shape[0]) if len(shape) else None
    return len(batch) if hasattr(batch, "__len__") and not isinstance(batch, (str, bytes)) else None


def input_and_target(method: str, batch: Any, number: int) -> tuple[Any, Any, int]:
    """Input, target and their number of samples; an array is refused: its rows would count as input and target."""
    if not isinstance(batch, (tuple, list)) or len(batch) != 2:
        raise TypeError(f"{method}: {WANTED}, got {said(batch)} as batch {number + 1}")
    input, target = batch
    size = size_of(target)
    if size is None:
        raise TypeError(f"{method}: expected batches of targets, got {said(target)} in batch {number + 1}")
    return input, target, size


def pairs(method: str, data: Iterable[Any]) -> Generator[tuple[int, Any, Any, int], None, None]:
    """Number, input, target and size of each batch that has samples."""
    for number, batch in enumerate(data):
        input, target, size = input_and_target(method, batch, number)
        if size:
            yield number, input, target, size


def check_iterable(method: str, data: Any) -> None:
    """Refuse a dataset, whose samples are no batches, and what is not iterable."""
    if isinstance(data, Dataset):
        raise TypeError(f"{method}: expected batches, such as a DataLoader of this {type(data).__name__}")
    if isinstance(data, (str, bytes, Mapping)) or not (hasattr(data, "__iter__") or hasattr(data, "__getitem__")):
        raise TypeError(f"{method}: expected batches, got {said(data)}")


def length(data: Any) -> int | None:
    """The number of batches that have samples; None if it is not known in advance."""
    if isinstance(data, (list, tuple)):
        return sum(size_of(target) != 0 for _, target in data)
    try:
        return len(data)
    except TypeError:  # a generator, or a loader whose sampler has no length
        return None


def none_came(method: str) -> ValueError:
    """The error of a pass without a batch."""
    return ValueError(f"{method}: expected at least one batch, got none")


def check_pairs(method: str, data: Any, passes: int = 1, peek: bool = False) -> None:
    """Refuse data that are no batches (input, target), or that last for fewer passes than are asked for.

    All of a list is looked at; of a loader, if `peek`, its first sample.  Neither changes an order.
    """
    check_iterable(method, data)
    if isinstance(data, (np.ndarray, Tensor)):
        raise TypeError(f"{method}: {WANTED}, got {said(data)}")
    if passes > 1 and lasts_one_pass(data):
        raise TypeError(
            f"{method}: expected batches that can be gone through {passes} times, got a {type(data).__name__}, "
            "which is used up by the first; give a list or a DataLoader"
        )
    if isinstance(data, (list, tuple)):
        for number, batch in enumerate(data):
            input_and_target(method, batch, number)
    if length(data) == 0:
        raise none_came(method)
    if peek and isinstance(data, DataLoader):
        example = data.example()
        if example is not None:
            input_and_target(method, example, 0)


def take_order(sources: Sequence[Any], states: Sequence[Any]) -> None:
    """Give data loaders the states of their orders from a checkpoint: all of them or, on an error, none."""
    before: list[tuple[Any, Any]] = []
    try:
        for source, state in zip(sources, states, strict=True):
            if source is None or state is None:
                continue
            if hasattr(source, "load_state_dict"):
                before.append((source, copy.deepcopy(source.state_dict())))
                source.load_state_dict(state)
            elif state != {"generators": []}:
                warnings.warn(
                    f"Trainer.fit: the order of the data in the loaded state cannot be given to {said(source)}: "
                    "the bits will be others than those of a training without interruption",
                    stacklevel=3,
                )
    except Exception:
        for source, state in before:
            source.load_state_dict(state)
        raise
