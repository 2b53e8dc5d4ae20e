"""Checkpoints that `torch.save` or `torch.jit.save` wrote, read without PyTorch."""

from __future__ import annotations

import os
import sys
import zipfile
from typing import Any, BinaryIO

import numpy as np

from .._check import Array
from ._narrow_floats import NAMES, narrow_type, widened
from ._torch_pickle import ScriptObject, Storage, read_pickle, weights_of

OLD_MAGIC = 0x1950A86A20F9469CFC6C
OLD_PROTOCOL = 1001


def format_of(file: BinaryIO, head: bytes) -> str | None:
    """The format, zip or old, if the file is a checkpoint of PyTorch's, by its first bytes or its entries."""
    if head[:1] == b"\x80" and OLD_MAGIC.to_bytes(10, "little") in head[:24]:
        return "old"
    if head.startswith(b"PK\x03\x04"):
        try:
            with zipfile.ZipFile(file) as archive:
                return "zip" if any(_is_pickle(name) for name in archive.namelist()) else None
        except zipfile.BadZipFile:
            pass
    return None


def _is_pickle(name: str) -> bool:
    return name == "data.pkl" or name.endswith("/data.pkl")


def read(path: str | bytes, file: BinaryIO, form: str, widen: bool) -> Any:
    """What was saved in a checkpoint, tensors as arrays; of a TorchScript module the state_dict.

    Raises
    ------
    ValueError
        If the file is damaged, or names what is neither array nor container: nothing that it names is called.
    ModuleNotFoundError
        If it holds types that ml_dtypes has, and that library is missing.
    """
    file.seek(0)
    try:
        return read_old(file, widen) if form == "old" else read_zip(file, widen)
    except ModuleNotFoundError as error:
        message = (
            f"load: {path!r} holds bfloat16 or 8-bit floats: pip install ml_dtypes, or give widen=True for float32"
        )
        raise ModuleNotFoundError(message, name=error.name) from None
    except Exception as error:  # what a damaged or hostile pickle may raise is no short list
        why = str(error) or type(error).__name__
        raise ValueError(f"load: {path!r} is a PyTorch checkpoint that cannot be read: {why}") from error


def read_zip(file: BinaryIO, widen: bool) -> Any:
    """What `torch.save` stored since PyTorch 1.6: an archive of one pickle and one entry for each storage."""
    with zipfile.ZipFile(file) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        folder = next(name for name in entries if _is_pickle(name))[: -len("data.pkl")]
        read = {
            name: entry for name, entry in entries.items() if name.startswith((f"{folder}data.pkl", f"{folder}data/"))
        }
        compressed = [name for name, entry in read.items() if entry.compress_type != zipfile.ZIP_STORED]
        if compressed:
            raise ValueError(f"{compressed[0]!r} in it is compressed: unpack it, and pack it by 'zip -0'")
        if sum(entry.file_size for entry in read.values()) > os.fstat(file.fileno()).st_size:
            raise ValueError("its entries lie over one another")
        byte_order = archive.read(folder + "byteorder") if folder + "byteorder" in entries else b"little"
        memories: dict[tuple[str, str], Array] = {}

        def storage(kind: str, key: str, count: int, _: Any) -> Storage:
            name = f"{folder}data/{key}"

            def typed(kind: str) -> Array:
                if (key, kind) not in memories:
                    if name not in read:
                        raise ValueError(f"{name!r} is missing in it")
                    memories[key, kind] = _numbers(bytearray(archive.read(name)), kind, byte_order == b"big", widen)
                return memories[key, kind]

            return Storage(kind, typed)

        with archive.open(folder + "data.pkl") as pickled:
            content = read_pickle(pickled, storage)  # type: ignore[arg-type]
    return weights_of(content) if isinstance(content, ScriptObject) else content


def read_old(file: BinaryIO, widen: bool) -> Any:
    """The format before PyTorch 1.6: five pickles (a number, a version, the system, the content, the keys), storages.

    The content comes before its numbers: each storage's memory is made first and filled at the end.
    """
    size = os.fstat(file.fileno()).st_size
    memories: dict[str, dict[str, Array]] = {}  # by key and by type
    widths: dict[str, int] = {}
    lengths: dict[str, int] = {}

    def storage(kind: str, key: str, count: int, view: Any) -> Storage:
        offset, number = view[1:] if view else (0, count)
        widths[key] = _width(kind or "u1")
        lengths[key] = count * widths[key]
        if sum(lengths.values()) > size or not 0 <= offset <= offset + number <= count:
            raise ValueError(
                f"a storage of {count} elements, of which {number} from {offset}, in a file of {size} bytes"
            )

        def typed(wanted: str) -> Array:
            elements = count * widths[key] // _width(wanted)
            of_key = memories.setdefault(key, {})
            if wanted not in of_key:
                of_key[wanted] = np.empty(elements, _type(wanted, widen))
            return of_key[wanted][offset : offset + number]

        return Storage(kind, typed, filled=False)

    if read_pickle(file, storage) != OLD_MAGIC or read_pickle(file, storage) != OLD_PROTOCOL:
        raise ValueError("its version is unknown")
    system = read_pickle(file, storage)
    big = isinstance(system, dict) and system.get("little_endian") is False
    content = read_pickle(file, storage)
    for key in map(str, read_pickle(file, storage)):
        length = int.from_bytes(file.read(8), "little") * widths.get(key, 1)
        data = bytearray(file.read(min(length, size)))
        for kind, memory in memories.pop(key, {}).items():
            numbers = _numbers(data, kind, big, widen)
            if numbers.size != memory.size:
                raise ValueError(f"a storage of {memory.size} elements has {numbers.size}")
            memory[:] = numbers
    if memories:
        raise ValueError(f"it ends before the storage {next(iter(memories))}")
    return content


def _width(kind: str) -> int:
    """Bytes of one number as the file has it."""
    return {"BF16": 2}.get(kind, 1) if kind in NAMES else np.dtype(kind).itemsize


def _type(kind: str, widen: bool) -> np.dtype[Any]:
    """The type that numbers of a kind come as."""
    if kind not in NAMES:
        return np.dtype(kind).newbyteorder("=")
    return np.dtype(np.float32) if widen else narrow_type(kind)


def _numbers(data: bytes | bytearray, kind: str, big: bool, widen: bool) -> Array:
    """Bytes of a file as numbers of a kind, in this machine's byte order."""
    if len(data) % _width(kind):
        raise ValueError(f"a storage of {len(data)} bytes for numbers of {_width(kind)}")
    raw = np.frombuffer(data, f"u{_width(kind)}" if kind in NAMES else kind)
    raw = raw.byteswap() if big != (sys.byteorder == "big") else raw
    if kind not in NAMES:
        return raw.view(_type(kind, widen))
    return widened(raw.astype(raw.dtype.newbyteorder("<")), kind) if widen else raw.view(narrow_type(kind))
