"""Layers that call one function with the options that they were made with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from .._dispatch import respelled
from ..functional._text import with_parameters
from ._module import Module


class FunctionLayer(Module):
    """A layer whose class names its function; its docstring takes the options' entries from the function's."""

    _function: ClassVar[Callable[..., Any]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Answer options that are spelled in another way, and describe those that the docstring does not."""
        super().__init_subclass__(**kwargs)
        if "__init__" not in vars(cls):
            return
        if "_function" in vars(cls) and cls.__doc__ and "Parameters\n" not in cls.__doc__:
            cls.__doc__ = with_parameters(cls.__doc__, cls.__init__, cls._function)
        cls.__init__ = respelled(cls.__init__)  # type: ignore[method-assign]
