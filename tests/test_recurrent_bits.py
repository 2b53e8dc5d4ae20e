"""Recurrent layers have the same bits for any cut of the steps, split of the batch, number of threads and instruction set."""

import numpy as np
import pytest
import scripts
from recurrence import every_kind, flat, made, normal

import fastnn
from fastnn import _core


@every_kind
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_streaming_has_the_bits_of_the_whole(kind, dtype):
    """However the steps are cut into calls that hand the state on, products of several blocks of depth included."""
    layer = made(kind, 300, 270, num_layers=2, dtype=dtype)
    x = normal(12, 3, 300)
    with fastnn.no_grad():
        whole = flat(layer(x))
        for cuts in ((1,) * 12, (5, 7), (1, 11)):
            state, parts, at = None, [], 0
            for count in cuts:
                y, state = layer(x[at : at + count], state)
                parts.append(y)
                at += count
            got = flat((np.concatenate(parts), state))
            for a, b in zip(whole, got, strict=True):
                np.testing.assert_array_equal(a, b)


@every_kind
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_without_a_way_back_the_bits_are_the_same(kind, dtype):
    """Steps are computed in parts then, of sequences of any lengths, and both directions write into one array."""
    layer = made(kind, 5, 130, num_layers=2, bidirectional=True, dtype=dtype)
    lengths = np.random.default_rng(2).integers(1, 90, 40)
    x = normal(90, 40, 5, dtype=dtype)
    for given in (None, lengths):
        expected = flat(layer(x, lengths=given))
        with fastnn.no_grad():
            for a, b in zip(flat(layer(x, lengths=given)), expected, strict=True):
                np.testing.assert_array_equal(a, b.data)


@every_kind
@pytest.mark.parametrize("n", [1, 5, 33])
def test_each_sequence_has_the_bits_it_has_alone(kind, n):
    """In a batch, and in a batch of other lengths whose padding is NaN; gradients of the input and the states too."""
    layer = made(kind, 5, 19, num_layers=2, bidirectional=True, dtype=np.float32)
    lengths = np.random.default_rng(2).integers(1, 12, n)
    x = normal(12, n, 5, dtype=np.float32)
    padded = np.where(np.arange(12)[:, None, None] < lengths[:, None], x, np.nan).astype(np.float32)
    tracked = fastnn.tensor(padded, requires_grad=True)
    outputs = flat(layer(tracked, lengths=lengths))
    dys = [normal(*each.shape, seed=7, dtype=np.float32) for each in outputs]
    sum((each * dy).sum() for each, dy in zip(outputs, dys, strict=True)).backward()
    for i, length in enumerate(lengths):
        one = fastnn.tensor(x[:length, i : i + 1], requires_grad=True)
        alone = flat(layer(one))
        sum((each * dy[: len(each), i : i + 1]).sum() for each, dy in zip(alone, dys, strict=True)).backward()
        assert (outputs[0].data[length:, i] == 0).all()
        np.testing.assert_array_equal(outputs[0].data[:length, i], alone[0].data[:, 0])
        for a, b in zip(outputs[1:], alone[1:], strict=True):
            np.testing.assert_array_equal(a.data[:, i], b.data[:, 0])
        np.testing.assert_array_equal(tracked.grad[:length, i], one.grad[:, 0])
        assert (tracked.grad[length:, i] == 0).all()


BITS = """
import hashlib, numpy as np, fastnn
from fastnn import nn
digest = hashlib.sha256()
rng = np.random.default_rng(0)
for layer in (nn.RNN, nn.LSTM, nn.GRU):
    for dtype in (np.float32, np.float64):
        for options in ({"bidirectional": True}, {"num_layers": 2}, {"proj_size": 40} if layer is nn.LSTM else {}):
            fastnn.manual_seed(3)
            model = layer(40, 70, dtype=dtype, **options)
            for n, lengths in ((1, None), (37, None), (37, rng.integers(1, 30, 37))):
                x = fastnn.tensor(rng.normal(size=(29, n, 40)).astype(dtype), requires_grad=True)
                y, states = model(x, lengths=lengths)
                states = states if isinstance(states, tuple) else (states,)
                model.zero_grad()
                (y * y).sum().backward()
                for array in (y.data, *(each.data for each in states), x.grad, *(p.grad for p in model.parameters())):
                    digest.update(np.ascontiguousarray(array).tobytes())
print(digest.hexdigest())
"""


def test_threads_and_tiers_have_the_same_bits():
    expected = scripts.python("-c", BITS, FASTNN_NUM_THREADS="1")
    for environment in ({"FASTNN_NUM_THREADS": "2"}, {"FASTNN_NUM_THREADS": "7"}, {"FASTNN_THREADING": "serial"}):
        assert scripts.python("-c", BITS, **environment) == expected
    for tier, runs in _core.ISA_TIERS:
        if runs and tier != "base":  # base has no fused multiply-add and rounds twice
            assert scripts.python("-c", BITS, FASTNN_ISA=tier) == expected
