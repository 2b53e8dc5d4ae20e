"""Pooling: the largest value, the mean or the norm of each window; max unpooling."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np

from fastnn._records._record import NO_KERNEL, Draw, LayerCall, Options, Record, Shape, Wrong, normal, uniform


def _per_axis(value: Any, n: int) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, tuple) else (value,) * n


def _sliding(size: int, options: tuple[int, ...], ceil: bool) -> Iterator[tuple[list[int], int]]:
    """The places of each window along one axis, and how many it has with the padding."""
    k, s, p, d = options
    start = -p
    while start + d * (k - 1) < size + p or (ceil and start - s + d * (k - 1) < size + p - 1 and start < size):
        touched = [start + d * t for t in range(k)]
        yield [at for at in touched if 0 <= at < size], sum(at < size + p for at in touched)
        start += s


def _evenly(size: int, output: int) -> Iterator[tuple[list[int], int]]:
    for i in range(output):
        places = list(range(i * size // output, -(-(i + 1) * size // output)))
        yield places, len(places)


def _reduced(x: Any, axes: list[list[tuple[list[int], int]]], reduce: Callable[[Any, int], Any]) -> Any:
    """reduce of (..., values of the window) and the window's size, for each window."""
    n = len(axes)
    y = np.zeros((*x.shape[:-n], *map(len, axes)))
    for place in product(*(range(len(axis)) for axis in axes)):
        windows, counts = zip(*(axis[i] for axis, i in zip(axes, place, strict=True)), strict=True)
        values = x
        for i, window in enumerate(windows):
            values = values.take(window, axis=i - n)
        at: Any = (Ellipsis, *place)
        y[at] = reduce(values.reshape(*x.shape[:-n], -1), int(np.prod(counts)))
    return y


def _windows(
    x: Any, n: int, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> list[list[tuple[list[int], int]]]:
    stride = kernel_size if stride is None else stride
    options = zip(*(_per_axis(each, n) for each in (kernel_size, stride, padding, dilation)), strict=True)
    return [list(_sliding(size, each, ceil_mode)) for size, each in zip(x.shape[-n:], options, strict=True)]


def _covering(x: Any, n: int, output_size: Any) -> list[list[tuple[list[int], int]]]:
    sizes = zip(x.shape[-n:], _per_axis(output_size, n), strict=True)
    return [list(_evenly(size, size if output is None else output)) for size, output in sizes]


def _largest(values: Any, count: int) -> Any:
    return values.max(-1)


def _max_pool(n: int) -> Callable[..., Any]:
    return lambda input, *args, **options: _reduced(input, _windows(input, n, *args, **options), _largest)


def _avg_pool(n: int) -> Callable[..., Any]:
    def formula(input: Any, count_include_pad: bool = True, divisor_override: int | None = None, **options: Any) -> Any:
        def average(values: Any, count: int) -> Any:
            divisor = divisor_override or (count if count_include_pad else values.shape[-1])
            return values.sum(-1) / divisor

        return _reduced(input, _windows(input, n, **options), average)

    return formula


def _lp_pool(n: int) -> Callable[..., Any]:
    def formula(input: Any, norm_type: float, **options: Any) -> Any:
        def norm(values: Any, count: int) -> Any:
            if abs(norm_type) == np.inf:
                return abs(values).max(-1) if norm_type > 0 else abs(values).min(-1)
            return (values**norm_type).sum(-1) ** (1 / norm_type)

        return _reduced(input, _windows(input, n, **options), norm)

    return formula


def _adaptive(n: int, reduce: Callable[[Any, int], Any]) -> Callable[..., Any]:
    return lambda input, output_size: _reduced(input, _covering(input, n, output_size), reduce)


def _max_unpool(n: int) -> Callable[..., Any]:
    def formula(
        input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
    ) -> Any:
        stride = kernel_size if stride is None else stride
        each = zip(input.shape[-n:], *(_per_axis(v, n) for v in (kernel_size, stride, padding)), strict=True)
        space = output_size or tuple((i - 1) * s - 2 * p + k for i, k, s, p in each)
        y = np.zeros((*input.shape[:-n], int(np.prod(space))))
        for place in np.ndindex(input.shape):
            at = (*place[:-n], indices[place])
            y[at] = input[place]
        return y.reshape(*input.shape[:-n], *space)

    return formula


def _places(n: int, kernel: int) -> Draw:
    """A place for each value, in the window that it came from."""

    def make(rng: np.random.Generator, shape: Shape) -> Any:
        grid = np.indices(shape)[-n:]
        inside = [kernel * at + rng.integers(0, kernel, shape) for at in grid]
        space = tuple(kernel * size for size in shape[-n:])
        return np.ravel_multi_index(tuple(inside), space)

    return Draw(make, per_sample=True)


_SMALL: dict[int, tuple[Shape, ...]] = {
    1: ((2, 7), (2, 3, 9)),
    2: ((2, 6, 7), (2, 3, 7, 6)),
    3: ((2, 4, 5, 6), (2, 2, 5, 4, 6)),
}
_BATCH: dict[int, Shape] = {1: (64, 12, 50), 2: (64, 3, 10, 12), 3: (32, 3, 6, 5, 7)}
_LARGE: dict[int, tuple[Shape, ...]] = {
    1: ((5, 70, 1000), (1, 3, 40_001)),
    2: ((3, 66, 40, 37), (2, 3, 300, 201)),
    3: ((2, 35, 9, 20, 33), (1, 2, 33, 50, 40)),
}
_BENCH: dict[int, tuple[Shape, ...]] = {1: ((32, 64, 1000),), 2: ((128, 64, 32, 32),), 3: ((8, 16, 16, 32, 32),)}

_KERNEL = Wrong("expected kernel_size of at least 1, got 0", {"kernel_size": 0})
_REFUSED = (
    _KERNEL,
    Wrong("expected stride of at least 1, got 0", {"stride": 0}),
    Wrong(r"expected windows of \(50", {"kernel_size": 50}),
    Wrong("expected kernel_size of 1 or", {"kernel_size": (2, 2, 2, 2)}),
    Wrong("expected kernel_size to be an integer, got float", {"kernel_size": 2.0}, error=TypeError),
    Wrong("expected an input of", {}, (3,)),
)
_PADDED = (*_REFUSED, Wrong("expected padding of at most half of kernel_size", {"padding": 2}))

_FIELDS = """.work = work, .slots = 1, .outer = outer, .inner = inner,
                .d = 1, .yd = 1, .ed = 1, .h = 7, .yh = 3, .kh = 3, .sh = 2, .eh = 1,
                .w = 9, .yw = 5, .kw = 3, .sw = 2, .pw = 1, .ew = 1"""
_MAX_CALLS = """
        EACH(inner, 1, 3, 64, 100)
        {
            const ptrdiff_t outer = 300 / inner + 1, m = outer * 7 * 9 * inner, q = outer * 3 * 5 * inner;
            FILL(x, m, -2, 2); FILL(dy, q, -2, 2);
            RUN(max_pool, .y = y, .x = x, {WINDOWS});
            RUN(max_pool_index, .index = targets, .x = x, {WINDOWS});
            RUN(max_pool_backward, .dx = z, .dy = dy, .x = x, {WINDOWS});
            ADD(y, q); ADD(z, m); add_bytes(targets, sizeof *targets * (size_t)q);
        }""".replace("{WINDOWS}", _FIELDS)
_MEAN_CALLS = """
        EACH(inner, 1, 3, 64, 100)
        {
            const ptrdiff_t outer = 300 / inner + 1, m = outer * 7 * 9 * inner, q = outer * 3 * 5 * inner;
            FILL(x, m, -2, 2); FILL(dy, q, -2, 2);
            RUN(avg_pool, .y = y, .x = x, {WINDOWS});
            RUN(avg_pool_backward, .dx = z, .dy = dy, {WINDOWS});
            ADD(y, q); ADD(z, m);
        }""".replace("{WINDOWS}", _FIELDS)


def _record(
    n: int,
    family: str,
    arguments: Options,
    variants: tuple[Options, ...],
    reference: Callable[..., Any],
    wrong: tuple[Wrong, ...],
    layer: tuple[str, tuple[Any, ...], Options],
    native: str,
    draw: Draw | None = None,
    **more: Any,
) -> Record:
    name, args, options = layer
    return Record(
        f"{family}{n}d",
        {"input": draw or normal(), **arguments},
        _SMALL[n],
        variants,
        reference=reference,
        torch=f"{family}{n}d",
        wrong=wrong,
        large=_LARGE[n],
        batch=_BATCH[n],
        layers=(LayerCall(f"{name}{n}d", args, options, (_SMALL[n][1],)),),
        bench=_BENCH[n],
        native=native,
        **more,
    )


def _of_dimensions(n: int) -> list[Record]:
    uneven = (2, 3, 2)[-n:]
    sizes = (3, None, 2)[-n:]
    divisors: tuple[Options, ...] = ({"divisor_override": -3},) if n > 1 else ()
    adaptive: tuple[Wrong, ...] = (
        Wrong("expected output_size of .* numbers, got 4", {"output_size": (1, 2, 3, 4)}),
        Wrong("expected output_size of at least 0, got -1", {"output_size": -1}),
        Wrong("expected output_size to be an integer", {"output_size": 2.5}, error=TypeError),
        Wrong("expected an input of", {}, (3,)),
    )
    return [
        _record(
            n,
            "max_pool",
            {"kernel_size": 2},
            (
                {},
                {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
                {"kernel_size": uneven, "stride": 1, "padding": (1,) * n, "dilation": 2},
            ),
            _max_pool(n),
            (*_PADDED, Wrong("expected dilation of at least 1, got 0", {"dilation": 0})),
            ("MaxPool", (3,), {"stride": 2, "padding": 1, "ceil_mode": True}),
            _MAX_CALLS if n == 2 else "max_pool2d",
        ),
        _record(
            n,
            "avg_pool",
            {"kernel_size": 2},
            (
                {},
                {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
                {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": False},
                {"kernel_size": uneven, "stride": 1, "padding": (1,) * n},
                *divisors,
            ),
            _avg_pool(n),
            _PADDED + ((Wrong("expected divisor_override other than 0", {"divisor_override": 0}),) if n > 1 else ()),
            ("AvgPool", (3, 2), {"padding": 1}),
            _MEAN_CALLS if n == 2 else "avg_pool2d",
        ),
        _record(
            n,
            "lp_pool",
            {"norm_type": 2.0, "kernel_size": 2},
            ({}, {"norm_type": 3.0, "kernel_size": 3, "stride": 1}, {"norm_type": 1.5, "stride": uneven}),
            _lp_pool(n),
            (*_REFUSED, Wrong("expected norm_type other than 0", {"norm_type": 0.0})),
            ("LPPool", (2, 3), {"stride": 2}),
            "avg_pool2d",
            uniform(0.1, 2),
        ),
        _record(
            n,
            "adaptive_avg_pool",
            {"output_size": 3},
            ({}, {"output_size": 1}, {"output_size": sizes}, {"output_size": 7}),
            _adaptive(n, lambda values, count: values.mean(-1)),
            adaptive,
            ("AdaptiveAvgPool", (sizes,), {}),
            "avg_pool2d",
        ),
        _record(
            n,
            "adaptive_max_pool",
            {"output_size": 3},
            ({}, {"output_size": 1}, {"output_size": sizes}, {"output_size": 7}),
            _adaptive(n, _largest),
            adaptive,
            ("AdaptiveMaxPool", (sizes,), {}),
            "max_pool2d",
        ),
        Record(
            f"max_unpool{n}d",
            {"input": normal(), "indices": _places(n, 2), "kernel_size": 2},
            _SMALL[n],
            (
                {},
                {"stride": 2, "output_size": lambda shape: tuple(2 * size + 1 for size in shape[-n:])},
            ),
            reference=_max_unpool(n),
            torch=f"max_unpool{n}d",
            wrong=(
                Wrong("expected indices of the input's shape", {"indices": np.zeros((3,), np.int64)}),
                Wrong("expected indices from -1", {"indices": lambda shape: np.full(shape, 10**6)}),
                Wrong("expected output_size nearer to", {"output_size": (99,) * n}),
                Wrong("expected indices of dtype int64, got float64", {"indices": np.zeros(3)}, error=TypeError),
                _KERNEL,
            ),
            large=_LARGE[n],
            batch=_BATCH[n],
            bench=_BENCH[n],
            native=NO_KERNEL,
        ),
    ]


RECORDS = [record for n in (1, 2, 3) for record in _of_dimensions(n)]
