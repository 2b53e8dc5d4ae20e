"""Graphs: forward passes that are traced or refused, never frozen wrong; the content of a graph; each pass over it."""

import tracemalloc

import numpy as np
import pytest
from test_freeze import batch, own, trained

import fastnn
from fastnn import nn
from fastnn.graph import Call, Frozen, Ref, Times, lowering
from fastnn.graph._passes import Steps
from fastnn.graph._trace import trace
from fastnn.nn import functional as F


class Model(nn.Module):
    """A forward pass given as a function, over a layer and a table."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.linear, self.table = nn.Linear(6, 6), nn.Embedding(10, 6)
        self.register_buffer("scale", np.linspace(1, 2, 6, dtype=np.float32))

    def forward(self, *args, **kwargs):
        return self.function(self, *args, **kwargs)


def caught(m, x):
    """A forward pass that does not let on that it has been refused."""
    try:
        factor = float(x[0, 0])
    except Exception:
        factor = 0
    return m.linear(x) * factor


def where_is(m, x):
    return m.table(abs(x[0, :1]).astype(int)) + m.linear(x)


ANY_BATCH = {
    "divides by the batch": lambda m, x: m.linear(x).sum(axis=0) / x.shape[0] + x,
    "reshape by hand": lambda m, x: m.linear(x).reshape(x.shape[0], 2, 3).transpose(0, 2, 1).reshape(x.shape[0], -1),
    "another order": lambda m, x: np.reshape(m.linear(x), (-1, 6), order="F"),
    "compares shapes": lambda m, x: m.linear(x) + x if m.linear(x).shape == x.shape else x,
    "index without a batch": where_is,
    "row of a parameter": lambda m, x: x + m.table.weight[abs(x[0, 0]).astype(int)],
    "table of each column": lambda m, x: m.table(abs(x).astype(int)).mean(axis=1),
    "gather": lambda m, x: x[np.argsort(x[:, 0])] * m.scale,
    "where": lambda m, x: np.where(x > 0, m.linear(x), -x),
    "methods of arrays": lambda m, x: x.clip(0, 1).cumsum(axis=1),
    "first and last row": lambda m, x: x - x[0] + x[-1],
    "every other row": lambda m, x: x + x[::2].sum(axis=0),
    "unequal parts": lambda m, x: np.concatenate([p * (i + 1) for i, p in enumerate(np.array_split(x, 6))]),
}
EACH_BATCH = {
    "one sample": lambda m, x: m.linear(x) if len(x) == 1 else m.linear(x) + 1,
    "more than 64": lambda m, x: m.linear(x) if len(x) > 64 else -m.linear(x),
    "shape": lambda m, x: m.linear(x) * (3 if x.shape[0] == 2 else 1),
    "size": lambda m, x: m.linear(x) * (3 if x.size > 100 else 1),
    "NumPy's size": lambda m, x: m.linear(x) * (3 if np.size(x) > 100 else 1),
    "NumPy's function": lambda m, x: x / np.maximum(x.shape[0], 64),
    "truth": lambda m, x: x * 2 if x.shape[0] - 1 else x,
    "another array": lambda m, x: np.concatenate([np.zeros((x.shape[0], 2), np.float32), x], axis=1),
    "rows one by one": lambda m, x: np.stack([row * (i + 1) for i, row in enumerate(x)]),
    "at most 64 rows": lambda m, x: x[:64].sum(axis=0) / x[:64].shape[0] + x,
    "two parts": lambda m, x: np.concatenate([x[:64], -x[64:]]),
    "row 5, or the last": lambda m, x: x + x[min(5, len(x) - 1)],
    "of a result": lambda m, x: m.linear(x) * (2 if m.linear(x).T.shape[1] > 64 else 1),
}
AS_IT_IS = {
    "bool": (lambda m, x: m.linear(x) if bool((x > 0).all()) else -m.linear(x), "it asks for values"),
    "float": (lambda m, x: m.linear(x) * float(x.sum()), "it asks for values"),
    "item": (lambda m, x: m.linear(x) * x.sum().item(), "it asks for values"),
    "an array's own index": (lambda m, x: m.scale[abs(x[0]).astype(int) % 6] + x, "it asks for values"),
    "caught": (caught, "it asks for values"),
    "mask": (lambda m, x: x + x[x > 0].sum(), "the shape of a result depends on values"),
    "unique": (lambda m, x: x + len(np.unique(x)), "the shape of a result depends on values"),
    "in place": (lambda m, x: x.__iadd__(0) * 2, "it writes into an array"),
    "its own kind": (lambda m, x: x * 2 if isinstance(x, np.ndarray) else x, "its plan computes other numbers"),
}


def agrees(function, sizes=(3, 1, 2, 5, 64, 65, 100, 4, 1)):
    """The frozen model, after it has given the model's own numbers for batches of all these sizes, twice each."""
    model = trained(Model(function))
    frozen = fastnn.freeze(model)
    rng = np.random.default_rng(0)
    for n in sizes:
        for _ in range(2):
            x = rng.uniform(-9, 9, (n, 6)).astype(np.float32)
            y, expected = frozen(x), own(model, x)
            assert (y.shape, y.dtype) == (expected.shape, expected.dtype)
            np.testing.assert_allclose(y, expected, rtol=0, atol=1e-5 * max(1, np.abs(expected).max()))
    return frozen


@pytest.mark.parametrize("name", ANY_BATCH)
def test_one_plan_for_any_batch(name):
    frozen = agrees(ANY_BATCH[name])
    assert frozen.unplanned == ()
    assert frozen.graph.batch is None


@pytest.mark.parametrize("name", EACH_BATCH)
def test_a_plan_for_each_batch_size_that_was_read(name):
    frozen = agrees(EACH_BATCH[name])
    assert frozen.unplanned == ()
    assert frozen.graph.batch is not None


def test_a_plan_for_one_batch_size_is_called_at_once():
    model = trained(Model(lambda m, x: m.linear(x) if len(x) > 2 else F.relu(m.linear(x))))
    frozen = fastnn.freeze(model)
    for n in (1, 3, 1, 2, 1, 1, 4, 4, 64, 64):
        x = batch(n, 6)
        np.testing.assert_allclose(frozen(x), own(model, x), rtol=0, atol=1e-5)
        assert frozen._program.only == n
        np.testing.assert_array_equal(frozen._program(x), frozen(x))
        assert frozen._program(batch(n + 1, 6)) is None


@pytest.mark.parametrize("name", AS_IT_IS)
def test_called_as_it_is_and_named_with_the_reason(name):
    function, reason = AS_IT_IS[name]
    assert agrees(function).unplanned == (f"Model: {reason}",)


def test_an_example_of_zeros_hides_nothing():
    model = trained(Model(where_is))
    frozen = fastnn.freeze(model, np.zeros((2, 6), np.float32))
    x = batch(2, 6) + 5
    np.testing.assert_allclose(frozen(x), own(model, x), atol=1e-5)


# -- arguments and results --------------------------------------------------------------------------------------------


def test_several_inputs_and_a_dictionary():
    model = trained(
        Model(lambda m, x, mask=None, flip=False: {"y": m.linear(x) * mask, "x": (x, -x if flip else None)})
    )
    frozen = fastnn.freeze(model)
    for n in (4, 1, 9):
        x, mask = batch(n, 6), batch(n, 1) > 0
        for flip in (True, False):
            y = frozen(x, mask=mask, flip=flip)
            with fastnn.no_grad():
                expected = model(x, mask=mask, flip=flip)
            assert list(y) == ["y", "x"]
            assert (y["x"][1] is None) == (not flip)
            np.testing.assert_allclose(y["y"], expected["y"], atol=1e-6)
            np.testing.assert_array_equal(y["x"][0], x)
    assert frozen.unplanned == ()
    assert len(frozen._plans) == 2


def test_an_input_without_a_batch():
    model = trained(Model(lambda m, x, weights: m.linear(x) @ weights))
    frozen, weights = fastnn.freeze(model), batch(6, 2)
    for n in (4, 6, 1):
        x = batch(n, 6)
        with fastnn.no_grad():
            expected = model(x, weights)
        np.testing.assert_allclose(frozen(x, weights), expected, atol=1e-5)


def test_integers_in():
    model = trained(nn.Sequential(nn.Embedding(50, 6), nn.Flatten(), nn.Linear(18, 2)))
    frozen = fastnn.freeze(model)
    for n in (3, 1, 40):
        x = np.random.default_rng(n).integers(0, 50, (n, 3))
        np.testing.assert_allclose(frozen(x), own(model, x), atol=1e-6)
    assert frozen.unplanned == ()
    with pytest.raises(IndexError, match="got 50"):
        frozen(np.full((3, 3), 50))


# -- the graph as data ------------------------------------------------------------------------------------------------


def graph_of(model, x, n=None):
    sizes = (3, 5) if n is None else (n,)
    return trace(model.eval(), (Ref(0),), {}, [[np.resize(x, (size, *x.shape[1:]))] for size in sizes], sizes)


def test_a_graph_prints_readably():
    frozen = agrees(lambda m, x: np.add(F.relu(m.linear(x)), m.scale).reshape(x.shape[0], 2, 3)[:, 0])
    assert str(frozen.graph) == (
        "graph(%0: float32(N, 6)):\n"
        "    %1 = linear(%0, linear.weight, linear.bias)  # float32(N, 6)\n"
        "    %2 = relu(%1)  # float32(N, 6)\n"
        "    %3 = add(%2, scale)  # float32(N, 6)\n"
        "    %4 = reshape(%3, (N, 2, 3))  # float32(N, 2, 3)\n"
        "    %5 = getitem(%4, (:, 0))  # float32(N, 3)\n"
        "    return %5"
    )
    assert list(frozen.graph.constants) == ["linear.weight", "linear.bias", "scale"]
    assert frozen.graph.calls[3].args == (Ref(3), (Times(1), 2, 3))


def steps_of(model, x):
    graph = graph_of(trained(model), x)
    return [item.op if not isinstance(item, Call) else item for item in Steps(lowering.lowered(graph), graph).items]


@pytest.mark.parametrize(
    ("layers", "kinds"),
    [
        ([nn.Linear(6, 4), nn.BatchNorm1d(4)], ["product"]),
        ([nn.Linear(6, 4), nn.BatchNorm1d(4), nn.ReLU()], ["product"]),
        ([nn.Linear(6, 4), nn.ReLU(), nn.BatchNorm1d(4)], ["product", "batch_norm"]),
        ([nn.Linear(6, 4), nn.ReLU(), nn.ReLU()], ["product", "activation"]),
        ([nn.BatchNorm1d(6), nn.Linear(6, 4)], ["batch_norm", "product"]),
        ([nn.Linear(6, 4), nn.Dropout(0.5), nn.Flatten(), nn.GELU()], ["product"]),
    ],
)
def test_what_folds_and_what_almost_does(layers, kinds):
    assert steps_of(nn.Sequential(*layers), batch(3, 6)) == kinds


def test_a_result_that_is_used_twice_is_not_folded_away():
    def both(m, x):
        h = m.linear(x)
        return F.relu(h) + h

    assert steps_of(Model(both), batch(3, 6)) == ["product", "activation", "pointwise"]


# -- faults, and the bounded table ------------------------------------------------------------------------------------


def broken(*_):
    raise KeyError("a fault")


def test_a_fault_of_a_lowering_is_raised_or_named(monkeypatch):
    monkeypatch.setitem(lowering.LOWERINGS, F.linear, broken)
    model, x = trained(nn.Linear(6, 4)), batch(3, 6)
    with pytest.raises(KeyError, match="a fault"):
        fastnn.freeze(model, x)
    monkeypatch.delenv("FASTNN_DEBUG")
    frozen = fastnn.freeze(model)
    np.testing.assert_array_equal(frozen(x), own(model, x))
    assert frozen.unplanned == ("Linear: a fault of fastnn: KeyError: 'a fault'",)


def test_a_plan_is_compared_on_other_values(monkeypatch):
    """A lowering that is right for the values it was made from alone."""
    lower = lowering.LOWERINGS[F.linear]

    def wrong(call, graph):
        step = lower(call, graph)
        step.fields["packed"] = lowering.Derived(np.zeros_like, (step.fields["packed"],))
        return step

    monkeypatch.setitem(lowering.LOWERINGS, F.linear, wrong)
    model = trained(nn.Linear(6, 4))
    frozen = fastnn.freeze(model, np.zeros((3, 6), np.float32) + 1e-30)
    x = batch(3, 6)
    np.testing.assert_array_equal(frozen(x), own(model, x))
    assert frozen.unplanned == ("Linear: its plan computes other numbers",)


def test_plans_are_few_and_share_their_weights():
    model = trained(nn.Linear(6, 4))
    frozen = fastnn.freeze(model)
    for length in range(1, 50):
        x = batch(2, length, 6)
        np.testing.assert_allclose(frozen(x), own(model, x), atol=1e-6)
    assert len(frozen._plans) == frozen._plans.most == 32
    assert len(frozen._weights.made) == 1
    other = Frozen(model)
    other(x)
    (first,), (second,) = frozen._weights.made.values(), other._weights.made.values()
    assert first is second


def test_work_is_cut_by_bytes_that_stay_in_the_cache():
    frozen = fastnn.freeze(nn.Sequential(nn.ReLU(), nn.Tanh(), nn.Sigmoid()))
    x = batch(64, 1 << 16)  # 16 MB
    frozen(x[:2])
    fastnn.empty_cache()
    fastnn.memory_stats(reset_peak=True)
    before = fastnn.memory_stats()["live"]
    y = frozen(x)
    assert fastnn.memory_stats()["peak"] - before <= y.nbytes + (4 << 20)
    np.testing.assert_allclose(y[::9], 1 / (1 + np.exp(-np.tanh(np.maximum(x[::9], 0)))), rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scratch_memory_of_steps(dtype):
    """Statistics of layer norm, and the tables of batch norm, for every cut of the work."""
    layers = nn.BatchNorm1d(5), nn.LayerNorm(7), nn.GELU(), nn.LayerNorm(7), nn.Flatten(), nn.BatchNorm1d(35), nn.Tanh()
    model = trained(nn.Sequential(*layers)).to(dtype)
    frozen = fastnn.freeze(model)
    for n in (1, 3, 2000, 5000):
        x = batch(n, 5, 7, dtype=dtype)
        np.testing.assert_allclose(frozen(x), own(model, x), atol=1e-5)
    assert frozen._program is not None


def test_another_length_makes_no_weights_anew():
    model = trained(nn.Sequential(nn.Linear(6, 300), nn.BatchNorm1d(7), nn.Linear(300, 300), nn.GELU()))
    frozen = fastnn.freeze(nn.Sequential(model[0], model[2], nn.LayerNorm(300), model[3]), batch(2, 5, 6))
    before = {key: id(array) for key, array in frozen._weights.made.items()}
    tracemalloc.start()
    try:
        for length in range(6, 16):
            frozen(batch(2, length, 6))
        live, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert {key: id(array) for key, array in frozen._weights.made.items()} == before
    assert live < 10 * 100_000


def test_a_graph_is_drawn_by_graphviz_language():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(3, 3)

        def forward(self, x, y):
            return {"sum": self.inner(x) + y, 'a "quoted" \\ name': x}

    frozen = fastnn.freeze(Model())
    frozen(np.ones((2, 3), np.float32), np.ones((2, 3), np.float32))
    lines = frozen.graph.dot().splitlines()
    arrows = {line.strip() for line in lines if "->" in line}
    assert arrows == {"0 -> 2;", "2 -> 3;", "1 -> 3;", "3 -> result;", "0 -> result;"}
    assert r"""label="{'sum': %3, 'a \"quoted\" \\\\ name': %0}"];""" in frozen.graph.dot()
