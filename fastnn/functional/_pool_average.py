"""Means of windows: average pooling and adaptive average pooling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from .. import _check
from .._check import Array
from .._core import ops
from .._dispatch import differentiable, gradient_of
from ._text import dimensional
from ._windows import MOST, Planes, Windows, adaptive, slid

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
]


class Divisor(NamedTuple):
    """The divisor of sums: `number`, or if that is 0 the window's size, with padding if `padded`."""

    padded: bool = False
    number: float = 0.0


COUNT = Divisor()


def mean(planes: Planes, x: Array, windows: Windows, divisor: Divisor = COUNT) -> Array:
    """The windows' means of values in the planes' memory order, in the same order."""
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


def _average(name: str, n: int, input: Any, arguments: tuple[Any, ...]) -> tuple[Planes, Windows, Divisor]:
    """The planes, windows and divisor of the arguments that follow the input."""
    kernel_size, stride, padding, ceil_mode, count_include_pad, *others = arguments
    divisor = 0
    if others and others[0] is not None:
        divisor = _check.count(name, "divisor_override", others[0], -MOST, MOST)
        if divisor == 0:
            raise ValueError(f"{name}: expected divisor_override other than 0, got 0")
    planes = Planes(name, input, n)
    windows = slid(name, planes.space, kernel_size, stride, padding, 1, ceil_mode)
    return planes, windows, Divisor(bool(count_include_pad), divisor)


def _avg_pool(name: str, n: int, input: Any, arguments: tuple[Any, ...]) -> Array:
    planes, windows, divisor = _average(name, n, input, arguments)
    return planes.finished(mean(planes, planes.x, windows, divisor))


def _avg_pool_backward(name: str, n: int, dy: Any, input: Any, arguments: tuple[Any, ...]) -> Array:
    planes, windows, divisor = _average(name, n, input, arguments)
    return planes.finished(spread(planes, planes.gradient(name, dy, windows.output), windows, divisor))


# -- average pooling --------------------------------------------------------------------------------------------------


def _avg_pools(n: int) -> tuple[Callable[..., Array], Callable[..., Array]]:
    """Average pooling of n dimensions and its gradient; PyTorch's avg_pool1d has no divisor_override."""

    @differentiable
    @dimensional(n)
    def avg_pool_nd(
        input: Any,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Array:
        """The mean of each window.

        y[j] = sum over t of x[j stride - padding + t] / divisor, t from 0 to kernel_size - 1 in each dimension.
        Padding counts as 0, and places beyond it, which ceil_mode adds, count for nothing.  Sums are kept in float64.

        Parameters
        ----------
        input : array_like, (N, C, {space}) or (C, {space})
        kernel_size : int or tuple of int
            The windows' size; one number stands for all dimensions.
        stride : int or tuple of int, optional
            The distance of windows; by default kernel_size.
        padding : int or tuple of int
            Places around the input, at most half of kernel_size.
        ceil_mode : bool
            Keep a last window that reaches beyond the end, if it begins before the right padding.
        count_include_pad : bool
            Divide by the window's size with the padding in it, else by the number of its places in the input.
        divisor_override : int, optional
            Divide by this number instead; any but 0.

        Returns
        -------
        ndarray
            In the memory order of the input, channels first or last.

        Raises
        ------
        ValueError
            If shapes do not fit, or a number is out of its range.

        Examples
        --------
        >>> avg_pool{n}d(np.reshape([1.0, 3.0, 2.0, 0.0], (1, {ones}4)), ({ones}2)).ravel()
        array([2., 1.])
        """
        arguments = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
        return _avg_pool(avg_pool_nd.__name__, n, input, arguments)

    @gradient_of(avg_pool_nd)
    @dimensional(n)
    def avg_pool_nd_backward(
        dy: Any,
        input: Any,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Array:
        """Gradient of `avg_pool{n}d`: each place of a window gets dy / divisor.

        Examples
        --------
        >>> x = np.reshape([1.0, 3.0, 2.0, 0.0], (1, {ones}4))
        >>> avg_pool{n}d_backward(np.reshape([1.0, 5.0], (1, {ones}2)), x, ({ones}2)).ravel()
        array([0.5, 0.5, 2.5, 2.5])
        """
        arguments = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
        return _avg_pool_backward(avg_pool_nd_backward.__name__, n, dy, input, arguments)

    return avg_pool_nd, avg_pool_nd_backward


avg_pool2d, avg_pool2d_backward = _avg_pools(2)
avg_pool3d, avg_pool3d_backward = _avg_pools(3)


@differentiable
def avg_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Array:
    """The mean of each window.

    y[j] = sum over t of x[j stride - padding + t] / divisor, t from 0 to kernel_size - 1.  Padding counts as 0, and
    places beyond it, which ceil_mode adds, count for nothing.  Sums are kept in float64.

    Parameters
    ----------
    input : array_like, (N, C, L) or (C, L)
    kernel_size : int
        The windows' size.
    stride : int, optional
        The distance of windows; by default kernel_size.
    padding : int
        Places around the input, at most half of kernel_size.
    ceil_mode : bool
        Keep a last window that reaches beyond the end, if it begins before the right padding.
    count_include_pad : bool
        Divide by the window's size with the padding in it, else by the number of its places in the input.

    Returns
    -------
    ndarray
        In the memory order of the input, channels first or last.

    Raises
    ------
    ValueError
        If shapes do not fit, or a number is out of its range.

    Examples
    --------
    >>> avg_pool1d([[[1.0, 3.0, 2.0, 0.0]]], 2)
    array([[[2., 1.]]])
    """
    return _avg_pool("avg_pool1d", 1, input, (kernel_size, stride, padding, ceil_mode, count_include_pad))


@gradient_of(avg_pool1d)
def avg_pool1d_backward(
    dy: Any,
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Array:
    """Gradient of `avg_pool1d`: each place of a window gets dy / divisor.

    Examples
    --------
    >>> avg_pool1d_backward([[[1.0, 5.0]]], [[[1.0, 3.0, 2.0, 0.0]]], 2)
    array([[[0.5, 0.5, 2.5, 2.5]]])
    """
    arguments = (kernel_size, stride, padding, ceil_mode, count_include_pad)
    return _avg_pool_backward("avg_pool1d_backward", 1, dy, input, arguments)


# -- adaptive average pooling -----------------------------------------------------------------------------------------


def _adaptive_avg_pools(n: int) -> tuple[Callable[..., Array], Callable[..., Array]]:
    """Adaptive average pooling of n dimensions and its gradient."""

    @differentiable
    @dimensional(n)
    def adaptive_avg_pool_nd(input: Any, output_size: Any) -> Array:
        """The mean of each of output_size windows that cover the input evenly.

        Window i of a dimension of size L, of o windows, goes from floor(i L / o) to ceil((i + 1) L / o); they may
        overlap.  Sums are kept in float64.

        Parameters
        ----------
        input : array_like, (N, C, {space}) or (C, {space})
        output_size : int, or tuple of int or None
            The result's size; None keeps that of a dimension.

        Returns
        -------
        ndarray
            In the memory order of the input, channels first or last.

        Raises
        ------
        ValueError
            If shapes do not fit, or a number is out of its range.

        Examples
        --------
        >>> adaptive_avg_pool{n}d(np.reshape([1.0, 3.0, 2.0, 0.0], (1, {ones}4)), ({ones}2)).ravel()
        array([2., 1.])
        """
        name = adaptive_avg_pool_nd.__name__
        planes = Planes(name, input, n, no_channels=True)
        return planes.finished(mean(planes, planes.x, adaptive(name, output_size, planes.space)))

    @gradient_of(adaptive_avg_pool_nd)
    @dimensional(n)
    def adaptive_avg_pool_nd_backward(dy: Any, input: Any, output_size: Any) -> Array:
        """Gradient of `adaptive_avg_pool{n}d`: each place of a window gets dy / the window's size.

        Examples
        --------
        >>> x = np.reshape([1.0, 3.0, 2.0, 0.0], (1, {ones}4))
        >>> adaptive_avg_pool{n}d_backward(np.reshape([1.0, 5.0], (1, {ones}2)), x, ({ones}2)).ravel()
        array([0.5, 0.5, 2.5, 2.5])
        """
        name = adaptive_avg_pool_nd_backward.__name__
        planes = Planes(name, input, n, no_channels=True)
        windows = adaptive(name, output_size, planes.space)
        return planes.finished(spread(planes, planes.gradient(name, dy, windows.output), windows))

    return adaptive_avg_pool_nd, adaptive_avg_pool_nd_backward


adaptive_avg_pool1d, adaptive_avg_pool1d_backward = _adaptive_avg_pools(1)
adaptive_avg_pool2d, adaptive_avg_pool2d_backward = _adaptive_avg_pools(2)
adaptive_avg_pool3d, adaptive_avg_pool3d_backward = _adaptive_avg_pools(3)
