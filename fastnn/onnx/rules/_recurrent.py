"""Rules of recurrent layers; weights are put from ONNX's gate order into fastnn's once, when recorded."""

from __future__ import annotations

import functools
import operator
from typing import Any

import numpy as np

from ...functional._recurrent import recurrent
from ..operators._recurrent import ORDERS, PLAIN, arranged
from ._table import floats, full, known, need, rule


def _sequences(
    kind: str, r: Any, x: Any, w: Any, u: Any, b: Any = None, lengths: Any = None, *states: Any,
    activations: Any = None, clip: Any = None, direction: str = "forward", layout: int = 0, input_forget: int = 0,
    linear_before_reset: int = 0, **attributes: Any,
) -> list[Any]:  # fmt: skip
    """Emit a call per direction; layout 0 returns y (T, directions, N, H) and last states (directions, N, H)."""
    floats(full(x), full(w), u, b, *states[:2])
    known(w, u, b, lengths)
    steps, n = (x.shape[1], x.shape[0]) if layout else x.shape[:2]
    names = [name.lower() for name in activations or PLAIN[kind] * len(w)]
    relu = kind == "RNN" and set(names) == {"relu"}
    need(relu or names == PLAIN[kind] * len(w))
    need(clip is None and not input_forget and linear_before_reset == (kind == "GRU"))
    cell = ("RNN_RELU" if relu else "RNN_TANH") if kind == "RNN" else kind
    need(states[2:] in ((), (None,)))
    need(lengths is None or set(lengths.tolist()) == {steps})
    need((direction == "bidirectional") == (len(w) == 2))
    units = u.shape[2]
    rows = r.emit(np.transpose, x, (1, 0, 2)) if layout else x
    rows = r.emit(np.reshape, rows, (steps * n, x.shape[2]))
    found = []
    for d in range(len(w)):
        ih, hh = (arranged(each[d], kind) for each in (w, u))
        own = np.zeros((2, len(ih)), w.dtype) if b is None else b[d].reshape(2, -1)
        biases = [arranged(each, kind) for each in own]
        given = [_state(r, each, d, n, units, layout, x.dtype) for each in (*states, None, None)[:2]]
        given[1] = given[1] if kind == "LSTM" else None
        found.append(
            r.emit(
                recurrent, rows, *given, ih, hh, *biases, None, batch_sizes=(n,) * steps,
                kind=cell, reverse=direction == "reverse" or d == 1,
                name=kind,
            )
        )  # fmt: skip
    y = _joined(r, [r.emit(np.reshape, each[0], (steps, 1, n, units)) for each in found], 1)
    last = [
        _joined(r, [r.emit(np.reshape, each[i], (1, n, units)) for each in found], 0) for i in range(1, len(found[0]))
    ]
    if not layout:
        return [y, *last]
    return [r.emit(np.transpose, y, (2, 0, 1, 3)), *(r.emit(np.transpose, each, (1, 0, 2)) for each in last)]


def _state(r: Any, given: Any, direction: int, n: int, units: int, layout: int, dtype: Any) -> Any:
    """Return the initial state (N, H) of a direction."""
    if given is None:
        return np.zeros((n, units), dtype)
    given = r.emit(np.transpose, given, (1, 0, 2)) if layout else given
    return r.emit(operator.getitem, given, direction)


def _joined(r: Any, parts: list[Any], axis: int) -> Any:
    return parts[0] if len(parts) == 1 else r.emit(np.concatenate, tuple(parts), axis)


for _kind in ORDERS:
    rule(_kind)(functools.partial(_sequences, _kind))
