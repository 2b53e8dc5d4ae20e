"""Makes the library threadpoolctl, in programs that use it, see and limit the thread team.

Most programs never import that library, and importing it takes milliseconds; so the team is registered
when a program imports it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from . import _core
from ._version import __version__

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType

LIBRARY = "threadpoolctl"


def enter(threadpoolctl: Any, most: int) -> None:
    """Register the team as one of the library's kinds of thread pools, which it takes since version 3.2."""
    if not hasattr(threadpoolctl, "register"):
        return

    class Controller(threadpoolctl.LibController):  # type: ignore[misc]
        user_api = internal_api = "fastnn"
        filename_prefixes = ("_core",)
        check_symbols = ("fnn_get_num_threads", "fnn_set_num_threads")

        def get_num_threads(self) -> int:
            return int(self.dynlib.fnn_get_num_threads())

        def set_num_threads(self, num_threads: int) -> None:
            self.dynlib.fnn_set_num_threads(max(1, min(num_threads, most)))

        def get_version(self) -> str:
            return __version__

        def set_additional_attributes(self) -> None:
            self.threading_layer = _core.team()
            self.architecture = _core.isa()

    threadpoolctl.register(Controller)


class Awaiting:
    """A finder of modules that waits for threadpoolctl, and registers the team at the end of its import.

    It stays in `sys.meta_path`: to take it out could make another thread, whose import walks that list, skip a finder.
    """

    def __init__(self, most: int):
        self.most, self.looking = most, False

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """None, but for the library: its own spec, whose loader enters the team at the end."""
        if name != LIBRARY or self.looking:
            return None
        self.looking = True
        try:
            found = (finder.find_spec(name, path, target) for finder in sys.meta_path if hasattr(finder, "find_spec"))
            spec = next((each for each in found if each is not None), None)
        finally:
            self.looking = False
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_and_enter(module: ModuleType) -> None:
                load(module)
                enter(module, self.most)

            spec.loader.exec_module = load_and_enter  # type: ignore[method-assign]
        return spec


def register(most: int) -> None:
    """Register the team now if the library is loaded, else once it is; `most` is the team's greatest number."""
    if LIBRARY in sys.modules:
        enter(sys.modules[LIBRARY], most)
    else:
        sys.meta_path.insert(0, Awaiting(most))
