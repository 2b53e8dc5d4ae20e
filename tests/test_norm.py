"""batch_norm: values against float64 NumPy, memory orders, hard statistics, running buffers, refusals."""

import numpy as np
import pytest

import fastnn
from fastnn import nn

both = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
SHAPES = [(2, 1), (7, 5), (32, 128), (1500, 3), (4, 3, 9), (1, 2, 3000), (5, 17, 7, 3), (3, 20, 4, 5, 6), (2, 70, 33)]


def reference(x, weight=None, bias=None, eps=1e-5):
    """float64 forward, and its parts for the backward pass."""
    x = x.astype(np.longdouble)
    axes = (0, *range(2, x.ndim))
    shape = (1, -1) + (1,) * (x.ndim - 2)
    mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    xhat = (x - mean) / np.sqrt(var + eps)
    w = 1 if weight is None else weight.reshape(shape)
    b = 0 if bias is None else bias.reshape(shape)
    return xhat * w + b, xhat, 1 / np.sqrt(var + eps) * w, axes


def orders(x):
    """The same values channels-first, channels-last, channel-major, and with gaps."""
    gaps = np.zeros([2 * n for n in x.shape], x.dtype)[tuple(slice(None, None, 2) for _ in x.shape)]
    gaps[...] = x
    return {
        "first": np.ascontiguousarray(x),
        "last": np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1),
        "channel-major": np.ascontiguousarray(x.swapaxes(0, 1)).swapaxes(0, 1),
        "gaps": gaps,
    }


@both
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_forward_and_backward(dtype, shape):
    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, shape).astype(dtype)
    dy = rng.normal(size=shape).astype(dtype)
    weight, bias = rng.normal(size=(2, shape[1])).astype(dtype)
    expected, xhat, slope, axes = reference(x, weight, bias)
    tolerance = {"rtol": 3e-5, "atol": 3e-5} if dtype == np.float32 else {"rtol": 1e-12, "atol": 1e-12}
    y = fastnn.batch_norm(x, None, None, weight, bias, training=True)
    np.testing.assert_allclose(y, expected.astype(float), **tolerance)
    dx, dweight, dbias = fastnn.batch_norm_backward(dy, x, *fastnn.batch_norm_stats(x), weight)
    d = dy.astype(np.longdouble)
    exact = slope * (d - d.mean(axes, keepdims=True) - xhat * (d * xhat).mean(axes, keepdims=True))
    scale = float(abs(slope).max())
    np.testing.assert_allclose(dx, exact.astype(float), rtol=tolerance["rtol"], atol=tolerance["atol"] * scale)
    size = np.sqrt(x.size / shape[1])
    np.testing.assert_allclose(
        dweight, (d * xhat).sum(axes).astype(float), rtol=tolerance["rtol"], atol=tolerance["atol"] * size
    )
    np.testing.assert_allclose(dbias, d.sum(axes).astype(float), rtol=tolerance["rtol"], atol=tolerance["atol"] * size)


@both
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_memory_orders_give_the_same_bits(dtype, shape):
    rng = np.random.default_rng(1)
    xs, dys = orders(rng.normal(size=shape).astype(dtype)), orders(rng.normal(size=shape).astype(dtype))
    weight = rng.normal(size=shape[1]).astype(dtype)
    y = fastnn.batch_norm(xs["first"], None, None, weight, training=True)
    stats = fastnn.batch_norm_stats(xs["first"])
    grads = fastnn.batch_norm_backward(dys["first"], xs["first"], *stats, weight)
    for order, x in xs.items():
        got = fastnn.batch_norm(x, None, None, weight, training=True)
        np.testing.assert_array_equal(got, y, err_msg=order)
        if order != "gaps" and 1 not in shape:  # the stride of a dimension of size 1 means nothing
            assert got.strides == x.strides
        for a, b in zip(stats, fastnn.batch_norm_stats(x), strict=True):
            np.testing.assert_array_equal(a, b)
        for other in ("first", order):
            for a, b in zip(grads, fastnn.batch_norm_backward(dys[other], x, *stats, weight), strict=True):
                np.testing.assert_array_equal(a, b, err_msg=f"{order}, dy {other}")


@pytest.mark.parametrize("value", [1e6, -3.14159e7, 1e-30, 16777217.0])
@pytest.mark.parametrize("shape", [(64, 3), (4, 3, 50, 50), (3000, 2)], ids=str)
def test_constant_channel_becomes_exactly_beta(value, shape):
    bias = np.arange(1, shape[1] + 1, dtype=np.float32)
    y = fastnn.batch_norm(np.full(shape, value, np.float32), None, None, bias * 7, bias, training=True)
    np.testing.assert_array_equal(y, np.broadcast_to(bias.reshape((1, -1) + (1,) * (len(shape) - 2)), shape))


@pytest.mark.parametrize("outlier", [False, True])
def test_large_mean_keeps_its_digits(outlier):
    rng = np.random.default_rng(0)
    x = rng.normal(1e3, 1e-2, (4096, 4)).astype(np.float32)
    x[0] = x[0] + (1 if outlier else 0)
    y = fastnn.batch_norm(x, None, None, training=True, eps=1e-12)
    np.testing.assert_allclose(y, reference(x, eps=1e-12)[0].astype(float), rtol=1e-4, atol=1e-4)


@both
def test_evaluation(dtype):
    rng = np.random.default_rng(0)
    x, mean, var = rng.normal(size=(6, 3, 4)).astype(dtype), rng.normal(size=3).astype(dtype), np.ones(3, dtype) * 4
    y = fastnn.batch_norm(x, mean, var)
    np.testing.assert_allclose(y, (x - mean[:, None]) / np.sqrt(4 + 1e-5), rtol=1e-5, atol=1e-6)
    for split in (x[:1], x[2:5]):
        start = 0 if len(split) == 1 else 2
        np.testing.assert_array_equal(fastnn.batch_norm(split, mean, var), y[start : start + len(split)])
    assert np.isnan(fastnn.batch_norm(x, mean, -var)).all()
    rstd = 1 / np.sqrt(var.astype(float) + 1e-5)
    dx, _, dbias = fastnn.batch_norm_backward(np.ones_like(x), x, mean, rstd, training=False)
    np.testing.assert_allclose(dx, np.broadcast_to(rstd[:, None], x.shape), rtol=1e-6)
    np.testing.assert_array_equal(dbias, np.full(3, 24))


def test_fixed_statistics_let_no_input_into_the_gradient():
    x = np.array([[np.inf], [np.nan], [1.0], [2.0]])
    dx, _, _ = fastnn.batch_norm_backward(np.ones((4, 1)), x, [0.0], [2.0], [3.0], training=False)
    np.testing.assert_array_equal(dx, np.full((4, 1), 6.0))


def test_no_channels():
    assert fastnn.batch_norm(np.zeros((2, 0)), None, None, training=True).shape == (2, 0)
    assert nn.BatchNorm1d(0)(np.zeros((2, 0))).shape == (2, 0)


def test_running_statistics():
    x = np.array([[1.0], [3.0]], np.float32)
    mean, var = np.zeros(1, np.float32), np.ones(1, np.float32)
    fastnn.batch_norm(x, mean, var, training=True, momentum=0.5)
    np.testing.assert_allclose([mean[0], var[0]], [1.0, 1.5])  # unbiased: ((1-2)^2 + (3-2)^2) / 1 = 2
    layer = nn.BatchNorm1d(1, momentum=None)
    for batch in ([[0.0], [2.0]], [[4.0], [6.0]], [[2.0], [4.0]]):
        layer(np.array(batch))
    np.testing.assert_allclose(layer.running_mean, [3.0], rtol=1e-6)
    assert layer.num_batches_tracked == 3
    for momentum, expected in ((0.0, 0.0), (1.0, 2.0)):
        layer = nn.BatchNorm1d(1, momentum=momentum)
        layer(x)
        assert layer.running_mean[0] == expected


def test_layer_modes_and_keys():
    layer = nn.BatchNorm2d(3)
    assert list(layer.state_dict()) == ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    assert layer.state_dict()["num_batches_tracked"].dtype == np.int64
    assert list(nn.BatchNorm2d(3, affine=False).state_dict()) == ["running_mean", "running_var", "num_batches_tracked"]
    assert list(nn.BatchNorm2d(3, bias=False, track_running_stats=False).state_dict()) == ["weight"]
    x = np.random.default_rng(0).normal(5, 1, (4, 3, 2, 2))
    free = nn.BatchNorm2d(3, track_running_stats=False).eval()
    assert abs(free(x).data.mean()) < 1e-6
    y = layer.eval()(x).numpy()
    np.testing.assert_allclose(y, x / np.sqrt(1 + 1e-5), rtol=1e-5)
    assert layer.num_batches_tracked == 0
    assert nn.BatchNorm1d(2).to(np.float64)(np.ones((3, 2), np.float32)).dtype == np.float64


def snapshot(layer):
    return {key: value.copy() for key, value in layer.state_dict().items()}


@pytest.mark.parametrize(
    ("layer", "shape", "text"),
    [
        (
            nn.BatchNorm1d(3),
            (2, 3, 4, 5),
            r"BatchNorm1d: expected a 2-D input \(N, C\) or a 3-D input \(N, C, L\), got 4-D with shape \(2, 3, 4, 5\)",
        ),
        (nn.BatchNorm2d(3), (8, 3), r"BatchNorm2d: expected a 4-D input \(N, C, H, W\), got 2-D with shape \(8, 3\)"),
        (nn.BatchNorm3d(3), (8, 3, 2, 2), "BatchNorm3d: expected a 5-D input"),
        (nn.BatchNorm1d(5), (8, 3), "BatchNorm1d: expected an input of 5 channels, got 3"),
        (nn.BatchNorm1d(3), (1, 3), "expected more than 1 value per channel when training"),
        (nn.BatchNorm1d(3), (1, 3, 1), "expected more than 1 value per channel when training"),
    ],
)
def test_refusals_change_nothing(layer, shape, text):
    before = snapshot(layer)
    with pytest.raises(ValueError, match=text):
        layer(np.ones(shape))
    for key, value in layer.state_dict().items():
        np.testing.assert_array_equal(value, before[key])


def test_other_refusals():
    x = np.ones((4, 3))
    mean = np.zeros(3)
    for arguments, error, text in (
        ((x, mean, mean, np.ones(2)), ValueError, r"expected weight of shape \(3,\), got \(2,\)"),
        ((x, np.zeros(2), mean), ValueError, r"expected running_mean of shape \(3,\)"),
        ((x, None, None), ValueError, "expected running_mean and running_var when not training"),
        ((x, [0.0] * 3, mean), TypeError, "expected running_mean to be a float array, got list"),
        ((np.ones(3), mean, mean), ValueError, "expected an input of 2 or more dimensions"),
        ((x, mean, mean, None, None, True, 0.1, 0.0), ValueError, "expected eps above 0, got 0"),
        ((x, mean, mean, None, None, True, "a"), TypeError, "expected momentum to be a real number"),
    ):
        with pytest.raises(error, match="batch_norm: " + text):
            fastnn.batch_norm(*arguments)
    assert not mean.any()
    with pytest.raises(ValueError, match="batch_norm_backward: expected dy of input's shape"):
        fastnn.batch_norm_backward(np.ones((4, 2)), x, mean, mean)


def test_empty_batch():
    layer = nn.BatchNorm1d(3)
    assert layer(np.zeros((0, 3))).shape == (0, 3)
    assert layer.num_batches_tracked == 1
    assert not layer.running_mean.any()
    dx, dweight, dbias = fastnn.batch_norm_backward(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(3), np.ones(3))
    assert dx.shape == (0, 3)
    assert not dweight.any()
    assert not dbias.any()


def test_half_precision_and_out():
    x = np.random.default_rng(0).normal(size=(64, 5)).astype(np.float16)
    weight = np.ones(5, np.float32)
    y = fastnn.batch_norm(x, None, None, weight, training=True)
    assert y.dtype == np.float16
    np.testing.assert_array_equal(
        y, fastnn.batch_norm(x.astype(np.float32), None, None, weight, training=True).astype(np.float16)
    )
    out = np.empty((64, 5), np.float16)
    assert fastnn.batch_norm(x, None, None, training=True, out=out) is out
    np.testing.assert_array_equal(out, y)


def test_nonfinite_values_stay_in_their_channel():
    x = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
    for bad in (np.nan, np.inf):
        x[5, 1] = bad
        y = fastnn.batch_norm(x, None, None, training=True)
        assert np.isnan(y[:, 1]).all()
        assert np.isfinite(y[:, [0, 2]]).all()


def test_the_counter_does_not_stop_training():
    layer = nn.BatchNorm1d(3)
    layer.num_batches_tracked.flags.writeable = False
    layer(np.arange(6.0).reshape(2, 3))
    assert layer.num_batches_tracked == 1
    layer.num_batches_tracked = None
    before = layer.running_mean.copy()
    layer(np.arange(6.0).reshape(2, 3))
    assert (layer.running_mean != before).any()
