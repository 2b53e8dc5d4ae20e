"""Winograd's algorithm, where it is asked for: values, errors, bits, shapes, the setting, plans and files."""

import copy
import pickle
import threading

import numpy as np
import pytest
from scripts import python

import fastnn
from fastnn import nn
from fastnn.functional import conv2d

SHAPES = [  # input, outputs, padding
    ((1, 64, 16, 16), 64, 1),
    ((3, 33, 19, 22), 50, 1),
    ((2, 32, 18, 15), 32, 0),
    ((1, 300, 13, 16), 40, "same"),
    ((2, 40, 25, 30), 97, 2),
    ((1, 32, 4, 130), 32, 1),
    ((1, 256, 30, 30), 64, 1),
]


def data(shape, outputs, dtype=np.float32, seed=0):
    rng = np.random.default_rng(seed)
    return tuple(rng.normal(size=size).astype(dtype) for size in (shape, (outputs, shape[1], 3, 3), (outputs,)))


def fast(*arguments, **options):
    with fastnn.conv_precision("fast"):
        return conv2d(*arguments, **options)


def channels_last(x):
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


@pytest.mark.parametrize(("dtype", "most", "rms"), [(np.float32, 2e-6, 1.2e-7), (np.float64, 4e-15, 2.5e-16)])
@pytest.mark.parametrize(("shape", "outputs", "padding"), SHAPES)
def test_usual_errors_are_as_documented(shape, outputs, padding, dtype, most, rms):
    """Relative to the sum of the products' sizes, against float64; and it is another computation."""
    most *= 2.5 if padding == 2 else 1  # corners have a single product for each channel
    x, weight, bias = data(shape, outputs, dtype)
    y = fast(x, weight, bias, padding=padding)
    wide = [each.astype(np.float64) for each in (x, weight, bias)]
    error = np.abs(y - conv2d(*wide, padding=padding)) / conv2d(*map(np.abs, wide), padding=padding)
    assert y.dtype == dtype
    assert error.max() < most
    assert np.sqrt((error**2).mean()) < rms
    assert (y != conv2d(x, weight, bias, padding=padding)).any()


def test_small_values_beside_large_ones_are_lost():
    """An identity kernel over pixels of 1e-4 and 1e4 in turn: exact by default, fast without any digit of the small ones."""
    x = np.where(np.indices((16, 16)).sum(0) % 2, 1e-4, 1e4).astype(np.float32)
    x = np.broadcast_to(x, (1, 32, 16, 16))
    weight = np.zeros((32, 32, 3, 3), np.float32)
    weight[range(32), range(32), 1, 1] = 1
    assert np.array_equal(conv2d(x, weight, padding=1), x)
    error = np.abs(fast(x, weight, padding=1) - x)
    assert error.max() > 1e-4  # more than the whole value of every other pixel
    assert error.max() < 1e4 * 2e-6


def test_infinity_spreads_over_its_tile():
    x, weight, _ = data((1, 32, 16, 16), 32)
    x[0, 3, 1, 1] = np.inf
    y = fast(x, weight, padding=1)
    assert np.isnan(y[:, :, :4, :4]).all()
    assert np.isfinite(y[:, :, 8:, 8:]).all()
    assert np.isfinite(conv2d(x, weight, padding=1)[:, :, 3:, 3:]).all()


@pytest.mark.parametrize(
    ("shape", "weight", "options"),
    [
        ((2, 31, 16, 16), (32, 31, 3, 3), {}),
        ((2, 32, 16, 16), (31, 32, 3, 3), {}),
        ((2, 64, 16, 16), (64, 32, 3, 3), {"groups": 2}),
        ((2, 32, 24, 24), (32, 32, 3, 3), {"dilation": 2}),
        ((2, 32, 40, 40), (32, 32, 3, 3), {"stride": 2}),
        ((2, 32, 24, 24), (32, 32, 3, 3), {"stride": (1, 2)}),
        ((2, 32, 24, 24), (32, 32, 3, 1), {}),
        ((2, 32, 24, 24), (32, 32, 5, 5), {}),
        ((2, 32, 24, 24), (32, 32, 3, 3), {"padding_mode": "reflect"}),
        ((2, 32, 10, 10), (32, 32, 3, 3), {}),
        ((2, 32, 1, 100), (32, 32, 3, 3), {}),
    ],
)
def test_other_shapes_are_computed_directly(shape, weight, options):
    rng = np.random.default_rng(1)
    x, w = rng.normal(size=shape).astype(np.float32), rng.normal(size=weight).astype(np.float32)
    assert np.array_equal(fast(x, w, padding=1, **options), conv2d(x, w, padding=1, **options))


@pytest.mark.parametrize(("shape", "outputs", "padding"), SHAPES)
def test_bits_depend_on_neither_batch_threads_nor_memory(shape, outputs, padding):
    x, weight, bias = data((5, *shape[1:]), outputs)
    y = fast(x, weight, bias, padding=padding)
    with fastnn.threads(1):
        assert np.array_equal(fast(x, weight, bias, padding=padding), y)
    assert np.array_equal(fast(x[3], weight, bias, padding=padding), y[3])
    assert np.array_equal(np.concatenate([fast(x[:2], weight, bias, padding=padding), y[2:]]), y)
    last = fast(channels_last(x), weight, bias, padding=padding)
    assert np.array_equal(last, y)
    assert np.moveaxis(last, 1, -1).flags.c_contiguous
    assert np.array_equal(fast(x, np.asfortranarray(weight), bias, padding=padding), y)
    wide = np.repeat(np.repeat(x, 2, 3), 2, 1)[:, ::2, :, ::2]
    assert np.array_equal(fast(wide, weight, bias, padding=padding), y)
    out = np.empty_like(y)
    assert fast(x, weight, bias, padding=padding, out=out) is out
    assert np.array_equal(out, y)


SCRIPT = """
import hashlib
import numpy as np
import fastnn
rng = np.random.default_rng(0)
for dtype in (np.float32, np.float64):
    for shape, k in (((2, 300, 17, 14), 45), ((1, 40, 30, 33), 16 * 5)):
        x, w = rng.normal(size=shape).astype(dtype), rng.normal(size=(k, shape[1], 3, 3)).astype(dtype)
        with fastnn.conv_precision("fast"):
            y = fastnn.conv2d(x, w, padding=1)
        print(hashlib.sha256(y.tobytes()).hexdigest())
"""


def test_bits_are_those_of_every_tier_that_fuses():
    from fastnn import _core

    tiers = [name for name, runs in _core.ISA_TIERS if runs and name != "base"]
    found = {python("-c", SCRIPT, FASTNN_ISA=tier, FASTNN_NUM_THREADS=str(1 + i)) for i, tier in enumerate(tiers)}
    assert len(found) <= 1


def test_gradients_are_exact():
    arrays = data((2, 32, 16, 16), 33)

    def gradients(word):
        tensors = [fastnn.tensor(each, requires_grad=True) for each in arrays]
        with fastnn.conv_precision(word):
            y = conv2d(*tensors, padding=1)
            y.backward(np.ones_like(y.data))
        return y.data, [each.grad for each in tensors]

    (exact, expected), (y, found) = gradients("exact"), gradients("fast")
    assert np.array_equal(y, fast(*arrays, padding=1))
    assert (y != exact).any()
    for one, other in zip(found, expected, strict=True):
        assert np.array_equal(one, other)


def test_the_setting_is_one_of_two_words_of_a_thread():
    x, weight, _ = data((1, 32, 16, 16), 32)
    exact, other = conv2d(x, weight), fast(x, weight)
    assert (exact != other).any()
    for word in ("Fast", "", None, 1):
        with pytest.raises((ValueError, TypeError), match="conv_precision: expected precision to be"):
            fastnn.conv_precision(word)
    with pytest.raises(ValueError, match="conv_precision"):
        fastnn.freeze(nn.Conv2d(3, 4, 3), conv="quick")
    decorated = fastnn.conv_precision("fast")(conv2d)
    assert np.array_equal(decorated(x, weight), other)
    assert np.array_equal(conv2d(x, weight), exact)
    found = []
    with fastnn.conv_precision("fast"):
        with fastnn.conv_precision("exact"):
            assert np.array_equal(conv2d(x, weight), exact)
        assert np.array_equal(conv2d(x, weight), other)
        thread = threading.Thread(target=lambda: found.append(conv2d(x, weight)))
        thread.start()
        thread.join()
    assert np.array_equal(found[0], exact)
    assert np.array_equal(conv2d(x, weight), exact)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(32, 40, 3, padding=1), nn.Conv2d(40, 32, 3, padding=1, bias=False)
        self.norm, self.act = nn.BatchNorm2d(32), nn.GELU()

    def forward(self, x):
        return self.act(self.norm(self.second(fastnn.relu(self.first(x)))) + x)


@pytest.fixture
def block():
    fastnn.manual_seed(0)
    return Block()


def test_plans_fold_as_before(block):
    x = data((3, 32, 18, 20), 1)[0]
    block(x)  # statistics
    predict = fastnn.freeze(block, x, conv="fast")
    y, exact = predict(x), fastnn.freeze(block)(x)
    assert predict.conv == "fast"
    assert str(predict.plan) == str(fastnn.freeze(block, x).plan)  # the steps are those of an exact one
    assert (y != exact).any()
    assert np.allclose(y, exact, atol=1e-4)
    assert np.allclose(y, block.eval()(x).data, atol=1e-4)
    assert np.array_equal(predict(x[1:2]), y[1:2])
    assert np.array_equal(predict(channels_last(x)), y)
    with fastnn.threads(1):
        assert np.array_equal(predict(x), y)
    with fastnn.conv_precision("fast"):
        assert np.array_equal(fastnn.freeze(block)(x), exact)  # a frozen model has a word of its own
    with fastnn.conv_precision("exact"):
        assert np.array_equal(predict(x), y)


def test_files_and_pickles_keep_the_word(block, tmp_path):
    x = data((2, 32, 16, 16), 1)[0]
    predict = fastnn.freeze(block, x, conv="fast")
    y = predict(x)
    for again in (pickle.loads(pickle.dumps(predict)), copy.deepcopy(predict)):
        assert again.conv == "fast"
        assert np.array_equal(again(x), y)
    predict.save(tmp_path / "fast.safetensors")
    loaded = fastnn.load_frozen(tmp_path / "fast.safetensors")
    assert loaded.conv == "fast"
    assert np.array_equal(loaded(x), y)
    fastnn.freeze(block, x).save(tmp_path / "exact.safetensors")
    assert fastnn.load_frozen(tmp_path / "exact.safetensors").conv == "exact"


def test_models_without_a_plan_are_fast_too():
    class Asks(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(32, 32, 3)

        def forward(self, x):
            y = self.conv(x)
            return y if float(np.asarray(y.data if hasattr(y, "data") else y).ravel()[0]) > -1e9 else x

    fastnn.manual_seed(0)
    model, x = Asks(), data((1, 32, 18, 18), 1)[0]
    assert np.array_equal(fastnn.freeze(model, conv="fast")(x), fast(x, model.conv.weight.data, model.conv.bias.data))
