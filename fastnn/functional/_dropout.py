"""Dropout: masks that are a pure function of a key and the element's index."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _check, _core, _random
from .._check import Array
from .._dispatch import differentiable
from ._softmax import kernel_type

__all__ = [
    "dropout",
    "dropout_backward",
    "dropout_mask",
]


def _threshold(name: str, p: float) -> int:
    """An element is dropped when its 16 random bits are below this: with probability threshold / 65536."""
    return round(65536 * _check.in_range(name, "p", p, 0, 1))


def _shape(name: str, shape: Any) -> tuple[int, ...]:
    sizes = shape if isinstance(shape, (tuple, list)) else (shape,)
    return tuple(_check.count(name, "each size of shape", size) for size in sizes)


def dropout_mask(shape: Any, p: float = 0.5, rng: Any = None) -> Array:
    """Return the mask that `dropout` applies to an array of this shape with the same `p` and `rng`: True is kept.

    Parameters
    ----------
    shape : int or tuple of int
    p : float
        Probability of dropping an element, in [0, 1].  The mask drops with probability round(65536 p) / 65536, which
        differs from p by at most 2^-17; above 1 - 2^-17 it drops everything.
    rng : None, int, SeedSequence or Generator
        An integer below 2^64 is the mask's key.  None draws a key from the package's generator (`manual_seed`), a
        Generator is asked for one draw.

    Returns
    -------
    ndarray of bool

    Notes
    -----
    Philox4x32-7 (Salmon et al. 2011) of the element's index in C order: the same bits on every machine, for any
    number of threads.

    Examples
    --------
    >>> dropout_mask(4, 0.5, rng=1).dtype
    dtype('bool')
    """
    shape, threshold = _shape("dropout_mask", shape), _threshold("dropout_mask", p)
    key = _random.key("dropout_mask", rng)
    mask = np.empty(shape, np.bool_)
    if mask.size:
        _core.dropout_mask(mask.reshape(-1).view(np.uint8), key, threshold)
    return mask


def _apply(name: str, argument: str, x: Any, p: float, training: bool, rng: Any, out: Array | None) -> Array:
    x, dtype = _check.as_compute(name, x, argument)
    p = _check.in_range(name, "p", p, 0, 1)
    threshold = _threshold(name, p)
    _check.check_out(name, out, x.shape, dtype)
    if training:
        key = _random.key(name, rng)
        source = np.ascontiguousarray(x).reshape(x.shape)
        in_place = out is not None and out is x and out.flags.c_contiguous
        y = x if in_place else _check.target_for(out, x.shape, x.dtype, source)
        if y.size:
            scale = 1 / (1 - p) if p < 1 else 0.0
            _core.dropout[kernel_type(y)](y.reshape(-1), source.reshape(-1), key, threshold, scale)
    else:
        y = x if out is not None else x.copy(order="K")
    return _check.finish(y, dtype, out)


@differentiable
def dropout(
    input: Any,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    rng: Any = None,
    out: Array | None = None,
) -> Array:
    """Zero elements with probability p and scale the others by 1 / (1 - p); a copy if not training.

    Parameters
    ----------
    input : array_like
    p : float
        In [0, 1]; see `dropout_mask`.
    training : bool
    inplace : bool
        Write the result over `input`, as `out=input` does.
    rng : None, int, SeedSequence or Generator
        The mask's key or where to draw it from; see `dropout_mask`.
    out : ndarray, optional
        Where to put the result.

    Returns
    -------
    ndarray
        A dropped element is +0.0, even where the input is inf or NaN.

    Raises
    ------
    ValueError
        If p is not in [0, 1].

    Notes
    -----
    Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 2014.

    Examples
    --------
    >>> y = dropout([1.0, 1.0, 1.0, 1.0], p=0.5, rng=3)
    >>> bool(((y == 0) | (y == 2)).all())
    True
    """
    return _apply("dropout", "input", input, p, training, rng, input if inplace else out)


def dropout_backward(
    dy: Any, p: float = 0.5, training: bool = True, *, rng: Any = None, out: Array | None = None
) -> Array:
    """Gradient of `dropout`, which is dropout itself with the same mask: dy / (1 - p) where kept, else 0.

    Parameters
    ----------
    dy : array_like
    p : float
    training : bool
    rng : int
        The key that the forward call was given.
    out : ndarray, optional
        Where to put the result.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> x = np.ones(4)
    >>> bool((dropout_backward(x, 0.5, rng=3) == dropout(x, 0.5, rng=3)).all())
    True
    """
    if training and rng is None:
        raise TypeError("dropout_backward: expected rng to be the key of the forward call, got None")
    return _apply("dropout_backward", "dy", dy, p, training, rng, out)
