"""Rules of plans on what almost fits them: it stays a call of Python, or a step of its own, and no number changes.

What fits stands in test_steps.py, in FOLDED here and in test_image_plans.py.
"""

import numpy as np
import pytest
from test_freeze import own, trained
from test_steps import agree, ids

import fastnn
from fastnn import nn
from fastnn.graph import lowering
from fastnn.nn import functional as F


class Model(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function
        self.linear, self.second, self.norm = nn.Linear(6, 6), nn.Linear(6, 6), nn.BatchNorm1d(6)
        self.channels, self.table = nn.BatchNorm1d(4), nn.Embedding(10, 5)
        self.left = nn.Parameter(np.random.default_rng(1).normal(size=(4, 4)).astype(np.float32))

    def forward(self, x):
        return self.function(self, x)


def planned(function, *shape):
    """The plan's steps and calls of Python by name, after its numbers have been compared; it must be no call of the model."""
    model = trained(Model(function))
    frozen = fastnn.freeze(model)
    for n in (3, 2, 7):
        x = np.random.default_rng(n).uniform(-9, 9, (n, *shape)).astype(np.float32)
        agree(frozen(x), own(model, x))
    assert frozen.unplanned == ()
    steps, calls = [], []
    for stage in frozen.plan.stages:
        steps += [step.name for step in stage.steps]
        if not stage.steps:
            calls.append(stage.work.name)
    return steps, calls


def five(x):
    return x.reshape(-1, 3, 2, 2, 6)


# of x (N, 3, 4, 6): what almost fits the rule of the functions named, which stay calls
ALMOST = {
    "reshape in Fortran's order": (lambda m, x: np.reshape(x, (x.shape[0], -1), order="F"), ["reshape"]),
    "reshape that moves samples": (lambda m, x: x.reshape(-1, 6), ["reshape"]),
    "dropout that drops": (lambda m, x: F.dropout(x, 0.0, training=True), ["dropout"]),
    "transpose of the batch": (lambda m, x: x.transpose(1, 0, 2, 3), ["transpose"]),
    "swapaxes of the batch": (lambda m, x: np.swapaxes(x, 0, 1), ["swapaxes"]),
    "moveaxis of the batch": (lambda m, x: np.moveaxis(x, 0, -1), ["moveaxis"]),
    "flip of the batch": (lambda m, x: np.flip(x, 0), ["flip"]),
    "an index that is a list": (lambda m, x: x[:, [0, 2]], ["getitem"]),
    "the batch backwards": (lambda m, x: x[::-1], ["getitem"]),
    "a dimension before the batch": (lambda m, x: np.expand_dims(x, 0), ["expand_dims"]),
    "concatenate samples": (lambda m, x: np.concatenate([x, x]), ["concatenate"]),
    "concatenate into another dtype": (lambda m, x: np.concatenate([x, x], 1, dtype=np.float64), ["concatenate"]),
    "stack batches": (lambda m, x: np.stack([x, x]), ["stack"]),
    "take that clips": (lambda m, x: np.take(m.table.weight, ids(x) + 8, axis=0, mode="clip"), ["take"]),
    "rows of the input": (lambda m, x: F.embedding(np.minimum(ids(x), 3), x[0, 0]), ["getitem", "embedding"]),
    "take from a value": (lambda m, x: np.take(x, [0, 2], axis=1), ["take"]),
    "a sum in another dtype": (lambda m, x: np.add(x, x, dtype=np.float64), ["add"]),
    "a sum over five dimensions": (lambda m, x: five(x)[:, :1, :, :1] + five(x)[:, :, :1, :, :1], ["add"]),
    "half precision": (lambda m, x: x.astype(np.float16) > 0, ["astype", "greater"]),
    "small integers": (lambda m, x: x.astype(np.int8) + np.int8(1), ["astype", "add"]),
    "bits of integers": (lambda m, x: ids(x) & 1, ["bitwise_and"]),
    "integers inverted": (lambda m, x: ~ids(x), ["invert"]),
    "reciprocal of integers": (lambda m, x: np.reciprocal(ids(x) + 1), ["reciprocal"]),
    "square in another dtype": (lambda m, x: np.square(x, dtype=np.float64), ["square"]),
    "a choice of small floats": (lambda m, x: np.where(x > 0, x.astype(np.float16), np.float16(1)), ["astype", "where"]),
    "another power": (lambda m, x: abs(x) ** 1.5, ["power"]),
    "powers of integers": (lambda m, x: ids(x) ** 2, ["power"]),
    "powers by an array": (lambda m, x: x ** np.array([1.0, 2, 3, 4, 5, 6], np.float32), ["power"]),
    "clip of integers": (lambda m, x: np.clip(ids(x), 1, 3), ["clip"]),
    "sum of the batch": (lambda m, x: x.sum(axis=0) + x, ["sum", "add"]),
    "sum of all": (lambda m, x: x / np.sum(x * x), ["sum", "divide"]),
    "sum with an initial value": (lambda m, x: np.sum(x, axis=1, initial=2.0), ["sum"]),
    "sum into integers": (lambda m, x: np.sum(ids(x), axis=1, dtype=np.int32), ["sum"]),
    "maximum of a part": (lambda m, x: np.max(x, axis=1, where=np.array(True), initial=0), ["max"]),
    "linear by a weight from the input": (lambda m, x: F.linear(x, x[0, 0]), ["getitem", "linear"]),
    "a matrix on the left": (lambda m, x: m.left @ x, ["matmul"]),
    "a product that repeats": (lambda m, x: x @ np.swapaxes(x[:, :1], 2, 3), ["matmul"]),
    "softmax of the batch": (lambda m, x: F.softmax(x, 0), ["softmax"]),
    "softmax in another dtype": (lambda m, x: F.softmax(x, -1, dtype=np.float64), ["softmax"]),
    "layer norm scaled by the input": (lambda m, x: F.layer_norm(x, 6, x[0, 0, 0]), ["getitem", "layer_norm"]),
    "group norm scaled by the input": (lambda m, x: F.group_norm(x, 3, x[0, :, 0, 0]), ["getitem", "group_norm"]),
    "batch norm in training": (lambda m, x: F.batch_norm(x, None, None, training=True), ["batch_norm"]),
    "convolution by the input": (lambda m, x: F.conv2d(x, x[:1]), ["getitem", "conv2d"]),
    "pooling with indices": (lambda m, x: F.max_pool2d(x, 2, return_indices=True)[0], ["max_pool2d", "getitem"]),
    "attention that drops": (lambda m, x: F.scaled_dot_product_attention(x, x, x, None, 0.5, rng=0), ["_attention"]),
    "normalize": (lambda m, x: F.normalize(x, dim=-1), ["normalize"]),
}  # fmt: skip


@pytest.mark.parametrize("name", ALMOST)
def test_what_almost_fits_stays_a_call(name):
    function, expected = ALMOST[name]
    assert planned(function, 3, 4, 6)[1] == expected


def test_every_rule_has_something_that_almost_fits():
    """Rules may serve several functions, of which one is enough; functions of one element take all that they are given."""
    missed = {name for _, names in ALMOST.values() for name in names}
    rules = {}
    for function, rule in lowering.LOWERINGS.items():
        rules.setdefault(rule, set()).add(getattr(function, "__name__", str(function)))
    others = {
        "Unary",
        *("resampled", "recurrent"),  # of ONNX files alone: test_onnx_plans.py
        *("recurrent_layers", "embedding_bag", "prelu"),  # test_recurrent_plans.py
    }
    assert [names for names in rules.values() if not names & (missed | others)] == []


# of x (N, 6), or of the shape given: the steps, by the calls that each does at once
FOLDED = {
    "a function": (lambda m, x: F.relu(m.linear(x)), ["linear + relu"]),
    "two functions": (lambda m, x: F.tanh(F.relu(m.linear(x))), ["linear + relu", "tanh"]),
    "a function of what is used twice": (
        lambda m, x: (lambda h: F.relu(h) * h)(m.linear(x)), ["linear", "relu", "multiply"],
    ),
    "a function of what is returned": (lambda m, x: (lambda h: (F.relu(h), h))(m.linear(x)), ["linear", "relu"]),
    "a function of the matrix product": (lambda m, x: F.gelu(x @ m.second.weight), ["matmul + gelu"]),
    "a function of another shape": (lambda m, x: F.relu(m.linear(x).reshape(-1, 2, 3)), ["linear + relu"]),
    "a norm": (lambda m, x: m.norm(m.linear(x)), ["linear + batch_norm"]),
    "a norm of the matrix product": (lambda m, x: m.norm(x @ m.second.weight), ["matmul + batch_norm"]),
    "a norm and a function": (lambda m, x: F.silu(m.norm(m.linear(x))), ["linear + batch_norm + silu"]),
    "a norm after a function": (lambda m, x: m.norm(F.relu(m.linear(x))), ["linear + relu", "batch_norm"]),
    "a norm after a residual": (lambda m, x: m.norm(m.linear(x) + x), ["linear + add", "batch_norm"]),
    "a norm of what is used twice": (
        lambda m, x: (lambda h: m.norm(h) - h)(m.linear(x)), ["linear", "batch_norm", "subtract"],
    ),
    "a norm in training": (
        lambda m, x: F.batch_norm(m.linear(x), None, None, m.norm.weight, training=True), ["linear"],
    ),
    "two norms": (lambda m, x: m.norm(m.norm(m.linear(x))), ["linear + batch_norm + batch_norm"]),
    "a residual": (lambda m, x: m.linear(x) + x, ["linear + add"]),
    "a residual on the left": (lambda m, x: F.relu(x + m.linear(x)), ["linear + add + relu"]),
    "a residual by another product": (
        lambda m, x: m.linear(x) + m.second(x), ["linear", "linear + add"],
    ),
    "a residual of another shape": (lambda m, x: m.linear(x) + x[:, :1], ["linear", "getitem", "add"]),
    "a residual of another dtype": (lambda m, x: m.linear(x) + x.astype(np.float64), ["linear", "astype", "add", "add"]),
    "a residual of constants": (lambda m, x: m.linear(x) + m.norm.bias, ["linear", "add"]),
    "a residual after a function": (lambda m, x: F.relu(m.linear(x)) + x, ["linear + relu", "add"]),
    "two residuals": (lambda m, x: m.linear(x) + x + x, ["linear + add", "add"]),
    "a difference": (lambda m, x: m.linear(x) - x, ["linear", "subtract"]),
    "itself": (lambda m, x: (lambda h: h + h)(m.linear(x)), ["linear", "add"]),
    "what comes later": (lambda m, x: (lambda h: h + np.exp(h))(m.linear(x)), ["linear", "exp", "add"]),
}  # fmt: skip
ROWS = {  # of x (N, 4, 6)
    "a norm of channels": (lambda m, x: m.channels(m.linear(x)), ["linear", "batch_norm"]),
    "a residual of rows": (lambda m, x: m.linear(x) + x, ["linear + add"]),
    "a residual of a product of batches": (lambda m, x: x @ np.swapaxes(x, 1, 2) @ x + x, ["swapaxes", "matmul", "matmul", "add"]),
    "a function of a product of batches": (lambda m, x: F.relu(x @ np.swapaxes(x, 1, 2)), ["swapaxes", "matmul + relu"]),
}  # fmt: skip
TAKEN = {  # of x (N, 4): rows of a table
    "a mean of rows": (lambda m, x: m.table(ids(x)).mean(axis=1), ["embedding + mean"]),
    "a sum of rows": (lambda m, x: m.table(ids(x)).sum(axis=1), ["embedding + sum"]),
    "the largest of rows": (lambda m, x: m.table(ids(x)).max(axis=1), ["embedding", "max"]),
    "a mean within rows": (lambda m, x: m.table(ids(x)).mean(axis=2), ["embedding", "mean"]),
    "a mean of rows that are used twice": (
        lambda m, x: (lambda h: h - h.mean(axis=1, keepdims=True))(m.table(ids(x))), ["embedding", "mean", "subtract"],
    ),
    "a mean of rows by an index that may be negative": (
        lambda m, x: np.take(m.table.weight, ids(x) - 3, axis=0).mean(axis=1), ["take", "mean"],
    ),
    "a mean of rows in another dtype": (
        lambda m, x: np.mean(m.table(ids(x)), axis=1, dtype=np.float64), ["embedding", "mean", "mean"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", [*FOLDED, *ROWS, *TAKEN])
def test_what_folds_and_what_almost_does(name):
    table, shape = (FOLDED, (6,)) if name in FOLDED else (ROWS, (4, 6)) if name in ROWS else (TAKEN, (4,))
    function, expected = table[name]
    steps, calls = planned(function, *shape)
    first = next(i for i, step in enumerate(steps) if name not in TAKEN or step.startswith(("embedding", "take")))
    assert (steps[first:], calls) == (expected, ["batch_norm"] if name == "a norm in training" else [])


@pytest.mark.parametrize("steps", range(124, 129))
def test_programs_are_not_cut_inside_of_a_value(steps):
    """Of one that several steps make in parts, where a program has as many steps as it may have."""

    def function(m, x):
        y = x
        for _ in range(steps):
            y = np.flip(y, 1)
        return np.concatenate([y, x, y, x], 1)

    made, calls = planned(function, 3, 4, 6)
    assert len(made) == steps + 4
    assert not calls


def test_a_row_that_is_seen_as_an_image_has_its_channels_first():
    def function(m, x):
        y = F.conv2d(x, np.ones((4, 3, 1, 1), np.float32))
        rows = F.group_norm(y.reshape(-1, 1, 96), 1)
        scaled = rows.reshape(-1, 4, 4, 6) * np.arange(4, dtype=np.float32).reshape(4, 1, 1) + 1
        return F.conv2d(scaled, np.ones((5, 4, 1, 1), np.float32))

    assert planned(function, 3, 4, 6)[1] == []
