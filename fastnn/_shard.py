"""Shards: what a function that mixes or counts samples knows of the whole batch while its thread computes a part of it.

`now.shard` of a thread is None, or the shard that it computes (see `fastnn.distributed`).
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import _check
from ._check import Array
from ._scope import Scope


class Shard(NamedTuple):
    """A part of a batch: samples start .. start + size - 1 of `total`.

    present : False if it has no samples of its own: it computes another's, only to be there when values are joined
    parts : how many shards have samples
    rng : in place of the package's generator, if not None
    meet : called with a name, a kind of joining and values; returns the joined values of all shards
    """

    start: int
    size: int
    total: int
    present: bool
    parts: int
    rng: np.random.Generator | None
    meet: Callable[[str, str, Array | None], Array]

    def joined(self, name: str, kind: str, *values: Any) -> list[Array]:
        """Numbers and vectors of all shards, joined ("sum" or "moments"), each as it was given."""
        vectors = [np.atleast_1d(np.asarray(each, np.float64)) for each in values]
        whole = self.meet(name, kind, np.concatenate(vectors) if self.present else None)
        parts = np.split(whole, np.cumsum([len(each) for each in vectors])[:-1])
        return [part if np.ndim(each) else part[0] for part, each in zip(parts, values, strict=True)]


class _Now(threading.local):
    """What a thread computes, and the dimension of arrays that holds samples."""

    shard: Shard | None = None
    sample_axis: int | None = 0


now = _Now()


def moments(shard: Shard, name: str, count: int, mean: Array, var: Array) -> tuple[int, Array, Array]:
    """Count, mean and biased variance of each channel over all shards (Chan, Golub, LeVeque 1979)."""
    m, mean, m2 = shard.joined(name, "moments", float(count), mean, var * count)
    return int(m), mean, m2 / m


def loss_of(total: Any, divisor: Any, samples: bool = True) -> tuple[Any, Any]:
    """Numerator and denominator of a loss, summed over all shards; without `samples` they are returned as given."""
    shard = now.shard if samples else None
    if shard is not None:
        total, divisor = shard.joined("loss", "sum", float(total), float(divisor))
    return total, divisor


def divisor_of(reduction: str, divisor: float, fixed: float = 1.0, samples: bool = True) -> Any:
    """What a loss's gradient is divided by: the mean's divisor over all shards, or for a sum `fixed`.

    Each of n shards starts its backward pass with 1 / n of the loss, so that a penalty, the same in all, counts once;
    a loss of its samples makes up for that by a divisor n times smaller.
    """
    shard = now.shard if samples else None
    if shard is None:
        return divisor if reduction != "sum" else fixed
    whole = fixed if reduction == "sum" else shard.joined("loss's divisor", "sum", float(divisor))[0]
    return np.float64(whole) / shard.parts


def place(name: str, shape: tuple[int, ...], leading: int) -> tuple[int, int, int]:
    """Where the parts of a shard's array, one for each index of the leading dimensions, lie in the whole batch.

    Returns first, run, skip: part i is number first + i + (i // run) * skip of the whole; run 0: the array is whole.
    """
    shard, axis = now.shard, now.sample_axis
    if shard is None or axis is None:
        return 0, 0, 0
    each, rest = divmod(shape[axis], shard.size) if axis < leading else (0, 1)
    if rest or not each:
        raise ValueError(
            f"{name}: expected dimension {axis} to hold {shard.size} samples, or several places for each, got shape "
            f"{shape}; fastnn.distributed.sample_axis says which dimension does"
        )
    inner = each * math.prod(shape[axis + 1 : leading])
    return shard.start * inner, shard.size * inner, (shard.total - shard.size) * inner


def refuse(name: str, what: str) -> None:
    """Refuse what depends on samples and is not joined over shards."""
    if now.shard is not None:
        raise ValueError(f"{name}: expected no {what} in training by shards, which do not join it")


def sample_axis(axis: int | None) -> Scope[int | None]:
    """Say which dimension of arrays holds the samples, inside a `with` block or in a function so decorated.

    Dropout under `fastnn.distributed` numbers elements by their place in the whole batch.  It takes dimension 0 unless
    told otherwise; recurrent layers, attention and transformers say so themselves.

    Parameters
    ----------
    axis : int or None
        None for arrays without samples, such as weights: every shard draws the same mask, and a loss of two such
        arrays counts once, as a penalty does.

    Examples
    --------
    >>> import fastnn
    >>> with fastnn.distributed.sample_axis(1):  # (T, N, C)
    ...     y = fastnn.dropout(np.ones((5, 2, 3)))
    """
    return Scope("sample_axis", _swap, None if axis is None else _check.count("sample_axis", "axis", axis))


def _swap(axis: int | None) -> int | None:
    before, now.sample_axis = now.sample_axis, axis
    return before
