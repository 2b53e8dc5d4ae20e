"""Losses of two arrays: values against multiple precision, gradients, weights, edges, refusals."""

import math

import mpmath as mp
import numpy as np
import pytest
from numeric import slope
from records import LOSSES

import fastnn
from fastnn import nn
from fastnn._records._formulas import Multiple

both = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])


MULTIPLE = Multiple(mp.mp)
# each loss with each of its options; a weight for each element has tests of its own
CASES = [
    (loss, {k: 3.0 if k == "pos_weight" else v for k, v in options.items()})
    for loss in LOSSES
    for options in loss.options
    if "weight" not in options
]
every = pytest.mark.parametrize(("loss", "options"), CASES, ids=[f"{loss.name}-{options}" for loss, options in CASES])


def inputs(loss, shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    return [draw.make(rng, shape).astype(dtype) for draw in (loss.input, loss.target)]


def normal_and_positive(shape, *kinds):
    """Arrays: of probabilities where a kind says so, else of any numbers."""
    rng = np.random.default_rng(0)
    return [rng.uniform(0.01, 0.99, shape) if kind else rng.normal(0, 2, shape) for kind in kinds]


def functions(name):
    return getattr(fastnn, name), getattr(fastnn, name + "_backward")


@both
@every
def test_values(loss, options, dtype):
    x, t = inputs(loss, (3, 5, 40), dtype)
    f, _ = functions(loss.name)
    with mp.workdps(40):
        losses = np.array(
            [
                float(loss.each(MULTIPLE, mp.mpf(float(a)), mp.mpf(float(b)), **options))
                for a, b in zip(x.flat, t.flat, strict=True)
            ]
        )
    tolerance = {"rtol": 2e-6, "atol": 3e-7} if dtype == np.float32 else {"rtol": 2e-14, "atol": 1e-15}
    got = f(x, t, reduction="none", **options)
    assert got.dtype == dtype
    np.testing.assert_allclose(got, losses.reshape(x.shape), **tolerance)
    np.testing.assert_allclose(f(x, t, reduction="sum", **options), losses.sum(), rtol=tolerance["rtol"])
    np.testing.assert_allclose(f(x, t, **options), losses.mean(), rtol=tolerance["rtol"])
    np.testing.assert_array_equal(f(np.asfortranarray(x), t, **options), f(x, t, **options))
    half = f(x.astype(np.float16), t.astype(np.float16), reduction="none", **options)
    assert half.dtype == np.float16


@every
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_gradients(loss, options, reduction):
    x, t = inputs(loss, (4, 6), np.float64)
    f, backward = functions(loss.name)
    rng = np.random.default_rng(1)
    options = options | {"reduction": reduction}
    dy = np.asarray(rng.normal(size=x.shape if reduction == "none" else ()))
    h = 1e-5
    np.testing.assert_allclose(
        backward(dy, x, t, **options), slope(lambda v: f(v, t, **options), x, dy, h), rtol=1e-6, atol=1e-8
    )
    a, b = fastnn.tensor(x, requires_grad=True), fastnn.tensor(t, requires_grad=True)
    f(a, b, **options).backward(dy)
    np.testing.assert_array_equal(a.grad, backward(dy, x, t, **options))
    expected = slope(lambda v: f(x, v, **options), t, dy, h) if "target" in loss.gradients else np.zeros_like(t)
    np.testing.assert_allclose(b.grad, expected, rtol=1e-6, atol=1e-8)
    out = np.empty_like(x)
    assert backward(dy, x, t, **options, out=out) is out
    np.testing.assert_array_equal(out, a.grad)


@pytest.mark.parametrize("name", ["l1_loss", "mse_loss", "huber_loss"])
def test_weights_of_the_inputs_shape(name):
    x, t, w = normal_and_positive((4, 5), False, False, True)
    f, backward = functions(name)
    each = f(x, t, reduction="none")
    np.testing.assert_allclose(f(x, t, reduction="none", weight=w), each * w, rtol=1e-14)
    np.testing.assert_allclose(f(x, t, reduction="sum", weight=w), (each * w).sum(), rtol=1e-13)
    divisor = w.size if name == "huber_loss" else w.sum()  # as PyTorch has it
    np.testing.assert_allclose(f(x, t, weight=w), (each * w).sum() / divisor, rtol=1e-13)
    numeric = slope(lambda v: f(v, t, weight=w), x, np.float64(2.0), 1e-5)
    np.testing.assert_allclose(backward(2.0, x, t, weight=w), numeric, rtol=1e-6, atol=1e-9)
    with pytest.raises(ValueError, match=rf"{name}: expected weight of the input's shape \(4, 5\), got \(5,\)"):
        f(x, t, weight=w[0])


def test_broadcast_weights_of_binary_cross_entropy():
    p, t, w = normal_and_positive((4, 5), True, True, True)
    each = fastnn.binary_cross_entropy(p, t, reduction="none")
    for weight in (w, w[0], w[:, :1], 2.0):
        np.testing.assert_allclose(fastnn.binary_cross_entropy(p, t, weight), (each * weight).mean(), rtol=1e-13)
    x = np.log(p / (1 - p))
    logits = fastnn.binary_cross_entropy_with_logits
    np.testing.assert_allclose(logits(x, t, w[0], reduction="none"), each * w[0], rtol=1e-12)
    pos = w[0] + 1
    expected = (1 - t) * np.logaddexp(0, x) + pos * t * np.logaddexp(0, -x)
    np.testing.assert_allclose(logits(x, t, pos_weight=pos, reduction="none"), expected, rtol=1e-12)
    numeric = slope(lambda v: logits(v, t, w, pos_weight=pos), x, np.float64(1.5), 1e-5)
    np.testing.assert_allclose(
        fastnn.binary_cross_entropy_with_logits_backward(1.5, x, t, w, pos_weight=pos), numeric, rtol=1e-6, atol=1e-10
    )
    with pytest.raises(ValueError, match=r"expected pos_weight to broadcast to the input's shape \(4, 5\), got \(3,\)"):
        logits(x, t, pos_weight=np.ones(3))


@both
def test_binary_cross_entropy_edges(dtype):
    p, t = np.array([0, 1, 0, 1, 1e-40], dtype), np.array([1, 0, 0, 1, 1], dtype)
    np.testing.assert_allclose(
        fastnn.binary_cross_entropy(p, t, reduction="none"), [100, 100, 0, 0, 92.1034], rtol=1e-4
    )
    np.testing.assert_allclose(
        fastnn.binary_cross_entropy_backward(np.ones(2, dtype), p[:2], t[:2], reduction="none"),
        [-1e12, 1e12],
        rtol=1e-6,
    )
    for x, target in (([1.5], [0.0]), ([-0.1], [0.0]), ([math.nan], [0.0]), ([0.5], [2.0]), ([0.5], [math.nan])):
        with pytest.raises(ValueError, match=r"binary_cross_entropy: expected (input|target) in \[0, 1\]"):
            fastnn.binary_cross_entropy(x, target)


@both
def test_logits_at_infinity(dtype):
    x, t = np.array([math.inf, -math.inf, math.inf, -math.inf], dtype), np.array([1, 0, 0, 1], dtype)
    np.testing.assert_array_equal(
        fastnn.binary_cross_entropy_with_logits(x, t, reduction="none"), [0, 0, math.inf, math.inf]
    )
    dx = fastnn.binary_cross_entropy_with_logits_backward(np.ones(4, dtype), x, t, reduction="none")
    np.testing.assert_array_equal(dx, [0, 0, 1, -1])


def test_kl_div_edges():
    x, t = np.log([[0.5, 0.5], [0.9, 0.1]]), np.array([[0.0, 1.0], [0.5, 0.5]])
    assert fastnn.kl_div(x, t, reduction="none")[0, 0] == 0
    total = fastnn.kl_div(x, t, reduction="sum")
    assert fastnn.kl_div(x, t, reduction="batchmean") == pytest.approx(total / 2)
    assert fastnn.kl_div_backward(1.0, x, t, reduction="batchmean")[1, 0] == -0.25
    assert np.isnan(fastnn.kl_div([[0.0]], [[-1.0]]))
    assert fastnn.kl_div(np.float64(-1), np.float64(0.5), reduction="batchmean").shape == ()


def test_absolute_errors_at_0():
    np.testing.assert_array_equal(
        fastnn.l1_loss_backward(1.0, [0.0, 2.0, math.nan], [0.0, 1.0, 0.0], reduction="sum"), [0, 1, 0]
    )
    np.testing.assert_array_equal(fastnn.smooth_l1_loss_backward(1.0, [0.0], [0.0], beta=0, reduction="sum"), [0])


@every
def test_empty_and_wrong_arguments(loss, options):
    name, (f, backward) = loss.name, functions(loss.name)
    assert np.isnan(f([], [], **options))
    assert f([], [], reduction="sum", **options) == 0
    assert f(np.zeros((0, 3)), np.zeros((0, 3)), reduction="none", **options).shape == (0, 3)
    assert backward(1.0, np.zeros((0, 3)), np.zeros((0, 3)), **options).shape == (0, 3)
    if loss.broadcasts:
        with pytest.raises(
            ValueError, match=rf"{name}: expected input and target of shapes that broadcast, got \(3,\) and"
        ):
            f(np.zeros(3), np.zeros(4), **options)
    else:
        with pytest.raises(ValueError, match=rf"{name}: expected target of input's shape \(3, 1\), got \(3,\)"):
            f(np.zeros((3, 1)), np.zeros(3), **options)
    with pytest.raises(ValueError, match=f"{name}: expected reduction to be one of"):
        f([0.5], [0.5], reduction="avg", **options)
    with pytest.raises(
        ValueError, match=rf"{name}_backward: expected dy of shape \(\) for reduction 'mean', got \(2,\)"
    ):
        backward([1.0, 1.0], [0.5, 0.5], [0.5, 0.5], **options)
    with pytest.raises(TypeError, match=f"{name}: expected target of real numbers"):
        f([0.5], ["a"], **options)


def test_parameters_out_of_range():
    for call, text in (
        (lambda: fastnn.huber_loss([1.0], [1.0], delta=0), "huber_loss: expected delta above 0, got 0"),
        (lambda: nn.HuberLoss(delta=-1), "HuberLoss: expected delta above 0"),
        (lambda: fastnn.smooth_l1_loss([1.0], [1.0], beta=-1), "smooth_l1_loss: expected beta in"),
        (lambda: nn.SmoothL1Loss(beta=-1), "SmoothL1Loss: expected beta in"),
        (lambda: nn.KLDivLoss(reduction="x"), "KLDivLoss: expected reduction"),
        (lambda: nn.L1Loss(reduction="batchmean"), "L1Loss: expected reduction"),
    ):
        with pytest.raises(ValueError, match=text):
            call()


def test_layers():
    x, t = normal_and_positive((4, 5), True, True)
    w = np.random.default_rng(5).uniform(size=5)
    for layer, expected in (
        (nn.L1Loss(reduction="sum"), fastnn.l1_loss(x, t, reduction="sum")),
        (nn.SmoothL1Loss(beta=0.2), fastnn.smooth_l1_loss(x, t, beta=0.2)),
        (nn.HuberLoss("sum", 0.2), fastnn.huber_loss(x, t, "sum", 0.2)),
        (nn.BCELoss(w), fastnn.binary_cross_entropy(x, t, w)),
        (nn.BCEWithLogitsLoss(pos_weight=w), fastnn.binary_cross_entropy_with_logits(x, t, pos_weight=w)),
        (
            nn.KLDivLoss(reduction="batchmean", log_target=True),
            fastnn.kl_div(x, t, reduction="batchmean", log_target=True),
        ),
        (nn.MSELoss(), fastnn.mse_loss(x, t)),
    ):
        assert layer(x, t) == expected
    assert list(nn.BCEWithLogitsLoss(w, pos_weight=w).state_dict()) == ["weight", "pos_weight"]
    labels = [0, 1, 2, 0]
    assert nn.NLLLoss(weight=w)(x, labels) == fastnn.nll_loss(x, labels, w)
