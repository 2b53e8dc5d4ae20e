"""Memory of large results: what is kept for the next call, how much, and how to let go of it."""

from __future__ import annotations

import os
import sys
from typing import Any

from . import _check, _core

MOST = 2**30


def start() -> None:
    """Keep at most an eighth of the machine's memory, and no more than 1 GiB."""
    try:
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not every system tells
        machine = 8 * MOST
    _core.limit_memory(min(machine // 8, MOST))


def memory_stats(reset_peak: bool = False) -> dict[str, int]:
    """What the memory for large results holds.

    The memory of a result of 64 KB or more is kept when its last reference goes, and the next result of about that size
    gets it, without the system's clearing and mapping of fresh pages.

    Parameters
    ----------
    reset_peak : bool
        Let the peak start anew.

    Returns
    -------
    dict
        In bytes: "live" in use, "cached" kept for later, "peak" the most of both together so far, "limit" the most that
        may be kept.  "requests" and "hits": how many results were made, and how many from what was kept.

    Examples
    --------
    >>> sorted(memory_stats())
    ['cached', 'hits', 'limit', 'live', 'peak', 'requests']
    """
    return _core.memory_stats(bool(reset_peak))


def empty_cache() -> None:
    """Give what is kept for later back to the system; arrays in use are not touched.

    Examples
    --------
    >>> empty_cache()
    >>> memory_stats()["cached"]
    0
    """
    _core.empty_memory()


def set_cache_limit(limit: Any) -> int:
    """Set the most bytes that may be kept for later; 0 keeps nothing.

    What was used last longest ago goes first.  At the start the limit is an eighth of the machine's memory, or 1 GiB
    where that is less; and what no request has met in 4,096 requests goes in any case.

    Returns
    -------
    int
        The limit before.

    Examples
    --------
    >>> before = set_cache_limit(0)
    >>> set_cache_limit(before)
    0
    """
    before = _core.memory_stats(False)["limit"]
    _core.limit_memory(min(_check.count("set_cache_limit", "limit", limit), sys.maxsize))
    return before
