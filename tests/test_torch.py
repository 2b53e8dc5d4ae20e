"""Side by side with PyTorch, where it is installed."""

import itertools

import numpy as np
import pytest
from ops import CASE_IDS, CASES

import fastnn
from fastnn import nn, optim

torch = pytest.importorskip("torch")
F = torch.nn.functional

both = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])


def close(ours, theirs, dtype=np.float64, scale=1.0):
    tolerance = (2e-5 if dtype == np.float32 else 1e-11) * scale
    theirs = theirs.detach().numpy() if isinstance(theirs, torch.Tensor) else theirs
    ours = np.asarray(ours)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


def pair(*shape, dtype=np.float64, seed=0, scale=3.0):
    """The same values as a tracked Tensor of each library."""
    values = np.random.default_rng(seed).normal(0, scale, shape).astype(dtype)
    return fastnn.tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)


def same_gradients(ours, theirs, inputs, dtype=np.float64, scale=1.0):
    close(ours, theirs, dtype, scale)
    dy = np.random.default_rng(7).normal(size=np.shape(ours)).astype(dtype)
    ours.backward(dy)
    theirs.backward(torch.tensor(dy))
    for a, b in inputs:
        close(a.grad, b.grad, dtype, scale)


@both
@pytest.mark.parametrize(("op", "case"), CASES, ids=CASE_IDS)
@pytest.mark.parametrize("shape", [(), (7,), (3, 4, 5), (0, 2)], ids=str)
def test_activations(op, case, dtype, shape):
    a, b = pair(*shape, dtype=dtype)
    scale = 1e4 if op.name == "hardsigmoid" and dtype == np.float64 else 1  # PyTorch's 1/6 is a float32 there
    same_gradients(getattr(fastnn, op.name)(a, **case), getattr(F, op.name)(b, **case), [(a, b)], dtype, scale)
    layer, other = op.layer(**case), getattr(torch.nn, op.layer.__name__)(**case)
    close(layer(a.data), other(torch.tensor(a.data)), dtype)
    assert repr(layer).replace("'", "").replace(" ", "") == repr(other).replace("'", "").replace(" ", "")


@both
@pytest.mark.parametrize(
    ("shape", "dim"), [((4,), 0), ((3, 4), 1), ((3, 4), 0), ((2, 3, 4), 1), ((2, 3, 4, 5), -3), ((), 0)], ids=str
)
def test_softmax(dtype, shape, dim):
    for name in ("softmax", "log_softmax"):
        a, b = pair(*shape, dtype=dtype)
        same_gradients(getattr(fastnn, name)(a, dim), getattr(F, name)(b, dim), [(a, b)], dtype)


@both
@pytest.mark.parametrize(
    ("shape", "target"), [((5,), ()), ((4, 5), (4,)), ((4, 5, 3), (4, 3)), ((2, 5, 3, 2), (2, 3, 2))], ids=str
)
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy(dtype, shape, target, weighted):
    t = np.random.default_rng(1).integers(0, 5, target)
    w = np.random.default_rng(2).uniform(0.5, 2, 5).astype(dtype) if weighted else None
    for reduction, smoothing, ignored in itertools.product(("mean", "sum", "none"), (0.0, 0.2), (-100, 1)):
        options = {"reduction": reduction, "label_smoothing": smoothing, "ignore_index": ignored}
        a, b = pair(*shape, dtype=dtype)
        theirs = F.cross_entropy(b, torch.tensor(t), None if w is None else torch.tensor(w), **options)
        ours = fastnn.cross_entropy(a, t, w, **options)
        if np.isnan(theirs.detach().numpy()).any():
            assert np.isnan(np.asarray(ours)).all()
            continue
        same_gradients(ours, theirs, [(a, b)], dtype)


@both
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_mse_loss(dtype, reduction):
    (a, b), (s, t) = pair(4, 5, dtype=dtype), pair(4, 5, dtype=dtype, seed=1)
    same_gradients(
        fastnn.mse_loss(a, s, reduction=reduction), F.mse_loss(b, t, reduction=reduction), [(a, b), (s, t)], dtype, 5
    )


@both
@pytest.mark.parametrize("shape", [(6, 5), (4, 5), (2, 3, 5), (5,), (0, 5)], ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_linear(dtype, shape, bias):
    inputs = [pair(*shape, dtype=dtype), pair(3, 5, dtype=dtype, seed=1)] + (
        [pair(3, dtype=dtype, seed=2)] if bias else []
    )
    ours, theirs = zip(*inputs, strict=True)
    same_gradients(fastnn.linear(*ours), F.linear(*theirs), inputs, dtype, 5)


LAYERS = [
    ("BatchNorm1d", (6, 4)),
    ("BatchNorm1d", (6, 4, 3)),
    ("BatchNorm2d", (3, 4, 5, 2)),
    ("BatchNorm3d", (3, 4, 2, 2, 3)),
]


@both
@pytest.mark.parametrize(("name", "shape"), LAYERS, ids=str)
@pytest.mark.parametrize(
    "options",
    [{}, {"momentum": None}, {"affine": False}, {"track_running_stats": False}, {"eps": 0.1, "momentum": 0.7}],
    ids=str,
)
def test_batch_norm_layers(dtype, name, shape, options):
    ours, theirs = getattr(nn, name)(4, **options).to(dtype), getattr(torch.nn, name)(4, **options)
    theirs = theirs.double() if dtype == np.float64 else theirs
    for step in range(4):
        if step == 3:
            ours.eval(), theirs.eval()
        a, b = pair(*shape, dtype=dtype, seed=step)
        same_gradients(ours(a), theirs(b), [(a, b)], dtype, 10)
        assert list(ours.state_dict()) == list(theirs.state_dict())
        for key, value in theirs.state_dict().items():
            close(ours.state_dict()[key], value, dtype, 10)
    for key, value in theirs.named_parameters():
        close(dict(ours.named_parameters())[key].grad, value.grad, dtype, 50)


RULES = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True}),
    ("Adam", {}),
    ("Adam", {"lr": 0.01, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.01, "amsgrad": True, "maximize": True}),
    ("Adam", {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True}),
]


@both
@pytest.mark.parametrize(("name", "options"), RULES, ids=str)
def test_optimizers(dtype, name, options):
    values = [np.random.default_rng(i).normal(size=s).astype(dtype) for i, s in enumerate([(3, 4), (7,), ()])]
    ours = [nn.Parameter(v.copy()) for v in values]
    theirs = [torch.nn.Parameter(torch.tensor(v)) for v in values]
    a, b = getattr(optim, name)(ours, **options), getattr(torch.optim, name)(theirs, **options)
    for step in range(10):
        for p, q in zip(ours, theirs, strict=True):
            p.grad = np.random.default_rng(step).normal(size=p.shape).astype(dtype)
            q.grad = torch.tensor(p.grad)
        a.step(), b.step()
    for p, q in zip(ours, theirs, strict=True):
        close(p.data, q, dtype)
    keys = [set(state) for state in b.state_dict()["state"].values()]
    assert [set(state) for state in a.state_dict()["state"].values()] == keys


def networks(dtype=np.float32):
    layers = [
        ("Linear", 20, 16),
        ("BatchNorm1d", 16),
        ("ReLU",),
        ("Linear", 16, 16, False),
        ("Tanh",),
        ("Linear", 16, 4),
    ]
    return tuple(
        library.Sequential(*(getattr(library, name)(*args) for name, *args in layers)) for library in (nn, torch.nn)
    )


def test_files_cross_over(tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    ours, theirs = networks()
    x = np.random.default_rng(0).normal(size=(5, 20)).astype(np.float32)
    theirs(torch.tensor(x))
    safetensors.save_file(theirs.state_dict(), tmp_path / "theirs")
    assert ours.load_state_dict(fastnn.load(tmp_path / "theirs")) == ([], [])
    close(ours.eval()(x).numpy(), theirs.eval()(torch.tensor(x)), np.float32)
    ours.train()(x * 2)
    fastnn.save(ours.state_dict(), tmp_path / "ours")
    theirs.load_state_dict(safetensors.load_file(tmp_path / "ours"))
    close(ours.eval()(x).numpy(), theirs.eval()(torch.tensor(x)), np.float32)


def test_a_training_run():
    ours, theirs = networks()
    ours.double(), theirs.double()
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    a, b = optim.Adam(ours.parameters(), 0.01), torch.optim.Adam(theirs.parameters(), 0.01)
    rng = np.random.default_rng(0)
    for _ in range(30):
        x, t = rng.normal(size=(32, 20)), rng.integers(0, 4, 32)
        a.zero_grad(), b.zero_grad()
        loss, other = (
            nn.CrossEntropyLoss()(ours(x), t),
            torch.nn.CrossEntropyLoss()(theirs(torch.tensor(x)), torch.tensor(t)),
        )
        loss.backward(), other.backward()
        a.step(), b.step()
        assert loss.item() == pytest.approx(other.item(), rel=1e-8)


def test_default_initialisation():
    fastnn.manual_seed(0)
    ours, theirs = nn.Linear(400, 300), torch.nn.Linear(400, 300)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        q = q.detach().numpy()
        assert p.data.shape == q.shape
        np.testing.assert_allclose([p.data.std(), abs(p.data).max()], [q.std(), abs(q).max()], rtol=0.1)


def test_dropout_scales_alike():
    x = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    ours, theirs = fastnn.dropout(x, 0.3), F.dropout(torch.tensor(x), 0.3).numpy()
    kept = (ours != 0) & (theirs != 0)
    np.testing.assert_allclose(ours[kept], theirs[kept], rtol=1e-6)


# Deliberate differences: (function, input, what PyTorch gives, what is right).
DIFFERENCES = [
    ("gelu", -np.inf, np.nan, -0.0),
    ("silu", -np.inf, np.nan, -0.0),
    ("mish", -np.inf, np.nan, -0.0),
    ("hardswish", -np.inf, np.nan, -0.0),
    ("hardswish", np.float32(3e38), np.inf, np.float32(3e38)),
]


@pytest.mark.parametrize(("name", "x", "theirs", "ours"), DIFFERENCES, ids=str)
def test_deliberate_differences(name, x, theirs, ours):
    np.testing.assert_array_equal(getattr(F, name)(torch.tensor(x, dtype=torch.float32)).numpy(), np.float32(theirs))
    np.testing.assert_array_equal(getattr(fastnn, name)(np.float32(x)), np.float32(ours))


def test_constant_channel_differs():
    x = np.full((64, 1, 30, 30), 1e6, np.float32) + np.float32(0.3)
    assert not fastnn.batch_norm(x, None, None, training=True).any()
