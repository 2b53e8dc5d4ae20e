"""Connectionist temporal classification: the loss of a sequence whose labels are not aligned with its steps."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import _check
from .._check import Array
from .._core import ops
from .._dispatch import derivative, differentiable
from ._reduction import REDUCTIONS, reduced, shared_out

__all__ = ["ctc_loss", "ctc_loss_backward"]


class _Ctc(NamedTuple):
    """The checked arguments: log_probs (T, N, C) in the type to compute with, targets (N, S), lengths (N)."""

    name: str
    x: Array
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    targets: Array
    input_lengths: Array
    target_lengths: Array
    blank: int
    reduction: str
    zero_infinity: bool

    @property
    def sizes(self) -> tuple[int, ...]:
        """The ops' sizes: T, N, C, S, blank."""
        return (*self.x.shape, self.targets.shape[1], self.blank)

    @property
    def labels(self) -> Array:
        """The divisor of each loss before the mean is taken: the number of its labels, at least 1."""
        return np.maximum(self.target_lengths, 1).astype(np.float64) if self.reduction == "mean" else np.float64(1)

    def losses(self, *, keep: bool) -> tuple[Array, Array]:
        """The loss of each sequence, and the log-probabilities of paths: of all steps with `keep`, else of the last."""
        t, n, _, s, _ = self.sizes
        steps = t + 1 if keep else 2
        loss, alpha = np.empty(n), np.empty((n, steps, 2 + (2 * s // 8 + 1) * 8))
        if n:
            ops.ctc(loss, alpha, self.x, self.targets, self.input_lengths, self.target_lengths, *self.sizes, steps)
        return loss, alpha

    def reduced(self, loss: Array) -> Array:
        """The result of the reduction."""
        if self.zero_infinity:
            loss = np.where(loss == np.inf, 0, loss)
        return reduced(loss / self.labels, self.shape[1:-1], self.dtype, self.reduction, loss.size)

    def gradient(self, dy: Any, loss: Array, alpha: Array) -> Array:
        """Gradient of log_probs."""
        parts = shared_out(self.name, dy, self.shape[1:-1], np.float64, self.reduction, loss.size) / self.labels
        if self.zero_infinity:
            parts[loss == np.inf] = 0
        dx = np.empty(self.x.shape, self.x.dtype)
        if dx.size:
            lengths = (self.input_lengths, self.target_lengths)
            ops.ctc_backward(dx, parts, loss, alpha, self.x, self.targets, *lengths, *self.sizes)
        return _check.finish(dx.reshape(self.shape), self.dtype, None)


def _lengths(name: str, argument: str, value: Any, n: int, most: int, what: str) -> Array:
    """One length for each sequence."""
    array = _check.as_array(name, value, argument)
    if array.dtype.kind not in "iu" and array.size:
        raise TypeError(f"{name}: expected {argument} to be integers, got dtype {array.dtype}")
    if array.shape not in ((n,), ()):
        raise ValueError(f"{name}: expected {argument} of shape ({n},), got {array.shape}")
    wrong = (array < 0) | (array > most)
    if wrong.any():
        found = int(array.reshape(-1)[int(wrong.argmax())])
        raise ValueError(f"{name}: expected {argument} in [0, {most}], {what}, got {found}")
    return _check.contiguous(np.broadcast_to(array, (n,)), np.int64)


def _padded(name: str, targets: Any, lengths: Any, n: int, classes: int, blank: int) -> tuple[Array, Array]:
    """A copy of the labels as (N, S), and the number of labels of each row."""
    t = _check.as_array(name, targets, "targets")
    if t.dtype.kind not in "iu" and t.size:
        raise TypeError(f"{name}: expected targets to hold labels (integers), got dtype {t.dtype}")
    if t.ndim == 1 and n == 1:
        t = t.reshape(1, -1)
    if t.ndim == 2 and len(t) == n:
        counts = _lengths(name, "target_lengths", lengths, n, t.shape[1], "the second size of targets")
        width = int(counts.max(initial=0))
        live = np.arange(width) < counts[:, np.newaxis]
        padded = np.where(live, t[:, :width], 0)
    elif t.ndim == 1:
        counts = _lengths(name, "target_lengths", lengths, n, t.size, "the size of targets")
        if counts.sum() != t.size:
            raise ValueError(
                f"{name}: expected targets of {counts.sum()} labels, the sum of target_lengths, got {t.size}"
            )
        live = np.arange(counts.max(initial=0)) < counts[:, np.newaxis]
        padded = np.zeros(live.shape, np.int64)
        padded[live] = t
    else:
        raise ValueError(f"{name}: expected targets of shape ({n}, S), or (sum of target_lengths,), got {t.shape}")
    wrong = live & ((padded < 0) | (padded >= classes) | (padded == blank))
    if wrong.any():
        row, place = (int(each) for each in np.argwhere(wrong)[0])
        reason = ", the blank" if padded[row, place] == blank else ""
        raise ValueError(
            f"{name}: expected labels in [0, {classes - 1}] other than the blank {blank}, "
            f"got {padded[row, place]}{reason} at place {place} of sequence {row}"
        )
    return _check.contiguous(padded, np.int64), counts


def _checked(
    name: str,
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> _Ctc:
    x, dtype = _check.as_compute(name, log_probs, "log_probs")
    if x.ndim not in (2, 3):
        raise ValueError(f"{name}: expected log_probs (T, N, C) or (T, C), got shape {x.shape}")
    shape = x.shape
    x = x.reshape(shape[0], 1, shape[1]) if x.ndim == 2 else x
    steps, n, classes = x.shape
    _check.choice(name, "reduction", reduction, REDUCTIONS)
    if not 0 <= _check.count(name, "blank", blank, -(2**63)) < classes:
        raise ValueError(f"{name}: expected blank in [0, {classes - 1}], got {blank}")
    ends = [each if np.ndim(each) or n != 1 else np.reshape(each, 1) for each in (input_lengths, target_lengths)]
    counts = _lengths(name, "input_lengths", ends[0], n, steps, "the first size of log_probs")
    padded, lengths = _padded(name, targets, ends[1], n, classes, int(blank))
    if x.strides[2] != x.itemsize and x.size:  # kernels need the classes of a step contiguous
        x = _check.contiguous(x)
    return _Ctc(name, x, shape, dtype, padded, counts, lengths, int(blank), reduction, bool(zero_infinity))


@differentiable
def ctc_loss(
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Array:
    """Connectionist temporal classification: -log of the probability of all paths that read as the labels.

    A path has one class at each step; it reads as the labels once repeated classes and then blanks are taken out.

    Parameters
    ----------
    log_probs : array_like, (T, N, C) or (T, C)
        Logarithms of the classes' probabilities at each step, as `log_softmax` gives them.
    targets : array_like of int, (N, S) or (sum of target_lengths,)
        The labels of each sequence in a row of their own, with any padding behind them, or those of all sequences
        one after the other.
    input_lengths, target_lengths : int, or array_like of int, (N)
        How many steps and how many labels each sequence has; one number for all.
    blank : int
        The class that stands for no label.
    reduction : {"mean", "sum", "none"}
        "mean" divides each loss by the number of its labels, at least 1, before it takes the mean over the sequences.
    zero_infinity : bool
        Loss and gradient of sequences that are too short for their labels are 0, not inf and NaN.

    Returns
    -------
    ndarray
        A scalar, or (N), or, of log_probs (T, C), () for "none".

    Raises
    ------
    ValueError
        If shapes do not fit, a length is out of range, or a label is no class or the blank.
    TypeError
        If labels or lengths are no integers.

    Notes
    -----
    Graves, Fernandez, Gomez, Schmidhuber 2006, "Connectionist temporal classification".  Sums over paths are taken in
    double as logarithms, whatever the type of `log_probs`.  Time is O(T S) for each sequence; a call that is recorded
    keeps about 16 T S bytes of each.

    Examples
    --------
    >>> ctc_loss(np.log([[0.5, 0.5], [0.5, 0.5]]), [1], 2, 1).round(4)
    np.float64(0.2877)
    """
    given = _checked("ctc_loss", log_probs, targets, input_lengths, target_lengths, blank, reduction, zero_infinity)
    return given.reduced(given.losses(keep=False)[0])


@derivative(ctc_loss, "log_probs")
def _ctc_loss(wanted: tuple[bool], *args: Any, **options: Any) -> Any:
    given = _checked("ctc_loss", *args, **options)
    loss, alpha = given.losses(keep=True)
    return given.reduced(loss), lambda dy: (given.gradient(dy, loss, alpha),)


def ctc_loss_backward(
    dy: Any,
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Array:
    """Gradient of `ctc_loss`: (exp(log_probs) - share) dy, share being that of the paths that emit a class at a step.

    Parameters
    ----------
    dy : array_like
        A scalar, or one value for each sequence for "none".
    log_probs, targets, input_lengths, target_lengths, blank, reduction, zero_infinity
        Those of the forward call.

    Returns
    -------
    ndarray
        Of the shape of `log_probs`; 0 beyond a sequence's end.

    Notes
    -----
    As in PyTorch this is the gradient for log-probabilities that are made by `log_softmax`, whose own gradient leaves
    it as it is.  The partial derivative is -share dy alone; both give the same gradient of the logits.

    Examples
    --------
    >>> ctc_loss_backward(1.0, np.log([[0.5, 0.5], [0.5, 0.5]]), [1], 2, 1).round(4)
    array([[ 0.1667, -0.1667],
           [ 0.1667, -0.1667]])
    """
    given = _checked(
        "ctc_loss_backward", log_probs, targets, input_lengths, target_lengths, blank, reduction, zero_infinity
    )
    return given.gradient(dy, *given.losses(keep=True))
