"""The table of operators: domain and name -> version -> function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from ... import _core
from ..._check import Array

F = TypeVar("F", bound=Callable[..., Any])

TABLE: dict[tuple[str, str], dict[int, Operator]] = {}
DRAWN = {
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
    "Bernoulli",
    "Multinomial",
    "Dropout",
}


class Operator(NamedTuple):
    """The implementation of an operator.

    Attributes
    ----------
    function : callable
        Takes inputs by position, None if absent, and attributes by name; returns an array or a tuple of them.
    attributes : frozenset of str
        The names of the attributes that it supports.
    wants_outputs : bool
        Whether it takes `outputs`, the number of results to return.
    keeps : bool
        Whether it takes `kept`, a Kept of its node.
    """

    function: Callable[..., Any]
    attributes: frozenset[str]
    wants_outputs: bool
    keeps: bool


class Kept:
    """What a node makes of constant inputs, made once.

    Parameters
    ----------
    constant : frozenset of int
        The places of the node's inputs that are constants.
    """

    def __init__(self, constant: frozenset[int]):
        self._constant = constant
        self._made: dict[str, tuple[Any, tuple[Array | None, ...], Any]] = {}

    def __call__(self, name: str, given: dict[int, Array | None], make: Callable[..., Any]) -> Any:
        """Return make(inputs by place), as it was made before for the same constants and instruction set."""
        if not self._constant.issuperset(place for place, array in given.items() if array is not None):
            return make(*given.values())
        arrays, isa = tuple(given.values()), _core.isa()
        found = self._made.get(name)
        if found is None or found[0] != isa or any(a is not b for a, b in zip(found[1], arrays, strict=True)):
            self._made[name] = found = isa, arrays, make(*arrays)
        return found[2]


NOTHING = Kept(frozenset())


def operator(*names: str, since: int = 1, domain: str = "") -> Callable[[F], F]:
    """Put a function into the table under these names, for opsets from `since` on."""

    def add(function: F) -> F:
        code = getattr(function, "__wrapped__", function).__code__
        given = code.co_argcount
        keywords = set(code.co_varnames[given : given + code.co_kwonlyargcount])
        named = frozenset(keywords - {"outputs", "kept"})
        entry = Operator(function, named, "outputs" in keywords, "kept" in keywords)
        for name in names:
            TABLE.setdefault((domain, name), {})[since] = entry
        return function

    return add


def find(domain: str, name: str, opset: int) -> Operator | str:
    """Return the implementation for that opset, or a text that names the missing operator."""
    versions = TABLE.get((domain, name))
    known = [since for since in versions or {} if since <= opset]
    if versions is None or not known:
        return f"{domain + '.' if domain else ''}{name} of opset {opset}"
    return versions[max(known)]
