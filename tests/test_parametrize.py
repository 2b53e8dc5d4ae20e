"""Parametrized tensors, weight and spectral normalization: PyTorch's values, gradients, keys and refusals."""

import copy
import pickle

import numpy as np
import pytest
from test_pool import checksum, sines

import fastnn
from fastnn import nn, optim
from fastnn.nn.utils import parametrizations, parametrize

NEW = ("weight_norm", "spectral_norm")


def layers():
    return {
        "Linear": ((5, 4), (3, 5)),
        "Conv1d": ((2, 3, 3), (2, 2, 7)),
        "Conv2d": ((2, 4, 3), (2, 2, 5, 6)),
        "ConvTranspose2d": ((2, 4, 3), (2, 2, 5, 6)),
    }


def pair(layer, wrap, old=False, **options):
    """A layer of ours and PyTorch's with one state, both normalized."""
    torch = pytest.importorskip("torch")
    arguments, shape = layers()[layer]
    ours, theirs = getattr(nn, layer)(*arguments), getattr(torch.nn, layer)(*arguments)
    where, there = (nn.utils, torch.nn.utils) if old else (parametrizations, torch.nn.utils.parametrizations)
    with pytest.warns(FutureWarning) if old and wrap == "weight_norm" else pytest.MonkeyPatch.context():
        theirs = getattr(there, wrap)(theirs, **options)
    ours = getattr(where, wrap)(ours, **options)
    state = {key: value.numpy() for key, value in theirs.state_dict().items()}
    assert list(ours.state_dict()) == list(state)
    ours.load_state_dict(state)
    return ours, theirs, np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("layer", layers())
@pytest.mark.parametrize("old", [False, True], ids=["new", "old"])
@pytest.mark.parametrize(
    ("wrap", "options"),
    [
        ("weight_norm", {}),
        ("weight_norm", {"dim": None}),
        ("weight_norm", {"dim": 1}),
        ("spectral_norm", {}),
        ("spectral_norm", {"n_power_iterations": 3, "dim": 1}),
    ],
)
def test_values_gradients_and_states_are_pytorchs(layer, wrap, options, old):
    torch = pytest.importorskip("torch")

    ours, theirs, x = pair(layer, wrap, old, **options)
    for step in range(3):
        ours.train(step < 2), theirs.train(step < 2)
        y, expected = ours(x), theirs(torch.tensor(x))
        np.testing.assert_allclose(y.numpy(), expected.detach().numpy(), rtol=2e-5, atol=2e-5)
        dy = np.random.default_rng(step).normal(size=y.shape).astype(np.float32)
        y.backward(dy), expected.backward(torch.tensor(dy))
    for (name, p), (same, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        assert name == same
        np.testing.assert_allclose(p.grad, q.grad.numpy(), rtol=2e-4, atol=2e-4, err_msg=name)
    for key, value in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[key], value.numpy(), rtol=1e-5, atol=1e-5, err_msg=key)


def test_golden_values():
    layer = nn.Linear(3, 4, bias=False, dtype=np.float64)
    layer.weight.data = sines((4, 3))
    parametrizations.weight_norm(layer)
    layer.parametrizations.weight.original0.data[...] = sines((4, 1), 0.7, 1)
    w = layer.weight
    w.backward(sines((4, 3), 0.3, 0.5))
    assert abs(checksum(w.numpy()) - 0.464826227453) < 1e-9
    assert abs(checksum(layer.parametrizations.weight.original1.grad) - 0.320079114199) < 1e-9
    assert abs(checksum(layer.parametrizations.weight.original0.grad) - 0.524809977522) < 1e-9


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e30])
def test_weight_norm_of_zero_tiny_and_huge_rows(scale):
    layer = nn.Linear(4, 2)
    layer.weight.data[0] = scale
    parametrizations.weight_norm(layer)
    expected = layer.parametrizations.weight.original1.data
    np.testing.assert_allclose(layer.weight.numpy(), expected, rtol=1e-6)
    layer(np.ones((3, 4), np.float32)).sum().backward()
    for parameter in layer.parameters():
        assert np.isfinite(parameter.grad).all()


def test_spectral_norm_of_a_vector_is_its_norm():
    module = nn.Module()
    module.weight = nn.Parameter(np.array([3.0, 4.0]))
    parametrizations.spectral_norm(module)
    np.testing.assert_allclose(module.weight.numpy(), [0.6, 0.8])


def test_the_largest_singular_value_becomes_one():
    layer = parametrizations.spectral_norm(nn.Linear(30, 20), n_power_iterations=100)
    assert abs(np.linalg.norm(layer.weight.numpy(), 2) - 1) < 1e-3
    before = layer.eval().weight.numpy()
    np.testing.assert_array_equal(layer.weight.numpy(), before)


@pytest.mark.parametrize("old", [False, True], ids=["new", "old"])
@pytest.mark.parametrize("wrap", NEW)
def test_removing_keeps_the_weight(wrap, old):
    layer = getattr(nn.utils if old else parametrizations, wrap)(nn.Linear(5, 3)).eval()
    x = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
    y = layer(x).numpy()
    removed = (
        getattr(nn.utils, f"remove_{wrap}")(layer) if old else parametrize.remove_parametrizations(layer, "weight")
    )
    assert removed is layer
    assert type(layer) is nn.Linear
    assert sorted(layer.state_dict()) == ["bias", "weight"]
    assert isinstance(layer.weight, nn.Parameter)
    np.testing.assert_allclose(layer(x).numpy(), y, rtol=1e-6)
    with pytest.raises(ValueError, match="expected a"):
        getattr(nn.utils, f"remove_{wrap}")(layer)


def test_files_with_the_older_keys_are_read():
    old = nn.Sequential(nn.utils.weight_norm(nn.Linear(5, 3)), nn.ReLU())
    new = nn.Sequential(parametrizations.weight_norm(nn.Linear(5, 3)), nn.ReLU())
    assert list(old.state_dict()) == ["0.bias", "0.weight_g", "0.weight_v"]
    new.load_state_dict(old.state_dict())
    x = np.ones((2, 5), np.float32)
    np.testing.assert_array_equal(new(x).numpy(), old(x).numpy())


class Symmetric(nn.Module):
    def forward(self, x):
        return (x + x.T) / 2


class Double(nn.Module):
    def forward(self, x):
        return 2 * x

    def right_inverse(self, x):
        return x / 2


class Sum(nn.Module):
    def forward(self, a, b):
        return a + b

    def right_inverse(self, x):
        return x / 2, x / 2


def test_several_parametrizations_and_assignment():
    layer = nn.Linear(3, 3)
    weight, original = layer.weight.numpy().copy(), layer.weight
    parametrize.register_parametrization(layer, "weight", Double())
    assert layer.parametrizations.weight.original is original  # as the optimizer has it
    np.testing.assert_allclose(layer.weight.numpy(), weight)
    parametrize.register_parametrization(layer, "weight", Symmetric())
    np.testing.assert_allclose(layer.weight.numpy(), (weight + weight.T) / 2, rtol=1e-6)
    with pytest.raises(RuntimeError, match="Symmetric: right_inverse is not defined"):
        layer.weight = np.ones((3, 3), np.float32)
    parametrize.register_parametrization(layer, "bias", Sum())
    layer.bias = np.array([1.0, 2.0, 3.0], np.float32)
    np.testing.assert_array_equal(layer.bias.numpy(), [1, 2, 3])
    np.testing.assert_array_equal(layer.parametrizations.bias.original0.numpy(), [0.5, 1, 1.5])
    assert parametrize.is_parametrized(layer)
    assert parametrize.is_parametrized(layer, "bias")
    with pytest.raises(ValueError, match="expected one original of 'bias', which has 2"):
        parametrize.remove_parametrizations(layer, "bias", leave_parametrized=False)
    parametrize.remove_parametrizations(layer, "bias")
    parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    assert layer.weight is original
    assert not parametrize.is_parametrized(layer)


def test_a_copy_and_a_pickle_stand_alone():
    layer = parametrizations.weight_norm(nn.Linear(5, 3))
    x = np.ones((2, 5), np.float32)
    expected = layer(x).numpy()
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        np.testing.assert_array_equal(other(x).numpy(), expected)
        parametrize.remove_parametrizations(other, "weight")
        assert type(other) is nn.Linear
    np.testing.assert_array_equal(layer(x).numpy(), expected)


def test_training_freezing_and_casting():
    net = nn.Sequential(
        parametrizations.spectral_norm(nn.Conv2d(2, 4, 3)),
        nn.ReLU(),
        nn.Flatten(),
        parametrizations.weight_norm(nn.Linear(16, 1)),
    )
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(8, 2, 4, 4)).astype(np.float32), rng.normal(size=(8, 1)).astype(np.float32)
    optimizer, losses = optim.Adam(net.parameters(), lr=0.02), []
    for _ in range(30):
        optimizer.zero_grad()
        loss = nn.MSELoss()(net(x), t)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
    net.eval()
    np.testing.assert_allclose(fastnn.freeze(net)(x), net(x).numpy(), rtol=1e-5, atol=1e-6)
    with fastnn.no_grad():
        assert isinstance(net(x), np.ndarray)
    assert net.double()[0].weight.dtype == np.float64


def test_cached_tensors_are_computed_once():
    layer = parametrizations.weight_norm(nn.Linear(5, 3))
    assert layer.weight is not layer.weight
    with parametrize.cached():
        with parametrize.cached():
            first = layer.weight
        assert layer.weight is first
    assert layer.weight is not first


def test_refusals():
    with pytest.raises(ValueError, match="weight_norm: expected a parameter of Linear, got 'kernel'"):
        parametrizations.weight_norm(nn.Linear(2, 2), "kernel")
    with pytest.raises(ValueError, match="spectral_norm: expected n_power_iterations of at least 1, got 0"):
        parametrizations.spectral_norm(nn.Linear(2, 2), n_power_iterations=0)
    with pytest.raises(IndexError, match=r"spectral_norm: expected dim in \[-2, 1\], got 2"):
        parametrizations.spectral_norm(nn.Linear(2, 2), dim=2)
    with pytest.raises(TypeError, match="expected a Module as parametrization, got function"):
        parametrize.register_parametrization(nn.Linear(2, 2), "weight", lambda x: x)
    layer = nn.Linear(2, 2)
    with pytest.raises(ValueError, match=r"expected a parametrization's result of shape \(2, 2\).* got \(4,\)"):
        parametrize.register_parametrization(layer, "weight", nn.Flatten(0))
    assert list(layer.state_dict()) == ["weight", "bias"]
    with pytest.raises(ValueError, match="expected a parametrized tensor of Linear, got 'weight'"):
        parametrize.remove_parametrizations(layer, "weight")
    nn.utils.weight_norm(layer)
    with pytest.raises(RuntimeError, match="'weight' of Linear is normalized already"):
        nn.utils.weight_norm(layer)
