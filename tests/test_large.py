"""Arrays of more than 2^31 elements, in place: FASTNN_LARGE=1 runs them; they take 9 GB."""

import os

import numpy as np
import pytest

import fastnn

pytestmark = [
    pytest.mark.large,
    pytest.mark.skipif("FASTNN_LARGE" not in os.environ, reason="takes 9 GB; FASTNN_LARGE=1 runs it"),
]
N = 2**31 + 4099
PLACES = [0, 1, 2**31 - 1, 2**31, 2**31 + 1, N - 1]


@pytest.fixture(scope="module")
def x():
    return np.empty(N, np.float32)


def test_element_wise_in_place(x):
    x.fill(-2)
    x[PLACES] = 1.5
    assert fastnn.leaky_relu(x, 0.5, inplace=True) is x
    assert (x[PLACES] == 1.5).all()
    for start in (3, 2**31 - 1000, 2**31 + 2, N - 1000):
        assert (x[start : start + 900] == -1).sum() >= 899


def test_softmax_in_place(x):
    x.fill(0)
    rows = x[: 2**31 + 4096].reshape(-1, 4096)
    rows[:, 0] = np.log(4096, dtype=np.float32)
    assert fastnn.softmax(rows, 1, out=rows) is rows
    for row in (0, len(rows) // 2, len(rows) - 1):
        np.testing.assert_allclose(rows[row, :2], [4096 / 8191, 1 / 8191], rtol=1e-6)


def test_dropout_in_place(x):
    x.fill(1)
    assert fastnn.dropout(x, 0.25, inplace=True, rng=7) is x
    first = fastnn.dropout(np.ones(1000, np.float32), 0.25, rng=7)
    np.testing.assert_array_equal(x[:1000], first)
    tail = x[2**31 - 500_000 :]
    assert set(np.unique(tail)) == {0, np.float32(1 / 0.75)}
    assert abs(np.count_nonzero(tail) / tail.size - 0.75) < 0.003
    assert not np.array_equal(x[2**31 : 2**31 + 1000], x[:1000])


def test_statistics(x):
    x.fill(3)
    x[2**31 :] = 5
    mean, _ = fastnn.batch_norm_stats(x.reshape(1, 1, -1))
    np.testing.assert_allclose(mean, 3 + 2 * 4099 / N, rtol=1e-12)
