"""Datasets of images with labels: CIFAR-10, MNIST, Fashion-MNIST, and scikit-learn's digits."""

from __future__ import annotations

import gzip
import math
import warnings
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from .. import _check
from .._check import Array
from .._extras import extra
from ._collate import contiguous, default_collate
from ._dataset import Dataset
from ._download import contents, find, retrieve, unpack
from ._index import chosen, positions
from ._unpickle import unpickle

__all__ = ["CIFAR10", "MNIST", "Digits", "FashionMNIST", "ImageDataset"]

Transform = Callable[[Any], Any]


class ImageDataset(Dataset):
    """Images with labels, in memory: sample i is (image, label), the image as the transform returns it.

    Parameters
    ----------
    data : array_like (samples, height, width, channels)
    targets : array_like (samples,) of int
    classes : sequence of str
        The labels' names.
    transform, target_transform : callable, optional
        Of an image; of a label.  Transforms of `fastnn.data.transforms` are given whole batches by a `DataLoader`.

    Attributes
    ----------
    data, targets, classes
        As given.

    Examples
    --------
    >>> images = ImageDataset(np.zeros((2, 4, 4, 3), np.uint8), np.array([1, 0]), ["cat", "dog"])
    >>> image, label = images[0]
    >>> image.shape, images.classes[label]
    ((4, 4, 3), 'dog')
    """

    def __init__(
        self,
        data: Any,
        targets: Any,
        classes: Sequence[str] = (),
        transform: Transform | None = None,
        target_transform: Transform | None = None,
    ):
        name = type(self).__name__
        data, targets = _check.as_array(name, data, "data"), _check.as_array(name, targets, "targets")
        if targets.dtype.kind not in "iu":
            raise TypeError(f"{name}: expected integer targets, got dtype {targets.dtype}")
        if data.ndim != 4 or targets.shape != data.shape[:1]:
            raise ValueError(
                f"{name}: expected data (N, H, W, C) and targets (N,), got shapes {data.shape} and {targets.shape}"
            )
        if data.dtype.kind not in "biuf":
            raise TypeError(f"{name}: expected data of numbers, got dtype {data.dtype}")
        self.data, self.targets, self.classes = data, targets, list(classes)
        if self.classes and targets.size and not 0 <= targets.min() <= targets.max() < len(self.classes):
            raise ValueError(
                f"{name}: expected targets below {len(self.classes)}, the number of classes, got values from "
                f"{targets.min()} to {targets.max()}"
            )
        self.class_to_idx = {each: i for i, each in enumerate(self.classes)}
        self.transform, self.target_transform = transform, target_transform

    def __getitem__(self, index: Any) -> tuple[Any, Any]:
        """Return an image and its label; a batch of a slice, a list of integers or a mask."""
        place = chosen(type(self).__name__, index, len(self))
        if not isinstance(place, int):
            return self.take(place)
        image, label = self.data[place].copy(), int(self.targets[place])  # a transform may write into its image
        return (
            image if self.transform is None else self.transform(image),
            label if self.target_transform is None else self.target_transform(label),
        )

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.data)

    def take(self, indices: Array) -> tuple[Any, Any]:
        """Return images and labels as a batch."""
        indices = positions(type(self).__name__, indices, len(self))
        labels = self.targets[indices]
        if self.target_transform is not None:
            labels = default_collate([self.target_transform(int(label)) for label in labels])
        if self.transform is not None and not getattr(self.transform, "batched", False):
            return default_collate([self.transform(self.data[i].copy()) for i in indices]), labels
        images = self._gather(indices)
        if self.transform is not None:
            images = self.transform(images)
            for view in images if isinstance(images, (tuple, list)) else (images,):
                if np.shape(view)[:1] != labels.shape[:1]:
                    raise ValueError(
                        f"{type(self).__name__}: expected a transform that returns as many images as it is given, "
                        f"{len(labels)}, got shape {np.shape(view)}"
                    )
        return contiguous(images), labels

    def _gather(self, indices: Array) -> Array:
        """Images in their memory order: channels that are stored as planes stay planes."""
        planes = self.data.transpose(0, 3, 1, 2)
        return planes.take(indices, axis=0).transpose(0, 2, 3, 1) if planes.flags.c_contiguous else self.data[indices]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} images of {self.data.shape[1:]}, transform={self.transform!r})"


class CIFAR10(ImageDataset):
    """60,000 colour photographs of 32 x 32 pixels in ten classes (Krizhevsky 2009).

    Parameters
    ----------
    root : path-like
        The folder that holds, or shall hold, `cifar-10-batches-bin` (the binary version, which is preferred) or
        `cifar-10-batches-py`; or one of these folders itself.
    train : bool
        The 50,000 images for training, or the 10,000 for the test.
    transform, target_transform : callable, optional
    download : bool
        Fetch the binary version (170 MB) where neither is found; needs pooch and tqdm.

    Raises
    ------
    FileNotFoundError
        If there are no files and `download` is False.
    OSError
        If they cannot be downloaded.
    ValueError
        If a file is damaged.

    Notes
    -----
    If some of the five training files are missing, the others are loaded, with a warning that says how many.
     Files of the python version are pickles; they are read by an unpickler that knows arrays and nothing else.

    References
    ----------
    https://www.cs.toronto.edu/~kriz/cifar.html
    """

    url: ClassVar[str] = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
    md5: ClassVar[str] = "c32a1d4ab5d03f1284b67883e8d87530"
    names: ClassVar[list[str]] = [
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
    ]  # fmt: skip

    def __init__(
        self,
        root: Any,
        train: bool = True,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = True,
    ):
        stems = [f"data_batch_{i}" for i in range(1, 6)] if train else ["test_batch"]
        files = self._files(Path(root), stems, download)
        if len(files) < len(stems):
            warnings.warn(
                f"CIFAR10: found {len(files)} of {len(stems)} training files in {files[0].parent}: "
                f"{', '.join(file.name for file in files)}",
                stacklevel=2,
            )
        parts = [_cifar_binary(file) if file.suffix == ".bin" else _cifar_python(file) for file in files]
        planes = np.concatenate([part[0] for part in parts])
        super().__init__(
            planes.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1),
            np.concatenate([part[1] for part in parts]),
            self.names,
            transform,
            target_transform,
        )
        self.train = bool(train)

    def _files(self, root: Path, stems: list[str], download: bool) -> list[Path]:
        """The files of these names, in the binary version if there are any."""
        binary = root / "cifar-10-batches-bin"
        fetched = download and (root / self.url.rsplit("/", 1)[-1]).is_file()  # perhaps not unpacked
        for folder, suffix in ((binary, ".bin"), (root, ".bin"), (root / "cifar-10-batches-py", ""), (root, "")):
            files = [folder / (stem + suffix) for stem in stems if (folder / (stem + suffix)).is_file()]
            if files and not (fetched and folder == binary and len(files) < len(stems)):
                return files
        if not download:
            raise FileNotFoundError(
                f"CIFAR10: found no {stems[0]}.bin in {binary} and no {stems[0]} in {root / 'cifar-10-batches-py'}; "
                "download=True fetches them"
            )
        archive = retrieve("CIFAR10", self.url, self.md5, root)
        unpack(archive, [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"], binary)
        return [binary / f"{stem}.bin" for stem in stems]


def _cifar_binary(file: Path) -> tuple[Array, Array]:
    """Records of a label and 3072 bytes: red, green and blue planes."""
    size = file.stat().st_size  # mapped: read only when it is joined with the others
    data = np.memmap(file, np.uint8, "r") if size else np.empty(0, np.uint8)
    if size == 0 or size % 3073 or data[::3073].max() > 9:
        raise ValueError(f"CIFAR10: {file} of {size} bytes is not made of records of a label below 10 and 3072 bytes")
    records = data.reshape(-1, 3073)
    return records[:, 1:], records[:, 0].astype(np.int64)


def _cifar_python(file: Path) -> tuple[Array, Array]:
    content = unpickle(file)
    images, labels = (content.get(key, content.get(key.encode())) for key in ("data", "labels"))
    try:
        targets = np.asarray(labels)
    except ValueError:  # lists of unequal lengths
        targets = np.empty(0)
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.ndim != 2 or images.shape[1] != 3072:
        raise ValueError(f"CIFAR10: {file} does not hold 3072 bytes for each image")
    if (
        targets.shape != images.shape[:1]
        or targets.dtype.kind not in "iu"
        or not 0 <= targets.min() <= targets.max() < 10
    ):
        raise ValueError(f"CIFAR10: {file} does not hold a label below 10 for each image")
    return images, targets.astype(np.int64)


class MNIST(ImageDataset):
    """70,000 handwritten digits of 28 x 28 grey pixels (LeCun, Cortes, Burges 1998).

    Parameters
    ----------
    root : path-like
        The folder that holds, or shall hold, `MNIST/raw`; or that folder itself.  Files may be compressed.
    train : bool
        The 60,000 images for training, or the 10,000 for the test.
    transform, target_transform : callable, optional
    download : bool
        Fetch the two files (12 MB) where they are not found; needs pooch and tqdm.

    Raises
    ------
    FileNotFoundError, OSError, ValueError
        As `CIFAR10`.

    References
    ----------
    http://yann.lecun.com/exdb/mnist
    """

    url: ClassVar[str] = "https://ossci-datasets.s3.amazonaws.com/mnist/"
    md5: ClassVar[dict[str, str]] = {
        "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
    }
    names: ClassVar[list[str]] = [str(digit) for digit in range(10)]

    def __init__(
        self,
        root: Any,
        train: bool = True,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = True,
    ):
        part = "train" if train else "t10k"
        images = self._file(Path(root), f"{part}-images-idx3-ubyte", download)
        labels = self._file(Path(root), f"{part}-labels-idx1-ubyte", download)
        data, targets = _idx(images), _idx(labels)
        if data.ndim != 3 or targets.shape != data.shape[:1] or (targets.size and targets.max() > 9):
            raise ValueError(
                f"{type(self).__name__}: {images} and {labels} do not hold images and as many labels below 10, "
                f"but shapes {data.shape} and {targets.shape}"
            )
        super().__init__(data[..., None], targets.astype(np.int64), self.names, transform, target_transform)
        self.train = bool(train)

    def _file(self, root: Path, name: str, download: bool) -> Path:
        title = type(self).__name__
        raw = root / title / "raw"
        folder = find([raw, root / "raw", root], [name, f"{name}.gz"])
        if folder is not None:
            return folder / name if (folder / name).is_file() else folder / f"{name}.gz"
        if not download:
            raise FileNotFoundError(f"{title}: found no {name} in {raw}; download=True fetches it")
        return retrieve(title, f"{self.url}{name}.gz", self.md5[name], raw)


class FashionMNIST(MNIST):
    """70,000 pictures of clothes of 28 x 28 grey pixels (Xiao, Rasul, Vollgraf 2017); used as `MNIST`.

    References
    ----------
    https://github.com/zalandoresearch/fashion-mnist
    """

    url: ClassVar[str] = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
    md5: ClassVar[dict[str, str]] = {
        "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
    }
    names: ClassVar[list[str]] = [
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ]  # fmt: skip


def _idx(file: Path) -> Array:
    """An array of bytes in the IDX format: 0, 0, 8, the number of dimensions, each as 4 bytes, then the bytes."""
    try:
        data = contents(file)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{file} is damaged: {error}") from error
    dimensions = data[3] if len(data) > 3 else 0
    start = 4 + 4 * dimensions
    shape = tuple(np.frombuffer(data[4:start], ">i4").tolist()) if len(data) >= start else ()
    if data[:3] != b"\0\0\x08" or not 1 <= len(shape) <= 3 or min(shape) < 0 or len(data) != start + math.prod(shape):
        raise ValueError(f"{file} of {len(data)} bytes is not a whole IDX file of bytes")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


class Digits(ImageDataset):
    """scikit-learn's 1,797 handwritten digits of 8 x 8 grey pixels, a fixed fifth of them held out for the test.

    Parameters
    ----------
    train : bool
    transform, target_transform : callable, optional

    Notes
    -----
    The file's values are 0 to 16; here an image is float32 in [0, 1].  Needs scikit-learn, but no connection.

    Examples
    --------
    >>> digits = Digits(train=False)
    >>> digits.data.shape, digits.data.dtype
    ((359, 8, 8, 1), dtype('float32'))
    """

    def __init__(
        self, train: bool = True, transform: Transform | None = None, target_transform: Transform | None = None
    ):
        bunch = extra("Digits", "sklearn.datasets").load_digits()
        order = np.random.default_rng(0).permutation(len(bunch.target))
        cut = round(0.2 * len(order))
        chosen = order[cut:] if train else order[:cut]
        images = (bunch.images[chosen, :, :, None] / 16).astype(np.float32)
        names = [str(digit) for digit in range(10)]
        super().__init__(images, bunch.target[chosen].astype(np.int64), names, transform, target_transform)
        self.train = bool(train)
