"""Convolution layers."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from .. import _check, functional
from .._check import Array
from ..functional._conv_engine import MODES
from ..functional._conv_shapes import output_padding_for, padding_of, spatial
from . import init
from ._dimensions import Dimensional
from ._module import Parameter, cast

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
]


class _Conv(Dimensional):
    """The checked arguments, weight, bias and text of every convolution."""

    _transposed: ClassVar[bool] = False

    def _set_up(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        output_padding: Any,
        groups: int,
        bias: bool,
        padding_mode: str,
        dtype: Any,
    ) -> None:
        """Check everything, then make the parameters."""
        name, dims = type(self).__name__, self._dims
        dtype = _check.float_dtype(name, dtype)
        self.in_channels = _check.count(name, "in_channels", in_channels)
        self.out_channels = _check.count(name, "out_channels", out_channels)
        self.groups = _check.count(name, "groups", groups, 1)
        for argument, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels % groups:
                raise ValueError(f"{name}: expected groups to divide {argument} {channels}, got {groups}")
        self.kernel_size = spatial(name, "kernel_size", kernel_size, dims, 1)
        self.stride = spatial(name, "stride", stride, dims, 1)
        self.dilation = spatial(name, "dilation", dilation, dims, 1)
        before, _ = padding_of(name, padding, self.kernel_size, self.stride, self.dilation)
        self.padding = padding if isinstance(padding, str) else before
        self.output_padding = spatial(name, "output_padding", output_padding, dims, 0)
        self.padding_mode = _check.choice(name, "padding_mode", padding_mode, MODES)
        first, second = (out_channels, in_channels // groups)
        if self._transposed:
            first, second = (in_channels, out_channels // groups)
        self.weight = Parameter(_weight(self.kernel_size, first, second, self._transposed, dtype))
        self.register_parameter("bias", Parameter(np.empty(out_channels, dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        fan = math.prod(self.weight.shape[1:])
        bound = 1 / math.sqrt(fan) if fan else 0.0
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        """Return the sizes, and the options that differ from the defaults."""
        nothing, one = (0,) * self._dims, (1,) * self._dims
        shown = [
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}",
            *([f"padding={self.padding}"] if self.padding != nothing else []),
            *([f"dilation={self.dilation}"] if self.dilation != one else []),
            *([f"output_padding={self.output_padding}"] if self.output_padding != nothing else []),
            *([f"groups={self.groups}"] if self.groups != 1 else []),
            *(["bias=False"] if self.bias is None else []),
            *([f"padding_mode={self.padding_mode}"] if self.padding_mode != "zeros" else []),
        ]
        return ", ".join(shown)


def _weight(kernel: tuple[int, ...], first: int, second: int, transposed: bool, dtype: Any) -> Array:
    """(first, second, *kernel), uninitialized, in memory (*kernel, inputs, outputs), as the kernels read it."""
    dims = len(kernel)
    if transposed:
        made = np.empty((*kernel, first, second), dtype)
        return made.transpose(dims, dims + 1, *range(dims))
    made = np.empty((*kernel, second, first), dtype)
    return made.transpose(dims + 1, dims, *range(dims))


class _Convolution(_Conv):
    """The layers that call conv1d, conv2d, conv3d."""

    _sections = """
    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, dilation : int, or one for each dimension of space
    padding : int, or one for each dimension of space, or "same" or "valid"
    groups : int
        Group h of the outputs sees group h of the inputs alone.
    bias : bool
    padding_mode : {"zeros", "reflect", "replicate", "circular"}
    dtype : float32 or float64
        The input is converted to it.

    Attributes
    ----------
    weight : Parameter, (out_channels, in_channels / groups, {kernel})
        From U(-1/sqrt(fan), 1/sqrt(fan)), fan = in_channels / groups times the kernel's size, as the bias.
        In memory the outputs lie side by side, as the kernels read them.
    bias : Parameter, (out_channels,), or None

    Examples
    --------
    >>> {layer}(4, 6, 3)(np.ones((2, 4, {5s}))).shape
    (2, 6, {3s})
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        dtype: Any = np.float32,
    ):
        super().__init__()
        sizes = (in_channels, out_channels, kernel_size, stride, padding, dilation, 0)
        self._set_up(*sizes, groups, bias, padding_mode, dtype)

    def forward(self, input: Any) -> Any:
        """Return the function of this name, `fastnn.conv2d` for one, of input, weight and bias."""
        weight = self.weight
        return getattr(functional, f"conv{self._dims}d")(
            cast(self, input, weight.dtype),
            weight,
            self.bias,
            self.stride,
            self.padding,
            self.dilation,
            self.groups,
            padding_mode=self.padding_mode,
        )


class _TransposedConvolution(_Conv):
    """The layers that call conv_transpose1d, conv_transpose2d, conv_transpose3d."""

    _sections = """
    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, dilation : int, or one for each dimension of space
    padding : int, or one for each dimension of space
    output_padding : int, or one for each dimension of space
        Lengthens the result at the end.
    groups : int
        Group h of the outputs sees group h of the inputs alone.
    bias : bool
    padding_mode : {"zeros"}
    dtype : float32 or float64
        The input is converted to it.

    Attributes
    ----------
    weight : Parameter, (in_channels, out_channels / groups, {kernel})
        From U(-1/sqrt(fan), 1/sqrt(fan)), fan = out_channels / groups times the kernel's size, as the bias.
        In memory the outputs lie side by side, as the kernels read them.
    bias : Parameter, (out_channels,), or None

    Examples
    --------
    >>> {layer}(4, 6, 3, stride=2)(np.ones((2, 4, {5s}))).shape
    (2, 6, {11s})
    """

    _transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        *,
        dtype: Any = np.float32,
    ):
        super().__init__()
        name = type(self).__name__
        if padding_mode != "zeros":
            raise ValueError(f"{name}: expected padding_mode 'zeros', the only one here, got {padding_mode!r}")
        spatial(name, "padding", padding, self._dims, 0)
        sizes = (in_channels, out_channels, kernel_size, stride, padding, dilation, output_padding)
        self._set_up(*sizes, groups, bias, padding_mode, dtype)
        for extra, most in zip(self.output_padding, map(max, self.stride, self.dilation), strict=True):
            if extra >= most:
                raise ValueError(f"{name}: expected output_padding below stride or dilation, {most}, got {extra}")

    def forward(self, input: Any, output_size: Any = None) -> Any:
        """Return the function of this name, `fastnn.conv_transpose2d` for one.

        `output_size`, sizes of space or of the whole result, takes output_padding's place.
        """
        weight, extra = self.weight, self.output_padding
        x = cast(self, input, weight.dtype)
        if output_size is not None:
            pads, _ = padding_of(type(self).__name__, self.padding, self.kernel_size, self.stride, self.dilation)
            window = (self.kernel_size, self.stride, pads, self.dilation)
            extra = output_padding_for(type(self).__name__, output_size, x.shape, *window)
        return getattr(functional, f"conv_transpose{self._dims}d")(
            x, weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation
        )


class Conv1d(_Convolution, dims=1):
    """Convolution over (N, C, L) or (C, L); see `fastnn.conv1d`."""


class Conv2d(_Convolution, dims=2):
    """Convolution over (N, C, H, W) or (C, H, W); see `fastnn.conv2d`."""


class Conv3d(_Convolution, dims=3):
    """Convolution over (N, C, D, H, W) or (C, D, H, W); see `fastnn.conv3d`."""


class ConvTranspose1d(_TransposedConvolution, dims=1):
    """Transposed convolution over (N, C, L) or (C, L); see `fastnn.conv_transpose1d`."""


class ConvTranspose2d(_TransposedConvolution, dims=2):
    """Transposed convolution over (N, C, H, W) or (C, H, W); see `fastnn.conv_transpose2d`."""


class ConvTranspose3d(_TransposedConvolution, dims=3):
    """Transposed convolution over (N, C, D, H, W) or (C, D, H, W); see `fastnn.conv_transpose3d`."""
