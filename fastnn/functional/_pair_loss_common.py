"""What the losses of two arrays have in common: checked arguments, the kernels' forward and backward calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import _check, _core
from .._check import Array
from .._core import ops
from .._dispatch import derivative
from ._class_loss import REDUCTIONS


class PairLoss(NamedTuple):
    """A call's checked arguments: the row of losses.def, its parameter and weight for all or for each element."""

    name: str
    row: str
    x: Array
    t: Array
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    reduction: str
    divisor: float
    a: float = 0.0
    each: Array | None = None
    weight: Array | None = None


def checked_pair(
    name: str, row: str, input: Any, target: Any, reduction: str, a: float = 0.0, options: tuple[str, ...] = REDUCTIONS
) -> PairLoss:
    x, t = _check.as_float(name, input), _check.as_float(name, target, "target")
    _check.same_shape(name, "input", x, "target", t)
    _check.choice(name, "reduction", reduction, options)
    dtype = np.result_type(x, t)
    compute = np.result_type(dtype, np.float32)
    flat_x, flat_t = (_check.contiguous(each, compute).reshape(-1) for each in (x, t))
    return PairLoss(name, row, flat_x, flat_t, x.shape, dtype, reduction, float(x.size), a)


def broadcast_weight(pair: PairLoss, argument: str, value: Any) -> Array | None:
    """One value for each element."""
    if value is None:
        return None
    array = _check.as_float(pair.name, value, argument)
    try:
        full = np.broadcast_to(array, pair.shape)
    except ValueError:
        raise ValueError(
            f"{pair.name}: expected {argument} to broadcast to the input's shape {pair.shape}, got {array.shape}"
        ) from None
    return _check.contiguous(full, pair.x.dtype).reshape(-1)


def weighted(pair: PairLoss, weight: Any, *, mean_of_weights: bool) -> PairLoss:
    """The pair with a weight of the input's own shape."""
    if weight is None:
        return pair
    array = _check.as_float(pair.name, weight, "weight")
    if array.shape != pair.shape:
        raise ValueError(f"{pair.name}: expected weight of the input's shape {pair.shape}, got {array.shape}")
    full = _check.contiguous(array, pair.x.dtype).reshape(-1)
    divisor = float(full.sum(dtype=np.float64)) if mean_of_weights else pair.divisor
    return pair._replace(weight=full, divisor=divisor)


def forward(pair: PairLoss) -> Array:
    x = pair.x
    given = (x, pair.t, pair.each, pair.weight, _core.LOSSES[pair.row], x.size, pair.a)
    if pair.reduction == "none":
        losses = _core.empty_like(x)
        if x.size:
            ops.pair_loss(losses, *given)
        return _check.finish(losses.reshape(pair.shape), pair.dtype, None)
    total = 0.0
    if x.size:
        total = ops.pair_loss_sum(*given)
    with np.errstate(all="ignore"):
        loss = np.float64(total) / (1.0 if pair.reduction == "sum" else pair.divisor)
    return _check.finish(np.asarray(loss), pair.dtype, None)


def gradient(pair: PairLoss, dy: Any, *, of_target: bool = False, out: Array | None = None) -> Array:
    """Gradient with respect to the input, or to the target."""
    _check.check_out(pair.name, out, pair.shape, pair.dtype)
    dloss = _check.as_float(pair.name, dy, "dy")
    expected = pair.shape if pair.reduction == "none" else ()
    if dloss.shape != expected:
        raise ValueError(
            f"{pair.name}: expected dy of shape {expected} for reduction {pair.reduction!r}, got {dloss.shape}"
        )
    result = _core.empty_like(pair.x)
    if result.size:
        scale, each = 1.0, None
        if pair.reduction == "none":
            each = _check.contiguous(dloss, pair.x.dtype).reshape(-1)
        else:
            with np.errstate(all="ignore"):
                scale = float(np.float64(dloss) / (1.0 if pair.reduction == "sum" else pair.divisor))
        given = (pair.x, pair.t, pair.each, pair.weight, _core.LOSSES[pair.row], result.size)
        ops.pair_loss_backward(result, each, *given, of_target, pair.a, scale)
    return _check.finish(result.reshape(pair.shape), pair.dtype, out)


def checks(function: Callable[..., Array]) -> Callable[[Callable[..., PairLoss]], Callable[..., PairLoss]]:
    """Name the loss whose arguments the decorated function checks, and declare its derivative."""
    name = function.__name__

    def declare(checked: Callable[..., PairLoss]) -> Callable[..., PairLoss]:
        @derivative(function, "input", "target")
        def run(wanted: tuple[bool, bool], input: Any, target: Any, *args: Any, **options: Any) -> Any:
            pair = checked(name, input, target, *args, **options)
            return forward(pair), lambda dy: [
                gradient(pair, dy, of_target=bool(i)) if want else None for i, want in enumerate(wanted)
            ]

        return checked

    return declare
