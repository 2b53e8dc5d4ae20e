"""Recurrent layers, bags of embeddings and learned functions as steps of plans, in the bits of the layers."""

import numpy as np
import pytest

import fastnn
from fastnn import nn
from fastnn.graph._graph import leaves


class Reads(nn.Module):
    """A recurrent layer, and what a model takes of its results."""

    def __init__(self, layer, take):
        super().__init__()
        self.layer, self.take = layer, take

    def forward(self, x):
        y, states = self.layer(x)
        h = states[0] if isinstance(states, tuple) else states
        return {"all": (y, states), "y": y, "last": y[:, -1], "h": h[-1], "first": h[0]}[self.take]


def calls(frozen):
    """What a plan calls of Python: the names of the functions."""
    plan = next(kept.plan for kept in frozen._plans.values() if kept.plan is not None)
    works = [stage.work for stage in plan.stages]
    return [work.function.__name__ for work in works if not hasattr(work, "inputs")]


def assert_same(frozen, model, x):
    with fastnn.no_grad():
        expected = leaves(model(x))
    for got, each in zip(leaves(frozen(x)), expected, strict=True):
        np.testing.assert_array_equal(got, np.asarray(each))


LAYERS = [
    ("LSTM", {}), ("LSTM", {"num_layers": 2, "bidirectional": True}), ("LSTM", {"num_layers": 2, "proj_size": 5}),
    ("GRU", {"bias": False}), ("GRU", {"num_layers": 3, "bidirectional": True}), ("RNN", {"nonlinearity": "relu"}),
    ("RNN", {"bidirectional": True}),
]  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("kind", "options"), LAYERS)
def test_layers_are_steps(kind, options, dtype):
    layer = getattr(nn, kind)(4, 19, batch_first=True, dtype=dtype, **options).eval()
    for take in ("y", "last", "h", "first", "all"):
        model = Reads(layer, take)
        frozen = fastnn.freeze(model)
        for n in (1, 3, 70):
            assert_same(frozen, model, np.random.default_rng(n).normal(size=(n, 7, 4)).astype(dtype))
        assert calls(frozen) == (["stack"] * (1 + (kind == "LSTM")) if take == "all" else [])


@pytest.mark.parametrize(("kind", "options"), LAYERS)
def test_time_may_lead(kind, options):
    """One plan for any length, whose program is never cut into parts of a sequence."""
    model = Reads(getattr(nn, kind)(4, 64, **options).eval(), "y")
    frozen = fastnn.freeze(model)
    for steps in (1, 2, 900):
        assert_same(frozen, model, np.random.default_rng(steps).normal(size=(steps, 3, 4)).astype(np.float32))
    assert calls(frozen) == []
    assert len(frozen._plans) == 1


def test_states_of_sequences_in_the_second_dimension_stay_a_call():
    model = Reads(nn.GRU(4, 5).eval(), "all")
    frozen = fastnn.freeze(model)
    assert_same(frozen, model, np.random.default_rng(0).normal(size=(6, 3, 4)).astype(np.float32))
    assert "recurrent_layers" in calls(frozen)


class Begins(nn.Module):
    """A layer that begins with states of its own, or with the given ones."""

    def __init__(self, learned):
        super().__init__()
        self.layer = nn.LSTM(4, 5, 2)
        self.start = nn.Parameter(np.full((2, 3, 5), 0.5, np.float32)) if learned else None

    def forward(self, x, h=None):
        h = self.start if h is None else h
        return self.layer(x, (h, h))[0]


def test_first_states():
    rng = np.random.default_rng(0)
    x, h = rng.normal(size=(6, 3, 4)).astype(np.float32), rng.normal(size=(2, 3, 5)).astype(np.float32)
    learned = Begins(True).eval()
    frozen = fastnn.freeze(learned)
    assert_same(frozen, learned, x)
    assert calls(frozen) == []
    given = Begins(False).eval()
    with fastnn.no_grad():
        np.testing.assert_array_equal(fastnn.freeze(given)(x, h), np.asarray(given(x, h)))


def test_gates_of_another_kind_stay_calls():
    model = Reads(nn.LSTM(4, 5, batch_first=True, gates="hardsigmoid").eval(), "y")
    frozen = fastnn.freeze(model)
    assert_same(frozen, model, np.random.default_rng(0).normal(size=(3, 6, 4)).astype(np.float32))
    assert calls(frozen)


class Bags(nn.Module):
    def __init__(self, mode, weighed=False, dtype=np.float32):
        super().__init__()
        self.bag, self.weighed = nn.EmbeddingBag(50, 6, mode=mode, dtype=dtype), weighed

    def forward(self, x):
        return self.bag(x, per_sample_weights=np.full((len(x), 4), 2, np.float32) if self.weighed else None)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_bags_of_one_size_are_steps(mode):
    x = np.random.default_rng(0).integers(0, 50, (9, 4))
    model = Bags(mode, dtype=np.float64).eval()
    frozen = fastnn.freeze(model)
    assert_same(frozen, model, x)
    assert calls(frozen) == []
    with pytest.raises(IndexError, match="embedding_bag"):
        frozen(x + 42)


def test_weighed_bags_stay_calls():
    x, model = np.random.default_rng(0).integers(0, 50, (9, 4)), Bags("sum", weighed=True).eval()
    frozen = fastnn.freeze(model)
    assert_same(frozen, model, x)
    assert calls(frozen)


class Slopes(nn.Module):
    """PReLU whose slopes are parameters, or depend on the input."""

    def __init__(self, slopes):
        super().__init__()
        self.prelu, self.linear = nn.PReLU(slopes), nn.Linear(5, 5)

    def forward(self, x):
        return self.prelu(self.linear(x)) if x.ndim == 2 else fastnn.prelu(x, x[0, :, 0])


@pytest.mark.parametrize("slopes", [1, 5])
def test_learned_functions_are_steps(slopes):
    model = Slopes(slopes).eval()
    frozen = fastnn.freeze(model)
    for n in (1, 4, 300):
        assert_same(frozen, model, np.random.default_rng(n).normal(size=(n, 5)).astype(np.float32))
    assert calls(frozen) == []


def test_slopes_that_depend_on_the_input_stay_calls():
    model = Slopes(5).eval()
    frozen = fastnn.freeze(model)
    assert_same(frozen, model, np.random.default_rng(0).normal(size=(3, 5, 2)).astype(np.float32))
    assert "prelu" in calls(frozen)
