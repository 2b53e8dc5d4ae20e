"""Loss and metrics over batches: the one place that adds them up, for training and for evaluation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from typing import Any

import numpy as np

from ..autograd import value_of
from ..metrics import Metric
from ._batches import none_came, pairs


def number_of(method: str, loss: Any) -> float:
    """A loss as a float."""
    value = value_of(loss)
    if np.size(value) != 1 or np.asarray(value).dtype.kind not in "biuf":
        got = f"shape {np.shape(value)}" if isinstance(value, np.ndarray) else f"a {type(loss).__name__}"
        raise TypeError(f"{method}: expected criterion to return one real number, got {got}")
    return float(np.asarray(value).item())


class Measures:
    """The mean of the batches' losses, weighted by their sizes, and metrics of all that was gathered."""

    def __init__(self, metrics: Mapping[str, Metric]):
        self.metrics = metrics
        self.total, self.count = 0.0, 0
        for metric in metrics.values():
            metric.reset()

    def update(self, loss: float, output: Any, target: Any, size: int) -> None:
        """Gather a batch."""
        for metric in self.metrics.values():
            metric.update(output, target)
        self.total, self.count = self.total + loss * size, self.count + size

    @property
    def loss(self) -> float:
        """The mean so far."""
        return self.total / self.count if self.count else math.nan

    def compute(self) -> dict[str, Any]:
        """Return "loss" and the metrics' values, scalars as floats."""
        values = {name: metric.compute() for name, metric in self.metrics.items()}
        return {"loss": self.loss} | {
            name: float(value) if np.ndim(value) == 0 else value for name, value in values.items()
        }


def measure(
    method: str,
    forward: Callable[[Any], Any],
    criterion: Callable[..., Any],
    metrics: Mapping[str, Metric],
    data: Iterable[Any],
) -> Measures:
    """Loss and metrics of what `forward` makes of each batch; `method` is named in errors."""
    measures = Measures(metrics)
    with closing(pairs(method, data)) as batches:
        for _, input, target, size in batches:
            output = forward(input)
            measures.update(number_of(method, criterion(output, target)), output, target, size)
    if not measures.count:
        raise none_came(method)
    return measures
