"""One text for functions and layers that differ in a word, or in their number of dimensions, alone.

Such a family is written once, inside a function of what differs, and its docstrings have words in braces, which
`written` and `dimensional` fill in.  A family such as `conv1d`, `conv2d`, `conv3d` is written as `conv_nd`, with these
words for each number of dimensions:

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


def filled(text: str, n: int, /, **words: str) -> str:
    """A docstring with its words filled in, those of n dimensions too if n is not 0."""
    text = cleandoc(text)
    if n:
        space = ("L", "HW", "DHW")[n - 1]
        words["n"] = str(n)
        words["words"] = ("one dimension", "two dimensions", "three dimensions")[n - 1]
        words["space"] = ", ".join(space)
        words["kernel"] = ", ".join(f"k{letter}" for letter in space)
        words["ones"] = "1, " * (n - 1)
        text = re.sub(r"\{(\d+)s\}", lambda found: ", ".join([found[1]] * n), text)
    for name, word in words.items():
        text = text.replace(f"{{{name}}}", cleandoc(word))
    return text


def written(name: str, /, **words: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Give a function its name, and its docstring the words."""

    def complete(function: Callable[P, R]) -> Callable[P, R]:
        function.__name__ = function.__qualname__ = name
        function.__doc__ = filled(function.__doc__ or "", 0, **words)
        return function

    return complete


def dimensional(n: int, /, **words: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Give a function called `<name>_nd` the name and the docstring of its version for n dimensions."""

    def complete(function: Callable[P, R]) -> Callable[P, R]:
        function.__name__ = function.__qualname__ = function.__name__.replace("_nd", f"{n}d")
        function.__doc__ = filled(function.__doc__ or "", n, **words)
        return function

    return complete
