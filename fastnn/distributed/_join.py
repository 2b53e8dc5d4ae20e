"""Joining along one binary tree over the shards: first those of a process, then processes by recursive doubling."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .._check import Array
from ._engine import Engine

OK, ABSENT, FAILED = 0.0, 1.0, 2.0


class Post(NamedTuple):
    """What a shard brings to a meeting; no values if it has no samples."""

    name: str
    kind: str
    values: Array | None


def _sum(a: Array, b: Array) -> Array:
    return a + b


def _range(a: Array, b: Array) -> Array:
    """Least values, then the negatives of the greatest."""
    return np.minimum(a, b)


def _moments(a: Array, b: Array) -> Array:
    """Count, means, and sums of squared deviations of two parts together (Chan, Golub, LeVeque 1979)."""
    c = len(a) // 2
    before, more = a[0], b[0]
    delta = b[1 : c + 1] - a[1 : c + 1]
    mean = a[1 : c + 1] + delta * (more / (before + more))
    m2 = a[c + 1 :] + b[c + 1 :] + delta * delta * (before * more / (before + more))
    return np.concatenate([[before + more], mean, m2])


KINDS: dict[str, Callable[[Array, Array], Array]] = {"sum": _sum, "moments": _moments, "range": _range}


class WorkerError(RuntimeError):
    """An error on another worker, which ends the step on all of them."""


def of_pair(a: Any, b: Any, merge: Callable[[Any, Any], Any]) -> Any:
    """Two neighbours of the tree; one that is absent is skipped."""
    return b if a is None else a if b is None else merge(a, b)


def over_tree(values: Sequence[Any], merge: Callable[[Any, Any], Any]) -> Any:
    """Join neighbours, then neighbours of these, up to the root; there are 2^n."""
    values = list(values)
    while len(values) > 1:
        values = [of_pair(values[i], values[i + 1], merge) for i in range(0, len(values), 2)]
    return values[0]


def peers(engine: Engine) -> list[int]:
    """Whom a worker exchanges with: neighbours, then those of neighbouring pairs, up to the halves."""
    return [engine.rank ^ (1 << level) for level in range(engine.size.bit_length() - 1)]


class Joint:
    """Joins small vectors of all shards; every worker has the same result, or the same error."""

    def __init__(self, engine: Engine):
        self.engine = engine

    def __call__(self, posts: list[Post]) -> Array:
        """Join the posts of a process's shards with those of the others."""
        name, kind, _ = posts[0]
        others = [each for each in posts if each[:2] != (name, kind)]
        sizes = {len(each.values) for each in posts if each.values is not None}
        if others or len(sizes) > 1:
            what = f"{others[0].name} beside {name}" if others else f"{name} of {' and '.join(map(str, sizes))} values"
            raise ValueError(f"distributed: expected the same calls for every shard, got {what}")
        with np.errstate(all="ignore"):
            own = over_tree([each.values for each in posts], KINDS[kind])
            return self._over_workers(name, kind, own)

    def _over_workers(self, name: str, kind: str, values: Array | None) -> Array:
        code, failure = float(zlib.crc32(f"{name} {kind}".encode())), ""
        for peer in peers(self.engine):
            reply = self.engine.exchange(_message(code, values, failure), peer)
            status, other, payload = reply[0], reply[1], reply[2:]
            if failure:
                continue
            if status == FAILED:
                failure = payload.astype(np.uint8).tobytes().decode()
            elif other != code or (status == OK and values is not None and len(payload) != len(values)):
                failure = f"worker {self.engine.rank} is at {name}, worker {peer} at another call or of other sizes"
            else:
                theirs = payload if status == OK else None
                left, right = (values, theirs) if self.engine.rank < peer else (theirs, values)
                values = of_pair(left, right, KINDS[kind])
        if failure:
            raise WorkerError(f"distributed: {failure}")
        assert values is not None
        return values

    def fail(self, error: BaseException) -> None:
        """Tell the other workers, at their next meeting, that this one cannot come."""
        text = f"worker {self.engine.rank} failed: {type(error).__name__}: {error}"
        for peer in peers(self.engine):
            self.engine.exchange(_message(0.0, None, text), peer)

    def allgather(self, data: bytes) -> list[bytes]:
        """Every worker's bytes, in their order."""
        blocks = [data]
        for peer in peers(self.engine):
            lengths = np.array([len(blocks), *map(len, blocks)], np.int64).tobytes()
            reply = self.engine.exchange(np.frombuffer(lengths + b"".join(blocks), np.uint8), peer).tobytes()
            count = int(np.frombuffer(reply, np.int64, 1)[0])
            ends = np.cumsum(np.frombuffer(reply, np.int64, count + 1)[1:]) + 8 * (count + 1)
            theirs = [reply[a:b] for a, b in zip([8 * (count + 1), *ends[:-1]], ends, strict=True)]
            blocks = blocks + theirs if self.engine.rank < peer else theirs + blocks
        return blocks


def _message(code: float, values: Array | None, failure: str) -> Array:
    if failure:
        return np.concatenate([[FAILED, 0.0], np.frombuffer(failure.encode(), np.uint8).astype(np.float64)])
    return np.concatenate([[ABSENT, code]] if values is None else [[OK, code], values])
