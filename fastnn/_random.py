"""Random numbers: one generator for the package, never NumPy's global one, and the keys of dropout masks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np

from . import _check
from ._core import mode
from ._shard import now

RNG: TypeAlias = "int | np.random.SeedSequence | np.random.Generator | None"

_default: np.random.Generator | None = None  # made when first asked for: importing numpy.random takes its time


def manual_seed(seed: int) -> None:
    """Seed the package's own generator, which initialisers and dropout use when they are given no `rng`.

    Parameters
    ----------
    seed : int
        Not negative.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.manual_seed(0)
    >>> first = fastnn.dropout([1.0] * 8)
    >>> fastnn.manual_seed(0)
    >>> bool((fastnn.dropout([1.0] * 8) == first).all())
    True
    """
    global _default
    _default = np.random.default_rng(_check.count("manual_seed", "seed", seed))


def get_rng_state() -> dict[str, Any]:
    """Return the state of the package's own generator, to be saved in a checkpoint.

    Examples
    --------
    >>> import fastnn
    >>> state = fastnn.get_rng_state()
    >>> first = fastnn.dropout([1.0] * 8)
    >>> fastnn.set_rng_state(state)
    >>> bool((fastnn.dropout([1.0] * 8) == first).all())
    True
    """
    return dict(_own().bit_generator.state)


def set_rng_state(new_state: dict[str, Any]) -> None:
    """Go on from a state that `get_rng_state` returned."""
    try:
        _own().bit_generator.state = new_state
    except (TypeError, ValueError, KeyError) as error:
        raise ValueError(f"set_rng_state: expected what get_rng_state returned, got {new_state!r}") from error


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """A block in which the package's own generator starts from a seed; afterwards it is where it was."""
    state = get_rng_state()
    manual_seed(seed)
    try:
        yield
    finally:
        set_rng_state(state)


def _own() -> np.random.Generator:
    global _default
    if now.shard is not None and now.shard.rng is not None:
        return now.shard.rng
    if _default is None:
        _default = np.random.default_rng()
    return _default


def generator(name: str, rng: RNG) -> np.random.Generator:
    """`rng` as a Generator; None is the package's own."""
    if rng is None:
        return _own()
    if isinstance(rng, (bool, np.bool_)) or not isinstance(
        rng, (int, np.integer, np.random.SeedSequence, np.random.Generator)
    ):
        raise TypeError(
            f"{name}: expected rng to be None, an integer, a SeedSequence or a Generator, got {type(rng).__name__}"
        )
    if isinstance(rng, (int, np.integer)):
        return np.random.default_rng(_check.count(name, "rng", rng))
    return np.random.default_rng(rng)


def forward_key(name: str, rng: Any) -> int:
    """The key of the forward call, for its backward twin; what would draw a new key is refused."""
    if rng is None or isinstance(rng, (bool, np.bool_)) or not isinstance(rng, (int, np.integer)):
        raise TypeError(f"{name}: expected rng to be the key of the forward call, an integer, got {type(rng).__name__}")
    return key(name, rng)


def key(name: str, rng: Any) -> int:
    """The 64-bit key of a mask: an integer below 2^64 is the key itself, anything else gives one draw."""
    if type(rng) is int and 0 <= rng < 2**64:
        return rng
    if rng is None:
        return _drawn(None, int(_own().bit_generator.random_raw()))
    if isinstance(rng, (int, np.integer)) and not isinstance(rng, (bool, np.bool_)):
        value = _check.count(name, "rng", rng)
        if value < 2**64:
            return value
    return _drawn(rng, int(generator(name, rng).integers(2**64, dtype=np.uint64)))


def _drawn(rng: Any, value: int) -> int:
    """The key, noted for the recording of a compiled step if there is one."""
    if mode.draws is not None:
        mode.draws.append((rng, value))
    return value
