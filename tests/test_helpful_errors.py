"""Errors that help: what goes by another name, is swapped or of the wrong kind is named, with what to do."""

import numpy as np
import pytest

import fastnn
from fastnn import functional, nn

X = np.ones((2, 4))


def every_kind(x):
    """The same values plain, as a Tensor, and as one that is recorded."""
    return x, fastnn.tensor(x), fastnn.tensor(x, requires_grad=True)


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin", "glu", "normalize"])
def test_axis_is_called_dim(name):
    text = "got an unexpected argument 'axis'; did you mean dim="
    for x in every_kind(X):
        with pytest.raises(TypeError, match=f"{name}: {text}"):
            getattr(fastnn, name)(x, axis=1)
    with pytest.raises(TypeError, match=f"{name}_backward: {text}"):
        getattr(functional, name + "_backward")(X, X, axis=1)


@pytest.mark.parametrize("layer", [nn.Softmax, nn.LogSoftmax, nn.Softmin, nn.GLU, nn.Unflatten])
def test_layers_have_dims_too(layer):
    with pytest.raises(TypeError, match=f"{layer.__name__}: got an unexpected argument 'axis'; did you mean dim="):
        layer(axis=1)


@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "argmax"])
def test_dim_is_called_axis_where_numpy_is_followed(name):
    for t in every_kind(X)[1:]:
        with pytest.raises(TypeError, match=f"Tensor.{name}: got an unexpected argument 'dim'; did you mean axis="):
            getattr(t, name)(dim=1)
        if name != "argmax":
            with pytest.raises(TypeError, match=f"Tensor.{name}: .* 'keepdim'; did you mean keepdims="):
                getattr(t, name)(axis=1, keepdim=True)


@pytest.mark.parametrize("old", ["size_average", "reduce"])
def test_what_reduction_has_replaced(old):
    for x in every_kind(X):
        with pytest.raises(TypeError, match=f"mse_loss: got an unexpected argument '{old}'; did you mean reduction="):
            fastnn.mse_loss(x, X, **{old: False})
    with pytest.raises(TypeError, match=f"CrossEntropyLoss: .*'{old}'; did you mean reduction="):
        nn.CrossEntropyLoss(**{old: False})


def test_other_unknown_arguments_get_no_hint():
    for x in every_kind(X):
        with pytest.raises(TypeError, match=r"softmax.*unexpected.*'banana'$"):
            fastnn.softmax(x, banana=1)
    with pytest.raises(TypeError, match="expected out to be an array, got str"):  # an error of the call itself
        fastnn.softmax(X, dim=1, out="here")
