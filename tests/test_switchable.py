"""Switchable normalization: against its formula, gradients, running statistics, mixtures of one kind alone, refusals."""

import numpy as np
import pytest
from numeric import slope

import fastnn
from fastnn import nn

SHAPES = [(6, 5), (4, 3, 7), (4, 3, 5, 2), (3, 4, 2, 3, 2)]


def softmax(w):
    e = np.exp(w - w.max())
    return e / e.sum()


def reference(x, weight, bias, mean_weight, var_weight, running=None, unbiased=True, using_bn=True, eps=1e-5):
    """As in the authors' program, from E[x^2] - E[x]^2 in long double."""
    x = x.astype(np.longdouble)
    n, c = x.shape[:2]
    lost = int(unbiased)
    if x.ndim == 2:
        parts = [(x.mean(1, keepdims=True), x.var(1, ddof=lost, keepdims=True))]
        batch = (x.mean(0, keepdims=True), x.var(0, ddof=lost, keepdims=True))
    else:
        flat = x.reshape(n, c, -1)
        mean, var = flat.mean(2), flat.var(2, ddof=lost)
        square = var + mean**2
        parts = [(mean, var)]
        parts += [(mean.mean(1, keepdims=True), square.mean(1, keepdims=True) - mean.mean(1, keepdims=True) ** 2)]
        batch = (mean.mean(0, keepdims=True), square.mean(0, keepdims=True) - mean.mean(0, keepdims=True) ** 2)
    if using_bn:
        parts.append(batch if running is None else tuple(r.reshape(1, c) for r in running))
    mean = sum(w * m for w, (m, _) in zip(softmax(mean_weight), parts, strict=True)) + np.zeros((n, c))
    var = sum(w * v for w, (_, v) in zip(softmax(var_weight), parts, strict=True)) + np.zeros((n, c))
    each = (n, c) + (1,) * (x.ndim - 2)
    channel = (1, c) + (1,) * (x.ndim - 2)
    y = (x - mean.reshape(each)) / np.sqrt(var.reshape(each) + eps) * weight.reshape(channel) + bias.reshape(channel)
    return y.astype(np.float64), batch


def arguments(shape, using_bn=True, seed=0):
    rng = np.random.default_rng(seed)
    kinds = (1 if len(shape) == 2 else 2) + using_bn
    c = shape[1]
    return rng.normal(3, 2, shape), rng.normal(1, 0.3, c), rng.normal(size=c), *rng.normal(size=(2, kinds))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("unbiased", [True, False])
@pytest.mark.parametrize("using_bn", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_values_and_gradients(shape, unbiased, using_bn, training):
    x, *learned = arguments(shape, using_bn)
    c = shape[1]
    running = None if training or not using_bn else (np.linspace(-1, 1, c), np.linspace(0.5, 2, c))
    statistics = running or (None, None)
    options = {"training": training, "using_bn": using_bn, "unbiased": unbiased}

    def f(*values):
        return fastnn.switchable_norm(values[0], *statistics, *values[1:], **options)

    expected, _ = reference(x, *learned, running, unbiased, using_bn)
    np.testing.assert_allclose(f(x, *learned), expected, rtol=1e-9, atol=1e-9)
    single = f(x.astype(np.float32), *learned)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected, rtol=1e-4, atol=1e-5)
    dy = np.random.default_rng(1).normal(size=shape)
    tracked = [fastnn.tensor(each, requires_grad=True) for each in (x, *learned)]
    f(*tracked).backward(dy)
    values = [x, *learned]
    for i, each in enumerate(tracked):
        numeric = slope(lambda v, i=i: f(*values[:i], v, *values[i + 1 :]), values[i], dy, 1e-4)
        np.testing.assert_allclose(each.grad, numeric, rtol=1e-5, atol=1e-7, err_msg=f"argument {i}")
    weight, _, mean_weight, var_weight = learned
    found = fastnn.switchable_norm_backward(dy, x, *statistics, weight, mean_weight, var_weight, **options)
    for got, each in zip(found, tracked, strict=True):
        np.testing.assert_array_equal(got, each.grad)


@pytest.mark.parametrize("shape", SHAPES[1:], ids=str)
def test_pure_ends(shape):
    """One share of 1 makes it instance, layer or batch norm."""
    x, weight, bias, *_ = arguments(shape)
    for i, pure in enumerate(
        (
            fastnn.instance_norm(x, None, None, weight, bias),
            fastnn.group_norm(x, 1, weight, bias),
            fastnn.batch_norm(x, None, None, weight, bias, training=True),
        )
    ):
        w = np.full(3, -200.0)
        w[i] = 200
        y = fastnn.switchable_norm(x, None, None, weight, bias, w, w, training=True, unbiased=False)
        np.testing.assert_allclose(y, pure, rtol=1e-9, atol=1e-10)


LAYERS = [
    (nn.SwitchableNorm1d, (6, 4), (1, 4), (1, 4), 2, 0.997),
    (nn.SwitchableNorm2d, (3, 4, 5, 2), (1, 4, 1, 1), (1, 4, 1), 3, 0.9),
    (nn.SwitchableNorm3d, (3, 4, 2, 3, 2), (1, 4, 1, 1, 1), (1, 4, 1), 3, 0.997),
]
every = pytest.mark.parametrize(("layer", "shape", "affine", "running", "kinds", "momentum"), LAYERS)


@every
def test_layers(layer, shape, affine, running, kinds, momentum):
    model = layer(4, dtype=np.float64)
    state = {key: value.shape for key, value in model.state_dict().items()}
    assert state == {"weight": affine, "bias": affine, "mean_weight": (kinds,), "var_weight": (kinds,),
                     "running_mean": running, "running_var": running}  # fmt: skip
    assert model.momentum == momentum
    assert not model.running_mean.any()
    assert not model.running_var.any()
    x = np.random.default_rng(0).normal(2, 3, shape)
    y = model(x)
    expected, (mean, var) = reference(x, np.ones(4), np.zeros(4), np.ones(kinds), np.ones(kinds))
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-9)
    np.testing.assert_allclose(model.running_mean.ravel(), (1 - momentum) * mean.ravel().astype(float))
    np.testing.assert_allclose(model.running_var.ravel(), (1 - momentum) * var.ravel().astype(float))
    y.sum().backward()
    assert all(p.grad.shape == p.shape for p in model.parameters())
    buffers = model.running_mean.copy()
    expected, _ = reference(
        x, np.ones(4), np.zeros(4), np.ones(kinds), np.ones(kinds), (model.running_mean, model.running_var)
    )
    np.testing.assert_allclose(model.eval()(x).numpy(), expected, rtol=1e-9)
    np.testing.assert_array_equal(model.running_mean, buffers)
    np.testing.assert_array_equal(np.asarray(model(x[:1])), np.asarray(model(x))[:1])
    model.reset_parameters()
    assert not model.running_mean.any()


def test_batch_average():
    layer = nn.SwitchableNorm2d(3, using_moving_average=False, dtype=np.float64)
    batches = np.random.default_rng(0).normal(2, 3, (5, 4, 3, 2, 2))
    found = []
    for x in batches:
        layer(x)
        found.append(reference(x, np.ones(3), np.zeros(3), np.ones(3), np.ones(3))[1])
    means, variances = (np.array([each[i].ravel() for each in found], float) for i in range(2))
    np.testing.assert_allclose(layer.running_mean.ravel(), means.sum(0))
    np.testing.assert_allclose(layer.running_var.ravel(), (variances + means**2).sum(0))
    layer.average_batches(5)
    np.testing.assert_allclose(layer.running_mean.ravel(), means.mean(0))
    np.testing.assert_allclose(layer.running_var.ravel(), variances.mean(0) + means.var(0))
    with pytest.raises(ValueError, match="expected a layer with using_moving_average=False"):
        nn.SwitchableNorm2d(3).average_batches(2)


def test_options():
    layer = nn.SwitchableNorm2d(3, using_bn=False, last_gamma=True)
    assert layer.running_mean is None
    assert layer.mean_weight.shape == (2,)
    assert not layer(np.random.default_rng(0).normal(size=(2, 3, 4, 4))).numpy().any()
    assert repr(nn.SwitchableNorm1d(3)).startswith("SwitchableNorm1d(3, eps=1e-05, momentum=0.997")


def test_a_large_mean_costs_no_digits():
    x = 1e6 + np.random.default_rng(0).normal(size=(4, 3, 50))
    ones = np.ones(3)
    y = fastnn.switchable_norm(x, None, None, None, None, ones, ones, training=True)
    expected, _ = reference(x - 1e6, ones, np.zeros(3), ones, ones)
    np.testing.assert_allclose(y, expected, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize(
    ("layer", "shape", "text"),
    [
        (nn.SwitchableNorm1d, (3, 4, 2), r"expected a 2-D input \(N, C\), got shape \(3, 4, 2\)"),
        (nn.SwitchableNorm2d, (3, 4), r"expected a 4-D input \(N, C, H, W\), got shape \(3, 4\)"),
        (nn.SwitchableNorm2d, (3, 5, 2, 2), "expected an input of 4 channels, got 5"),
        (nn.SwitchableNorm2d, (3, 4, 1, 1), "expected more than 1 spatial value"),
        (nn.SwitchableNorm1d, (1, 4), "expected more than 1 batch value"),
    ],
)
def test_refusals_change_nothing(layer, shape, text):
    model = layer(4)
    before = {key: value.copy() for key, value in model.state_dict().items()}
    with pytest.raises(ValueError, match=text):
        model(np.ones(shape))
    for key, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[key])


def test_wrong_parameters_and_empty_batches():
    x = np.ones((2, 3, 4))
    with pytest.raises(ValueError, match=r"switchable_norm: expected mean_weight of shape \(3,\), got \(2,\)"):
        fastnn.switchable_norm(x, None, None, None, None, np.ones(2), np.ones(3), training=True)
    with pytest.raises(ValueError, match="switchable_norm: expected running_mean of 3 values when not training"):
        fastnn.switchable_norm(x, None, None, None, None, np.ones(3), np.ones(3))
    frozen = np.zeros(3)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="switchable_norm: running_var is read-only"):
        fastnn.switchable_norm(x, np.zeros(3), frozen, None, None, np.ones(3), np.ones(3), training=True)
    layer = nn.SwitchableNorm2d(3)
    y = layer(np.zeros((0, 3, 4, 4)))
    assert y.shape == (0, 3, 4, 4)
    y.sum().backward()
    assert not layer.weight.grad.any()
    assert not layer.running_var.any()


def test_evaluation_keeps_the_statistics_it_used():
    layer = nn.SwitchableNorm1d(3, dtype=np.float64)
    x = np.random.default_rng(0).normal(size=(5, 3))
    layer(x)
    layer.eval()
    t = fastnn.tensor(x, requires_grad=True)
    layer(t).sum().backward()
    expected, t.grad = t.grad, None
    y = layer(t)
    layer.running_mean[...] = 9
    y.sum().backward()
    np.testing.assert_array_equal(t.grad, expected)


def test_one_spatial_value_is_refused():
    for shape in ((4, 3, 1), (4, 3, 1, 1)):
        with pytest.raises(ValueError, match="expected more than 1 spatial value"):
            fastnn.switchable_norm(np.ones(shape), None, None, None, None, np.ones(3), np.ones(3), True, unbiased=False)


def test_out():
    x = np.random.default_rng(0).normal(size=(4, 3, 6))
    out = np.empty_like(x)
    args = (None, None, None, None, np.ones(3), np.ones(3), True)
    assert fastnn.switchable_norm(x, *args, out=out) is out
    np.testing.assert_array_equal(out, fastnn.switchable_norm(x, *args))
    z = x.copy()
    fastnn.switchable_norm(z, *args, out=z)
    np.testing.assert_array_equal(z, out)
