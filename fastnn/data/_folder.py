"""The user's own images: a folder for each class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .. import _check
from .._check import Array
from .._extras import extra
from ._images import ImageDataset, Transform

__all__ = ["ImageFolder"]

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})


class ImageFolder(ImageDataset):
    """Images in a folder for each class, `root/cat/one.jpg`, in memory, all of one size and with three channels.

    Parameters
    ----------
    root : path-like
        The folder of folders, whose names in order are the classes; files of other kinds than images, and what begins
        with a dot, are left out.
    size : int
        Rows and columns: an image is scaled so that its shorter side has this length, and its middle is cut out.
    transform, target_transform : callable, optional

    Attributes
    ----------
    files : list of Path
        Of each image.

    Raises
    ------
    FileNotFoundError
        If there is no such folder, or no image in one.
    ValueError
        If a file is damaged, or there are no folders in `root`.

    Notes
    -----
    Needs Pillow.  Each image takes 3 size^2 bytes of memory.

    Examples
    --------
    >>> ImageFolder("pets", size=64)  # doctest: +SKIP
    ImageFolder(200 images of (64, 64, 3), transform=None)
    """

    def __init__(
        self,
        root: Any,
        size: int = 64,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
    ):
        root, size = Path(root), _check.count("ImageFolder", "size", size, 1)
        if not root.is_dir():
            raise FileNotFoundError(f"ImageFolder: found no folder {root}")
        folders = sorted(each for each in root.iterdir() if each.is_dir() and not each.name.startswith("."))
        if not folders:
            raise ValueError(f"ImageFolder: expected a folder for each class in {root}, got none")
        found = [images_in(folder) for folder in folders]
        self.files = [file for files in found for file in files]
        data = np.empty((len(self.files), size, size, 3), np.uint8)
        for i, file in enumerate(self.files):
            data[i] = read_image("ImageFolder", file, size)
        targets = np.repeat(np.arange(len(folders)), [len(files) for files in found])
        super().__init__(data, targets, [folder.name for folder in folders], transform, target_transform)


def images_in(folder: Path) -> list[Path]:
    """The image files of a folder and of the folders in it, in order."""
    files = sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in SUFFIXES
        and file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    )
    if not files:
        raise FileNotFoundError(f"ImageFolder: found no image in {folder} ({', '.join(sorted(SUFFIXES))})")
    return files


def read_image(user: str, file: Path, size: int) -> Array:
    """(size, size, 3) bytes."""
    pillow, operations = extra(user, "PIL.Image"), extra(user, "PIL.ImageOps")
    try:
        with pillow.open(file) as opened:
            upright = operations.exif_transpose(opened).convert("RGB")
            return np.asarray(operations.fit(upright, (size, size), pillow.Resampling.BILINEAR))
    except pillow.DecompressionBombError as error:
        raise ValueError(f"{user}: {file} is too large: {error}") from error
    except OSError as error:
        if error.filename is not None:
            raise
        raise ValueError(f"{user}: {file} cannot be read as an image: {error}") from error
    except (SyntaxError, ValueError, EOFError) as error:  # what Pillow raises for damaged files of some formats
        raise ValueError(f"{user}: {file} cannot be read as an image: {error}") from error
