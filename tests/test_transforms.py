"""Transforms: torchvision's semantics, layouts, batches, streams of random numbers, errors."""

import math

import numpy as np
import pytest

import fastnn
from fastnn.data import transforms as T
from fastnn.data.transforms import _color

RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 256, (6, 9, 11, 3), np.uint8)
FLOATS = RNG.random((6, 3, 9, 11)).astype(np.float32)

EVERY = [
    T.RandomCrop(8),
    T.RandomCrop((9, 12), padding=(1, 2), fill=5),
    T.RandomCrop(10, pad_if_needed=True, padding_mode="reflect"),
    T.CenterCrop((5, 4)),
    T.CenterCrop(20),
    T.RandomHorizontalFlip(),
    T.RandomVerticalFlip(),
    T.RandomRotation(30, fill=3),
    T.RandomRotation((10, 20), "bilinear", center=(2, 3)),
    T.RandomResizedCrop((5, 7)),
    T.Resize(6),
    T.Resize((12, 3), "nearest"),
    T.ColorJitter(0.4, 0.3, 0.2, 0.1),
    T.Grayscale(),
    T.Grayscale(3),
    T.RandomErasing(1.0, value=(1, 2, 3)),
    T.RandomErasing(1.0, value="random"),
]
PILLOW = (T.RandomRotation, T.RandomResizedCrop, T.Resize)
every = pytest.mark.parametrize("transform", EVERY, ids=repr)


@pytest.fixture(autouse=True)
def pillow(request):
    if "transform" in request.fixturenames and isinstance(request.getfixturevalue("transform"), PILLOW):
        pytest.importorskip("PIL")


@every
@pytest.mark.parametrize("kind", ["bytes", "floats"])
def test_layouts_and_batches(transform, kind):
    """One batch in four layouts gives one result in four; a batch of one image is that image."""
    first = np.ascontiguousarray(BYTES.transpose(0, 3, 1, 2)) if kind == "bytes" else FLOATS
    last = np.ascontiguousarray(first.transpose(0, 2, 3, 1))
    before = first.copy()
    result = transform(first, rng=0)
    assert result.ndim == 4
    assert result.dtype == first.dtype
    assert len(result) == 6
    np.testing.assert_array_equal(transform(last, rng=0).transpose(0, 3, 1, 2), result)
    np.testing.assert_array_equal(transform(np.asfortranarray(first), rng=0), result)
    one = transform(first[:1], rng=0)
    np.testing.assert_array_equal(transform(first[0], rng=0), one[0])
    np.testing.assert_array_equal(transform(last[0], rng=0).transpose(2, 0, 1), one[0])
    np.testing.assert_array_equal(first, before)
    assert transform(first[:0]).shape[0] == 0
    read_only = first.copy()
    read_only.flags.writeable = False
    np.testing.assert_array_equal(transform(read_only, rng=0), result)


@every
def test_draws_come_from_rng_or_from_the_packages_generator(transform):
    many = np.repeat(BYTES, 20, 0)
    np.testing.assert_array_equal(transform(many, rng=3), transform(many, rng=3))
    fastnn.manual_seed(1)
    first = transform(many)
    fastnn.manual_seed(1)
    np.testing.assert_array_equal(first, transform(many))
    if "Random" in repr(transform) or isinstance(transform, T.ColorJitter):
        assert not np.array_equal(transform(many, rng=3), transform(many, rng=4))
        one = transform(np.repeat(BYTES[:1], 40, 0), rng=0)
        assert len(np.unique(one.reshape(40, -1), axis=0)) > 1  # each image has its own draws


def test_grey_pictures():
    grey = BYTES[0, :, :, 0]
    for transform in (
        T.RandomCrop(8),
        T.RandomHorizontalFlip(1),
        T.CenterCrop(4),
        T.ColorJitter(0.5, 0.5, 0.5, 0.5),
        T.Grayscale(),
    ):
        assert transform(grey, rng=0).ndim == 2
    assert T.ToTensor()(grey).shape == (1, 9, 11)


def test_to_tensor_and_normalize():
    result = T.ToTensor()(BYTES)
    assert (result.shape, result.dtype, result.flags.c_contiguous) == ((6, 3, 9, 11), np.float32, True)
    np.testing.assert_array_equal(result, BYTES.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255))
    doubles = BYTES[0].astype(np.float64)
    np.testing.assert_array_equal(T.ToArray()(doubles), doubles.transpose(2, 0, 1))
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.25, 2.0)
    got = T.Normalize(mean, std)(FLOATS)
    columns = (np.array(each, np.float32).reshape(3, 1, 1) for each in (mean, std))
    np.testing.assert_array_equal(got, (FLOATS - next(columns)) / next(columns))
    assert got.dtype == np.float32
    own = FLOATS.copy()
    T.Normalize(mean, std, inplace=True)(own)
    np.testing.assert_array_equal(own, got)


def test_crop_takes_every_window_equally_often():
    image = np.arange(25).reshape(1, 1, 5, 5)
    corners = T.RandomCrop(4)(np.repeat(image, 4000, 0), rng=0)[:, 0, 0, 0]
    values, counts = np.unique(corners, return_counts=True)
    assert values.tolist() == [0, 1, 5, 6]
    assert (abs(counts - 1000) < 120).all()


def test_padding_goes_left_top_right_bottom():
    image = np.ones((1, 2, 2))
    whole = T.RandomCrop((9, 6), padding=(1, 2, 3, 5))(image)[0]
    assert whole.nonzero()[0].tolist() == [2, 2, 3, 3]
    assert whole.nonzero()[1].tolist() == [1, 2, 1, 2]
    np.testing.assert_array_equal(T.RandomCrop((4, 6), padding=(2, 1), fill=7)(image)[0, 0], [7] * 6)


def test_center_crop_rounds_as_torchvision():
    image = np.arange(25).reshape(5, 5)
    assert T.CenterCrop(2)(image)[0, 0] == 12  # round(1.5) = 2
    assert T.CenterCrop(4)(image)[0, 0] == 0  # round(0.5) = 0
    assert T.CenterCrop(7)(image).shape == (7, 7)
    assert T.CenterCrop(7)(image)[1, 1] == 0
    assert T.CenterCrop(8)(image)[1, 1] == 0


def test_flips():
    batch = np.repeat(BYTES[:1], 2000, 0)
    flipped = T.RandomHorizontalFlip(0.3)(batch, rng=0)
    share = (flipped == BYTES[0, :, ::-1]).all((1, 2, 3)).mean()
    assert abs(share - 0.3) < 0.04
    assert ((flipped == BYTES[0]).all((1, 2, 3)) | (flipped == BYTES[0, :, ::-1]).all((1, 2, 3))).all()
    np.testing.assert_array_equal(T.RandomVerticalFlip(1)(BYTES), BYTES[:, ::-1])


def test_rotation_is_counter_clockwise_and_by_the_nearest_pixel():
    pytest.importorskip("PIL")
    square = RNG.integers(0, 256, (3, 8, 8, 3), np.uint8)
    np.testing.assert_array_equal(T.RandomRotation((90, 90))(square), np.rot90(square, axes=(1, 2)))
    np.testing.assert_array_equal(
        T.RandomRotation((180, 180))(square / 255.0).astype(np.float32),
        (square / 255.0)[:, ::-1, ::-1].astype(np.float32),
    )
    turned = T.RandomRotation((45, 45), expand=True, fill=9)(square[0])
    assert turned.shape[0] > 8
    assert (turned[0, 0] == 9).all()
    assert set(np.unique(turned)) <= {9, *np.unique(square[0])}


def test_resize():
    pytest.importorskip("PIL")
    assert T.Resize(6)(BYTES).shape == (6, 6, 7, 3)
    assert T.Resize(6, max_size=7)(np.zeros((9, 18), np.uint8)).shape == (3, 7)
    flat = np.full((4, 4, 3), 100, np.uint8)
    assert (T.Resize(9)(flat) == 100).all()
    halved = T.Resize((1, 1))(np.uint8([[0, 100], [200, 100]]))
    assert halved.item() == 100  # averaged


def test_resized_crop_draws_the_asked_areas_and_proportions():
    boxes = T.RandomResizedCrop(4)._boxes(20_000, 300, 300, np.random.default_rng(0))
    wide, high = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    assert (boxes >= 0).all()
    assert (boxes <= 300).all()
    area, ratio = wide * high / 9e4, wide / high
    assert 0.075 < area.min() < 0.09
    assert area.max() > 0.98
    assert 0.74 < ratio.min() < 0.76
    assert 1.32 < ratio.max() < 1.35
    assert abs(np.log(ratio).mean()) < 0.02
    narrow = T.RandomResizedCrop(4, ratio=(3, 4))._boxes(5, 90, 10, np.random.default_rng(0))
    assert ((narrow[:, 2] - narrow[:, 0]) == 10).all()
    assert ((narrow[:, 3] - narrow[:, 1]) == 3).all()


def blend(image, other, factor):
    return np.clip(factor * image.astype(np.float32) + np.float32(1 - factor) * other, 0, 255)


def test_colours_of_bytes():
    planes = np.ascontiguousarray(BYTES.transpose(0, 3, 1, 2))
    grey = np.floor(0.2989 * planes[:, :1].astype(np.float32) + 0.587 * planes[:, 1:2] + 0.114 * planes[:, 2:])
    factors = np.full(6, 1.6)
    for function, other in (
        (_color.brighten, 0),
        (_color.contrast, grey.mean((1, 2, 3), keepdims=True)),
        (_color.saturate, grey),
    ):
        expected = blend(planes, other, 1.6)
        assert np.abs(function(planes, factors) - expected).max() < 1.01
        np.testing.assert_array_equal(function(planes, np.ones(6)), planes)
    np.testing.assert_array_equal(T.Grayscale()(BYTES)[..., 0], grey[:, 0].astype(np.uint8))


def test_hue():
    import colorsys

    planes = FLOATS[:1]
    turned = _color.shift_hue(planes, np.array([0.3]))
    for y, x in ((0, 0), (4, 5), (8, 10)):
        h, s, v = colorsys.rgb_to_hsv(*map(float, planes[0, :, y, x]))
        np.testing.assert_allclose(turned[0, :, y, x], colorsys.hsv_to_rgb((h + 0.3) % 1, s, v), atol=1e-6)
    np.testing.assert_allclose(_color.shift_hue(planes, np.array([0.0])), planes, atol=1e-6)
    grey = np.full((1, 3, 2, 2), 77, np.uint8)
    np.testing.assert_array_equal(_color.shift_hue(grey, np.array([0.4])), grey)


def test_jitter_applies_the_four_in_every_order(monkeypatch):
    orders, seen = set(), []
    for name in ("brighten", "contrast", "saturate", "shift_hue"):
        monkeypatch.setattr(_color, name, lambda planes, amounts, name=name: (seen.append(name), planes)[1])
    for seed in range(200):
        seen.clear()
        T.ColorJitter(0.1, 0.1, 0.1, 0.1)(BYTES[0], rng=seed)
        orders.add(tuple(seen))
    assert len(orders) == 24
    np.testing.assert_array_equal(T.ColorJitter()(BYTES), BYTES)


def test_jitter_ranges():
    low, high = T.ColorJitter(brightness=0.4)._ranges()[0]
    assert (low, high) == (0.6, 1.4)
    assert T.ColorJitter(contrast=3)._ranges()[1] == (0, 4)
    assert T.ColorJitter(hue=(-0.1, 0.2))._ranges()[3] == (-0.1, 0.2)


def test_erasing():
    image = np.full((200, 3, 20, 20), 5, np.float32)
    erased = T.RandomErasing(0.5, value=0)(image, rng=0)
    hit = (erased == 0).any((1, 2, 3))
    assert 70 < hit.sum() < 130
    areas = (erased[hit, 0] == 0).sum((1, 2)) / 400
    assert areas.min() > 0.005
    assert areas.max() < 0.36
    for each in erased[hit, 0][:20]:
        rows, columns = (each == 0).any(1).sum(), (each == 0).any(0).sum()
        assert rows * columns == (each == 0).sum()
    coloured = T.RandomErasing(1, value=(1, 2, 3))(image[0], rng=0)
    assert [set(np.unique(channel)) for channel in coloured] == [{5, 1}, {5, 2}, {5, 3}]
    own = image[:1].copy()
    T.RandomErasing(1, inplace=True)(own, rng=0)
    assert (own == 0).any()


def test_compose():
    both = T.Compose([T.RandomHorizontalFlip(1), T.ToTensor()])
    assert both.batched
    assert both(BYTES).shape == (6, 3, 9, 11)
    assert not T.Compose([T.Lambda(np.flipud)]).batched
    assert T.Compose([T.Lambda(np.flipud, batched=True)]).batched
    assert "RandomHorizontalFlip(p=1)" in repr(both)
    first = T.Compose([T.RandomCrop(4), T.RandomCrop(2)])(BYTES, rng=0)
    np.testing.assert_array_equal(first, T.Compose([T.RandomCrop(4), T.RandomCrop(2)])(BYTES, rng=0))


def test_pictures_of_pillow():
    image = pytest.importorskip("PIL.Image").fromarray(BYTES[0])
    np.testing.assert_array_equal(T.ToTensor()(image), T.ToTensor()(BYTES[0]))


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: T.RandomCrop(10)(FLOATS), ValueError, "images of at least 10 x 10, got 9 x 11"),
        (lambda: T.RandomCrop(0), ValueError, "RandomCrop: expected size of at least 1, got 0"),
        (lambda: T.RandomCrop((1, 2, 3)), ValueError, "size of one or two numbers, got 3"),
        (lambda: T.RandomCrop(4, padding=(1, 2, 3)), ValueError, "padding of one, two or four numbers, got 3"),
        (lambda: T.RandomCrop(4, padding_mode="wrap"), ValueError, "padding_mode to be one of 'constant', 'edge'"),
        (lambda: T.RandomHorizontalFlip(1.5), ValueError, r"expected p in \[0, 1\], got 1.5"),
        (lambda: T.RandomRotation(-3), ValueError, "degrees >= 0"),
        (lambda: T.RandomRotation((1, 2, 3)), ValueError, "one or two numbers, got 3"),
        (lambda: T.RandomRotation(3, expand=True)(FLOATS), ValueError, "single images with expand=True, got a batch"),
        (lambda: T.RandomRotation(3, "cubic"), ValueError, "interpolation to be one of 'nearest', 'bilinear', 'bicubic', got"),
        (lambda: T.Resize(5, max_size=5), ValueError, "expected max_size of at least 6, got 5"),
        (lambda: T.Resize((5, 5), max_size=9), ValueError, "max_size with a size of one number"),
        (lambda: T.RandomResizedCrop(5, scale=(0.5, 0.1)), ValueError, r"expected scale \(low, high\), got \(0.5, 0.1\)"),
        (lambda: T.ColorJitter(hue=0.6), ValueError, r"expected hue in \[0, 0.5\], got 0.6"),
        (lambda: T.ColorJitter(brightness=-1), ValueError, "expected brightness in"),
        (lambda: T.ColorJitter(0.1)(np.zeros((4, 5, 5))), ValueError, "expected 1 or 3 channels, got 4"),
        (lambda: T.Grayscale(2), ValueError, "1 or 3 output channels, got 2"),
        (lambda: T.RandomErasing(value="noise"), ValueError, "numbers or 'random', got 'noise'"),
        (lambda: T.RandomErasing(1, value=(1, 2))(FLOATS), ValueError, "expected value of one number or 3 channels' numbers, got"),
        (lambda: T.RandomErasing(scale=(0.5, 2)), ValueError, "expected scale"),
        (lambda: T.Normalize([0], [0]), ValueError, "std of finite numbers other than 0, got"),
        (lambda: T.Normalize([0, 1], [1, 1])(FLOATS), ValueError, "expected 3 channels' mean, got 2"),
        (lambda: T.Normalize([0], [1])(BYTES), TypeError, "expected floats, got uint8; put ToTensor before it"),
        (lambda: T.Compose([3]), TypeError, "Compose: expected callables, got int"),
        (lambda: T.Lambda(3), TypeError, "Lambda: expected a callable, got int"),
        (lambda: T.RandomCrop(2)(np.zeros((5, 6, 7))), ValueError, r"1, 3 or 4 channels, first or last, got shape \(5, 6, 7\)"),
        (lambda: T.RandomCrop(2)(np.zeros(5)), TypeError, r"got dtype float64 and shape \(5,\)"),
        (lambda: T.RandomCrop(2)("cat.png"), TypeError, "expected an image"),
        (lambda: T.RandomCrop(2)(FLOATS, rng="a"), TypeError, "RandomCrop: expected rng to be None"),
        (lambda: T.RandomRotation(math.nan), ValueError, "degrees"),
    ],
)  # fmt: skip
def test_errors(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_results_share_no_memory_with_the_image():
    images = FLOATS.copy()
    for transform in (T.CenterCrop((9, 11)), T.CenterCrop(4), T.Resize((9, 11)), T.RandomCrop((9, 11)), T.ToTensor()):
        assert not np.shares_memory(transform(images), images)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_rotation_fills_each_channel(dtype):
    pytest.importorskip("PIL")
    image = np.zeros((3, 9, 9), dtype)
    turned = T.RandomRotation((45, 45), fill=(1, 2, 3))(image)
    np.testing.assert_array_equal(turned[:, 0, 0], [1, 2, 3])
    for fill, match in (((1, 2), "one number or 3 channels'"), (300 if dtype == np.uint8 else "a", "fill")):
        with pytest.raises((ValueError, TypeError), match=match):
            T.RandomRotation(5, fill=fill)(image)


def test_four_channels_of_bytes_are_independent():
    """Pillow would weigh the colours by the fourth channel."""
    pytest.importorskip("PIL")
    image = RNG.integers(0, 256, (8, 8, 4), np.uint8)
    image[..., 3] = 0
    for transform in (T.Resize((4, 4)), T.RandomResizedCrop(5), T.RandomRotation((20, 20), "bilinear")):
        np.testing.assert_array_equal(transform(image, rng=1)[..., :3], transform(image[..., :3].copy(), rng=1))


def test_other_integers_are_rounded_and_clipped():
    pytest.importorskip("PIL")
    edge = np.zeros((1, 16), np.uint16)
    edge[:, 8:] = 65535
    row = T.Resize((1, 32), "bicubic")(edge)[0].astype(int)
    assert (np.diff(row[8:24]) >= 0).all()
    assert row.min() == 0
    assert row.max() == 65535
    ramp = np.arange(25).reshape(5, 5)
    np.testing.assert_array_equal(T.Resize((3, 3))(ramp), np.rint(T.Resize((3, 3))(ramp.astype(np.float32))))
    with pytest.raises(ValueError, match=r"within 2\^24"):
        T.RandomRotation(3)(np.full((4, 4), 2**25))


def test_a_rotation_that_expands_goes_image_by_image():
    pytest.importorskip("PIL")
    pipeline = T.Compose([T.RandomRotation((45, 45), expand=True), T.Resize((8, 8)), T.ToTensor()])
    images = fastnn.data.ImageDataset(BYTES, np.zeros(6, int), transform=pipeline)
    assert next(iter(fastnn.data.DataLoader(images, 6)))[0].shape == (6, 3, 8, 8)


def test_own_transforms_in_a_pipeline():
    """A subclass may have a __call__ of an image alone, and return several views; draws come from the pipeline's rng."""

    class Views(T.Transform):
        def __init__(self):
            self.crop = T.RandomCrop(5)

        def __call__(self, image):
            return self.crop(image), self.crop(image)

    pipeline = T.Compose(each for each in [T.ToTensor(), Views()])
    first, second = pipeline(BYTES, rng=0)
    assert first.shape == second.shape == (6, 3, 5, 5)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(pipeline(BYTES, rng=0)[1], second)
    images = fastnn.data.ImageDataset(BYTES, np.arange(6), transform=pipeline)
    (one, other), labels = next(iter(fastnn.data.DataLoader(images, 6, rng=0)))
    assert one.shape == other.shape == (6, 3, 5, 5)
    assert labels.tolist() == [0, 1, 2, 3, 4, 5]


def test_black_and_white():
    mask = np.array([[True, False]])
    np.testing.assert_array_equal(T.ToTensor()(mask), [[[1, 0]]])
    assert T.ToTensor()(mask).dtype == np.float32


def test_normalize_of_float16_with_a_small_std():
    image = np.full((1, 1, 2), 2e-8, np.float16)
    assert np.isfinite(T.Normalize([0.0], [1e-8])(image)).all()
    before = np.full((3, 2, 2), 0.5, np.float16)
    result = T.Normalize([0.25] * 3, [0.5] * 3, inplace=True)(before)
    assert result.dtype == np.float16
    np.testing.assert_array_equal(before, 0.5)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: T.RandomCrop(9, padding=1, fill=300)(BYTES), r"fill of integers in \[0, 255\] for uint8, got 300"),
        (lambda: T.RandomCrop(9, padding=1, fill=0.5)(BYTES), "fill of integers"),
        (lambda: T.RandomCrop(9, padding=1, fill=(1, 2))(FLOATS), "one number or 3 channels' numbers"),
        (lambda: T.RandomErasing(1, value=-1)(BYTES), "value of integers"),
        (lambda: T.RandomErasing(scale=0.5), "expected scale"),
        (lambda: T.RandomResizedCrop(4, scale=0.1), "expected scale"),
        (lambda: T.ColorJitter(brightness=math.inf), "expected brightness"),
        (lambda: T.ColorJitter(0.5)(BYTES.astype(np.int64)), "8 or 16 bits, got int64"),
        (lambda: T.Resize(4)(np.zeros((0, 4, 3), np.uint8)), "at least one pixel"),
        (lambda: T.RandomResizedCrop(4)(np.zeros((3, 0, 4), np.float32)), "at least one pixel"),
        (lambda: T.RandomCrop(2)(np.zeros((64, 28, 28))), r"images\[..., None\]"),
    ],
)
def test_values_that_do_not_fit(call, match):
    pytest.importorskip("PIL")
    with pytest.raises((ValueError, TypeError), match=match):
        call()


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (
            lambda: T.ToTensor()(np.ma.masked_array(BYTES, BYTES > 9)),
            TypeError,
            "ToTensor: expected an image without a mask",
        ),
        (lambda: T.RandomCrop(2)(np.ma.masked_array(BYTES, BYTES > 9)), TypeError, "RandomCrop: .* without a mask"),
        (lambda: T.ToTensor()([[1, 2], [3]]), ValueError, "ToTensor: .*nested lists of unequal lengths"),
        (lambda: T.Resize(2)(np.full((4, 4), -(2**31), np.int32)), ValueError, r"Resize: .*within 2\^24.*int32 beyond"),
        (lambda: T.Grayscale()(np.full((4, 4, 3), 2**24 + 1, np.uint32)), ValueError, r"Grayscale: .*within 2\^24"),
        (lambda: T.Resize(2)(np.full((4, 4), 1e300)), ValueError, "in the range of float32, got float64 beyond"),
        (
            lambda: T.RandomCrop(9, 2, fill=1e300)(BYTES.astype("f4")),
            ValueError,
            "fill in the range of float32, got 1e",
        ),
        (lambda: T.RandomErasing(1, value=-1e300)(BYTES.astype("f4")), ValueError, "value in the range of float32"),
        (lambda: T.RandomErasing(ratio=(1, np.inf)), ValueError, r"expected ratio \(low, high\)"),
        (lambda: T.RandomResizedCrop(2, ratio=(1, np.inf)), ValueError, r"expected ratio \(low, high\)"),
        (lambda: T.RandomRotation(5, center=(1,)), ValueError, r"expected center \(x, y\), got \(1,\)"),
        (lambda: T.RandomRotation(5, center=(1, np.nan)), ValueError, "expected each of center in"),
        (lambda: T.Resize(4, max_size=5)(BYTES[0, :1].repeat(9, 1)), ValueError, "1 x 99 pixels have no shorter side"),
        (lambda: T.Grayscale(True), TypeError, "num_output_channels to be an integer, got bool"),
        (lambda: T.Compose(T.ToTensor()), TypeError, "Compose: expected a list of transforms, got a ToTensor"),
    ],
)
def test_what_would_give_other_numbers_is_refused(call, error, match):
    pytest.importorskip("PIL.Image")
    with pytest.raises(error, match=match):
        call()
