"""Dask: bits of the whole array from chunks, on threads and on a cluster of processes, one of which is killed."""

import os
import signal
import time
import warnings

import numpy as np
import pytest

import fastnn
from fastnn import nn

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
distributed = pytest.importorskip("distributed")
pandas = pytest.importorskip("pandas")
pytestmark = pytest.mark.filterwarnings("default")  # Dask's own, which come and go with its versions

X = np.random.default_rng(0).normal(size=(3000, 8)).astype(np.float32)


def network(outputs=3):
    fastnn.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 64), nn.BatchNorm1d(64), nn.GELU(), nn.Dropout(0.2), nn.Linear(64, outputs))
    for _ in range(3):
        model(X)  # which moves the running averages
    return model


@pytest.fixture(scope="module")
def client():
    """Two workers that are processes of two threads; fastnn would take four in each call."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with (
            distributed.LocalCluster(
                n_workers=2,
                threads_per_worker=2,
                processes=True,
                dashboard_address=None,
                memory_limit="1GiB",
                env={"FASTNN_NUM_THREADS": "4"},
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            client.wait_for_workers(2)
            yield client


# -- predict ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_chunks_give_the_bits_of_the_whole(scheduler):
    frozen = fastnn.freeze(network())
    expected = frozen(X)
    with dask.config.set(scheduler=scheduler):
        for chunks in (X.shape, (700, 8), (1, 8) if scheduler == "threads" else (999, 3)):
            y = fastnn.dask.predict(frozen, da.from_array(X, chunks))
            assert (y.dtype, y.shape, y.chunks[0]) == (
                expected.dtype,
                expected.shape,
                da.from_array(X, chunks).chunks[0],
            )
            assert (y.compute() == expected).all()
        big = da.from_array(X, (500, 8))
        chosen = fastnn.dask.predict(frozen, big[big[:, 0] > 1])  # the numbers of rows are known to the chunks alone
        assert (chosen.compute() == expected[X[:, 0] > 1]).all()
        assert fastnn.dask.predict(frozen, big[big[:, 0] > 99]).compute().shape == (0, 3)


def test_images_and_results_of_other_dimensions():
    images = np.random.default_rng(1).normal(size=(20, 2, 6, 6)).astype(np.float32)
    chunks = da.from_array(images, (7, 1, 3, 6))
    for model in (nn.Conv2d(2, 3, 3), nn.Sequential(nn.Flatten(), nn.Linear(72, 4)), nn.Flatten(0), nn.Flatten(2)):
        frozen = fastnn.freeze(model)
        if isinstance(model, nn.Flatten) and frozen(images).ndim == 1:
            with pytest.raises(ValueError, match=r"predict: expected a result of 2 rows, as the input has, got shape"):
                fastnn.dask.predict(frozen, chunks)
            continue
        y = fastnn.dask.predict(frozen, chunks)
        assert y.shape == frozen(images).shape
        assert (y.compute(scheduler="threads") == frozen(images)).all()
    words = np.arange(40).reshape(20, 2) % 10
    table = nn.Embedding(10, 4)
    found = fastnn.dask.predict(table, da.from_array(words, (6, 2))).compute(scheduler="threads")
    assert (found == fastnn.freeze(table)(words)).all()


class First(nn.Module):
    def forward(self, x):
        return x[:, 0]


def test_tables_keep_their_index():
    frame = pandas.DataFrame(X, columns=list("abcdefgh"), index=np.arange(3000) * 2)
    table = dd.from_pandas(frame, npartitions=4)
    frozen = fastnn.freeze(network())
    y = fastnn.dask.predict(frozen, table)
    assert y.divisions == table.divisions
    found = y.compute(scheduler="threads")
    assert (found.index == frame.index).all()
    assert (found.to_numpy() == frozen(X)).all()
    series = fastnn.dask.predict(First(), table).compute(scheduler="threads")
    assert isinstance(series, pandas.Series)
    assert (series == frame.a).all()
    with pytest.raises(
        ValueError, match=r"predict: expected one number or several for each row of a table, got shape \(2, 4\)"
    ):
        fastnn.dask.predict(nn.Unflatten(1, (2, 4)), table)
    mixed = dd.from_pandas(
        pandas.DataFrame({"flag": [True, False], "n": pandas.array([1, None], "Int64")}), npartitions=1
    )
    model = nn.Linear(2, 1)
    with np.errstate(invalid="ignore"):
        rows = fastnn.dask.predict(model, mixed).compute(scheduler="threads").to_numpy()
    assert (rows[:1] == fastnn.freeze(model)([[1.0, 1.0]])).all()
    assert np.isnan(rows[1]).all()


def test_training_further_changes_nothing():
    model = network()
    expected = fastnn.freeze(model)(X)
    y = fastnn.dask.predict(model, da.from_array(X, (1000, 8)))
    model[0].weight.data[...] = 0
    assert (y.compute(scheduler="threads") == expected).all()


class Pair(nn.Module):
    def forward(self, x):
        return x, x


@pytest.mark.parametrize(
    ("model", "data", "message"),
    [
        (np.tanh, da.ones((2, 2)), "predict: expected a Module or a Frozen, got a ufunc"),
        (nn.ReLU(), np.ones((2, 2)), "predict: expected a Dask array or DataFrame, got a ndarray"),
        (nn.ReLU(), da.ones((2, 2)).astype("U3"), r"predict: expected an array \(N, \*\) of numbers, got <U3"),
        (nn.ReLU(), da.ones(()), r"predict: expected an array \(N, \*\) of numbers, got float64 of shape \(\)"),
        (Pair(), da.ones((2, 2)), "predict: expected a model that returns one array, got a tuple"),
        (nn.Linear(3, 2), da.ones((2, 2)), "linear: expected an input of 3 features"),
        (nn.ReLU(), da.ones((4, 4))[:, da.ones(4) > 0], "predict: expected samples of known sizes"),
        (
            nn.ReLU(),
            dd.from_pandas(pandas.DataFrame({"age": [1], "town": ["x"]}), npartitions=1),
            "predict: expected columns of numbers, got 'town' of",
        ),
    ],
)
def test_refused_at_once(model, data, message):
    with pytest.raises((TypeError, ValueError), match=message):
        fastnn.dask.predict(model, data)


def test_without_dask(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "dask", None)
    with pytest.raises(ModuleNotFoundError, match=r"fastnn.dask.predict needs dask: pip install dask"):
        fastnn.dask.predict(nn.ReLU(), None)


# -- on a cluster -----------------------------------------------------------------------------------------------------


def count(dask_worker):
    """Put counters into a worker: frozen models that arrive, plans that are made, the most threads of a call."""
    import fastnn
    from fastnn.graph import Frozen

    counts = dask_worker.counts = {"arrived": 0, "planned": 0, "threads": 0}
    came, planned, called = Frozen.__init__, Frozen._attempt, Frozen.__call__

    def came_and_counted(self, *args, **kwargs):
        counts["arrived"] += 1
        came(self, *args, **kwargs)

    def planned_and_counted(self, *args):
        counts["planned"] += 1
        return planned(self, *args)

    def called_and_counted(self, *args):
        counts["threads"] = max(counts["threads"], fastnn.get_num_threads())
        return called(self, *args)

    Frozen.__init__, Frozen._attempt, Frozen.__call__ = came_and_counted, planned_and_counted, called_and_counted


def counts(dask_worker):
    return dask_worker.counts


def slowly(part):
    time.sleep(0.02)
    return part


def test_the_model_travels_once_to_each_worker_and_is_planned_there_once(client):
    client.run(count)
    frozen = fastnn.freeze(network())
    y = fastnn.dask.predict(frozen, da.from_array(X, (40, 8)).map_blocks(slowly))
    assert (y.compute() == frozen(X)).all()
    assert list(client.run(counts).values()) == [{"arrived": 1, "planned": 1, "threads": 1}] * 2


def test_an_input_larger_than_memory(client):
    """2.2 GB of float32 through two workers that are killed beyond 1 GiB."""
    rows = 68 * 1_000_000
    x = da.random.default_rng(0).random((rows, 8), chunks=(1_000_000, 8), dtype=np.float32)
    pids = client.run(os.getpid)
    model = nn.Sequential(nn.Linear(8, 2), nn.Sigmoid())
    y = fastnn.dask.predict(model, x)
    assert x.nbytes > 2 * 2**30
    mean, first = dask.compute(y.mean(0), y[:3])
    assert np.isfinite(mean).all()
    assert (first == fastnn.freeze(model)(x[:3].compute())).all()
    assert client.run(os.getpid) == pids  # nobody was killed for its memory and started again


def test_a_worker_killed_in_mid_work_changes_no_bit(client):
    frozen = fastnn.freeze(network())
    y = fastnn.dask.predict(frozen, da.from_array(X, (25, 8)).map_blocks(slowly)).persist()
    while sum(future.done() for future in distributed.futures_of(y)) < 30:
        time.sleep(0.01)
    before = client.run(os.getpid)
    os.kill(next(iter(before.values())), signal.SIGKILL)
    assert (y.compute() == frozen(X)).all()
    client.wait_for_workers(2)
    assert client.run(os.getpid) != before


# -- statistics and training over chunks ------------------------------------------------------------------------------


def test_statistics_of_all_chunks():
    x = np.random.default_rng(2).normal(1e4, 1, (1000, 3, 4)).astype(np.float32)
    expected = nn.batch_stats(x)
    for chunks in ((1000, 3, 4), (37, 2, 1), (1, 3, 4)):
        found = fastnn.dask.batch_stats(da.from_array(x, chunks)).compute(scheduler="threads")
        assert found.count == expected.count
        np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-14)
        np.testing.assert_allclose(found.m2, expected.m2, rtol=1e-11)
    chunks = da.from_array(X, (300, 8))
    some = fastnn.dask.batch_stats(chunks[chunks[:, 0] > 2.5])  # chunks without a row among them
    assert some.compute(scheduler="threads").count == (X[:, 0] > 2.5).sum()
    with pytest.raises(ValueError, match="batch_stats: expected one row or more, got none"):
        fastnn.dask.batch_stats(chunks[chunks[:, 0] > 99]).compute(scheduler="threads")
    table = dd.from_pandas(pandas.DataFrame(X), npartitions=3)
    np.testing.assert_allclose(fastnn.dask.batch_stats(table).compute().mean, X.mean(0), rtol=1e-4)


def test_statistics_do_not_depend_on_who_computes_them(client):
    stats = fastnn.dask.batch_stats(da.from_array(X, (50, 8)))
    one, other = stats.compute(scheduler="synchronous"), stats.compute()
    assert all((a == b).all() for a, b in zip(one[1:], other[1:], strict=True))


def test_training_over_chunks_is_training_on_one_after_the_other(client):
    pytest.importorskip("sklearn")
    from fastnn.sklearn import MLPClassifier

    y = (X[:, 0] > X[:, 1]).astype(int)
    start = MLPClassifier((16,), batch_norm=True, random_state=0)
    expected = MLPClassifier((16,), batch_norm=True, random_state=0)
    for first in range(0, 3000, 500):
        expected.partial_fit(X[first : first + 500], y[first : first + 500], classes=[0, 1])
    arrays = da.from_array(X, (500, 4)), da.from_array(y, 700)
    tables = dd.from_pandas(pandas.DataFrame(X), npartitions=6), dd.from_pandas(pandas.Series(y), npartitions=6)
    for kind, (samples, targets) in {"array": arrays, "table": tables}.items():
        trained = fastnn.dask.partial_fit(start, samples, targets, classes=[0, 1]).compute()
        for a, b in zip(trained.model_.parameters(), expected.model_.parameters(), strict=True):
            assert (a.data == b.data).all(), kind
    assert not hasattr(start, "model_")
    weights = da.ones(3000, chunks=300, dtype=np.float32)
    weighted = fastnn.dask.partial_fit(start, *arrays, weights, classes=[0, 1]).compute()
    assert weighted.t_ == expected.t_


def test_refused_trainings():
    sklearn = pytest.importorskip("fastnn.sklearn")
    x, estimator = da.ones((10, 2), chunks=5), sklearn.MLPRegressor()
    with pytest.raises(TypeError, match="expected an estimator with partial_fit, got a Linear"):
        fastnn.dask.partial_fit(nn.Linear(1, 1), x, x)
    with pytest.raises(TypeError, match="partial_fit: expected a Dask array or DataFrame, got a ndarray"):
        fastnn.dask.partial_fit(estimator, x, np.ones(10))
    with pytest.raises(ValueError, match="partial_fit: expected as many rows as X has, 10, got 9"):
        fastnn.dask.partial_fit(estimator, x, da.ones(9, chunks=5))
    unknown = x[x[:, 0] > 0][:, 0]
    with pytest.raises(ValueError, match=r"partial_fit: expected as many chunks of y as of X, got \[2, 4\]"):
        fastnn.dask.partial_fit(estimator, x, da.concatenate([unknown, unknown]))
