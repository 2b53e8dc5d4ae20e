"""Docstrings that several functions share: texts with words to fill in, and common sections.

Functions that differ in a word alone are written once, inside a function of what differs, and their docstrings have
words in braces, which `written` and `dimensional` fill in.  A family such as `conv1d`, `conv2d`, `conv3d` is written as
`conv_nd`, with these words for each number of dimensions:

    {n}         1             2               3
    {words}     one dimension two dimensions  three dimensions
    {space}     L             H, W            D, H, W
    {kernel}    kL            kH, kW          kD, kH, kW
    {4s}        4             4, 4            4, 4, 4          any number, for shapes in examples
    {ones}                    1,              1, 1,            in front of the last dimension

`complete` adds what follows from a signature.  All of this runs at import, so that it has to be quick.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_NUMBER = re.compile(r"\{(\d+)s\}")


def dedented(text: str) -> str:
    """A text without the indentation of its last line, where the quotes close; Python 3.13 takes it away itself."""
    indentation = text.rpartition("\n")[2]
    return text.replace("\n" + indentation, "\n").strip() if indentation.isspace() else text.strip()


def filled(text: str, n: int, /, **words: str) -> str:
    """A docstring with its words filled in, also those of n dimensions if n is not 0."""
    text = dedented(text)
    if n:
        space = ("L", "HW", "DHW")[n - 1]
        words["n"] = str(n)
        words["words"] = ("one dimension", "two dimensions", "three dimensions")[n - 1]
        words["space"] = ", ".join(space)
        words["kernel"] = ", ".join(f"k{letter}" for letter in space)
        words["ones"] = "1, " * (n - 1)
        text = _NUMBER.sub(lambda found: ", ".join([found[1]] * n), text)
    for name, word in words.items():
        text = text.replace(f"{{{name}}}", dedented(word) if "\n" in word else word)
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


# -- sections that follow from a signature ----------------------------------------------------------------------------

_HEADING = re.compile(r"\n\n(?=[A-Z][A-Za-z ]*\n---)")
_ENTRIES = {
    "input": "input : array_like",
    "inplace": "inplace : bool\n    Write the result over `input`, as `out=input` does.",
    "out": "out : ndarray, optional\n    Where to put the result, of its shape and dtype.",
}
_ELEMENTWISE = """\
ndarray
    Of the input's shape; of its dtype if that is float16, float32 or float64, else of float64."""
_SAVED = """\
dy, {0} : array_like
    Of one shape: the gradient of the result, and the {1} of `{2}`."""
_SAME = """\
dy : array_like
    The gradient of the result, of its shape."""
_LOSS = """\
dy : array_like
    The gradient of the loss, of its shape: a scalar, or, for reduction "none", one value for each."""
_ONE = """\
ndarray
    The gradient of the input, of its shape, in the dtype that the arrays have together."""
_INPUT = """\
ndarray
    The gradient of the input, of its shape and dtype."""
_SEVERAL = """\
tuple of ndarray
    The gradient of x, of its shape, and that of each parameter, in the parameter's; all in the dtype of x."""
_RAISES = """\
Raises
------
ValueError
    If shapes do not fit."""
_ARRAYS = """\
tuple of ndarray
    The gradient of each array, of its shape, in the dtype that the arrays have together."""


def complete(functions: dict[str, Callable[..., Any]]) -> None:
    """Give functions the sections that their docstrings leave out.

    A function without "Returns" is element by element: the entries of `input`, `inplace` and `out` may be missing too.
    A twin without "Parameters" has the entries of its function's parameters.
    """
    twins = {}
    for name, function in functions.items():
        doc = function.__doc__
        if not doc:  # None under python -OO
            continue
        if name.endswith("_backward"):
            twins[name] = function
        elif "Returns\n" not in doc:
            first, *sections = _HEADING.split(dedented(doc))
            own = "".join(each for each in sections if each.startswith("Parameters\n"))
            others = [each for each in sections if each is not own and not each.startswith("Parameters\n")]
            function.__doc__ = _joined(first, _entries(_names(function), own), _ELEMENTWISE, *others)
    for name, twin in twins.items():
        doc = twin.__doc__ or ""
        if "Parameters\n" not in doc:
            first, *others = _HEADING.split(dedented(doc))
            twin.__doc__ = _joined(first, *_of_twin(twin, functions[name.removesuffix("_backward")]), *others)


def _joined(first: str, parameters: str, returned: str, *others: str) -> str:
    return (
        "\n\n".join([first, f"Parameters\n----------\n{parameters}", f"Returns\n-------\n{returned}", *others]) + "\n"
    )


def _names(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names of a function's parameters."""
    code = getattr(function, "__wrapped__", function).__code__
    names: tuple[str, ...] = code.co_varnames
    return names[: code.co_argcount + code.co_kwonlyargcount]


def _of_twin(twin: Callable[..., Any], function: Callable[..., Any]) -> tuple[str, str, str]:
    """The entries of a twin's parameters, what it returns, what it raises."""
    names = _names(twin)
    first, returned = _SAME, _INPUT
    if "reduction" in names:
        first, returned = _LOSS, _ONE if "out" in names else _ARRAYS
    elif names[1] in ("x", "y"):
        first = _SAVED.format(names[1], "result" if names[1] == "y" else "input", function.__name__)
        returned = _ONE if "out" in names else _SEVERAL
    others = _entries([name for name in names[1:] if name not in ("x", "y")], function.__doc__ or "")
    return (
        "\n".join([first, others] if others else [first]),
        returned,
        "Raises\n------\nValueError\n    If shapes do not fit.",
    )


def _entries(names: Any, doc: str) -> str:
    """The entries of these parameters, in order, from a docstring or else the usual ones."""
    own = {name: entry for words, entry in entries(dedented(doc)) for name in words}
    return "\n".join(dict.fromkeys(own.get(name) or _ENTRIES[name] for name in names))


def with_parameters(doc: str, made: Callable[..., Any], function: Callable[..., Any]) -> str:
    """The docstring of a layer, with the entries of parameters that its function has as well."""
    given = {name: entry for words, entry in entries(dedented(function.__doc__ or "")) for name in words}
    found = dict.fromkeys(given[name] for name in _names(made) if name in given)
    first, *others = _HEADING.split(dedented(doc))
    sections = ["Parameters\n----------\n" + "\n".join(found)] if found else []
    return "\n\n".join([first, *sections, *others]) + "\n"


def entries(doc: str) -> Iterator[tuple[list[str], str]]:
    """The names and the text of each entry of a docstring's parameters."""
    entry: list[str] = []
    for line in (*doc.partition("Parameters\n----------\n")[2].partition("\n\n")[0].splitlines(), ""):
        if entry and not line.startswith(" "):
            yield entry[0].partition(" : ")[0].split(", "), "\n".join(entry)
            entry = []
        entry.append(line)
