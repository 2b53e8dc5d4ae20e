"""Plans of convolutional networks: which steps fold, the place of channels between steps, and that no number changes."""

import numpy as np
import pytest
from test_freeze import batch, own

import fastnn
from fastnn import models, nn
from fastnn.graph import Call, Ref, lowering
from fastnn.graph._layout import lay_out
from fastnn.graph._passes import Steps
from fastnn.graph._trace import trace
from fastnn.nn import functional as F

NETWORKS = {
    "lenet": (models.lenet, (1, 28, 28)),
    "resnet20": (models.resnet20, (3, 32, 32)),
    "resnet18": (lambda: models.resnet18(num_classes=20), (3, 64, 48)),
    "mobilenet_v2": (lambda: models.mobilenet_v2(num_classes=20), (3, 64, 64)),
    "cnn1d": (lambda: models.cnn1d(3, 2), (2, 77)),
}


def trained(model):
    """The model with statistics as training leaves them."""
    rng = np.random.default_rng(0)
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer[...] = rng.normal(0, 0.1, buffer.shape)
        elif name.endswith("running_var"):
            buffer[...] = rng.uniform(0.5, 1.5, buffer.shape)
    return model.eval()


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_are_one_program_and_no_bit_depends_on_the_split(name):
    fastnn.manual_seed(0)
    make, shape = NETWORKS[name]
    model = trained(make())
    frozen, x = fastnn.freeze(model), batch(7, *shape)
    whole, expected = frozen(x), own(model, x)
    assert frozen.unplanned == ()
    assert frozen._program is not None
    np.testing.assert_allclose(whole, expected, rtol=0, atol=5e-6 * np.abs(expected).max())
    for size in (1, 3, 5):
        parts = [frozen(x[i : i + size]) for i in range(0, 7, size)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)
    for threads in (1, 2, 3, 7):
        with fastnn.threads(threads):
            np.testing.assert_array_equal(frozen(x), whole)


@pytest.mark.parametrize("groups", [1, 2])
def test_packed_weights_begin_at_a_cache_line(groups):
    frozen = fastnn.freeze(nn.Sequential(*(nn.Conv2d(2 * n, 2 * n, 3, groups=groups) for n in (4, 4, 4, 4))))
    frozen(np.zeros((1, 8, 12, 12), np.float32))
    packed = list(frozen._weights.made.values())
    assert len(packed) == 4
    assert {each.__array_interface__["data"][0] % 64 for each in packed} == {0}


def test_another_image_size_packs_no_weight_again():
    model = trained(models.resnet20())
    frozen = fastnn.freeze(model, batch(2, 3, 32, 32))
    before = {key: id(array) for key, array in frozen._weights.made.items()}
    for size in ((16, 16), (33, 47)):
        x = batch(3, 3, *size)
        np.testing.assert_allclose(frozen(x), own(model, x), rtol=0, atol=1e-4)
    assert {key: id(array) for key, array in frozen._weights.made.items()} == before
    assert frozen.unplanned == ()


# -- passes: what matches, and what almost does -----------------------------------------------------------------------


class Model(nn.Module):
    """A forward pass given as a function, over two convolutions and a norm that keep the shape (4, 6, 5)."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.conv, self.other = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 1)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x):
        return self.function(self, x)


def steps_of(model, *shape):
    x = [batch(n, *shape) for n in (3, 5)]
    graph = trace(model, (Ref(0),), {}, [[each] for each in x], (3, 5))
    steps = Steps(lowering.lowered(graph), graph)
    lay_out(steps, graph)
    return steps.items


def kinds(items):
    return [item.op if not isinstance(item, Call) else item.function.__name__ for item in items]


FOLDED = {
    "norm": (lambda m, x: m.norm(m.conv(x)), ["conv"]),
    "norm and function": (lambda m, x: F.relu6(m.norm(m.conv(x))), ["conv"]),
    "function before the norm": (lambda m, x: m.norm(F.relu(m.conv(x))), ["conv", "batch_norm"]),
    "norm before the convolution": (lambda m, x: m.conv(m.norm(x)), ["batch_norm", "conv"]),
    "two functions": (lambda m, x: F.silu(F.hardswish(m.conv(x))), ["conv", "activation"]),
    "residual": (lambda m, x: F.relu(m.norm(m.conv(x)) + x), ["conv"]),
    "residual on the left": (lambda m, x: F.leaky_relu(x + m.conv(x), 0.2), ["conv"]),
    "residual by another convolution": (lambda m, x: F.relu(m.norm(m.conv(x)) + m.other(x)), ["conv", "conv"]),
    "residual after the function": (lambda m, x: F.relu(m.conv(x)) + x, ["conv", "pointwise"]),
    "residual of another shape": (lambda m, x: m.conv(x) + m.other(x)[:, :1], ["conv", "conv", "move", "pointwise"]),
    "residual of another dtype": (
        lambda m, x: m.conv(x) + x.astype(np.float64),
        ["conv", "convert", "convert", "pointwise"],
    ),
    "residual that comes later": (
        lambda m, x: (lambda y: y + np.exp(y))(m.conv(x)),
        ["conv", "pointwise", "pointwise"],
    ),
    "two residuals": (lambda m, x: m.conv(x) + x + x, ["conv", "pointwise"]),
    "norm in training": (
        lambda m, x: F.batch_norm(m.conv(x), None, None, m.norm.weight, training=True),
        ["conv", "batch_norm"],
    ),
    "norm of what is read twice": (
        lambda m, x: (lambda y: m.norm(y) * y)(m.conv(x)),
        ["conv", "batch_norm", "pointwise"],
    ),
    "norm after the residual": (lambda m, x: m.norm(m.conv(x) + x), ["conv", "batch_norm"]),
    "a product is no residual": (lambda m, x: m.conv(x) * x, ["conv", "pointwise"]),
    "itself is no residual": (lambda m, x: (lambda y: y + y)(m.conv(x)), ["conv", "pointwise"]),
    "read twice": (lambda m, x: (lambda y: F.relu(y) + y)(m.conv(x)), ["conv", "activation", "pointwise"]),
    "pools": (lambda m, x: F.avg_pool2d(F.max_pool2d(m.conv(x), 2), 2), ["conv", "max_pool", "avg_pool"]),
}


@pytest.mark.parametrize("name", FOLDED)
def test_what_folds_and_what_almost_does(name):
    function, expected = FOLDED[name]
    model = trained(Model(function))
    assert kinds(steps_of(model, 4, 6, 5)) == expected
    frozen, x = fastnn.freeze(model), batch(3, 4, 6, 5)
    np.testing.assert_allclose(frozen(x), own(model, x), rtol=0, atol=1e-5)
    assert frozen.unplanned == ()


def last(item):
    """Whether a convolution writes, and reads, channels-last memory."""
    return item.fields["y"].strides[2] == 1, item.fields["x"].strides[2] == 1


def test_channels_stand_last_between_steps_alone():
    first, second, third = steps_of(Model(lambda m, x: m.other(F.relu(m.conv(F.relu(m.conv(x)))))), 4, 6, 5)
    assert [last(item) for item in (first, second, third)] == [(True, False), (True, True), (False, True)]


LAID = {
    "what is returned": (lambda m, x: m.conv(x), False),
    "a function of it": (lambda m, x: np.multiply(m.conv(x), m.other(x)), False),
    "what a call reads": (lambda m, x: m.conv(np.cumsum(m.conv(x), axis=2)), False),
    "what is flattened": (lambda m, x: F.max_pool2d(m.conv(x), 2).reshape(-1, 4 * 3 * 2), False),
    "a sum with the input": (lambda m, x: m.other(F.gelu(m.conv(x)) * x), False),
    "what is pooled to a place": (lambda m, x: F.adaptive_avg_pool2d(m.conv(x), 1).reshape(-1, 4), True),
    "what is normalized": (lambda m, x: m.other(m.norm(F.relu(m.conv(x)))), True),
    "what two convolutions read": (lambda m, x: m.other(m.conv(x)) * m.conv(m.conv(x)), True),
}


@pytest.mark.parametrize("name", LAID)
def test_order_of_the_first_convolutions_result(name):
    function, expected = LAID[name]
    model = trained(Model(function))
    items = steps_of(model, 4, 6, 5)
    assert last(items[0]) == (expected, False)
    frozen, x = fastnn.freeze(model), batch(3, 4, 6, 5)
    np.testing.assert_allclose(frozen(x), own(model, x), rtol=0, atol=1e-5)
    assert frozen.unplanned == ()


# -- numbers ----------------------------------------------------------------------------------------------------------


def conv_stack(conv, norm, channels):
    return nn.Sequential(conv(), norm(channels), nn.SiLU(), conv(), nn.Hardswish(), conv(), norm(channels))


STACKS = {
    "groups": lambda: conv_stack(lambda: nn.Conv2d(8, 8, 3, padding=1, groups=2), nn.BatchNorm2d, 8),
    "depthwise": lambda: conv_stack(lambda: nn.Conv2d(40, 40, 3, padding=1, groups=40), nn.BatchNorm2d, 40),
    "depthwise, twice as many": lambda: nn.Sequential(nn.Conv2d(6, 12, 3, groups=6), nn.ReLU(), nn.Conv2d(12, 12, 1)),
    "strides": lambda: conv_stack(lambda: nn.Conv2d(8, 8, (3, 2), (2, 1), (1, 0)), nn.BatchNorm2d, 8),
    "dilation": lambda: conv_stack(lambda: nn.Conv2d(8, 8, 3, dilation=2, padding="same"), nn.BatchNorm2d, 8),
    "reflect": lambda: conv_stack(lambda: nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect"), nn.BatchNorm2d, 8),
    "many channels": lambda: conv_stack(lambda: nn.Conv2d(70, 70, 3, padding=1), nn.BatchNorm2d, 70),
    "float64": lambda: conv_stack(lambda: nn.Conv2d(9, 9, 3, padding=1), nn.BatchNorm2d, 9).double(),
    "one dimension": lambda: conv_stack(lambda: nn.Conv1d(8, 8, 5, padding=2), nn.BatchNorm1d, 8),
    "three dimensions": lambda: conv_stack(lambda: nn.Conv3d(5, 5, 3, padding=1), nn.BatchNorm3d, 5),
    "pools": lambda: nn.Sequential(
        nn.Conv2d(8, 8, 1), nn.MaxPool2d(3, 2, 1, ceil_mode=True), nn.AvgPool2d(3, 1, 1, count_include_pad=False),
        nn.AvgPool2d(2, 1, divisor_override=3), nn.AdaptiveMaxPool2d((3, 2)), nn.Conv2d(8, 8, 1),
    ),
    "norm without affine": lambda: nn.Sequential(nn.Conv2d(8, 8, 1, bias=False), nn.BatchNorm2d(8, affine=False)),
}  # fmt: skip
SHAPES = {
    "depthwise": (40, 11, 9), "depthwise, twice as many": (6, 11, 9), "many channels": (70, 11, 9),
    "float64": (9, 11, 9), "one dimension": (8, 50), "three dimensions": (5, 4, 6, 5),
}  # fmt: skip


@pytest.mark.parametrize("name", STACKS)
def test_numbers_are_the_models(name):
    fastnn.manual_seed(0)
    model = trained(STACKS[name]())
    dtype = np.float64 if name == "float64" else np.float32
    frozen, x = fastnn.freeze(model), batch(5, *SHAPES.get(name, (8, 11, 9)), dtype=dtype)
    y, expected = frozen(x), own(model, x)
    assert y.flags.c_contiguous
    assert frozen._program is not None
    bound = (1e-13 if dtype == np.float64 else 4e-6) * max(1, np.abs(expected).max())
    np.testing.assert_allclose(y, expected, rtol=0, atol=bound)
    np.testing.assert_array_equal(np.concatenate([frozen(x[:2]), frozen(x[2:])]), y)
    turned = np.ascontiguousarray(np.moveaxis(x, 1, -1))  # channels-last memory is as good an input
    np.testing.assert_array_equal(frozen(np.moveaxis(turned, -1, 1)), y)


def test_pools_with_indices_and_unbatched_images_are_the_models():
    model = trained(Model(lambda m, x: F.max_pool2d(m.conv(x), 2, return_indices=True)))
    frozen, x = fastnn.freeze(model), batch(3, 4, 6, 5)
    for y, expected in zip(frozen(x), own(model, x), strict=True):
        np.testing.assert_allclose(y, expected, rtol=0, atol=1e-5)
    model = trained(Model(lambda m, x: m.conv(x)))
    np.testing.assert_allclose(fastnn.freeze(model)(x[0]), own(model, x[0]), rtol=0, atol=1e-5)


def test_nan_goes_where_the_model_has_it():
    model = trained(nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 3, 1)))
    x = batch(2, 4, 6, 6)
    x[0, 1, 2, 3] = np.nan
    np.testing.assert_array_equal(np.isnan(fastnn.freeze(model)(x)), np.isnan(own(model, x)))
