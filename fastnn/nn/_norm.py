"""The base classes of normalization layers: a dtype, and parameters of channels or of samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _check
from ._dimensions import Dimensional
from ._module import Module, Parameter, cast


class Typed(Module):
    """A layer whose parameters and buffers have one dtype, to which the input is converted if there are parameters."""

    def __init__(self, dtype: Any):
        super().__init__()
        self.dtype = _check.float_dtype(type(self).__name__, dtype)

    def _entering(self, input: Any) -> Any:
        """The input in the parameters' dtype; without parameters it keeps its own."""
        parameter = next((each for each in self._parameters.values() if each is not None), None)
        return cast(self, input, None if parameter is None else parameter.dtype)

    def _cast(self, dtype: Any) -> None:
        super()._cast(dtype)
        self.dtype = np.dtype(dtype)


class ChannelNorm(Typed, Dimensional):
    """The common part of batch norm and instance norm."""

    _sections = """
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
        Of the parameters and running statistics.  A layer with parameters converts its input to it; without
        them the result has the input's dtype, whatever that of the running statistics.

    Attributes
    ----------
    weight, bias : Parameter, (num_features,), or None
    running_mean, running_var : ndarray, (num_features,), or None
    num_batches_tracked : ndarray, (), int64, or None

    Examples
    --------
    >>> {layer}(3)(np.random.rand(8, 3, {4s})).shape
    (8, 3, {4s})
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
        """Reset the running statistics, set the weight to 1 and the bias to 0."""
        self.reset_running_stats()
        if self.weight is not None:
            self.weight.data[...] = 1
        if self.bias is not None:
            self.bias.data[...] = 0

    def _checked(self, input: Any) -> Any:
        """The input, refused unless it has the right number of dimensions."""
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


class SampleNorm(Typed):
    """The common part of layer, group and RMS norm: an optional weight and bias (RMS norm has none) of one shape."""

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
