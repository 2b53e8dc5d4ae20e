"""Packed sequences: golden values, PyTorch's results, gradients through padding."""

import itertools

import numpy as np
import pytest
from recurrence import checksum, filled, normal, wave

import fastnn
from fastnn import nn
from fastnn.nn.utils import rnn


def test_golden_values_of_packed_sequences():
    layer = filled(nn.GRU(3, 2, bidirectional=True, dtype=np.float64))
    x = fastnn.tensor(wave((4, 3, 3), 1, 0), requires_grad=True)
    packed = rnn.pack_padded_sequence(x, [2, 4, 1], enforce_sorted=False)
    out, h = layer(packed)
    y, lengths = rnn.pad_packed_sequence(out)
    ((y * wave(y.shape, 0.3, 0.5)).sum() + (h * wave(h.shape, 0.3, 1.5)).sum()).backward()
    assert lengths.tolist() == [2, 4, 1]
    got = [checksum(each) for each in (y.data, h.data, x.grad, *(p.grad for p in list(layer.parameters())[:6]))]
    expected = (
        0.232564646217, -0.813563139433, 0.167701832740, -1.771705861478, 0.540258831707, -0.272966069014,
        -0.104171260166, -0.160231020201, 0.045540400505,
    )  # fmt: skip
    np.testing.assert_allclose(got, expected, atol=1e-9)


def test_packing_beside_pytorch():
    torch = pytest.importorskip("torch")
    theirs = torch.nn.utils.rnn
    rng = np.random.default_rng(0)
    for n, rest, batch_first in itertools.product((1, 4), ((), (3,), (2, 3)), (False, True)):
        lengths = rng.integers(1, 8, n)
        sequences = [rng.normal(size=(length, *rest)) for length in lengths]
        tensors = [torch.tensor(each) for each in sequences]
        for side in ("left", "right"):
            padded = rnn.pad_sequence(sequences, batch_first, -1.5, side)
            np.testing.assert_array_equal(padded, theirs.pad_sequence(tensors, batch_first, -1.5, side).numpy())
        for a, b in zip(rnn.unpad_sequence(padded, lengths, batch_first), sequences, strict=True):
            np.testing.assert_array_equal(a, b)
        for got, expected in (
            (
                rnn.pack_padded_sequence(padded, lengths, batch_first, False),
                theirs.pack_padded_sequence(torch.tensor(padded), torch.tensor(lengths), batch_first, False),
            ),
            (rnn.pack_sequence(sequences, False), theirs.pack_sequence(tensors, False)),
        ):
            for a, b in zip(got, expected, strict=True):
                np.testing.assert_array_equal(a, b.numpy())
        back, known = rnn.pad_packed_sequence(got, batch_first, 2.5, 9)
        expected, their_lengths = theirs.pad_packed_sequence(expected, batch_first, 2.5, 9)
        np.testing.assert_array_equal(back, expected.numpy())
        np.testing.assert_array_equal(known, their_lengths.numpy())
        for a, b in zip(rnn.unpack_sequence(got), sequences, strict=True):
            np.testing.assert_array_equal(a, b)
    ordered = sorted(sequences, key=len, reverse=True)
    assert rnn.pack_sequence(ordered).sorted_indices is None
    np.testing.assert_array_equal(rnn.invert_permutation([2, 0, 1]), [1, 2, 0])
    assert rnn.invert_permutation(None) is None


def test_gradients_go_through_padding():
    """Of pad_sequence, packing and padding again: each value's own weight."""
    sequences = [fastnn.tensor(normal(length, 2, seed=length), requires_grad=True) for length in (3, 1, 2)]
    packed = rnn.pack_sequence(sequences, enforce_sorted=False)
    y, _ = rnn.pad_packed_sequence(packed, total_length=5)
    weights = normal(*y.shape, seed=8)
    (y * weights).sum().backward()
    for i, each in enumerate(sequences):
        np.testing.assert_array_equal(each.grad, weights[: len(each), i])
