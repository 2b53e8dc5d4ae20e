"""Initialisers: gains, fans, bounds, moments, generators."""

import math

import numpy as np
import pytest

import fastnn
from fastnn import nn
from fastnn.nn import init


def test_gains():
    expected = {
        "linear": 1,
        "sigmoid": 1,
        "conv2d": 1,
        "tanh": 5 / 3,
        "relu": math.sqrt(2),
        "leaky_relu": 1.4141428569978354,
        "selu": 0.75,
    }
    for name, gain in expected.items():
        assert init.calculate_gain(name) == pytest.approx(gain, rel=1e-12)
    assert init.calculate_gain("leaky_relu", 2) == pytest.approx(math.sqrt(2 / 5))
    for name in ("elu", "gelu", "x"):
        with pytest.raises(ValueError, match="calculate_gain: expected nonlinearity"):
            init.calculate_gain(name)


def test_fans():
    assert init.fans("f", np.empty((8, 4, 3, 3))) == (36, 72)
    assert init.fans("f", np.empty((5, 7))) == (7, 5)
    for f in (init.xavier_uniform_, init.xavier_normal_, init.kaiming_uniform_, init.kaiming_normal_):
        with pytest.raises(
            ValueError, match=rf"{f.__name__}: expected a tensor of 2 or more dimensions, got shape \(3,\)"
        ):
            f(np.empty(3))


@pytest.mark.parametrize(
    ("f", "bound"),
    [
        (lambda t: init.uniform_(t, -2, 2), 2),
        (lambda t: init.xavier_uniform_(t, gain=2), 2 * math.sqrt(6 / 700)),
        (lambda t: init.kaiming_uniform_(t, nonlinearity="relu"), math.sqrt(2) * math.sqrt(3 / 300)),
        (lambda t: init.kaiming_uniform_(t, a=math.sqrt(5), mode="fan_out"), math.sqrt(2 / 6) * math.sqrt(3 / 400)),
    ],
)
def test_uniform(f, bound):
    t = np.empty((400, 300))
    assert f(t) is t
    assert 0.999 * bound < abs(t).max() <= bound
    assert t.std() == pytest.approx(bound / math.sqrt(3), rel=0.02)


@pytest.mark.parametrize(
    ("f", "std"),
    [
        (lambda t: init.normal_(t, 0, 2), 2),
        (lambda t: init.xavier_normal_(t), math.sqrt(2 / 700)),
        (lambda t: init.kaiming_normal_(t, nonlinearity="tanh"), 5 / 3 / math.sqrt(300)),
    ],
)
def test_normal(f, std):
    t = nn.Parameter(np.empty((400, 300), np.float32))
    assert f(t) is t
    assert t.data.std() == pytest.approx(std, rel=0.02)
    assert abs(t.data.mean()) < 4 * std / math.sqrt(t.size)


def test_constants_and_generators():
    np.testing.assert_array_equal(init.constant_(np.empty(3), 2), [2, 2, 2])
    assert init.ones_(np.empty(3)).all()
    assert not init.zeros_(np.ones(3)).any()
    a, b = (init.normal_(np.empty(5), generator=3) for _ in range(2))
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(init.normal_(np.empty(5), generator=np.random.default_rng(3)), a)
    fastnn.manual_seed(1)
    a = init.normal_(np.empty((3, 4)))
    fastnn.manual_seed(1)
    np.testing.assert_array_equal(init.normal_(np.empty((3, 4), order="F")), a)


def test_refusals():
    for wrong in ([1.0], np.ones(2, int)):
        with pytest.raises(TypeError, match="uniform_: expected a Parameter, a Tensor or a float array"):
            init.uniform_(wrong)
    with pytest.raises(ValueError, match="uniform_: expected a of at most b"):
        init.uniform_(np.empty(2), 1, 0)
    with pytest.raises(ValueError, match="normal_: expected std"):
        init.normal_(np.empty(2), 0, -1)
    with pytest.raises(TypeError, match="normal_: expected rng"):
        init.normal_(np.empty(2), generator="x")
    init.kaiming_uniform_(np.empty((3, 0)))
