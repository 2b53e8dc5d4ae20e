"""max_norm of embeddings: rows that are looked up are scaled where they lie, as PyTorch does."""

import numpy as np
import pytest

import fastnn
from fastnn import nn

torch = pytest.importorskip("torch")

NORMS = [1.0, 2.0, 3.5, np.inf, 0.0]


def table(rows=9, columns=5, dtype=np.float32):
    return (np.random.default_rng(0).normal(size=(rows, columns)) * 2).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("p", NORMS)
def test_embedding(dtype, p):
    weight, index = table(dtype=dtype), np.array([[1, 1, 7], [3, 0, 1]])
    theirs = torch.tensor(weight)
    expected = torch.nn.functional.embedding(torch.tensor(index), theirs, max_norm=1.5, norm_type=p)
    got = fastnn.embedding(index, weight, max_norm=1.5, norm_type=p)
    close = {"rtol": 1e-6 if dtype == np.float32 else 1e-14, "atol": 0}
    np.testing.assert_allclose(got, expected.numpy(), **close)
    np.testing.assert_allclose(weight, theirs.numpy(), **close)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("p", NORMS)
def test_embedding_bag(mode, p):
    weight, index, offsets = table(), np.array([1, 1, 7, 3, 0, 1]), np.array([0, 2, 2])
    theirs = torch.tensor(weight)
    options = {"max_norm": 0.5, "norm_type": p, "mode": mode, "padding_idx": 7}
    expected = torch.nn.functional.embedding_bag(torch.tensor(index), theirs, torch.tensor(offsets), **options)
    np.testing.assert_allclose(
        fastnn.embedding_bag(index, weight, offsets, **options), expected.numpy(), rtol=1e-6, atol=1e-7
    )
    np.testing.assert_allclose(weight, theirs.numpy(), rtol=1e-6)


@pytest.mark.parametrize("name", ["Embedding", "EmbeddingBag"])
def test_layers_train(name):
    """The gradient is that of the scaled rows, which the parameter then holds."""
    index = np.array([[1, 4, 4], [0, 8, 1]])
    ours, theirs = (getattr(each, name)(9, 5, max_norm=0.7) for each in (nn, torch.nn))
    ours.load_state_dict({"weight": table()})
    theirs.load_state_dict({"weight": torch.tensor(table())})
    (ours(index) ** 2).sum().backward()
    (theirs(torch.tensor(index)) ** 2).sum().backward()
    np.testing.assert_allclose(ours.weight.data, theirs.weight.detach().numpy(), rtol=1e-6)
    np.testing.assert_allclose(ours.weight.grad, theirs.weight.grad.numpy(), rtol=1e-6, atol=1e-7)
    assert "max_norm=0.7" in repr(ours)


@pytest.mark.parametrize("name", ["Embedding", "EmbeddingBag"])
def test_a_frozen_layer_leaves_the_model_alone(name):
    model, index = getattr(nn, name)(9, 5, max_norm=0.7), np.array([[1, 4, 4], [0, 8, 1]])
    before = model.weight.data.copy()
    frozen = fastnn.freeze(model)
    got = frozen(index)
    np.testing.assert_array_equal(model.weight.data, before)
    np.testing.assert_allclose(got, np.asarray(model(index).data), rtol=1e-6)


def test_nothing_changes_where_something_is_wrong():
    weight = table()
    before = weight.copy()
    for index, options, error in (
        ([9], {}, IndexError), ([1], {"max_norm": np.nan}, ValueError), ([1], {"padding_idx": 9}, ValueError),
    ):  # fmt: skip
        with pytest.raises(error):
            fastnn.embedding(index, weight, **({"max_norm": 0.1} | options))
    weight.flags.writeable = False
    with pytest.raises(ValueError, match="got a read-only array of float32"):
        fastnn.embedding([1], weight, max_norm=0.1)
    np.testing.assert_array_equal(weight, before)


def test_no_rows_or_columns():
    assert fastnn.embedding(np.zeros(0, int), table(), max_norm=1).shape == (0, 5)
    assert fastnn.embedding([0], np.zeros((2, 0)), max_norm=1, norm_type=np.inf).shape == (1, 0)
