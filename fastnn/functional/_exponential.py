"""Exponential linear units and their gradients: `_activation` says what all activations share."""

from __future__ import annotations

from typing import Any

from .. import _check
from .._check import Array
from .._core import ACTS, unary, unary_backward

__all__ = [
    "celu",
    "celu_backward",
    "elu",
    "elu_backward",
    "selu",
    "selu_backward",
]


def elu(input: Any, alpha: float = 1.0, inplace: bool = False, *, out: Array | None = None) -> Array:
    """Exponential linear unit: x where x > 0, else alpha * (exp(x) - 1) (Clevert, Unterthiner, Hochreiter 2016).

    Parameters
    ----------
    alpha : float
        Of either sign; for this reason the gradient is taken from `x`, which `y` does not determine when alpha < 0.

    Examples
    --------
    >>> elu([-1.0, 2.0]).round(4)
    array([-0.6321,  2.    ])
    """
    return unary(ACTS["elu"], input, input if inplace else out, alpha)


def elu_backward(dy: Any, x: Any, alpha: float = 1.0, *, out: Array | None = None) -> Array:
    """Gradient of `elu`: dy where x > 0, else alpha * exp(x) * dy.

    Examples
    --------
    >>> elu_backward([1.0, 1.0], [-1.0, 2.0]).round(4)
    array([0.3679, 1.    ])
    """
    return unary_backward(ACTS["elu"], dy, x, out, alpha)


def selu(input: Any, inplace: bool = False, *, out: Array | None = None) -> Array:
    """Scaled ELU: s * elu(x, a), s = 1.05070..., a = 1.67326... (Klambauer et al. 2017).

    Examples
    --------
    >>> selu([-1.0, 1.0]).round(4)
    array([-1.1113,  1.0507])
    """
    return unary(ACTS["selu"], input, input if inplace else out)


def selu_backward(dy: Any, y: Any, *, out: Array | None = None) -> Array:
    """Gradient of `selu`: s * dy where y > 0, else (y + s * a) * dy.

    Examples
    --------
    >>> selu_backward([1.0, 1.0], selu([-1.0, 1.0])).round(4)
    array([0.6468, 1.0507])
    """
    return unary_backward(ACTS["selu"], dy, y, out)


def celu(input: Any, alpha: float = 1.0, inplace: bool = False, *, out: Array | None = None) -> Array:
    """max(0, x) + min(0, alpha * (exp(x / alpha) - 1)), smooth at 0 for every alpha (Barron 2017).

    Parameters
    ----------
    alpha : float
        Not 0.

    Raises
    ------
    ValueError
        If alpha is 0.

    Examples
    --------
    >>> celu([-1.0, 2.0], 2.0).round(4)
    array([-0.7869,  2.    ])
    """
    if _check.real("celu", "alpha", alpha) == 0:
        raise ValueError("celu: expected alpha not to be 0")
    return unary(ACTS["celu"], input, input if inplace else out, alpha)


def celu_backward(dy: Any, x: Any, alpha: float = 1.0, *, out: Array | None = None) -> Array:
    """Gradient of `celu`: dy where x > 0, else exp(x / alpha) * dy.

    Examples
    --------
    >>> celu_backward([1.0, 1.0], [-2.0, 2.0], 2.0).round(4)
    array([0.3679, 1.    ])
    """
    return unary_backward(ACTS["celu"], dy, x, out, alpha)
