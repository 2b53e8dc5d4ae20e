"""Datasets: objects with a length, and samples by number."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import _check
from .._check import Array
from .._random import RNG, generator
from ..autograd import value_of
from ._collate import default_collate
from ._index import chosen, numbers, positions, sized

__all__ = ["ConcatDataset", "Dataset", "Subset", "TensorDataset", "random_split"]


def batch_of(dataset: Any, indices: Any) -> Any:
    """The samples of these numbers as a batch; by one call of `take` where the dataset has it."""
    if takes_batches(dataset):
        name = type(dataset).__name__
        chosen = numbers(name, indices)
        batch = dataset.take(chosen)
        size = _length(batch)
        if size not in (None, len(chosen)):
            raise ValueError(f"{name}.take: expected a batch of {len(chosen)} samples, got one of {size}")
        return batch
    if type(dataset) is np.ndarray and dataset.ndim:
        return dataset.take(positions("array", indices, len(dataset)), axis=0)
    plain = indices.tolist() if isinstance(indices, np.ndarray) else indices
    return default_collate([dataset[i] for i in plain])


def _length(batch: Any) -> int | None:
    """How many samples the first array of a batch holds; None if there is no array."""
    while isinstance(batch, (tuple, Mapping)) and len(batch):
        batch = next(iter(batch.values() if isinstance(batch, Mapping) else batch))
    return len(batch) if isinstance(batch, np.ndarray) and batch.ndim else None


def takes_batches(dataset: Any) -> bool:
    """Whether it has a `take` that goes with its `__getitem__`: a class that overrides only the latter has not."""
    order = type(dataset).__mro__
    taking, getting = (
        next((i for i, kind in enumerate(order) if name in vars(kind)), len(order)) for name in ("take", "__getitem__")
    )
    return isinstance(dataset, Dataset) and taking <= getting


def _joined(parts: list[Any], order: Array) -> Any:
    """Batches as one, its samples in this order."""
    first = parts[0]
    alike = [_form(part) for part in parts]
    if any(form != alike[0] for form in alike):
        kinds = ", ".join(sorted({text for text, _ in alike}))
        raise ValueError(f"ConcatDataset: expected datasets whose samples are of one kind and shape, got {kinds}")
    if isinstance(first, np.ndarray):
        return np.concatenate(parts)[order]
    if isinstance(first, Mapping):
        return {key: _joined([part[key] for part in parts], order) for key in first}
    if isinstance(first, tuple) or (first and not isinstance(first[0], (str, bytes))):
        columns = [_joined(list(each), order) for each in zip(*parts, strict=True)]
        return type(first)(*columns) if hasattr(first, "_fields") else type(first)(columns)
    texts = [text for part in parts for text in part]
    return [texts[i] for i in order]


def _form(batch: Any) -> tuple[str, Any]:
    """The form that batches must share to be joined: in words, and as a value to compare."""
    if isinstance(batch, np.ndarray):
        return f"arrays of shape {batch.shape[1:]}", batch.shape[1:]
    if isinstance(batch, Mapping):
        return f"mappings of {', '.join(map(str, batch))}", batch.keys()
    texts = isinstance(batch, list) and all(isinstance(each, (str, bytes)) for each in batch)
    size = 0 if texts else len(batch)
    return ("texts" if texts else f"{type(batch).__name__}s of {size}"), (type(batch), size)


class Dataset:
    """Base class of datasets: a subclass defines `__len__` and `__getitem__`.

    Any other object that has the two, a list of samples or an array, is as good to a `DataLoader`.  A dataset that can
    make a whole batch faster than sample by sample defines `take(indices)` as well, which returns what collating the
    samples would; a subclass of it that overrides `__getitem__` alone is asked sample by sample again.

    Examples
    --------
    >>> class Squares(Dataset):
    ...     def __len__(self):
    ...         return 4
    ...
    ...     def __getitem__(self, index):
    ...         return np.float32(index), index**2
    >>> from fastnn.data import DataLoader
    >>> for x, y in DataLoader(Squares(), batch_size=3):
    ...     print(x, y)
    [0. 1. 2.] [0 1 4]
    [3.] [9]
    """

    def __getitem__(self, index: Any) -> Any:
        """Return a sample."""
        raise NotImplementedError(f"{type(self).__name__}: __getitem__ is not defined")

    def __len__(self) -> int:
        """Return the number of samples."""
        raise NotImplementedError(f"{type(self).__name__}: __len__ is not defined")

    def __add__(self, other: Any) -> ConcatDataset:
        """Return both, one after the other."""
        return ConcatDataset([self, other])


class TensorDataset(Dataset):
    """Arrays whose rows belong together: sample i is (a[i], b[i], ...).

    Parameters
    ----------
    *tensors : array_like
        Of one length.  They are kept as they are, not copied; batches are copies.

    Examples
    --------
    >>> dataset = TensorDataset(np.arange(6.0).reshape(3, 2), [0, 1, 1])
    >>> dataset[1]
    (array([2., 3.]), np.int64(1))
    """

    def __init__(self, *tensors: Any):
        if not tensors:
            raise ValueError("TensorDataset: expected at least one array, got none")
        self.tensors: tuple[Array, ...] = tuple(
            _check.as_array("TensorDataset", value_of(each), "arrays") for each in tensors
        )
        lengths = [each.shape[0] if each.ndim else None for each in self.tensors]
        if None in lengths or len(set(lengths)) > 1:
            shapes = ", ".join(str(each.shape) for each in self.tensors)
            raise ValueError(f"TensorDataset: expected arrays of one length, got shapes {shapes}")

    def __getitem__(self, index: Any) -> tuple[Any, ...]:
        """Return a row of each array; rows of a slice, a list of integers or a mask."""
        place = index if isinstance(index, slice) else chosen("TensorDataset", index, len(self))
        return tuple(each[place] for each in self.tensors)

    def __len__(self) -> int:
        """Return the arrays' length."""
        return len(self.tensors[0])

    def take(self, indices: Array) -> tuple[Array, ...]:
        """Return rows of each array, copied."""
        chosen = positions("TensorDataset", indices, len(self))
        return tuple(each.take(chosen, axis=0) for each in self.tensors)


class Subset(Dataset):
    """The samples of a dataset that have these numbers, in their order.

    Examples
    --------
    >>> Subset("abcdef", [4, 0])[0]
    'e'
    """

    def __init__(self, dataset: Any, indices: Sequence[int] | Array):
        self.dataset = dataset
        self.indices = numbers("Subset", indices)
        size = len(sized("Subset", "a dataset", dataset))
        if self.indices.size and not -size <= self.indices.min() <= self.indices.max() < size:
            wrong = self.indices[(self.indices < -size) | (self.indices >= size)][0]
            raise IndexError(f"Subset: expected indices of a dataset of {size} samples, got {wrong}")

    def __getitem__(self, index: Any) -> Any:
        """Return a sample of the dataset; a batch of a slice, a list of integers or a mask."""
        place = chosen("Subset", index, len(self))
        return self.dataset[int(self.indices[place])] if isinstance(place, int) else self.take(place)

    def __len__(self) -> int:
        """Return the number of indices."""
        return len(self.indices)

    def take(self, indices: Array) -> Any:
        """Return samples of the dataset as a batch."""
        return batch_of(self.dataset, self.indices[positions("Subset", indices, len(self))])


class ConcatDataset(Dataset):
    """Datasets one after the other.

    Examples
    --------
    >>> ConcatDataset(["ab", "cd"])[2]
    'c'
    """

    def __init__(self, datasets: Iterable[Any]):
        # of a single dataset, each sample would be taken for a dataset
        if isinstance(datasets, (Dataset, str, np.ndarray)) or not isinstance(datasets, Iterable):
            raise TypeError(f"ConcatDataset: expected a list of datasets, got a {type(datasets).__name__}")
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset: expected at least one dataset, got none")
        self.cumulative_sizes = [
            int(n) for n in np.cumsum([len(sized("ConcatDataset", "datasets", each)) for each in self.datasets])
        ]

    def __getitem__(self, index: Any) -> Any:
        """Return a sample of the dataset that the number falls into; a batch of a slice, a list or a mask."""
        place = chosen("ConcatDataset", index, len(self))
        if not isinstance(place, int):
            return self.take(place)
        (which,), (within_it,) = self._places(np.array([place]))
        return self.datasets[int(which)][int(within_it)]

    def _places(self, indices: Array) -> tuple[Array, Array]:
        """Which dataset each number falls into, and its number there."""
        indices = positions("ConcatDataset", indices, len(self))
        which = np.searchsorted(self.cumulative_sizes, indices, side="right")
        return which, indices - np.array([0, *self.cumulative_sizes])[which]

    def take(self, indices: Array) -> Any:
        """Return samples as a batch: those of each dataset in one go, then all in their order."""
        which, places = self._places(indices)
        parts = [batch_of(self.datasets[k], places[which == k]) for k in (np.unique(which) if which.size else [0])]
        return _joined(parts, np.argsort(np.argsort(which, kind="stable")))

    def __len__(self) -> int:
        """Return the sum of the lengths."""
        return self.cumulative_sizes[-1]


def random_split(dataset: Any, lengths: Sequence[int | float], rng: RNG = None) -> list[Subset]:
    """Split a dataset at random into disjoint parts of these sizes.

    Parameters
    ----------
    dataset : Dataset
        Or anything with a length and samples by number.
    lengths : sequence
        Integers that add up to the dataset's length, or fractions that add up to 1: these are rounded down, and the
        samples left over go one by one to the first parts.  A small part may be empty.
    rng : None, int, SeedSequence or Generator
        None is the package's own (`fastnn.manual_seed`).

    Returns
    -------
    list of Subset

    Raises
    ------
    ValueError
        If the lengths do not add up.

    Examples
    --------
    >>> train, test = random_split(range(10), [0.8, 0.2], rng=0)
    >>> len(train), sorted([*train, *test])
    (8, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    """
    total = len(sized("random_split", "a dataset", dataset))
    if not isinstance(lengths, Iterable):
        raise TypeError(f"random_split: expected a list of lengths, got a {type(lengths).__name__}")
    values = [_check.in_range("random_split", "each length", each, 0, np.inf, open_high=True) for each in lengths]
    if not values:
        raise ValueError("random_split: expected at least one length, got none")
    if any(value != int(value) for value in values) or math.isclose(sum(values), 1):
        if not math.isclose(sum(values), 1):
            raise ValueError(f"random_split: expected fractions that add up to 1, got {list(lengths)}")
        sizes = [math.floor(total * value + 1e-9) for value in values]
        for i in range(total - sum(sizes)):
            sizes[i % len(sizes)] += 1
    else:
        sizes = [int(value) for value in values]
    if sum(sizes) != total:
        raise ValueError(f"random_split: expected lengths that add up to {total}, got {list(lengths)}")
    order = generator("random_split", rng).permutation(total)
    return [Subset(dataset, part) for part in np.split(order, np.cumsum(sizes)[:-1])]
