"""linear: products of every shape and memory order, row independence, gradients, refusals."""

import itertools

import numpy as np
import pytest

import fastnn
from fastnn import nn

both = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
SIZES = [
    (1, 1, 1),
    (1, 7, 3),
    (2, 3, 1),
    (5, 64, 32),
    (13, 300, 33),
    (12, 256, 64),
    (64, 513, 31),
    (241, 20, 65),
    (500, 70, 10),
    (3, 1000, 129),
]


def arranged(array, order):
    """The matrix in C or Fortran order, or with gaps."""
    if order == "gaps":
        wide = np.zeros([2 * n for n in array.shape], array.dtype)
        wide[::2, ::2] = array
        return wide[::2, ::2]
    return array.copy(order=order)


@both
@pytest.mark.parametrize(("m", "k", "n"), SIZES, ids=str)
def test_forward_and_gradients(dtype, m, k, n):
    rng = np.random.default_rng(0)
    x, w, b, dy = (rng.normal(size=shape).astype(dtype) for shape in ((m, k), (n, k), (n,), (m, n)))
    eps = np.finfo(dtype).eps
    wide = lambda a: a.astype(np.longdouble)  # noqa: E731
    cases = [
        (fastnn.linear(x, w, b), wide(x) @ wide(w).T + wide(b), abs(x) @ abs(w).T + abs(b), k + 1),
        *zip(
            fastnn.linear_backward(dy, x, w),
            (wide(dy) @ wide(w), wide(dy).T @ wide(x), wide(dy).sum(0)),
            (abs(dy) @ abs(w), abs(dy).T @ abs(x), abs(dy).sum(0)),
            (n, m, m),
            strict=True,
        ),
    ]
    for got, exact, size, terms in cases:
        assert got.dtype == dtype
        assert (abs(got - exact) <= eps * (2 + np.sqrt(terms)) * size).all()


@both
@pytest.mark.parametrize(("m", "k", "n"), [(5, 300, 33), (30, 17, 70)], ids=str)
def test_memory_orders_give_the_same_bits(dtype, m, k, n):
    rng = np.random.default_rng(0)
    x, w, dy = (rng.normal(size=shape).astype(dtype) for shape in ((m, k), (n, k), (m, n)))
    y, grads = fastnn.linear(x, w), fastnn.linear_backward(dy, x, w)
    for orders in itertools.product(["C", "F", "gaps"], repeat=3):
        xo, wo, dyo = (arranged(a, o) for a, o in zip((x, w, dy), orders, strict=True))
        np.testing.assert_array_equal(fastnn.linear(xo, wo), y)
        for a, b in zip(fastnn.linear_backward(dyo, xo, wo), grads, strict=True):
            np.testing.assert_array_equal(a, b)


@both
def test_a_row_does_not_depend_on_its_batch(dtype):
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(300, 600)).astype(dtype), rng.normal(size=(97, 600)).astype(dtype)
    for weight in (w, w.copy(order="F")):
        y = fastnn.linear(x, weight)
        for rows in (slice(0, 1), slice(7, 12), slice(3, 16), slice(1, 290)):
            np.testing.assert_array_equal(fastnn.linear(x[rows], weight), y[rows])


def test_shapes():
    x = np.arange(24.0).reshape(2, 3, 4)
    assert fastnn.linear(x, np.ones((5, 4))).shape == (2, 3, 5)
    assert fastnn.linear(x[0, 0], np.ones((5, 4))).shape == (5,)
    np.testing.assert_array_equal(fastnn.linear(x, np.ones(4), 1.0), x.sum(-1) + 1)
    assert fastnn.linear(np.ones((0, 4)), np.ones((5, 4))).shape == (0, 5)
    np.testing.assert_array_equal(fastnn.linear(np.ones((2, 0)), np.ones((3, 0)), [1, 2, 3]), [[1, 2, 3]] * 2)
    np.testing.assert_array_equal(fastnn.linear(np.ones((2, 0)), np.ones((3, 0))), np.zeros((2, 3)))
    assert fastnn.linear(np.ones((2, 4)), np.ones((0, 4))).shape == (2, 0)
    dx, dw, db = fastnn.linear_backward(np.ones((0, 5)), np.ones((0, 4)), np.ones((5, 4)))
    assert dx.shape == (0, 4)
    assert not dw.any()
    assert not db.any()
    dx, dw, db = fastnn.linear_backward(np.ones((2, 3)), x, np.ones(4))
    assert (dx.shape, dw.shape, db.shape) == ((2, 3, 4), (4,), ())


def test_types_and_out():
    x, w = np.ones((2, 3), np.float16), np.ones((4, 3), np.float16)
    assert fastnn.linear(x, w).dtype == np.float16
    assert fastnn.linear(x, w.astype(np.float64)).dtype == np.float64
    assert fastnn.linear([[1, 2]], [[3, 4]]).tolist() == [[11.0]]
    x, w = np.random.default_rng(0).normal(size=(2, 3, 3))
    expected = fastnn.linear(x, w)
    for out in (np.empty((3, 3)), np.empty((3, 3), order="F"), x.copy()):
        assert fastnn.linear(x, w, out=out) is out
        np.testing.assert_array_equal(out, expected)
    assert fastnn.linear(x, w, out=x) is x
    np.testing.assert_array_equal(x, expected)


def test_refusals():
    for arguments, text in (
        (
            (np.ones((2, 3)), np.ones((4, 5))),
            r"expected an input of 5 features in its last dimension, got shape \(2, 3\)",
        ),
        ((np.ones((2, 3)), np.ones((4, 3)), np.ones(3)), r"expected bias of shape \(4,\), got \(3,\)"),
        (
            (np.ones((2, 3)), np.ones((1, 4, 3))),
            r"expected a weight \(out_features, in_features\), got shape \(1, 4, 3\)",
        ),
        ((1.0, np.ones((4, 3))), "expected an input of 3 features"),
    ):
        with pytest.raises(ValueError, match="linear: " + text):
            fastnn.linear(*arguments)
    with pytest.raises(ValueError, match=r"linear_backward: expected dy of shape \(2, 4\), got \(2, 3\)"):
        fastnn.linear_backward(np.ones((2, 3)), np.ones((2, 3)), np.ones((4, 3)))
    with pytest.raises(TypeError, match="linear: expected weight of real numbers"):
        fastnn.linear([1.0], "w")


def test_layer():
    fastnn.manual_seed(0)
    layer = nn.Linear(100, 50)
    assert layer.weight.shape == (50, 100)
    assert layer.weight.data.T.flags.c_contiguous
    for parameter in layer.parameters():
        assert 0.05 < abs(parameter.data).max() <= 0.1
    assert list(layer.state_dict()) == ["weight", "bias"]
    assert list(nn.Linear(2, 3, bias=False).state_dict()) == ["weight"]
    assert layer(np.ones((2, 100))).dtype == np.float32
    assert layer(np.ones((2, 100), int)).dtype == np.float32
    assert nn.Linear(2, 3, dtype=np.float64)(np.ones((4, 2), np.float32)).dtype == np.float64
    assert nn.Linear(0, 3)(np.ones((2, 0))).shape == (2, 3)
    layer(np.ones((2, 100))).sum().backward()
    assert layer.weight.grad.strides == layer.weight.data.strides
    with pytest.raises(TypeError, match="Linear: expected in_features to be an integer"):
        nn.Linear(2.5, 3)
