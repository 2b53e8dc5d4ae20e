"""Recurrent layers and cells, put as functions of single arrays.

States and parameters, which stand in tuples and lists, are arguments of their own, and what comes back is one array, a
row for each sequence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn import functional
from fastnn._records._record import Draw, LayerCall, Options, Record, Wrong

GATES = {"rnn_tanh": 1, "rnn_relu": 1, "gru": 3, "lstm": 4}
UNITS = 4


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _formula(kind: str, x: Any, h: Any, c: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> tuple[Any, Any]:
    """One step."""
    zeros = np.zeros(len(w_ih))
    left = np.einsum("ni,gi->ng", x, w_ih) + (zeros if b_ih is None else b_ih)
    right = np.einsum("ni,gi->ng", h, w_hh) + (zeros if b_hh is None else b_hh)
    if kind == "lstm":
        i, f, g, o = np.split(left + right, 4, 1)
        c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
        return _sigmoid(o) * np.tanh(c), c
    if kind == "gru":
        (r, z, n), (ur, uz, un) = np.split(left, 3, 1), np.split(right, 3, 1)
        z = _sigmoid(z + uz)
        return (1 - z) * np.tanh(n + _sigmoid(r + ur) * un) + z * h, c
    return np.tanh(left + right) if kind == "rnn_tanh" else np.maximum(left + right, 0), c


# -- draws, for an input (N, in) or (N, T, in) -------------------------------------------------------------------------


def _state(units: int = UNITS, layers: int = 1) -> Draw:
    """One row for each sequence, of all layers and directions side by side."""
    return Draw(lambda rng, shape: rng.normal(size=(*shape[:-1][:1], layers * units)), per_sample=True)


def _matrix(rows: int, columns: int | None = None) -> Draw:
    return Draw(lambda rng, shape: rng.uniform(-0.7, 0.7, (rows, columns or shape[-1])))


def _vector(rows: int) -> Draw:
    return Draw(lambda rng, shape: rng.uniform(-0.7, 0.7, rows))


def _input() -> Draw:
    return Draw(lambda rng, shape: rng.normal(size=shape), per_sample=True)


def _weights(gates: int, units: int = UNITS) -> Options:
    rows = gates * units
    return {"w_ih": _matrix(rows), "w_hh": _matrix(rows, units), "b_ih": _vector(rows), "b_hh": _vector(rows)}


# -- cells -------------------------------------------------------------------------------------------------------------


def _lstm_cell(
    input: Any, h0: Any, c0: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None, *, module: Any = functional
) -> Any:
    parts = module.lstm_cell(input, (h0, c0), w_ih, w_hh, b_ih, b_hh)
    return np.concatenate(parts, -1) if module is functional else module.cat(parts, -1)


def _lstm_cell_backward(
    dy: Any, input: Any, h0: Any, c0: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None
) -> tuple[Any, ...]:
    array = np.asarray(dy)
    dh, dc = np.split(array, 2, -1) if array.ndim == np.ndim(input) else (array, array)
    dx, states, *others = functional.lstm_cell_backward(dh, dc, input, (h0, c0), w_ih, w_hh, b_ih, b_hh)
    return dx, *states, *others


def _torch_cell(kind: str) -> Callable[..., Any]:
    def call(*args: Any, **options: Any) -> Any:
        import torch

        return (
            _lstm_cell(*args, **options, module=torch)
            if kind == "lstm"
            else getattr(torch, f"{kind}_cell")(*args, **options)
        )

    return call


def _cell(kind: str) -> Record:
    lstm, gates = kind == "lstm", GATES[kind]
    states = {"h0": _state(), "c0": _state()} if lstm else {"hx": _state()}

    def reference(input: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None, **states: Any) -> Any:
        x, h, *c = (np.atleast_2d(each) for each in (input, *states.values()))
        h, cell = _formula(kind, x, h, c[0] if c else None, w_ih, w_hh, b_ih, b_hh)
        found = np.concatenate([h, cell], 1) if lstm else h
        return found if np.ndim(input) == 2 else found[0]

    return Record(
        kind + "_cell",
        {"input": _input(), **states, **_weights(gates)},
        ((0, 3), (1, 6), (5, 3)),
        ({}, {"b_ih": None, "b_hh": None}),
        reference=reference,
        gradients=("input", *states, "w_ih", "w_hh", "b_ih", "b_hh"),
        torch=_torch_cell(kind),
        bounds=(3e-6, 1e-13),
        wrong=(
            Wrong(r"expected w_ih of shape", {"w_ih": np.ones((gates * 4, 9))}),
            Wrong(r"expected h of hx of shape \(5, 4\), got \(5, 7\)", {next(iter(states)): np.ones((5, 7))}),
            Wrong("expected both biases or neither", {"b_hh": None}),
            Wrong(r"expected an input \(N, in\) or \(in,\), got shape \(2, 3, 4\)", {"input": np.ones((2, 3, 4))}),
        ),
        large=((700, 90),),
        batch=(64, 12),
        layers=() if kind == "rnn_relu" else (LayerCall({"rnn_tanh": "RNN"}.get(kind, kind.upper()) + "Cell", (5, 4)),),
        bench=((32, 64), (1, 64)),
        bench_with={name: _state(128) for name in states} | _weights(gates, 128),
        native="lstm",
        flat=(_lstm_cell, _lstm_cell_backward) if lstm else (),
    )


# -- layers ------------------------------------------------------------------------------------------------------------


def _layered(state: Any, count: int) -> Any:
    """(N, count * P) as (count, N, P); what is no such array stays."""
    array = np.asarray(state) if isinstance(state, list) else state
    if count < 1 or not hasattr(array, "ndim") or array.ndim != 2 or array.dtype.kind not in "fiu":
        return state
    n, width = array.shape
    return np.swapaxes(np.reshape(array, (n, count, width // count)), 0, 1)


def _side_by_side(y: Any, states: tuple[Any, ...]) -> Any:
    """(N, T * P + ...), of outputs (N, T, P) and states (count, N, P)."""
    n, steps, width = y.shape
    rows = [np.reshape(np.swapaxes(each, 0, 1), (n, each.shape[0] * each.shape[2])) for each in states]
    return np.concatenate([np.reshape(y, (n, steps * width)), *rows], 1)


def _flat_layer(kind: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The layer and its twin for a batch first, of one or two layers or directions."""
    names = ("w_ih", "w_hh", "b_ih", "b_hh")

    def arguments(given: Options, num_layers: int, bidirectional: bool) -> tuple[Any, ...]:
        count = num_layers * (1 + bidirectional)
        first, second = (
            [given[name + end] for name in names if given[name + end] is not None] for end in ("", "_more")
        )
        params = [*first, *second]
        states = tuple(_layered(given[name], count) for name in ("h0", "c0") if given[name] is not None)
        return given["input"], states if kind == "lstm" else states[0], params, given["b_ih"] is not None

    def call(
        input: Any, h0: Any, c0: Any = None, w_ih: Any = None, w_hh: Any = None, b_ih: Any = None, b_hh: Any = None,
        w_ih_more: Any = None, w_hh_more: Any = None, b_ih_more: Any = None, b_hh_more: Any = None,
        num_layers: int = 1, bidirectional: bool = False,
    ) -> Any:  # fmt: skip
        x, hx, params, biases = arguments(locals(), num_layers, bidirectional)
        y, *states = getattr(functional, kind)(
            x, hx, params, biases, num_layers, bidirectional=bidirectional, batch_first=True
        )
        return _side_by_side(y, tuple(states))

    def backward(
        dy: Any, input: Any, h0: Any, c0: Any = None,
        w_ih: Any = None, w_hh: Any = None, b_ih: Any = None, b_hh: Any = None,
        w_ih_more: Any = None, w_hh_more: Any = None, b_ih_more: Any = None, b_hh_more: Any = None,
        num_layers: int = 1, bidirectional: bool = False,
    ) -> tuple[Any, ...]:  # fmt: skip
        x, hx, params, biases = arguments(locals(), num_layers, bidirectional)
        count, units = num_layers * (1 + bidirectional), np.shape(w_hh)[1]
        n, steps, width = np.shape(input)[0], np.shape(input)[1], units * (1 + bidirectional)
        array = np.asarray(dy)
        last = 1 + (kind == "lstm")
        if array.shape == (n, steps * width + last * count * units):
            parts = np.split(array, np.cumsum([steps * width] + [count * units] * (last - 1)), 1)
            grads = [parts[0].reshape(n, steps, width), *(_layered(each, count) for each in parts[1:])]
        else:
            grads = [array] * (1 + last)
        dx, dhx, dparams = getattr(functional, kind + "_backward")(
            *grads, x, hx, params, biases, num_layers, bidirectional, True
        )
        states = [np.swapaxes(each, 0, 1).reshape(n, count * units) for each in (dhx if kind == "lstm" else (dhx,))]
        own = len(names) if biases else 2
        pad = [None] * (len(names) - own)
        second = [*dparams[own:], *pad] if count > 1 else [None] * len(names)
        return dx, *states, *([None] * (2 - len(states))), *dparams[:own], *pad, *second

    return call, backward


def _torch_layer(kind: str) -> Callable[..., Any]:
    def call(input: Any, num_layers: int = 1, bidirectional: bool = False, **given: Any) -> Any:
        import torch

        count, n = num_layers * (1 + bidirectional), len(input)
        params = [
            given[name + end]
            for end in ("", "_more")
            for name in ("w_ih", "w_hh", "b_ih", "b_hh")
            if given.get(name + end) is not None
        ]
        states = [
            given[name].reshape(n, count, given[name].shape[1] // count).swapaxes(0, 1)
            for name in ("h0", "c0")
            if name in given
        ]
        hx = states if kind == "lstm" else states[0]
        y, *last = getattr(torch, kind)(
            input, hx, params, given.get("b_ih") is not None, num_layers, 0.0, False, bidirectional, True
        )
        sizes = y.shape[1] * y.shape[2], *(each.shape[0] * each.shape[2] for each in last)
        rows = y, *(each.swapaxes(0, 1) for each in last)
        return torch.cat([each.reshape(n, size) for each, size in zip(rows, sizes, strict=True)], 1)

    return call


# every kind, there and back, sequences of three lengths
_NATIVE = """
    const int64_t sizes[] = {9, 9, 4, 1};
    const ptrdiff_t n = 9, rows = 23, size = 37;
    for (int kind = FNN_RNN_TANH; kind <= FNN_GRU; kind++)
        for (int option = 0; option < (kind == FNN_LSTM ? 4 : 2); option++)
        {
            const ptrdiff_t p = option & 2 ? 21 : size, width = fnn_gates(kind) * size;
            REAL *const w = x, *const w_hr = option & 2 ? x + 20000 : NULL, *const dys = x + 30000;
            REAL *const h = dy, *const c = kind == FNN_LSTM ? dy + 1000 : NULL, *const h0 = dy + 2000;
            REAL *const c0 = kind == FNN_LSTM ? dy + 3000 : NULL, *const gates = z, *const inner = z + 10000;
            REAL *const hidden = w_hr ? z + 20000 : NULL, *const dgates = a, *const dinner = a + 10000;
            REAL *const before = b, *const dout = w_hr ? b + 10000 : NULL;
            FILL(x, 40000, -0.3, 0.3), FILL(z, rows * width, -2, 2), FILL(dy, 4000, -1, 1);
            memcpy(h0, h, 1000 * sizeof(REAL));
            memcpy(dy + 3000, dy + 1000, 1000 * sizeof(REAL));
            RUN(recurrent, .y = y, .y_strides = {p, 1}, .h = h, .c = c, .gates = gates, .inner = inner,
                .hidden = hidden, .h0 = h, .c0 = c, .w_hh = w, .w_hr = w_hr, .b_hn = kind == FNN_GRU ? x + 39000 : NULL,
                .batch_sizes = sizes, .work = work, .kind = kind, .steps = 4, .rows = rows, .n = n, .size = size,
                .p = p, .reverse = option & 1);
            ADD(y, rows * p), ADD(h, n * p);
            RUN(recurrent_backward, .dgates = dgates, .dinner = dinner, .dh = h, .dc = c, .before = before,
                .dout = dout, .dy = dys, .dy_strides = {p, 1}, .y = y, .y_strides = {p, 1}, .h0 = h0, .c0 = c0,
                .gates = gates, .inner = inner, .w_hh = w, .w_hr = w_hr, .batch_sizes = sizes, .work = work,
                .kind = kind, .steps = 4, .rows = rows, .n = n, .size = size, .p = p, .reverse = option & 1);
            ADD(dgates, rows * width), ADD(h, n * p), ADD(before, rows * p);
        }
    /* the same in parts, with all options */
    for (int kind = FNN_RNN_TANH; kind <= FNN_GRU; kind += 1 + (kind == 0))
        for (int norm = 0; norm < 2; norm++)
        {
            const int lstm = kind == FNN_LSTM;
            const ptrdiff_t width = fnn_gates(kind) * size;
            REAL *const scale = x + 20000, *const gain = norm ? x + 21000 : NULL, *const seen = lstm ? x + 22000 : NULL;
            REAL *const shift = norm ? x + 23000 : NULL, *const own = norm && lstm ? x + 24000 : NULL;
            REAL *const c = lstm ? dy + 1000 : NULL, *const c0 = lstm ? dy + 3000 : NULL, *const before = b;
            REAL *const gates = z, *const entered = z + 5000, *const inner = kind == FNN_RNN_TANH ? NULL : z + 10000;
            REAL *const product = norm ? z + 15000 : NULL, *const dgates = a, *const dinner = a + 10000;
            REAL *const dnorm = norm ? a + 20000 : NULL, *const dscale = b + 10000;
            REAL *const dseen = lstm ? b + 20000 : NULL;
            FILL(x, 40000, -0.3, 0.3), FILL(z, rows * width, -2, 2), FILL(dy, 4000, -1, 1), FILL(b, 40000, 0, 0);
            memset(us, 0, sizeof us), memset(vs, 0, sizeof vs);
            RUN(gated, .y = y, .h = dy, .c = c, .gates = gates, .entered = entered, .inner = inner, .product = product,
                .w_hh = x, .b_hn = kind == FNN_GRU && !norm ? x + 39000 : NULL, .scale = scale, .peephole = seen,
                .gain = gain, .shift = shift, .gain_c = own, .shift_c = own, .batch_sizes = sizes, .work = work,
                .kind = kind, .steps = 4, .rows = rows, .n = n, .size = size, .p = size, .reverse = norm,
                .gate = FNN_ACT_sigmoid, .act = FNN_ACT_gelu, .gate_learns = 1,
                .act_learns = norm, .eps = 1e-5);
            ADD(y, rows * size), ADD(dy, n * size);
            RUN(gated_backward, .dgates = dgates, .dinner = dinner, .dh = dy, .dc = c, .before = before, .dnorm = dnorm,
                .dscale = dscale, .dpeephole = dseen, .dgain = norm ? us : NULL, .dshift = norm ? us + 10000 : NULL,
                .dgain_c = norm ? vs : NULL, .dshift_c = norm ? vs + 10000 : NULL, .dy = x + 30000, .y = y,
                .h0 = dy + 2000, .c0 = c0, .gates = gates, .entered = entered, .inner = inner, .product = product,
                .w_hh = x, .scale = scale, .peephole = seen, .gain = gain, .gain_c = own, .shift_c = own,
                .batch_sizes = sizes, .work = work, .kind = kind, .steps = 4, .rows = rows, .n = n, .size = size,
                .p = size, .reverse = norm, .gate = FNN_ACT_sigmoid, .act = FNN_ACT_gelu, .gate_learns = 1,
                .act_learns = norm, .eps = 1e-5);
            ADD(dgates, rows * width), ADD(dy, n * size), ADD(dscale, n * fnn_scales(kind) * size);
        }"""


def _layer(kind: str) -> Record:
    gates, lstm = GATES[kind], kind == "lstm"
    states = {"h0": _state(), **({"c0": _state()} if lstm else {})}
    more = {f"{name}_more": value for name, value in _weights(gates).items()}
    two_states = {name: _state(layers=2) for name in states}
    deep = {**two_states, **more, "w_ih_more": _matrix(gates * UNITS, UNITS), "num_layers": 2}
    both = {**two_states, **more, "bidirectional": True}
    call, backward = _flat_layer(kind)

    def reference(
        input: Any, h0: Any, c0: Any = None, num_layers: int = 1, bidirectional: bool = False, **given: Any
    ) -> Any:
        count = num_layers * (1 + bidirectional)
        first = [None if each is None else _layered(each, count) for each in (h0, c0)]
        x, outputs, last = np.swapaxes(input, 0, 1), [], []
        for i, end in enumerate(("", "_more")[:count]):
            h, c = (None if each is None else each[i] for each in first)
            steps = []
            for row in x[::-1] if bidirectional and i else x:
                h, c = _formula(kind, row, h, c, *(given.get(name + end) for name in ("w_ih", "w_hh", "b_ih", "b_hh")))
                steps.append(h)
            outputs.append(np.array(steps[::-1] if bidirectional and i else steps))
            last.append((h, c) if lstm else (h,))
            x = outputs[-1] if num_layers > 1 else x
        y = np.concatenate(outputs, 2) if bidirectional else outputs[-1]
        return _side_by_side(np.swapaxes(y, 0, 1), tuple(np.array(each) for each in zip(*last, strict=True)))

    return Record(
        kind,
        {"input": _input(), **states, **_weights(gates)},
        ((0, 2, 3), (3, 1, 5), (2, 4, 3)),
        ({}, {"b_ih": None, "b_hh": None}, deep, both),
        reference=reference,
        gradients=("input", "h0", *(["c0"] if lstm else []), *_weights(gates), *more),
        twin=("input", "h0", "c0", *_weights(gates), *more),
        torch=_torch_layer(kind),
        bounds=(5e-6, 1e-13),
        wrong=(
            Wrong(
                r"expected an input \(T, N, in\), \(N, T, in\) or \(T, in\), T > 0, got shape \(2, 0, 3\)",
                {},
                (2, 0, 3),
            ),
            Wrong(r"expected h of hx of shape \(1, 2, 4\), got \(1, 2, 5\)", {"h0": np.ones((2, 5))}),
            Wrong(
                r"expected \d params, w_ih, w_hh, b_ih, b_hh for each of 2 layers and directions, got 4",
                {"num_layers": 2, "h0": np.ones((2, 8))},
            ),
            Wrong("expected num_layers of at least 1", {"num_layers": 0, "h0": np.ones((2, 4))}),
        ),
        large=((40, 12, 50),),
        layers=(LayerCall({"rnn_tanh": "RNN"}.get(kind, kind.upper()), (5, 4)),) if kind != "rnn_relu" else (),
        bench=((32, 100, 64), (1, 1000, 40)),
        bench_with={name: _state(128) for name in states} | _weights(gates, 128),
        native=_NATIVE if lstm else "lstm",
        flat=(call, backward),
    )


RECORDS = [*map(_layer, GATES), *map(_cell, GATES)]
