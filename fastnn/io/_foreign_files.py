"""Names the format of a file that `load` cannot read, and how to read it instead."""

from __future__ import annotations

import zipfile

PICKLE = "a pickle, which can carry code; load it by the program that wrote it, and save its arrays by fastnn.save"

# How files begin.
BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"\x93NUMPY", "an array of NumPy's; numpy.load reads it"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes; h5py reads it"),
    (b"GGUF", "a GGUF file; the package gguf reads it"),
    (b"\x1f\x8b", "compressed by gzip; decompress it first"),
    (b"BZh", "compressed by bzip2; decompress it first"),
    (b"\xfd7zXZ", "compressed by xz; decompress it first"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd; decompress it first"),
    (b"version https://git-lfs", "a pointer of Git LFS in place of the file; fetch that by 'git lfs pull'"),
    (b"storages\0", "a checkpoint of PyTorch before 0.2; where PyTorch is, load it and save it anew"),
    (b"MATLAB 5.0", "a MATLAB file; scipy.io.loadmat reads it"),
)


def kind_of(path: str | bytes, head: bytes) -> str | None:
    """Words that complete "it is ..." for a file of a known other format; None for any other."""
    if not head:
        return "empty"
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return PICKLE
    if head.startswith(b"PK\x03\x04"):
        return _kind_of_zip(path)
    if head[4:8] == b"TFL3":
        return "a TensorFlow Lite model; LiteRT reads it"
    if head[:1] == b"\x08" and head[1:2] < b"\x20" and head[2:3] in (b"\x12", b"\x1a", b"\x22", b"\x3a", b"\x42"):
        return "an ONNX model, it seems; its arrays are onnx.numpy_helper.to_array of each of its graph's initializers"
    for beginning, kind in BEGINNINGS:
        if head.startswith(beginning):
            return kind
    return _kind_of_text(head)


def _kind_of_zip(path: str | bytes) -> str:
    try:
        with zipfile.ZipFile(path.decode() if isinstance(path, bytes) else path) as file:
            names = file.namelist()
    except (zipfile.BadZipFile, UnicodeDecodeError):
        return "a zip archive that is damaged, such as a PyTorch checkpoint that was cut off"
    if any(name.endswith(".npy") for name in names):
        return "an NPZ file; numpy.load reads it"
    if any(name.endswith(".weights.h5") for name in names):
        return "a Keras model; keras.saving.load_model reads it"
    return "a zip archive"


def _kind_of_text(head: bytes) -> str | None:
    try:
        text = head.decode().strip()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # not only the last character, cut in two
            return None
        text = head[: error.start].decode().strip()
    if not text or not all(character.isprintable() or character.isspace() for character in text):
        return None
    if text[:1] == "<":
        return "a page of HTML or XML, as a failed download leaves it"
    if '"weight_map"' in text:
        return "the index of a model in several files; load each file that it names"
    return f"text, beginning with {text.splitlines()[0][:40]!r}"
