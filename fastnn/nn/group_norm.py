"""Layer, group and RMS normalization: layers that normalize each sample by itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _check, functional
from ._module import Parameter
from .norm import Typed

__all__ = [
    "GroupNorm",
    "LayerNorm",
    "RMSNorm",
]


class _SampleNorm(Typed):
    """A weight and, but for RMS norm, a bias of some shape, if any."""

    _has_bias = True

    def __init__(self, shape: tuple[int, ...], eps: float | None, weight: bool, bias: bool, dtype: Any):
        super().__init__(dtype)
        self.eps: Any = None if eps is None else _check.real(type(self).__name__, "eps", eps)
        self.register_parameter("weight", Parameter(np.ones(shape, self.dtype)) if weight else None)
        if self._has_bias:
            self.register_parameter("bias", Parameter(np.zeros(shape, self.dtype)) if weight and bias else None)

    def reset_parameters(self) -> None:
        """Set the weight to 1 and the bias to 0."""
        for name, value in (("weight", 1), ("bias", 0)):
            if self._parameters.get(name) is not None:
                getattr(self, name).data[...] = value


class LayerNorm(_SampleNorm):
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
        Of the parameters; what enters is converted to it.  Without parameters the input's dtype stays.

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


class GroupNorm(_SampleNorm):
    """Normalization of each sample's groups of channels; see `fastnn.group_norm` for the formula.

    Parameters
    ----------
    num_groups, num_channels : int
        num_groups must divide num_channels.
    eps : float
    affine : bool
        Learn a weight (starts at 1) and a bias (starts at 0) for each channel.
    bias : bool
        Without, there is no bias.
    dtype : float32 or float64
        Of the parameters; what enters is converted to it.  Without parameters the input's dtype stays.

    Attributes
    ----------
    weight, bias : Parameter, (num_channels,), or None

    Examples
    --------
    >>> GroupNorm(2, 4)(np.random.rand(3, 4, 5)).shape
    (3, 4, 5)
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        bias: bool = True,
        dtype: Any = np.float32,
    ):
        groups = _check.count("GroupNorm", "num_groups", num_groups, low=1)
        channels = _check.count("GroupNorm", "num_channels", num_channels)
        if channels % groups:
            raise ValueError(f"GroupNorm: expected num_channels divisible by num_groups {groups}, got {channels}")
        super().__init__((channels,), eps, affine, bias, dtype)
        self.num_groups, self.num_channels, self.affine = groups, channels, affine

    def forward(self, input: Any) -> Any:
        """Normalize."""
        x = self._entering(input)
        if x.ndim > 1 and x.shape[1] != self.num_channels:
            raise ValueError(
                f"GroupNorm: expected an input of {self.num_channels} channels, got {x.shape[1]} with shape {x.shape}"
            )
        return functional.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Return the options."""
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(_SampleNorm):
    """x / sqrt(mean(x^2) + eps) * weight over the last dimensions; see `fastnn.rms_norm`.

    Parameters
    ----------
    normalized_shape : int or tuple of int
    eps : float, optional
        None: the machine epsilon of the result's dtype, of float32 for float16.
    elementwise_affine : bool
        Learn a weight (starts at 1) for each element.
    dtype : float32 or float64
        Of the parameters; what enters is converted to it.  Without parameters the input's dtype stays.

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
