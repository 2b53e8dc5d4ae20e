"""Refusals of recurrent layers, cells and packed sequences, and their messages."""

import numpy as np
import pytest

from fastnn import nn
from fastnn.functional._recurrent import recurrent
from fastnn.nn.utils import rnn

x3 = np.ones((5, 2, 3))

REFUSED = [
    (lambda: nn.LSTM(3, 4)(np.ones((5, 2, 7))), ValueError, r"LSTM: expected an input of 3 features .* \(5, 2, 7\)"),
    (lambda: nn.GRU(3, 4)(np.ones(3)), ValueError, r"GRU: expected an input of 2-D or 3-D, got shape \(3,\)"),
    (lambda: nn.RNN(3, 4)(np.ones((0, 2, 3))), ValueError, r"RNN: expected a sequence of at least one step"),
    (
        lambda: nn.LSTM(3, 4)(x3, np.ones((1, 2, 4))),
        TypeError,
        r"LSTM: expected hx to be a tuple \(h, c\), got ndarray",
    ),
    (lambda: nn.GRU(3, 4)(x3, (np.ones((1, 2, 4)),)), TypeError, "GRU: expected hx to be one array, got a tuple"),
    (lambda: nn.GRU(3, 4)(x3, np.ones((1, 3, 4))), ValueError, r"h of hx of shape \(1, 2, 4\), got \(1, 3, 4\)"),
    (lambda: nn.GRU(3, 4)(x3, np.ones((1, 4))), ValueError, r"h of hx of shape \(1, 2, 4\), got \(1, 4\)"),
    (lambda: nn.GRU(3, 4)(x3[:, 0], np.ones((1, 2, 4))), ValueError, r"h of hx of shape \(1, 4\), got \(1, 2, 4\)"),
    (
        lambda: nn.LSTM(3, 4, proj_size=2)(x3, (np.ones((1, 2, 2)), np.ones((1, 2, 2)))),
        ValueError,
        r"c of hx of shape \(1, 2, 4\), got \(1, 2, 2\)",
    ),
    (lambda: nn.GRU(3, 4)(x3, lengths=[5, 0]), ValueError, r"GRU: expected lengths from 1 to 5, .* got \[5, 0\]"),
    (lambda: nn.GRU(3, 4)(x3, lengths=[5, 6]), ValueError, r"GRU: expected lengths from 1 to 5"),
    (lambda: nn.GRU(3, 4)(x3, lengths=[5]), ValueError, "GRU: expected 2 lengths, one for each sequence, got 1"),
    (lambda: nn.GRU(3, 4)(x3, lengths=[5.0, 2.0]), TypeError, "expected lengths to be integers, got dtype float64"),
    (
        lambda: nn.GRU(3, 4)(rnn.pack_sequence([np.ones((2, 3))]), lengths=[2]),
        ValueError,
        "no lengths beside a PackedSequence",
    ),
    (lambda: nn.GRU(3, 4)(rnn.pack_sequence([np.ones((2, 5))])), ValueError, "expected an input of 3 features"),
    (lambda: nn.GRU(3, 4)(rnn.pack_sequence([np.ones(2)])), ValueError, "expected packed data of 2-D"),
    (lambda: nn.LSTM(3, 4, proj_size=4), ValueError, "proj_size below hidden_size, which is 4, got 4"),
    (lambda: nn.LSTM(3, 4, proj_size=-1), ValueError, "proj_size of at least 0, got -1"),
    (lambda: nn.LSTM(0, 4), ValueError, "LSTM: expected input_size of at least 1, got 0"),
    (lambda: nn.LSTM(3, 4.0), TypeError, "LSTM: expected hidden_size to be an integer, got float"),
    (lambda: nn.GRU(3, 4, num_layers=0), ValueError, "GRU: expected num_layers of at least 1, got 0"),
    (lambda: nn.GRU(3, 4, num_layers=2, dropout=1.5), ValueError, r"dropout in \[0, 1\], got 1.5"),
    (lambda: nn.GRU(3, 4, num_layers=2, dropout=True), TypeError, "dropout to be a real number"),
    (lambda: nn.RNN(3, 4, nonlinearity="gelu"), ValueError, "RNN: expected nonlinearity to be one of 'tanh', 'relu'"),
    (lambda: nn.RNNCell(3, 4, nonlinearity="gelu"), ValueError, "RNNCell: expected nonlinearity to be one of"),
    (lambda: nn.GRU(3, 4, proj_size=2), TypeError, "proj_size"),
    (lambda: nn.GRUCell(3, 4)(np.ones((2, 5))), ValueError, r"GRUCell: expected an input \(N, 3\) or \(3,\)"),
    (
        lambda: nn.GRUCell(3, 4)(np.ones((2, 3)), np.ones((1, 4))),
        ValueError,
        r"h of hx of shape \(2, 4\), got \(1, 4\)",
    ),
    (lambda: nn.LSTMCell(3, 4)(np.ones((2, 3)), np.ones((2, 4))), TypeError, "LSTMCell: expected hx to be a tuple"),
    (lambda: rnn.pack_padded_sequence(x3, [2, 5]), ValueError, r"longest to the shortest, got \[2, 5\]; give enforce"),
    (lambda: rnn.pack_padded_sequence(np.ones((5, 0)), []), ValueError, "expected at least one sequence, got none"),
    (lambda: rnn.pack_padded_sequence(np.ones(5), [1]), ValueError, "2 or more dimensions"),
    (
        lambda: rnn.pad_packed_sequence(rnn.pack_sequence([[1, 2]]), total_length=1),
        ValueError,
        "total_length of at least 2",
    ),
    (lambda: rnn.pad_packed_sequence([1]), TypeError, "expected a PackedSequence, got list"),
    (lambda: rnn.pad_sequence([]), ValueError, "pad_sequence: expected at least one sequence, got none"),
    (lambda: rnn.pad_sequence([[1]], padding_side="up"), ValueError, "padding_side"),
    (lambda: rnn.pack_sequence([]), ValueError, "pack_sequence: expected at least one sequence"),
    (lambda: rnn.pad_sequence([np.ones(2), np.ones((2, 2))]), ValueError, r"shapes \(2,\) and, as number 1, \(2, 2\)"),
    (lambda: rnn.PackedSequence(np.ones(3), [1, 2]), ValueError, "batch_sizes from 1 on that never grow"),
    (lambda: rnn.PackedSequence(np.ones(3), [2, 2]), ValueError, r"data of 4 rows, the sum of batch_sizes, got \(3,\)"),
    (lambda: rnn.PackedSequence(np.ones(3), [2, 1], [0, 0]), ValueError, "sorted_indices to be a permutation of 2"),
    (lambda: rnn.PackedSequence(np.ones(4), [3, 1], [1, 2, 0], [1, 2, 0]), ValueError, "unsorted_indices to undo"),
]


@pytest.mark.parametrize(("call", "error", "text"), REFUSED, ids=[text for *_, text in REFUSED])
def test_refusals(call, error, text):
    with pytest.raises(error, match=text):
        call()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"batch_sizes": [1, 2]}, r"batch_sizes that never grow, from 2 down, got \[1, 2\]"),
        ({"batch_sizes": [2, 2]}, r"input of shape \(4, 3\), got \(3, 3\)"),
        ({"b_hh": None}, "both biases or neither"),
        ({"c0": np.ones((2, 4))}, "c0 and w_hr belong to an LSTM"),
        ({"w_ih": np.ones((12, 5))}, r"w_ih of shape \(12, 3\), got \(12, 5\)"),
        ({"h0": np.ones((2, 5))}, "h0 of shape"),
        ({"kind": "lstm"}, "expected kind to be one of"),
    ],
)
def test_one_direction_refuses_what_does_not_fit(change, text):
    given = {
        "input": np.ones((3, 3)), "h0": np.ones((2, 4)), "c0": None, "w_ih": np.ones((12, 3)), "w_hh": np.ones((12, 4)),
        "b_ih": np.ones(12), "b_hh": np.ones(12), "batch_sizes": [2, 1], "kind": "GRU",
    }  # fmt: skip
    with pytest.raises(ValueError, match=text):
        recurrent(**(given | change))
