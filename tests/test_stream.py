"""Streams: a recurrent model step by step has the bits of the whole, keeps its states, refuses models that cannot be streamed."""

import hashlib

import numpy as np
import pytest
import scripts
from recurrence import every_kind, made, normal

import fastnn
from fastnn import _core, nn
from fastnn.graph._graph import leaves


class Tagger(nn.Module):
    """An output for each step of sequences of indices."""

    def __init__(self, layer=nn.LSTM, **options):
        super().__init__()
        self.embed = nn.Embedding(11, 6)
        self.rnn = layer(6, 8, batch_first=True, **options)
        self.head = nn.Linear(8, 3)

    def forward(self, input):
        y, _ = self.rnn(self.embed(input))
        return self.head(y)


class Reader(nn.Module):
    """One output for a sequence."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.head = nn.GRU(5, 7), nn.LSTM(7, 8), nn.Linear(8, 2)

    def forward(self, input):
        y, _ = self.second(self.first(input)[0])
        return fastnn.softmax(self.head(y[-1]), 1)


def digest(arrays):
    total = hashlib.sha256()
    for each in arrays:
        total.update(np.ascontiguousarray(each).tobytes())
    return total.hexdigest()


@every_kind
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("options", [{}, {"num_layers": 3}, {"bias": False, "batch_first": True}], ids=str)
def test_a_layer_has_the_bits_of_the_whole(kind, dtype, options):
    layer = made(kind, 5, 33, dtype=dtype, **options)
    for batch in (1, 6):
        x = normal(12, batch, 5, dtype=dtype)
        with fastnn.no_grad():
            y, states = layer(np.swapaxes(x, 0, 1) if layer.batch_first else x)
        stream = fastnn.freeze(layer).stream(batch)
        assert stream._program is not None
        got = [stream(each) for each in x]
        assert digest(got) == digest(np.swapaxes(y, 0, 1) if layer.batch_first else y)
        assert digest(leaves(stream.state)) == digest(leaves(states))
        assert got[0].shape == (batch, y.shape[2])
        assert got[0].dtype == dtype


def test_wide_layers_of_many_sequences_have_the_bits_of_the_whole():
    """Products of several blocks of depth; and more values than the second-level cache holds."""
    layer = made("LSTM", 40, 300, dtype=np.float32)
    for batch in (2, 300):
        x = normal(3, batch, 40, dtype=np.float32)
        stream = fastnn.freeze(layer).stream(batch)
        assert stream._program is not None
        with fastnn.no_grad():
            assert digest([stream(each) for each in x]) == digest(layer(x)[0])


@pytest.mark.parametrize("layer", [nn.RNN, nn.LSTM, nn.GRU])
def test_a_model_with_an_output_for_each_step(layer):
    model = Tagger(layer, num_layers=2)
    x = np.random.default_rng(0).integers(0, 11, (3, 9))
    with fastnn.no_grad():
        expected = model(x)
    stream = fastnn.freeze(model).stream(3)
    assert digest([stream(step) for step in x.T]) == digest(np.swapaxes(expected, 0, 1))
    assert set(stream.state) == {"rnn"}


def test_a_model_with_an_output_for_the_sequence_so_far():
    model, x = Reader(), normal(7, 2, 5, dtype=np.float32)
    stream = fastnn.freeze(model).stream(2)
    with fastnn.no_grad():
        for i, step in enumerate(x):
            np.testing.assert_array_equal(stream(step), model(x[: i + 1]))
    assert set(stream.state) == {"first", "second"}


def test_layers_with_other_gates():
    for options in (
        {"gates": "parametric_sigmoid", "peephole": True},
        {"layer_norm": True},
        {"activation": "softsign"},
    ):
        layer, x = nn.LSTM(5, 8, **options), normal(6, 2, 5, dtype=np.float32)
        stream = fastnn.freeze(layer).stream(2)
        with fastnn.no_grad():
            np.testing.assert_array_equal(np.array([stream(step) for step in x]), layer(x)[0])


@pytest.mark.parametrize("model", [nn.LSTM(5, 6, 2), nn.GRU(5, 6), Reader()], ids=lambda model: type(model).__name__)
def test_states(model):
    """Reset begins anew; a state that was taken is handed to another stream; a stream's own states are not given away."""
    frozen, x = fastnn.freeze(model), normal(8, 3, 5, dtype=np.float32)
    stream, other = frozen.stream(3), frozen.stream(3)
    expected = [stream(step) for step in x]
    stream.reset()
    np.testing.assert_array_equal([stream(step) for step in x[:4]], expected[:4])
    taken = stream.state
    other.state = taken
    for each in leaves(taken):
        each[...] = 7
    np.testing.assert_array_equal([stream(step) for step in x[4:]], expected[4:])
    np.testing.assert_array_equal([other(step) for step in x[4:]], expected[4:])


def test_a_stream_is_apart_from_its_model():
    model, x = nn.GRU(5, 6), normal(2, 1, 5, dtype=np.float32)
    stream = fastnn.freeze(model).stream()
    before = stream(x[0])
    model.weight_hh_l0.data[...] = 0
    stream.reset()
    np.testing.assert_array_equal(stream(x[0]), before)
    np.testing.assert_array_equal(fastnn.freeze(model).stream()(x[0].tolist()), model(x[:1])[0].data[0])


def test_inputs_of_other_types_and_layouts():
    layer, x = nn.LSTM(5, 6), normal(4, 2, 5, dtype=np.float32)
    expected = fastnn.freeze(layer).stream(2)(x[0])
    for given in (x[0].astype(np.float64), x[0].tolist(), np.asfortranarray(x[0]), np.repeat(x[0], 2, 1)[:, ::2]):
        np.testing.assert_array_equal(fastnn.freeze(layer).stream(2)(given), expected)


class Mean(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(5, 6)

    def forward(self, input):
        return self.rnn(input)[0].mean(0)


class Given(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(5, 6)

    def forward(self, input):
        return self.rnn(input, np.ones((1, input.shape[1], 6)))[0]


one = np.ones((1, 5), np.float32)
REFUSED = [
    (lambda: fastnn.freeze(nn.Linear(3, 4)).stream(), ValueError, "a layer RNN, LSTM or GRU, got a Linear"),
    (lambda: fastnn.freeze(nn.GRU(3, 4, bidirectional=True)).stream(), ValueError, "the GRU is bidirectional"),
    (lambda: fastnn.freeze(nn.GRU(3, 4)).stream(0), ValueError, "batch of at least 1, got 0"),
    (lambda: fastnn.freeze(Mean()).stream()(one), ValueError, "looks at several steps"),
    (lambda: fastnn.freeze(Given()).stream()(one), ValueError, "rnn GRU is given states or lengths by the model"),
    (lambda: fastnn.freeze(nn.GRU(5, 4)).stream(2)(one), ValueError, r"an input \(2, \*\), .* got shape \(1, 5\)"),
    (lambda: fastnn.freeze(nn.GRU(3, 4)).stream()(one), ValueError, "3 features"),
    (lambda: fastnn.freeze(nn.GRU(5, 4)).stream()(one[None]), ValueError, r"an input \(1, 5\), got \(1, 1, 5\)"),
    (lambda: fastnn.freeze(nn.GRU(5, 4)).stream()("x"), TypeError, "expected numbers"),
    (
        lambda: setattr(fastnn.freeze(nn.GRU(5, 4)).stream(), "state", np.ones(4)),
        ValueError,
        r"\(1, 1, 4\), got \(4,\)",
    ),
    (lambda: setattr(fastnn.freeze(nn.LSTM(5, 4)).stream(), "state", np.ones(4)), TypeError, r"a tuple \(h, c\)"),
    (lambda: setattr(fastnn.freeze(Reader()).stream(), "state", {}), ValueError, "a dict with first, second"),
]


@pytest.mark.parametrize(("call", "error", "text"), REFUSED, ids=[text for *_, text in REFUSED])
def test_refusals(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_a_call_that_raises_has_changed_nothing():
    stream = fastnn.freeze(Reader()).stream(2)
    x = normal(2, 2, 5, dtype=np.float32)
    stream(x[0])
    before = stream.state
    with pytest.raises(ValueError, match="features"):
        stream(np.ones((2, 4), np.float32))
    for a, b in zip(*(leaves(each) for each in (before, stream.state)), strict=True):
        np.testing.assert_array_equal(a, b)


BITS = """
import hashlib, numpy as np, fastnn
from fastnn import nn
digest = hashlib.sha256()
for layer in (nn.RNN, nn.LSTM, nn.GRU):
    fastnn.manual_seed(3)
    stream = fastnn.freeze(layer(40, 70, 2)).stream(5)
    for x in np.random.default_rng(0).normal(size=(30, 5, 40)).astype(np.float32):
        digest.update(stream(x).tobytes())
print(digest.hexdigest())
"""


def test_threads_and_tiers_have_the_same_bits():
    expected = scripts.python("-c", BITS, FASTNN_NUM_THREADS="1")
    assert scripts.python("-c", BITS, FASTNN_NUM_THREADS="3") == expected
    for tier, runs in _core.ISA_TIERS:
        if runs and tier != "base":
            assert scripts.python("-c", BITS, FASTNN_ISA=tier) == expected
