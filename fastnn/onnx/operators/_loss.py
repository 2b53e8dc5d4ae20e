"""Loss functions, which occur in training graphs."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..._check import Array
from ._normalization import log_softmax
from ._table import operator


@operator("NegativeLogLikelihoodLoss")
def negative_log_likelihood(
    x: Array, target: Array, weight: Array | None = None, *, ignore_index: int | None = None, reduction: str = "mean"
) -> Any:
    kept = np.ones(target.shape, bool) if ignore_index is None else target != ignore_index
    safe = np.where(kept, target, 0).astype(np.int64)
    weights = (np.ones(x.shape[1], x.dtype) if weight is None else weight)[safe] * kept
    losses = -np.squeeze(np.take_along_axis(x, np.expand_dims(safe, 1), 1), 1) * weights
    if reduction == "none":
        return losses.astype(x.dtype)
    total = losses.sum(dtype=np.float64)
    return np.asarray(total / weights.sum(dtype=np.float64) if reduction == "mean" else total, x.dtype)


@operator("SoftmaxCrossEntropyLoss")
def softmax_cross_entropy(
    x: Array, target: Array, weight: Array | None = None, *, ignore_index: int | None = None, reduction: str = "mean"
) -> Any:
    logs = log_softmax(x, axis=1)
    return negative_log_likelihood(logs, target, weight, ignore_index=ignore_index, reduction=reduction), logs
