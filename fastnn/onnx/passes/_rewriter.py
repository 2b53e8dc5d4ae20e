"""A graph that passes change, and queries for their patterns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..._check import Array
from ..._core import ACTS
from ...graph._graph import Call, Constant, Graph, Names, Ref, Unary, Value, mapped, refs

Made = Call | Ref | None  # a call's replacement: a call of the same number, an existing value, or none
Pass = Callable[["Rewriter", Call], Made]


def unary(name: str, a: float = 0.0) -> Unary:
    return Unary(ACTS[name], a, 0.0)


class Rewriter:
    """A graph while it changes.

    done : how often each pass has changed a call
    made : the calls so far, by number
    hidden : the numbers of recurrent layers' hidden states
    """

    def __init__(self, graph: Graph, names: Names):
        self.graph, self.names, self.done = graph, names, Counter[str]()
        self.made = {call.number: call for call in graph.calls}
        self.hidden: set[int] = set()
        self._next = 1 + max([*graph.values, *self.made], default=0)
        self._shared: dict[Any, Constant] = {}
        self._count()

    def _count(self) -> None:
        self.uses = Counter(number for call in self.graph.calls for number in call.reads)
        self.uses.update(refs(self.graph.results))

    def sweep(self, passes: list[Pass]) -> None:
        """Try the passes on each call, in order."""
        alias: dict[int, Ref] = {}
        self.made = {}

        def current(leaf: Any) -> Any:
            return alias.get(leaf.number, leaf) if isinstance(leaf, Ref) else leaf

        for written in self.graph.calls:
            call = written
            if not alias.keys().isdisjoint(written.reads):
                args, kwargs = mapped((written.args, written.kwargs), current)
                call = replace(written, args=args, kwargs=kwargs)
            for each in passes:
                found = each(self, call)
                if found is None:
                    continue
                self.done[each.__name__] += 1
                if isinstance(found, Ref):
                    alias[call.number] = found
                    break
                call = found
            else:
                self.made[call.number] = call
        self.graph.results = mapped(self.graph.results, current)
        self.clean()

    def clean(self) -> None:
        """Remove calls that nothing reads; sort the rest so that each follows what it reads."""
        needed, left = set[int](), list(refs(self.graph.results))
        while left:
            number = left.pop()
            if number in self.made and number not in needed:
                needed.add(number)
                left += self.made[number].reads
        ordered: dict[int, Call] = {}
        for number in [each for each in self.made if each in needed]:
            left = [number]
            while left:
                ahead = [] if left[-1] in ordered else self.made[left[-1]].reads & needed - ordered.keys()
                if not ahead:
                    ordered[left[-1]] = self.made[left[-1]]
                    left.pop()
                left += ahead
        self.made, self.graph.calls = ordered, list(ordered.values())
        self._count()

    # -- what patterns ask --------------------------------------------------------------------------------------------

    def maker(self, value: Any, *functions: Any) -> Call | None:
        """The call that makes a value, if it is of these functions (none: any)."""
        call = self.made.get(value.number) if isinstance(value, Ref) else None
        return call if call is not None and (not functions or call.function in functions) else None

    def shape(self, value: Any) -> tuple[int, ...] | None:
        """The shape of a value or a constant."""
        if isinstance(value, Ref):
            return self.graph.sample(value.number)
        return np.shape(value.array if isinstance(value, Constant) else value)

    def dtype(self, value: Any) -> Any:
        """The dtype of a value or a constant."""
        return self.graph.values[value.number].dtype if isinstance(value, Ref) else getattr(value, "array", value).dtype

    def operands(self, call: Call | None, function: Any = None) -> list[Any]:
        """The two operands of a call, the constant one last; [] if it is a call of another function."""
        if call is None or len(call.args) != 2 or call.kwargs or function not in (None, call.function):
            return []
        return sorted(call.args, key=lambda each: not isinstance(each, Ref))

    def factors(self, value: Any, depth: int = 4) -> tuple[float, list[Any]]:
        """A value as a number, and the other values that are its factors."""
        number = scalar(value)
        if number is not None:
            return number, []
        call = self.maker(value, np.multiply, np.divide, np.square, np.power)
        if call is None or not depth:
            return 1.0, [value]
        if call.function is np.divide:
            divisor = scalar(call.args[1])
            if not divisor:
                return 1.0, [value]
            first, rest = self.factors(call.args[0], depth - 1)
            return first / divisor, rest
        if call.function in (np.square, np.power):
            times = 2 if call.function is np.square else scalar(call.args[1])
            if times not in (2, 3):
                return 1.0, [value]
            first, rest = self.factors(call.args[0], depth - 1)
            return first ** int(times), rest * int(times)
        parts = [self.factors(each, depth - 1) for each in call.args]
        return parts[0][0] * parts[1][0], parts[0][1] + parts[1][1]

    def add(self, shape: tuple[int, ...], dtype: Any, function: Any, *args: Any, **kwargs: Any) -> Ref:
        """Add a call before the current one; return its result, of that shape and dtype."""
        number = self.several(function, *args, **kwargs)
        self.graph.values[number] = Value(shape, np.dtype(dtype))
        self.uses[number] = 1
        return Ref(number)

    def several(self, function: Any, *args: Any, **kwargs: Any) -> int:
        """Add a call with several results, and return its number."""
        number, self._next = self._next, self._next + 1
        self.made[number] = Call(function, args, kwargs, number)
        return number

    def reaches(self, value: Any, number: int) -> bool:
        """Whether a value depends on the result of a call."""
        seen, left = set[int](), list(refs(value))
        while left:
            each = left.pop()
            if each in self.made and each not in seen:
                seen.add(each)
                left += self.made[each].reads
        return number in seen

    def constant(self, array: Any, dtype: Any) -> Constant:
        """A new constant."""
        return self.names.constant(np.asarray(array, dtype))

    def shared(self, array: Array, dtype: Any) -> Constant:
        """A constant that is the same object for equal arrays."""
        array = np.asarray(array, dtype)
        key = array.shape, array.dtype, array.tobytes()
        if key not in self._shared:
            self._shared[key] = self.constant(array, dtype)
        return self._shared[key]


def scalar(value: Any) -> float | None:
    """The number of a constant of size 1, else None."""
    array = value.array if isinstance(value, Constant) else value
    if isinstance(array, (int, float, np.ndarray, np.generic)) and np.size(array) == 1:
        return float(np.asarray(array).reshape(-1)[0])
    return None


def near(number: float, wanted: float) -> bool:
    return abs(number - wanted) <= 2e-4 * abs(wanted)
