"""A program for inputs of given shapes, recorded as a graph, which a plan turns into a few calls of C.

The program is run once.  What depends on constants and shapes alone becomes a constant, an `If` whose condition is
known becomes its branch, and everything else is recorded as calls: of NumPy's and the project's functions where a rule
of `rules` translates the operator, else of the operator as it is.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._check import Array
from ..graph._graph import Call, Graph, Names, Ref, Value, leaves, mapped
from ..graph._plan import Refused
from ._program import ERRORS, Called, Operation, Program, Scope, results_of, told
from .operators import DRAWN
from .passes import rewrite
from .rules import TRANSLATIONS, Untranslated

LARGEST = 1 << 26  # most elements of a value: programs with larger ones are not recorded
FOLDED = 1 << 20  # most elements of results that are kept as constants
# operators whose results' shapes depend on the values of the inputs at these places
SHAPED = {
    "AffineGrid": (1,), "CenterCropPad": (1,), "Col2Im": (1, 2), "Compress": (0, 1), "ConstantOfShape": (0,),
    "Expand": (1,), "Loop": (0, 1), "MaxUnpool": (2,), "NonMaxSuppression": (0, 1), "NonZero": (0,), "OneHot": (1,),
    "Pad": (1, 3), "Range": (0, 1, 2), "ReduceL1": (1,), "ReduceL2": (1,), "ReduceLogSum": (1,),
    "ReduceLogSumExp": (1,), "ReduceMax": (1,), "ReduceMean": (1,), "ReduceMin": (1,), "ReduceProd": (1,),
    "ReduceSum": (1,), "ReduceSumSquare": (1,), "Reshape": (1,), "Resize": (1, 2, 3), "Slice": (1, 2, 3, 4),
    "Split": (1,), "Squeeze": (1,), "Tile": (1, 2), "TopK": (1,), "Unique": (0,), "Unsqueeze": (1,), "Upsample": (1,),
}  # fmt: skip


class NeedsValue(Exception):
    """A branch or a shape depends on these inputs, single integers: each value needs a recording of its own."""

    def __init__(self, names: frozenset[str]):
        super().__init__(", ".join(sorted(names)))
        self.names = names


class TooLarge(Exception):
    """A value of more than LARGEST elements."""


@dataclass(eq=False)
class Traced:
    """A value that depends on the inputs' values.

    open : whether its shape depends on them, too
    scalars : the names of the inputs that it depends on if all are single integers, else None
    """

    number: int
    array: Array
    open: bool
    scalars: frozenset[str] | None

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape."""
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The array's dtype."""
        return self.array.dtype

    @property
    def ndim(self) -> int:
        """The array's number of dimensions."""
        return self.array.ndim


class AsItIs:
    """An operator called as it is; raises `Refused` if its results have other shapes or dtypes than expected."""

    def __init__(self, operation: Operation, given: int, names: tuple[str, ...]):
        from ._bodies import Body  # imported late: it imports this module

        self.operation, self.given, self.names = operation, given, names
        self.expected: list[Any] | None = None
        self.__name__ = operation.node.operator
        self.bodies = {name: Body(each) for name, each in operation.attributes.items() if isinstance(each, Program)}

    def __call__(self, *values: Any) -> Any:
        """The list of results; values from index `given` on are those that inner graphs read by `names`."""
        scope = Scope(None, {}, dict(zip(self.names, values[self.given :], strict=True)))
        attributes = self.operation.attributes | {name: each.bound(scope) for name, each in self.bodies.items()}
        results = results_of(self.operation, list(values[: self.given]), attributes)
        if self.expected is not None and [_kind(each) for each in results] != self.expected:
            raise Refused
        return results


def _kind(result: Any) -> Any:
    return None if result is None else (result.shape, result.dtype)


class Recorder:
    """Runs a program for `feeds`, and records what it does as a graph.

    valued : names of inputs whose values are taken as constants
    constants : the program's, and those that it reads of enclosing graphs
    """

    def __init__(self, program: Program, feeds: dict[str, Array], valued: frozenset[str], constants: dict[str, Any]):
        self.calls: list[Call] = []
        self.values: dict[int, Value] = {}
        self.drawn = False
        self.names = Names({id(array): name for name, array in constants.items()})
        given = {name: np.array(array) if name in valued else self._input(name, array) for name, array in feeds.items()}
        self.inputs = [name for name in feeds if name not in valued]
        kinds = [self.values[i] for i in range(len(self.inputs))]
        self.outputs = self._run(program, Scope(None, constants, given))
        results = mapped(self.outputs, self._written)
        self.graph = Graph(kinds, self.calls, results, self.values, whole=True)
        self.passes = rewrite(self.graph, self.names)

    @property
    def results(self) -> list[Array]:
        """The program's outputs."""
        return [each.array if isinstance(each, Traced) else each for each in self.outputs]

    def _input(self, name: str, array: Array) -> Traced:
        single = array.size == 1 and array.dtype.kind in "biu"
        return self._new(array, False, frozenset({name}) if single else None)

    def _new(self, array: Any, is_open: bool, scalars: frozenset[str] | None) -> Traced:
        if array.size > LARGEST:
            raise TooLarge
        number = len(self.values) + self.missing
        if is_open:
            self.missing += 1
        else:
            self.values[number] = Value(array.shape, array.dtype)
        return Traced(number, array, is_open, scalars)

    missing = 0  # how many numbers have no entry in `values`: unknown shapes, tuples

    def _written(self, leaf: Any) -> Any:
        if isinstance(leaf, Traced):
            return Ref(leaf.number)
        return self.names.constant(leaf) if isinstance(leaf, np.ndarray) else leaf

    def emit(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function, and record it if an argument is traced."""
        given, named_given = mapped((args, kwargs), lambda leaf: leaf.array if isinstance(leaf, Traced) else leaf)
        with np.errstate(all="ignore"):
            result = function(*given, **named_given)
        traced = [leaf for leaf in leaves((args, kwargs)) if isinstance(leaf, Traced)]
        if not traced:
            return result if isinstance(result, tuple) else np.asarray(result)
        written = mapped((args, kwargs), self._written)
        if isinstance(result, tuple):
            return self._several(function, written[0], written[1], list(result), False, _scalars(traced))
        made = self._new(np.asarray(result), False, _scalars(traced))
        self.calls.append(Call(function, written[0], written[1], made.number))
        return made

    def _several(
        self, function: Any, args: Any, kwargs: Any, results: list[Any], is_open: bool, scalars: frozenset[str] | None
    ) -> list[Any]:
        """Record a call with several results, and one getitem for each of them."""
        number = len(self.values) + self.missing
        self.missing += 1
        self.calls.append(Call(function, args, kwargs, number))
        parts: list[Any] = []
        for i, each in enumerate(results):
            part = None if each is None else self._new(each, is_open, scalars)
            if part is not None:
                self.calls.append(Call(operator.getitem, (Ref(number), i), {}, part.number))
            parts.append(part)
        return parts

    def _run(self, program: Program, scope: Scope) -> list[Any]:
        for operation in program.operations:
            given = [scope[name] if name else None for name in operation.node.inputs]
            scope.keep(operation, self._operation(operation, given, scope))
        return [scope[name] for name in program.outputs]

    def _operation(self, operation: Operation, given: list[Any], scope: Scope) -> list[Any]:
        name, traced = operation.node.operator, [each for each in given if isinstance(each, Traced)]
        inner = [each for each in operation.attributes.values() if isinstance(each, Program)]
        if isinstance(operation.function, Called):
            program = operation.function.program
            return self._run(program, Scope(None, program.constants, operation.function.padded(given)))
        if name == "If" and not traced:
            branch = operation.attributes["then_branch" if np.asarray(given[0]).reshape(-1)[0] else "else_branch"]
            return self._run(branch, Scope(scope, branch.constants, {}))
        if name in ("Shape", "Size") and not (traced and given[0].open):
            return results_of(operation, [each.array for each in traced] or given)
        if not traced and not inner and name not in DRAWN:
            results = results_of(operation, given)
            if sum(each.size for each in results if each is not None) <= FOLDED:
                return results
        deciding = [given[i] for i in ((0,) if name == "If" else SHAPED.get(name, ())) if i < len(given)]
        deciding = [each for each in deciding if isinstance(each, Traced)]
        if deciding and (scalars := _scalars(deciding)):
            raise NeedsValue(scalars)
        is_open = any(each.open for each in traced) or (bool(deciding) and name != "If")
        rule = None if is_open or inner or not traced else TRANSLATIONS.get(operation.function)
        if rule is not None:
            try:
                made = rule(self, *given, **operation.attributes)
                return made if isinstance(made, list) else [made]
            except Untranslated:
                pass
            except ERRORS as error:
                raise told(operation, given, error) from error
        return self._as_it_is(operation, given, scope, inner, is_open)

    def _as_it_is(
        self, operation: Operation, given: list[Any], scope: Scope, inner: list[Program], is_open: bool
    ) -> list[Any]:
        self.drawn |= operation.node.operator in DRAWN
        names = tuple(dict.fromkeys(name for each in inner for name in sorted(each.reads)))
        function = AsItIs(operation, len(given), names)
        args = [*given, *(scope[name] for name in names)]
        results = function(*(each.array if isinstance(each, Traced) else each for each in args))
        traced = [each for each in args if isinstance(each, Traced)]
        is_open = is_open or any(each.open for each in traced)
        is_open = is_open or any(each is not None and each.dtype.kind == "O" for each in results)
        function.expected = None if is_open else [_kind(each) for each in results]
        return self._several(function, tuple(map(self._written, args)), {}, results, is_open, _scalars(traced))


def _scalars(traced: list[Traced]) -> frozenset[str] | None:
    found = frozenset[str]()
    for each in traced:
        if each.scalars is None:
            return None
        found |= each.scalars
    return found
