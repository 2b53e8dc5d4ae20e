"""Statistics of batches that can be merged: those of parts give the whole batch's."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from .. import _check
from .._check import Array
from ..functional._batch_norm import channel_statistics
from ._modes import evaluating
from ._module import Module
from .batch_norm import _BatchNorm

__all__ = ["BatchStats", "batch_stats", "merge_batch_stats", "recalibrate"]


class BatchStats(NamedTuple):
    """The number of values of each channel, their mean, and the sum of their squared deviations from it.

    Parameters
    ----------
    count : int
    mean, m2 : ndarray of float64, (C,)

    Examples
    --------
    >>> batch_stats([[1.0], [3.0]]).var
    array([1.])
    """

    count: int  # type: ignore[assignment]  # tuple has a method of this name
    mean: Array
    m2: Array

    @property
    def var(self) -> Array:
        """The biased variance m2 / count, by which a batch is normalized."""
        return self.m2 / self.count

    @property
    def unbiased_var(self) -> Array:
        """The unbiased variance m2 / (count - 1), which running statistics hold."""
        return self.m2 / (self.count - 1)


def batch_stats(input: Any) -> BatchStats:
    """Statistics of each channel of a batch.

    Parameters
    ----------
    input : array_like, (N, C, *)

    Returns
    -------
    BatchStats

    Raises
    ------
    ValueError
        If the input has fewer than 2 dimensions or no values.

    Examples
    --------
    >>> batch_stats([[1.0, 5.0], [3.0, 5.0]])
    BatchStats(count=2, mean=array([2., 5.]), m2=array([2., 0.]))
    """
    count, mean, var = channel_statistics("batch_stats", input)
    return BatchStats(count, mean, var * count)


def merge_batch_stats(*parts: BatchStats) -> BatchStats:
    """Statistics of all parts' values together (Chan, Golub, LeVeque 1983).

    The result is the whole batch's to a few float64 roundings, however it was cut; the order of the parts decides the
    last bits.

    Parameters
    ----------
    *parts : BatchStats
        Of the same channels; from `batch_stats`, or made of the numbers of another process.

    Returns
    -------
    BatchStats

    Raises
    ------
    ValueError
        If there is no part, a count is below 1, or the channels differ.

    Examples
    --------
    >>> a, b = batch_stats([[1.0], [3.0]]), batch_stats([[5.0], [7.0]])
    >>> merge_batch_stats(a, b)
    BatchStats(count=4, mean=array([4.]), m2=array([20.]))
    """
    if not parts:
        raise ValueError("merge_batch_stats: expected one part or more, got none")
    count, mean, m2 = 0, np.zeros(0), np.zeros(0)
    for i, part in enumerate(parts):
        number = _check.count("merge_batch_stats", f"count of part {i}", part[0], 1)
        other, spread = (np.asarray(each, np.float64) for each in part[1:])
        if other.ndim != 1 or spread.shape != other.shape or (i and other.shape != mean.shape):
            raise ValueError(
                f"merge_batch_stats: expected mean and m2 of {len(mean) if i else 'C'} channels, "
                f"got shapes {other.shape} and {spread.shape} in part {i}"
            )
        if not i:
            count, mean, m2 = number, other.copy(), spread.copy()
            continue
        delta = other - mean
        total = count + number
        mean = mean + delta * (number / total)
        m2 = m2 + spread + delta * delta * (count * (number / total))
        count = total
    return BatchStats(count, mean, m2)


@contextlib.contextmanager
def _collecting(model: Module, layers: list[Any]) -> Iterator[dict[int, BatchStats]]:
    """A block that counts inputs of `layers`, which alone train in it; it restores modes and statistics."""
    found: dict[int, BatchStats] = {}
    kept = [dict(layer._buffers) for layer in layers]

    def count(layer: Any, inputs: tuple[Any, ...]) -> None:
        part = batch_stats(inputs[0])
        before = found.get(id(layer))
        found[id(layer)] = part if before is None else merge_batch_stats(before, part)

    handles = [layer.register_forward_pre_hook(count) for layer in layers]
    try:
        with evaluating(model):
            for layer, buffers in zip(layers, kept, strict=True):
                layer.train()
                copies = {name: None if value is None else value.copy() for name, value in buffers.items()}
                layer._buffers.update(copies)
            yield found
    finally:
        for handle in handles:
            handle.remove()
        for layer, buffers in zip(layers, kept, strict=True):
            layer._buffers.update(buffers)


def recalibrate(model: Module, batches: Iterable[Any]) -> None:
    """Give every batch-norm layer the statistics of its inputs over all batches.

    For use after averaging weights, or to replace running averages by the data's statistics.  Batch-norm layers
    normalize by each batch as in training, everything else (dropout too) runs as in evaluation; no gradients, one
    pass.  Batches count by their sizes, unlike in the plain average of `torch.optim.swa_utils.update_bn`.

    Parameters
    ----------
    model : Module
    batches : iterable
        Of inputs, or of tuples and lists whose first item is the input.

    Raises
    ------
    ValueError
        If there are no batches, or a layer met at most one value per channel; then the layers are unchanged.
    FloatingPointError
        If a layer's input is not finite.

    Examples
    --------
    >>> from fastnn import nn
    >>> layer = nn.BatchNorm1d(1)
    >>> recalibrate(nn.Sequential(layer), [[[1.0], [3.0]], [[5.0], [7.0]]])
    >>> layer.running_mean, layer.running_var.round(3)
    (array([4.], dtype=float32), array([6.667], dtype=float32))
    """
    layers = [
        module for module in model.modules() if isinstance(module, _BatchNorm) and module.running_mean is not None
    ]
    number = 0
    with _collecting(model, layers) as found:
        for batch in batches:
            model(batch[0] if isinstance(batch, (list, tuple)) and not _is_numbers(batch) else batch)
            number += 1
    if not number:
        raise ValueError("recalibrate: expected one batch or more, got none")
    for layer in layers:
        stats = found.get(id(layer))
        if stats is None or stats.count < 2:
            met = 0 if stats is None else stats.count
            raise ValueError(f"recalibrate: expected 2 or more values per channel, a {type(layer).__name__} met {met}")
        if not (np.isfinite(stats.mean).all() and np.isfinite(stats.m2).all()):
            raise FloatingPointError(f"recalibrate: expected finite values, a {type(layer).__name__} met NaN or inf")
    for layer in layers:
        stats = found[id(layer)]
        layer.running_mean[...] = stats.mean
        layer.running_var[...] = stats.unbiased_var
        if layer.num_batches_tracked is not None:
            layer.num_batches_tracked[...] = number


def _is_numbers(batch: Any) -> bool:
    """Whether a list is one batch of numbers, not a pair of input and target."""
    try:
        return np.asarray(batch).dtype.kind in "biuf"
    except ValueError:
        return False
