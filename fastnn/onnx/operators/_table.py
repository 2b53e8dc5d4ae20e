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
    """How an operator is done.

    Attributes
    ----------
    function : callable
        Its inputs by place, None for what is absent; its attributes by name.  Returns an array or a tuple of them.
    attributes : frozenset of str
        The attributes that it knows.
    wants_outputs : bool
        Whether it is told how many results are asked for.
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
    """The function for an operator of that opset; a text that says what is missing if there is none."""
    versions = TABLE.get((domain, name))
    known = [since for since in versions or {} if since <= opset]
    if versions is None or not known:
        return f"{domain + '.' if domain else ''}{name} of opset {opset}"
    return versions[max(known)]
