"""Padding, resizing, blocks of images, channels by turns, local response normalization."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn._records._record import NO_KERNEL, LayerCall, Record, Wrong, normal

_NUMPY_MODES: dict[str, Any] = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def _pad(input: Any, pad: Any, mode: str = "constant", value: float | None = None) -> Any:
    pairs = list(zip(pad[::2], pad[1::2], strict=True))
    for i, (left, right) in enumerate(pairs):
        axis = input.ndim - 1 - i
        widths = [(0, 0)] * input.ndim
        widths[axis] = (max(left, 0), max(right, 0))
        given: Any = {"constant_values": value or 0.0} if mode == "constant" else {}
        wide = np.pad(input, widths, _NUMPY_MODES[mode], **given)
        input = np.take(wide, range(max(-left, 0), wide.shape[axis] - max(-right, 0)), axis)
    return input


def _weights(size: int, output: int, ratio: float, mode: str, align: bool) -> Any:
    """(output, size)."""
    found = np.zeros((output, size))
    for i in range(output):
        c = i * (size - 1) / max(output - 1, 1) if align else (i + 0.5) * ratio - 0.5
        if mode == "nearest":
            found[i, min(int(i * ratio), size - 1)] = 1
        elif mode == "nearest-exact":
            found[i, min(int((i + 0.5) * ratio), size - 1)] = 1
        elif mode == "area":
            window = slice(i * size // output, -(-(i + 1) * size // output))
            found[i, window] = 1 / (window.stop - window.start)
        elif mode == "bicubic":
            first = int(np.floor(c))
            for at in range(first - 1, first + 3):
                d, a = abs(c - at), -0.75
                near = (a + 2) * d**3 - (a + 3) * d**2 + 1
                found[i, min(max(at, 0), size - 1)] += near if d <= 1 else a * (d**3 - 5 * d**2 + 8 * d - 4)
        else:
            c = i if output == size else max(c, 0)
            first = min(int(c), size - 1)
            found[i, first] += 1 - (c - first) if first < size - 1 else 1
            if first < size - 1:
                found[i, first + 1] += c - first
    return found


def _interpolate(
    input: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
) -> Any:
    n = input.ndim - 2
    sizes = size if isinstance(size, tuple) else (size,) * n
    factors = scale_factor if isinstance(scale_factor, tuple) else (scale_factor,) * n
    for i, (output, factor) in enumerate(zip(sizes, factors, strict=True)):
        length = input.shape[2 + i]
        output = int(length * factor) if output is None else output
        ratio = length / output if factor is None or recompute_scale_factor else 1 / factor
        matrix = _weights(length, output, ratio, mode, bool(align_corners))
        input = np.moveaxis(np.tensordot(matrix, input, (1, 2 + i)), 0, 2 + i)
    return input


def _unfold(input: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    (kh, kw), (dh, dw), (ph, pw), (sh, sw) = (
        each if isinstance(each, tuple) else (each, each) for each in (kernel_size, dilation, padding, stride)
    )
    x = np.pad(input, [(0, 0)] * (input.ndim - 2) + [(ph, ph), (pw, pw)])
    rows = range(0, x.shape[-2] - dh * (kh - 1), sh)
    columns = range(0, x.shape[-1] - dw * (kw - 1), sw)
    blocks = [x[..., r : r + dh * (kh - 1) + 1 : dh, c : c + dw * (kw - 1) + 1 : dw] for r in rows for c in columns]
    return np.stack([each.reshape(*x.shape[:-3], x.shape[-3] * kh * kw) for each in blocks], -1)


def _fold(input: Any, output_size: Any, kernel_size: Any, **options: Any) -> Any:
    h, w = output_size
    kh, kw = kernel_size if isinstance(kernel_size, tuple) else (kernel_size, kernel_size)
    c = input.shape[-2] // (kh * kw)
    where = _unfold(np.arange(h * w, dtype=float).reshape(1, 1, h, w) + 1, kernel_size, **options)[0].astype(int)
    y = np.zeros((*input.shape[:-2], c, h * w + 1))
    blocks = input.reshape(*input.shape[:-2], c, kh * kw, -1)
    for place in np.ndindex(where.shape):
        at: Any = (Ellipsis, *place)
        y[..., where[place]] += blocks[at]
    return y[..., 1:].reshape(*input.shape[:-2], c, h, w)


def _channel_shuffle(input: Any, groups: int) -> Any:
    n, c, *space = input.shape
    return input.reshape(n, groups, c // groups, *space).swapaxes(1, 2).reshape(input.shape)


def _pixel_shuffle(input: Any, upscale_factor: int) -> Any:
    *batch, c, h, w = input.shape
    r = upscale_factor
    x = input.reshape(-1, c // (r * r), r, r, h, w)
    return np.einsum("ncijhw->nchiwj", x).reshape(*batch, c // (r * r), h * r, w * r)


def _pixel_unshuffle(input: Any, downscale_factor: int) -> Any:
    *batch, c, h, w = input.shape
    r = downscale_factor
    x = input.reshape(-1, c, h // r, r, w // r, r)
    return np.einsum("nchiwj->ncijhw", x).reshape(*batch, c * r * r, h // r, w // r)


def _local_response_norm(input: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Any:
    y = np.empty_like(input)
    for c in range(input.shape[1]):
        first = c - size // 2
        squares = (input[:, max(first, 0) : max(first + size, 0)] ** 2).sum(1) / size
        y[:, c] = input[:, c] / (k + alpha * squares) ** beta
    return y


_RESIZE_CALLS = """
        static const int64_t places[] = {0, 0, 1, 2, 1, 2, 2, 0, 0, 1, 2, 3, 1, 1, 2, 3, 3};
        EACH(inner, 1, 3, 64, 100)
        {
            const ptrdiff_t outer = 300 / inner + 1, m = outer * 3 * 4 * inner, q = outer * 3 * 5 * inner;
            FILL(x, m, -2, 2); FILL(dy, q, -2, 2); FILL(a, 17, 0, 1);
            RUN(resize, .y = y, .x = x, .places = places, .weights = a, .outer = outer, .d = 1, .h = 3, .w = 4,
                .inner = inner, .yd = 1, .yh = 3, .yw = 5, .taps_d = 1, .taps_h = 2, .taps_w = 2);
            RUN(resize_backward, .dx = z, .dy = dy, .places = places, .weights = a, .outer = outer, .d = 1, .h = 3,
                .w = 4, .inner = inner, .yd = 1, .yh = 3, .yw = 5, .taps_d = 1, .taps_h = 2, .taps_w = 2);
            ADD(y, q); ADD(z, m);
        }"""

_PAD_CALLS = """
        static const int64_t places[] = {0, 1, 0, 1, 2, -1}, runs[] = {1, 1, 0, 20, 18, 1, -1, 3};
        EACH(inner, 1, 3, 64)
        {
            const ptrdiff_t outer = 300 / inner + 1, m = outer * 3 * 20 * inner, q = outer * 5 * 25 * inner;
            FILL(x, m, -2, 2);
            RUN(pad, .y = y, .x = x, .places = places, .runs = runs, .outer = outer, .d = 1, .h = 3, .w = 20,
                .inner = inner, .yd = 1, .yh = 5, .yw = 25, .count = 4, .value = 0.5);
            ADD(y, q);
        }"""

_REARRANGE_CALLS = """
        EACH(m, 1, 3, 16, 100)
            EACH(r, 1, 2, 3)
            {
                const ptrdiff_t n = r * m, s = r * r;
                FILL(x, 6 * s * m, -2, 2);
                RUN(rearrange, .y = y, .y_strides = {0, 3 * r * n, n, 3 * n, m, 1}, .x = x,
                    .x_strides = {0, 3 * s * m, s * m, r, 1, s}, .n0 = 1, .n1 = 2, .n2 = 3, .n3 = r, .n4 = r, .n5 = m);
                RUN(rearrange, .y = z, .y_strides = {0, 3 * s * m, s * m, r, 1, s}, .x = x,
                    .x_strides = {0, 3 * r * n, n, 3 * n, m, 1}, .n0 = 1, .n1 = 2, .n2 = 3, .n3 = r, .n4 = r, .n5 = m);
                ADD(y, 6 * s * m); ADD(z, 6 * s * m);
            }"""

_IMAGES = (16, 12, 20, 14)

RECORDS = [
    Record(
        "pad",
        {"input": normal(), "pad": (1, 2)},
        ((3, 4, 5), (2, 5)),
        (
            {},
            {"pad": (-1, 2), "value": 1.5},
            {"pad": (2, 1), "mode": "reflect"},
            {"pad": (3, -2), "mode": "replicate"},
            {"pad": (2, 3), "mode": "circular"},
        ),
        reference=_pad,
        torch="pad",
        wrong=(
            Wrong("expected pad of an even length up to 4", {"pad": (1, 2, 3)}),
            Wrong("expected mode to be one of", {"mode": "mirror"}),
            Wrong("expected pad of at most 4 in dimension 1 of 5, got 5, 0", {"pad": (5, 0), "mode": "reflect"}),
            Wrong("expected pad of at most 5", {"pad": (6, 0), "mode": "circular"}),
            Wrong("expected value=None", {"mode": "replicate", "value": 2.0}),
            Wrong("expected pad to be a tuple", {"pad": 1}, error=TypeError),
        ),
        large=((30, 40, 50),),
        batch=(16, 12, 20),
        layers=(
            LayerCall("ReflectionPad1d", (2,), {}, ((2, 3, 5),)),
            LayerCall("ReflectionPad2d", ((1, 2, 0, 3),), {}, ((2, 3, 5, 4),)),
            LayerCall("ReflectionPad3d", (1,), {}, ((2, 3, 3, 4, 2),)),
            LayerCall("ReplicationPad1d", (2,), {}, ((2, 3, 5),)),
            LayerCall("ReplicationPad2d", ((1, 2, 0, 3),), {}, ((2, 3, 5, 4),)),
            LayerCall("ReplicationPad3d", (1,), {}, ((2, 3, 3, 4, 2),)),
            LayerCall("CircularPad1d", (2,), {}, ((2, 3, 5),)),
            LayerCall("CircularPad2d", ((1, 2, 0, 3),), {}, ((2, 3, 5, 4),)),
            LayerCall("CircularPad3d", (1,), {}, ((2, 3, 3, 4, 2),)),
            LayerCall("ZeroPad1d", (2,), {}, ((2, 3, 5),)),
            LayerCall("ZeroPad2d", ((1, 2, 0, 3),), {}, ((2, 3, 5, 4),)),
            LayerCall("ZeroPad3d", (1,), {}, ((2, 3, 3, 4, 2),)),
            LayerCall("ConstantPad1d", (2, 0.5), {}, ((2, 3, 5),)),
            LayerCall("ConstantPad2d", ((1, 2, -1, 3), 3.5), {}, ((2, 3, 5, 4),)),
            LayerCall("ConstantPad3d", (1, -1.0), {}, ((2, 3, 3, 4, 2),)),
        ),
        bench=((32, 64, 3136),),
        native=_PAD_CALLS,
    ),
    Record(
        "interpolate",
        {"input": normal(), "size": (7, 3)},
        ((2, 3, 5, 4), (1, 2, 4, 6)),
        (
            {},
            {"size": None, "scale_factor": (1.7, 0.6), "mode": "bilinear"},
            {"mode": "bilinear", "align_corners": True},
            {"size": None, "scale_factor": 2.3, "mode": "bicubic", "recompute_scale_factor": True},
            {"mode": "bicubic"},
            {"mode": "nearest-exact"},
            {"mode": "area"},
        ),
        reference=_interpolate,
        torch="interpolate",
        bounds=(2e-5, 1e-13),
        wrong=(
            Wrong("expected either size or scale_factor", {"scale_factor": 2.0}),
            Wrong("expected an input of 3 dimensions with mode 'linear', got 4", {"mode": "linear"}),
            Wrong("expected size of at least 1, got 0", {"size": 0}),
            Wrong("expected size of 1 or 2 numbers, got 3", {"size": (1, 2, 3)}),
            Wrong("expected mode to be one of", {"mode": "cubic"}),
            Wrong("expected align_corners=None with mode 'nearest'", {"align_corners": False}),
            Wrong("expected antialias=False", {"mode": "bilinear", "antialias": True}),
            Wrong("expected a result of at least 1 place", {"size": None, "scale_factor": 0.1}),
        ),
        large=((3, 70, 33, 41), (1, 2, 300, 201)),
        large_variants=(
            {"size": (50, 37)},
            {"size": (50, 37), "mode": "bilinear"},
            {"size": (20, 67), "mode": "bicubic"},
        ),
        batch=_IMAGES,
        layers=(
            LayerCall("Upsample", (), {"scale_factor": 2.0}, ((2, 3, 5, 4),)),
            LayerCall("UpsamplingNearest2d", (), {"scale_factor": 3.0}, ((2, 3, 5, 4),)),
            LayerCall("UpsamplingBilinear2d", ((7, 6),), {}, ((2, 3, 5, 4),)),
        ),
        bench=((1, 64, 56, 56),),
        bench_with={"size": (112, 112), "mode": "bilinear"},
        native=_RESIZE_CALLS,
    ),
    Record(
        "unfold",
        {"input": normal(), "kernel_size": (2, 3)},
        ((3, 4, 5), (2, 3, 4, 5)),
        ({}, {"dilation": (2, 1), "padding": 1, "stride": (1, 2)}, {"kernel_size": 2}),
        reference=_unfold,
        torch="unfold",
        wrong=(
            Wrong("expected blocks of .* to fit into", {"kernel_size": 9}),
            Wrong("expected stride of at least 1, got 0", {"stride": 0}),
            Wrong("expected an input", {}, (4, 5)),
        ),
        large=((4, 33, 40, 37),),
        batch=_IMAGES,
        layers=(LayerCall("Unfold", (3,), {"padding": 1}, ((2, 3, 4, 5),)),),
        bench=((8, 16, 56, 56),),
        native=NO_KERNEL,
    ),
    Record(
        "fold",
        {"input": normal(), "output_size": (4, 5), "kernel_size": (2, 3)},
        ((12, 9), (2, 12, 9)),
        ({}, {"kernel_size": (2, 2), "output_size": (4, 4)}),
        reference=_fold,
        torch="fold",
        wrong=(
            Wrong("expected an input .* for blocks of", {"kernel_size": (1, 5)}),
            Wrong("expected an input of 20 = ", {"kernel_size": 1}),
            Wrong("expected output_size of 1 or 2 numbers, got 3", {"output_size": (1, 2, 3)}),
        ),
        large=((200, 12, 9),),
        batch=(16, 12, 9),
        layers=(LayerCall("Fold", ((4, 5), (2, 3)), {}, ((2, 12, 9),)),),
        bench=((2000, 12, 9),),
        native=NO_KERNEL,
    ),
    Record(
        "channel_shuffle",
        {"input": normal(), "groups": 3},
        ((2, 6, 4), (2, 12, 3, 4)),
        ({}, {"groups": 2}, {"groups": 1}),
        reference=_channel_shuffle,
        twin=("input",),
        torch="channel_shuffle",
        wrong=(
            Wrong("expected an input .* with C divisible by 5", {"groups": 5}),
            Wrong("expected groups of at least 1, got 0", {"groups": 0}),
        ),
        large=((20, 12, 30, 40),),
        batch=_IMAGES,
        layers=(LayerCall("ChannelShuffle", (3,), {}, ((2, 6, 4, 2),)),),
        bench=((32, 60, 56, 56),),
        native="pixel_shuffle",
    ),
    Record(
        "pixel_shuffle",
        {"input": normal(), "upscale_factor": 2},
        ((2, 8, 3, 4), (4, 2, 3), (2, 1, 4, 1, 5)),
        ({}, {"upscale_factor": 1}),
        reference=_pixel_shuffle,
        twin=("input",),
        torch="pixel_shuffle",
        wrong=(
            Wrong("expected an input .* with C divisible by 9", {"upscale_factor": 3}),
            Wrong("expected upscale_factor of at least 1, got 0", {"upscale_factor": 0}),
            Wrong("expected an input", {}, (4, 4)),
        ),
        large=((20, 12, 31, 40),),
        batch=_IMAGES,
        layers=(LayerCall("PixelShuffle", (3,), {}, ((2, 18, 4, 2),)),),
        bench=((1, 256, 56, 56),),
        native=_REARRANGE_CALLS,
    ),
    Record(
        "pixel_unshuffle",
        {"input": normal(), "downscale_factor": 2},
        ((2, 3, 4, 6), (2, 2, 4), (2, 1, 3, 2, 10)),
        ({}, {"downscale_factor": 1}),
        reference=_pixel_unshuffle,
        twin=("input",),
        torch="pixel_unshuffle",
        wrong=(
            Wrong("expected an input .* with H and W divisible by 3", {"downscale_factor": 3}, (2, 3, 4, 6)),
            Wrong("expected downscale_factor of at least 1, got 0", {"downscale_factor": 0}),
            Wrong("expected an input", {}, (4, 4)),
        ),
        large=((20, 12, 34, 40),),
        batch=_IMAGES,
        layers=(LayerCall("PixelUnshuffle", (3,), {}, ((2, 2, 6, 9),)),),
        bench=((1, 64, 112, 112),),
        native="pixel_shuffle",
    ),
    Record(
        "local_response_norm",
        {"input": normal(), "size": 3, "alpha": 0.5},
        ((2, 5, 3), (2, 4, 3, 2)),
        ({}, {"size": 4, "k": 2.0, "beta": 0.5}, {"size": 9}),
        reference=_local_response_norm,
        torch="local_response_norm",
        wrong=(
            Wrong("expected size of at least 1, got 0", {"size": 0}),
            Wrong("expected an input .* of 3 or more dimensions", {}, (3, 4)),
        ),
        large=((20, 12, 30, 40),),
        batch=_IMAGES,
        layers=(LayerCall("LocalResponseNorm", (3,), {"alpha": 0.5}, ((2, 6, 4, 2),)),),
        bench=((32, 60, 28, 28),),
        native="avg_pool2d",
    ),
]
