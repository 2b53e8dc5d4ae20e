"""How functions meet Tensors without importing them.

A function on plain arrays runs at once.  One that meets a Tensor hands itself and its arguments to the tape, which
looks up what was declared here by `derivative`, computes on the arrays and records the step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, wraps
from typing import Any, ParamSpec, TypeVar

from . import _core

P = ParamSpec("P")
R = TypeVar("R")


def flat(values: Iterable[Any]) -> list[Any]:
    """The values, those in lists and tuples too, as a list."""
    found: list[Any] = []
    for value in values:
        found += flat(value) if isinstance(value, (list, tuple)) else (value,)
    return found


def refuse_tracked(name: str, argument: str, value: Any) -> None:
    """Refuse a Tensor that tracks gradients, or a list of such, where a call is not recorded: it would lose them."""
    values = value if isinstance(value, (list, tuple)) else (value,)
    if _core.tracks(*values):
        raise TypeError(f"{name}: {argument} would lose its gradient here; give its .numpy(), or use no_grad()")


def differentiable(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function of arrays take Tensors too."""
    return _core.differentiable(function, _respelled)


class Derivative:
    """What the tape knows of a function.

    Attributes
    ----------
    function : callable
    names : tuple of str
        The arguments with a derivative.  If the only one is called `arrays`, it is a list of arrays; no other argument
        may be a list of Tensors.
    run : callable
        Computes on arrays; see `derivative`.
    """

    def __init__(self, function: Callable[..., Any], names: tuple[str, ...], run: Callable[..., Any]):
        self.function, self.names, self.run = function, names, run
        self.places = {name: i for i, name in enumerate(names)}
        self.takes_list = names == ("arrays",)

    @cached_property
    def arguments(self) -> tuple[tuple[str, ...], frozenset[str]]:
        """The names of the arguments that may be given by position, and of all that `run` takes.

        Found at the first recorded call, since signatures take their time.
        """
        own, whole = dict(_parameters(self.run)), _parameters(self.function)
        del own[next(iter(own))]  # wanted
        kinds = {each.kind.name for each in own.values()}
        listed = whole if "VAR_POSITIONAL" in kinds else own
        positions = [name for name, each in listed.items() if each.kind.name.startswith("POSITIONAL")]
        return tuple(positions), self.keywords - {"out"} if "VAR_KEYWORD" in kinds else frozenset(own)

    @cached_property
    def keywords(self) -> frozenset[str]:
        """The names of all arguments of the function, some of which (as `out`) a recorded call refuses."""
        return frozenset(_parameters(self.function))


def _parameters(function: Callable[..., Any]) -> Mapping[str, Any]:
    import inspect  # takes its time, and only recorded calls need it

    try:
        return inspect.signature(function).parameters
    except ValueError:  # some of NumPy's functions do not say
        return {}


DERIVATIVES: dict[Callable[..., Any], Derivative] = {}


def derivative(function: Callable[..., Any], *names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare the derivative of a function with respect to the arguments named.

    The decorated function takes `wanted`, a bool for each of these arguments (for each array of `arrays`) that tells
    whether a gradient goes to it, then the function's own arguments, under their own names, as arrays.  It returns the
    result, or a tuple or list of results, and the function from their gradients to those of the arguments named, None
    for one that is not wanted.  None in place of that function: the result has no gradient and stays an array.
    """

    def declare(run: Callable[..., Any]) -> Callable[..., Any]:
        DERIVATIVES[function] = Derivative(function, names, run)
        return run

    return declare


def gradient_of(function: Callable[..., Any]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Declare the derivative of a function with respect to `input`: the decorated twin of dy and the same arguments."""

    def declare(twin: Callable[P, R]) -> Callable[P, R]:
        gradient: Callable[..., Any] = twin

        @derivative(function, "input")
        def run(wanted: tuple[bool], input: Any, *args: Any, **options: Any) -> Any:
            return function(input, *args, **options), lambda dy: (gradient(dy, input, *args, **options),)

        return twin

    return declare


# Arguments' names in NumPy, and in old and new PyTorch -> their names here
SPELLINGS = {
    "axis": "dim",
    "dim": "axis",
    "keepdims": "keepdim",
    "keepdim": "keepdims",
    "reduce": "reduction",
    "size_average": "reduction",
}


def respelled(function: Callable[P, R]) -> Callable[P, R]:
    """Answer an argument named as NumPy does (`axis`) or as PyTorch does (`dim`) with the name that it has here."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except TypeError as error:
            raise _respelled(error, function, kwargs) from error.__cause__

    return call


def _respelled(error: TypeError, function: Any, kwargs: dict[str, Any]) -> TypeError:
    """The error itself, or, if an argument goes by another name here, one that says so."""
    code = function.__code__
    known = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    for given in kwargs:
        meant = SPELLINGS.get(given)
        if given not in known and meant in known:
            name = function.__qualname__.removesuffix(".__init__")
            error = TypeError(f"{name}: got an unexpected argument {given!r}; did you mean {meant}=?")
            error.__cause__ = None  # the other error would only repeat it
    return error
