"""Switchable normalization: learned mixtures of instance, layer and batch statistics (Luo et al. 2018).

Statistics are small arrays of (N, C) and are mixed here, in float64; the kernels of batch normalization run over the
values.  One-dimensional inputs (N, C) have no instance statistics.

With w = softmax(mean_weight), v = softmax(var_weight) and the statistics k of instance, layer, batch:

    mean = sum w_k mean_k,  var = sum v_k var_k,  y = (x - mean) / sqrt(var + eps) * weight + bias

A layer's or batch's variance is the mean of the instances' variances plus the variance of their means, so that a large
mean causes no cancellation.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .. import _check, _shard
from .._check import Array
from .._core import ops
from .._dispatch import derivative, differentiable
from ._batch_norm import check_eps, follow

__all__ = [
    "switchable_norm",
    "switchable_norm_backward",
]


class Mixture(NamedTuple):
    """One forward call: contiguous x as (N, C, s), its statistics as (N, C), (N, 1) and (1, C) arrays, and weights."""

    x: Array
    dtype: np.dtype[Any]
    weight: Array
    bias: Array
    means: tuple[Array, ...]
    variances: tuple[Array, ...]
    mean_shares: Array
    var_shares: Array
    training: bool
    lost: int  # 1 if variances are unbiased: their divisor is the number of values less this
    eps: float

    @property
    def mean(self) -> Array:
        """The mixed mean, (N, C)."""
        return self._mixed(self.means, self.mean_shares)

    @property
    def rstd(self) -> Array:
        """1 / sqrt(var + eps) of the mixed variance, (N, C)."""
        with np.errstate(invalid="ignore"):
            return 1 / np.sqrt(self._mixed(self.variances, self.var_shares) + self.eps)

    def _mixed(self, parts: tuple[Array, ...], shares: Array) -> Array:
        total = sum(share * part for share, part in zip(shares, parts, strict=True))
        return _check.contiguous(np.broadcast_to(total, self.x.shape[:2]))

    def tiled(self, vector: Array) -> Array:
        """A value for each channel, repeated for each sample."""
        return np.tile(vector, self.x.shape[0])


def _moments(x: Array, last: bool) -> tuple[Array, Array]:
    """Mean and biased variance of each column of (m, c), if last, or of each row of (c, m)."""
    m, c = x.shape if last else x.shape[::-1]
    mean, var = np.empty(c), np.empty(c)
    sizes = (m, c, 1, True) if last else (1, c, m, False)
    ops.batch_norm_stats(mean, var, x, *sizes)
    return mean, var


def _statistics(x: Array, lost: int, batch: bool) -> tuple[list[Array], list[Array]]:
    """Means and variances: of instances (for s > 1), of layers and, if asked for, of the batch."""
    n, c, s = x.shape
    if s == 1:
        flat = x.reshape(n, c)
        parts = [[each.reshape(n, 1) for each in _moments(flat, last=False)]]
        parts += [[each.reshape(1, c) for each in _moments(flat, last=True)]] if batch else []
        sizes = (c, n)
        return [mean for mean, _ in parts], [var * m / (m - lost) for (_, var), m in zip(parts, sizes, strict=False)]
    mean, var = (each.reshape(n, c) for each in _moments(x.reshape(n * c, s), last=False))
    var = var * s / (s - lost)
    means, variances = [mean], [var]
    for axis in (1, 0) if batch else (1,):
        means.append(mean.mean(axis, keepdims=True))
        variances.append(var.mean(axis, keepdims=True) + mean.var(axis, keepdims=True))
    return means, variances


def _softmax(name: str, argument: str, value: Any, count: int) -> Array:
    array = _check.as_float(name, value, argument)
    if array.shape != (count,):
        raise ValueError(f"{name}: expected {argument} of shape ({count},), got {array.shape}")
    e = np.exp(array.astype(np.float64) - array.max())
    return e / e.sum()


def _per_channel(name: str, argument: str, value: Any, default: float, like: Array) -> Array:
    """C values, of any shape that holds as many, or a default."""
    c = like.shape[1]
    if value is None:
        return np.full(c, default, like.dtype)
    array = _check.as_float(name, value, argument)
    if array.size != c:
        raise ValueError(f"{name}: expected {argument} of {c} values, got shape {array.shape}")
    return _check.contiguous(array, like.dtype).ravel()


def _checked(name: str, input: Any, batch: bool, lost: int) -> tuple[Array, np.dtype[Any]]:
    """The input as contiguous (N, C, s), with values enough for its variances."""
    x, dtype = _check.as_compute(name, input)
    if x.ndim < 2:
        raise ValueError(f"{name}: expected an input of 2 or more dimensions (N, C, *), got shape {x.shape}")
    n, c = x.shape[:2]
    s = math.prod(x.shape[2:])
    counted = [("spatial", s, 1)]  # one value alone has no variance to mix
    if x.ndim == 2:
        counted = [("channel", c, lost)] + ([("batch", n, lost)] if batch else [])
    for what, size, least in counted:
        if size <= least:
            raise ValueError(f"{name}: expected more than {least} {what} value, got input size {x.shape}")
    return _check.contiguous(x).reshape(n, c, s), dtype


def mixture(
    name: str,
    input: Any,
    running: tuple[Any, Any],
    learned: tuple[Any, Any, Any, Any],
    training: bool,
    eps: float,
    using_bn: bool,
    unbiased: bool,
) -> Mixture:
    """Check the arguments (learned: weight, bias, mean_weight, var_weight) and take the statistics."""
    lost, batch = int(bool(unbiased)), bool(using_bn and training)
    if batch:
        _shard.refuse(name, "batch statistics")
    x, dtype = _checked(name, input, batch, lost)
    (n, c, s), weights = x.shape, ("mean_weight", "var_weight")
    kinds = (1 if s == 1 else 2) + bool(using_bn)
    shares = [_softmax(name, argument, value, kinds) for argument, value in zip(weights, learned[2:], strict=True)]
    weight, bias = _per_channel(name, "weight", learned[0], 1.0, x), _per_channel(name, "bias", learned[1], 0.0, x)
    if x.size:
        means, variances = _statistics(x, lost, batch)
    else:
        means, variances = ([np.zeros((n, c))] * (kinds - bool(using_bn and not training)) for _ in range(2))
    if using_bn and not training:
        arguments = zip(("running_mean", "running_var"), running, (means, variances), strict=True)
        for argument, value, parts in arguments:
            if value is None or np.size(value) != c:
                raise ValueError(f"{name}: expected {argument} of {c} values when not training, got {np.shape(value)}")
            parts.append(np.array(value, np.float64).reshape(1, c))  # a copy: it may change before the backward pass
    return Mixture(
        x=x,
        dtype=dtype,
        weight=weight,
        bias=bias,
        means=tuple(means),
        variances=tuple(variances),
        mean_shares=shares[0],
        var_shares=shares[1],
        training=bool(training),
        lost=lost,
        eps=check_eps(name, eps),
    )


def forward(m: Mixture, shape: tuple[int, ...], out: Array | None) -> Array:
    """The result, of the input's shape."""
    y = _check.target_for(out, shape, m.x.dtype, m.x, m.weight, m.bias).reshape(m.x.shape)
    if y.size:
        n, c, s = m.x.shape
        statistics, affine = (m.mean.ravel(), m.rstd.ravel()), (m.tiled(m.weight), m.tiled(m.bias))
        ops.batch_norm(y, m.x, *statistics, *affine, 1, n * c, s, s == 1)
    y = y.reshape(shape)
    return out if out is not None and np.shares_memory(y, out) else _check.finish(y, m.dtype, out)


def update(m: Mixture, running_mean: Array, running_var: Array, momentum: float, moving_average: bool) -> None:
    """Running statistics r = momentum * r + (1 - momentum) * batch, or sums of mean and of var + mean^2."""
    mean, var = m.means[-1].ravel(), m.variances[-1].ravel()
    for running, batch in ((running_mean, mean), (running_var, var if moving_average else var + mean**2)):
        if moving_average:
            follow(running, batch, 1 - momentum)
        else:
            running += batch.reshape(running.shape)


@differentiable
def switchable_norm(
    input: Any,
    running_mean: Array | None,
    running_var: Array | None,
    weight: Any,
    bias: Any,
    mean_weight: Any,
    var_weight: Any,
    training: bool = False,
    momentum: float = 0.9,
    eps: float = 1e-5,
    using_bn: bool = True,
    using_moving_average: bool = True,
    unbiased: bool = True,
    *,
    out: Array | None = None,
) -> Array:
    """Normalization by learned mixtures of instance, layer and batch statistics (Luo et al. 2018).

    Parameters
    ----------
    input : array_like, (N, C, *)
        (N, C) alone has layer and batch statistics only.
    running_mean, running_var : ndarray of C values, or None
        The batch statistics when not training.  In training they are updated in place: r = momentum * r + (1 -
        momentum) * batch; `batch_norm` has one minus this momentum.
    weight, bias : array_like of C values, or None
    mean_weight, var_weight : array_like
        One value for each kind of statistics, in the order instance, layer, batch; their softmax mixes.
    training : bool
    momentum, eps : float
    using_bn : bool
        Without, there are no batch statistics.
    using_moving_average : bool
        False sums the batches' means, and their var + mean^2, in the running statistics instead.
    unbiased : bool
        Divide variances by the values less one, as the authors' program does; the paper divides by the values.
    out : ndarray, optional
        Where to put the result.

    Returns
    -------
    ndarray

    Raises
    ------
    ValueError
        For shapes that do not fit, or too few values for a variance.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(5, 2, (4, 3, 10))
    >>> only_batch = np.array([-99.0, -99.0, 99.0])
    >>> y = switchable_norm(x, None, None, None, None, only_batch, only_batch, training=True, unbiased=False)
    >>> np.allclose(y, fastnn.batch_norm(x, None, None, training=True))
    True
    """
    name = "switchable_norm"
    learned = (weight, bias, mean_weight, var_weight)
    m = mixture(name, input, (running_mean, running_var), learned, training, eps, using_bn, unbiased)
    return finished(m, np.shape(input), running_mean, running_var, momentum, using_bn, using_moving_average, out)


@derivative(switchable_norm, "input", "weight", "bias", "mean_weight", "var_weight")
def _switchable_norm(
    wanted: tuple[bool, ...],
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any,
    bias: Any,
    mean_weight: Any,
    var_weight: Any,
    training: bool = False,
    momentum: float = 0.9,
    eps: float = 1e-5,
    using_bn: bool = True,
    using_moving_average: bool = True,
    unbiased: bool = True,
) -> Any:
    learned = (weight, bias, mean_weight, var_weight)
    running = (running_mean, running_var)
    m = mixture("switchable_norm", input, running, learned, training, eps, using_bn, unbiased)
    shape = np.shape(input)
    y = finished(m, shape, *running, momentum, using_bn, using_moving_average)

    def backward(dy: Array) -> list[Array | None]:
        from ._switchable_gradients import gradients

        found = gradients(m, np.ascontiguousarray(dy, m.x.dtype).reshape(m.x.shape), wanted)
        shapes = (shape, *(np.shape(value) for value in learned))
        return [None if d is None else d.reshape(own) for d, own in zip(found, shapes, strict=True)]

    return y, backward


def finished(
    m: Mixture,
    shape: tuple[int, ...],
    running_mean: Array | None,
    running_var: Array | None,
    momentum: float,
    using_bn: bool,
    using_moving_average: bool,
    out: Array | None = None,
) -> Array:
    """The result; running statistics are updated after it is computed."""
    name = "switchable_norm"
    momentum = _check.real(name, "momentum", momentum)
    _check.check_out(name, out, shape, m.dtype)
    updates = m.training and using_bn and running_mean is not None and running_var is not None
    for argument, value in (("running_mean", running_mean), ("running_var", running_var)) if updates else ():
        if not isinstance(value, np.ndarray) or value.dtype.kind != "f" or value.size != m.x.shape[1]:
            got = getattr(value, "shape", type(value).__name__)
            raise ValueError(f"{name}: expected {argument} to be a float array of {m.x.shape[1]} values, got {got}")
        if not value.flags.writeable:
            raise ValueError(f"{name}: {argument} is read-only")
    y = forward(m, shape, out)
    if updates and m.x.size:
        update(m, running_mean, running_var, momentum, using_moving_average)  # type: ignore[arg-type]
    return y


def switchable_norm_backward(
    dy: Any,
    input: Any,
    running_mean: Array | None,
    running_var: Array | None,
    weight: Any,
    mean_weight: Any,
    var_weight: Any,
    training: bool = False,
    eps: float = 1e-5,
    using_bn: bool = True,
    unbiased: bool = True,
) -> tuple[Array, Array, Array, Array, Array]:
    """Gradients of `switchable_norm`: of the input, weight, bias, mean_weight and var_weight, the latter four flat.

    The statistics are computed again.

    Parameters
    ----------
    dy, input : array_like, (N, C, *)
        Of one shape: the gradient of the result, and the input of `switchable_norm`.
    running_mean, running_var : array_like of C values, or None
        Read if not training.
    weight, mean_weight, var_weight, training, eps, using_bn, unbiased
        Those of the forward call.

    Returns
    -------
    dx : ndarray
        Of the input's shape; all five in its dtype.
    dweight, dbias : ndarray, (C,)
    dmean_weight, dvar_weight : ndarray
        One value for each kind of statistics.

    Raises
    ------
    ValueError
        If shapes do not fit.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(5, 2, (4, 3, 10))
    >>> ones = np.ones(3)
    >>> dx, _, dbias, *_ = switchable_norm_backward(np.ones(x.shape), x, None, None, None, ones, ones, training=True)
    >>> dx.shape, dbias
    ((4, 3, 10), array([40., 40., 40.]))
    """
    from ._switchable_gradients import gradients

    name = "switchable_norm_backward"
    learned = (weight, None, mean_weight, var_weight)
    m = mixture(name, input, (running_mean, running_var), learned, training, eps, using_bn, unbiased)
    gradient = _check.as_float(name, dy, "dy")
    if gradient.shape != np.shape(input):
        raise ValueError(f"{name}: expected dy of the input's shape {np.shape(input)}, got {gradient.shape}")
    found = gradients(m, _check.contiguous(gradient, m.x.dtype).reshape(m.x.shape), (True,) * 5)
    dx, *others = (_check.finish(each, m.dtype, None) for each in found if each is not None)
    return dx.reshape(gradient.shape), *others  # all five were wanted
