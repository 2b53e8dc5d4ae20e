"""Convolutions along a line whose kernel is so widely dilated that they are computed by rows: the bits of all others."""

import numpy as np
import pytest

import fastnn
from fastnn import nn
from fastnn.functional import _conv_engine, conv1d, conv1d_backward, conv_transpose1d

# channels, outputs, length, kernel, dilation, padding, groups: rows whole and not, fewer results than a row, no padding
CASES = [
    (16, 3, 4 * 4096, 3, 4096, 0, 1),
    (16, 3, 4 * 4096 + 37, 3, 4096, 0, 1),
    (16, 3, 2 * 4096 + 50, 3, 4096, 0, 1),
    (16, 3, 9000, 3, 4096, 4096, 1),
    (13, 2, 9000, 2, 5000, 2500, 1),
    (26, 4, 5001, 3, 2000, 777, 2),
    (20, 20, 12000, 3, 3000, 3000, 20),
    (60, 5, 1000, 2, 999, 0, 1),
    (60, 5, 100, 3, 999, 999, 1),
]


def rows_are_used(monkeypatch):
    """A list to which each call by rows is added."""
    seen, whole = [], _conv_engine._correlate_rows
    monkeypatch.setattr(_conv_engine, "_correlate_rows", lambda *given: seen.append(1) or whole(*given))
    return seen


def arrays(case, dtype=np.float32):
    c, out, length, k, _, _, groups = case
    rng = np.random.default_rng(0)
    shapes = (2, c, length), (out, c // groups, k), (out,)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_rows_have_the_bits_of_the_line(monkeypatch, case, last, dtype):
    x, w, b = arrays(case, dtype)
    x = np.ascontiguousarray(x.transpose(0, 2, 1)).transpose(0, 2, 1) if last else x
    options = {"dilation": case[4], "padding": case[5], "groups": case[6]}
    seen = rows_are_used(monkeypatch)
    found = conv1d(x, w, b, **options)
    assert seen
    taken = conv1d(x, w, b, **options, out=np.empty(found.shape, dtype))
    monkeypatch.setattr(_conv_engine, "_WIDE", 1 << 40)
    expected = conv1d(x, w, b, **options)
    assert len(seen) == 2
    assert found.strides == expected.strides
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(taken, expected)


@pytest.mark.parametrize("case", CASES)
def test_values_are_sums_of_products(case):
    x, w, b = (each.astype(np.float64) for each in arrays(case))
    _, _, _, k, dilation, padding, groups = case
    found = conv1d(x, w, b, 1, padding, dilation, groups)
    padded = np.pad(x, [(0, 0), (0, 0), (padding, padding)])
    size = found.shape[2]
    parts = zip(np.split(padded, groups, 1), np.split(w, groups), strict=True)
    expected = [
        sum(np.einsum("oc,ncl->nol", v[:, :, r], p[:, :, r * dilation : r * dilation + size]) for r in range(k))
        for p, v in parts
    ]
    np.testing.assert_allclose(found, np.concatenate(expected, 1) + b[:, None], rtol=0, atol=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_gradients_and_transposed_convolutions_too(monkeypatch, case):
    x, w, b = arrays(case)
    options = {"dilation": case[4], "padding": case[5], "groups": case[6]}
    dy = np.random.default_rng(1).standard_normal(conv1d(x, w, b, **options).shape).astype(np.float32)

    def results():
        return *conv1d_backward(dy, x, w, **options), conv_transpose1d(dy, w, None, **options)

    found = results()
    monkeypatch.setattr(_conv_engine, "_WIDE", 1 << 40)
    for one, other in zip(found, results(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("case", CASES[:5])
def test_frozen_models_compute_by_rows(monkeypatch, case):
    x, _, _ = arrays(case)
    c, out, _, k, dilation, padding, groups = case
    model = nn.Sequential(nn.Conv1d(c, out, k, dilation=dilation, padding=padding, groups=groups), nn.ReLU()).eval()
    seen = rows_are_used(monkeypatch)
    predict = fastnn.freeze(model)
    predict(x)
    before = len(seen)
    found = predict(x)
    assert len(seen) > before
    with fastnn.no_grad():
        np.testing.assert_array_equal(found, model(x))


@pytest.mark.parametrize("options", [{"stride": 2}, {"padding_mode": "circular", "padding": 10}, {"dilation": 100}])
def test_other_convolutions_are_lines(monkeypatch, options):
    seen = rows_are_used(monkeypatch)
    layer = nn.Conv1d(16, 2, 3, **{"dilation": 4096, **options})
    layer(np.zeros((1, 16, 9000), np.float32))
    assert not seen
