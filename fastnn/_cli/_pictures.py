"""Kinds of data that are images: named datasets, and folders of the user."""

from __future__ import annotations

import math
import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .. import data
from .._check import Array
from ..data import transforms
from ..data._folder import images_in, read_image
from ._inputs import Inputs, Samples, fingerprint, split_rows
from ._npz import features, load_arrays
from ._table import CHUNK, Place, check_finite, row_of, shown


def prepare(inputs: Inputs, crop: int | None, flip: bool, padding: int = 4) -> transforms.Compose:
    """From bytes to inputs of the network; for training, randomly cropped and mirrored if asked for."""
    steps: list[Any] = [] if crop is None else [transforms.RandomCrop(crop, padding=padding)]
    steps += [transforms.RandomHorizontalFlip()] if flip else []
    return transforms.Compose([*steps, transforms.ToTensor(), transforms.Normalize(inputs.mean, inputs.std)])


def refuse_columns(options: Namespace) -> None:
    """Refuse options about a table's columns."""
    for flag, usual in (("target", None), ("ignore", []), ("header", "auto")):
        if getattr(options, flag) != usual:
            raise ArgumentTypeError(f"--{flag}: expected a table, got {options.data}, which has no columns")
    if options.task == "regression":
        raise ArgumentTypeError(f"--task: expected classification of {options.data}, got regression")


def images_of(file: str, inputs: Inputs, shape: tuple[int, ...]) -> Iterator[tuple[Array, Place]]:
    """Images (N, H, W, C) in an NPZ file, as the network takes them."""
    if Path(file).suffix.lower() != ".npz":
        raise ValueError(f"the model learned from images ({inputs.source}): expected an NPZ file with an array x")
    x = features(file, load_arrays(file, ["x"])[0])
    if x.shape[1:] != shape and (*x.shape[1:], 1) != shape:
        raise ValueError(f"{file}: expected images x (N, {str(shape)[1:]}, got shape {x.shape}")
    if x.dtype != np.uint8 and x.dtype.kind != "f":
        raise ValueError(f"{file}: expected images of bytes, or of floats in [0, 1], got {x.dtype}")
    prepared = prepare(inputs, None, False)
    for start in range(0, len(x), CHUNK):
        part, place = x[start : start + CHUNK].reshape(-1, *shape), row_of(start)
        if part.dtype != np.uint8:
            check_finite(file, part, place)
            outside = ((part < 0) | (part > 1)).any((1, 2, 3))
            if outside.any():
                raise ValueError(f"{file}: expected floats in [0, 1], got others in {place(int(outside.argmax()))}")
        yield prepared(part), place


@dataclass(frozen=True)
class Images:
    """A named dataset of images; missing files are downloaded."""

    dataset: Callable[..., Any]
    shape: tuple[int, int, int]
    mean: list[float]  # of the training images' channels
    std: list[float]
    layers: list[int]
    epochs: int
    root: bool = True  # whether the dataset takes the folder of its files
    crop: bool = True  # whether training images are cropped at random
    flip: bool = True  # whether training images are mirrored at random
    pictures: bool = True

    def _transform(self, inputs: Inputs, augment: bool) -> transforms.Compose:
        crop, flip = augment and self.crop, augment and self.flip
        return prepare(inputs, self.shape[0] if crop else None, flip)

    def _open(self, root: str, inputs: Inputs, train: bool, augment: bool) -> Any:
        transform = self._transform(inputs, augment)
        found = self.dataset(root, train, transform) if self.root else self.dataset(train, transform)
        if found.data.shape[1:] != self.shape:
            expected = f"images of {self.shape}, got {found.data.shape[1:]}"
            raise ValueError(f"{root}: expected {self.dataset.__name__}'s {expected}")
        return found

    def takes(self, name: str, source: str) -> bool:
        """Whether `source` is this dataset's name."""
        return source == name

    def split(self, options: Namespace) -> Samples:
        """Training and test images."""
        refuse_columns(options)
        inputs = Inputs(options.data, self.mean, self.std)
        train = self._open(options.root, inputs, True, not options.no_augment)
        held_out = self._open(options.root, inputs, False, False)
        inputs.classes = train.classes
        parts = [train.data, train.targets, held_out.data, held_out.targets]
        height, width, channels = self.shape
        shape = channels, height, width
        return Samples(train, held_out, inputs, math.prod(shape), fingerprint("", parts), shape)

    def known(self, options: Namespace, inputs: Inputs) -> Any:
        """The test images."""
        return data.DataLoader(self._open(options.root, inputs, False, False), CHUNK)

    def prepared(self, file: str, inputs: Inputs) -> Iterator[tuple[Array, Place]]:
        """Images in an NPZ file."""
        return images_of(file, inputs, self.shape)


class Folder:
    """The user's images in a folder for each class, scaled to one size."""

    layers: list[int] = [512, 256]  # noqa: RUF012
    epochs = 30
    pictures = True

    def takes(self, name: str, source: str) -> bool:
        """Whether it is a folder."""
        return Path(source).is_dir()

    def split(self, options: Namespace) -> Samples:
        """Four fifths of the images to learn from, cropped and mirrored, and a fifth to hold out."""
        refuse_columns(options)
        whole = data.ImageFolder(options.data, options.image_size)
        print(
            f"{options.data}: {len(whole)} images, {len(whole.classes)} classes {shown(whole.classes)}", file=sys.stderr
        )
        if len(whole) < 5 or len(whole.classes) < 2:
            found = f"{len(whole)} of {len(whole.classes)}"
            raise ValueError(f"{options.data}: expected at least 5 images of two classes or more, got {found}")
        learned, held_out = split_rows(
            Path(options.data), lambda i: str(whole.files[i]), len(whole), options.seed, whole.targets, whole.classes
        )
        mean, std = _moments(whole.data[learned])
        inputs = Inputs("folder", mean, std, classes=whole.classes, shape=list(whole.data.shape[1:]))
        crop, flip = (None, False) if options.no_augment else (options.image_size, True)
        augmented = prepare(inputs, crop, flip, padding=max(1, options.image_size // 8))
        train, rest = (
            data.ImageDataset(whole.data[rows], whole.targets[rows], whole.classes, transform)
            for rows, transform in ((learned, augmented), (held_out, prepare(inputs, None, False)))
        )
        known = fingerprint("\n".join(whole.classes), [whole.data, whole.targets])
        height, width, channels = inputs.shape
        shape = channels, height, width
        return Samples(train, rest, inputs, math.prod(shape), known, shape)

    def known(self, options: Namespace, inputs: Inputs) -> Any:
        """All images of a folder, whose classes must be among the learned ones."""
        whole = data.ImageFolder(options.data, inputs.shape[0])
        unknown = [name for name in whole.classes if name not in inputs.classes]
        if unknown:
            expected = f"folders among {', '.join(inputs.classes)}"
            raise ValueError(f"{options.data}: expected {expected}, got {', '.join(unknown)}")
        numbers = np.array([inputs.classes.index(name) for name in whole.classes])
        prepared = data.ImageDataset(whole.data, numbers[whole.targets], inputs.classes, prepare(inputs, None, False))
        return data.DataLoader(prepared, CHUNK)

    def prepared(self, file: str, inputs: Inputs) -> Iterator[tuple[Array, Place]]:
        """Images in an NPZ file, or those of a folder in the order of their names."""
        if not Path(file).is_dir():
            yield from images_of(file, inputs, tuple(inputs.shape))
            return
        files, prepared = images_in(Path(file)), prepare(inputs, None, False)
        for start in range(0, len(files), CHUNK):
            part = files[start : start + CHUNK]
            images = np.stack([read_image("fastnn predict", each, inputs.shape[0]) for each in part])
            yield prepared(images), partial(_name, part)


def _name(files: list[Path], i: int) -> str:
    return str(files[i])


def _moments(images: Array) -> tuple[list[float], list[float]]:
    """Mean and deviation of each channel, of values in [0, 1]; a constant channel's deviation is 1."""
    counts = [np.bincount(images[..., c].reshape(-1), minlength=256) for c in range(images.shape[3])]
    values = np.arange(256) / 255
    means = [float(count @ values / count.sum()) for count in counts]
    stds = [float(count @ (values - mean) ** 2 / count.sum()) ** 0.5 for count, mean in zip(counts, means, strict=True)]
    return means, [std if std > 0 else 1.0 for std in stds]
