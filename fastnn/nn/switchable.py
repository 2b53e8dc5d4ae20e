"""Switchable normalization layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _check, functional
from ._module import Parameter
from ._norm import Typed

__all__ = [
    "SwitchableNorm1d",
    "SwitchableNorm2d",
    "SwitchableNorm3d",
]


class _SwitchableNorm(Typed):
    """Learned mixture of instance, layer and batch normalization; see `fastnn.switchable_norm` for the formula.

    Parameters
    ----------
    num_features : int
        Channels.
    eps : float
    momentum : float
        Weight of the old value in the running batch statistics: one minus batch normalization's.
    using_moving_average : bool
        Without, the running statistics are sums over the batches, which `average_batches` turns into averages.
    using_bn : bool
        Without, there are no batch statistics.
    last_gamma : bool
        Start the weight at 0, as for the last layer of a residual block.
    unbiased : bool
        Divide variances by the values less one, as the authors' program does; the paper divides by the values.
    dtype : float32 or float64
        The input is converted to it.

    Attributes
    ----------
    weight, bias : Parameter, (1, num_features, 1, ...)
    mean_weight, var_weight : Parameter
        Start at 1: equal shares.  The order is instance, layer, batch.
    running_mean, running_var : ndarray, start at 0, or None
    """

    _shape: tuple[int, ...]  # as long as the input has dimensions
    _expected: str
    _kinds: tuple[str, ...] = ("instance", "layer", "batch")

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float,
        using_moving_average: bool,
        using_bn: bool,
        last_gamma: bool,
        unbiased: bool,
        dtype: Any,
    ):
        super().__init__(dtype)
        name, dtype = type(self).__name__, self.dtype
        self.num_features = _check.count(name, "num_features", num_features, low=1)
        self.eps = _check.real(name, "eps", eps)
        self.momentum = _check.in_range(name, "momentum", momentum, 0, 1)
        self.using_moving_average, self.using_bn, self.last_gamma = using_moving_average, using_bn, last_gamma
        self.unbiased = unbiased
        shape = tuple(num_features if i == 1 else 1 for i in range(len(self._shape)))
        kinds = len(self._kinds) - (not using_bn)
        self.weight = Parameter(np.zeros(shape, dtype) if last_gamma else np.ones(shape, dtype))
        self.bias = Parameter(np.zeros(shape, dtype))
        self.mean_weight, self.var_weight = (Parameter(np.ones(kinds, dtype)) for _ in range(2))
        running = shape[:3] if using_bn else None
        self.register_buffer("running_mean", None if running is None else np.zeros(running, dtype))
        self.register_buffer("running_var", None if running is None else np.zeros(running, dtype))

    def reset_parameters(self) -> None:
        """Set all parameters and running statistics to their initial values."""
        self.weight.data[...] = 0 if self.last_gamma else 1
        self.bias.data[...] = 0
        for array in (self.mean_weight.data, self.var_weight.data):
            array[...] = 1
        for running in (self.running_mean, self.running_var):
            if running is not None:
                running[...] = 0

    def average_batches(self, batches: int) -> None:
        """Turn the sums of this many batches into averages, for evaluation (only without a moving average)."""
        count = _check.count(type(self).__name__, "batches", batches, low=1)
        if self.using_moving_average or not self.using_bn:
            raise ValueError(
                f"{type(self).__name__}: expected a layer with using_moving_average=False and using_bn=True"
            )
        mean = self.running_mean.astype(np.float64) / count
        self.running_var[...] = np.maximum(self.running_var.astype(np.float64) / count - mean**2, 0)
        self.running_mean[...] = mean

    def forward(self, input: Any) -> Any:
        """Normalize; in training mode also update the running statistics."""
        name = type(self).__name__
        x = self._entering(input)
        if x.ndim != len(self._shape):
            raise ValueError(f"{name}: expected a {len(self._shape)}-D input {self._expected}, got shape {x.shape}")
        if x.shape[1] != self.num_features:
            raise ValueError(
                f"{name}: expected an input of {self.num_features} channels, got {x.shape[1]} with shape {x.shape}"
            )
        return functional.switchable_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.mean_weight,
            self.var_weight,
            self.training,
            self.momentum,
            self.eps,
            self.using_bn,
            self.using_moving_average,
            self.unbiased,
        )

    def extra_repr(self) -> str:
        """Return the options."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"using_moving_average={self.using_moving_average}, using_bn={self.using_bn}"
        )


class SwitchableNorm1d(_SwitchableNorm):  # noqa: D101
    __doc__ = f"""{_SwitchableNorm.__doc__}
    Examples
    --------
    >>> SwitchableNorm1d(3)(np.random.rand(8, 3)).shape
    (8, 3)
    """
    _shape = (1, 0)
    _expected = "(N, C)"
    _kinds = ("layer", "batch")

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.997,
        using_moving_average: bool = True,
        *,
        unbiased: bool = True,
        dtype: Any = np.float32,
    ):
        super().__init__(num_features, eps, momentum, using_moving_average, True, False, unbiased, dtype)


class SwitchableNorm2d(_SwitchableNorm):  # noqa: D101
    __doc__ = f"""{_SwitchableNorm.__doc__}
    Examples
    --------
    >>> SwitchableNorm2d(3)(np.random.rand(8, 3, 4, 4)).shape
    (8, 3, 4, 4)
    """
    _shape = (1, 0, 1, 1)
    _expected = "(N, C, H, W)"

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.9,
        using_moving_average: bool = True,
        using_bn: bool = True,
        last_gamma: bool = False,
        *,
        unbiased: bool = True,
        dtype: Any = np.float32,
    ):
        super().__init__(num_features, eps, momentum, using_moving_average, using_bn, last_gamma, unbiased, dtype)


class SwitchableNorm3d(_SwitchableNorm):  # noqa: D101
    __doc__ = f"""{_SwitchableNorm.__doc__}
    Examples
    --------
    >>> SwitchableNorm3d(3)(np.random.rand(8, 3, 2, 4, 4)).shape
    (8, 3, 2, 4, 4)
    """
    _shape = (1, 0, 1, 1, 1)
    _expected = "(N, C, D, H, W)"

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.997,
        using_moving_average: bool = True,
        using_bn: bool = True,
        last_gamma: bool = False,
        *,
        unbiased: bool = True,
        dtype: Any = np.float32,
    ):
        super().__init__(num_features, eps, momentum, using_moving_average, using_bn, last_gamma, unbiased, dtype)
