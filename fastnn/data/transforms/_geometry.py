"""Crops and flips, which move the rows of whole batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import _check
from ..._check import Array
from ._base import Transform, channel_values

PADDING_MODES = ("constant", "edge", "reflect", "symmetric")


def height_width(name: str, argument: str, value: Any) -> tuple[int, int]:
    """(height, width); one number stands for both."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    if len(values) not in (1, 2):
        raise ValueError(f"{name}: expected {argument} of one or two numbers, got {len(values)}")
    height, width = (_check.count(name, argument, each, 1) for each in (values[0], values[-1]))
    return height, width


def borders(name: str, padding: Any) -> tuple[int, int, int, int]:
    """Left, top, right, bottom, from one number, (left and right, top and bottom), or all four."""
    values = tuple(padding) if isinstance(padding, (tuple, list)) else (padding,)
    if len(values) not in (1, 2, 4):
        raise ValueError(f"{name}: expected padding of one, two or four numbers, got {len(values)}")
    left, top, right, bottom = (_check.count(name, "padding", each) for each in (values * (4 // len(values)))[:4])
    return left, top, right, bottom


def crop(planes: Array, tops: Array, lefts: Array, height: int, width: int) -> Array:
    """Cut a window out of each image of (N, C, H, W), at the image's own place."""
    windows = np.lib.stride_tricks.sliding_window_view(planes, (height, width), axis=(2, 3))
    return windows[np.arange(len(planes)), :, tops, lefts]


def padded(planes: Array, left: int, top: int, right: int, bottom: int, fill: Any, mode: str) -> Array:
    """The images with borders."""
    widths = ((0, 0), (0, 0), (top, bottom), (left, right))
    if mode != "constant":
        return np.pad(planes, widths, mode)  # type: ignore[call-overload]
    n, c, h, w = planes.shape
    result = np.empty((n, c, h + top + bottom, w + left + right), planes.dtype)
    result[...] = channel_values("RandomCrop", "fill", fill, planes)[:, None, None]
    result[:, :, top : top + h, left : left + w] = planes
    return result


@dataclass(frozen=True)
class RandomCrop(Transform):
    """A window at a random place.

    Parameters
    ----------
    size : int or (height, width)
    padding : int, (left and right, top and bottom) or (left, top, right, bottom), optional
        Added before the crop.
    pad_if_needed : bool
        Pad an image that is smaller than the window.
    fill : number or sequence
        The value of the padding.
    padding_mode : {"constant", "edge", "reflect", "symmetric"}

    Raises
    ------
    ValueError
        If the window is larger than the image.

    Examples
    --------
    >>> RandomCrop(32, padding=4)(np.zeros((64, 3, 32, 32)), rng=0).shape
    (64, 3, 32, 32)
    """

    size: Any
    padding: Any = None
    pad_if_needed: bool = False
    fill: Any = 0
    padding_mode: str = "constant"

    def __post_init__(self) -> None:
        height_width("RandomCrop", "size", self.size)
        borders("RandomCrop", 0 if self.padding is None else self.padding)
        _check.choice("RandomCrop", "padding_mode", self.padding_mode, PADDING_MODES)

    def _apply(self, planes: Array, rng: np.random.Generator) -> Array:
        height, width = height_width("RandomCrop", "size", self.size)
        if self.padding is not None:
            planes = padded(planes, *borders("RandomCrop", self.padding), self.fill, self.padding_mode)
        if self.pad_if_needed:
            below, beside = max(height - planes.shape[2], 0), max(width - planes.shape[3], 0)
            if below or beside:
                planes = padded(planes, beside, below, beside, below, self.fill, self.padding_mode)
        n, _, h, w = planes.shape
        if h < height or w < width:
            raise ValueError(f"RandomCrop: expected images of at least {height} x {width}, got {h} x {w}")
        return crop(planes, rng.integers(h - height + 1, size=n), rng.integers(w - width + 1, size=n), height, width)


@dataclass(frozen=True)
class CenterCrop(Transform):
    """The window in the middle; an image that is smaller gets a border of 0.

    Parameters
    ----------
    size : int or (height, width)

    Examples
    --------
    >>> CenterCrop(1)(np.arange(9).reshape(3, 3))
    array([[4]])
    """

    size: Any

    def __post_init__(self) -> None:
        height_width("CenterCrop", "size", self.size)

    def _apply(self, planes: Array, rng: np.random.Generator) -> Array:
        height, width = height_width("CenterCrop", "size", self.size)
        below, beside = max(height - planes.shape[2], 0), max(width - planes.shape[3], 0)
        if below or beside:
            planes = padded(planes, beside // 2, below // 2, (beside + 1) // 2, (below + 1) // 2, 0, "constant")
        top, left = round((planes.shape[2] - height) / 2), round((planes.shape[3] - width) / 2)
        return planes[:, :, top : top + height, left : left + width].copy()


@dataclass(frozen=True)
class _Flip(Transform):
    p: float = 0.5

    def __post_init__(self) -> None:
        _check.in_range(type(self).__name__, "p", self.p, 0, 1)

    def _flipped(self, planes: Array, rng: np.random.Generator, axis: int) -> Array:
        chosen = rng.random(len(planes)) < self.p
        result = planes.copy()  # in C order, whatever the order of the view
        result[chosen] = np.flip(planes[chosen], axis)
        return result


@dataclass(frozen=True)
class RandomHorizontalFlip(_Flip):
    """Left and right exchanged, with probability p.

    Parameters
    ----------
    p : float

    Examples
    --------
    >>> RandomHorizontalFlip(1)(np.array([[1, 2, 3]]))
    array([[3, 2, 1]])
    """

    def _apply(self, planes: Array, rng: np.random.Generator) -> Array:
        return self._flipped(planes, rng, 3)


@dataclass(frozen=True)
class RandomVerticalFlip(_Flip):
    """Top and bottom exchanged, with probability p.

    Parameters
    ----------
    p : float

    Examples
    --------
    >>> RandomVerticalFlip(1)(np.array([[1], [2]]))
    array([[2],
           [1]])
    """

    def _apply(self, planes: Array, rng: np.random.Generator) -> Array:
        return self._flipped(planes, rng, 2)
