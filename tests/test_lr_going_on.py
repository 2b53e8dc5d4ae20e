"""Interrupted schedules: after any cut and any way to restore the state, the rates are those of an uninterrupted run."""

import copy
import math

import pytest

import fastnn
from fastnn import nn, optim
from fastnn.optim import lr_scheduler as lrs

EPOCHS = 13


def make_optimizer(rule=optim.SGD):
    options = {"momentum": 0.9} if rule is optim.SGD else {}
    return rule([{"params": [nn.Parameter([0.0])], "lr": 0.1}, {"params": [nn.Parameter([0.0])], "lr": 0.3}], **options)


def rates(optimizer):
    """Rates and momentum of each group."""
    return [(g["lr"], g["betas"][0] if "betas" in g else g["momentum"]) for g in optimizer.param_groups]


def warm_up(o, last, then):
    return lrs.SequentialLR(o, [lrs.LinearLR(o, 0.1, total_iters=3), then(o)], [3], last_epoch=last)


def nested(o, last):
    """A sequence whose second schedule is a sequence and whose third is a chain."""
    inner = lrs.SequentialLR(o, [lrs.ConstantLR(o, 0.1, 2), lrs.ExponentialLR(o, 0.5)], [2])
    chain = lrs.ChainedScheduler([lrs.ConstantLR(o, 0.5, 2), lrs.ExponentialLR(o, 0.9)])
    return lrs.SequentialLR(o, [lrs.StepLR(o, 2), inner, chain], [3, 8], last_epoch=last)


SCHEDULES = {
    "LambdaLR": lambda o, last: lrs.LambdaLR(o, [lambda e: 0.9**e, lambda e: 1 / (1 + e)], last),
    "MultiplicativeLR": lambda o, last: lrs.MultiplicativeLR(o, lambda e: 1 - e / 100, last),
    "StepLR": lambda o, last: lrs.StepLR(o, 3, 0.5, last),
    "MultiStepLR": lambda o, last: lrs.MultiStepLR(o, [0, 2, 2, 7], 0.5, last),
    "ConstantLR": lambda o, last: lrs.ConstantLR(o, 0.1, 4, last),
    "ConstantLR of 0": lambda o, last: lrs.ConstantLR(o, 0.0, 4, last),
    "LinearLR": lambda o, last: lrs.LinearLR(o, 0.1, 0.7, 6, last),
    "LinearLR at once": lambda o, last: lrs.LinearLR(o, 0.1, 0.7, 0, last),
    "ExponentialLR": lambda o, last: lrs.ExponentialLR(o, 0.5, last),
    "PolynomialLR": lambda o, last: lrs.PolynomialLR(o, 9, 2.0, last),
    "CosineAnnealingLR": lambda o, last: lrs.CosineAnnealingLR(o, 4, 0.01, last),
    "CosineAnnealingWarmRestarts": lambda o, last: lrs.CosineAnnealingWarmRestarts(o, 3, last_epoch=last),
    "CosineAnnealingWarmRestarts, longer": lambda o, last: lrs.CosineAnnealingWarmRestarts(o, 1, 3, 0.01, last),
    "CyclicLR": lambda o, last: lrs.CyclicLR(o, [0.1, 0.2], 0.5, 3, 2, "triangular2", last_epoch=last),
    "CyclicLR, exp_range": lambda o, last: lrs.CyclicLR(o, 0.1, 0.5, 2, mode="exp_range", gamma=0.9, last_epoch=last),
    "OneCycleLR": lambda o, last: lrs.OneCycleLR(o, [0.5, 1.0], 13, last_epoch=last),
    "OneCycleLR of three phases": lambda o, last: lrs.OneCycleLR(o, 0.5, 13, anneal_strategy="linear", three_phase=True, last_epoch=last),
    "OneCycleLR that only rises": lambda o, last: lrs.OneCycleLR(o, 0.5, 13, pct_start=1.0, last_epoch=last),
    "SequentialLR from 0": lambda o, last: lrs.SequentialLR(o, [lrs.ConstantLR(o, 0.01), lrs.ExponentialLR(o, 0.5)], [0], last),
    "SequentialLR, cosine": lambda o, last: warm_up(o, last, lambda o: lrs.CosineAnnealingLR(o, 5)),
    "SequentialLR, restarts": lambda o, last: warm_up(o, last, lambda o: lrs.CosineAnnealingWarmRestarts(o, 2, 2)),
    "SequentialLR, multiplied": lambda o, last: warm_up(o, last, lambda o: lrs.MultiplicativeLR(o, lambda e: 0.9)),
    "SequentialLR, cyclic": lambda o, last: warm_up(o, last, lambda o: lrs.CyclicLR(o, 0.1, 0.5, 2)),
    "SequentialLR of its parts gone on": lambda o, last: lrs.SequentialLR(
        o, [lrs.ExponentialLR(o, 0.5, min(last, 3)), lrs.StepLR(o, 2, 0.5, max(last - 4, -1))], [4], last),
    "SequentialLR, nested": nested,
    "ChainedScheduler": lambda o, last: lrs.ChainedScheduler([lrs.ConstantLR(o, 0.1, 3, last), lrs.ExponentialLR(o, 0.9, last)]),
    "ChainedScheduler, from a function": lambda o, last: lrs.ChainedScheduler(
        [lrs.LambdaLR(o, lambda e: 1 / (1 + e), last), lrs.MultiStepLR(o, [2, 5], 0.5, last), lrs.LinearLR(o, last_epoch=last)]),
    "ChainedScheduler, cycling": lambda o, last: lrs.ChainedScheduler([lrs.CyclicLR(o, 0.1, 0.5, 2, last_epoch=last), lrs.ExponentialLR(o, 0.9, last)]),
    "ChainedScheduler of a sequence": lambda o, last: lrs.ChainedScheduler([warm_up(o, last, lambda o: lrs.StepLR(o, 2)), lrs.ExponentialLR(o, 0.9, last)]),
}  # fmt: skip


def by_last_epoch(make, rule, o, scheduler, folder):
    other = make_optimizer(rule)
    other.load_state_dict(o.state_dict())
    return other, make(other, scheduler_epochs(scheduler) - 1)


def by_last_epoch_on_the_same_optimizer(make, rule, o, scheduler, folder):
    return o, make(o, scheduler_epochs(scheduler) - 1)


def by_last_epoch_from_the_initial_rates(make, rule, o, scheduler, folder):
    """An optimizer that is not restored, as it stands in many programs: its groups name their initial rates."""
    other = make_optimizer(rule)
    for group, before in zip(other.param_groups, o.param_groups, strict=True):
        group["lr"] = group["initial_lr"] = before["initial_lr"]
    return other, make(other, scheduler_epochs(scheduler) - 1)


def optimizer_schedule_state(make, rule, o, scheduler, folder):
    other = make_optimizer(rule)
    other.load_state_dict(o.state_dict())
    second = make(other, -1)
    second.load_state_dict(scheduler.state_dict())
    return other, second


def schedule_optimizer_state(make, rule, o, scheduler, folder):
    other = make_optimizer(rule)
    second = make(other, -1)
    other.load_state_dict(o.state_dict())
    second.load_state_dict(scheduler.state_dict())
    return other, second


def schedule_state_optimizer(make, rule, o, scheduler, folder):
    other = make_optimizer(rule)
    second = make(other, -1)
    second.load_state_dict(scheduler.state_dict())
    other.load_state_dict(o.state_dict())
    return other, second


def state_alone(make, rule, o, scheduler, folder):
    other = make_optimizer(rule)
    second = make(other, -1)
    second.load_state_dict(scheduler.state_dict())
    return other, second


def a_file(make, rule, o, scheduler, folder):
    fastnn.save({"optimizer": o.state_dict(), "scheduler": scheduler.state_dict()}, folder / "checkpoint")
    loaded = fastnn.load(folder / "checkpoint")
    other = make_optimizer(rule)
    other.load_state_dict(loaded["optimizer"])
    second = make(other, -1)
    second.load_state_dict(loaded["scheduler"])
    return other, second


def back_from_later(make, rule, o, scheduler, folder):
    states = copy.deepcopy((o.state_dict(), scheduler.state_dict()))
    for _ in range(EPOCHS - scheduler_epochs(scheduler)):
        scheduler.step()
    o.load_state_dict(states[0])
    scheduler.load_state_dict(states[1])
    return o, scheduler


def a_copy(make, rule, o, scheduler, folder):
    return copy.deepcopy((o, scheduler))


def scheduler_epochs(scheduler):
    """The epoch that a schedule is in."""
    return scheduler.last_epoch if hasattr(scheduler, "last_epoch") else scheduler_epochs(scheduler._schedulers[0])


@pytest.mark.parametrize("rule", [optim.SGD, optim.Adam])
@pytest.mark.parametrize("going_on", [by_last_epoch, by_last_epoch_on_the_same_optimizer, by_last_epoch_from_the_initial_rates, optimizer_schedule_state, schedule_optimizer_state,
                                      schedule_state_optimizer, state_alone, a_file, back_from_later, a_copy], ids=lambda f: f.__name__)  # fmt: skip
@pytest.mark.parametrize("name", SCHEDULES)
def test_the_uninterrupted_rates(name, going_on, rule, tmp_path):
    make = SCHEDULES[name]
    whole = make_optimizer(rule)
    scheduler, expected = make(whole, -1), []
    for _ in range(EPOCHS):
        expected.append(rates(whole))
        scheduler.step()
    assert len({each[0][0] for each in expected}) > (name != "LinearLR at once")  # the rate moves
    for cut in range("last_epoch" in going_on.__name__, EPOCHS):  # last_epoch = -1 would begin anew
        o = make_optimizer(rule)
        scheduler = make(o, -1)
        for _ in range(cut):
            scheduler.step()
        o, scheduler = going_on(make, rule, o, scheduler, tmp_path)
        found = [rates(o)]
        for _ in range(EPOCHS - cut - 1):
            scheduler.step()
            found.append(rates(o))
            assert scheduler.get_last_lr() == [rate for rate, _ in found[-1]]
        assert found == expected[cut:], f"cut at {cut}"


@pytest.mark.parametrize(
    "options", [{}, {"mode": "max", "threshold_mode": "abs"}, {"cooldown": 1, "min_lr": [0.01, 0.1]}], ids=str
)
@pytest.mark.parametrize("going_on", [optimizer_schedule_state, schedule_optimizer_state, schedule_state_optimizer, state_alone, a_file, a_copy],
                         ids=lambda f: f.__name__)  # fmt: skip
def test_plateaus_too(going_on, options, tmp_path):
    def make(o, last):
        return lrs.ReduceLROnPlateau(o, patience=1, **options)

    measured = [3.0, 2.0, 2.0, math.nan, 1.0, -1.0, -1.0, -1.0, -2.0, -2.0, -2.0, -2.0, -2.0]
    whole = make_optimizer()
    scheduler, expected = make(whole, -1), []
    for value in measured:
        scheduler.step(value)
        expected.append(rates(whole))
    for cut in range(len(measured)):
        o = make_optimizer()
        scheduler = make(o, -1)
        for value in measured[:cut]:
            scheduler.step(value)
        o, scheduler = going_on(make, optim.SGD, o, scheduler, tmp_path)
        for value, each in zip(measured[cut:], expected[cut:], strict=True):
            scheduler.step(value)
            assert rates(o) == each, f"cut at {cut}"
