"""softmax, log_softmax, cross_entropy and mse_loss: values, gradients, edges, refusals."""

import math

import mpmath as mp
import numpy as np
import pytest
import scipy.special as sp
from numeric import slope

import fastnn
from fastnn import nn

both = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])


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


SOFTMAXES = {
    "softmax": nn.Softmax, "log_softmax": nn.LogSoftmax, "softmin": nn.Softmin,
}  # fmt: skip


@pytest.mark.parametrize("name", SOFTMAXES)
def test_without_dim_the_last_of_one_or_two(name):
    f, backward, layer = getattr(fastnn, name), getattr(fastnn, name + "_backward"), SOFTMAXES[name]()
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    for part, dim in ((x[0, 0, 0], 0), (x[0, 0], 1), (np.float64(3.0), 0)):
        y = f(part, dim)
        np.testing.assert_array_equal(f(part), y)
        np.testing.assert_array_equal(layer(part), y)
        np.testing.assert_array_equal(backward(part, y), backward(part, y, dim))
    for part in (x, x[0], np.zeros((2, 0, 3)), x[0].astype(np.float16)):
        text = rf"expected dim for an input of more than 2 dimensions, got None with shape \({part.shape[0]}, .*dim=-1"
        for given in (part, fastnn.tensor(part), fastnn.tensor(part, requires_grad=True)):
            with pytest.raises(ValueError, match=f"{name}: {text}"):
                f(given)
            with pytest.raises(ValueError, match=f"{name}: {text}"):
                layer(given)
        with pytest.raises(ValueError, match=f"{name}_backward: {text}"):
            backward(part, part)


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


def test_loss_layers():
    x, t = np.random.default_rng(0).normal(size=(4, 3)), [0, 1, 2, 0]
    layer = nn.CrossEntropyLoss(weight=np.array([1.0, 2.0, 3.0]), label_smoothing=0.1)
    assert layer(x, t) == fastnn.cross_entropy(x, t, [1.0, 2.0, 3.0], label_smoothing=0.1)
    assert nn.MSELoss(reduction="sum")(x, x + 1) == pytest.approx(12)
    with pytest.raises(ValueError, match="MSELoss: expected reduction"):
        nn.MSELoss(reduction="x")


def probabilities(shape, dtype, seed=3):
    t = np.random.default_rng(seed).uniform(size=shape)
    return (t / t.sum(1 if t.ndim > 1 else 0, keepdims=True)).astype(dtype)


@both
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(5,), (6, 5), (4, 5, 3), (3, 2000)], ids=str)
def test_cross_entropy_with_probabilities(dtype, reduction, smoothing, weighted, shape):
    rng = np.random.default_rng(0)
    dim = 1 if len(shape) > 1 else 0
    classes = shape[dim]
    x, t = rng.normal(0, 3, shape).astype(dtype), probabilities(shape, dtype)
    w = rng.uniform(0.5, 2, classes).astype(dtype) if weighted else None
    options = {"weight": w, "reduction": reduction, "label_smoothing": smoothing}
    wide = np.moveaxis(x, dim, -1).reshape(-1, classes).astype(np.longdouble)
    log_p = wide - np.log(np.exp(wide).sum(1, keepdims=True))
    smooth = (1 - smoothing) * np.moveaxis(t, dim, -1).reshape(-1, classes) + smoothing / classes
    losses = -((1 if w is None else w) * smooth * log_p).sum(1)
    rows = shape[:dim] + shape[dim + 1 :]
    expected = {"none": losses.reshape(rows), "sum": losses.sum(), "mean": losses.mean()}[reduction]
    got = fastnn.cross_entropy(x, t, **options)
    np.testing.assert_allclose(got, np.float64(expected), rtol=5e-6 if dtype == np.float32 else 1e-12)
    if dtype == np.float64 and classes < 10:
        dy = np.asarray(rng.normal(size=np.shape(got)))
        numeric = slope(lambda v: fastnn.cross_entropy(v, t, **options), x, dy)
        np.testing.assert_allclose(fastnn.cross_entropy_backward(dy, x, t, **options), numeric, rtol=1e-7, atol=1e-9)
        a, b = fastnn.tensor(x, requires_grad=True), fastnn.tensor(t, requires_grad=True)
        fastnn.cross_entropy(a, b, **options).backward(dy)
        np.testing.assert_allclose(a.grad, numeric, rtol=1e-7, atol=1e-9)
        numeric = slope(lambda v: fastnn.cross_entropy(x, v, **options), t, dy)
        np.testing.assert_allclose(b.grad, numeric, rtol=1e-7, atol=1e-9)


def test_one_hot_probabilities_are_classes():
    x, t = np.random.default_rng(0).normal(size=(6, 4)), np.array([0, 3, 2, 1, 1, 0])
    hot = fastnn.one_hot(t, 4).astype(float)
    for smoothing in (0.0, 0.2):
        options = {"label_smoothing": smoothing, "reduction": "none"}
        np.testing.assert_allclose(fastnn.cross_entropy(x, hot, **options), fastnn.cross_entropy(x, t, **options))
    infinite = np.array([[0.0, -math.inf]])
    assert fastnn.cross_entropy(infinite, [[1.0, 0.0]]) == 0
    assert fastnn.cross_entropy(infinite, [[0.5, 0.5]]) == math.inf
    with pytest.raises(ValueError, match="cross_entropy: expected no ignore_index with probabilities, got 1"):
        fastnn.cross_entropy(x, hot, ignore_index=1)
    with pytest.raises(TypeError, match="class indices"):
        fastnn.cross_entropy(x, hot[:, :3])
    assert np.isnan(fastnn.cross_entropy(np.zeros((0, 3)), np.zeros((0, 3))))


@both
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(5,), (6, 5), (4, 5, 3), (2, 5, 3, 2)], ids=str)
def test_nll_loss_of_log_softmax_is_cross_entropy(dtype, reduction, weighted, shape):
    rng = np.random.default_rng(0)
    dim = 1 if len(shape) > 1 else 0
    x, t = rng.normal(0, 3, shape).astype(dtype), rng.integers(0, 5, shape[:dim] + shape[dim + 1 :])
    options = {"weight": rng.uniform(0.5, 2, 5).astype(dtype) if weighted else None, "reduction": reduction}
    options |= {"ignore_index": 2} if t.ndim else {}
    log_p = fastnn.log_softmax(x, dim)
    expected = fastnn.cross_entropy(x, t, **options)
    np.testing.assert_allclose(fastnn.nll_loss(log_p, t, **options), expected, rtol=1e-5)
    dy = np.asarray(rng.normal(size=expected.shape), dtype)
    dx = fastnn.log_softmax_backward(fastnn.nll_loss_backward(dy, log_p, t, **options), log_p, dim)
    np.testing.assert_allclose(dx, fastnn.cross_entropy_backward(dy, x, t, **options), rtol=1e-4, atol=1e-6)
    a = fastnn.tensor(log_p, requires_grad=True)
    fastnn.nll_loss(a, t, **options).backward(dy)
    np.testing.assert_array_equal(a.grad, fastnn.nll_loss_backward(dy, log_p, t, **options))


def test_nll_loss_edges():
    with pytest.raises(IndexError, match=r"nll_loss: expected targets in \[0, 2\], got 3 at index 1"):
        fastnn.nll_loss(np.zeros((2, 3)), [0, 3])
    assert np.isnan(fastnn.nll_loss(np.zeros((0, 3)), np.zeros(0, int)))
    assert fastnn.nll_loss(np.zeros((0, 3)), np.zeros(0, int), reduction="none").shape == (0,)
    assert np.isnan(fastnn.nll_loss(np.zeros((2, 3)), [-100, -100]))


def test_one_hot():
    np.testing.assert_array_equal(fastnn.one_hot([[0, 2], [1, 0]]), np.eye(3, dtype=int)[[[0, 2], [1, 0]]])
    assert fastnn.one_hot(2).tolist() == [0, 0, 1]
    assert fastnn.one_hot(np.uint8([1]), 4).dtype == np.int64
    assert fastnn.one_hot(np.zeros((0, 2), int), 3).shape == (0, 2, 3)
    for wrong, classes, error, text in (
        ([1, 2], 2, ValueError, r"expected classes in \[0, 1\], got 2"),
        ([1, -2], -1, ValueError, r"got -2"),
        ([], -1, ValueError, "expected num_classes above 0 for an empty array"),
        ([1.0], -1, TypeError, "expected classes to be integers"),
    ):
        with pytest.raises(error, match="one_hot: .*" + text):
            fastnn.one_hot(wrong, classes)


def test_softmin():
    x = np.random.default_rng(0).normal(size=(3, 4))
    np.testing.assert_array_equal(fastnn.softmin(x, 0), fastnn.softmax(-x, 0))
    dy = np.random.default_rng(1).normal(size=(3, 4))
    numeric = slope(lambda v: fastnn.softmin(v, 1), x, dy)
    np.testing.assert_allclose(fastnn.softmin_backward(dy, fastnn.softmin(x, 1), 1), numeric, rtol=1e-7, atol=1e-10)
    images = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    np.testing.assert_allclose(nn.Softmax2d()(images).sum(1), 1)
    np.testing.assert_array_equal(nn.Softmax2d()(images[0]), nn.Softmax2d()(images)[0])
    with pytest.raises(ValueError, match="Softmax2d: expected a 3-D or 4-D input"):
        nn.Softmax2d()(x)


def test_weight_0_costs_nothing():
    x = np.array([[0.0, -math.inf], [-1.0, -2.0]])
    np.testing.assert_array_equal(fastnn.nll_loss(x, [1, 0], [1.0, 0.0], reduction="none"), [0, 1])
    assert np.isnan(fastnn.cross_entropy(np.zeros((0, 3)), []))
    with pytest.raises(ValueError, match="one_hot: expected classes of at least 0, got -1"):
        fastnn.one_hot([-1])


def test_no_warnings():
    with np.errstate(all="raise"):
        fastnn.glu([np.inf, -np.inf])
        fastnn.glu_backward([1.0], [np.inf, -np.inf])
        fastnn.nll_loss(np.array([[np.inf], [-np.inf]]), [0, 0], reduction="sum")
        fastnn.normalize_backward(np.ones((1, 2)), np.full((1, 2), 1e200), 3.0)
        fastnn.bilinear(np.full(2, 6e4, np.float16), np.full(2, 6e4, np.float16), np.ones((1, 2, 2), np.float16))
