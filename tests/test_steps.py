"""Steps of plans: NumPy's functions in a program without a call of Python, for any batch; and those that stay calls."""

import numpy as np
import pytest
from test_freeze import own, trained
from test_graph import Model

import fastnn
from fastnn.graph import Call
from fastnn.nn import functional as F

R = np.random.default_rng(0)
COLUMN = R.normal(size=(3, 1)).astype(np.float32)


def ids(x):
    """Numbers of rows of a table of ten, more than half of them 0 or 1."""
    return (abs(x) * 0.6).astype(np.int64)


# of x (N, 3, 4, 6), float32 within 9
STEPS = {
    "add": lambda m, x: x + x[:, :1],
    "subtract": lambda m, x: 1 - x,
    "multiply": lambda m, x: x * m.scale,
    "divide": lambda m, x: x / (x * x + 1),
    "of three dimensions that repeat": lambda m, x: x[:, :, :1] + x[:, :1, :, :1],
    "a column of constants": lambda m, x: x + COLUMN[:, None],
    "a batch of one constant": lambda m, x: x + COLUMN.reshape(1, 3, 1, 1),
    "maximum": lambda m, x: np.maximum(x, x.mean(axis=-1, keepdims=True)),
    "minimum": lambda m, x: np.minimum(x, 1),
    "float64 with float32": lambda m, x: x * np.arange(6.0),
    "negative, abs, square": lambda m, x: np.square(-abs(x)) - x,
    "sqrt, exp, log": lambda m, x: np.log(np.sqrt(abs(x)) + np.exp(x / 9)),
    "reciprocal": lambda m, x: np.reciprocal(x * x + 1),
    "powers": lambda m, x: x**2 + x**3 / 100 + (x * x + 1) ** 0.5 + (x * x + 1) ** -0.5 + (x * x + 1) ** -1,
    "clip": lambda m, x: x.clip(-1, 2) + np.clip(x, None, 0.5),
    "less": lambda m, x: x < x[:, :, ::-1],
    "greater or equal": lambda m, x: x >= 0.5,
    "equal": lambda m, x: x == x[:, :1],
    "not equal": lambda m, x: x != x[:, :1],
    "where": lambda m, x: np.where(x > 0, x, np.exp(x) - 1),
    "where of numbers": lambda m, x: np.where(x[:, :, :1] > 0, x, -1.5),
    "where of integers": lambda m, x: np.where(x > 0, ids(x), -1),
    "and, or, not, xor": lambda m, x: (x > 0) & (x < 2) | ~(x < 5) ^ (x > 7),
    "truth values times floats": lambda m, x: x * (x > 0),
    "astype": lambda m, x: (x.astype(np.float64) + x.astype(np.int64)).astype(np.float32),
    "integers": lambda m, x: ids(x) * 3 - ids(x[:, ::-1]) + 2,
    "integers compared": lambda m, x: (ids(x) > 2) * x,
    "mean of a mask": lambda m, x: (x * (ids(x) != 0)).sum(axis=2) / ((ids(x) != 0).sum(axis=2) + 1),
    "sum of the last": lambda m, x: x.sum(axis=-1),
    "sum of a middle": lambda m, x: x.sum(axis=2, keepdims=True) + x,
    "mean of several": lambda m, x: x.mean(axis=(1, 2)),
    "mean of the first and last": lambda m, x: x.mean(axis=(1, 3)),
    "mean of integers": lambda m, x: ids(x).mean(axis=1),
    "max": lambda m, x: x.max(axis=3) + x.max(axis=1, keepdims=True)[..., 0],
    "min": lambda m, x: x.min(axis=2),
    "variance": lambda m, x: x.var(axis=-1) + x.std(axis=(2, 3), ddof=1)[:, :, None],
    "layer norm by hand": lambda m, x: (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5),
    "transpose": lambda m, x: x.transpose(0, 3, 1, 2) * 2,
    "swapaxes": lambda m, x: np.swapaxes(x, 1, 2),
    "moveaxis": lambda m, x: np.moveaxis(x, 1, -1).reshape(x.shape[0], -1),
    "reshape": lambda m, x: x.reshape(-1, 12, 6)[:, 3:5],
    "slices": lambda m, x: x[:, 1:, ::-2, 1:5:3] + x[:, :1, :2, 2:4],
    "one of a dimension": lambda m, x: x[:, -1] - x[:, 0, :, :],
    "an ellipsis and a new dimension": lambda m, x: x[..., None, 2],
    "flip": lambda m, x: np.flip(x, 1),
    "squeeze": lambda m, x: np.squeeze(np.expand_dims(x, 2), 2)[:, :, 0],
    "broadcast": lambda m, x: np.broadcast_to(x[:, :1], (x.shape[0], 5, 4, 6)),
    "concatenate": lambda m, x: np.concatenate([x, x[:, :, ::-1] * 2, x[:, :, :2]], axis=2),
    "concatenate the last": lambda m, x: np.concatenate([x, x[..., :1]], axis=-1),
    "stack": lambda m, x: np.stack([x, -x, x[:, ::-1]], axis=2),
    "stack as last": lambda m, x: np.stack([x, x + 1], axis=-1),
    "split": lambda m, x: (lambda a, b, c: a * b + c)(*np.split(x, 3, axis=3)),
    "unequal split": lambda m, x: np.array_split(x, 4, axis=3)[0] + np.split(x, [2, 3], axis=3)[0],
    "embedding": lambda m, x: m.table(ids(x)),
    "embedding and mean": lambda m, x: m.linear(m.table(ids(x[:, 0, 0])).mean(axis=1)),
    "index of a constant": lambda m, x: m.table.weight[ids(x) - 3],
    "take": lambda m, x: np.take(m.table.weight, ids(x[:, 0]), axis=0),
    "product with a matrix": lambda m, x: x @ m.linear.weight,
    "product of batches": lambda m, x: x @ np.swapaxes(x, 2, 3),
    "attention": lambda m, x: F.softmax(x @ np.swapaxes(x, 2, 3) / 6**0.5, dim=-1) @ m.linear(x),
    "softmax of a middle": lambda m, x: F.softmax(x, dim=2) + F.log_softmax(x, dim=1),
    "group norm": lambda m, x: F.group_norm(x, 3),
    "several results": lambda m, x: {"a": m.linear(x), "b": [x.sum(axis=-1), x > 0]},
    "a result used further": lambda m, x: (lambda h: (h, F.relu(h) + h.mean(-1, keepdims=True)))(m.linear(x)),
}  # fmt: skip


def flat(y):
    parts = y.values() if isinstance(y, dict) else y if isinstance(y, (list, tuple)) else None
    return [y] if parts is None else [each for part in parts for each in flat(part)]


def agree(y, expected):
    for one, other in zip(flat(y), flat(expected), strict=True):
        other = np.asarray(other)
        assert (one.shape, one.dtype) == (other.shape, other.dtype)
        np.testing.assert_allclose(one, other, rtol=0, atol=3e-5 * max(1, float(np.abs(other).max())))


def calls_of(frozen):
    """Calls of Python that the plan made last has."""
    plan = next(reversed(frozen._plans.values())).plan
    return [stage.work for stage in plan.stages if isinstance(stage.work, Call)]


@pytest.mark.parametrize("name", STEPS)
def test_a_step(name):
    model = trained(Model(STEPS[name]))
    frozen = fastnn.freeze(model)
    for n in (3, 1, 7, 400):
        x = np.random.default_rng(n).uniform(-9, 9, (n, 3, 4, 6)).astype(np.float32)
        agree(frozen(x), own(model, x))
    assert frozen.unplanned == ()
    assert calls_of(frozen) == []
