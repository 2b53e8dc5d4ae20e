"""From a module to a graph: its forward pass run on stand-ins for arrays, which write down what is done to them.

A stand-in goes through the forward pass for two batches of different size at once, which tells sizes that depend on the
batch from those that do not.  It shows neither its values nor the batch size: a forward pass that asks for values is no
list of calls, and the smallest module in which that happens becomes one call of its own forward; a forward pass that
asks for the batch size is traced again, for that size alone.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from .. import functional
from .._check import Array
from .._observe import Observer, swap
from ..autograd import Tensor, no_grad, value_of
from ..autograd._registry import OWN
from ._graph import Call, Constant, Graph, Method, Names, Own, Ref, Times, Unary, Value, filled, leaves, mapped
from ._stand_ins import Batch, Hidden

SIZES = 3, 5  # of the two batches
PLAIN = (type(None), bool, int, float, complex, str, np.generic, np.ndarray, Constant)  # and Refs, Times: in results
SHAPED_BY_VALUES = frozenset({
    np.argwhere, np.bincount, np.compress, np.extract, np.flatnonzero, np.intersect1d, np.nonzero, np.setdiff1d,
    np.setxor1d, np.trim_zeros, np.union1d, np.unique, Method("nonzero"), Method("compress"),
})  # fmt: skip
IN_PLACE = frozenset({"fill", "itemset", "partition", "put", "resize", "setfield", "setflags", "sort"})


class Untraceable(Exception):
    """A forward pass that is no list of calls; the text says why."""


class ReadsBatch(Untraceable):
    """A forward pass that asks for the batch size, so that its calls may depend on it."""


class Traced(Tensor):
    """The stand-in for one value; it holds this value for each of the batches."""

    __slots__ = ("batches", "number", "tracer")

    def __init__(self, batches: list[Any], number: int, tracer: Tracer):
        hidden: Any = Hidden(tracer)
        self._array, self._requires_grad = hidden, False
        self.batches, self.number, self.tracer = batches, number, tracer

    @property  # type: ignore[misc]
    def data(self) -> Array:
        """Refused."""
        raise self.tracer.refused("it asks for values")

    @property
    def shape(self) -> Any:
        """Sizes, with stand-ins for those that depend on the batch."""
        return tuple(map(self.tracer.size, zip(*map(np.shape, self.batches), strict=True)))

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype."""
        return np.asarray(self.batches[0]).dtype

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return np.ndim(self.batches[0])

    @property
    def size(self) -> Any:
        """Number of elements, or a stand-in for it."""
        return self.tracer.size(tuple(map(np.size, self.batches)))

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of unsized object")
        return operator.index(self.shape[0])

    def __iter__(self) -> Iterator[Any]:
        return iter([self[i] for i in range(len(self))])

    def __setitem__(self, index: Any, value: Any) -> None:
        raise self.tracer.refused("it writes into an array")

    def __getattr__(self, name: str) -> Any:
        """An ndarray's method that Tensors lack, written down as a call."""
        method = getattr(np.ndarray, name, None)
        if method is None or name.startswith("__"):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        if not callable(method) or name in IN_PLACE:
            raise self.tracer.refused(f"it uses .{name}" if not callable(method) else "it writes into an array")
        return lambda *args, **kwargs: self.tracer.tell(name, Method(name), (self, *args), kwargs)

    def detach(self) -> Tensor:
        """Itself: nothing is tracked."""
        return self

    def argmax(self, axis: Any = None) -> Any:
        """Index of the maximum."""
        return np.argmax(self, axis)

    def astype(self, dtype: Any, **options: Any) -> Any:
        """Cast."""
        return self.tracer.tell("astype", Method("astype"), (self, dtype), options)


class Tracer(Observer):
    """Carries out the calls it is told of, and writes down those with a stand-in among their arguments.

    sizes : of the batches; if there is a single one, the forward pass may read the batch size
    whole : classes of modules that are one call, whatever they do
    """

    def __init__(self, sizes: tuple[int, ...], names: Names, whole: tuple[type, ...] = ()):
        super().__init__()
        self.sizes, self.names, self.whole = sizes, names, whole
        self.calls: list[Call] = []
        self.values: dict[int, Value] = {}
        self.next = 0
        self.reason: str | None = None  # why tracing was refused: the forward pass may have caught the error
        self.reads_batch = False

    def __enter__(self) -> None:
        self.before = swap(self)

    def __exit__(self, *_: Any) -> None:
        swap(self.before)

    def refused(self, reason: str) -> Untraceable:
        """What to raise where a forward pass cannot be written down."""
        self.reason = self.reason or reason
        return Untraceable(reason)

    def refused_batch(self) -> Untraceable:
        """What to raise where a forward pass asks for the batch size."""
        self.reads_batch = True
        return ReadsBatch("it asks for the batch size")

    def size(self, sizes: tuple[int, ...]) -> Any:
        """One size, from what it is for each batch: an int if the batch has nothing to do with it."""
        found = self.known(sizes)
        return found if type(found) is int else Batch(found.factor if isinstance(found, Times) else None, self)

    def known(self, sizes: tuple[int, ...]) -> int | Times | None:
        """An int, a multiple of the batch size, or None."""
        if len(set(sizes)) == 1:
            return sizes[0]
        factor = sizes[0] // self.sizes[0]
        return (
            Times(factor)
            if all(size == factor * batch for size, batch in zip(sizes, self.sizes, strict=True))
            else None
        )

    def stand_in(self, batches: list[Any]) -> Traced:
        """A new value."""
        shapes, dtypes = [np.shape(each) for each in batches], {np.asarray(each).dtype for each in batches}
        if len(dtypes) > 1 or len({len(shape) for shape in shapes}) > 1:
            raise self.refused("dtype or dimensions of a result depend on the batch")
        sizes = tuple(map(self.known, zip(*shapes, strict=True)))
        self.values[self.next] = Value(sizes, dtypes.pop())
        self.next += 1
        return Traced(batches, self.next - 1, self)

    def call(self, name: str, function: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
        """Return the result, or the several results; stand-ins for those that depend on a stand-in."""
        if isinstance(function, partial) and isinstance(args[0], Traced):  # a row of activations.def
            x, out, a, b = args
            kwargs = {} if out is None or out is x else {"out": out}
            function, args = Unary(function.args[0], a, b), (x,)
        function = OWN.get(function, function)  # type: ignore[call-overload]
        if function in (np.shape, np.size, np.ndim) and isinstance(args[0], Traced) and len(args) == 1 and not kwargs:
            return getattr(args[0], function.__name__)
        given = leaves((args, kwargs))
        if not any(isinstance(leaf, (Traced, Batch)) for leaf in given):
            return function(*mapped(args, value_of), **mapped(kwargs, value_of))
        self._check(function, args, kwargs)
        written = mapped((tuple(args), kwargs), self.written)
        results = []
        for i, batch in enumerate(self.sizes):
            own = {leaf.number: leaf.batches[i] for leaf in given if isinstance(leaf, Traced)}
            filled_args, filled_kwargs = filled(written, own.__getitem__, batch)
            results.append(_computed(function, filled_args, filled_kwargs))
        return self._recorded(function, written[0], written[1], results)

    def enter(self, module: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Trace through a module's forward pass, or, where that cannot be written down, make it one call."""
        path = self.paths.get(id(module), "") if self.modules else ""
        if self.modules and not path:
            return super().enter(module, args, kwargs)  # it is no part of the model: its calls count as its caller's
        before, reason = len(self.calls), "it has hooks"
        if vars(module).get("_hooks") is None and type(module) in self.whole:
            reason = ""
        elif vars(module).get("_hooks") is None:
            outside, self.reason = self.reason, None
            try:
                result = super().enter(module, args, kwargs)
                reason = self.reason or ""
            except Exception as error:  # a forward pass may do anything to a stand-in; a real fault shows again below
                reason = self.reason or f"{type(error).__name__} for a stand-in: {error}"
            self.reason = outside
            if self.reads_batch:
                raise self.refused_batch()
            if not reason:
                return result
        del self.calls[before:]
        return self.tell(path, Own(path, module, reason), args, kwargs)

    def written(self, leaf: Any) -> Any:
        """What stands for an argument in the graph."""
        if isinstance(leaf, Traced):
            return Ref(leaf.number)
        if isinstance(leaf, Batch):
            return leaf.read() if leaf.factor is None else Times(leaf.factor)
        leaf = value_of(leaf)
        return self.names.constant(leaf) if type(leaf) is np.ndarray else leaf

    def _check(self, function: Any, args: Any, kwargs: Any) -> None:
        """Refuse calls that write into arrays, and those whose result's shape depends on values."""
        if kwargs.get("out") is not None:
            raise self.refused("it writes into an array")
        if function in (functional.embedding, functional.embedding_bag) and self._renormalizes(function, args, kwargs):
            raise self.refused("max_norm changes its weight")
        one_hot = function is functional.one_hot and -1 in (
            *args[1:],
            kwargs.get("num_classes", -1 if len(args) < 2 else 0),
        )
        if function in SHAPED_BY_VALUES or one_hot or (function is np.where and len(args) + len(kwargs) == 1):
            raise self.refused("the shape of a result depends on values")
        if function is operator.getitem:
            self._check_index(*args)

    @staticmethod
    def _renormalizes(function: Any, args: Any, kwargs: Any) -> bool:
        place = 3  # of max_norm in both
        return kwargs.get("max_norm") is not None or (len(args) > place and args[place] is not None)

    def _check_index(self, array: Any, index: Any) -> None:
        """Refuse masks; an index whose meaning depends on the batch size counts as asking for it."""
        places = index if isinstance(index, tuple) else (index,)
        if any(leaf.dtype == bool for leaf in leaves(places) if isinstance(leaf, (Tensor, np.ndarray))):
            raise self.refused("the shape of a result depends on values")
        sizes = iter(np.shape(array) if not isinstance(array, Traced) else array.shape)
        if Ellipsis in [place for place in places if place is Ellipsis]:
            at = next(i for i, place in enumerate(places) if place is Ellipsis)
            taken = sum(place is not None for place in places) - 1
            full = (slice(None),) * (np.ndim(array.batches[0] if isinstance(array, Traced) else array) - taken)
            places = (*places[:at], *full, *places[at + 1 :])
        for place in places:
            size = None if place is None else next(sizes, None)
            if isinstance(size, Batch) and not _fits_any_batch(place):
                size.read()

    def _recorded(self, function: Any, args: Any, kwargs: Any, results: list[Any]) -> Any:
        first = results[0]
        if not isinstance(first, (list, tuple)):
            self._refuse_others(function, results)
            made = self.stand_in(results)
            self.calls.append(Call(function, args, kwargs, made.number, self._path))
            return made
        if len({len(result) for result in results}) > 1:
            raise self.refused_batch()
        several, self.next = self.next, self.next + 1
        self.calls.append(Call(function, args, kwargs, several, self._path))
        parts = [
            self._recorded(operator.getitem, (Ref(several), i), {}, list(each))
            for i, each in enumerate(zip(*results, strict=True))
        ]
        return type(first)(*parts) if hasattr(first, "_fields") else type(first)(parts)

    @property
    def _path(self) -> str:
        return self.modules[-1][0] if self.modules else ""

    def _refuse_others(self, function: Any, results: Any) -> None:
        for each in results:
            if not isinstance(each, (np.ndarray, np.generic)) or each.dtype.kind == "O":
                cause = f"{function.reason}; " if isinstance(function, Own) and function.reason else ""
                raise self.refused(f"{cause}it computes a {type(each).__name__}, not an array of numbers")


def _computed(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The call's result; nobody sees its values, so that most are repeated ones, which saves most of a trace's time.

    A linear layer computes its first row, a convolution or a pooling its first sample; functions of one element or of
    one row compute once what repeats in their input.
    """
    x = args[0] if args else None
    if not isinstance(x, np.ndarray) or x.ndim < 2 or not x.size:
        return function(*args, **kwargs)
    if _OF_SAMPLES.get(function) == x.ndim:
        kept, first = x.ndim - 1, True
    elif function in _OF_ROWS or isinstance(function, Unary):
        kept, first = int(function in _OF_ROWS), function is functional.linear
    else:
        return function(*args, **kwargs)
    small = x[tuple(slice(0, 1) if first or not stride else slice(None) for stride in x.strides[: x.ndim - kept])]
    result = function(small, *args[1:], **kwargs)
    if not isinstance(result, np.ndarray):  # indices as well
        return function(*args, **kwargs)
    return np.broadcast_to(result, (*x.shape[: x.ndim - kept], *result.shape[x.ndim - kept :]))


_OF_ROWS = frozenset({functional.linear, functional.layer_norm, functional.rms_norm})
_OF_SAMPLES = {
    getattr(functional, f"{name}{dims}d"): dims + 2
    for name in ("conv", "conv_transpose", "max_pool", "avg_pool", "adaptive_max_pool", "adaptive_avg_pool")
    for dims in (1, 2, 3)
}  # with the number of dimensions of a batch


def _fits_any_batch(place: Any) -> bool:
    """Whether an index of the batch means the same for every batch of at least one sample."""
    if isinstance(place, slice):
        start, stop = (each is None or isinstance(each, Batch) for each in (place.start, place.stop))
        return (start or place.start in (0, 1)) and (stop or place.stop in (0, -1))
    if isinstance(place, (int, np.integer)):
        return place in (0, -1)
    return isinstance(place, (Tensor, Batch)) or place is Ellipsis


def trace(
    model: Any,
    args: Any,
    kwargs: dict[str, Any],
    batches: list[list[Array]],
    sizes: tuple[int, ...],
    whole: tuple[type, ...] = (),
) -> Graph:
    """The graph of a model's forward pass.

    Parameters
    ----------
    model : Module
    args, kwargs
        The arguments, with Refs in place of inputs.
    batches : list of lists of ndarray
        The inputs, for each batch.
    sizes : tuple of int
        Of the batches; a single one makes a graph for that size alone.
    whole : tuple of type
        Classes of modules that become one call each.

    Raises
    ------
    Untraceable
        Where not even the model as a whole is one call with arrays for its results.
    ReadsBatch
        If the forward pass asks for the batch size, and there are several.
    """
    tracer = Tracer(sizes, Names.of([*model.named_parameters(), *model.named_buffers()]), whole)
    inputs = [tracer.stand_in(list(each)) for each in zip(*batches, strict=True)]
    given, named = filled((args, kwargs), inputs.__getitem__, sizes[0])
    with no_grad(), tracer:
        y = model(*given, **named)
    if tracer.reads_batch:
        raise tracer.refused_batch()
    results = mapped(y, tracer.written)
    found = leaves(results)
    if not any(isinstance(leaf, Ref) for leaf in found):
        raise Untraceable("its output does not depend on its input")
    for leaf in found:
        if not isinstance(leaf, (*PLAIN, Ref, Times)):
            raise Untraceable(f"it returns a {type(leaf).__name__}")
    used = {call.number for call in tracer.calls} | set(range(len(inputs)))
    values = {number: value for number, value in tracer.values.items() if number in used}
    return Graph(
        [values[i] for i in range(len(inputs))], tracer.calls, results, values, None if len(sizes) > 1 else sizes[0]
    )
