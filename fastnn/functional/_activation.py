"""Element-wise activations and their gradients.

Each function takes any array-like of real numbers and returns an array of its shape, dtype and memory layout; integers
become float64, float16 is computed in float32 and rounded once.  A `_backward` twin takes the gradient `dy` of the
result and the tensor that the derivative reads: `y` (the result) where that is exact enough and cheaper, else `x` (the
input).  `out` may be an input itself.

float32 results are within 2 ULP of the exact value, float64 results within 4; gradients read from `x` within
4 ULP (of 2^-4 next to their roots, where they are smaller), those read from `y` within 2^-23.
"""

from __future__ import annotations

from typing import Any

from .. import _check
from .._check import Array
from .._core import ACTS, unary, unary_backward

__all__ = [
    "gelu",
    "gelu_backward",
    "logsigmoid",
    "logsigmoid_backward",
    "mish",
    "mish_backward",
    "sigmoid",
    "sigmoid_backward",
    "silu",
    "silu_backward",
    "softplus",
    "softplus_backward",
    "softsign",
    "softsign_backward",
    "tanh",
    "tanh_backward",
    "tanhshrink",
    "tanhshrink_backward",
]


def sigmoid(input: Any, *, out: Array | None = None) -> Array:
    """Logistic function 1 / (1 + exp(-x)), its left tail down through the subnormal numbers.

    Examples
    --------
    >>> sigmoid([0.0, 2.0]).round(4)
    array([0.5   , 0.8808])
    """
    return unary(ACTS["sigmoid"], input, out)


def sigmoid_backward(dy: Any, y: Any, *, out: Array | None = None) -> Array:
    """Gradient of `sigmoid`: dy * y * (1 - y).

    Examples
    --------
    >>> sigmoid_backward([1.0], sigmoid([0.0]))
    array([0.25])
    """
    return unary_backward(ACTS["sigmoid"], dy, y, out)


def tanh(input: Any, *, out: Array | None = None) -> Array:
    """Hyperbolic tangent.

    Examples
    --------
    >>> tanh([0.0, 1.0]).round(4)
    array([0.    , 0.7616])
    """
    return unary(ACTS["tanh"], input, out)


def tanh_backward(dy: Any, y: Any, *, out: Array | None = None) -> Array:
    """Gradient of `tanh`: dy * (1 - y^2).

    Examples
    --------
    >>> tanh_backward([1.0], tanh([0.0]))
    array([1.])
    """
    return unary_backward(ACTS["tanh"], dy, y, out)


def silu(input: Any, inplace: bool = False, *, out: Array | None = None) -> Array:
    """SiLU, also called swish: x * sigmoid(x); -0.0 at -inf (Elfwing, Uchibe, Doya 2018).

    Examples
    --------
    >>> silu([-1.0, 1.0]).round(4)
    array([-0.2689,  0.7311])
    """
    return unary(ACTS["silu"], input, input if inplace else out)


def silu_backward(dy: Any, x: Any, *, out: Array | None = None) -> Array:
    """Gradient of `silu`: dy * s * (1 + x * (1 - s)), s = sigmoid(x).

    Examples
    --------
    >>> silu_backward([1.0], [0.0])
    array([0.5])
    """
    return unary_backward(ACTS["silu"], dy, x, out)


def _gelu_act(name: str, approximate: str) -> int:
    return ACTS["gelu" if _check.choice(name, "approximate", approximate, ("none", "tanh")) == "none" else "gelu_tanh"]


def gelu(input: Any, approximate: str = "none", *, out: Array | None = None) -> Array:
    """Gaussian error linear unit x * Phi(x), Phi the normal distribution function (Hendrycks, Gimpel 2016).

    Parameters
    ----------
    approximate : {"none", "tanh"}
        "tanh": 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) instead.

    Notes
    -----
    The left tail keeps its relative accuracy to the last subnormal number; the usual x (1 + erf) / 2 has lost every
    digit by -5.5.  The limits hold: -0.0 at -inf, inf at inf.

    Examples
    --------
    >>> gelu([-1.0, 1.0]).round(4)
    array([-0.1587,  0.8413])
    """
    return unary(_gelu_act("gelu", approximate), input, out)


def gelu_backward(dy: Any, x: Any, approximate: str = "none", *, out: Array | None = None) -> Array:
    """Gradient of `gelu`: dy * (Phi(x) + x * phi(x)), or the tanh form's.

    Examples
    --------
    >>> gelu_backward([1.0], [0.0])
    array([0.5])
    """
    return unary_backward(_gelu_act("gelu_backward", approximate), dy, x, out)


def mish(input: Any, inplace: bool = False, *, out: Array | None = None) -> Array:
    """Mish: x * tanh(log(1 + exp(x))); -0.0 at -inf (Misra 2019).

    Examples
    --------
    >>> mish([-1.0, 1.0]).round(4)
    array([-0.3034,  0.8651])
    """
    return unary(ACTS["mish"], input, input if inplace else out)


def mish_backward(dy: Any, x: Any, *, out: Array | None = None) -> Array:
    """Gradient of `mish`.

    Examples
    --------
    >>> mish_backward([1.0], [0.0])
    array([0.6])
    """
    return unary_backward(ACTS["mish"], dy, x, out)


def softplus(input: Any, beta: float = 1.0, threshold: float = 20.0, *, out: Array | None = None) -> Array:
    """Smooth ReLU log(1 + exp(beta x)) / beta; x itself where beta x > threshold.

    Parameters
    ----------
    beta, threshold : float

    Examples
    --------
    >>> softplus([-1.0, 0.0, 30.0]).round(4)
    array([ 0.3133,  0.6931, 30.    ])
    """
    return unary(ACTS["softplus"], input, out, beta, threshold)


def softplus_backward(
    dy: Any, x: Any, beta: float = 1.0, threshold: float = 20.0, *, out: Array | None = None
) -> Array:
    """Gradient of `softplus`: dy * sigmoid(beta x), or dy where beta x > threshold.

    Examples
    --------
    >>> softplus_backward([1.0], [0.0])
    array([0.5])
    """
    return unary_backward(ACTS["softplus"], dy, x, out, beta, threshold)


def logsigmoid(input: Any, *, out: Array | None = None) -> Array:
    """Logarithm of the logistic function, min(x, 0) - log(1 + exp(-abs(x))).

    Examples
    --------
    >>> logsigmoid([-100.0, 0.0]).round(4)
    array([-100.    ,   -0.6931])
    """
    return unary(ACTS["logsigmoid"], input, out)


def logsigmoid_backward(dy: Any, x: Any, *, out: Array | None = None) -> Array:
    """Gradient of `logsigmoid`: dy * sigmoid(-x).

    Examples
    --------
    >>> logsigmoid_backward([1.0], [0.0])
    array([0.5])
    """
    return unary_backward(ACTS["logsigmoid"], dy, x, out)


def softsign(input: Any, *, out: Array | None = None) -> Array:
    """x / (1 + abs(x)); -1 and 1 at the infinities.

    Examples
    --------
    >>> softsign([-1.0, 0.0, 3.0])
    array([-0.5 ,  0.  ,  0.75])
    """
    return unary(ACTS["softsign"], input, out)


def softsign_backward(dy: Any, x: Any, *, out: Array | None = None) -> Array:
    """Gradient of `softsign`: dy / (1 + abs(x))^2.

    Examples
    --------
    >>> softsign_backward([1.0], [1.0])
    array([0.25])
    """
    return unary_backward(ACTS["softsign"], dy, x, out)


def tanhshrink(input: Any, *, out: Array | None = None) -> Array:
    """x - tanh(x), without the cancellation near 0, where it is x^3 / 3.

    Examples
    --------
    >>> tanhshrink([-2.0, 0.01])
    array([-1.03597242e+00,  3.33320001e-07])
    """
    return unary(ACTS["tanhshrink"], input, out)


def tanhshrink_backward(dy: Any, x: Any, *, out: Array | None = None) -> Array:
    """Gradient of `tanhshrink`: dy * tanh(x)^2.

    Examples
    --------
    >>> tanhshrink_backward([1.0], [1.0]).round(4)
    array([0.58])
    """
    return unary_backward(ACTS["tanhshrink"], dy, x, out)
