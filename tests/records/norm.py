"""Normalization: of channels over the batch, of each sample, to unit length."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn._records._record import Call, LayerCall, Options, Record, Shape, Wrong, channels, normal, trailing


def _normalized(x: Any, axes: tuple[int, ...], eps: float, centre: bool = True) -> Any:
    wide = x.astype(np.longdouble)
    middle = wide - wide.mean(axes, keepdims=True) if centre else wide
    return middle / np.sqrt((middle**2).mean(axes, keepdims=True) + eps)


def _affine(y: Any, weight: Any, bias: Any, shape: Shape) -> Any:
    y = y if weight is None else y * weight.reshape(shape)
    return (y if bias is None else y + bias.reshape(shape)).astype(np.float64)


def _of_channels(x: Any) -> Shape:
    return (1, -1) + (1,) * (x.ndim - 2)


def _batch_norm(
    input: Any, running_mean: Any, running_var: Any, weight: Any, bias: Any, training: bool, eps: float = 1e-5
) -> Any:
    shape = _of_channels(input)
    if training:
        y = _normalized(input, (0, *range(2, input.ndim)), eps)
    else:
        y = (input - running_mean.reshape(shape)) / np.sqrt(running_var.reshape(shape) + eps)
    return _affine(y, weight, bias, shape)


def _running(call: Call) -> Options:
    """The statistics of an evaluation, as `batch_norm_backward` takes them."""
    if call.arguments["training"]:
        return dict(zip(("mean", "rstd"), call.companion("_stats"), strict=True))
    mean, var = (call.arguments[name].astype(np.float64) for name in ("running_mean", "running_var"))
    return {"mean": mean, "rstd": 1 / np.sqrt(var + 1e-5)}


def _layer_norm(input: Any, normalized_shape: Shape, weight: Any, bias: Any, eps: float = 1e-5) -> Any:
    axes = tuple(range(-len(normalized_shape), 0))
    return _affine(_normalized(input, axes, eps), weight, bias, normalized_shape)


def _rms_norm(input: Any, normalized_shape: Shape, weight: Any, eps: float | None = None) -> Any:
    axes = tuple(range(-len(normalized_shape), 0))
    eps = float(np.finfo(input.dtype).eps) if eps is None else eps
    return _affine(_normalized(input, axes, eps, centre=False), weight, None, normalized_shape)


def _group_norm(input: Any, num_groups: int, weight: Any, bias: Any, eps: float = 1e-5) -> Any:
    rows = input.reshape(len(input), num_groups, -1)
    return _affine(_normalized(rows, (2,), eps).reshape(input.shape), weight, bias, _of_channels(input))


def _instance_norm(input: Any, weight: Any, bias: Any, eps: float = 1e-5) -> Any:
    return _affine(_normalized(input, tuple(range(2, input.ndim)), eps), weight, bias, _of_channels(input))


def _normalize(input: Any, p: float = 2.0, dim: Any = 1) -> Any:
    axes = dim if isinstance(dim, tuple) else (dim,)
    if abs(p) == np.inf:
        length = (np.max if p > 0 else np.min)(abs(input), axes, keepdims=True)
    else:
        length = (abs(input) ** p).sum(axes, keepdims=True) ** (1 / p)
    return input / np.maximum(length, 1e-12)


def _joins_samples(arguments: Options) -> bool:
    dims = arguments["dim"] if isinstance(arguments["dim"], tuple) else (arguments["dim"],)
    return any(dim % arguments["input"].ndim == 0 for dim in dims)


_PLAIN: Options = {"weight": None, "bias": None}
_LAST_TWO: Options = {
    "normalized_shape": lambda shape: shape[-2:],
    "weight": trailing(2),
}
_EPS = Wrong("expected eps above 0, got 0", {"eps": 0.0})
_CHANNELS = Wrong("expected an input of 2 or more dimensions", {}, (4,))

_GROUP_CALLS = """
        for (int i = 0; i < 6; i++)
        {
            const ptrdiff_t sizes[][3] = {{32, 64, 17}, {300, 70, 1}, {2, 3, 20000}}, *at = sizes[i / 2];
            const ptrdiff_t n = at[0], c = at[1], s = at[2], m = n * c * s;
            FILL(x, m, 1, 5); FILL(dy, m, -2, 2); FILL(a, c, -1, 1);
            RUN(group_norm, .y = y, .mean = us, .rstd = vs, .x = x, .gamma = a, .rows = n, .g = 1, .k = c, .s = s,
                .centre = i < 3, .eps = 1e-5);
            RUN(group_norm_backward, .dx = z, .dgamma = a, .dbeta = b, .work = work, .dy = dy, .x = x, .mean = us,
                .rstd = vs, .gamma = a, .rows = n, .g = 1, .k = c, .s = s, .centre = i < 3);
            ADD(y, m); ADD(z, m); ADD(a, c); ADD(b, c);
        }"""

RECORDS = [
    Record(
        "batch_norm",
        {
            "input": normal(3, 2),
            "running_mean": None,
            "running_var": None,
            "weight": channels(),
            "bias": channels(),
            "training": True,
        },
        ((6, 5), (5, 3, 2), (4, 3, 5, 2), (2, 3, 2, 2, 3)),
        (
            {},
            _PLAIN,
            {"bias": None},
            {"eps": 0.1},
            {"training": False, "running_mean": channels(), "running_var": channels(0.5, 2)},
        ),
        reference=_batch_norm,
        gradients=("input", "weight", "bias"),
        saved=_running,
        joins=lambda arguments: bool(arguments["training"]),
        torch="batch_norm",
        bounds=(1e-5, 1e-12),
        wrong=(
            Wrong("expected more than 1 value per channel when training", {}, (1, 3)),
            Wrong("expected running_mean and running_var when not training, got None", {"training": False}),
            Wrong("expected running_mean of shape", {"running_mean": np.zeros(9), "running_var": np.ones(9)}),
            _CHANNELS,
            _EPS,
        ),
        any_shape=lambda shape: {"running_mean": None, "running_var": None, "training": True},
        large=((32, 64, 17, 16), (3000, 70), (2, 3, 20_000)),
        layers=(
            LayerCall("BatchNorm1d", (4,), {}, ((6, 4),)),
            LayerCall("BatchNorm1d", (4,), {"momentum": None, "bias": False}, ((6, 4, 3),)),
            LayerCall("BatchNorm2d", (4,), {"affine": False}, ((3, 4, 5, 2),)),
            LayerCall("BatchNorm3d", (4,), {"track_running_stats": False}, ((3, 4, 2, 2, 3),)),
            LayerCall("BatchNorm3d", (4,), {"eps": 0.1, "momentum": 0.7}, ((3, 4, 2, 2, 3),)),
        ),
        bench=((32, 128), (128, 512), (256, 4096), (32, 64, 32, 32)),
        native="""
        for (int i = 0; i < 6; i++)
        {
            const ptrdiff_t sizes[][3] = {{32, 64, 17}, {300, 70, 1}, {2, 3, 20000}}, *at = sizes[i / 2];
            const ptrdiff_t n = at[0], c = at[1], s = at[2], m = n * c * s;
            const int last = i % 2 || s == 1;
            FILL(x, m, 1, 5); FILL(dy, m, -2, 2); FILL(a, c, -1, 1);
            RUN(batch_norm_stats, .mean = us, .var = vs, .work = work, .x = x, .n = n, .c = c, .s = s, .last = last);
            RUN(reciprocal_std, .rstd = ws, .var = vs, .n = c, .eps = 1e-5);
            ADD_DOUBLES(us, c); ADD_DOUBLES(vs, c); ADD_DOUBLES(ws, c);
            FILL(z, c, 0, 1); FILL(b, c, 0.5, 2);
            RUN(running_average, .running = z, .batch = us, .n = c, .momentum = 0.1, .factor = 1.5);
            RUN(batch_norm_eval, .y = y, .mean = us, .rstd = ws, .work = work, .x = x, .running_mean = z,
                .running_var = b, .gamma = a, .n = n, .c = c, .s = s, .last = last, .eps = 1e-5);
            ADD(z, c); ADD(y, m); ADD_DOUBLES(ws, c);
            RUN(batch_norm_train, .y = y, .mean = us, .rstd = ws, .running_mean = z, .running_var = b, .work = work,
                .x = x, .gamma = a, .n = n, .c = c, .s = s, .last = last, .eps = 1e-5, .momentum = 0.1);
            ADD(y, m); ADD(z, c); ADD(b, c);
            RUN(batch_norm_backward, .dx = z, .dgamma = y, .dbeta = b, .work = work, .dy = dy, .x = x, .mean = us,
                .rstd = ws, .gamma = a, .n = n, .c = c, .s = s, .last = last, .training = 1);
            ADD(z, m); ADD(y, c); ADD(b, c);
            double dot[70];
            RUN(batch_norm_sums, .sum = vs, .dot = dot, .work = work, .dy = dy, .x = x, .mean = us, .rstd = ws, .n = n,
                .c = c, .s = s, .last = last);
            RUN(batch_norm_dx, .dx = z, .work = work, .dy = dy, .x = x, .mean = us, .rstd = ws, .sum = vs, .dot = dot,
                .gamma = a, .n = n, .c = c, .s = s, .count = 3 * n * s, .last = last);
            ADD_DOUBLES(vs, c); ADD_DOUBLES(dot, c); ADD(z, m);
            RUN(batch_norm, .y = y, .work = work, .x = x, .mean = us, .rstd = ws, .gamma = a, .n = n, .c = c, .s = s,
                .last = last);
            ADD(y, m);
        }""",
    ),
    Record(
        "layer_norm",
        {
            "input": normal(3, 2),
            "normalized_shape": lambda shape: shape[-1:],
            "weight": trailing(1),
            "bias": trailing(1),
        },
        ((7,), (6, 5), (3, 4, 5), (2, 3, 4, 5)),
        ({}, _PLAIN, {"bias": None, "eps": 1e-3}, {**_LAST_TWO, "bias": trailing(2)}),
        reference=_layer_norm,
        gradients=("input", "weight", "bias"),
        torch="layer_norm",
        bounds=(1e-5, 1e-12),
        wrong=(
            Wrong(r"expected an input whose last dimensions are \(9,\)", {"normalized_shape": (9,)}),
            Wrong("expected weight of shape", {"weight": np.ones(9)}),
            Wrong("expected normalized_shape of at least one dimension", {"normalized_shape": ()}),
        ),
        any_shape=lambda shape: {"normalized_shape": shape[-1:]},
        large=((1500, 300), (9, 6, 50, 13), (7, 20_000)),
        layers=(
            LayerCall("LayerNorm", ((4, 5),), {"eps": 1e-3}, ((3, 4, 5),)),
            LayerCall("LayerNorm", (5,), {"bias": False}, ((3, 5),)),
        ),
        bench=((256, 512), (4096, 768)),
        native=_GROUP_CALLS,
    ),
    Record(
        "rms_norm",
        {"input": normal(3, 2), "normalized_shape": lambda shape: shape[-1:], "weight": trailing(1)},
        ((7,), (6, 5), (3, 4, 5), (2, 3, 4, 5)),
        ({}, {"weight": None, "eps": 1e-3}, _LAST_TWO),
        reference=_rms_norm,
        gradients=("input", "weight"),
        torch="rms_norm",
        bounds=(1e-5, 1e-12),
        wrong=(
            Wrong(r"expected an input whose last dimensions are \(9,\)", {"normalized_shape": (9,)}),
            Wrong("expected weight of shape", {"weight": np.ones(9)}),
        ),
        any_shape=lambda shape: {"normalized_shape": shape[-1:]},
        large=((1500, 300), (7, 20_000)),
        layers=(LayerCall("RMSNorm", (5,), {}, ((3, 5),)),),
        bench=((4096, 768),),
        native="layer_norm",
    ),
    Record(
        "group_norm",
        {"input": normal(3, 2), "num_groups": 3, "weight": channels(), "bias": channels()},
        ((3, 6), (3, 6, 4), (2, 6, 3, 5), (2, 6, 2, 2, 3)),
        ({}, _PLAIN, {"num_groups": 2, "bias": None}, {"num_groups": 1, "eps": 0.1}),
        reference=_group_norm,
        gradients=("input", "weight", "bias"),
        torch="group_norm",
        bounds=(1e-5, 1e-12),
        wrong=(
            Wrong("expected channels divisible by num_groups 4, got 6", {"num_groups": 4}),
            Wrong("expected more than 1 value per group", {"num_groups": 6}, (1, 6)),
            _CHANNELS,
        ),
        any_shape=lambda shape: {"num_groups": shape[1] if len(shape) > 1 and shape[1] else 1},
        large=((9, 6, 50, 13), (2, 6, 20_000)),
        layers=(LayerCall("GroupNorm", (2, 4), {}, ((3, 4, 5),)),),
        bench=((32, 64, 32, 32),),
        bench_with={"num_groups": 8},
        native="layer_norm",
    ),
    Record(
        "instance_norm",
        {"input": normal(3, 2), "weight": channels(), "bias": channels()},
        ((3, 6, 4), (4, 3, 5, 2), (2, 3, 4, 5), (1, 3, 2, 3, 2)),
        ({}, _PLAIN, {"bias": None, "eps": 0.1}),
        reference=_instance_norm,
        gradients=("input", "weight", "bias"),
        torch="instance_norm",
        bounds=(1e-5, 1e-12),
        wrong=(
            Wrong("expected more than 1 spatial element", {}, (2, 4, 1)),
            Wrong("expected both running_mean and running_var", {"running_mean": np.zeros(6)}),
            Wrong("expected running_mean and running_var", {"use_input_stats": False}),
            _EPS,
        ),
        large=((9, 6, 50, 13), (2, 3, 20_000)),
        layers=(
            LayerCall("InstanceNorm1d", (4,), {"affine": True, "track_running_stats": True}, ((3, 4, 5),)),
            LayerCall("InstanceNorm2d", (4,), {}, ((4, 5, 3),)),
            LayerCall("InstanceNorm3d", (4,), {"affine": True, "momentum": 0.3}, ((2, 4, 3, 2, 2),)),
        ),
        bench=((32, 64, 32, 32),),
        native="layer_norm",
    ),
    Record(
        "normalize",
        {"input": normal(0, 3), "p": 2.0, "dim": 1},
        ((3, 4, 5), (2, 3, 4, 5)),
        ({}, {"dim": -1}, {"p": 1.0, "dim": 0}, {"p": 3.0, "dim": 2}, {"p": np.inf}, {"dim": (0, 1)}),
        reference=_normalize,
        joins=_joins_samples,
        torch="normalize",
        bounds=(1e-5, 1e-12),
        step=1e-5,
        wrong=(
            Wrong("expected dim in", {"dim": 9}, error=IndexError),
            Wrong("expected different dims", {"dim": (0, 0)}),
        ),
        any_shape=lambda shape: {"dim": -1},
        large=((1500, 300),),
        large_variants=({}, {"dim": 0}, {"p": 1.0}, {"dim": (0, 1)}),
        bench=((1024, 512),),
        native="""
        EACH(n, 1, 10, 33, 1000, 1317)
        {
            FILL(x, 37 * n, -9, 9); FILL(dy, 37 * n, -2, 2);
            RUN(unit_rows, .y = y, .x = x, .rows = 37, .n = n, .eps = 1e-12);
            RUN(unit_rows_backward, .dx = z, .dy = dy, .x = x, .rows = 37, .n = n, .eps = 1e-12);
            ADD(y, 37 * n); ADD(z, 37 * n);
        }""",
    ),
]
