"""LSTM and GRU cells, fused from products, gates and states, and sequences of such cells."""

from __future__ import annotations

import operator
from dataclasses import replace
from typing import Any

import numpy as np

from ... import functional
from ..._check import Array
from ...functional._recurrent import recurrent
from ...graph._graph import Call, Constant, Ref
from ._rewriter import Made, Rewriter, scalar, unary

GATES = 4  # gates of an LSTM; a GRU has three
Part = tuple[int, int]  # a value's number, and the index of one of the equal parts of its columns
Affine = tuple[Any, Array, Array]  # a value, the weight and the bias of its product
Product = tuple[Any, Array]  # a value (n, columns), and the weight (gates units, columns)


def lstm_cell(r: Rewriter, call: Call) -> Made:
    """Fuse c' = sigmoid(f) c + sigmoid(i) tanh(g), h' = sigmoid(o) tanh(c'), whose gates are parts of one sum."""
    shape = r.shape(Ref(call.number)) or ()
    if call.function is not np.multiply or len(shape) != 2 or len(call.args) != 2:
        return None
    for o, squashed in _gated(r, call):
        tanh = r.maker(squashed, unary("tanh"))
        new = r.maker(tanh.args[0], np.add) if tanh is not None and r.uses[tanh.number] == 1 else None
        for kept, added in (new.args, new.args[::-1]) if new is not None else ():
            for f, c in _gated(r, r.maker(kept, np.multiply)):
                for i, candidate in _gated(r, r.maker(added, np.multiply)):
                    g = _part(r, candidate, "tanh")
                    found = None if g is None else _operands(r, (i, f, g, o), shape)
                    if found is not None and r.shape(c) == shape and new is not None:
                        return _cell(r, call, new, c, *found)
    return None


def _gated(r: Rewriter, call: Call | None) -> list[tuple[Part, Any]]:
    """The operands of a product as (gate, other), for each that is a sigmoid gate."""
    if call is None or len(call.args) != 2:
        return []
    ways = [(_part(r, one, "sigmoid"), other) for one, other in (call.args, call.args[::-1])]
    return [(gate, other) for gate, other in ways if gate is not None]


def _part(r: Rewriter, value: Any, function: str) -> Part | None:
    """The quarter of a value's columns that this function, whose result is read once, is applied to."""
    call = r.maker(value, unary(function))
    return _share(r, call.args[0], GATES) if call is not None and r.uses[call.number] == 1 else None


def _share(r: Rewriter, value: Any, count: int) -> Part | None:
    """Which of `count` equal parts of another value's columns a value, read once, is."""
    part = r.maker(value, operator.getitem)
    if part is None or r.uses[part.number] != 1 or not isinstance(part.args[0], Ref):
        return None
    (whole, index), sizes = part.args, r.shape(part.args[0]) or ()
    if len(sizes) != 2 or sizes[1] % count or not isinstance(index, tuple) or len(index) != 2:
        return None
    begin, end, step = index[1].indices(sizes[1]) if isinstance(index[1], slice) else (0, 0, 0)
    size = sizes[1] // count
    if index[0] != slice(None) or step != 1 or begin % size or end - begin != size:
        return None
    return whole.number, begin // size


def _operands(
    r: Rewriter, gates: tuple[Part, ...], shape: tuple[int, ...]
) -> tuple[Product, Product, Array, list[int]] | None:
    """The products of x and h whose sum is the gates, the bias, and the order of the gates' quarters."""
    (number, *others), places = {number for number, _ in gates}, [place for _, place in gates]
    if others or sorted(places) != [0, 1, 2, 3] or r.shape(Ref(number)) != (shape[0], GATES * shape[1]):
        return None
    products: list[Product] = []
    bias, left = np.zeros(GATES * shape[1]), [(Ref(number), GATES)]
    while left:
        term, uses = left.pop()
        if isinstance(term, Constant):
            rows = np.broadcast_to(term.array, (shape[0], len(bias)))
            if not (rows == rows[:1]).all():
                return None
            bias = bias + rows[0]
            continue
        call = r.maker(term, np.add, functional.linear)
        if call is None or r.uses[call.number] != uses or r.shape(term) != (shape[0], len(bias)):
            return None
        if call.function is np.add:
            left += [(each, 1) for each in call.args[::-1]]
            continue
        bias = bias if len(call.args) < 3 or call.args[2] is None else bias + call.args[2].array
        products += _split(r, call)
    if len(products) == 1:  # the first step, whose h is 0
        products.append((r.shared(np.zeros(shape), products[0][1].dtype), np.zeros((len(bias), shape[1]))))
    hidden = [i for i, (value, _) in enumerate(products) if r.shape(value) == shape]
    if len(products) != 2 or not hidden:
        return None
    known = [i for i in hidden if isinstance(h := products[i][0], Ref) and h.number in r.hidden]
    h = products.pop(known[0] if known else hidden[-1])
    return products[0], h, bias, places


def _split(r: Rewriter, product: Call) -> list[Product]:
    """A product with a weight; the product of two concatenated values as two products."""
    value, weight = product.args[0], product.args[1].array
    joined = r.maker(value, np.concatenate)
    if joined is None or len(joined.args[0]) != 2 or joined.args[1] not in (-1, 1):
        return [(value, weight)]
    width = (r.shape(joined.args[0][0]) or (0, 0))[1]
    return [(joined.args[0][0], weight[:, :width]), (joined.args[0][1], weight[:, width:])]


def _cell(r: Rewriter, call: Call, new: Call, c: Any, x: Product, h: Product, bias: Array, places: list[int]) -> Call:
    """h of a new LSTM step; the call `new`, which made c, is replaced by the step's c."""
    dtype, units = r.graph.values[call.number].dtype, len(bias) // GATES
    order = np.concatenate([np.arange(units) + place * units for place in places])
    weights = [r.shared(each[order], dtype) for each in (x[1], h[1], bias)]
    number = r.several(
        recurrent, x[0], h[0], c, *weights, r.shared(np.zeros(len(bias)), dtype), None,
        batch_sizes=((r.shape(c) or (0,))[0],), kind="LSTM", reverse=False, name="LSTM",
    )  # fmt: skip
    r.hidden.add(call.number)
    r.made[new.number] = replace(new, function=operator.getitem, args=(Ref(number), 2))
    return replace(call, function=operator.getitem, args=(Ref(number), 1))


# -- GRUs -------------------------------------------------------------------------------------------------------------


def gru_cell(r: Rewriter, call: Call) -> Made:
    """Fuse h' = (h - n) z + n or (1 - z) n + z h, where n = tanh(in + sigmoid(ir + hr) hn) and z = sigmoid(iz + hz)."""
    shape = r.shape(Ref(call.number)) or ()
    if call.function is not np.add or len(shape) != 2:
        return None
    for kept, added in _orders(call):
        for gate, other in _orders(r.maker(kept, np.multiply)):
            h, new = _blended(r, gate, other, added) or (None, None)
            tanh = r.maker(new, unary("tanh"))
            if tanh is None or r.shape(h) != shape:
                continue
            for own, late in _orders(r.maker(tanh.args[0], np.add)):
                for reset, inner in _orders(r.maker(late, np.multiply)):
                    found = _gru_products(r, [_sum(r, reset), _sum(r, gate), (own, inner)], h, shape)
                    if found is not None:
                        return _gru(r, call, h, *found)
    return None


def _orders(call: Call | None) -> list[tuple[Any, Any]]:
    """The operands of a call with two, in both orders."""
    return [] if call is None or len(call.args) != 2 else [call.args, call.args[::-1]]


def _blended(r: Rewriter, gate: Any, other: Any, added: Any) -> tuple[Any, Any] | None:
    """h and n, if gate * other + added is z (h - n) + n or z h + (1 - z) n."""
    difference = r.maker(other, np.subtract)
    if difference is not None and difference.args[1] == added:
        return difference.args
    for rest, new in _orders(r.maker(added, np.multiply)):
        left = r.maker(rest, np.subtract)
        if left is not None and left.args[1] == gate and scalar(left.args[0]) == 1:
            return other, new
    return None


def _sum(r: Rewriter, gate: Any) -> tuple[Any, Any] | None:
    """The two terms of the sum inside a sigmoid gate."""
    sigmoid = r.maker(gate, unary("sigmoid"))
    total = r.maker(sigmoid.args[0], np.add) if sigmoid is not None else None
    return total.args if total is not None and len(total.args) == 2 and r.uses[total.number] == 1 else None


def _gru_products(
    r: Rewriter, sums: list[tuple[Any, Any] | None], h: Any, shape: tuple[int, ...]
) -> tuple[Affine, Affine] | None:
    """The products of input and of state with their weights, whose thirds are the terms of these sums."""
    own = _share(r, sums[2][0], 3) if sums[2] is not None else None
    pairs = []
    for each in sums:
        if each is None or own is None:
            return None
        first = _share(r, each[0], 3)
        pairs.append(each if first is not None and first[0] == own[0] else each[::-1])
    outer, inner = (_thirds(r, [pair[i] for pair in pairs], shape) for i in (0, 1))
    begins = isinstance(h, Constant) and not h.array.any()  # the product with h is only its bias then
    if outer is None or outer[0] is None or inner is None or not (inner[0] == h or (inner[0] is None and begins)):
        return None
    return outer, inner


def _thirds(r: Rewriter, values: list[Any], shape: tuple[int, ...]) -> Affine | None:
    """The product whose thirds these are, rows in their order; for constant rows, a bias without a value."""
    units = shape[1]
    known = [np.broadcast_to(each.array, shape) for each in values if isinstance(each, Constant)]
    if len(known) == 3:
        rows = np.concatenate(known, 1)
        return (None, np.zeros((3 * units, units)), rows[0]) if (rows == rows[:1]).all() else None
    parts = [_share(r, each, 3) for each in values]
    numbers, places = ([None if each is None else each[i] for each in parts] for i in (0, 1))
    product = r.maker(Ref(numbers[0]), functional.linear) if numbers[0] is not None else None
    if product is None or len(set(numbers)) != 1 or set(places) != {0, 1, 2} or r.uses[product.number] != 3:
        return None
    if r.shape(Ref(product.number)) != (shape[0], 3 * units):
        return None
    (value, weight), bias = product.args[:2], product.args[2] if len(product.args) > 2 else None
    order = np.concatenate([np.arange(units) + place * units for place in places if place is not None])
    return value, weight.array[order], np.zeros(3 * units) if bias is None else bias.array[order]


def _gru(r: Rewriter, call: Call, h: Any, outer: Affine, inner: Affine) -> Call:
    """h of a new GRU step."""
    dtype = r.graph.values[call.number].dtype
    weights = [r.shared(each, dtype) for each in (outer[1], inner[1], outer[2], inner[2])]
    number = r.several(
        recurrent, outer[0], h, None, *weights, None, batch_sizes=(r.shape(h) or (0,))[:1], kind="GRU", reverse=False,
        name="GRU",
    )  # fmt: skip
    r.hidden.add(call.number)
    return replace(call, function=operator.getitem, args=(Ref(number), 1))


# -- sequences --------------------------------------------------------------------------------------------------------


def sequences(r: Rewriter) -> None:
    """Join cells with the same weights, each of which takes the previous one's states, into one call."""
    parts: dict[tuple[Any, Any], list[Call]] = {}
    for call in r.made.values():
        if call.function is operator.getitem and isinstance(call.args[0], Ref) and type(call.args[1]) is int:
            parts.setdefault((call.args[0].number, call.args[1]), []).append(call)
    cells = {number: call for number, call in r.made.items() if call.function is recurrent and _is_cell(call)}
    after: dict[int, int] = {}
    for number, cell in cells.items():
        made = [r.maker(state, operator.getitem) for state in cell.args[1:3] if state is not None]
        before = [None if each is None else each.args for each in made]
        one = before[0][0].number if before[0] else -1
        inner = [each for each in parts.get((one, 2), []) for _ in range(r.uses[each.number])]  # each read of c
        follows = before == [(Ref(one), 1), (Ref(one), 2)][: len(made)] and len(inner) == len(made) - 1
        if follows and one in cells and _alike(cells[one], cell):
            after[one] = number
    for head in cells.keys() - set(after.values()):
        chain = [cells[head]]
        while chain[-1].number in after:
            chain.append(cells[after[chain[-1].number]])
        if len(chain) > 1 and not any(r.reaches(each.args[0], head) for each in chain):
            _join(r, chain, parts)


def _is_cell(call: Call) -> bool:
    return (
        call.kwargs["kind"] in ("LSTM", "GRU") and len(call.kwargs["batch_sizes"]) == 1 and not call.kwargs["reverse"]
    )


def _alike(first: Call, second: Call) -> bool:
    """Whether two cells have the same weights; the first one's U may be 0 instead if its h is 0."""
    h, u = first.args[1], first.args[4].array
    begins = isinstance(h, Constant) and not h.array.any() and not u.any()
    same = first.args[3] == second.args[3] and first.args[5:] == second.args[5:] and first.kwargs == second.kwargs
    return same and bool(begins or first.args[4] == second.args[4])


def _join(r: Rewriter, chain: list[Call], parts: dict[tuple[Any, Any], list[Call]]) -> None:
    """Replace these cells by one call of all steps."""
    head, last, steps = chain[0], chain[-1], len(chain)
    (n,), weight = head.kwargs["batch_sizes"], last.args[4].array
    rows, width = _rows(r, [each.args[0] for each in chain], n), weight.shape[1]
    number = r.several(recurrent, rows, *head.args[1:3], *last.args[3:], **{**head.kwargs, "batch_sizes": (n,) * steps})
    y = r.add((n * steps, width), weight.dtype, operator.getitem, Ref(number), 0)
    for t, step in enumerate(chain):
        for part in parts.get((step.number, 1), []):
            r.made[part.number] = replace(part, args=(y, (slice(t * n, t * n + n),)))
    for part in parts.get((last.number, 2), []):
        r.made[part.number] = replace(part, args=(Ref(number), 2))
    r.done["sequence"] += 1


def _rows(r: Rewriter, values: list[Any], n: int) -> Ref:
    """The inputs of all steps, one step after another."""
    taken = [r.maker(each, operator.getitem) for each in values]
    whole = taken[0].args[0] if taken[0] is not None else None
    steps, (_, width), dtype = len(values), r.shape(values[0]) or (0, 0), r.dtype(values[0])
    places = [each is not None and each.args == (whole, (slice(None), t)) for t, each in enumerate(taken)]
    if all(places) and r.shape(whole) == (n, steps, width):
        whole = r.add((steps, n, width), dtype, np.transpose, whole, (1, 0, 2))
        return r.add((steps * n, width), dtype, np.reshape, whole, (steps * n, width))
    return r.add((steps * n, width), dtype, np.concatenate, tuple(values), 0)
