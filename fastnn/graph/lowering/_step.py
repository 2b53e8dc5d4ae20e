"""Steps, what a lowering makes of a call, and the two decorators by which files of this folder say how."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from ... import _check, _core
from ..._check import Array
from .._graph import Call, Constant, Graph, Ref, Unary, refs

Shape = tuple[int, ...]


class NotLowered(Exception):
    """Raised by a lowering for a call that its op does not do: it stays a call of Python."""


class Result:
    """A field of a step: the array that the step writes."""


class Source(NamedTuple):
    """A field of a step: the array at this place of the step's sources."""

    place: int


class Scratch(NamedTuple):
    """A field of a step: memory for so many doubles a sample, which nobody reads after the step."""

    doubles: int


@dataclass(frozen=True)
class Derived:
    """A field of a step: `make(*given)`, an array of Constants, other Deriveds and plain values, made once for a model.

    make is a function of a module, whose name stands for what it does.
    """

    make: Callable[..., Array]
    given: tuple[Any, ...]


@dataclass(frozen=True)
class Each:
    """A field of a step: an integer for one sample, which counts as many times as there are samples."""

    number: int


class Strided(NamedTuple):
    """A field of a step with strides, in elements: the array is a Result, a Source, a constant or None."""

    array: Any
    strides: tuple[int, ...]


@dataclass
class Step:
    """One op of a program, before it is known where its arrays lie.

    op : name in `_core.ops`
    number : of the value that it writes
    sources : the numbers of the values that it reads
    shape : of one sample of the result
    fields : the op's fields by name; an array that is not named is None, a number 0
    """

    op: str
    number: int
    sources: tuple[int, ...]
    shape: Shape
    fields: dict[str, Any]


@dataclass
class Same:
    """A value with the values of another one, in the same order: no work, though its shape may differ."""

    number: int
    source: int


Lowered = Step | Same
LOWERINGS: dict[Any, Callable[[Call, Graph], Lowered]] = {}
FOLDINGS: dict[tuple[str, str], Callable[[Step, Step], bool]] = {}


def lowering(*functions: Any) -> Callable[[Any], Any]:
    """Declare how a program does calls of these functions (of `Unary`: of all element-wise ones).

    The decorated function takes the call and its graph, and returns a Step or a Same, or raises NotLowered.
    """

    def declare(lower: Any) -> Any:
        LOWERINGS.update(dict.fromkeys(functions, lower))
        return lower

    return declare


def folding(op: str, *followers: str) -> Callable[[Any], Any]:
    """Declare how steps of one op do what a following step does, as a product adds an activation.

    The decorated function takes both steps; nothing but the second one reads the first one's result.  It changes the
    first one and returns True, or changes nothing and returns False.  Other sources of the second step exist before the
    first one runs.
    """

    def declare(fold: Any) -> Any:
        FOLDINGS.update({(op, follower): fold for follower in followers})
        return fold

    return declare


def lowered(graph: Graph) -> list[Step | Same | Call]:
    """The graph's calls, in order, as steps where a program can do them, without those that nothing needs any more."""

    def item(call: Call) -> Step | Same | Call:
        lower = LOWERINGS.get(Unary if isinstance(call.function, Unary) else call.function)
        try:
            return call if lower is None else lower(call, graph)
        except NotLowered:
            return call

    needed, kept = set(refs(graph.results)), []
    for found in reversed([item(call) for call in graph.calls]):
        if found.number in needed:
            kept.append(found)
            needed.update(_read(found))
    return kept[::-1]


def _read(item: Step | Same | Call) -> set[int]:
    """The numbers of the values that it reads."""
    if isinstance(item, Call):
        return item.reads
    return {item.source} if isinstance(item, Same) else set(item.sources)


# -- what lowerings ask of a call -------------------------------------------------------------------------------------


_signature = functools.cache(inspect.signature)


def arguments(call: Call) -> dict[str, Any]:
    """The call's arguments by name, defaults included."""
    bound = _signature(call.function).bind(*call.args, **call.kwargs)
    bound.apply_defaults()
    return bound.arguments


def source(argument: Any, graph: Graph, call: Call) -> tuple[int, Shape]:
    """The number and sample shape of an argument that a step may read: of the result's dtype, not empty."""
    if not isinstance(argument, Ref):
        raise NotLowered
    shape, dtype = graph.sample(argument.number), graph.values[argument.number].dtype
    if shape is None or dtype != graph.values[call.number].dtype or dtype not in _check.FLOATS[1:] or 0 in shape:
        raise NotLowered
    return argument.number, shape


def constant(argument: Any, graph: Graph, call: Call) -> Constant | None:
    """A weight, of the result's dtype."""
    if argument is None:
        return None
    if not isinstance(argument, Constant) or argument.array.dtype != graph.values[call.number].dtype:
        raise NotLowered
    return argument


# -- steps as records of ops ------------------------------------------------------------------------------------------

Record = tuple[str, tuple[Any, ...], tuple[Any, ...], tuple[float, ...]]


def record(step: Step, placed: Callable[[Any], Any]) -> Record:
    """The step's op, and its arrays, integers and numbers in the order of the op's fields.

    placed : says where an array lies: the number of a register, an array that is kept, or None
    """
    arrays: list[Any] = []
    strides: list[int] = []
    integers: list[Any] = []
    numbers: list[float] = []
    left = dict(step.fields)
    for name, kind in getattr(_core.ops, step.op).arguments:
        value = left.pop(name, None)
        if kind in ("int", "bool", "key"):
            integers.append((value.number,) if isinstance(value, Each) else int(value or 0))
        elif kind == "float":
            numbers.append(value or 0)
        else:
            if kind == "view":
                strides += value.strides
                value = value.array
            arrays.append(placed(value))
    if left:
        raise TypeError(f"{step.op}: has no fields {', '.join(left)}")
    return step.op, tuple(arrays), (*strides, *integers), tuple(numbers)
