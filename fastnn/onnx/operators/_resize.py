"""Resizing, and sampling at fractional coordinates."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..._check import Array
from ._elementwise import in_float32
from ._shape import bounded
from ._table import operator


def _source(i: Array, length: int, wanted: float, scale: float, mode: str, roi: tuple[float, float]) -> Array:
    """Map indices i of the result to input coordinates; `wanted` is the result's size before rounding."""
    out = len(i)
    if mode == "align_corners":
        return i * ((length - 1) / (wanted - 1)) if out > 1 else np.zeros(out)
    if mode == "asymmetric":
        return i / scale
    if mode == "tf_crop_and_resize":
        start, end = roi
        if out > 1:
            return start * (length - 1) + i * (end - start) * (length - 1) / (out - 1)
        return np.full(out, 0.5 * (start + end) * (length - 1))
    if mode == "tf_half_pixel_for_nn":
        return (i + 0.5) / scale
    half = (i + 0.5) / scale - 0.5
    if mode == "pytorch_half_pixel" and out == 1:
        return np.zeros(1)
    if mode == "half_pixel_symmetric":
        return length / 2 * (1 - out / wanted) + half
    return half


def _nearest(x: Array, rounding: str, scale: float) -> Array:
    if rounding == "":  # before opset 11, as ONNX Runtime has it
        rounding = "ceil" if scale < 1 else "floor"
    if rounding == "floor":
        return np.floor(x)
    if rounding == "ceil":
        return np.ceil(x)
    return np.ceil(x - 0.5) if rounding == "round_prefer_floor" else np.floor(x + 0.5)


def _kernel(mode: str, distance: Array, a: float) -> Array:
    """Return a tap's weight at a distance from the sampled coordinate."""
    d = np.abs(distance)
    if mode == "linear":
        return np.maximum(0, 1 - d)
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0))


def _taps(
    places: Array, length: int, mode: str, scale: float, a: float, antialias: bool, exclude_outside: bool
) -> tuple[Array, Array]:
    """Return the taps' indices and weights, each (coordinates, taps)."""
    stretch = max(1.0, 1 / scale) if antialias else 1.0
    reach = (1 if mode == "linear" else 2) * stretch
    first = np.floor(places - reach).astype(np.int64) + 1
    count = 2 * math.ceil(reach)
    at = first[:, None] + np.arange(count)
    weights = _kernel(mode, (at - places[:, None]) / stretch, a)
    if exclude_outside:
        weights = np.where((at >= 0) & (at < length), weights, 0)
    if antialias or exclude_outside:
        weights = weights / weights.sum(1, keepdims=True)
    return at.clip(0, length - 1), weights


def axes_of(
    shape: tuple[int, ...], roi: Array | None = None, scales: Array | None = None, sizes: Array | None = None, *,
    antialias: int = 0, axes: Any = None, coordinate_transformation_mode: str = "half_pixel",
    cubic_coeff_a: float = -0.75, exclude_outside: int = 0, keep_aspect_ratio_policy: str = "stretch",
    mode: str = "nearest", nearest_mode: str = "round_prefer_floor", extrapolation_value: float = 0.0,
) -> list[tuple[int, Array, Array, Array]]:  # fmt: skip
    """Return (axis, tap indices, tap weights, which results to extrapolate) of each axis that changes."""
    over = [int(axis) % len(shape) for axis in (range(len(shape)) if axes is None else axes)]
    lengths = [shape[axis] for axis in over]
    if scales is not None and scales.size:
        factors = [float(each) for each in scales]
        results = [math.floor(n * f) for n, f in zip(lengths, factors, strict=True)]
    elif sizes is not None:
        results = [int(each) for each in sizes]
        factors = [r / n for r, n in zip(results, lengths, strict=True)]
        if keep_aspect_ratio_policy != "stretch":
            one = min(factors) if keep_aspect_ratio_policy == "not_larger" else max(factors)
            factors = [one] * len(over)
            results = [math.floor(n * one + 0.5) for n in lengths]
    else:
        raise ValueError("neither scales nor sizes")
    bounded(results)
    found = []
    for i, (axis, n, factor, out) in enumerate(zip(over, lengths, factors, results, strict=True)):
        cropped = coordinate_transformation_mode == "tf_crop_and_resize"
        part = (0.0, 1.0) if roi is None or not roi.size else (float(roi[i]), float(roi[i + len(over)]))
        if out == n and factor == 1 and not (cropped and part != (0.0, 1.0)):
            continue
        places = _source(np.arange(out, dtype=np.float64), n, n * factor, factor, coordinate_transformation_mode, part)
        if mode == "nearest":
            at = _nearest(places, nearest_mode, factor).clip(0, n - 1).astype(np.int64)[:, None]
            weights = np.ones((out, 1))
        else:
            at, weights = _taps(places, n, mode, factor, cubic_coeff_a, bool(antialias), bool(exclude_outside))
        found.append((axis, at, weights, cropped & ((places < 0) | (places > n - 1))))
    return found


@operator("Resize", since=11)
@in_float32
def resize(
    x: Array, roi: Array | None = None, scales: Array | None = None, sizes: Array | None = None, *, antialias: int = 0,
    axes: Any = None, coordinate_transformation_mode: str = "half_pixel", cubic_coeff_a: float = -0.75,
    exclude_outside: int = 0, extrapolation_value: float = 0.0, keep_aspect_ratio_policy: str = "stretch",
    mode: str = "nearest", nearest_mode: str = "round_prefer_floor",
) -> Any:  # fmt: skip
    options = {name: value for name, value in locals().items() if name not in ("x", "roi", "scales", "sizes")}
    y, outside = x, np.zeros((), bool)
    for axis, at, weights, beyond in axes_of(x.shape, roi, scales, sizes, **options):
        y = np.take(y, at[:, 0], axis) if mode == "nearest" else _weighted(y.astype(np.float64), at, weights, axis)
        outside = outside | beyond.reshape([-1 if j == axis else 1 for j in range(x.ndim)])
    if outside.any():
        y = np.where(outside, extrapolation_value, y)
    if x.dtype.kind in "iu" and y.dtype != x.dtype:
        limits = np.iinfo(x.dtype)
        y = np.clip(np.rint(y), limits.min, limits.max)
    return y.astype(x.dtype)


def _weighted(x: Array, at: Array, weights: Array, axis: int) -> Array:
    total: Any = 0
    for tap in range(at.shape[1]):
        shape = [-1 if i == axis else 1 for i in range(x.ndim)]
        total = total + np.take(x, at[:, tap], axis) * weights[:, tap].reshape(shape)
    return np.asarray(total)


def asymmetric(mode: str) -> dict[str, str]:
    """Return the attributes that Resize of opset 11 has for Resize and Upsample before it."""
    return {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "", "mode": mode.replace("bi", "")}


@operator("Resize", since=10)
@operator("Upsample", since=9)
@in_float32
def resize_by(x: Array, scales: Array, *, mode: str = "nearest") -> Any:
    return resize(x, None, scales, **asymmetric(mode))


@operator("Upsample", since=7)
@in_float32
def upsample_by(x: Array, *, scales: Any, mode: str = "nearest") -> Any:
    return resize(x, None, np.array(scales), **asymmetric(mode))


# -- sampling at given places -----------------------------------------------------------------------------------------


def _reflected(x: Array, low: float, high: float) -> Array:
    """Reflect coordinates at both ends until they lie in [low, high]."""
    span = high - low
    if span <= 0:
        return np.zeros_like(x)
    turns = np.abs(x - low)
    rest = np.fmod(turns, span)
    return np.where(np.floor(turns / span) % 2 == 0, rest + low, span - rest + low)


def _sampled(x: Array, at: list[Array], padding_mode: str, align_corners: bool) -> Array:
    """Read x (C, *) at integer coordinates; outside of x, `padding_mode` decides."""
    inside = np.ones(at[0].shape, bool)
    index = []
    for n, places in zip(x.shape[1:], at, strict=True):
        if padding_mode == "reflection":
            low, high = (0, n - 1) if align_corners else (-0.5, n - 0.5)
            places = _reflected(places, low, high)
        elif padding_mode == "zeros":
            inside &= (places >= 0) & (places <= n - 1)
        index.append(places.clip(0, n - 1).astype(np.int64))
    whole = np.arange(len(x)).reshape(-1, *[1] * index[0].ndim)
    return np.where(inside, x.__getitem__((whole, *index)), 0)


@operator("GridSample")
@in_float32
def grid_sample(
    x: Array, grid: Array, *, align_corners: int = 0, mode: str = "linear", padding_mode: str = "zeros"
) -> Any:
    mode = {"bilinear": "linear", "bicubic": "cubic"}.get(mode, mode)
    dims = x.ndim - 2
    y = np.zeros((*x.shape[:2], *grid.shape[1:-1]), np.float64)
    for sample in range(x.shape[0]):
        places = []
        for axis in range(dims):
            n, g = x.shape[2 + axis], grid[sample, ..., dims - 1 - axis].astype(np.float64)
            places.append((g + 1) / 2 * (n - 1) if align_corners else ((g + 1) * n - 1) / 2)
        if mode != "cubic" and padding_mode != "zeros":
            for axis, n in enumerate(x.shape[2:]):
                if padding_mode == "border":
                    places[axis] = places[axis].clip(0, n - 1)
                else:
                    low, high = (0, n - 1) if align_corners else (-0.5, n - 0.5)
                    places[axis] = _reflected(places[axis], low, high).clip(0, n - 1)
        if mode == "nearest":
            y[sample] = _sampled(x[sample], [np.rint(each) for each in places], padding_mode, bool(align_corners))
            continue
        reach = 1 if mode == "linear" else 2
        bases = [np.floor(each) for each in places]
        for shift in np.ndindex(*[2 * reach] * dims):
            at = [base + s - reach + 1 for base, s in zip(bases, shift, strict=True)]
            weight: Any = 1.0
            for place, tap in zip(places, at, strict=True):
                weight = weight * _kernel(mode, place - tap, -0.75)
            y[sample] += _sampled(x[sample], at, padding_mode, bool(align_corners)) * weight
    return y.astype(x.dtype)


@operator("AffineGrid")
@in_float32
def affine_grid(theta: Array, size: Array, *, align_corners: int = 0) -> Any:
    shape = bounded(size)[2:]
    axes = [
        np.linspace(-1, 1, n) if align_corners else (2 * np.arange(n) + 1) / n - 1 if n else np.zeros(0) for n in shape
    ]
    axes = [np.zeros(1) if align_corners and n == 1 else axis for n, axis in zip(shape, axes, strict=True)]
    grid = np.stack([*np.meshgrid(*axes, indexing="ij")[::-1], np.ones(shape)], -1)
    return np.einsum("...i,nji->n...j", grid, theta).astype(theta.dtype)


@operator("RoiAlign")
@in_float32
def roi_align_10(
    x: Array, rois: Array, batch: Array, *, mode: str = "avg", output_height: int = 1, output_width: int = 1,
    sampling_ratio: int = 0, spatial_scale: float = 1.0,
) -> Any:  # fmt: skip
    """Before opset 16 boxes are not shifted."""
    unshifted = "output_half_pixel"
    return roi_align(
        x, rois, batch, coordinate_transformation_mode=unshifted, mode=mode, output_height=output_height,
        output_width=output_width, sampling_ratio=sampling_ratio, spatial_scale=spatial_scale,
    )  # fmt: skip


@operator("RoiAlign", since=16)
@in_float32
def roi_align(
    x: Array, rois: Array, batch: Array, *, coordinate_transformation_mode: str = "half_pixel", mode: str = "avg",
    output_height: int = 1, output_width: int = 1, sampling_ratio: int = 0, spatial_scale: float = 1.0,
) -> Any:  # fmt: skip
    """Pool each box into bins; "half_pixel" shifts boxes by half a pixel."""
    shift = 0.5 if coordinate_transformation_mode == "half_pixel" else 0.0
    h, w = x.shape[2:]
    y = np.zeros((len(rois), x.shape[1], output_height, output_width), x.dtype)
    for i, roi in enumerate(rois):
        x1, y1, x2, y2 = (float(each) * spatial_scale - shift for each in roi)
        width, height = x2 - x1, y2 - y1
        if not shift:
            width, height = max(width, 1.0), max(height, 1.0)
        rows, down = _bins(y1, height, output_height, sampling_ratio)
        columns, across = _bins(x1, width, output_width, sampling_ratio)
        taps = _bilinear(x[int(batch[i])], rows.reshape(-1), columns.reshape(-1), h, w)
        if mode == "max":
            parts = np.max(taps, axis=0)
            y[i] = parts.reshape(-1, output_height, down, output_width, across).max((2, 4))
        else:
            parts = np.sum(taps, axis=0)
            y[i] = parts.reshape(-1, output_height, down, output_width, across).mean((2, 4))
    return y


def _bins(start: float, length: float, count: int, sampling_ratio: int) -> tuple[Array, int]:
    """Return sample coordinates along one axis, (bins, samples), and the samples per bin."""
    samples = sampling_ratio if sampling_ratio > 0 else math.ceil(length / count)
    size = length / count
    return start + size * (np.arange(count)[:, None] + (np.arange(samples) + 0.5) / samples), samples


def _bilinear(x: Array, rows: Array, columns: Array, h: int, w: int) -> list[Array]:
    """Return the four weighted taps of each coordinate; one more than a pixel outside gives 0."""
    r, c = np.meshgrid(rows, columns, indexing="ij")
    inside = (r >= -1) & (r <= h) & (c >= -1) & (c <= w)
    r, c = r.clip(0, h - 1), c.clip(0, w - 1)
    top, left = np.floor(r).astype(int), np.floor(c).astype(int)
    bottom, right = np.minimum(top + 1, h - 1), np.minimum(left + 1, w - 1)
    dr, dc = r - top, c - left
    parts = [
        (top, left, (1 - dr) * (1 - dc)),
        (top, right, (1 - dr) * dc),
        (bottom, left, dr * (1 - dc)),
        (bottom, right, dr * dc),
    ]
    return [x[:, a, b] * (weight * inside) for a, b, weight in parts]
