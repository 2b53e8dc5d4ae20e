"""Convolutions of any number of dimensions, on checked calls: values and gradients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _check, _core
from .._check import Array
from ._conv_engine import (
    Window,
    add_to_channels,
    channel_sums,
    correlate,
    empty_as,
    fold_padding,
    kernels,
    samples,
    spread,
    weight_gradient,
)
from ._conv_precision import chosen, pack_fast, pays
from ._conv_shapes import Call, gradient_of
from ._layout import memory_of

Wanted = tuple[bool, bool, bool]


def _is_product(x: Array, weight: Array, window: Window) -> bool:
    """Whether a convolution is just a matrix product at each pixel."""
    ones = all(each == 1 for each in (*weight.shape[2:], *window.stride, window.groups))
    return ones and not any((*window.before, *window.after))


def _pointwise(y: Array, x: Array, matrix: Array, bias: Array | None) -> bool:
    """y = matrix x + bias at each pixel, matrix (outputs, inputs); returns False if the memory order does not fit."""
    n, c, *space = x.shape
    places, outputs = math.prod(space), len(matrix)
    if x.flags.c_contiguous and y.flags.c_contiguous and places > 1:
        of_samples = np.broadcast_to(matrix, (n, outputs, c))
        flat = y.reshape(n, outputs, places)
        _core.matmul(flat, of_samples, x.reshape(n, c, places))
        if bias is not None:
            add_to_channels(flat, bias)
        return True
    order = (0, *range(2, x.ndim), 1)
    rows, results = x.transpose(order), y.transpose(order)
    if rows.flags.c_contiguous and results.flags.c_contiguous:
        _core.matmul(results.reshape(n * places, outputs), rows.reshape(n * places, c), matrix.T, bias)
        return True
    return False


def _finish(y: Array, call: Call, out: Array | None) -> Array:
    return _check.finish(y[0] if call.single else y, call.dtype, out)


def _target(call: Call, out: Array | None) -> Array:
    """The memory of the result, with a batch: `out` if it can be written directly, else new memory."""
    if out is not None:
        made = _check.target_for(out, call.result_shape, call.x.dtype, call.x, call.weight, call.bias)
        if made is out:
            return made[np.newaxis] if call.single else made
    return empty_as(call.x, call.shape)


def _fill(y: Array, bias: Array | None) -> None:
    y[...] = 0 if bias is None else bias.reshape(-1, *(1,) * (y.ndim - 2))


def forward(name: str, call: Call, out: Array | None) -> Array:
    """The convolution's value."""
    _check.check_out(name, out, call.result_shape, call.dtype)
    x, w, bias, window = call.x, call.weight, call.bias, call.window
    y = _target(call, out)
    if not x.size or not y.size:
        _fill(y, bias)
    elif not (_is_product(x, w, window) and _pointwise(y, x, w.reshape(w.shape[:2]), bias)):
        fast = chosen() == "fast" and pays(x.shape[1:], w.shape, window, y.shape[1:])
        groups, transformed = window.groups, pack_fast(w) if fast else None
        correlate(samples(y, groups), samples(x, groups), kernels(w, groups), bias, window, transformed)
    return _finish(y, call, out)


def backward(name: str, call: Call, dy: Any, wanted: Wanted) -> list[Array | None]:
    """The convolution's gradients that are wanted, of the input, the weight and the bias."""
    gradient, x, w, window = gradient_of(name, dy, call), call.x, call.weight, call.window
    dx = dweight = dbias = None
    empty = not x.size or not gradient.size
    groups = window.groups
    if wanted[0]:
        dx = _input_gradient(call, gradient) if not empty else np.zeros_like(x)
        dx = dx[0] if call.single else dx
    if wanted[1]:
        dweight = np.zeros_like(w) if empty else _core.empty_like(w)
        if not empty:
            weight_gradient(kernels(dweight, groups), samples(gradient, groups), samples(x, groups), window)
    if wanted[2]:
        dbias = channel_sums(*memory_of(gradient))
    return [None if each is None else _check.finish(each, call.dtype, None) for each in (dx, dweight, dbias)]


def _input_gradient(call: Call, dy: Array) -> Array:
    x, w, window = call.x, call.weight, call.window
    dx = empty_as(x, x.shape)
    if _is_product(x, w, window) and _pointwise(dx, dy, w.reshape(w.shape[:2]).T, None):
        return dx
    padded = window.mode != "zeros" and any((*window.before, *window.after))
    target = dx
    if padded:
        sizes = (size + b + a for size, b, a in zip(x.shape[2:], window.before, window.after, strict=True))
        target = empty_as(x, (*x.shape[:2], *sizes))
    groups = window.groups
    flipped = window._replace(before=(0,) * len(window.before)) if padded else window
    spread(samples(target, groups), samples(dy, groups), kernels(w, groups).swapaxes(1, 2), None, flipped)
    if padded:
        dx[...] = fold_padding(target, window)
    return dx


def transposed_forward(name: str, call: Call, out: Array | None) -> Array:
    """The transposed convolution's value."""
    _check.check_out(name, out, call.result_shape, call.dtype)
    x, w, bias, window = call.x, call.weight, call.bias, call.window
    y = _target(call, out)
    if not x.size or not y.size:
        _fill(y, bias)
    else:
        kernel = kernels(w, window.groups).swapaxes(1, 2)
        spread(samples(y, window.groups), samples(x, window.groups), kernel, bias, window)
    return _finish(y, call, out)


def transposed_backward(name: str, call: Call, dy: Any, wanted: Wanted) -> list[Array | None]:
    """The transposed convolution's gradients that are wanted."""
    gradient, x, w, window = gradient_of(name, dy, call), call.x, call.weight, call.window
    dx = dweight = dbias = None
    empty = not x.size or not gradient.size
    groups = window.groups
    if wanted[0]:
        dx = np.zeros_like(x) if empty else empty_as(x, x.shape)
        if not empty:
            correlate(samples(dx, groups), samples(gradient, groups), kernels(w, groups), None, window)
        dx = dx[0] if call.single else dx
    if wanted[1]:
        dweight = np.zeros_like(w) if empty else _core.empty_like(w)
        if not empty:
            weight_gradient(kernels(dweight, groups), samples(x, groups), samples(gradient, groups), window)
    if wanted[2]:
        dbias = channel_sums(*memory_of(gradient))
    return [None if each is None else _check.finish(each, call.dtype, None) for each in (dx, dweight, dbias)]
