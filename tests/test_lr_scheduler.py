"""Learning-rate schedules: PyTorch's values, momentum, combinations, state, refusals."""

import math

import numpy as np
import pytest

import fastnn
from fastnn import nn, optim
from fastnn.optim import lr_scheduler as lrs


def optimizer(lr=1.0, rule=optim.SGD, **options):
    return rule([nn.Parameter([0.0])], lr=lr, **options)


def changed(scheduler, **entries):
    scheduler.load_state_dict(scheduler.state_dict() | entries)


def rates(scheduler, count):
    found = []
    for _ in range(count):
        found.append(scheduler.optimizer.param_groups[0]["lr"])
        assert scheduler.get_last_lr()[0] == found[-1]
        scheduler.step()
    return found


# Schedules from 1.0, as PyTorch 2.13 gives them.
GOLDEN = [
    (lrs.StepLR, {"step_size": 3}, [1, 1, 1, 0.1, 0.1, 0.1, 0.01]),
    (lrs.MultiStepLR, {"milestones": [2, 5]}, [1, 1, 0.1, 0.1, 0.1, 0.01]),
    (lrs.MultiStepLR, {"milestones": [3, 3], "gamma": 0.5}, [1, 1, 1, 0.25]),
    (lrs.ExponentialLR, {"gamma": 0.5}, [1, 0.5, 0.25, 0.125]),
    (lrs.CosineAnnealingLR, {"T_max": 4}, [1, 0.853553, 0.5, 0.146447, 0, 0.146447, 0.5]),
    (lrs.CosineAnnealingWarmRestarts, {"T_0": 3}, [1, 0.75, 0.25, 1]),
    (lrs.CosineAnnealingWarmRestarts, {"T_0": 1, "T_mult": 2}, [1, 1, 0.5, 1, 0.853553, 0.5, 0.146447, 1]),
    (lrs.LinearLR, {}, [0.333333, 0.466667, 0.6, 0.733333, 0.866667, 1, 1]),
    (lrs.ConstantLR, {"factor": 0.5, "total_iters": 2}, [0.5, 0.5, 1, 1]),
    (lrs.PolynomialLR, {"total_iters": 4, "power": 2.0}, [1, 0.5625, 0.25, 0.0625, 0, 0]),
    (lrs.LambdaLR, {"lr_lambda": lambda epoch: 1 / (1 + epoch)}, [1, 1 / 2, 1 / 3, 1 / 4]),
    (lrs.MultiplicativeLR, {"lr_lambda": lambda epoch: 1 - epoch / 10}, [1, 0.9, 0.72, 0.504]),
    (lrs.OneCycleLR, {"max_lr": 1.0, "total_steps": 9, "cycle_momentum": False},
     [0.04, 0.651358, 0.994415, 0.898567, 0.705645, 0.462637, 0.22873, 0.060893]),
    (lrs.CyclicLR, {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 2, "cycle_momentum": False}, [0.1, 0.3, 0.5, 0.3, 0.1, 0.3]),
    (lrs.CyclicLR, {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 2, "mode": "triangular2", "cycle_momentum": False},
     [0.1, 0.3, 0.5, 0.3, 0.1, 0.2, 0.3, 0.2, 0.1]),
]  # fmt: skip


@pytest.mark.parametrize(("schedule", "options", "expected"), GOLDEN, ids=lambda v: getattr(v, "__name__", None))
def test_golden_values(schedule, options, expected):
    np.testing.assert_allclose(rates(schedule(optimizer(), **options), len(expected)), expected, atol=1e-6)


@pytest.mark.parametrize(("schedule", "options", "expected"), GOLDEN, ids=lambda v: getattr(v, "__name__", None))
def test_going_on_from_a_saved_state(schedule, options, expected, tmp_path):
    first = schedule(optimizer(), **options)
    rates(first, 2)
    fastnn.save({"optimizer": first.optimizer.state_dict(), "scheduler": first.state_dict()}, tmp_path / "checkpoint")
    loaded = fastnn.load(tmp_path / "checkpoint")
    second = schedule(optimizer(), **options)
    second.optimizer.load_state_dict(loaded["optimizer"])
    second.load_state_dict(loaded["scheduler"])
    np.testing.assert_array_equal(rates(second, len(expected) - 2), rates(first, len(expected) - 2))


def test_groups_keep_their_own_rates():
    groups = [{"params": [nn.Parameter([0.0])], "lr": 1.0}, {"params": [nn.Parameter([0.0])], "lr": 0.1}]
    scheduler = lrs.LambdaLR(optim.SGD(groups), [lambda epoch: 0.5**epoch, lambda epoch: 1.0])
    scheduler.step()
    assert scheduler.get_last_lr() == [0.5, 0.1]
    with pytest.raises(ValueError, match="LambdaLR: expected 2 values of lr_lambda, got 1"):
        lrs.LambdaLR(optim.SGD([*groups[:1], {"params": [nn.Parameter([0.0])]}]), [lambda epoch: 1.0])


def test_momentum_moves_against_the_rate():
    for rule, read in ((optim.SGD, lambda g: g["momentum"]), (optim.Adam, lambda g: g["betas"][0])):
        options = {"momentum": 0.9} if rule is optim.SGD else {}
        scheduler = lrs.OneCycleLR(optimizer(rule=rule, **options), 1.0, total_steps=11)
        group, momenta = scheduler.optimizer.param_groups[0], []
        for _ in range(10):
            momenta.append(read(group))
            scheduler.step()
        assert momenta[0] == pytest.approx(0.95)
        assert min(momenta) == pytest.approx(0.85, abs=0.005)
        scheduler = lrs.CyclicLR(optimizer(rule=rule, **options), 0.1, 1.0, step_size_up=2)
        group = scheduler.optimizer.param_groups[0]
        assert read(group) == pytest.approx(0.9)
        scheduler.step(), scheduler.step()
        assert read(group) == pytest.approx(0.8)


def test_plateau():
    scheduler = lrs.ReduceLROnPlateau(optimizer(), patience=2, cooldown=1)
    seen = []
    for loss in (3.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1.0):
        scheduler.step(loss)
        seen.append(scheduler.get_last_lr()[0])
    np.testing.assert_allclose(seen, [1, 1, 1, 1, 0.1, 0.1, 0.1, 0.1, 0.01, 0.01])
    best = lrs.ReduceLROnPlateau(optimizer(), mode="max", threshold=0.1, threshold_mode="abs")
    best.step(1.0)
    assert not best.is_better(1.05)
    assert best.is_better(1.2)
    low = lrs.ReduceLROnPlateau(optimizer(), patience=0, min_lr=0.5)
    for _ in range(5):
        low.step(np.float32(1.0))
    assert low.get_last_lr() == [0.5]
    nan = lrs.ReduceLROnPlateau(optimizer(), patience=0)
    nan.step(math.nan)
    assert nan.get_last_lr() == [0.1]


def test_sequence_and_chain():
    o = optimizer()
    scheduler = lrs.SequentialLR(o, [lrs.ConstantLR(o, 0.1, total_iters=10), lrs.ExponentialLR(o, 0.5)], milestones=[2])
    np.testing.assert_allclose(rates(scheduler, 5), [0.1, 0.1, 1, 0.5, 0.25])
    o = optimizer()
    chain = lrs.ChainedScheduler([lrs.ConstantLR(o, 0.1, total_iters=2), lrs.ExponentialLR(o, 0.5)])
    np.testing.assert_allclose(rates(chain, 4), [0.1, 0.05, 0.25, 0.125])
    o = optimizer()
    again = lrs.SequentialLR(o, [lrs.ConstantLR(o, 0.1, total_iters=10), lrs.ExponentialLR(o, 0.5)], milestones=[2])
    again.load_state_dict(scheduler.state_dict())
    assert again.last_epoch == 5


def test_fractions_of_epochs():
    scheduler = lrs.CosineAnnealingWarmRestarts(optimizer(), T_0=2, T_mult=2)
    scheduler.step(1.5)
    assert scheduler.get_last_lr()[0] == pytest.approx((1 + math.cos(0.75 * math.pi)) / 2)
    scheduler.step(4.0)
    assert (scheduler.T_cur, scheduler.T_i) == (2.0, 4)


def test_last_epoch():
    o = optimizer()
    first = lrs.CosineAnnealingLR(o, 10)
    for _ in range(4):
        first.step()
    resumed = lrs.CosineAnnealingLR(o, 10, last_epoch=3)
    assert resumed.get_last_lr()[0] == pytest.approx(first.get_last_lr()[0])
    with pytest.raises(KeyError, match="StepLR: expected 'initial_lr' in parameter group 0"):
        lrs.StepLR(optimizer(), 3, last_epoch=2)


def test_a_rate_changed_by_hand_stays():
    scheduler = lrs.ExponentialLR(optimizer(), 0.5)
    scheduler.optimizer.param_groups[0]["lr"] = 8.0
    scheduler.step()
    assert scheduler.get_last_lr() == [4.0]


def test_refusals():
    o = optimizer()
    for make, error, text in (
        (lambda: lrs.StepLR(1.0, 3), TypeError, "StepLR: expected an Optimizer, got float"),
        (lambda: lrs.StepLR(o, 0), ValueError, "StepLR: expected step_size of at least 1"),
        (lambda: lrs.LambdaLR(o, 0.5), TypeError, "LambdaLR: expected lr_lambda to be a function, got float"),
        (lambda: lrs.ConstantLR(o, 1.5), ValueError, "ConstantLR: expected factor in"),
        (lambda: lrs.LinearLR(o, 0.0), ValueError, "LinearLR: expected start_factor above 0"),
        (lambda: lrs.LinearLR(o, 0.5, 2.0), ValueError, "LinearLR: expected end_factor in"),
        (lambda: lrs.CosineAnnealingWarmRestarts(o, 0), ValueError, "expected T_0 of at least 1"),
        (lambda: lrs.CosineAnnealingWarmRestarts(o, 2).step(-1), ValueError, "expected epoch in"),
        (lambda: lrs.OneCycleLR(optimizer(momentum=0.9), 1.0), ValueError, "OneCycleLR: expected total_steps, or epochs"),
        (lambda: lrs.OneCycleLR(optimizer(rule=optim.Adagrad), 1.0, 9), ValueError, "expected an optimizer with momentum or betas"),
        (lambda: lrs.OneCycleLR(optimizer(momentum=0.9), 1.0, 9, anneal_strategy="x"), ValueError, "expected anneal_strategy"),
        (lambda: lrs.CyclicLR(optimizer(momentum=0.9), 0.1, 1.0, mode="x"), ValueError, "CyclicLR: expected mode"),
        (lambda: lrs.ReduceLROnPlateau(o, factor=1.0), ValueError, "ReduceLROnPlateau: expected factor in"),
        (lambda: lrs.SequentialLR(o, [], []), ValueError, "SequentialLR: expected at least one scheduler"),
        (lambda: lrs.SequentialLR(o, [lrs.StepLR(o, 1)], [3]), ValueError, "expected one milestone less than schedulers"),
        (lambda: lrs.SequentialLR(o, [lrs.StepLR(optimizer(), 1)], []), ValueError, "expected schedulers of one optimizer"),
        (lambda: lrs.ChainedScheduler(None), TypeError, "ChainedScheduler: expected a list of schedulers, got a NoneType"),
        (lambda: lrs.ChainedScheduler(lrs.StepLR(o, 1)), TypeError, "ChainedScheduler: expected a list of schedulers, got a StepLR"),
        (lambda: lrs.SequentialLR(o, [lrs.StepLR(o, 1)], 3), TypeError, "SequentialLR: expected a list of milestones, got a int"),
        (lambda: lrs.ChainedScheduler([3]), TypeError, "ChainedScheduler: expected schedulers, got a int"),
        (lambda: lrs.StepLR(o, 1).load_state_dict({"x": 1}), ValueError, "StepLR.load_state_dict: unexpected keys"),
        (lambda: lrs.StepLR(o, 1).load_state_dict({}), ValueError, r"StepLR.load_state_dict: missing keys \['_last_lr', '_separate', 'base_lrs'"),
        (lambda: lrs.StepLR(o, 1).load_state_dict(3), TypeError, "StepLR.load_state_dict: expected a dict, got int"),
        (lambda: changed(lrs.StepLR(o, 1), base_lrs=[1.0, 2.0]), ValueError, "expected base_lrs of 1 parameter groups, got 2"),
        (lambda: changed(lrs.StepLR(o, 1), gamma="a"), TypeError, "expected gamma like 0.1, got 'a'"),
        (lambda: changed(lrs.StepLR(o, 1), last_epoch=-3), ValueError, "expected last_epoch of at least -1, got -3"),
        (lambda: changed(lrs.StepLR(o, 1), _last_lr=[math.nan]), ValueError, "expected each of _last_lr to be finite, got nan"),
        (lambda: lrs.LambdaLR(3, lambda e: 1.0), TypeError, "LambdaLR: expected an Optimizer, got int"),
        (lambda: lrs.OneCycleLR(3, 1.0, 9), TypeError, "OneCycleLR: expected an Optimizer, got int"),
        (lambda: lrs.ReduceLROnPlateau(3), TypeError, "ReduceLROnPlateau: expected an Optimizer, got int"),
        (lambda: lrs.SequentialLR(3, [lrs.StepLR(o, 1)], []), TypeError, "SequentialLR: expected an Optimizer, got int"),
        (lambda: lrs.ExponentialLR(o, math.nan), ValueError, "ExponentialLR: expected gamma to be finite, got nan"),
        (lambda: lrs.CosineAnnealingLR(o, 3, math.inf), ValueError, "expected eta_min to be finite, got inf"),
        (lambda: lrs.PolynomialLR(o, 0), ValueError, "PolynomialLR: expected total_iters of at least 1, got 0"),
        (lambda: lrs.PolynomialLR(o, 3, -1.0), ValueError, r"PolynomialLR: expected power in \[0, inf\), got -1"),
        (lambda: lrs.CyclicLR(optimizer(momentum=0.9), -0.1, 1.0), ValueError, "CyclicLR: expected base_lr in"),
        (lambda: lrs.CyclicLR(optimizer(momentum=0.9), 0.1, math.inf), ValueError, "CyclicLR: expected max_lr in"),
        (lambda: lrs.OneCycleLR(optimizer(rule=optim.Adam), 1.0, 9, max_momentum=1.5), ValueError, r"expected max_momentum in \[0, 1\), got 1.5"),
        (lambda: lrs.ReduceLROnPlateau(o, threshold=math.nan), ValueError, "expected threshold to be finite, got nan"),
        (lambda: lrs.ReduceLROnPlateau(o, min_lr="a"), TypeError, "expected min_lr to be a real number, got str"),
        (lambda: lrs.ReduceLROnPlateau(o).step("3"), TypeError, "ReduceLROnPlateau.step: expected metrics to be a real number, got str"),
        (lambda: lrs.ReduceLROnPlateau(o).step(None), TypeError, "ReduceLROnPlateau.step: expected metrics"),
        (lambda: lrs.ChainedScheduler([lrs.ReduceLROnPlateau(o)]), ValueError, "ChainedScheduler: expected schedulers of epochs alone"),
        (lambda: lrs.SequentialLR(o, [lrs.StepLR(o, 1)] * 3, [5, 2]), ValueError, r"expected milestones in rising order, got \[5, 2\]"),
        (lambda: lrs.LambdaLR(optimizer(), lambda e: math.nan), ValueError, "LambdaLR: expected the rate of parameter group 0 in epoch 0 to be finite, got nan"),
        (lambda: lrs.LambdaLR(optimizer(), lambda e: "a"), TypeError, "can't multiply"),
        (lambda: lrs.LambdaLR(optimizer(), lambda e: 1j), TypeError, "rate of parameter group 0 in epoch 0 to be a real number, got complex"),
    ):  # fmt: skip
        with pytest.raises(error, match=text):
            make()
    scheduler = lrs.OneCycleLR(optimizer(momentum=0.9), 1.0, total_steps=3)
    for _ in range(3):
        scheduler.step()
    before = scheduler.get_last_lr()
    with pytest.raises(ValueError, match="OneCycleLR: expected at most 3 steps"):
        scheduler.step()
    assert scheduler.get_last_lr() == before


def test_rates_may_end_a_rounding_below_0(tmp_path):
    """1/3 to 0 in 5 steps ends at -1.5e-18, in PyTorch too; training and its checkpoint go on."""
    p = nn.Parameter([1.0])
    o = optim.SGD([p], lr=0.1)
    scheduler = lrs.LinearLR(o, end_factor=0.0)
    for _ in range(7):
        p.grad = [1.0]
        o.step()
        scheduler.step()
    assert -1e-16 < o.param_groups[0]["lr"] < 0
    fastnn.save(o.state_dict(), tmp_path / "checkpoint")
    other = optim.SGD([nn.Parameter([1.0])], lr=0.1)
    other.load_state_dict(fastnn.load(tmp_path / "checkpoint"))
    assert other.param_groups[0]["lr"] < 0


def options_of(o):
    return [{key: value for key, value in group.items() if key != "params"} for group in o.param_groups]


@pytest.mark.parametrize("combine", [
    lambda o, last: last,
    lambda o, last: lrs.ChainedScheduler([lrs.OneCycleLR(o, 1.0, 9), lrs.CosineAnnealingWarmRestarts(o, 3), last]),
    lambda o, last: lrs.SequentialLR(o, [lrs.ChainedScheduler([lrs.StepLR(o, 1), last])], []),
])  # fmt: skip
def test_a_schedule_that_raises_stays_where_it_was(combine):
    def fails(epoch):
        if epoch == 2:
            raise RuntimeError("no")
        return 1.0

    o = optimizer(momentum=0.9)
    scheduler = combine(o, lrs.LambdaLR(o, fails))
    scheduler.step()
    before = options_of(o), scheduler.state_dict()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="no"):
            scheduler.step()
        assert (options_of(o), scheduler.state_dict()) == before


@pytest.mark.parametrize("make", [
    lambda o: lrs.LambdaLR(o, lambda e: math.inf),
    lambda o: lrs.OneCycleLR(o, 1.0, 3, last_epoch=3),
    lambda o: lrs.OneCycleLR(o, 1.0, 9, pct_start=2.0),
    lambda o: lrs.CyclicLR(o, 0.1, 1.0, base_momentum=-1),
    lambda o: lrs.CyclicLR(o, 0.1, 1.0, scale_fn=lambda x: 1 / 0),
    lambda o: lrs.StepLR(o, 3, last_epoch=2),
])  # fmt: skip
def test_a_schedule_that_cannot_be_made_leaves_the_optimizer_alone(make):
    o = optimizer(momentum=0.9)
    before = options_of(o)
    with pytest.raises((ValueError, KeyError, ZeroDivisionError)):
        make(o)
    assert options_of(o) == before


def test_a_later_group_follows():
    """What multiplies the others' rates multiplies its own; values that were given once hold for it too."""
    for make, expected in (
        (lambda o: lrs.StepLR(o, 2, 0.5), [0.5, 0.2]),
        (lambda o: lrs.ExponentialLR(o, 0.5), [0.25, 0.2]),
        (lambda o: lrs.LambdaLR(o, lambda e: 1 / (1 + e)), [1 / 3, 0.4 / 3]),
        (lambda o: lrs.CosineAnnealingWarmRestarts(o, 3), [0.25, 0.1]),
        (lambda o: lrs.CyclicLR(o, 0.1, 0.5, 4), [0.3, 0.3]),
        (lambda o: lrs.OneCycleLR(o, 1.0, 9, anneal_strategy="linear", pct_start=0.5), [0.04 + 0.96 * 2 / 3.5] * 2),
        (lambda o: lrs.SequentialLR(o, [lrs.StepLR(o, 9), lrs.ExponentialLR(o, 0.5)], [1]), [0.5, 0.2]),
        (lambda o: lrs.ChainedScheduler([lrs.StepLR(o, 2, 0.5), lrs.ExponentialLR(o, 0.5)]), [0.125, 0.1]),
    ):
        scheduler = make(optimizer(momentum=0.9))
        scheduler.step()
        scheduler.optimizer.add_param_group({"params": nn.Parameter([0.0]), "lr": 0.4})
        scheduler.step()
        assert scheduler.get_last_lr() == pytest.approx(expected)
        assert [group["lr"] for group in scheduler.optimizer.param_groups] == scheduler.get_last_lr()


def test_a_later_group_on_a_plateau():
    scheduler = lrs.ReduceLROnPlateau(optimizer(), patience=0, min_lr=0.05)
    scheduler.step(1.0)
    scheduler.optimizer.add_param_group({"params": nn.Parameter([0.0]), "lr": 0.4})
    scheduler.step(1.0)
    assert scheduler.get_last_lr() == [0.1, 0.05]


@pytest.mark.parametrize("make", [
    lambda o: lrs.LambdaLR(o, [lambda e: 1.0]),
    lambda o: lrs.CyclicLR(o, 0.1, [0.5]),
    lambda o: lrs.OneCycleLR(o, [1.0], 9),
    lambda o: lrs.ChainedScheduler([lrs.StepLR(o, 1), lrs.LambdaLR(o, [lambda e: 1.0])]),
    lambda o: lrs.SequentialLR(o, [lrs.StepLR(o, 1), lrs.OneCycleLR(o, [1.0], 9)], [1]),
])  # fmt: skip
def test_a_later_group_without_a_value_of_its_own_is_refused(make):
    scheduler = make(optimizer(momentum=0.9))
    scheduler.optimizer.add_param_group({"params": nn.Parameter([0.0]), "lr": 0.4})
    before = options_of(scheduler.optimizer), scheduler.state_dict()
    with pytest.raises(
        ValueError, match=r"expected the 1 parameter groups it was made for, each with its own .*, got 2"
    ):
        scheduler.step()
    assert (options_of(scheduler.optimizer), scheduler.state_dict()) == before
    plateau = lrs.ReduceLROnPlateau(optimizer(), patience=0, min_lr=[0.5])
    plateau.optimizer.add_param_group({"params": nn.Parameter([0.0]), "lr": 0.4})
    with pytest.raises(ValueError, match="each with its own min_lr, got 2"):
        plateau.step(1.0)
    assert (plateau.last_epoch, plateau.best) == (0, math.inf)


def test_sequences_of_sequences():
    """Each schedule counts from the epoch at which it took over."""
    o = optimizer()
    inner = lrs.SequentialLR(o, [lrs.ConstantLR(o, 0.1, 9), lrs.ExponentialLR(o, 0.5)], [2])
    scheduler = lrs.SequentialLR(o, [lrs.ConstantLR(o, 0.01, 9), inner], [2])
    np.testing.assert_allclose(rates(scheduler, 7), [0.01, 0.01, 0.1, 0.1, 1, 0.5, 0.25])
    o = optimizer()
    inner = lrs.SequentialLR(o, [lrs.ConstantLR(o, 0.1, 9), lrs.ExponentialLR(o, 0.5)], [2])
    scheduler = lrs.SequentialLR(o, [inner, lrs.ConstantLR(o, 0.01, 9)], [4])
    np.testing.assert_allclose(rates(scheduler, 6), [0.1, 0.1, 1, 0.5, 0.01, 0.01])
    o = optimizer()
    chain = lrs.ChainedScheduler([lrs.ConstantLR(o, 0.1, 2), lrs.ExponentialLR(o, 0.5)])
    scheduler = lrs.SequentialLR(o, [chain, lrs.StepLR(o, 1), lrs.ExponentialLR(o, 0.5)], [3, 3])
    np.testing.assert_allclose(rates(scheduler, 5), [0.1, 0.05, 0.25, 1, 0.5])


def test_where_pytorchs_own_schedules_fail():
    np.testing.assert_allclose(rates(lrs.ConstantLR(optimizer(), 0.0, 2), 4), [0, 0, 1, 1])
    np.testing.assert_allclose(rates(lrs.ConstantLR(optimizer(), 0.1, 0), 2), [1, 1])
    np.testing.assert_allclose(rates(lrs.LinearLR(optimizer(), 0.1, 0.5, 0), 3), [0.5, 0.5, 0.5])
    rising = lrs.OneCycleLR(optimizer(momentum=0.9), 1.0, 4, pct_start=1.0, anneal_strategy="linear")
    np.testing.assert_allclose(rates(rising, 4), [0.04, 0.36, 0.68, 1])
    restarts = lrs.CosineAnnealingWarmRestarts(optimizer(), 1, 3)
    restarts.step(121)  # (3^5 - 1) / 2: a logarithm of 3^5 to base 3 is less than 5
    assert (restarts.T_cur, restarts.T_i) == (0, 243)
    for mode, sign in (("min", -1.0), ("max", 1.0)):
        plateau = lrs.ReduceLROnPlateau(optimizer(), mode, patience=0)
        for value in (sign * 5.0, sign * 5.0, sign * 5.0001, sign * 6.0):
            plateau.step(value)
        assert plateau.get_last_lr() == [pytest.approx(0.01)], mode
        assert plateau.best == sign * 6.0
        below = lrs.ReduceLROnPlateau(optimizer(), mode, patience=0)
        for value in (-sign * 5.0, -sign * 5.0, -sign * 4.9):
            below.step(value)
        assert (below.get_last_lr(), below.best) == ([0.1], -sign * 4.9)


def test_one_cycle_without_momentum():
    scheduler = lrs.OneCycleLR(optimizer(rule=optim.Adagrad), 1.0, 9, cycle_momentum=False)
    np.testing.assert_allclose(rates(scheduler, 8), GOLDEN[12][2], atol=1e-6)


def test_combined_states_are_checked_first():
    o = optimizer()
    chain = lrs.ChainedScheduler([lrs.StepLR(o, 1), lrs.ExponentialLR(o, 0.5)])
    state = chain.state_dict()
    changed = {**state, "_schedulers": [{**state["_schedulers"][0], "gamma": 9.0}, {"x": 1}]}
    for wrong in (changed, {**state, "other": 1}, {**state, "_schedulers": []}):
        with pytest.raises(ValueError, match=r"load_state_dict: (unexpected keys|expected states)"):
            chain.load_state_dict(wrong)
    assert chain._schedulers[0].gamma == 0.1
    with pytest.raises(ValueError, match="SequentialLR: expected schedulers of epochs alone, got a ReduceLROnPlateau"):
        lrs.SequentialLR(o, [lrs.StepLR(o, 1), lrs.ReduceLROnPlateau(o)], [2])
    with pytest.raises(ValueError, match="OneCycleLR: expected more than one step of rise"):
        lrs.OneCycleLR(optimizer(momentum=0.9), 1.0, total_steps=10, pct_start=0.1)
    with pytest.raises(ValueError, match="OneCycleLR: expected div_factor above 0"):
        lrs.OneCycleLR(optimizer(momentum=0.9), 1.0, total_steps=10, div_factor=0)
