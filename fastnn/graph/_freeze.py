"""`freeze` and what it returns: a model, and its plans by kind of input."""

from __future__ import annotations

import copy
import os
import threading
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from .. import _check, _core
from .._check import Array
from .._core import mode, observers
from ..autograd import Tensor, no_grad, value_of
from ..functional._conv_precision import conv_precision
from ..nn import Module
from ._compare import close, owned, root, rounding
from ._graph import Call, Graph, Own, Ref, Value, filled, mapped
from ._plan import Plan, Refused, Weights
from ._recent import Recent
from ._trace import SIZES, ReadsBatch, Untraceable, trace

OTHER_SIZES = 1, 4  # of the batches on which a plan for any batch is compared with the model


class Given:
    """The arguments of one call: their structure, and the arrays among them."""

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]):
        self.arrays: list[Array] = []
        self.others: list[Any] = []
        self.args = mapped(tuple(_listed(each) for each in args), self._put)
        self.kwargs = mapped({name: _listed(each) for name, each in kwargs.items()}, self._put)
        self.batch = next((array.shape[0] for array in self.arrays if array.ndim), 0)
        self.led = [array.shape[:1] == (self.batch,) for array in self.arrays]

    def _put(self, leaf: Any) -> Any:
        if isinstance(leaf, (np.ndarray, Tensor)):
            self.arrays.append(_check.as_array("freeze", value_of(leaf), "arrays"))
            return Ref(len(self.arrays) - 1)
        self.others.append(leaf)
        return leaf

    @property
    def planned(self) -> bool:
        """Whether a plan is possible: arrays of numbers, led by a batch, and plain values beside them."""
        plain = all(isinstance(each, (type(None), bool, int, float, str)) for each in self.others)
        numbers = all(array.dtype.kind in "biuf" and array.size for array in self.arrays)
        batch = self.arrays and (self.arrays[0].ndim > 1 or (self.arrays[0].ndim and self.arrays[0].dtype.kind in "iu"))
        return bool(plain and numbers and batch)

    def key(self) -> Any:
        """The key under which arguments share a plan for all batch sizes."""
        kinds = [(led, array.shape[led:], array.dtype) for led, array in zip(self.led, self.arrays, strict=True)]
        return hashable((self.args, self.kwargs)), tuple(kinds), _core.isa()

    def described(self) -> str:
        """The arrays, in words."""
        return ", ".join(f"{array.dtype}{array.shape}" for array in self.arrays) or "no arrays"

    def filled(self, arrays: list[Array]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with these arrays."""
        args, kwargs = filled((self.args, self.kwargs), arrays.__getitem__, 0)
        return args, kwargs

    def resized(self, batch: int) -> list[Array]:
        """The arrays with this number of samples: the given ones, cut off or repeated."""
        return [
            np.resize(array, (batch, *array.shape[1:])).astype(array.dtype, copy=False) if led else array.copy()
            for led, array in zip(self.led, self.arrays, strict=True)
        ]

    def nearer(self, batch: int) -> list[Array]:
        """Other values for this number of samples, each nearer to 0, so that indices stay in range."""
        rng = np.random.default_rng(batch)
        return [np.asarray(array * rng.random(array.shape), array.dtype) for array in self.resized(batch)]

    def drawn(self, batch: int) -> list[Array]:
        """Floats from the normal distribution, and other arrays of `nearer`, for this number of samples."""
        rng = np.random.default_rng(batch)
        return [
            np.asarray(rng.normal(size=array.shape), array.dtype) if array.dtype.kind == "f" else array
            for array in self.nearer(batch)
        ]


def hashable(value: Any) -> Any:
    """A key that is equal for arguments of equal structure, names, types and plain values."""
    if isinstance(value, dict):
        return dict, *((key, hashable(each)) for key, each in value.items())
    if isinstance(value, (list, tuple)) and not isinstance(value, Ref):
        return type(value), *map(hashable, value)
    return type(value), repr(value) if isinstance(value, float) else value


def _listed(value: Any) -> Any:
    """A list of numbers, or an array of another library, as an array; tuples and dicts may hold arrays."""
    if isinstance(value, (np.ndarray, Tensor, tuple, dict, str, bytes, bool, int, float, type(None))):
        return value
    return _check.as_array("freeze", value)


@dataclass
class _Kept:
    """A plan, or None for a kind of input that has a plan for each batch size, and the time of its last use."""

    plan: Plan | None
    given: Any  # the arguments' structure
    used: int = 0


class Frozen:
    """The result of `freeze`: the model's evaluation form, as it was then.

    Attributes
    ----------
    model : Module
        The model's copy, in evaluation mode.
    conv : {"exact", "fast"}
        How its convolutions are computed, whatever `conv_precision` says where it is called.
    unplanned : tuple of str
        The modules that are called as they are, by path and class, each with the reason; known after the first call.
    graph : Graph or None
        The graph of the plan made last; it prints readably.
    plan : Plan or None
        That plan, which prints its steps: the calls that each does at once, and the shape of one sample of its result.
    """

    def __init__(self, model: Module, conv: str = "exact"):
        conv_precision(conv)  # raises an error for an unknown word
        self.model, self.conv = copy.deepcopy(model).eval(), conv
        self.unplanned: tuple[str, ...] = ()
        self.graph: Graph | None = None
        self.plan: Plan | None = None
        self._weights = Weights([value_of(each) for each in (*self.model.parameters(), *self.model.buffers())])
        self._plans: Recent[_Kept] = Recent()
        self._compared: set[Any] = set()  # the calls of graphs whose plans agree with the model
        self._program: Any = None  # the plan of the input seen last, if it is a single program
        self._lock = threading.Lock()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the model returns for these arguments, with arrays in place of Tensors.

        Parameters
        ----------
        *args, **kwargs
            The model's own: arrays with a batch in front (or lists of numbers) (N, *), tuples and dicts of them,
            numbers and texts.
        """
        if observers and mode.observer is not None:
            return mode.observer.tell(f"frozen {self._called}", self._predict, args, kwargs)
        program = self._program
        if program is not None and not kwargs:
            y = program(*args)
            if y is not None:
                return y
        return self._general(Given(args, kwargs))

    def _predict(self, *args: Any, **kwargs: Any) -> Any:
        """As a call does, after the observer has been told."""
        return self(*args, **kwargs)

    @property
    def _called(self) -> str:
        return type(vars(self).get("model", self)).__name__

    def steps_by_plan(self) -> dict[int, Any]:
        """Names, modules and bytes of the steps of each program, by the program's key."""
        found: dict[int, Any] = {}
        for kept in list(self._plans.values()):
            if kept.plan is not None:
                found |= kept.plan.steps()
        return found

    def _general(self, given: Given) -> Any:
        with conv_precision(self.conv):
            return self._computed(given)

    def _computed(self, given: Given) -> Any:
        if not given.planned:
            return self._owned(self._as_it_is(given, given.arrays), given)
        key = given.key()
        plan = self._plan(key, given, None)
        if plan is None:
            plan = self._plan((key, given.batch, *(array.shape for array in given.arrays)), given, given.batch)
            assert plan is not None
        self._program = plan.program
        try:
            return self._owned(plan(given.arrays, given.batch), given)
        except Refused:
            return self._owned(self._as_it_is(given, given.arrays), given)  # with the model's own error

    def _owned(self, results: Any, given: Given) -> Any:
        return owned(results, [root(each) for each in (*self._weights.own.values(), *given.arrays)])

    def _plan(self, key: Any, given: Given, batch: int | None) -> Plan | None:
        kept = self._plans.find(key)
        if kept is None:
            with self._lock:
                kept = self._plans.find(key) or self._keep(key, self._planned(given, batch), given)
        return kept.plan

    def _keep(self, key: Any, plan: Plan | None, given: Given) -> _Kept:
        """Enter a plan into the table."""
        if plan is not None:
            self.unplanned = tuple(dict.fromkeys((*self.unplanned, *plan.own)))
            self.graph, self.plan = plan.graph, plan
        return self._plans.keep(key, _Kept(plan, (given.args, given.kwargs)))

    def _as_it_is(self, given: Given, arrays: list[Array]) -> Any:
        args, kwargs = given.filled(arrays)
        with no_grad():
            return mapped(self.model(*args, **kwargs), value_of)

    # -- making plans -------------------------------------------------------------------------------------------------

    def _planned(self, given: Given, batch: int | None) -> Plan | None:
        """A plan that gives the model's own output, or None if each batch size needs a plan of its own.

        If no plan can be made, it is one call of the model.
        """
        if batch is None:
            try:
                return self._attempt(given, SIZES)
            except ReadsBatch:
                return None
            except Untraceable:
                pass  # perhaps only the batch sizes of the trace were refused: try the given one
        try:
            plan = self._attempt(given, (given.batch,))
            return None if batch is None else plan
        except Untraceable as error:
            reason = str(error)
        self._as_it_is(given, [array.copy(order="K") for array in given.arrays])  # raises the model's own error
        inputs = [Value(array.shape, array.dtype) for array in given.arrays]
        call = Call(Own("", self.model, reason), given.args, given.kwargs, len(inputs))
        return Plan(Graph(inputs, [call], Ref(len(inputs)), dict(enumerate(inputs)), batch), self._weights)

    def _attempt(self, given: Given, sizes: tuple[int, ...]) -> Plan:
        """A plan for any batch, or for batches of one size, compared with the model on values it was not made from."""
        try:
            graph = trace(self.model, given.args, given.kwargs, [given.resized(size) for size in sizes], sizes)
        except Untraceable:
            raise
        except Exception as error:
            for size in sizes:
                if self._own(given, given.resized(size)) is _FAILED:
                    raise Untraceable(f"it fails for {size} samples: {error}") from error
            _tell(error)
        others = sizes * 2 if len(sizes) == 1 else OTHER_SIZES
        checks = list(zip(others, (given.nearer, given.drawn), strict=True))
        calls = tuple(call.function for call in graph.calls)
        if calls in self._compared:  # a plan of the same calls, over other shapes, has passed both checks
            del checks[1:]
        try:
            plan = Plan(graph, self._weights)
            for size, made in checks:
                arrays = made(size)
                expected = self._own(given, arrays)
                with np.errstate(all="ignore"):
                    if expected is _FAILED:
                        continue
                    if not close(self._planned_result(plan, arrays, size), expected, rounding(graph)):
                        raise Untraceable("its plan computes other numbers")
        except Untraceable:
            raise
        except Exception as error:
            _tell(error)
        self._compared.add(calls)
        return plan

    def _planned_result(self, plan: Plan, arrays: list[Array], size: int) -> Any:
        try:
            return plan([each.copy() for each in arrays], size)
        except Refused as error:
            raise Untraceable("its plan refuses values that it takes") from error

    def _own(self, given: Given, arrays: list[Array]) -> Any:
        """The model's output for made-up arrays, or _FAILED if it refuses them."""
        try:
            with np.errstate(all="ignore"):
                return self._as_it_is(given, [each.copy() for each in arrays])
        except Exception:
            return _FAILED

    def stream(self, batch: int = 1) -> Any:
        """Make a `Stream`: the recurrent model step by step, which keeps the states of `batch` sequences.

        Examples
        --------
        >>> import fastnn
        >>> stream = fastnn.freeze(fastnn.nn.GRU(3, 4)).stream()
        >>> [stream(x).shape for x in np.ones((2, 1, 3))], stream.state.shape
        ([(1, 4), (1, 4)], (1, 1, 4))
        """
        from ._stream import Stream

        return Stream(self.model, batch)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the plans made so far to a safetensors file, for `load_frozen`: graphs, weights, packed weights.

        The file answers for the kinds of input (structure, dtypes, shapes of a sample) that have been predicted before.

        Parameters
        ----------
        path : path-like
            Written under another name first, then renamed.

        Raises
        ------
        ValueError
            If no input has been seen, or a plan holds a call that a file cannot hold: a module called as it is.
        OSError
            From the file system.
        """
        from . import _files

        kinds = [(*kept.given, kept.plan.graph) for kept in self._plans.values() if kept.plan is not None]
        if not kinds:
            raise ValueError("save: expected a model that has predicted; give freeze an example")
        with conv_precision(self.conv):
            _files.write(path, kinds, self._weights, self.conv)

    def __reduce__(self) -> Any:
        return type(self), (self.model, self.conv)

    def __repr__(self) -> str:
        note = f", unplanned={list(self.unplanned)}" if self.unplanned else ""
        return f"Frozen({self.model!r}{note})"


_FAILED = object()


def _tell(error: Exception) -> NoReturn:
    """An error of the planner itself: raised under FASTNN_DEBUG, else the reason why there is no plan."""
    if os.environ.get("FASTNN_DEBUG"):
        raise error
    raise Untraceable(f"a fault of fastnn: {type(error).__name__}: {error}") from error


def freeze(model: Module, example: Any = None, *, conv: str = "exact") -> Frozen:
    """A copy of a model for prediction: batch norm folded, dropout gone, weights packed, one C call for many layers.

    Parameters
    ----------
    model : Module
        Any model; it is copied and put into evaluation mode, and training it further does not change the copy.
    example : array_like, (N, *), optional
        A batch to plan for at once; without it the first call makes the plan.  Another shape of samples or another
        dtype gets a plan of its own.
    conv : {"exact", "fast"}
        "fast": 3 x 3 convolutions by Winograd's algorithm, two to three times as fast; `fastnn.conv_precision` says
        where, and what its errors are.  Files and pickles keep it.

    Returns
    -------
    Frozen
        Call it with a batch of any size, or with any arguments that the model takes: the result agrees with the
        model's own within rounding, and no bit of it depends on how a batch was split, on the number of threads, or on
        the thread that calls.  What the plan cannot hold (a forward pass that asks for values) is called as it is: see
        `Frozen.unplanned`.  A forward pass that asks for the batch size has a plan for each.

    Notes
    -----
    A plan is compared with the model on other values and other batch sizes than it was made from before it is used.
    The 32 plans used last are kept; all share their packed weights.  Pickle and `copy.deepcopy` keep model and `conv`.

    Examples
    --------
    >>> import fastnn
    >>> from fastnn import nn
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 2))
    >>> predict = fastnn.freeze(model)
    >>> x = np.ones((3, 4), np.float32)
    >>> predict(x).shape, bool(np.allclose(predict(x), predict.model(x).data, atol=1e-6))
    ((3, 2), True)
    >>> predict.unplanned
    ()
    """
    if not isinstance(model, Module):
        raise TypeError(f"freeze: expected a Module, got a {type(model).__name__}")
    frozen = Frozen(model, conv)
    if example is not None:
        frozen(example)
    return frozen
