"""Cosines and distances of pairs of vectors, and their gradients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _check, _core
from .._check import Array
from .._core import ops
from .._dispatch import derivative, differentiable, respelled
from ._layout import from_rows, unbroadcast
from ._normalize import length_gradient, lengths
from ._pair_loss_common import broadcast_shape, joint_type

__all__ = [
    "cosine_similarity",
    "cosine_similarity_backward",
    "pairwise_distance",
    "pairwise_distance_backward",
]


def pair_of(name: str, x1: Any, x2: Any) -> tuple[Array, Array, tuple[tuple[int, ...], tuple[int, ...]], Any]:
    """Both arrays in the computing type, broadcast; their own shapes; the dtype of the result."""
    (a, b), dtype = joint_type(name, {"x1": x1, "x2": x2})
    shape = broadcast_shape(name, ("x1", "x2"), (a.shape, b.shape))
    compute = np.result_type(dtype, np.float32)
    first, second = (np.broadcast_to(aligned(each, compute), shape) for each in (a, b))
    return first, second, (a.shape, b.shape), dtype


def aligned(x: Array, dtype: Any) -> Array:
    """The array in this type and in C order."""
    return _check.contiguous(x, dtype).reshape(x.shape)


# -- cosines ----------------------------------------------------------------------------------------------------------


@differentiable
def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Array:
    """Cosine of the angle between vectors along a dimension: x1 . x2 / (max(|x1|, eps) max(|x2|, eps)).

    Parameters
    ----------
    x1, x2 : array_like
        They are broadcast.
    dim : int
        The dimension of the vectors, of the arrays once broadcast.
    eps : float
        The least length that a vector is divided by.

    Returns
    -------
    ndarray
        Of the joint shape without `dim`.

    Raises
    ------
    ValueError
        If the arrays do not broadcast.
    IndexError
        If there is no such dimension.

    Notes
    -----
    A vector of 0 has the cosine 0 with all others.  Lengths neither overflow nor vanish, whatever the values' size.

    Examples
    --------
    >>> cosine_similarity([[3.0, 4.0]], [[4.0, 3.0]])
    array([0.96])
    """
    rows1, rows2, shape, dtype = _cosine_rows("cosine_similarity", x1, x2, dim)[:4]
    return _check.finish(
        cosines(rows1, rows2, _check.real("cosine_similarity", "eps", eps)).reshape(shape), dtype, None
    )


def _cosine_rows(name: str, x1: Any, x2: Any, dim: Any) -> Any:
    """The vectors as rows, the shape of the cosines, the dtype, the joint shape, those given, and the dimension."""
    first, second, shapes, dtype = pair_of(name, x1, x2)
    axis = _check.axis(name, dim, first.ndim)
    shape = first.shape[:axis] + first.shape[axis + 1 :]
    size = (math.prod(shape), first.shape[axis] if first.ndim else 1)
    vectors = (
        _check.contiguous(np.moveaxis(each, axis, -1) if each.ndim else each).reshape(size) for each in (first, second)
    )
    return *vectors, shape, dtype, first.shape, shapes, axis


def cosines(x1: Array, x2: Array, eps: float, *, added: bool = False) -> Array:
    """The cosines of the rows of two matrices."""
    y = np.zeros(len(x1), x1.dtype)
    if x1.size:
        ops.cosine(y, x1, x2, *x1.shape, added, eps)
    return y


def cosine_gradients(
    dy: Array, x1: Array, x2: Array, eps: float, wanted: tuple[bool, ...], *, added: bool = False
) -> list[Array | None]:
    """The gradients of the cosines of the rows of two matrices."""
    found = [_core.empty(x1.shape, x1.dtype) if want else None for want in wanted[:2]]
    if x1.size and any(wanted[:2]):
        ops.cosine_backward(*found, dy, x1, x2, *x1.shape, added, eps)
    return found


@derivative(cosine_similarity, "x1", "x2")
def _cosine_similarity(wanted: tuple[bool, bool], x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    y = cosine_similarity(x1, x2, dim, eps)
    return y, lambda dy: _cosine_gradients(dy, x1, x2, dim, eps, wanted)


def _cosine_gradients(dy: Any, x1: Any, x2: Any, dim: Any, eps: Any, wanted: tuple[bool, bool]) -> list[Array | None]:
    name = "cosine_similarity_backward"
    rows1, rows2, shape, dtype, whole, shapes, axis = _cosine_rows(name, x1, x2, dim)
    found = cosine_gradients(_vector(name, dy, shape, rows1.dtype), rows1, rows2, _check.real(name, "eps", eps), wanted)
    return [
        None if each is None else _check.finish(unbroadcast(from_rows(each, whole, axis), own), dtype, None)
        for each, own in zip(found, shapes, strict=True)
    ]


def _vector(name: str, dy: Any, shape: tuple[int, ...], dtype: Any) -> Array:
    """The gradient of a result of this shape."""
    gradient = _check.as_float(name, dy, "dy")
    if gradient.shape != shape:
        raise ValueError(f"{name}: expected dy of shape {shape}, got {gradient.shape}")
    return _check.contiguous(gradient, dtype).reshape(-1)


@respelled
def cosine_similarity_backward(dy: Any, x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> tuple[Array, ...]:
    """Gradients of `cosine_similarity`: (x2 / |x2| - y x1 / |x1|) / |x1| dy, and the same with x1 and x2 exchanged.

    Parameters
    ----------
    dy : array_like
        The gradient of the result, of its shape.
    x1, x2, dim, eps
        Those of the forward call.

    Returns
    -------
    tuple of ndarray
        The gradients of x1 and x2.

    Notes
    -----
    A length below eps is replaced by eps, and has no gradient.

    Examples
    --------
    >>> dx1, dx2 = cosine_similarity_backward([1.0], [[3.0, 4.0]], [[4.0, 3.0]])
    >>> dx1.round(4), dx2.round(4)
    (array([[ 0.0448, -0.0336]]), array([[-0.0336,  0.0448]]))
    """
    return tuple(each for each in _cosine_gradients(dy, x1, x2, dim, eps, (True, True)) if each is not None)


# -- distances --------------------------------------------------------------------------------------------------------


@differentiable
def pairwise_distance(x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Array:
    """Distance of vectors along the last dimension, the p-norm of x1 - x2 + eps.

    Parameters
    ----------
    x1, x2 : array_like, (*, D)
        They are broadcast.
    p : float
        The norm's exponent; inf is the largest absolute value.
    eps : float
        Added to the difference of each element, as in PyTorch.
    keepdim : bool
        Keep the last dimension, of size 1.

    Returns
    -------
    ndarray
        Of the joint shape without its last dimension.

    Raises
    ------
    ValueError
        If the arrays do not broadcast, or have no dimension.

    Examples
    --------
    >>> pairwise_distance([[3.0, 4.0]], [[0.0, 0.0]], eps=0.0)
    array([5.])
    """
    name = "pairwise_distance"
    first, second, _, dtype = pair_of(name, x1, x2)
    y = distances(name, first, second, _check.real(name, "p", p), _check.real(name, "eps", eps))
    return _check.finish(y[..., np.newaxis] if keepdim else y, dtype, None)


def distances(name: str, x1: Array, x2: Array, p: float, eps: float) -> Array:
    """The distances of vectors along the last dimension of arrays of one shape."""
    if not x1.ndim:
        raise ValueError(f"{name}: expected arrays of at least one dimension, got scalars")
    if p == 2:
        y = np.zeros(x1.shape[:-1], x1.dtype)
        if x1.size:
            shape = (y.size, x1.shape[-1])
            ops.distance(y, *(_check.contiguous(each).reshape(shape) for each in (x1, x2)), *shape, eps)
        return y
    with np.errstate(all="ignore"):
        return np.asarray(lengths(_difference(x1, x2, eps), p, (-1,))[..., 0])


def _difference(x1: Array, x2: Array, eps: float) -> Array:
    """A contiguous array, so that sums have one order for any memory order."""
    return _check.contiguous(x1 - x2 + x1.dtype.type(eps)).reshape(x1.shape)


def distance_gradient(dy: Array, x1: Array, x2: Array, p: float, eps: float) -> Array:
    """The gradient of x1, for dy of shape (*); that of x2 is its negative."""
    dx = _core.empty(x1.shape, x1.dtype)
    if p == 2:
        if dx.size:
            shape = (dy.size, x1.shape[-1])
            ops.distance_backward(dx, dy, *(_check.contiguous(each).reshape(shape) for each in (x1, x2)), *shape, eps)
        return dx
    with np.errstate(all="ignore"):
        d = _difference(x1, x2, eps)
        dx[...] = dy.reshape(*x1.shape[:-1], 1) * length_gradient(d, lengths(d, p, (-1,)), p, (-1,))
    return dx


@derivative(pairwise_distance, "x1", "x2")
def _pairwise_distance(
    wanted: tuple[bool, bool], x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Any:
    y = pairwise_distance(x1, x2, p, eps, keepdim)
    return y, lambda dy: _distance_gradients(dy, x1, x2, p, eps, keepdim, wanted)


def _distance_gradients(
    dy: Any, x1: Any, x2: Any, p: Any, eps: Any, keepdim: bool, wanted: tuple[bool, bool]
) -> list[Array | None]:
    name = "pairwise_distance_backward"
    first, second, shapes, dtype = pair_of(name, x1, x2)
    if not first.ndim:
        raise ValueError(f"{name}: expected arrays of at least one dimension, got scalars")
    gradient = _vector(name, dy, first.shape[:-1] + (1,) * bool(keepdim), first.dtype)
    dx = distance_gradient(gradient, first, second, _check.real(name, "p", p), _check.real(name, "eps", eps))
    return [
        _check.finish(unbroadcast(each, own), dtype, None) if want else None
        for each, own, want in zip((dx, -dx), shapes, wanted, strict=True)
    ]


@respelled
def pairwise_distance_backward(
    dy: Any, x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> tuple[Array, ...]:
    """Gradients of `pairwise_distance`: (x1 - x2 + eps) / y dy for p = 2, and its negative; 0 where the distance is 0.

    Parameters
    ----------
    dy : array_like
        The gradient of the result, of its shape.
    x1, x2, p, eps, keepdim
        Those of the forward call.

    Returns
    -------
    tuple of ndarray
        The gradients of x1 and x2.

    Examples
    --------
    >>> pairwise_distance_backward([1.0], [[3.0, 4.0]], [[0.0, 0.0]], eps=0.0)
    (array([[0.6, 0.8]]), array([[-0.6, -0.8]]))
    """
    found = _distance_gradients(dy, x1, x2, p, eps, keepdim, (True, True))
    return tuple(each for each in found if each is not None)
