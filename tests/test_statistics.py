"""Statistics that a bad batch cannot poison, and that merge."""

import copy
import itertools

import numpy as np
import pytest

import fastnn
from fastnn import nn

LAYERS = [(nn.BatchNorm1d, (16, 3)), (nn.BatchNorm2d, (4, 3, 5, 6)), (nn.BatchNorm3d, (2, 3, 4, 3, 2))]


def batch(shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).normal(2, 3, shape).astype(dtype)


@pytest.mark.parametrize(("layer", "shape"), LAYERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("momentum", [0.1, None])
def test_a_finite_batch_gives_the_same_bits_in_every_mode(layer, shape, dtype, momentum):
    layers = [layer(3, momentum=momentum, nonfinite=mode, dtype=dtype) for mode in ("propagate", "raise", "skip")]
    for seed in range(3):
        results = [each(batch(shape, dtype, seed)) for each in layers]
        assert len({np.asarray(y).tobytes() for y in results}) == 1
    assert len({b"".join(v.tobytes() for v in each.state_dict().values()) for each in layers}) == 1


@pytest.mark.parametrize(("layer", "shape"), LAYERS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("tracked", [False, True])
def test_a_bad_batch(layer, shape, bad, tracked):
    x = batch(shape)
    x[1, 1] = bad
    given = fastnn.tensor(x, requires_grad=True) if tracked else x
    kept = {}
    for mode in ("propagate", "raise", "skip"):
        each = layer(3, nonfinite=mode)
        each(batch(shape))
        before = copy.deepcopy(each.state_dict())
        if mode == "raise":
            with pytest.raises(
                FloatingPointError, match=rf"{layer.__name__}: expected a batch of finite .* 1 of 3 channels \(1\)"
            ):
                each(given)
        else:
            y = np.asarray(each(given))
            assert np.isnan(y[:, 1]).any()
            assert np.isfinite(y[:, [0, 2]]).all()
        kept[mode] = all(np.array_equal(v, before[k], equal_nan=True) for k, v in each.state_dict().items())
        each.eval()
        assert np.isfinite(np.asarray(each(batch(shape)))).all() == (mode != "propagate")
    assert kept == {"propagate": False, "raise": True, "skip": True}


def test_a_variance_that_overflows_counts_as_bad():
    layer = nn.BatchNorm1d(2, nonfinite="raise")
    with pytest.raises(FloatingPointError, match=r"\(0\)"):
        layer(np.array([[3e38, 1], [-3e38, 2]], np.float32).repeat(9, 0) * np.float32(1))
    assert layer.num_batches_tracked == 0


def test_the_option_is_checked_and_shown():
    assert "nonfinite='skip'" in repr(nn.BatchNorm1d(2, nonfinite="skip"))
    assert "nonfinite" not in repr(nn.BatchNorm1d(2))
    with pytest.raises(
        ValueError, match="BatchNorm2d: expected nonfinite to be one of 'propagate', 'raise', 'skip', got 'ignore'"
    ):
        nn.BatchNorm2d(2, nonfinite="ignore")
    layer = nn.BatchNorm1d(2, nonfinite="skip")
    layer.running_mean.flags.writeable = False
    with pytest.raises(ValueError, match="running_mean is read-only"):
        layer(batch((4, 2)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_channel_is_exactly_beta(dtype):
    x = np.full((64, 3, 7), 1e6, dtype)
    bias = np.array([0.25, -3, 1e-3], dtype)
    y = fastnn.batch_norm(x, None, None, np.ones(3, dtype), bias, training=True)
    np.testing.assert_array_equal(y, np.broadcast_to(bias[:, None], x.shape))


def test_a_large_mean_with_a_small_deviation():
    rng = np.random.default_rng(0)
    x = (1e3 + 1e-2 * rng.normal(size=(4096, 4))).astype(np.float32)
    exact = x.astype(np.float64)
    exact = (exact - exact.mean(0)) / np.sqrt(exact.var(0) + 1e-5)
    np.testing.assert_allclose(fastnn.batch_norm(x, None, None, training=True), exact, atol=1e-4)


@pytest.mark.parametrize("scale", [1e-30, 1e-3, 1, 1e6, 1e18])
def test_a_variance_is_never_negative(scale):
    rng = np.random.default_rng(0)
    for value in (scale, -scale * 1.1, scale / 3):
        x = (value * (1 + rng.integers(0, 2, (257, 5)) * 2.0**-23)).astype(np.float32)
        assert (nn.batch_stats(x).m2 >= 0).all()


def whole(x):
    axes = (0, *range(2, x.ndim))
    wide = x.astype(np.longdouble)
    mean = wide.mean(axes, keepdims=True)
    return x.size // x.shape[1], mean.reshape(-1), ((wide - mean) ** 2).sum(axes)


@pytest.mark.parametrize("shape", [(100, 3), (40, 3, 7), (20, 3, 4, 5)])
@pytest.mark.parametrize("cuts", [(), (1,), (7, 8, 19), range(1, 20)])
def test_merged_parts_are_the_whole(shape, cuts):
    x = batch(shape, np.float64)
    parts = [nn.batch_stats(part) for part in np.split(x, list(cuts))]
    count, mean, m2 = whole(x)
    for order in (parts, parts[::-1]):
        merged = nn.merge_batch_stats(*order)
        assert merged.count == count
        np.testing.assert_allclose(merged.mean, mean.astype(float), rtol=1e-14)
        np.testing.assert_allclose(merged.m2, m2.astype(float), rtol=1e-13)
        np.testing.assert_allclose(merged.var, (m2 / count).astype(float), rtol=1e-13)
        np.testing.assert_allclose(merged.unbiased_var, (m2 / (count - 1)).astype(float), rtol=1e-13)


def test_merging_is_associative_and_leaves_its_parts_alone():
    parts = [nn.batch_stats(batch((n, 2), np.float64, n)) for n in (3, 5, 9)]
    before = copy.deepcopy(parts)
    a = nn.merge_batch_stats(nn.merge_batch_stats(*parts[:2]), parts[2])
    for order in itertools.permutations(parts):
        b = nn.merge_batch_stats(*order)
        np.testing.assert_allclose(a.m2, b.m2, rtol=1e-13)
    for part, old in zip(parts, before, strict=True):
        np.testing.assert_array_equal(part.m2, old.m2)
    assert nn.merge_batch_stats((2, [1.0, 2.0], [0.5, 0.5])).count == 2


def test_what_cannot_be_merged():
    part = nn.batch_stats(np.ones((2, 3)))
    with pytest.raises(ValueError, match="expected one part or more, got none"):
        nn.merge_batch_stats()
    with pytest.raises(ValueError, match=r"expected mean and m2 of 3 channels, got shapes \(2,\) and \(2,\) in part 1"):
        nn.merge_batch_stats(part, nn.batch_stats(np.ones((2, 2))))
    with pytest.raises(ValueError, match="expected count of part 0 of at least 1, got 0"):
        nn.merge_batch_stats((0, part.mean, part.m2))
    with pytest.raises(ValueError, match="expected one value per channel or more"):
        nn.batch_stats(np.ones((0, 3)))
    with pytest.raises(ValueError, match="expected an input of 2 or more dimensions"):
        nn.batch_stats(np.ones(3))


def network():
    fastnn.manual_seed(0)
    return nn.Sequential(
        nn.BatchNorm1d(4), nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Dropout(0.5), nn.ReLU(), nn.Linear(5, 2)
    )


@pytest.mark.parametrize("pairs", [False, True])
def test_recalibration(pairs):
    model = network()
    model[3].eval()
    modes = [m.training for m in model.modules()]
    x = batch((100, 4))
    batches = [x[:10], x[10:64], x[64:]]
    arrays = model.state_dict()
    nn.recalibrate(model, ((b, None) for b in batches) if pairs else iter(batches))
    count, mean, m2 = whole(x)
    np.testing.assert_allclose(model[0].running_mean, mean.astype(float), rtol=1e-6)
    np.testing.assert_allclose(model[0].running_var, (m2 / (count - 1)).astype(float), rtol=1e-6)
    inner = []
    for part in batches:
        inner.append(nn.batch_stats(model[1](fastnn.batch_norm(part, None, None, training=True)).numpy()))
    merged = nn.merge_batch_stats(*inner)
    np.testing.assert_allclose(model[2].running_mean, merged.mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model[2].running_var, merged.unbiased_var, rtol=1e-5)
    assert model[0].num_batches_tracked == 3
    assert [m.training for m in model.modules()] == modes
    assert all(model.state_dict()[k] is v for k, v in arrays.items())


def test_recalibration_changes_nothing_on_error():
    model = network()
    model(batch((8, 4)))
    before = copy.deepcopy(model.state_dict())

    def broken():
        yield batch((8, 4))
        raise KeyError("no more")

    bad = batch((8, 4))
    bad[3, 2] = np.nan
    for batches, error in (
        (broken(), KeyError),
        ([], ValueError),
        ([batch((8, 3))], ValueError),
        ([bad], FloatingPointError),
    ):
        with pytest.raises(error):
            nn.recalibrate(model, batches)
        for key, value in model.state_dict().items():
            np.testing.assert_array_equal(value, before[key])
        assert all(m.training for m in model.modules())
        assert not any(m.__dict__.get("_hooks") and m._hooks.forward_pre for m in model.modules())
