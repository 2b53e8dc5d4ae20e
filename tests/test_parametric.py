"""Activations with learned parameters: values, all gradients, channels, memory orders, layers, refusals."""

import math

import mpmath as mp
import numpy as np
import pytest
from numeric import slope
from ops import LEARNED, exact, layer_of

import fastnn
from fastnn import nn

both = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
every = pytest.mark.parametrize("act", LEARNED, ids=[act.name for act in LEARNED])


def function(act):
    return getattr(fastnn, act.name)


def twin(act):
    return getattr(fastnn, act.name + "_backward")


def parameters(act, size, dtype, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.uniform(0.3, 1.7, size).astype(dtype) for _ in act.given]


@both
@every
@pytest.mark.parametrize("values", [(1.0, 1.0), (0.37, 2.3), (-0.6, -1.4)], ids=str)
def test_values_within_bound(act, dtype, values):
    if act.name == "parametric_softplus" and values[0] < 0:
        values = (0.05, 0.0)
    params = [dtype(v) for v in values[: len(act.given)]]
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.uniform(-60, 60, 400), rng.uniform(-3, 3, 400), 2.0 ** rng.uniform(-30, 3, 100)]).astype(
        dtype
    )
    y = function(act)(x, *(np.array([p]) for p in params))
    assert y.dtype == dtype
    info = np.finfo(dtype)
    with mp.workdps(40):
        for v, got in zip(x, y, strict=True):
            value = exact(act, mp.mpf(float(v)), *(mp.mpf(float(p)) for p in params))
            unit = mp.mpf(2) ** (mp.floor(mp.log(max(abs(value), mp.mpf(float(info.smallest_normal))), 2)) - info.nmant)
            assert abs(mp.mpf(float(got)) - value) <= (2.5 if dtype == np.float32 else 4.5) * unit, (v, got, value)


SHAPES = [((7,), 1), ((5, 3), 3), ((4, 3), 1), ((2, 3, 5), 3), ((2, 4, 3, 2), 4), ((2, 3, 2, 2, 2), 3)]


@every
@pytest.mark.parametrize(("shape", "size"), SHAPES, ids=str)
def test_gradients(act, shape, size):
    rng = np.random.default_rng(0)
    x = rng.uniform(-3, 3, shape)
    x[abs(x) < 0.01] = 1
    dy, params = rng.normal(size=shape), parameters(act, size, np.float64)
    dx, *dparams = twin(act)(dy, x, *params)
    f = function(act)
    np.testing.assert_allclose(dx, slope(lambda v: f(v, *params), x, dy, 1e-4), rtol=1e-6, atol=1e-9)
    for i, got in enumerate(dparams):
        numeric = slope(lambda v, i=i: f(x, *params[:i], v, *params[i + 1 :]), params[i], dy, 1e-4)
        assert got.shape == (size,)
        np.testing.assert_allclose(got, numeric, rtol=1e-6, atol=1e-9)
    tracked = [fastnn.tensor(each, requires_grad=True) for each in (x, *params)]
    f(*tracked).backward(dy)
    for each, expected in zip(tracked, (dx, *dparams), strict=True):
        np.testing.assert_array_equal(each.grad, expected)


@both
@every
def test_memory_orders_give_the_same_bits(act, dtype):
    rng = np.random.default_rng(0)
    x, dy = rng.normal(0, 3, (2, 9, 6, 20, 13)).astype(dtype)
    params = parameters(act, 6, dtype)
    expected = function(act)(x, *params)
    gradients = twin(act)(dy, x, *params)
    rows = np.moveaxis(x, 1, -1).reshape(-1, 6)
    np.testing.assert_array_equal(np.moveaxis(function(act)(rows, *params).reshape(9, 20, 13, 6), -1, 1), expected)
    for order in (lambda v: np.moveaxis(np.ascontiguousarray(np.moveaxis(v, 1, -1)), -1, 1), np.asfortranarray):
        np.testing.assert_array_equal(function(act)(order(x), *params), expected)
        for got, want in zip(twin(act)(order(dy), order(x), *params), gradients, strict=True):
            np.testing.assert_array_equal(got, want)
    one = [p[:1] for p in params]
    for got, want in zip(twin(act)(dy[::-1][::-1], x.copy("F"), *one), twin(act)(dy, x, *one), strict=True):
        np.testing.assert_array_equal(got, want)


@every
def test_many_values_sum_exactly_enough(act):
    x = np.random.default_rng(0).normal(0, 2, (3000, 5, 7))
    dy = np.random.default_rng(1).normal(size=x.shape)
    params = parameters(act, 5, np.float64)
    for got, wide in zip(
        twin(act)(dy.astype(np.float32), x.astype(np.float32), *params), twin(act)(dy, x, *params), strict=True
    ):
        np.testing.assert_allclose(got, wide, rtol=2e-5, atol=2e-3)


@every
def test_limits(act):
    """At the infinities no NaN comes of 0 times infinity."""
    params = parameters(act, 1, np.float64)
    dx, *dparams = twin(act)([1.0, 1.0], [math.inf, -math.inf], *params)
    assert not np.isnan(function(act)([math.inf, -math.inf], *params)).any()
    assert not np.isnan(dx).any()
    assert not np.isnan(dparams).any() or act.name in ("prelu", "scaled_relu")
    assert np.isnan(function(act)([math.nan], *params)).all()


@every
def test_layers(act):
    layer = layer_of(act)()
    assert {name: p.data.tolist() for name, p in layer.named_parameters()} == {k: [v] for k, v in act.given.items()}
    assert {p.dtype for p in layer.parameters()} == {np.dtype(np.float32)}
    x = np.random.default_rng(0).normal(size=(6, 4, 3))
    y = layer(x)
    assert y.dtype == np.float32
    y.sum().backward()
    assert all(p.grad.shape == (1,) for p in layer.parameters())
    layer = layer_of(act)(4).double()
    layer(x).sum().backward()
    assert all(p.grad.shape == (4,) and p.grad.any() for p in layer.parameters())
    np.testing.assert_array_equal(layer.eval()(x).numpy(), function(act)(x, *(p.data for p in layer.parameters())))
    with pytest.raises(
        ValueError, match=rf"{act.name}: expected .* of 1 or 3 values for an input of shape \(2, 3\), got"
    ):
        layer(np.zeros((2, 3)))
    with pytest.raises(ValueError, match=f"{layer_of(act).__name__}: expected num_parameters of at least 1, got 0"):
        layer_of(act)(0)
    for p in layer.parameters():
        p.data[...] = 9
    layer.reset_parameters()
    assert {name: p.data[0] for name, p in layer.named_parameters()} == act.given


@every
def test_kinds_of_input(act):
    f, params = function(act), parameters(act, 1, np.float64)
    assert f([1, 2], *params).dtype == np.float64
    assert f(np.float32(1), *params).dtype == np.float32
    assert f(np.ones(3, np.float16), *params).dtype == np.float16
    assert f(np.zeros((0, 3)), *params).shape == (0, 3)
    out = np.empty((2, 3), np.float32)
    assert f(np.ones((2, 3), np.float32), *params, out=out) is out
    dx, *rest = twin(act)(np.zeros((0, 3)), np.zeros((0, 3)), *params)
    assert dx.shape == (0, 3)
    assert all(each.shape == (1,) and not each.any() for each in rest)
    with pytest.raises(TypeError, match=f"{act.name}: expected input of real numbers"):
        f("a", *params)
    with pytest.raises(ValueError, match=f"{act.name}_backward: expected dy of x's shape"):
        twin(act)(np.zeros(2), np.zeros(3), *params)
    with pytest.raises(ValueError, match=f"{act.name}: expected .* of 1 or 3 values"):
        f(np.zeros((2, 3)), *[np.zeros((1, 3))] * len(params))


def test_familiar_values():
    x = np.linspace(-4, 4, 33)
    np.testing.assert_allclose(fastnn.swish(x), fastnn.silu(x), rtol=1e-15)
    np.testing.assert_array_equal(fastnn.prelu(x, 0.1), fastnn.leaky_relu(x, 0.1))
    np.testing.assert_array_equal(fastnn.parametric_elu(x, 1.0), fastnn.elu(x))
    np.testing.assert_array_equal(fastnn.parametric_softplus(x, 2.0), fastnn.softplus(x, 2.0))
    np.testing.assert_array_equal(fastnn.scaled_relu(x, 1.0), fastnn.relu(x))
    with pytest.raises(ValueError, match="prelu: expected weight of 1 or 1 values"):
        fastnn.prelu(np.zeros(3), np.zeros(3))


def test_rrelu():
    x = np.random.default_rng(0).normal(size=(50, 40)).astype(np.float32)
    np.testing.assert_array_equal(fastnn.rrelu(x), fastnn.leaky_relu(x, (1 / 8 + 1 / 3) / 2))
    y = fastnn.rrelu(x, 0.2, 0.4, training=True, rng=3)
    slopes = (y / x)[x < 0]
    assert slopes.min() >= 0.2
    assert slopes.max() <= 0.4
    assert abs(slopes.mean() - 0.3) < 0.01
    np.testing.assert_array_equal(y[x > 0], x[x > 0])
    np.testing.assert_array_equal(fastnn.rrelu(np.asfortranarray(x), 0.2, 0.4, training=True, rng=3), y)
    dx = fastnn.rrelu_backward(x, x, 0.2, 0.4, training=True, rng=3)
    np.testing.assert_array_equal(dx, y)
    t = fastnn.tensor(x, requires_grad=True)
    fastnn.rrelu(t, 0.2, 0.4, training=True, rng=3).backward(x)
    np.testing.assert_array_equal(t.grad, y)
    layer = nn.RReLU(0.2, 0.4, rng=1)
    assert not np.array_equal(layer(x), layer(x))
    np.testing.assert_array_equal(layer.eval()(x), fastnn.rrelu(x, 0.2, 0.4))
    z = x.copy()
    assert fastnn.rrelu(z, training=True, inplace=True) is z
    for bounds in ((0.5, 0.2), (0.1, math.inf), (math.nan, 1.0)):
        for training in (True, False):
            with pytest.raises(ValueError, match="rrelu: expected a finite lower of at most upper"):
                fastnn.rrelu(x, *bounds, training=training)
    with pytest.raises(TypeError, match="rrelu_backward: expected rng to be the key"):
        fastnn.rrelu_backward(x, x, training=True)


def test_glu():
    x = np.random.default_rng(0).normal(size=(3, 4, 6))
    dy = np.random.default_rng(1).normal(size=(3, 2, 6))
    y = fastnn.glu(x, 1)
    np.testing.assert_allclose(y, x[:, :2] / (1 + np.exp(-x[:, 2:])), rtol=1e-14)
    dx = fastnn.glu_backward(dy, x, 1)
    np.testing.assert_allclose(dx, slope(lambda v: fastnn.glu(v, 1), x, dy), rtol=1e-7, atol=1e-10)
    t = fastnn.tensor(x, requires_grad=True)
    nn.GLU(1)(t).backward(dy)
    np.testing.assert_array_equal(t.grad, dx)
    assert fastnn.glu(np.ones(4, np.float16)).dtype == np.float16
    assert fastnn.glu(np.zeros((2, 0))).shape == (2, 0)
    with pytest.raises(ValueError, match=r"glu: expected dimension 2 to be even, got shape \(3, 4, 5\)"):
        fastnn.glu(np.zeros((3, 4, 5)))
    with pytest.raises(ValueError, match="glu: expected an input of 1 or more dimensions"):
        fastnn.glu(1.0)
