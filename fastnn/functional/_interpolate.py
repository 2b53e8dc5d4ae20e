"""Resizing images: nearest, linear and cubic interpolation, or the mean of an area."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from .. import _check
from .._check import Array
from .._core import ops
from .._dispatch import differentiable, gradient_of
from ._pool_average import mean, spread
from ._windows import MOST, Planes, Sizes, covering

__all__ = ["interpolate", "interpolate_backward"]

# the dimensions of space of each mode
MODES = {
    "nearest": (1, 2, 3),
    "nearest-exact": (1, 2, 3),
    "area": (1, 2, 3),
    "linear": (1,),
    "bilinear": (2,),
    "trilinear": (3,),
    "bicubic": (2,),
}
_CUBIC = -0.75
_KEPT = 4096  # outputs of an axis, of which tables are kept


class Resize(NamedTuple):
    """The checked arguments: the new size, a factor for each dimension where one was given, the mode."""

    size: Sizes
    factors: tuple[float | None, ...]
    mode: str
    align_corners: bool


def check_mode(name: str, mode: Any, align_corners: Any, antialias: Any = False) -> str:
    """The mode, refused if align_corners does not fit it."""
    _check.choice(name, "mode", mode, tuple(MODES))
    if antialias:
        raise ValueError(f"{name}: expected antialias=False, which is all there is here, got {antialias!r}")
    if align_corners is not None and mode in ("nearest", "nearest-exact", "area"):
        raise ValueError(f"{name}: expected align_corners=None with mode {mode!r}, got {align_corners!r}")
    return str(mode)


def _listed(name: str, argument: str, value: Any, n: int) -> tuple[Any, ...]:
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * n
    if len(values) != n:
        raise ValueError(f"{name}: expected {argument} of 1 or {n} numbers, got {len(values)}: {value}")
    return values


def _resize(
    name: str, space: Sizes, size: Any, scale_factor: Any, mode: str, align_corners: Any, recompute_scale_factor: Any
) -> Resize:
    n = len(space)
    if n not in MODES[mode]:
        dims = " or ".join(str(each + 2) for each in MODES[mode])
        raise ValueError(f"{name}: expected an input of {dims} dimensions with mode {mode!r}, got {n + 2}")
    if (size is None) == (scale_factor is None):
        raise ValueError(f"{name}: expected either size or scale_factor, got {size} and {scale_factor}")
    if size is not None:
        if recompute_scale_factor:
            raise ValueError(f"{name}: expected recompute_scale_factor with a scale_factor, got size {size}")
        sizes = tuple(_check.count(name, "size", each, 1, MOST) for each in _listed(name, "size", size, n))
        return Resize(sizes, (None,) * n, mode, bool(align_corners))
    factors = tuple(_check.finite(name, "scale_factor", f) for f in _listed(name, "scale_factor", scale_factor, n))
    if min(factors) <= 0:
        raise ValueError(f"{name}: expected scale_factor above 0, got {scale_factor}")
    scaled = tuple(each * factor for each, factor in zip(space, factors, strict=True))
    if max(scaled) > MOST:
        raise ValueError(f"{name}: expected sizes of at most {MOST}, got scale_factor {scale_factor} of {space}")
    sizes = tuple(map(math.floor, scaled))
    if min(sizes) < 1:
        raise ValueError(f"{name}: expected a result of at least 1 place, got size {sizes} of {space}")
    return Resize(sizes, (None,) * n if recompute_scale_factor else factors, mode, bool(align_corners))


def _sources(size: int, output: int, factor: float | None, align: bool, dtype: Any) -> Array:
    """The place of each output's centre among the inputs', computed in the dtype of the values, as in PyTorch.

    PyTorch's product and difference are one fused operation: in float32 the product is exact in float64.
    """
    real = dtype.type
    i = np.arange(output).astype(dtype)
    if align:
        return i * (real(size - 1) / real(output - 1) if output > 1 else real(0))
    return ((i + real(0.5)) * np.float64(_ratio(size, output, factor, real)) - 0.5).astype(dtype)


def _ratio(size: int, output: int, factor: float | None, real: Any) -> Any:
    return real(size) / real(output) if factor is None else real(1 / factor)


def _conv(t: Array) -> Array:
    """Keys' cubic kernel at a distance up to 1."""
    a = t.dtype.type(_CUBIC)
    return ((a + 2) * t - (a + 3)) * t * t + 1


def _conv_far(t: Array) -> Array:
    """Keys' cubic kernel at a distance from 1 to 2."""
    a = t.dtype.type(_CUBIC)
    return ((a * t - 5 * a) * t + 8 * a) * t - 4 * a


def _taps(size: int, output: int, factor: float | None, mode: str, align: bool, dtype: Any) -> tuple[Array, Array]:
    """The input places that each output reads and their weights, both (taps, output)."""
    real, i = dtype.type, np.arange(output)
    if mode == "nearest" and output in (size, 2 * size):  # for any factor, as in PyTorch
        return (i * size // output)[np.newaxis], np.ones((1, output), dtype)
    if mode.startswith("nearest"):
        exact = mode == "nearest-exact"
        source = (i.astype(dtype) + real(0.5 if exact else 0)) * _ratio(size, output, factor, real)
        at = np.floor(source.astype(np.float32)).astype(np.int64)  # rounded as in PyTorch: 114.9999999999 is place 115
        return np.minimum(at, size - 1)[np.newaxis], np.ones((1, output), dtype)
    if mode != "bicubic" and output == size:
        return np.stack([i, i]), np.stack([np.ones(output, dtype), np.zeros(output, dtype)])
    source = _sources(size, output, factor, align, dtype)
    if mode != "bicubic":
        source = np.maximum(source, real(0))
    first = np.minimum(np.floor(source).astype(np.int64), size - 1)
    t = np.clip(source - first.astype(dtype), real(0), real(1))
    if mode != "bicubic":
        return np.stack([first, np.minimum(first + 1, size - 1)]), np.stack([1 - t, t])
    places = np.clip(first + np.arange(-1, 3)[:, np.newaxis], 0, size - 1)
    return places, np.stack([_conv_far(t + 1), _conv(t), _conv(1 - t), _conv_far(2 - t)])


@lru_cache(maxsize=64)
def _tables(space: Sizes, resize: Resize, dtype: Any) -> tuple[Array, Array, tuple[int, ...]]:
    """The op's places and weights, and its taps of d, h and w."""
    each = [
        _taps(size, output, factor, resize.mode, resize.align_corners, dtype)
        for size, output, factor in zip(space, resize.size, resize.factors, strict=True)
    ]
    each = [(np.zeros((1, 1), np.int64), np.ones((1, 1), dtype))] * (3 - len(each)) + each
    places = np.concatenate([taps[0].reshape(-1) for taps in each])
    weights = np.concatenate([taps[1].reshape(-1) for taps in each]).astype(dtype, copy=False)
    return places.astype(np.int64, copy=False), weights, tuple(len(taps[0]) for taps in each)


def _arguments(planes: Planes, resize: Resize) -> tuple[Any, ...]:
    tables = _tables if max(resize.size) <= _KEPT else _tables.__wrapped__
    places, weights, taps = tables(planes.space, resize, planes.compute)
    ones = (1,) * (3 - len(planes.space))
    outer, inner = planes.sizes
    return places, weights, outer, *ones, *planes.space, inner, *ones, *resize.size, *taps


def _planes(name: str, input: Any, mode: Any, align_corners: Any, antialias: Any) -> Planes:
    check_mode(name, mode, align_corners, antialias)
    x = _check.as_float(name, input)
    if not 3 <= x.ndim <= 5:
        raise ValueError(f"{name}: expected an input of 3 to 5 dimensions (N, C, *), got shape {x.shape}")
    return Planes(name, x, x.ndim - 2)


@differentiable
def interpolate(
    input: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Array:
    """The input at another size, each dimension of space separately: y[i] = sum over t of w[i, t] x[place[i, t]].

    With r = L / o of a dimension of L places that becomes o, or 1 / scale_factor, output i lies at
    c = (i + 1/2) r - 1/2, or with align_corners at i (L - 1) / (o - 1).  The linear modes weight the two places about
    c, "bicubic" four by Keys' kernel of -3/4, "nearest" takes floor(i r), "nearest-exact" floor((i + 1/2) r), "area"
    the mean of an even share.

    Parameters
    ----------
    input : array_like, (N, C, *)
        "linear" takes (N, C, L), "bilinear" and "bicubic" (N, C, H, W), "trilinear" (N, C, D, H, W), the others all.
    size : int or tuple of int
        The new size, one number for all dimensions or one for each; or
    scale_factor : float or tuple of float
        The factor of the size, which is rounded down.
    mode : str
        "nearest", "nearest-exact", "area", "linear", "bilinear", "trilinear" or "bicubic".
    align_corners : bool, optional
        In linear and cubic modes: the first and the last places of input and output coincide.
    recompute_scale_factor : bool, optional
        Take r = L / o although a scale_factor is given.
    antialias : bool
        Only False is supported.

    Returns
    -------
    ndarray
        In the memory order of the input, channels first or last.

    Raises
    ------
    ValueError
        If the arguments do not fit each other or the input.

    Examples
    --------
    >>> interpolate([[[1.0, 3.0]]], 4, mode="linear")
    array([[[1. , 1.5, 2.5, 3. ]]])
    """
    planes = _planes("interpolate", input, mode, align_corners, antialias)
    resize = _resize("interpolate", planes.space, size, scale_factor, mode, align_corners, recompute_scale_factor)
    if mode == "area":
        return planes.finished(mean(planes, planes.x, covering(planes.space, resize.size)))
    y = planes.empty(resize.size)
    if y.size:
        with np.errstate(all="ignore"):
            ops.resize(y, planes.x, *_arguments(planes, resize))
    return planes.finished(y)


def resampled(input: Array, places: Array, weights: Array, size: Sizes, taps: Sizes) -> Array:
    """Images (N, C, *) of that size: along each axis a weighted sum of `taps` places.

    places and weights : those of the first axis, one row of its size for each tap, then of the others
    """
    planes = Planes("resampled", input, input.ndim - 2)
    y, lacking = planes.empty(size), 3 - len(size)
    tables = (np.concatenate([np.full(lacking, i, x.dtype), x]) for i, x in enumerate((places, weights)))
    ones, (outer, inner) = (1,) * lacking, planes.sizes
    ops.resize(y, planes.x, *tables, outer, *ones, *planes.space, inner, *ones, *size, *ones, *taps)
    return planes.finished(y)


@gradient_of(interpolate)
def interpolate_backward(
    dy: Any,
    input: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Array:
    """Gradient of `interpolate`: each place gets the dy of the outputs that read it times their weights.

    Examples
    --------
    >>> interpolate_backward([[[1.0, 2.0, 4.0, 8.0]]], [[[1.0, 3.0]]], 4)
    array([[[ 3., 12.]]])
    """
    name = "interpolate_backward"
    planes = _planes(name, input, mode, align_corners, antialias)
    resize = _resize(name, planes.space, size, scale_factor, mode, align_corners, recompute_scale_factor)
    gradient = planes.gradient(name, dy, resize.size)
    if mode == "area":
        return planes.finished(spread(planes, gradient, covering(planes.space, resize.size)))
    dx = planes.empty(planes.space)
    if gradient.size:
        ops.resize_backward(dx, gradient, *_arguments(planes, resize))
    else:
        dx[...] = 0
    return planes.finished(dx)
