"""Samplers: the order in which a loader takes the samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from types import FunctionType
from typing import Any

import numpy as np

from .. import _check
from .._check import Array
from .._random import RNG, generator
from ._index import sized

__all__ = ["BatchSampler", "RandomSampler", "Sampler", "SequentialSampler", "WeightedRandomSampler"]


def lasts_one_pass(source: Any) -> bool:
    """Whether one pass uses it up, as a generator, zip or map; iterators of a Python class may begin anew."""
    return isinstance(source, Iterator) and not isinstance(getattr(type(source), "__iter__", None), FunctionType)


def order(name: str, argument: str, source: Any) -> Any:
    """The source, refused unless it can be iterated over at each pass."""
    if lasts_one_pass(source):
        raise TypeError(
            f"{name}: expected {argument} that can be gone through at each pass, got a {type(source).__name__}, "
            "which is used up by the first; give a list or a Sampler"
        )
    if not isinstance(source, Iterable) and not hasattr(source, "__getitem__"):
        raise TypeError(f"{name}: expected {argument} to be iterable, got a {type(source).__name__}")
    return source


def truth(name: str, argument: str, value: Any) -> bool:
    """The value as a bool; anything but True and False is refused."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name}: expected {argument} to be True or False, got {value!r}")
    return bool(value)


class Sampler:
    """Base class of samplers: a subclass defines `__iter__`, which yields sample numbers, and `__len__`."""

    def __iter__(self) -> Iterator[Any]:
        """Yield the numbers of one pass."""
        raise NotImplementedError(f"{type(self).__name__}: __iter__ is not defined")

    def __len__(self) -> int:
        """Return how many numbers a pass has."""
        raise NotImplementedError(f"{type(self).__name__}: __len__ is not defined")


class SequentialSampler(Sampler):
    """0, 1, 2 ...

    Examples
    --------
    >>> list(SequentialSampler("abc"))
    [0, 1, 2]
    """

    def __init__(self, data_source: Sized):
        self.data_source = sized("SequentialSampler", "a data_source", data_source)

    def __iter__(self) -> Iterator[int]:
        """Yield the numbers of one pass."""
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        """Return how many numbers a pass has."""
        return len(self.data_source)


class RandomSampler(Sampler):
    """A new permutation at each pass, or draws with replacement.

    Parameters
    ----------
    data_source : sized
    replacement : bool
    num_samples : int, optional
        The dataset's length if not given.
    rng : None, int, SeedSequence or Generator

    Examples
    --------
    >>> sorted(RandomSampler("abc", rng=0))
    [0, 1, 2]
    """

    def __init__(self, data_source: Sized, replacement: bool = False, num_samples: int | None = None, rng: RNG = None):
        self.data_source = sized("RandomSampler", "a data_source", data_source)
        self.replacement = truth("RandomSampler", "replacement", replacement)
        self._num_samples = (
            None if num_samples is None else _check.count("RandomSampler", "num_samples", num_samples, 1)
        )
        self.rng = None if rng is None else generator("RandomSampler", rng)

    def order(self) -> Array:
        """Return the numbers of one pass."""
        rng, size = generator("RandomSampler", self.rng), len(self.data_source)
        if not size and len(self):
            raise ValueError(f"RandomSampler: expected samples to draw {len(self)} from, got none")
        if self.replacement:
            return rng.integers(size, size=len(self))
        whole, rest = divmod(len(self), size) if size else (0, 0)
        return np.concatenate([*(rng.permutation(size) for _ in range(whole)), rng.permutation(size)[:rest]])

    def __iter__(self) -> Iterator[int]:
        """Yield the numbers of one pass."""
        return iter(self.order().tolist())

    def __len__(self) -> int:
        """Return how many numbers a pass has."""
        return len(self.data_source) if self._num_samples is None else self._num_samples


class WeightedRandomSampler(Sampler):
    """Samples drawn with probabilities in proportion to their weights, such as 1 / frequency of the class.

    Parameters
    ----------
    weights : array_like (samples,)
        Not negative, at least one positive.
    num_samples : int
    replacement : bool
    rng : None, int, SeedSequence or Generator

    Examples
    --------
    >>> list(WeightedRandomSampler([0, 1, 0], 4))
    [1, 1, 1, 1]
    """

    def __init__(self, weights: Any, num_samples: int, replacement: bool = True, rng: RNG = None):
        self.weights = np.asarray(_check.as_float("WeightedRandomSampler", weights, "weights"), np.float64)
        if self.weights.ndim != 1 or not (self.weights >= 0).all() or not np.isfinite(self.weights).all():
            raise ValueError("WeightedRandomSampler: expected a vector of finite weights, none negative")
        self.num_samples = _check.count("WeightedRandomSampler", "num_samples", num_samples, 1)
        self.replacement = truth("WeightedRandomSampler", "replacement", replacement)
        possible = int(np.count_nonzero(self.weights))
        if possible == 0 or (not replacement and possible < num_samples):
            raise ValueError(
                f"WeightedRandomSampler: expected at least {1 if replacement else num_samples} positive weights, "
                f"got {possible}"
            )
        self.rng = None if rng is None else generator("WeightedRandomSampler", rng)

    def __iter__(self) -> Iterator[int]:
        """Yield the numbers of one pass."""
        rng = generator("WeightedRandomSampler", self.rng)
        with np.errstate(over="ignore"):
            total = self.weights.sum()
        weights = self.weights if np.isfinite(total) else self.weights / self.weights.max()
        p = weights / weights.sum()
        return iter(rng.choice(len(p), self.num_samples, self.replacement, p).tolist())

    def __len__(self) -> int:
        """Return how many numbers a pass has."""
        return self.num_samples


class BatchSampler(Sampler):
    """Lists of numbers: another sampler's, batch by batch.

    Examples
    --------
    >>> list(BatchSampler(range(5), batch_size=2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool):
        self.sampler = order("BatchSampler", "sampler", sampler)
        self.batch_size = _check.count("BatchSampler", "batch_size", batch_size, 1)
        self.drop_last = truth("BatchSampler", "drop_last", drop_last)

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the batches of one pass."""
        batch: list[int] = []
        for index in self.sampler:
            batch.append(index)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch

    def __len__(self) -> int:
        """Return how many batches there are."""
        whole, rest = divmod(len(self.sampler), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)
