"""The common part of recurrent layers and cells as functions, also for the layers of nn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import _check, _core, _dispatch, _shard
from .._check import Array
from ._dropout import dropout as drop
from ._recurrent import GATES, NAMES, Run, forward, gradients, recurrent

Direction = Sequence[Any]  # w_ih, w_hh, b_ih, b_hh, w_hr, None for those that are missing


def stacked(
    name: str,
    x: Any,
    states: list[Any],
    weights: Sequence[Sequence[Direction]],
    batch_sizes: Any,
    kind: str,
    dropout: float = 0.0,
    run: Callable[..., Any] = recurrent,
) -> tuple[Any, list[Any]]:
    """The outputs (rows, directions * P) and the last states of rows in the order of steps, through all layers.

    `states` are (layers * directions, N, *), h or h and c; `weights` has each layer's directions.
    """
    last: list[tuple[Any, ...]] = []
    for layer, directions in enumerate(weights):
        if layer and dropout:
            x = drop(x, dropout) if _shard.now.shard is None else _dropped(name, x, dropout, batch_sizes)
        outputs = []
        joined = _joint(x, states, directions) if run is recurrent and len(directions) > 1 else None
        for direction, own in enumerate(directions):
            h0, *c0 = (each[len(last)] for each in states)
            values = (x, h0, c0[0] if c0 else None, *own)
            options: dict[str, Any] = {
                "batch_sizes": batch_sizes,
                "kind": kind,
                "reverse": bool(direction),
                "name": name,
            }
            if joined is not None:
                options["out"] = np.split(joined, len(directions), 1)[direction]
            y, *found = run(*values, **options)
            outputs.append(y)
            last.append(tuple(found))
        x = joined if joined is not None else outputs[0] if len(outputs) == 1 else np.concatenate(outputs, 1)
    return x, [np.stack(each) for each in zip(*last, strict=True)]


def _dropped(name: str, x: Any, dropout: float, batch_sizes: Any) -> Any:
    """Dropout of rows in the order of steps; samples of a shard have the draws of their places in the whole batch."""
    sizes = np.asarray(batch_sizes)
    if (sizes != sizes[0]).any():
        _shard.refuse(name, "dropout between layers of sequences of several lengths")
    with _shard.sample_axis(1):
        return drop(x.reshape(len(sizes), -1, x.shape[1]), dropout).reshape(x.shape)


def _joint(x: Any, states: list[Any], directions: Sequence[Direction]) -> Array | None:
    """Memory for the joint outputs of both directions; None if calls are recorded or traced, or types differ."""
    arrays = [x, *states, *(each for own in directions for each in own if each is not None)]
    if _core.tracks(*arrays) or not all(isinstance(_core.value_of(each), np.ndarray) for each in arrays):
        return None
    types = {each.dtype for each in arrays}
    if len(types) > 1 or (dtype := types.pop()) not in _check.FLOATS[1:] or not dtype.isnative:
        return None
    return _core.empty((x.shape[0], len(directions) * states[0].shape[2]), dtype)


def first_states(
    name: str, kind: str, hx: Any, expected: Sequence[tuple[int, ...]], take: Callable[[str, Any], Any]
) -> list[Any]:
    """The states h, or h and c, of the shapes expected; `take` converts each from its letter and its value."""
    if kind == "LSTM":
        if not isinstance(hx, (tuple, list)) or len(hx) != 2:
            raise TypeError(f"{name}: expected hx to be a tuple (h, c), got {type(hx).__name__}")
    elif isinstance(hx, tuple):
        raise TypeError(f"{name}: expected hx to be one array, got a {type(hx).__name__}")
    states = []
    for letter, each, shape in zip("hc", hx if kind == "LSTM" else (hx,), expected, strict=False):
        state = take(letter, each)
        if state.shape != shape:
            raise ValueError(f"{name}: expected {letter} of hx of shape {shape}, got {state.shape}")
        states.append(state)
    return states


@_dispatch.differentiable
def recurrent_layers(
    input: Array,
    states: list[Array] | None,
    weights: Sequence[Sequence[Direction]],
    kind: str,
    batch_first: bool,
    name: str,
) -> tuple[Array, ...]:
    """Layers over whole sequences as one call of a graph: the output, and the last states, h or h and c.

    The input is (T, N, in), or (N, T, in) with `batch_first`; states, (layers * directions, N, *), are zeros for None;
    `weights` has each layer's directions.
    """
    x = np.swapaxes(input, 0, 1) if batch_first else input
    steps, n = x.shape[:2]
    if states is None:
        (_, w_hh, *_, w_hr), count = weights[0][0], len(weights) * len(weights[0])
        units = w_hh.shape[0] // GATES[kind]
        widths = [units if w_hr is None else len(w_hr), units][: 1 + (kind == "LSTM")]
        states = [np.zeros((count, n, width), x.dtype) for width in widths]
    rows, last = stacked(name, x.reshape(steps * n, x.shape[2]), states, weights, np.full(steps, n), kind)
    y = rows.reshape(steps, n, rows.shape[1])
    return (np.swapaxes(y, 0, 1) if batch_first else y, *last)


# -- a call's arguments -----------------------------------------------------------------------------------------------


class _Arguments:
    """A whole layer's arguments, checked: one dtype to compute in, rows step by step, weights by layer, direction."""

    def __init__(self, name: str, kind: str, input: Any, hx: Any, params: Any, options: dict[str, Any]):
        self.name, self.kind = name, kind
        self.both = bool(options["bidirectional"])
        self.layers = _check.count(name, "num_layers", options["num_layers"], low=1)
        self.batch_first = bool(options["batch_first"])
        if not isinstance(params, (tuple, list)):
            raise TypeError(f"{name}: expected params to be a list of arrays, got {type(params).__name__}")
        self.names = self._names(len(params), bool(options["has_biases"]))
        listed = [_taken(name, self.names[i % len(self.names)], each) for i, each in enumerate(params)]
        x = _taken(name, "input", input)
        if x.ndim not in (2, 3) or not x.shape[0 if x.ndim == 2 else int(self.batch_first)]:
            raise ValueError(f"{name}: expected an input (T, N, in), (N, T, in) or (T, in), T > 0, got shape {x.shape}")
        self.batched = x.ndim == 3
        self.weights = self._by_direction(listed)
        self.n = x.shape[int(not self.batch_first)] if self.batched else 1
        states = self._states(hx, x.dtype, listed)
        self.dtype = np.result_type(*(each.dtype for each in (x, *states, *listed))).newbyteorder("=")
        compute = np.result_type(self.dtype, np.float32)
        x, *states = (_cast(each, compute) for each in (x, *states))
        self.weights = [
            [[None if each is None else _cast(each, compute) for each in own] for own in layer]
            for layer in self.weights
        ]
        count, self.states = self.layers * (1 + self.both), states
        self.states = [each.reshape(count, self.n, each.shape[-1]) for each in states]
        self.x = np.swapaxes(x, 0, 1) if self.batched and self.batch_first else x
        self.steps = self.x.shape[0]
        self.rows = self.x.reshape(self.steps * self.n, x.shape[-1])
        self.batch_sizes = np.full(self.steps, self.n)

    def _names(self, given: int, biases: bool) -> tuple[str, ...]:
        """The names of a direction's parameters, from the number of all params."""
        count = self.layers * (1 + self.both)
        plain = ("w_ih", "w_hh", "b_ih", "b_hh") if biases else ("w_ih", "w_hh")
        names = (*plain, "w_hr") if self.kind == "LSTM" and given == count * (len(plain) + 1) else plain
        if given != count * len(names):
            raise ValueError(
                f"{self.name}: expected {count * len(plain)} params, {', '.join(plain)} for each of {count} layers and "
                f"directions, got {given}"
            )
        return names

    def _by_direction(self, params: list[Any]) -> list[list[list[Any]]]:
        """For each layer and direction its weights, None for those that are missing."""
        own = len(self.names)
        for i, each in enumerate(params):
            argument = self.names[i % own]
            if each.ndim != (1 if argument.startswith("b") else 2):
                raise ValueError(f"{self.name}: expected {argument} as params[{i}], got shape {each.shape}")
        named = [dict(zip(self.names, params[i : i + own], strict=True)) for i in range(0, len(params), own)]
        found = [[each.get(argument) for argument in NAMES[3:8]] for each in named]
        return [found[i : i + 1 + self.both] for i in range(0, len(found), 1 + self.both)]

    def _states(self, hx: Any, dtype: Any, params: list[Any]) -> list[Any]:
        count, own = self.layers * (1 + self.both), self.weights[0][0]
        units = own[1].shape[0] // GATES[self.kind]
        widths = [units if own[4] is None else own[4].shape[0], units][: 1 + (self.kind == "LSTM")]
        shapes = [(count, self.n, width) if self.batched else (count, width) for width in widths]
        if hx is None:
            return [np.zeros(shape, dtype) for shape in shapes]
        return first_states(
            self.name, self.kind, hx, shapes, lambda letter, each: _taken(self.name, f"{letter}0", each)
        )

    def results(self, rows: Any, states: list[Any]) -> tuple[Any, ...]:
        """The outputs and the last states in the layout of the input, and in the dtype of the result."""
        y = rows.reshape(self.steps, self.n, rows.shape[-1])
        if not self.batched:
            y, states = y.reshape(self.steps, rows.shape[-1]), [each[:, 0] for each in states]
        elif self.batch_first:
            y = np.swapaxes(y, 0, 1)
        return tuple(_cast(each, self.dtype) for each in (y, *states))


def _taken(name: str, argument: str, value: Any) -> Any:
    """A Tensor as it is, anything else as an array of floats."""
    return value if isinstance(value, _core.TensorBase) else _check.as_float(name, value, argument)


def _cast(value: Any, dtype: Any) -> Any:
    return value if value.dtype == dtype else value.astype(dtype)


def layer(name: str, kind: str, input: Any, hx: Any, params: Any, dropout: Any, **options: Any) -> tuple[Any, ...]:
    rate = _check.in_range(name, "dropout", dropout, 0, 1)
    given = _Arguments(name, kind, input, hx, params, options)
    return given.results(
        *stacked(name, given.rows, given.states, given.weights, given.batch_sizes, kind, rate * bool(options["train"]))
    )


# -- backward of whole layers -----------------------------------------------------------------------------------------


def layer_backward(
    name: str, kind: str, dys: dict[str, Any], input: Any, hx: Any, params: Any, **options: Any
) -> tuple[Any, ...]:
    for argument, each in (("input", input), ("hx", hx), ("params", params)):
        _dispatch.refuse_tracked(name, argument, each)
    given = _Arguments(name, kind, input, hx, params, options)
    runs: list[Run] = []

    def run(*values: Any, **options: Any) -> Any:
        results, saved = forward(values, **options)
        runs.append(saved)
        return results

    value = given.results(*stacked(name, given.rows, given.states, given.weights, given.batch_sizes, kind, run=run))
    dy, *dlast = _gradients_of(name, given, value, dys)
    width = 1 + given.both
    dfirst: list[list[Any]] = [[] for _ in dlast]
    dparams: list[Any] = []
    for layer in range(given.layers)[::-1]:
        own = runs[layer * width : (layer + 1) * width]
        found: list[list[Any]] = []
        for i, saved in enumerate(own):
            columns = slice(i * saved.y.shape[1], (i + 1) * saved.y.shape[1])
            back = (dy[:, columns], *(each[layer * width + i] for each in dlast))
            found.append(
                gradients(saved, back, tuple(each is not None for each in (0, 0, 0, *given.weights[layer][i])))
            )
        dy = found[0][0] if width == 1 else found[0][0] + found[1][0]
        for i, each in enumerate(dfirst):
            each[:0] = [own_found[1 + i] for own_found in found]
        dparams[:0] = [each for own_found in found for each in own_found[3:] if each is not None]
    states = [np.stack(each) for each in dfirst]
    dx, *dstates = given.results(dy, states)
    return dx, (tuple(dstates) if kind == "LSTM" else dstates[0]), [_cast(each, given.dtype) for each in dparams]


def _gradients_of(name: str, given: _Arguments, value: tuple[Any, ...], dys: dict[str, Any]) -> list[Any]:
    """The gradient dy as rows, and the last states' gradients; None stands for zeros."""
    found = []
    for (argument, dy), result in zip(dys.items(), value, strict=True):
        array = np.zeros(result.shape) if dy is None else _check.as_float(name, dy, argument)
        if array.shape != result.shape:
            raise ValueError(f"{name}: expected {argument} of shape {result.shape}, got {array.shape}")
        found.append(array.astype(given.rows.dtype, copy=False))
    dy, *states = found
    if given.batched and given.batch_first:
        dy = np.swapaxes(dy, 0, 1)
    count = given.layers * (1 + given.both)
    return [dy.reshape(len(given.rows), -1 if dy.size else value[0].shape[-1])] + [
        each.reshape(count, given.n, each.shape[-1]) for each in states
    ]


# -- cells ------------------------------------------------------------------------------------------------------------


def _step(name: str, kind: str, given: dict[str, Any], hx: Any, run: Callable[..., Any]) -> tuple[Any, ...]:
    """The states' shape, and the results of `run` for one step, a sequence of length 1 for each sample."""
    taken: dict[str, Any] = {
        each: None if value is None and each.startswith("b_") else _taken(name, each, value)
        for each, value in given.items()
    }
    x, w_hh = taken["input"], taken["w_hh"]
    if x.ndim not in (1, 2):
        raise ValueError(f"{name}: expected an input (N, in) or (in,), got shape {x.shape}")
    if w_hh.ndim != 2:
        raise ValueError(f"{name}: expected w_hh of 2 dimensions, got shape {w_hh.shape}")
    shape, n = (*x.shape[:-1], w_hh.shape[0] // GATES[kind]), x.shape[0] if x.ndim == 2 else 1
    states = first_states(
        name,
        kind,
        hx,
        [shape, shape],
        lambda letter, each: _taken(name, f"{letter}0" if kind == "LSTM" else "hx", each),
    )
    h0, *c0 = (each.reshape(n, shape[-1]) for each in states)
    values = (x.reshape(n, x.shape[-1]), h0, c0[0] if c0 else None, *(taken[each] for each in NAMES[3:7]), None)
    return shape, run(*values, batch_sizes=[n], kind=kind, name=name)


def cell(name: str, kind: str, hx: Any, **given: Any) -> Any:
    shape, (_, *found) = _step(name, kind, given, hx, recurrent)
    states = tuple(each.reshape(shape) for each in found)
    return states if kind == "LSTM" else states[0]


def cell_backward(name: str, kind: str, dys: dict[str, Any], hx: Any, **given: Any) -> tuple[Any, ...]:
    for argument, each in (*given.items(), ("hx", hx)):
        _dispatch.refuse_tracked(name, argument, each)
    shape, (_, run) = _step(name, kind, given, hx, lambda *values, **options: forward(values, reverse=False, **options))
    back = []
    for argument, dy in dys.items():
        array = np.zeros(shape) if dy is None else _check.as_float(name, dy, argument)
        if array.shape != shape:
            raise ValueError(f"{name}: expected {argument} of shape {shape}, got {array.shape}")
        back.append(array.reshape(run.h0.shape))
    found: list[Any] = gradients(run, (None, *back), (True,) * 8)
    dx, dh, dc, *dweights = found
    dstates = [each.reshape(shape) for each in (dh, dc) if each is not None]
    dhx = tuple(dstates) if kind == "LSTM" else dstates[0]
    return dx.reshape(np.shape(given["input"])), dhx, *dweights[:4]
