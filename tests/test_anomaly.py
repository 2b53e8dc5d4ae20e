"""detect_anomaly names the call that gave a NaN or an infinity."""

import threading

import numpy as np
import pytest

import fastnn
from fastnn import _core, nn


class Divider(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 4), nn.ReLU())

    def forward(self, x):
        h = self.layers(x)
        return h / (h.sum() * 0)


@pytest.fixture
def model():
    fastnn.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Sequential(nn.Linear(4, 4), nn.GELU()), nn.Linear(4, 2))


X = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)


@pytest.mark.parametrize("recording", [fastnn.enable_grad, fastnn.no_grad])
def test_a_module_that_produces(model, recording):
    model[2][0].weight.data[1, 0] = np.float32(3e38)
    model[2][0].weight.data[1, 1:] = np.float32(-3e38)
    with pytest.raises(fastnn.AnomalyError) as caught, fastnn.detect_anomaly(), recording():
        model(X)
    error = caught.value
    assert (error.path, error.op, error.direction, error.produced) == ("2.0", "linear", "forward", True)
    assert error.index[1] == 1
    assert not np.isfinite(error.value)
    assert "forward of linear of Linear '2.0' gave" in str(error)
    assert "produced: finite came in" in str(error)


def test_what_is_passed_on(model):
    bad = X.copy()
    bad[4, 1] = np.nan
    with pytest.raises(fastnn.AnomalyError) as caught, fastnn.detect_anomaly():
        model(bad)
    assert (caught.value.path, caught.value.index, caught.value.produced) == ("0", (4, 0), False)
    assert "passed on: argument 1 held nan at index (4, 1)" in str(caught.value)
    model[0].bias.data[2] = np.inf
    with (
        pytest.raises(fastnn.AnomalyError, match=r"passed on: argument 3 held inf at index \(2,\)"),
        fastnn.detect_anomaly(),
    ):
        model(X)


def test_an_operator_inside_a_module():
    with pytest.raises(fastnn.AnomalyError) as caught, fastnn.detect_anomaly():
        Divider()(X)
    assert (caught.value.path, caught.value.op, caught.value.produced) == ("", "np.divide", True)
    assert "of np.divide of Divider gave" in str(caught.value)


def test_backward():
    class Root(nn.Module):
        def forward(self, x):
            return np.sqrt(x)

    x = fastnn.tensor(np.array([4.0, 0.0, 1.0]), requires_grad=True)
    model = nn.Sequential(nn.Identity(), Root())
    with fastnn.detect_anomaly():
        loss = model(x).sum()
        with pytest.raises(fastnn.AnomalyError) as caught:
            loss.backward()
    error = caught.value
    assert (error.path, error.op, error.direction, error.index, error.produced) == (
        "1",
        "np.sqrt",
        "backward",
        (1,),
        True,
    )
    assert x.grad is None


def test_backward_that_passes_on():
    x = fastnn.tensor(np.ones(3), requires_grad=True)
    with fastnn.detect_anomaly():
        y = fastnn.sigmoid(x)
        with pytest.raises(
            fastnn.AnomalyError, match=r"backward of sigmoid gave nan at index.*passed on: the gradient of its result"
        ):
            y.backward(np.array([1.0, np.nan, 1.0]))


@pytest.mark.parametrize("name", ["exp", "log"])
def test_numpy_functions(name):
    x = fastnn.tensor(np.array([[1.0, 1e4], [-1.0, 0.0]]), requires_grad=True)
    with pytest.raises(fastnn.AnomalyError, match=rf"forward of np\.{name} gave"), fastnn.detect_anomaly():
        getattr(np, name)(x)


def test_plain_arrays_and_what_is_no_anomaly(model):
    with fastnn.detect_anomaly():
        assert fastnn.relu(X).shape == X.shape
        fastnn.softmax(X, 1)
        loss = fastnn.cross_entropy(model(X), np.arange(6) % 2)
        loss.backward()
        np.argmax(model(X))
        with pytest.raises(fastnn.AnomalyError, match="forward of relu gave inf at index"):
            fastnn.relu(np.array([1.0, np.inf]))
        with pytest.raises(fastnn.AnomalyError, match="forward of softmax gave nan"):
            fastnn.softmax(np.array([[np.inf, 1.0]]), 1)


def test_results_are_the_same_inside_and_nothing_stays_behind(model):
    outside = model(X).numpy()
    with fastnn.detect_anomaly():
        with fastnn.detect_anomaly():
            inside = model(X).numpy()
        assert len(_core.observers) == 1
    np.testing.assert_array_equal(inside, outside)
    with pytest.raises(ZeroDivisionError), fastnn.detect_anomaly():
        raise ZeroDivisionError
    assert (_core.observers, _core.mode.observer, _core.mode.origin) == ([], None, None)
    assert np.isnan(fastnn.relu(np.array([np.nan]))).all()


def test_only_the_thread_that_asked_is_watched():
    result = []
    with fastnn.detect_anomaly():
        thread = threading.Thread(target=lambda: result.append(fastnn.relu(np.array([np.inf]))))
        thread.start()
        thread.join()
    assert result[0] == np.inf


def test_a_step_recorded_inside_is_not_looked_at_outside():
    x = fastnn.tensor(np.array([0.0]), requires_grad=True)
    with fastnn.detect_anomaly():
        y = np.sqrt(x)
    with np.errstate(divide="ignore"):
        y.backward()
    assert x.grad == np.inf
