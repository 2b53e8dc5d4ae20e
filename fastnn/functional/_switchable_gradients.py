"""The gradients of switchable normalization: of the input and of the four parameters."""

from __future__ import annotations

import numpy as np

from .. import _check, _core
from .._check import Array
from .._core import ops
from ._switchable import Mixture


def gradients(m: Mixture, dy: Array, wanted: tuple[bool, ...]) -> list[Array | None]:
    """The gradients of the input, weight, bias, mean_weight and var_weight, those that are wanted.

    `dy` is contiguous, of the shape and dtype of `m.x`.  The parameters' gradients are flat float64 arrays.
    """
    n, c, s = m.x.shape
    found: list[Array | None] = [None] * 5
    if not m.x.size:
        sizes = (m.x.shape, c, c, len(m.mean_shares), len(m.var_shares))
        return [np.zeros(size, m.x.dtype) if each else None for size, each in zip(sizes, wanted, strict=True)]
    mean, rstd, gamma = m.mean, m.rstd, m.weight.astype(np.float64)
    if s == 1:
        sums = dy.reshape(n, c).astype(np.float64)
        dots = sums * ((m.x.reshape(n, c) - mean) * rstd)
    else:
        sums, dots = _channel_sums(m, dy, mean, rstd)
    if wanted[1]:
        found[1] = dots.sum(0)
    if wanted[2]:
        found[2] = sums.sum(0)
    dmean, dvar = -gamma * sums * rstd, -gamma * dots * rstd**2 / 2
    for i, share, parts, d in ((3, m.mean_shares, m.means, dmean), (4, m.var_shares, m.variances, dvar)):
        if wanted[i]:
            along = np.array([(d * part).sum() for part in parts])
            found[i] = share * (along - (share * along).sum())
    if wanted[0]:
        found[0] = _input_gradient(m, dy, gamma * rstd, dmean, dvar)
    return found


def _channel_sums(m: Mixture, dy: Array, mean: Array, rstd: Array) -> tuple[Array, Array]:
    """Sums over each (sample, channel) of dy and of dy xhat."""
    n, c, s = m.x.shape
    dots, sums = np.empty((2, n * c), m.x.dtype)
    ops.batch_norm_backward(None, dots, sums, dy, m.x, mean.ravel(), rstd.ravel(), None, 1, n * c, s, False, False)
    return sums.astype(np.float64).reshape(n, c), dots.astype(np.float64).reshape(n, c)


def _input_gradient(m: Mixture, dy: Array, scale: Array, dmean: Array, dvar: Array) -> Array:
    """dx = scale dy + slope (x - mean) + shift; the last two pass through the statistics."""
    n, c, s = m.x.shape
    slope, shift = _through_statistics(m, dmean, dvar)
    dx = _core.empty_like(m.x)
    if s > 1:
        vectors = (_check.contiguous(each, m.x.dtype).ravel() for each in (scale, slope[0], shift))
        ops.channel_mix(dx, dy, m.x, m.means[0].ravel(), *vectors, n * c, s)
        return dx
    x = m.x.reshape(n, c)
    dx[...] = (scale * dy.reshape(n, c) + slope[0] * (x - m.means[0]) + shift).reshape(dx.shape)
    if len(slope) > 1:
        dx += (slope[1] * (x - m.means[1])).reshape(dx.shape)
    return dx


def _through_statistics(m: Mixture, dmean: Array, dvar: Array) -> tuple[list[Array], Array]:
    """The part of dx that passes through the statistics: slope * (x - mean_k) of the first ones, and a shift."""
    n, c, s = m.x.shape
    axes = (None, 1, 0) if s > 1 else (1, 0)
    learned = len(m.means) - (not m.training and len(m.means) == len(axes))  # running statistics do not depend on x
    dmeans = [share * dmean for share in m.mean_shares[:learned]]
    dvars = [share * dvar for share in m.var_shares[:learned]]
    for k, axis in enumerate(axes[:learned]):
        if axis is not None:
            dmeans[k] = dmeans[k].sum(axis, keepdims=True)
            dvars[k] = dvars[k].sum(axis, keepdims=True)
    counts = [{None: s, 1: c, 0: n}[axis] for axis in axes[:learned]]
    if s == 1:
        shift = sum((d / count for d, count in zip(dmeans, counts, strict=True)), np.zeros((n, c)))
        return [2 * d / (count - m.lost) for d, count in zip(dvars, counts, strict=True)], shift
    dinstance, dspread = dmeans[0], dvars[0]
    for d, v, mean, count in zip(dmeans[1:], dvars[1:], m.means[1:learned], counts[1:], strict=True):
        dinstance = dinstance + d / count + 2 * v * (m.means[0] - mean) / count
        dspread = dspread + v / count
    return [2 * dspread / (s - m.lost)], dinstance / s
