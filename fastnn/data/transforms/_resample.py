"""Rotations and resizing; Pillow interpolates."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import _check
from ..._check import Array
from ..._extras import extra
from ._base import Transform, channel_values, check_exact, interval
from ._geometry import height_width

FILTERS = ("nearest", "bilinear", "bicubic", "lanczos")


def through_pillow(planes: Array, change: Callable[[Any, int, slice], Any], user: str) -> list[Array]:
    """Each image of (N, C, H, W) as `change(picture, number, channels)` makes it.

    Bytes of three channels are one picture; everything else goes channel by channel: of four channels Pillow would
    take the last for opacity and weight the colours by it.  Other types than bytes are computed in float32.
    """
    pillow = extra(user, "PIL.Image")
    if min(planes.shape[2:]) == 0:
        raise ValueError(f"{user}: expected images of at least one pixel, got {planes.shape[2]} x {planes.shape[3]}")
    dtype, results = planes.dtype, []
    check_exact(user, planes)
    for i, image in enumerate(planes):
        if dtype == np.uint8 and len(image) == 3:
            picture = pillow.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
            results.append(np.asarray(change(picture, i, slice(None))).transpose(2, 0, 1))
            continue
        wide = image if dtype == np.uint8 else _narrowed(image, user)
        pictures = [pillow.fromarray(np.ascontiguousarray(each)) for each in wide]
        result = np.stack([np.asarray(change(each, i, slice(c, c + 1))) for c, each in enumerate(pictures)])
        if dtype.kind in "ui" and dtype != np.uint8:  # cubic filters overshoot
            result = np.rint(result).clip(np.iinfo(dtype).min, np.iinfo(dtype).max)
        results.append(result.astype(dtype))
    return results


def _narrowed(image: Array, user: str) -> Array:
    try:
        with np.errstate(over="raise"):
            return image.astype(np.float32)
    except FloatingPointError:
        raise ValueError(f"{user}: expected values in the range of float32, got {image.dtype} beyond") from None


def resampling(name: str, interpolation: Any) -> str:
    """A filter of Pillow by its name."""
    return _check.choice(name, "interpolation", interpolation, FILTERS)


def resized(
    planes: Array, sizes: list[tuple[int, int]], boxes: list[Any], interpolation: str, user: str
) -> list[Array]:
    """The box (left, top, right, bottom) of each image, or all of it, scaled to (height, width)."""
    resample = getattr(extra(user, "PIL.Image").Resampling, interpolation.upper())

    def change(picture: Any, i: int, channels: slice) -> Any:
        cut = picture if boxes[i] is None else picture.crop(boxes[i])
        return cut.resize(sizes[i][::-1], resample)

    return through_pillow(planes, change, user)


@dataclass(frozen=True)
class RandomRotation(Transform):
    """Turned counter-clockwise by an angle drawn evenly.

    Parameters
    ----------
    degrees : float or (float, float)
        The range; one number d is (-d, d).
    interpolation : {"nearest", "bilinear", "bicubic"}
    expand : bool
        Enlarge the result so that it holds all of the image; not of batches, whose images would differ in size.
    center : (float, float), optional
        (x, y) from the upper left corner; the middle if not given.
    fill : number or sequence
        For what lies outside of the turned image.

    Notes
    -----
    Needs Pillow.  Other types than bytes are computed in float32.

    Examples
    --------
    >>> RandomRotation((90, 90))(np.uint8([[1, 2], [3, 4]]))
    array([[2, 4],
           [1, 3]], dtype=uint8)
    """

    degrees: Any
    interpolation: str = "nearest"
    expand: bool = False
    center: tuple[float, float] | None = None
    fill: Any = 0

    def __post_init__(self) -> None:
        low, high = self._range()
        if not (math.isfinite(low) and math.isfinite(high) and low <= high):
            raise ValueError(f"RandomRotation: expected degrees >= 0 or (low, high), got {self.degrees}")
        if self.center is not None:
            if not isinstance(self.center, (tuple, list)) or len(self.center) != 2:
                raise ValueError(f"RandomRotation: expected center (x, y), got {self.center!r}")
            for each in self.center:
                _check.in_range("RandomRotation", "each of center", each, -math.inf)
        _check.choice("RandomRotation", "interpolation", self.interpolation, FILTERS[:3])

    def _range(self) -> tuple[float, float]:
        values = tuple(self.degrees) if isinstance(self.degrees, (tuple, list)) else (self.degrees,)
        numbers = [_check.real("RandomRotation", "degrees", each) for each in values]
        if len(numbers) == 1:
            return -numbers[0], numbers[0]
        if len(numbers) != 2:
            raise ValueError(f"RandomRotation: expected degrees of one or two numbers, got {len(numbers)}")
        return numbers[0], numbers[1]

    def _apply(self, planes: Array, rng: np.random.Generator) -> Array:
        if self.expand and len(planes) > 1:
            raise ValueError("RandomRotation: expected single images with expand=True, got a batch")
        angles = rng.uniform(*self._range(), len(planes))
        resample = getattr(extra("RandomRotation", "PIL.Image").Resampling, self.interpolation.upper())
        fill = channel_values("RandomRotation", "fill", self.fill, planes)

        def change(picture: Any, i: int, channels: slice) -> Any:
            own = tuple(fill[channels].tolist())
            return picture.rotate(
                angles[i], resample, self.expand, self.center, fillcolor=own if len(own) > 1 else own[0]
            )

        return np.stack(through_pillow(planes, change, "RandomRotation")) if len(planes) else planes

    @property
    def batched(self) -> bool:  # type: ignore[override]
        """Whether images keep their size, so that a batch stays one."""
        return not self.expand


@dataclass(frozen=True)
class Resize(Transform):
    """Scaled.

    Parameters
    ----------
    size : int or (height, width)
        One number is the shorter side; the proportions stay.
    interpolation : {"nearest", "bilinear", "bicubic", "lanczos"}
        All but "nearest" average over pixels that fall together when an image shrinks.
    max_size : int, optional
        Limit of the longer side, if `size` is one number.

    Notes
    -----
    Needs Pillow.  Other types than bytes are computed in float32.

    Examples
    --------
    >>> Resize(2)(np.zeros((8, 12, 3), np.uint8)).shape
    (2, 3, 3)
    """

    size: Any
    interpolation: str = "bilinear"
    max_size: int | None = None

    def __post_init__(self) -> None:
        height_width("Resize", "size", self.size)
        resampling("Resize", self.interpolation)
        if self.max_size is not None:
            if isinstance(self.size, (tuple, list)) and len(self.size) == 2:
                raise ValueError("Resize: expected max_size with a size of one number, got two")
            _check.count("Resize", "max_size", self.max_size, height_width("Resize", "size", self.size)[0] + 1)

    def _target(self, height: int, width: int) -> tuple[int, int]:
        if isinstance(self.size, (tuple, list)) and len(self.size) == 2:
            return height_width("Resize", "size", self.size)
        short = height_width("Resize", "size", self.size)[0]
        if not min(height, width):
            raise ValueError(f"Resize: expected images of at least one pixel, got {height} x {width}")
        long = int(short * max(height, width) / min(height, width))
        if self.max_size is not None and long > self.max_size:
            short, long = int(self.max_size * short / long), self.max_size
            if not short:
                raise ValueError(f"Resize: {height} x {width} pixels have no shorter side where max_size is {long}")
        return (short, long) if height <= width else (long, short)

    def _apply(self, planes: Array, rng: np.random.Generator) -> Array:
        n, size = len(planes), self._target(*planes.shape[2:])
        if size == planes.shape[2:] or n == 0:
            return planes.copy() if n else np.empty((0, planes.shape[1], *size), planes.dtype)
        return np.stack(resized(planes, [size] * n, [None] * n, self.interpolation, "Resize"))


@dataclass(frozen=True)
class RandomResizedCrop(Transform):
    """A window of random area and proportions, scaled to one size.

    Parameters
    ----------
    size : int or (height, width)
    scale : (float, float)
        The window's share of the area, drawn evenly.
    ratio : (float, float)
        Width / height, its logarithm drawn evenly.
    interpolation : {"nearest", "bilinear", "bicubic", "lanczos"}

    Notes
    -----
    Ten windows are drawn for each image; if none fits, the middle with the nearest proportions is taken.  Needs Pillow.
    Other types than bytes are computed in float32.

    Examples
    --------
    >>> RandomResizedCrop(24)(np.zeros((5, 32, 32, 3), np.uint8), rng=0).shape
    (5, 24, 24, 3)
    """

    size: Any
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        height_width("RandomResizedCrop", "size", self.size)
        resampling("RandomResizedCrop", self.interpolation)
        for argument in ("scale", "ratio"):
            interval("RandomResizedCrop", argument, getattr(self, argument), 0, math.inf, open_low=True)

    def _boxes(self, n: int, height: int, width: int, rng: np.random.Generator) -> Array:
        """Left, top, right, bottom of each image's window."""
        tries = 10
        area = height * width * rng.uniform(*self.scale, (n, tries))
        aspect = np.exp(rng.uniform(math.log(self.ratio[0]), math.log(self.ratio[1]), (n, tries)))
        wide, high = np.rint(np.sqrt(area * aspect)), np.rint(np.sqrt(area / aspect))
        fits = (wide > 0) & (wide <= width) & (high > 0) & (high <= height)
        row, first = np.arange(n), fits.argmax(1)
        wide, high, found = wide[row, first], high[row, first], fits.any(1)
        middle = min(max(width / max(height, 1), self.ratio[0]), self.ratio[1])
        wide = np.where(found, wide, min(width, round(height * middle)))
        high = np.where(found, high, min(height, round(width / middle)))
        left, top = (np.floor(rng.random(n) * (side - size + 1)) for side, size in ((width, wide), (height, high)))
        left, top = np.where(found, left, (width - wide) // 2), np.where(found, top, (height - high) // 2)
        return np.stack([left, top, left + wide, top + high], 1).astype(int)

    def _apply(self, planes: Array, rng: np.random.Generator) -> Array:
        n, c, height, width = planes.shape
        size = height_width("RandomResizedCrop", "size", self.size)
        boxes = [tuple(box) for box in self._boxes(n, height, width, rng).tolist()]
        if n == 0:
            return np.empty((0, c, *size), planes.dtype)
        return np.stack(resized(planes, [size] * n, boxes, self.interpolation, "RandomResizedCrop"))
