"""Bags of rows of a table: PyTorch's numbers, every way to give them."""

import numpy as np
import pytest
from test_attention import checksum, waves

import fastnn
from fastnn import nn

TABLE, ENTRIES, OFFSETS = waves((5, 3), 1, 0), [0, 1, 2, 4, 4, 3], [0, 2, 2, 5]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("sum", (-2.540215518037, 1.350136603867)),
        ("mean", (-0.379061467057, 1.237483018388)),
        ("max", (0.887849417954, 1.479509141904)),
    ],
)
def test_pytorch_s_numbers(mode, expected):
    table = fastnn.tensor(TABLE, requires_grad=True)
    y = fastnn.embedding_bag(ENTRIES, table, OFFSETS, mode=mode)
    y.backward(waves(y.shape, 0.3, 0.5))
    np.testing.assert_allclose([checksum(y.data), checksum(table.grad)], expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_rows_are_bags_and_the_last_offset_may_be_the_end(mode):
    entries = np.array([[0, 1, 2], [4, 4, 3]])
    y = fastnn.embedding_bag(entries, TABLE, mode=mode)
    np.testing.assert_array_equal(y, fastnn.embedding_bag(entries.ravel(), TABLE, [0, 3], mode=mode))
    ends = [0, 3, 6]
    np.testing.assert_array_equal(
        y, fastnn.embedding_bag(entries.ravel(), TABLE, ends, mode=mode, include_last_offset=True)
    )


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_a_bag_of_nothing_or_of_padding_is_zero(mode):
    table = fastnn.tensor(TABLE - 10, requires_grad=True)
    y = fastnn.embedding_bag([2, 2, 1], table, [0, 2, 2], mode=mode, padding_idx=2)
    assert not y.numpy()[:2].any()
    np.testing.assert_array_equal(y.numpy()[2], TABLE[1] - 10)
    y.backward(np.ones((3, 3)))
    np.testing.assert_array_equal(table.grad, np.eye(5)[1][:, None] * np.ones(3))


def test_the_first_of_equal_values_has_the_gradient():
    table = fastnn.tensor(np.ones((3, 2)), requires_grad=True)
    fastnn.embedding_bag([[2, 0, 1]], table, mode="max").backward([[1.0, 2.0]])
    np.testing.assert_array_equal(table.grad, [[0, 0], [0, 0], [1, 2]])


def test_frequent_rows_have_smaller_steps():
    table = fastnn.tensor(TABLE, requires_grad=True)
    fastnn.embedding_bag([[1, 1, 3]], table, mode="sum", scale_grad_by_freq=True).backward(np.ones((1, 3)))
    np.testing.assert_array_equal(table.grad[[1, 3]], np.ones((2, 3)))


def test_the_layer():
    layer = nn.EmbeddingBag(5, 3, padding_idx=-1)
    assert layer.mode == "mean"
    assert not layer.weight.data[4].any()
    assert list(layer.state_dict()) == ["weight"]
    own = nn.EmbeddingBag.from_pretrained(TABLE, mode="sum")
    assert not own.weight.requires_grad
    np.testing.assert_array_equal(own([[0, 1]], per_sample_weights=[[2.0, 0.5]]), [2 * TABLE[0] + TABLE[1] / 2])
