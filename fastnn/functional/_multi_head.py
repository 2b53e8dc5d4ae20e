"""Multi-head attention, built from `linear` and `scaled_dot_product_attention`."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from .. import _check, _core, _random, _shard
from ._attention import scaled_dot_product_attention
from ._dropout import dropout
from ._linear import linear
from ._matmul import matmul
from ._softmax import softmax

__all__ = ["multi_head_attention_forward"]


def multi_head_attention_forward(
    query: Any,
    key: Any,
    value: Any,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Any,
    in_proj_bias: Any,
    bias_k: Any,
    bias_v: Any,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Any,
    out_proj_bias: Any,
    training: bool = True,
    key_padding_mask: Any = None,
    need_weights: bool = True,
    attn_mask: Any = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Any = None,
    k_proj_weight: Any = None,
    v_proj_weight: Any = None,
    static_k: Any = None,
    static_v: Any = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
    *,
    batch_first: bool = False,
    rng: Any = None,
) -> tuple[Any, Any]:
    """Project queries, keys and values, attend in slices of the features, project: see `nn.MultiheadAttention`.

    Parameters
    ----------
    query, key, value : array_like, (L, N, E), (S, N, kdim), (S, N, vdim)
        Or without the batch N; with `batch_first`, N stands first.
    embed_dim_to_check, num_heads : int
        E, and how many heads share it.
    in_proj_weight, in_proj_bias : array_like, (3 E, E), (3 E,), or None
        The projections of query, key and value.
    bias_k, bias_v : array_like, (1, 1, E), or None
        One more key and value, after the projected ones.
    add_zero_attn : bool
        Add a key and a value of zeros.
    dropout_p : float
        Of the weights, if `training`.
    out_proj_weight, out_proj_bias : array_like, (E, E), (E,)
    training : bool
    key_padding_mask : array_like, (N, S), optional
        Of bool: True where a key is left out.  Of floats: added to the scores.
    need_weights : bool
    attn_mask : array_like, (L, S) or (N num_heads, L, S), optional
        As key_padding_mask.
    use_separate_proj_weight : bool
        Take q_proj_weight (E, E), k_proj_weight (E, kdim) and v_proj_weight (E, vdim) for in_proj_weight.
    q_proj_weight, k_proj_weight, v_proj_weight : array_like, optional
    static_k, static_v : array_like, (N num_heads, S, E / num_heads), optional
        In place of the projected keys and values.
    average_attn_weights : bool
        Return the mean of the heads' weights.
    is_causal : bool
        Query i sees the keys up to i, of those that the masks let it see.
    batch_first : bool
    rng : None, int, SeedSequence or Generator
        See `dropout_mask`.

    Returns
    -------
    y : ndarray, of the query's shape
    weights : ndarray, (N, L, S) or (N, num_heads, L, S), or None
        After dropout; None unless need_weights.

    Raises
    ------
    ValueError
        If shapes do not fit.

    Examples
    --------
    >>> x, w = np.ones((3, 1, 2)), np.ones((6, 2))
    >>> y, weights = multi_head_attention_forward(x, x, x, 2, 1, w, None, None, None, False, 0.0, np.eye(2), None)
    >>> y.shape, weights
    ((3, 1, 2), array([[[0.33333333, 0.33333333, 0.33333333],
            [0.33333333, 0.33333333, 0.33333333],
            [0.33333333, 0.33333333, 0.33333333]]]))
    """
    name = "multi_head_attention_forward"
    given = {"query": query, "key": key, "value": value, "in_proj_weight": in_proj_weight, "in_proj_bias": in_proj_bias}
    query, key, value, in_proj_weight, in_proj_bias = _floats(name, given)
    given = {"bias_k": bias_k, "bias_v": bias_v, "out_proj_weight": out_proj_weight, "out_proj_bias": out_proj_bias}
    bias_k, bias_v, out_proj_weight, out_proj_bias = _floats(name, given)
    heads = _check.count(name, "num_heads", num_heads, low=1)
    if embed_dim_to_check % heads:
        raise ValueError(f"{name}: expected features in a multiple of num_heads={heads}, got {embed_dim_to_check}")
    single = check_inputs(name, query, key, value, embed_dim_to_check)
    if single:
        at = 0 if batch_first else 1
        query, key, value = expanded((query, key, value), at)
        key_padding_mask = None if key_padding_mask is None else np.expand_dims(key_padding_mask, 0)
    weights = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else in_proj_weight
    q, k, v = projected(query, key, value, weights, in_proj_bias)
    if bias_k is not None and bias_v is not None:
        k, v = beside(k, bias_k, batch_first), beside(v, bias_v, batch_first)
    q, k, v = (heads_of(each, heads, batch_first) for each in (q, k, v))
    n, heads, _, width = np.shape(q)
    k, v = (
        each if static is None else static.reshape(n, heads, -1, width)
        for each, static in ((k, static_k), (v, static_v))
    )
    if add_zero_attn:
        nothing = np.zeros((n, heads, 1, width), np.asarray(_core.value_of(q)).dtype)
        k, v = (np.concatenate([each, nothing], 2) for each in (k, v))
    known = np.shape(key)[1 if batch_first else 0] if static_k is None else np.shape(static_k)[1]
    sizes = (n, heads, np.shape(q)[2], np.shape(k)[2])
    hidden = None
    if is_causal and known < sizes[3]:  # every query sees the keys that were added
        is_causal, hidden = False, np.tri(sizes[2], known) == 0
    mask = joint_mask(name, key_padding_mask, attn_mask, hidden, sizes, known)
    p = dropout_p if training else 0.0
    drops = _random.key(name, rng) if p else None
    y = scaled_dot_product_attention(q, k, v, mask, p, is_causal, rng=drops)
    y = linear(joined(y, batch_first), out_proj_weight, out_proj_bias)
    if single:
        y = y[0] if batch_first else y[:, 0]
    if not need_weights:
        return y, None
    found = weights_of(q, k, mask, is_causal)
    with _shard.sample_axis(0):
        found = dropout(found, p, rng=drops) if p else found
    found = found.mean(1) if average_attn_weights else found
    return y, found[0] if single else found


def _floats(name: str, given: dict[str, Any]) -> list[Any]:
    """Tensors and None as they are, all else as arrays; one array given several times is converted once."""
    known: dict[int, Any] = {}
    for argument, value in given.items():
        if id(value) not in known:
            plain = value is not None and _core.value_of(value) is value
            known[id(value)] = _check.as_float(name, value, argument) if plain else value
    return [known[id(value)] for value in given.values()]


def check_inputs(name: str, query: Any, key: Any, value: Any, width: int) -> bool:
    """Whether the inputs, whose shapes fit each other, have no batch."""
    q, k, v = (np.shape(each) for each in (query, key, value))
    if len(q) not in (2, 3) or len(k) != len(q) or len(v) != len(q):
        raise ValueError(f"{name}: expected query, key and value all of 2-D or all of 3-D, got shapes {q}, {k} and {v}")
    if q[-1] != width:
        raise ValueError(f"{name}: expected a query of {width} features in its last dimension, got shape {q}")
    if k[:-1] != v[:-1]:
        raise ValueError(f"{name}: expected key and value of one length and batch, got shapes {k} and {v}")
    return len(q) == 2


def expanded(arrays: tuple[Any, ...], axis: int) -> list[Any]:
    """The arrays with a batch of one; an array given several times is expanded once."""
    known: dict[int, Any] = {}
    for each in arrays:
        if id(each) not in known:
            known[id(each)] = np.expand_dims(each, axis)
    return [known[id(each)] for each in arrays]


def projected(query: Any, key: Any, value: Any, weights: Any, bias: Any) -> tuple[Any, Any, Any]:
    """Queries, keys and values by one weight (3 E, E) or three; inputs that are the same array share one product."""
    if isinstance(weights, tuple):
        biases = (None,) * 3 if bias is None else np.split(bias, 3)
        q, k, v = (linear(*each) for each in zip((query, key, value), weights, biases, strict=True))
        return q, k, v
    if query is key and key is value:
        q, k, v = np.split(linear(query, weights, bias), 3, -1)
        return q, k, v
    width = len(weights) // 3
    first = None if bias is None else bias[:width]
    q = linear(query, weights[:width], first)
    if key is value:
        k, v = np.split(linear(key, weights[width:], None if bias is None else bias[width:]), 2, -1)
        return q, k, v
    parts = (None,) * 3 if bias is None else np.split(bias, 3)
    return q, linear(key, weights[width : 2 * width], parts[1]), linear(value, weights[2 * width :], parts[2])


def beside(x: Any, row: Any, batch_first: bool) -> Any:
    """x (S, N, E), or (N, S, E) if batch_first, and one row after its last, the same for all samples."""
    steps, n = np.shape(x)[:2]
    shape = (steps, 1, np.shape(x)[2]) if batch_first else (1, n, np.shape(x)[2])
    return np.concatenate([x, np.broadcast_to(row, shape)], 1 if batch_first else 0)


def heads_of(x: Any, heads: int, batch_first: bool) -> Any:
    """(N, heads, L, E / heads) of (L, N, E), or of (N, L, E) if batch_first: a view."""
    first, second, width = np.shape(x)
    parts = x.reshape(first, second, heads, width // heads)
    return parts.transpose(0, 2, 1, 3) if batch_first else parts.transpose(1, 2, 0, 3)


def joined(y: Any, batch_first: bool) -> Any:
    """The inverse of `heads_of`."""
    n, heads, rows, width = np.shape(y)
    shape = (n, rows, heads * width) if batch_first else (rows, n, heads * width)
    return y.transpose(*((0, 2, 1, 3) if batch_first else (2, 0, 1, 3))).reshape(shape)


def joint_mask(name: str, padding: Any, mask: Any, hidden: Any, shape: tuple[int, ...], known: int) -> Any:
    """One mask for `scaled_dot_product_attention`, from masks of the first `known` keys; further keys take part.

    hidden : array of bool, (L, known), or None
        What `is_causal` hides.
    """
    n, heads, rows, keys = shape
    plain, many = (rows, known), (n * heads, rows, known)
    flags: list[Any] = []
    numbers: list[Any] = []
    for each, argument, allowed, four in (
        (padding, "key_padding_mask", [(n, known)], (n, 1, 1, known)),
        (mask, "attn_mask", [plain, many], (n, heads, rows, known) if np.ndim(mask) == 3 else plain),
        (hidden, "is_causal", [plain], plain),
    ):
        if each is None:
            continue
        each = each if hasattr(each, "dtype") else _check.as_array(name, each, argument)
        kind = each.dtype.kind
        if kind not in "bf":
            raise TypeError(f"{name}: expected {argument} of bool, True for keys that are left out, or of floats")
        if np.shape(each) not in allowed:
            raise ValueError(
                f"{name}: expected {argument} of shape {' or '.join(map(str, allowed))}, got {np.shape(each)}"
            )
        each = np.logical_not(each) if kind == "b" else each
        wide = each.reshape(four)
        if keys > known:
            free = np.ones if kind == "b" else np.zeros
            wide = np.concatenate([wide, free((*four[:-1], keys - known), wide.dtype)], -1)
        (flags if kind == "b" else numbers).append(wide)
    seen = functools.reduce(np.logical_and, flags) if flags else None
    if not numbers:
        return seen
    if seen is not None:
        numbers.append(np.where(seen, 0.0, -np.inf).astype(np.float32))
    return functools.reduce(np.add, numbers)


def weights_of(q: Any, k: Any, mask: Any, is_causal: bool) -> Any:
    """The attention weights (N, heads, L, S), 0 for a query that sees no key."""
    plain = all(_core.value_of(each) is each for each in (q, k))
    product = matmul if plain else np.matmul  # np.matmul of Tensors runs the same kernel, recorded
    scores = product(q, np.swapaxes(k, -1, -2)) * (1 / math.sqrt(np.shape(q)[-1]))
    rows, keys = np.shape(scores)[-2:]
    added = mask is not None and mask.dtype.kind == "f"
    seen = mask > -np.inf if added else mask
    if is_causal:
        triangle = np.tri(rows, keys) > 0
        seen = triangle if seen is None else seen & triangle
    if added:
        scores = scores + np.where(mask > -np.inf, mask, mask.dtype.type(0)).astype(scores.dtype)
    if seen is None:
        return softmax(scores, -1)
    blind = ~np.any(seen, -1, keepdims=True)
    hidden = ~seen & ~blind
    found = softmax(np.where(hidden, np.asarray(-np.inf, scores.dtype), scores), -1)
    none = isinstance(blind, np.ndarray) and not blind.any()
    return found if none else np.where(blind, np.asarray(0, scores.dtype), found)
