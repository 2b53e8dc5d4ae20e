"""Rules of matrix products, convolution, pooling, normalization, resizing and attention."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from ... import functional
from ...functional._attention import _attention
from ...functional._interpolate import resampled
from ...functional._matmul import matmul
from ..operators import _resize, _shape, _window
from ._table import TRANSLATIONS, floats, full, known, need, rule
from ._values import padded


@rule("MatMul")
def _matmul(r: Any, a: Any, b: Any) -> Any:
    floats(full(a), full(b))
    if isinstance(b, np.ndarray) and b.ndim == 2 and a.ndim > 1:
        return r.emit(functional.linear, a, b.T)
    return r.emit(matmul, a, b)


@rule("Gemm")
def _gemm(
    r: Any, a: Any, b: Any, c: Any = None, *, alpha: float = 1.0, beta: float = 1.0, transA: int = 0, transB: int = 0,
    broadcast: int = 1,
) -> Any:  # fmt: skip
    floats(full(a), full(b), c)
    a = r.emit(np.transpose, a, (1, 0)) if transA else a
    b = b if transB else r.emit(np.transpose, b, (1, 0))  # (n, k), as `linear` has it
    b = b if alpha == 1 else r.emit(np.multiply, b, b.dtype.type(alpha))
    c = c if c is None or beta == 1 else r.emit(np.multiply, c, c.dtype.type(beta))
    n = b.shape[0]
    if not isinstance(b, np.ndarray):
        y = r.emit(matmul, a, r.emit(np.transpose, b, (1, 0)))
    elif isinstance(c, np.ndarray) and c.shape in ((n,), (1, n), (1,), (1, 1), ()):
        return r.emit(functional.linear, a, b, np.broadcast_to(c.reshape(-1), (n,)))
    else:
        y = r.emit(functional.linear, a, b)
    return y if c is None else r.emit(np.add, y, c)


@rule("Conv")
def _conv(
    r: Any, x: Any, w: Any, b: Any = None, *, auto_pad: str = "NOTSET", dilations: Any = None, group: int = 1,
    kernel_shape: Any = None, pads: Any = None, strides: Any = None,
) -> Any:  # fmt: skip
    floats(full(x), full(w), b)
    dims = w.ndim - 2
    need(1 <= dims <= 3 and x.ndim == w.ndim)
    strides, dilations = strides or [1] * dims, dilations or [1] * dims
    around = _window._pads(x.shape[2:], w.shape[2:], strides, dilations, auto_pad, pads)
    even = all(first == last >= 0 for first, last in around)
    if not even:
        need(all(n + min(0, p) + min(0, q) > 0 for n, (p, q) in zip(x.shape[2:], around, strict=True)))
        _shape.bounded(n + p + q for n, (p, q) in zip(x.shape[2:], around, strict=True))
        x = padded(r, x, [(0, 0), (0, 0), *around], "constant", 0)
    padding = tuple(first for first, _ in around) if even else (0,) * dims
    return r.emit(_window.CONV[dims - 1], x, w, b, tuple(strides), padding, tuple(dilations), group)


@rule("ConvTranspose")
def _conv_transpose(r: Any, x: Any, w: Any, b: Any = None, **attributes: Any) -> Any:
    """Translate strides equal to the kernel: a 1 by 1 convolution gives all taps, which are then interleaved."""
    floats(full(x), full(w), b)
    known(w, b)
    dims, kernel, m = w.ndim - 2, w.shape[2:], w.shape[1]
    need(dims in (1, 2) and x.ndim == w.ndim and list(kernel) == list(attributes.pop("strides", None) or []))
    plain = {"auto_pad": ("NOTSET", "VALID"), "group": (1,), "kernel_shape": (list(kernel),)}
    need(all(attributes[name] in plain[name] for name in attributes.keys() & plain.keys()))
    need(not any(np.ravel(attributes.get(name) or 0).any() for name in ("output_padding", "pads")))
    need(attributes.get("output_shape") is None and set(np.ravel(attributes.get("dilations") or 1)) == {1})
    weight = np.ascontiguousarray(np.moveaxis(w, 0, -1)).reshape(-1, w.shape[0], *[1] * dims)
    bias = None if b is None else np.repeat(b, math.prod(kernel))
    y = r.emit(_window.CONV[dims - 1], x, weight, bias)
    n, space = x.shape[0], x.shape[2:]
    y = r.emit(np.reshape, y, (n, m, *kernel, *space))
    order = [0, 1, *(i for axis in range(dims) for i in (2 + dims + axis, 2 + axis))]
    sizes = (places * k for places, k in zip(space, kernel, strict=True))
    return r.emit(np.reshape, r.emit(np.transpose, y, tuple(order)), (n, m, *sizes))


def _pooled(
    kind: str, r: Any, x: Any, *, kernel_shape: Any, auto_pad: str = "NOTSET", ceil_mode: int = 0,
    dilations: Any = None, pads: Any = None, strides: Any = None, outputs: int = 1, storage_order: int = 0,
    count_include_pad: int = 0,
) -> Any:  # fmt: skip
    floats(full(x))
    dims = len(kernel_shape)
    need(outputs == 1 and not ceil_mode and 1 <= dims <= 3 and x.ndim == dims + 2)
    strides, dilations = strides or [1] * dims, dilations or [1] * dims
    around = _window._pads(x.shape[2:], kernel_shape, strides, dilations, auto_pad, pads)
    even = all(first == last and 0 <= 2 * first <= k for (first, last), k in zip(around, kernel_shape, strict=True))
    if not even:
        need(kind == "max" and all(min(pair) >= 0 for pair in around))
        _shape.bounded(n + p + q for n, (p, q) in zip(x.shape[2:], around, strict=True))
        x = padded(r, x, [(0, 0), (0, 0), *around], "constant", -np.inf)
    padding = tuple(first for first, _ in around) if even else (0,) * dims
    pool, sizes = getattr(functional, f"{kind}_pool{dims}d"), (tuple(kernel_shape), tuple(strides), padding)
    if kind == "max":
        return r.emit(pool, x, *sizes, tuple(dilations))
    need(set(dilations) == {1})
    return r.emit(pool, x, *sizes, False, bool(count_include_pad))


TRANSLATIONS[_window.max_pool] = functools.partial(_pooled, "max")
TRANSLATIONS[_window.average_pool] = functools.partial(_pooled, "avg")


@rule("BatchNormalization")
def _batch_norm(
    r: Any, x: Any, scale: Any, bias: Any, mean: Any, var: Any, *, epsilon: float = 1e-5, training_mode: int = 0,
    outputs: int, **attributes: Any,
) -> Any:  # fmt: skip
    floats(full(x), scale, bias, mean, var)
    known(scale, bias, mean, var)
    need(not training_mode and outputs == 1 and attributes.get("spatial", 1) and x.ndim > 1)
    need(len({each.dtype for each in (x, scale, bias, mean, var)}) == 1)
    return r.emit(functional.batch_norm, x, mean, var, scale, bias, False, 0.1, epsilon)


@rule("LayerNormalization")
def _layer_norm(
    r: Any, x: Any, scale: Any, bias: Any = None, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1,
    outputs: int,
) -> Any:  # fmt: skip
    floats(full(x), scale, bias)
    shape = x.shape[axis % x.ndim :]
    need(outputs == 1 and scale.shape == shape and (bias is None or bias.shape == shape))
    return r.emit(functional.layer_norm, x, shape, scale, bias, epsilon)


@rule("InstanceNormalization")
def _instance_norm(r: Any, x: Any, scale: Any, bias: Any, *, epsilon: float = 1e-5) -> Any:
    floats(full(x), scale, bias)
    need(x.ndim > 2)
    return r.emit(functional.group_norm, x, x.shape[1], scale, bias, epsilon)


@rule("GroupNormalization", since=21)
def _group_norm(
    r: Any, x: Any, scale: Any, bias: Any, *, num_groups: int, epsilon: float = 1e-5, stash_type: int = 1
) -> Any:
    floats(full(x), scale, bias)
    return r.emit(functional.group_norm, x, num_groups, scale, bias, epsilon)


@rule("Resize", since=11)
def _resized(r: Any, x: Any, *given: Any, **attributes: Any) -> Any:
    """Resize the spatial axes alone, each by its own table of source indices and weights."""
    floats(full(x))
    known(*given)
    need(3 <= x.ndim <= 5 and attributes.get("coordinate_transformation_mode") != "tf_crop_and_resize")
    changed = {axis: (at, weights) for axis, at, weights, _ in _resize.axes_of(x.shape, *given, **attributes)}
    need(changed.keys().isdisjoint((0, 1)))
    tables = [changed.get(axis, (np.arange(n)[:, None], np.ones((n, 1)))) for axis, n in enumerate(x.shape) if axis > 1]
    places = np.concatenate([at.T.reshape(-1) for at, _ in tables])
    weights = np.concatenate([weight.T.reshape(-1) for _, weight in tables])
    sizes, taps = zip(*(at.shape for at, _ in tables), strict=True)
    need(0 not in sizes)
    return r.emit(resampled, x, places.astype(np.int64), weights.astype(x.dtype), sizes, taps)


@rule("Upsample", since=9)
def _resized_by(r: Any, x: Any, scales: Any, *, mode: str = "nearest") -> Any:
    return _resized(r, x, None, scales, **_resize.asymmetric(mode))


@rule("Upsample", since=7)
def _upsampled_by(r: Any, x: Any, *, scales: Any, mode: str = "nearest") -> Any:
    return _resized(r, x, None, np.array(scales), **_resize.asymmetric(mode))


@rule("Attention")
def _attended(
    r: Any, q: Any, k: Any, v: Any, mask: Any = None, *cached: Any, is_causal: int = 0, kv_num_heads: int | None = None,
    q_num_heads: int | None = None, scale: float | None = None, outputs: int, **attributes: Any,
) -> Any:  # fmt: skip
    """Translate attention without cached keys, softcap or windows."""
    floats(full(q), full(k), full(v))
    need(outputs == 1 and all(each is None for each in cached) and not any(attributes.values()))
    flat, size = q.ndim == 3, k.shape[-2]
    if flat:
        counts = (q, q_num_heads or 1), (k, kv_num_heads or 1), (v, kv_num_heads or 1)
        q, k, v = (_heads(r, x, count) for x, count in counts)
    need(q.shape[1] == k.shape[1] and (mask is None or (mask.dtype in (bool, q.dtype) and mask.shape[-1] == size)))
    y = r.emit(_attention, q, k, v, mask, 0.0, bool(is_causal), scale)
    return _side_by_side(r, y) if flat else y


def _heads(r: Any, x: Any, count: int) -> Any:
    """Split (N, L, heads * width) into (N, heads, L, width)."""
    n, rows, width = x.shape
    return r.emit(np.transpose, r.emit(np.reshape, x, (n, rows, count, width // count)), (0, 2, 1, 3))


def _side_by_side(r: Any, x: Any) -> Any:
    """Join (N, heads, L, width) to (N, L, heads * width)."""
    n, heads, rows, width = x.shape
    return r.emit(np.reshape, r.emit(np.transpose, x, (0, 2, 1, 3)), (n, rows, heads * width))
