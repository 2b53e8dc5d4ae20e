"""The random numbers of the batch that a thread is making.

Each batch of a pass has a stream of its own, a function of the pass's key and the batch's number: so augmentation gives
the same images whichever worker makes them, and in whichever order.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from .._random import RNG, generator


class _Now(threading.local):
    seed: tuple[int, int] | None = None
    rng: np.random.Generator | None = None


_now = _Now()


@contextmanager
def batch_stream(key: int, number: int) -> Iterator[None]:
    """Transforms of this thread draw from the batch's stream while this lasts."""
    before = _now.seed, _now.rng
    _now.seed, _now.rng = (key, number), None
    try:
        yield
    finally:
        _now.seed, _now.rng = before


def stream(name: str, rng: RNG) -> np.random.Generator:
    """`rng` as a Generator; None is the batch's own stream in a loader, the package's generator elsewhere."""
    if rng is None and _now.seed is not None:
        if _now.rng is None:  # made when first asked for: most batches need none
            _now.rng = np.random.default_rng(_now.seed)
        return _now.rng
    return generator(name, rng)
