"""Frozen models in files: graphs as JSON, constants and packed weights as arrays that are mapped, not read."""

from __future__ import annotations

import json
import math
import mmap
import operator
import os
from dataclasses import replace
from typing import Any

import numpy as np

from .. import _core
from .._check import Array
from .._replace import replacing
from ..autograd import no_grad
from ._graph import Constant, Graph, Method, Names, Ref, Times, Unary, mapped
from ._passes import Steps
from ._plan import Weights
from ._stand_ins import Batch
from ._trace import SIZES, Tracer
from .lowering import LOWERINGS, Derived, Step, lowered
from .lowering._step import as_function
from .lowering.linear import pack, pack_columns

KEY = "fastnn.frozen"  # in the file's metadata
MOST_HEADER = 1 << 26
DTYPES = {
    "F64": "<f8", "F32": "<f4", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1", "U64": "<u8", "U32": "<u4",
    "U16": "<u2", "U8": "|u1", "BOOL": "|b1",
}  # fmt: skip
_INPUTS = frozenset("?bBhHiIlLqQfd")  # characters of the dtypes that inputs may have


def _named_functions() -> dict[str, Any]:
    """The functions that a file may name: those for which plans have rules, and those that take results apart."""
    found = {operator.getitem, np.split, np.array_split, np.hsplit, np.vsplit, np.dsplit, *LOWERINGS} - {Unary}
    return {_name(function): function for function in found}


def _name(function: Any) -> str:
    kind = "method" if isinstance(function, Method) else getattr(function, "__module__", None) or "numpy"
    return f"{kind}.{function.__name__}"


# -- what arguments are made of, as JSON ------------------------------------------------------------------------------


def _written(value: Any, constants: dict[str, Array]) -> Any:
    """Arguments or results as JSON; whatever is no list, number, text or None becomes {kind: what it holds}."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Ref):
        return {"ref": value.number}
    if isinstance(value, Times):
        return {"times": value.factor}
    if isinstance(value, Constant):
        constants[value.name] = value.array
        return {"constant": value.name}
    if isinstance(value, list):
        return [_written(each, constants) for each in value]
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return {"tuple": [_written(each, constants) for each in value]}
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": [[key, _written(each, constants)] for key, each in value.items()]}
    if isinstance(value, slice):
        return {"slice": [_written(each, constants) for each in (value.start, value.stop, value.step)]}
    if value is Ellipsis:
        return {"ellipsis": None}
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return {"number": [value.dtype.str, value.item()]}
    if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, (np.generic, bool, int, float))):
        return {"dtype": np.dtype(value).str}
    raise TypeError(f"save: cannot write a {type(value).__name__} among the arguments of a call")


def read(value: Any, constants: dict[str, Constant]) -> Any:
    """The arguments or results that JSON describes."""
    if isinstance(value, list):
        return [read(each, constants) for each in value]
    if not isinstance(value, dict):
        return value
    ((kind, given),) = value.items()
    if kind in ("ref", "times"):
        if type(given) is not int or not 0 <= given < 1 << 20:
            raise ValueError(f"a {kind} of {given!r}")
        return Ref(given) if kind == "ref" else Times(given)
    if kind == "constant":
        return constants[given]
    if kind == "tuple":
        return tuple(read(each, constants) for each in given)
    if kind == "dict":
        return {str(key): read(each, constants) for key, each in given}
    if kind == "slice":
        return slice(*(read(each, constants) for each in given))
    if kind == "ellipsis":
        return ...
    if kind == "number":
        return np.dtype(given[0]).type(given[1])
    if kind == "dtype":
        return np.dtype(given)
    raise ValueError(f"a value of the unknown kind {kind!r}")


def _graph_written(graph: Graph, constants: dict[str, Array]) -> dict[str, Any]:
    known, calls = _named_functions(), []
    for call in graph.calls:
        function: Any = call.function
        if isinstance(function, Unary):
            act = next(name for name, number in _core.ACTS.items() if number == function.act)
            name: Any = {"act": act, "a": function.a, "b": function.b}
        else:
            function = as_function(call).function
            name = _name(function)
            if known.get(name) is not function and known.get(name) != function:
                raise ValueError(f"save: a file cannot hold {call}, which plans call as it is")
        calls.append([name, _written(call.args, constants), _written(call.kwargs, constants), call.number, call.path])
    inputs = [[value.dtype.str, [_written(size, constants) for size in value.shape]] for value in graph.inputs]
    results = _written(graph.results, constants)
    return {"inputs": inputs, "calls": calls, "results": results, "batch": graph.batch}


# -- weights ----------------------------------------------------------------------------------------------------------


def _text(value: Any) -> str:
    """The name of a derived array in the file: the text of how it is made."""
    if isinstance(value, Derived):
        return f"{value.make.__module__}.{value.make.__name__}({', '.join(map(_text, value.given))})"
    if isinstance(value, Constant):
        return value.name
    return repr(value)


def _packed(graph: Graph) -> dict[str, Derived]:
    """The graph's packed weights, in the order that this instruction set reads, by their names in the file."""
    steps = [item for item in Steps(lowered(graph), graph).items if isinstance(item, Step)]
    fields = [value for step in steps for value in step.fields.values()]
    return {_text(each): each for each in fields if isinstance(each, Derived) and each.make.__name__.startswith("pack")}


class FileWeights(Weights):
    """Weights of a file; packed ones are used if they are of this instruction set and of the right size."""

    def __init__(self, arrays: dict[str, Array], tier: str):
        super().__init__(list(arrays.values()))
        self.arrays, self.tier = arrays, tier

    def __call__(self, value: Any) -> Array:
        """The array, contiguous."""
        found = self.arrays.get(_text(value)) if isinstance(value, Derived) else None
        if found is None or self.tier != _core.isa():
            return super().__call__(value)
        source = value.given[0]
        if value.make in (pack, pack_columns) and isinstance(source, Constant) and source.array.ndim == 2:
            rows, columns = source.array.shape if value.make is pack else source.array.shape[::-1]
            panel = _core.pack(np.zeros((1, 1), source.array.dtype)).size  # rows of a panel
            right = found.shape == (-(-rows // panel) * panel * columns,)
            return found if right and found.dtype == source.array.dtype else super().__call__(value)
        made = super().__call__(value)
        return found if found.dtype == made.dtype and np.array_equal(found, made) else made


# -- files ------------------------------------------------------------------------------------------------------------


def _renamed(graph: Graph, kind: int) -> Graph:
    """The graph with names for its unnamed constants that no other graph of the file has."""

    def name(leaf: Any) -> Any:
        own = isinstance(leaf, Constant) and leaf.name.startswith("constant")
        return Constant(f"{kind}.{leaf.name}", leaf.array) if own else leaf

    calls = [replace(call, args=mapped(call.args, name), kwargs=mapped(call.kwargs, name)) for call in graph.calls]
    return replace(graph, calls=calls, results=mapped(graph.results, name))


def write(path: str | os.PathLike[str], kinds: list[tuple[Any, Any, Graph]], weights: Weights, conv: str) -> None:
    """Write graphs, each with the arguments that it takes, and their arrays."""
    from safetensors.numpy import save as serialize

    constants: dict[str, Array] = {}
    records, arrays = [], dict[str, Array]()
    for i, (args, kwargs, graph) in enumerate(kinds):
        graph = _renamed(graph, i)
        record = _graph_written(graph, constants)
        records.append({"args": _written(args, {}), "kwargs": _written(kwargs, {}), **record})
        arrays |= {name: weights(each) for name, each in _packed(graph).items()}
    arrays |= {name: np.ascontiguousarray(array) for name, array in constants.items()}
    data = serialize(arrays, {KEY: json.dumps({"tier": _core.isa(), "conv": conv, "kinds": records})})
    with replacing(path) as temporary, open(temporary, "wb") as file:
        file.write(data)


def mapped_arrays(path: str | os.PathLike[str]) -> tuple[dict[str, Array], Any]:
    """The arrays of a safetensors file, mapped from it, and its metadata; a ValueError says what is wrong."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < 8:
            raise ValueError("it is too short")
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(size - 8, MOST_HEADER):
            raise ValueError(f"a header of {length} bytes in a file of {size}")
        header = json.loads(file.read(length))
        memory = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))[8 + length :]
    arrays: dict[str, Array] = {}
    metadata = header.pop("__metadata__", {})
    for name, entry in header.items():
        dtype, shape = np.dtype(DTYPES[entry["dtype"]]), tuple(entry["shape"])
        begin, end = entry["data_offsets"]
        if not all(type(n) is int and n >= 0 for n in (*shape, begin, end)) or len(shape) > 32:
            raise ValueError(f"sizes {shape} of {name!r}")
        if not begin <= end <= len(memory) or math.prod(shape) * dtype.itemsize != end - begin:
            raise ValueError(f"{name!r} of shape {shape} in bytes {begin} to {end} of {len(memory)}")
        array = np.frombuffer(memory[begin:end], dtype).reshape(shape)
        arrays[name] = array if array.flags.aligned else array.copy()
    return arrays, metadata


def replayed(record: Any, arrays: dict[str, Array]) -> Graph:
    """The graph that a file holds; its calls are repeated on made-up values, to find the shapes."""
    constants = {name: Constant(name, array) for name, array in arrays.items()}
    batch, known = record["batch"], _named_functions()
    sizes = SIZES if batch is None else (int(batch),)
    tracer = Tracer(sizes, Names({id(array): name for name, array in arrays.items()}))
    values: dict[int, Any] = {}
    for dtype, shape in record["inputs"]:
        shapes = [[read(each, {}) for each in shape] for _ in sizes]
        filled_in = [
            [each.factor * size if isinstance(each, Times) else int(each) for each in sizes_of]
            for sizes_of, size in zip(shapes, sizes, strict=True)
        ]
        if any(math.prod(each) > 1 << 28 or min(each, default=1) < 1 for each in filled_in):
            raise ValueError(f"an input of shape {filled_in[0]}")
        batches = [np.zeros(each, _plain_dtype(dtype)) for each in filled_in]
        values[len(values)] = tracer.stand_in(list(batches))

    def fetch(leaf: Any) -> Any:
        if isinstance(leaf, Ref):
            return values[leaf.number]
        if isinstance(leaf, Times):
            return Batch(leaf.factor, tracer) if batch is None else leaf.factor * batch
        return leaf.array if isinstance(leaf, Constant) else leaf

    with no_grad(), tracer:
        for name, args, kwargs, number, *path in record["calls"]:
            tracer.modules[:] = [(str(*path), "")]
            given = mapped((read(args, constants), read(kwargs, constants)), fetch)
            if isinstance(name, dict):
                function: Any = Unary(_core.ACTS[name["act"]], float(name["a"]), float(name["b"]))
            else:
                function = known[name]
            if isinstance(given[0][0], (list, tuple)) and function is operator.getitem:
                values[number] = given[0][0][given[0][1]]  # a call with several results gave them as a tuple
            else:
                values[number] = tracer.tell("", function, *given)
    results = mapped(mapped(read(record["results"], constants), fetch), tracer.written)
    known_values = dict(tracer.values)
    inputs = [known_values[i] for i in range(len(record["inputs"]))]
    return Graph(inputs, tracer.calls, results, known_values, batch)


def _plain_dtype(text: Any) -> np.dtype[Any]:
    dtype = np.dtype(text)
    if dtype.char not in _INPUTS:
        raise ValueError(f"an input of dtype {dtype}")
    return dtype
