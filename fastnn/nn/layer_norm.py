"""Layer and RMS normalization: layers that normalize the last dimensions."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _check, functional
from ._norm import SampleNorm

__all__ = [
    "LayerNorm",
    "RMSNorm",
]


class LayerNorm(SampleNorm):
    """Normalization over the last dimensions; see `fastnn.layer_norm` for the formula.

    Parameters
    ----------
    normalized_shape : int or tuple of int
        The sizes of the last dimensions.
    eps : float
    elementwise_affine : bool
        Learn a weight (starts at 1) and a bias (starts at 0) for each element.
    bias : bool
        Without, there is no bias.
    dtype : float32 or float64
        Of the parameters; the input is converted to it.  Without parameters the input keeps its dtype.

    Attributes
    ----------
    weight, bias : Parameter, normalized_shape, or None

    Examples
    --------
    >>> LayerNorm(4)(np.random.rand(2, 3, 4)).shape
    (2, 3, 4)
    """

    def __init__(
        self,
        normalized_shape: Any,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: Any = np.float32,
    ):
        self_shape = _check.normalized_shape("LayerNorm", normalized_shape)
        super().__init__(self_shape, eps, elementwise_affine, bias, dtype)
        self.normalized_shape, self.elementwise_affine = self_shape, elementwise_affine

    def forward(self, input: Any) -> Any:
        """Normalize."""
        x = self._entering(input)
        return functional.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Return the options."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(SampleNorm):
    """x / sqrt(mean(x^2) + eps) * weight over the last dimensions; see `fastnn.rms_norm`.

    Parameters
    ----------
    normalized_shape : int or tuple of int
    eps : float, optional
        None: the machine epsilon of the result's dtype, of float32 for float16.
    elementwise_affine : bool
        Learn a weight (starts at 1) for each element.
    dtype : float32 or float64
        Of the parameters; the input is converted to it.  Without parameters the input keeps its dtype.

    Attributes
    ----------
    weight : Parameter, normalized_shape, or None

    Examples
    --------
    >>> RMSNorm(4)(np.random.rand(2, 3, 4)).shape
    (2, 3, 4)
    """

    _has_bias = False

    def __init__(
        self,
        normalized_shape: Any,
        eps: float | None = None,
        elementwise_affine: bool = True,
        *,
        dtype: Any = np.float32,
    ):
        self_shape = _check.normalized_shape("RMSNorm", normalized_shape)
        super().__init__(self_shape, eps, elementwise_affine, False, dtype)
        self.normalized_shape, self.elementwise_affine = self_shape, elementwise_affine

    def forward(self, input: Any) -> Any:
        """Normalize."""
        return functional.rms_norm(self._entering(input), self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """Return the options."""
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
