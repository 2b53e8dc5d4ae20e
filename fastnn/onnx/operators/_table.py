"""The table of operators: domain and name -> version -> function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

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
    """

    function: Callable[..., Any]
    attributes: frozenset[str]
    wants_outputs: bool


def operator(*names: str, since: int = 1, domain: str = "") -> Callable[[F], F]:
    """Put a function into the table under these names, for opsets from `since` on."""

    def add(function: F) -> F:
        code = getattr(function, "__wrapped__", function).__code__
        given = code.co_argcount
        keywords = set(code.co_varnames[given : given + code.co_kwonlyargcount])
        entry = Operator(function, frozenset(keywords - {"outputs"}), "outputs" in keywords)
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
