"""The one call for all ops: calls that would read or write beside an array's memory are refused before anything has run."""

import numpy as np
import pytest

from fastnn import _core
from fastnn._core import ops


def arrays(rows=4, n=3, dtype=np.float32):
    return np.zeros((rows, n), dtype), np.random.default_rng(0).normal(size=(rows, n)).astype(dtype)


def product(c, a, b, bias=None, residual=None, *, a_rows=None, accumulate=False, act=-1):
    """The op of that name on (batch, m, n), (batch, m, k) and (batch, k, n), or on matrices."""
    c, a, b = (x if x.ndim == 3 else x[np.newaxis] for x in (c, a, b))
    gaps = (0, 0) if residual is None else (residual.strides[0] // residual.itemsize, residual.shape[-1])
    ops.product(c, a, b, a_rows, None, bias, residual, *c.shape, a.shape[2], *gaps, accumulate, act, 0.0, 0.0)


def test_arguments_are_those_of_the_table():
    kinds = ("y", "array", 0), ("x", "array", 0), ("rows", "int", 0), ("n", "int", 0), ("log", "bool", 0)
    assert tuple(field[:3] for field in ops.softmax.fields) == kinds
    assert [offset for *_, offset in ops.softmax.fields] == [0, 8, 16, 24, 32]
    assert ("work", "work", 0) in {field[:3] for field in ops.batch_norm_train.fields}
    assert ("a", "array", 3) in {field[:3] for field in ops.product.fields}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_call(dtype):
    y, x = arrays(dtype=dtype)
    assert ops.softmax(y, x, 4, 3, False) is None
    np.testing.assert_allclose(y, np.exp(x) / np.exp(x).sum(1, keepdims=True), rtol=1e-6)
    assert ops.sum(x, x.size) == pytest.approx(x.sum(dtype=np.float64), rel=1e-12)


def test_views_bring_their_strides():
    a, b = np.arange(12.0).reshape(3, 4), np.arange(20.0).reshape(5, 4)
    c = np.empty((3, 5))
    product(c, a, b.T)
    np.testing.assert_array_equal(c, a @ b.T)
    product(c, a[:, ::2], b[:, ::2].T)
    np.testing.assert_array_equal(c, a[:, ::2] @ b[:, ::2].T)


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        (lambda y, x: (y, x, 4, 3), TypeError, "softmax: expected 5 arguments, got 4"),
        (lambda y, x: (y, None, 4, 3, False), TypeError, "softmax: expected x to be an array, got NoneType"),
        (lambda y, x: (y, x.tolist(), 4, 3, False), TypeError, "softmax: expected x to be an array, got list"),
        (lambda y, x: (y, x.astype(np.float64), 4, 3, False), ValueError, "softmax: x has dtype float64"),
        (lambda y, x: (y, x.astype(">f4"), 4, 3, False), ValueError, "softmax: x has dtype >f4"),
        (lambda y, x: (y.astype(np.int32), x, 4, 3, False), ValueError, "softmax: y has dtype int32"),
        (lambda y, x: (y, np.asfortranarray(x), 4, 3, False), ValueError, "softmax: x is not contiguous"),
        (lambda y, x: (y, x, 5, 3, False), ValueError, "softmax: y is shorter than the sizes say"),
        (lambda y, x: (y, x[:3], 4, 3, False), ValueError, "softmax: x is shorter than the sizes say"),
    ],
)
def test_refused_before_anything_runs(change, error, text):
    y, x = arrays()
    with pytest.raises(error, match=text):
        ops.softmax(*change(y, x))
    assert not y.any()


def test_results_are_not_written_where_that_is_forbidden():
    y, x = arrays()
    y.flags.writeable = False
    with pytest.raises(ValueError, match="softmax: y is read-only"):
        ops.softmax(y, x, 4, 3, False)


def test_views_have_the_dimensions_of_the_table():
    with pytest.raises(ValueError, match="product: expected a of 3 dimensions, got 2"):
        ops.product(
            np.empty((1, 1, 1)), np.ones((1, 1)), np.ones((1, 1, 1)), *[None] * 4, 1, 1, 1, 1, 0, 0, 0, -1, 0, 0
        )


def test_tables_are_lists_of_arrays():
    p = [np.ones(3), np.ones((2, 2), order="F")]
    grads = [np.full(3, 2.0), np.full((2, 2), 3.0)]
    ops.optimizer_step(p, grads, [], np.array([0.5]), _core.RULES["sgd"][0], 2, 1.0, 0.0, 1.0, 0.0)
    assert p[0].tolist() == [0.0] * 3
    assert p[1].tolist() == [[-0.5] * 2] * 2
    assert ops.all_finite(p, 2) == 1
    assert ops.all_finite([*p, np.array([1.0, np.nan])], 3) == 0


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        (lambda p, grads: (p[0], grads, 2), TypeError, "list"),
        (lambda p, grads: (p[:1], grads, 2), ValueError, "grad has other sizes than the table before"),
        (lambda p, grads: (p, grads[::-1], 2), ValueError, "grad has other sizes than the table before"),
        (lambda p, grads: ([], grads, 2), ValueError, "grad has other sizes than the table before"),
        (lambda p, grads: (p, grads, 3), ValueError, "p is shorter than the sizes say"),
        (lambda p, grads: (p, grads[:1], 2), ValueError, "grad is shorter than the sizes say"),
        (lambda p, grads: (p, [g.astype(np.float32) for g in grads], 2), ValueError, "grad to hold dense arrays"),
        (lambda p, grads: ([p[0], None], grads, 2), ValueError, "p to hold dense arrays of one type"),
        (lambda p, grads: ([p[0], p[1].astype(int)], grads, 2), ValueError, "p to hold dense arrays of one type"),
    ],
)
def test_tables_are_refused_before_anything_runs(change, error, text):
    p, grads = [np.ones(3), np.ones(4)], [np.ones(3), np.ones(4)]
    given, gradients, count = change(p, grads)
    with pytest.raises(error, match=text):
        ops.optimizer_step(given, gradients, [], np.array([0.5]), _core.RULES["sgd"][0], count, 1.0, 0.0, 1.0, 0.0)
    assert all((each == 1).all() for each in p)
