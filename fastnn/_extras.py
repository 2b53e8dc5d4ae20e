"""Libraries that only some parts need: imported when used, and named with the command that installs them."""

from __future__ import annotations

import importlib
from typing import Any

PACKAGES = {"PIL": "pillow", "sklearn": "scikit-learn"}  # those that pip knows by another name than `import`


def extra(user: str, *modules: str) -> Any:
    """The first of the modules, or a ModuleNotFoundError that names the packages of all that are missing."""
    found, missing = [], []
    for module in modules:
        try:
            found.append(importlib.import_module(module))
        except ModuleNotFoundError as error:
            name = module.split(".")[0]
            if error.name is None or error.name.split(".")[0] != name:
                raise  # the library is there, but not what it needs itself
            missing.append(name)
    if missing:
        packages = [PACKAGES.get(name, name) for name in missing]
        message = f"{user} needs {' and '.join(packages)}: pip install {' '.join(packages)}"
        raise ModuleNotFoundError(message, name=missing[0])
    return found[0]
