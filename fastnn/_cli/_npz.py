"""Arrays in NPZ files, which need not be trusted: no Python object is made from them."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from .._check import Array
from ._table import CHUNK, Place, Table, check_finite, row_of, shown


def load_arrays(path: str | Path, wanted: Sequence[str]) -> list[Array]:
    """The arrays of these names."""
    with open(path, "rb") as file:
        if not zipfile.is_zipfile(file):
            raise ValueError(f"{path} is not a whole NPZ file")
        file.seek(0)
        try:
            archive = np.load(file, allow_pickle=False)
            names = list(archive.files)
        except Exception as error:  # zipfile and NumPy raise many kinds
            raise ValueError(f"{path} is not an NPZ file that can be read: {error}") from error
        missing = [name for name in wanted if name not in names]
        if missing:
            expected = "arrays 'x' and " + repr(wanted[1]) if len(wanted) > 1 else "an array 'x'"
            raise ValueError(f"{path}: expected {expected}, got {shown(names) or 'none'}")
        return [_member(path, archive, name) for name in wanted]


def _member(path: str | Path, archive: np.lib.npyio.NpzFile, name: str) -> Array:
    try:
        array = archive[name]
    except Exception as error:  # damaged bytes, Python objects, wrong sizes
        cause = "out of memory" if isinstance(error, MemoryError) else str(error) or type(error).__name__
        raise ValueError(f"{path}: array {name!r} cannot be read: {cause}") from error
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{path}: {name!r} is not an array")
    return array


def features(path: str | Path, x: Array) -> Array:
    """An array of numbers (N, ...), checked."""
    if x.dtype.kind not in "biuf" or x.ndim < 2 or 0 in x.shape[1:]:
        raise ValueError(f"{path}: expected x (N, ...) of numbers, got shape {x.shape} and dtype {x.dtype}")
    return x


def read_npz(
    path: Path,
    target: str | None,
    ignore: Sequence[str] = (),
    wanted: Sequence[str] | None = None,
    header: bool | None = None,
) -> Table:
    """Arrays x and `target` (y); the columns of x are called 0, 1, 2."""
    target = target or "y"
    if header is not None and wanted is None:
        raise ValueError(f"{path} has no lines, of which --header could say what the first is")
    x, y = load_arrays(path, ["x", target])
    if y.ndim != 1 or y.shape != features(path, x).shape[:1]:
        raise ValueError(
            f"{path}: expected x (N, ...) of numbers and {target} (N,), got shapes {x.shape} and {y.shape}"
        )
    if not len(x):
        raise ValueError(f"{path} has no rows")
    x = _rows(path, x, row_of())
    every = [str(i) for i in range(x.shape[1])]
    unknown = [name for name in ignore if name not in every]
    if unknown:
        raise ValueError(f"{path} has no column {shown(unknown)}; x has {shown(every)}")
    columns = [name for name in every if name not in ignore] if wanted is None else list(wanted)
    if not columns:
        raise ValueError(f"{path} has no column to learn {target} from; x has {shown(every)}")
    return Table(columns, target, x[:, _places(path, columns, len(every))], targets_of(path, target, y), row_of(), None)


def _rows(path: str | Path, x: Array, place: Place) -> Array:
    """(N, D) in float64."""
    with np.errstate(over="ignore"):  # longdouble may hold larger numbers than float64
        x = x.reshape(-1, math.prod(x.shape[1:])).astype(np.float64)
    check_finite(path, x, place)
    return x


def _places(path: str | Path, columns: Sequence[str], width: int) -> list[int]:
    """Places of a model's columns in rows of x: the columns' numbers if some were left out, else all in order."""
    counted = all(name.isdecimal() for name in columns)
    if counted and list(map(int, columns)) != list(range(len(columns))) and int(columns[-1]) < width:
        return list(map(int, columns))
    if width != len(columns):
        raise ValueError(f"{path}: expected rows of x of {len(columns)} numbers ({shown(columns)}), got {width}")
    return list(range(width))


def targets_of(path: Path, name: str, y: Array) -> Array:
    """Targets that are numbers or text."""
    if y.dtype.kind == "S":
        try:
            y = np.char.decode(y, "utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}: {name} is not text in UTF-8: {error}") from error
    if y.dtype.kind not in "biufU":
        raise ValueError(f"{path}: expected {name} of numbers or text, got dtype {y.dtype}")
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        at = int(np.argmin(np.isfinite(y)))
        raise ValueError(f"{path}: expected finite numbers in {name}, got {y[at]} in {row_of()(at)}")
    if y.dtype.kind == "U" and (np.char.str_len(y) == 0).any():
        at = int(np.argmin(np.char.str_len(y)))
        raise ValueError(f"{path}: expected targets in {name}, got an empty text in {row_of()(at)}")
    return y


def read_npz_parts(file: str, columns: Sequence[str], header: bool | None) -> Iterator[tuple[Array, Place]]:
    """Columns of the rows of x, in parts."""
    (x,) = load_arrays(file, ["x"])
    x = features(file, x)
    places = _places(file, columns, math.prod(x.shape[1:]))
    for start in range(0, len(x), CHUNK):
        yield _rows(file, x[start : start + CHUNK], row_of(start))[:, places], row_of(start)
