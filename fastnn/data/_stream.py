"""The random numbers of the batch that a thread is making.

Each batch of a pass has a stream of its own, a function of the pass's key and the batch's number: so that augmentation
gives the same images whichever worker makes them, in any order.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import numpy as np

from .._random import RNG, generator


class _Now(threading.local):
    seed: tuple[int, int] | None = None
    rng: np.random.Generator | None = None  # made when first needed


_now = _Now()


@contextmanager
def _drawing(seed: tuple[int, int] | None, rng: np.random.Generator | None) -> Iterator[None]:
    before = _now.seed, _now.rng
    _now.seed, _now.rng = seed, rng
    try:
        yield
    finally:
        _now.seed, _now.rng = before


def batch_stream(key: int, number: int) -> AbstractContextManager[None]:
    """A block in which transforms of this thread draw from the batch's stream."""
    return _drawing((key, number), None)


def drawing_from(rng: np.random.Generator) -> AbstractContextManager[None]:
    """A block in which transforms of this thread without an `rng` of their own draw from this one."""
    return _drawing(None, rng)


def stream(name: str, rng: RNG) -> np.random.Generator:
    """`rng` as a Generator; None is the batch's own stream in a loader, the package's generator elsewhere."""
    if rng is None and _now.rng is None and _now.seed is not None:
        _now.rng = np.random.default_rng(_now.seed)
    return generator(name, rng) if rng is not None or _now.rng is None else _now.rng
