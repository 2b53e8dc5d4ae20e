"""Reductions, indices of extremes, cumulative sums and products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..._check import Array
from ._elementwise import in_float32
from ._table import operator


def _axes(x: Array, given: Array | None, axes: Any, noop: int) -> tuple[int, ...]:
    over = given if given is not None else axes
    if over is None or len(over) == 0:
        return () if noop else tuple(range(x.ndim))
    return tuple(int(axis) for axis in over)


def _reduction(reduce: Callable[..., Any], before: Callable[[Any], Any], after: Callable[[Any], Any]) -> Any:
    @in_float32
    def reduced(
        x: Array, given: Array | None = None, *, axes: Any = None, keepdims: int = 1, noop_with_empty_axes: int = 0
    ) -> Any:
        over = _axes(x, given, axes, noop_with_empty_axes)
        with np.errstate(divide="ignore"):
            y = reduce(before(x), axis=over, keepdims=bool(keepdims)) if over or reduce is not np.mean else before(x)
            return np.asarray(after(y), x.dtype)

    return reduced


def _same(x: Any) -> Any:
    return x


def _of_nothing(ufunc: Callable[..., Any], above: bool) -> Callable[..., Any]:
    """Let the maximum of no elements be the type's least value, the minimum its greatest."""

    def reduce(x: Array, axis: Any, keepdims: bool) -> Any:
        if x.dtype.kind == "f":
            least: Any = -np.inf if above else np.inf
        elif x.dtype.kind == "b":
            least = not above
        else:
            least = np.iinfo(x.dtype).min if above else np.iinfo(x.dtype).max
        return ufunc(x, axis=axis, keepdims=keepdims, initial=least)

    return reduce


def _sum(x: Array, axis: Any, keepdims: bool) -> Any:
    return np.sum(x, axis=axis, keepdims=keepdims, dtype=x.dtype)


def _product(x: Array, axis: Any, keepdims: bool) -> Any:
    return np.prod(x, axis=axis, keepdims=keepdims, dtype=x.dtype)


def _log_sum_exp(x: Array, axis: Any, keepdims: bool) -> Any:
    wide = x.astype(np.float64)
    top = np.max(wide, axis=axis, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0)
    total = np.log(np.sum(np.exp(wide - top), axis=axis, keepdims=True)) + top
    return total if keepdims else np.squeeze(total, axis)


REDUCTIONS: dict[str, tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]] = {
    "ReduceSum": (_sum, _same, _same), "ReduceProd": (_product, _same, _same), "ReduceMean": (np.mean, _same, _same),
    "ReduceMax": (_of_nothing(np.max, True), _same, _same), "ReduceMin": (_of_nothing(np.min, False), _same, _same),
    "ReduceL1": (_sum, np.abs, _same), "ReduceL2": (_sum, np.square, np.sqrt),
    "ReduceSumSquare": (_sum, np.square, _same),
    "ReduceLogSum": (_sum, _same, np.log), "ReduceLogSumExp": (_log_sum_exp, _same, _same),
}  # fmt: skip
for name, parts in REDUCTIONS.items():
    operator(name)(_reduction(*parts))


def _place(find: Callable[..., Any]) -> Any:
    def place(x: Array, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Any:
        last = x.shape[axis] - 1
        found = last - find(np.flip(x, axis), axis=axis) if select_last_index else find(x, axis=axis)
        return (np.expand_dims(found, axis) if keepdims else np.asarray(found)).astype(np.int64)

    return place


operator("ArgMax")(_place(np.argmax))
operator("ArgMin")(_place(np.argmin))


def _cumulative(accumulate: Callable[..., Any], first: int) -> Any:
    @in_float32
    def running(x: Array, axis: Array, *, exclusive: int = 0, reverse: int = 0) -> Any:
        along = int(np.asarray(axis).reshape(-1)[0])
        x = np.flip(x, along) if reverse else x
        y = accumulate(x, axis=along, dtype=x.dtype)
        if exclusive:
            y = np.roll(y, 1, along)
            index: list[Any] = [slice(None)] * x.ndim
            index[along] = slice(0, 1)
            y[tuple(index)] = first
        return np.flip(y, along) if reverse else y

    return running


operator("CumSum")(_cumulative(np.cumsum, 0))
operator("CumProd")(_cumulative(np.cumprod, 1))
