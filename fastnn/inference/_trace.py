"""What a model does to a batch, as a list of calls: its forward pass run on stand-ins for arrays.

The stand-ins hold the values of an example, so that shapes and dtypes are known, but refuse to show them: a forward
pass that looks at values cannot be written down as a list.  Neither can one that leaves NumPy and this package.  The
smallest module in which that happens then becomes one call of its own forward.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .. import _core
from .._check import Array
from ..autograd import Tensor, no_grad, tracer_of_thread, tracing, value_of

SIZES = 5, 7  # of the two batches; what differs between them as they do is the batch size


class Untraceable(Exception):
    """A forward pass that is no list of calls; the text says why."""


class Ref(NamedTuple):
    """The result of the call of that number; 0 is the input."""

    number: int


class Times(NamedTuple):
    """An integer: so many times the batch size."""

    factor: int


@dataclass(frozen=True)
class Unary:
    """An element-wise function of activations.def with its parameters."""

    act: int
    a: float
    b: float

    def __call__(self, x: Array) -> Array:
        """Return f(x)."""
        return _core.unary(self.act, x, None, self.a, self.b)


@dataclass(frozen=True)
class Own:
    """A module called as it is."""

    path: str
    module: Any

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the module's result, or its several results, as arrays."""
        with no_grad():
            return _mapped(self.module(*args, **kwargs), value_of)

    def __str__(self) -> str:
        name = type(self.module).__name__
        return f"{self.path} ({name})" if self.path else name


def cast(x: Array, dtype: Any) -> Array:
    """`x.astype(dtype)` as a function."""
    return x.astype(dtype)


@dataclass(frozen=True)
class Node:
    """One call; its arguments hold Refs and Times.

    shape: of one sample, or None if no batch leads the result.  A call with several results has neither shape nor
    dtype: each result is taken out of it by a call of its own.
    """

    call: Callable[..., Any]
    args: Any
    kwargs: Any
    number: int
    shape: tuple[int, ...] | None
    dtype: np.dtype[Any] | None


class Traced(Tensor):
    """The stand-in."""

    __slots__ = ("number", "tracer")

    def __init__(self, value: Any, number: int, tracer: Tracer):
        super().__init__(value)
        self.number, self.tracer = number, tracer

    @property  # type: ignore[misc]
    def data(self) -> Array:
        """Refused."""
        raise Untraceable("it looks at the values")

    def detach(self) -> Tensor:
        """Itself: nothing is tracked."""
        return self

    def astype(self, dtype: Any) -> Any:
        """Cast."""
        return self.tracer(cast, (self, dtype), {})

    def __getitem__(self, index: Any) -> Any:
        return self.tracer(operator.getitem, (self, index), {})

    def _elementwise(self, act: int, out: Any, a: float, b: float) -> Any:
        if out is not None and out is not self:
            raise Untraceable("it writes into an array")
        return self.tracer(Unary(act, a, b), (self,), {})


class Tracer:
    """Carries out the calls it is handed, and writes down those with a stand-in among their arguments."""

    def __init__(self) -> None:
        self.calls: list[tuple[Callable[..., Any], Any, Any, Any]] = []

    def __call__(self, call: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Return the result, or the several results; stand-ins for those that depend on a stand-in."""
        if kwargs.get("out") is not None:
            raise Untraceable("it writes into an array")
        written = _mapped((args, kwargs), lambda leaf: Ref(leaf.number) if isinstance(leaf, Traced) else leaf)
        values = _mapped((args, kwargs), lambda leaf: leaf._array if isinstance(leaf, Tensor) else leaf)
        with tracing(None):
            result = call(*values[0], **values[1])
        if not any(isinstance(leaf, Ref) for leaf in _leaves(written)):
            return result
        several = isinstance(result, (list, tuple))
        for each in result if several else [result]:
            if not isinstance(each, (np.ndarray, np.generic)):
                raise Untraceable(f"it computes a {type(each).__name__}, not an array")
        self.calls.append((call, *written, result))
        number = len(self.calls)
        if not several:
            return Traced(result, number, self)
        parts = []
        for i, each in enumerate(result):
            self.calls.append((operator.getitem, (Ref(number), i), {}, each))
            parts.append(Traced(each, len(self.calls), self))
        return type(result)(*parts) if hasattr(result, "_fields") else type(result)(parts)


class _Boundary:
    """Stands where a module's hooks do while it is traced: the module of a call that cannot be written down."""

    def __init__(self, path: str, hooks: Any):
        self.path, self.hooks = path, hooks

    def call(self, module: Any, args: Any, kwargs: Any) -> Any:
        tracer = tracer_of_thread()
        if tracer is None:
            return module.forward(*args, **kwargs) if self.hooks is None else self.hooks.call(module, args, kwargs)
        before = len(tracer.calls)
        if self.hooks is None:
            try:
                return module.forward(*args, **kwargs)
            except Exception:  # a real fault shows again when the module is called as it is
                del tracer.calls[before:]
        return tracer(Own(self.path, module), args, kwargs)


@contextmanager
def _boundaries(model: Any) -> Iterator[None]:
    modules = dict(model.named_modules())
    before = {path: vars(module)["_hooks"] for path, module in modules.items()}
    for path, module in modules.items():
        module.__dict__["_hooks"] = _Boundary(path, before[path])
    try:
        yield
    finally:
        for path, module in modules.items():
            module.__dict__["_hooks"] = before[path]


def trace(model: Any, example: Array) -> tuple[list[Node], int]:
    """The calls that turn a batch like `example` into the model's output, and the number of the output.

    Raises Untraceable where not even the model as a whole is one call with an array for its result.
    """
    calls, outputs = [], []
    for size in SIZES:
        tracer = Tracer()
        x = Traced(np.resize(example, (size, *example.shape[1:])), 0, tracer)
        with no_grad(), tracing(tracer), _boundaries(model):
            y = model(x)
        if not isinstance(y, Traced):
            raise Untraceable("its output does not depend on its input")
        calls.append(tracer.calls)
        outputs.append(y.number)
    if outputs[0] != outputs[1] or len(calls[0]) != len(calls[1]):
        raise Untraceable("it does other things to a batch of another size")
    return [_unified(i, *pair) for i, pair in enumerate(zip(*calls, strict=True), 1)], outputs[0]


def _unified(number: int, first: Any, second: Any) -> Node:
    """One node of the same call in both traces."""
    call, args, kwargs = (_same(a, b) for a, b in zip(first[:3], second[:3], strict=True))
    if isinstance(first[3], (list, tuple)):
        return Node(call, args, kwargs, number, None, None)
    shapes = [np.shape(first[3]), np.shape(second[3])]
    led = all(shape and shape[0] == size for shape, size in zip(shapes, SIZES, strict=True))
    return Node(
        call, args, kwargs, number, shapes[0][1:] if led and shapes[0][1:] == shapes[1][1:] else None, first[3].dtype
    )


def _same(a: Any, b: Any) -> Any:
    """What both traces have in this place."""
    if type(a) is type(b):
        if isinstance(a, (list, tuple)) and len(a) == len(b) and not isinstance(a, Ref):
            return type(a)(_same(*pair) for pair in zip(a, b, strict=True))
        if isinstance(a, dict) and a.keys() == b.keys():
            return {key: _same(a[key], b[key]) for key in a}
        if isinstance(a, slice):
            return slice(*(_same(*pair) for pair in zip(*((s.start, s.stop, s.step) for s in (a, b)), strict=True)))
        if type(a) is int and a != b and a % SIZES[0] == 0 and a // SIZES[0] * SIZES[1] == b:
            return Times(a // SIZES[0])
        if a is b or np.array_equal(value_of(a), value_of(b)):
            return a
    raise Untraceable("it does other things to a batch of another size")


def filled(args: Any, values: dict[int, Any], batch: int) -> Any:
    """Arguments of a node with arrays in place of Refs, and integers in place of Times."""

    def value(leaf: Any) -> Any:
        return (
            values[leaf.number] if isinstance(leaf, Ref) else leaf.factor * batch if isinstance(leaf, Times) else leaf
        )

    return _mapped(args, value)


def refs(*args: Any) -> set[int]:
    """The numbers of all Refs."""
    return {leaf.number for leaf in _leaves(args) if isinstance(leaf, Ref)}


def _mapped(value: Any, function: Callable[[Any], Any]) -> Any:
    if isinstance(value, (list, tuple)) and not isinstance(value, (Ref, Times)):
        return type(value)(_mapped(each, function) for each in value)
    if isinstance(value, dict):
        return {key: _mapped(each, function) for key, each in value.items()}
    if isinstance(value, slice):
        return slice(*(_mapped(each, function) for each in (value.start, value.stop, value.step)))
    return function(value)


def _leaves(value: Any) -> list[Any]:
    found: list[Any] = []
    _mapped(value, lambda leaf: found.append(leaf))
    return found
