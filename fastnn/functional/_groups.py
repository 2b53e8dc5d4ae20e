"""Normalization of groups, the common part of layer, group, instance and RMS norm.

A group of k channels with s values each is normalized as one, every channel with its own weight and bias.  Statistics
are float64 and taken as in batch normalization, so that a large mean costs no digits.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import _check, _core
from .._check import Array
from .._core import ops


class Groups(NamedTuple):
    """Of an input: g groups a sample with parameters of their own, k channels a group, s values a channel."""

    shape: tuple[int, ...]  # of the statistics
    g: int
    k: int
    s: int
    centre: bool = True


def statistics(x: Array, groups: Groups, eps: float) -> tuple[Array, Array]:
    """Mean and rstd of contiguous x."""
    return _run(None, x, groups, None, None, eps)


def forward(
    x: Array, groups: Groups, weight: Array | None, bias: Array | None, eps: float, out: Array | None
) -> tuple[Array, Array, Array]:
    """The result for contiguous x, in `out` if it can be written directly, and mean and rstd."""
    in_place = out is not None and out is x
    y = x if in_place else _check.target_for(out, x.shape, x.dtype, x, weight, bias)
    return y, *_run(y, x, groups, weight, bias, eps)


def _run(
    y: Array | None, x: Array, groups: Groups, weight: Array | None, bias: Array | None, eps: float
) -> tuple[Array, Array]:
    mean, rstd = np.zeros(groups.shape), np.zeros(groups.shape)
    if x.size:
        ops.group_norm(y, mean, rstd, x, weight, bias, mean.size, groups.g, groups.k, groups.s, groups.centre, eps)
    return mean, rstd


def backward(
    name: str,
    dy: Any,
    x: Array,
    dtype: Any,
    groups: Groups,
    mean: Any,
    rstd: Any,
    weight: Array | None,
    of_input: bool = True,
) -> tuple[Any, Array, Array]:
    """dx, or None if it is not wanted, and dweight and dbias as vectors of g k values."""
    gradient = _check.as_float(name, dy, "dy")
    _check.same_shape(name, "input", x, "dy", gradient)
    gradient, flat_x = (_check.contiguous(each, x.dtype).reshape(-1) for each in (gradient, x))
    statistics = []
    for argument, value in (("mean", mean), ("rstd", rstd)):
        array = _check.as_float(name, value, argument)
        if array.shape != groups.shape:
            raise ValueError(f"{name}: expected {argument} of shape {groups.shape}, got {array.shape}")
        statistics.append(_check.contiguous(array, np.float64).reshape(-1))
    dx = _core.empty(x.shape, x.dtype) if of_input else None
    dweight, dbias = (np.zeros(groups.g * groups.k, x.dtype) for _ in range(2))
    if x.size:
        sizes = (len(statistics[0]), groups.g, groups.k, groups.s)
        ops.group_norm_backward(dx, dweight, dbias, gradient, flat_x, *statistics, weight, *sizes, groups.centre)
    dx = None if dx is None else _check.finish(dx, dtype, None)
    return dx, _check.finish(dweight, dtype, None), _check.finish(dbias, dtype, None)
