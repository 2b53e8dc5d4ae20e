"""Schedules that watch a measurement, and combinations of schedules."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ... import _check
from ...autograd import value_of
from .._optimizer import Optimizer
from ._base import LRScheduler, all_or_nothing, family


class ReduceLROnPlateau(LRScheduler):
    """The rate times factor when a measurement has not become better for more than `patience` epochs.

    Parameters
    ----------
    optimizer : Optimizer
    mode : {"min", "max"}
        Whether less or more is better.
    factor : float
        Below 1.
    patience : int
    threshold : float
        The least improvement: this share of the best's absolute value or, with threshold_mode "abs", this amount.  NaN
        is never better.
    threshold_mode : {"rel", "abs"}
    cooldown : int
        Epochs to wait after a reduction.
    min_lr : float, or one for each group
    eps : float
        Smaller changes of the rate are not made.

    Examples
    --------
    >>> from fastnn import nn, optim
    >>> optimizer = optim.SGD([nn.Parameter([0.0])], lr=1.0)
    >>> scheduler = ReduceLROnPlateau(optimizer, patience=1)
    >>> for loss in (1.0, 1.0, 1.0):
    ...     scheduler.step(loss)
    >>> scheduler.get_last_lr()
    [0.1]
    """

    _per_group = ("min_lrs",)

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: Any = 0,
        eps: float = 1e-8,
    ):
        self._hold(optimizer)
        self.mode = _check.choice(self._name, "mode", mode, ("min", "max"))
        self.factor = _check.in_range(self._name, "factor", factor, 0, 1, open_high=True)
        self.patience = _check.count(self._name, "patience", patience)
        self.threshold = _check.finite(self._name, "threshold", threshold)
        self.threshold_mode = _check.choice(self._name, "threshold_mode", threshold_mode, ("rel", "abs"))
        self.cooldown = _check.count(self._name, "cooldown", cooldown)
        self.eps = _check.finite(self._name, "eps", eps)
        self.min_lrs = [_check.finite(self._name, "min_lr", each) for each in self._for_groups("min_lr", min_lr)]
        super().__init__(optimizer)
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = 0

    def initial_step(self) -> None:
        """Enter the first epoch: nothing has been measured yet."""
        self.last_epoch, self._last_lr = 0, self._lrs

    def is_better(self, measurement: float) -> bool:
        """Whether this measurement is better than the best so far."""
        best, less = self.best, self.mode == "min"
        if math.isinf(best) and (best > 0) == less:  # nothing has been measured yet
            return measurement < best if less else measurement > best
        if self.threshold_mode == "abs":
            return measurement < best - self.threshold if less else measurement > best + self.threshold
        share = math.copysign(self.threshold, best)
        return measurement < best * (1 - share) if less else measurement > best * (1 + share)

    def step(self, metrics: Any) -> None:  # type: ignore[override]
        """Take in an epoch's measurement; an error leaves everything as it was.

        Parameters
        ----------
        metrics : float
        """
        measurement = _check.real(f"{self._name}.step", "metrics", value_of(metrics))
        with all_or_nothing(self):
            self._take_in_groups()
            self.last_epoch += 1
            if self.is_better(measurement):
                self.best, self.num_bad_epochs = measurement, 0
            else:
                self.num_bad_epochs += 1
            if self.cooldown_counter > 0:
                self.cooldown_counter -= 1
                self.num_bad_epochs = 0
            if self.num_bad_epochs > self.patience:
                lower = [max(lr * self.factor, least) for lr, least in zip(self._lrs, self.min_lrs, strict=True)]
                self._set([new if lr - new > self.eps else lr for lr, new in zip(self._lrs, lower, strict=True)])
                self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
            self._last_lr = self._lrs


class _Combined(LRScheduler):
    """Base class of combined schedules."""

    _schedulers: list[LRScheduler]

    def _take(self, schedulers: Any, optimizer: Optimizer | None) -> None:
        """Store schedules, which must all have the given optimizer, or that of the first."""
        name = self._name
        if not isinstance(schedulers, Iterable):
            raise TypeError(f"{name}: expected a list of schedulers, got a {type(schedulers).__name__}")
        self._schedulers = list(schedulers)
        if not self._schedulers:
            raise ValueError(f"{name}: expected at least one scheduler, got none")
        for each in self._schedulers:
            if not isinstance(each, LRScheduler):
                raise TypeError(f"{name}: expected schedulers, got a {type(each).__name__}")
            if isinstance(each, ReduceLROnPlateau):
                raise ValueError(f"{name}: expected schedulers of epochs alone, got a ReduceLROnPlateau")
            if each.optimizer is not (optimizer or self._schedulers[0].optimizer):
                raise ValueError(f"{name}: expected schedulers of one optimizer")
        self._hold(self._schedulers[0].optimizer)

    def _to_initial(self) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = group.setdefault("initial_lr", group["lr"])

    def state_dict(self) -> dict[str, Any]:
        """Return everything but the optimizer and functions, with the schedules' states."""
        return super().state_dict() | {"_schedulers": [scheduler.state_dict() for scheduler in self._schedulers]}

    def check_state(self, state_dict: Mapping[str, Any]) -> None:
        """Refuse a state of other kinds of schedules, or one for other parameter groups."""
        super().check_state(state_dict)
        parts, schedulers = state_dict["_schedulers"], self._schedulers
        if not isinstance(parts, (list, tuple)) or len(parts) != len(schedulers):
            name, got = f"{self._name}.load_state_dict", len(parts) if hasattr(parts, "__len__") else repr(parts)
            raise ValueError(f"{name}: expected states of {len(schedulers)} schedulers, got {got}")
        for scheduler, part in zip(schedulers, parts, strict=True):
            scheduler.check_state(part)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state, all of it or, on any error, nothing; rates that were set by hand since stay."""
        self.check_state(state_dict)
        for scheduler, part in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            scheduler.load_state_dict(part)
        schedulers = self._schedulers
        super().load_state_dict(state_dict)
        self._schedulers = schedulers


class SequentialLR(_Combined):
    """Several schedules, one after the other, each from its epoch 0 on; they may be combined ones.

    Parameters
    ----------
    optimizer : Optimizer
    schedulers : list of LRScheduler
    milestones : list of int
        The epochs at which the next schedule takes over, in order: one less than there are schedules.
    last_epoch : int
        The last finished epoch: all schedules, whatever their own last_epoch, are run again up to the epoch after
        it.

    Examples
    --------
    >>> from fastnn import nn, optim
    >>> optimizer = optim.SGD([nn.Parameter([0.0])], lr=1.0)
    >>> from fastnn.optim.lr_scheduler import ConstantLR, ExponentialLR
    >>> warm, fall = ConstantLR(optimizer, 0.1, total_iters=2), ExponentialLR(optimizer, 0.5)
    >>> scheduler = SequentialLR(optimizer, [warm, fall], milestones=[2])
    >>> for _ in range(3):
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [0.5]
    """

    def __init__(
        self, optimizer: Optimizer, schedulers: list[LRScheduler], milestones: list[int], last_epoch: int = -1
    ):
        self._hold(optimizer)
        self._take(schedulers, optimizer)
        if not isinstance(milestones, Iterable):
            raise TypeError(f"SequentialLR: expected a list of milestones, got a {type(milestones).__name__}")
        self._milestones = [_check.count("SequentialLR", "each milestone", each) for each in milestones]
        if len(self._milestones) != len(self._schedulers) - 1:
            raise ValueError(
                f"SequentialLR: expected one milestone less than schedulers, got {len(self._milestones)} "
                f"and {len(self._schedulers)}"
            )
        if self._milestones != sorted(self._milestones):
            raise ValueError(f"SequentialLR: expected milestones in rising order, got {self._milestones}")
        super().__init__(optimizer, last_epoch)
        self._found = min([self._found, *(each._found for each in self._schedulers)])

    def initial_step(self) -> None:
        """Enter the first epoch, whatever epochs the schedules entered when they were made."""
        epochs, self.last_epoch = self.last_epoch + 1, 0
        self._to_initial()
        for scheduler in self._schedulers:
            scheduler.last_epoch = -1
        first = self._schedulers[bisect_right(self._milestones, 0)]
        first.start()
        self._last_lr = first.get_last_lr()
        for _ in range(epochs):
            self.step()

    def restart(self) -> None:
        """Enter epoch 0 again, from the initial rates."""
        self.start()

    def step(self) -> None:
        """Enter the next epoch; an error leaves everything as it was."""
        with all_or_nothing(self):
            self._take_in_groups()
            self.last_epoch += 1
            i = bisect_right(self._milestones, self.last_epoch)
            scheduler = self._schedulers[i]
            if i > 0 and self._milestones[i - 1] == self.last_epoch:
                scheduler.restart()
            else:
                scheduler.step()
            self._goes_on, self._last_lr = False, scheduler.get_last_lr()


class ChainedScheduler(_Combined):
    """Several schedules at once: each changes the rate in turn.

    Parameters
    ----------
    schedulers : sequence of LRScheduler
        If they go on from an epoch, the rates are the optimizer's before the first of them was made; if these were the
        initial ones, all epochs are run again.
    optimizer : Optimizer, optional
        The one that all schedules belong to.

    Examples
    --------
    >>> from fastnn import nn, optim
    >>> optimizer = optim.SGD([nn.Parameter([0.0])], lr=1.0)
    >>> from fastnn.optim.lr_scheduler import ConstantLR, ExponentialLR
    >>> scheduler = ChainedScheduler([ExponentialLR(optimizer, 0.5), ConstantLR(optimizer, 0.1)])
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.05]
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None):
        self._take(schedulers, optimizer)
        self._found = min(each._found for each in self._schedulers)
        self._goes_on = all(each._goes_on for each in self._schedulers)
        self._last_lr = self._lrs
        if self._goes_on:
            self._go_on()

    def _go_on(self) -> None:
        """Undo the schedules' changes of the rates one by one, and apply them together if that was not done before."""
        groups, (_, found) = self.optimizer.param_groups, self._found
        epochs = {each.last_epoch for each in family(self) if each._goes_on and not isinstance(each, ChainedScheduler)}
        if len(epochs) == 1 and found == [group["initial_lr"] for group in groups]:
            self.restart()
            for _ in range(epochs.pop()):
                self.step()
            self._goes_on = True
            return
        for group, rate in zip(groups, found, strict=False):
            group["lr"] = rate
        self._last_lr = self._lrs

    def start(self) -> None:
        """Enter epoch 0 from the rates that the groups have."""
        for scheduler in self._schedulers:
            scheduler.start()
        self._last_lr = self._lrs

    def restart(self) -> None:
        """Enter epoch 0 again, from the initial rates."""
        self._to_initial()
        self.start()

    def step(self) -> None:
        """Enter the next epoch; an error leaves everything as it was."""
        with all_or_nothing(self):
            for scheduler in self._schedulers:
                scheduler.step()
            self._goes_on, self._last_lr = False, self._lrs
