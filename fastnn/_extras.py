"""Libraries that only some parts need: imported when used, and named with the command that installs them."""

from __future__ import annotations

import importlib
from typing import Any


def extra(user: str, module: str, group: str) -> Any:
    """The module, or a ModuleNotFoundError that says what to install; `group` is the extra of pyproject.toml."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or module.split(".")[0] != error.name.split(".")[0]:
            raise
        message = f"{user} needs {error.name}: pip install 'fastnn[{group}]'"
        raise ModuleNotFoundError(message, name=error.name) from error
