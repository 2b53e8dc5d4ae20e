"""Attention, from primitives: its own operator is younger than most runtimes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...functional._attention import _attention, scaled_dot_product_attention
from ...graph import Call, Constant
from ._build import Builder, NotWritten, named, writer


@writer(_attention, scaled_dot_product_attention)
def _attend(b: Builder, call: Call) -> str:
    given, dtype = named(call), b.result(call)
    if given["dropout_p"]:
        raise NotWritten("it draws: dropout_p")
    if given["past"]:
        raise NotWritten("it has older keys")
    q, k, v = (b.value(given[name], dtype) for name in ("query", "key", "value"))
    shape, keys = b.dims(given["query"]), b.dims(given["key"])
    scale = 1 / math.sqrt(*b.fixed(shape[-1])) if given["scale"] is None else given["scale"]
    if given["enable_gqa"]:
        heads, few = b.fixed(shape[-3], keys[-3])
        groups = b.constant(np.repeat(np.arange(few), heads // few))
        k, v = (b("Gather", each, groups, axis=len(keys) - 3) for each in (k, v))
    perm = [*range(len(keys) - 2), len(keys) - 1, len(keys) - 2]
    scores = b("MatMul", b("Mul", q, b.constant(dtype.type(scale))), b.transpose(k, perm))
    mask, blind = given["attn_mask"], False
    if given["is_causal"]:
        rows, columns = b.fixed(shape[-2], keys[-2])
        hidden = np.where(np.tri(rows, columns) > 0, 0, -np.inf).astype(dtype)
        scores = b("Add", scores, b.constant(hidden))
    if mask is not None:
        scores, blind = _masked(b, scores, mask, dtype), True
    weights = b("Softmax", scores, axis=-1)
    if blind:  # a query whose scores are all -inf: 0, not NaN
        lowest = b.reduce("ReduceMax", scores, [-1])
        nothing = b("Equal", lowest, b.constant(dtype.type(-np.inf)))
        weights = b("Where", nothing, b.constant(dtype.type(0)), weights)
    return str(b("MatMul", weights, v))


def _masked(b: Builder, scores: str, mask: Any, dtype: Any) -> str:
    if b.dtype(mask).kind != "b":
        return str(b("Add", scores, b.value(mask, dtype)))
    if isinstance(mask, Constant):
        return str(b("Add", scores, b.constant(np.where(mask.array, 0, -np.inf).astype(dtype))))
    return str(b("Where", b.value(mask), scores, b.constant(dtype.type(-np.inf))))
