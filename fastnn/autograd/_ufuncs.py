"""The tape's derivatives of NumPy's ufuncs.

Each has one rule for each argument: a function of dy, the result y and the arguments.
"""

from __future__ import annotations

import numpy as np

from .._check import Array
from ._registry import UFUNCS, UNDIFFERENTIATED


def _shared(dy: Array, y: Array, chosen: Array, other: Array) -> Array:
    """Gradient of a maximum or minimum: all of it to the one chosen, half where both are equal."""
    return np.where(chosen == other, dy / 2, np.where((chosen == y) | (chosen != chosen), dy, 0))


def _power_base(dy: Array, y: Array, a: Array, b: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.where(np.equal(b, 0), 0, dy * b * np.power(a, np.where(np.equal(b, 0), 1, b - 1)))


def _power_exponent(dy: Array, y: Array, a: Array, b: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.where((a == 0) & (b >= 0), 0, dy * y * np.log(a))


UFUNCS.update(
    {
        np.add: (lambda dy, y, a, b: dy, lambda dy, y, a, b: dy),
        np.subtract: (lambda dy, y, a, b: dy, lambda dy, y, a, b: -dy),
        np.multiply: (lambda dy, y, a, b: dy * b, lambda dy, y, a, b: dy * a),
        np.divide: (lambda dy, y, a, b: dy / b, lambda dy, y, a, b: -dy * y / b),
        np.power: (_power_base, _power_exponent),
        np.maximum: (lambda dy, y, a, b: _shared(dy, y, a, b), lambda dy, y, a, b: _shared(dy, y, b, a)),
        np.minimum: (lambda dy, y, a, b: _shared(dy, y, a, b), lambda dy, y, a, b: _shared(dy, y, b, a)),
        np.negative: (lambda dy, y, x: -dy,),
        np.positive: (lambda dy, y, x: dy,),
        np.absolute: (lambda dy, y, x: dy * np.sign(x),),
        np.exp: (lambda dy, y, x: dy * y,),
        np.expm1: (lambda dy, y, x: dy * (y + 1),),
        np.exp2: (lambda dy, y, x: dy * y * x.dtype.type(np.log(2)),),
        np.log: (lambda dy, y, x: dy / x,),
        np.log2: (lambda dy, y, x: dy / (x * x.dtype.type(np.log(2))),),
        np.log10: (lambda dy, y, x: dy / (x * x.dtype.type(np.log(10))),),
        np.log1p: (lambda dy, y, x: dy / (x + 1),),
        np.sqrt: (lambda dy, y, x: dy / (2 * y),),
        np.square: (lambda dy, y, x: dy * (2 * x),),
        np.reciprocal: (lambda dy, y, x: -dy * y * y,),
        np.sin: (lambda dy, y, x: dy * np.cos(x),),
        np.cos: (lambda dy, y, x: -dy * np.sin(x),),
        np.tan: (lambda dy, y, x: dy * (1 + y * y),),
        np.arctan: (lambda dy, y, x: dy / (1 + x * x),),
        np.sinh: (lambda dy, y, x: dy * np.cosh(x),),
        np.cosh: (lambda dy, y, x: dy * np.sinh(x),),
        np.tanh: (lambda dy, y, x: dy * (1 - y * y),),
    }
)

UNDIFFERENTIATED.update(
    {
        np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal, np.isnan, np.isinf, np.isfinite,
        np.logical_and, np.logical_or, np.logical_not, np.logical_xor, np.signbit,
        np.argmax, np.argmin, np.argsort, np.count_nonzero, np.any, np.all, np.shape, np.ndim, np.size, np.array_equal,
        np.allclose, np.isclose, np.nonzero, np.searchsorted, np.array2string, np.array_repr, np.array_str,
        np.zeros_like, np.ones_like, np.empty_like, np.result_type, np.shares_memory, np.may_share_memory,
    }
)  # fmt: skip
