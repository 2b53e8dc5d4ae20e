"""Random erasing (Zhong et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import _check
from ..._check import Array
from ._base import Transform, channel_values, interval


@dataclass(frozen=True)
class RandomErasing(Transform):
    """A rectangle of random area and proportions filled, with probability p.

    Parameters
    ----------
    p : float
    scale : (float, float)
        The rectangle's share of the area.
    ratio : (float, float)
        Height / width, its logarithm drawn evenly.
    value : number, sequence or "random"
        What is written: one number, one for each channel, or noise: standard normal, or any integers.
    inplace : bool
        Write into the image that is given.

    Examples
    --------
    >>> image = RandomErasing(p=1, value=7)(np.zeros((3, 8, 8), np.float32), rng=0)
    >>> sorted(set(image.ravel().tolist()))
    [0.0, 7.0]
    """

    p: float = 0.5
    scale: tuple[float, float] = (0.02, 0.33)
    ratio: tuple[float, float] = (0.3, 3.3)
    value: float | Sequence[float] | str = 0
    inplace: bool = False

    def __post_init__(self) -> None:
        _check.in_range("RandomErasing", "p", self.p, 0, 1)
        interval("RandomErasing", "scale", self.scale, 0, 1)
        interval("RandomErasing", "ratio", self.ratio, 0, np.inf, open_low=True)
        if not isinstance(self.value, str):
            _check.as_float("RandomErasing", self.value, "value")
        elif self.value != "random":
            raise ValueError(f"RandomErasing: expected a value of numbers or 'random', got {self.value!r}")

    def _apply(self, planes: Array, rng: np.random.Generator) -> Array:
        result = planes if self.inplace else planes.copy()
        n, c, height, width = planes.shape
        noisy = isinstance(self.value, str)
        plain = None if noisy else channel_values("RandomErasing", "value", self.value, planes)[:, None, None]
        for i in np.flatnonzero(rng.random(n) < self.p):
            for _ in range(10):
                area = height * width * rng.uniform(*self.scale)
                aspect = np.exp(rng.uniform(*np.log(self.ratio)))
                h, w = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
                if h < height and w < width:
                    top, left = rng.integers(height - h + 1), rng.integers(width - w + 1)
                    filling = _noise(rng, (c, h, w), planes.dtype) if plain is None else plain
                    result[i, :, top : top + h, left : left + w] = filling
                    break
        return result


def _noise(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> Array:
    if dtype.kind == "f":
        return rng.standard_normal(shape)
    return rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, shape, dtype.newbyteorder("="), endpoint=True)
