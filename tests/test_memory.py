"""The memory of large results: blocks that were freed serve again, within a bound, for every thread and child process."""

import gc
import os
import pickle
import threading

import numpy as np
import pytest

import fastnn
from fastnn import nn

LARGE = 100_000  # float32 values: above what the pool leaves to malloc


@pytest.fixture(autouse=True)
def pool():
    """Empty before and after, with its own limit."""
    gc.collect()
    before = fastnn.set_cache_limit(2**26)
    fastnn.empty_cache()
    fastnn.memory_stats(reset_peak=True)
    yield
    fastnn.set_cache_limit(before)
    fastnn.empty_cache()


def stats():
    gc.collect()
    return fastnn.memory_stats()


def ones(n=LARGE):
    return np.ones(n, np.float32)


def test_a_result_gets_the_memory_of_the_one_before():
    x = ones()
    y = fastnn.relu(x)
    address, first = y.ctypes.data, stats()
    assert address % 64 == 0
    assert first["live"] >= y.nbytes
    del y
    kept = stats()
    assert (kept["live"], kept["cached"]) == (0, first["live"])
    z = fastnn.sigmoid(x[: LARGE - 100])
    assert z.ctypes.data == address
    again = stats()
    assert again["hits"] == first["hits"] + 1
    assert (again["live"], again["cached"]) == (first["live"], 0)
    assert again["peak"] == first["live"]


@pytest.mark.parametrize("n", [16_384, 100_000, 999_999, 1_048_560, 1_048_576, 3_000_001])
def test_little_is_wasted(n):
    x = ones(n)
    before = stats()["live"]
    y = fastnn.relu(x)
    assert y.nbytes <= stats()["live"] - before <= 1.13 * y.nbytes + 128


def test_small_results_are_not_pooled():
    before = stats()["requests"]
    fastnn.relu(ones(1000))
    assert stats()["requests"] == before


def test_a_view_keeps_its_memory():
    x = ones()
    view = fastnn.relu(x)[10:20]
    others = [fastnn.relu(-x) for _ in range(5)]
    assert (view == 1).all()
    del others
    assert stats()["live"] > 0
    del view
    assert stats()["live"] == 0


def test_the_limit_holds_and_the_oldest_goes_first():
    sizes = [LARGE, 2 * LARGE, 3 * LARGE]
    results = [fastnn.relu(ones(n)) for n in sizes]
    each = stats()["live"] / sum(sizes)
    fastnn.set_cache_limit(int(each * 5.5 * LARGE))
    while results:
        results.pop(0)  # the smallest first
    assert stats()["cached"] == pytest.approx(5 * each * LARGE, rel=0.05)
    hits = stats()["hits"]
    keep = [fastnn.relu(ones(n)) for n in sizes]
    assert stats()["hits"] == hits + 2
    del keep
    assert fastnn.set_cache_limit(0) == int(each * 5.5 * LARGE)
    assert stats()["cached"] == 0
    fastnn.relu(ones())
    assert stats()["cached"] == 0


def test_what_nobody_asks_for_goes():
    x, other = ones(), ones(3 * LARGE)
    del_me = fastnn.relu(other)
    del del_me
    before = stats()["cached"]
    for _ in range(5000):
        fastnn.relu(x)
    assert stats()["cached"] < before


def test_empty_cache_spares_what_is_in_use():
    x = ones()
    y = fastnn.relu(x)
    fastnn.relu(x)
    fastnn.empty_cache()
    after = stats()
    assert after["cached"] == 0
    assert after["live"] >= y.nbytes
    assert (y == 1).all()


def test_arrays_are_ordinary():
    y = fastnn.relu(ones())
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(y)), y)
    y.resize(2 * LARGE, refcheck=False)
    assert y[:LARGE].all()
    assert not y[LARGE:].any()
    del y
    assert stats()["live"] == 0


def test_an_error_gives_the_memory_back():
    x = ones().reshape(100, 1000)
    for _ in range(3):
        with pytest.raises(ValueError, match="linear: expected"):
            fastnn.linear(fastnn.relu(x), np.ones((5, 7), np.float32))
        with pytest.raises(IndexError, match="target"):
            fastnn.cross_entropy(fastnn.relu(x), np.full(100, 5000))
    assert stats()["live"] == 0


def test_threads_never_share_a_block():
    wrong = []

    def work(value):
        rng = np.random.default_rng(value)
        held = []
        for _ in range(200):
            x = np.full(int(rng.integers(LARGE // 4, LARGE)), value, np.float32)
            held.append(fastnn.relu(x))
            if len(held) > 3:
                y = held.pop(int(rng.integers(3)))
                if not (y == value).all():
                    wrong.append(value)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert stats()["live"] == 0
    assert stats()["cached"] <= 2**26


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_children_have_a_pool_of_their_own():
    x = ones()
    y = fastnn.relu(x)
    running = threading.Event()
    done = threading.Event()

    def busy():
        while not done.is_set():
            fastnn.relu(x)
            running.set()

    worker = threading.Thread(target=busy)
    worker.start()
    running.wait()
    try:
        for _ in range(20):
            child = os.fork()
            if child == 0:
                fine = (fastnn.relu(x) == 1).all() and (y == 1).all()
                fastnn.empty_cache()
                os._exit(0 if fine and fastnn.memory_stats()["cached"] == 0 else 1)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        done.set()
        worker.join()
    assert (y == 1).all()


def test_a_training_step_asks_the_system_for_nothing():
    model = nn.Sequential(nn.Linear(784, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Dropout(0.2), nn.Linear(256, 10))
    optimizer = fastnn.optim.Adam(model.parameters())
    x, t = np.ones((128, 784), np.float32), np.zeros(128, np.int64)

    def step():
        optimizer.zero_grad()
        F = fastnn.functional
        F.cross_entropy(model(x), t).backward()
        optimizer.step()

    for _ in range(3):
        step()
    before = stats()
    for _ in range(20):
        step()
    after = stats()
    assert after["requests"] - before["requests"] == after["hits"] - before["hits"] > 0
    assert after["live"] == before["live"]
    assert after["peak"] == before["peak"]


def test_the_limit_is_a_count_of_bytes():
    with pytest.raises((TypeError, ValueError), match="set_cache_limit: expected limit"):
        fastnn.set_cache_limit(-1)
    with pytest.raises(TypeError, match="set_cache_limit: expected limit"):
        fastnn.set_cache_limit("1 GB")
    fastnn.set_cache_limit(2**70)
    assert fastnn.memory_stats()["limit"] > 2**40
