"""Libraries that only some parts need: imported when used, and named with the command that installs them."""

from __future__ import annotations

import importlib
from typing import Any

PACKAGES = {"PIL": "pillow", "sklearn": "scikit-learn"}  # whose modules are called otherwise than they are


def extra(user: str, module: str) -> Any:
    """The module, or a ModuleNotFoundError that says what to install."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        top = module.split(".")[0]
        if error.name is None or top != error.name.split(".")[0]:
            raise
        message = f"{user} needs {top}: pip install {PACKAGES.get(top, top)}"
        raise ModuleNotFoundError(message, name=error.name) from error
