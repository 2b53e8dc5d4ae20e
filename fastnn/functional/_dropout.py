"""Dropout: masks that are a pure function of a key and the element's index."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import _check, _core, _random, _shard
from .._check import Array
from .._core import ops
from .._dispatch import derivative, differentiable

__all__ = [
    "dropout",
    "dropout_backward",
    "dropout_mask",
]


def _threshold(name: str, p: float) -> int:
    """An element is dropped when its 16 random bits are below this: with probability threshold / 65536."""
    return round(65536 * _check.in_range(name, "p", p, 0, 1))


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
    shape, threshold = _check.sizes("dropout_mask", "shape", shape), _threshold("dropout_mask", p)
    key = _random.key("dropout_mask", rng)
    mask = np.empty(shape, np.bool_)
    if mask.size:
        ops.dropout_mask(mask.view(np.uint8), mask.size, key, threshold)
    return mask


class Rule(NamedTuple):
    """The value of an element: x scale + shift if it is kept, else `dropped`.  A shift of -0.0 changes no sign."""

    threshold: int
    scale: float
    shift: float
    dropped: float

    @property
    def backward(self) -> Rule:
        """The rule for gradients, with the same mask."""
        return Rule(self.threshold, self.scale, -0.0, 0.0)


def zeroing(name: str, p: float) -> Rule:
    """Dropout's rule: zeros, the rest scaled so that the mean stays."""
    p, threshold = float(p), _threshold(name, p)
    return Rule(threshold, 1 / (1 - p) if p < 1 else 0.0, -0.0, 0.0)


def alpha(name: str, p: float) -> Rule:
    """Alpha dropout's rule: selu's lower limit, then an affine map that restores mean and variance."""
    p, threshold = float(p), _threshold(name, p)
    if p == 1:
        return Rule(threshold, 0.0, -0.0, 0.0)
    a = 1 / math.sqrt((1 - p) * (1 + p * SELU_LIMIT**2))
    return Rule(threshold, a, a * SELU_LIMIT * p, -a * SELU_LIMIT * (1 - p))


SELU_LIMIT = 1.7580993408473768599402175208123

# The number of leading dimensions whose elements are kept or dropped as a whole, for an array of ndim dimensions: all
# dimensions, or (batch, channel), or the channel alone where there is no batch.
Span = Callable[[str, int, bool], int]


def elements(name: str, ndim: int, training: bool) -> int:
    """Every element has its own draw."""
    return ndim


def channels1d(name: str, ndim: int, training: bool) -> int:
    """(N, C) of (N, C, L), or C of (C, L)."""
    return _checked(name, ndim, (2, 3)) - 1


def channels2d(name: str, ndim: int, training: bool) -> int:
    """(N, C) of (N, C, *)."""
    if ndim < 2 and training:
        raise ValueError(f"{name}: expected an input of 2 or more dimensions, got {ndim} dimensions")
    return min(ndim, 2)


def channels3d(name: str, ndim: int, training: bool) -> int:
    """(N, C) of (N, C, D, H, W), or C of (C, D, H, W)."""
    return _checked(name, ndim, (4, 5)) - 3


def _checked(name: str, ndim: int, allowed: tuple[int, int]) -> int:
    if ndim not in allowed:
        raise ValueError(f"{name}: expected an input of {allowed[0]}-D or {allowed[1]}-D, got {ndim} dimensions")
    return ndim


Place = tuple[int, int, int]


def apply(
    name: str,
    argument: str,
    x: Any,
    rule: Rule,
    span: Span,
    training: bool,
    rng: Any,
    out: Array | None,
    place: Place | None = None,
) -> Array:
    """Apply a rule in training, else copy; `place` is a result of `_shard.place`, by default the present one."""
    plain = training and out is None and span is elements and _shard.now.shard is None
    if plain and type(x) is np.ndarray and x.dtype in _check.FLOATS:
        rng = _random.key(name, rng)
        y = _core.plain_dropout(x, rng, *rule)
        if y is not None:
            return y
    x, dtype = _check.as_compute(name, x, argument)
    _check.check_out(name, out, x.shape, dtype)
    leading = span(name, x.ndim, training)
    if not training:
        return _check.finish(x if out is not None else x.copy(order="K"), dtype, out)
    place = _shard.place(name, x.shape, leading) if place is None else place
    key = _random.key(name, rng)
    source = _check.contiguous(x).reshape(x.shape)
    in_place = out is not None and out is x and out.flags.c_contiguous
    y = x if in_place else _check.target_for(out, x.shape, x.dtype, source)
    if y.size:
        parts = math.prod(x.shape[:leading])
        threshold, *numbers = rule
        ops.dropout(y, source, parts, y.size // parts, key, threshold, *place, *numbers)
    return _check.finish(y, dtype, out)


def masked(function: Callable[..., Any], rule: Callable[[str, float], Rule], span: Span, training: bool) -> None:
    """Declare the derivative of a function that drops by a rule: the same mask on dy; `training` is its default."""
    name = function.__name__

    @derivative(function, "input")
    def run(
        wanted: tuple[bool],
        input: Any,
        p: float = 0.5,
        training: bool = training,
        inplace: bool = False,
        *,
        rng: Any = None,
    ) -> Any:
        forward = rule(name, p)
        leading = span(name, input.ndim, training)  # nothing is drawn for a call that is refused
        place = _shard.place(name, input.shape, leading) if training else None
        key = _random.key(name, rng) if training else 0
        y = apply(name, "input", input, forward, span, training, key, None, place)
        return y, lambda dy: (apply(name, "dy", dy, forward.backward, span, training, key, None, place),)


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
    return apply("dropout", "input", input, zeroing("dropout", p), elements, training, rng, input if inplace else out)


masked(dropout, zeroing, elements, training=True)


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
    return gradient("dropout_backward", zeroing, elements, dy, p, training, rng, out)


def gradient(
    name: str, rule: Callable[[str, float], Rule], span: Span, dy: Any, p: float, training: bool, rng: Any, out: Any
) -> Array:
    """The gradient that a `_backward` twin returns: dy through the same mask."""
    key = _random.forward_key(name, rng) if training else None
    return apply(name, "dy", dy, rule(name, p).backward, span, training, key, out)
