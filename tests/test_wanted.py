"""Backward computes only wanted gradients: those of frozen parameters, and of inputs without one, are left out."""

import numpy as np
import pytest

import fastnn
from fastnn._dispatch import DERIVATIVES

RNG = np.random.default_rng(0)
CHANNELS = [RNG.uniform(0.5, 2, 5) for _ in range(4)]
X = RNG.normal(size=(4, 5, 6))
ROWS = RNG.normal(size=(8, 5))
W, B, MEAN, VAR = CHANNELS
# a function, its arguments, and whether the gradients of parameters are made on the way to the input's, and cost nothing
CALLS = {
    "prelu": (fastnn.prelu, (X, W), False),
    "swish": (fastnn.swish, (X, W), False),
    "swish, beta by default": (fastnn.swish, (X,), False),
    "parametric_softplus": (fastnn.parametric_softplus, (X, W, 3.0), False),
    "parametric_sigmoid": (fastnn.parametric_sigmoid, (X, W, B), False),
    "parametric_elu, a view": (fastnn.parametric_elu, (X[::2], W), False),
    "scaled_relu": (fastnn.scaled_relu, (ROWS, W), False),
    "batch_norm": (fastnn.batch_norm, (X, None, None, W, B, True), True),
    "batch_norm, running": (fastnn.batch_norm, (X, MEAN, VAR, W, B), False),
    "batch_norm, running, a view": (fastnn.batch_norm, (X[:, :, ::2], MEAN, VAR, W, B), False),
    "layer_norm": (fastnn.layer_norm, (ROWS, 5, W, B), True),
    "layer_norm, a view": (fastnn.layer_norm, (ROWS[::2], 5, W, B), True),
    "rms_norm": (fastnn.rms_norm, (ROWS, 5, W), True),
    "group_norm": (fastnn.group_norm, (X, 5, W, B), True),
    "instance_norm": (fastnn.instance_norm, (X, None, None, W, B), True),
    "switchable_norm": (fastnn.switchable_norm, (X, None, None, W, B, W[:3], B[:3], True), False),
    "switchable_norm, running": (fastnn.switchable_norm, (X, MEAN, VAR, W, B, W[:3], B[:3]), False),
    "switchable_norm, rows": (fastnn.switchable_norm, (ROWS, None, None, W, B, W[:2], B[:2], True), False),
    "switchable_norm, no samples": (fastnn.switchable_norm, (X[:0], MEAN, VAR, W, B, W[:3], B[:3]), False),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_backward_makes_what_is_wanted(call, dtype):
    function, arguments, on_the_way = CALLS[call]
    arguments = [each.astype(dtype) if isinstance(each, np.ndarray) else each for each in arguments]
    declared = DERIVATIVES[function]
    count = len(declared.names)
    y, backward = declared.run((True,) * count, *arguments)
    dy = np.asarray(RNG.normal(size=y.shape), dtype)
    whole = backward(dy)
    of_input = declared.run((True,) + (False,) * (count - 1), *arguments)[1](dy)
    np.testing.assert_array_equal(of_input[0], whole[0])
    assert on_the_way or all(each is None for each in of_input[1:])
    of_parameters = declared.run((False,) + (True,) * (count - 1), *arguments)[1](dy)
    assert of_parameters[0] is None
    for got, expected in zip(of_parameters[1:], whole[1:], strict=True):
        np.testing.assert_array_equal(got, expected)


def test_a_frozen_layer_gets_no_gradients():
    model = fastnn.nn.Sequential(
        fastnn.nn.Linear(5, 5), fastnn.nn.PReLU(), fastnn.nn.LayerNorm(5), fastnn.nn.BatchNorm1d(5)
    )
    for parameter in list(model.parameters())[2:]:
        parameter.requires_grad = False
    model(ROWS).sum().backward()
    assert [parameter.grad is None for parameter in model.parameters()] == [False] * 2 + [True] * 5


@pytest.mark.parametrize("names", [(), ("weight",), ("bias", "mean_weight"), ("var_weight",), ("input", "var_weight")])
def test_any_choice_of_gradients_of_switchable_norm(names):
    declared = DERIVATIVES[fastnn.switchable_norm]
    arguments = (X, None, None, W, B, W[:3], B[:3], True)
    y, backward = declared.run((True,) * 5, *arguments)
    whole = backward(np.ones(y.shape))
    some = declared.run(tuple(name in names for name in declared.names), *arguments)[1](np.ones(y.shape))
    for name, got, expected in zip(declared.names, some, whole, strict=True):
        assert (got is None) == (name not in names)
        assert got is None or np.array_equal(got, expected)
