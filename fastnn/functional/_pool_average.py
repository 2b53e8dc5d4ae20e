"""Means and p-norms of windows: average pooling, adaptive average pooling, LP pooling."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .. import _check
from .._check import Array
from .._core import ops
from .._dispatch import differentiable, gradient_of
from ._pool_text import described
from ._windows import MOST, Planes, Windows, adaptive, sliding

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool1d_backward",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool2d_backward",
    "adaptive_avg_pool3d",
    "adaptive_avg_pool3d_backward",
    "avg_pool1d",
    "avg_pool1d_backward",
    "avg_pool2d",
    "avg_pool2d_backward",
    "avg_pool3d",
    "avg_pool3d_backward",
    "lp_pool1d",
    "lp_pool1d_backward",
    "lp_pool2d",
    "lp_pool2d_backward",
    "lp_pool3d",
    "lp_pool3d_backward",
]


class Divisor(NamedTuple):
    """What sums are divided by: `number`, or where it is 0 the count of places, those of the padding with `padded`."""

    padded: bool = False
    number: float = 0.0


COUNT, SUM = Divisor(), Divisor(number=1)


def mean(planes: Planes, x: Array, windows: Windows, divisor: Divisor = COUNT) -> Array:
    """The windows' means of values that lie as the planes do, so lying too."""
    y = planes.empty(windows.output)
    if y.size:
        ops.avg_pool(y, x, *windows.arguments(*planes.sizes), *divisor)
    return y


def spread(planes: Planes, gradient: Array, windows: Windows, divisor: Divisor = COUNT) -> Array:
    """The gradient of `mean`."""
    dx = planes.empty(planes.space)
    if gradient.size:
        ops.avg_pool_backward(dx, gradient, *windows.arguments(*planes.sizes), *divisor)
    else:
        dx[...] = 0
    return dx


def _average(
    name: str, n: int, input: Any, arguments: tuple[Any, ...], count_include_pad: Any, divisor_override: Any = None
) -> tuple[Planes, Windows, Divisor]:
    kernel_size, stride, padding, ceil_mode = arguments
    settings = sliding(name, n, kernel_size, stride, padding, 1, ceil_mode)
    divisor = 0
    if divisor_override is not None:
        divisor = _check.count(name, "divisor_override", divisor_override, -MOST, MOST)
        if divisor == 0:
            raise ValueError(f"{name}: expected divisor_override other than 0, got 0")
    planes = Planes(name, input, n)
    return planes, settings.over(name, planes.space), Divisor(bool(count_include_pad), divisor)


def _avg_pool(name: str, n: int, input: Any, arguments: tuple[Any, ...], *counting: Any) -> Array:
    planes, windows, divisor = _average(name, n, input, arguments, *counting)
    return planes.finished(mean(planes, planes.x, windows, divisor))


def _avg_pool_backward(name: str, n: int, dy: Any, input: Any, arguments: tuple[Any, ...], *counting: Any) -> Array:
    planes, windows, divisor = _average(name, n, input, arguments, *counting)
    return planes.finished(spread(planes, planes.gradient(name, dy, windows.output), windows, divisor))


def _adaptive(name: str, n: int, input: Any, output_size: Any) -> Array:
    planes = Planes(name, input, n, no_channels=True)
    return planes.finished(mean(planes, planes.x, adaptive(name, output_size, planes.space)))


def _adaptive_backward(name: str, n: int, dy: Any, input: Any, output_size: Any) -> Array:
    planes = Planes(name, input, n, no_channels=True)
    windows = adaptive(name, output_size, planes.space)
    return planes.finished(spread(planes, planes.gradient(name, dy, windows.output), windows))


# -- average pooling --------------------------------------------------------------------------------------------------


@differentiable
@described(n=1)
def avg_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Array:
    """The mean of each window."""
    return _avg_pool("avg_pool1d", 1, input, (kernel_size, stride, padding, ceil_mode), count_include_pad)


@gradient_of(avg_pool1d)
@described(n=1)
def avg_pool1d_backward(
    dy: Any,
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Array:
    """Gradient of `avg_pool1d`."""
    arguments = (kernel_size, stride, padding, ceil_mode)
    return _avg_pool_backward("avg_pool1d_backward", 1, dy, input, arguments, count_include_pad)


@differentiable
@described(n=2)
def avg_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """The mean of each window."""
    arguments, counting = (kernel_size, stride, padding, ceil_mode), (count_include_pad, divisor_override)
    return _avg_pool("avg_pool2d", 2, input, arguments, *counting)


@gradient_of(avg_pool2d)
@described(n=2)
def avg_pool2d_backward(
    dy: Any,
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """Gradient of `avg_pool2d`."""
    arguments, counting = (kernel_size, stride, padding, ceil_mode), (count_include_pad, divisor_override)
    return _avg_pool_backward("avg_pool2d_backward", 2, dy, input, arguments, *counting)


@differentiable
@described(n=3)
def avg_pool3d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """The mean of each window."""
    arguments, counting = (kernel_size, stride, padding, ceil_mode), (count_include_pad, divisor_override)
    return _avg_pool("avg_pool3d", 3, input, arguments, *counting)


@gradient_of(avg_pool3d)
@described(n=3)
def avg_pool3d_backward(
    dy: Any,
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """Gradient of `avg_pool3d`."""
    arguments, counting = (kernel_size, stride, padding, ceil_mode), (count_include_pad, divisor_override)
    return _avg_pool_backward("avg_pool3d_backward", 3, dy, input, arguments, *counting)


# -- adaptive average pooling -----------------------------------------------------------------------------------------


@differentiable
@described(n=1)
def adaptive_avg_pool1d(input: Any, output_size: Any) -> Array:
    """The mean of each of output_size windows."""
    return _adaptive("adaptive_avg_pool1d", 1, input, output_size)


@gradient_of(adaptive_avg_pool1d)
@described(n=1)
def adaptive_avg_pool1d_backward(dy: Any, input: Any, output_size: Any) -> Array:
    """Gradient of `adaptive_avg_pool1d`."""
    return _adaptive_backward("adaptive_avg_pool1d_backward", 1, dy, input, output_size)


@differentiable
@described(n=2)
def adaptive_avg_pool2d(input: Any, output_size: Any) -> Array:
    """The mean of each of output_size windows."""
    return _adaptive("adaptive_avg_pool2d", 2, input, output_size)


@gradient_of(adaptive_avg_pool2d)
@described(n=2)
def adaptive_avg_pool2d_backward(dy: Any, input: Any, output_size: Any) -> Array:
    """Gradient of `adaptive_avg_pool2d`."""
    return _adaptive_backward("adaptive_avg_pool2d_backward", 2, dy, input, output_size)


@differentiable
@described(n=3)
def adaptive_avg_pool3d(input: Any, output_size: Any) -> Array:
    """The mean of each of output_size windows."""
    return _adaptive("adaptive_avg_pool3d", 3, input, output_size)


@gradient_of(adaptive_avg_pool3d)
@described(n=3)
def adaptive_avg_pool3d_backward(dy: Any, input: Any, output_size: Any) -> Array:
    """Gradient of `adaptive_avg_pool3d`."""
    return _adaptive_backward("adaptive_avg_pool3d_backward", 3, dy, input, output_size)


# -- LP pooling -------------------------------------------------------------------------------------------------------


class _Norm:
    """The p-norms of windows and their gradients; inf and -inf take the largest and the smallest absolute value."""

    def __init__(self, name: str, n: int, input: Any, norm_type: Any, kernel_size: Any, stride: Any, ceil_mode: Any):
        self.p = _check.real(name, "norm_type", norm_type)
        if self.p == 0 or math.isnan(self.p):
            raise ValueError(f"{name}: expected norm_type other than 0 and NaN, got {self.p:g}")
        settings = sliding(name, n, kernel_size, stride, 0, 1, ceil_mode)
        self.planes = Planes(name, input, n)
        self.windows = settings.over(name, self.planes.space)
        self.space = self.windows.output

    def _sign(self) -> int:
        return 1 if self.p > 0 else -1

    def value(self) -> Array:
        """The norm of each window."""
        planes, x = self.planes, self.planes.x
        with np.errstate(all="ignore"):
            if not math.isinf(self.p):
                return np.asarray(mean(planes, x**self.p, self.windows, SUM) ** (1 / self.p), x.dtype)
        y = planes.empty(self.space)
        if y.size:
            ops.max_pool(y, self._sign() * np.abs(x), *self.windows.arguments(*planes.sizes))
        return self._sign() * y

    def gradient(self, gradient: Array) -> Array:
        """dx of dy: 0 for a window whose norm is 0."""
        planes, x, windows = self.planes, self.planes.x, self.windows
        if not gradient.size:
            return np.zeros_like(x)
        with np.errstate(all="ignore"):
            if math.isinf(self.p):
                dx = planes.empty(planes.space)
                size = self._sign() * np.abs(x)
                ops.max_pool_backward(dx, gradient, size, *windows.arguments(*planes.sizes))
                return np.sign(x) * dx
            y = self.value()
            each = np.where(y == 0, 0, gradient * y ** (1 - self.p))
            through = spread(planes, np.asarray(each, x.dtype), windows, SUM)
            slope = x ** (self.p - 1)  # NaN for a negative x and a fraction as p, wherever x stands, as in PyTorch
            return np.where((through == 0) & ~np.isnan(slope), 0, through * slope).astype(x.dtype, copy=False)


@differentiable
@described(n=1)
def lp_pool1d(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Array:
    """The p-norm of each window."""
    norm = _Norm("lp_pool1d", 1, input, norm_type, kernel_size, stride, ceil_mode)
    return norm.planes.finished(norm.value())


@gradient_of(lp_pool1d)
@described(n=1)
def lp_pool1d_backward(
    dy: Any, input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Array:
    """Gradient of `lp_pool1d`."""
    name = "lp_pool1d_backward"
    norm = _Norm(name, 1, input, norm_type, kernel_size, stride, ceil_mode)
    return norm.planes.finished(norm.gradient(norm.planes.gradient(name, dy, norm.space)))


@differentiable
@described(n=2)
def lp_pool2d(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Array:
    """The p-norm of each window."""
    norm = _Norm("lp_pool2d", 2, input, norm_type, kernel_size, stride, ceil_mode)
    return norm.planes.finished(norm.value())


@gradient_of(lp_pool2d)
@described(n=2)
def lp_pool2d_backward(
    dy: Any, input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Array:
    """Gradient of `lp_pool2d`."""
    name = "lp_pool2d_backward"
    norm = _Norm(name, 2, input, norm_type, kernel_size, stride, ceil_mode)
    return norm.planes.finished(norm.gradient(norm.planes.gradient(name, dy, norm.space)))


@differentiable
@described(n=3)
def lp_pool3d(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Array:
    """The p-norm of each window."""
    norm = _Norm("lp_pool3d", 3, input, norm_type, kernel_size, stride, ceil_mode)
    return norm.planes.finished(norm.value())


@gradient_of(lp_pool3d)
@described(n=3)
def lp_pool3d_backward(
    dy: Any, input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Array:
    """Gradient of `lp_pool3d`."""
    name = "lp_pool3d_backward"
    norm = _Norm(name, 3, input, norm_type, kernel_size, stride, ceil_mode)
    return norm.planes.finished(norm.gradient(norm.planes.gradient(name, dy, norm.space)))
