"""Losses of classes and their gradients."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import _check, _core, _shard
from .._check import Array
from .._core import ops
from .._dispatch import derivative, differentiable
from ._layout import from_rows, to_rows
from ._reduction import REDUCTIONS, reduced, shared_out

__all__ = [
    "cross_entropy",
    "cross_entropy_backward",
    "nll_loss",
    "nll_loss_backward",
]


def _class_rows(name: str, input: Any) -> tuple[Array, Array, np.dtype[Any], int]:
    """The input, its values as rows of classes (rows, C), the result's dtype and the class dimension."""
    x, dtype = _check.as_compute(name, input)
    if x.ndim < 1:
        raise ValueError(f"{name}: expected an input (C), (N, C) or (N, C, *), got a scalar")
    dim = 0 if x.ndim == 1 else 1
    if x.shape[dim] == 0:
        raise ValueError(f"{name}: expected at least one class, got an input of shape {x.shape}")
    return x, to_rows(x, dim), dtype, dim


def _indices(name: str, target: Array, x: Array, dim: int, ignore_index: int, advice: str) -> Array:
    """One int64 class for each row, -1 where ignored; refuses other shapes and classes that do not exist."""
    expected, classes = x.shape[:dim] + x.shape[dim + 1 :], x.shape[dim]
    if target.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected target to hold class indices (integers), got dtype {target.dtype}{advice}")
    if target.shape != expected:
        raise ValueError(
            f"{name}: expected target of shape {expected} for an input of shape {x.shape}, got {target.shape}{advice}"
        )
    return _targets(name, target.reshape(-1), classes, ignore_index)


def _advice(input: Any, target: Array, shape: tuple[int, ...], dim: int, probabilities: bool) -> str:
    """Advice for an error about a target that holds no class indices; may be empty."""
    expected, kind = shape[:dim] + shape[dim + 1 :], target.dtype.kind
    if np.asarray(input).dtype.kind in "iu" and kind == "f":
        return f"; input holds integers of shape {shape}: are input and target swapped?"
    if target.shape == shape and kind in "biuf":
        return f"; if that is one-hot, give target.argmax({dim})" + ", or probabilities as floats" * probabilities
    if len(shape) > 2 and target.shape == shape[:-1]:
        return "; the classes are dimension 1 of input: if they are its last, give np.moveaxis(input, -1, 1)"
    if kind in "SUO":
        return "; to number the classes, give np.unique(target, return_inverse=True)[1]"
    reshaped = _check.differ_by_ones(target.shape, expected)
    whole = kind in "biu" or (kind == "f" and bool((target == np.rint(target)).all()))
    if whole and (reshaped or target.shape == expected):
        return "; give target" + ".astype(int)" * (kind not in "iu") + f".reshape{expected}" * reshaped
    return f"; probabilities of the classes would have shape {shape}" if probabilities and kind == "f" else ""


def _targets(name: str, target: Array, classes: int, ignore_index: int) -> Array:
    """int64 targets, -1 where ignored; refuses classes that do not exist."""
    ignored = target == ignore_index
    wrong = ~ignored & ((target < 0) | (target >= classes))
    if wrong.any():
        row = int(wrong.argmax())
        kept = target[~ignored]
        advice = ""
        if kept.min() == 1 and kept.max() == classes:
            advice = "; if the classes count from 1, give target - 1"
        elif target[row] < 0:
            advice = f"; ignore_index={int(target[row])} would leave such rows out"
        raise IndexError(
            f"{name}: expected targets in [0, {classes - 1}], got {int(target[row])} at index {row}{advice}"
        )
    return np.where(ignored, -1, target.astype(np.int64))


class _ClassLoss(NamedTuple):
    """The checked arguments of cross_entropy or nll_loss, as the kernels take them: classes or probabilities."""

    name: str
    shape: tuple[int, ...]
    rows: Array
    targets: Array | None
    probabilities: Array | None
    weight: Array | None
    smoothing: float
    dtype: np.dtype[Any]
    dim: int
    reduction: str

    @property
    def divisor(self) -> float:
        """The mean's divisor: the sum of the targets' weights that count, or, of probabilities, the number of rows."""
        if self.targets is None:
            return float(len(self.rows))
        kept = self.targets[self.targets >= 0]
        return float(len(kept)) if self.weight is None else float(self.weight.astype(np.float64)[kept].sum())

    @property
    def losses(self) -> tuple[int, ...]:
        """The shape of the losses."""
        return self.shape[: self.dim] + self.shape[self.dim + 1 :]

    def reduced(self, losses: Array) -> Array:
        """The result of the reduction of the rows' losses."""
        return reduced(losses, self.losses, self.dtype, self.reduction, self.divisor)

    def row_gradients(self, dy: Any) -> Array:
        """Each row's part of dy."""
        return shared_out(self.name, dy, self.losses, self.rows.dtype, self.reduction, self.divisor)


def _class_loss(
    name: str,
    input: Any,
    target: Any,
    weight: Any,
    ignore_index: int,
    reduction: str,
    label_smoothing: float = 0.0,
    *,
    probabilities: bool = False,
) -> _ClassLoss:
    x, rows, dtype, dim = _class_rows(name, input)
    t = _check.as_array(name, target, "target")
    _check.choice(name, "reduction", reduction, REDUCTIONS)
    smoothing = _check.in_range(name, "label_smoothing", label_smoothing, 0, 1)
    weight = _check.as_vector(name, weight, "weight", rows.shape[1], rows.dtype)
    ignore_index = _check.count(name, "ignore_index", ignore_index, low=-(2**63))
    targets = p = None
    if probabilities and t.shape == x.shape and t.dtype.kind == "f":
        if ignore_index >= 0:
            raise ValueError(f"{name}: expected no ignore_index with probabilities, got {ignore_index}")
        p = to_rows(_check.as_float(name, target, "target").astype(rows.dtype), dim)
    else:
        if t.size == 0 and t.dtype.kind != "i":
            t = t.astype(np.int64)
        fits = t.dtype.kind in "iu" and t.shape == x.shape[:dim] + x.shape[dim + 1 :]
        advice = "" if fits else _advice(input, t, x.shape, dim, probabilities)
        targets = _indices(name, t, x, dim, ignore_index, advice)
    return _ClassLoss(name, x.shape, rows, targets, p, weight, smoothing, dtype, dim, reduction)


def _is_usual(weight: Any, ignore_index: Any = -100, reduction: Any = "mean", label_smoothing: Any = 0.0) -> bool:
    """Whether these are the defaults, for which `_core` has a call of its own."""
    if _shard.now.shard is not None:
        return False
    numbers = type(ignore_index) is int and ignore_index == -100 and type(label_smoothing) in (int, float)
    return weight is None and type(reduction) is str and reduction == "mean" and numbers and label_smoothing == 0


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
    """Cross-entropy of logits with classes, -weight[t] * log_softmax(x)[t], or with probabilities of the classes.

    Parameters
    ----------
    input : array_like, (C), (N, C) or (N, C, *)
        Logits.
    target : array_like, (), (N) or (N, *) of int, or of `input`'s shape and float
        Class indices, of any integer type, or probabilities t: the loss is then -sum weight * t * log_softmax(x).
    weight : array_like, (C), optional
        A factor for each class.
    ignore_index : int
        Class indices of this value do not count.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the sum of the weights of the classes that count, or, with probabilities, by the number of
        rows.
    label_smoothing : float
        In [0, 1]: this much of the target is spread evenly over the classes.

    Returns
    -------
    ndarray
        A scalar, or, for "none", one loss a row.  The mean over no target at all is NaN.

    Raises
    ------
    IndexError
        If a target is no class.

    See Also
    --------
    cross_entropy_backward

    Notes
    -----
    Softmax and loss are one kernel.  A class of weight or probability 0 costs nothing, even where its logit is -inf.

    Examples
    --------
    >>> cross_entropy([[2.0, 1.0], [0.0, 3.0]], [0, 1]).round(4)
    np.float64(0.1809)
    >>> cross_entropy([[2.0, 1.0]], [[0.5, 0.5]]).round(4)
    np.float64(0.8133)
    """
    if _is_usual(weight, ignore_index, reduction, label_smoothing):
        classes = _core.plain_classes(input, target)
        if classes is not None:
            return input.dtype.type(_core.plain_cross_entropy(input, classes))
    given = _class_loss(
        "cross_entropy", input, target, weight, ignore_index, reduction, label_smoothing, probabilities=True
    )
    rows = given.rows
    losses = np.empty(len(rows), rows.dtype)
    if losses.size and given.targets is not None:
        ops.nll(losses, rows, given.targets, given.weight, *rows.shape, given.smoothing)
    elif losses.size:
        ops.soft_nll(losses, rows, given.probabilities, given.weight, *rows.shape, given.smoothing)
    return given.reduced(losses)


@derivative(cross_entropy, "input", "target")
def _cross_entropy(wanted: tuple[bool, bool], input: Any, target: Any, weight: Any = None, **options: Any) -> Any:
    classes = _core.plain_classes(input, target) if _is_usual(weight, **options) else None
    if classes is not None:
        mean = input.dtype.type(_core.plain_cross_entropy(input, classes))
        return mean, lambda dy: (_core.plain_cross_entropy_backward(float(dy), input, classes), None)
    target = np.array(target)  # a copy: it may change before the backward pass
    y = cross_entropy(input, target, weight, **options)
    gradients = (cross_entropy_backward, target_gradient)

    def backward(dy: Array) -> list[Array | None]:
        return [
            gradient(dy, input, target, weight, **options) if want else None
            for gradient, want in zip(gradients, wanted, strict=True)
        ]

    return y, backward


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
        A scalar, or one value a row for "none".
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
    scalar = type(dy) is float or (isinstance(dy, (np.ndarray, np.floating)) and dy.ndim == 0 and dy.dtype.kind == "f")
    if out is None and scalar and _is_usual(weight, ignore_index, reduction, label_smoothing):
        classes = _core.plain_classes(input, target)
        if classes is not None:
            return _core.plain_cross_entropy_backward(float(dy), input, classes)
    name = "cross_entropy_backward"
    given = _class_loss(name, input, target, weight, ignore_index, reduction, label_smoothing, probabilities=True)
    rows = given.rows
    _check.check_out(name, out, given.shape, given.dtype)
    losses, dx = given.row_gradients(dy), _core.empty_like(rows)
    if dx.size and given.targets is not None:
        ops.nll_backward(dx, losses, rows, given.targets, given.weight, *rows.shape, given.smoothing, 1.0)
    elif dx.size:
        ops.soft_nll_backward(dx, losses, rows, given.probabilities, given.weight, *rows.shape, given.smoothing)
    return _check.finish(from_rows(dx, given.shape, given.dim), given.dtype, out)


def target_gradient(
    dy: Any,
    input: Any,
    target: Any,
    weight: Any,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Array:
    """Gradient of `cross_entropy` with respect to target probabilities: -weight * log_softmax(x) * dy."""
    name = "cross_entropy_backward"
    given = _class_loss(name, input, target, weight, ignore_index, reduction, label_smoothing, probabilities=True)
    dt = _core.empty_like(given.rows)
    if dt.size:
        losses = given.row_gradients(dy)
        ops.soft_nll_target_backward(dt, losses, given.rows, given.weight, *dt.shape, given.smoothing)
    return _check.finish(from_rows(dt, given.shape, given.dim), given.dtype, None)


@differentiable
def nll_loss(
    input: Any, target: Any, weight: Any = None, *, ignore_index: int = -100, reduction: str = "mean"
) -> Array:
    """Negative log-likelihood of log-probabilities: -weight[t] * x[t].

    Parameters
    ----------
    input : array_like, (C), (N, C) or (N, C, *)
        Log-probabilities, as `log_softmax` gives them.
    target : array_like of int, (), (N) or (N, *)
    weight, ignore_index, reduction
        As in `cross_entropy`.

    Returns
    -------
    ndarray
        A scalar, or, for "none", one loss a row.

    Raises
    ------
    IndexError
        If a target is no class.

    Examples
    --------
    >>> nll_loss([[-1.0, -2.0], [-3.0, -4.0]], [0, 1])
    np.float64(2.5)
    """
    given = _class_loss("nll_loss", input, target, weight, ignore_index, reduction)
    rows = given.rows
    losses = np.empty(len(rows), rows.dtype)
    if losses.size:
        ops.pick(losses, rows, given.targets, given.weight, *rows.shape)
    return given.reduced(losses)


@derivative(nll_loss, "input")
def _nll_loss(wanted: tuple[bool], input: Any, target: Any, weight: Any = None, **options: Any) -> Any:
    target = np.array(target)  # a copy: it may change before the backward pass
    y = nll_loss(input, target, weight, **options)
    return y, lambda dy: (nll_loss_backward(dy, input, target, weight, **options),)


def nll_loss_backward(
    dy: Any,
    input: Any,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    out: Array | None = None,
) -> Array:
    """Gradient of `nll_loss`: -weight[t] * dy at the target, 0 elsewhere, divided as the reduction does.

    Examples
    --------
    >>> nll_loss_backward(1.0, [[-1.0, -2.0], [-3.0, -4.0]], [0, 1])
    array([[-0.5,  0. ],
           [ 0. , -0.5]])
    """
    name = "nll_loss_backward"
    given = _class_loss(name, input, target, weight, ignore_index, reduction)
    rows = given.rows
    _check.check_out(name, out, given.shape, given.dtype)
    dx = _core.empty_like(rows)
    if dx.size:
        ops.pick_backward(dx, given.row_gradients(dy), given.targets, given.weight, *rows.shape)
    return _check.finish(from_rows(dx, given.shape, given.dim), given.dtype, out)
