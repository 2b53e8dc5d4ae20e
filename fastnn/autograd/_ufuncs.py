"""The tape's derivatives of NumPy's ufuncs.

Each argument's gradient is a function of dy and of the values that it reads: the result y, the arguments x or a and b.
"""

from __future__ import annotations

import numpy as np

from .._check import Array
from ._registry import UNDIFFERENTIATED, declare, quotient


def _shared(dy: Array, y: Array, chosen: Array, other: Array) -> Array:
    """Gradient of a maximum or minimum: all of it to the one chosen, half where both are equal."""
    return np.where(chosen == other, dy / 2, np.where((chosen == y) | (chosen != chosen), dy, 0))


def _power_base(dy: Array, a: Array, b: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.where(np.equal(b, 0), 0, dy * b * np.power(a, np.where(np.equal(b, 0), 1, b - 1)))


def _power_exponent(dy: Array, y: Array, a: Array, b: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.where((a == 0) & (b >= 0), 0, dy * y * np.log(a))


declare(np.add, lambda dy: dy, lambda dy: dy)
declare(np.subtract, lambda dy: dy, lambda dy: -dy)
declare(np.multiply, lambda dy, b: dy * b, lambda dy, a: dy * a)
declare(np.divide, lambda dy, b: dy / b, lambda dy, y, b: -dy * y / b)
declare(np.power, _power_base, _power_exponent)
declare(np.maximum, lambda dy, y, a, b: _shared(dy, y, a, b), lambda dy, y, a, b: _shared(dy, y, b, a))
declare(np.minimum, lambda dy, y, a, b: _shared(dy, y, a, b), lambda dy, y, a, b: _shared(dy, y, b, a))
declare(np.negative, lambda dy: -dy)
declare(np.positive, lambda dy: dy)
declare(np.absolute, lambda dy, x: dy * np.sign(x))
declare(np.exp, lambda dy, y: dy * y)
declare(np.expm1, lambda dy, y: dy * (y + 1))
declare(np.exp2, lambda dy, y: dy * y * y.dtype.type(np.log(2)))
declare(np.log, lambda dy, x: dy / x)
declare(np.log2, lambda dy, x: dy / (x * x.dtype.type(np.log(2))))
declare(np.log10, lambda dy, x: dy / (x * x.dtype.type(np.log(10))))
declare(np.log1p, lambda dy, x: dy / (x + 1))
declare(np.sqrt, lambda dy, y: dy / (2 * y))
declare(np.square, lambda dy, x: dy * (2 * x))
declare(np.reciprocal, lambda dy, y: -dy * y * y)
declare(np.sin, lambda dy, x: dy * np.cos(x))
declare(np.cos, lambda dy, x: -dy * np.sin(x))
declare(np.tan, lambda dy, y: dy * (1 + y * y))
declare(np.arctan, lambda dy, x: dy / (1 + x * x))
declare(np.sinh, lambda dy, x: dy * np.cosh(x))
declare(np.cosh, lambda dy, x: dy * np.sinh(x))
declare(np.tanh, lambda dy, y: dy * (1 - y * y))
declare(np.arcsin, lambda dy, x: dy / np.sqrt(1 - x * x))
declare(np.arccos, lambda dy, x: -dy / np.sqrt(1 - x * x))
declare(np.arcsinh, lambda dy, x: dy / np.hypot(x, 1))
declare(np.arccosh, lambda dy, x: dy / (np.sqrt(x - 1) * np.sqrt(x + 1)))
declare(np.arctanh, lambda dy, x: dy / ((1 - x) * (1 + x)))
declare(np.arctan2, lambda dy, a, b: dy * b / (a * a + b * b), lambda dy, a, b: -dy * a / (a * a + b * b))
declare(np.hypot, lambda dy, y, a: dy * quotient(a, y), lambda dy, y, b: dy * quotient(b, y))
declare(np.logaddexp, lambda dy, y, a: dy * np.exp(a - y), lambda dy, y, b: dy * np.exp(b - y))

UNDIFFERENTIATED.update(
    {
        np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal, np.isnan, np.isinf, np.isfinite,
        np.logical_and, np.logical_or, np.logical_not, np.logical_xor, np.signbit,
        np.argmax, np.argmin, np.argsort, np.count_nonzero, np.any, np.all, np.shape, np.ndim, np.size, np.array_equal,
        np.allclose, np.isclose, np.nonzero, np.searchsorted, np.array2string, np.array_repr, np.array_str,
        np.zeros_like, np.ones_like, np.empty_like, np.result_type, np.shares_memory, np.may_share_memory,
    }
)  # fmt: skip
