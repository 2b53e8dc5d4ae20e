"""The reductions of losses: each value, the sum, or the mean."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _check, _shard
from .._check import Array
from .._core import ops

REDUCTIONS = ("none", "mean", "sum")


def reduced(losses: Array, shape: tuple[int, ...], dtype: Any, reduction: str, divisor: float) -> Array:
    """The losses in their shape, their sum, or the sum over the divisor; the mean of nothing is NaN."""
    if reduction == "none":
        return _check.finish(losses.reshape(shape), dtype, None)
    total = ops.sum(losses, losses.size) if losses.size else 0.0
    total, divisor = _shard.loss_of(total, divisor)
    if reduction == "mean":
        total = total / divisor if divisor else np.nan
    return _check.finish(np.array(total), dtype, None)


def shared_out(name: str, dy: Any, shape: tuple[int, ...], dtype: Any, reduction: str, divisor: float) -> Array:
    """The gradient of each loss, a vector, from dy, that of the result of `reduced`."""
    gradient = _check.as_float(name, dy, "dy").astype(np.float64)
    expected = shape if reduction == "none" else ()
    if gradient.shape != expected:
        raise ValueError(f"{name}: expected dy of shape {expected} for reduction {reduction!r}, got {gradient.shape}")
    with np.errstate(all="ignore"):  # the mean over nothing: NaN, as the loss
        if reduction != "none":
            gradient = gradient / np.float64(_shard.divisor_of(reduction, divisor))
        return _check.contiguous(np.broadcast_to(gradient.reshape(-1), (math.prod(shape),)), dtype=dtype)
