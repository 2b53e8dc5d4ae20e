"""Instance normalization: layers that normalize each channel of each sample."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import functional
from ._norm import ChannelNorm

__all__ = [
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
]


class _InstanceNorm(ChannelNorm):
    """The layers that call instance_norm."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        *,
        bias: bool = True,
        dtype: Any = np.float32,
    ):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, bias, dtype)

    def forward(self, input: Any) -> Any:
        """Normalize; in training mode also update the running statistics, if there are any."""
        x = self._checked(input)
        single = x.ndim == min(self._dimensions)
        channels = x.shape[0 if single else 1]
        if channels != self.num_features and (self.affine or self.track_running_stats):
            raise ValueError(
                f"{type(self).__name__}: expected an input of {self.num_features} channels, "
                f"got {channels} with shape {x.shape}"
            )
        y = functional.instance_norm(
            x.reshape((1, *x.shape)) if single else x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return y.reshape(x.shape) if single else y


class InstanceNorm1d(_InstanceNorm, dims=1):
    """Normalization of each channel of each sample; see `fastnn.instance_norm` for the formula."""

    _dimensions = {2: "(C, L)", 3: "(N, C, L)"}  # noqa: RUF012


class InstanceNorm2d(_InstanceNorm, dims=2):
    """Normalization of each channel of each sample; see `fastnn.instance_norm` for the formula."""

    _dimensions = {3: "(C, H, W)", 4: "(N, C, H, W)"}  # noqa: RUF012


class InstanceNorm3d(_InstanceNorm, dims=3):
    """Normalization of each channel of each sample; see `fastnn.instance_norm` for the formula."""

    _dimensions = {4: "(C, D, H, W)", 5: "(N, C, D, H, W)"}  # noqa: RUF012
