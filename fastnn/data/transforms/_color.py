"""Colours: brightness, contrast, saturation and hue, by torchvision's formulas, of whole batches."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import _check
from ..._check import Array
from ._base import Transform, check_exact

LUMA = (0.2989, 0.587, 0.114)


def _top(dtype: Any) -> float:
    """The value of white."""
    return float(np.iinfo(dtype).max) if np.dtype(dtype).kind in "ui" else 1.0


def _wide(planes: Array) -> Array:
    """The images as floats."""
    return planes.astype(np.float32) if planes.dtype.kind in "ui" else planes


def luma(planes: Array) -> Array:
    """The grey (N, 1, H, W) of (N, 3, H, W), in the images' dtype; integers are truncated, as in torchvision."""
    r, g, b = (_wide(planes[:, i : i + 1]) for i in range(3))
    return (LUMA[0] * r + LUMA[1] * g + LUMA[2] * b).astype(planes.dtype)


def _column(factors: Array, planes: Array) -> Array:
    return factors.astype(np.float32 if planes.dtype.kind in "ui" else planes.dtype).reshape(-1, 1, 1, 1)


def _blend(planes: Array, other: Array | float, factors: Array) -> Array:
    """factor * image + (1 - factor) * other, clipped to black and white."""
    share = _column(factors, planes)
    mixed = share * _wide(planes) + (1 - share) * other
    return np.clip(mixed, 0, _top(planes.dtype), out=mixed).astype(planes.dtype)


def brighten(planes: Array, factors: Array) -> Array:
    """Blend with black."""
    return _blend(planes, 0.0, factors)


def contrast(planes: Array, factors: Array) -> Array:
    """Blend with the mean grey of the image."""
    grey = luma(planes) if planes.shape[1] >= 3 else planes
    return _blend(planes, _wide(grey).mean((1, 2, 3), keepdims=True), factors)


def saturate(planes: Array, factors: Array) -> Array:
    """Blend with the grey of each pixel; grey images stay."""
    return planes if planes.shape[1] < 3 else _blend(planes, _wide(luma(planes)), factors)


def shift_hue(planes: Array, turns: Array) -> Array:
    """Turn the circle of colours; grey pixels stay."""
    if planes.shape[1] < 3:
        return planes
    whole = planes.dtype.kind in "ui"
    rgb = _wide(planes) / np.float32(_top(planes.dtype)) if whole else planes
    r, g, b = rgb[:, 0], rgb[:, 1], rgb[:, 2]
    high, low = np.maximum(np.maximum(r, g), b), np.minimum(np.minimum(r, g), b)
    span = high - low
    grey = span == 0
    safe = np.where(grey, 1, span)
    saturation = span / np.where(high == 0, 1, high)
    from_r, from_g, from_b = ((high - each) / safe for each in (r, g, b))
    sector = np.where(high == r, from_b - from_g, np.where(high == g, 2 + from_r - from_b, 4 + from_g - from_r))
    hue = (np.where(grey, 0, sector) / 6 + 1) % 1
    turned = (hue + turns.astype(hue.dtype).reshape(-1, 1, 1)) % 1 * 6
    i = np.floor(turned)
    f = turned - i
    p, q, t = (np.clip(high * each, 0, 1) for each in (1 - saturation, 1 - saturation * f, 1 - saturation * (1 - f)))
    six = [i.astype(np.int8) % 6 == k for k in range(6)]
    colours = ([high, q, p, p, t, high], [t, high, high, q, p, p], [p, p, t, high, high, q])
    result = np.stack([np.select(six, each) for each in colours], 1).astype(rgb.dtype)
    return (result * np.float32(_top(planes.dtype) + 1 - 1e-3)).astype(planes.dtype) if whole else result


@dataclass(frozen=True)
class ColorJitter(Transform):
    """Brightness, contrast, saturation and hue changed by random amounts, in a random order.

    Parameters
    ----------
    brightness, contrast, saturation : float or (float, float)
        The factor's range; one number v is (max(0, 1 - v), 1 + v).
    hue : float or (float, float)
        The range of the turn, within [-0.5, 0.5]; one number v is (-v, v).

    Notes
    -----
    Floats are colours in [0, 1].

    Examples
    --------
    >>> ColorJitter(brightness=(2, 2))(np.full((1, 1, 3), 100, np.uint8))
    array([[[200, 200, 200]]], dtype=uint8)
    """

    brightness: Any = 0
    contrast: Any = 0
    saturation: Any = 0
    hue: Any = 0

    def __post_init__(self) -> None:
        self._ranges()

    def _ranges(self) -> list[tuple[float, float]]:
        return [
            *(self._range(name, 1, 0, float("inf")) for name in ("brightness", "contrast", "saturation")),
            self._range("hue", 0, -0.5, 0.5),
        ]

    def _range(self, argument: str, middle: float, lowest: float, highest: float) -> tuple[float, float]:
        value = getattr(self, argument)
        if isinstance(value, (tuple, list)):
            if len(value) != 2:
                raise ValueError(f"ColorJitter: expected {argument} of one or two numbers, got {len(value)}")
            low, high = (_check.in_range("ColorJitter", argument, each, lowest, highest) for each in value)
        else:
            spread = _check.in_range("ColorJitter", argument, value, 0, highest)
            low, high = max(middle - spread, lowest), middle + spread
        if low > high or not math.isfinite(high):
            raise ValueError(f"ColorJitter: expected {argument} (low, high), got {value}")
        return low, high

    def _apply(self, planes: Array, rng: np.random.Generator) -> Array:
        if planes.shape[1] == 4:
            raise ValueError("ColorJitter: expected 1 or 3 channels, got 4")
        if planes.dtype.kind != "f" and planes.dtype.itemsize > 2:
            raise TypeError(f"ColorJitter: expected floats, or integers of 8 or 16 bits, got {planes.dtype}")
        n = len(planes)
        changes: list[Callable[[Array, Array], Array]] = [brighten, contrast, saturate, shift_hue]
        ranges = self._ranges()
        neutral = [(1, 1), (1, 1), (1, 1), (0, 0)]
        amounts = [rng.uniform(*each, n) for each in ranges]
        order = rng.permuted(np.tile(np.arange(4), (n, 1)), axis=1)
        result = np.ascontiguousarray(planes)
        if result is planes:
            result = planes.copy()
        for place in range(4):
            for k in range(4):
                which = np.flatnonzero(order[:, place] == k)
                if len(which) and ranges[k] != neutral[k]:
                    result[which] = changes[k](result[which], amounts[k][which])
        return result


@dataclass(frozen=True)
class Grayscale(Transform):
    """Grey: 0.2989 red + 0.587 green + 0.114 blue.

    Parameters
    ----------
    num_output_channels : int
        1, or 3 equal ones.

    Examples
    --------
    >>> Grayscale()(np.uint8([[[255, 0, 0]]]))
    array([[[76]]], dtype=uint8)
    """

    num_output_channels: int = 1

    def __post_init__(self) -> None:
        if _check.count("Grayscale", "num_output_channels", self.num_output_channels) not in (1, 3):
            raise ValueError(f"Grayscale: expected 1 or 3 output channels, got {self.num_output_channels}")

    def _apply(self, planes: Array, rng: np.random.Generator) -> Array:
        check_exact("Grayscale", planes)
        grey = luma(planes) if planes.shape[1] == 3 else planes
        if grey.shape[1] != 1:
            raise ValueError(f"Grayscale: expected 1 or 3 channels, got {planes.shape[1]}")
        return np.repeat(grey, self.num_output_channels, 1)
