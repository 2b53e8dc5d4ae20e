"""Convolution and pooling."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import functional
from ..._check import Array
from ._elementwise import in_float32
from ._shape import bounded, in_space
from ._table import operator

CONV = (functional.conv1d, functional.conv2d, functional.conv3d)
TRANSPOSED = (functional.conv_transpose1d, functional.conv_transpose2d, functional.conv_transpose3d)


def _pads(sizes: Any, kernel: Any, strides: Any, dilations: Any, auto_pad: str, pads: Any) -> list[tuple[int, int]]:
    """Return the padding (before, after) of each spatial axis."""
    dims = len(kernel)
    if auto_pad in ("NOTSET", ""):
        given = pads or [0] * 2 * dims
        return [(given[i], given[i + dims]) for i in range(dims)]
    if auto_pad == "VALID":
        return [(0, 0)] * dims
    found = []
    for n, k, s, d in zip(sizes, kernel, strides, dilations, strict=True):
        total = max(0, (-(-n // s) - 1) * s + d * (k - 1) + 1 - n)
        first = total // 2 if auto_pad == "SAME_UPPER" else total - total // 2
        found.append((first, total - first))
    return found


def _padded(x: Array, pads: list[tuple[int, int]], value: Any = 0) -> Array:
    if not any(map(any, pads)):
        return x
    bounded(n + a + b for n, (a, b) in zip(x.shape[2:], pads, strict=True))
    cropped = x[in_space(*(slice(max(0, -a), n - max(0, -b)) for n, (a, b) in zip(x.shape[2:], pads, strict=True)))]
    widths = [(0, 0), (0, 0), *((max(0, a), max(0, b)) for a, b in pads)]
    return np.pad(cropped, widths, constant_values=value)


@operator("Conv")
@in_float32
def conv(
    x: Array, w: Array, b: Array | None = None, *, auto_pad: str = "NOTSET", dilations: Any = None, group: int = 1,
    kernel_shape: Any = None, pads: Any = None, strides: Any = None,
) -> Any:  # fmt: skip
    dims = w.ndim - 2
    strides, dilations = strides or [1] * dims, dilations or [1] * dims
    around = _pads(x.shape[2:], w.shape[2:], strides, dilations, auto_pad, pads)
    even = all(first == last >= 0 for first, last in around)
    padding = tuple(first for first, _ in around) if even else (0,) * dims
    x = x if even else _padded(x, around)
    return CONV[dims - 1](x, w, b, tuple(strides), padding, tuple(dilations), group)


@operator("ConvTranspose")
@in_float32
def conv_transpose(
    x: Array, w: Array, b: Array | None = None, *, auto_pad: str = "NOTSET", dilations: Any = None, group: int = 1,
    kernel_shape: Any = None, output_padding: Any = None, output_shape: Any = None, pads: Any = None,
    strides: Any = None,
) -> Any:  # fmt: skip
    """Compute the full transposed convolution and crop it by the pads; negative pads add zeros."""
    dims, sizes = w.ndim - 2, x.shape[2:]
    strides, dilations = strides or [1] * dims, dilations or [1] * dims
    extra = output_padding or [0] * dims
    whole = [(n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(sizes, strides, dilations, w.shape[2:], strict=True)]
    if output_shape is None and auto_pad.startswith("SAME"):
        output_shape = [n * s for n, s in zip(sizes, strides, strict=True)]
    if output_shape is not None:
        cut = []
        for n, wanted, more in zip(whole, output_shape[-dims:], extra, strict=True):
            total = n + more - wanted
            first = total - total // 2 if auto_pad != "SAME_UPPER" else total // 2
            cut.append((first, total - first))
    else:
        given = [0] * 2 * dims if auto_pad == "VALID" or pads is None else pads
        cut = [(given[i], given[i + dims]) for i in range(dims)]
    y = TRANSPOSED[dims - 1](x, w, None, tuple(strides), 0, 0, group, tuple(dilations))
    y = _padded(y, [(-first, more - last) for (first, last), more in zip(cut, extra, strict=True)])
    return y if b is None else y + b.reshape(-1, *[1] * dims)


@operator("CausalConvWithState")
@in_float32
def causal_conv(
    x: Array, w: Array, b: Array | None = None, past: Array | None = None, *, activation: str = "none"
) -> Any:
    """Convolve each channel with its own kernel over past and x; return (result, the last K - 1 inputs)."""
    before = np.zeros((*x.shape[:2], w.shape[2] - 1), x.dtype) if past is None else past
    padded = np.concatenate([before, x], 2)
    y = functional.conv1d(padded, w, b, groups=x.shape[1])
    return functional.silu(y) if activation in ("silu", "swish") else y, padded[:, :, x.shape[2] :]


def _deformed(x: Array, offset: Array, mask: Array | None, w: Array, geometry: Any, groups: int) -> Any:
    """Sample x bilinearly at the shifted kernel taps: (N, C, taps, output positions)."""
    (ph, pw), (sh, sw), (dh, dw) = geometry
    n, c, h, wide = x.shape
    oh, ow = offset.shape[2:]
    kh, kw = w.shape[2:]
    shifts = offset.reshape(n, groups, kh * kw, 2, oh, ow)
    rows = (np.arange(kh) * dh - ph)[:, None, None, None] + (np.arange(oh) * sh)[None, None, :, None]
    columns = (np.arange(kw) * dw - pw)[None, :, None, None] + (np.arange(ow) * sw)[None, None, None, :]
    y = shifts[:, :, :, 0] + np.broadcast_to(rows, (kh, kw, oh, ow)).reshape(kh * kw, oh, ow)
    z = shifts[:, :, :, 1] + np.broadcast_to(columns, (kh, kw, oh, ow)).reshape(kh * kw, oh, ow)
    parts = x.reshape(n, groups, c // groups, h, wide)
    found = np.zeros((n, groups, c // groups, kh * kw, oh, ow), x.dtype)
    batch, group = np.arange(n)[:, None, None, None, None], np.arange(groups)[None, :, None, None, None]
    for dy in (0, 1):
        for dx in (0, 1):
            r, q = np.floor(y) + dy, np.floor(z) + dx
            weight = (1 - np.abs(y - r)) * (1 - np.abs(z - q)) * ((r >= 0) & (r < h) & (q >= 0) & (q < wide))
            taken = parts[batch, group, :, r.clip(0, h - 1).astype(int), q.clip(0, wide - 1).astype(int)]
            found += np.moveaxis(taken, -1, 2) * weight[:, :, None].astype(x.dtype)
    if mask is not None:
        found *= mask.reshape(n, groups, 1, kh * kw, oh, ow)
    return found.reshape(n, c, kh * kw, oh * ow)


@operator("DeformConv")
@in_float32
def deform_conv(
    x: Array, w: Array, offset: Array, b: Array | None = None, mask: Array | None = None, *, dilations: Any = None,
    group: int = 1, kernel_shape: Any = None, offset_group: int = 1, pads: Any = None, strides: Any = None,
) -> Any:  # fmt: skip
    geometry = (pads or [0] * 4)[:2], strides or [1, 1], dilations or [1, 1]
    samples = _deformed(x, offset, mask, w, geometry, offset_group)
    n, c, taps, places = samples.shape
    grouped = samples.reshape(n, group, c // group * taps, places)
    kernels = w.reshape(group, w.shape[0] // group, -1)
    y = np.einsum("goc,ngcp->ngop", kernels, grouped).reshape(n, w.shape[0], *offset.shape[2:])
    return y if b is None else y + b.reshape(-1, 1, 1)


# -- pooling ----------------------------------------------------------------------------------------------------------


class _Windows:
    """The positions of pooling windows.

    Attributes
    ----------
    pads : list of (int, int)
        Padding before each axis, and after it to the end of the last window.
    inner : list of (int, int)
        The padding that was asked for, without what `ceil_mode` adds for the last window.
    """

    def __init__(self, x: Array, kernel: Any, strides: Any, dilations: Any, auto_pad: str, pads: Any, ceil_mode: int):
        dims = len(kernel)
        self.kernel, self.strides, self.dilations = kernel, strides or [1] * dims, dilations or [1] * dims
        self.inner = _pads(x.shape[2:], kernel, self.strides, self.dilations, auto_pad, pads)
        self.pads, self.counts = [], []
        for n, k, s, d, (first, last) in zip(
            x.shape[2:], kernel, self.strides, self.dilations, self.inner, strict=True
        ):
            span, room = d * (k - 1) + 1, n + first + last
            if room < span:
                raise ValueError(f"windows of {span} in {room}")
            count = -(-(room - span) // s) + 1 if ceil_mode else (room - span) // s + 1
            count -= ceil_mode and (count - 1) * s >= n + first  # drop a window that begins in the end padding
            self.counts.append(int(count))
            self.pads.append((first, max(last, (int(count) - 1) * s + span - n - first)))

    def of(self, x: Array, value: Any, pads: list[tuple[int, int]] | None = None) -> Array:
        """Pad x by `pads`, by default all of the windows', and view it as (N, C, *windows, *kernel)."""
        y = _padded(x, self.pads if pads is None else pads, value)
        spans = [d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilations, strict=True)]
        view = np.lib.stride_tricks.sliding_window_view(y, spans, tuple(range(2, x.ndim)))
        starts = [slice(0, (c - 1) * s + 1, s) for c, s in zip(self.counts, self.strides, strict=True)]
        return view[in_space(*starts, *(slice(None, None, d) for d in self.dilations))]


@operator("MaxPool")
def max_pool(
    x: Array, *, kernel_shape: Any, auto_pad: str = "NOTSET", ceil_mode: int = 0, dilations: Any = None,
    pads: Any = None, storage_order: int = 0, strides: Any = None, outputs: int,
) -> Any:  # fmt: skip
    """Return the maxima and, if asked, their flat indices into x."""
    windows = _Windows(x, kernel_shape, strides, dilations, auto_pad, pads, ceil_mode)
    dims = len(kernel_shape)
    least = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    view = windows.of(x, least)
    axes = tuple(range(-dims, 0))
    y = view.max(axes)
    if outputs == 1:
        return y
    sizes = x.shape[2:]
    places = np.arange(math.prod(sizes)).reshape(sizes, order="F" if storage_order else "C")
    whole = np.arange(x.shape[0] * x.shape[1]).reshape(*x.shape[:2], *[1] * dims) * math.prod(sizes) + places
    best = view.reshape(*view.shape[:-dims], -1).argmax(-1)
    at = windows.of(whole, -1).reshape(*best.shape, -1)
    return y, np.take_along_axis(at, best[..., None], -1)[..., 0].astype(np.int64)


@operator("AveragePool")
@in_float32
def average_pool(
    x: Array, *, kernel_shape: Any, auto_pad: str = "NOTSET", ceil_mode: int = 0, count_include_pad: int = 0,
    dilations: Any = None, pads: Any = None, strides: Any = None,
) -> Any:  # fmt: skip
    windows = _Windows(x, kernel_shape, strides, dilations, auto_pad, pads, ceil_mode)
    axes = tuple(range(-len(kernel_shape), 0))
    counted, lacking = np.ones((1, 1, *x.shape[2:]), np.int64), windows.pads
    if count_include_pad:  # count the padding that was asked for, not what ceil_mode adds
        counted = _padded(counted, windows.inner, 1)
        lacking = [(a - b, c - d) for (a, c), (b, d) in zip(windows.pads, windows.inner, strict=True)]
    counts = windows.of(counted, 0, lacking).sum(axes)
    return (windows.of(x, 0).sum(axes, dtype=np.float64) / counts).astype(x.dtype)


@operator("LpPool")
@in_float32
def lp_pool(
    x: Array, *, kernel_shape: Any, auto_pad: str = "NOTSET", ceil_mode: int = 0, dilations: Any = None, p: float = 2,
    pads: Any = None, strides: Any = None,
) -> Any:  # fmt: skip
    windows = _Windows(x, kernel_shape, strides, dilations, auto_pad, pads, ceil_mode)
    axes = tuple(range(-len(kernel_shape), 0))
    powers = np.abs(windows.of(x, 0)).astype(np.float64) ** p
    return (powers.sum(axes) ** (1 / p)).astype(x.dtype)


@operator("GlobalAveragePool")
@in_float32
def global_average_pool(x: Array) -> Any:
    return x.mean(tuple(range(2, x.ndim)), keepdims=True, dtype=np.float64).astype(x.dtype)


@operator("GlobalMaxPool")
def global_max_pool(x: Array) -> Any:
    return x.max(tuple(range(2, x.ndim)), keepdims=True)


@operator("GlobalLpPool")
@in_float32
def global_lp_pool(x: Array, *, p: float = 2) -> Any:
    powers = np.abs(x).astype(np.float64) ** p
    return (powers.sum(tuple(range(2, x.ndim)), keepdims=True) ** (1 / p)).astype(x.dtype)


@operator("MaxUnpool")
def max_unpool(
    x: Array, places: Array, shape: Array | None = None, *, kernel_shape: Any, pads: Any = None, strides: Any = None
) -> Any:
    """Put x at flat indices into an array of the size the kernel implies; `shape` may enlarge the result."""
    dims = len(kernel_shape)
    strides, pads = strides or [1] * dims, pads or [0] * 2 * dims
    sizes = [
        (n - 1) * s - pads[i] - pads[i + dims] + k
        for i, (n, s, k) in enumerate(zip(x.shape[2:], strides, kernel_shape, strict=True))
    ]
    implied = bounded([*x.shape[:2], *sizes])
    wanted = implied if shape is None else bounded(shape)
    flat = places.reshape(-1)
    if flat.size and (flat.min() < 0 or flat.max() >= math.prod(implied)):
        raise ValueError(f"places from {flat.min()} to {flat.max()} in an array of {math.prod(implied)}")
    y = np.zeros(wanted, x.dtype)
    y[np.unravel_index(flat, implied)] = x.reshape(-1)
    return y
