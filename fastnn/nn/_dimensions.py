"""Layers that differ in their number of dimensions alone."""

from __future__ import annotations

from typing import Any, ClassVar

from ..functional._text import dedented, filled
from ._module import Module


class Dimensional(Module):
    """Base class of a family of layers: a subclass names its dimensions, as in `class Conv2d(_Convolution, dims=2)`.

    The subclass's docstring is one paragraph.  The family's `_sections` follow it, with words in braces as in
    `fastnn.functional._text`, and {layer} for the subclass's name.
    """

    _sections: ClassVar[str] = ""
    _dims: ClassVar[int]

    def __init_subclass__(cls, dims: int = 0, **kwargs: Any) -> None:
        """Complete a subclass for `dims` dimensions; a user's subclass without `dims` inherits them."""
        super().__init_subclass__(**kwargs)
        if dims:
            cls._dims = dims
        if dims and cls.__doc__:  # None under python -OO
            sections = dedented(cls._sections)
            cls.__doc__ = filled(f"{cls.__doc__}\n\n{sections}", dims, layer=cls.__name__)
