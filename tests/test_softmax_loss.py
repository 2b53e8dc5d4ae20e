"""softmax, log_softmax, cross_entropy and mse_loss: values, gradients, edges, refusals."""

import math

import mpmath as mp
import numpy as np
import pytest
import scipy.special as sp

import fastnn
from fastnn import nn

both = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])


def slope(f, x, dy, h=1e-4):
    """Gradient of sum(dy f(x)) by a fourth-order difference."""
    g = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[i] = h
        g[i] = (dy * (8 * (f(x + step) - f(x - step)) - (f(x + 2 * step) - f(x - 2 * step)))).sum() / (12 * h)
    return g


@both
@pytest.mark.parametrize(
    ("shape", "dim"),
    [((5,), 0), ((3, 4), 1), ((3, 4), 0), ((2, 1000), -1), ((2, 3, 5), 1), ((3, 2500), 1), ((), 0)],
    ids=str,
)
def test_softmax(dtype, shape, dim):
    x = np.random.default_rng(0).normal(0, 4, shape).astype(dtype)
    wide = x.astype(float)
    tolerance = 5e-7 if dtype == np.float32 else 2e-15
    expected = sp.softmax(wide, dim) if shape else np.array(1.0)
    np.testing.assert_allclose(fastnn.softmax(x, dim), expected, rtol=4 * tolerance, atol=1e-12)
    expected = sp.log_softmax(wide, dim) if shape else np.array(0.0)
    np.testing.assert_allclose(fastnn.log_softmax(x, dim), expected, rtol=4 * tolerance, atol=4 * tolerance)
    for memory in (np.asfortranarray(x), np.ascontiguousarray(x[..., ::-1])[..., ::-1] if shape else x):
        np.testing.assert_array_equal(fastnn.softmax(memory, dim), fastnn.softmax(x, dim))
    out = np.empty_like(x)
    assert fastnn.softmax(x, dim, out=out) is out
    np.testing.assert_array_equal(out, fastnn.softmax(x, dim))


@pytest.mark.parametrize(("shape", "dim"), [((4,), 0), ((3, 4), 1), ((3, 4), 0), ((2, 3, 2), 1)], ids=str)
def test_softmax_gradients(shape, dim):
    rng = np.random.default_rng(0)
    x, dy = rng.normal(size=shape), rng.normal(size=shape)
    for f, df in ((fastnn.softmax, fastnn.softmax_backward), (fastnn.log_softmax, fastnn.log_softmax_backward)):
        np.testing.assert_allclose(
            df(dy, f(x, dim), dim), slope(lambda v, f=f: f(v, dim), x, dy), rtol=1e-8, atol=1e-10
        )


def test_implicit_dim_is_pytorchs():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    for part, dim in ((x[0, 0, 0], 0), (x[0, 0], 1), (x[0], 0), (x, 1)):
        np.testing.assert_array_equal(fastnn.softmax(part), fastnn.softmax(part, dim))


def test_softmax_teaching_digits():
    np.testing.assert_allclose(fastnn.softmax([1.0, 4.0, -1.0, 6.0]), [0.0059, 0.1184, 0.0008, 0.8749], atol=6e-5)


@both
def test_softmax_edges(dtype):
    inf, nan = math.inf, math.nan
    for row in ([1, nan, 2], [nan, 1, 2], [1, inf, 2], [-inf, -inf, -inf]):
        x = np.array([row, [1, 2, 3]], dtype)
        assert np.isnan(fastnn.softmax(x, 1)[0]).all()
        assert np.isnan(fastnn.log_softmax(x, 1)[0]).all()
        assert np.isfinite(fastnn.log_softmax(x, 1)[1]).all()
    np.testing.assert_array_equal(fastnn.softmax(np.array([-inf, 0, -inf], dtype)), [0, 1, 0])
    np.testing.assert_array_equal(fastnn.log_softmax(np.array([-inf, 0, -inf], dtype)), [-inf, 0, -inf])
    assert fastnn.softmax(np.zeros((0, 3), dtype), 1).shape == (0, 3)
    assert fastnn.softmax(np.zeros((3, 0), dtype), 1).shape == (3, 0)


def test_log_softmax_keeps_the_largest_entry():
    for gap in (5.0, 17.0, 30.0, 80.0):
        exact = -float(mp.log1p(mp.exp(-gap)))
        assert float(fastnn.log_softmax(np.float32([gap, 0]))[0]) == pytest.approx(exact, rel=3e-7)


def test_softmax_refusals():
    with pytest.raises(IndexError, match=r"softmax: expected dim in \[-1, 0\], got 1"):
        fastnn.softmax([1.0], 1)
    with pytest.raises(TypeError, match="softmax: expected dim to be an integer"):
        fastnn.softmax([1.0], 0.5)
    assert fastnn.softmax(np.array([1, 2]), 0, dtype=np.float32).dtype == np.float32
    for wrong in (int, bool, complex):
        with pytest.raises(TypeError, match="softmax: expected dtype float16, float32 or float64"):
            fastnn.softmax([0.2, 0.9], 0, dtype=wrong)


def reference_cross_entropy(x, t, w=None, ignore_index=-100, smoothing=0.0):
    """Losses of (rows, C), and the divisor of the mean."""
    x = x.astype(np.longdouble)
    log_p = x - np.log(np.exp(x).sum(1, keepdims=True))
    w = np.ones(x.shape[1]) if w is None else w
    kept = t != ignore_index
    i = np.where(kept, t, 0)
    losses = -(1 - smoothing) * w[i] * log_p[np.arange(len(x)), i] - smoothing / x.shape[1] * (w * log_p).sum(1)
    return np.where(kept, losses, 0), (w[i] * kept).sum()


@both
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("spatial", [(), (3,), (2, 5)], ids=str)
def test_cross_entropy(dtype, reduction, smoothing, weighted, spatial):
    rng = np.random.default_rng(0)
    x = rng.normal(0, 3, (6, 5, *spatial)).astype(dtype)
    t = rng.integers(0, 5, (6, *spatial))
    t.flat[1] = 2
    w = rng.uniform(0.5, 2, 5).astype(dtype) if weighted else None
    options = {"weight": w, "ignore_index": 2, "reduction": reduction, "label_smoothing": smoothing}
    rows = np.moveaxis(x, 1, -1).reshape(-1, 5).astype(float)
    losses, total = reference_cross_entropy(rows, t.ravel(), w, 2, smoothing)
    expected = {"none": losses.reshape(t.shape), "sum": losses.sum(), "mean": losses.sum() / total}[reduction]
    got = fastnn.cross_entropy(x, t, **options)
    assert got.dtype == dtype
    np.testing.assert_allclose(got, np.float64(expected), rtol=2e-6 if dtype == np.float32 else 1e-13)
    if dtype == np.float64:
        dy = rng.normal(size=np.shape(got))
        numeric = slope(lambda v: fastnn.cross_entropy(v, t, **options), x, dy)
        np.testing.assert_allclose(fastnn.cross_entropy_backward(dy, x, t, **options), numeric, rtol=1e-7, atol=1e-9)


def test_cross_entropy_targets():
    x = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    expected = fastnn.cross_entropy(x, np.array([0, 1, 2, 1]))
    for kind in (np.int8, np.uint8, np.int32, np.uint64, ">i4"):
        assert fastnn.cross_entropy(x, np.array([0, 1, 2, 1]).astype(kind)) == expected
    assert fastnn.cross_entropy(x, [0, 1, 2, 1]) == expected
    assert fastnn.cross_entropy(x[0], 1).shape == ()
    for target, error, text in (
        ([0, 1, 2, 3], IndexError, r"expected targets in \[0, 2\], got 3 at index 3"),
        ([0, -1, 2, 1], IndexError, r"expected targets in \[0, 2\], got -1 at index 1"),
        ([0, 1], ValueError, r"expected target of shape \(4,\) for an input of shape \(4, 3\), got \(2,\)"),
        ([0.0, 1.0, 2.0, 0.0], TypeError, "expected target to hold class indices"),
    ):
        with pytest.raises(error, match="cross_entropy: " + text):
            fastnn.cross_entropy(x, target)
    with pytest.raises(ValueError, match="reduction to be one of 'none', 'mean', 'sum', got 'avg'"):
        fastnn.cross_entropy(x, [0] * 4, reduction="avg")
    with pytest.raises(ValueError, match=r"label_smoothing in \[0, 1\], got 1.5"):
        fastnn.cross_entropy(x, [0] * 4, label_smoothing=1.5)


@pytest.mark.parametrize("wrong", ["a", None, 1.5, True, [0, 9], np.array([0, 9])], ids=str)
def test_ignore_index_is_an_integer(wrong):
    with pytest.raises(TypeError, match="cross_entropy: expected ignore_index to be an integer"):
        fastnn.cross_entropy(np.zeros((2, 3)), [0, 1], ignore_index=wrong)


def test_cross_entropy_edges():
    x = np.array([[0.0, -math.inf], [1.0, 2.0]])
    assert np.isnan(fastnn.cross_entropy(x, [-100, -100]))
    assert fastnn.cross_entropy(x, [-100, -100], reduction="sum") == 0
    assert fastnn.cross_entropy(x, [0, 0], reduction="none")[0] == 0
    assert fastnn.cross_entropy(x, [1, 0], reduction="none")[0] == math.inf
    assert fastnn.cross_entropy(x, [0, 0], label_smoothing=0.1, reduction="none")[0] == math.inf
    assert np.isfinite(fastnn.cross_entropy(x, [0, 0], weight=[1.0, 0.0], label_smoothing=0.1))
    assert np.isnan(fastnn.cross_entropy(np.zeros((0, 3)), np.zeros(0, int)))
    assert fastnn.cross_entropy_backward(1.0, np.zeros((0, 3)), np.zeros(0, int)).shape == (0, 3)
    assert not fastnn.cross_entropy_backward(1.0, x, [-100, 0])[0].any()


@both
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("shape", [(), (7,), (30, 1000)], ids=str)
def test_mse_loss(dtype, reduction, shape):
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(2, *shape)).astype(dtype)
    errors = (x.astype(float) - t) ** 2
    expected = {"none": errors, "mean": errors.mean(), "sum": errors.sum()}[reduction]
    got = fastnn.mse_loss(x, t, reduction=reduction)
    np.testing.assert_allclose(got, expected, rtol=1e-5 if dtype == np.float32 else 1e-13)
    dy = np.asarray(rng.normal(size=np.shape(got)))
    share = x.size if reduction == "mean" else 1
    dx = fastnn.mse_loss_backward(dy, x, t, reduction=reduction)
    np.testing.assert_allclose(dx, dy * 2 * (x.astype(float) - t) / share, rtol=1e-5, atol=1e-12)
    np.testing.assert_array_equal(fastnn.mse_loss(x.copy(order="F"), t, reduction=reduction), got)


def test_mse_loss_refuses_to_broadcast():
    with pytest.raises(ValueError, match=r"mse_loss: expected target of input's shape \(3, 1\), got \(3,\)"):
        fastnn.mse_loss(np.zeros((3, 1)), np.zeros(3))
    assert np.isnan(fastnn.mse_loss([], []))
    assert fastnn.mse_loss([], [], reduction="sum") == 0


def test_loss_layers():
    x, t = np.random.default_rng(0).normal(size=(4, 3)), [0, 1, 2, 0]
    layer = nn.CrossEntropyLoss(weight=np.array([1.0, 2.0, 3.0]), label_smoothing=0.1)
    assert layer(x, t) == fastnn.cross_entropy(x, t, [1.0, 2.0, 3.0], label_smoothing=0.1)
    assert nn.MSELoss(reduction="sum")(x, x + 1) == pytest.approx(12)
    with pytest.raises(ValueError, match="MSELoss: expected reduction"):
        nn.MSELoss(reduction="x")
