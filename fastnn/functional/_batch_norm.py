"""Batch normalization: statistics, forward and backward.

Channels-first and channels-last memory are both read without a copy, and give the same bits.  Statistics are float64: a
float32 mean of 1e3 has lost the digits that a deviation of 1e-2 needs.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _check, _core, _shard
from .._check import Array
from .._core import ops
from .._dispatch import derivative, differentiable
from ._layout import Memory, memory_of

__all__ = [
    "batch_norm",
    "batch_norm_backward",
    "batch_norm_stats",
]


def _checked_input(name: str, input: Any) -> tuple[Array, np.dtype[Any]]:
    x, dtype = _check.as_compute(name, input)
    if x.shape == (0,):  # as in PyTorch: no samples of no channels
        return x.reshape(0, 0), dtype
    if x.ndim < 2:
        raise ValueError(f"{name}: expected an input of 2 or more dimensions (N, C, *), got shape {x.shape}")
    return x, dtype


def _several_values(name: str, x: Array) -> None:
    if x.shape[0] * math.prod(x.shape[2:]) == 1:
        raise ValueError(f"{name}: expected more than 1 value per channel when training, got input size {x.shape}")


def _statistics(x: Array, memory: Memory) -> tuple[Array, Array]:
    """Mean and biased variance of each channel; 0 where there are no values."""
    mean, var = np.zeros(memory.c), np.zeros(memory.c)
    if x.size:
        ops.batch_norm_stats(mean, var, memory.flat(x), memory.n, memory.c, memory.s, memory.last)
    return mean, var


def reciprocal_std(var: Array, eps: float) -> Array:
    """1 / sqrt(var + eps); NaN, and no warning, where a variance is negative."""
    rstd = np.empty_like(var)
    ops.reciprocal_std(rstd, var, var.size, eps)
    return rstd


def follow(running: Array | None, batch: Array, momentum: float, factor: float = 1.0) -> None:
    """Update a running average, if there is one, by a batch's values, with the bits of the C code."""
    if running is None:
        return
    if running.dtype in _check.FLOATS[1:] and running.flags.carray:
        ops.running_average(running, _check.contiguous(batch), running.size, momentum, factor)
        return
    average = running.astype(np.float64, order="C")
    ops.running_average(average, _check.contiguous(batch), average.size, momentum, factor)
    running[...] = average


def channel_statistics(name: str, input: Any) -> tuple[int, Array, Array]:
    """How many values each channel has, their mean and biased variance."""
    x, _ = _checked_input(name, input)
    if not x.size:
        raise ValueError(f"{name}: expected one value per channel or more, got shape {x.shape}")
    x, memory = memory_of(x)
    return memory.n * memory.s, *_statistics(x, memory)


def _normalize(x: Array, memory: Memory, mean: Array, rstd: Array, weight: Any, bias: Any) -> Array:
    y = _core.empty_like(x)
    if y.size:
        n, c, s, last, _ = memory
        ops.batch_norm(memory.flat(y), memory.flat(x), mean, rstd, weight, bias, n, c, s, last)
    return y


def batch_norm_stats(input: Any, eps: float = 1e-5) -> tuple[Array, Array]:
    """Mean and reciprocal standard deviation 1 / sqrt(var + eps) of each channel; var is biased.

    Parameters
    ----------
    input : array_like, (N, C, *)
        More than one value per channel.
    eps : float
        Above 0.

    Returns
    -------
    mean, rstd : ndarray of float64, (C,)

    Raises
    ------
    ValueError
        If the input has fewer than 2 dimensions or one value per channel, or eps <= 0.

    Notes
    -----
    Deviations are taken about a value of the data before they are summed (Chan, Golub, LeVeque 1983): a constant
    channel has variance 0, whatever its value.

    Examples
    --------
    >>> mean, rstd = batch_norm_stats([[1.0, 5.0], [3.0, 5.0]], eps=1e-6)
    >>> mean, rstd.round(3)
    (array([2., 5.]), array([   1., 1000.]))
    """
    x, _ = _checked_input("batch_norm_stats", input)
    eps = check_eps("batch_norm_stats", eps)
    _several_values("batch_norm_stats", x)
    x, memory = memory_of(x)
    mean, var = _statistics(x, memory)
    return mean, reciprocal_std(var, eps)


def check_eps(name: str, eps: Any) -> float:
    """Check eps of a normalization by the input's own deviation."""
    number = _check.real(name, "eps", eps)
    if not number > 0:
        raise ValueError(f"{name}: expected eps above 0, got {number:g}")
    return number


def check_running(name: str, argument: str, value: Any, c: int, *, update: bool) -> Array | None:
    """A running statistic: None, or a float array of one value per channel, writeable if it is to be updated."""
    if value is None:
        return None
    if not isinstance(value, np.ndarray) or _check.as_array(name, value, argument).dtype not in _check.FLOATS:
        raise TypeError(
            f"{name}: expected {argument} to be a float array, got {getattr(value, 'dtype', type(value).__name__)}"
        )
    if value.shape != (c,):
        raise ValueError(f"{name}: expected {argument} of shape ({c},) for an input of {c} channels, got {value.shape}")
    if update and not value.flags.writeable:
        raise ValueError(f"{name}: {argument} is read-only")
    return value


@differentiable
def batch_norm(
    input: Any,
    running_mean: Array | None,
    running_var: Array | None,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    out: Array | None = None,
) -> Array:
    """Batch normalization, (x - mean) / sqrt(var + eps) * weight + bias for each channel (Ioffe, Szegedy 2015).

    Parameters
    ----------
    input : array_like, (N, C, *)
    running_mean, running_var : ndarray, (C,), or None
        Used if not training.  In training they are updated in place: r = (1 - momentum) * r + momentum * batch, with
        the unbiased variance.  (TensorFlow's and flax's momentum is one minus this one.)
    weight, bias : array_like, (C,), or None
    training : bool
        Take the batch's own mean and biased variance.
    momentum, eps : float
        eps above 0 in training.
    out : ndarray, optional
        Where to put the result.

    Returns
    -------
    ndarray
        Of `input`'s shape, dtype and memory layout.

    Raises
    ------
    ValueError
        For wrong shapes, one value per channel in training, or missing running statistics outside of it.  Nothing has
        changed then.

    See Also
    --------
    batch_norm_stats, batch_norm_backward

    Examples
    --------
    >>> batch_norm([[1.0, 5.0], [3.0, 5.0]], None, None, training=True).round(3)
    array([[-1.,  0.],
           [ 1.,  0.]])
    """
    y, _, _ = forward_with_stats(input, running_mean, running_var, weight, bias, training, momentum, eps, out=out)
    return y


@derivative(batch_norm, "input", "weight", "bias")
def _batch_norm(
    wanted: tuple[bool, bool, bool],
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    y, mean, rstd = forward_with_stats(input, running_mean, running_var, weight, bias, training, momentum, eps)
    shard = _shard.now.shard if training else None
    if shard is not None:
        return y, lambda dy: _sharded_gradients(shard, dy, input, mean, rstd, weight, wanted[0])
    return y, lambda dy: _gradients(dy, input, mean, rstd, weight, training, wanted)


def forward_with_stats(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any,
    bias: Any,
    training: bool,
    momentum: float,
    eps: float,
    *,
    out: Array | None = None,
) -> tuple[Array, Array, Array]:
    """`batch_norm`, and the mean and rstd that its backward needs."""
    shard = _shard.now.shard if training else None
    if out is None and shard is None and type(momentum) is float and type(eps) is float:
        plain = _core.plain_batch_norm(input, weight, bias, running_mean, running_var, bool(training), momentum, eps)
        if plain is not None:
            return plain
    x, dtype = _checked_input("batch_norm", input)
    c = x.shape[1]
    running_mean = check_running("batch_norm", "running_mean", running_mean, c, update=training)
    running_var = check_running("batch_norm", "running_var", running_var, c, update=training)
    weight = _check.as_vector("batch_norm", weight, "weight", c, x.dtype)
    bias = _check.as_vector("batch_norm", bias, "bias", c, x.dtype)
    momentum = _check.real("batch_norm", "momentum", momentum)
    _check.check_out("batch_norm", out, np.shape(input), dtype)
    if training:
        eps = check_eps("batch_norm", eps)
        if shard is None:
            _several_values("batch_norm", x)
    elif running_mean is None or running_var is None:
        raise ValueError("batch_norm: expected running_mean and running_var when not training, got None")
    else:
        eps = _check.in_range("batch_norm", "eps", eps, 0)
    x, memory = memory_of(x)
    m = memory.n * memory.s
    if training:
        mean, var = _statistics(x, memory)
        if shard is not None:
            m, mean, var = _shard.moments(shard, "batch_norm", m, mean, var)
            if m == 1:
                raise ValueError(
                    "batch_norm: expected more than 1 value per channel when training, got 1 of all shards"
                )
    else:
        mean, var = running_mean.astype(np.float64), running_var.astype(np.float64)
    rstd = reciprocal_std(var, eps)
    y = _check.finish(_normalize(x, memory, mean, rstd, weight, bias).reshape(np.shape(input)), dtype, out)
    if training and x.size:
        follow(running_mean, mean, momentum)
        follow(running_var, var, momentum, m / (m - 1))
    return y, mean, rstd


def batch_norm_backward(
    dy: Any, input: Any, mean: Any, rstd: Any, weight: Any = None, training: bool = True
) -> tuple[Array, Array, Array]:
    """Gradients of `batch_norm`: of the input, the weight and the bias.

    Parameters
    ----------
    dy, input : array_like, (N, C, *)
    mean, rstd : array_like, (C,)
        From `batch_norm_stats`, or of the running statistics if not training.
    weight : array_like, (C,), or None
    training : bool
        Whether mean and rstd depend on the input.

    Returns
    -------
    dx : ndarray
        rstd * weight * (dy - mean(dy) - xhat * mean(dy * xhat)), xhat = (input - mean) * rstd, the means over a
        channel's values; rstd * weight * dy if not training.
    dweight, dbias : ndarray, (C,)
        sum dy * xhat and sum dy.

    Examples
    --------
    >>> x = np.array([[1.0], [3.0]])
    >>> dx, dweight, dbias = batch_norm_backward([[1.0], [0.0]], x, *batch_norm_stats(x))
    >>> dweight.round(3), dbias
    (array([-1.]), array([1.]))
    """
    return _gradients(dy, input, mean, rstd, weight, training, (True, True, True))


def _gradients(
    dy: Any, input: Any, mean: Any, rstd: Any, weight: Any, training: bool, wanted: tuple[bool, bool, bool]
) -> Any:
    """`batch_norm_backward`, only with gradients that are wanted, or that others need."""
    of_input, of_params = wanted[0], wanted[1] or wanted[2]
    plain = _core.plain_batch_norm_backward(dy, input, mean, rstd, weight, bool(training), of_input, of_params)
    if plain is not None:
        return plain
    name = "batch_norm_backward"
    x, gradient, dtype = _operands(name, dy, input)
    n, c = x.shape[:2]
    mean = _check.as_vector(name, mean, "mean", c, np.float64)
    rstd = _check.as_vector(name, rstd, "rstd", c, np.float64)
    if mean is None or rstd is None:
        raise TypeError(f"{name}: expected mean and rstd to be arrays, got None")
    weight = _check.as_vector(name, weight, "weight", c, x.dtype)
    x, memory = memory_of(x)
    dx = _core.empty_like(x) if of_input else None
    dweight, dbias = (np.zeros(c, x.dtype) if training or of_params else None for _ in range(2))
    if x.size:
        gradient = _check.laid_out_as(x, gradient)
        n, c, s, last, _ = memory
        given = (memory.flat(gradient), memory.flat(x), mean, rstd, weight)
        flat_dx = None if dx is None else memory.flat(dx)
        ops.batch_norm_backward(flat_dx, dweight, dbias, *given, n, c, s, last, bool(training))
    found = [None if each is None else _check.finish(each, dtype, None) for each in (dx, dweight, dbias)]
    return found[0] if found[0] is None else found[0].reshape(np.shape(input)), *found[1:]


def _operands(name: str, dy: Any, input: Any) -> tuple[Array, Array, np.dtype[Any]]:
    """The input and the gradient of the result, of one shape and dtype, and the dtype of gradients."""
    x, dtype = _checked_input(name, input)
    gradient = _check.compute_array(_check.as_float(name, dy, "dy").astype(x.dtype, copy=False))
    gradient = gradient.reshape(0, 0) if gradient.shape == (0,) else gradient
    _check.same_shape(name, "input", x, "dy", gradient)
    return x, gradient, dtype


def _sharded_gradients(
    shard: _shard.Shard, dy: Any, input: Any, mean: Array, rstd: Array, weight: Any, of_input: bool
) -> Any:
    """The gradients of one shard of a batch; dx uses sums over all shards."""
    name = "batch_norm_backward"
    x, gradient, dtype = _operands(name, dy, input)
    x, memory = memory_of(x)
    flat = memory.flat(_check.laid_out_as(x, gradient)), memory.flat(x), mean, rstd
    own = np.zeros((2, memory.c))
    ops.batch_norm_sums(*own, *flat, *memory.sizes)
    m, *sums = shard.joined(name, "sum", float(memory.n * memory.s), *own)
    dx = None
    if of_input:
        weight = _check.as_vector(name, weight, "weight", memory.c, x.dtype)
        dx = _core.empty_like(x)
        ops.batch_norm_dx(memory.flat(dx), *flat, *sums, weight, *memory.sizes[:3], int(m), memory.last)
        dx = _check.finish(dx, dtype, None).reshape(np.shape(input))
    dbias, dweight = (_check.finish(each.astype(x.dtype), dtype, None) for each in own)
    return dx, dweight, dbias
