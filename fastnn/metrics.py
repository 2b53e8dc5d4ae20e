"""Metrics: how good a network's outputs are, over one batch or gathered over many.

Called with a batch's output and target a metric returns its value; `update` gathers, `compute` returns the value of all
that was gathered, `reset` forgets it.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from . import _check
from ._check import Array
from .autograd import value_of

__all__ = ["Accuracy", "ConfusionMatrix", "MeanAbsoluteError", "Metric", "R2Score", "TopKAccuracy"]


def _arrays(name: str, output: Any, target: Any) -> tuple[Array, Array]:
    """Two arrays of real numbers, in their own types."""
    arrays = []
    for argument, value in (("output", value_of(output)), ("target", value_of(target))):
        array = _check.as_array(name, value, argument)
        if array.dtype.kind not in "biuf":
            raise TypeError(f"{name}: expected {argument} of real numbers, got dtype {array.dtype}")
        arrays.append(array)
    return arrays[0], arrays[1]


def _classes(name: str, output: Any, target: Any) -> tuple[Array, Array]:
    """Scores (N, C) and class indices (N,)."""
    scores, labels = _arrays(name, output, target)
    if scores.ndim != 2 or labels.shape != scores.shape[:1] or labels.dtype.kind not in "iu":
        raise ValueError(
            f"{name}: expected output (N, C) and integer target (N,), got shapes {scores.shape} and {labels.shape} "
            f"of dtypes {scores.dtype} and {labels.dtype}"
        )
    if labels.size and not 0 <= labels.min() <= labels.max() < scores.shape[1]:
        raise ValueError(
            f"{name}: expected target in [0, {scores.shape[1] - 1}], got values from {labels.min()} to {labels.max()}"
        )
    return scores, labels


class Metric:
    """Base class of metrics: a subclass defines `reset`, `update` and `compute`."""

    higher_is_better: ClassVar[bool] = True

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget what was gathered."""
        raise NotImplementedError(f"{type(self).__name__}: reset is not defined")

    def update(self, output: Any, target: Any) -> None:
        """Gather a batch."""
        raise NotImplementedError(f"{type(self).__name__}: update is not defined")

    def compute(self) -> Any:
        """Return the value of all that was gathered; NaN of nothing."""
        raise NotImplementedError(f"{type(self).__name__}: compute is not defined")

    def __call__(self, output: Any, target: Any) -> Any:
        """Return the value of one batch; what was gathered is forgotten."""
        self.reset()
        self.update(output, target)
        return self.compute()


class TopKAccuracy(Metric):
    """The share of samples whose class is among the k highest scores.

    Parameters
    ----------
    k : int
        At most the number of classes.

    Examples
    --------
    >>> TopKAccuracy(2)([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2]], [2, 2])
    0.5
    """

    def __init__(self, k: int):
        self.k = _check.count(type(self).__name__, "k", k, 1)
        super().__init__()

    def reset(self) -> None:
        """Forget what was gathered."""
        self.hits = self.count = 0

    def update(self, output: Any, target: Any) -> None:
        """Gather scores (N, C) and classes (N,).

        Of equal scores the class of the lower index comes first, and NaN before all of them, as `argmax` has it; a
        sample whose own class has NaN is not hit.
        """
        scores, labels = _classes(type(self).__name__, output, target)
        if scores.shape[1] < self.k:
            raise ValueError(
                f"{type(self).__name__}: expected scores of at least k = {self.k} classes, got shape {scores.shape}"
            )
        own = np.take_along_axis(scores, labels[:, None].astype(np.intp), 1)
        ahead = (scores > own) | ((scores == own) & (np.arange(scores.shape[1]) < labels[:, None])) | np.isnan(scores)
        self.hits += int(((ahead.sum(1) < self.k) & ~np.isnan(own[:, 0])).sum())
        self.count += len(labels)

    def compute(self) -> float:
        """Return the share."""
        return self.hits / self.count if self.count else float("nan")


class Accuracy(TopKAccuracy):
    """The share of samples whose class has the highest score.

    Outputs of integers are classes already.  Targets of the output's shape, 0 or 1, are taken label by label, a score
    above 0 being a yes; a column of scores is taken as a vector.

    Examples
    --------
    >>> Accuracy()([[0.1, 0.9], [0.8, 0.2]], [1, 1])
    0.5
    >>> Accuracy()([[2.0, -1.0]], [[1, 0]])
    1.0
    >>> Accuracy()([3, 1, 2], [3, 1, 1])
    0.6666666666666666
    """

    def __init__(self) -> None:
        super().__init__(1)

    def update(self, output: Any, target: Any) -> None:
        """Gather scores (N, C) and classes (N,), or scores and 0 or 1 of one shape, or classes and classes."""
        scores, labels = _arrays("Accuracy", output, target)
        if scores.ndim == labels.ndim + 1 and scores.shape[-1] == 1:
            scores = scores[..., 0]
        if scores.shape != labels.shape:
            super().update(scores, labels)
            return
        if scores.dtype.kind in "iub":
            if labels.dtype.kind == "f" and not (labels == np.floor(labels)).all():
                raise ValueError(
                    "Accuracy: expected targets that are classes, as the outputs are, got fractions or NaN"
                )
            hits = scores == labels
        else:
            if not ((labels == 0) | (labels == 1)).all():
                raise ValueError(f"Accuracy: expected targets of 0 or 1 for scores of their shape {scores.shape}")
            hits = ((scores > 0) == (labels == 1)) & ~np.isnan(scores)
        self.hits += int(hits.sum())
        self.count += scores.size


class ConfusionMatrix(Metric):
    """How many samples of class i (row) were taken for class j (column).

    Parameters
    ----------
    num_classes : int

    Examples
    --------
    >>> ConfusionMatrix(2)([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]], [1, 1, 1])
    array([[0, 0],
           [1, 2]])
    """

    def __init__(self, num_classes: int):
        self.num_classes = _check.count("ConfusionMatrix", "num_classes", num_classes, 1)
        super().__init__()

    def reset(self) -> None:
        """Forget what was gathered."""
        self.counts = np.zeros((self.num_classes, self.num_classes), np.int64)

    def update(self, output: Any, target: Any) -> None:
        """Gather scores (N, C) and classes (N,)."""
        scores, labels = _classes("ConfusionMatrix", output, target)
        n = self.num_classes
        if scores.shape[1] != n:
            raise ValueError(f"ConfusionMatrix: expected scores of {n} classes, got shape {scores.shape}")
        self.counts += np.bincount(labels.astype(np.int64) * n + scores.argmax(1), minlength=n * n).reshape(n, n)

    def compute(self) -> Array:
        """Return the counts."""
        return self.counts.copy()


class MeanAbsoluteError(Metric):
    """The mean of |output - target|; NaN if one of them is.

    Examples
    --------
    >>> MeanAbsoluteError()([1.0, 2.0], [1.0, 4.0])
    1.0
    """

    higher_is_better = False

    def reset(self) -> None:
        """Forget what was gathered."""
        self.total, self.count = 0.0, 0

    def update(self, output: Any, target: Any) -> None:
        """Gather outputs and targets of one shape."""
        values, wanted = _same("MeanAbsoluteError", output, target)
        with np.errstate(all="ignore"):  # of infinities it is NaN, or infinite
            self.total += float(np.abs(values - wanted).sum())
        self.count += values.size

    def compute(self) -> float:
        """Return the mean."""
        return self.total / self.count if self.count else float("nan")


class R2Score(Metric):
    """1 - (squared errors) / (squared deviations of the targets from their mean), the mean over outputs.

    Where the targets are constant it is 1 if they are met, else 0; where an output or a target is NaN it is NaN.
    Moments of batches are merged as they come (Chan, Golub, LeVeque 1979), counted from the first target, so that a
    large mean costs no digits.

    Examples
    --------
    >>> R2Score()([1.0, 2.0, 2.0], [1.0, 2.0, 3.0])
    0.5
    """

    def reset(self) -> None:
        """Forget what was gathered."""
        self.count = 0
        self.first = self.mean = self.squares = self.errors = np.zeros(1)

    def update(self, output: Any, target: Any) -> None:
        """Gather outputs and targets of one shape, (N,) or (N, outputs)."""
        values, wanted = _same("R2Score", output, target)
        if not values.size:
            return
        values, wanted = values.reshape(len(values), -1), wanted.reshape(len(wanted), -1)
        if not self.count:
            self.first = wanted[0]
        if wanted.shape[1] != len(self.first):
            raise ValueError(f"R2Score: expected {len(self.first)} outputs as before, got {wanted.shape[1]}")
        with np.errstate(all="ignore"):  # infinities make it NaN, or minus infinity
            values, wanted = values - self.first, wanted - self.first
            mean, n = wanted.mean(0), self.count + len(wanted)
            between = (mean - self.mean) ** 2 * (self.count * len(wanted) / n)
            self.squares = self.squares + ((wanted - mean) ** 2).sum(0) + between
            self.errors = self.errors + ((values - wanted) ** 2).sum(0)
            self.mean = self.mean + (mean - self.mean) * (len(wanted) / n)
        self.count = n

    def compute(self) -> float:
        """Return the score; NaN of fewer than two samples."""
        if self.count < 2:
            return float("nan")
        constant, unknown = self.squares == 0, np.isnan(self.errors)
        with np.errstate(all="ignore"):
            ratio = self.errors / np.where(constant, 1, self.squares)
        met = np.where(unknown, np.nan, self.errors == 0)
        return float(np.where(constant, met, 1 - ratio).mean())


def _same(name: str, output: Any, target: Any) -> tuple[Array, Array]:
    """Two arrays of one shape, in float64; a column counts as a vector."""
    values, wanted = (each.astype(np.float64) for each in _arrays(name, output, target))
    if values.ndim == wanted.ndim + 1 and values.shape[-1] == 1:
        values = values[..., 0]
    _check.same_shape(name, "output", values, "target", wanted)
    return np.atleast_1d(values), np.atleast_1d(wanted)
