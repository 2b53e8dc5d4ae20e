"""Sliding windows: their arguments, sizes and places, and arrays as the kernels of pooling take them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import _check, _core
from .._check import Array

Sizes = tuple[int, ...]
MOST = 2**31 - 1  # of any size that a caller gives, as in PyTorch: products of two are exact in 64 bits


def numbers(name: str, argument: str, value: Any, n: int, low: int) -> Sizes:
    """`n` integers of at least `low`: one for all dimensions, or a tuple or list of one or of n."""
    values = value if isinstance(value, (tuple, list)) else (value,)
    if len(values) not in (1, n):
        raise ValueError(f"{name}: expected {argument} of 1 or {n} numbers, got {len(values)}: {value}")
    found = tuple(_check.count(name, argument, each, low, MOST) for each in values)
    return found * n if len(found) == 1 else found


def output_size(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> int:
    """How many windows fit; with ceil_mode the last may reach beyond the end, but begins before the right padding."""
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    found = (room + (stride - 1 if ceil_mode else 0)) // stride + 1
    return found - 1 if ceil_mode and (found - 1) * stride >= size + padding else found


class Axis(NamedTuple):
    """The windows along one dimension, as kernels take them; a kernel of 0 means windows that cover it evenly."""

    size: int
    output: int
    kernel: int = 0
    stride: int = 1
    padding: int = 0
    dilation: int = 1


WHOLE = Axis(1, 1)  # a dimension that is missing


class Windows(NamedTuple):
    """The windows of up to three dimensions."""

    axes: tuple[Axis, ...]

    @property
    def output(self) -> Sizes:
        """How many windows there are along each dimension."""
        return tuple(axis.output for axis in self.axes)

    def arguments(self, outer: int, inner: int) -> Sizes:
        """The ops' sizes."""
        d, h, w = (WHOLE,) * (3 - len(self.axes)) + self.axes
        return outer, inner, *d, *h, *w, _core.get_num_threads()


class Planes:
    """(N, C, *space) or (C, *space) for the kernels, which take channels first or last in memory."""

    def __init__(self, name: str, input: Any, n: int, argument: str = "input", *, no_channels: bool = False):
        self.name = name
        x, self.dtype = _check.as_compute(name, input, argument)
        self.shape, self.compute = x.shape, x.dtype
        self.batched = x.ndim == n + 2
        if x.ndim not in (n + 1, n + 2):
            space = ", ".join("DHW"[3 - n :] if n > 1 else "L")
            raise ValueError(
                f"{name}: expected an {argument} of {n + 1} or {n + 2} dimensions, (C, {space}) or (N, C, {space}), "
                f"got shape {x.shape}"
            )
        if 0 in self.shape[-n:] or (not no_channels and self.shape[-n - 1] == 0):
            raise ValueError(f"{name}: expected sizes of at least 1 but the batch's, got shape {x.shape}")
        x = x if self.batched else x[np.newaxis]
        self.n, self.c, self.space = x.shape[0], x.shape[1], tuple(x.shape[2:])
        self.to_last = (0, *range(2, n + 2), 1)
        self.last = not x.flags.c_contiguous and x.transpose(self.to_last).flags.c_contiguous
        self.x = self.arranged(x)

    def arranged(self, array: Array) -> Array:
        """An array of a batch in the input's memory order, copied if it has another."""
        return _check.contiguous(array.transpose(self.to_last) if self.last else array, self.compute)

    @property
    def sizes(self) -> tuple[int, int]:
        """The kernels' sizes outer and inner."""
        return (self.n, self.c) if self.last else (self.n * self.c, 1)

    def empty(self, space: Sizes, dtype: Any = None) -> Array:
        """Memory for a result of this size of space, in the input's memory order."""
        shape = (self.n, *space, self.c) if self.last else (self.n, self.c, *space)
        return _check.new(self.name, shape, self.compute if dtype is None else dtype)

    def result(self, memory: Array) -> Array:
        """An array made by `empty`, with the input's order of dimensions."""
        y = memory.transpose(0, -1, *range(1, memory.ndim - 1)) if self.last else memory
        return y if self.batched else y[0]

    def finished(self, memory: Array) -> Array:
        """An array made by `empty`, with the input's order of dimensions, rounded to its dtype."""
        return _check.finish(self.result(memory), self.dtype, None)

    def gradient(self, name: str, dy: Any, space: Sizes) -> Array:
        """The gradient of a result of this size of space, in the input's memory order."""
        gradient = _check.as_float(name, dy, "dy")
        expected = (*self.shape[: -len(space)], *space)
        if gradient.shape != expected:
            raise ValueError(f"{name}: expected dy of the result's shape {expected}, got {gradient.shape}")
        return self.arranged(gradient if self.batched else gradient[np.newaxis])


class Sliding(NamedTuple):
    """The arguments of sliding windows, one number for each dimension."""

    kernel: Sizes
    stride: Sizes
    padding: Sizes
    dilation: Sizes
    ceil_mode: bool

    def over(self, name: str, space: Sizes) -> Windows:
        """The windows over a space of these sizes."""
        each = [*zip(space, self.kernel, self.stride, self.padding, self.dilation, strict=True)]
        axes = tuple(Axis(sizes[0], output_size(*sizes, self.ceil_mode), *sizes[1:]) for sizes in each)
        if min(axis.output for axis in axes) < 1:
            reach = tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))
            raise ValueError(
                f"{name}: expected windows of {reach} places to fit into {space}, padded by {self.padding}"
            )
        return Windows(axes)


def sliding(
    name: str, n: int, kernel_size: Any, stride: Any, padding: Any = 0, dilation: Any = 1, ceil_mode: Any = False
) -> Sliding:
    """The arguments of `n` dimensions, checked."""
    kernel = numbers(name, "kernel_size", kernel_size, n, 1)
    none = stride is None or (isinstance(stride, (tuple, list)) and not stride)
    strides = kernel if none else numbers(name, "stride", stride, n, 1)
    paddings = numbers(name, "padding", padding, n, 0)
    if any(2 * p > k for p, k in zip(paddings, kernel, strict=True)):
        raise ValueError(f"{name}: expected padding of at most half of kernel_size {kernel}, got {paddings}")
    return Sliding(kernel, strides, paddings, numbers(name, "dilation", dilation, n, 1), bool(ceil_mode))


@_check.kept
def slid(name: str, space: Sizes, *arguments: Any) -> Windows:
    """The windows that slide over a space, by the arguments that `sliding` takes."""
    return sliding(name, len(space), *arguments).over(name, space)


def covering(space: Sizes, output: Sizes) -> Windows:
    """The windows that cover a space evenly."""
    return Windows(tuple(map(Axis, space, output)))


@_check.kept
def adaptive(name: str, output_size: Any, space: Sizes) -> Windows:
    """The windows of an adaptive pooling to `output_size`, where None keeps a dimension."""
    wanted = output_sizes(name, output_size, len(space))
    return covering(space, tuple(s if o is None else o for o, s in zip(wanted, space, strict=True)))


def output_sizes(name: str, output_size: Any, n: int) -> tuple[int | None, ...]:
    """An integer for all dimensions, or a tuple of `n` integers or None."""
    values = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size,) * n
    if len(values) != n:
        raise ValueError(f"{name}: expected output_size of {n} numbers, got {len(values)}: {output_size}")
    if output_size is None:
        raise TypeError(f"{name}: expected output_size to be an integer or a tuple, got None")
    return tuple(None if each is None else _check.count(name, "output_size", each, 0, MOST) for each in values)
