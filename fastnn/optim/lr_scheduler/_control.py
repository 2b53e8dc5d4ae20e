"""Schedules that watch a measurement, and schedules made of others."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from ... import _check
from .._optimizer import Optimizer
from ._base import LRScheduler


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
        What counts as better: by this share of the best, or, with threshold_mode "abs", by this much.
    threshold_mode : {"rel", "abs"}
    cooldown : int
        Epochs to wait after a reduction.
    min_lr : float, or one for each group
    eps : float
        A smaller change is not made.

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
        self.optimizer = optimizer
        self.mode = _check.choice(self._name, "mode", mode, ("min", "max"))
        self.factor = _check.in_range(self._name, "factor", factor, 0, 1, open_high=True)
        self.patience = _check.count(self._name, "patience", patience)
        self.threshold = _check.real(self._name, "threshold", threshold)
        self.threshold_mode = _check.choice(self._name, "threshold_mode", threshold_mode, ("rel", "abs"))
        self.cooldown = _check.count(self._name, "cooldown", cooldown)
        self.eps = _check.real(self._name, "eps", eps)
        super().__init__(optimizer)
        self.min_lrs = self._for_groups("min_lr", min_lr)
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = 0

    def initial_step(self) -> None:
        """Enter the first epoch: nothing has been measured yet."""
        self.last_epoch, self._last_lr = 0, self._lrs

    def is_better(self, measurement: float) -> bool:
        """Whether this beats the best so far."""
        best, by = self.best, self.threshold
        if self.mode == "min":
            return measurement < (best * (1 - by) if self.threshold_mode == "rel" else best - by)
        return measurement > (best * (1 + by) if self.threshold_mode == "rel" else best + by)

    def step(self, metrics: Any) -> None:  # type: ignore[override]
        """Take in an epoch's measurement.

        Parameters
        ----------
        metrics : float
        """
        measurement = float(metrics)
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


class SequentialLR(LRScheduler):
    """Several schedules, one after the other.

    Parameters
    ----------
    optimizer : Optimizer
    schedulers : list of LRScheduler
    milestones : list of int
        The epochs at which the next schedule takes over: one less than there are schedules.
    last_epoch : int

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
        self._schedulers = _checked_schedulers("SequentialLR", schedulers, optimizer)
        for each in self._schedulers:
            if isinstance(each, (ReduceLROnPlateau, SequentialLR, ChainedScheduler)):
                raise ValueError(f"SequentialLR: expected schedulers of epochs alone, got a {type(each).__name__}")
        self._milestones = [_check.count("SequentialLR", "each milestone", each) for each in milestones]
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                f"SequentialLR: expected one milestone less than schedulers, got {len(milestones)} "
                f"and {len(schedulers)}"
            )
        super().__init__(optimizer, last_epoch)
        self.last_epoch = last_epoch + 1

    def initial_step(self) -> None:
        """Undo the first epochs that the schedules entered when they were made, and enter the first one's."""
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        for scheduler in self._schedulers:
            scheduler.last_epoch -= 1
        self._schedulers[0].initial_step()
        self._last_lr = self._schedulers[0].get_last_lr()

    def step(self) -> None:
        """Enter the next epoch."""
        self.last_epoch += 1
        i = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[i]
        if i > 0 and self._milestones[i - 1] == self.last_epoch:
            scheduler.restart()
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        """Return everything but the optimizer, with the schedules' states."""
        return _combined_state(super().state_dict(), self._schedulers)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state."""
        super().load_state_dict(_taken_apart(self, state_dict))


class ChainedScheduler(LRScheduler):
    """Several schedules at once: each changes the rate in turn.

    Parameters
    ----------
    schedulers : sequence of LRScheduler
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
        self._schedulers = _checked_schedulers("ChainedScheduler", schedulers, optimizer)
        self.optimizer = self._schedulers[0].optimizer
        self._last_lr = self._lrs

    def step(self) -> None:
        """Enter the next epoch."""
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = self._lrs

    def state_dict(self) -> dict[str, Any]:
        """Return everything but the optimizer, with the schedules' states."""
        return _combined_state(super().state_dict(), self._schedulers)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state."""
        super().load_state_dict(_taken_apart(self, state_dict))


def _checked_schedulers(name: str, schedulers: Any, optimizer: Optimizer | None) -> list[LRScheduler]:
    """Schedules of one optimizer, the one that is given or the first one's."""
    found = list(schedulers)
    if not found:
        raise ValueError(f"{name}: expected at least one scheduler, got none")
    for each in found:
        if not isinstance(each, LRScheduler):
            raise TypeError(f"{name}: expected schedulers, got a {type(each).__name__}")
        if each.optimizer is not (optimizer or found[0].optimizer):
            raise ValueError(f"{name}: expected schedulers of one optimizer")
    return found


def _combined_state(own: dict[str, Any], schedulers: list[LRScheduler]) -> dict[str, Any]:
    return own | {"_schedulers": [scheduler.state_dict() for scheduler in schedulers]}


def _taken_apart(scheduler: Any, state: dict[str, Any]) -> dict[str, Any]:
    """The part that is not the schedules', whose own states are loaded; checked before any of it is."""
    parts, own = state.get("_schedulers", []), {key: value for key, value in state.items() if key != "_schedulers"}
    schedulers = scheduler._schedulers
    name = type(scheduler).__name__
    if len(parts) != len(schedulers):
        raise ValueError(f"{name}.load_state_dict: expected states of {len(schedulers)} schedulers, got {len(parts)}")
    for each, part in [(scheduler, own), *zip(schedulers, parts, strict=True)]:
        each.check_state(part)
    for each, part in zip(schedulers, parts, strict=True):
        each.load_state_dict(part)
    return own
