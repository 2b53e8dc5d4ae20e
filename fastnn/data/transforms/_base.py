"""Base class of transforms, their composition, and the conversion of bytes to normalised floats."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import _check
from ..._check import Array
from ..._random import RNG
from ...autograd import value_of
from .._stream import drawing_from, stream

CHANNELS = (1, 3, 4)


def as_planes(name: str, image: Any, prefer_last: bool = False) -> tuple[Array, Callable[[Array], Array]]:
    """Images as a view (N, C, H, W), and the function that restores their layout."""
    array = _check.as_array(name, value_of(image), "an image")
    if array.dtype.kind not in "uif" or array.ndim not in (2, 3, 4):
        raise TypeError(
            f"{name}: expected an image (H, W), (H, W, C) or (C, H, W), or a batch (N, H, W, C) or (N, C, H, W) of "
            f"numbers, got dtype {array.dtype} and shape {array.shape}"
        )
    if array.ndim == 2:
        return array[None, None], lambda planes: planes[0, 0] if planes.shape[1] == 1 else planes[0]
    batch = array if array.ndim == 4 else array[None]
    last, first = batch.shape[3] in CHANNELS, batch.shape[1] in CHANNELS
    if not last and not first:
        hint = "; a batch of grey images needs images[..., None]" if array.ndim == 3 else ""
        raise ValueError(f"{name}: expected 1, 3 or 4 channels, first or last, got shape {array.shape}{hint}")
    if first and (not last or not (prefer_last or array.dtype.kind in "ui")):
        return batch, lambda planes: planes if array.ndim == 4 else planes[0]

    def back(planes: Array) -> Array:
        result = planes.transpose(0, 2, 3, 1)
        return result if array.ndim == 4 else result[0]

    return batch.transpose(0, 3, 1, 2), back


def channel_values(name: str, argument: str, value: Any, planes: Array) -> Array:
    """One value for each channel of (N, C, H, W), from one number or C of them, in the images' dtype."""
    values, c, dtype = _check.as_float(name, value, argument), planes.shape[1], planes.dtype
    if values.ndim > 1 or values.size not in (1, c):
        raise ValueError(f"{name}: expected {argument} of one number or {c} channels' numbers, got {value!r}")
    if dtype.kind in "ui":
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        if not ((values >= low) & (values <= high) & (values == np.floor(values))).all():
            raise ValueError(f"{name}: expected {argument} of integers in [{low}, {high}] for {dtype}, got {value!r}")
    with np.errstate(over="ignore"):
        cast = values.astype(dtype)
    if not (np.isfinite(cast) | ~np.isfinite(values)).all():
        raise ValueError(f"{name}: expected {argument} in the range of {dtype}, got {value!r}")
    return np.broadcast_to(cast.reshape(-1), (c,))


def check_exact(name: str, planes: Array) -> None:
    """Refuse integers that float32, in which images are computed, does not hold exactly."""
    wide = planes.dtype.kind in "ui" and planes.dtype.itemsize > 2
    if wide and planes.size and max(int(planes.max()), -int(planes.min())) > 2**24:
        raise ValueError(f"{name}: expected integers within 2^24, which float32 holds; got {planes.dtype} beyond")


def interval(name: str, argument: str, value: Any, low: float, high: float, *, open_low: bool = False) -> None:
    """Refuse anything but a pair (a, b) with low <= a <= b <= high."""
    try:
        first, last = value
    except (TypeError, ValueError):
        raise ValueError(f"{name}: expected {argument} (low, high), got {value!r}") from None
    if not (low <= first <= last <= high and np.isfinite(last)) or (open_low and first == low):
        raise ValueError(f"{name}: expected {argument} (low, high), got {value!r}")


class Transform:
    """Base class of transforms: a subclass defines `_apply(planes, rng)` of images (N, C, H, W)."""

    batched = True  # whether a batch may be given in place of an image

    def __call__(self, image: Any, rng: RNG = None) -> Any:
        """Transform an image, or each image of a batch.

        Parameters
        ----------
        image : array_like
            (H, W), (H, W, C), (C, H, W), (N, H, W, C) or (N, C, H, W).
        rng : None, int, SeedSequence or Generator
            None is the batch's own stream in a loader, the package's generator elsewhere.

        Returns
        -------
        ndarray
        """
        name = type(self).__name__
        planes, back = as_planes(name, image)
        return back(self._apply(planes, stream(name, rng)))

    def _apply(self, planes: Array, rng: np.random.Generator) -> Array:
        raise NotImplementedError(f"{type(self).__name__}: _apply is not defined")


@dataclass(frozen=True)
class Compose(Transform):
    """Transforms one after the other.

    Parameters
    ----------
    transforms : sequence of callables
        Those of other modules get one image at a time from a `DataLoader`.

    Examples
    --------
    >>> from fastnn.data import transforms
    >>> train = transforms.Compose([
    ...     transforms.RandomCrop(32, padding=4),
    ...     transforms.RandomHorizontalFlip(),
    ...     transforms.ToTensor(),
    ...     transforms.Normalize((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    ... ])
    >>> train(np.zeros((128, 32, 32, 3), np.uint8), rng=0).shape
    (128, 3, 32, 32)
    """

    transforms: Sequence[Callable[..., Any]]

    def __post_init__(self) -> None:
        if not isinstance(self.transforms, Iterable):
            raise TypeError(f"Compose: expected a list of transforms, got a {type(self.transforms).__name__}")
        object.__setattr__(self, "transforms", list(self.transforms))
        for each in self.transforms:
            if not callable(each):
                raise TypeError(f"Compose: expected callables, got {type(each).__name__}")

    @property
    def batched(self) -> bool:  # type: ignore[override]
        """Whether all transforms take batches."""
        return all(getattr(each, "batched", False) for each in self.transforms)

    def __call__(self, image: Any, rng: RNG = None) -> Any:
        """Apply all transforms."""
        with drawing_from(stream("Compose", rng)):
            for each in self.transforms:
                image = each(image)
        return image


@dataclass(frozen=True)
class Lambda(Transform):
    """A function of an image.

    Parameters
    ----------
    lambd : callable
    batched : bool
        Whether it takes batches too; if not, a loader calls the whole pipeline image by image.

    Examples
    --------
    >>> Lambda(lambda image: 255 - image)(np.uint8([[0, 5]]))
    array([[255, 250]], dtype=uint8)
    """

    lambd: Callable[[Any], Any]
    batched: bool = False

    def __post_init__(self) -> None:
        if not callable(self.lambd):
            raise TypeError(f"Lambda: expected a callable, got {type(self.lambd).__name__}")

    def __call__(self, image: Any, rng: RNG = None) -> Any:
        """Call the function."""
        return self.lambd(image)


@dataclass(frozen=True)
class ToTensor(Transform):
    """Images as networks take them: (C, H, W) in memory order, bytes as float32 in [0, 1], booleans as 0 and 1.

    Other dtypes keep their values.  It is also called `ToArray`, which is what it returns.

    Examples
    --------
    >>> ToTensor()(np.full((2, 2, 3), 255, np.uint8)).shape
    (3, 2, 2)
    """

    def __call__(self, image: Any, rng: RNG = None) -> Array:
        """Convert an image, or each image of a batch."""
        array = _check.as_array("ToTensor", value_of(image), "an image")
        if array.dtype == np.bool_:  # black and white pictures, masks
            array = array.astype(np.float32)
        planes, _ = as_planes("ToTensor", array, prefer_last=True)
        if array.ndim < 4:
            planes = planes[0]
        if array.dtype == np.uint8:
            result = np.empty(planes.shape, np.float32)
            np.divide(planes, np.float32(255), out=result, dtype=np.float32, casting="unsafe")
            return result
        return np.array(planes, order="C")


ToArray = ToTensor


@dataclass(frozen=True)
class Normalize(Transform):
    """(x - mean) / std for each channel.

    Parameters
    ----------
    mean, std : sequence of float
        One for each channel, or one for all.
    inplace : bool
        Write into the image that is given.

    Raises
    ------
    ValueError
        If a std is 0, or the numbers are not as many as the channels.
    TypeError
        If the image is not of floats: put `ToTensor` before it.

    Examples
    --------
    >>> Normalize([0.5], [0.5])(np.float32([[[0.0, 0.5, 1.0]]]))
    array([[[-1.,  0.,  1.]]], dtype=float32)
    """

    mean: Sequence[float] | float
    std: Sequence[float] | float
    inplace: bool = False

    def __post_init__(self) -> None:
        for argument in ("mean", "std"):
            values = _check.as_float("Normalize", getattr(self, argument), argument)
            if values.ndim > 1 or not np.isfinite(values).all() or (argument == "std" and not values.all()):
                expected = "finite numbers" + (" other than 0" if argument == "std" else "")
                raise ValueError(f"Normalize: expected {argument} of {expected}, got {getattr(self, argument)}")

    def _apply(self, planes: Array, rng: np.random.Generator) -> Array:
        if planes.dtype.kind != "f":
            raise TypeError(f"Normalize: expected floats, got {planes.dtype}; put ToTensor before it")
        wide = np.promote_types(planes.dtype, np.float32)  # float16 would lose a small std
        columns = [np.asarray(each, wide).reshape(-1, 1, 1) for each in (self.mean, self.std)]
        for argument, column in zip(("mean", "std"), columns, strict=True):
            if len(column) not in (1, planes.shape[1]):
                raise ValueError(f"Normalize: expected {planes.shape[1]} channels' {argument}, got {len(column)}")
        into = planes if self.inplace and planes.dtype == wide else None
        result = np.subtract(planes, columns[0], out=into, dtype=wide)
        result /= columns[1]
        if not self.inplace or into is not None:
            return result.astype(planes.dtype, copy=False)
        planes[...] = result
        return planes
