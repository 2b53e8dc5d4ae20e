"""Optimizers and schedules beside PyTorch's: states that cross over, errors that its suite expects, rates of fifty steps."""

import warnings

import numpy as np
import pytest

from fastnn import nn, optim

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest")  # PyTorch's samples need it
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.testing._internal.common_optimizers import optim_db

pytestmark = pytest.mark.filterwarnings("ignore")
FLAGS = {"foreach", "fused", "capturable", "differentiable"}  # options that are not ours
OPTIMIZERS = [info for info in optim_db if hasattr(optim, info.optim_cls.__name__)]
each_optimizer = pytest.mark.parametrize("info", OPTIMIZERS, ids=lambda info: info.optim_cls.__name__)


def plain(value):
    """An option or a state with tensors as numbers or arrays."""
    if isinstance(value, torch.Tensor):
        return value.item() if value.ndim == 0 else value.numpy().copy()
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return type(value)(map(plain, value)) if isinstance(value, (list, tuple)) else value


def tensors(value, like):
    """Our state as PyTorch's: arrays as tensors, the count of steps as one too where PyTorch has one."""
    if isinstance(like, torch.Tensor):
        return torch.tensor(value, dtype=like.dtype)
    if isinstance(like, dict):
        return {key: tensors(each, like.get(key)) for key, each in value.items()}
    return [tensors(*both) for both in zip(value, like, strict=True)] if isinstance(like, list) else value


def steps(a, b, mine, theirs, number=5):
    """Both optimizers on the same gradients; afterwards the parameters agree."""
    for _ in range(number):
        for p, q in zip(mine, theirs, strict=True):
            q.grad = torch.randn_like(q)
            p.grad = q.grad.numpy().copy()
        a.step()
        b.step()
    for p, q in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-9, atol=1e-9)


@each_optimizer
def test_states_cross_over(info):
    """Five steps of PyTorch's, five of both from its state, five of a new one of PyTorch's from ours."""
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    try:
        for sample in info.optim_inputs_func(device="cpu"):
            options = {key: value for key, value in sample.kwargs.items() if key not in FLAGS}
            theirs = [torch.nn.Parameter(torch.randn(shape)) for shape in ((3, 4), (7,), (), (0, 2))]
            b = info.optim_cls(theirs, **options)
            shadow = [nn.Parameter(q.detach().numpy().copy()) for q in theirs]
            steps(optim_of(info)(shadow, **plain(options)), b, shadow, theirs)
            mine = [nn.Parameter(q.detach().numpy().copy()) for q in theirs]
            a = optim_of(info)(mine, **plain(options))
            a.load_state_dict(plain(b.state_dict()))
            steps(a, b, mine, theirs)
            again = info.optim_cls(theirs, **options)
            again.load_state_dict(tensors(a.state_dict(), b.state_dict()))
            steps(a, again, mine, theirs)
    finally:
        torch.set_default_dtype(torch.float32)


def optim_of(info):
    return getattr(optim, info.optim_cls.__name__)


@each_optimizer
def test_errors(info):
    """What PyTorch's suite expects to raise, but for names of parameters and options that are tensors."""
    model = nn.Linear(2, 1)
    refused = 0
    for wrong in info.optim_error_inputs_func("cpu", torch.float32):
        given = wrong.optimizer_error_input
        if FLAGS & given.kwargs.keys() or "without names" in given.desc or "both Tensors" in given.desc:
            continue  # there are neither here
        known = {}

        def ours(value, known=known):
            if isinstance(value, torch.Tensor):
                return known.setdefault(id(value), nn.Parameter(value.detach().numpy().copy()))
            if isinstance(value, dict):
                return {key: ours(each) for key, each in value.items()}
            return type(value)(map(ours, value)) if isinstance(value, (list, tuple)) else value

        params = model.parameters() if given.params is None else ours(given.params)
        with pytest.raises((ValueError, TypeError), match="^" + info.optim_cls.__name__):
            optim_of(info)(params, **plain(given.kwargs))
        refused += 1
    assert refused > 2
    for flag in FLAGS:  # refused by Python, by name
        with pytest.raises(TypeError, match=f"unexpected keyword argument '{flag}'"):
            optim_of(info)(model.parameters(), **{flag: True})


def falling(epoch):
    return 0.95**epoch


CYCLE = {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 4}
ONE = {"max_lr": 0.1, "total_steps": 51}
SCHEDULES = [
    ("LambdaLR", {"lr_lambda": falling}),
    ("LambdaLR", {"lr_lambda": [falling, lambda epoch: 1 / (1 + epoch)]}),
    ("MultiplicativeLR", {"lr_lambda": lambda epoch: 0.9}),
    ("StepLR", {"step_size": 7, "gamma": 0.5}),
    ("MultiStepLR", {"milestones": [3, 3, 10, 40], "gamma": 0.3}),
    ("MultiStepLR", {"milestones": [10, 5]}),
    ("ConstantLR", {"factor": 0.2, "total_iters": 4}),
    ("LinearLR", {}),
    ("LinearLR", {"start_factor": 0.1, "end_factor": 0.7, "total_iters": 13}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("PolynomialLR", {"total_iters": 30, "power": 0.5}),
    ("CosineAnnealingLR", {"T_max": 17, "eta_min": 0.01}),
    ("CosineAnnealingLR", {"T_max": 1}),
    ("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2, "eta_min": 0.01}),
    ("CyclicLR", CYCLE | {"mode": "triangular2", "step_size_down": 3, "base_lr": [0.01, 0.02], "max_lr": [0.1, 0.3]}),
    ("CyclicLR", CYCLE | {"mode": "exp_range", "gamma": 0.9, "cycle_momentum": False}),
    ("CyclicLR", CYCLE | {"scale_fn": lambda x: 0.5**x, "scale_mode": "iterations"}),
    ("OneCycleLR", ONE),
    ("OneCycleLR", {"max_lr": [0.1, 0.2], "epochs": 5, "steps_per_epoch": 11}),
    ("OneCycleLR", ONE | {"three_phase": True, "anneal_strategy": "linear", "cycle_momentum": False}),
]


def two(rule, **options):
    """Our optimizer and PyTorch's, of two groups."""
    theirs = [{"params": [torch.nn.Parameter(torch.zeros(2))], "lr": lr} for lr in (0.5, 0.05)]
    mine = [{"params": [nn.Parameter(np.zeros(2))], "lr": lr} for lr in (0.5, 0.05)]
    return getattr(optim, rule)(mine, lr=0.1, **options), getattr(torch.optim, rule)(theirs, lr=0.1, **options)


def assert_same_rates(a, b, ours, theirs):
    np.testing.assert_allclose(ours.get_last_lr(), theirs.get_last_lr(), rtol=1e-12, atol=1e-15)
    for key in ("lr", "momentum", "betas"):
        if key in b.param_groups[0]:
            expected = [group[key] for group in b.param_groups]
            np.testing.assert_allclose([group[key] for group in a.param_groups], expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("rule", ["SGD", "Adam"])
@pytest.mark.parametrize(("name", "options"), SCHEDULES)
def test_fifty_rates(name, options, rule):
    a, b = two(rule, **({"momentum": 0.9} if rule == "SGD" else {}))
    ours, theirs = (
        getattr(optim.lr_scheduler, name)(a, **options),
        getattr(torch.optim.lr_scheduler, name)(b, **options),
    )
    for _ in range(50):
        assert_same_rates(a, b, ours, theirs)
        assert ours.last_epoch == theirs.last_epoch
        for each in (a, b, ours, theirs):
            each.step()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"mode": "max", "factor": 0.5, "patience": 2, "cooldown": 1, "min_lr": 0.01},
        {"threshold_mode": "abs", "threshold": 0.1, "patience": 1},
        {"min_lr": [0.1, 0.02], "patience": 0, "eps": 0.01},
    ],
)
def test_fifty_measurements(options):
    a, b = two("SGD")
    ours = optim.lr_scheduler.ReduceLROnPlateau(a, **options)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(b, **options)
    for measured in np.abs(np.random.default_rng(0).normal(size=50)):
        ours.step(measured)
        theirs.step(measured)
        assert_same_rates(a, b, ours, theirs)
        assert ours.num_bad_epochs == theirs.num_bad_epochs


@pytest.mark.parametrize(
    "made",
    [
        lambda of, o: of.ChainedScheduler([of.ConstantLR(o, 0.1, 3), of.ExponentialLR(o, 0.9)]),
        lambda of, o: of.SequentialLR(
            o, [of.ConstantLR(o, 0.1, 3), of.StepLR(o, 2), of.CosineAnnealingLR(o, 5)], [4, 20]
        ),
    ],
)
def test_fifty_rates_of_several(made):
    a, b = two("SGD")
    ours, theirs = made(optim.lr_scheduler, a), made(torch.optim.lr_scheduler, b)
    for _ in range(50):
        assert_same_rates(a, b, ours, theirs)
        for each in (a, b, ours, theirs):
            each.step()


WRONG = [
    ("StepLR", {"step_size": -1}),
    ("StepLR", {"step_size": 2.5}),
    ("StepLR", {"step_size": 3, "gamma": np.nan}),
    ("MultiStepLR", {"milestones": ["a"]}),
    ("CosineAnnealingLR", {"T_max": -2}),
    ("ReduceLROnPlateau", {"patience": -1}),
    ("PolynomialLR", {"total_iters": -3}),
    ("PolynomialLR", {"power": np.nan}),
]


@pytest.mark.parametrize(("name", "options"), WRONG)
def test_schedules_that_never_could(name, options):
    """Refused here at once, taken by PyTorch."""
    a, b = two("SGD")
    with pytest.raises((ValueError, TypeError), match=f"^{name}: expected"):
        getattr(optim.lr_scheduler, name)(a, **options)
    getattr(torch.optim.lr_scheduler, name)(b, **options)


def test_an_epoch_given_to_step():
    """PyTorch's deprecated argument; only warm restarts are computed from any epoch."""
    a, _ = two("SGD")
    with pytest.raises(TypeError, match="step"):
        optim.lr_scheduler.StepLR(a, 3).step(5)
    a, b = two("SGD")
    ours = optim.lr_scheduler.CosineAnnealingWarmRestarts(a, 3, 2)
    theirs = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(b, 3, 2)
    for epoch in (3, 7.5, 2, 0, 20):
        ours.step(epoch)
        theirs.step(epoch)
        assert_same_rates(a, b, ours, theirs)
