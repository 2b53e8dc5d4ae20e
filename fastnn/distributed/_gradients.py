"""Gradients of all shards, joined along the tree, bucket by bucket while others are still computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np

from .. import _core
from .._check import Array
from ..autograd import Tensor
from ._engine import Engine
from ._join import of_pair, peers

BUCKET = 1 << 22  # bytes


class _Sum:
    """The sum of one parameter's gradients: two neighbours in the tree are added once both have come."""

    def __init__(self, shards: int):
        self.shards, self.come = shards, 0
        self.nodes: dict[tuple[int, int], Array] = {}  # by level and place of the tree

    def add(self, shard: int, gradient: Array) -> bool:
        """Take a shard's gradient; return whether it was the last one."""
        level, place, value = 0, shard, gradient
        while (level, place ^ 1) in self.nodes:
            other = self.nodes.pop((level, place ^ 1))
            left, right = (other, value) if place & 1 else (value, other)
            value = np.add(left, right, out=_own(level, left))
            level, place = level + 1, place >> 1
        self.nodes[level, place] = value
        self.come += 1
        return self.come == self.shards

    def total(self) -> Array | None:
        """The sum of the gradients that have come, or None."""
        if len(self.nodes) == 1:
            return next(iter(self.nodes.values()))
        level, width = 0, self.shards
        values: list[Array | None] = [self.nodes.get((0, i)) for i in range(width)]
        while width > 1:
            level, width = level + 1, width // 2
            pairs = ((values[2 * i], values[2 * i + 1]) for i in range(width))
            values = [self.nodes.get((level, i), of_pair(*pair, np.add)) for i, pair in enumerate(pairs)]
        return values[0]


def _own(level: int, array: Array) -> Array | None:
    """The array if it can be added to in place: a sum; a gradient itself may share memory with others."""
    return array if level and array.ndim else None


class _Bucket:
    """Parameters of one dtype whose gradients travel side by side, each with a flag of whether there is one."""

    def __init__(self, parameters: list[Tensor]):
        self.parameters = parameters
        self.missing = len(parameters)
        self.ends = np.cumsum([each.size for each in parameters]).tolist()
        self.travelling: Future[Array] | None = None

    def packed(self, sums: dict[Tensor, _Sum]) -> Array:
        """The vector that is sent: gradients, then flags."""
        flat = _core.empty((self.ends[-1] + len(self.parameters),), self.parameters[0].dtype)
        for i, (each, end) in enumerate(zip(self.parameters, self.ends, strict=True)):
            total = sums[each].total()
            flat[self.ends[-1] + i] = total is not None
            part = flat[end - each.size : end]
            if total is None:
                part[...] = 0
            else:
                part[...] = total.reshape(-1)
            sums[each].nodes.clear()
        return flat

    def merge(self, flat: Array, other: Array) -> None:
        """Add another subtree's vector in place."""
        whole = self.ends[-1]
        here, there = flat[whole:] != 0, other[whole:] != 0
        with np.errstate(all="ignore"):
            if here.all() and there.all():
                np.add(flat[:whole], other[:whole], out=flat[:whole])
                return
            for each, end, own, its in zip(self.parameters, self.ends, here, there, strict=True):
                part = slice(end - each.size, end)
                if own and its:
                    flat[part] += other[part]
                elif its:
                    flat[part] = other[part]
        flat[whole:] = here | there

    def results(self, flat: Array) -> list[Array | None]:
        """The gradients as views of the vector, None where the flag is 0."""
        there = flat[self.ends[-1] :] != 0
        return [
            flat[end - each.size : end].reshape(each.shape) if own else None
            for each, end, own in zip(self.parameters, self.ends, there, strict=True)
        ]


class Gradients:
    """The gradients of one step of a process's shards.

    Where there is `submit`, which runs functions in another thread one by one, they travel during the backward pass.
    """

    def __init__(
        self, parameters: Sequence[Tensor], shards: int, engine: Engine, submit: Callable[..., Future[Array]] | None
    ):
        self.engine, self.submit = engine, submit
        self.sums = {each: _Sum(shards) for each in parameters}
        self.buckets = _buckets(parameters)
        self.bucket_of = {each: bucket for bucket in self.buckets for each in bucket.parameters}
        self.sent = 0

    def add(self, shard: int, leaf: Any, gradient: Array) -> None:
        """Take a shard's gradient of a parameter."""
        if leaf not in self.sums:
            raise ValueError(
                f"distributed: expected gradients of the model's and the loss's parameters alone, got one of shape "
                f"{leaf.shape}"
            )
        if self.sums[leaf].add(shard, gradient):
            self.bucket_of[leaf].missing -= 1
            while self.submit is not None and self.sent < len(self.buckets) and not self.buckets[self.sent].missing:
                self._send()

    def _send(self, failed: bool = False) -> None:
        bucket = self.buckets[self.sent]
        self.sent += 1
        flat = np.empty(0, bucket.parameters[0].dtype) if failed else bucket.packed(self.sums)
        if self.submit is not None:
            bucket.travelling = self.submit(self._travel, bucket, flat)
        else:
            bucket.travelling = Future()
            bucket.travelling.set_result(self._travel(bucket, flat))

    def _travel(self, bucket: _Bucket, flat: Array) -> Array:
        """Recursive doubling; an empty vector says that a worker has failed."""
        for peer in peers(self.engine):
            other = self.engine.exchange(flat, peer)
            if len(other) == len(flat):
                if len(flat):
                    bucket.merge(flat, other)
            else:
                flat = flat[:0]
        return flat

    def joined(self) -> list[tuple[Tensor, Array]] | None:
        """(parameter, gradient) where there is one; None if another worker has failed."""
        while self.sent < len(self.buckets):
            self._send()
        vectors = [bucket.travelling.result() for bucket in self.buckets if bucket.travelling is not None]
        if not all(len(each) for each in vectors):
            return None
        return [
            (parameter, gradient)
            for bucket, vector in zip(self.buckets, vectors, strict=True)
            for parameter, gradient in zip(bucket.parameters, bucket.results(vector), strict=True)
            if gradient is not None
        ]

    def give_up(self) -> None:
        """Send an empty vector for what was not sent, so that no other worker waits."""
        while self.sent < len(self.buckets):
            self._send(failed=True)
        for bucket in self.buckets:
            if bucket.travelling is not None:
                bucket.travelling.result()


def _buckets(parameters: Sequence[Tensor]) -> list[_Bucket]:
    """Parameters from the last to the first, as their gradients come, in buckets of one dtype."""
    found: list[list[Tensor]] = []
    size = 0
    for each in reversed(parameters):
        if not found or found[-1][0].dtype != each.dtype or size + each.data.nbytes > BUCKET:
            found.append([])
            size = 0
        found[-1].append(each)
        size += each.data.nbytes
    return [_Bucket(each) for each in found]
