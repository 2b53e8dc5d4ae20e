"""Side by side with PyTorch, where it is installed."""

import numpy as np
import pytest
from ops import BY_NAME, CASE_IDS, CASES, layer_of
from records import LOSSES, RECORDS, LayerCall
from records.optimizers import IDS, OPTIMIZERS

import fastnn
from fastnn import nn, optim
from fastnn.optim import lr_scheduler

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
    layer, other = layer_of(op)(**case), getattr(torch.nn, layer_of(op).__name__)(**case)
    close(layer(a.data), other(torch.tensor(a.data)), dtype)
    assert repr(layer).replace("'", "").replace(" ", "") == repr(other).replace("'", "").replace(" ", "")


COMPARED = [record for record in RECORDS if record.torch and record.name not in BY_NAME]
# losses whose mean PyTorch takes in float32's order have larger errors of its own
FACTORS = {"linear": 5, "cross_entropy": 5} | {loss.name: 20 for loss in LOSSES}

WITHOUT_DERIVATIVE = {("soft_margin_loss", "target")}  # in PyTorch


def as_torch(value):
    return torch.tensor(value) if isinstance(value, np.ndarray) else value


@both
@pytest.mark.filterwarnings("ignore::UserWarning")  # PyTorch's, of what it will change
@pytest.mark.parametrize("record", COMPARED, ids=lambda record: record.name)
def test_functions(record, dtype):
    """Values and every gradient of every call of every record; draws are each library's own."""
    function = getattr(F, record.torch) if isinstance(record.torch, str) else record.torch
    compared = 0
    for call in record.calls(dtype):
        if record.random(call.arguments):
            continue
        compared += 1
        names = [name for name in call.with_gradient if (record.name, name) not in WITHOUT_DERIVATIVE]
        ours = {name: fastnn.tensor(call.arguments[name], requires_grad=True) for name in names}
        theirs = {name: as_torch(value) for name, value in call.arguments.items() if name != "rng"}
        for name in names:
            theirs[name].requires_grad_()
        others = {name: value for name, value in theirs.items() if name != call.first}
        got, expected = call.replaced(**ours).value(), function(theirs[call.first], **others)
        if np.isnan(expected.detach().numpy()).any():  # the mean of nothing
            assert np.isnan(np.asarray(got)).all()
        elif not names:
            close(got, expected, dtype)
        else:
            same_gradients(
                got, expected, [(ours[name], theirs[name]) for name in names], dtype, FACTORS.get(record.name, 10)
            )
    assert compared


def test_every_function_of_pytorch_is_compared():
    ours = {record.name for record in RECORDS if hasattr(F, record.name) or hasattr(torch, record.name)}
    assert ours == {record.name for record in RECORDS if record.torch}


LAYERS = [layer for record in RECORDS for layer in record.layers if record.torch and layer.inputs]
# layers whose inputs are no draws of normal numbers, or that no function stands behind
LAYERS += [
    LayerCall("Embedding", (7, 3), {"padding_idx": 2}),
    LayerCall("Unflatten", (1, (2, 2)), {}, ((3, 4),)),
    LayerCall("Flatten", (), {}, ((3, 4, 2),)),
    LayerCall("PReLU", (), {}, ((3, 4),)),
    LayerCall("PReLU", (4,), {"init": 0.1}, ((3, 4, 2),)),
]


@both
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_layers(dtype, layer):
    """Outputs, all gradients and the state after each of four steps, the last in evaluation."""
    ours, theirs = (getattr(library, layer.name)(*layer.args, **layer.options) for library in (nn, torch.nn))
    ours = ours.to(dtype)
    theirs = theirs.double() if dtype == np.float64 else theirs
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({key: value.numpy() for key, value in theirs.state_dict().items()})
    assert repr(ours) == repr(theirs)
    for step in range(4):
        if step == 3:
            ours.eval(), theirs.eval()
        if not layer.inputs:
            index = np.random.default_rng(step).integers(0, 7, (4, 5))
            same_gradients(ours(index), theirs(torch.tensor(index)), [], dtype, 10)
        else:
            inputs = [pair(*each, dtype=dtype, seed=step + 10 * i) for i, each in enumerate(layer.inputs)]
            a, b = zip(*inputs, strict=True)
            same_gradients(ours(*a), theirs(*b), inputs, dtype, 20)
        for key, value in theirs.state_dict().items():
            close(ours.state_dict()[key], value, dtype, 10)
            assert ours.state_dict()[key].dtype == value.numpy().dtype
    for key, value in theirs.named_parameters():
        close(dict(ours.named_parameters())[key].grad, value.grad, dtype, 50)


def test_text_of_containers():
    def build(lib):
        return lib.ModuleDict(
            {
                "list": lib.ModuleList([lib.Linear(2, 2) for _ in range(3)] + [lib.ReLU()]),
                "empty": lib.ModuleList(),
                "net": lib.Sequential(lib.Dropout(0.1), lib.Sequential(lib.Tanh(), lib.Flatten())),
                "losses": lib.ModuleList([lib.CrossEntropyLoss(), lib.HuberLoss(), lib.KLDivLoss()]),
            }
        )

    assert repr(build(nn)) == repr(build(torch.nn))


@both
@pytest.mark.parametrize("rule", OPTIMIZERS, ids=IDS)
@pytest.mark.parametrize("maximize", [False, True])
def test_optimizers(dtype, rule, maximize):
    """Parameters and states after ten steps, of which one parameter misses two."""
    values = [np.random.default_rng(i).normal(size=s).astype(dtype) for i, s in enumerate([(3, 4), (7,), ()])]
    ours = [nn.Parameter(v.copy()) for v in values]
    theirs = [torch.nn.Parameter(torch.tensor(v)) for v in values]
    options = {"lr": 0.1} | rule.options | {"maximize": maximize}
    torch.set_default_dtype(torch.float64)  # the numbers that some rules keep, such as NAdam's mu_product
    try:
        a, b = rule.optimizer(ours, **options), getattr(torch.optim, rule.optimizer.__name__)(theirs, **options)
        for step in range(10):
            for i, (p, q) in enumerate(zip(ours, theirs, strict=True)):
                g = np.random.default_rng(10 * step + i).normal(size=p.shape).astype(dtype)
                p.grad, q.grad = (None, None) if i == 1 and step in (4, 7) else (g, torch.tensor(g))
            a.step(), b.step()
    finally:
        torch.set_default_dtype(torch.float32)
    for p, q in zip(ours, theirs, strict=True):
        close(p.data, q, dtype, 5)
    for state, other in zip(a.state_dict()["state"].values(), b.state_dict()["state"].values(), strict=True):
        other = {key: np.asarray(value, np.float64) for key, value in other.items() if value is not None}
        assert set(state) == set(other)
        for key, value in other.items():
            close(np.asarray(state[key], np.float64), value, dtype, 5)
    shared = set(b.param_groups[0]) - {"foreach", "fused", "capturable", "differentiable"}
    assert shared <= set(a.param_groups[0])


SCHEDULES = [
    ("StepLR", {"step_size": 3}),
    ("MultiStepLR", {"milestones": [2, 5, 5]}),
    ("ConstantLR", {"factor": 0.5, "total_iters": 3}),
    ("LinearLR", {"start_factor": 0.2, "end_factor": 0.7, "total_iters": 4}),
    ("ExponentialLR", {"gamma": 0.5}),
    ("PolynomialLR", {"total_iters": 5, "power": 2.0}),
    ("CosineAnnealingLR", {"T_max": 5, "eta_min": 0.1}),
    ("CosineAnnealingWarmRestarts", {"T_0": 2, "T_mult": 2, "eta_min": 0.05}),
    ("CyclicLR", {"base_lr": [0.1, 0.2], "max_lr": [0.5, 0.9], "step_size_up": 3, "mode": "exp_range", "gamma": 0.95}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 2, "step_size_down": 3, "mode": "triangular2"}),
    ("OneCycleLR", {"max_lr": [1.0, 2.0], "epochs": 5, "steps_per_epoch": 5, "anneal_strategy": "linear"}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 21, "three_phase": True, "pct_start": 0.4}),
    ("LambdaLR", {"lr_lambda": lambda epoch: 0.95**epoch}),
    ("MultiplicativeLR", {"lr_lambda": lambda epoch: 0.9}),
]


def two_groups(library, parameter, tensor, name="SGD"):
    options = {"momentum": 0.9} if name == "SGD" else {}
    groups = [{"params": [parameter(tensor([1.0]))], "lr": 1.0}, {"params": [parameter(tensor([1.0]))], "lr": 0.3}]
    return getattr(library, name)(groups, **options)


def both_optimizers(name="SGD"):
    ours = two_groups(optim, nn.Parameter, np.array, name)
    return ours, two_groups(torch.optim, torch.nn.Parameter, torch.tensor, name)


def options_of(optimizer):
    return [(g["lr"], g["betas"][0] if "betas" in g else g["momentum"]) for g in optimizer.param_groups]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "options"), SCHEDULES, ids=lambda v: v if isinstance(v, str) else None)
@pytest.mark.parametrize("rule", ["SGD", "Adam"])
def test_schedules(name, options, rule):
    a, b = both_optimizers(rule)
    ours, theirs = getattr(lr_scheduler, name)(a, **options), getattr(torch.optim.lr_scheduler, name)(b, **options)
    for _ in range(20):
        np.testing.assert_allclose(options_of(a), options_of(b), rtol=1e-12, atol=1e-15)
        ours.step(), theirs.step()


@pytest.mark.filterwarnings("ignore")
def test_schedules_made_of_others():
    def sequence(lib, optimizer):
        parts = [
            lib.LinearLR(optimizer, 0.1, total_iters=3),
            lib.CosineAnnealingLR(optimizer, 5),
            lib.ExponentialLR(optimizer, 0.8),
            lib.StepLR(optimizer, 2),
            lib.MultiplicativeLR(optimizer, lambda epoch: 0.9),
            lib.CosineAnnealingWarmRestarts(optimizer, 2),
            lib.PolynomialLR(optimizer, 4),
        ]
        return lib.SequentialLR(optimizer, parts, milestones=[3, 7, 10, 14, 18, 24])

    def chain(lib, optimizer):
        return lib.ChainedScheduler([lib.ConstantLR(optimizer, 0.1, 2), lib.ExponentialLR(optimizer, 0.9)])

    for build in (sequence, chain):
        a, b = both_optimizers()
        ours, theirs = build(lr_scheduler, a), build(torch.optim.lr_scheduler, b)
        for _ in range(30):
            np.testing.assert_allclose(options_of(a), options_of(b), rtol=1e-12)
            ours.step(), theirs.step()


@pytest.mark.parametrize(
    "options",
    [{}, {"mode": "max", "patience": 2}, {"threshold_mode": "abs", "threshold": 0.1, "patience": 1, "cooldown": 2}, {"patience": 0, "min_lr": [0.01, 0.05]}],
    ids=str,
)  # fmt: skip
def test_plateau(options):
    a, b = both_optimizers()
    ours, theirs = (
        lr_scheduler.ReduceLROnPlateau(a, **options),
        torch.optim.lr_scheduler.ReduceLROnPlateau(b, **options),
    )
    for measurement in np.random.default_rng(0).normal(size=60):
        ours.step(measurement), theirs.step(measurement)
        np.testing.assert_allclose(options_of(a), options_of(b), rtol=1e-12)


@pytest.mark.parametrize("norm", [2.0, 1.0, 0.0, np.inf])
@pytest.mark.parametrize("limit", [0.5, 100.0])
def test_clipping(norm, limit):
    grads = [np.random.default_rng(i).normal(size=s) for i, s in enumerate([(3, 4), (5,), ()])]
    ours = [nn.Parameter(np.zeros_like(g)) for g in grads]
    theirs = [torch.nn.Parameter(torch.zeros(g.shape, dtype=torch.float64)) for g in grads]
    for p, q, g in zip(ours, theirs, grads, strict=True):
        p.grad, q.grad = g, torch.tensor(g)
    total = nn.utils.clip_grad_norm_(ours, limit, norm)
    assert total == pytest.approx(float(torch.nn.utils.clip_grad_norm_(theirs, limit, norm)))
    for p, q in zip(ours, theirs, strict=True):
        close(p.grad, q.grad)
    nn.utils.clip_grad_value_(ours, 0.1), torch.nn.utils.clip_grad_value_(theirs, 0.1)
    for p, q in zip(ours, theirs, strict=True):
        close(p.grad, q.grad)


def networks():
    layers = [
        ("Linear", 20, 16),
        ("BatchNorm1d", 16),
        ("PReLU", 16),
        ("Unflatten", 1, (4, 4)),
        ("InstanceNorm1d", 4, 1e-5, 0.1, True, True),
        ("GroupNorm", 2, 4),
        ("Flatten",),
        ("Linear", 16, 16, False),
        ("LayerNorm", 16),
        ("Tanh",),
        ("RMSNorm", 16),
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
