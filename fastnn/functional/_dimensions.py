"""One text for functions and layers that differ in their number of dimensions alone.

A family such as `conv1d`, `conv2d`, `conv3d` is written once, as `conv_nd` inside a function of the number n.  In its
docstring, words in braces are filled in for each n:

    {n}         1             2               3
    {words}     one dimension two dimensions  three dimensions
    {space}     L             H, W            D, H, W
    {kernel}    kL            kH, kW          kD, kH, kW
    {4s}        4             4, 4            4, 4, 4          any number, for shapes in examples
    {ones}                    1,              1, 1,            in front of the last dimension
"""

from __future__ import annotations

import re
from collections.abc import Callable
from inspect import cleandoc
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def filled(text: str, n: int, **others: str) -> str:
    """A docstring for n dimensions; `others` are further words in braces."""
    space = ("L", "HW", "DHW")[n - 1]
    words = {
        "n": str(n),
        "words": ("one dimension", "two dimensions", "three dimensions")[n - 1],
        "space": ", ".join(space),
        "kernel": ", ".join(f"k{letter}" for letter in space),
        "ones": "1, " * (n - 1),
        **{name: cleandoc(other) for name, other in others.items()},
    }
    text = cleandoc(text)
    for name, word in words.items():
        text = text.replace(f"{{{name}}}", word)
    return re.sub(r"\{(\d+)s\}", lambda found: ", ".join([found[1]] * n), text)


def dimensional(n: int, **others: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Give a function called `<name>_nd` the name and the docstring of its version for n dimensions."""

    def complete(function: Callable[P, R]) -> Callable[P, R]:
        function.__name__ = function.__qualname__ = function.__name__.replace("_nd", f"{n}d")
        function.__doc__ = filled(function.__doc__ or "", n, **others)
        return function

    return complete
