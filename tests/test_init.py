"""Initialisers: gains, fans, bounds, moments, generators."""

import math

import numpy as np
import pytest
import scipy.special as sp

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


def test_generator_has_two_names():
    a, b = init.normal_(np.empty(5), generator=3), init.normal_(np.empty(5), rng=3)
    np.testing.assert_array_equal(a, b)
    for f in (init.uniform_, init.normal_, init.trunc_normal_):
        with pytest.raises(TypeError, match=f"{f.__name__}: expected generator or rng, got both"):
            f(np.empty(5), generator=1, rng=1)
    for f in (init.xavier_uniform_, init.xavier_normal_, init.kaiming_uniform_, init.kaiming_normal_, init.orthogonal_):
        np.testing.assert_array_equal(f(np.empty((4, 3)), rng=1), f(np.empty((4, 3)), generator=1))


@pytest.mark.parametrize(
    ("mean", "std", "a", "b"), [(0, 1, -2, 2), (0, 5, -2, 2), (1, 0.5, 0, 3), (0, 1, 3, 4), (0, 1, -9, -8)]
)
def test_trunc_normal(mean, std, a, b):
    t = init.trunc_normal_(np.empty(20_000), mean, std, a, b, rng=0)
    assert t.min() >= a
    assert t.max() <= b
    low, high = (sp.ndtr((v - mean) / std) for v in (a, b))
    if a > mean:  # the right tail's probabilities round to 1
        low, high = sp.ndtr((mean - b) / std), sp.ndtr((mean - a) / std)
        t = 2 * mean - t
    uniform = np.sort((sp.ndtr((t - mean) / std) - low) / (high - low))
    assert abs(uniform - (np.arange(20_000) + 0.5) / 20_000).max() < 0.014  # Kolmogorov and Smirnov: p < 1e-3


def test_trunc_normal_edges():
    assert (init.trunc_normal_(np.empty(3), 5, 0, -2, 2) == 2).all()
    with pytest.raises(ValueError, match="trunc_normal_: expected a of at most b"):
        init.trunc_normal_(np.empty(3), a=1, b=0)
    p = nn.Parameter(np.empty((30, 20), np.float32))
    assert init.trunc_normal_(p) is p


@pytest.mark.parametrize("shape", [(3, 3), (5, 3), (3, 5), (4, 2, 3), (1, 7)], ids=str)
def test_orthogonal(shape):
    w = init.orthogonal_(np.empty(shape), gain=2, rng=0).reshape(shape[0], -1)
    small = min(w.shape)
    gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(gram, 4 * np.eye(small), atol=1e-12)


def test_orthogonal_is_uniform():
    """The sign of a diagonal entry is as often positive as negative."""
    signs = [init.orthogonal_(np.empty((2, 2)), rng=i)[0, 0] > 0 for i in range(400)]
    assert 150 < sum(signs) < 250
    with pytest.raises(ValueError, match="orthogonal_: expected a tensor of 2 or more dimensions"):
        init.orthogonal_(np.empty(3))
    assert init.orthogonal_(np.empty((0, 3))).shape == (0, 3)


def test_eye_and_dirac():
    np.testing.assert_array_equal(init.eye_(np.empty((3, 2))), np.eye(3, 2))
    w = init.dirac_(np.empty((4, 2, 3, 3)))
    assert w.sum() == 2
    assert w[0, 0, 1, 1] == w[1, 1, 1, 1] == 1
    w = init.dirac_(np.empty((4, 2, 3)), groups=2)
    assert w[0, 0, 1] == w[1, 1, 1] == w[2, 0, 1] == w[3, 1, 1] == 1
    for call, text in (
        (lambda: init.eye_(np.empty(3)), "eye_: expected a tensor of 2 dimensions"),
        (lambda: init.dirac_(np.empty((3, 3))), "dirac_: expected a tensor of 3, 4 or 5 dimensions"),
        (
            lambda: init.dirac_(np.empty((3, 3, 3)), groups=2),
            "dirac_: expected a first dimension divisible by groups 2",
        ),
    ):
        with pytest.raises(ValueError, match=text):
            call()


def test_sparse():
    w = init.sparse_(np.empty((100, 30)), 0.33, std=2.0, rng=0)
    assert ((w == 0).sum(0) == 33).all()
    assert w[w != 0].std() == pytest.approx(2, rel=0.1)
    with pytest.raises(ValueError, match="sparse_: expected sparsity in"):
        init.sparse_(np.empty((3, 3)), 1.5)
