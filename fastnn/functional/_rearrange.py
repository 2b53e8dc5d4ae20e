"""Rearranging values of images: shuffled channels, channels to pixels and back."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _check
from .._check import Array
from .._core import ops
from .._dispatch import derivative, differentiable
from ._pad import of_numbers
from ._windows import MOST, Sizes

__all__ = [
    "channel_shuffle",
    "channel_shuffle_backward",
    "pixel_shuffle",
    "pixel_shuffle_backward",
    "pixel_unshuffle",
    "pixel_unshuffle_backward",
]


def _copy(to: Array, of: Array) -> None:
    """Copy one view of six dimensions to another of the same shape."""
    if to.dtype in (np.float32, np.float64):
        ops.rearrange(to, of, *to.shape)
    else:
        to[...] = of


def _memory(name: str, x: Array, channel: int, shape: Sizes) -> tuple[bool, Array, Array, Array]:
    """Whether channels are last in memory; the input in memory order; a result in memory order and in index order."""
    last = not x.flags.c_contiguous and np.moveaxis(x, channel, -1).flags.c_contiguous
    order = [*range(channel), *range(channel + 1, x.ndim), channel] if last else [*range(x.ndim)]
    memory = _check.new(name, tuple(shape[i] for i in order), x.dtype)
    return last, _check.contiguous(x.transpose(order)), memory, memory.transpose(np.argsort(order))


# -- channels by turns ------------------------------------------------------------------------------------------------


def _shuffled(name: str, x: Array, groups: Any, back: bool) -> Array:
    groups = _check.count(name, "groups", groups, 1, MOST)
    if x.ndim < 3 or x.shape[1] % groups:
        raise ValueError(
            f"{name}: expected an input (N, C, *) of 3 or more dimensions with C divisible by {groups}, "
            f"got shape {x.shape}"
        )
    last, of, to, y = _memory(name, x, 1, x.shape)
    n, s, first, second = x.shape[0], math.prod(x.shape[2:]), groups, x.shape[1] // groups
    if back:
        first, second = second, first
    if x.size and last:
        turned = to.reshape(n, s, 1, 1, second, first).swapaxes(4, 5)
        _copy(turned, of.reshape(n, s, 1, 1, first, second))
    elif x.size:
        _copy(to.reshape(n, second, first, 1, 1, s), of.reshape(n, first, second, 1, 1, s).swapaxes(1, 2))
    return y


@differentiable
def channel_shuffle(input: Any, groups: int) -> Array:
    """Channels of `groups` groups by turns: (N, groups, C / groups, *) with the two swapped (Zhang et al. 2018).

    Parameters
    ----------
    input : array_like, (N, C, *)
        Of 3 or more dimensions.
    groups : int
        Must divide C.

    Returns
    -------
    ndarray
        In the memory order of the input.

    Raises
    ------
    ValueError
        If C is not divisible by groups.

    Examples
    --------
    >>> channel_shuffle(np.arange(6.0).reshape(1, 6, 1), 2).ravel()
    array([0., 3., 1., 4., 2., 5.])
    """
    return _shuffled("channel_shuffle", of_numbers("channel_shuffle", input), groups, back=False)


def channel_shuffle_backward(dy: Any, groups: int) -> Array:
    """Gradient of `channel_shuffle`: the channels of dy back in their places.

    Examples
    --------
    >>> channel_shuffle_backward(np.arange(6.0).reshape(1, 6, 1), 2).ravel()
    array([0., 2., 4., 1., 3., 5.])
    """
    name = "channel_shuffle_backward"
    gradient, dtype = _check.as_compute(name, dy, "dy")
    return _check.finish(_shuffled(name, gradient, groups, back=True), dtype, None)


# -- channels as pixels -----------------------------------------------------------------------------------------------


def _pixels(name: str, x: Array, factor: Any, what: str, spread: bool) -> Array:
    """(*, C r r, H, W) to (*, C, H r, W r), or, unless `spread`, the inverse."""
    r = _check.count(name, what, factor, 1, MOST)
    *_, c, h, w = x.shape if x.ndim >= 3 else (0, 0, 0)
    if x.ndim < 3 or (c % (r * r) if spread else h % r or w % r):
        sizes = f"(*, C, H, W) with C divisible by {r * r}" if spread else f"(*, C, H, W) with H and W divisible by {r}"
        raise ValueError(f"{name}: expected an input {sizes}, got shape {x.shape}")
    c, h, w = (c // (r * r), h, w) if spread else (c, h // r, w // r)
    small, large, n = (c * r * r, h, w), (c, h * r, w * r), math.prod(x.shape[:-3])
    last, of, to, y = _memory(name, x, x.ndim - 3, (*x.shape[:-3], *(large if spread else small)))
    if not x.size:
        return y
    channels, pixels = (of, to) if spread else (to, of)
    if last:  # both as (N, H, W, r, r, C)
        views = (
            channels.reshape(n, h, w, c, r, r).transpose(0, 1, 2, 4, 5, 3),
            pixels.reshape(n, h, r, w, r, c).swapaxes(2, 3),
        )
    else:  # both as (N C, H, r, 1, r, W)
        views = (
            channels.reshape(n * c, 1, r, r, h, w).transpose(0, 4, 2, 1, 3, 5),
            pixels.reshape(n * c, h, r, 1, w, r).swapaxes(4, 5),
        )
    _copy(views[spread], views[not spread])
    return y


@differentiable
def pixel_shuffle(input: Any, upscale_factor: int) -> Array:
    """Channels as pixels, r = upscale_factor of them in each direction (Shi et al. 2016).

    y[c, h r + i, w r + j] = x[c r r + i r + j, h, w].

    Parameters
    ----------
    input : array_like, (*, C r r, H, W)
    upscale_factor : int

    Returns
    -------
    ndarray, (*, C, H r, W r)
        In the memory order of the input, channels first or last.

    Raises
    ------
    ValueError
        If there are fewer than 3 dimensions, or their channels are not divisible by r r.

    Examples
    --------
    >>> pixel_shuffle(np.arange(8.0).reshape(4, 1, 2), 2)
    array([[[0., 2., 1., 3.],
            [4., 6., 5., 7.]]])
    """
    return _pixels("pixel_shuffle", of_numbers("pixel_shuffle", input), upscale_factor, "upscale_factor", spread=True)


def pixel_shuffle_backward(dy: Any, upscale_factor: int) -> Array:
    """Gradient of `pixel_shuffle`: the values of dy back in their channels.

    Examples
    --------
    >>> pixel_shuffle_backward([[[0.0, 1.0], [2.0, 3.0]]], 2).ravel()
    array([0., 1., 2., 3.])
    """
    name = "pixel_shuffle_backward"
    gradient, dtype = _check.as_compute(name, dy, "dy")
    return _check.finish(_pixels(name, gradient, upscale_factor, "upscale_factor", spread=False), dtype, None)


@differentiable
def pixel_unshuffle(input: Any, downscale_factor: int) -> Array:
    """Pixels as channels: the inverse of `pixel_shuffle`.

    y[c r r + i r + j, h, w] = x[c, h r + i, w r + j], r = downscale_factor.

    Parameters
    ----------
    input : array_like, (*, C, H r, W r)
    downscale_factor : int

    Returns
    -------
    ndarray, (*, C r r, H, W)
        In the memory order of the input, channels first or last.

    Raises
    ------
    ValueError
        If there are fewer than 3 dimensions, or height and width are not divisible by r.

    Examples
    --------
    >>> pixel_unshuffle([[[0.0, 1.0], [2.0, 3.0]]], 2).ravel()
    array([0., 1., 2., 3.])
    """
    x = of_numbers("pixel_unshuffle", input)
    return _pixels("pixel_unshuffle", x, downscale_factor, "downscale_factor", spread=False)


def pixel_unshuffle_backward(dy: Any, downscale_factor: int) -> Array:
    """Gradient of `pixel_unshuffle`: the values of dy back in their pixels.

    Examples
    --------
    >>> pixel_unshuffle_backward(np.arange(4.0).reshape(4, 1, 1), 2)
    array([[[0., 1.],
            [2., 3.]]])
    """
    name = "pixel_unshuffle_backward"
    gradient, dtype = _check.as_compute(name, dy, "dy")
    return _check.finish(_pixels(name, gradient, downscale_factor, "downscale_factor", spread=True), dtype, None)


def _declare(function: Callable[..., Array], twin: Callable[..., Array]) -> None:
    @derivative(function, "input")
    def run(wanted: tuple[bool], input: Any, *args: Any, **options: Any) -> Any:
        return function(input, *args, **options), lambda dy: (twin(dy, *args, **options),)


_declare(channel_shuffle, channel_shuffle_backward)
_declare(pixel_shuffle, pixel_shuffle_backward)
_declare(pixel_unshuffle, pixel_unshuffle_backward)
