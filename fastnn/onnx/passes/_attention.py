"""Attention, fused from two matrix products and the softmax between them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ... import functional
from ...functional._matmul import matmul
from ...graph._graph import Call, Ref
from ...graph.lowering.attention import attend
from ._rewriter import Made, Rewriter, scalar


def attention(r: Rewriter, call: Call) -> Made:
    """Fuse softmax(scale q k^T + mask) v."""
    if call.function is not matmul or len(call.args) != 2 or call.kwargs:
        return None
    weights, guarded = _unguarded(r, call.args[0])
    shares = r.maker(weights, functional.softmax)
    if shares is None or r.uses[shares.number] != 1 + guarded:
        return None
    shape, dtype = r.shape(weights) or (), r.graph.values[call.number].dtype
    if len(shape) not in (3, 4) or shares.args[1] not in (-1, len(shape) - 1):
        return None
    for scores, mask in _masked(r, shares.args[0]):
        found = _product(r, scores)
        if found is None or r.shape(scores) != shape or (mask is not None and not _fits(r, mask, shape, dtype)):
            continue
        scale, q, transposed = found
        v = call.args[1]
        if not all(isinstance(each, Ref) and (r.shape(each) or ())[:-2] == shape[:-2] for each in (q, transposed, v)):
            return None
        k = _turned(r, transposed, (*shape[:-2], shape[-1], (r.shape(q) or ())[-1]), dtype)
        return replace(call, function=attend, args=(q, k, v, mask), kwargs={"scale": scale, "guarded": guarded})
    return None


def _unguarded(r: Rewriter, value: Any) -> tuple[Any, bool]:
    """x and True for where(x != x, 0, x), which replaces NaN by 0; else value and False."""
    chosen = r.maker(value, np.where)
    if chosen is None or scalar(chosen.args[1]) != 0:
        return value, False
    test = r.maker(chosen.args[0], np.not_equal)
    inner = chosen.args[2]
    return (inner, True) if test is not None and test.args == (inner, inner) else (value, False)


def _masked(r: Rewriter, value: Any) -> list[tuple[Any, Any]]:
    """Candidates for (scores, mask): both orders of a sum, and no mask."""
    total = r.maker(value, np.add)
    sums = [] if total is None or r.uses[total.number] != 1 else [total.args, total.args[::-1]]
    return [*sums, (value, None)]


def _fits(r: Rewriter, mask: Any, shape: tuple[int, ...], dtype: Any) -> bool:
    """Whether a mask has the scores' dtype, and broadcasts to their shape."""
    own = r.shape(mask) or ()
    sides = zip(own[::-1], shape[::-1], strict=False)
    return r.dtype(mask) == dtype and len(own) <= len(shape) and all(size in (1, whole) for size, whole in sides)


def _product(r: Rewriter, value: Any) -> tuple[float, Any, Any] | None:
    """scale, q and k^T of a value that is their product."""
    scale, rest = r.factors(value)
    product = r.maker(rest[0], matmul) if len(rest) == 1 else None
    if product is None or r.uses[product.number] != 1 or r.shape(rest[0]) != r.shape(value):
        return None
    found = []
    for each in product.args:
        number, inner = r.factors(each)
        if len(inner) == 1 and r.shape(inner[0]) == r.shape(each):
            scale, each = scale * number, inner[0]
        found.append(each)
    return scale, found[0], found[1]


def _turned(r: Rewriter, value: Any, shape: tuple[int, ...], dtype: Any) -> Ref:
    """A value with its last two dimensions swapped."""
    maker = r.maker(value, np.transpose)
    if maker is None or len(maker.args) != 2:
        return r.add(shape, dtype, np.swapaxes, value, -1, -2)
    axes = maker.args[1]
    return r.add(shape, dtype, np.transpose, maker.args[0], (*axes[:-2], axes[-1], axes[-2]))
