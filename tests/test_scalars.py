"""Results without dimensions: NumPy's scalars for plain input, as from NumPy's own functions; arrays only in out=."""

import numpy as np
import pytest
from ops import LEARNED, OPS
from records import RECORDS

import fastnn
from fastnn import _core, functional, nn

SCALARS = [(1.5, np.float64), (2, np.float64), (True, np.float64), (np.float32(1.5), np.float32), (np.float16(1.5), np.float16)]  # fmt: skip
SCALARS += [(np.array(value, dtype), dtype) for value, dtype in [*SCALARS[3:], (1.5, np.float64)]]


CASES = [(record, case) for record in [*OPS, *LEARNED] for case in record.cases]


def is_scalar(result, dtype):
    return type(result) is dtype


@pytest.mark.parametrize(("op", "case"), CASES, ids=[f"{op.name}{list(case.values()) or ''}" for op, case in CASES])
@pytest.mark.parametrize(("x", "dtype"), SCALARS)
def test_elementwise(op, case, x, dtype):
    function, backward = getattr(fastnn, op.name), getattr(functional, op.name + "_backward")
    y = function(x, **case)
    assert is_scalar(y, dtype)
    assert y == function(np.array([x], dtype), **case)[0]
    saved = y if op.name in _core.ACTS and _core.SAVES_Y[_core.ACTS[op.name]] else x
    dx = backward(np.ones((), dtype), dtype(saved), **case)
    assert all(is_scalar(d, dtype) or np.ndim(d) for d in (dx if isinstance(dx, tuple) else (dx,)))
    t = fastnn.tensor(np.array(x, dtype), requires_grad=True)
    z = function(t, **case)
    assert isinstance(z, fastnn.Tensor)
    assert z.shape == ()
    assert z.data == y
    z.backward()
    assert isinstance(t.grad, np.ndarray)
    assert t.grad == (dx[0] if isinstance(dx, tuple) else dx)
    out = np.empty((), dtype)
    assert function(x, **case, out=out) is out
    assert out == y
    with fastnn.no_grad():
        assert is_scalar(function(t, **case), dtype)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_other_functions(dtype):
    x, rows = dtype(0.5), np.full((3, 2), 0.5, dtype)
    results = [
        fastnn.softmax(x, 0), fastnn.log_softmax(x, 0), fastnn.softmin(x, 0), fastnn.normalize(x, dim=0),
        fastnn.softmax_backward(x, x, 0), fastnn.log_softmax_backward(x, x, 0), fastnn.normalize_backward(x, x, dim=0),
        fastnn.dropout(x, 0.5, rng=1), fastnn.dropout(x, 0.5, training=False), fastnn.dropout_backward(x, 0.5, rng=1),
        fastnn.alpha_dropout(x, 0.5, training=True, rng=1), fastnn.rrelu(x), fastnn.rrelu(x, training=True, rng=1),
        fastnn.linear(rows[0], rows[0]), fastnn.linear(rows[0], rows[0], x), fastnn.linear_backward(x, rows[0], rows[0])[2],
        fastnn.cross_entropy(rows, [0, 1, 0]), fastnn.cross_entropy(rows, rows, reduction="sum"), fastnn.cross_entropy(rows[0], 1),
        fastnn.cross_entropy(rows, [1, 1, 1], [1.0, 0.0]), fastnn.nll_loss(rows, [0, 1, 0]), fastnn.nll_loss(rows[0], 1, reduction="none"),
    ]  # fmt: skip
    assert [type(each) for each in results] == [dtype] * len(results)
    assert type(fastnn.cross_entropy(rows[:0], np.zeros(0, int))) is dtype
    for f in (fastnn.layer_norm_stats, lambda *a: (fastnn.rms_norm_stats(*a),)):
        assert {type(each) for each in f(rows[0], 2)} == {np.float64}


LOSSES = [
    record for record in RECORDS if "reduction" in record.parameters and record.name != "nll_loss" and record.gradients
]


@pytest.mark.parametrize("record", LOSSES, ids=lambda record: record.name)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_losses(record, dtype):
    for shape in (record.shapes[0], record.shapes[1]):
        for reduction in ("mean", "sum") + ("none",) * (shape == ()):
            call = record.call(shape, {"reduction": reduction}, dtype)
            y = call.value()
            assert type(y) is dtype
            t = fastnn.tensor(call.input, requires_grad=True)
            tracked = call.replaced(**{call.first: t}).value()
            assert isinstance(tracked, fastnn.Tensor)
            assert tracked.data == y
            tracked.backward()
            expected = call.gradients(1.0)[call.first]
            assert type(expected) is (np.ndarray if shape else dtype)
            np.testing.assert_array_equal(t.grad, expected)


def test_layers_and_chains():
    assert type(nn.ReLU()(1.5)) is np.float64
    assert type(nn.MSELoss()(np.float32([1.0]), np.float32([2.0]))) is np.float32
    t = fastnn.tensor(0.5, requires_grad=True)
    y = fastnn.tanh(fastnn.sigmoid(t)) * 2 + fastnn.mse_loss(t, np.float64(1.0))
    y.backward()
    s = 1 / (1 + np.exp(-0.5))
    assert t.grad == pytest.approx(2 * (1 - np.tanh(s) ** 2) * s * (1 - s) - 1, rel=1e-14)


def test_overflow_of_float16_is_silent():
    big = np.full(4, 300, np.float16)
    with np.errstate(all="raise"):
        assert fastnn.mse_loss(big, -big, reduction="sum") == np.inf
        assert fastnn.l1_loss(big * 200, -big * 200, reduction="sum") == np.inf
