"""Images as columns of blocks and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _check
from .._check import Array
from .._dispatch import differentiable, gradient_of
from ._pad import of_numbers
from ._windows import Sizes, numbers, output_size

__all__ = [
    "fold",
    "fold_backward",
    "unfold",
    "unfold_backward",
]


class Blocks:
    """Blocks of an image (H, W): how many there are, and where their elements lie."""

    def __init__(self, name: str, space: Sizes, kernel_size: Any, dilation: Any, padding: Any, stride: Any):
        self.kernel = numbers(name, "kernel_size", kernel_size, 2, 1)
        self.dilation = numbers(name, "dilation", dilation, 2, 1)
        self.padding = numbers(name, "padding", padding, 2, 0)
        self.stride = numbers(name, "stride", stride, 2, 1)
        each = zip(space, self.kernel, self.stride, self.padding, self.dilation, strict=True)
        self.count = tuple(output_size(*sizes, False) for sizes in each)
        if min(self.count) < 1 or min(space) < 1:
            raise ValueError(f"{name}: expected blocks of {self.kernel} to fit into {space} padded by {self.padding}")
        self.name, self.space = name, space

    def places(self, i: int, j: int) -> tuple[Any, slice, slice]:
        """Row i and column j of every block, in the padded image."""
        first, second = (
            slice(at * d, at * d + (count - 1) * s + 1, s)
            for at, d, count, s in zip((i, j), self.dilation, self.count, self.stride, strict=True)
        )
        return ..., first, second

    def zeros(self, shape: Sizes, dtype: Any) -> Array:
        """A padded image."""
        try:
            return np.zeros(shape, dtype)
        except (MemoryError, ValueError) as error:
            raise MemoryError(f"{self.name}: no memory for a padded image of shape {shape}") from error

    def columns(self, x: Array) -> Array:
        """(N, C, H, W) to (N, C kh kw, blocks)."""
        (top, left), (rows, columns) = self.padding, self.space
        padded = self.zeros((*x.shape[:2], rows + 2 * top, columns + 2 * left), x.dtype)
        padded[..., top : top + rows, left : left + columns] = x
        y = _check.new(self.name, (*x.shape[:2], *self.kernel, *self.count), x.dtype)
        for i, j in np.ndindex(self.kernel):
            y[:, :, i, j] = padded[self.places(i, j)]
        return y.reshape(len(x), y.shape[1] * y.shape[2] * y.shape[3], y.shape[4] * y.shape[5])

    def image(self, columns: Array) -> Array:
        """(N, C kh kw, blocks) to (N, C, H, W), overlaps added in the order of the blocks' places."""
        n, (kh, kw) = len(columns), self.kernel
        (top, left), (rows, width) = self.padding, self.space
        blocks = columns.reshape(n, columns.shape[1] // (kh * kw), kh, kw, *self.count)
        padded = self.zeros((n, blocks.shape[1], rows + 2 * top, width + 2 * left), columns.dtype)
        for i, j in np.ndindex(self.kernel):
            padded[self.places(i, j)] += blocks[:, :, i, j]
        return padded[..., top : top + rows, left : left + width].copy()


def _image(name: str, x: Array) -> Array:
    """(N, C, H, W), from an image or a batch."""
    if x.ndim not in (3, 4) or x.shape[-3] == 0:
        raise ValueError(f"{name}: expected an input (N, C, H, W) or (C, H, W), got shape {x.shape}")
    return x if x.ndim == 4 else x[np.newaxis]


@differentiable
def unfold(input: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Array:
    """The blocks of an image as columns: y[n, (c, i, j), l] = x[n, c, row l + i dilation, column l + j dilation].

    Parameters
    ----------
    input : array_like, (N, C, H, W) or (C, H, W)
    kernel_size : int or tuple of int
        The size of a block.
    dilation : int or tuple of int
        The distance of a block's places.
    padding : int or tuple of int
        Zeros around the image.
    stride : int or tuple of int
        The distance of blocks.

    Returns
    -------
    ndarray, (N, C kh kw, blocks) or (C kh kw, blocks)

    Raises
    ------
    ValueError
        If no block fits, or the input is no image.

    Examples
    --------
    >>> unfold([[[1.0, 2.0, 3.0]]], (1, 2))
    array([[1., 2.],
           [2., 3.]])
    """
    x = of_numbers("unfold", input)
    images = _image("unfold", x)
    y = Blocks("unfold", images.shape[2:], kernel_size, dilation, padding, stride).columns(images)
    return y if x.ndim == 4 else y[0]


@gradient_of(unfold)
def unfold_backward(
    dy: Any, input: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Array:
    """Gradient of `unfold`: each place gets the sum of dy over the blocks that hold it, which is `fold` of dy.

    Examples
    --------
    >>> unfold_backward([[1.0, 2.0], [4.0, 8.0]], [[[1.0, 2.0, 3.0]]], (1, 2))
    array([[[1., 6., 8.]]])
    """
    name = "unfold_backward"
    x, dtype = _check.as_compute(name, input)
    images = _image(name, x)
    blocks = Blocks(name, images.shape[2:], kernel_size, dilation, padding, stride)
    gradient = _check.as_float(name, dy, "dy").astype(x.dtype, copy=False)
    places = blocks.kernel[0] * blocks.kernel[1]
    expected = (*x.shape[:-3], x.shape[-3] * places, blocks.count[0] * blocks.count[1])
    if gradient.shape != expected:
        raise ValueError(f"{name}: expected dy of the result's shape {expected}, got {gradient.shape}")
    dx = blocks.image(_check.contiguous(gradient).reshape(len(images), *expected[-2:]))
    return _check.finish(dx.reshape(x.shape), dtype, None)


def _columns(name: str, x: Array, blocks: Blocks) -> Array:
    """(N, C kh kw, blocks), from the columns of an image or of a batch."""
    places, count = blocks.kernel[0] * blocks.kernel[1], blocks.count[0] * blocks.count[1]
    if x.ndim not in (2, 3) or x.shape[-2] == 0 or x.shape[-2] % places:
        raise ValueError(
            f"{name}: expected an input (N, C {places}, {count}) or (C {places}, {count}) "
            f"for blocks of {blocks.kernel}, got shape {x.shape}"
        )
    if x.shape[-1] != count:
        raise ValueError(f"{name}: expected an input of {count} = {blocks.count} blocks, got shape {x.shape}")
    return x if x.ndim == 3 else x[np.newaxis]


@differentiable
def fold(input: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Array:
    """An image from its blocks, overlaps added: the transpose of `unfold`.

    Parameters
    ----------
    input : array_like, (N, C kh kw, blocks) or (C kh kw, blocks)
    output_size : int or tuple of int
        (H, W).
    kernel_size : int or tuple of int
    dilation : int or tuple of int
    padding : int or tuple of int
    stride : int or tuple of int
        As of `unfold`.

    Returns
    -------
    ndarray, (N, C, H, W) or (C, H, W)

    Raises
    ------
    ValueError
        If the input's sizes are not those of the blocks.

    Examples
    --------
    >>> fold([[1.0, 2.0], [4.0, 8.0]], (1, 3), (1, 2))
    array([[[1., 6., 8.]]])
    """
    x, dtype = _check.as_compute("fold", input)
    blocks = Blocks("fold", numbers("fold", "output_size", output_size, 2, 1), kernel_size, dilation, padding, stride)
    y = blocks.image(_check.contiguous(_columns("fold", x, blocks)))
    return _check.finish(y if x.ndim == 3 else y[0], dtype, None)


@gradient_of(fold)
def fold_backward(
    dy: Any, input: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Array:
    """Gradient of `fold`: `unfold` of dy.

    Examples
    --------
    >>> fold_backward([[[1.0, 6.0, 8.0]]], [[1.0, 2.0], [4.0, 8.0]], (1, 3), (1, 2))
    array([[1., 6.],
           [6., 8.]])
    """
    name = "fold_backward"
    x, dtype = _check.as_compute(name, input)
    blocks = Blocks(name, numbers(name, "output_size", output_size, 2, 1), kernel_size, dilation, padding, stride)
    columns = _columns(name, x, blocks)
    gradient = _check.as_float(name, dy, "dy").astype(x.dtype, copy=False)
    expected = (*x.shape[:-2], columns.shape[1] // (blocks.kernel[0] * blocks.kernel[1]), *blocks.space)
    if gradient.shape != expected:
        raise ValueError(f"{name}: expected dy of the result's shape {expected}, got {gradient.shape}")
    return _check.finish(blocks.columns(gradient.reshape(-1, *expected[-3:])).reshape(x.shape), dtype, None)
