"""Leaky ReLU with random slopes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _check, _core, _random, _shard
from .._check import Array
from .._core import ops
from .._dispatch import derivative, differentiable
from ._piecewise import leaky_relu, leaky_relu_backward

__all__ = [
    "rrelu",
    "rrelu_backward",
]


def rrelu_bounds(name: str, lower: Any, upper: Any) -> tuple[float, float]:
    """Check the bounds of the slopes."""
    low, high = _check.real(name, "lower", lower), _check.real(name, "upper", upper)
    if not (low <= high and math.isfinite(high - low)):
        raise ValueError(f"{name}: expected a finite lower of at most upper, got {low:g} and {high:g}")
    return low, high


@differentiable
def rrelu(
    input: Any,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    inplace: bool = False,
    *,
    rng: Any = None,
    out: Array | None = None,
) -> Array:
    """Leaky ReLU with random slopes: each from U(lower, upper) in training, else their mean (Xu et al. 2015).

    Parameters
    ----------
    input : array_like
    lower, upper : float
        lower must not exceed upper.
    training : bool
    inplace : bool
        Write the result over `input`, as `out=input` does.
    rng : None, int, SeedSequence or Generator
        As in `dropout_mask`: the key of the slopes, or where to draw it from.
    out : ndarray, optional
        Where to put the result.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> rrelu([-24.0, 1.0])
    array([-5.5,  1. ])
    """
    return _rrelu("rrelu", None, input, lower, upper, training, rng, input if inplace else out)


@derivative(rrelu, "input")
def _rrelu_with_key(
    wanted: tuple[bool],
    input: Any,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    inplace: bool = False,
    *,
    rng: Any = None,
) -> Any:
    rrelu_bounds("rrelu", lower, upper)  # nothing is drawn for a call that is refused
    key = _random.key("rrelu", rng) if training else 0
    y = rrelu(input, lower, upper, training, rng=key)
    return y, lambda dy: (rrelu_backward(dy, input, lower, upper, training, rng=key),)


def rrelu_backward(
    dy: Any,
    x: Any,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    *,
    rng: Any = None,
    out: Array | None = None,
) -> Array:
    """Gradient of `rrelu`: dy where x > 0, else dy times the slope.

    Parameters
    ----------
    dy, x : array_like
        Of one shape: the gradient of the result, and the input of `rrelu`.
    lower, upper, training
        Those of the forward call.
    rng : int
        The key that the forward call was given, if training.
    out : ndarray, optional
        Where to put the result.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> rrelu_backward([24.0, 1.0], [-1.0, 1.0])
    array([5.5, 1. ])
    """
    rng = _random.forward_key("rrelu_backward", rng) if training else None
    return _rrelu("rrelu_backward", dy, x, lower, upper, training, rng, out)


def _rrelu(
    name: str, dy: Any, input: Any, lower: float, upper: float, training: bool, rng: Any, out: Array | None
) -> Array:
    x, dtype = _check.as_compute(name, input, "x" if dy is not None else "input")
    _check.check_out(name, out, x.shape, dtype)
    low, high = rrelu_bounds(name, lower, upper)
    if not training:
        slope = (low + high) / 2
        return leaky_relu(input, slope, out=out) if dy is None else leaky_relu_backward(dy, input, slope, out=out)
    _shard.refuse(name, "random slopes")
    slopes = np.asarray(np.random.default_rng(_random.key(name, rng)).uniform(low, high, x.shape), x.dtype)
    x = _check.contiguous(x).reshape(x.shape)
    result = _core.empty_like(x)
    row, unused = _core.ACTS["leaky_relu"], slopes
    sizes = (1, x.size, 1, True)
    if x.size and dy is None:
        ops.activation_channels(result, x, slopes, unused, row, *sizes)
    elif x.size:
        gradient = _check.as_float(name, dy, "dy")
        _check.same_shape(name, "x", x, "dy", gradient)
        ops.activation_channels_backward(result, _check.contiguous(gradient, x.dtype), x, slopes, unused, row, *sizes)
    return _check.finish(result, dtype, out)
