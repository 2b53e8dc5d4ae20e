"""Recurrent layers and cells of every kind, and their inputs."""

import math

import numpy as np
import pytest

import fastnn
from fastnn import nn

KINDS = {
    "tanh": (nn.RNN, {}),
    "relu": (nn.RNN, {"nonlinearity": "relu"}),
    "LSTM": (nn.LSTM, {}),
    "GRU": (nn.GRU, {}),
    "projected": (nn.LSTM, {"proj_size": 2}),
}

CELLS = {
    "tanh": (nn.RNNCell, {}),
    "relu": (nn.RNNCell, {"nonlinearity": "relu"}),
    "LSTM": (nn.LSTMCell, {}),
    "GRU": (nn.GRUCell, {}),
}

every_kind = pytest.mark.parametrize("kind", KINDS)


def made(kind, *sizes, dtype=np.float64, seed=0, **options):
    fastnn.manual_seed(seed)
    layer, given = KINDS[kind]
    return layer(*(sizes or (3, 4)), dtype=dtype, **given, **options)


def normal(*shape, seed=1, dtype=np.float64):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def flat(result):
    """(y, h) or (y, (h, c)) as a list."""
    y, states = result
    return [y, *(states if isinstance(states, tuple) else [states])]


def first_states(layer, n, seed=5):
    """Drawn, as `hx` takes them."""
    count, width = layer.num_layers * (1 + layer.bidirectional), layer.proj_size or layer.hidden_size
    h = normal(count, n, width, seed=seed)
    return (h, normal(count, n, layer.hidden_size, seed=seed + 1)) if isinstance(layer, nn.LSTM) else h


def wave(shape, a, b):
    return np.sin(a * np.arange(math.prod(shape)) + b).reshape(shape)


def checksum(values):
    flat = np.ravel(values)
    return float((flat * np.cos(0.37 * np.arange(flat.size))).sum())


def filled(layer):
    for k, parameter in enumerate(layer.parameters()):
        parameter.data[...] = 0.5 * wave(parameter.shape, 0.7, k)
    return layer
