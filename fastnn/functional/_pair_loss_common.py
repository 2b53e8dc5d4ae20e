"""The common part of losses of two arrays: checked arguments, the kernels' forward and backward calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import _check, _core, _shard
from .._check import Array
from .._core import ops
from .._dispatch import derivative
from ._layout import unbroadcast
from ._reduction import REDUCTIONS


class PairLoss(NamedTuple):
    """A call's checked arguments: the row of losses.def, its numbers a and b, arrays, weights.

    `each` holds a value of a for each element, or the third array of a loss of three.  `shapes` has a pair for each
    array that was broadcast: its shape, and that with leading 1s.  `plus` is added to each loss; a sum is divided by
    `fixed`.  Without `samples` every shard of a batch has the same arrays (see `sample_axis`).
    """

    name: str
    row: str
    x: Array
    t: Array
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    reduction: str
    divisor: float
    a: float = 0.0
    b: float = 0.0
    each: Array | None = None
    weight: Array | None = None
    shapes: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = ()
    plus: float = 0.0
    fixed: float = 1.0
    samples: bool = True


def checked_pair(
    name: str, row: str, input: Any, target: Any, reduction: str, a: float = 0.0, options: tuple[str, ...] = REDUCTIONS
) -> PairLoss:
    """Two arrays of one shape."""
    x, t = _check.as_float(name, input), _check.as_float(name, target, "target")
    _check.same_shape(name, "input", x, "target", t)
    _check.choice(name, "reduction", reduction, options)
    dtype = np.result_type(x, t)
    compute = np.result_type(dtype, np.float32)
    flat_x, flat_t = (_check.contiguous(each, compute).reshape(-1) for each in (x, t))
    samples = _shard.now.sample_axis is not None
    return PairLoss(name, row, flat_x, flat_t, x.shape, dtype, reduction, float(x.size), a, samples=samples)


def broadcast_pair(
    name: str, row: str, arrays: dict[str, Any], reduction: str, a: float = 0.0, b: float = 0.0
) -> PairLoss:
    """Two or three arrays, which are broadcast; the third one stands for a."""
    _check.choice(name, "reduction", reduction, REDUCTIONS)
    given, dtype = joint_type(name, arrays)
    shapes = tuple(each.shape for each in given)
    shape = broadcast_shape(name, tuple(arrays), shapes)
    compute = np.result_type(dtype, np.float32)
    x, t, *third = (_check.contiguous(np.broadcast_to(each, shape), compute).reshape(-1) for each in given)
    each = third[0] if third else None
    both = (*zip(shapes, shapes, strict=True),)
    samples = _shard.now.sample_axis is not None
    return PairLoss(name, row, x, t, shape, dtype, reduction, float(x.size), a, b, each, shapes=both, samples=samples)


def joint_type(name: str, arrays: dict[str, Any]) -> tuple[list[Array], np.dtype[Any]]:
    """The arrays as floats, and the dtype of what is computed from them.

    Integers, such as labels and counts, and Python's floats take the type of the arrays of floats beside them.
    """
    given = [_check.as_float(name, value, argument) for argument, value in arrays.items()]
    typed = [
        array.dtype
        for array, value in zip(given, arrays.values(), strict=True)
        if type(value) is not float and np.asarray(value).dtype.kind == "f"
    ]
    return given, np.result_type(*typed) if typed else np.dtype(np.float64)


def broadcast_shape(name: str, arguments: tuple[str, ...], shapes: tuple[tuple[int, ...], ...]) -> tuple[int, ...]:
    """The joint shape of arrays that are broadcast."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        words = ", ".join(arguments[:-1]) + f" and {arguments[-1]}"
        raise ValueError(
            f"{name}: expected {words} of shapes that broadcast, got {' and '.join(map(str, shapes))}"
        ) from None


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
    given = (x, pair.t, pair.each, pair.weight, _core.LOSSES[pair.row], x.size, pair.a, pair.b)
    if pair.reduction == "none":
        losses = _core.empty_like(x)
        if x.size:
            ops.pair_loss(losses, *given)
        if pair.plus:
            losses += losses.dtype.type(pair.plus)
        return _check.finish(losses.reshape(pair.shape), pair.dtype, None)
    total = 0.0
    if x.size:
        total = ops.pair_loss_sum(*given) + pair.plus * x.size
    with np.errstate(all="ignore"):
        total, divisor = _shard.loss_of(total, pair.divisor, pair.samples)
        loss = np.float64(total) / (pair.fixed if pair.reduction == "sum" else divisor)
    return _check.finish(np.asarray(loss), pair.dtype, None)


def gradient(pair: PairLoss, dy: Any, of: int = 0, out: Array | None = None) -> Array:
    """Gradient with respect to the input, the target or the third array, as `of` is 0, 1 or 2."""
    shape, aligned = pair.shapes[of] if pair.shapes else (pair.shape, pair.shape)
    _check.check_out(pair.name, out, shape, pair.dtype)
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
                scale = float(np.float64(dloss) / _divisor(pair))
        given = (pair.x, pair.t, pair.each, pair.weight, _core.LOSSES[pair.row], result.size)
        ops.pair_loss_backward(result, each, *given, of, pair.a, pair.b, scale)
    return _check.finish(unbroadcast(result.reshape(pair.shape), aligned).reshape(shape), pair.dtype, out)


def _divisor(pair: PairLoss) -> Any:
    return _shard.divisor_of(pair.reduction, pair.divisor, pair.fixed, pair.samples)


def gradients(pair: PairLoss, dy: Any, count: int) -> tuple[Array, ...]:
    """The gradients of the first `count` arrays."""
    return tuple(gradient(pair, dy, i) for i in range(count))


def checks(function: Callable[..., Array], *names: str) -> Callable[[Callable[..., PairLoss]], Callable[..., PairLoss]]:
    """Name the loss whose arguments the decorated function checks, and declare its derivative for those named."""
    name = function.__name__

    def declare(checked: Callable[..., PairLoss]) -> Callable[..., PairLoss]:
        def run(wanted: tuple[bool, ...], *args: Any, **options: Any) -> Any:
            pair = checked(name, *args, **options)
            return forward(pair), lambda dy: [gradient(pair, dy, i) if want else None for i, want in enumerate(wanted)]

        derivative(function, *names or ("input", "target"))(run)
        return checked

    return declare
