"""Layer norms, fused from their parts, and constants folded into layers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ... import functional
from ..._check import Array
from ...graph._graph import Call, Constant, Method, Ref, Unary
from ._rewriter import Made, Rewriter, scalar

CONVOLUTIONS = (functional.conv1d, functional.conv2d, functional.conv3d)

# -- normalization ----------------------------------------------------------------------------------------------------


def _mean_axes(r: Rewriter, call: Call | None) -> tuple[Any, int] | None:
    """The operand of a mean over the last axes, with keepdims, and their number."""
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


def layer_norm(r: Rewriter, call: Call) -> Made:
    """Fuse (x - mean(x)) / sqrt(mean((x - mean(x))^2) + eps), then times gamma, then plus beta."""
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


def one_hot(r: Rewriter, call: Call) -> Made:
    """Replace a product of the one-hot vector of i and a weight by a lookup; a plan refuses i out of range."""
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


def bias(r: Rewriter, call: Call) -> Made:
    """Fold a constant row into the bias of a linear layer."""
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
    """A constant as one number per channel of an image; None if it varies otherwise."""
    shape = r.shape(like)
    array = value.array if isinstance(value, Constant) else value
    if shape is None or len(shape) < 3 or not isinstance(array, (np.ndarray, np.generic)):
        return None
    own = (1,) * (len(shape) - np.ndim(array)) + np.shape(array)
    if len(own) != len(shape) or any(size != 1 for i, size in enumerate(own) if i != 1) or own[1] not in (1, shape[1]):
        return None
    return np.broadcast_to(np.asarray(array, np.float64).reshape(-1), (shape[1],))


def scale(r: Rewriter, call: Call) -> Made:
    """Turn products and sums of a convolution's images and per-channel constants into a batch norm."""
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


def reshape_later(r: Rewriter, call: Call) -> Made:
    """Move a product or sum with per-channel constants from behind a reshape of a convolution to before it."""
    first, second = r.operands(call) or (None, None)
    seen = r.maker(first, np.reshape) if call.function in (np.add, np.multiply) else None
    image = r.maker(seen.args[0], *CONVOLUTIONS) if seen is not None and r.uses[seen.number] == 1 else None
    value = _channels(r, second, first) if image is not None and isinstance(second, Constant) else None
    if value is None or seen is None or image is None or r.shape(first) != r.shape(Ref(call.number)):
        return None
    shape, dtype = r.shape(Ref(image.number)) or (), r.graph.values[call.number].dtype
    if shape[:2] != (r.shape(first) or ())[:2]:
        return None
    constant = r.constant(value.reshape(-1, *[1] * (len(shape) - 2)), dtype)
    moved = r.add(shape, dtype, call.function, seen.args[0], constant)
    return replace(call, function=np.reshape, args=(moved, seen.args[1]))


def _is_image(r: Rewriter, call: Call) -> bool:
    """Whether a call is a convolution or batch norm, perhaps followed by elementwise functions."""
    while isinstance(call.function, Unary):
        inner = r.maker(call.args[0])
        if inner is None:
            return False
        call = inner
    return call.function in (*CONVOLUTIONS, functional.batch_norm)


def scale_before(r: Rewriter, call: Call) -> Made:
    """Fold a batch norm into the convolution after it; one that shifts, only if nothing is padded."""
    norm = r.maker(call.args[0], functional.batch_norm) if call.function in CONVOLUTIONS else None
    if norm is None or len(call.args) != 7 or not isinstance(call.args[1], Constant) or r.uses[norm.number] != 1:
        return None
    inner = r.maker(norm.args[0])
    if inner is not None and inner.function in CONVOLUTIONS and r.uses[inner.number] == 1:
        return None  # that convolution takes it in
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
