"""Tables as people export them: read, understood, learned from."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._drift import Drift
    from ._encoded import Encoded
    from ._encoder import Encoder
    from ._evaluate import Report
    from ._fit import fit
    from ._frames import Split
    from ._model import TableModel
    from ._reading import Source, read
    from ._roles import Column, Schema, find_roles
    from ._saved import is_model, load
    from ._tune import tune

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

__all__ = [
    "Column",
    "Drift",
    "Encoded",
    "Encoder",
    "Report",
    "Schema",
    "Source",
    "Split",
    "TableModel",
    "find_roles",
    "fit",
    "is_model",
    "load",
    "read",
    "tune",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_PLACES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
