"""Recurrent layers as ONNX defines them: gate orders, activations by name, clipping, lengths."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import functional
from ..._check import Array
from ...functional._recurrent import recurrent
from ._elementwise import in_float32
from ._matrix import matmul
from ._quantized import Weight
from ._table import NOTHING, Kept, operator

# name -> function of (x, alpha, beta), and the defaults of alpha and beta
ACTIVATIONS: dict[str, tuple[Callable[[Any, float, float], Any], float, float]] = {
    "sigmoid": (lambda x, a, b: functional.sigmoid(x), 0, 0),
    "tanh": (lambda x, a, b: functional.tanh(x), 0, 0),
    "relu": (lambda x, a, b: functional.relu(x), 0, 0),
    "affine": (lambda x, a, b: a * x + b, 1, 0),
    "leakyrelu": (lambda x, a, b: functional.leaky_relu(x, a), 0.01, 0),
    "thresholdedrelu": (lambda x, a, b: np.where(x > a, x, 0).astype(x.dtype), 1, 0),
    "scaledtanh": (lambda x, a, b: a * functional.tanh(b * x), 1, 1),
    "hardsigmoid": (lambda x, a, b: np.clip(a * x + b, 0, 1).astype(x.dtype), 0.2, 0.5),
    "elu": (lambda x, a, b: functional.elu(x, a), 1, 0),
    "softsign": (lambda x, a, b: functional.softsign(x), 0, 0),
    "softplus": (lambda x, a, b: functional.softplus(x), 0, 0),
}
# per operator: the ONNX index of each gate of fastnn; the activations that kernels have
ORDERS = {"LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2), "RNN": (0,)}
PLAIN = {"LSTM": ["sigmoid", "tanh", "tanh"], "GRU": ["sigmoid", "tanh"], "RNN": ["tanh"]}


def arranged(array: Array, kind: str) -> Array:
    """Put the gates of a weight's or bias' first axis into fastnn's order."""
    parts = np.split(array, len(ORDERS[kind]))
    return np.concatenate([parts[i] for i in ORDERS[kind]])


class _Gates:
    """The gates' activations in one direction; their inputs are limited to [-clip, clip].

    names : those of the functions, in lower case, or [] if their inputs are limited
    """

    def __init__(self, names: list[str], alphas: list[float], betas: list[float], clip: float | None):
        self._calls = []
        for name in names:
            if name.lower() not in ACTIVATIONS:
                raise NotImplementedError(f"activation {name!r}")
            function, alpha, beta = ACTIVATIONS[name.lower()]
            takes_alpha = name.lower() in ("affine", "leakyrelu", "thresholdedrelu", "scaledtanh", "hardsigmoid", "elu")
            takes_beta = name.lower() in ("affine", "scaledtanh", "hardsigmoid")
            alpha = alphas.pop(0) if takes_alpha and alphas else alpha
            beta = betas.pop(0) if takes_beta and betas else beta
            self._calls.append((function, alpha, beta))
        self._clip = clip
        self.names = [name.lower() for name in names] if clip is None else []

    def __call__(self, number: int, x: Array) -> Any:
        function, alpha, beta = self._calls[number]
        return function(x if self._clip is None else np.clip(x, -self._clip, self._clip), alpha, beta)


class _Layer:
    """What RNN, LSTM and GRU share: directions, layout, lengths, initial states.

    `step(gates, input times weight, states, direction)` returns the new states; the first is the output.
    """

    def __init__(
        self,
        x: Array,
        r: Array,
        lengths: Array | None,
        states: list[Array | None],
        names: list[str],
        attributes: dict[str, Any],
    ):
        self.layout = attributes["layout"]
        self.x = np.swapaxes(x, 0, 1) if self.layout else x
        self.directions, self.width = r.shape[0], r.shape[2]
        direction = attributes["direction"]
        if (direction == "bidirectional") != (self.directions == 2):
            raise ValueError(f"direction {direction!r} with weights of {self.directions} directions")
        self.reverse = [direction == "reverse", True][: self.directions] if self.directions == 1 else [False, True]
        count = self.x.shape[1]
        self.lengths = np.full(count, len(self.x)) if lengths is None else np.asarray(lengths, np.int64)
        if self.lengths.size and (self.lengths.min() < 0 or self.lengths.max() > len(self.x)):
            raise ValueError(f"lengths from {self.lengths.min()} to {self.lengths.max()} in {len(self.x)} steps")
        zeros = np.zeros((self.directions, count, self.width), x.dtype)
        turned = [each if each is None or not self.layout else np.swapaxes(each, 0, 1) for each in states]
        self.states = [zeros if each is None else each for each in turned]
        each = len(names)
        activations = attributes["activations"] or names * self.directions
        alphas, betas = list(attributes["activation_alpha"] or ()), list(attributes["activation_beta"] or ())
        self.gates = [
            _Gates(activations[d * each : (d + 1) * each], alphas, betas, attributes["clip"])
            for d in range(self.directions)
        ]

    def run(self, times: Callable[..., Any], bias: Array | None, step: Callable[..., Any]) -> tuple[Array, ...]:
        """Return (Y, last states); each sample ends, or backwards begins, at its own last step.

        `times(rows, direction)` multiplies the inputs by that direction's weight.
        """
        time, count = self.x.shape[:2]
        y = np.zeros((time, self.directions, count, self.width), self.x.dtype)
        whole = bool((self.lengths == time).all())
        last = [np.array(np.broadcast_to(each, (self.directions, count, self.width))) for each in self.states]
        for d in range(self.directions):
            product = times(self.x.reshape(time * count, -1), d).reshape(time, count, -1)
            product = product if bias is None else product + bias[d]
            states = [each[d] for each in last]
            for t in range(time):
                if whole:
                    now = time - 1 - t if self.reverse[d] else t
                    states = step(self.gates[d], product[now], states, d)
                    y[now, d] = states[0]
                    continue
                place = np.where(self.lengths > t, self.lengths - 1 - t if self.reverse[d] else t, 0)
                alive = (self.lengths > t)[:, None]
                new = step(self.gates[d], product[place, np.arange(count)], states, d)
                states = [np.where(alive, one, old) for one, old in zip(new, states, strict=True)]
                y[place[alive[:, 0]], d, np.flatnonzero(alive)] = states[0][alive[:, 0]]
            for each, state in zip(last, states, strict=True):
                each[d] = state
        return self._laid(y, last)

    def _laid(self, y: Array, last: list[Array]) -> tuple[Array, ...]:
        if self.layout:
            return y.transpose(2, 0, 1, 3), *(np.swapaxes(each, 0, 1) for each in last)
        return y, *last

    def run_plain(self, kind: str, w: Array, r: Array, b: Array | None, kept: Kept) -> tuple[Array, ...] | None:
        """Return what `run` does, by the kernels of `functional.recurrent`, or None if they lack these activations."""
        names = self.gates[0].names
        relu = kind == "RNN" and names == ["relu"]
        same = all(each.names == names for each in self.gates) and (relu or names == PLAIN[kind])
        if not same or not self.x.size or not self.width or not self.lengths.max():
            return None
        cell = kind if kind != "RNN" else "RNN_RELU" if relu else "RNN_TANH"
        weights = kept("weights", {1: w, 2: r, 3: b}, lambda *given: _weights(kind, *given))
        (time, count), order = self.x.shape[:2], np.argsort(-self.lengths, kind="stable")
        alive = np.arange(self.lengths.max())[:, np.newaxis] < self.lengths[order]
        step, sequence = np.nonzero(alive)  # of each row: step by step, the longest sequence first
        rows = self.x[step, order[sequence]]
        y = np.zeros((time, self.directions, count, self.width), self.x.dtype)
        last = [np.array(np.broadcast_to(each, (self.directions, count, self.width))) for each in self.states]
        for d, own in enumerate(weights):
            first = [each[d][order] for each in last]
            made, *states = recurrent(
                rows, first[0], first[1] if kind == "LSTM" else None, *own,
                batch_sizes=alive.sum(1), kind=cell, reverse=self.reverse[d], name=kind,
            )  # fmt: skip
            y[step, d, order[sequence]] = made
            for each, state in zip(last, states, strict=True):
                each[d, order] = state
        return self._laid(y, last)


def _weights(kind: str, w: Array, r: Array, b: Array | None) -> list[list[Array]]:
    """Return weights and biases of each direction as `functional.recurrent` takes them."""
    both = np.zeros((len(w), 2 * w.shape[1]), w.dtype) if b is None else b
    return [[arranged(each, kind) for each in (w[d], r[d], *np.split(both[d], 2))] for d in range(len(w))]


def _bias(b: Array | None, kept: slice | None = None) -> Array | None:
    """Add both biases, (directions, gates * H) each; the recurrent one counts in `kept` alone."""
    if b is None:
        return None
    half = b.shape[1] // 2
    second = np.zeros_like(b[:, half:])
    kept = slice(None) if kept is None else kept
    second[:, kept] = b[:, half:][:, kept]
    return b[:, :half] + second


def _products(w: Array) -> Callable[..., Any]:
    """Return a function that multiplies rows by a direction's weight."""
    return lambda rows, d: matmul(rows, np.ascontiguousarray(w[d].T))


@operator("RNN")
@in_float32
def rnn(
    x: Array, w: Array, r: Array, b: Array | None = None, lengths: Array | None = None, h: Array | None = None, *,
    activation_alpha: Any = None, activation_beta: Any = None, activations: Any = None, clip: float | None = None,
    direction: str = "forward", hidden_size: int | None = None, layout: int = 0, output_sequence: int = 0,
    kept: Kept = NOTHING,
) -> Any:  # fmt: skip
    layer = _Layer(x, r, lengths, [h], ["Tanh"], locals())
    found = layer.run_plain("RNN", w, r, b, kept)
    if found is not None:
        return found

    def step(gates: _Gates, product: Array, states: list[Array], d: int) -> list[Array]:
        return [gates(0, product + matmul(states[0], r[d].T))]

    return layer.run(_products(w), _bias(b), step)


@operator("LSTM")
@in_float32
def lstm(
    x: Array, w: Array, r: Array, b: Array | None = None, lengths: Array | None = None, h: Array | None = None,
    c: Array | None = None, p: Array | None = None, *, activation_alpha: Any = None, activation_beta: Any = None,
    activations: Any = None, clip: float | None = None, direction: str = "forward", hidden_size: int | None = None,
    input_forget: int = 0, layout: int = 0, output_sequence: int = 0, kept: Kept = NOTHING,
) -> Any:  # fmt: skip
    """Run an LSTM; the order is input, output, forget, cell for gates and the same without cell for peepholes."""
    layer = _Layer(x, r, lengths, [h, c], ["Sigmoid", "Tanh", "Tanh"], locals())
    found = layer.run_plain("LSTM", w, r, b, kept) if p is None and not input_forget else None
    return _lstm(layer, _products(w), _products(r), _bias(b), p, input_forget) if found is None else found


def _lstm(
    layer: _Layer, times_w: Callable[..., Any], times_r: Callable[..., Any], bias: Array | None, p: Array | None,
    input_forget: int,
) -> Any:  # fmt: skip
    """Run an LSTM; `times_w` and `times_r` multiply by the two weights."""
    kind = layer.x.dtype.type

    def step(gates: _Gates, product: Array, states: list[Array], d: int) -> list[Array]:
        hidden, cell = states
        before = product + times_r(hidden, d)
        if gates.names == PLAIN["LSTM"] and p is None and not input_forget:
            units = cell.shape[1]
            after, g = functional.sigmoid(before), functional.tanh(np.ascontiguousarray(before[:, 3 * units :]))
            new = after[:, 2 * units : 3 * units] * cell + after[:, :units] * g
            return [after[:, units : 2 * units] * functional.tanh(new), new]
        i, o, f, g = np.split(before, 4, -1)
        pi, po, pf = np.zeros(3, kind) if p is None else np.split(p[d], 3)
        i = gates(0, i + pi * cell)
        f = kind(1) - i if input_forget else gates(0, f + pf * cell)
        new = f * cell + i * gates(1, g)
        return [gates(0, o + po * new) * gates(2, new), new]

    return layer.run(times_w, bias, step)


@operator("GRU")
@in_float32
def gru(
    x: Array, w: Array, r: Array, b: Array | None = None, lengths: Array | None = None, h: Array | None = None, *,
    activation_alpha: Any = None, activation_beta: Any = None, activations: Any = None, clip: float | None = None,
    direction: str = "forward", hidden_size: int | None = None, layout: int = 0, linear_before_reset: int = 0,
    output_sequence: int = 0, kept: Kept = NOTHING,
) -> Any:  # fmt: skip
    """Run a GRU with gates update, reset, hidden; `linear_before_reset` resets the state's product, not the state."""
    layer = _Layer(x, r, lengths, [h], ["Sigmoid", "Tanh"], locals())
    found = layer.run_plain("GRU", w, r, b, kept) if linear_before_reset else None
    if found is not None:
        return found
    width = layer.width
    late = np.zeros((layer.directions, width), x.dtype) if b is None else b[:, 5 * width :]

    def step(gates: _Gates, product: Array, states: list[Array], d: int) -> list[Array]:
        (hidden,) = states
        inner = matmul(hidden, r[d, : 2 * width].T)
        z = gates(0, product[:, :width] + inner[:, :width])
        reset = gates(0, product[:, width : 2 * width] + inner[:, width:])
        if linear_before_reset:
            new = gates(1, product[:, 2 * width :] + reset * (matmul(hidden, r[d, 2 * width :].T) + late[d]))
        else:
            new = gates(1, product[:, 2 * width :] + matmul(reset * hidden, r[d, 2 * width :].T) + late[d])
        return [(x.dtype.type(1) - z) * new + z * hidden]

    return layer.run(_products(w), _bias(b, slice(0, 2 * width)), step)


class _Narrow:
    """An 8-bit weight (directions, k, columns); rows are quantized to 8 bits before the product with it."""

    def __init__(self, weight: Array, scale: Array, zero: Array):
        directions = len(weight)
        self._scale = scale.reshape(directions, -1).astype(np.float32)
        zeros = zero.reshape(directions, -1)
        self._weights = [Weight(each, own) for each, own in zip(weight, zeros, strict=True)]

    def __call__(self, rows: Array, d: int) -> Array:
        """Quantize all rows by one scale and zero point, then multiply."""
        low, high = rows.min(initial=0), rows.max(initial=0)
        scale = (high - low) / np.float32(255) if high > low else np.float32(1)
        zero = min(max(np.rint(-low / scale), np.float32(0)), np.float32(255))
        narrow = np.rint(rows / scale)
        np.maximum(narrow, -zero, out=narrow)
        np.minimum(narrow, np.float32(255) - zero, out=narrow)
        return self._weights[d](narrow).astype(np.float32, copy=False) * (scale * self._scale[d])


@operator("DynamicQuantizeLSTM", domain="com.microsoft")
def quantized_lstm(
    x: Array, w: Array, r: Array, b: Array | None, lengths: Array | None, h: Array | None, c: Array | None,
    p: Array | None, w_scale: Array, w_zero: Array, r_scale: Array, r_zero: Array, *, activation_alpha: Any = None,
    activation_beta: Any = None, activations: Any = None, clip: float | None = None, direction: str = "forward",
    hidden_size: int | None = None, input_forget: int = 0, kept: Kept = NOTHING,
) -> Any:  # fmt: skip
    """Run an LSTM with 8-bit weights; x is quantized as a whole, the hidden state at each step."""
    attributes = {**locals(), "layout": 0}
    times_w = kept("w", {1: w, 8: w_scale, 9: w_zero}, _Narrow)
    times_r = kept("r", {2: r, 10: r_scale, 11: r_zero}, _Narrow)
    layer = _Layer(x, np.swapaxes(r, 1, 2), lengths, [h, c], ["Sigmoid", "Tanh", "Tanh"], attributes)
    return _lstm(layer, times_w, times_r, _bias(b), p, input_forget)
