"""Convolution and its transpose."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn._records._record import Draw, LayerCall, Options, Record, Shape, Wrong, fixed, normal

_PADDINGS: dict[str, Any] = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def _each(value: Any, dims: int) -> Any:
    return np.broadcast_to(value, dims)


def _padded(x: Any, weight: Any, padding: Any, dilation: Any, mode: str) -> Any:
    dims = weight.ndim - 2
    if isinstance(padding, str):
        total = [d * (k - 1) * (padding == "same") for d, k in zip(dilation, weight.shape[2:], strict=True)]
        pads = [(t // 2, t - t // 2) for t in total]
    else:
        pads = [(p, p) for p in _each(padding, dims)]
    return np.pad(x, [(0, 0), (0, 0), *pads], mode=_PADDINGS[mode])


def _pytorch(dims: int) -> Callable[..., Any]:
    """PyTorch's function, which has padding modes in its layers alone."""

    def convolution(input: Any, weight: Any, padding: Any = 0, padding_mode: str = "zeros", **options: Any) -> Any:
        from torch.nn import functional

        if padding_mode != "zeros":
            pads = [each for each in reversed(_each(padding, dims).tolist()) for _ in range(2)]
            input, padding = functional.pad(input, pads, mode=padding_mode), 0
        return getattr(functional, f"conv{dims}d")(input, weight, padding=padding, **options)

    return convolution


def _at(space: Any) -> Any:
    """The index of places in space, over all of the first two axes."""
    return (slice(None), slice(None), *space)


def _places(weight: Any) -> Any:
    return itertools.product(*map(range, weight.shape[2:]))


def _convolution(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
) -> Any:
    dims = weight.ndim - 2
    stride, dilation = _each(stride, dims), _each(dilation, dims)
    single = input.ndim == dims + 1
    x = _padded(input[None] if single else input, weight, padding, dilation, padding_mode)
    sizes = [
        (size - d * (k - 1) - 1) // s + 1
        for size, k, s, d in zip(x.shape[2:], weight.shape[2:], stride, dilation, strict=True)
    ]
    y = np.zeros((len(x), weight.shape[0], *sizes))
    for place in _places(weight):
        taken = [slice(r * d, r * d + s * o, s) for r, d, s, o in zip(place, dilation, stride, sizes, strict=True)]
        part, kernel = x[_at(taken)], weight[_at(place)]
        for g in range(groups):
            outputs = slice(g * len(weight) // groups, (g + 1) * len(weight) // groups)
            channels = slice(g * weight.shape[1], (g + 1) * weight.shape[1])
            y[:, outputs] += np.einsum("nc...,oc->no...", part[:, channels], kernel[outputs])
    y = y if bias is None else y + bias.reshape(-1, *(1,) * dims)
    return y[0] if single else y


def _transposed(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    dims = weight.ndim - 2
    stride, padding, extra, dilation = (_each(each, dims) for each in (stride, padding, output_padding, dilation))
    single = input.ndim == dims + 1
    x = input[None] if single else input
    sizes = [
        (size - 1) * s + d * (k - 1) + e + 1
        for size, k, s, d, e in zip(x.shape[2:], weight.shape[2:], stride, dilation, extra, strict=True)
    ]
    whole = np.zeros((len(x), weight.shape[1] * groups, *sizes))
    for place in _places(weight):
        to = [slice(r * d, r * d + s * n, s) for r, d, s, n in zip(place, dilation, stride, x.shape[2:], strict=True)]
        kernel = weight[_at(place)]
        for g in range(groups):
            channels = slice(g * len(weight) // groups, (g + 1) * len(weight) // groups)
            outputs = slice(g * weight.shape[1], (g + 1) * weight.shape[1])
            whole[:, outputs][_at(to)] += np.einsum("nc...,co->no...", x[:, channels], kernel[channels])
    kept = [slice(p, size - p) for p, size in zip(padding, sizes, strict=True)]
    y = whole[_at(kept)]
    y = y if bias is None else y + bias.reshape(-1, *(1,) * dims)
    return y[0] if single else y


def _kernel(outputs: int, *size: int, groups: int = 1) -> Draw:
    """(outputs, channels of a group, *size)."""
    return Draw(lambda rng, shape: rng.uniform(-1, 1, (outputs, shape[-1 - len(size)] // groups, *size)))


def _depthwise(*size: int) -> Draw:
    """(channels, 1, *size)."""
    return Draw(lambda rng, shape: rng.uniform(-1, 1, (shape[-1 - len(size)], 1, *size)))


def _spreading(outputs: int, *size: int) -> Draw:
    """(channels, outputs of a group, *size)."""
    return Draw(lambda rng, shape: rng.uniform(-1, 1, (shape[-1 - len(size)], outputs, *size)))


def _laid(draw: Draw) -> Draw:
    """The same values as a layer keeps them: (*size, in, out) in memory."""
    return Draw(lambda rng, shape: np.asfortranarray(draw.make(rng, shape)))


def _any(dims: int, transposed: bool) -> Any:
    def arguments(shape: Shape) -> Options:
        channels = shape[1] if len(shape) > 1 else 1
        return {"weight": np.ones((channels, 3, *(2,) * dims) if transposed else (3, channels, *(2,) * dims))}

    return arguments


def _refused(dims: int, transposed: bool) -> tuple[Wrong, ...]:
    """Calls that must be refused, on an input (2, 4, 5, ...) of `dims` sizes of 5."""
    ones = (1,) * dims
    shape = (2, 4, *(5,) * dims)
    weight = np.ones((4, 3, *ones) if transposed else (3, 4, *ones))
    common: list[tuple[str, Options, type[Exception]]] = [
        (f"expected weight of {dims + 2} dimensions, got shape", {"weight": np.ones((3, 4))}, ValueError),
        ("expected input of 7 channels", {"weight": np.ones((7, 7, *ones))}, ValueError),
        (r"expected bias of shape \(3,\), got \(9,\)", {"weight": weight, "bias": np.ones(9)}, ValueError),
        ("expected stride of at least 1, got 0", {"stride": 0}, ValueError),
        ("expected dilation of at least 1, got -1", {"dilation": -1}, ValueError),
        ("expected padding of at least 0, got -1", {"padding": -1}, ValueError),
        (f"expected stride of 1 or {dims} values, got 4", {"stride": (1, 1, 1, 1)}, ValueError),
        ("expected stride to be an integer, got float", {"stride": 1.5}, TypeError),
        ("expected groups of at least 1, got 0", {"groups": 0}, ValueError),
        ("expected groups to divide weight's first size", {"weight": weight, "groups": 5}, ValueError),
        ("expected sizes of space above 0", {"weight": np.ones((*weight.shape[:2], *(0,) * dims))}, ValueError),
    ]
    own: list[tuple[str, Options, type[Exception]]] = [
        ("expected a kernel no larger than the padded input's 5, got 6", {"padding": 0, "dilation": 5}, ValueError),
        ("expected padding to be one of 'same', 'valid', got 'full'", {"padding": "full"}, ValueError),
        ("expected a stride of 1 with padding='same'", {"padding": "same", "stride": 2}, ValueError),
        (
            "expected reflect padding below the input's size 5, got 5",
            {"padding": 5, "padding_mode": "reflect"},
            ValueError,
        ),
        (
            "expected circular padding of at most the input's size 5",
            {"padding": 6, "padding_mode": "circular"},
            ValueError,
        ),
        ("expected padding_mode to be one of 'zeros'", {"padding_mode": "constant"}, ValueError),
    ]
    if transposed:
        own = [
            (
                "expected output_padding below stride or dilation, 2, got 2",
                {"stride": 2, "output_padding": 2},
                ValueError,
            ),
            ("expected an output of 1 or more in each dimension", {"padding": 9, "stride": 1}, ValueError),
            ("expected padding to be an integer, got str", {"padding": "same"}, TypeError),
        ]
    kernel = (_spreading if transposed else _kernel)(3, *(2,) * dims)
    return tuple(
        Wrong(text, {"weight": kernel, "bias": None, "groups": 1, "padding": 0, "stride": 1} | arguments, shape, error)
        for text, arguments, error in [*common, *own]
    )


def _both(
    dims: int, shapes: tuple[Shape, ...], large: tuple[Shape, ...], bench: tuple[Shape, ...], native: str
) -> list[Record]:
    """The records of a convolution and its transpose; channels of `shapes` and the batch are 4."""
    size, long = (3, 2, 2)[:dims], (2, 3, 2)[:dims]
    batch = (16, 4, *{1: (50,), 2: (9, 8), 3: (4, 5, 6)}[dims])
    layer = (5, 4, *(7,) * dims)
    convolution = Record(
        f"conv{dims}d",
        {"input": normal(), "weight": _kernel(3, *size), "bias": fixed(3)},
        shapes,
        (
            {},
            {"bias": None, "weight": _laid(_kernel(5, *size))},
            {"weight": _kernel(6, *size, groups=2), "bias": fixed(6), "stride": 2, "padding": 1, "groups": 2},
            {"stride": (2, 1, 3)[:dims], "padding": (1, 2, 0)[:dims], "dilation": (1, 2, 1)[:dims]},
            {"padding": "same", "dilation": 2},
            {"padding": 1, "padding_mode": "reflect"},
            {"padding": (2, 1, 1)[:dims], "padding_mode": "circular", "stride": 2},
            {"padding": 2, "padding_mode": "replicate"},
            {"weight": _depthwise(*size), "bias": fixed(4), "groups": 4, "padding": 1},
            {"weight": _kernel(3, *(1,) * dims)},
        ),
        reference=_convolution,
        gradients=("input", "weight", "bias"),
        torch=_pytorch(dims),
        wrong=_refused(dims, False),
        any_shape=_any(dims, False),
        large=large,
        batch=batch,
        large_variants=(
            {"weight": _kernel(33, *size), "bias": fixed(33), "padding": 1},
            {"weight": _laid(_kernel(40, *long)), "bias": None, "stride": 2, "dilation": 2},
            {"weight": _depthwise(*size), "bias": None, "groups": lambda shape: shape[1], "padding": 1},
            {"weight": _kernel(20, *(1,) * dims), "bias": fixed(20)},
        ),
        layers=(
            LayerCall(f"Conv{dims}d", (4, 6, 3), {}, (layer,)),
            LayerCall(
                f"Conv{dims}d", (4, 6, 2, 2, 1), {"groups": 2, "bias": False, "padding_mode": "reflect"}, (layer,)
            ),
        ),
        bench=bench,
        bench_with={"weight": _laid(_kernel(64, *(3,) * dims)), "bias": fixed(64), "padding": 1},
        native=native,
    )
    spreading = Record(
        f"conv_transpose{dims}d",
        {"input": normal(), "weight": _spreading(3, *size), "bias": fixed(3)},
        shapes,
        (
            {},
            {"bias": None, "weight": _laid(_spreading(5, *size)), "stride": 2},
            {
                "weight": _spreading(2, *size),
                "bias": fixed(4),
                "stride": 3,
                "padding": 1,
                "output_padding": 2,
                "groups": 2,
            },
            {"stride": 2, "padding": (1, 0, 1)[:dims], "dilation": (2, 1, 3)[:dims], "output_padding": 1},
            {"weight": _spreading(1, *size), "bias": fixed(4), "groups": 4, "stride": 2},
        ),
        reference=_transposed,
        gradients=("input", "weight", "bias"),
        torch=f"conv_transpose{dims}d",
        wrong=_refused(dims, True),
        any_shape=_any(dims, True),
        large=large,
        batch=batch,
        large_variants=(
            {"weight": _spreading(33, *size), "bias": fixed(33), "stride": 2, "padding": 1},
            {"weight": _laid(_spreading(20, *long)), "bias": None},
        ),
        layers=(
            LayerCall(f"ConvTranspose{dims}d", (4, 6, 3), {"stride": 2}, (layer,)),
            LayerCall(f"ConvTranspose{dims}d", (4, 6, 2), {"groups": 2, "bias": False}, (layer,)),
        ),
        bench=bench,
        bench_with={"weight": _laid(_spreading(32, *(4,) * dims)), "bias": fixed(32), "stride": 2, "padding": 1},
        native="conv2d",
    )
    return [convolution, spreading]


_NATIVE = """
    for (int i = 0; i < 4; i++)
    {
        const ptrdiff_t each = i == 3, g = each ? 40 : 1 + i % 2, c = each ? 1 : 31, k = each ? 1 : 37;
        const ptrdiff_t s = 1 + i / 2, h = 9, w = 14, oh = (h - 1) / s + 1, ow = (w - 1) / s + 1;
    #define PLACED .n = 2, .g = g, .c = c, .k = k, .id = 1, .ih = h, .iw = w, .od = 1, .oh = oh, .ow = ow, .kd = 1, \\
        .kh = 3, .kw = 3, .sd = 1, .sh = s, .sw = s, .ph = 1, .pw = 1, .ed = 1, .eh = 1, .ew = 1, .slots = 3
    #define OUTPUT {g * k * oh * ow, k * oh * ow, oh * ow, 0, ow, 1}
    #define INPUT {g * c * h * w, c * h * w, h * w, 0, w, 1}
    #define WEIGHT {k * c * 9, c * 9, 9, 0, 3, 1}
        FILL(x, 2 * g * c * h * w, -1, 1); FILL(dy, 2 * g * k * oh * ow, -1, 1);
        FILL(a, g * k * c * 9, -1, 1); FILL(b, g * k, -1, 1);
        RUN(conv, .y = y, .y_strides = OUTPUT, .work = work, .x = x, .x_strides = INPUT, .weight = a,
            .weight_strides = WEIGHT, .bias = b, PLACED);
        ADD(y, 2 * g * k * oh * ow);
        RUN(conv_weight, .dweight = z, .dweight_strides = WEIGHT, .work = work, .dy = dy, .dy_strides = OUTPUT, .x = x,
            .x_strides = INPUT, PLACED);
        ADD(z, g * k * c * 9);
    #undef PLACED
    #undef OUTPUT
    #undef INPUT
    #undef WEIGHT
    }
    for (int i = 0; i < 2; i++) /* Winograd's algorithm, of weights that lie in one piece and of others */
    {
        const ptrdiff_t c = 33, k = 37, h = 9, w = 14, s = i ? k : 1;
        FILL(x, 2 * c * h * w, -1, 1); FILL(a, k * c * 9, -1, 1); FILL(b, k, -1, 1);
        RUN(winograd_weight, .packed = z, .weight = a, .weight_strides = {i ? 1 : c * 9, 9 * s, 3 * s, s}, .k = k, .c = c);
        RUN(conv, .y = y, .y_strides = {k * h * w, 0, h * w, 0, w, 1}, .work = work, .x = x,
            .x_strides = {c * h * w, 0, h * w, 0, w, 1}, .packed = z, .bias = b, .n = 2, .g = 1, .c = c, .k = k, .id = 1,
            .ih = h, .iw = w, .od = 1, .oh = h, .ow = w, .kd = 1, .kh = 3, .kw = 3, .sd = 1, .sh = 1, .sw = 1, .ph = 1,
            .pw = 1, .ed = 1, .eh = 1, .ew = 1, .slots = 3, .act = -1, .fast = 1);
        ADD(y, 2 * k * h * w);
    }"""

RECORDS = [
    *_both(1, ((4, 7), (2, 4, 9)), ((3, 40, 700), (40, 12, 50)), ((1, 64, 1000), (32, 64, 250)), "conv2d"),
    *_both(
        2, ((4, 6, 5), (2, 4, 5, 7)), ((3, 40, 40, 25), (1, 60, 9, 70)), ((1, 64, 56, 56), (128, 32, 32, 32)), _NATIVE
    ),
    *_both(3, ((2, 4, 4, 5, 4),), ((2, 33, 6, 9, 14),), ((1, 16, 16, 28, 28),), "conv2d"),
]
