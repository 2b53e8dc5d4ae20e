"""Losses that ask for small distances between vectors that belong together and large ones between others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import _check, _core
from .._check import Array
from .._dispatch import derivative, differentiable
from ._layout import unbroadcast
from ._margin_loss import margin_ranking_loss
from ._pair_loss_common import broadcast_shape, joint_type
from ._reduction import REDUCTIONS, reduced, shared_out
from ._similarity import aligned, cosine_gradients, cosines, distance_gradient, distances

__all__ = [
    "cosine_embedding_loss",
    "cosine_embedding_loss_backward",
    "triplet_margin_loss",
    "triplet_margin_loss_backward",
    "triplet_margin_with_distance_loss",
]

COSINE_EPS = 1e-12  # added to squared lengths, as in PyTorch


@differentiable
def cosine_embedding_loss(
    input1: Any, input2: Any, target: Any, margin: float = 0.0, *, reduction: str = "mean"
) -> Array:
    """Cosines c of pairs of vectors that are alike (t = 1) or not (t = -1): 1 - c, or max(0, c - margin).

    Parameters
    ----------
    input1, input2 : array_like, (N, D) or (D)
    target : array_like, (N) or ()
        1 or -1; any other value has no loss, as in PyTorch.
    margin : float
        Between -1 and 1.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    ndarray
        A scalar, or (N) for "none".  The mean over nothing is NaN.

    Notes
    -----
    The cosine is x1 . x2 / sqrt((|x1|^2 + 1e-12) (|x2|^2 + 1e-12)), as in PyTorch.

    Examples
    --------
    >>> cosine_embedding_loss([[3.0, 4.0], [1.0, 0.0]], [[4.0, 3.0], [1.0, 0.0]], [1, -1], reduction="none").round(4)
    array([0.04, 1.  ])
    """
    return _Cosine.of("cosine_embedding_loss", input1, input2, target, margin, reduction=reduction).value()


class _Cosine(NamedTuple):
    """The checked arguments: pairs of rows and their targets."""

    name: str
    x1: Array
    x2: Array
    t: Array
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    margin: float
    reduction: str

    @classmethod
    def of(
        cls, name: str, input1: Any, input2: Any, target: Any, margin: float = 0.0, *, reduction: str = "mean"
    ) -> _Cosine:
        _check.choice(name, "reduction", reduction, REDUCTIONS)
        arrays, dtype = joint_type(name, {"input1": input1, "input2": input2, "target": target})
        x1, x2, t = arrays
        if x1.ndim not in (1, 2) or x2.shape != x1.shape or t.shape != x1.shape[:-1]:
            raise ValueError(
                f"{name}: expected input1 and input2 (N, D) and target (N), or (D) and (), "
                f"got {x1.shape}, {x2.shape} and {t.shape}"
            )
        compute = np.result_type(dtype, np.float32)
        shape = (t.size, x1.shape[-1])
        x1, x2 = (_check.contiguous(each, compute).reshape(shape) for each in (x1, x2))
        targets = _check.contiguous(t, compute).reshape(-1)
        return cls(name, x1, x2, targets, arrays[0].shape, dtype, _check.real(name, "margin", margin), reduction)

    def value(self) -> Array:
        c = cosines(self.x1, self.x2, COSINE_EPS, added=True)
        over = c - self.margin
        unlike = np.where(over < 0, 0, over)
        losses = np.where(self.t == 1, 1 - c, np.where(self.t == -1, unlike, 0)).astype(c.dtype, copy=False)
        return reduced(losses, self.shape[:-1], self.dtype, self.reduction, losses.size)

    def gradients(self, dy: Any, wanted: tuple[bool, ...]) -> list[Array | None]:
        given = shared_out(self.name, dy, self.shape[:-1], self.x1.dtype, self.reduction, self.t.size)
        c = cosines(self.x1, self.x2, COSINE_EPS, added=True)
        unlike = np.where(c - self.margin >= 0, given, 0)  # 0 at NaN, as in PyTorch
        dc = np.where(self.t == 1, -given, np.where(self.t == -1, unlike, 0)).astype(c.dtype, copy=False)
        found = cosine_gradients(dc, self.x1, self.x2, COSINE_EPS, wanted, added=True)
        return [None if each is None else _check.finish(each.reshape(self.shape), self.dtype, None) for each in found]


@derivative(cosine_embedding_loss, "input1", "input2", "target")
def _cosine_embedding(wanted: tuple[bool, ...], *args: Any, **options: Any) -> Any:
    given = _Cosine.of("cosine_embedding_loss", *args, **options)
    given = given._replace(t=given.t.copy())  # it may change before the backward pass

    def backward(dy: Array) -> list[Array | None]:
        dt = np.zeros(given.shape[:-1], given.dtype) if wanted[2] else None  # the target only selects a formula
        return [*given.gradients(dy, wanted), dt]

    return given.value(), backward


def cosine_embedding_loss_backward(
    dy: Any, input1: Any, input2: Any, target: Any, margin: float = 0.0, *, reduction: str = "mean"
) -> tuple[Array, ...]:
    """Gradients of `cosine_embedding_loss` with respect to both inputs: those of the cosine, times -1, 1 or 0.

    Examples
    --------
    >>> dx1, dx2 = cosine_embedding_loss_backward(1.0, [3.0, 4.0], [4.0, 3.0], 1)
    >>> dx1.round(4), dx2.round(4)
    (array([-0.0448,  0.0336]), array([ 0.0336, -0.0448]))
    """
    given = _Cosine.of("cosine_embedding_loss_backward", input1, input2, target, margin, reduction=reduction)
    return tuple(each for each in given.gradients(dy, (True, True)) if each is not None)


# -- triplets ---------------------------------------------------------------------------------------------------------


class _Triplets(NamedTuple):
    """The checked arguments, broadcast: anchors, positives, negatives; and their distances."""

    name: str
    arrays: tuple[Array, ...]
    shapes: tuple[tuple[int, ...], ...]
    dtype: np.dtype[Any]
    margin: float
    p: float
    eps: float
    swap: bool
    reduction: str

    @classmethod
    def of(
        cls,
        name: str,
        anchor: Any,
        positive: Any,
        negative: Any,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        *,
        reduction: str = "mean",
    ) -> _Triplets:
        _check.choice(name, "reduction", reduction, REDUCTIONS)
        given = {"anchor": anchor, "positive": positive, "negative": negative}
        arrays, dtype = joint_type(name, given)
        shapes = tuple(each.shape for each in arrays)
        _same_dimensions(name, shapes)
        if not shapes[0]:
            raise ValueError(f"{name}: expected arrays of at least one dimension, got scalars")
        shape = broadcast_shape(name, tuple(given), shapes)
        compute = np.result_type(dtype, np.float32)
        whole = tuple(np.broadcast_to(aligned(each, compute), shape) for each in arrays)
        numbers = (_margin(name, margin), _check.real(name, "p", p), _check.real(name, "eps", eps))
        return cls(name, whole, shapes, dtype, *numbers, bool(swap), reduction)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.arrays[0].shape[:-1]

    def distances(self) -> list[Array]:
        """Distances from the anchor to both others and, with swap, between these."""
        a, p, n = self.arrays
        pairs = [(a, p), (a, n), (p, n)][: 3 if self.swap else 2]
        return [distances(self.name, first, second, self.p, self.eps) for first, second in pairs]

    def losses(self, far: Array, near: Array) -> Array:
        losses = self.margin + near - far
        return np.where(losses < 0, 0, losses).astype(far.dtype, copy=False)

    def value(self) -> Array:
        near, *far = self.distances()
        losses = self.losses(np.minimum(far[0], far[-1]), near)
        return reduced(_check.contiguous(losses).reshape(-1), self.shape, self.dtype, self.reduction, losses.size)

    def gradients(self, dy: Any, wanted: tuple[bool, ...]) -> list[Array | None]:
        near, *far = self.distances()
        given = shared_out(self.name, dy, self.shape, near.dtype, self.reduction, near.size).reshape(self.shape)
        over = self.margin + near - np.minimum(far[0], far[-1]) >= 0  # not where it is NaN, as in PyTorch
        dnear = np.where(over, given, 0).astype(near.dtype, copy=False)
        parts = [-dnear]
        if self.swap:  # the smaller distance gets the gradient, equal ones share it
            first = np.where(far[0] < far[1], 1, np.where(far[0] > far[1], 0, 0.5)).astype(near.dtype)
            parts = [-dnear * first, -dnear * (1 - first)]
        a, p, n = self.arrays
        sums: list[Any] = [None, None, None]
        for d, (i, j) in zip([dnear, *parts], [(0, 1), (0, 2), (1, 2)], strict=False):
            if wanted[i] or wanted[j]:
                dx = distance_gradient(_check.contiguous(d).reshape(-1), (a, p, n)[i], (a, p, n)[j], self.p, self.eps)
                for place, each in ((i, dx), (j, -dx)):
                    if wanted[place]:
                        sums[place] = each if sums[place] is None else sums[place] + each
        return [
            None if each is None else _check.finish(unbroadcast(each, shape), self.dtype, None)
            for each, shape in zip(sums, self.shapes, strict=True)
        ]


def _margin(name: str, margin: Any) -> float:
    if not _check.real(name, "margin", margin) > 0:
        raise ValueError(f"{name}: expected margin above 0, got {margin}")
    return float(margin)


def _same_dimensions(name: str, shapes: tuple[tuple[int, ...], ...]) -> None:
    if len(set(map(len, shapes))) > 1:
        raise ValueError(
            f"{name}: expected anchor, positive and negative of the same number of dimensions, "
            f"got {' and '.join(map(str, shapes))}"
        )


@differentiable
def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    *,
    reduction: str = "mean",
) -> Array:
    """max(0, margin + d(anchor, positive) - d(anchor, negative)), d being `pairwise_distance`.

    Parameters
    ----------
    anchor, positive, negative : array_like, (*, D)
        Of the same number of dimensions; they are broadcast.
    margin : float
        Above 0.
    p, eps : float
        Those of the distance.
    swap : bool
        Take d(positive, negative) for d(anchor, negative) where it is smaller (Balntas, Riba, Ponsa, Mikolajczyk 2016).
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    ndarray
        A scalar, or of the joint shape without its last dimension for "none".  The mean over nothing is NaN.

    Raises
    ------
    ValueError
        If shapes do not fit, or the margin is not above 0.

    Examples
    --------
    >>> triplet_margin_loss([0.0, 0.0], [3.0, 4.0], [0.0, 5.0], eps=0.0)
    np.float64(1.0)
    """
    name = "triplet_margin_loss"
    return _Triplets.of(name, anchor, positive, negative, margin, p, eps, swap, reduction=reduction).value()


@derivative(triplet_margin_loss, "anchor", "positive", "negative")
def _triplet_margin(wanted: tuple[bool, ...], *args: Any, **options: Any) -> Any:
    given = _Triplets.of("triplet_margin_loss", *args, **options)
    return given.value(), lambda dy: given.gradients(dy, wanted)


def triplet_margin_loss_backward(
    dy: Any,
    anchor: Any,
    positive: Any,
    negative: Any,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    *,
    reduction: str = "mean",
) -> tuple[Array, ...]:
    """Gradients of `triplet_margin_loss` with respect to anchor, positive and negative: those of its distances.

    Examples
    --------
    >>> triplet_margin_loss_backward(1.0, [0.0, 0.0], [3.0, 4.0], [0.0, 5.0], eps=0.0)
    (array([-0.6,  0.2]), array([0.6, 0.8]), array([ 0., -1.]))
    """
    name = "triplet_margin_loss_backward"
    given = _Triplets.of(name, anchor, positive, negative, margin, p, eps, swap, reduction=reduction)
    return tuple(each for each in given.gradients(dy, (True, True, True)) if each is not None)


def triplet_margin_with_distance_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    *,
    distance_function: Callable[[Any, Any], Any] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Any:
    """`triplet_margin_loss` of any distance: max(0, margin + d(anchor, positive) - d(anchor, negative)).

    Parameters
    ----------
    anchor, positive, negative : array_like
        Of the same number of dimensions.
    distance_function : callable, optional
        d, of two of them; `pairwise_distance` if None.  Given Tensors it must return one.
    margin : float
        Above 0.
    swap : bool
        Take d(positive, negative) for d(anchor, negative) where it is smaller.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    ndarray
        A scalar, or of the distances' shape for "none".

    Notes
    -----
    The gradient comes from the tape, since the distance is the caller's own; there is no twin for plain arrays.

    Examples
    --------
    >>> a, p, n = np.zeros((1, 2)), np.ones((1, 2)), np.full((1, 2), 3.0)
    >>> triplet_margin_with_distance_loss(a, p, n, distance_function=lambda x, y: abs(x - y).max(-1), margin=4.0)
    np.float64(2.0)
    """
    name = "triplet_margin_with_distance_loss"
    given = {"anchor": anchor, "positive": positive, "negative": negative}
    arrays = {key: _check.as_float(name, _core.value_of(value), key) for key, value in given.items()}
    _check.choice(name, "reduction", reduction, REDUCTIONS)
    margin = _margin(name, margin)
    _same_dimensions(name, tuple(each.shape for each in arrays.values()))
    a, p, n = (arrays[key] if _core.value_of(value) is value else value for key, value in given.items())
    if distance_function is None:
        return triplet_margin_loss(a, p, n, margin, swap=swap, reduction=reduction)
    near, far = distance_function(a, p), distance_function(a, n)
    if swap:
        far = np.minimum(far, distance_function(p, n))
    return margin_ranking_loss(
        near, far, np.full((1,) * np.ndim(_core.value_of(near)), -1), margin, reduction=reduction
    )
