"""The engine of all convolutions: views of six dimensions, on which two ops compute all values and gradients.

`correlate` is a convolution.  `spread`, its transpose, is made of one convolution for each remainder of the stride; it
serves transposed convolutions, and the gradient of a convolution's input.  `weight_gradient` serves both.
"""

from __future__ import annotations

import itertools
import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from .. import _check, _core
from .._check import Array
from .._core import ops

Sizes = tuple[int, ...]
MODES = ("zeros", "reflect", "replicate", "circular")


class Window(NamedTuple):
    """How a kernel goes over an input, for each dimension of space."""

    stride: Sizes
    before: Sizes  # padding before the first value; negative where values are left out
    after: Sizes
    dilation: Sizes
    groups: int
    mode: str = "zeros"  # of padding


def _three(sizes: Sizes, fill: int) -> Sizes:
    return (fill,) * (3 - len(sizes)) + tuple(sizes)


def samples(x: Array, groups: int) -> Array:
    """(N, C, *) as a view (N, groups, C / groups, depth, height, width)."""
    n, c, *space = x.shape
    return x.reshape(n, groups, c // groups, *_three(tuple(space), 1))


def kernels(weight: Array, groups: int) -> Array:
    """(A, B, *) as a view (groups, A / groups, B, depth, height, width)."""
    a, b, *space = weight.shape
    return weight.reshape(groups, a // groups, b, *_three(tuple(space), 1))


@lru_cache(maxsize=256)
def _sizes(x: Sizes, kernel: Sizes, out: Sizes, window: Window) -> tuple[int, ...]:
    n, groups, c, *space = x
    placing = (*_three(window.stride, 1), *_three(window.before, 0), *_three(window.dilation, 1))
    return (n, groups, c, kernel[1], *space, *out, *kernel[3:], *placing, MODES.index(window.mode))


def _numbers(x: Array, kernel: Array, out: Sizes, window: Window) -> tuple[int, ...]:
    """The ops' sizes; kernel (groups, outputs, inputs, *)."""
    return (*_sizes(x.shape, kernel.shape, out, window), _core.get_num_threads())


def correlate(
    y: Array, x: Array, kernel: Array, bias: Array | None, window: Window, transformed: Array | None = None
) -> None:
    """y[q] = bias + sum over r of kernel[r] x[q stride - before + r dilation]; kernel (groups, outputs, inputs, *).

    transformed: the kernel from `_conv_precision.pack_fast`, if Winograd's algorithm is to be used.
    """
    if is_wide(x.shape[2:], kernel.shape[3:], window):
        return _correlate_rows(y, x, kernel, bias, window)
    numbers = _numbers(x, kernel, y.shape[3:], window)
    ops.conv(y, x, kernel, transformed, bias, None, *numbers, -1, transformed is not None, 0, 0)


_WIDE = 3 << 14  # values between a kernel's first and last place, of all channels; a box of the op has room for 65,536


def is_wide(shape: Sizes, kernel: Sizes, window: Window) -> bool:
    """Whether the kernel of one axis, the last, is so widely dilated that `_correlate_rows` is quicker.

    shape : (channels of a group, *)
    kernel : the kernel's sizes
    """
    if math.prod((*shape[1:-1], *kernel[:-1])) != 1 or window.stride[-1] != 1 or window.mode != "zeros":
        return False
    channels = max(shape[0], min(window.groups, 16))  # the op copies those of several groups together
    return channels * (kernel[-1] - 1) * window.dilation[-1] > _WIDE


def _correlate_rows(y: Array, x: Array, kernel: Array, bias: Array | None, window: Window) -> None:
    """`correlate` along a line, seen as a matrix with rows of `dilation` values, of which the kernel takes one column.

    Each value is the same sum in the same order.  The op would copy all that lies between a kernel's places; here a
    kernel's place is a row.  What remains of y behind the last whole row is a matrix of one shorter row.
    """
    dilation, before, out, taps = window.dilation[-1], window.before[-1], y.shape[-1], kernel.shape[-1]
    length = out + (taps - 1) * dilation
    if before or x.shape[-1] < length:
        padded = np.zeros((*x.shape[:-1], length), x.dtype)
        first, last = max(0, before), min(length, x.shape[-1] + before)
        padded[..., first:last] = x[..., first - before : last - before]
        x = padded
    column, plain = kernel.swapaxes(-1, -2), Window((1, 1), (0, 0), (0, 0), (1, 1), window.groups)
    step, whole = x.strides[-1], out - out % dilation
    for begin, width, rows in ((0, dilation, out // dilation), (whole, out - whole, 1)):
        if width * rows:
            shape, strides = (*x.shape[:-2], rows + taps - 1, width), (*x.strides[:-2], dilation * step, step)
            lines = np.lib.stride_tricks.as_strided(x[..., begin:], shape, strides, writeable=False)
            part = y[..., begin : begin + rows * width].reshape(*y.shape[:-2], rows, width)
            correlate(part, lines, column, bias, plain)


def weight_gradient(dkernel: Array, dy: Array, x: Array, window: Window) -> None:
    """The gradient of `correlate` with respect to its kernel."""
    ops.conv_weight(dkernel, dy, x, *_numbers(x, dkernel, dy.shape[3:], window))


_ALL = (slice(None),) * 3


class _Phase(NamedTuple):
    """The output places of one remainder of the stride, the kernel's places that reach them, padding and dilation."""

    places: slice
    taps: slice
    before: int
    dilation: int


def _phases(out: int, kernel: int, stride: int, pad: int, dilation: int) -> list[_Phase]:
    """For one dimension: output place j takes input place (j + pad - r dilation) / stride where that is whole."""
    found = []
    common = math.gcd(stride, dilation)
    step, apart = stride // common, dilation // common
    for first in range(min(stride, out)):
        tap = next((r for r in range(min(kernel, step)) if (first + pad - r * dilation) % stride == 0), kernel)
        count = len(range(tap, kernel, step))
        source = (first + pad - tap * dilation) // stride
        found.append(_Phase(slice(first, None, stride), slice(tap, None, step), (count - 1) * apart - source, apart))
    return found


def spread(y: Array, x: Array, kernel: Array, bias: Array | None, window: Window) -> None:
    """y[q stride - before + r dilation] = bias + the sum of x[q] kernel[r]; kernel (groups, outputs, inputs, *)."""
    three = zip(
        y.shape[3:],
        kernel.shape[3:],
        _three(window.stride, 1),
        _three(window.before, 0),
        _three(window.dilation, 1),
        strict=True,
    )
    for phases in itertools.product(*(_phases(*each) for each in three)):
        places, taps = (tuple(each) for each in zip(*((p.places, p.taps) for p in phases), strict=True))
        to, part = y[_ALL + places], kernel[_ALL + taps][..., ::-1, ::-1, ::-1]
        if part.size:
            before, dilation = (tuple(each) for each in zip(*((p.before, p.dilation) for p in phases), strict=True))
            correlate(to, x, part, bias, Window((1, 1, 1), before, (0, 0, 0), dilation, window.groups))
        else:
            to[...] = 0 if bias is None else bias.reshape(*to.shape[1:3], 1, 1, 1)


def fold_padding(padded: Array, window: Window) -> Array:
    """The gradient of an input from that of the padded input: gradients of copies are added to their originals'."""
    for axis, (before, after) in enumerate(
        zip(window.before, window.after, strict=True), padded.ndim - len(window.before)
    ):
        size = padded.shape[axis] - before - after
        index = np.arange(-before, size + after)
        if window.mode == "reflect":
            index = np.where(index < 0, -index, np.where(index >= size, 2 * (size - 1) - index, index))
        elif window.mode == "replicate":
            index = index.clip(0, size - 1)
        else:
            index %= size
        moved = np.moveaxis(padded, axis, 0)
        total = moved[before : before + size].copy()
        for place in (*range(before), *range(before + size, len(index))):
            total[index[place]] += moved[place]
        padded = np.moveaxis(total, 0, axis)
    return padded


def empty_as(x: Array, shape: Sizes) -> Array:
    """Uninitialized (N, C, *), channels-last in memory if x is."""
    order = (0, *range(2, x.ndim), 1)
    if x.flags.c_contiguous or not x.transpose(order).flags.c_contiguous:
        return _core.empty(shape, x.dtype)
    made = _core.empty(tuple(shape[i] for i in order), x.dtype)
    return made.transpose(0, x.ndim - 1, *range(1, x.ndim - 1))


def channel_sums(dy: Array, memory: Any) -> Array:
    """The sum of each channel of dy (N, C, *), in an order that does not depend on its layout."""
    c = dy.shape[1]
    sums, rest = np.zeros(c, dy.dtype), np.zeros(c, dy.dtype)
    if dy.size:
        flat, zeros, ones = memory.flat(dy), _check.constant(0.0, c), _check.constant(1.0, c)
        sizes = (memory.n, memory.c, memory.s, memory.last)
        ops.batch_norm_backward(None, rest, sums, flat, flat, zeros, ones, None, *sizes, False)
    return sums


def add_to_channels(y: Array, bias: Array) -> None:
    """Add one value to each channel of y (N, C, places), contiguous."""
    n, c, places = y.shape
    ops.batch_norm(y, y, _check.constant(0.0, c), _check.constant(1.0, c), None, bias, n, c, places, False)
