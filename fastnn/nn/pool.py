"""Pooling layers."""

from __future__ import annotations

from typing import Any, ClassVar

from .. import _check, functional
from ..functional._windows import MOST, output_sizes, sliding
from ._dimensions import Dimensional

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
]


class _Pool(Dimensional):
    """A layer without parameters that calls the function of its own number of dimensions."""

    _function: ClassVar[str]  # without the number
    _shown: ClassVar[tuple[str, ...]]

    def _call(self, *arguments: Any) -> Any:
        return getattr(functional, f"{self._function}{self._dims}d")(*arguments)

    def extra_repr(self) -> str:
        """Return the options."""
        return ", ".join(f"{name}={getattr(self, name)}" for name in self._shown)

    def _tuples(self, *names: str) -> None:
        """Keep options as tuples, one number for each dimension."""
        for name in names:
            value = getattr(self, name)
            values = tuple(value) if isinstance(value, (tuple, list)) else (value,)
            setattr(self, name, values * self._dims if len(values) == 1 else values)


class _MaxPool(_Pool):
    """The layers that call max_pool1d, max_pool2d, max_pool3d."""

    _sections = """
    Parameters
    ----------
    kernel_size, stride, padding, dilation, ceil_mode
        As in the function.
    return_indices : bool
        Return the places of the maxima too, as MaxUnpool{n}d takes them.

    Examples
    --------
    >>> {layer}(2)(np.ones((1, 3, {4s}))).shape
    (1, 3, {2s})
    """

    _function, _shown = "max_pool", ("kernel_size", "stride", "padding", "dilation", "ceil_mode")

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ):
        super().__init__()
        sliding(type(self).__name__, self._dims, kernel_size, stride, padding, dilation)
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, input: Any) -> Any:
        """Return the maxima, and with return_indices their places."""
        arguments = (self.kernel_size, self.stride, self.padding, self.dilation)
        return self._call(input, *arguments, self.ceil_mode, self.return_indices)


class _AvgPool(_Pool):
    """The layers that call avg_pool1d, avg_pool2d, avg_pool3d."""

    _sections = """
    Parameters
    ----------
    kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
        As in the function; one dimension has no divisor_override.

    Examples
    --------
    >>> {layer}(2)(np.ones((1, 3, {4s}))).shape
    (1, 3, {2s})
    """

    _function, _shown = "avg_pool", ("kernel_size", "stride", "padding")

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ):
        super().__init__()
        name = type(self).__name__
        sliding(name, self._dims, kernel_size, stride, padding)
        if divisor_override is not None and _check.count(name, "divisor_override", divisor_override, -MOST, MOST) == 0:
            raise ValueError(f"{name}: expected divisor_override other than 0, got 0")
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.ceil_mode = padding, ceil_mode
        self.count_include_pad, self.divisor_override = count_include_pad, divisor_override

    def forward(self, input: Any) -> Any:
        """Return the means."""
        arguments = (self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)
        return self._call(input, *arguments, self.divisor_override)


class _LPPool(_Pool):
    """The layers that call lp_pool1d, lp_pool2d, lp_pool3d."""

    _sections = """
    Parameters
    ----------
    norm_type, kernel_size, stride, ceil_mode
        As in the function.

    Examples
    --------
    >>> {layer}(2, 2)(np.ones((1, 3, {4s}))).shape
    (1, 3, {2s})
    """

    _function, _shown = "lp_pool", ("norm_type", "kernel_size", "stride", "ceil_mode")

    def __init__(self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False):
        super().__init__()
        name = type(self).__name__
        sliding(name, self._dims, kernel_size, stride)
        if _check.real(name, "norm_type", norm_type) == 0 or norm_type != norm_type:
            raise ValueError(f"{name}: expected norm_type other than 0 and NaN, got {norm_type}")
        self.norm_type, self.kernel_size, self.stride, self.ceil_mode = norm_type, kernel_size, stride, ceil_mode

    def forward(self, input: Any) -> Any:
        """Return the norms."""
        return self._call(input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)


class _AdaptiveAvgPool(_Pool):
    """The layers that call adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d."""

    _sections = """
    Parameters
    ----------
    output_size : int, or tuple of int or None
        The result's size; None keeps that of a dimension.

    Examples
    --------
    >>> {layer}(2)(np.ones((1, 3, {4s}))).shape
    (1, 3, {2s})
    """

    _function, _shown = "adaptive_avg_pool", ("output_size",)

    def __init__(self, output_size: Any):
        super().__init__()
        output_sizes(type(self).__name__, output_size, self._dims)
        self.output_size = output_size

    def forward(self, input: Any) -> Any:
        """Return the means."""
        return self._call(input, self.output_size)


class _AdaptiveMaxPool(_Pool):
    """The layers that call adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d."""

    _sections = """
    Parameters
    ----------
    output_size : int, or tuple of int or None
        The result's size; None keeps that of a dimension.
    return_indices : bool
        Return the places of the maxima too, as MaxUnpool{n}d takes them.

    Examples
    --------
    >>> {layer}(2)(np.ones((1, 3, {4s}))).shape
    (1, 3, {2s})
    """

    _function, _shown = "adaptive_max_pool", ("output_size",)

    def __init__(self, output_size: Any, return_indices: bool = False):
        super().__init__()
        output_sizes(type(self).__name__, output_size, self._dims)
        self.output_size, self.return_indices = output_size, return_indices

    def forward(self, input: Any) -> Any:
        """Return the maxima, and with return_indices their places."""
        return self._call(input, self.output_size, self.return_indices)


class _MaxUnpool(_Pool):
    """The layers that call max_unpool1d, max_unpool2d, max_unpool3d."""

    _sections = """
    Parameters
    ----------
    kernel_size, stride, padding
        Those of the pooling.

    Examples
    --------
    >>> {layer}(2)(*MaxPool{n}d(2, return_indices=True)(np.ones((1, 3, {4s})))).shape
    (1, 3, {4s})
    """

    _function, _shown = "max_unpool", ("kernel_size", "stride", "padding")

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0):
        super().__init__()
        sliding(type(self).__name__, self._dims, kernel_size, stride, padding)
        self.kernel_size, self.stride, self.padding = kernel_size, kernel_size if stride is None else stride, padding
        self._tuples(*self._shown)

    def forward(self, input: Any, indices: Any, output_size: Any = None) -> Any:
        """Return the values at their places, 0 elsewhere."""
        return self._call(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxPool1d(_MaxPool, dims=1):
    """The largest value of each window; see `fastnn.functional.max_pool1d`."""


class MaxPool2d(_MaxPool, dims=2):
    """The largest value of each window; see `fastnn.functional.max_pool2d`."""


class MaxPool3d(_MaxPool, dims=3):
    """The largest value of each window; see `fastnn.functional.max_pool3d`."""


class AvgPool1d(_AvgPool, dims=1):
    """The mean of each window; see `fastnn.functional.avg_pool1d`."""

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ):
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)
        self._tuples(*self._shown)

    def forward(self, input: Any) -> Any:
        """Return the means."""
        return self._call(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)


class AvgPool2d(_AvgPool, dims=2):
    """The mean of each window; see `fastnn.functional.avg_pool2d`."""


class AvgPool3d(_AvgPool, dims=3):
    """The mean of each window; see `fastnn.functional.avg_pool3d`."""


class LPPool1d(_LPPool, dims=1):
    """The p-norm of each window; see `fastnn.functional.lp_pool1d`."""


class LPPool2d(_LPPool, dims=2):
    """The p-norm of each window; see `fastnn.functional.lp_pool2d`."""


class LPPool3d(_LPPool, dims=3):
    """The p-norm of each window; see `fastnn.functional.lp_pool3d`."""


class AdaptiveAvgPool1d(_AdaptiveAvgPool, dims=1):
    """The mean of each of output_size windows; see `fastnn.functional.adaptive_avg_pool1d`."""


class AdaptiveAvgPool2d(_AdaptiveAvgPool, dims=2):
    """The mean of each of output_size windows; see `fastnn.functional.adaptive_avg_pool2d`."""


class AdaptiveAvgPool3d(_AdaptiveAvgPool, dims=3):
    """The mean of each of output_size windows; see `fastnn.functional.adaptive_avg_pool3d`."""


class AdaptiveMaxPool1d(_AdaptiveMaxPool, dims=1):
    """The largest value of each of output_size windows; see `fastnn.functional.adaptive_max_pool1d`."""


class AdaptiveMaxPool2d(_AdaptiveMaxPool, dims=2):
    """The largest value of each of output_size windows; see `fastnn.functional.adaptive_max_pool2d`."""


class AdaptiveMaxPool3d(_AdaptiveMaxPool, dims=3):
    """The largest value of each of output_size windows; see `fastnn.functional.adaptive_max_pool3d`."""


class MaxUnpool1d(_MaxUnpool, dims=1):
    """Values put back to where max pooling found them, 0 elsewhere; see `fastnn.functional.max_unpool1d`."""


class MaxUnpool2d(_MaxUnpool, dims=2):
    """Values put back to where max pooling found them, 0 elsewhere; see `fastnn.functional.max_unpool2d`."""


class MaxUnpool3d(_MaxUnpool, dims=3):
    """Values put back to where max pooling found them, 0 elsewhere; see `fastnn.functional.max_unpool3d`."""
