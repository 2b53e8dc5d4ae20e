"""Softmax, related functions and normalization."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import functional
from ..._check import Array
from .._tensors import dtype_of
from ._elementwise import in_float32
from ._table import operator


def _flattened(function: Any) -> Any:
    """Make the version before opset 13: it normalizes over all axes from `axis` on together."""

    def old(x: Array, *, axis: int = 1) -> Any:
        axis = axis + x.ndim if axis < 0 else axis
        return function(x.reshape(math.prod(x.shape[:axis]), -1) if x.size else x.reshape(0, 1), axis=1).reshape(
            x.shape
        )

    return old


@operator("Softmax", since=13)
@in_float32
def softmax(x: Array, *, axis: int = -1) -> Any:
    return functional.softmax(x, axis)


@operator("LogSoftmax", since=13)
@in_float32
def log_softmax(x: Array, *, axis: int = -1) -> Any:
    return functional.log_softmax(x, axis)


@operator("Hardmax", since=13)
def hardmax(x: Array, *, axis: int = -1) -> Any:
    y = np.zeros_like(x)
    np.put_along_axis(y, np.expand_dims(np.argmax(x, axis), axis), 1, axis)
    return y


for name, function in {"Softmax": softmax, "LogSoftmax": log_softmax, "Hardmax": hardmax}.items():
    operator(name)(_flattened(function))


@operator("LpNormalization")
@in_float32
def lp_normalization(x: Array, *, axis: int = -1, p: int = 2) -> Any:
    norm = np.sum(np.abs(x), axis, keepdims=True) if p == 1 else np.sqrt(np.sum(x * x, axis, keepdims=True))
    return np.divide(x, norm, out=np.zeros_like(x), where=norm != 0)


@operator("MeanVarianceNormalization")
@in_float32
def mean_variance_normalization(x: Array, *, axes: Any = (0, 2, 3)) -> Any:
    wide = x.astype(np.float64)
    wide -= wide.mean(tuple(axes), keepdims=True)
    return (wide / (np.sqrt((wide * wide).mean(tuple(axes), keepdims=True)) + 1e-9)).astype(x.dtype)


def _channels(x: Array, vector: Array) -> Array:
    return vector.reshape(1, -1, *[1] * (x.ndim - 2)) if x.ndim > 1 else vector


@operator("BatchNormalization")
def batch_normalization(
    x: Array, scale: Array, bias: Array, mean: Array, var: Array, *, epsilon: float = 1e-5, momentum: float = 0.9,
    training_mode: int = 0, spatial: int = 1, is_test: int = 1, outputs: int,
) -> Any:  # fmt: skip
    if not spatial:
        raise NotImplementedError("BatchNormalization with spatial=0")
    if not training_mode:
        wide = [each.astype(np.float64) for each in (scale, bias, mean, var)]
        factor = wide[0] / np.sqrt(wide[3] + epsilon)
        shift = (wide[1] - wide[2] * factor).astype(scale.dtype)
        return (x * _channels(x, factor.astype(scale.dtype)) + _channels(x, shift)).astype(x.dtype)
    axes = (0, *range(2, x.ndim))
    mine, spread = x.astype(np.float64).mean(axes), x.astype(np.float64).var(axes)
    y = (x - _channels(x, mine)) / np.sqrt(_channels(x, spread) + epsilon) * _channels(x, scale) + _channels(x, bias)
    running = [old * momentum + new * (1 - momentum) for old, new in ((mean, mine), (var, spread))]
    return (y.astype(x.dtype), *(each.astype(mean.dtype) for each in running))


@operator("InstanceNormalization")
@in_float32
def instance_normalization(x: Array, scale: Array, bias: Array, *, epsilon: float = 1e-5) -> Any:
    return functional.instance_norm(x, weight=scale, bias=bias, eps=epsilon)


@operator("GroupNormalization", since=18)
@in_float32
def group_normalization_of_groups(
    x: Array, scale: Array, bias: Array, *, num_groups: int, epsilon: float = 1e-5, stash_type: int = 1
) -> Any:
    width = x.shape[1] // num_groups
    return functional.group_norm(x, num_groups, np.repeat(scale, width), np.repeat(bias, width), epsilon)


@operator("GroupNormalization", since=21)
@in_float32
def group_normalization(
    x: Array, scale: Array, bias: Array, *, num_groups: int, epsilon: float = 1e-5, stash_type: int = 1
) -> Any:
    return functional.group_norm(x, num_groups, scale, bias, epsilon)


@operator("LayerNormalization")
@in_float32
def layer_normalization(
    x: Array, scale: Array, bias: Array | None = None, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1,
    outputs: int,
) -> Any:  # fmt: skip
    shape = x.shape[axis:] if axis < 0 else x.shape[axis - x.ndim :]
    y = functional.layer_norm(x, shape, np.broadcast_to(scale, shape), None, epsilon) if scale.shape == shape else None
    over = tuple(range(-len(shape), 0))
    if y is None:
        y = functional.layer_norm(x, shape, None, None, epsilon) * scale
    y = y if bias is None else y + bias
    if outputs == 1:
        return y
    kind = dtype_of(stash_type)
    mean = x.astype(np.float64).mean(over, keepdims=True)
    spread = 1 / np.sqrt(x.astype(np.float64).var(over, keepdims=True) + epsilon)
    return y, mean.astype(kind), spread.astype(kind)


@operator("RMSNormalization", "SimplifiedLayerNormalization")
@in_float32
def rms_normalization(x: Array, scale: Array, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1) -> Any:
    shape = x.shape[axis:] if axis < 0 else x.shape[axis - x.ndim :]
    return functional.rms_norm(x, shape, None, epsilon) * scale


@operator("LRN")
@in_float32
def local_response_normalization(
    x: Array, *, size: int, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0
) -> Any:
    """Normalize over channels; an even window has its extra channel after the middle."""
    square = np.square(x.astype(np.float64))
    total = np.zeros_like(square)
    channels = x.shape[1]
    for shift in range(max(-((size - 1) // 2), 1 - channels), min(size // 2, channels - 1) + 1):
        target = slice(max(0, -shift), min(channels, channels - shift))
        total[:, target] += square[:, max(0, shift) : min(channels, channels + shift)]
    return (x / (bias + alpha / size * total) ** beta).astype(x.dtype)
