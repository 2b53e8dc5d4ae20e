"""Layers that change an input's shape, or return it as it is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _check, functional
from .._dispatch import respelled
from ..autograd import Tensor
from ._module import Module

__all__ = [
    "ChannelShuffle",
    "Flatten",
    "Identity",
    "PixelShuffle",
    "PixelUnshuffle",
    "Unflatten",
]


class Identity(Module):
    """Return the input; arguments are accepted and ignored, so that it can take any layer's place.

    Parameters
    ----------
    *args, **kwargs
        Anything; it is not used.

    Examples
    --------
    >>> Identity(54, unused=True)(3)
    3
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__()

    def forward(self, input: Any) -> Any:
        """Return `input` itself."""
        return input


class Flatten(Module):
    """Join the dimensions start_dim to end_dim into one.

    Parameters
    ----------
    start_dim, end_dim : int
        The first and the last dimension to join.

    Examples
    --------
    >>> Flatten()(np.zeros((2, 3, 4))).shape
    (2, 12)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1):
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Any) -> Any:
        """Return `input` in its new shape."""
        x = input if isinstance(input, Tensor) else np.asarray(input)
        return x.reshape(_check.flattened("Flatten", x.shape, self.start_dim, self.end_dim))

    def extra_repr(self) -> str:
        """Return the dimensions."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Spread one dimension over several.

    Parameters
    ----------
    dim : int
    unflattened_size : tuple of int
        Their product is the dimension's size; one of them may be -1, which is then computed.

    Examples
    --------
    >>> Unflatten(1, (3, -1))(np.zeros((2, 12))).shape
    (2, 3, 4)
    """

    @respelled
    def __init__(self, dim: int, unflattened_size: Any):
        super().__init__()
        if isinstance(dim, str):
            raise TypeError("Unflatten: expected dim to be an integer, got str")
        sizes = tuple(unflattened_size) if isinstance(unflattened_size, (tuple, list)) else None
        if sizes is None:
            raise TypeError(
                f"Unflatten: expected unflattened_size to be a tuple, got {type(unflattened_size).__name__}"
            )
        self.dim = dim
        self.unflattened_size = tuple(_check.count("Unflatten", "each size", size, low=-1) for size in sizes)
        if self.unflattened_size.count(-1) > 1:
            raise ValueError(f"Unflatten: expected at most one size of -1, got {sizes}")

    def forward(self, input: Any) -> Any:
        """Return `input` in its new shape."""
        x = input if isinstance(input, Tensor) else np.asarray(input)
        dim = _check.axis("Unflatten", self.dim, x.ndim)
        whole, known = x.shape[dim], math.prod(size for size in self.unflattened_size if size != -1)
        rest = whole // known if known else 0
        sizes = tuple(rest if size == -1 else size for size in self.unflattened_size)
        if math.prod(sizes) != whole:
            raise ValueError(
                f"Unflatten: expected dimension {dim} to have the size of {self.unflattened_size}, got shape {x.shape}"
            )
        return x.reshape(x.shape[:dim] + sizes + x.shape[dim + 1 :])

    def extra_repr(self) -> str:
        """Return the options."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


class ChannelShuffle(Module):
    """Channels of several groups by turns; see `fastnn.functional.channel_shuffle`.

    Parameters
    ----------
    groups : int
        Must divide the number of channels.

    Examples
    --------
    >>> ChannelShuffle(2)(np.arange(4.0).reshape(1, 4, 1)).ravel()
    array([0., 2., 1., 3.])
    """

    def __init__(self, groups: int):
        super().__init__()
        self.groups = _check.count("ChannelShuffle", "groups", groups, 1)

    def forward(self, input: Any) -> Any:
        """Return the channels in their new order."""
        return functional.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        """Return the options."""
        return f"groups={self.groups}"


class PixelShuffle(Module):
    """Channels as pixels; see `fastnn.functional.pixel_shuffle`.

    Parameters
    ----------
    upscale_factor : int
        r: (*, C r r, H, W) becomes (*, C, H r, W r).

    Examples
    --------
    >>> PixelShuffle(2)(np.ones((1, 8, 3, 4))).shape
    (1, 2, 6, 8)
    """

    def __init__(self, upscale_factor: int):
        super().__init__()
        self.upscale_factor = _check.count("PixelShuffle", "upscale_factor", upscale_factor, 1)

    def forward(self, input: Any) -> Any:
        """Return the pixels."""
        return functional.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        """Return the factor."""
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """Pixels as channels; see `fastnn.functional.pixel_unshuffle`.

    Parameters
    ----------
    downscale_factor : int
        r: (*, C, H r, W r) becomes (*, C r r, H, W).

    Examples
    --------
    >>> PixelUnshuffle(2)(np.ones((1, 2, 6, 8))).shape
    (1, 8, 3, 4)
    """

    def __init__(self, downscale_factor: int):
        super().__init__()
        self.downscale_factor = _check.count("PixelUnshuffle", "downscale_factor", downscale_factor, 1)

    def forward(self, input: Any) -> Any:
        """Return the channels."""
        return functional.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        """Return the factor."""
        return f"downscale_factor={self.downscale_factor}"
