"""Control flow: graphs inside nodes, which see the names around them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..._check import Array
from ._table import operator

Body = Callable[..., list[Any]]


def _truth(x: Any) -> bool:
    return bool(np.asarray(x).reshape(-1)[0])


def _stacked(parts: list[Array], axis: int = 0) -> Array:
    """What the turns of a loop gathered, along a new axis; of no turn nobody knows more than that it is empty."""
    return np.stack(parts, axis) if parts else np.zeros(0, np.float32)


@operator("If")
def either(condition: Array, *, then_branch: Body, else_branch: Body) -> Any:
    return tuple((then_branch if _truth(condition) else else_branch)())


@operator("Loop")
def loop(trips: Array | None, condition: Array | None, *state: Any, body: Body, outputs: int) -> Any:
    """While the trips last and the condition holds; what each turn adds is stacked, nothing is of no shape."""
    limit = None if trips is None else int(np.asarray(trips).reshape(-1)[0])
    going = condition is None or _truth(condition)
    gathered: list[list[Array]] = [[] for _ in range(outputs - len(state))]
    values, turn = list(state), 0
    while going and (limit is None or turn < limit):
        results = body(np.array(turn, np.int64), np.array(True), *values)
        going = _truth(results[0]) or condition is None
        values, more = results[1 : 1 + len(values)], results[1 + len(values) :]
        for each, one in zip(gathered, more, strict=False):
            each.append(one)
        turn += 1
    return (*values, *map(_stacked, gathered))


@operator("Scan", since=9)
def scan(
    *inputs: Array, body: Body, num_scan_inputs: int, scan_input_axes: Any = None, scan_input_directions: Any = None,
    scan_output_axes: Any = None, scan_output_directions: Any = None, outputs: int,
) -> Any:  # fmt: skip
    """The body for each slice of the last inputs, states handed on; its further results are stacked."""
    states, scanned = list(inputs[: len(inputs) - num_scan_inputs]), inputs[len(inputs) - num_scan_inputs :]
    axes = scan_input_axes or [0] * num_scan_inputs
    turned = scan_input_directions or [0] * num_scan_inputs
    moved = [np.moveaxis(x, axis, 0)[:: -1 if back else 1] for x, axis, back in zip(scanned, axes, turned, strict=True)]
    gathered: list[list[Array]] = [[] for _ in range(outputs - len(states))]
    for slices in zip(*moved, strict=True):
        results = body(*states, *slices)
        states, more = results[: len(states)], results[len(states) :]
        for each, one in zip(gathered, more, strict=False):
            each.append(one)
    out_axes = scan_output_axes or [0] * len(gathered)
    out_turned = scan_output_directions or [0] * len(gathered)
    stacked = [
        _stacked(each[::-1] if back else each, axis)
        for each, axis, back in zip(gathered, out_axes, out_turned, strict=False)
    ]
    return (*states, *stacked)


@operator("Scan", since=8)
def scan_batches(
    lengths: Array | None, *inputs: Array, body: Body, num_scan_inputs: int, directions: Any = None, outputs: int
) -> Any:
    """Opset 8: a batch leads every input."""
    if lengths is not None:
        raise NotImplementedError("Scan of opset 8 with sequence lengths")
    parts = [
        scan(
            *(x[i] for x in inputs),
            body=body,
            num_scan_inputs=num_scan_inputs,
            scan_input_directions=directions,
            outputs=outputs,
        )
        for i in range(inputs[0].shape[0])
    ]
    return tuple(np.stack(each) for each in zip(*parts, strict=True))
