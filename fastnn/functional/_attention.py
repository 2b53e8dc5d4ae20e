"""Scaled dot-product attention, and its gradients."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .. import _check, _core, _random, _shard
from .._check import Array
from .._core import ops
from .._dispatch import derivative, differentiable
from ._dropout import zeroing
from ._linear import _operands

__all__ = [
    "scaled_dot_product_attention",
    "scaled_dot_product_attention_backward",
]

NAMES = ("query", "key", "value", "attn_mask")


class Call(NamedTuple):
    """Checked operands with two dimensions of batch, (N, H, *), in the type they are computed in."""

    q: Array
    k: Array
    v: Array
    bias: Array | None
    keep: Array | None
    options: tuple[Any, ...]  # the op's last arguments
    batch: tuple[int, ...]  # that of the result
    shapes: tuple[tuple[int, ...], ...]  # of query, key, value and mask, as given
    dtypes: tuple[Any, ...]  # of the result, and of the mask's gradient


def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    *,
    past: tuple[Any, Any] | None = None,
    rng: Any = None,
) -> Any:
    """softmax(scale Q K^T + mask) V: for each query, the mean of the values, weighted by how well their keys fit.

    Parameters
    ----------
    query : array_like, (*, L, E)
    key : array_like, (*, S, E)
    value : array_like, (*, S, Ev)
        The leading dimensions are broadcast.
    attn_mask : array_like, broadcast to (*, L, S), optional
        Of bool: True where the key takes part.  Of floats: added to the scores.
    dropout_p : float
        Probability of dropping a weight, in [0, 1]; there is no training flag.
    is_causal : bool
        Query i sees the keys up to i, of those that `attn_mask` lets it see.
    scale : float, optional
        1/sqrt(E) if None.
    enable_gqa : bool
        Dimension -3 are heads, of which keys and values have fewer: query head h reads head h // (Hq / H) of theirs.
    past : tuple of array_like, optional
        Keys (*, P, E) and values (*, P, Ev) of the steps before, which stand before `key` and `value`; query i then
        sees the keys up to P + i.
    rng : None, int, SeedSequence or Generator
        The key of the dropout's mask or where to draw it from; see `dropout_mask`, whose mask of shape (*, L, S) it is.

    Returns
    -------
    y : ndarray, (*, L, Ev)
        0 where a query sees no key.
    present : tuple of ndarray
        With `past` alone: keys and values with those of this call, the next one's `past`.

    Raises
    ------
    TypeError
        If the mask is neither of bool nor of floats.
    ValueError
        If shapes do not fit.

    Notes
    -----
    Keys are met 256 at a time, with a running maximum and sum (Dao, "FlashAttention-2", 2023), forward and backward:
    the matrix of weights is never stored.  A query's bits depend on neither the queries beside it nor keys that it does
    not see, so that a causal sequence gives the same bits step by step, with `past`, as in one call.

    Examples
    --------
    >>> q, k, v = np.ones((2, 1)), np.array([[0.0], [0.0]]), np.array([[1.0], [3.0]])
    >>> scaled_dot_product_attention(q, k, v, is_causal=True)
    array([[1.],
           [2.]])
    >>> y, past = scaled_dot_product_attention(q[1:], k[1:], v[1:], is_causal=True, past=(k[:1], v[:1]))
    >>> y
    array([[2.]])
    """
    if past is None:
        return _attention(query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa, rng=rng)
    if not isinstance(past, (tuple, list)) or len(past) != 2:
        raise TypeError(f"{NAME}: expected past to be a tuple (keys, values), got {type(past).__name__}")
    (k, known), (v, _) = (_after(*pair) for pair in (("key", past[0], key), ("value", past[1], value)))
    options = (attn_mask, dropout_p, is_causal, scale, enable_gqa)
    return _attention(query, k, v, *options, past=known, rng=rng), (k, v)


NAME = "scaled_dot_product_attention"
_NO_DROPOUT = zeroing(NAME, 0.0)


def _after(argument: str, past: Any, new: Any) -> tuple[Any, int]:
    """The past's keys or values followed by the new ones, and the number of the past's."""
    before, after = np.shape(past), np.shape(new)
    if len(before) != len(after) or len(after) < 2 or before[:-2] != after[:-2] or before[-1] != after[-1]:
        raise ValueError(f"{NAME}: expected past of {argument}'s shape {after} but in dimension -2, got {before}")
    return np.concatenate([past, new], -2), before[-2]


@differentiable
def _attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    *,
    past: int = 0,
    rng: Any = None,
) -> Array:
    """`scaled_dot_product_attention` where the first `past` keys are older: query i sees the keys up to past + i."""
    call = _checked(NAME, (query, key, value, attn_mask), dropout_p, is_causal, scale, enable_gqa, past, rng)
    return _result(call, _forward(call)[0])


def _checked(
    name: str,
    operands: tuple[Any, ...],
    dropout_p: Any,
    is_causal: Any,
    scale: Any,
    enable_gqa: Any,
    past: int,
    rng: Any,
) -> Call:
    for argument, flag in (("is_causal", is_causal), ("enable_gqa", enable_gqa)):
        if not isinstance(flag, (bool, np.bool_)):  # most often another argument given in this one's place
            raise TypeError(f"{name}: expected {argument} to be True or False, got {flag!r}")
    arrays, dtype = _operands(name, dict(zip(NAMES, operands[:3], strict=False)))
    for argument, array in zip(NAMES, arrays, strict=False):
        least = 3 if enable_gqa else 2
        if array.ndim < least:
            raise ValueError(f"{name}: expected {argument} of {least} or more dimensions, got shape {array.shape}")
    shapes = [array.shape for array in arrays]
    q, k, v = shapes
    if k[-1] != q[-1]:
        raise ValueError(f"{name}: expected key of {q[-1]} features in its last dimension, as query, got shape {k}")
    if v[-2] != k[-2]:
        raise ValueError(f"{name}: expected value of {k[-2]} rows in dimension -2, as key, got shape {v}")
    batch = _batch(name, shapes, enable_gqa)
    l, s, heads = q[-2], k[-2], batch[-1] if batch else 1
    bias, keep, of_mask = _masks(name, operands[3], (*batch, l, s), arrays[0].dtype)
    rule = zeroing(name, p) if (p := _check.in_range(name, "dropout_p", dropout_p, 0, 1)) else _NO_DROPOUT
    number = (1 / math.sqrt(q[-1]) if q[-1] else 1.0) if scale is None else _check.finite(name, "scale", scale)
    first = 0
    if rule.threshold and _shard.now.shard is not None:
        with _shard.sample_axis(0):
            first = _shard.place(name, batch, len(batch))[0]
    drops = _random.key(name, rng) if rule.threshold else 0
    joined = [_four(array, batch) for array in arrays]
    groups = [heads // each.shape[1] if each.shape[1] else 1 for each in joined]
    if groups[0] != 1:
        joined[0] = np.broadcast_to(joined[0], (joined[0].shape[0], heads, *q[-2:]))
    slots = _core.get_num_threads()
    options = (
        joined[0].shape[0], heads, l, s, q[-1], v[-1], *groups[1:], bool(is_causal), past, drops, rule.threshold, first,
        slots, number, rule.scale,
    )  # fmt: skip
    whole = (joined[0].shape[0], heads, l, s)
    bias, keep = (None if each is None else each.reshape(whole) for each in (bias, keep))
    return Call(
        joined[0], joined[1], joined[2], bias, keep, options, batch, (*shapes, np.shape(operands[3])), (dtype, of_mask)
    )


def _batch(name: str, shapes: list[tuple[int, ...]], enable_gqa: Any) -> tuple[int, ...]:
    """The leading dimensions of the result."""
    leading = [shape[: -3 if enable_gqa else -2] for shape in shapes]
    batch = leading[0]
    try:
        if not leading[1] == leading[2] == batch:
            batch = np.broadcast_shapes(*leading)
    except ValueError:
        raise ValueError(
            f"{name}: expected leading dimensions that broadcast, got {', '.join(map(str, shapes))}"
        ) from None
    if not enable_gqa:
        return batch
    heads = shapes[0][-3]
    for argument, shape in zip(NAMES[1:3], shapes[1:], strict=True):
        if heads and (not shape[-3] or heads % shape[-3]):
            raise ValueError(f"{name}: expected {argument} of heads that divide the query's {heads}, got {shape[-3]}")
    return (*batch, heads)


def _masks(
    name: str, mask: Any, shape: tuple[int, ...], dtype: Any
) -> tuple[Array | None, Array | None, np.dtype[Any] | None]:
    """The mask, floats to add or flags of keys that take part, in the shape of the scores; and its own dtype."""
    if mask is None:
        return None, None, None
    array = _check.as_array(name, mask, "attn_mask")
    if array.dtype.kind not in "bf" or array.dtype.itemsize > 8:
        raise TypeError(
            f"{name}: expected attn_mask of bool, True for keys that take part, or of floats, got {array.dtype}"
        )
    try:
        wide = np.broadcast_to(array if array.dtype.kind == "b" else array.astype(dtype, copy=False), shape)
    except ValueError:
        raise ValueError(f"{name}: expected attn_mask that broadcasts to {shape}, got shape {array.shape}") from None
    if array.dtype.kind == "b":
        return None, wide.view(np.uint8), None
    return wide if wide.flags.aligned else wide.copy(), None, array.dtype.newbyteorder("=")


def _four(array: Array, batch: tuple[int, ...]) -> Array:
    """(N, H, *, *) of an array, its last dimension's values side by side; H may be fewer than in other operands."""
    if array.shape[-1] > 1 and array.strides[-1] != array.itemsize:
        array = _check.contiguous(array)
    if array.ndim == 4 and array.shape[:1] == batch[:-1]:
        return array
    own = array.shape[-3] if array.ndim > 2 else 1
    own = own if batch else 1
    lead = batch[:-1]
    wide = np.broadcast_to(array.reshape(*array.shape[:-3], own, *array.shape[-2:]), (*lead, own, *array.shape[-2:]))
    if len(lead) == 1:
        return wide
    return wide.reshape(math.prod(lead), own, *array.shape[-2:])


def _like(array: Array, *shape: int) -> Array:
    """An empty (N, H, L, E) whose samples, heads and rows follow each other in memory as the array's do."""
    n, heads, rows, width = shape
    strides = array.strides
    if n > 1 and 0 < strides[0] < strides[2]:
        return _core.empty((rows, n, heads, width), array.dtype).transpose(1, 2, 0, 3)
    if heads > 1 and 0 < strides[1] < strides[2]:
        return _core.empty((n, rows, heads, width), array.dtype).swapaxes(1, 2)
    return _core.empty(shape, array.dtype)


def _forward(call: Call) -> tuple[Array, Array]:
    """(N, H, L, Ev), and of each row the largest score and the sum of the exponentials relative to it."""
    n, heads, l, s, _, width = call.options[:6]
    y, stats = _like(call.q, n, heads, l, width), np.empty((n, heads, l, 2))
    if not y.size or not s:
        y[...] = 0
    else:
        ops.attention(y, stats, None, call.q, call.k, call.v, call.bias, call.keep, False, 0, 0, 0, *call.options)
    return y, stats


def _result(call: Call, y: Array) -> Array:
    return _check.finish(y.reshape(*call.batch, *y.shape[2:]), call.dtypes[0], None)


@derivative(scaled_dot_product_attention, *NAMES)
@derivative(_attention, *NAMES)
def _attention_on_the_tape(
    wanted: tuple[bool, ...],
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    *,
    past: int = 0,
    rng: Any = None,
) -> Any:
    call = _checked(NAME, (query, key, value, attn_mask), dropout_p, is_causal, scale, enable_gqa, past, rng)
    y, stats = _forward(call)
    return _result(call, y), lambda dy: _gradients(NAME, call, y, stats, dy, wanted)


def _gradients(name: str, call: Call, y: Array, stats: Array, dy: Any, wanted: tuple[bool, ...]) -> list[Array | None]:
    """The gradients of query, key, value and a mask of floats."""
    n, heads, l, s, e, width = call.options[:6]
    gradient, expected = _check.as_float(name, dy, "dy"), (*call.batch, l, width)
    if gradient.shape != expected:
        raise ValueError(f"{name}: expected dy of shape {expected}, got {gradient.shape}")
    gradient = _check.compute_array(gradient.astype(y.dtype, copy=False))
    gradient = _four(gradient, call.batch)
    dq, dk, dv = (
        _like(each, n, heads, *size) for each, size in ((call.q, (l, e)), (call.k, (s, e)), (call.v, (s, width)))
    )
    dbias = np.zeros((n, heads, l, s), y.dtype) if wanted[3] and call.bias is not None else None
    if not y.size or not s:
        for each in (dq, dk, dv):
            each[...] = 0
    else:
        operands = (gradient, y, stats, call.q, call.k, call.v, call.bias, call.keep)
        ops.attention_backward(dq, dk, dv, dbias, *operands, *call.options)
    return [
        None if each is None or not want else _check.finish(_folded(each, call.batch, shape), dtype, None)
        for each, want, shape, dtype in zip(
            (dq, dk, dv, dbias), wanted, call.shapes, (*call.dtypes[:1] * 3, call.dtypes[1]), strict=True
        )
    ]


def _folded(gradient: Array, batch: tuple[int, ...], shape: tuple[int, ...]) -> Array:
    """The gradient of an operand of this shape: the sum over the dimensions along which it was repeated."""
    heads = shape[-3] if len(shape) > 2 else 1
    if batch and 1 < heads < batch[-1]:  # grouped
        gradient = gradient.reshape(*batch[:-1], heads, batch[-1] // heads, *gradient.shape[2:]).sum(-3)
    else:
        gradient = gradient.reshape(*batch, *gradient.shape[2:])
    extra = gradient.ndim - len(shape)
    repeated = [i for i in range(gradient.ndim) if gradient.shape[i] != 1 and (i < extra or shape[i - extra] == 1)]
    return gradient.sum(tuple(repeated), keepdims=True).reshape(shape) if repeated or extra else gradient


def scaled_dot_product_attention_backward(
    dy: Any,
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    *,
    rng: Any = None,
) -> tuple[Array | None, ...]:
    """Gradients of `scaled_dot_product_attention`: of query, key, value and a mask of floats.

    Parameters
    ----------
    dy : array_like, (*, L, Ev)
        The gradient of the result.
    query, key, value, attn_mask : array_like
        Those of the forward call, as are the other arguments.
    dropout_p : float
    is_causal : bool
    scale : float, optional
    enable_gqa : bool
    rng : int
        The key that the forward call was given, if it dropped weights.

    Returns
    -------
    dquery, dkey, dvalue : ndarray
        Of the shapes of the operands.
    dattn_mask : ndarray or None
        None without a mask of floats.

    Raises
    ------
    ValueError
        If shapes do not fit.

    Notes
    -----
    The forward call's maxima and sums are computed anew, the weights from them tile by tile.

    Examples
    --------
    >>> dq, dk, dv, _ = scaled_dot_product_attention_backward([[1.0]], [[1.0]], [[0.0], [0.0]], [[1.0], [3.0]])
    >>> dq, dk.ravel(), dv.ravel()
    (array([[0.]]), array([-0.5,  0.5]), array([0.5, 0.5]))
    """
    name = f"{NAME}_backward"
    dropped = _random.forward_key(name, rng) if dropout_p else None
    call = _checked(name, (query, key, value, attn_mask), dropout_p, is_causal, scale, enable_gqa, 0, dropped)
    y, stats = _forward(call)
    return tuple(_gradients(name, call, y, stats, dy, (True, True, True, True)))
