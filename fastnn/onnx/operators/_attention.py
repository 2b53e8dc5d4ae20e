"""Attention and rotary positions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import functional
from ..._check import Array
from .._tensors import dtype_of
from ._matrix import matmul
from ._table import operator


def _heads(x: Array, count: int) -> Array:
    """Split (N, L, heads * width) into (N, heads, L, width)."""
    return x.reshape(*x.shape[:2], count, -1).transpose(0, 2, 1, 3)


def _mask(
    scores: Array, mask: Array | None, is_causal: int, past: int, valid: Array | None, windows: tuple[int, int]
) -> Array:
    """Return what is added to the scores: the mask, or -inf for an invalid, out-of-window or (causal) later key."""
    rows, columns = scores.shape[-2:]
    bias = np.zeros((1, 1, rows, columns), np.float32)
    blocked = np.zeros((1, 1, rows, columns), bool)
    if mask is not None:
        if mask.shape[-1] < columns:
            fill: Any = False if mask.dtype == bool else -np.inf
            widths = [(0, 0)] * (mask.ndim - 1) + [(0, columns - mask.shape[-1])]
            mask = np.pad(mask, widths, constant_values=fill)
        if mask.dtype == bool:
            blocked = blocked | ~mask
        else:
            bias = bias + mask
    offset: Any = past if valid is None else np.asarray(valid).reshape(-1, 1, 1, 1) - rows
    distance = np.arange(columns) - np.arange(rows)[:, None] - offset
    if is_causal:
        blocked = blocked | (distance > 0)
    if valid is not None:
        blocked = blocked | (np.arange(columns) >= np.asarray(valid).reshape(-1, 1, 1, 1))
    left, right = windows
    if left >= 0:
        blocked = blocked | (distance < -left)
    if right >= 0:
        blocked = blocked | (distance > right)
    return np.where(blocked, np.float32(-np.inf), bias.astype(np.float32))


@operator("Attention")
def attention(
    q: Array, k: Array, v: Array, mask: Array | None = None, past_key: Array | None = None,
    past_value: Array | None = None, valid: Array | None = None, *, is_causal: int = 0, kv_num_heads: int | None = None,
    q_num_heads: int | None = None, qk_matmul_output_mode: int = 0, scale: float | None = None, softcap: float = 0.0,
    softmax_precision: int = 0, left_window_size: int = -1, right_window_size: int = -1, outputs: int,
) -> Any:  # fmt: skip
    """Return (result, past and new keys, past and new values, scores); a row whose keys are all masked is 0."""
    dtype, flat = q.dtype, q.ndim == 3
    if flat:
        q, k, v = _heads(q, q_num_heads or 1), _heads(k, kv_num_heads or 1), _heads(v, kv_num_heads or 1)
    past = 0 if past_key is None else past_key.shape[2]
    k = k if past_key is None else np.concatenate([past_key, k], 2)
    v = v if past_value is None else np.concatenate([past_value, v], 2)
    present = k, v
    repeat = q.shape[1] // k.shape[1]
    k, v = np.repeat(k, repeat, 1), np.repeat(v, repeat, 1)
    wide = np.float32 if dtype.name in ("float16", "bfloat16") else dtype
    root = math.sqrt(1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    scores = matmul(q.astype(wide) * wide_type(wide, root), k.astype(wide).swapaxes(-1, -2) * wide_type(wide, root))
    bias = _mask(scores, mask, is_causal, past, valid, (left_window_size, right_window_size))
    capped = scores if softcap == 0 else softcap * functional.tanh(scores / wide_type(wide, softcap))
    masked = (capped + bias).astype(wide)
    precision = dtype_of(softmax_precision) if softmax_precision else np.dtype(wide)
    precision = precision if precision in (np.float32, np.float64) else np.dtype(np.float32)
    hidden = np.isneginf(masked).all(-1, keepdims=True)
    weights = functional.softmax(np.where(hidden, 0, masked).astype(precision), -1) if masked.size else masked
    weights = np.where(hidden, 0, weights).astype(wide)
    y = matmul(weights, v.astype(wide)).astype(dtype)
    y = y.transpose(0, 2, 1, 3).reshape(y.shape[0], y.shape[2], -1) if flat else y
    shown = (scores, capped, masked, weights)[qk_matmul_output_mode]
    return y, *present, shown.astype(dtype)


def wide_type(kind: Any, value: float) -> Any:
    """Return the value as a NumPy scalar of type `kind`."""
    return np.dtype(kind).type(value)


@operator("RotaryEmbedding")
def rotary_embedding(
    x: Array, cosines: Array, sines: Array, places: Array | None = None, *, interleaved: int = 0,
    num_heads: int | None = None, rotary_embedding_dim: int = 0,
) -> Any:  # fmt: skip
    flat, shape = x.ndim == 3, x.shape
    heads = _heads(x, num_heads or 1) if flat else x
    width = rotary_embedding_dim or heads.shape[-1]
    cosine, sine = (cosines, sines) if places is None else (cosines[places], sines[places])
    cosine, sine = cosine[:, None, :, : width // 2], sine[:, None, :, : width // 2]
    turned = heads[..., :width]
    one, two = (turned[..., ::2], turned[..., 1::2]) if interleaved else np.split(turned, 2, -1)
    parts = one * cosine - two * sine, one * sine + two * cosine
    y = np.stack(parts, -1).reshape(turned.shape) if interleaved else np.concatenate(parts, -1)
    y = np.concatenate([y, heads[..., width:]], -1).astype(x.dtype)
    return y.transpose(0, 2, 1, 3).reshape(shape) if flat else y


@operator("LinearAttention")
def linear_attention(
    q: Array, k: Array, v: Array, past: Array | None = None, decay: Array | None = None, beta: Array | None = None, *,
    kv_num_heads: int, q_num_heads: int, scale: float = 0.0, update_rule: str = "gated_delta", chunk_size: int = 64,
) -> Any:  # fmt: skip
    """Keep one matrix per head as state, add each step's outer product of key and value; return (result, state)."""
    gated, delta = update_rule in ("gated", "gated_delta"), update_rule in ("delta", "gated_delta")
    if (decay is not None) != gated or (beta is not None) != delta:
        raise ValueError(f"update_rule {update_rule!r} takes decay: {gated}, beta: {delta}")
    dtype, state_type = q.dtype, q.dtype if past is None else past.dtype
    queries = _heads(q, q_num_heads).astype(np.float32)
    keys, values = _heads(k, kv_num_heads).astype(np.float32), _heads(v, kv_num_heads).astype(np.float32)
    batch, _, steps, width = keys.shape
    state = np.zeros((batch, kv_num_heads, width, values.shape[-1]), np.float32) if past is None else past
    state = state.astype(np.float32)
    fades = None if decay is None else np.exp(_heads(decay, kv_num_heads).astype(np.float32))
    rates = None if beta is None else _heads(beta, beta.shape[-1]).astype(np.float32)
    factor = np.float32(scale or 1 / math.sqrt(width))
    y = np.zeros((batch, q_num_heads, steps, values.shape[-1]), np.float32)
    for t in range(steps):
        key, value = keys[:, :, t, :, None], values[:, :, t]
        state = state if fades is None else state * fades[:, :, t, :, None]
        if rates is not None:
            value = rates[:, :, t] * (value - (state * key).sum(2))
        state = state + key * value[:, :, None]
        read = np.repeat(state, q_num_heads // kv_num_heads, 1)
        y[:, :, t] = factor * (queries[:, :, t, :, None] * read).sum(2)
    return y.transpose(0, 2, 1, 3).reshape(batch, steps, -1).astype(dtype), state.astype(state_type)
