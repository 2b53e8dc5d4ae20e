"""Networks of sequences for `fastnn train`: recurrent layers, and a transformer's encoder."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import nn
from ..autograd import value_of

HEADS = 4


def _steps(input: Any) -> tuple[Any, Any]:
    """The features (N, T, F), and the lengths: the last feature marks steps."""
    return input[:, :, :-1], (value_of(input)[:, :, -1] > 0).sum(1)


class Recurrent(nn.Module):
    """The last state of the last layer, and a linear layer on it."""

    def __init__(self, config: dict[str, Any]):
        super().__init__()
        sizes, layer = config["sizes"], {"lstm": nn.LSTM, "gru": nn.GRU}[config["kind"]]
        dropout = config["dropout"] if len(sizes) > 1 else 0.0
        self.rnn = layer(config["features"], sizes[0], len(sizes), batch_first=True, dropout=dropout)
        self.head = nn.Linear(sizes[-1], config["outputs"])

    def forward(self, input: Any) -> Any:
        """Scores (N, outputs)."""
        x, lengths = _steps(input)
        _, states = self.rnn(x, lengths=lengths)
        return self.head(states[0][-1] if isinstance(states, tuple) else states[-1])


class Transformer(nn.Module):
    """An encoder over steps with positions, the mean over steps, and a linear layer on it."""

    def __init__(self, config: dict[str, Any]):
        super().__init__()
        sizes = config["sizes"]
        self.enter = nn.Linear(config["features"], sizes[0])
        layer = nn.TransformerEncoderLayer(
            sizes[0], HEADS, 2 * sizes[0], config["dropout"], batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, len(sizes), enable_nested_tensor=False)
        self.head = nn.Linear(sizes[0], config["outputs"])

    def forward(self, input: Any) -> Any:
        """Scores (N, outputs)."""
        x, lengths = _steps(input)
        steps, width = x.shape[1], self.enter.weight.shape[0]
        padding = np.arange(steps) >= lengths[:, None]
        y = self.encoder(self.enter(x) + places(steps, width, self.enter.weight.dtype), src_key_padding_mask=padding)
        return self.head((y * ~padding[:, :, None]).sum(1) / np.asarray(lengths[:, None], y.dtype))


def places(steps: int, width: int, dtype: Any) -> Any:
    """Sines and cosines of each step's number (Vaswani et al. 2017)."""
    rates = np.exp(-math.log(10_000) * np.arange(0, width, 2) / width)
    angles = np.arange(steps)[:, None] * rates
    return np.concatenate([np.sin(angles), np.cos(angles)], 1)[:, :width].astype(dtype)


def make(config: dict[str, Any]) -> nn.Module:
    """The network of its settings."""
    return Transformer(config) if config["kind"] == "transformer" else Recurrent(config)


def check(config: dict[str, Any], arrays: Mapping[str, Any]) -> None:
    """Refuse sizes beyond the arrays' before memory is taken; loading compares all shapes later."""
    sizes, features, outputs, dropout = (config[name] for name in ("sizes", "features", "outputs", "dropout"))
    if not isinstance(sizes, list) or not sizes or len(set(sizes)) > 1:
        raise ValueError(f"expected layers of one size, got {sizes!r}")
    if not all(type(size) is int and size > 0 for size in (*sizes, features, outputs)):
        raise ValueError(f"expected sizes above 0, got {sizes!r}, {features!r} features and {outputs!r} outputs")
    if isinstance(dropout, bool) or not isinstance(dropout, (int, float)) or not 0 <= dropout < 1:
        raise ValueError(f"expected dropout in [0, 1), got {dropout!r}")
    if config["kind"] == "transformer" and sizes[0] % HEADS:
        raise ValueError(f"expected sizes that {HEADS} heads can share, got {sizes[0]}")
    needed, there = len(sizes) * sizes[0] ** 2 + sizes[0] * (features + outputs), sum(a.size for a in arrays.values())
    if needed > there:
        raise ValueError(f"sizes {sizes} take {needed:,} weights, but there are {there:,} numbers")
