"""Dropout of whole channels, and dropout that keeps mean and variance (alpha dropout)."""

from __future__ import annotations

from typing import Any

from .._check import Array
from .._dispatch import differentiable
from ._dropout import alpha, apply, channels1d, channels2d, channels3d, elements, gradient, masked, zeroing

__all__ = [
    "alpha_dropout",
    "alpha_dropout_backward",
    "dropout1d",
    "dropout1d_backward",
    "dropout2d",
    "dropout2d_backward",
    "dropout3d",
    "dropout3d_backward",
    "feature_alpha_dropout",
    "feature_alpha_dropout_backward",
]


@differentiable
def dropout1d(
    input: Any,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    rng: Any = None,
    out: Array | None = None,
) -> Array:
    """Zero whole channels of (N, C, L) or (C, L) with probability p and scale the others by 1 / (1 - p).

    Parameters
    ----------
    input : array_like
    p, training, inplace, rng, out
        As in `dropout`; the mask is `dropout_mask` of the leading dimensions, (N, C).

    Returns
    -------
    ndarray

    Examples
    --------
    >>> y = dropout1d(np.ones((2, 3, 4)), rng=0)
    >>> bool((y.min(2) == y.max(2)).all())
    True
    """
    return apply(
        "dropout1d", "input", input, zeroing("dropout1d", p), channels1d, training, rng, input if inplace else out
    )


masked(dropout1d, zeroing, channels1d, training=True)


def dropout1d_backward(
    dy: Any, p: float = 0.5, training: bool = True, *, rng: Any = None, out: Array | None = None
) -> Array:
    """Gradient of `dropout1d`, `rng` the key of the forward call: dy / (1 - p) where kept, else 0.

    Parameters
    ----------
    dy : array_like, (N, C, L) or (C, L)
        The gradient of the result of `dropout1d`.
    p : float
    training : bool
        Those of the forward call.
    rng : int
        The key that the forward call was given.
    out : ndarray, optional
        Where to put the result.

    Returns
    -------
    ndarray
        Of dy's shape and dtype.

    Raises
    ------
    TypeError
        If training and `rng` is no key.

    Examples
    --------
    >>> dropout1d_backward(np.ones((1, 2, 2)), training=False).ravel()
    array([1., 1., 1., 1.])
    """
    return gradient("dropout1d_backward", zeroing, channels1d, dy, p, training, rng, out)


@differentiable
def dropout2d(
    input: Any,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    rng: Any = None,
    out: Array | None = None,
) -> Array:
    """Zero whole channels of (N, C, *) with probability p and scale the others by 1 / (1 - p).

    Parameters
    ----------
    input : array_like
    p, training, inplace, rng, out
        As in `dropout`; the mask is `dropout_mask` of the leading dimensions, (N, C).

    Returns
    -------
    ndarray

    Examples
    --------
    >>> y = dropout2d(np.ones((2, 3, 4, 4)), rng=0)
    >>> bool((y.min((2, 3)) == y.max((2, 3))).all())
    True
    """
    return apply(
        "dropout2d", "input", input, zeroing("dropout2d", p), channels2d, training, rng, input if inplace else out
    )


masked(dropout2d, zeroing, channels2d, training=True)


def dropout2d_backward(
    dy: Any, p: float = 0.5, training: bool = True, *, rng: Any = None, out: Array | None = None
) -> Array:
    """Gradient of `dropout2d`, `rng` the key of the forward call: dy / (1 - p) where kept, else 0.

    Parameters
    ----------
    dy : array_like, (N, C, *)
        The gradient of the result of `dropout2d`.
    p : float
    training : bool
        Those of the forward call.
    rng : int
        The key that the forward call was given.
    out : ndarray, optional
        Where to put the result.

    Returns
    -------
    ndarray
        Of dy's shape and dtype.

    Raises
    ------
    TypeError
        If training and `rng` is no key.

    Examples
    --------
    >>> dropout2d_backward(np.ones((1, 2, 2, 1)), training=False).ravel()
    array([1., 1., 1., 1.])
    """
    return gradient("dropout2d_backward", zeroing, channels2d, dy, p, training, rng, out)


@differentiable
def dropout3d(
    input: Any,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    rng: Any = None,
    out: Array | None = None,
) -> Array:
    """Zero whole channels of (N, C, D, H, W) or (C, D, H, W) with probability p and scale the others by 1 / (1 - p).

    Parameters
    ----------
    input : array_like
    p, training, inplace, rng, out
        As in `dropout`; the mask is `dropout_mask` of the leading dimensions, (N, C).

    Returns
    -------
    ndarray

    Examples
    --------
    >>> y = dropout3d(np.ones((2, 3, 2, 2, 2)), rng=0)
    >>> bool((y.min((2, 3, 4)) == y.max((2, 3, 4))).all())
    True
    """
    return apply(
        "dropout3d", "input", input, zeroing("dropout3d", p), channels3d, training, rng, input if inplace else out
    )


masked(dropout3d, zeroing, channels3d, training=True)


def dropout3d_backward(
    dy: Any, p: float = 0.5, training: bool = True, *, rng: Any = None, out: Array | None = None
) -> Array:
    """Gradient of `dropout3d`, `rng` the key of the forward call: dy / (1 - p) where kept, else 0.

    Parameters
    ----------
    dy : array_like, (N, C, D, H, W) or (C, D, H, W)
        The gradient of the result of `dropout3d`.
    p : float
    training : bool
        Those of the forward call.
    rng : int
        The key that the forward call was given.
    out : ndarray, optional
        Where to put the result.

    Returns
    -------
    ndarray
        Of dy's shape and dtype.

    Raises
    ------
    TypeError
        If training and `rng` is no key.

    Examples
    --------
    >>> dropout3d_backward(np.ones((1, 2, 1, 2, 1)), training=False).ravel()
    array([1., 1., 1., 1.])
    """
    return gradient("dropout3d_backward", zeroing, channels3d, dy, p, training, rng, out)


@differentiable
def alpha_dropout(
    input: Any,
    p: float = 0.5,
    training: bool = False,
    inplace: bool = False,
    *,
    rng: Any = None,
    out: Array | None = None,
) -> Array:
    """Set elements to selu's lower limit with probability p, then restore mean and variance (Klambauer et al. 2017).

    Parameters
    ----------
    input : array_like
    p, training, inplace, rng, out
        As in `dropout`; the mask is `dropout_mask` of the shape.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> alpha_dropout(np.zeros(1000), 0.5, training=True, rng=0).round(4).max()
    np.float64(0.7792)
    """
    return apply(
        "alpha_dropout", "input", input, alpha("alpha_dropout", p), elements, training, rng, input if inplace else out
    )


masked(alpha_dropout, alpha, elements, training=False)


def alpha_dropout_backward(
    dy: Any, p: float = 0.5, training: bool = False, *, rng: Any = None, out: Array | None = None
) -> Array:
    """Gradient of `alpha_dropout`, `rng` the key of the forward call: dy times the scale where kept, else 0.

    Parameters
    ----------
    dy : array_like
        The gradient of the result of `alpha_dropout`.
    p : float
    training : bool
        Those of the forward call.
    rng : int
        The key that the forward call was given.
    out : ndarray, optional
        Where to put the result.

    Returns
    -------
    ndarray
        Of dy's shape and dtype.

    Raises
    ------
    TypeError
        If training and `rng` is no key.

    Examples
    --------
    >>> alpha_dropout_backward(np.ones((1, 2, 2, 1)), training=False).ravel()
    array([1., 1., 1., 1.])
    """
    return gradient("alpha_dropout_backward", alpha, elements, dy, p, training, rng, out)


@differentiable
def feature_alpha_dropout(
    input: Any,
    p: float = 0.5,
    training: bool = False,
    inplace: bool = False,
    *,
    rng: Any = None,
    out: Array | None = None,
) -> Array:
    """`alpha_dropout` of whole channels of (N, C, *).

    Parameters
    ----------
    input : array_like
    p, training, inplace, rng, out
        As in `dropout`; the mask is `dropout_mask` of the leading dimensions, (N, C).

    Returns
    -------
    ndarray

    Examples
    --------
    >>> y = feature_alpha_dropout(np.zeros((2, 3, 4)), 0.5, training=True, rng=0)
    >>> bool((y.min(2) == y.max(2)).all())
    True
    """
    return apply(
        "feature_alpha_dropout",
        "input",
        input,
        alpha("feature_alpha_dropout", p),
        channels2d,
        training,
        rng,
        input if inplace else out,
    )


masked(feature_alpha_dropout, alpha, channels2d, training=False)


def feature_alpha_dropout_backward(
    dy: Any, p: float = 0.5, training: bool = False, *, rng: Any = None, out: Array | None = None
) -> Array:
    """Gradient of `feature_alpha_dropout`, `rng` the key of the forward call: dy times the scale where kept, else 0.

    Parameters
    ----------
    dy : array_like, (N, C, *)
        The gradient of the result of `feature_alpha_dropout`.
    p : float
    training : bool
        Those of the forward call.
    rng : int
        The key that the forward call was given.
    out : ndarray, optional
        Where to put the result.

    Returns
    -------
    ndarray
        Of dy's shape and dtype.

    Raises
    ------
    TypeError
        If training and `rng` is no key.

    Examples
    --------
    >>> feature_alpha_dropout_backward(np.ones((1, 2, 2, 1)), training=False).ravel()
    array([1., 1., 1., 1.])
    """
    return gradient("feature_alpha_dropout_backward", alpha, channels2d, dy, p, training, rng, out)
