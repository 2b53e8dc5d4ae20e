"""The sections that the docstrings of many derivatives share: what they take and return is said once, here.

A twin's own docstring has its formula and its example.  The entries of its other parameters are the function's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

PARAMETERS, RETURNS, EXAMPLES = (
    f"    {title}\n    {'-' * len(title)}\n" for title in ("Parameters", "Returns", "Examples")
)

SAVED = """\
    dy, {0} : array_like
        Of one shape: the gradient of the result, and the {1} of `{2}`.
"""
LOSS = """\
    dy : array_like
        The gradient of the loss, of its shape: a scalar, or, for reduction "none", one value for each.
"""
OUT = """\
    out : ndarray, optional
        Where to put the result.
"""
ONE = """\
    ndarray
        The gradient of the input, of its shape, in the dtype that the arrays have together.
"""
SEVERAL = """\
    tuple of ndarray
        The gradient of x, of its shape, and that of each parameter, in the parameter's; all in the dtype of x.
"""
RAISES = """
    Raises
    ------
    ValueError
        If shapes do not fit.

"""


def complete(functions: dict[str, Callable[..., Any]]) -> None:
    """Give the twins among these functions, where they have a formula and an example alone, the other sections."""
    for name, twin in functions.items():
        if name.endswith("_backward") and twin.__doc__ and PARAMETERS not in twin.__doc__:
            function = name.removesuffix("_backward")
            own, example = twin.__doc__.split(EXAMPLES)
            sections = _sections(twin.__code__, function, functions[function].__doc__ or "")
            twin.__doc__ = f"{own}{sections}{EXAMPLES}{example}"


def _sections(code: Any, function: str, doc: str) -> str:
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    first = LOSS
    if "input" not in names:
        first = SAVED.format(names[1], "result" if names[1] == "y" else "input", function)
    others = "".join(entry for words, entry in _entries(doc) if not words.isdisjoint(names) and "out" not in words)
    out = OUT if "out" in names else ""
    return f"{PARAMETERS}{first}{others}{out}\n{RETURNS}{ONE if 'out' in names else SEVERAL}{RAISES}"


def _entries(doc: str) -> Iterator[tuple[set[str], str]]:
    """The names and the text of each entry of a docstring's parameters."""
    entry: list[str] = []
    for line in (*doc.partition(PARAMETERS)[2].partition("\n\n")[0].splitlines(), "    "):
        if entry and not line.startswith("     "):
            yield set(entry[0].partition(" : ")[0].strip().split(", ")), "\n".join(entry) + "\n"
            entry = []
        entry.append(line)
