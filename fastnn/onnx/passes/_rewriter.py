"""A graph while passes change it, and what they ask of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..._core import ACTS
from ...graph._graph import Call, Constant, Graph, Names, Ref, Unary, Value, mapped, refs

Made = Call | Ref | None  # what takes a call's place: another call of that number, a value that there is, nothing
Pass = Callable[["Rewriter", Call], Made]


def unary(name: str, a: float = 0.0) -> Unary:
    return Unary(ACTS[name], a, 0.0)


class Rewriter:
    """A graph while it changes.

    done : how often each pass has done something
    """

    def __init__(self, graph: Graph, names: Names, passes: list[list[Pass]]):
        self.graph, self.names, self.done = graph, names, Counter[str]()
        self.made: dict[int, Call] = {}
        self.uses: Counter[int] = Counter()
        self._next = 1 + max([*graph.values, *(call.number for call in graph.calls)], default=0)
        for each in passes:
            self._sweep(each)

    def _sweep(self, passes: list[Pass]) -> None:
        alias: dict[int, Ref] = {}
        self.uses = Counter(number for call in self.graph.calls for number in call.reads)
        self.uses.update(refs(self.graph.results))
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
        self.graph.calls = self._needed()

    def _needed(self) -> list[Call]:
        """The calls without those that nothing reads."""
        needed, kept = refs(self.graph.results), []
        for call in reversed(self.made.values()):
            if call.number in needed:
                kept.append(call)
                needed |= call.reads
        return kept[::-1]

    # -- what patterns ask --------------------------------------------------------------------------------------------

    def maker(self, value: Any, *functions: Any) -> Call | None:
        """The call that makes a value, if it is one of these functions."""
        call = self.made.get(value.number) if isinstance(value, Ref) else None
        return call if call is not None and (not functions or call.function in functions) else None

    def shape(self, value: Any) -> tuple[int, ...] | None:
        """Of a value or a constant."""
        if isinstance(value, Ref):
            return self.graph.sample(value.number)
        return np.shape(value.array if isinstance(value, Constant) else value)

    def operands(self, call: Call | None, function: Any = None) -> list[Any]:
        """The two operands of a call, the constant one last; none if it is another function's."""
        if call is None or len(call.args) != 2 or call.kwargs or function not in (None, call.function):
            return []
        return sorted(call.args, key=lambda each: not isinstance(each, Ref))

    def factors(self, value: Any, depth: int = 4) -> tuple[float, list[Any]]:
        """A value as a number times other values."""
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
        """A call before the one that is looked at; its result is of that shape and dtype."""
        number, self._next = self._next, self._next + 1
        self.made[number] = Call(function, args, kwargs, number)
        self.graph.values[number] = Value(shape, np.dtype(dtype))
        self.uses[number] = 1
        return Ref(number)

    def constant(self, array: Any, dtype: Any) -> Constant:
        """A new constant."""
        return self.names.constant(np.asarray(array, dtype))


def scalar(value: Any) -> float | None:
    """A constant of one number."""
    array = value.array if isinstance(value, Constant) else value
    if isinstance(array, (int, float, np.ndarray, np.generic)) and np.size(array) == 1:
        return float(np.asarray(array).reshape(-1)[0])
    return None


def near(number: float, wanted: float) -> bool:
    return abs(number - wanted) <= 2e-4 * abs(wanted)
