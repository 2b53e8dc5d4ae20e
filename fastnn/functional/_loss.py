"""Losses and their gradients."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import _check, _core
from .._check import Array
from .._dispatch import differentiable
from ._softmax import from_rows, kernel_type, to_rows

__all__ = [
    "cross_entropy",
    "cross_entropy_backward",
    "mse_loss",
    "mse_loss_backward",
]

REDUCTIONS = ("none", "mean", "sum")


def _class_rows(name: str, input: Any, target: Any) -> tuple[Array, Array, np.dtype[Any], int]:
    """Logits as (rows, C), one target a row, the result's dtype and the class dimension."""
    x, dtype = _check.as_compute(name, input)
    if x.ndim < 1:
        raise ValueError(f"{name}: expected an input (C), (N, C) or (N, C, *), got a scalar")
    dim = 0 if x.ndim == 1 else 1
    expected = x.shape[:dim] + x.shape[dim + 1 :]
    t = np.asarray(target)
    if t.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected target to hold class indices (integers), got dtype {t.dtype}")
    if t.shape != expected:
        raise ValueError(f"{name}: expected target of shape {expected} for an input of shape {x.shape}, got {t.shape}")
    if x.shape[dim] == 0:
        raise ValueError(f"{name}: expected at least one class, got an input of shape {x.shape}")
    return to_rows(x, dim), t.reshape(-1), dtype, dim


def _targets(name: str, target: Array, classes: int, ignore_index: int) -> Array:
    """int64 targets, -1 where ignored; refuses classes that do not exist."""
    ignored = target == ignore_index
    wrong = ~ignored & ((target < 0) | (target >= classes))
    if wrong.any():
        row = int(wrong.argmax())
        raise IndexError(f"{name}: expected targets in [0, {classes - 1}], got {int(target[row])} at index {row}")
    return np.where(ignored, -1, target.astype(np.int64))


class _ClassLoss(NamedTuple):
    """The checked arguments of cross_entropy, as the kernels take them."""

    rows: Array
    targets: Array
    weight: Array | None
    smoothing: float
    dtype: np.dtype[Any]
    dim: int

    @property
    def total_weight(self) -> float:
        """What 'mean' divides by: the weights of the targets that count."""
        kept = self.targets[self.targets >= 0]
        return float(len(kept)) if self.weight is None else float(self.weight.astype(np.float64)[kept].sum())


def _class_loss(
    name: str, input: Any, target: Any, weight: Any, ignore_index: int, reduction: str, label_smoothing: float
) -> _ClassLoss:
    rows, t, dtype, dim = _class_rows(name, input, target)
    _check.choice(name, "reduction", reduction, REDUCTIONS)
    smoothing = _check.in_range(name, "label_smoothing", label_smoothing, 0, 1)
    weight = _check.as_vector(name, weight, "weight", rows.shape[1], rows.dtype)
    ignore_index = _check.count(name, "ignore_index", ignore_index, low=-(2**63))
    return _ClassLoss(rows, _targets(name, t, rows.shape[1], ignore_index), weight, smoothing, dtype, dim)


@differentiable
def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Array:
    """Cross-entropy of logits with class indices: -weight[t] * log_softmax(x)[t].

    Parameters
    ----------
    input : array_like, (C), (N, C) or (N, C, *)
        Logits.
    target : array_like of int, (), (N) or (N, *)
        Class indices, of any integer type.
    weight : array_like, (C), optional
        A factor for each class.
    ignore_index : int
        Targets of this value do not count.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the sum of the weights of the targets that count.
    label_smoothing : float
        In [0, 1]: this much of the target is spread evenly over the classes.

    Returns
    -------
    ndarray
        A scalar, or of `target`'s shape for "none".  The mean over no target at all is NaN.

    Raises
    ------
    IndexError
        If a target is no class.

    See Also
    --------
    cross_entropy_backward

    Examples
    --------
    >>> cross_entropy([[2.0, 1.0], [0.0, 3.0]], [0, 1]).round(4)
    np.float64(0.1809)
    """
    given = _class_loss("cross_entropy", input, target, weight, ignore_index, reduction, label_smoothing)
    rows, targets, weight, smoothing, dtype, _ = given
    losses = np.empty(len(rows), rows.dtype)
    if losses.size:
        _core.nll[kernel_type(rows)](losses, rows, targets, weight, smoothing)
    if reduction == "none":
        return _check.finish(losses.reshape(np.shape(target)), dtype, None)
    total = float(losses.sum(dtype=np.float64))
    if reduction == "mean":
        total = total / given.total_weight if given.total_weight else np.nan
    return np.array(total, dtype)


def cross_entropy_backward(
    dy: Any,
    input: Any,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    out: Array | None = None,
) -> Array:
    """Gradient of `cross_entropy`: dy * weight[t] * (softmax(x) - onehot(t)), divided as the reduction does.

    Parameters
    ----------
    dy : array_like
        A scalar, or of `target`'s shape for "none".
    input, target, weight, ignore_index, reduction, label_smoothing
        Those of the forward call.
    out : ndarray, optional
        Where to put the result.

    Returns
    -------
    ndarray
        Of `input`'s shape; 0 where the target is ignored.

    Examples
    --------
    >>> cross_entropy_backward(1.0, [[0.0, 0.0]], [0])
    array([[-0.5,  0.5]])
    """
    name = "cross_entropy_backward"
    given = _class_loss(name, input, target, weight, ignore_index, reduction, label_smoothing)
    rows, targets, weight, smoothing, dtype, dim = given
    shape = np.shape(input)
    _check.check_out(name, out, shape, dtype)
    gradient = _check.as_float(name, dy, "dy").astype(np.float64)
    expected = np.shape(target) if reduction == "none" else ()
    if gradient.shape != expected:
        raise ValueError(f"{name}: expected dy of shape {expected} for reduction {reduction!r}, got {gradient.shape}")
    with np.errstate(all="ignore"):  # the mean over no target: NaN, as the loss
        if reduction == "mean":
            gradient = gradient / np.float64(given.total_weight)
        losses = np.ascontiguousarray(np.broadcast_to(gradient.reshape(-1), (len(rows),)), dtype=rows.dtype)
    dx = np.empty_like(rows)
    if dx.size:
        _core.nll_backward[kernel_type(rows)](dx, losses, rows, targets, weight, smoothing)
    return _check.finish(from_rows(dx, shape, dim), dtype, out)


def _pair(name: str, input: Any, target: Any) -> tuple[Array, Array, np.dtype[Any]]:
    """Two contiguous arrays of one shape and computing type."""
    x, t = _check.as_float(name, input), _check.as_float(name, target, "target")
    _check.same_shape(name, "input", x, "target", t)
    dtype = np.result_type(x, t)
    compute = np.result_type(dtype, np.float32)
    return np.ascontiguousarray(x, compute), np.ascontiguousarray(t, compute), dtype


def _pair_loss(name: str, which: str, input: Any, target: Any, reduction: str, a: float = 0.0) -> Array:
    shape = np.shape(input)
    x, t, dtype = _pair(name, input, target)
    _check.choice(name, "reduction", reduction, REDUCTIONS)
    if reduction == "none":
        losses = np.empty(x.size, x.dtype)
        if x.size:
            _core.loss[kernel_type(x)](_core.LOSSES[which], losses, x.reshape(-1), t.reshape(-1), a)
        return _check.finish(losses.reshape(shape), dtype, None)
    total = 0.0
    if x.size:
        work = np.empty(_core.loss_work(x.size))
        total = _core.loss_sum[kernel_type(x)](_core.LOSSES[which], work, x.reshape(-1), t.reshape(-1), a)
    if reduction == "mean":
        total = total / x.size if x.size else np.nan
    return np.array(total, dtype)


def _pair_backward(
    name: str, which: str, dy: Any, input: Any, target: Any, reduction: str, out: Array | None, a: float = 0.0
) -> Array:
    shape = np.shape(input)
    x, t, dtype = _pair(name, input, target)
    _check.choice(name, "reduction", reduction, REDUCTIONS)
    _check.check_out(name, out, shape, dtype)
    gradient = _check.as_float(name, dy, "dy")
    expected = shape if reduction == "none" else ()
    if gradient.shape != expected:
        raise ValueError(f"{name}: expected dy of shape {expected} for reduction {reduction!r}, got {gradient.shape}")
    dx = np.empty(x.size, x.dtype)
    if x.size:
        scale, each = 1.0, None
        if reduction == "none":
            each = np.ascontiguousarray(gradient, x.dtype).reshape(-1)
        else:
            scale = float(gradient) / (x.size if reduction == "mean" else 1)
        _core.loss_backward[kernel_type(x)](_core.LOSSES[which], dx, each, x.reshape(-1), t.reshape(-1), a, scale)
    return _check.finish(dx.reshape(shape), dtype, out)


@differentiable
def mse_loss(input: Any, target: Any, *, reduction: str = "mean") -> Array:
    """Squared error (x - t)^2.

    Parameters
    ----------
    input, target : array_like
        Of one shape; other shapes are refused, not broadcast.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    ndarray
        A scalar, or of `input`'s shape for "none".  The mean over nothing is NaN.

    Examples
    --------
    >>> mse_loss([1.0, 2.0], [0.0, 4.0])
    array(2.5)
    """
    return _pair_loss("mse_loss", "mse", input, target, reduction)


def mse_loss_backward(dy: Any, input: Any, target: Any, *, reduction: str = "mean", out: Array | None = None) -> Array:
    """Gradient of `mse_loss` with respect to the input, 2 (x - t) dy, divided as the reduction does.

    Examples
    --------
    >>> mse_loss_backward(1.0, [1.0, 2.0], [0.0, 4.0])
    array([ 1., -2.])
    """
    return _pair_backward("mse_loss_backward", "mse", dy, input, target, reduction, out)
