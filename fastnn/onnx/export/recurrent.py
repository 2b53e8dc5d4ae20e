"""Recurrent layers, each a call of its module: ONNX has the whole layer as one operator."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import nn
from ...autograd import value_of
from ...graph import Call, Ref
from ._build import Builder, NotWritten, writer

# The blocks of the weights' rows in ONNX's order: its LSTM has the gates i, o, f, c, its GRU z, r, h.
ROWS = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2), "RNN": (0,)}
LAYERS = nn.RNN, nn.LSTM, nn.GRU
CELLS = nn.RNNCell, nn.LSTMCell, nn.GRUCell


class _Layer:
    """One layer of a module, both directions: its node."""

    def __init__(self, b: Builder, call: Any, suffixes: list[str]):
        self.b, self.module, self.path = b, call.function.module, call.function.path
        gates = self.module._gates
        if not gates.plain:
            raise NotWritten(f"gates that ONNX does not have ({gates.text.strip(', ')})")
        if getattr(self.module, "proj_size", 0):
            raise NotWritten(f"proj_size={self.module.proj_size}")
        self.family, self.suffixes = gates.family, suffixes
        self.activation = "Relu" if gates.kind == "RNN_RELU" else "Tanh"

    def _stacked(self, name: str, *parameters: str) -> str:
        """Parameters of all directions, with rows in ONNX's order."""
        rows = []
        for suffix in self.suffixes:
            arrays = [np.asarray(value_of(getattr(self.module, each + suffix))) for each in parameters]
            order = ROWS[self.family]
            parts = [np.concatenate([np.split(each, len(order))[i] for i in order]) for each in arrays]
            rows.append(np.concatenate(parts))
        stem = name + self.suffixes[0]
        name = f"{self.path}.{stem}" if self.path else stem
        self.b.constants[name] = np.stack(rows)
        return name

    def __call__(self, x: str, lengths: str, states: list[str]) -> list[str]:
        """Y (T, directions, N, H), Y_h and, of an LSTM, Y_c (directions, N, H)."""
        b = self.b
        options: dict[str, Any] = {}
        if self.family == "GRU":
            options = {"linear_before_reset": 1}
        if self.family == "RNN":
            options = {"activations": [self.activation] * len(self.suffixes)}
        if len(self.suffixes) > 1:
            options["direction"] = "bidirectional"
        weights = [self._stacked("W", "weight_ih"), self._stacked("R", "weight_hh")]
        bias = self._stacked("B", "bias_ih", "bias_hh") if self.module.bias else ""
        found: list[str] = b(
            self.family, x, *weights, bias, lengths, *states, outputs=3 if self.family == "LSTM" else 2,
            hidden_size=self.module.hidden_size, **options,
        )  # fmt: skip
        return found


def _given(b: Builder, call: Call, *names: str) -> list[Any]:
    """The arguments of these names, None where not given."""
    given = dict(zip(names, call.args, strict=False)) | call.kwargs
    return [given.get(name) for name in names]


def _states(b: Builder, hx: Any, dtype: Any) -> list[str]:
    several = isinstance(hx, (tuple, list)) and not isinstance(hx, Ref)
    return [] if hx is None else [b.value(each, dtype) for each in (hx if several else (hx,))]


@writer(*LAYERS)
def _layers(b: Builder, call: Any) -> Any:
    module = call.function.module
    input_, hx, lengths = _given(b, call, "input", "hx", "lengths")
    directions, dtype = 1 + module.bidirectional, module.weight_ih_l0.dtype
    x, shape = b.value(input_, dtype), b.dims(input_)
    single, first = len(shape) == 2, module.batch_first
    x = b.unsqueeze(x, 1) if single else b.transpose(x, (1, 0, 2)) if first else x
    states = _states(b, hx, dtype)
    states = [b.unsqueeze(each, 1) for each in states] if single else states
    count = b.value(lengths, np.int32)
    last: list[list[str]] = []
    for layer in range(module.num_layers):
        suffixes = module._suffixes(layer)
        begin, end = b.ints(layer * directions), b.ints((layer + 1) * directions)
        own = states if module.num_layers == 1 else [b("Slice", each, begin, end, b.ints(0)) for each in states]
        y, *after = _Layer(b, call, suffixes)(x, count, own)
        last.append(after)
        both = directions > 1  # to be concatenated
        x = b("Reshape", b.transpose(y, (0, 2, 1, 3)), b.ints(0, 0, -1)) if both else b.squeeze(y, 1)
    y = b.squeeze(x, 1) if single else b.transpose(x, (1, 0, 2)) if first else x
    joined = [parts[0] if len(parts) == 1 else b("Concat", *parts, axis=0) for parts in zip(*last, strict=True)]
    joined = [b.squeeze(each, 1) for each in joined] if single else joined
    return [y, joined if len(joined) > 1 else joined[0]]


@writer(*CELLS)
def _cell(b: Builder, call: Any) -> Any:
    module = call.function.module
    input_, hx = _given(b, call, "input", "hx")
    dtype, single = module.weight_ih.dtype, len(b.dims(input_)) == 1
    axes = (0, 1) if single else (0,)
    states = _states(b, hx, dtype)
    states = [b.unsqueeze(each, *axes) for each in states]
    _, *after = _Layer(b, call, [""])(b.unsqueeze(b.value(input_, dtype), *axes), "", states)
    after = [b.squeeze(each, *axes) for each in after]
    return after if len(after) > 1 else after[0]
