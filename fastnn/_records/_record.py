"""Records, the distributions of their arguments, and the calls made from both.

A record names a function's arguments once.  Whoever tests, hashes, compares or times the function asks for calls: of
any shape of the first argument, any dtype and any seed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from .. import functional
from .._check import Array

Shape = tuple[int, ...]
Options = dict[str, Any]
IN_TABLE = "a row of a table of kernels, which is run as a whole"
NO_KERNEL = "NumPy alone"
COMPANIONS = ("_backward", "_stats", "_mask")  # functions that belong to the one with their name's beginning


@dataclass(frozen=True)
class Draw:
    """An array argument.

    make        (generator, shape of the first argument) -> values; floats are given the call's dtype
    per_sample  whether its first axis is the batch, so that a part of the batch takes a part of it
    """

    make: Callable[[np.random.Generator, Shape], Any]
    per_sample: bool = False


@dataclass(frozen=True)
class Wrong:
    """A call that must be refused: the first argument's shape, other arguments, the error and what it says."""

    text: str
    arguments: Options = field(default_factory=dict)
    shape: Shape | None = None
    error: type[Exception] = ValueError


@dataclass(frozen=True)
class LayerCall:
    """A class of fastnn.nn, how it is made, and the shapes of its inputs; none for indices."""

    name: str
    args: tuple[Any, ...] = ()
    options: Options = field(default_factory=dict)
    inputs: tuple[Shape, ...] = ()


@dataclass(frozen=True)
class Record:
    """The facts of a function that tests and benchmarks need, beside its formula in the kernels.

    arguments   by the function's own names, the first one first: Draws, values as they are, or functions of the first
                one's shape
    shapes      small shapes of the first argument, for values, differences and other libraries
    variants    other arguments, each in place of those above
    reference   the formula in NumPy, given the same arguments as float64
    gradients   the arguments that have a derivative
    twin        those whose gradients the `_backward` function returns, in its order; None for the same
    saved       what the `_backward` function reads beside them: (call) -> values by name; None to derive it
    joins       whether the results of a batch's samples depend on each other, given the arguments
    random      whether a result is drawn, given the arguments: other libraries draw others
    torch       PyTorch's name of it, or a function of the same arguments; None if it has none
    bounds      of the error beside the reference's largest value, in float32 and float64
    step        of the differences that check gradients
    wrong       calls that must be refused
    any_shape   other arguments for a first argument of any shape: (shape) -> arguments
    large       shapes that are cut among threads, for hashes
    large_variants  variants for them, where they differ
    batch       a shape whose first axis is cut in parts, for hashes
    layers      classes of fastnn.nn that call it
    bench       shapes that are timed, as the contest of bench/ takes them
    bench_with  other arguments for them
    flat        the function and its twin put as functions of arrays that return one array, or one for each argument,
                for a function that takes or returns tuples
    native      calls of its kernels in C (see tests/native/selftest.c), the name of the record whose kernels it runs,
                or why there are none: IN_TABLE, NO_KERNEL
    """

    name: str
    arguments: Options
    shapes: tuple[Shape, ...]
    variants: tuple[Options, ...] = ({},)
    reference: Callable[..., Any] | None = None
    gradients: tuple[str, ...] = ("input",)
    twin: tuple[str, ...] | None = None
    saved: Callable[[Call], Options] | None = None
    joins: Callable[[Options], bool] = lambda arguments: False
    random: Callable[[Options], bool] = lambda arguments: False
    torch: str | Callable[..., Any] | None = None
    bounds: tuple[float, float] = (3e-6, 1e-13)
    step: float = 1e-4
    wrong: tuple[Wrong, ...] = ()
    any_shape: Callable[[Shape], Options] = lambda shape: {}
    large: tuple[Shape, ...] = ()
    batch: Shape = (64, 12, 50)
    layers: tuple[LayerCall, ...] = ()
    large_variants: tuple[Options, ...] = ()
    bench: tuple[Shape, ...] = ()
    bench_with: Options = field(default_factory=dict)
    native: str = ""
    flat: tuple[Callable[..., Any], ...] = ()

    def __post_init__(self) -> None:
        FLAT.update(zip((self.name, self.name + "_backward"), self.flat, strict=False))

    @property
    def function(self) -> Callable[..., Any]:
        """The function of fastnn.functional, or its flat form."""
        return function_of(self.name)

    @property
    def parameters(self) -> list[str]:
        """The function's own names of its arguments."""
        return list(signature_of(self.name).parameters)

    def call(self, shape: Shape, variant: Options | None = None, dtype: Any = np.float64, seed: int = 0) -> Call:
        """Draw the arguments of a call."""
        chosen = self.arguments | (variant or {})
        order = {name: i for i, name in enumerate(self.parameters)}
        values = {
            name: drawn(each, np.random.default_rng([seed, order[name]]), shape, dtype) for name, each in chosen.items()
        }
        parts = {name for name, each in chosen.items() if isinstance(each, Draw) and each.per_sample}
        return Call(self, values, frozenset(parts))

    def any_call(self, shape: Shape) -> Options:
        """Arguments for a first one of any shape; the function may still refuse them."""
        plain = {
            name: value
            for name, value in list(self.arguments.items())[1:]
            if not isinstance(value, Draw) and not inspect.isfunction(value)
        }
        return plain | self.any_shape(shape)

    def calls(self, dtype: Any = np.float64) -> Iterator[Call]:
        """Every variant at every small shape."""
        for shape in self.shapes:
            for variant in self.variants:
                yield self.call(shape, variant, dtype)

    def large_calls(self, dtype: Any) -> Iterator[Call]:
        """Every variant at every shape that is cut among threads."""
        for shape in self.large:
            for variant in self.large_variants or self.variants:
                yield self.call(shape, variant, dtype)


def drawn(argument: Any, rng: np.random.Generator, shape: Shape, dtype: Any) -> Any:
    """An argument's value: floats in the call's dtype, integers as they are."""
    if not isinstance(argument, Draw):
        return argument(shape) if inspect.isfunction(argument) else argument
    values = np.asarray(argument.make(rng, shape))
    return values.astype(dtype) if values.dtype.kind == "f" else values


FLAT: dict[str, Callable[..., Any]] = {}  # the flat forms of the records that have them, by the function's name


def function_of(name: str) -> Callable[..., Any]:
    """A function of fastnn.functional, or its flat form."""
    return FLAT.get(name) or getattr(functional, name)


@cache
def signature_of(name: str) -> inspect.Signature:
    """The signature of a function, or of its flat form."""
    return inspect.signature(function_of(name))


def bound(name: str, known: Options) -> inspect.BoundArguments:
    """Those of the known arguments that the function has, by position as far as there is no gap."""
    signature = signature_of(name)
    return signature.bind(**{key: value for key, value in known.items() if key in signature.parameters})


def is_float(value: Any) -> bool:
    """Whether an argument can have a gradient."""
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def as_tuple(result: Any) -> tuple[Any, ...]:
    """One result or several as a tuple."""
    return result if isinstance(result, tuple) else (result,)


@dataclass(frozen=True)
class Call:
    """A function with its arguments by name, the first one first, and which of them are cut with the batch."""

    record: Record
    arguments: Options
    parts: frozenset[str]

    @property
    def first(self) -> str:
        """The name of the first argument."""
        return next(iter(self.arguments))

    @property
    def input(self) -> Any:
        """The first argument."""
        return self.arguments[self.first]

    @property
    def joins(self) -> bool:
        """Whether the results of samples depend on each other."""
        return self.record.joins(self.arguments)

    @property
    def with_gradient(self) -> list[str]:
        """The arguments given that have a derivative."""
        return [name for name in self.record.gradients if is_float(self.arguments.get(name))]

    def replaced(self, **arguments: Any) -> Call:
        """The same call with some other arguments."""
        return Call(self.record, self.arguments | arguments, self.parts)

    def mapped(self, change: Callable[[Array], Any], only: Callable[[str], bool] = lambda name: True) -> Call:
        """The same call, every array, or some of them, changed."""
        values = {
            name: change(value) if isinstance(value, np.ndarray) and only(name) else value
            for name, value in self.arguments.items()
        }
        return Call(self.record, values, self.parts)

    def part(self, samples: slice) -> Call:
        """The call on some samples of the batch."""
        return self.mapped(lambda array: array[samples], lambda name: name in self.parts)

    def value(self, **extra: Any) -> Any:
        """The function's result; `extra` are further arguments, such as `out`."""
        given = bound(self.record.name, self.arguments | extra)
        return self.record.function(*given.args, **given.kwargs)

    def reference(self) -> Any:
        """The reference's result, in float64."""
        formula = self.record.reference
        assert formula is not None, self.record.name
        wide = self.mapped(lambda array: array.astype(np.float64) if is_float(array) else array)
        return formula(**wide.arguments)

    def saved(self) -> Options:
        """The twin's further arguments: `<name>_stats` of the call's, or those that the record names."""
        if self.record.saved is not None:
            return self.record.saved(self)
        if not hasattr(functional, self.record.name + "_stats"):
            return {}
        found = as_tuple(self.companion("_stats"))
        return dict(zip(("mean", "rstd")[-len(found) :], found, strict=True))

    def companion(self, suffix: str) -> Any:
        """The result of `<name>_stats` or `<name>_mask` for the call's arguments."""
        known = {"input": self.input, "shape": np.shape(self.input)} | self.arguments
        given = bound(self.record.name + suffix, known)
        return getattr(functional, self.record.name + suffix)(*given.args, **given.kwargs)

    def twin_takes(self, name: str) -> bool:
        """Whether the `_backward` function has an argument of this name."""
        return name in signature_of(self.record.name + "_backward").parameters

    def gradients(self, dy: Any, **extra: Any) -> dict[str, Any]:
        """The gradients that the `_backward` function returns for `dy`, by the name of the argument."""
        name = self.record.name + "_backward"
        known = {"x": self.input, "dy": dy} | self.arguments | self.saved() | extra
        if self.twin_takes("y") and "y" not in known:
            known["y"] = self.value()
        given = bound(name, known)
        result = as_tuple(function_of(name)(*given.args, **given.kwargs))
        names = self.record.gradients if self.record.twin is None else self.record.twin
        found = dict(zip(names, result, strict=True))
        return {key: d for key, d in found.items() if d is not None and self.arguments.get(key) is not None}


# -- what arguments are drawn from ------------------------------------------------------------------------------------


def normal(mean: float = 0.0, deviation: float = 1.0) -> Draw:
    """Of the first argument's shape."""
    return Draw(lambda rng, shape: rng.normal(mean, deviation, shape), per_sample=True)


def uniform(low: float, high: float) -> Draw:
    """Of the first argument's shape."""
    return Draw(lambda rng, shape: rng.uniform(low, high, shape), per_sample=True)


def signs() -> Draw:
    """1 and -1, of the first argument's shape."""
    return Draw(lambda rng, shape: rng.choice([-1.0, 1.0], shape), per_sample=True)


def channels(low: float = -2.0, high: float = 2.0) -> Draw:
    """One value for each channel, the second axis; one where there is none."""
    return Draw(lambda rng, shape: rng.uniform(low, high, shape[1:2] or 1))


def fixed(*size: int, low: float = -2.0, high: float = 2.0) -> Draw:
    """Of a shape that does not depend on the first argument's."""
    return Draw(lambda rng, shape: rng.uniform(low, high, size))


def trailing(count: int, low: float = -2.0, high: float = 2.0) -> Draw:
    """Of the shape of the first argument's last axes."""
    return Draw(lambda rng, shape: rng.uniform(low, high, shape[-count:]))


def weights(outputs: int, *more: int) -> Draw:
    """(outputs, features of the first argument, ...)."""
    return Draw(lambda rng, shape: rng.uniform(-1, 1, (outputs, *shape[-1:], *more)))


def features(count: int) -> Draw:
    """The first argument's shape, its last axis of another size."""
    return Draw(lambda rng, shape: rng.normal(size=(*shape[:-1], count)), per_sample=True)


def class_axis(shape: Shape) -> int:
    """The axis of classes, as in losses: the second, or the only one."""
    return 1 if len(shape) > 1 else 0


def classes() -> Draw:
    """The index of a class for each sample, and each place of it."""

    def make(rng: np.random.Generator, shape: Shape) -> Any:
        axis = class_axis(shape)
        return rng.integers(0, shape[axis], shape[:axis] + shape[axis + 1 :])

    return Draw(make, per_sample=True)


def class_weights() -> Draw:
    """One positive value for each class."""
    return Draw(lambda rng, shape: rng.uniform(0.5, 2, shape[class_axis(shape)]))


def shares() -> Draw:
    """Of the first argument's shape, positive, summing to 1 over the classes."""

    def make(rng: np.random.Generator, shape: Shape) -> Any:
        values = rng.uniform(0.1, 1, shape)
        return values / values.sum(class_axis(shape), keepdims=True)

    return Draw(make, per_sample=True)


def indices(below: int) -> Draw:
    """Integers from 0, of the first argument's shape."""
    return Draw(lambda rng, shape: rng.integers(0, below, shape), per_sample=True)
