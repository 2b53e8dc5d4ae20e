"""Save and load arrays and checkpoints in the safetensors format, which cannot carry code."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from .._check import Array
from .._replace import replacing
from ..autograd import value_of
from ._narrow_floats import NAMES, narrow_type, widened

__all__ = ["load", "save"]


def save(state: Mapping[Any, Any], path: str | os.PathLike[str]) -> None:
    """Save arrays by name, as `Module.state_dict` returns them, or a whole checkpoint.

    Parameters
    ----------
    state : mapping
        Of str to ndarray or Tensor: any program reads that file.  Or of anything that is made of arrays, numbers,
        strings, None, lists, tuples and mappings of str or int, such as {"model": model.state_dict(), "optimizer":
        optimizer.state_dict(), "epoch": 3}: the arrays are stored by their paths, the rest in the file's metadata.
        Arrays are of booleans, integers or floats up to 64 bits, or of ml_dtypes' bfloat16 and 8-bit floats, without a
        mask; what they share of their memory is stored for each.
    path : path-like
        Written under another name first, then renamed: a file that is there is whole.  A file that is replaced hands on
        its permissions, and a symbolic link stays one.

    Raises
    ------
    TypeError
        If a value is none of these.
    ValueError
        If a name cannot be stored.
    OSError
        From the file system.

    Examples
    --------
    >>> import fastnn, os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "weights.safetensors")
    >>> fastnn.save({"weight": np.ones(2)}, path)
    >>> fastnn.load(path)
    {'weight': array([1., 1.])}
    >>> fastnn.save({"model": {"weight": np.ones(2)}, "epoch": 3}, path)
    >>> fastnn.load(path)
    {'model': {'weight': array([1., 1.])}, 'epoch': 3}
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save as serialize

    if not isinstance(state, Mapping):
        raise TypeError(f"save: expected a mapping such as model.state_dict(), got {type(state).__name__}")
    arrays: dict[str, Array] = {}
    tree = _flatten(state, "", arrays)
    flat = all(isinstance(key, str) and isinstance(node, str) for key, node in tree["mapping"])
    try:
        data = serialize(arrays, None if flat else {_TREE: json.dumps(tree)})
    except SafetensorError as error:  # versions of the library differ in the 8-bit floats that they know
        raise ValueError(f"save: the safetensors library refuses it: {error}") from error
    with replacing(path) as temporary, open(temporary, "wb") as file:
        file.write(data)


_TREE = "fastnn.tree"  # where the metadata keep what is not arrays


def _flatten(value: Any, path: str, arrays: dict[str, Array]) -> Any:
    """What JSON can say of a value: an array is its name, everything else a dict that names its kind."""
    value = value.item() if isinstance(value, (np.number, np.bool_)) else value_of(value)
    if isinstance(value, Mapping):
        value = {int(key) if isinstance(key, np.integer) else key: each for key, each in value.items()}
        for key in value:
            if not isinstance(key, (str, int)) or isinstance(key, bool):
                raise TypeError(f"save: expected names that are strings or integers, got {key!r}")
        return {"mapping": [[key, _flatten(each, _under(path, key), arrays)] for key, each in value.items()]}
    if isinstance(value, (list, tuple)):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [_flatten(each, _under(path, i), arrays) for i, each in enumerate(value)]}
    if value is None or isinstance(value, (str, bool, int, float)):
        return {"value": value}
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"save: expected arrays without a mask, got a masked array for {path!r}; save .data and .mask")
    if not hasattr(value, "__array__"):
        raise TypeError(
            f"save: expected arrays of numbers, numbers, strings, None, lists, tuples or mappings, got "
            f"{type(value).__name__} for {path!r}"
        )
    return _named(np.asarray(value), path, arrays)


def _under(path: str, key: str | int) -> str:
    return f"{path}.{key}" if path else str(key)


def _named(array: Array, name: str, arrays: dict[str, Array]) -> str:
    """Put an array among the others; its name there."""
    known = array.dtype.kind in "biuf" and array.dtype.itemsize <= 8
    if not known and array.dtype.name not in NAMES.values():
        raise TypeError(f"save: expected arrays of numbers up to 64 bits, got {name!r} of dtype {array.dtype}")
    if name == "__metadata__" or not _is_utf8(name):
        raise ValueError(f"save: {name!r} cannot be a name in a safetensors file")
    while name in arrays:  # the paths of {"a": {"b": x}, "a.b": y} are the same
        name += "~"
    # the library writes the memory as it lies: it has to lie in C order and native byte order
    arrays[name] = np.ascontiguousarray(array, array.dtype.newbyteorder("=")).reshape(array.shape)
    return name


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


# NumPy's name of each type of the format that it has
TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U64": "<u8",
         "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?", "C64": "<c8"}  # fmt: skip


def load(path: str | os.PathLike[str], *, widen: bool = False) -> dict[Any, Any]:
    """Load what `save` stored, the arrays of any safetensors file, or a PyTorch checkpoint.

    Parameters
    ----------
    path : path-like
    widen : bool
        For bfloat16 and the 8-bit floats (e4m3, e5m2, e8m0), which NumPy does not have: True gives them as float32,
        which holds each of their numbers exactly; False as the types of ml_dtypes, which has to be installed then.

    Returns
    -------
    dict
        Of str to ndarray, or the checkpoint as it was saved.  The arrays are copies: the file may change afterwards.
        Of a file of `torch.save` (.pt, .pth, .bin; the older format too) what was saved, arrays in the place of
        tensors; what shared memory shares it.  Of a TorchScript file its state_dict.

    Raises
    ------
    ValueError
        If the file is neither, is damaged, or holds types that NumPy and ml_dtypes do not have.  Another kind of file,
        such as an HDF5 file, is named.  A PyTorch checkpoint is a pickle, which can carry code: it is read without
        running any, and refused if it names more than tensors, numbers, text and containers, such as a whole module.
    ModuleNotFoundError
        If the file holds types that ml_dtypes has, and that library is missing.
    OSError
        From the file system.

    See Also
    --------
    save
    """
    from safetensors import deserialize as _deserialize

    deserialize: Any = _deserialize  # its stub has no types

    name = os.fspath(path)
    with open(name, "rb") as file:
        head = file.read(4096)
        length = int.from_bytes(head[:8], "little")
        if head[8:9] != b"{" or length > os.fstat(file.fileno()).st_size - 8:
            from . import _torch_file
            from ._foreign_files import kind_of

            form = _torch_file.format_of(file, head)
            if form is not None:
                content: dict[Any, Any] = _torch_file.read(name, file, form, widen)
                return content
            kind = kind_of(name, head)
            if kind is not None:
                raise ValueError(f"load: {name!r} is not a safetensors file that NumPy can hold: it is {kind}")
        data = head + file.read()
    entries: list[tuple[str, Any]] = []
    try:
        if length > len(data) - 8:
            raise ValueError(f"its header should have {length} bytes, the whole file has {len(data)}")
        header = json.loads(data[8 : 8 + length], object_pairs_hook=_unique)
        metadata = header.pop("__metadata__", {})
        for key, entry in header.items():
            if entry["dtype"] not in TYPES and entry["dtype"] not in NAMES:
                raise ValueError(f"{key!r} is of type {entry['dtype']!r}, which neither NumPy nor ml_dtypes has")
        entries = deserialize(data)
        arrays = {key: _array(entry, widen) for key, entry in entries}
        tree = metadata.get(_TREE)
        return arrays if tree is None else _restore(json.loads(tree), arrays)
    except ModuleNotFoundError as error:
        narrow = sorted({entry["dtype"] for _, entry in entries} & NAMES.keys())
        message = f"load: {name!r} holds {', '.join(narrow)}: pip install ml_dtypes, or give widen=True for float32"
        raise ModuleNotFoundError(message, name=error.name) from None
    except Exception as error:  # the library's own error class and, for damaged entries, KeyError and others
        raise ValueError(f"load: {name!r} is not a safetensors file that NumPy can hold: {error}") from error


def _array(entry: dict[str, Any], widen: bool) -> Array:
    """A new array of one entry."""
    kind, data, shape = entry["dtype"], entry["data"], entry["shape"]
    if kind in TYPES:
        flat = np.frombuffer(data, TYPES[kind])
        flat = flat.astype(flat.dtype.newbyteorder("="))
    else:
        flat = widened(data, kind) if widen else np.frombuffer(data, narrow_type(kind)).copy()
    return flat.reshape(shape)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON whose names differ; the library would take the last of two."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in its header")
    return found


def _restore(node: Any, arrays: dict[str, Array]) -> Any:
    if isinstance(node, str):
        return arrays[node]
    ((kind, content),) = node.items()
    if kind == "mapping":
        return {key: _restore(each, arrays) for key, each in content}
    if kind in ("list", "tuple"):
        values = [_restore(each, arrays) for each in content]
        return values if kind == "list" else tuple(values)
    if kind != "value":
        raise ValueError(f"it holds a {kind!r}, which save never writes")
    return content
