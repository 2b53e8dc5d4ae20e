"""Official files: found in their usual folders, or fetched by the pooch library, which verifies them."""

from __future__ import annotations

import gzip
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from .._extras import extra


def find(folders: Sequence[Path], names: Sequence[str]) -> Path | None:
    """The first folder that holds one of the files."""
    return next((folder for folder in folders if any((folder / name).is_file() for name in names)), None)


def retrieve(name: str, url: str, md5: str, folder: Path) -> Path:
    """Download a file unless it is there already; return its path.

    Raises
    ------
    OSError
        If there is no connection, naming the address and where the file may be put by hand.
    ValueError
        If the file is not the one that was published.
    """
    pooch = extra(f"{name}'s download", "pooch", "tqdm")
    pooch.get_logger().setLevel("WARNING")  # the progress bar is enough
    file = url.rsplit("/", 1)[-1]
    shown = sys.stderr is not None and sys.stderr.isatty()  # in a file a moving bar would take thousands of lines
    downloader = pooch.HTTPDownloader(progressbar=shown, timeout=30)
    try:
        return Path(pooch.retrieve(url, f"md5:{md5}", file, folder, downloader=downloader))
    except ValueError as error:
        raise ValueError(f"{name}: {url} is not the published file: {error}") from error
    except OSError as error:
        raise OSError(
            f"{name}: could not download {url} ({error}); without a connection, put the file into {folder}"
        ) from error


def unpack(archive: Path, names: Sequence[str], folder: Path) -> None:
    """Write the named files of a tar archive into a folder, whatever paths they have there: all of them or none.

    Raises
    ------
    ValueError
        If the archive is damaged or lacks one.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=folder.name + ".", dir=folder.parent) as temporary:
        try:
            with tarfile.open(archive) as tar:
                for member in tar:
                    name = member.name.rsplit("/", 1)[-1]
                    source = tar.extractfile(member) if member.isfile() and name in names else None
                    if source is not None:
                        (Path(temporary) / name).write_bytes(source.read())
        except (tarfile.TarError, EOFError, zlib.error) as error:
            raise ValueError(f"{archive} is damaged: {error}") from error
        missing = [name for name in names if not (Path(temporary) / name).is_file()]
        if missing:
            raise ValueError(f"{archive} does not hold {', '.join(missing)}")
        folder.mkdir(exist_ok=True)
        for name in names:
            (Path(temporary) / name).replace(folder / name)


def contents(path: Path) -> bytes:
    """The bytes of a file that may be compressed by gzip."""
    data = path.read_bytes()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
