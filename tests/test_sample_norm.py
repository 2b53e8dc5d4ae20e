"""Layer, group, instance and RMS norm, and unit length: values, gradients, hard statistics, layers, refusals."""

import math

import numpy as np
import pytest
from numeric import slope

import fastnn
from fastnn import nn

both = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])


class Kind:
    """A normalization: its call, its statistics and twin, the axes it normalizes and its parameters' shape."""

    def __init__(self, name, shape, extra, axes, parameters):
        self.name, self.shape, self.extra, self.axes, self.parameters = name, shape, extra, axes, parameters
        self.centre = name != "rms_norm"

    def __repr__(self):
        return f"{self.name}{self.shape}{self.extra}"

    def forward(self, x, weight=None, bias=None, eps=1e-5, **options):
        if self.name == "instance_norm":
            return fastnn.instance_norm(x, None, None, weight, bias, eps=eps, **options)
        affine = (weight, bias) if self.centre else (weight,)
        return getattr(fastnn, self.name)(x, *self.extra, *affine, eps=eps, **options)

    def stats(self, x, eps=1e-5):
        found = getattr(fastnn, self.name + "_stats")(x, *self.extra, eps=eps)
        return found if self.centre else (found,)

    def backward(self, dy, x, weight, eps=1e-5):
        return getattr(fastnn, self.name + "_backward")(dy, x, *self.stats(x, eps), weight)

    def grouped(self, x):
        """x with the normalized values in one axis, the last."""
        if self.name == "group_norm":
            return x.reshape(x.shape[0], self.extra[0], -1)
        return x.reshape(*x.shape[: min(self.axes)], -1)

    def reference(self, x, weight=None, bias=None, eps=1e-5):
        wide = self.grouped(x.astype(np.longdouble))
        mean = wide.mean(-1, keepdims=True) if self.centre else 0
        y = ((wide - mean) / np.sqrt(((wide - mean) ** 2).mean(-1, keepdims=True) + eps)).reshape(x.shape)
        channels = (1, -1) + (1,) * (x.ndim - 2) if self.name in ("group_norm", "instance_norm") else self.parameters
        y = y if weight is None else y * weight.reshape(channels)
        return y if bias is None else y + bias.reshape(channels)


KINDS = [
    Kind("layer_norm", (6, 5), (5,), (1,), (5,)),
    Kind("layer_norm", (3, 4, 5), ((4, 5),), (1, 2), (4, 5)),
    Kind("layer_norm", (7,), (7,), (0,), (7,)),
    Kind("layer_norm", (2, 3, 1), (1,), (2,), (1,)),
    Kind("layer_norm", (3, 2500), (2500,), (1,), (2500,)),
    Kind("layer_norm", (1500, 70), (70,), (1,), (70,)),
    Kind("rms_norm", (6, 5), (5,), (1,), (5,)),
    Kind("rms_norm", (3, 4, 5), ((4, 5),), (1, 2), (4, 5)),
    Kind("rms_norm", (3, 2500), (2500,), (1,), (2500,)),
    Kind("group_norm", (3, 6), (2,), (1,), (6,)),
    Kind("group_norm", (3, 6, 4), (3,), (1, 2), (6,)),
    Kind("group_norm", (2, 4, 3, 5), (1,), (1, 2, 3), (4,)),
    Kind("group_norm", (2, 4, 40, 33), (4,), (2, 3), (4,)),
    Kind("group_norm", (2, 2, 3, 2, 2), (2,), (2, 3, 4), (2,)),
    Kind("instance_norm", (3, 4, 5), (), (2,), (4,)),
    Kind("instance_norm", (2, 3, 4, 5), (), (2, 3), (3,)),
    Kind("instance_norm", (2, 3, 50, 30), (), (2, 3), (3,)),
    Kind("instance_norm", (1, 3, 2, 3, 2), (), (2, 3, 4), (3,)),
]
every = pytest.mark.parametrize("kind", KINDS, ids=repr)
every_small = pytest.mark.parametrize("kind", [k for k in KINDS if math.prod(k.shape) < 3000], ids=repr)
every_centred = pytest.mark.parametrize("kind", [k for k in KINDS if k.centre], ids=repr)


def arguments(kind, dtype, seed=0):
    rng = np.random.default_rng(seed)
    x, dy = rng.normal(3, 2, (2, *kind.shape)).astype(dtype)
    return x, dy, *rng.normal(1, 0.5, (2, *kind.parameters)).astype(dtype)


@both
@every
def test_values(kind, dtype):
    x, _, weight, bias = arguments(kind, dtype)
    tolerance = {"rtol": 3e-6, "atol": 3e-6} if dtype == np.float32 else {"rtol": 1e-12, "atol": 1e-12}
    for affine in ((None, None), (weight, None), (weight, bias) if kind.centre else (weight, None)):
        y = kind.forward(x, *affine)
        assert y.dtype == dtype
        np.testing.assert_allclose(y, kind.reference(x, *affine).astype(np.float64), **tolerance)
        np.testing.assert_array_equal(kind.forward(np.asfortranarray(x), *affine), y)
    out = np.empty_like(x)
    assert kind.forward(x, weight, out=out) is out
    z = x.copy()
    assert kind.forward(z, weight, out=z) is z
    np.testing.assert_array_equal(z, out)
    assert kind.forward(x.astype(np.float16)).dtype == np.float16


@every_small
@pytest.mark.parametrize("affine", [True, False])
def test_gradients(kind, affine):
    x, dy, weight, bias = arguments(kind, np.float64)
    given = (weight, bias)[: 1 + kind.centre] if affine else ()
    dx, *rest = kind.backward(dy, x, weight if affine else None)
    np.testing.assert_allclose(dx, slope(lambda v: kind.forward(v, *given), x, dy), rtol=1e-6, atol=1e-8)
    if affine:
        for i, got in enumerate(rest):
            numeric = slope(lambda v, i=i: kind.forward(x, *given[:i], v, *given[i + 1 :]), given[i], dy)
            np.testing.assert_allclose(got, numeric, rtol=1e-7, atol=1e-9)
    tracked = [fastnn.tensor(each, requires_grad=True) for each in (x, *given)]
    kind.forward(*tracked).backward(dy)
    for each, expected in zip(tracked, (dx, *rest), strict=False):
        np.testing.assert_array_equal(each.grad, expected)


@every
def test_float32_gradients(kind):
    x, dy, weight, _ = arguments(kind, np.float32)
    wide = kind.backward(dy.astype(float), x.astype(float), weight.astype(float))
    for got, expected in zip(kind.backward(dy, x, weight), wide, strict=True):
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5 * max(1, abs(expected).max()))


@every_centred
def test_constant_rows_become_exactly_the_bias(kind):
    _, _, weight, bias = arguments(kind, np.float32)
    x = np.full(kind.shape, np.float32(1e6) + np.float32(0.3))
    assert not kind.forward(x).any()
    channels = kind.reference(np.zeros(kind.shape), None, bias)
    np.testing.assert_array_equal(kind.forward(x, weight, bias), channels.astype(np.float32))


@every_centred
def test_a_large_mean_costs_no_digits(kind):
    x = np.float32(4096) + np.random.default_rng(0).integers(0, 64, kind.shape).astype(np.float32) / np.float32(32)
    np.testing.assert_allclose(kind.forward(x), kind.reference(x).astype(float), rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("kind", [k for k in KINDS if len(k.shape) > 1], ids=repr)
def test_empty(kind):
    shape = (0, *kind.shape[1:])
    x = np.zeros(shape, np.float32)
    weight = np.ones(kind.parameters, np.float32)
    assert kind.forward(x, weight).shape == shape
    dx, *rest = kind.backward(x, x, weight)
    assert dx.shape == shape
    assert all(each.shape == kind.parameters and not each.any() for each in rest)


def test_rms_eps_is_the_inputs():
    x = np.full((1, 4), 1e-4, np.float32)
    np.testing.assert_allclose(fastnn.rms_norm(x, 4), x / np.sqrt(1e-8 + np.finfo(np.float32).eps), rtol=1e-6)
    np.testing.assert_allclose(fastnn.rms_norm(x.astype(float), 4), 1, rtol=1e-7)


def test_group_norm_of_one_group_is_layer_norm():
    x = np.random.default_rng(0).normal(size=(3, 4, 5))
    np.testing.assert_allclose(fastnn.group_norm(x, 1), fastnn.layer_norm(x, (4, 5)), rtol=1e-12)
    np.testing.assert_allclose(fastnn.group_norm(x, 4), fastnn.instance_norm(x), rtol=1e-12)


def test_instance_norm_running_statistics():
    layer = nn.InstanceNorm1d(3, affine=True, track_running_stats=True, momentum=0.25, dtype=np.float64)
    assert list(layer.state_dict()) == ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    x = np.random.default_rng(0).normal(2, 3, (4, 3, 6))
    layer(x)
    np.testing.assert_allclose(layer.running_mean, 0.25 * x.mean(2).mean(0))
    np.testing.assert_allclose(layer.running_var, 0.75 + 0.25 * x.var(2, ddof=1).mean(0))
    layer.eval()
    shape = (1, 3, 1)
    expected = (x - layer.running_mean.reshape(shape)) / np.sqrt(layer.running_var.reshape(shape) + 1e-5)
    np.testing.assert_allclose(layer(x).numpy(), expected)
    np.testing.assert_allclose(layer(x[0]).numpy(), expected[0])
    t = fastnn.tensor(x, requires_grad=True)
    layer(t).sum().backward()
    assert t.grad.shape == x.shape
    layer.reset_parameters()
    assert not layer.running_mean.any()
    assert not nn.InstanceNorm2d(3).state_dict()


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("InstanceNorm1d", [(3, 5), (2, 3, 5)]),
        ("InstanceNorm2d", [(3, 5, 2), (2, 3, 5, 2)]),
        ("InstanceNorm3d", [(3, 2, 2, 2), (2, 3, 2, 2, 2)]),
    ],
)
def test_instance_norm_layers(name, shapes):
    layer = getattr(nn, name)(3)
    for shape in shapes:
        x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        batch = x if shape == shapes[1] else x[np.newaxis]
        np.testing.assert_array_equal(layer(x), fastnn.instance_norm(batch).reshape(shape))
    with pytest.raises(ValueError, match=rf"{name}: expected a \d-D input .* or a \d-D input .*, got 1-D"):
        layer(np.zeros(3))
    with pytest.raises(ValueError, match="expected more than 1 spatial element when training"):
        layer(np.zeros((2, 3) + (1,) * (len(shapes[1]) - 2)))
    with pytest.raises(ValueError, match=f"{name}: expected an input of 4 channels, got 3"):
        getattr(nn, name)(4, affine=True)(np.zeros(shapes[1]))


def test_layers():
    x = np.random.default_rng(0).normal(size=(4, 6, 5))
    for layer, expected, keys in (
        (nn.LayerNorm((6, 5)), fastnn.layer_norm(x, (6, 5)), ["weight", "bias"]),
        (nn.LayerNorm(5, bias=False), fastnn.layer_norm(x, 5), ["weight"]),
        (nn.LayerNorm([5], elementwise_affine=False), fastnn.layer_norm(x, 5), []),
        (nn.GroupNorm(3, 6), fastnn.group_norm(x, 3), ["weight", "bias"]),
        (nn.GroupNorm(3, 6, affine=False), fastnn.group_norm(x, 3), []),
        (nn.RMSNorm(5), fastnn.rms_norm(x, 5), ["weight"]),
        (nn.RMSNorm(5, eps=0.1, elementwise_affine=False), fastnn.rms_norm(x, 5, eps=0.1), []),
    ):
        assert list(layer.state_dict()) == keys
        np.testing.assert_allclose(np.asarray(layer.double()(x)), expected, rtol=1e-6)
        assert np.asarray(layer.float()(x)).dtype == (np.float32 if keys else np.float64)
        for p in layer.parameters():
            p.data[...] = 5
        layer.reset_parameters()
        np.testing.assert_allclose(np.asarray(layer.double()(x)), expected, rtol=1e-6)


def test_rms_norm_of_float16_adds_the_epsilon_of_float32():
    x = np.full((2, 4), 1e-2, np.float16)
    y = fastnn.rms_norm(x, 4)
    assert y.dtype == np.float16
    np.testing.assert_allclose(y, 1, atol=1e-3)  # float16's own epsilon would be ten times the mean square
    np.testing.assert_array_equal(nn.RMSNorm(4, elementwise_affine=False)(x), y)


def test_normalize():
    rng = np.random.default_rng(0)
    x, dy = rng.normal(size=(2, 3, 4, 5))
    for p, dim in ((2.0, 1), (2.0, -1), (1.0, 0), (3.0, 1), (math.inf, 1), (-math.inf, 0), (2.0, (0, 1)), (0.5, 2)):
        axes = dim if isinstance(dim, tuple) else (dim,)
        length = (abs(x) ** p).sum(axes, keepdims=True) ** (1 / p) if abs(p) < math.inf else (abs(x).max if p > 0 else abs(x).min)(axes, keepdims=True)  # fmt: skip
        y = fastnn.normalize(x, p, dim)
        np.testing.assert_allclose(y, x / length, rtol=1e-12)
        dx = fastnn.normalize_backward(dy, x, p, dim)
        np.testing.assert_allclose(dx, slope(lambda v, p=p, dim=dim: fastnn.normalize(v, p, dim), x, dy, 1e-5), rtol=1e-5, atol=1e-7)  # fmt: skip
        t = fastnn.tensor(x, requires_grad=True)
        fastnn.normalize(t, p, dim).backward(dy)
        np.testing.assert_array_equal(t.grad, dx)
    assert not fastnn.normalize(np.zeros((2, 3))).any()
    np.testing.assert_allclose(fastnn.normalize_backward(np.ones((1, 2)), np.zeros((1, 2))), 1e12)
    assert fastnn.normalize(np.zeros((0, 3))).shape == (0, 3)
    np.testing.assert_allclose(fastnn.normalize(np.float32([[3, 4]])), [[0.6, 0.8]], rtol=1e-7)
    with pytest.raises(IndexError, match=r"normalize: expected dim in \[-1, 0\], got 1"):
        fastnn.normalize(np.zeros(3))
    out = np.empty((3, 4, 5))
    assert fastnn.normalize(x, out=out) is out


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: fastnn.layer_norm(np.zeros((2, 4)), 3), r"layer_norm: expected an input whose last dimensions are \(3,\), got shape \(2, 4\)"),
        (lambda: fastnn.layer_norm(np.zeros((2, 4)), ()), "layer_norm: expected normalized_shape of at least one dimension"),
        (lambda: fastnn.layer_norm(np.zeros(4), (2, 2)), "layer_norm: expected an input whose last dimensions"),
        (lambda: fastnn.layer_norm(np.zeros((2, 4)), 4, np.ones(3)), r"layer_norm: expected weight of shape \(4,\), got \(3,\)"),
        (lambda: fastnn.layer_norm_backward(np.zeros((2, 3)), np.zeros((2, 4)), np.zeros(2), np.zeros(2)), "layer_norm_backward: expected dy"),
        (lambda: fastnn.layer_norm_backward(np.zeros((2, 4)), np.zeros((2, 4)), np.zeros(3), np.zeros(3)), r"expected mean of shape \(2,\), got \(3,\)"),
        (lambda: fastnn.group_norm(np.zeros((2, 4)), 3), "group_norm: expected channels divisible by num_groups 3, got 4"),
        (lambda: fastnn.group_norm(np.zeros(4), 2), "group_norm: expected an input of 2 or more dimensions"),
        (lambda: fastnn.group_norm(np.zeros((1, 4)), 4), "group_norm: expected more than 1 value per group"),
        (lambda: nn.GroupNorm(3, 4), "GroupNorm: expected num_channels divisible by num_groups 3, got 4"),
        (lambda: nn.GroupNorm(2, 4)(np.zeros((2, 6))), "GroupNorm: expected an input of 4 channels, got 6"),
        (lambda: fastnn.instance_norm(np.zeros((2, 4, 1))), "instance_norm: expected more than 1 spatial element"),
        (lambda: fastnn.instance_norm(np.zeros((2, 4, 3)), np.zeros(4)), "instance_norm: expected both running_mean and running_var"),
        (lambda: fastnn.instance_norm(np.zeros((2, 4, 3)), use_input_stats=False), "instance_norm: expected running_mean and running_var"),
        (lambda: fastnn.instance_norm(np.zeros((2, 4, 3)), np.zeros(3), np.zeros(3)), r"expected running_mean of shape \(4,\)"),
        (lambda: fastnn.instance_norm(np.zeros((2, 4, 3)), eps=0.0), "instance_norm: expected eps above 0"),
    ],
)  # fmt: skip
def test_refusals(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_all_dimensions_at_once():
    x = np.random.default_rng(0).normal(size=(3, 4))
    np.testing.assert_allclose(fastnn.normalize(x, dim=()), x / np.linalg.norm(x), rtol=1e-12)
    with pytest.raises(ValueError, match=r"normalize: expected different dims, got \(0, 0\)"):
        fastnn.normalize(x, dim=(0, 0))
    assert fastnn.normalize(np.zeros((0, 3)), -np.inf, 0).shape == (0, 3)
