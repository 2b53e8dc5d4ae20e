"""A graph: calls with their constants, inputs and results, as data that can be read, printed and rewritten."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from .. import _core
from .._check import Array
from ..autograd import no_grad, value_of


class Ref(NamedTuple):
    """A reference to the value of that number: an input, or the result of a call."""

    number: int


class Times(NamedTuple):
    """An integer: a multiple of the batch size."""

    factor: int

    def __str__(self) -> str:
        return "N" if self.factor == 1 else f"{self.factor}N"


@dataclass(frozen=True)
class Constant:
    """An array that does not depend on the inputs, under the model's name for it or one of the graph's own."""

    name: str
    array: Array


@dataclass(frozen=True)
class Value:
    """A value's dtype and shape; a size that depends on the batch, but is no multiple of its size, is None."""

    shape: tuple[int | Times | None, ...]
    dtype: np.dtype[Any]

    def __str__(self) -> str:
        sizes = ", ".join("?" if size is None else str(size) for size in self.shape)
        return f"{self.dtype}({sizes}{',' * (len(self.shape) == 1)})"


@dataclass(frozen=True)
class Unary:
    """An element-wise function of activations.def with its parameters."""

    act: int
    a: float
    b: float

    def __call__(self, x: Array) -> Array:
        """Return f(x)."""
        return _core.unary(self.act, x, None, self.a, self.b)

    @property
    def __name__(self) -> str:
        given = dict(zip(_core.PARAMETERS[self.act], (self.a, self.b), strict=False))
        name = next(name for name, act in _core.ACTS.items() if act == self.act)
        return name + "".join(f"[{key}={value:g}]" for key, value in given.items())


@dataclass(frozen=True)
class Method:
    """A method of arrays, by name; NumPy's scalars have the same methods."""

    name: str

    def __call__(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Return x.name(...)."""
        return getattr(x, self.name)(*args, **kwargs)

    @property
    def __name__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Own:
    """A module called as it is, and why."""

    path: str
    module: Any
    reason: str

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the module's result with arrays in place of Tensors."""
        with no_grad():
            return mapped(self.module(*args, **kwargs), value_of)

    @property
    def __name__(self) -> str:
        name = type(self.module).__name__
        return f"{self.path} ({name})" if self.path else name

    def __str__(self) -> str:
        return f"{self.__name__}: {self.reason}"


@dataclass(frozen=True)
class Call:
    """One call; its arguments hold Refs, Times and Constants, and its result is the value of that number.

    path : of the module that calls it
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    number: int
    path: str = ""

    @property
    def name(self) -> str:
        """The function's name."""
        return getattr(self.function, "__name__", repr(self.function))

    @property
    def reads(self) -> set[int]:
        """The numbers of the values that it reads."""
        return refs(self.args, self.kwargs)

    def __str__(self) -> str:
        shown = [_shown(arg) for arg in self.args] + [f"{name}={_shown(arg)}" for name, arg in self.kwargs.items()]
        return f"%{self.number} = {self.name}({', '.join(shown)})"


@dataclass
class Graph:
    """A model's computation: its calls, in order.

    Attributes
    ----------
    inputs : list of Value
        Values 0, 1, ...
    calls : list of Call
        In an order in which each follows those whose results it reads.
    results : nested tuples, lists and dicts of Ref, Constant and plain values
        What the model returns.
    values : dict of int to Value
        What is known of each input and of each call's result; a call with several results has no entry, each of them
        is taken out of it by a call of its own.
    batch : int or None
        The only batch size that the graph holds for, or None: it holds for all, N in the shapes.
    whole : bool
        Whether no batch leads the values: a program computes with them as one sample.
    """

    inputs: list[Value]
    calls: list[Call]
    results: Any
    values: dict[int, Value]
    batch: int | None = None
    whole: bool = False

    @property
    def lead(self) -> int:
        """1 if values have the batch as their first dimension, else 0."""
        return int(not self.whole)

    @property
    def constants(self) -> dict[str, Array]:
        """The constants that calls read, by name."""
        found = leaves([(call.args, call.kwargs) for call in self.calls])
        return {leaf.name: leaf.array for leaf in found if isinstance(leaf, Constant)}

    def sample(self, number: int) -> tuple[int, ...] | None:
        """The shape of one sample, or None if no batch leads that value or its shape is not known."""
        value = self.values.get(number)
        if self.whole:
            return None if value is None else tuple(size for size in value.shape if type(size) is int)
        lead: Any = Times(1) if self.batch is None else self.batch
        if value is None or value.shape[:1] != (lead,) or (self.batch is not None and len(value.shape) == 1):
            return None
        rest = tuple(size for size in value.shape[1:] if type(size) is int)
        return rest if len(rest) == len(value.shape) - 1 else None

    def __str__(self) -> str:
        given = ", ".join(f"%{i}: {value}" for i, value in enumerate(self.inputs))
        note = "" if self.batch is None else f" for {self.batch} samples"
        lines = [f"graph({given}){note}:"]
        for call in self.calls:
            value = self.values.get(call.number)
            lines.append(f"    {call}" + ("" if value is None else f"  # {value}"))
        return "\n".join([*lines, f"    return {_shown(self.results)}"])

    def dot(self) -> str:
        r"""Return the graph in Graphviz's language: a box for each call, an arrow for each value that one reads.

        See https://graphviz.org/doc/info/lang.html; `dot -Tsvg` draws it.

        Examples
        --------
        >>> import numpy as np, fastnn
        >>> frozen = fastnn.freeze(fastnn.nn.Linear(3, 2))
        >>> _ = frozen(np.ones((1, 3), np.float32))
        >>> print(frozen.graph.dot())
        digraph {
            node [shape=box];
            0 [shape=ellipse, label="input 0\nfloat32(N, 3)"];
            1 [label="linear(%0, weight, bias)\nfloat32(N, 2)"];
            0 -> 1;
            result [shape=ellipse, label="%1"];
            1 -> result;
        }
        """
        lines = ["digraph {", "    node [shape=box];"]

        def put(number: Any, text: str, more: str, reads: set[int]) -> None:
            label = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
            lines.append(f'    {number} [{more}label="{label}"];')
            lines.extend(f"    {read} -> {number};" for read in sorted(reads))

        for number, value in enumerate(self.inputs):
            put(number, f"input {number}\n{value}", "shape=ellipse, ", set())
        for call in self.calls:
            text, known = str(call).split(" = ", 1)[1], self.values.get(call.number)
            put(call.number, text if known is None else f"{text}\n{known}", "", call.reads)
        put("result", _shown(self.results), "shape=ellipse, ", refs(self.results))
        return "\n".join([*lines, "}"])


def _shown(value: Any) -> str:
    if isinstance(value, Ref):
        return f"%{value.number}"
    if isinstance(value, Times):
        return str(value)
    if isinstance(value, Constant):
        return value.name
    if isinstance(value, (list, tuple)):
        inner = ", ".join(map(_shown, value))
        return f"[{inner}]" if isinstance(value, list) else f"({inner}{',' * (len(value) == 1)})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {_shown(each)}" for key, each in value.items()) + "}"
    if isinstance(value, slice):
        parts = ["" if each is None else _shown(each) for each in (value.start, value.stop, value.step)]
        return ":".join(parts if parts[2] else parts[:2])
    return "..." if value is Ellipsis else getattr(value, "__name__", None) or repr(value)


# -- what arguments and results are made of ---------------------------------------------------------------------------


_LEAVES = frozenset({Ref, Times, Constant, int, float, bool, str, type(None)})


def mapped(value: Any, function: Callable[[Any], Any]) -> Any:
    """The same tuples, lists, dicts and slices, with each leaf replaced."""
    kind = type(value)
    if kind in _LEAVES:
        return function(value)
    if kind is tuple:
        return tuple([mapped(each, function) for each in value])
    if isinstance(value, (list, tuple)) and not isinstance(value, (Ref, Times)):
        parts = [mapped(each, function) for each in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if isinstance(value, dict):
        return type(value)((key, mapped(each, function)) for key, each in value.items())
    if isinstance(value, slice):
        return slice(*(mapped(each, function) for each in (value.start, value.stop, value.step)))
    return function(value)


def leaves(value: Any) -> list[Any]:
    """The leaves, whatever is no tuple, list, dict or slice, in order."""
    found: list[Any] = []
    mapped(value, found.append)
    return found


def refs(*args: Any) -> set[int]:
    """The numbers of all Refs."""
    return {leaf.number for leaf in leaves(args) if isinstance(leaf, Ref)}


def filled(template: Any, fetch: Callable[[int], Any], batch: int) -> Any:
    """The template with values in place of Refs, integers in place of Times, arrays in place of Constants."""

    def value(leaf: Any) -> Any:
        if isinstance(leaf, Ref):
            return fetch(leaf.number)
        if isinstance(leaf, Constant):
            return leaf.array
        return leaf.factor * batch if isinstance(leaf, Times) else leaf

    return mapped(template, value)


@dataclass
class Names:
    """Names of constants: the model's own for its parameters and buffers, numbers for others."""

    known: dict[int, str] = field(default_factory=dict)
    others: list[Array] = field(default_factory=list)

    @classmethod
    def of(cls, named: list[tuple[str, Any]]) -> Names:
        """The names of a model's constants."""
        return cls({id(value_of(value)): name for name, value in named})

    def constant(self, array: Array) -> Constant:
        """The array as a constant."""
        name = self.known.get(id(array))
        if name is None:
            name = self.known[id(array)] = f"constant{len(self.others)}"
            self.others.append(array)  # kept alive: no other array may get its id
        return Constant(name, array)
