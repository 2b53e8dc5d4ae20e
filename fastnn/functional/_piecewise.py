"""Piecewise linear and quadratic activations and their gradients; `_activation` says what all activations share."""

from __future__ import annotations

from typing import Any

from .. import _check
from .._check import Array
from .._core import ACTS, unary, unary_backward

__all__ = [
    "hardshrink",
    "hardshrink_backward",
    "hardsigmoid",
    "hardsigmoid_backward",
    "hardswish",
    "hardswish_backward",
    "hardtanh",
    "hardtanh_backward",
    "leaky_relu",
    "leaky_relu_backward",
    "relu",
    "relu6",
    "relu6_backward",
    "relu_backward",
    "softshrink",
    "softshrink_backward",
    "threshold",
    "threshold_backward",
]


def relu(input: Any, inplace: bool = False, *, out: Array | None = None) -> Array:
    """Rectified linear unit, max(x, 0); NaN stays NaN.

    Examples
    --------
    >>> relu([-1.0, 0.0, 2.0])
    array([0., 0., 2.])
    """
    return unary(ACTS["relu"], input, input if inplace else out)


def relu_backward(dy: Any, y: Any, *, out: Array | None = None) -> Array:
    """Gradient of `relu`: dy where y > 0, else 0.

    Examples
    --------
    >>> relu_backward([1.0, 1.0, 1.0], relu([-1.0, 0.0, 2.0]))
    array([0., 0., 1.])
    """
    return unary_backward(ACTS["relu"], dy, y, out)


def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False, *, out: Array | None = None) -> Array:
    """Leaky ReLU: x where x > 0, else negative_slope * x (Maas, Hannun, Ng 2013).

    Parameters
    ----------
    negative_slope : float

    Examples
    --------
    >>> leaky_relu([-1.0, 2.0])
    array([-0.01,  2.  ])
    """
    return unary(ACTS["leaky_relu"], input, input if inplace else out, negative_slope)


def leaky_relu_backward(dy: Any, x: Any, negative_slope: float = 0.01, *, out: Array | None = None) -> Array:
    """Gradient of `leaky_relu`: dy where x > 0, else negative_slope * dy.

    Examples
    --------
    >>> leaky_relu_backward([1.0, 1.0], [-1.0, 2.0])
    array([0.01, 1.  ])
    """
    return unary_backward(ACTS["leaky_relu"], dy, x, out, negative_slope)


def hardswish(input: Any, inplace: bool = False, *, out: Array | None = None) -> Array:
    """x * min(max(x + 3, 0), 6) / 6 (Howard et al. 2019); the factor is at most 1, so that large x do not overflow.

    Examples
    --------
    >>> hardswish([-4.0, 0.0, 1.5, 4.0])
    array([-0.   ,  0.   ,  1.125,  4.   ])
    """
    return unary(ACTS["hardswish"], input, input if inplace else out)


def hardswish_backward(dy: Any, x: Any, *, out: Array | None = None) -> Array:
    """Gradient of `hardswish`: 0 up to -3, dy from 3 on, dy * (x / 3 + 1/2) between.

    Examples
    --------
    >>> hardswish_backward([1.0, 1.0, 1.0], [-3.0, 0.0, 3.0])
    array([0. , 0.5, 1. ])
    """
    return unary_backward(ACTS["hardswish"], dy, x, out)


def hardsigmoid(input: Any, inplace: bool = False, *, out: Array | None = None) -> Array:
    """min(max(x + 3, 0), 6) / 6.

    Examples
    --------
    >>> hardsigmoid([-4.0, 0.0, 4.0])
    array([0. , 0.5, 1. ])
    """
    return unary(ACTS["hardsigmoid"], input, input if inplace else out)


def hardsigmoid_backward(dy: Any, x: Any, *, out: Array | None = None) -> Array:
    """Gradient of `hardsigmoid`: dy / 6 between -3 and 3, else 0.

    Examples
    --------
    >>> hardsigmoid_backward([6.0, 6.0], [0.0, 3.0])
    array([1., 0.])
    """
    return unary_backward(ACTS["hardsigmoid"], dy, x, out)


def hardtanh(
    input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False, *, out: Array | None = None
) -> Array:
    """min(max(x, min_val), max_val).

    Parameters
    ----------
    min_val, max_val : float
        min_val must not exceed max_val.

    Raises
    ------
    ValueError
        If min_val > max_val.

    Examples
    --------
    >>> hardtanh([-2.0, 0.5, 2.0])
    array([-1. ,  0.5,  1. ])
    """
    if _check.real("hardtanh", "min_val", min_val) > _check.real("hardtanh", "max_val", max_val):
        raise ValueError(f"hardtanh: expected min_val of at most max_val, got {min_val} and {max_val}")
    return unary(ACTS["hardtanh"], input, input if inplace else out, min_val, max_val)


def hardtanh_backward(
    dy: Any, x: Any, min_val: float = -1.0, max_val: float = 1.0, *, out: Array | None = None
) -> Array:
    """Gradient of `hardtanh`: dy strictly between the bounds, else 0.

    Examples
    --------
    >>> hardtanh_backward([1.0, 1.0], [0.5, 1.0])
    array([1., 0.])
    """
    return unary_backward(ACTS["hardtanh"], dy, x, out, min_val, max_val)


def relu6(input: Any, inplace: bool = False, *, out: Array | None = None) -> Array:
    """min(max(x, 0), 6).

    Examples
    --------
    >>> relu6([-1.0, 3.0, 8.0])
    array([0., 3., 6.])
    """
    return unary(ACTS["relu6"], input, input if inplace else out)


def relu6_backward(dy: Any, x: Any, *, out: Array | None = None) -> Array:
    """Gradient of `relu6`: dy strictly between 0 and 6, else 0.

    Examples
    --------
    >>> relu6_backward([1.0, 1.0], [3.0, 6.0])
    array([1., 0.])
    """
    return unary_backward(ACTS["relu6"], dy, x, out)


def hardshrink(input: Any, lambd: float = 0.5, *, out: Array | None = None) -> Array:
    """x where abs(x) > lambd, else 0.

    Parameters
    ----------
    lambd : float

    Examples
    --------
    >>> hardshrink([-1.0, 0.25, 0.5, 0.75])
    array([-1.  ,  0.  ,  0.  ,  0.75])
    """
    return unary(ACTS["hardshrink"], input, out, lambd)


def hardshrink_backward(dy: Any, x: Any, lambd: float = 0.5, *, out: Array | None = None) -> Array:
    """Gradient of `hardshrink`: dy where abs(x) > lambd, else 0.

    Examples
    --------
    >>> hardshrink_backward([1.0, 1.0], [0.5, 0.75])
    array([0., 1.])
    """
    return unary_backward(ACTS["hardshrink"], dy, x, out, lambd)


def softshrink(input: Any, lambd: float = 0.5, *, out: Array | None = None) -> Array:
    """x brought nearer to 0 by lambd, and 0 where abs(x) <= lambd.

    Parameters
    ----------
    lambd : float
        Not negative.

    Raises
    ------
    ValueError
        If lambd < 0.

    Examples
    --------
    >>> softshrink([-1.0, 0.25, 2.0])
    array([-0.5,  0. ,  1.5])
    """
    if _check.real("softshrink", "lambd", lambd) < 0:
        raise ValueError(f"softshrink: expected lambd of at least 0, got {lambd}")
    return unary(ACTS["softshrink"], input, out, lambd)


def softshrink_backward(dy: Any, x: Any, lambd: float = 0.5, *, out: Array | None = None) -> Array:
    """Gradient of `softshrink`: dy where abs(x) > lambd, else 0.

    Examples
    --------
    >>> softshrink_backward([1.0, 1.0], [0.5, 0.75])
    array([0., 1.])
    """
    return unary_backward(ACTS["softshrink"], dy, x, out, lambd)


def threshold(input: Any, threshold: float, value: float, inplace: bool = False, *, out: Array | None = None) -> Array:
    """x where x > threshold, else value.

    Parameters
    ----------
    threshold, value : float

    Examples
    --------
    >>> threshold([-1.0, 0.5, 2.0], 0.5, -7.0)
    array([-7., -7.,  2.])
    """
    return unary(ACTS["threshold"], input, input if inplace else out, threshold, value)


def threshold_backward(dy: Any, x: Any, threshold: float, value: float, *, out: Array | None = None) -> Array:
    """Gradient of `threshold`: dy where x > threshold, else 0.

    Examples
    --------
    >>> threshold_backward([1.0, 1.0], [0.5, 2.0], 0.5, -7.0)
    array([0., 1.])
    """
    return unary_backward(ACTS["threshold"], dy, x, out, threshold, value)
