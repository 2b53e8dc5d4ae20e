"""A loaded model: what it takes, what it gives, and how it is called."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._check import Array
from .._core import mode, observers
from ._program import Program
from ._protobuf import DamagedError
from ._structure import Declared, File, check_types, file_of
from ._tensors import dtype_of, type_name


@dataclass(frozen=True)
class Argument:
    """An input or output of a model.

    Attributes
    ----------
    name : str
    type : str
        In ONNX Runtime's notation: "tensor(float)".
    shape : list of int, str or None, or None
        A name or None stands for any size; None in place of the list for any shape.
    dtype : numpy.dtype
    """

    name: str
    type: str
    shape: list[int | str | None] | None
    dtype: np.dtype[Any]


class Model:
    """A model of an ONNX file, called with arrays.

    Attributes
    ----------
    inputs, outputs : list of Argument
    operators : list of str
        Those of its nodes, without the nodes of graphs inside nodes.
    constants : dict of str to ndarray
        Its weights by name.
    opset : int
        The version of ONNX's operators that it is written in.
    """

    def __init__(self, file: File):
        check_types(file)
        self._file = file
        missing: list[str] = []
        self._program = Program(file.graph, file, file.opsets, set(), missing)
        self._plans: Any = None
        if missing:
            raise NotImplementedError("onnx.load: operators that are not here: " + ", ".join(dict.fromkeys(missing)))
        self.constants = constants = file.graph.constants
        for array in constants.values():
            array.setflags(write=False)
        self.operators = [node.operator for node in file.graph.nodes]
        self.opset = file.opsets.get("", 0)
        self.inputs = [_argument(each) for each in file.graph.inputs if each.name not in constants]
        self.outputs = [_argument(each) for each in file.graph.outputs]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the outputs for these inputs, by place or by name: one array, or a tuple of them.

        Raises
        ------
        TypeError
            If an input is missing, given twice or of another dtype.
        ValueError
            If a shape is not what the model declares.
        """
        results = self.run(None, self._named(args, kwargs))
        return results[0] if len(results) == 1 else tuple(results)

    def _named(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        if len(args) > len(self.inputs):
            raise TypeError(f"onnx: expected at most {len(self.inputs)} inputs, got {len(args)}")
        feeds = {each.name: value for each, value in zip(self.inputs, args, strict=False)}
        twice = sorted(feeds.keys() & kwargs.keys())
        if twice:
            raise TypeError(f"onnx: input {twice[0]!r} is given twice")
        return feeds | kwargs

    def profile(self, *args: Any, **kwargs: Any) -> Any:
        """Return what `fastnn.profile` writes down of one call, after one that makes the plan.

        Without inputs it is called with zeros of the declared shapes, 1 for any size.
        """
        from .._profile import profile

        feeds = self._named(args, kwargs)
        if not feeds:
            shapes = {
                each.name: [size if isinstance(size, int) else 1 for size in each.shape or []] for each in self.inputs
            }
            feeds = {each.name: np.zeros(shapes[each.name], each.dtype) for each in self.inputs}
        self.run(None, feeds)
        with profile() as written:
            self.run(None, feeds)
        return written

    def run(self, output_names: list[str] | None, input_feed: dict[str, Any], run_options: Any = None) -> list[Array]:
        """Return the named outputs (None: all) for inputs by name, as ONNX Runtime's sessions do."""
        if observers and mode.observer is not None:
            return mode.observer.tell("onnx model", self.run, (output_names, input_feed), {})
        if output_names is None and self._plans is not None:
            found = self._quick(input_feed)
            if found is not None:
                return found
        names = [each.name for each in self.outputs]
        wanted = names if output_names is None else list(output_names)
        unknown = [name for name in wanted if name not in names]
        if unknown:
            raise ValueError(f"onnx: no output {unknown[0]!r}: there are {', '.join(names)}")
        feeds = self._checked(input_feed)
        results = dict(zip(names, self._results(feeds), strict=True))
        return [results[name] for name in wanted]

    def _quick(self, feeds: Any) -> list[Array] | None:
        """The outputs if the plan kept for inputs of this kind is a single program, else None."""
        try:
            kept = self._plans.find(feeds)
        except (AttributeError, KeyError, TypeError):  # not a dict of arrays: `_checked` converts it or raises
            return None
        return None if kept is None or kept.whole is None else kept.whole(feeds)

    def _results(self, feeds: dict[str, Array]) -> list[Array]:
        from ..graph._compare import owned, root
        from ._plans import Plans

        results = None
        if feeds.keys().isdisjoint(self._program.constants):
            if self._plans is None:
                self._plans = Plans(self._program)
            results = self._plans(feeds)
        results = self._program(feeds, None) if results is None else results
        return owned([np.asarray(each) for each in results], [root(each) for each in feeds.values()])

    def steps_by_plan(self) -> dict[int, Any]:
        """The steps of the plans' programs, by the programs' keys: names, modules and bytes."""
        return {} if self._plans is None else self._plans.steps()

    @property
    def graph(self) -> Any:
        """The graph of the last plan, after the passes, which prints readably; None before."""
        return None if self._plans is None else self._plans.graph

    @property
    def passes(self) -> dict[str, int]:
        """The passes that changed `graph`, and how often."""
        return {} if self._plans is None else dict(self._plans.passes)

    @property
    def unplanned(self) -> tuple[str, ...]:
        """The error for which no plan was made, so that operators are called one by one; () if there was none."""
        return () if self._plans is None else self._plans.unplanned

    def get_inputs(self) -> list[Argument]:
        """Return what the model takes."""
        return self.inputs

    def get_outputs(self) -> list[Argument]:
        """Return what the model gives."""
        return self.outputs

    def _checked(self, feeds: dict[str, Any]) -> dict[str, Array]:
        known = {each.name: each for each in self.inputs}
        optional = self._file.graph.constants
        missing = [name for name in known if name not in feeds]
        unknown = [name for name in feeds if name not in known and name not in optional]
        if missing or unknown:
            said = [f"{name!r} is missing" for name in missing] + [f"{name!r} is no input" for name in unknown]
            raise TypeError(f"onnx: {', '.join(said)}: expected {', '.join(known) or 'none'}")
        sizes: dict[str, int] = {}
        checked = {}
        for name, value in feeds.items():
            array = np.asarray(value) if not isinstance(value, (list, float, int)) else _listed(value, known.get(name))
            checked[name] = array
            if name in known:
                _check(array, known[name], sizes)
        return checked


def _listed(value: Any, argument: Argument | None) -> Array:
    """A list or number as an array of the input's dtype."""
    array = np.asarray(value)
    if argument is not None and array.dtype.kind in "biuf" and argument.dtype.kind != "O":
        return array.astype(argument.dtype)
    return array


def _check(array: Array, argument: Argument, sizes: dict[str, int]) -> None:
    if argument.dtype != array.dtype and argument.dtype.kind != "O":
        raise TypeError(f"onnx: expected {argument.name!r} of {argument.dtype}, got {array.dtype}")
    expected = argument.shape
    if expected is None:
        return
    fits = len(expected) == array.ndim and all(
        not isinstance(size, int) or size == got for size, got in zip(expected, array.shape, strict=True)
    )
    if not fits:
        raise ValueError(f"onnx: expected {argument.name!r} of shape {_shown(expected)}, got {array.shape}")


def _shown(shape: list[int | str | None]) -> str:
    return "(" + ", ".join(str(size or "?") for size in shape) + ("," if len(shape) == 1 else "") + ")"


def _argument(declared: Declared) -> Argument:
    if not declared.type:
        return Argument(declared.name, "", None, np.dtype(object))
    shape = declared.shape
    if shape is not None:  # some exporters write -1 for any size
        shape = [None if isinstance(size, int) and size < 0 else size for size in shape]
    return Argument(declared.name, type_name(declared.type), shape, dtype_of(declared.type))


def load(model: bytes | str | os.PathLike[str] | Any) -> Model:
    """Load an ONNX model.

    Parameters
    ----------
    model : bytes, path-like or binary file
        A path also finds the files beside it that hold large tensors; those and the model are mapped into memory.

    Returns
    -------
    Model

    Raises
    ------
    ValueError
        If it is no whole ONNX model.
    NotImplementedError
        If it has operators that are not here: all of them are named.
    OSError
        From the file system.

    Notes
    -----
    See https://onnx.ai/onnx/intro/concepts.html for what a model is.
    """
    import mmap

    folder, name = None, "the model"
    data: Any
    if isinstance(model, (bytes, bytearray, memoryview)):
        data = memoryview(bytes(model))  # a copy of what somebody may change
    elif hasattr(model, "read"):
        data = memoryview(model.read())
    else:
        path = os.fspath(model)
        folder, name = os.path.dirname(os.path.abspath(path)), repr(path)
        with open(path, "rb") as file:
            whole = os.fstat(file.fileno()).st_size
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if whole else b"")
    try:
        return Model(file_of(data, folder))
    except DamagedError as error:
        raise ValueError(f"onnx.load: {name}: {error}") from None
