"""Losses of margins between the scores of a sample's own classes and all others, and their gradients."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import _check, _core
from .._check import Array
from .._core import ops
from .._dispatch import derivative, differentiable
from ._pair_loss_common import PairLoss, broadcast_pair, broadcast_weight, forward, gradient
from ._reduction import REDUCTIONS, reduced, shared_out

__all__ = [
    "multi_margin_loss",
    "multi_margin_loss_backward",
    "multilabel_margin_loss",
    "multilabel_margin_loss_backward",
    "multilabel_soft_margin_loss",
    "multilabel_soft_margin_loss_backward",
]


class _Margins(NamedTuple):
    """Checked arguments: rows of scores, their own classes up to the first negative one, flags of these."""

    name: str
    x: Array
    target: Array
    taken: Array
    weight: Array | None
    square: bool
    margin: float
    shape: tuple[int, ...]
    losses: tuple[int, ...]  # the shape of the losses
    dtype: np.dtype[Any]
    reduction: str

    @property
    def given(self) -> tuple[Any, ...]:
        """The arguments of both ops."""
        sizes = (*self.x.shape, self.target.shape[1])
        return (self.x, self.target, self.taken, self.weight, *sizes, self.square, self.margin)

    def value(self) -> Array:
        losses = np.zeros(len(self.x), self.x.dtype)
        if losses.size:
            ops.margins(losses, *self.given)
        return reduced(losses, self.losses, self.dtype, self.reduction, max(losses.size, 1))

    def gradient(self, dy: Any, out: Array | None = None) -> Array:
        _check.check_out(self.name, out, self.shape, self.dtype)
        rows = len(self.x)
        dloss = shared_out(self.name, dy, self.losses, self.x.dtype, self.reduction, max(rows, 1))
        dx = _core.empty_like(self.x)
        if dx.size:
            ops.margins_backward(dx, dloss, *self.given)
        return _check.finish(dx.reshape(self.shape), self.dtype, out)


def _scores(name: str, input: Any) -> tuple[Array, tuple[int, ...], np.dtype[Any]]:
    """The input as rows (N, C) of at least one class, its shape, and the dtype of the result."""
    x, dtype = _check.as_compute(name, input)
    if x.ndim > 2 or (x.ndim and not x.shape[-1]):
        raise ValueError(f"{name}: expected an input (C) or (N, C) with C at least 1, got shape {x.shape}")
    rows = x.reshape(len(x) if x.ndim == 2 else 1, x.shape[-1] if x.ndim else 1)
    return _check.contiguous(rows), x.shape, dtype


def _labels(name: str, target: Any) -> Array:
    t = _check.as_array(name, target, "target")
    if t.dtype.kind not in "iu" and t.size:
        raise TypeError(f"{name}: expected target to hold class indices (integers), got dtype {t.dtype}")
    return t


def _refuse(name: str, t: Array, wrong: Array, low: int, classes: int) -> None:
    """Refuse a target that is no class."""
    if wrong.any():
        at = tuple(int(each) for each in np.argwhere(wrong)[0])
        where = f" at index {at[0] if len(at) == 1 else at}" if at else ""
        raise IndexError(f"{name}: expected targets in [{low}, {classes - 1}], got {int(t[at])}{where}")


# -- one class a sample -----------------------------------------------------------------------------------------------


def _multi(
    name: str,
    input: Any,
    target: Any,
    p: float = 1,
    margin: float = 1.0,
    weight: Any = None,
    *,
    reduction: str = "mean",
) -> _Margins:
    rows, shape, dtype = _scores(name, input)
    _check.choice(name, "reduction", reduction, REDUCTIONS)
    t, (n, classes) = _labels(name, target), rows.shape
    if t.shape != shape[:-1] and not (len(shape) < 2 and t.shape == (1,)):
        raise ValueError(f"{name}: expected target of shape {shape[:-1]} for an input of shape {shape}, got {t.shape}")
    _refuse(name, t, (t < 0) | (t >= classes), 0, classes)
    if _check.real(name, "p", p) not in (1, 2):
        raise ValueError(f"{name}: expected p of 1 or 2, got {p}")
    target = _check.contiguous(np.array(t, np.int64)).reshape(n, 1)
    taken = np.zeros(rows.shape, np.uint8)
    taken[np.arange(n), target[:, 0]] = 1
    weight = _check.as_vector(name, weight, "weight", classes, rows.dtype)
    margin = _check.real(name, "margin", margin)
    return _Margins(name, rows, target, taken, weight, p == 2, margin, shape, t.shape, dtype, reduction)


@differentiable
def multi_margin_loss(
    input: Any,
    target: Any,
    p: float = 1,
    margin: float = 1.0,
    weight: Any = None,
    *,
    reduction: str = "mean",
) -> Array:
    """Sum over the classes i other than the target t of max(0, margin - x[t] + x[i])^p, divided by all classes.

    Parameters
    ----------
    input : array_like, (C) or (N, C)
    target : array_like of int, () or (N)
    p : {1, 2}
    margin : float
    weight : array_like, (C), optional
        A factor for each target class; "mean" divides by the samples all the same.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    ndarray
        A scalar, or of `target`'s shape for "none"; the mean over nothing is 0, as in PyTorch.

    Raises
    ------
    IndexError
        If a target is no class.

    Notes
    -----
    Crammer and Singer 2001 for p = 1; where a term's margin is just kept the gradient is 0.

    Examples
    --------
    >>> multi_margin_loss([0.5, 1.0, -1.0, 0.0], 1)
    np.float64(0.125)
    """
    return _multi("multi_margin_loss", input, target, p, margin, weight, reduction=reduction).value()


@derivative(multi_margin_loss, "input")
def _multi_margin(wanted: tuple[bool], *args: Any, **options: Any) -> Any:
    given = _multi("multi_margin_loss", *args, **options)
    return given.value(), lambda dy: (given.gradient(dy),)


def multi_margin_loss_backward(
    dy: Any,
    input: Any,
    target: Any,
    p: float = 1,
    margin: float = 1.0,
    weight: Any = None,
    *,
    reduction: str = "mean",
    out: Array | None = None,
) -> Array:
    """Gradient of `multi_margin_loss`: p max(0, margin - x[t] + x[i])^(p - 1) / C dy for i, minus their sum for t.

    Examples
    --------
    >>> multi_margin_loss_backward(1.0, [0.5, 1.0, -1.0, 0.0], 1)
    array([ 0.25, -0.25,  0.  ,  0.  ])
    """
    name = "multi_margin_loss_backward"
    return _multi(name, input, target, p, margin, weight, reduction=reduction).gradient(dy, out)


# -- several classes a sample -----------------------------------------------------------------------------------------


def _multilabel(name: str, input: Any, target: Any, *, reduction: str = "mean") -> _Margins:
    rows, shape, dtype = _scores(name, input)
    _check.choice(name, "reduction", reduction, REDUCTIONS)
    t = _labels(name, target)
    if t.shape != shape:
        raise ValueError(f"{name}: expected target of the input's shape {shape}, got {t.shape}")
    _refuse(name, t, (t < -1) | (t >= rows.shape[1]), -1, rows.shape[1])
    own = _check.contiguous(np.array(t, np.int64)).reshape(rows.shape)
    live = np.logical_and.accumulate(own >= 0, axis=1)
    taken = np.zeros(rows.shape, np.uint8)
    taken[np.nonzero(live)[0], own[live]] = 1
    return _Margins(name, rows, own, taken, None, False, 1.0, shape, shape[:-1], dtype, reduction)


@differentiable
def multilabel_margin_loss(input: Any, target: Any, *, reduction: str = "mean") -> Array:
    """Sum over targets t and other classes i of max(0, 1 - x[t] + x[i]), divided by the number of classes.

    Parameters
    ----------
    input : array_like, (C) or (N, C)
    target : array_like of int, of `input`'s shape
        Each row's classes, in any order, up to the first -1; a repeated class counts twice.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    ndarray
        A scalar, or (N) for "none"; the mean over nothing is 0, as in PyTorch.

    Raises
    ------
    IndexError
        If a target is neither a class nor -1.

    Examples
    --------
    >>> multilabel_margin_loss([0.5, 1.0, -1.0, 0.0], [1, 0, -1, 0])
    np.float64(0.125)
    """
    return _multilabel("multilabel_margin_loss", input, target, reduction=reduction).value()


@derivative(multilabel_margin_loss, "input")
def _multilabel_margin(wanted: tuple[bool], *args: Any, **options: Any) -> Any:
    given = _multilabel("multilabel_margin_loss", *args, **options)
    return given.value(), lambda dy: (given.gradient(dy),)


def multilabel_margin_loss_backward(
    dy: Any, input: Any, target: Any, *, reduction: str = "mean", out: Array | None = None
) -> Array:
    """Gradient of `multilabel_margin_loss`: dy / C for each other class in a target's margin, minus that for it.

    Examples
    --------
    >>> multilabel_margin_loss_backward(1.0, [0.5, 1.0, -1.0, 0.0], [1, 0, -1, 0])
    array([-0.25,  0.  ,  0.  ,  0.25])
    """
    return _multilabel("multilabel_margin_loss_backward", input, target, reduction=reduction).gradient(dy, out)


# -- a logistic loss of each class ------------------------------------------------------------------------------------


def _soft(name: str, input: Any, target: Any, weight: Any = None, *, reduction: str = "mean") -> PairLoss:
    """A pair whose loss per sample is the mean over classes: sums are divided by the number of classes."""
    pair = broadcast_pair(name, "bce_logits", {"input": input, "target": target}, reduction, 1.0)
    if not pair.shape:
        raise ValueError(f"{name}: expected an input (*, C), got a scalar")
    pair = pair._replace(weight=broadcast_weight(pair, "weight", weight))
    return pair._replace(fixed=float(pair.shape[-1]))


def _soft_value(pair: PairLoss) -> Array:
    if pair.reduction != "none":
        return forward(pair)
    losses = np.asarray(forward(pair._replace(dtype=pair.x.dtype)))
    with np.errstate(all="ignore"):
        mean = losses.sum(axis=-1, dtype=np.float64) / np.float64(pair.shape[-1])
    return _check.finish(np.asarray(mean), pair.dtype, None)


def _soft_gradient(pair: PairLoss, dy: Any, of: int = 0, out: Array | None = None) -> Array:
    if pair.reduction != "none":
        return gradient(pair, dy, of, out)
    given = shared_out(pair.name, dy, pair.shape[:-1], pair.x.dtype, "none", 1).reshape(*pair.shape[:-1], 1)
    with np.errstate(all="ignore"):
        return gradient(pair, np.broadcast_to(given / pair.x.dtype.type(pair.shape[-1]), pair.shape), of, out)


@differentiable
def multilabel_soft_margin_loss(input: Any, target: Any, weight: Any = None, *, reduction: str = "mean") -> Array:
    """Mean over the classes of the cross-entropy of sigmoid(x): -weight (t log s(x) + (1 - t) log s(-x)).

    Parameters
    ----------
    input : array_like, (*, C)
    target : array_like
        0 or 1; broadcasts with `input`.
    weight : array_like, optional
        A factor for each class; broadcasts.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    ndarray
        A scalar, or (*) for "none".  The mean over nothing is NaN.

    See Also
    --------
    binary_cross_entropy_with_logits : the same before the mean over the classes.

    Examples
    --------
    >>> multilabel_soft_margin_loss([[0.0, 2.0]], [[1, 1]]).round(4)
    np.float64(0.41)
    """
    return _soft_value(_soft("multilabel_soft_margin_loss", input, target, weight, reduction=reduction))


@derivative(multilabel_soft_margin_loss, "input", "target")
def _multilabel_soft_margin(wanted: tuple[bool, bool], *args: Any, **options: Any) -> Any:
    pair = _soft("multilabel_soft_margin_loss", *args, **options)
    return _soft_value(pair), lambda dy: [
        _soft_gradient(pair, dy, i) if want else None for i, want in enumerate(wanted)
    ]


def multilabel_soft_margin_loss_backward(
    dy: Any, input: Any, target: Any, weight: Any = None, *, reduction: str = "mean", out: Array | None = None
) -> Array:
    """Gradient of `multilabel_soft_margin_loss`: weight (sigmoid(x) - t) / C dy, divided as the reduction does.

    Examples
    --------
    >>> multilabel_soft_margin_loss_backward(1.0, [[0.0, 0.0]], [[1, 0]])
    array([[-0.25,  0.25]])
    """
    name = "multilabel_soft_margin_loss_backward"
    return _soft_gradient(_soft(name, input, target, weight, reduction=reduction), dy, 0, out)
