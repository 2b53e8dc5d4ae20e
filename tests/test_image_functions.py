"""Padding, resizing, blocks, shuffled channels, local response normalization: PyTorch's values, gradients and refusals."""

import itertools

import numpy as np
import pytest
from test_pool import HUGE, channels_last, checksum, outcome, sines

import fastnn
from fastnn import functional, nn

IMAGE = (1, 2, 4, 5)
GOLDEN = [
    ("pad", IMAGE, {"pad": (2, 3, 1, 2), "mode": "reflect"}, -8.033855266079, -3.799644668454),
    ("pad", IMAGE, {"pad": (2, 3, 1, 2), "mode": "circular"}, 1.467343280405, -3.187046087934),
    ("pad", IMAGE, {"pad": (2, -1, -1, 2), "mode": "replicate"}, -0.895326099612, 0.475515667539),
    ("interpolate", IMAGE, {"size": (7, 3)}, -0.293787755878, 2.473364945450),
    ("interpolate", IMAGE, {"scale_factor": (1.7, 0.6)}, 0.866581197252, -0.266931643928),
    ("interpolate", IMAGE, {"size": (7, 3), "mode": "nearest-exact"}, 1.132737905859, -6.610751940295),
    ("interpolate", IMAGE, {"scale_factor": (1.7, 0.6), "mode": "nearest-exact"}, 2.526391569706, -3.883030928221),
    ("interpolate", IMAGE, {"size": (7, 3), "mode": "bilinear"}, -0.186296169218, -6.318342738134),
    ("interpolate", IMAGE, {"scale_factor": (1.7, 0.6), "mode": "bilinear"}, 0.384977849330, -5.710129505503),
    ("interpolate", IMAGE, {"size": (7, 3), "mode": "bicubic"}, 0.144431751590, -6.879110711228),
    ("interpolate", IMAGE, {"scale_factor": (1.7, 0.6), "mode": "bicubic"}, 0.753610972115, -6.179697061916),
    ("interpolate", IMAGE, {"size": (7, 3), "mode": "area"}, -0.179038324956, -6.778599770118),
    ("interpolate", IMAGE, {"scale_factor": (1.7, 0.6), "mode": "area"}, 0.056782691228, -7.179508499239),
    ("interpolate", IMAGE, {"size": (7, 3), "mode": "bilinear", "align_corners": True}, 0.374964281047, -6.733464594611),
    ("interpolate", IMAGE, {"size": (7, 3), "mode": "bicubic", "align_corners": True}, 0.433725553031, -7.482825603434),
    ("interpolate", (1, 1, 2, 3, 4), {"size": (3, 2, 6), "mode": "trilinear"}, 2.937941772627, -0.088260382672),
    ("unfold", IMAGE, {"kernel_size": (2, 3), "dilation": (2, 1), "padding": 1, "stride": (1, 2)}, -1.149946003868, 1.970149941177),
    ("fold", (1, 12, 9), {"output_size": (4, 5), "kernel_size": (2, 3)}, 0.083512260074, -2.555968229013),
    ("local_response_norm", (2, 5, 3), {"size": 4, "alpha": 1, "k": 2}, 0.330980312674, -3.023432330104),
]  # fmt: skip


@pytest.mark.parametrize(("name", "shape", "options", "y", "dx"), GOLDEN)
def test_golden_values(name, shape, options, y, dx):
    x = fastnn.tensor(sines(shape), requires_grad=True)
    got = getattr(functional, name)(x, **options)
    got.backward(sines(got.shape, 0.3, 0.5))
    assert abs(checksum(got.numpy()) - y) < 1e-9
    assert abs(checksum(x.grad) - dx) < 1e-9


def compare(name, x, dtype=np.float64, rtol=1e-12, **options):
    """Values and gradients beside PyTorch's; both refuse or neither."""
    torch = pytest.importorskip("torch")
    a = torch.tensor(x.astype(dtype), requires_grad=True)
    theirs = outcome(getattr(torch.nn.functional, name), a, **options)
    got = outcome(getattr(functional, name), x.astype(dtype), **options)
    if got is None and theirs is not None and 0 in theirs.shape:
        return False  # PyTorch gives nothing here, and in other cases refuses to
    assert (got is None) == (theirs is None), (name, x.shape, options)
    if got is None:
        return False
    np.testing.assert_allclose(got, theirs.detach().numpy(), rtol=rtol, atol=rtol, err_msg=f"{x.shape} {options}")
    dy = np.random.default_rng(2).normal(size=got.shape).astype(dtype)
    theirs.backward(torch.tensor(dy))
    dx = getattr(functional, name + "_backward")(dy, x.astype(dtype), **options)
    np.testing.assert_allclose(dx, a.grad.numpy(), rtol=20 * rtol, atol=20 * rtol, err_msg=f"{x.shape} {options}")
    return True


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate"])
def test_pad_is_pytorchs(mode):
    rng, done = np.random.default_rng(0), 0
    for left, right in itertools.product(range(-6, 8), repeat=2):
        for size in (1, 4, 5):
            done += compare("pad", rng.normal(size=(2, size)), pad=(left, right), mode=mode)
    for n in (2, 3):
        for _ in range(40):
            pad = tuple(map(int, rng.integers(-2, 4, 2 * n)))
            shape = (2, 3, *map(int, rng.integers(2, 7, n)))[rng.integers(2) :]
            done += compare("pad", rng.normal(size=shape), pad=pad, mode=mode)
    assert done > 100


def test_circular_pad_is_pytorchs_where_it_reads_the_input_alone():
    rng = np.random.default_rng(0)
    for left, right in itertools.product(range(-3, 6), repeat=2):
        if left * right >= 0:
            compare("pad", rng.normal(size=(2, 5)), pad=(left, right), mode="circular")
    np.testing.assert_array_equal(functional.pad([[1, 2, 3, 4]], (-1, 1), "circular"), [[2, 3, 4, 2]])
    with pytest.raises(ValueError, match=r"pad: expected pad of at most 0 in dimension 1 of 4, got 3, -4"):
        functional.pad([[1, 2, 3, 4]], (3, -4), "circular")


def test_pad_keeps_dtypes_and_memory_orders():
    for dtype in (np.int8, np.uint16, np.int64, np.float16, np.float32, bool):
        got = functional.pad(np.ones((2, 3), dtype), (1, 0), value=1.7)
        assert got.dtype == dtype
        np.testing.assert_array_equal(got[:, 0], np.array([1.7, 1.7]).astype(dtype))
    x = channels_last(np.random.default_rng(0).normal(size=(2, 3, 4, 5)))
    for mode in ("constant", "reflect", "replicate", "circular"):
        y = functional.pad(x, (1, 2, 3, 1), mode)
        assert y.transpose(0, 2, 3, 1).flags.c_contiguous
        np.testing.assert_array_equal(y, functional.pad(x.copy(), (1, 2, 3, 1), mode))
    same = functional.pad(x, (0, 0))
    assert not np.may_share_memory(same, x)
    assert functional.pad(np.ones((2, 3)), (-1, -2)).shape == (2, 0)


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
def test_pad_by_rows_is_pad_by_pieces(mode):
    """Floats are padded by rows of memory, integers by NumPy's slices."""
    rng, done = np.random.default_rng(0), 0
    for _ in range(200):
        n = int(rng.integers(1, 4))
        shape = (2, 3, *map(int, rng.integers(1, 40, n)))[rng.integers(2) :]
        order = tuple(map(int, rng.permutation(len(shape))))
        pad = tuple(map(int, rng.integers(-3, 9, 2 * n)))
        x = rng.integers(-9, 9, [shape[i] for i in order]).transpose(np.argsort(order))
        expected = outcome(functional.pad, x, pad, mode)
        got = outcome(functional.pad, x.astype(np.float32, order="K"), pad, mode)
        assert (got is None) == (expected is None)
        if got is not None:
            np.testing.assert_array_equal(got, expected)
            done += 1
    assert done > 20


@pytest.mark.parametrize(("factor", "mode"), [(2, "nearest"), (4, "nearest"), (2, "nearest-exact"), (3, "nearest")])
def test_nearest_repeats_values_in_both_layouts(factor, mode):
    for width in (1, 15, 16, 17, 40):
        x = np.random.default_rng(0).normal(size=(2, 3, 5, width)).astype(np.float32)
        expected = x.repeat(factor, 2).repeat(factor, 3)
        np.testing.assert_array_equal(functional.interpolate(x, scale_factor=factor, mode=mode), expected)
        np.testing.assert_array_equal(
            functional.interpolate(channels_last(x), scale_factor=factor, mode=mode), expected
        )


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "linear", "area"])
def test_resizing_a_line_is_pytorchs(mode, dtype):
    rng, tolerance = np.random.default_rng(0), 1e-5 if dtype == np.float32 else 1e-12
    aligned = (None, True) if mode == "linear" else (None,)
    outputs = (
        (1, 2, 3, 7, 11, 16) if dtype == np.float64 else (1, 2, 3, 7, 16, 82)
    )  # PyTorch's gradients find 82 in float32
    for size, output in itertools.product((1, 2, 3, 5, 8, 37), outputs):
        for align in aligned:
            assert compare(
                "interpolate",
                rng.normal(size=(2, 3, size)),
                dtype,
                tolerance,
                size=output,
                mode=mode,
                align_corners=align,
            )
    for factor, again, align in itertools.product((0.29, 0.5, 1.0, 1.3, 2.0, 3.7), (None, True), aligned):
        options = {"scale_factor": factor, "mode": mode, "recompute_scale_factor": again, "align_corners": align}
        assert compare("interpolate", rng.normal(size=(2, 3, 10)), dtype, tolerance, **options)


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic", "area"])
def test_resizing_an_image_is_pytorchs(mode, dtype):
    rng, tolerance = np.random.default_rng(0), 1e-5 if dtype == np.float32 else 1e-11
    for _ in range(40):
        shape, size = (2, 3, *rng.integers(1, 12, 2)), tuple(map(int, rng.integers(1, 15, 2)))
        align = bool(rng.integers(2)) if mode.startswith("bi") else None
        assert compare(
            "interpolate", rng.normal(size=shape), dtype, tolerance, size=size, mode=mode, align_corners=align
        )
        factors = tuple(map(float, rng.uniform(0.4, 3, 2)))
        compare(
            "interpolate",
            rng.normal(size=shape),
            dtype,
            tolerance,
            scale_factor=factors,
            mode=mode,
            align_corners=align,
        )


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_the_places_of_a_large_image_are_pytorchs(mode):
    """Places of some hundreds keep few bits behind the point in float32: rounded once more, they move by 1e-5."""
    rng = np.random.default_rng(0)
    for shape, size in (((345, 456), (270, 270)), ((487, 13), (301, 499)), ((211, 409), (499, 87))):
        assert compare("interpolate", rng.normal(size=(1, 1, *shape)), np.float32, 1e-5, size=size, mode=mode)


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "trilinear", "area"])
def test_resizing_a_volume_is_pytorchs(mode):
    rng = np.random.default_rng(0)
    for size in ((1, 5, 3), (6, 2, 9), (4, 4, 4)):
        for align in (False, True) if mode == "trilinear" else (None,):
            assert compare("interpolate", rng.normal(size=(2, 2, 4, 3, 5)), size=size, mode=mode, align_corners=align)


def test_places_are_found_in_the_inputs_precision():
    """float32 takes another place than exact arithmetic for 2 of 82, as PyTorch does."""
    line = np.arange(2.0).reshape(1, 1, 2)
    single = functional.interpolate(line.astype(np.float32), 82)
    assert (single != functional.interpolate(line, 82)).sum() == 1


def test_zero_weights_are_multiplied():
    got = functional.interpolate(np.array([[[[1, np.inf, 2]]]]), (1, 3), mode="bilinear")
    np.testing.assert_array_equal(got, [[[[1, np.nan, 2]]]])


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic", "area"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
def test_memory_orders_give_the_same_bits_and_keep_them(mode, dtype):
    x = np.random.default_rng(0).normal(size=(2, 131, 9, 7)).astype(dtype)
    first, last = (functional.interpolate(each, (13, 11), mode=mode) for each in (x, channels_last(x)))
    np.testing.assert_array_equal(first, last)
    assert last.transpose(0, 2, 3, 1).flags.c_contiguous
    dy = np.random.default_rng(1).normal(size=first.shape).astype(dtype)
    first = functional.interpolate_backward(dy, x, (13, 11), mode=mode)
    last = functional.interpolate_backward(channels_last(dy), channels_last(x), (13, 11), mode=mode)
    np.testing.assert_array_equal(first, last)


def test_blocks_are_pytorchs():
    rng, done = np.random.default_rng(0), 0
    for _ in range(60):
        k, s, d = (tuple(map(int, rng.integers(1, 4, 2))) for _ in range(3))
        options = {"kernel_size": k, "stride": s, "dilation": d, "padding": tuple(map(int, rng.integers(0, 3, 2)))}
        shape = (2, 3, *map(int, rng.integers(1, 8, 2)))[rng.integers(2) :]
        x = rng.normal(size=shape)
        if compare("unfold", x, **options):
            columns = functional.unfold(x, **options)
            done += compare("fold", columns, output_size=shape[-2:], **options)
    assert done > 20


@pytest.mark.parametrize("size", [1, 2, 3, 4, 9])
def test_local_response_norm_is_pytorchs(size):
    for shape in ((2, 5, 3), (2, 4, 3, 2), (1, 7, 2, 3, 2)):
        for options in ({}, {"alpha": 2.0, "beta": 0.3, "k": 0.7}):
            assert compare("local_response_norm", np.random.default_rng(0).normal(size=shape), size=size, **options)


@pytest.mark.parametrize(
    ("name", "arguments", "text"),
    [
        ("ReflectionPad2d", ((1, 2),), "expected padding of 1 or 4 numbers, got 2"),
        ("Upsample", (), "expected either size or scale_factor, got None and None"),
        ("Upsample", (None, -1.0), "expected scale_factor above 0, got -1"),
        ("Unfold", (0,), "expected kernel_size of at least 1, got 0"),
        ("Fold", ((4, 4, 4), 2), "expected output_size of 1 or 2 numbers, got 3"),
        ("ChannelShuffle", (0,), "expected groups of at least 1, got 0"),
        ("LocalResponseNorm", (0,), "expected size of at least 1, got 0"),
    ],
)
def test_layers_are_refused_when_made(name, arguments, text):
    with pytest.raises(ValueError, match=f"^{name}: {text}"):
        getattr(nn, name)(*arguments)


@pytest.mark.parametrize("size", HUGE)
def test_sizes_that_no_machine_has_are_refused_at_once(size):
    x = np.ones((64, 64, 5, 5), np.float32)
    for name, options in [
        ("interpolate", {"size": size}),
        ("interpolate", {"size": size, "mode": "bicubic"}),
        ("interpolate", {"size": (5, size), "mode": "area"}),
        ("interpolate", {"scale_factor": float(size)}),
        ("interpolate", {"scale_factor": 1e308}),
        ("pad", {"pad": (size, size, size, size)}),
        ("pad", {"pad": (0, size), "mode": "replicate"}),
        ("pad", {"pad": (0, size), "mode": "reflect"}),
        ("pad", {"pad": (0, -size)}),
        ("unfold", {"kernel_size": 3, "padding": size}),
        ("unfold", {"kernel_size": size}),
        ("fold", {"output_size": size, "kernel_size": 1}),
        ("fold", {"output_size": (size, size), "kernel_size": 1, "stride": size}),
        ("channel_shuffle", {"groups": size}),
    ]:
        given = x[:, :, :1, 0] if name == "fold" else x
        twin = getattr(functional, name + "_backward")
        with pytest.raises((ValueError, MemoryError), match=f"^{name}: (expected|no memory)"):
            getattr(functional, name)(given, **options)
        with pytest.raises((ValueError, MemoryError), match=f"^{name}_backward: (expected|no memory)"):
            twin(x, **options) if name == "channel_shuffle" else twin(np.ones(3), given, **options)
    assert functional.channel_shuffle(np.ones((2, 0, 3)), min(size, 2**30)).shape == (2, 0, 3)
    if size > 2**31:
        with pytest.raises(ValueError, match=r"^local_response_norm: expected size of at most"):
            functional.local_response_norm(x, size)
    else:
        assert functional.local_response_norm(x, size - 1).shape == x.shape


@pytest.mark.parametrize("r", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16, np.float16])
def test_channels_and_pixels_change_places_in_either_memory_order(r, dtype):
    rng = np.random.default_rng(0)
    for c, h, w in ((1, 1, 1), (3, 2, 40), (17, 3, 5), (33, 1, 16)):
        channels = rng.integers(0, 100, (2, c * r * r, h, w)).astype(dtype)
        pixels = channels.reshape(2, c, r, r, h, w).transpose(0, 1, 4, 2, 5, 3).reshape(2, c, h * r, w * r)
        for arranged in (np.asarray, channels_last, np.asfortranarray):
            y, back = (
                functional.pixel_shuffle(arranged(channels), r),
                functional.pixel_unshuffle(arranged(pixels), r),
            )
            assert y.dtype == back.dtype == dtype
            np.testing.assert_array_equal(y, pixels)
            np.testing.assert_array_equal(back, channels)
            assert arranged is np.asfortranarray or (y.strides, back.strides) == (
                arranged(pixels).strides,
                arranged(channels).strides,
            )
    for shape in ((0, 4 * r * r, 2, 3), (2, 0, 2, 3), (2, r * r, 0, 3)):
        assert functional.pixel_shuffle(np.ones(shape), r).size == 0
        assert functional.pixel_unshuffle(functional.pixel_shuffle(np.ones(shape), r), r).shape == shape
    assert functional.pixel_shuffle(np.ones((2, 3, 5, r * r, 2, 3)), r).shape == (2, 3, 5, 1, 2 * r, 3 * r)


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 12])
def test_channel_shuffle_in_either_memory_order(groups):
    for space in ((40,), (3, 5), (2, 3, 4)):
        x = np.arange(2 * 12 * np.prod(space), dtype=np.float32).reshape(2, 12, *space)
        expected = x.reshape(2, groups, 12 // groups, *space).swapaxes(1, 2).reshape(x.shape)
        np.testing.assert_array_equal(functional.channel_shuffle(x, groups), expected)
        last = np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1)
        got = functional.channel_shuffle(last, groups)
        np.testing.assert_array_equal(got, expected)
        assert got.strides == last.strides
        np.testing.assert_array_equal(functional.channel_shuffle_backward(got, groups), x)
