"""Group normalization: a layer that normalizes each sample's groups of channels."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _check, functional
from ._norm import SampleNorm

__all__ = [
    "GroupNorm",
]


class GroupNorm(SampleNorm):
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
        Of the parameters; the input is converted to it.  Without parameters the input keeps its dtype.

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
