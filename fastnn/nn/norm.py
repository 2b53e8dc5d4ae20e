"""Batch and instance normalization: layers with a weight, a bias and running statistics for each channel."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _check, functional
from .._check import Array
from ..functional._batch_norm import check_running
from ._module import Module, Parameter, cast

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
]


class Typed(Module):
    """A layer with a dtype for what it holds.  What enters is converted to it if there are parameters to meet there."""

    def __init__(self, dtype: Any):
        super().__init__()
        self.dtype = _check.float_dtype(type(self).__name__, dtype)

    def _entering(self, input: Any) -> Any:
        """The input in the parameters' dtype, or, without parameters, in its own."""
        parameter = next((each for each in self._parameters.values() if each is not None), None)
        return cast(self, input, None if parameter is None else parameter.dtype)

    def _cast(self, dtype: Any) -> None:
        super()._cast(dtype)
        self.dtype = np.dtype(dtype)


class _ChannelNorm(Typed):
    """What both have in common.

    Parameters
    ----------
    num_features : int
        Channels.
    eps : float
        Added to the variance under the root.
    momentum : float or None
        Weight of the new batch in the running statistics; None takes the plain average of all batches.
    affine : bool
        Learn a weight (starts at 1) and a bias (starts at 0) for each channel.
    track_running_stats : bool
        Without, the batch's own statistics are used in evaluation too.
    bias : bool
        Without, an affine layer has no bias.
    dtype : float32 or float64
        Of the parameters and running statistics.  What enters a layer with parameters is converted to it; without
        them the result has the input's dtype, whatever that of the running statistics.

    Attributes
    ----------
    weight, bias : Parameter, (num_features,), or None
    running_mean, running_var : ndarray, (num_features,), or None
    num_batches_tracked : ndarray, (), int64, or None
    """

    _dimensions: dict[int, str]
    _optional_state = frozenset({"num_batches_tracked"})

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        bias: bool,
        dtype: Any,
    ):
        super().__init__(dtype)
        name, dtype = type(self).__name__, self.dtype
        self.num_features = _check.count(name, "num_features", num_features)
        self.eps = _check.real(name, "eps", eps)
        self.momentum = None if momentum is None else _check.real(name, "momentum", momentum)
        self.affine, self.track_running_stats = affine, track_running_stats
        self.register_parameter("weight", Parameter(np.ones(num_features, dtype)) if affine else None)
        self.register_parameter("bias", Parameter(np.zeros(num_features, dtype)) if affine and bias else None)
        self.register_buffer("running_mean", np.zeros(num_features, dtype) if track_running_stats else None)
        self.register_buffer("running_var", np.ones(num_features, dtype) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", np.array(0, np.int64) if track_running_stats else None)

    def reset_running_stats(self) -> None:
        """Start the running statistics anew."""
        if self.track_running_stats:
            self.running_mean[...] = 0
            self.running_var[...] = 1
            self.num_batches_tracked[...] = 0

    def reset_parameters(self) -> None:
        """Start anew: running statistics, weight 1, bias 0."""
        self.reset_running_stats()
        if self.weight is not None:
            self.weight.data[...] = 1
        if self.bias is not None:
            self.bias.data[...] = 0

    def _checked(self, input: Any) -> Any:
        """What enters, of the right number of dimensions."""
        x = self._entering(input)
        if x.ndim not in self._dimensions:
            expected = " or ".join(f"a {ndim}-D input {shape}" for ndim, shape in self._dimensions.items())
            raise ValueError(f"{type(self).__name__}: expected {expected}, got {x.ndim}-D with shape {x.shape}")
        return x

    def extra_repr(self) -> str:
        """Return the options."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_ChannelNorm):
    __doc__ = _ChannelNorm.__doc__.replace(  # type: ignore[union-attr]
        "What both have in common.",
        "Batch normalization of each channel; see `fastnn.batch_norm` for the formula.",
    ).replace(
        "    dtype : float32 or float64\n",
        '    nonfinite : "propagate", "raise" or "skip"\n'
        "        What a training batch with NaN or inf does to the running statistics: poison them, as in PyTorch;\n"
        "        raise a FloatingPointError that names the channels; or nothing.  The last two leave them untouched.\n"
        "    dtype : float32 or float64\n",
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
        )  # the batch's own statistics first, then whether to follow them
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
        """Update the running statistics by the batch's; whether that was done."""
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


class BatchNorm1d(_BatchNorm):  # noqa: D101
    __doc__ = f"""{_BatchNorm.__doc__}
    Examples
    --------
    >>> BatchNorm1d(3)(np.random.rand(8, 3)).shape
    (8, 3)
    """
    _dimensions = {2: "(N, C)", 3: "(N, C, L)"}  # noqa: RUF012


class BatchNorm2d(_BatchNorm):  # noqa: D101
    __doc__ = f"""{_BatchNorm.__doc__}
    Examples
    --------
    >>> BatchNorm2d(3)(np.random.rand(8, 3, 4, 4)).shape
    (8, 3, 4, 4)
    """
    _dimensions = {4: "(N, C, H, W)"}  # noqa: RUF012


class BatchNorm3d(_BatchNorm):  # noqa: D101
    __doc__ = f"""{_BatchNorm.__doc__}
    Examples
    --------
    >>> BatchNorm3d(3)(np.random.rand(8, 3, 2, 4, 4)).shape
    (8, 3, 2, 4, 4)
    """
    _dimensions = {5: "(N, C, D, H, W)"}  # noqa: RUF012


class _InstanceNorm(_ChannelNorm):
    __doc__ = _ChannelNorm.__doc__.replace(  # type: ignore[union-attr]
        "What both have in common.",
        "Normalization of each channel of each sample; see `fastnn.instance_norm` for the formula.",
    )

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


class InstanceNorm1d(_InstanceNorm):  # noqa: D101
    __doc__ = f"""{_InstanceNorm.__doc__}
    Examples
    --------
    >>> InstanceNorm1d(3)(np.random.rand(8, 3, 4)).shape
    (8, 3, 4)
    """
    _dimensions = {2: "(C, L)", 3: "(N, C, L)"}  # noqa: RUF012


class InstanceNorm2d(_InstanceNorm):  # noqa: D101
    __doc__ = f"""{_InstanceNorm.__doc__}
    Examples
    --------
    >>> InstanceNorm2d(3)(np.random.rand(8, 3, 4, 4)).shape
    (8, 3, 4, 4)
    """
    _dimensions = {3: "(C, H, W)", 4: "(N, C, H, W)"}  # noqa: RUF012


class InstanceNorm3d(_InstanceNorm):  # noqa: D101
    __doc__ = f"""{_InstanceNorm.__doc__}
    Examples
    --------
    >>> InstanceNorm3d(3)(np.random.rand(8, 3, 2, 4, 4)).shape
    (8, 3, 2, 4, 4)
    """
    _dimensions = {4: "(C, D, H, W)", 5: "(N, C, D, H, W)"}  # noqa: RUF012
