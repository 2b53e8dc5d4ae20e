"""Tables as people export them: read, understood, learned from."""

from __future__ import annotations

import importlib
from typing import Any

_PLACES = {
    "Column": "_roles",
    "Drift": "_drift",
    "Encoded": "_encoded",
    "Encoder": "_encoder",
    "Report": "_evaluate",
    "Schema": "_roles",
    "Source": "_reading",
    "Split": "_frames",
    "TableModel": "_model",
    "find_roles": "_roles",
    "fit": "_fit",
    "is_model": "_saved",
    "load": "_saved",
    "read": "_reading",
    "tune": "_tune",
}

__all__ = list(_PLACES)


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_PLACES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
