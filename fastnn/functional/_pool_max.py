"""Max pooling, adaptive max pooling, and max unpooling, which puts maxima back to their places."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _check
from .._check import Array
from .._core import ops
from .._dispatch import derivative, differentiable
from ._text import dimensional
from ._windows import Planes, Sizes, Windows, adaptive, slid, sliding

__all__ = [
    "adaptive_max_pool1d",
    "adaptive_max_pool1d_backward",
    "adaptive_max_pool2d",
    "adaptive_max_pool2d_backward",
    "adaptive_max_pool3d",
    "adaptive_max_pool3d_backward",
    "max_pool1d",
    "max_pool1d_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "max_pool3d",
    "max_pool3d_backward",
    "max_unpool1d",
    "max_unpool1d_backward",
    "max_unpool2d",
    "max_unpool2d_backward",
    "max_unpool3d",
    "max_unpool3d_backward",
]


def _largest(planes: Planes, windows: Windows, return_indices: Any) -> Any:
    space = windows.output
    y = planes.empty(space)
    arguments = windows.arguments(*planes.sizes)
    if y.size:
        ops.max_pool(y, planes.x, *arguments)
    if not return_indices:
        return planes.finished(y)
    index = planes.empty(space, np.int64)
    if y.size:
        ops.max_pool_index(index, planes.x, *arguments)
    return planes.finished(y), planes.result(index)


def _to_largest(name: str, dy: Any, planes: Planes, windows: Windows) -> Array:
    gradient = planes.gradient(name, dy, windows.output)
    dx = planes.empty(planes.space)
    if gradient.size:
        ops.max_pool_backward(dx, gradient, planes.x, *windows.arguments(*planes.sizes))
    else:
        dx[...] = 0
    return planes.finished(dx)


def _windows(name: str, n: int, input: Any, *arguments: Any) -> tuple[Planes, Windows]:
    planes = Planes(name, input, n)
    return planes, slid(name, planes.space, *arguments)


# -- max pooling ------------------------------------------------------------------------------------------------------


def _max_pools(n: int) -> tuple[Callable[..., Any], Callable[..., Array]]:
    """Max pooling of n dimensions and its gradient."""

    @differentiable
    @dimensional(n)
    def max_pool_nd(
        input: Any,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any:
        """The largest value of each window; NaN if it holds one.

        y[j] = max over t of x[j stride - padding + t dilation], t from 0 to kernel_size - 1 in each dimension.  Padding
        counts as -inf; of equal values the first is taken.

        Parameters
        ----------
        input : array_like, (N, C, {space}) or (C, {space})
        kernel_size : int or tuple of int
            The windows' size; one number stands for all dimensions.
        stride : int or tuple of int, optional
            The distance of windows; by default kernel_size.
        padding : int or tuple of int
            Places around the input, at most half of kernel_size.
        dilation : int or tuple of int
            The distance of a window's places.
        ceil_mode : bool
            Keep a last window that reaches beyond the end, if it begins before the right padding.
        return_indices : bool
            Return the places of the maxima too.

        Returns
        -------
        ndarray
            In the memory order of the input, channels first or last.
            With return_indices a tuple: the result, and int64 flat places in a plane, -1 for none.

        Raises
        ------
        ValueError
            If shapes do not fit, or a number is out of its range.

        Examples
        --------
        >>> max_pool{n}d(np.reshape([1.0, 3.0, 2.0, 0.0], (1, {ones}4)), ({ones}2)).ravel()
        array([3., 2.])
        """
        planes, windows = _windows(max_pool_nd.__name__, n, input, kernel_size, stride, padding, dilation, ceil_mode)
        return _largest(planes, windows, return_indices)

    @dimensional(n)
    def max_pool_nd_backward(
        dy: Any,
        input: Any,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
    ) -> Array:
        """Gradient of `max_pool{n}d`: dy goes to each window's maximum, where overlapping windows add.

        Examples
        --------
        >>> x = np.reshape([1.0, 3.0, 2.0, 0.0], (1, {ones}4))
        >>> max_pool{n}d_backward(np.reshape([1.0, 5.0], (1, {ones}2)), x, ({ones}2)).ravel()
        array([0., 1., 5., 0.])
        """
        name = max_pool_nd_backward.__name__
        planes, windows = _windows(name, n, input, kernel_size, stride, padding, dilation, ceil_mode)
        return _to_largest(name, dy, planes, windows)

    @derivative(max_pool_nd, "input")
    def run(
        wanted: tuple[bool],
        input: Any,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any:
        arguments = (kernel_size, stride, padding, dilation, ceil_mode)
        # return_indices gives a second result, whose gradient is None
        y = max_pool_nd(input, *arguments, return_indices)
        return y, lambda *dys: (max_pool_nd_backward(dys[0], input, *arguments),)

    return max_pool_nd, max_pool_nd_backward


max_pool1d, max_pool1d_backward = _max_pools(1)
max_pool2d, max_pool2d_backward = _max_pools(2)
max_pool3d, max_pool3d_backward = _max_pools(3)


# -- adaptive max pooling ---------------------------------------------------------------------------------------------


def _adaptive_max_pools(n: int) -> tuple[Callable[..., Any], Callable[..., Array]]:
    """Adaptive max pooling of n dimensions and its gradient."""

    @differentiable
    @dimensional(n)
    def adaptive_max_pool_nd(input: Any, output_size: Any, return_indices: bool = False) -> Any:
        """The largest value of each of output_size windows that cover the input evenly; NaN if it holds one.

        Window i of a dimension of size L, of o windows, goes from floor(i L / o) to ceil((i + 1) L / o); they may
        overlap.

        Parameters
        ----------
        input : array_like, (N, C, {space}) or (C, {space})
        output_size : int, or tuple of int or None
            The result's size; None keeps that of a dimension.
        return_indices : bool
            Return the places of the maxima too.

        Returns
        -------
        ndarray
            In the memory order of the input, channels first or last.
            With return_indices a tuple: the result, and int64 flat places in a plane, -1 for none.

        Raises
        ------
        ValueError
            If shapes do not fit, or a number is out of its range.

        Examples
        --------
        >>> adaptive_max_pool{n}d(np.reshape([1.0, 3.0, 2.0, 0.0], (1, {ones}4)), ({ones}2)).ravel()
        array([3., 2.])
        """
        planes = Planes(name, input, n)
        return _largest(planes, adaptive(name, output_size, planes.space), return_indices)

    @dimensional(n)
    def adaptive_max_pool_nd_backward(dy: Any, input: Any, output_size: Any) -> Array:
        """Gradient of `adaptive_max_pool{n}d`: dy goes to each window's maximum, where overlapping windows add.

        Examples
        --------
        >>> x = np.reshape([1.0, 3.0, 2.0, 0.0], (1, {ones}4))
        >>> adaptive_max_pool{n}d_backward(np.reshape([1.0, 5.0], (1, {ones}2)), x, ({ones}2)).ravel()
        array([0., 1., 5., 0.])
        """
        planes = Planes(twin, input, n)
        return _to_largest(twin, dy, planes, adaptive(twin, output_size, planes.space))

    name, twin = adaptive_max_pool_nd.__name__, adaptive_max_pool_nd_backward.__name__

    @derivative(adaptive_max_pool_nd, "input")
    def run(wanted: tuple[bool], input: Any, output_size: Any, return_indices: bool = False) -> Any:
        y = adaptive_max_pool_nd(input, output_size, return_indices)
        return y, lambda *dys: (adaptive_max_pool_nd_backward(dys[0], input, output_size),)

    return adaptive_max_pool_nd, adaptive_max_pool_nd_backward


adaptive_max_pool1d, adaptive_max_pool1d_backward = _adaptive_max_pools(1)
adaptive_max_pool2d, adaptive_max_pool2d_backward = _adaptive_max_pools(2)
adaptive_max_pool3d, adaptive_max_pool3d_backward = _adaptive_max_pools(3)


# -- max unpooling ----------------------------------------------------------------------------------------------------


def unpooled_size(name: str, space: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, output_size: Any) -> Sizes:
    """The size of the pooling's input: output_size, if an input of that size pools to `space`, or the usual one."""
    usual = tuple((i - 1) * s - 2 * p + k for i, k, s, p in zip(space, kernel, stride, padding, strict=True))
    if output_size is None:
        if min(usual) < 1:
            raise ValueError(f"{name}: expected a result of at least 1 place, got size {usual}")
        return usual
    given = _check.sizes(name, "output_size", output_size)
    n = len(space)
    if len(given) not in (n, n + 2):
        raise ValueError(f"{name}: expected output_size of {n} or {n + 2} numbers, got {len(given)}: {given}")
    wanted = given[-n:]
    if not all(u - s < o < u + s and o > 0 for o, u, s in zip(wanted, usual, stride, strict=True)):
        raise ValueError(f"{name}: expected output_size nearer to {usual} than the stride {stride}, got {wanted}")
    return wanted


def _unpool(
    name: str, n: int, input: Any, indices: Any, kernel_size: Any, stride: Any, padding: Any, output_size: Any
) -> tuple[Planes, Array, Sizes]:
    """The input, the indices in C order by plane, the size of the result."""
    settings, planes = sliding(name, n, kernel_size, stride, padding), Planes(name, input, n)
    where = _check.as_array(name, indices, "indices")
    if where.dtype.newbyteorder("=") != np.int64:
        raise TypeError(f"{name}: expected indices of dtype int64, got {where.dtype}")
    if where.shape != planes.shape:
        raise ValueError(f"{name}: expected indices of the input's shape {planes.shape}, got {where.shape}")
    space = unpooled_size(name, planes.space, settings.kernel, settings.stride, settings.padding, output_size)
    size = math.prod(space)
    if where.size and not (where.min() >= -1 and where.max() < size):
        raise ValueError(
            f"{name}: expected indices from -1 (nowhere) to {size - 1}, got {where.min()} to {where.max()}"
        )
    return planes, where.reshape(planes.n * planes.c, math.prod(planes.space)), space


def _in_layout(planes: Planes, values: Array, space: Sizes) -> Array:
    """Values, plane after plane, in the memory order of the input."""
    memory = planes.empty(space)
    planes_first = planes.result(memory) if planes.batched else planes.result(memory)[np.newaxis]
    planes_first[...] = values.reshape(planes.n, planes.c, *space)
    return planes.finished(memory)


def _rows(planes: Planes) -> Array:
    """The input, plane after plane."""
    x = planes.result(planes.x)
    return x.reshape(planes.n * planes.c, math.prod(planes.space))


def _max_unpools(n: int) -> tuple[Callable[..., Array], Callable[..., Array]]:
    """Max unpooling of n dimensions and its gradient."""

    @differentiable
    @dimensional(n)
    def max_unpool_nd(
        input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
    ) -> Array:
        """Values put back to where max pooling found them, 0 elsewhere.

        y[indices[j]] = x[j] in each plane; if several values go to one place, the last stays.  A dimension has the size
        (input - 1) stride - 2 padding + kernel_size.

        Parameters
        ----------
        input : array_like, (N, C, {space}) or (C, {space})
        indices : array_like of int64, of the input's shape
            Flat places in a plane of the result, as the pooling returns them; -1 for none.
        kernel_size : int or tuple of int
            The windows' size; one number stands for all dimensions.
        stride : int or tuple of int, optional
            The distance of windows; by default kernel_size.
        padding : int or tuple of int
            Places around the input of the pooling, at most half of kernel_size.
        output_size : tuple of int, optional
            The result's size, or shape: that of the pooling's input, where several sizes pool to one.

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
        >>> max_unpool{n}d(np.reshape([3.0, 2.0], (1, {ones}2)), np.reshape([1, 2], (1, {ones}2)), ({ones}2)).ravel()
        array([0., 3., 2., 0.])
        """
        planes, where, space = _unpool(
            max_unpool_nd.__name__, n, input, indices, kernel_size, stride, padding, output_size
        )
        size = math.prod(space)
        # values without a place go to one more element, which is cut off
        y = _check.new(max_unpool_nd.__name__, (len(where), size + 1), planes.compute)
        y[...] = 0
        y[np.arange(len(where))[:, np.newaxis], np.where(where < 0, size, where)] = _rows(planes)
        return _in_layout(planes, y[:, :size], space)

    @dimensional(n)
    def max_unpool_nd_backward(
        dy: Any,
        input: Any,
        indices: Any,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        output_size: Any = None,
    ) -> Array:
        """Gradient of `max_unpool{n}d`: dx[j] = dy[indices[j]].

        Examples
        --------
        >>> dy, indices = np.reshape([0.5, 1.0, 2.0, 4.0], (1, {ones}4)), np.reshape([1, 2], (1, {ones}2))
        >>> max_unpool{n}d_backward(dy, np.ones((1, {ones}2)), indices, ({ones}2)).ravel()
        array([1., 2.])
        """
        name = max_unpool_nd_backward.__name__
        planes, where, space = _unpool(name, n, input, indices, kernel_size, stride, padding, output_size)
        gradient = planes.gradient(name, dy, space)
        rows = planes.result(gradient).reshape(len(where), math.prod(space))
        dx = np.where(where < 0, planes.compute.type(0), np.take_along_axis(rows, np.maximum(where, 0), 1))
        return _in_layout(planes, dx, planes.space)

    @derivative(max_unpool_nd, "input")
    def run(wanted: tuple[bool], input: Any, indices: Any, *args: Any, **options: Any) -> Any:
        # the indices may change before the backward pass
        where = _check.as_array(max_unpool_nd.__name__, indices, "indices").copy()
        y = max_unpool_nd(input, where, *args, **options)
        return y, lambda dy: (max_unpool_nd_backward(dy, input, where, *args, **options),)

    return max_unpool_nd, max_unpool_nd_backward


max_unpool1d, max_unpool1d_backward = _max_unpools(1)
max_unpool2d, max_unpool2d_backward = _max_unpools(2)
max_unpool3d, max_unpool3d_backward = _max_unpools(3)
