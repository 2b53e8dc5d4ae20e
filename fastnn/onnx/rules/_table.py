"""The table of rules, and the checks that rules make on values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..operators import TABLE

TRANSLATIONS: dict[Callable[..., Any], Callable[..., Any]] = {}
NATIVE = frozenset("?bBhHiIlLqQfd")


class Untranslated(Exception):
    """Raised by a rule for a call that it cannot translate."""


def rule(*names: str, since: int | None = None) -> Callable[[Any], Any]:
    """Register a rule for operators by name: for all versions, or the one since an opset."""

    def declare(function: Any) -> Any:
        for name in names:
            versions = TABLE[("", name)]
            for each in versions if since is None else (since,):
                TRANSLATIONS[versions[each].function] = function
        return function

    return declare


def floats(*values: Any) -> None:
    """Require float32 or float64."""
    need(all(each is None or each.dtype.char in "fd" for each in values))


def need(condition: Any) -> None:
    if not condition:
        raise Untranslated


def known(*values: Any) -> None:
    need(all(each is None or isinstance(each, np.ndarray) for each in values))


def full(value: Any) -> Any:
    """Return the value; an empty one is not translated."""
    need(0 not in value.shape)
    return value
