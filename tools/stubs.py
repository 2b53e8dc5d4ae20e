"""Writes fastnn/functional/__init__.pyi, the signatures of the functions as type checkers and editors see them.

It also writes fastnn/functional/_names.py, which says in what module each function is.
`python tools/stubs.py` after a signature has changed; a test compares the files.  Sources state each signature once,
for everything that a function takes.  What they cannot say without writing it out again is said here for all of them:
the result is a Tensor where an argument with a derivative is one, and an array where none is.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from fastnn import functional
from fastnn._dispatch import DERIVATIVES
from fastnn.functional import _elementwise

FILE = Path(functional.__file__).with_suffix(".pyi")
NAMES = FILE.with_name("_names.py")
HEAD = '''\
"""Written by tools/stubs.py from the functions' own signatures."""

# mypy: disable-error-code="overload-overlap"
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias, overload

import numpy as np

from .._check import Array
from ..autograd import Tensor

class _SupportsArray(Protocol):
    def __array__(self) -> np.ndarray[Any, Any]: ...

_ArrayLike: TypeAlias = _SupportsArray | float | Sequence[float] | list[Any] | tuple[Any, ...]
'''
Parameter = inspect.Parameter


def with_derivative(name: str) -> list[str]:
    """The arguments of a function that may be Tensors."""
    function = getattr(functional, name)
    if function in DERIVATIVES:
        return list(DERIVATIVES[function].names)
    return ["input"] if name in _elementwise.NAMES else []


def written(parameters: list[inspect.Parameter], result: str) -> str:
    """The text of a signature."""
    texts, kinds = [], [each.kind for each in parameters]
    for i, each in enumerate(parameters):
        if each.kind == Parameter.KEYWORD_ONLY and Parameter.KEYWORD_ONLY not in kinds[:i]:
            texts.append("*")
        default = "" if each.default is Parameter.empty else f" = {each.default!r}"
        texts.append(f"{each.name}: {each.annotation}{default}")
    return f"({', '.join(texts)}) -> {result}: ..."


def with_tensor(parameters: list[inspect.Parameter], name: str) -> Iterator[list[inspect.Parameter]]:
    """The parameters, one of them a Tensor: given by position, or by name where others may be left out before it."""
    i = next(i for i, each in enumerate(parameters) if each.name == name)
    tensor = parameters[i].replace(annotation="Tensor", default=Parameter.empty)
    before, after = parameters[:i], parameters[i + 1 :]
    if tensor.kind == Parameter.KEYWORD_ONLY:
        yield [*before, tensor, *after]
        return
    yield [*(each.replace(default=Parameter.empty) for each in before), tensor, *after]
    if any(each.default is not Parameter.empty for each in before):
        by_name = (each.replace(kind=Parameter.KEYWORD_ONLY) for each in (tensor, *after))
        yield [*before, *by_name]


def stub(name: str, function: Callable[..., Any]) -> Iterator[str]:
    """The lines of one function."""
    signature = inspect.signature(function)
    tensors = with_derivative(name)
    arrays = []
    for each in signature.parameters.values():
        required = each.default is Parameter.empty and not each.name.endswith("shape")
        if each.annotation == "Any" and (required or each.name in tensors):
            each = each.replace(annotation="_ArrayLike" + (" | None" if each.default is None else ""))
        arrays.append(each)
    versions = [(each, "Tensor") for tensor in tensors for each in with_tensor(arrays, tensor)]
    versions.append((arrays, str(signature.return_annotation)))
    for parameters, result in versions:
        if tensors:
            yield "@overload"
        yield f"def {name}{written(parameters, result)}"


def text() -> str:
    """The whole file."""
    names = sorted(functional.__all__)
    lines = [HEAD, "__all__ = [", *(f'    "{name}",' for name in names), "]", ""]
    for name in names:
        lines += stub(name, getattr(functional, name))
    return "\n".join(lines) + "\n"


def names() -> str:
    """The modules that have public functions, and those functions."""
    lines = ['"""Written by tools/stubs.py: which functions each module has."""', "", "NAMES = {"]
    for path in sorted(FILE.parent.glob("_*.py")):
        own = path.stem not in ("__init__", "_multi_head")  # which `nn.functional` alone has
        found = getattr(import_module(f"fastnn.functional.{path.stem}"), "__all__", ()) if own else ()
        if found:
            wrapped = textwrap.wrap(" ".join(found), 100)
            texts = [f'"{line} "' for line in wrapped[:-1]] + [f'"{wrapped[-1]}"']
            one = f"    {path.stem!r}: {texts[0]},".replace("'", '"')
            lines += [one] if len(texts) == 1 and len(one) <= 120 else [
                f'    "{path.stem}": (', *(f"        {text}" for text in texts), "    ),"
            ]  # fmt: skip
    return "\n".join([*lines, "}"]) + "\n"


if __name__ == "__main__":
    NAMES.write_text(names())
    FILE.write_text(text())
