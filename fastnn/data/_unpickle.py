"""Reading the one kind of pickle that official datasets come in, without running anything from it."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

# The functions and classes from which pickles make arrays, in old and new NumPy
_KNOWN = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Allow only what arrays need."""
        if (module, name) not in _KNOWN:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no dataset needs")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def unpickle(file: Path) -> dict[Any, Any]:
    """The mapping of arrays, numbers and strings in a file; strings of Python 2 are bytes.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    with open(file, "rb") as stream:
        try:
            content = _Unpickler(stream, encoding="bytes").load()
        except Exception as error:  # a damaged pickle may raise anything
            raise ValueError(f"{file} is not a pickled mapping of arrays: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{file} is not a pickled mapping of arrays, but of type {type(content).__name__}")
    return content
