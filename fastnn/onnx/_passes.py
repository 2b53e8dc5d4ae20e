"""Passes over a graph: what exporters take apart is put together, constants are drawn into the layers beside them.

Each pass looks at the calls in order, and puts one call in the place of another one: it makes the same value, perhaps
of other values.  What is not read any more goes at the end.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from .. import functional
from .._check import Array
from .._core import ACTS
from ..graph._graph import Call, Constant, Graph, Method, Names, Ref, Unary, mapped, refs
from .operators._elementwise import erf

CONVOLUTIONS = (functional.conv1d, functional.conv2d, functional.conv3d)
Made = Call | Ref | None  # what takes a call's place: another call of that number, a value that there is, nothing


def _unary(name: str, a: float = 0.0) -> Unary:
    return Unary(ACTS[name], a, 0.0)


class Rewriter:
    """A graph while it changes.

    done : how often each pass has done something
    """

    def __init__(self, graph: Graph, names: Names):
        self.graph, self.names, self.done = graph, names, Counter[str]()
        self.made: dict[int, Call] = {}
        self.uses: Counter[int] = Counter()
        for passes in PASSES:
            self._sweep(passes)

    def _sweep(self, passes: list[Callable[[Rewriter, Call], Made]]) -> None:
        alias: dict[int, Ref] = {}
        self.uses = Counter(number for call in self.graph.calls for number in call.reads)
        self.uses.update(refs(self.graph.results))
        self.made = {}

        def current(leaf: Any) -> Any:
            return alias.get(leaf.number, leaf) if isinstance(leaf, Ref) else leaf

        for written in self.graph.calls:
            args, kwargs = mapped((written.args, written.kwargs), current)
            call = replace(written, args=args, kwargs=kwargs)
            for each in passes:
                found = each(self, call)
                if found is None:
                    continue
                self.done[each.__name__.strip("_")] += 1
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

    def constant(self, array: Any, dtype: Any) -> Constant:
        """A new constant."""
        return self.names.constant(np.asarray(array, dtype))


def scalar(value: Any) -> float | None:
    """A constant of one number."""
    array = value.array if isinstance(value, Constant) else value
    if isinstance(array, (int, float, np.ndarray, np.generic)) and np.size(array) == 1:
        return float(np.asarray(array).reshape(-1)[0])
    return None


def _near(number: float, wanted: float) -> bool:
    return abs(number - wanted) <= 2e-4 * abs(wanted)


# -- functions of one element -----------------------------------------------------------------------------------------


def _identity(r: Rewriter, call: Call) -> Made:
    """A product with 1, a sum with 0, a call that changes no shape."""
    if call.function is np.reshape and r.shape(call.args[0]) == r.shape(Ref(call.number)):
        return call.args[0] if isinstance(call.args[0], Ref) else None
    neutrals: dict[Any, int] = {np.multiply: 1, np.divide: 1, np.add: 0, np.subtract: 0}
    neutral = neutrals.get(call.function)
    if neutral is None or len(call.args) != 2:
        return None
    first, second = call.args if call.function in (np.divide, np.subtract) else r.operands(call)
    same = isinstance(first, Ref) and r.shape(first) == r.shape(Ref(call.number))
    return first if same and scalar(second) == neutral else None


def _clipped_sum(r: Rewriter, value: Any, x: Any) -> bool:
    """Whether a value is relu6(x + 3)."""
    call = r.maker(value, _unary("relu6"))
    total = r.operands(r.maker(call.args[0], np.add)) if call is not None else []
    return bool(total) and total[0] == x and scalar(total[1]) == 3


def _one_and(r: Rewriter, value: Any, function: Any) -> Any:
    """y of 1 + function(y)."""
    total = r.operands(r.maker(value, np.add))
    inner = r.maker(total[0], function) if total and scalar(total[1]) == 1 else None
    return None if inner is None else inner.args[0]


def _cubic(r: Rewriter, value: Any, x: Any) -> bool:
    """Whether a value is sqrt(2 / pi) (x + .044715 x^3), in one of the two ways that it is written."""
    number, rest = r.factors(value)
    if not _near(number, math.sqrt(2 / math.pi)) or len(rest) not in (1, 2) or (len(rest) == 2 and x not in rest):
        return False
    total = r.operands(r.maker(next(each for each in rest if each != x or len(rest) == 1), np.add))
    for one, other in (total, total[::-1]) if total else ():
        factor, powers = r.factors(other)
        linear = one == x if len(rest) == 1 else scalar(one) == 1
        if linear and _near(factor, 0.044715) and powers == [x] * (4 - len(rest)):
            return True
    return False


def _activation(r: Rewriter, call: Call) -> Made:
    """x sigmoid(beta x), x relu6(x + 3) / 6, x tanh(softplus(x)), gelu by erf and by tanh."""
    if call.function not in (np.multiply, np.divide):
        return None
    number, rest = _own_factors(r, call)
    if len(rest) != 2:
        return None
    for x, other in (rest, rest[::-1]):
        found = _gated(r, number, x, other)
        if found is not None and r.shape(x) == r.shape(Ref(call.number)):
            return replace(call, function=found, args=(x,), kwargs={})
    return None


def _own_factors(r: Rewriter, call: Call) -> tuple[float, list[Any]]:
    """A product or quotient as a number times other values."""
    if call.function is np.divide:
        divisor = scalar(call.args[1])
        number, rest = r.factors(call.args[0])
        return (number / divisor, rest) if divisor else (1.0, [])
    parts = [r.factors(each) for each in call.args]
    return parts[0][0] * parts[1][0], parts[0][1] + parts[1][1]


def _gated(r: Rewriter, number: float, x: Any, other: Any) -> Unary | None:
    gate = r.maker(other)
    if gate is None:
        return None
    if gate.function == _unary("sigmoid") and number == 1:
        beta, inner = r.factors(gate.args[0])
        if inner == [x]:
            return _unary("silu") if beta == 1 else _unary("swish", beta)
    if gate.function == _unary("hardsigmoid") and number == 1 and gate.args[0] == x:
        return _unary("hardswish")
    if _clipped_sum(r, other, x) and _near(number, 1 / 6):
        return _unary("hardswish")
    if gate.function == _unary("tanh") and number == 1:
        inner_call = r.maker(gate.args[0], Unary(ACTS["softplus"], 1, 20))
        return _unary("mish") if inner_call is not None and inner_call.args[0] == x else None
    if number != 0.5:
        return None
    argument = _one_and(r, other, erf)
    if argument is not None:
        factor, inner = r.factors(argument)
        return _unary("gelu") if inner == [x] and _near(factor, math.sqrt(0.5)) else None
    argument = _one_and(r, other, _unary("tanh"))
    return _unary("gelu_tanh") if argument is not None and _cubic(r, argument, x) else None


def _hard_sigmoid(r: Rewriter, call: Call) -> Made:
    """relu6(x + 3) / 6."""
    if call.function not in (np.multiply, np.divide):
        return None
    number, rest = _own_factors(r, call)
    clipped = r.maker(rest[0], _unary("relu6")) if len(rest) == 1 and _near(number, 1 / 6) else None
    total = r.operands(r.maker(clipped.args[0], np.add)) if clipped is not None else []
    if not total or not _clipped_sum(r, rest[0], total[0]):
        return None
    return replace(call, function=_unary("hardsigmoid"), args=(total[0],), kwargs={})


# -- normalization ----------------------------------------------------------------------------------------------------


def _mean_axes(r: Rewriter, call: Call | None) -> tuple[Any, int] | None:
    """The operand of a mean over the last axes, which stay, and how many they are."""
    if call is None or call.function is not np.mean or not call.kwargs.get("keepdims") or len(call.args) != 1:
        return None
    shape = r.shape(call.args[0])
    if shape is None:
        return None
    axes = sorted(axis % len(shape) for axis in call.kwargs["axis"])
    return (call.args[0], len(axes)) if axes == list(range(len(shape) - len(axes), len(shape))) else None


def _centred(r: Rewriter, value: Any) -> tuple[Any, int] | None:
    """x and the number of axes, if a value is x - mean(x)."""
    call = r.maker(value, np.subtract)
    found = None if call is None else _mean_axes(r, r.maker(call.args[1]))
    return found if found is not None and call is not None and found[0] == call.args[0] else None


def _layer_norm(r: Rewriter, call: Call) -> Made:
    """(x - mean(x)) / sqrt(mean((x - mean(x))^2) + eps), then times gamma, then plus beta."""
    if call.function in (np.multiply, np.add):
        first, second = r.operands(call) or (None, None)
        norm = r.maker(first, functional.layer_norm)
        if norm is not None and isinstance(second, Constant) and r.uses[norm.number] == 1:
            return _affine_norm(r, call, norm, second)
    if call.function is np.divide:
        top, root = call.args[0], r.maker(call.args[1], np.sqrt)
    elif call.function is np.multiply and (inverse := r.maker(call.args[1], np.reciprocal)) is not None:
        top, root = call.args[0], r.maker(inverse.args[0], np.sqrt)
    else:
        return None
    found = _centred(r, top)
    total = r.operands(r.maker(root.args[0], np.add)) if root is not None else []
    if found is None or not total:
        return None
    variance, eps = _mean_axes(r, r.maker(total[0])), scalar(total[1])
    number, rest = r.factors(variance[0]) if variance is not None else (0.0, [])
    if eps is None or variance is None or number != 1 or len(rest) != 2 or variance[1] != found[1]:
        return None
    if any(_centred(r, each) != found for each in rest):
        return None
    x, count = found
    shape = (r.shape(x) or ())[-count:]
    return replace(call, function=functional.layer_norm, args=(x, shape, None, None, eps), kwargs={})


def _affine_norm(r: Rewriter, call: Call, norm: Call, factor: Constant) -> Made:
    x, shape, gamma, beta, eps = norm.args
    if factor.array.shape != shape or (gamma is not None and call.function is np.multiply) or beta is not None:
        return None
    given = (factor, None) if call.function is np.multiply else (gamma, factor)
    return replace(call, function=functional.layer_norm, args=(x, shape, *given, eps))


# -- constants beside layers ------------------------------------------------------------------------------------------


def _one_hot(r: Rewriter, call: Call) -> Made:
    """A product of (i == 0, i == 1, ...) with a weight: a row of it looked up; a plan refuses i beyond the weight."""
    cast = r.maker(call.args[0], Method("astype")) if call.function is functional.linear else None
    compared = r.operands(r.maker(cast.args[0], np.equal)) if cast is not None else []
    index, numbers = compared or (None, None)
    seen = r.maker(index, np.reshape)
    if seen is None or not isinstance(index, Ref) or not isinstance(numbers, Constant) or len(call.args) > 2:
        return None
    if not isinstance(seen.args[0], Ref):
        return None
    weight, shape, kind = call.args[1].array, r.shape(index) or (), r.graph.values[index.number].dtype.kind
    n, before = weight.shape[1], r.shape(seen.args[0]) or ()
    counts = numbers.array.shape[-1:] == (n,) and bool((numbers.array == np.arange(n)).all())
    if kind not in "iu" or shape != (*before, 1) or not counts or not np.isfinite(weight).all():
        return None
    if r.shape(Ref(call.number)) != (*before, len(weight)):
        return None
    table = r.constant(np.ascontiguousarray(weight.T), weight.dtype)
    return replace(call, function=functional.embedding, args=(seen.args[0], table))


def _bias(r: Rewriter, call: Call) -> Made:
    """A product with a weight plus a row."""
    first, second = r.operands(call, np.add) or (None, None)
    product = r.maker(first, functional.linear)
    if product is None or not isinstance(second, Constant) or r.uses[product.number] != 1 or len(product.args) > 2:
        return None
    n = product.args[1].array.shape[0]
    if second.array.size != n or second.array.shape[-1:] != (n,) or r.shape(first) != r.shape(Ref(call.number)):
        return None
    return replace(
        product, args=(*product.args, r.constant(second.array.reshape(n), second.array.dtype)), number=call.number
    )


def _channels(r: Rewriter, value: Any, like: Any) -> Array | None:
    """A constant as one number for each channel of an image."""
    shape = r.shape(like)
    array = value.array if isinstance(value, Constant) else value
    if shape is None or len(shape) < 3 or not isinstance(array, (np.ndarray, np.generic)):
        return None
    own = (1,) * (len(shape) - np.ndim(array)) + np.shape(array)
    if len(own) != len(shape) or any(size != 1 for i, size in enumerate(own) if i != 1) or own[1] not in (1, shape[1]):
        return None
    return np.broadcast_to(np.asarray(array, np.float64).reshape(-1), (shape[1],))


def _scale(r: Rewriter, call: Call) -> Made:
    """Images of a convolution times and plus constants of the channels: a batch norm, which a convolution takes in."""
    names = {np.add: "shift", np.subtract: "shift", np.multiply: "gain", np.divide: "gain"}
    if call.function not in names or len(call.args) != 2 or call.kwargs:
        return None
    ordered = call.function in (np.subtract, np.divide)
    x, given = call.args if ordered else r.operands(call)
    maker = r.maker(x)
    value = None if maker is None or not _is_image(r, maker) else _channels(r, given, x)
    if value is None or maker is None or r.shape(x) != r.shape(Ref(call.number)) or (ordered and not value.all()):
        return None
    value = (-value if call.function is np.subtract else 1 / value) if ordered else value
    dtype, c = r.graph.values[call.number].dtype, len(value)
    gain, shift = np.ones(c), np.zeros(c)
    args: tuple[Any, ...] = (x, r.constant(np.zeros(c), dtype), r.constant(np.ones(c), dtype))
    eps = 0.0
    if maker.function is functional.batch_norm and r.uses[maker.number] == 1:
        args, eps = maker.args[:3], maker.args[7]
        gain, shift = (each.array.astype(np.float64) for each in maker.args[3:5])
    gain, shift = (gain * value, shift * value) if names[call.function] == "gain" else (gain, shift + value)
    parts = r.constant(gain, dtype), r.constant(shift, dtype)
    return replace(call, function=functional.batch_norm, args=(*args, *parts, False, 0.1, eps))


def _is_image(r: Rewriter, call: Call) -> bool:
    """Whether a convolution's result comes here through functions that leave it an image."""
    while isinstance(call.function, Unary):
        inner = r.maker(call.args[0])
        if inner is None:
            return False
        call = inner
    return call.function in (*CONVOLUTIONS, functional.batch_norm)


def _scale_before(r: Rewriter, call: Call) -> Made:
    """A convolution of an image that was scaled: the weight is, and where nothing is padded the bias takes the rest."""
    norm = r.maker(call.args[0], functional.batch_norm) if call.function in CONVOLUTIONS else None
    if norm is None or len(call.args) != 7 or not isinstance(call.args[1], Constant) or r.uses[norm.number] != 1:
        return None
    inner = r.maker(norm.args[0])
    if inner is not None and inner.function in CONVOLUTIONS and r.uses[inner.number] == 1:
        return None  # which takes it in itself
    mean, var, gamma, beta = (each.array.astype(np.float64) for each in norm.args[1:5])
    gain = gamma / np.sqrt(var + norm.args[7])
    shift, (weight, bias), groups = beta - mean * gain, call.args[1:3], call.args[6]
    if shift.any() and any(call.args[4]):
        return None
    w = weight.array.reshape(groups, weight.array.shape[0] // groups, weight.array.shape[1], -1).astype(np.float64)
    added = (w.sum(-1) * shift.reshape(groups, 1, -1)).sum(-1).reshape(-1)
    scaled = (w * gain.reshape(groups, 1, -1, 1)).reshape(weight.array.shape)
    dtype = weight.array.dtype
    new = added if bias is None else added + bias.array
    return replace(call, args=(norm.args[0], r.constant(scaled, dtype), r.constant(new, dtype), *call.args[3:]))


PASSES: list[list[Callable[[Rewriter, Call], Made]]] = [
    [_identity, _activation, _hard_sigmoid, _layer_norm, _one_hot],
    [_activation, _bias, _scale],
    [_scale_before],
]
