"""LSTM cells from products, gates and states, and sequences from cells."""

from __future__ import annotations

import operator
from dataclasses import replace
from typing import Any

import numpy as np

from ... import functional
from ..._check import Array
from ...functional._recurrent import recurrent
from ...graph._graph import Call, Constant, Ref
from ._rewriter import Made, Rewriter, unary

GATES = 4
Part = tuple[int, int]  # a value's number, and which quarter of its columns
Product = tuple[Any, Array]  # a value (n, columns), and the weight (gates units, columns)


def lstm_cell(r: Rewriter, call: Call) -> Made:
    """c' = sigmoid(f) c + sigmoid(i) tanh(g), h' = sigmoid(o) tanh(c'), whose gates are parts of one sum."""
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
    """The ways in which a product is one of a gate and another value."""
    if call is None or len(call.args) != 2:
        return []
    ways = [(_part(r, one, "sigmoid"), other) for one, other in (call.args, call.args[::-1])]
    return [(gate, other) for gate, other in ways if gate is not None]


def _part(r: Rewriter, value: Any, function: str) -> Part | None:
    """The quarter of a value that this function, whose result is read once, is taken of."""
    call = r.maker(value, unary(function))
    part = r.maker(call.args[0], operator.getitem) if call is not None and r.uses[call.number] == 1 else None
    if part is None or r.uses[part.number] != 1 or not isinstance(part.args[0], Ref):
        return None
    (whole, index), sizes = part.args, r.shape(part.args[0]) or ()
    if len(sizes) != 2 or sizes[1] % GATES or not isinstance(index, tuple) or len(index) != 2:
        return None
    begin, end, step = index[1].indices(sizes[1]) if isinstance(index[1], slice) else (0, 0, 0)
    size = sizes[1] // GATES
    if index[0] != slice(None) or step != 1 or begin % size or end - begin != size:
        return None
    return whole.number, begin // size


def _operands(
    r: Rewriter, gates: tuple[Part, ...], shape: tuple[int, ...]
) -> tuple[Product, Product, Array, list[int]] | None:
    """The two products of which the gates are the sum, what else is added to it, and the order of its quarters."""
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
    """A product with a weight, or the two that one of values side by side is."""
    value, weight = product.args[0], product.args[1].array
    joined = r.maker(value, np.concatenate)
    if joined is None or len(joined.args[0]) != 2 or joined.args[1] not in (-1, 1):
        return [(value, weight)]
    width = (r.shape(joined.args[0][0]) or (0, 0))[1]
    return [(joined.args[0][0], weight[:, :width]), (joined.args[0][1], weight[:, width:])]


def _cell(r: Rewriter, call: Call, new: Call, c: Any, x: Product, h: Product, bias: Array, places: list[int]) -> Call:
    """h of one step of a layer, of which c is put into the place of what made it."""
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


# -- sequences --------------------------------------------------------------------------------------------------------


def sequences(r: Rewriter) -> None:
    """Cells of which each takes the states of the one before, with the same weights, become one call of all steps."""
    parts: dict[tuple[Any, Any], list[Call]] = {}
    for call in r.made.values():
        if call.function is operator.getitem and isinstance(call.args[0], Ref) and type(call.args[1]) is int:
            parts.setdefault((call.args[0].number, call.args[1]), []).append(call)
    cells = {number: call for number, call in r.made.items() if call.function is recurrent and _is_cell(call)}
    after: dict[int, int] = {}
    for number, cell in cells.items():
        made = [r.maker(state, operator.getitem) for state in cell.args[1:3]]
        before = [None if each is None else each.args for each in made]
        one = before[0][0].number if before[0] else -1
        read = sum(r.uses[each.number] for each in parts.get((one, 2), []))
        if before == [(Ref(one), 1), (Ref(one), 2)] and one in cells and read == 1 and _alike(cells[one], cell):
            after[one] = number
    for head in cells.keys() - set(after.values()):
        chain = [cells[head]]
        while chain[-1].number in after:
            chain.append(cells[after[chain[-1].number]])
        if len(chain) > 1 and not any(r.reaches(each.args[0], head) for each in chain):
            _join(r, chain, parts)


def _is_cell(call: Call) -> bool:
    return call.kwargs["kind"] == "LSTM" and len(call.kwargs["batch_sizes"]) == 1 and not call.kwargs["reverse"]


def _alike(first: Call, second: Call) -> bool:
    """Whether two cells have the same weights; U may be 0 in the first one, whose h then is 0."""
    h, u = first.args[1], first.args[4].array
    begins = isinstance(h, Constant) and not h.array.any() and not u.any()
    same = first.args[3] == second.args[3] and first.args[5:] == second.args[5:] and first.kwargs == second.kwargs
    return same and bool(begins or first.args[4] == second.args[4])


def _join(r: Rewriter, chain: list[Call], parts: dict[tuple[Any, Any], list[Call]]) -> None:
    """One call in the place of these cells."""
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
