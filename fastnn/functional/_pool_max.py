"""The largest value of each window, and its way back: max pooling, adaptive max pooling, max unpooling."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _check
from .._check import Array
from .._core import ops
from .._dispatch import derivative, differentiable
from ._pool_text import described
from ._windows import Planes, Sizes, Windows, adaptive, sliding

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


def _max_pool(name: str, n: int, input: Any, *arguments: Any, return_indices: Any) -> Any:
    settings, planes = sliding(name, n, *arguments), Planes(name, input, n)
    return _largest(planes, settings.over(name, planes.space), return_indices)


def _max_pool_backward(name: str, n: int, dy: Any, input: Any, *arguments: Any) -> Array:
    settings, planes = sliding(name, n, *arguments), Planes(name, input, n)
    return _to_largest(name, dy, planes, settings.over(name, planes.space))


def _adaptive(name: str, n: int, input: Any, output_size: Any, return_indices: Any) -> Any:
    planes = Planes(name, input, n)
    return _largest(planes, adaptive(name, output_size, planes.space), return_indices)


def _adaptive_backward(name: str, n: int, dy: Any, input: Any, output_size: Any) -> Array:
    planes = Planes(name, input, n)
    return _to_largest(name, dy, planes, adaptive(name, output_size, planes.space))


# -- max pooling ------------------------------------------------------------------------------------------------------


@differentiable
@described(n=1)
def max_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value of each window."""
    arguments = (kernel_size, stride, padding, dilation, ceil_mode)
    return _max_pool("max_pool1d", 1, input, *arguments, return_indices=return_indices)


@described(n=1)
def max_pool1d_backward(
    dy: Any,
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Array:
    """Gradient of `max_pool1d`."""
    return _max_pool_backward("max_pool1d_backward", 1, dy, input, kernel_size, stride, padding, dilation, ceil_mode)


@differentiable
@described(n=2)
def max_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value of each window."""
    arguments = (kernel_size, stride, padding, dilation, ceil_mode)
    return _max_pool("max_pool2d", 2, input, *arguments, return_indices=return_indices)


@described(n=2)
def max_pool2d_backward(
    dy: Any,
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Array:
    """Gradient of `max_pool2d`."""
    return _max_pool_backward("max_pool2d_backward", 2, dy, input, kernel_size, stride, padding, dilation, ceil_mode)


@differentiable
@described(n=3)
def max_pool3d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value of each window."""
    arguments = (kernel_size, stride, padding, dilation, ceil_mode)
    return _max_pool("max_pool3d", 3, input, *arguments, return_indices=return_indices)


@described(n=3)
def max_pool3d_backward(
    dy: Any,
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Array:
    """Gradient of `max_pool3d`."""
    return _max_pool_backward("max_pool3d_backward", 3, dy, input, kernel_size, stride, padding, dilation, ceil_mode)


def _declare(function: Callable[..., Any], twin: Callable[..., Array]) -> None:
    @derivative(function, "input")
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
        return function(input, *arguments, return_indices), lambda *dys: (twin(dys[0], input, *arguments),)


_declare(max_pool1d, max_pool1d_backward)
_declare(max_pool2d, max_pool2d_backward)
_declare(max_pool3d, max_pool3d_backward)


# -- adaptive max pooling ---------------------------------------------------------------------------------------------


@differentiable
@described(n=1)
def adaptive_max_pool1d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """The largest value of each of output_size windows."""
    return _adaptive("adaptive_max_pool1d", 1, input, output_size, return_indices)


@described(n=1)
def adaptive_max_pool1d_backward(dy: Any, input: Any, output_size: Any) -> Array:
    """Gradient of `adaptive_max_pool1d`."""
    return _adaptive_backward("adaptive_max_pool1d_backward", 1, dy, input, output_size)


@differentiable
@described(n=2)
def adaptive_max_pool2d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """The largest value of each of output_size windows."""
    return _adaptive("adaptive_max_pool2d", 2, input, output_size, return_indices)


@described(n=2)
def adaptive_max_pool2d_backward(dy: Any, input: Any, output_size: Any) -> Array:
    """Gradient of `adaptive_max_pool2d`."""
    return _adaptive_backward("adaptive_max_pool2d_backward", 2, dy, input, output_size)


@differentiable
@described(n=3)
def adaptive_max_pool3d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """The largest value of each of output_size windows."""
    return _adaptive("adaptive_max_pool3d", 3, input, output_size, return_indices)


@described(n=3)
def adaptive_max_pool3d_backward(dy: Any, input: Any, output_size: Any) -> Array:
    """Gradient of `adaptive_max_pool3d`."""
    return _adaptive_backward("adaptive_max_pool3d_backward", 3, dy, input, output_size)


def _declare_adaptive(function: Callable[..., Any], twin: Callable[..., Array]) -> None:
    @derivative(function, "input")
    def run(wanted: tuple[bool], input: Any, output_size: Any, return_indices: bool = False) -> Any:
        return function(input, output_size, return_indices), lambda *dys: (twin(dys[0], input, output_size),)


_declare_adaptive(adaptive_max_pool1d, adaptive_max_pool1d_backward)
_declare_adaptive(adaptive_max_pool2d, adaptive_max_pool2d_backward)
_declare_adaptive(adaptive_max_pool3d, adaptive_max_pool3d_backward)


# -- max unpooling ----------------------------------------------------------------------------------------------------


def unpooled_size(name: str, space: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, output_size: Any) -> Sizes:
    """The size of what was pooled: as given, if it is one of those that pool to this space."""
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
    """Values of planes one after the other, as the input lies in memory."""
    memory = planes.empty(space)
    planes_first = planes.result(memory) if planes.batched else planes.result(memory)[np.newaxis]
    planes_first[...] = values.reshape(planes.n, planes.c, *space)
    return planes.finished(memory)


def _rows(planes: Planes) -> Array:
    """The input, planes one after the other."""
    x = planes.result(planes.x)
    return x.reshape(planes.n * planes.c, math.prod(planes.space))


def _max_unpool(name: str, n: int, input: Any, indices: Any, *arguments: Any) -> Array:
    planes, where, space = _unpool(name, n, input, indices, *arguments)
    size = math.prod(space)
    y = _check.new(name, (len(where), size + 1), planes.compute)  # what is nowhere goes beyond the end
    y[...] = 0
    y[np.arange(len(where))[:, np.newaxis], np.where(where < 0, size, where)] = _rows(planes)
    return _in_layout(planes, y[:, :size], space)


def _max_unpool_backward(name: str, n: int, dy: Any, input: Any, indices: Any, *arguments: Any) -> Array:
    planes, where, space = _unpool(name, n, input, indices, *arguments)
    gradient = planes.gradient(name, dy, space)
    rows = planes.result(gradient).reshape(len(where), math.prod(space))
    dx = np.where(where < 0, planes.compute.type(0), np.take_along_axis(rows, np.maximum(where, 0), 1))
    return _in_layout(planes, dx, planes.space)


@differentiable
@described(n=1)
def max_unpool1d(
    input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Array:
    """Values put back to where max pooling found them."""
    return _max_unpool("max_unpool1d", 1, input, indices, kernel_size, stride, padding, output_size)


@described(n=1)
def max_unpool1d_backward(
    dy: Any, input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Array:
    """Gradient of `max_unpool1d`."""
    return _max_unpool_backward(
        "max_unpool1d_backward", 1, dy, input, indices, kernel_size, stride, padding, output_size
    )


@differentiable
@described(n=2)
def max_unpool2d(
    input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Array:
    """Values put back to where max pooling found them."""
    return _max_unpool("max_unpool2d", 2, input, indices, kernel_size, stride, padding, output_size)


@described(n=2)
def max_unpool2d_backward(
    dy: Any, input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Array:
    """Gradient of `max_unpool2d`."""
    return _max_unpool_backward(
        "max_unpool2d_backward", 2, dy, input, indices, kernel_size, stride, padding, output_size
    )


@differentiable
@described(n=3)
def max_unpool3d(
    input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Array:
    """Values put back to where max pooling found them."""
    return _max_unpool("max_unpool3d", 3, input, indices, kernel_size, stride, padding, output_size)


@described(n=3)
def max_unpool3d_backward(
    dy: Any, input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Array:
    """Gradient of `max_unpool3d`."""
    return _max_unpool_backward(
        "max_unpool3d_backward", 3, dy, input, indices, kernel_size, stride, padding, output_size
    )


def _declare_unpool(function: Callable[..., Array], twin: Callable[..., Array]) -> None:
    @derivative(function, "input")
    def run(wanted: tuple[bool], input: Any, indices: Any, *args: Any, **options: Any) -> Any:
        where = _check.as_array(function.__name__, indices, "indices").copy()  # it may change before the backward pass
        return function(input, where, *args, **options), lambda dy: (twin(dy, input, where, *args, **options),)


_declare_unpool(max_unpool1d, max_unpool1d_backward)
_declare_unpool(max_unpool2d, max_unpool2d_backward)
_declare_unpool(max_unpool3d, max_unpool3d_backward)
