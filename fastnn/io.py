"""Save and load arrays in the safetensors format, which cannot carry code."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ._check import Array
from .autograd import value_of


def save(state_dict: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Save arrays by name, as `Module.state_dict` returns them.

    Parameters
    ----------
    state_dict : mapping of str to ndarray or Tensor
    path : path-like
        Written under another name first, then renamed: a file that is there is whole.

    Raises
    ------
    TypeError
        If a name is no string or a value no array of numbers.
    OSError
        From the file system.

    Examples
    --------
    >>> import fastnn, os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "weights.safetensors")
    >>> fastnn.save({"weight": np.ones(2)}, path)
    >>> fastnn.load(path)
    {'weight': array([1., 1.])}
    """
    import tempfile

    from safetensors.numpy import save as serialize

    if not isinstance(state_dict, Mapping):
        raise TypeError(f"save: expected a mapping such as model.state_dict(), got {type(state_dict).__name__}")
    arrays = {}
    for name, value in state_dict.items():
        if name == "__metadata__" or (isinstance(name, str) and not _is_utf8(name)):
            raise ValueError(f"save: {name!r} cannot be a name in a safetensors file")
        array = np.asarray(value_of(value))
        if not isinstance(name, str) or array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
            raise TypeError(
                f"save: expected names and arrays of numbers up to 64 bits, got {name!r} of dtype {array.dtype}"
            )
        # the library writes the memory as it lies: it has to lie in C order and native byte order
        arrays[name] = np.ascontiguousarray(array, array.dtype.newbyteorder("=")).reshape(array.shape)
    data = serialize(arrays)
    path = os.path.abspath(os.fsdecode(path))
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=os.path.basename(path) + ".")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def load(path: str | os.PathLike[str]) -> dict[str, Array]:
    """Load the arrays of a safetensors file.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    dict of str to ndarray

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
        return {name: np.array(array) for name, array in deserialize(data).items()}
    except Exception as error:  # the library's own error class and, for foreign types, KeyError and others
        raise ValueError(f"load: {os.fspath(path)!r} is not a safetensors file that NumPy can hold: {error}") from error
