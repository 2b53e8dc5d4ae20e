"""Bilinear: products of two inputs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _check, functional
from . import init
from ._module import Module, Parameter, cast

__all__ = [
    "Bilinear",
]


class Bilinear(Module):
    """x1^T W_o x2 + b_o for each output o; see `fastnn.bilinear`.

    Parameters
    ----------
    in1_features, in2_features, out_features : int
    bias : bool
    dtype : float32 or float64
        The input is converted to it.

    Attributes
    ----------
    weight : Parameter, (out_features, in1_features, in2_features)
        From U(-1/sqrt(in1_features), 1/sqrt(in1_features)), as the bias.
    bias : Parameter, (out_features,), or None

    Examples
    --------
    >>> Bilinear(3, 4, 2)(np.ones((5, 3)), np.ones((5, 4))).shape
    (5, 2)
    """

    def __init__(
        self, in1_features: int, in2_features: int, out_features: int, bias: bool = True, *, dtype: Any = np.float32
    ):
        super().__init__()
        self.in1_features = _check.count("Bilinear", "in1_features", in1_features, low=1)
        self.in2_features = _check.count("Bilinear", "in2_features", in2_features)
        self.out_features = _check.count("Bilinear", "out_features", out_features)
        dtype = _check.float_dtype("Bilinear", dtype)
        self.weight = Parameter(np.empty((out_features, in1_features, in2_features), dtype))
        self.register_parameter("bias", Parameter(np.empty(out_features, dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        bound = 1 / math.sqrt(self.in1_features)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1: Any, input2: Any) -> Any:
        """Return `fastnn.bilinear(input1, input2, weight, bias)`."""
        first, second = (cast(self, each, self.weight.dtype) for each in (input1, input2))
        return functional.bilinear(first, second, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Return the sizes."""
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )
