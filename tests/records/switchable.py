"""Switchable normalization: learned shares of instance, layer and batch statistics."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn._records._record import Draw, LayerCall, Record, Wrong, channels, normal


def _softmax(shares: Any) -> Any:
    e = np.exp(shares - shares.max())
    return e / e.sum()


def _switchable_norm(
    input: Any, running_mean: Any, running_var: Any, weight: Any, bias: Any, mean_weight: Any, var_weight: Any,
    training: bool, eps: float = 1e-5, using_bn: bool = True, unbiased: bool = True,
) -> Any:  # fmt: skip
    """As in the authors' program, from E[x^2] - E[x]^2 in long double."""
    x = input.astype(np.longdouble)
    n, c = x.shape[:2]
    lost = int(unbiased)
    if x.ndim == 2:
        parts = [(x.mean(1, keepdims=True), x.var(1, ddof=lost, keepdims=True))]
        batch = (x.mean(0, keepdims=True), x.var(0, ddof=lost, keepdims=True))
    else:
        flat = x.reshape(n, c, -1)
        mean, var = flat.mean(2), flat.var(2, ddof=lost)
        square = var + mean**2
        means = [mean.mean(axis, keepdims=True) for axis in (1, 0)]
        layer, batch = ((m, square.mean(axis, keepdims=True) - m**2) for m, axis in zip(means, (1, 0), strict=True))
        parts = [(mean, var), layer]
    if using_bn:
        parts.append(batch if running_mean is None else (running_mean.reshape(1, c), running_var.reshape(1, c)))
    mean = sum(w * m for w, (m, _) in zip(_softmax(mean_weight), parts, strict=True)) + np.zeros((n, c))
    var = sum(w * v for w, (_, v) in zip(_softmax(var_weight), parts, strict=True)) + np.zeros((n, c))
    each, channel = (n, c) + (1,) * (x.ndim - 2), (1, c) + (1,) * (x.ndim - 2)
    y = (x - mean.reshape(each)) / np.sqrt(var.reshape(each) + eps)
    y = y if weight is None else y * weight.reshape(channel)
    return (y if bias is None else y + bias.reshape(channel)).astype(np.float64)


def _shares(without: int = 0) -> Draw:
    """One value for each kind of statistics; (N, C) alone has no instances."""
    return Draw(lambda rng, shape: rng.normal(size=(2 if len(shape) == 2 else 3) - without))


RECORDS = [
    Record(
        "switchable_norm",
        {
            "input": normal(3, 2),
            "running_mean": None,
            "running_var": None,
            "weight": channels(0.3, 2),
            "bias": channels(),
            "mean_weight": _shares(),
            "var_weight": _shares(),
            "training": True,
        },
        ((6, 5), (4, 3, 7), (4, 3, 5, 2), (3, 4, 2, 3, 2)),
        (
            {},
            {"unbiased": False},
            {"using_bn": False, "mean_weight": _shares(1), "var_weight": _shares(1)},
            {"training": False, "running_mean": channels(), "running_var": channels(0.5, 2)},
        ),
        reference=_switchable_norm,
        gradients=("input", "weight", "bias", "mean_weight", "var_weight"),
        joins=lambda arguments: bool(arguments["training"]) and arguments.get("using_bn", True),
        bounds=(1e-5, 1e-12),
        wrong=(
            Wrong("expected more than", {}, (1, 3)),
            Wrong("expected weight of 3 values", {"weight": np.ones(9)}, (4, 3, 7)),
            Wrong("expected mean_weight of shape", {"mean_weight": np.ones(9)}),
        ),
        large=((9, 6, 50, 13), (3000, 70)),
        layers=(LayerCall("SwitchableNorm2d", (4,), {}, ((3, 4, 5, 2),)),),
        bench=((32, 64, 32, 32),),
        native="""
        EACH(s, 2, 17, 1000)
        {
            const ptrdiff_t c = 60, m = c * s;
            FILL(x, m, 1, 5); FILL(dy, m, -2, 2); FILL(a, c, -1, 1); FILL(b, c, -1, 1); FILL(z, c, -1, 1);
            for (ptrdiff_t i = 0; i < c; i++)
                us[i] = (double)a[i];
            RUN(channel_mix, .dx = y, .work = work, .dy = dy, .x = x, .mean = us, .scale = a, .slope = b, .shift = z,
                .c = c, .s = s);
            ADD(y, m);
        }""",
    ),
]
