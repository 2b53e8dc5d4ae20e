"""The plans of a model that were used last."""

from __future__ import annotations

import itertools
from typing import Any, Protocol, TypeVar


class Used(Protocol):
    """An entry of the table.

    used : when it was used last, by the table's own count
    """

    used: int


E = TypeVar("E", bound=Used)


class Recent(dict[Any, E]):
    """At most `most` plans by the kind of input that they are for; the one used longest ago leaves a full table."""

    def __init__(self, most: int = 32) -> None:
        super().__init__()
        self.most = most
        self._clock = itertools.count(1)

    def find(self, key: Any) -> E | None:
        """The entry, which counts as used now, or None."""
        found = self.get(key)
        if found is not None:
            found.used = next(self._clock)
        return found

    def keep(self, key: Any, entry: E) -> E:
        """Add an entry; a full table drops the one used longest ago."""
        if len(self) >= self.most:
            del self[min(list(self), key=lambda each: self[each].used)]
        entry.used, self[key] = next(self._clock), entry
        return entry
