"""Optimizers: golden values, groups, layouts, state, the proximal step, refusals."""

import copy
import pickle
from fractions import Fraction

import numpy as np
import pytest
from records.optimizers import GRADIENTS, IDS, OPTIMIZERS

import fastnn
from fastnn import nn, optim

every = pytest.mark.parametrize("rule", OPTIMIZERS, ids=IDS)


@pytest.mark.parametrize("rule", [rule for rule in OPTIMIZERS if rule.golden], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
def test_golden_values(rule, dtype):
    for shape in ((1,), (3, 5000)):
        p = nn.Parameter(np.ones(shape, dtype))
        optimizer = rule.make([p])
        for gradient, value in zip(GRADIENTS, rule.golden, strict=True):
            p.grad = np.full(shape, gradient, dtype)
            optimizer.step()
            tolerance = 1e-6 if dtype == np.float32 else 2e-9
            np.testing.assert_allclose(p.data, value, rtol=tolerance, atol=tolerance if value < 1e-3 else 0)


def steps(rule, parameters, count=5, **options):
    """Steps with gradients that depend on the step alone."""
    optimizer = rule.make(parameters, **options)
    for i in range(count):
        for j, p in enumerate(parameters):
            p.grad = np.random.default_rng(10 * i + j).normal(size=p.shape).astype(p.dtype)
        optimizer.step()
    return optimizer


@every
def test_maximize_mirrors(rule):
    if rule.options.get("weight_decay") or rule.optimizer in (optim.AdamW, optim.ASGD):
        rule = type(rule)(rule.optimizer, rule.options | ({"lambd": 0.0} if rule.optimizer is optim.ASGD else {}) | {"weight_decay": 0.0})  # fmt: skip
    up, down = nn.Parameter([0.0, 0.0]), nn.Parameter([0.0, 0.0])
    steps(rule, [up], maximize=True)
    steps(rule, [down])
    np.testing.assert_array_equal(up.data, -down.data)
    assert up.data.all()


@every
def test_every_optimizer_descends(rule):
    p = nn.Parameter([3.0, -2.0])
    start = abs(p.data).sum()
    optimizer = rule.make([p], lr=0.05)
    for _ in range(60):
        optimizer.zero_grad()
        (p * p).sum().backward()
        optimizer.step()
    assert abs(p.data).sum() < start


def test_float32_follows_float64():
    for rule in OPTIMIZERS:
        wide, single = (nn.Parameter(np.ones((3, 700), dtype)) for dtype in (np.float64, np.float32))
        for p in (wide, single):
            steps(rule, [p], 10)
        np.testing.assert_allclose(single.data, wide.data, rtol=2e-4, atol=2e-4)


def test_amsgrad_against_numpy():
    p = nn.Parameter([1.0])
    optimizer = optim.Adam([p], lr=0.1, amsgrad=True)
    x, m, v, top = 1.0, 0.0, 0.0, 0.0
    for t, g in enumerate((5.0, 0.1, 0.1, -0.3), 1):
        p.grad = [g]
        optimizer.step()
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        top = max(top, v)
        x -= 0.1 / (1 - 0.9**t) * m / (np.sqrt(top) / np.sqrt(1 - 0.999**t) + 1e-8)
        assert p.data[0] == pytest.approx(x, rel=1e-12)
    assert set(optimizer.state[p]) == {"step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"}


@every
def test_layouts_and_sizes(rule):
    """A parameter's memory order, its gradient's, and its neighbours make no difference."""
    rng = np.random.default_rng(0)
    values = [rng.normal(size=shape) for shape in ((3, 4), (0,), (), (5000,), (70, 90))]
    gradients = [[rng.normal(size=v.shape) for v in values] for _ in range(3)]
    results = []
    for order, grad_order in (("C", "C"), ("F", "C"), ("C", "F")):
        parameters = [nn.Parameter(v.copy(order=order)) for v in values]
        gaps = np.zeros((6, 8))
        gaps[::2, ::2] = values[0]
        parameters.append(nn.Parameter(gaps[::2, ::2]))
        optimizer = rule.make(parameters)
        for step in gradients:
            for p, g in zip(parameters, [*step, step[0]], strict=True):
                p.grad = g.copy(order=grad_order)
            optimizer.step()
        np.testing.assert_array_equal(parameters[-1].data, parameters[0].data)
        results.append([p.data for p in parameters])
    for a, b, c in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)


def test_types_mix_and_missing_gradients_are_skipped():
    a, b, c = nn.Parameter(np.ones(2, np.float32)), nn.Parameter(np.ones(2)), nn.Parameter(np.ones(2))
    optimizer = optim.Adam([a, b, c], lr=0.1)
    a.grad, b.grad = np.ones(2, np.float32), np.ones(2)
    optimizer.step()
    assert a.data[0] < 1
    assert b.data[0] < 1
    assert c.data[0] == 1
    assert c not in optimizer.state
    c.grad = np.ones(2)
    optimizer.step()
    assert optimizer.state[c]["step"] == 1
    assert optimizer.state[b]["step"] == 2


def test_groups():
    a, b, c = (nn.Parameter([1.0]) for _ in range(3))
    optimizer = optim.SGD([{"params": [a], "lr": 1.0}, {"params": b}], lr=0.1, momentum=0.5)
    optimizer.add_param_group({"params": c, "lr": 0.01})
    assert [group["lr"] for group in optimizer.param_groups] == [1.0, 0.1, 0.01]
    for p in (a, b, c):
        p.grad = [1.0]
    optimizer.step()
    np.testing.assert_allclose([a.data[0], b.data[0], c.data[0]], [0, 0.9, 0.99])
    optimizer.zero_grad(set_to_none=False)
    assert a.grad[0] == 0
    optimizer.zero_grad()
    assert a.grad is None
    assert "lr: 0.01" in repr(optimizer)


def test_closure():
    p = nn.Parameter([1.0])
    optimizer = optim.SGD([p], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with fastnn.no_grad():
        assert optimizer.step(closure).item() == 1.0
    np.testing.assert_allclose(p.data, [0.8])


@every
def test_resuming_gives_the_same_bits(rule, tmp_path):
    def some(p, optimizer, numbers):
        for i in numbers:
            p.grad = np.random.default_rng(i).normal(size=p.shape)
            optimizer.step()

    straight = nn.Parameter(np.ones((3, 4)))
    some(straight, rule.make([straight]), range(6))
    first = nn.Parameter(np.ones((3, 4)))
    before = rule.make([first])
    some(first, before, range(3))
    fastnn.save({"p": first.data, "optimizer": before.state_dict()}, tmp_path / "checkpoint")
    loaded = fastnn.load(tmp_path / "checkpoint")
    second = nn.Parameter(loaded["p"])
    after = rule.optimizer([second], lr=99.0)
    after.load_state_dict(loaded["optimizer"])
    some(second, after, range(3, 6))
    np.testing.assert_array_equal(second.data, straight.data)
    assert before.state_dict()["param_groups"][0]["params"] == [0]
    assert after.param_groups[0]["lr"] == 0.1


@every
def test_l1_decay_is_a_soft_threshold_after_the_step(rule):
    p, q = (nn.Parameter(np.linspace(-0.4, 0.4, 9)) for _ in range(2))
    plain, proximal = rule.make([p]), rule.make([q], l1_decay=0.5)
    for each, optimizer in ((p, plain), (q, proximal)):
        each.grad = np.full(9, 1e-3)
        optimizer.step()
    threshold = 0.1 * 0.5
    expected = np.sign(p.data) * np.maximum(abs(p.data) - threshold, 0)
    np.testing.assert_allclose(q.data, expected, rtol=1e-12, atol=1e-15)


def test_l1_decay_gives_true_zeros():
    """A regression with 3 of 20 coefficients: the penalty leaves small numbers, the proximal step zeros."""
    rng = np.random.default_rng(0)
    x, truth = rng.normal(size=(200, 20)), np.zeros((20, 1))
    truth[[2, 7, 11], 0] = 2, -3, 1
    y = x @ truth + 0.1 * rng.normal(size=(200, 1))

    def fit(l1_decay, penalty):
        model = nn.Linear(20, 1, dtype=np.float64)
        optimizer = optim.SGD(model.parameters(), lr=0.05, l1_decay=l1_decay)
        for _ in range(400):
            optimizer.zero_grad()
            loss = fastnn.mse_loss(model(x), y)
            (loss + nn.utils.l1_penalty(model.weight, penalty) if penalty else loss).backward()
            optimizer.step()
        return model.weight.data.ravel()

    fastnn.manual_seed(0)
    proximal = fit(0.1, 0.0)
    assert np.flatnonzero(proximal).tolist() == [2, 7, 11]
    penalized = fit(0.0, 0.1)
    assert (penalized != 0).all()
    assert (abs(penalized) > 0.05).sum() == 3


def test_load_state_dict_is_all_or_nothing():
    p = nn.Parameter(np.ones(3))
    optimizer = optim.Adam([p])
    p.grad = np.ones(3)
    optimizer.step()
    state = optimizer.state_dict()
    for change, text in (
        ({"param_groups": []}, "expected groups of"),
        ({"state": {0: {"exp_avg": np.ones(2)}}}, r"expected exp_avg of shape \(3,\), got \(2,\)"),
        ({"param_groups": [{**state["param_groups"][0], "lr": -1}]}, "expected lr in"),
    ):
        with pytest.raises(ValueError, match="Adam.*" + text):
            optimizer.load_state_dict({**state, **change})
        assert optimizer.param_groups[0]["lr"] == 1e-3
        np.testing.assert_array_equal(optimizer.state[p]["exp_avg"], state["state"][0]["exp_avg"])


def everything(optimizer):
    """Copies of parameters, states and options."""
    return pickle.dumps(([p.data for p in optimizer._params()], optimizer.state_dict()))


def entry(change):
    """What changes the state of the first parameter."""
    return lambda state: change(state["state"][0])


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (entry(lambda e: e.pop("step")), "expected step in a parameter's state, got exp_avg, exp_avg_sq"),
        (entry(lambda e: e.pop("exp_avg_sq")), "expected exp_avg_sq in a parameter's state, got"),
        (entry(lambda e: e.update(step=np.inf)), r"expected step in \[0, inf\), got inf"),
        (entry(lambda e: e.update(momentum_buffer=np.ones(3))), "expected a state of step, exp_avg, exp_avg_sq, max_exp_avg_sq, got momentum_buffer"),
        (entry(lambda e: e.update(exp_avg=np.ones(1))), r"expected exp_avg of shape \(3,\), got \(1,\)"),
        (entry(lambda e: e.update(exp_avg=np.ones(3) * 1j)), "expected exp_avg of real numbers"),
        (lambda s: s["param_groups"][0].pop("lr"), "expected lr in each parameter group"),
        (lambda s: s["param_groups"][0].update(lr=np.nan), r"expected lr in \[0, inf\), got nan"),
        (lambda s: s["param_groups"][0].update(betas=(0.9, 0.99, 0.999)), "expected two betas"),
        (lambda s: s["param_groups"][0].update(params=None), "expected each of param_groups to be a dict with a list 'params'"),
        (lambda s: s["param_groups"].__setitem__(1, None), "expected each of param_groups to be a dict with a list 'params'"),
        (lambda s: s["param_groups"][1].update(params=[0]), "expected a number for each of 2 parameters, got one twice"),
        (lambda s: s["param_groups"].reverse(), r"expected exp_avg of shape \(2, 2\), got \(3,\)"),
    ],
)  # fmt: skip
def test_a_state_is_taken_whole_or_not_at_all(change, match):
    a, b = nn.Parameter(np.ones(3)), nn.Parameter(np.ones((2, 2)))
    optimizer = optim.Adam([{"params": [a]}, {"params": [b], "lr": 0.1}])
    for p in (a, b):
        p.grad = np.ones(p.shape)
    optimizer.step()
    state = copy.deepcopy(optimizer.state_dict())
    before = everything(optimizer)
    change(state)
    with pytest.raises((ValueError, TypeError), match=r"Adam.*: " + match):
        optimizer.load_state_dict(state)
    assert everything(optimizer) == before


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (lambda o, p: o.param_groups[1].update(lr=-1.0), "expected lr in"),
        (lambda o, p: o.param_groups[1].update(lr=np.nan, initial_lr=1.0), "expected lr to be finite, got nan"),
        (lambda o, p: o.param_groups[1].update(betas=[0.9, 1.0]), "expected each of betas in"),
        (lambda o, p: o.param_groups[1].update(amsgrad="yes"), "expected amsgrad to be True or False, got 'yes'"),
        (lambda o, p: o.param_groups[1].pop("eps"), "expected eps in each parameter group"),
        (lambda o, p: o.state[p].update(step=-5.0), r"expected step in its state in \[0, inf\), got -5"),
        (lambda o, p: o.state[p].update(step="x"), "expected step in its state to be a real number, got str"),
        (lambda o, p: o.state[p].update(exp_avg=np.ones(3)), "expected exp_avg of floats of its parameter's shape"),
        (lambda o, p: p.data.setflags(write=False), "is read-only"),
    ],
)
def test_a_step_that_cannot_be_taken_moves_nothing(spoil, match):
    """Whichever group or parameter is at fault, those before it stay too."""
    a, b = nn.Parameter(np.ones(2)), nn.Parameter(np.ones(2))
    optimizer = optim.Adam([{"params": [a]}, {"params": [b]}], lr=0.1)
    for _ in range(2):
        a.grad, b.grad = np.ones(2), np.ones(2)
        optimizer.step()
    spoil(optimizer, b)
    before = everything(optimizer)
    for _ in range(2):
        with pytest.raises((ValueError, TypeError), match="Adam: .*" + match):
            optimizer.step()
        assert everything(optimizer) == before


def test_a_rule_that_cannot_be_computed_moves_nothing():
    a, b = nn.Parameter(np.ones(2)), nn.Parameter(np.ones(2))
    optimizer = optim.ASGD([{"params": [a]}, {"params": [b], "alpha": 1e6, "lambd": 1.0, "lr": 1.0}], lr=0.1)
    a.grad, b.grad = np.ones(2), np.ones(2)
    before = everything(optimizer)
    with pytest.raises(OverflowError):
        optimizer.step()
    assert everything(optimizer) == before


def test_a_closure_that_raises_moves_nothing():
    p = nn.Parameter(np.ones(2))
    optimizer = optim.Adam([p])
    p.grad = np.ones(2)
    before = everything(optimizer)
    with pytest.raises(ZeroDivisionError):
        optimizer.step(lambda: 1 / 0)
    assert everything(optimizer) == before
    assert fastnn.is_grad_enabled()


@every
@pytest.mark.parametrize("make", [np.float32, np.float16, np.float64, np.array, fastnn.tensor, lambda v: Fraction(v)],
                         ids=["float32", "float16", "float64", "0-d", "Tensor", "Fraction"])  # fmt: skip
def test_options_of_any_kind_count_as_numbers(rule, make):
    """An option is its value: what is computed from it is not rounded to its type."""
    p, q = nn.Parameter(np.ones(3)), nn.Parameter(np.ones(3))
    options = {"lr": 0.1} | rule.options

    def each(value, convert):
        return tuple(map(convert, value)) if isinstance(value, tuple) else convert(value)

    odd = {name: value if isinstance(value, bool) else each(value, make) for name, value in options.items()}
    plain = {
        name: value if isinstance(value, bool) else each(value, lambda v: float(make(v)))
        for name, value in options.items()
    }
    steps(type(rule)(rule.optimizer, odd), [p])
    steps(type(rule)(rule.optimizer, plain), [q])
    np.testing.assert_array_equal(p.data, q.data)


def test_options_changed_in_place_are_seen():
    p = nn.Parameter([1.0])
    lr = np.array(1.0)
    optimizer = optim.SGD([p], lr=lr)
    for rate, value in ((1.0, 0.0), (0.5, -0.5), (0.25, -0.75)):
        lr[...] = rate
        p.grad = [1.0]
        optimizer.step()
        assert p.data[0] == value
    optimizer.param_groups[0]["maximize"] = True
    p.grad = [1.0]
    optimizer.step()
    assert p.data[0] == -0.5
    lr[...] = -1
    with pytest.raises(ValueError, match="SGD: expected lr in"):
        optimizer.step()


@pytest.mark.parametrize("rule", [optim.SGD, optim.Adam])
def test_a_parameter_that_changed_its_shape_is_refused(rule):
    other = nn.Parameter(np.ones(3))
    p = nn.Parameter(np.zeros(10))
    optimizer = rule([other, p], lr=0.1, **({"momentum": 0.9} if rule is optim.SGD else {}))
    other.grad, p.grad = np.ones(3), np.ones(10)
    optimizer.step()
    before = other.data.copy(), {k: np.copy(v) for k, v in optimizer.state[other].items()}
    p.data = np.zeros(20_000)
    for stale in (True, False):
        if not stale:
            p.grad = None
            p.grad = np.ones(20_000)
        with pytest.raises(
            ValueError, match=rf"{rule.__name__}: expected .* of floats of its parameter's shape \(20000,\), got"
        ):
            optimizer.step()
    np.testing.assert_array_equal(other.data, before[0])
    for key, value in before[1].items():
        np.testing.assert_array_equal(optimizer.state[other][key], value)


def test_read_only_state_is_not_written():
    p = nn.Parameter(np.ones(3))
    optimizer = optim.SGD([p], lr=0.1, momentum=0.9)
    p.grad = np.ones(3)
    optimizer.step()
    buffer = optimizer.state[p]["momentum_buffer"]
    buffer.flags.writeable = False
    optimizer.step()
    np.testing.assert_array_equal(buffer, [1, 1, 1])
    np.testing.assert_allclose(optimizer.state[p]["momentum_buffer"], [1.9, 1.9, 1.9])


def test_views_stay_the_parameters_memory():
    base = np.ones((4, 6))
    p = nn.Parameter(base[::2, ::2])
    p.grad = np.ones((2, 3))
    optim.SGD([p], lr=0.5).step()
    np.testing.assert_array_equal(base[::2, ::2], np.full((2, 3), 0.5))
    assert np.shares_memory(p.data, base)
    assert base.sum() == 24 - 3


@pytest.mark.parametrize(
    ("rule", "options"), [(optim.SGD, {}), (optim.SGD, {"momentum": 0.9}), (optim.Adam, {})], ids=str
)
def test_infinite_parameters_stay(rule, options):
    p = nn.Parameter([-np.inf, np.inf, 1.0])
    optimizer = rule([p], lr=0.1, **options)
    for _ in range(2):
        p.grad = [0.0, 0.0, 1.0]
        optimizer.step()
    np.testing.assert_array_equal(p.data[:2], [-np.inf, np.inf])
    assert p.data[2] < 1


def test_odd_state_dicts_are_refused():
    p = nn.Parameter([1.0])
    optimizer = optim.Adam([p])
    groups = optimizer.state_dict()["param_groups"]
    for state in ({}, {"state": {}}, None, {"state": {5: {}}, "param_groups": groups}, {"state": {0: 3}, "param_groups": groups},
                  {"state": {0: {"step": -1}}, "param_groups": groups}, {"state": {}, "param_groups": [{}]}):  # fmt: skip
        with pytest.raises(ValueError, match=r"Adam\.load_state_dict: expected"):
            optimizer.load_state_dict(state)


def test_refusals():
    p = nn.Parameter([1.0])
    for make, error, text in (
        (lambda: optim.SGD([], 0.1), ValueError, "SGD: expected at least one parameter"),
        (lambda: optim.SGD(p), TypeError, "SGD: expected an iterable of Parameters, got a Parameter"),
        (lambda: optim.SGD([p], -0.1), ValueError, "SGD: expected lr in"),
        (lambda: optim.SGD([p], float("nan")), ValueError, "SGD: expected lr in"),
        (lambda: optim.SGD([p], 0.1, nesterov=True), ValueError, "nesterov needs momentum above 0"),
        (lambda: optim.SGD([p, p]), ValueError, "given twice"),
        (lambda: optim.SGD([1.0]), TypeError, "SGD: expected Parameters, got a float"),
        (lambda: optim.SGD([p * 2]), ValueError, "got a computed Tensor"),
        (lambda: optim.Adam([p], betas=(0.9, 1.0)), ValueError, r"expected each of betas in \[0, 1\), got 1"),
        (lambda: optim.Adam([p], betas=(0.9,)), ValueError, "expected two betas"),
        (lambda: optim.Adam([p], betas=0.9), ValueError, "expected two betas"),
        (lambda: optim.SGD(nn.Linear(1, 1)), TypeError, r"expected model.parameters\(\) or the like, got a Linear"),
        (lambda: optim.SGD([{"lr": 1}]), ValueError, "expected a parameter group with 'params'"),
        (lambda: optim.SGD([{"params": [p]}, p]), ValueError, "expected a parameter group with 'params'"),
        (lambda: optim.Adam([p], eps=-1), ValueError, "Adam: expected eps in"),
        (lambda: optim.AdamW([p], weight_decay=-1), ValueError, "AdamW: expected weight_decay in"),
        (lambda: optim.SGD([p], l1_decay=-1), ValueError, "SGD: expected l1_decay in"),
        (lambda: optim.Adadelta([p], rho=1.5), ValueError, "Adadelta: expected rho in"),
        (lambda: optim.Adagrad([p], lr_decay=-1), ValueError, "Adagrad: expected lr_decay in"),
        (lambda: optim.Adagrad([p], initial_accumulator_value=-1), ValueError, "Adagrad: expected initial_acc"),
        (lambda: optim.RMSprop([p], alpha=-1), ValueError, "RMSprop: expected alpha in"),
        (lambda: optim.RMSprop([p], momentum=-1), ValueError, "RMSprop: expected momentum in"),
        (lambda: optim.NAdam([p], momentum_decay=-1), ValueError, "NAdam: expected momentum_decay in"),
        (lambda: optim.RAdam([p], betas=(1.0, 0.9)), ValueError, r"RAdam: expected each of betas in \[0, 1\), got 1"),
        (lambda: optim.Rprop([p], etas=(1.2, 1.5)), ValueError, "Rprop: expected etas below and above 1"),
        (lambda: optim.Rprop([p], step_sizes=3), ValueError, "Rprop: expected two step_sizes, got 3"),
        (lambda: optim.ASGD([p], t0="a"), TypeError, "ASGD: expected t0 to be a real number"),
        (lambda: optim.Adam([p], lr="a"), TypeError, "Adam: expected lr to be a real number"),
        (lambda: optim.Adam([p], lr=float("inf")), ValueError, r"Adam: expected lr in \[0, inf\), got inf"),
        (
            lambda: optim.Adam([p], weight_decay=float("inf")),
            ValueError,
            r"Adam: expected weight_decay in \[0, inf\), got inf",
        ),
        (
            lambda: optim.SGD([p], momentum=0.9, dampening=float("nan")),
            ValueError,
            "SGD: expected dampening to be finite, got nan",
        ),
        (lambda: optim.SGD([p], nesterov="no"), TypeError, "SGD: expected nesterov to be True or False, got 'no'"),
        (lambda: optim.ASGD([p], lambd=-1), ValueError, "ASGD: expected lambd in"),
        (lambda: optim.ASGD([p], alpha=float("nan")), ValueError, "ASGD: expected alpha to be finite, got nan"),
        (lambda: optim.ASGD([p], t0=float("nan")), ValueError, "ASGD: expected t0 to be a number, got nan"),
        (lambda: optim.RMSprop([p], alpha=1.5), ValueError, r"RMSprop: expected alpha in \[0, 1\], got 1.5"),
        (
            lambda: optim.Rprop([p], step_sizes=(5, 1)),
            ValueError,
            r"Rprop: expected step_sizes from 0 on, the smaller first, got \(5, 1\)",
        ),
        (lambda: optim.Rprop([p], step_sizes=(float("nan"), 1)), ValueError, "Rprop: expected step_sizes from 0 on"),
        (lambda: optim.SGD({p}), TypeError, "SGD: expected parameters in order, such as a list, got a set"),
        (
            lambda: optim.SGD([{"params": {p}}]),
            TypeError,
            "SGD: expected parameters in order, such as a list, got a set",
        ),
        (
            lambda: optim.SGD([{"params": None}]),
            TypeError,
            "SGD: expected parameters in order, such as a list, got a NoneType",
        ),
        (lambda: optim.SGD([p]).step(3), TypeError, "SGD.step: expected closure to be a function, got int"),
    ):
        with pytest.raises(error, match=text):
            make()
    p.grad = [1.0]
    optimizer = optim.SGD([p], lr=0.1)
    p.data.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        optimizer.step()


def test_numbers_of_each_parameter():
    """Parameters that joined later keep their own step numbers."""
    a, b = nn.Parameter([1.0]), nn.Parameter([1.0])
    optimizer = optim.NAdam([a, b], lr=0.1)
    for i in range(4):
        a.grad, b.grad = [0.5], None if i < 2 else [0.5]
        optimizer.step()
    assert optimizer.state[a]["step"] == 4
    assert optimizer.state[b]["step"] == 2
    fresh = nn.Parameter([1.0])
    other = optim.NAdam([fresh], lr=0.1)
    for _ in range(2):
        fresh.grad = [0.5]
        other.step()
    assert fresh.data == b.data
    assert other.state[fresh]["mu_product"] == optimizer.state[b]["mu_product"]


def test_named_parameters():
    model = nn.Linear(2, 1)
    optimizer = optim.Adam(model.named_parameters())
    assert optimizer.param_groups[0]["params"] == list(model.parameters())
    with pytest.raises(TypeError, match="Adam: expected Parameters, got a tuple"):
        optim.Adam([(model.weight, model.bias)])  # the first of the pair would never learn


def test_centered_rmsprop_never_roots_a_negative():
    """A constant gradient: rounding takes the mean's square above the square's mean."""
    p = nn.Parameter(np.ones(64, np.float32))
    optimizer = optim.RMSprop([p], lr=1e-4, centered=True, alpha=0.9)
    for _ in range(200):
        p.grad = np.full(64, 0.1, np.float32)
        optimizer.step()
    assert np.isfinite(p.data).all()


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "Adagrad", "RMSprop", "Adadelta", "NAdam"])
def test_memory_in_another_order(name):
    """Parameters and gradients with channels last in memory take the step of the same values in C order."""
    rng = np.random.default_rng(3)
    value, gradients = rng.normal(size=(4, 3, 2, 2)), rng.normal(size=(3, 4, 3, 2, 2))
    steps = []
    for order in ((0, 1, 2, 3), (0, 2, 3, 1)):
        back = tuple(np.argsort(order))
        parameter = nn.Parameter(value.transpose(order).copy().transpose(back))
        optimizer = getattr(optim, name)([parameter], lr=0.1)
        for gradient in gradients:
            parameter.grad = gradient.transpose(order).copy().transpose(back)
            optimizer.step()
        steps.append(parameter.data.copy())
    np.testing.assert_array_equal(*steps)
