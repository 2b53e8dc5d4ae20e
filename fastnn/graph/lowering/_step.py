"""Steps, the results of lowering, and the two decorators by which files of this folder declare rules."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from ... import _check, _core
from ..._check import Array
from .._graph import Call, Constant, Graph, Method, Ref, Unary, refs

Shape = tuple[int, ...]


class NotLowered(Exception):
    """Raised by a lowering for a call that its op cannot do, which stays a call of Python."""


class Result:
    """A field of a step: the array that the step writes."""


class Wrong:
    """A field of a step: the number that it sets to 1 where it refuses values; then the model itself is called."""


class Source(NamedTuple):
    """A field of a step: the array at this place of the step's sources."""

    place: int


class Further(NamedTuple):
    """A field of a step: another array that it writes, the value of that number, listed in `Step.further`."""

    number: int


class Scratch(NamedTuple):
    """A field of a step: memory for this number of doubles a sample, which no later step reads."""

    doubles: int


@dataclass(frozen=True)
class Derived:
    """A field of a step: `make(*given)`, an array made once for a model from Constants, Deriveds and plain values.

    make is a function of a module: its name identifies it.
    """

    make: Callable[..., Array]
    given: tuple[Any, ...]


@dataclass(frozen=True)
class Each:
    """A field of a step: an integer that is multiplied by the number of samples."""

    number: int


class Strided(NamedTuple):
    """A field of a step with strides, in elements: the array is a Result, a Source, a constant or None.

    offset : bytes from where that array begins
    """

    array: Any
    strides: tuple[int, ...]
    offset: int = 0


@dataclass
class Step:
    """One op of a program, before its arrays have places.

    op : name in `_core.ops`
    number : of the value that it writes; several steps may write parts of one
    sources : the numbers of the values that it reads
    shape : of one sample of the result
    fields : the op's fields by name; an array that is not named is None, a number 0
    dtype : of the result, or None: that of the call's
    real : float32 or float64, in which the op computes, or None: the result's dtype
    last : the fields that change where the channels of its images stand last in memory, or None: it wants them first
    calls : what it does of the graph: the call that it comes from, and those that were folded into it
    further : the sample shapes of other values that it writes, of the same dtype, by number
    """

    op: str
    number: int
    sources: tuple[int, ...]
    shape: Shape
    fields: dict[str, Any]
    dtype: Any = None
    real: Any = None
    last: dict[str, Any] | None = None
    calls: tuple[Call, ...] = ()
    further: dict[int, Shape] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The calls' names."""
        return " + ".join(call.name for call in self.calls)

    @property
    def written(self) -> tuple[int, ...]:
        """The numbers of all values that it writes."""
        return self.number, *self.further


@dataclass
class Same:
    """A value that holds the same numbers as another one, in the same order, perhaps in another shape; no step."""

    number: int
    source: int


Lowered = Step | Same
LOWERINGS: dict[Any, Callable[[Call, Graph], Any]] = {}
FOLDINGS: dict[tuple[str, str], Callable[[Step, Step], bool]] = {}


def lowering(*functions: Any) -> Callable[[Any], Any]:
    """Declare the lowering of calls of these functions; `Unary` means all element-wise ones.

    The decorated function takes the call and its graph, and returns a Step, a Same, or a list of Steps of which the
    last ones write the call's result (the others' numbers are `between(call, i)`), or raises NotLowered.
    """

    def declare(lower: Any) -> Any:
        for function in functions:
            LOWERINGS[function] = _either(lower, LOWERINGS[function]) if function in LOWERINGS else lower
        return lower

    return declare


def _either(first: Any, second: Any) -> Any:
    """Two rules for one function as one: the second is tried where the first raises NotLowered."""

    def lower(call: Call, graph: Graph) -> Any:
        try:
            return first(call, graph)
        except NotLowered:
            return second(call, graph)

    return lower


def folding(op: str, *followers: str) -> Callable[[Any], Any]:
    """Declare how a step of one op takes over the work of a following one, as a product applies an activation.

    The decorated function takes both steps; nothing but the second one reads the first one's result.  It changes the
    first one and returns True, or changes nothing and returns False.  Other sources of the second step are
    computed before the first one runs.
    """

    def declare(fold: Any) -> Any:
        FOLDINGS.update({(op, follower): fold for follower in followers})
        return fold

    return declare


def lowered(graph: Graph) -> list[Step | Same | Call]:
    """The graph's calls, in order, as steps where a program can do them, without those whose results are not used."""
    items: list[Step | Same | Call] = []
    for written in graph.calls:
        call = as_function(written)
        lower = LOWERINGS.get(Unary if isinstance(call.function, Unary) else call.function)
        try:
            found = call if lower is None else lower(call, graph)
        except NotLowered:
            found = call
        for item in found if isinstance(found, list) else [found]:
            if isinstance(item, Step):
                item.dtype = np.dtype(item.dtype or graph.values[call.number].dtype)
                item.real = np.dtype(item.real or item.dtype)
                item.calls = (call,)
            items.append(item)
    needed, kept = set(refs(graph.results)), []
    for item in reversed(items):
        if needed.intersection(item.written if isinstance(item, Step) else (item.number,)):
            kept.append(item)
            needed.update(reads(item))
    return kept[::-1]


def as_function(call: Call) -> Call:
    """The call; an array's method becomes NumPy's function of that name, if only the function has a rule."""
    function = getattr(np, call.function.name, None) if isinstance(call.function, Method) else None
    if function is None or call.function in LOWERINGS or function not in LOWERINGS:
        return call
    return replace(call, function=function)


def reads(item: Step | Same | Call) -> set[int]:
    """The numbers of the values that it reads."""
    if isinstance(item, Same):
        return {item.source}
    return set(item.sources) if isinstance(item, Step) else item.reads


def between(call: Call, i: int) -> int:
    """The number of a value between the steps of one call."""
    return -(call.number << 8) - i - 1


# -- what lowerings ask of a call -------------------------------------------------------------------------------------


def _concatenate(
    arrays: Any, /, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: str = "same_kind"
) -> None:
    """Stands for np.concatenate, whose signature NumPy tells only since 2.4."""


@functools.cache
def _signature(function: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(_concatenate if function is np.concatenate else function)


def arguments(call: Call) -> dict[str, Any]:
    """The call's arguments by name, defaults included."""
    bound = _signature(call.function).bind(*call.args, **call.kwargs)
    bound.apply_defaults()
    return bound.arguments


def source(argument: Any, graph: Graph, call: Call, dtype: Any = None) -> tuple[int, Shape]:
    """The number and sample shape of an argument, not empty, of the given dtype or else the result's."""
    number, shape, found = any_source(argument, graph)
    if found != (dtype or graph.values[call.number].dtype) or found not in _check.FLOATS[1:]:
        raise NotLowered
    return number, shape


def samples(graph: Graph, shape: Shape) -> tuple[int, Shape]:
    """How many samples an image's value holds, and the shape (C, *) of one."""
    if graph.whole and not shape:
        raise NotLowered
    return (shape[0], shape[1:]) if graph.whole else (1, shape)


def any_source(argument: Any, graph: Graph) -> tuple[int, Shape, Any]:
    """The number, sample shape and dtype of an argument led by the batch, not empty."""
    shape = graph.sample(argument.number) if isinstance(argument, Ref) else None
    if shape is None or 0 in shape:
        raise NotLowered
    return argument.number, shape, graph.values[argument.number].dtype


def constant(argument: Any, graph: Graph, call: Call) -> Constant | None:
    """A weight, of the result's dtype."""
    if argument is None:
        return None
    if not isinstance(argument, Constant) or argument.array.dtype != graph.values[call.number].dtype:
        raise NotLowered
    return argument


# -- steps as records of ops ------------------------------------------------------------------------------------------

Record = tuple[str, bool, tuple[Any, ...], tuple[Any, ...], tuple[float, ...]]


def record(step: Step, placed: Callable[[Any], Any]) -> Record:
    """The step's op, and its arrays, integers and numbers in the order of the op's fields.

    placed : says where an array lies: the number of a register, an array that is kept, or None
    """
    arrays: list[Any] = []
    strides: list[int] = []
    integers: list[Any] = []
    numbers: list[float] = []
    left = dict(step.fields)
    for name, kind, dimensions, _ in getattr(_core.ops, step.op).fields:
        value = left.pop(name, None)
        if kind in ("int", "bool", "key"):
            integers.append((value.number,) if isinstance(value, Each) else int(value or 0))
        elif kind == "float":
            numbers.append(value or 0)
        elif dimensions or isinstance(value, Strided):
            value = value or Strided(None, (0,) * dimensions)
            strides += value.strides
            at = placed(value.array)
            arrays.append((at, value.offset) if value.offset else at)
        elif kind in ("array", "table"):
            arrays.append(placed(value))
    if left:
        raise TypeError(f"{step.op}: has no fields {', '.join(left)}")
    return step.op, step.real == np.float64, tuple(arrays), (*strides, *integers), tuple(numbers)
