"""Save and load arrays and checkpoints in the safetensors format, which cannot carry code."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ._check import Array
from ._replace import replacing
from .autograd import value_of

__all__ = ["load", "save"]


def save(state: Mapping[Any, Any], path: str | os.PathLike[str]) -> None:
    """Save arrays by name, as `Module.state_dict` returns them, or a whole checkpoint.

    Parameters
    ----------
    state : mapping
        Of str to ndarray or Tensor: any program reads that file.  Or of anything that is made of arrays, numbers,
        strings, None, lists, tuples and mappings of str or int, such as {"model": model.state_dict(), "optimizer":
        optimizer.state_dict(), "epoch": 3}: the arrays are stored by their paths, the rest in the file's metadata.
    path : path-like
        Written under another name first, then renamed: a file that is there is whole.

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
    from safetensors.numpy import save as serialize

    if not isinstance(state, Mapping):
        raise TypeError(f"save: expected a mapping such as model.state_dict(), got {type(state).__name__}")
    arrays: dict[str, Array] = {}
    tree = _flatten(state, "", arrays)
    flat = all(isinstance(key, str) and isinstance(node, str) for key, node in tree["mapping"])
    data = serialize(arrays, None if flat else {_TREE: json.dumps(tree)})
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
    return _named(np.asarray(value), path, arrays)


def _under(path: str, key: str | int) -> str:
    return f"{path}.{key}" if path else str(key)


def _named(array: Array, name: str, arrays: dict[str, Array]) -> str:
    """Put an array among the others; its name there."""
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
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


def load(path: str | os.PathLike[str]) -> dict[Any, Any]:
    """Load what `save` stored, or the arrays of any safetensors file.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    dict
        Of str to ndarray, or the checkpoint as it was saved.

    Raises
    ------
    ValueError
        If the file is no whole safetensors file, or holds types that NumPy does not have.
    OSError
        From the file system.

    See Also
    --------
    save
    """
    from safetensors.numpy import load as deserialize

    with open(path, "rb") as file:
        data = file.read()
    try:
        arrays = {name: np.array(array) for name, array in deserialize(data).items()}
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")], object_pairs_hook=_unique)
        tree = header.get("__metadata__", {}).get(_TREE)
        return arrays if tree is None else _restore(json.loads(tree), arrays)
    except Exception as error:  # the library's own error class and, for foreign types, KeyError and others
        raise ValueError(f"load: {os.fspath(path)!r} is not a safetensors file that NumPy can hold: {error}") from error


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
