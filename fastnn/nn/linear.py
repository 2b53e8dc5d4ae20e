"""Linear: a linear map of the last dimension."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _check, functional
from . import init
from ._module import Module, Parameter, cast

__all__ = [
    "Linear",
]


class Linear(Module):
    """Linear map of the last dimension, x W^T + b.

    Parameters
    ----------
    in_features, out_features : int
    bias : bool
    dtype : float32 or float64
        The input is converted to it.

    Attributes
    ----------
    weight : Parameter, (out_features, in_features)
        From U(-1/sqrt(in_features), 1/sqrt(in_features)), as the bias.  Its transpose is C-contiguous, as the product
        reads it.
    bias : Parameter, (out_features,), or None

    Examples
    --------
    >>> Linear(3, 2)(np.ones((5, 3))).shape
    (5, 2)
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, *, dtype: Any = np.float32):
        super().__init__()
        self.in_features = _check.count("Linear", "in_features", in_features)
        self.out_features = _check.count("Linear", "out_features", out_features)
        dtype = _check.float_dtype("Linear", dtype)
        self.weight = Parameter(np.empty((in_features, out_features), dtype).T)
        self.register_parameter("bias", Parameter(np.empty(out_features, dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        bound = 1 / math.sqrt(self.in_features) if self.in_features else 0.0
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Any) -> Any:
        """Return `fastnn.linear(input, weight, bias)`."""
        weight = self.weight
        return functional.linear(cast(self, input, weight.dtype), weight, self.bias)

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
