"""Side by side with PyTorch, where it is installed."""

import itertools

import numpy as np
import pytest
from ops import CASE_IDS, CASES, layer_of
from rules import IDS, RULES

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


PROBABILITIES = {"binary_cross_entropy": "xt", "binary_cross_entropy_with_logits": "t", "kl_div": "t"}
LOSSES = [
    ("l1_loss", {}),
    ("l1_loss", {"weight": True}),
    ("mse_loss", {}),
    ("mse_loss", {"weight": True}),
    ("smooth_l1_loss", {"beta": 0.5}),
    ("smooth_l1_loss", {"beta": 0.0}),
    ("huber_loss", {"delta": 2.0}),
    ("huber_loss", {"weight": True}),
    ("binary_cross_entropy", {}),
    ("binary_cross_entropy", {"weight": True}),
    ("binary_cross_entropy_with_logits", {}),
    ("binary_cross_entropy_with_logits", {"weight": True, "pos_weight": True}),
    ("kl_div", {}),
    ("kl_div", {"log_target": True}),
]


@both
@pytest.mark.filterwarnings("ignore:reduction")
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("name", "options"), LOSSES, ids=str)
def test_losses_of_two(dtype, reduction, name, options):
    (a, b), (s, t) = pair(4, 5, dtype=dtype), pair(4, 5, dtype=dtype, seed=1)
    for each, (ours, theirs) in (("x", (a, b)), ("t", (s, t))):
        if each in PROBABILITIES.get(name, ""):
            ours.data = (1 / (1 + np.exp(-ours.data))).astype(dtype)
            theirs.data = torch.tensor(ours.data)
    w = np.random.default_rng(2).uniform(0.5, 2, (4, 5)).astype(dtype)
    ours = options | {key: w for key, value in options.items() if value is True and "weight" in key}
    theirs = {key: torch.tensor(value) if isinstance(value, np.ndarray) else value for key, value in ours.items()}
    loss, other = (
        getattr(fastnn, name)(a, s, reduction=reduction, **ours),
        getattr(F, name)(b, t, reduction=reduction, **theirs),
    )
    same_gradients(loss, other, [(a, b), (s, t)], dtype, 20)


@both
@pytest.mark.parametrize("shape", [(5,), (4, 5), (4, 5, 3)], ids=str)
def test_cross_entropy_with_probabilities(dtype, shape):
    w = np.random.default_rng(2).uniform(0.5, 2, 5).astype(dtype)
    dim = 1 if len(shape) > 1 else 0
    for reduction, smoothing, weight in itertools.product(("mean", "sum", "none"), (0.0, 0.2), (None, w)):
        (a, b), (s, t) = pair(*shape, dtype=dtype), pair(*shape, dtype=dtype, seed=1)
        s.data = fastnn.softmax(s.data, dim)
        t.data = torch.tensor(s.data)
        options = {"reduction": reduction, "label_smoothing": smoothing}
        theirs = F.cross_entropy(b, t, None if weight is None else torch.tensor(weight), **options)
        same_gradients(fastnn.cross_entropy(a, s, weight, **options), theirs, [(a, b), (s, t)], dtype, 5)


@both
@pytest.mark.parametrize(
    ("name", "shape", "args"),
    [
        ("layer_norm", (4, 6), ((6,),)),
        ("layer_norm", (2, 3, 4), ((3, 4),)),
        ("rms_norm", (4, 6), ((6,),)),
        ("group_norm", (3, 6, 4), (3,)),
        ("group_norm", (3, 6), (2,)),
        ("instance_norm", (3, 6, 4), ()),
        ("instance_norm", (2, 3, 4, 5), ()),
        ("normalize", (3, 4, 5), (2.0, 1)),
        ("normalize", (3, 4, 5), (1.0, 0)),
        ("normalize", (3, 4, 5), (3.0, 2)),
        ("normalize", (3, 4, 5), (np.inf, 1)),
        ("glu", (3, 4, 6), (1,)),
        ("softmin", (3, 4), (1,)),
    ],
    ids=str,
)
def test_other_functions(dtype, name, shape, args):
    a, b = pair(*shape, dtype=dtype)
    same_gradients(getattr(fastnn, name)(a, *args), getattr(F, name)(b, *args), [(a, b)], dtype, 10)


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
    ("BatchNorm1d", (4,), {}, (6, 4)),
    ("BatchNorm1d", (4,), {"momentum": None, "bias": False}, (6, 4, 3)),
    ("BatchNorm2d", (4,), {"affine": False}, (3, 4, 5, 2)),
    ("BatchNorm3d", (4,), {"track_running_stats": False}, (3, 4, 2, 2, 3)),
    ("BatchNorm3d", (4,), {"eps": 0.1, "momentum": 0.7}, (3, 4, 2, 2, 3)),
    ("InstanceNorm1d", (4,), {"affine": True, "track_running_stats": True}, (3, 4, 5)),
    ("InstanceNorm2d", (4,), {}, (4, 5, 3)),
    ("InstanceNorm3d", (4,), {"affine": True, "momentum": 0.3}, (2, 4, 3, 2, 2)),
    ("LayerNorm", ((4, 5),), {"eps": 1e-3}, (3, 4, 5)),
    ("LayerNorm", (5,), {"bias": False}, (3, 5)),
    ("GroupNorm", (2, 4), {}, (3, 4, 5)),
    ("RMSNorm", (5,), {}, (3, 5)),
    ("PReLU", (), {}, (3, 4)),
    ("PReLU", (4,), {"init": 0.1}, (3, 4, 2)),
    ("Linear", (5, 3), {}, (2, 4, 5)),
    ("Embedding", (7, 3), {"padding_idx": 2}, None),
    ("Bilinear", (5, 4, 3), {}, ((6, 5), (6, 4))),
    ("Unflatten", (1, (2, 2)), {}, (3, 4)),
    ("Softmax2d", (), {}, (2, 3, 4, 4)),
    ("GLU", (1,), {}, (3, 4)),
]


@both
@pytest.mark.parametrize(("name", "args", "options", "shape"), LAYERS, ids=lambda v: v if isinstance(v, str) else None)
def test_layers(dtype, name, args, options, shape):
    """Outputs, all gradients and the state after each of four steps, the last in evaluation."""
    ours, theirs = getattr(nn, name)(*args, **options).to(dtype), getattr(torch.nn, name)(*args, **options)
    theirs = theirs.double() if dtype == np.float64 else theirs
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({key: value.numpy() for key, value in theirs.state_dict().items()})
    assert repr(ours) == repr(theirs)
    for step in range(4):
        if step == 3:
            ours.eval(), theirs.eval()
        if shape is None:
            index = np.random.default_rng(step).integers(0, 7, (4, 5))
            same_gradients(ours(index), theirs(torch.tensor(index)), [], dtype, 10)
        else:
            shapes = shape if isinstance(shape[0], tuple) else (shape,)
            inputs = [pair(*each, dtype=dtype, seed=step + 10 * i) for i, each in enumerate(shapes)]
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
@pytest.mark.parametrize("rule", RULES, ids=IDS)
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
