"""The builder that writers add nodes with, and the decorator that declares which calls they write."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...graph import Call, Constant, Graph, Own, Ref, Times, Unary
from ...graph._graph import Method
from ...graph.lowering._step import arguments
from .. import _write

Size = int | Times | None  # of a dimension; None: known only when the model runs
END = np.iinfo(np.int64).max
WRITERS: dict[Any, Callable[[Builder, Call], Any]] = {}


class NotWritten(Exception):
    """Raised by a writer for a call that ONNX's operators cannot do; the text says what of it."""


def writer(*functions: Any) -> Callable[[Any], Any]:
    """Declare how calls of these functions (or modules, by class, that are one call) are written.

    The decorated function takes the builder and the call, adds nodes, and returns the name of the call's result, or a
    list of names.
    """

    def declare(write: Any) -> Any:
        WRITERS.update(dict.fromkeys(functions, write))
        return write

    return declare


class Builder:
    """Nodes and initializers of an ONNX graph, in the order added.

    Attributes
    ----------
    graph : fastnn.graph.Graph
    opset : int
    nodes : list of dict
    constants : dict of str to ndarray
        The initializers.
    names : dict of int to (nested lists of) str
        The ONNX names of the graph's values by number.
    """

    def __init__(self, graph: Graph, opset: int, inputs: dict[str, Size | Any]):
        self.graph, self.opset = graph, opset
        self.nodes: list[dict[str, Any]] = []
        self.constants: dict[str, np.ndarray[Any, Any]] = {}
        self.names: dict[int, Any] = dict(enumerate(inputs))
        self._batch = next(((name, axis) for name, axis in inputs.items() if axis is not None), None)
        self._count = 0
        self._known: dict[Any, str] = {}

    # -- nodes --------------------------------------------------------------------------------------------------------

    def __call__(self, operator: str, *inputs: Any, outputs: int | None = None, **attributes: Any) -> Any:
        """Add a node, its inputs by name ("" for none), and return the name of its result, or so many names."""
        names = [self.fresh(operator) for _ in range(outputs or 1)]
        given = list(inputs)
        while given and given[-1] == "":
            given.pop()
        self.nodes.append(_write.node(operator, given, names, **attributes) | {"name": names[0]})
        return names if outputs else names[0]

    def fresh(self, stem: str) -> str:
        """A name that nothing else has: no key of a state_dict has a colon."""
        self._count += 1
        return f"{stem}:{self._count}"

    # -- values -------------------------------------------------------------------------------------------------------

    def value(self, argument: Any, dtype: Any = None) -> str:
        """The name of an argument, cast to a dtype; "" for None."""
        if argument is None:
            return ""
        if isinstance(argument, Times):
            return self.cast(self.scalars([argument], flat=False), np.dtype(np.int64), dtype)
        if isinstance(argument, Constant):
            array = argument.array
            if dtype is not None and array.dtype != dtype:
                return self.constant(array.astype(dtype))
            self.constants[argument.name] = array
            return argument.name
        if isinstance(argument, Ref):
            name = self.names[argument.number]
            if not isinstance(name, str):
                raise NotWritten("it takes several arrays for one")
            return self.cast(name, self.graph.values[argument.number].dtype, dtype)
        if isinstance(argument, (bool, int, float, np.generic, np.ndarray)):
            return self.constant(np.asarray(argument, dtype))
        raise NotWritten(f"it takes a {type(argument).__name__}")

    def cast(self, name: str, before: Any, dtype: Any) -> str:
        """The value of that name and dtype in another dtype."""
        if dtype is None or np.dtype(dtype) == before:
            return name
        return str(self("Cast", name, to=_write.number_of(dtype)))

    def constant(self, array: Any) -> str:
        """An array as an initializer; small equal ones share it."""
        array = np.asarray(array)
        key = (array.dtype.str, array.shape, array.tobytes()) if array.size < 64 else id(array)
        if key not in self._known:
            self._known[key] = self.fresh("constant")
            self.constants[self._known[key]] = array
        return self._known[key]

    def ints(self, *values: Any) -> str:
        """A constant vector of integers."""
        return self.constant(np.array(values, np.int64))

    # -- what is known of values --------------------------------------------------------------------------------------

    def dims(self, argument: Any) -> tuple[Size, ...]:
        """An argument's shape."""
        return self.graph.values[argument.number].shape if isinstance(argument, Ref) else _plain(argument).shape

    def dtype(self, argument: Any) -> np.dtype[Any]:
        """An argument's dtype."""
        return self.graph.values[argument.number].dtype if isinstance(argument, Ref) else _plain(argument).dtype

    def result(self, call: Call) -> np.dtype[Any]:
        """The dtype of a call's result."""
        return self.graph.values[call.number].dtype

    def fixed(self, *sizes: Size) -> list[int]:
        """Sizes, none of which may depend on the batch."""
        found = [size for size in sizes if type(size) is int]
        if len(found) < len(sizes):
            raise NotWritten("it depends on the batch size in a dimension that has to be known")
        return found

    # -- shapes -------------------------------------------------------------------------------------------------------

    def scalars(self, values: Sequence[Size], flat: bool = True) -> str:
        """A vector of integers, some of which may be multiples of the batch size (a scalar if not `flat`)."""
        if all(type(value) is int for value in values):
            return self.ints(*values) if flat else self.constant(np.int64(values[0]))  # type: ignore[arg-type]
        parts = [self._scalar(value) for value in values]
        whole = parts[0] if len(parts) == 1 else str(self("Concat", *parts, axis=0))
        return whole if flat else str(self("Reshape", whole, self.ints()))

    def _scalar(self, value: Size) -> str:
        if isinstance(value, int):
            return self.ints(value)
        if value is None or self._batch is None:
            raise NotWritten("it takes a size that is no multiple of the batch size")
        input_, axis = self._batch
        if ("batch",) not in self._known:
            self._known["batch",] = self("Gather", self("Shape", input_), self.ints(axis), axis=0)
        batch = self._known["batch",]
        return batch if value.factor == 1 else str(self("Mul", batch, self.ints(value.factor)))

    def reshape(self, name: str, dims: Sequence[Size]) -> str:
        """A value in another shape; a single open size is inferred (-1)."""
        open_ = [i for i, size in enumerate(dims) if type(size) is not int]
        if len(open_) == 1 and 0 not in dims:
            dims = [-1 if i == open_[0] else size for i, size in enumerate(dims)]
        whole = self.scalars(dims)
        return str(self("Reshape", name, whole, **({"allowzero": 1} if 0 in dims and self.opset >= 14 else {})))

    def transpose(self, name: str, perm: Sequence[int]) -> str:
        """A value with its dimensions permuted."""
        return name if list(perm) == list(range(len(perm))) else str(self("Transpose", name, perm=list(perm)))

    def reduce(self, operator: str, name: str, axes: Sequence[int] | None, keepdims: bool = True) -> str:
        """ReduceSum, ReduceMean, ... over axes (None: all), which are an input from opset 18 on (ReduceSum: 13)."""
        options: dict[str, Any] = {"keepdims": int(keepdims)}
        if axes is None:
            return str(self(operator, name, **options))
        if self.opset >= (13 if operator == "ReduceSum" else 18):
            return str(self(operator, name, self.ints(*axes), **options))
        return str(self(operator, name, axes=list(axes), **options))

    def unsqueeze(self, name: str, *axes: int) -> str:
        """A value with new dimensions of size 1."""
        return str(self("Unsqueeze", name, self.ints(*axes))) if axes else name

    def squeeze(self, name: str, *axes: int) -> str:
        """A value without these dimensions of size 1."""
        return str(self("Squeeze", name, self.ints(*axes))) if axes else name

    def rearranged(self, name: str, shape: Sequence[Size], perm: Sequence[int], result: Sequence[Size]) -> str:
        """Reshaped, permuted, reshaped."""
        return self.reshape(self.transpose(self.reshape(name, shape), perm), result)

    def per_channel(self, argument: Any, ndim: int, dtype: Any) -> str:
        """C values, or one, in a shape that broadcasts along the second of `ndim` dimensions."""
        name, size = self.value(argument, dtype), math.prod(self.fixed(*self.dims(argument)))
        shape = (size, *(1,) * (ndim - 2)) if ndim > 1 and size > 1 else (1,) * min(1, ndim)
        return name if self.dims(argument) == shape else self.reshape(name, shape)


def _plain(argument: Any) -> Any:
    return argument.array if isinstance(argument, Constant) else np.asarray(argument)


def as_numpy(call: Call) -> Call:
    """A method of arrays as a call of NumPy's function of that name; other calls stay as they are."""
    function = getattr(np, call.function.name, None) if isinstance(call.function, Method) else None
    return call if function is None else replace(call, function=function)


def key_of(function: Any) -> Any:
    """The key of a function in `WRITERS`."""
    if isinstance(function, Unary):
        return Unary
    return type(function.module) if isinstance(function, Own) else function


def named(call: Call) -> dict[str, Any]:
    """A call's arguments by name, defaults included; an `out` array is refused."""
    given = arguments(call)
    if given.get("out") is not None:
        raise NotWritten("it writes into an array")
    return given
