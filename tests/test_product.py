"""The one product: strides, batches, rows by address, sums continued, bias, residual and function, bit for bit."""

import numpy as np
import pytest
from test_ops import product

import fastnn
from fastnn import _core

SIZES = [
    (1, 5, 3),
    (1, 300, 65),
    (1, 600, 2100),
    (13, 300, 65),
    (250, 20, 33),
    (30, 1, 40),
    (40, 257, 1),
    (241, 513, 10),
    (251, 530, 270),  # a left operand that lies by columns is copied, block by block, for several panels at once
]
DTYPES = [np.float32, np.float64]


def operands(m, k, n, dtype, batch=1):
    rng = np.random.default_rng(m + k + n)
    return [rng.normal(size=(batch, *shape)).astype(dtype) for shape in ((m, k), (k, n), (m, n))]


def result(m, n, dtype, batch=1):
    return np.full((batch, m, n), np.nan, dtype)


def with_gaps(x):
    """The same values, no two of them side by side."""
    wide = np.full([2 * size for size in x.shape], np.nan, x.dtype)
    wide[..., 1::2, 1::2][: len(x)] = x
    return wide[..., 1::2, 1::2][: len(x)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("m", "k", "n"), SIZES)
def test_strides_do_not_change_the_bits(m, k, n, dtype):
    a, b, _ = operands(m, k, n, dtype)
    expected, wide = result(m, n, dtype), a.astype(np.longdouble) @ b.astype(np.longdouble)
    product(expected, a, b)
    bound = (k + 1) * np.finfo(dtype).eps * (abs(a) @ abs(b))
    assert (abs(expected - wide) <= bound).all()
    turned = [x.swapaxes(1, 2).copy().swapaxes(1, 2) for x in (a, b)]
    for left in (a, turned[0], with_gaps(a), a[:, ::-1].copy()[:, ::-1]):
        for right in (b, turned[1], with_gaps(b), b[:, :, ::-1].copy()[:, :, ::-1]):
            c = result(m, n, dtype)
            product(c, left, right)
            np.testing.assert_array_equal(c, expected)
    room = np.full((1, m, n + 3), np.nan, dtype)
    product(room[:, :, :n], a, b)  # rows of the result with gaps between
    np.testing.assert_array_equal(room[:, :, :n], expected)
    assert np.isnan(room[:, :, n:]).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("m", "k", "n"), SIZES)
def test_rows_by_address_and_batches(m, k, n, dtype):
    a, b, _ = operands(m, k, n, dtype, batch=3)
    expected, c = result(m, n, dtype, 3), result(m, n, dtype, 3)
    for i in range(3):
        product(expected[i], a[i], b[i])
    product(c, a, b)
    np.testing.assert_array_equal(c, expected)
    for shared in (np.broadcast_to(b[:1], b.shape), np.broadcast_to(b[:1], b.shape).copy()):
        product(c, a, shared)
        for i in range(3):
            product(expected[i], a[i], b[0])
        np.testing.assert_array_equal(c, expected)
    order = np.random.default_rng(0).integers(0, 3 * m, 3 * m)  # rows may repeat
    rows = a.reshape(3 * m, k)
    addresses = (rows.ctypes.data + order * rows.strides[0]).astype(np.intp)
    product(c, a, b, a_rows=addresses)
    product(expected, rows[order].reshape(a.shape), b)
    np.testing.assert_array_equal(c, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("by_columns", [False, True])
@pytest.mark.parametrize(("m", "n"), [(1, 40), (1, 2100), (7, 33), (250, 10), (250, 70), (30, 1)])
def test_sums_are_continued(m, n, by_columns, dtype):
    """A product cut at a multiple of 256 values of k has the bits of the whole."""
    a, b, start = operands(m, 700, n, dtype)
    if by_columns:
        a = a.swapaxes(1, 2).copy().swapaxes(1, 2)
    expected, c = result(m, n, dtype), result(m, n, dtype)
    product(expected, a, b)
    product(c, a[:, :, :512], b[:, :512])
    product(c, a[:, :, 512:], b[:, 512:], accumulate=True)
    np.testing.assert_array_equal(c, expected)
    c = start.copy()
    product(c, a, b, accumulate=True)
    parts = result(m, n, dtype)
    for k in range(0, 700, 256):
        product(parts, a[:, :, k : k + 256], b[:, k : k + 256])
        start += parts
    np.testing.assert_array_equal(c, start)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("m", "k", "n"), SIZES)
@pytest.mark.parametrize("name", [None, "relu", "gelu"])
def test_bias_residual_and_function_follow(m, k, n, dtype, name):
    a, b, residual = operands(m, k, n, dtype, batch=2)
    bias = np.linspace(-1, 1, n).astype(dtype)
    sums, c = result(m, n, dtype, 2), result(m, n, dtype, 2)
    product(sums, a, b)
    expected = (sums + bias) + residual
    expected = expected if name is None else getattr(fastnn, name)(expected)
    act = -1 if name is None else _core.ACTS[name]
    product(c, a, b, bias, residual, act=act)
    np.testing.assert_array_equal(c, expected)
    one = result(m, n, dtype)
    product(one, a[:1].swapaxes(1, 2).copy().swapaxes(1, 2), b[:1], bias, residual[:1], act=act)
    np.testing.assert_array_equal(one, expected[:1])


def test_nothing_to_sum():
    c = result(3, 40, np.float32)
    product(c, np.empty((1, 3, 0), np.float32), np.empty((1, 0, 40), np.float32), np.arange(40, dtype=np.float32))
    np.testing.assert_array_equal(c, np.broadcast_to(np.arange(40, dtype=np.float32), (1, 3, 40)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_matmul_of_tensors_is_linear(dtype):
    """Recorded or not, whole or row by row, by either order of the weight."""
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(4, 25, 300)).astype(dtype), rng.normal(size=(65, 300)).astype(dtype)
    expected = fastnn.linear(x, w)
    dy = rng.normal(size=expected.shape).astype(dtype)
    for weight in (w, np.asfortranarray(w)):
        left, right = fastnn.tensor(x, requires_grad=True), fastnn.tensor(weight.T, requires_grad=True)
        y = left @ right
        np.testing.assert_array_equal(y.numpy(), expected)
        y.backward(dy)
        dx, dweight, _ = fastnn.linear_backward(dy, x, w)
        np.testing.assert_array_equal(left.grad, dx)
        np.testing.assert_array_equal(right.grad, dweight.T)
        with fastnn.no_grad():
            np.testing.assert_array_equal(np.matmul(left, right), expected)
            np.testing.assert_array_equal(x @ right, expected)
            np.testing.assert_array_equal(left[1, 2] @ right, expected[1, 2])
            np.testing.assert_array_equal(left @ right[:, 7], expected[..., 7])
            out = np.empty(expected.shape)
            assert np.matmul(left, right, out=out) is out
            np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize(
    ("left", "right"),
    [((3,), (3,)), ((2, 3), (3,)), ((3,), (5, 3, 4)), ((5, 1, 2, 3), (6, 3, 4)), ((2, 3), (5, 3, 4)), ((0, 3), (3, 4)),
     ((5, 3, 0), (0, 2)), ((2, 0), (5, 0, 4))],
)  # fmt: skip
@pytest.mark.parametrize(
    "dtypes", [(np.float32, np.float32), (np.float32, np.float64), (np.float16, np.float16), (np.float32, np.int64)]
)
def test_matmul_promotes_and_broadcasts_as_numpy(left, right, dtypes):
    rng = np.random.default_rng(1)
    a, b = (rng.normal(0, 3, shape).astype(dtype) for shape, dtype in zip((left, right), dtypes, strict=True))
    expected = np.matmul(a, b)
    t = fastnn.tensor(a, requires_grad=True)
    y = t @ b
    assert (y.dtype, y.shape) == (expected.dtype, expected.shape)
    np.testing.assert_allclose(y.numpy(), expected, rtol=0.02 if dtypes[0] == np.float16 else 1e-4, atol=1e-2)
    assert type(t.detach() @ b) is type(expected)
    y.backward(np.ones(y.shape))
    assert (t.grad.dtype, t.grad.shape) == (a.dtype, a.shape)


def test_matmul_of_what_is_no_float_array_is_numpys():
    integers = fastnn.Tensor(np.arange(6).reshape(2, 3))
    np.testing.assert_array_equal(integers @ np.arange(3), [5, 14])
    assert (integers @ np.arange(3)).dtype == np.arange(3).dtype
    x = fastnn.tensor(np.ones((2, 3)), requires_grad=True)
    for other, text in ((np.ones((2, 3)), "mismatch in its core dimension"), (2.0, "does not have enough dimensions")):
        with pytest.raises(ValueError, match=text):
            x @ other
    with pytest.raises(ValueError, match="broadcast"):
        fastnn.tensor(np.ones((2, 2, 3)), requires_grad=True) @ np.ones((3, 3, 2))
