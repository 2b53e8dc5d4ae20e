"""Attention."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn._records._record import Draw, Record, Shape, Wrong, normal


def _keys(count: int, width: int | None = None, heads: int | None = None) -> Draw:
    """(*, count, width) for queries (*, L, E); of E values and with all the heads where nothing else is said."""

    def make(rng: np.random.Generator, shape: Shape) -> Any:
        lead = shape[:-2] if heads is None else (*shape[:-3], heads)
        return rng.normal(size=(*lead, count, shape[-1] if width is None else width))

    return Draw(make, per_sample=True)


def _mask(count: int, *lead: int, floats: bool) -> Draw:
    """(*lead, L, count): numbers, some of them -inf, or flags; the first query of neither sees no key."""

    def make(rng: np.random.Generator, shape: Shape) -> Any:
        size = (*lead, shape[-2], count)
        seen = rng.random(size) < 0.7
        seen[..., 0, :] = False
        return rng.normal(size=size) if floats else seen

    return Draw(make)


def _attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """The formula, with the whole matrix of weights."""
    if enable_gqa:
        key, value = (np.repeat(each, query.shape[-3] // each.shape[-3], -3) for each in (key, value))
    scores = query @ np.swapaxes(key, -1, -2) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if attn_mask is not None:
        scores = np.where(attn_mask, scores, -np.inf) if attn_mask.dtype == bool else scores + attn_mask
    if is_causal:
        scores = np.where(np.tri(*scores.shape[-2:]) > 0, scores, -np.inf)
    top = scores.max(-1, keepdims=True)
    weights = np.exp(scores - np.where(np.isfinite(top), top, 0))
    total = weights.sum(-1, keepdims=True)
    return weights / np.where(total == 0, 1, total) @ value


_NATIVE = """
    for (int i = 0; i < 4; i++)
    {
        const ptrdiff_t heads = 2, l = 70, s = i ? 300 : 31, e = 40, ev = 33, each = heads * l;
    #define SIZED .work = work, .n = 2, .heads = heads, .l = l, .s = s, .e = e, .ev = ev, .k_group = 1, .v_group = 2, \\
        .causal = i == 1, .shift = 200, .key = 7, .threshold = i == 3 ? 9000 : 0, .slots = 2, .scale = 0.2, .kept = 1.25
    #define ROWS(rows, width) {heads * (rows) * (width), (rows) * (width), width, 1}
        FILL(x, 2 * each * e, -3, 3); FILL(dy, 2 * heads * s * e, -3, 3);
        FILL(a, 2 * s * ev, -1, 1); FILL(b, 2 * each * ev, -1, 1);
        RUN(attention, .y = y, .y_strides = ROWS(l, ev), .stats = us, .q = x, .q_strides = ROWS(l, e), .k = dy,
            .k_strides = ROWS(s, e), .v = a, .v_strides = {s * ev, s * ev, ev, 1}, .bias = i == 2 ? dy : NULL,
            .bias_strides = {0, 0, s, 1}, SIZED);
        ADD(y, 2 * each * ev);
        RUN(attention_backward, .dq = z, .dq_strides = ROWS(l, e), .dk = z + 2 * each * e, .dk_strides = ROWS(s, e),
            .dv = z + 2 * each * e + 2 * heads * s * e, .dv_strides = ROWS(s, ev), .dy = b, .dy_strides = ROWS(l, ev),
            .y = y, .y_strides = ROWS(l, ev), .stats = us, .q = x, .q_strides = ROWS(l, e), .k = dy,
            .k_strides = ROWS(s, e), .v = a, .v_strides = {s * ev, s * ev, ev, 1}, .bias = i == 2 ? dy : NULL,
            .bias_strides = {0, 0, s, 1}, SIZED);
        ADD(z, 2 * (each * e + heads * s * (e + ev)));
    #undef SIZED
    #undef ROWS
    }"""

_MANY: dict[str, Any] = {"key": _keys(520), "value": _keys(520, 33)}


def _pytorch(query: Any, key: Any, value: Any, attn_mask: Any = None, is_causal: bool = False, **options: Any) -> Any:
    """PyTorch's function, which takes a mask or is_causal, not both."""
    import torch

    if attn_mask is not None and is_causal:
        seen = torch.ones(query.shape[-2], key.shape[-2], dtype=torch.bool).tril()
        attn_mask = torch.where(seen, attn_mask, torch.tensor(-torch.inf, dtype=attn_mask.dtype))
        is_causal = False
    attend = torch.nn.functional.scaled_dot_product_attention
    return attend(query, key, value, attn_mask=attn_mask, is_causal=is_causal, **options)


RECORDS = [
    Record(
        "scaled_dot_product_attention",
        {"query": normal(), "key": _keys(5), "value": _keys(5, 3)},
        ((3, 4), (2, 3, 4), (2, 4, 3, 4)),
        (
            {},
            {"is_causal": True},
            {"attn_mask": _mask(5, floats=False)},
            {"attn_mask": _mask(5, floats=True), "scale": -0.7},
            {"key": _keys(2), "value": _keys(2, 6), "is_causal": True, "attn_mask": _mask(2, floats=True)},
        ),
        reference=_attention,
        gradients=("query", "key", "value", "attn_mask"),
        random=lambda arguments: bool(arguments.get("dropout_p")),
        torch=_pytorch,
        bounds=(3e-6, 1e-13),
        wrong=(
            Wrong("expected key of 4 features in its last dimension", {"key": np.ones((2, 4, 5, 3))}),
            Wrong("expected value of 5 rows in dimension -2", {"value": np.ones((2, 4, 6, 3))}),
            Wrong("expected query of 2 or more dimensions", {"query": np.ones(4)}),
            Wrong("expected leading dimensions that broadcast", {"key": np.ones((3, 4, 5, 4))}),
            Wrong("expected key of heads that divide", {"enable_gqa": True, "key": np.ones((2, 3, 5, 4))}),
            Wrong(r"expected attn_mask that broadcasts to \(2, 4, 3, 5\)", {"attn_mask": np.ones((3, 4))}),
            Wrong("expected attn_mask of bool", {"attn_mask": np.ones((3, 5), int)}, error=TypeError),
            Wrong(r"expected dropout_p in \[0, 1\]", {"dropout_p": 1.5}),
            Wrong("expected scale to be finite", {"scale": np.inf}),
            Wrong("expected is_causal to be True or False", {"is_causal": 1}, error=TypeError),
            Wrong("expected past to be a tuple", {"past": 1}, error=TypeError),
            Wrong("expected past of key's shape", {"past": (np.ones((2, 4, 1, 3)), np.ones((2, 4, 1, 3)))}),
        ),
        any_shape=lambda shape: {"key": np.ones(shape), "value": np.ones(shape)},
        large=((2, 3, 300, 40),),
        large_variants=(
            _MANY,
            _MANY | {"is_causal": True, "dropout_p": 0.25, "rng": 5},
            _MANY | {"attn_mask": _mask(520, 3, floats=True), "is_causal": True},
            {"key": _keys(280, heads=1), "value": _keys(280, 16, heads=3), "enable_gqa": True},
        ),
        bench=((8, 12, 128, 64), (1, 12, 512, 64)),
        bench_with={"key": normal(), "value": normal()},
        native=_NATIVE,
    ),
]
