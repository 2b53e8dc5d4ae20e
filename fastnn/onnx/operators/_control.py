"""Control flow: nodes with inner graphs, which can read the outer graph's values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..._check import Array
from ._table import operator

Body = Callable[..., list[Any]]


def _truth(x: Any) -> bool:
    return bool(np.asarray(x).item(0))


def _stacked(parts: list[Array], axis: int = 0) -> Array:
    """Stack what a loop's iterations gave along a new axis; no iterations give an empty float32 array."""
    if not parts:
        return np.zeros(0, np.float32)
    shape = parts[0].shape
    if axis or not shape or any(each.shape != shape for each in parts):
        return np.stack(parts, axis)
    return np.concatenate(parts).reshape(len(parts), *shape)  # a third of stack's time for many small arrays


def _aligned(x: Any) -> Any:
    """Return x where plans can read it; a file's weights may begin at any byte."""
    return x.copy() if isinstance(x, np.ndarray) and not x.flags.aligned else x


@operator("If")
def either(condition: Array, *, then_branch: Body, else_branch: Body) -> Any:
    return tuple((then_branch if _truth(condition) else else_branch)())


@operator("Loop")
def loop(trips: Array | None, condition: Array | None, *state: Any, body: Body, outputs: int) -> Any:
    """Run the body up to `trips` times while the condition holds; return states and stacked outputs."""
    limit = None if trips is None else int(np.asarray(trips).reshape(-1)[0])
    going, true = condition is None or _truth(condition), np.array(True)
    values: Sequence[Any] = [_aligned(each) for each in state]
    end, turns = 1 + len(state), list[Any]()
    while going and (limit is None or len(turns) < limit):
        results = body(np.array(len(turns), np.int64), true, *values)
        going = condition is None or results[0] is true or _truth(results[0])
        values = results[1:end]
        turns.append(results)
    return (*values, *(_stacked([results[i] for results in turns]) for i in range(end, 1 + outputs)))


@operator("Scan", since=9)
def scan(
    *inputs: Array, body: Body, num_scan_inputs: int, scan_input_axes: Any = None, scan_input_directions: Any = None,
    scan_output_axes: Any = None, scan_output_directions: Any = None, outputs: int,
) -> Any:  # fmt: skip
    """Run the body on each slice of the last inputs; return the final states and the stacked outputs."""
    inputs = tuple(map(_aligned, inputs))
    states, scanned = list(inputs[: len(inputs) - num_scan_inputs]), inputs[len(inputs) - num_scan_inputs :]
    axes = scan_input_axes or [0] * num_scan_inputs
    turned = scan_input_directions or [0] * num_scan_inputs
    moved = [np.moveaxis(x, axis, 0)[:: -1 if back else 1] for x, axis, back in zip(scanned, axes, turned, strict=True)]
    count = len(states)
    turns = []
    for slices in zip(*moved, strict=True):
        results = body(*states, *map(np.asarray, slices))
        states = results[:count]
        turns.append(results)
    gathered = [[results[i] for results in turns] for i in range(count, outputs)]
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
    """Run Scan of opset 8, where the first axis of every input is the batch."""
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
