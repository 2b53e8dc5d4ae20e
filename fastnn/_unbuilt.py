"""The message for a package whose compiled part is missing or cannot be loaded."""

from __future__ import annotations

import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES


def explanation(error: ImportError, folder: str) -> str:
    """One line: what is missing from the package's folder, and the way out."""
    python = f"Python {sys.version_info[0]}.{sys.version_info[1]}"
    built = sorted(name for name in os.listdir(folder) if name.startswith("_core.") and name.endswith((".so", ".pyd")))
    if any(f"_core{suffix}" in built for suffix in EXTENSION_SUFFIXES):
        return f"fastnn: {python} cannot load the compiled part in {folder}: {error}"
    others = f" (only {', '.join(built)})" if built else ""
    tree = os.path.dirname(folder)
    if os.path.isdir(os.path.join(tree, "src_c")):
        return (
            f"fastnn: {tree} is the source tree, where nothing is compiled for this {python}{others}; "
            "start Python in another folder to import an installed fastnn, or run 'pip install -e .' in this one"
        )
    return f"fastnn: {folder} has no compiled part for this {python}{others}; install fastnn-cpu for this Python again"
