"""dropout: the mask as a function of key and index, its statistics, the select, refusals."""

import itertools
import math

import numpy as np
import pytest

import fastnn
from fastnn import nn

both = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])


def philox(counter, key, rounds=7):
    """Philox4x32 in Python integers, as its authors define it."""
    c = [counter & 0xFFFFFFFF, counter >> 32 & 0xFFFFFFFF, 0, 0]
    k = [key & 0xFFFFFFFF, key >> 32]
    for _ in range(rounds):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [p1 >> 32 ^ c[1] ^ k[0], p1 & 0xFFFFFFFF, p0 >> 32 ^ c[3] ^ k[1], p0 & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def bits_of(element, key):
    """16 bits of one element: half word h of counter l in its group of 128."""
    h, lane = divmod(element % 128, 16)
    return philox(element // 128 * 16 + lane, key)[h // 2] >> 16 * (h % 2) & 0xFFFF


def test_the_reference_generator_is_philox():
    """Known answers of Philox4x32-10 (Random123's kat_vectors)."""
    assert philox(0, 0, 10) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]


@pytest.mark.parametrize("key", [0, 1, 2**32, 2**64 - 1, 0x123456789ABCDEF])
def test_mask_is_the_documented_function(key):
    mask = fastnn.dropout_mask(1000, 0.3, rng=key)
    expected = [bits_of(i, key) >= round(0.3 * 65536) for i in range(1000)]
    np.testing.assert_array_equal(mask, expected)


@both
@pytest.mark.parametrize("shape", [(1,), (127,), (128,), (5000,), (30, 41, 7), (100_000,)], ids=str)
def test_dropout_applies_its_mask(dtype, shape):
    x = np.random.default_rng(0).normal(size=shape).astype(dtype)
    mask = fastnn.dropout_mask(shape, 0.3, rng=9)
    y = fastnn.dropout(x, 0.3, rng=9)
    np.testing.assert_array_equal(y, np.where(mask, x * dtype(1 / 0.7), 0))
    np.testing.assert_array_equal(fastnn.dropout_backward(x, 0.3, rng=9), y)
    for memory in (np.asfortranarray(x), x.reshape(x.shape)[::1]):
        np.testing.assert_array_equal(fastnn.dropout(memory, 0.3, rng=9), y)
    z = x.copy()
    assert fastnn.dropout(z, 0.3, inplace=True, rng=9) is z
    np.testing.assert_array_equal(z, y)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9, 1e-3])
def test_frequency(p):
    n = 2_000_000
    kept = fastnn.dropout_mask(n, p, rng=5).sum()
    exact = 1 - round(65536 * p) / 65536
    assert abs(kept - n * exact) < 5 * math.sqrt(n * exact * (1 - exact))


def test_bits_are_independent():
    """Pairs of neighbours, of the elements sharing a word, of neighbouring keys: a chi-squared each."""
    n = 1 << 20
    masks = [fastnn.dropout_mask(n, 0.5, rng=key).astype(int) for key in (0, 1, 2**32)]
    pairs = [(masks[0][:-lag], masks[0][lag:]) for lag in (1, 16, 32, 64, 128, 2048)]
    pairs += list(itertools.combinations(masks, 2))
    for a, b in pairs:
        counts = np.bincount(2 * a + b, minlength=4)
        assert ((counts - len(a) / 4) ** 2).sum() / (len(a) / 4) < 25  # 3 degrees of freedom: p < 2e-5


def test_no_key_is_another_shifted():
    masks = {key: fastnn.dropout_mask(4096, 0.5, rng=key) for key in range(20)}
    for (a, b), shift in itertools.product(itertools.combinations(masks, 2), (0, 1, 16, 128)):
        agreement = (masks[a][shift:] == masks[b][: 4096 - shift]).mean()
        assert 0.4 < agreement < 0.6


@both
def test_select_not_multiply(dtype):
    x = np.array([1, -2, np.inf, np.nan, -0.0] * 100, dtype)
    y = fastnn.dropout(x, 1.0)
    assert not y.any()
    assert not np.signbit(y).any()
    y = fastnn.dropout(x, 0.5, rng=0)
    mask = fastnn.dropout_mask(x.shape, 0.5, rng=0)
    assert not y[~mask].any()
    np.testing.assert_array_equal(y[mask], x[mask] * 2)


def test_evaluation_copies_and_the_layer_hands_through():
    x = np.ones(5, np.float32)
    for y in (fastnn.dropout(x, 0.5, training=False), fastnn.dropout(x, 0.0)):
        np.testing.assert_array_equal(y, x)
        assert not np.shares_memory(x, y)
    assert nn.Dropout().eval()(x) is x


def test_where_masks_come_from():
    x = np.ones(200)
    fastnn.manual_seed(7)
    first = [fastnn.dropout(x) for _ in range(3)]
    assert not np.array_equal(first[0], first[1])
    fastnn.manual_seed(7)
    for y in first:
        np.testing.assert_array_equal(fastnn.dropout(x), y)
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    fastnn.dropout(x)
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002
    a, b = (fastnn.dropout(x, rng=np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(a, b)
    rng = np.random.default_rng(3)
    assert not np.array_equal(fastnn.dropout(x, rng=rng), fastnn.dropout(x, rng=rng))
    fastnn.dropout(x, rng=np.random.SeedSequence(1))
    fastnn.dropout(x, rng=2**70)
    layers = [nn.Dropout(rng=4), nn.Dropout(rng=4)]
    np.testing.assert_array_equal(layers[0](x), layers[1](x))
    assert not np.array_equal(layers[0](x), layers[0](x))


def test_the_scale_does_not_take_the_type_of_p():
    for p in (np.float16(0.3), np.float32(0.3)):
        assert fastnn.dropout(np.ones(8), p, rng=1).max() == 1 / (1 - float(p))


def test_refusals():
    for p in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match=r"dropout: expected p in \[0, 1\]"):
            fastnn.dropout([1.0], p)
        with pytest.raises(ValueError, match="Dropout: expected p"):
            nn.Dropout(p)
    with pytest.raises(
        TypeError, match="dropout: expected rng to be None, an integer, a SeedSequence or a Generator, got str"
    ):
        fastnn.dropout([1.0], rng="1")
    with pytest.raises(ValueError, match="dropout: expected rng of at least 0, got -1"):
        fastnn.dropout([1.0], rng=-1)
    with pytest.raises(TypeError, match="dropout_backward: expected rng to be the key"):
        fastnn.dropout_backward([1.0], 0.5)
    with pytest.raises(ValueError, match="each size of shape of at least 0, got -1"):
        fastnn.dropout_mask((2, -1))
    assert fastnn.dropout(np.zeros((0, 3))).shape == (0, 3)
    assert fastnn.dropout_mask((), rng=0).shape == ()


VARIANTS = {
    "dropout1d": ([((4, 5, 6), 2), ((5, 6), 1)], "3-D", nn.Dropout1d),
    "dropout2d": ([((4, 5, 6, 7), 2), ((4, 5, 6), 2), ((4, 5), 2)], "2 or more", nn.Dropout2d),
    "dropout3d": ([((4, 5, 2, 3, 2), 2), ((5, 2, 3, 2), 1)], "5-D", nn.Dropout3d),
    "alpha_dropout": ([((4, 5), 2), ((7,), 1), ((2, 3, 4), 3)], None, nn.AlphaDropout),
    "feature_alpha_dropout": ([((4, 5, 6), 2), ((4, 5), 2)], "2 or more", nn.FeatureAlphaDropout),
}
SELU_LIMIT = -1.7580993408473766
each_variant = pytest.mark.parametrize("name", list(VARIANTS))


def affine(p):
    """What alpha dropout makes of kept values and of dropped ones."""
    a = ((1 - p) * (1 + p * SELU_LIMIT**2)) ** -0.5
    return a, -a * SELU_LIMIT * p, a * SELU_LIMIT * (1 - p)


@both
@each_variant
def test_variants_apply_their_mask(name, dtype):
    f, twin = getattr(fastnn, name), getattr(fastnn, name + "_backward")
    for shape, leading in VARIANTS[name][0]:
        x = np.random.default_rng(0).normal(size=shape).astype(dtype)
        mask = fastnn.dropout_mask(shape[:leading], 0.3, rng=9)
        mask = np.broadcast_to(mask.reshape(mask.shape + (1,) * (len(shape) - leading)), shape)
        assert 0 < mask.sum() < mask.size
        scale, shift, dropped = affine(0.3) if "alpha" in name else (1 / 0.7, 0.0, 0.0)
        y = f(x, 0.3, training=True, rng=9)
        assert y.dtype == dtype
        np.testing.assert_allclose(y, np.where(mask, x * scale + shift, dropped), rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(f(np.asfortranarray(x), 0.3, training=True, rng=9), y)
        dx = twin(x, 0.3, training=True, rng=9)
        np.testing.assert_allclose(dx, np.where(mask, x * scale, 0), rtol=1e-5)
        t = fastnn.tensor(x, requires_grad=True)
        f(t, 0.3, training=True, rng=9).backward(x)
        np.testing.assert_array_equal(t.grad, dx)
        np.testing.assert_array_equal(f(x, 0.3, training=False), x)
        z = x.copy()
        assert f(z, 0.3, True, True, rng=9) is z
        np.testing.assert_array_equal(z, y)
        layer = VARIANTS[name][2](0.3, rng=4)
        assert layer.eval()(x) is x
        assert not np.array_equal(layer.train()(x), x)
        assert repr(layer) == f"{type(layer).__name__}(p=0.3, inplace=False)"


@each_variant
def test_variants_at_the_ends(name):
    f = getattr(fastnn, name)
    x = np.array([[[1, -2, np.inf, np.nan]]] * 2)
    x = x.reshape(2, 1, 1, 1, 4) if name == "dropout3d" else x
    assert not f(x, 1.0, training=True).any()
    np.testing.assert_array_equal(f(x, 0.0, training=True), x)
    assert f(x[:0], 0.5, training=True).shape == x[:0].shape
    with pytest.raises(ValueError, match=rf"{name}: expected p in \[0, 1\]"):
        f(x, 1.5)
    with pytest.raises(ValueError, match=rf"{VARIANTS[name][2].__name__}: expected p in \[0, 1\]"):
        VARIANTS[name][2](-1)
    with pytest.raises(TypeError, match=f"{name}_backward: expected rng to be the key"):
        getattr(fastnn, name + "_backward")(x, 0.5, training=True)
    if VARIANTS[name][1]:
        with pytest.raises(ValueError, match=f"{name}: expected an input of .*{VARIANTS[name][1]}.*, got 1 dimensions"):
            f(np.ones(5), training=True)


def test_alpha_dropout_keeps_mean_and_deviation():
    x = np.random.default_rng(0).normal(size=1_000_000)
    for p in (0.1, 0.5):
        y = fastnn.alpha_dropout(x, p, training=True, rng=1)
        assert abs(y.mean()) < 0.005
        assert y.std() == pytest.approx(1, abs=0.005)
    assert abs(fastnn.alpha_dropout(np.zeros(100), 0.5, training=True)).max() == pytest.approx(0.7791939, rel=1e-6)


def test_recorded_draws_of_every_variant():
    """Without rng the tape keeps the key it drew."""
    for name in VARIANTS:
        x = np.ones((40, 30, 2) + ((1, 2) if name == "dropout3d" else ()))
        t = fastnn.tensor(x, requires_grad=True)
        y = getattr(fastnn, name)(t, 0.5, training=True)
        y.sum().backward()
        np.testing.assert_array_equal(t.grad != 0, y.numpy() > 0.5)


def test_refused_calls_draw_nothing():
    t = fastnn.tensor(np.ones(2), requires_grad=True)
    state = fastnn.get_rng_state()
    for call in (lambda: fastnn.dropout1d(t), lambda: fastnn.dropout(t, 2.0), lambda: fastnn.rrelu(t, 2.0, 1.0, True)):
        with pytest.raises(ValueError, match="expected"):
            call()
    assert fastnn.get_rng_state() == state
    with pytest.raises(ValueError, match="dropout1d: expected an input of 2-D or 3-D"):
        fastnn.dropout1d(np.ones(2), training=False)


def test_backward_needs_the_key_itself():
    for rng in (np.random.default_rng(0), None, True, np.random.SeedSequence(1)):
        for call in (
            lambda rng=rng: fastnn.dropout_backward([1.0], 0.5, rng=rng),
            lambda rng=rng: fastnn.rrelu_backward([1.0], [1.0], training=True, rng=rng),
        ):
            with pytest.raises(TypeError, match="expected rng to be the key of the forward call, an integer, got"):
                call()


def test_the_generator_s_state_goes_into_checkpoints(tmp_path):
    x = np.ones(100)
    fastnn.manual_seed(3)
    fastnn.dropout(x)
    fastnn.save({"rng": fastnn.get_rng_state()}, tmp_path / "checkpoint")
    after = [fastnn.dropout(x) for _ in range(2)]
    fastnn.set_rng_state(fastnn.load(tmp_path / "checkpoint")["rng"])
    for y in after:
        np.testing.assert_array_equal(fastnn.dropout(x), y)
    with pytest.raises(ValueError, match="set_rng_state: expected what get_rng_state returned"):
        fastnn.set_rng_state({"x": 1})
