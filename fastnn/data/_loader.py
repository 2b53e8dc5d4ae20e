"""DataLoader: batches of a dataset, pass by pass."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from .. import _check
from .._random import RNG, generator
from ._dataset import batch_of
from ._sampler import BatchSampler, RandomSampler, SequentialSampler, WeightedRandomSampler, order, truth
from ._stream import batch_stream

__all__ = ["DataLoader"]


class DataLoader:
    """The batches of a dataset, in a new order at each pass.

    Parameters
    ----------
    dataset : Dataset
        Anything with a length and samples by number.
    batch_size : int or None
        None gives single samples as the dataset has them.
    shuffle : bool
        A new permutation at each pass.
    sampler : iterable of int, optional
        The order, in place of `shuffle`.
    batch_sampler : iterable of lists of int, optional
        The batches, in place of `batch_size`, `shuffle`, `sampler` and `drop_last`.
    num_workers : int
        Threads that make batches in advance; 0 makes each when it is asked for.  NumPy releases the interpreter's lock
        in most of its loops, so that threads, which share the dataset, do what PyTorch needs processes for.
    collate_fn : callable, optional
        Joins a list of samples; `default_collate` if not given.
    drop_last : bool
        Leave out a last batch that is not whole.
    rng : None, int, SeedSequence or Generator
        Of the order, and of the streams from which transforms draw; None is the package's own (`fastnn.manual_seed`).
    prefetch_factor : int
        Batches in advance for each worker.

    Notes
    -----
    Neither order nor augmentation depends on the number of workers: each batch draws from a stream of its own.  Every
    batch is the caller's own memory, contiguous, of the data's dtype.

    Examples
    --------
    >>> from fastnn.data import TensorDataset
    >>> dataset = TensorDataset(np.arange(5.0), np.arange(5))
    >>> for x, y in DataLoader(dataset, batch_size=2, drop_last=True):
    ...     print(x, y)
    [0. 1.] [0 1]
    [2. 3.] [2 3]
    >>> len(DataLoader(dataset, batch_size=2, shuffle=True))
    3
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool = False,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Any] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        *,
        drop_last: bool = False,
        rng: RNG = None,
        prefetch_factor: int = 2,
    ):
        name = "DataLoader"
        ordered = hasattr(dataset, "__len__") or sampler is not None or batch_sampler is not None
        if not (hasattr(dataset, "__getitem__") and ordered):
            raise TypeError(f"{name}: expected a dataset with __getitem__ and __len__, got {type(dataset).__name__}")
        if truth(name, "shuffle", shuffle) and sampler is not None:
            raise ValueError(f"{name}: expected shuffle or a sampler, got both")
        if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
            raise ValueError(
                f"{name}: expected a batch_sampler or batch_size, shuffle, sampler and drop_last, got both"
            )
        if batch_size is None and drop_last:
            raise ValueError(f"{name}: expected drop_last with a batch_size, got batch_size=None")
        for argument, given in (("sampler", sampler), ("batch_sampler", batch_sampler)):
            if given is not None:
                _check_order(argument, given, dataset)
        if collate_fn is not None and not callable(collate_fn):
            raise TypeError(f"{name}: expected collate_fn to be a function, got a {type(collate_fn).__name__}")
        self.dataset = dataset
        self.batch_size = None if batch_size is None else _check.count(name, "batch_size", batch_size, 1)
        self.num_workers = _check.count(name, "num_workers", num_workers)
        self.prefetch_factor = _check.count(name, "prefetch_factor", prefetch_factor, 1)
        self.collate_fn = collate_fn
        self.drop_last = truth(name, "drop_last", drop_last)
        self.rng = None if rng is None else generator(name, rng)
        if sampler is None:
            sampler = RandomSampler(dataset, rng=self.rng) if shuffle else SequentialSampler(dataset)
        self.sampler = sampler
        if batch_sampler is None and self.batch_size is not None:
            batch_sampler = BatchSampler(sampler, self.batch_size, self.drop_last)
        self.batch_sampler = batch_sampler

    def __len__(self) -> int:
        """Return the number of batches of a pass."""
        return len(self.sampler if self.batch_sampler is None else self.batch_sampler)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Any]:
        """Start a pass."""
        key = int(generator("DataLoader", self.rng).integers(2**63))
        numbers = enumerate(self.sampler if self.batch_sampler is None else self.batch_sampler)
        return self._prefetched(numbers, key) if self.num_workers else self._fetched(numbers, key)

    def example(self) -> Any:
        """Return a batch of the first sample alone, moving neither order nor random numbers.

        None if the dataset is empty, or a sampler is of the user's own class.
        """
        usual = (SequentialSampler, RandomSampler, WeightedRandomSampler)
        if not isinstance(self.sampler, usual) or not isinstance(self.batch_sampler, (BatchSampler, type(None))):
            return None
        if not len(self.dataset):
            return None
        return self._fetch(0, 0, 0 if self.batch_sampler is None else [0])

    def state_dict(self) -> dict[str, Any]:
        """Return what the order of later passes depends on: the states of the generators of loader and samplers."""
        return {"generators": [rng.bit_generator.state for rng in self._generators()]}

    def _generators(self) -> list[np.random.Generator]:
        """The generators of the loader and its samplers, each once, without the package's own."""
        owners = (self, self.sampler, self.batch_sampler, getattr(self.batch_sampler, "sampler", None))
        found = {id(rng): rng for rng in (getattr(owner, "rng", None) for owner in owners)}
        return [rng for rng in found.values() if isinstance(rng, np.random.Generator)]

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the passes from a state that `state_dict` returned."""
        own, states = self._generators(), state_dict.get("generators")
        if not isinstance(states, list) or len(states) != len(own):
            got = f"{len(states)}" if isinstance(states, list) else "another kind of state"
            raise ValueError(f"DataLoader: expected the states of {len(own)} generators, got {got}")
        for rng, state in zip(own, states, strict=True):
            rng.bit_generator.state = state

    def _fetch(self, key: int, number: int, indices: Any) -> Any:
        with batch_stream(key, number):
            if self.batch_sampler is None:
                return self.dataset[indices] if self.collate_fn is None else self.collate_fn(self.dataset[indices])
            if np.ndim(indices) != 1 and not isinstance(indices, Iterable):
                raise TypeError(f"DataLoader: expected a list of numbers for each batch, got {indices!r}")
            if self.collate_fn is None:
                return batch_of(self.dataset, indices)
            return self.collate_fn([self.dataset[i] for i in indices])

    def _fetched(self, numbers: Iterable[tuple[int, Any]], key: int) -> Iterator[Any]:
        for number, indices in numbers:
            yield self._fetch(key, number, indices)

    def _prefetched(self, numbers: Iterable[tuple[int, Any]], key: int) -> Iterator[Any]:
        waiting: deque[Future[Any]] = deque()
        failure: list[Exception] = []
        with ThreadPoolExecutor(self.num_workers, thread_name_prefix="fastnn-data") as pool:
            try:
                for number, indices in _until_failure(numbers, failure):
                    waiting.append(pool.submit(self._fetch, key, number, indices))
                    if len(waiting) > self.num_workers * self.prefetch_factor:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for batch in waiting:
                    batch.cancel()
        if failure:
            raise failure[0]


def _check_order(argument: str, given: Any, dataset: Any) -> None:
    """Refuse an order that ends with the first pass, or that goes with a dataset of another length."""
    order("DataLoader", argument, given)
    source, drawn = getattr(given, "data_source", None), getattr(given, "weights", None)
    size = len(dataset) if hasattr(dataset, "__len__") else None
    if size is None:
        return
    if isinstance(given, WeightedRandomSampler) and drawn is not None and len(drawn) != size:
        raise ValueError(f"DataLoader: expected a weight for each of {size} samples, got {len(drawn)}")
    if isinstance(given, (SequentialSampler, RandomSampler)) and source is not None and len(source) > size:
        raise ValueError(f"DataLoader: expected a {argument} of at most {size} samples, got one of {len(source)}")


def _until_failure(numbers: Iterable[tuple[int, Any]], failure: list[Exception]) -> Iterator[tuple[int, Any]]:
    """What a sampler yields; an error of its own is kept until the batches before it have been yielded."""
    try:
        yield from numbers
    except Exception as error:
        failure.append(error)
