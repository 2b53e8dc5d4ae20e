"""Batch normalization: layers that normalize each channel over the batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _check, functional
from .._check import Array
from ..functional._batch_norm import check_running
from ._norm import ChannelNorm

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
]


class _BatchNorm(ChannelNorm):
    """The layers that call batch_norm."""

    _sections = ChannelNorm._sections.replace(
        "    dtype :",
        """\
    nonfinite : "propagate", "raise" or "skip"
        What a training batch with NaN or inf does to the running statistics: poison them, as in PyTorch; raise a
        FloatingPointError that names the channels; or nothing.  The last two leave them untouched.
    dtype :""",
    )

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
        nonfinite: str = "propagate",
        dtype: Any = np.float32,
    ):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, bias, dtype)
        self.nonfinite = _check.choice(type(self).__name__, "nonfinite", nonfinite, ("propagate", "raise", "skip"))

    def forward(self, input: Any) -> Any:
        """Normalize; in training mode also update the running statistics."""
        x = self._checked(input)
        if x.shape[1] != self.num_features:
            raise ValueError(
                f"{type(self).__name__}: expected an input of {self.num_features} channels, "
                f"got {x.shape[1]} with shape {x.shape}"
            )
        mean, var, batches = (self._buffers[name] for name in ("running_mean", "running_var", "num_batches_tracked"))
        update = self.training and mean is not None
        momentum = self.momentum
        if momentum is None:
            momentum = 1 / (int(batches) + 1) if update and batches is not None else 0.0
        apart = (
            self.nonfinite != "propagate" and update
        )  # look at the batch's statistics before the running ones are updated
        if apart:
            for argument, value in (("running_mean", mean), ("running_var", var)):
                check_running(type(self).__name__, argument, value, self.num_features, update=True)
        batch = (np.zeros(self.num_features), np.zeros(self.num_features))
        follows = update or not self.training
        y = functional.batch_norm(
            x,
            batch[0] if apart else mean if follows else None,
            batch[1] if apart else var if follows else None,
            self._parameters["weight"],
            self._parameters["bias"],
            self.training or mean is None,
            1.0 if apart else momentum,
            self.eps,
        )
        if apart and not self._follow(batch, momentum):
            return y
        if update and batches is not None:
            out = batches if batches.flags.writeable else None
            self._buffers["num_batches_tracked"] = np.asarray(np.add(batches, 1, out=out))
        return y

    def _follow(self, batch: tuple[Array, Array], momentum: float) -> bool:
        """Update the running statistics by the batch's if these are finite; return whether they are."""
        poisoned = ~(np.isfinite(batch[0]) & np.isfinite(batch[1]))
        if poisoned.any():
            if self.nonfinite == "raise":
                channels = ", ".join(map(str, np.flatnonzero(poisoned)[:10]))
                more = ", ..." if poisoned.sum() > 10 else ""
                raise FloatingPointError(
                    f"{type(self).__name__}: expected a batch of finite values and variance, got NaN or inf in "
                    f"{np.count_nonzero(poisoned)} of {self.num_features} channels ({channels}{more})"
                )
            return False
        for running, new in zip((self.running_mean, self.running_var), batch, strict=True):
            running[...] = (1 - momentum) * running.astype(np.float64) + momentum * new
        return True

    def extra_repr(self) -> str:
        """Return the options."""
        return super().extra_repr() + ("" if self.nonfinite == "propagate" else f", nonfinite={self.nonfinite!r}")


class BatchNorm1d(_BatchNorm, dims=1):
    """Batch normalization of each channel; see `fastnn.batch_norm` for the formula."""

    _dimensions = {2: "(N, C)", 3: "(N, C, L)"}  # noqa: RUF012


class BatchNorm2d(_BatchNorm, dims=2):
    """Batch normalization of each channel; see `fastnn.batch_norm` for the formula."""

    _dimensions = {4: "(N, C, H, W)"}  # noqa: RUF012


class BatchNorm3d(_BatchNorm, dims=3):
    """Batch normalization of each channel; see `fastnn.batch_norm` for the formula."""

    _dimensions = {5: "(N, C, D, H, W)"}  # noqa: RUF012
