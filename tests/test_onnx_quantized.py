"""Products and convolutions of 8-bit integers: exact sums, and weights that are widened once."""

import numpy as np
import pytest
from onnx_files import model, node, value

import fastnn.onnx
from fastnn.onnx.operators import _quantized

# Sums below 2^24 are computed in float32, those of 40,000 extreme products, of 2.6e9, in float64.
LENGTHS = [0, 1, 300, 40000]


def integers(kind, shape, seed=0):
    """Integers of which many are the least or the largest."""
    info = np.iinfo(kind)
    rng = np.random.default_rng(seed)
    return rng.choice([info.min, info.max, info.max - 1, *rng.integers(info.min, info.max, 5)], shape).astype(kind)


def loaded(operator, x, constants, **attributes):
    names = " ".join(["x", *constants])
    nodes = [node(operator, names, "y", **attributes)]
    nodes[0]["input"] = [name.strip("_") for name in names.split()]
    given = {name: array for name, array in constants.items() if array is not None}
    return fastnn.onnx.load(model(nodes, [value("x", x.dtype, x.shape)], [value("y", np.int32)], **given))


@pytest.mark.parametrize("k", LENGTHS)
@pytest.mark.parametrize(("left", "right"), [(np.uint8, np.int8), (np.int8, np.uint8), (np.uint8, np.uint8)])
@pytest.mark.parametrize("columns", [False, True])
def test_products_of_integers_are_exact(left, right, columns, k):
    a, b = integers(left, (2, 3, k)), integers(right, (k, 5), 1)
    za, zb = integers(left, (), 2), integers(right, (5,) if columns else (), 3)
    run = loaded("MatMulInteger", a, {"b": b, "za": za, "zb": zb})
    wide = (a.astype(np.int64) - za) @ (b.astype(np.int64) - zb)
    for _ in range(2):
        np.testing.assert_array_equal(run(a), wide.astype(np.int32))


@pytest.mark.parametrize("k", [7, 300])
def test_products_of_stacks_and_of_rows_with_zero_points_are_exact(k):
    a, b = integers(np.uint8, (2, 3, k)), integers(np.int8, (2, k, 5), 1)
    run = loaded("MatMulInteger", a, {"b": b})
    np.testing.assert_array_equal(run(a), a.astype(np.int64) @ b.astype(np.int64))
    zeros = integers(np.uint8, (3,), 2)
    run = loaded("MatMulInteger", a, {"b": b[0], "za": zeros})
    np.testing.assert_array_equal(run(a), (a.astype(np.int64) - zeros[:, None]) @ b[0].astype(np.int64))


@pytest.mark.parametrize("channels", [2, 6, 2000])
@pytest.mark.parametrize("group", [1, 2])
@pytest.mark.parametrize("precision", ["exact", "fast"])
def test_convolutions_of_integers_are_exact(channels, group, precision):
    x = integers(np.uint8, (2, channels, 6, 7))
    w = integers(np.int8, (4, channels // group, 3, 3), 1)
    zx, zw = np.array(200, np.uint8), np.array([-128, 127, 0, 3], np.int8)
    run = loaded("ConvInteger", x, {"w": w, "zx": zx, "zw": zw}, pads=[1, 1, 1, 0], strides=[1, 2], group=group)
    wide = np.pad(x.astype(np.int64) - 200, [(0, 0), (0, 0), (1, 1), (1, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(wide, (3, 3), (2, 3))[:, :, :, ::2]
    kernel = w.astype(np.int64) - zw[:, None, None, None]
    parts = zip(np.split(windows, group, 1), np.split(kernel, group), strict=True)
    expected = np.concatenate([np.einsum("nchwyx,ocyx->nohw", *part) for part in parts], 1)
    with fastnn.conv_precision(precision):
        for _ in range(2):
            np.testing.assert_array_equal(run(x), expected)


def test_constant_weights_are_widened_once(monkeypatch):
    made = []
    before = _quantized.Weight.__init__
    monkeypatch.setattr(_quantized.Weight, "__init__", lambda self, *given: made.append(1) or before(self, *given))
    a, b = integers(np.uint8, (3, 7)), integers(np.int8, (7, 5), 1)
    run = loaded("MatMulInteger", a, {"b": b})
    for turn in range(3):
        run(a - np.uint8(turn))
    run(a[:2].repeat(2, 0)[:3])
    assert len(made) == 1


def test_a_constant_that_is_given_counts_instead():
    a, b = integers(np.uint8, (3, 7)), integers(np.int8, (7, 5), 1)
    run = loaded("MatMulInteger", a, {"b": b})
    wide = a.astype(np.int64)
    for other in (b, b[::-1].copy(), b, b // 2):
        (y,) = run.run(None, {"x": a, "b": other})
        np.testing.assert_array_equal(y, wide @ other)
    np.testing.assert_array_equal(run(a), wide @ b)


def test_weights_that_are_no_constants_are_read_at_each_call():
    a, b = integers(np.uint8, (3, 7)), integers(np.int8, (7, 5), 1)
    nodes = [node("MatMulInteger", "x b", "y")]
    run = fastnn.onnx.load(model(nodes, [value("x", a.dtype), value("b", b.dtype)], [value("y", np.int32)]))
    for turn in range(3):
        b[turn] = turn  # in the same memory
        np.testing.assert_array_equal(run(a, b), a.astype(np.int64) @ b)
