"""Schedules that multiply the rate at certain epochs or at each."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from typing import Any

from ... import _check
from .._optimizer import Optimizer
from ._base import LRScheduler


def _functions(name: str, values: list[Any]) -> list[Callable[[int], float]]:
    for value in values:
        if not callable(value):
            raise TypeError(f"{name}: expected lr_lambda to be a function, got {type(value).__name__}")
    return values


class LambdaLR(LRScheduler):
    """The initial rate times lr_lambda(epoch).

    Parameters
    ----------
    optimizer : Optimizer
    lr_lambda : function of int, or one for each group
    last_epoch : int

    Examples
    --------
    >>> from fastnn import nn, optim
    >>> optimizer = optim.SGD([nn.Parameter([0.0])], lr=1.0)
    >>> scheduler = LambdaLR(optimizer, lambda epoch: 1 / (epoch + 1))
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.5]
    """

    _per_group = ("lr_lambdas",)

    def __init__(self, optimizer: Optimizer, lr_lambda: Any, last_epoch: int = -1):
        self._hold(optimizer)
        self.lr_lambdas = _functions(self._name, self._for_groups("lr_lambda", lr_lambda))
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the rates of epoch `last_epoch`."""
        return [lr * function(self.last_epoch) for lr, function in zip(self.base_lrs, self.lr_lambdas, strict=True)]


class MultiplicativeLR(LRScheduler):
    """The rate before times lr_lambda(epoch).

    Parameters
    ----------
    optimizer : Optimizer
    lr_lambda : function of int, or one for each group
    last_epoch : int

    Examples
    --------
    >>> from fastnn import nn, optim
    >>> optimizer = optim.SGD([nn.Parameter([0.0])], lr=1.0)
    >>> scheduler = MultiplicativeLR(optimizer, lambda epoch: 0.5)
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.5]
    """

    _relative = _keeps_lr_on_restart = True
    _per_group = ("lr_lambdas",)

    def __init__(self, optimizer: Optimizer, lr_lambda: Any, last_epoch: int = -1):
        self._hold(optimizer)
        self.lr_lambdas = _functions(self._name, self._for_groups("lr_lambda", lr_lambda))
        super().__init__(optimizer, last_epoch)

    def _begin(self) -> None:
        self._set(self._lrs)

    def get_lr(self) -> list[float]:
        """Return the rates of epoch `last_epoch`."""
        return [lr * function(self.last_epoch) for lr, function in zip(self._lrs, self.lr_lambdas, strict=True)]


class StepLR(LRScheduler):
    """The rate times gamma every step_size epochs.

    Parameters
    ----------
    optimizer : Optimizer
    step_size : int
    gamma : float
    last_epoch : int

    Examples
    --------
    >>> from fastnn import nn, optim
    >>> optimizer = optim.SGD([nn.Parameter([0.0])], lr=1.0)
    >>> scheduler = StepLR(optimizer, step_size=2, gamma=0.5)
    >>> for _ in range(4):
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [0.25]
    """

    _relative = True

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1):
        self.step_size = _check.count(self._name, "step_size", step_size, low=1)
        self.gamma = _check.finite(self._name, "gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the rates of epoch `last_epoch`."""
        due = self.last_epoch != 0 and self.last_epoch % self.step_size == 0
        return [lr * self.gamma for lr in self._lrs] if due else self._lrs


class MultiStepLR(LRScheduler):
    """The rate times gamma at each milestone.

    Parameters
    ----------
    optimizer : Optimizer
    milestones : iterable of int
    gamma : float
    last_epoch : int

    Examples
    --------
    >>> from fastnn import nn, optim
    >>> optimizer = optim.SGD([nn.Parameter([0.0])], lr=1.0)
    >>> scheduler = MultiStepLR(optimizer, [1, 3], gamma=0.5)
    >>> for _ in range(3):
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [0.25]
    """

    _relative = True

    def __init__(self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1):
        self.milestones = sorted(_check.count(self._name, "each milestone", each) for each in milestones)
        self.gamma = _check.finite(self._name, "gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the rates of epoch `last_epoch`."""
        times = bisect_right(self.milestones, self.last_epoch) - bisect_left(self.milestones, self.last_epoch)
        return [lr * self.gamma**times for lr in self._lrs]


class ConstantLR(LRScheduler):
    """The rate times factor until epoch total_iters.

    Parameters
    ----------
    optimizer : Optimizer
    factor : float
        In [0, 1]; after a factor of 0 the rate is the initial one.
    total_iters : int
    last_epoch : int

    Examples
    --------
    >>> from fastnn import nn, optim
    >>> optimizer = optim.SGD([nn.Parameter([0.0])], lr=1.0)
    >>> scheduler = ConstantLR(optimizer, 0.5, total_iters=2)
    >>> scheduler.get_last_lr()
    [0.5]
    """

    _relative = True

    def __init__(self, optimizer: Optimizer, factor: float = 1 / 3, total_iters: int = 5, last_epoch: int = -1):
        self.factor = _check.in_range(self._name, "factor", factor, 0, 1)
        self.total_iters = _check.count(self._name, "total_iters", total_iters)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the rates of epoch `last_epoch`."""
        if self.last_epoch == 0 < self.total_iters:
            return [lr * self.factor for lr in self._lrs]
        if self.last_epoch == 0 or self.last_epoch != self.total_iters:
            return self._lrs
        return [lr / self.factor for lr in self._lrs] if self.factor else self.base_lrs


class LinearLR(LRScheduler):
    """The rate times a factor that runs from start_factor to end_factor in total_iters epochs.

    Parameters
    ----------
    optimizer : Optimizer
    start_factor : float
        In (0, 1].
    end_factor : float
        In [0, 1].
    total_iters : int
        0 begins at end_factor.
    last_epoch : int

    Examples
    --------
    >>> from fastnn import nn, optim
    >>> optimizer = optim.SGD([nn.Parameter([0.0])], lr=1.0)
    >>> scheduler = LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.75]
    """

    _relative = True

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ):
        self.start_factor = _check.in_range(self._name, "start_factor", start_factor, 0, 1)
        if self.start_factor == 0:
            raise ValueError("LinearLR: expected start_factor above 0")
        self.end_factor = _check.in_range(self._name, "end_factor", end_factor, 0, 1)
        self.total_iters = _check.count(self._name, "total_iters", total_iters)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the rates of epoch `last_epoch`."""
        rise = self.end_factor - self.start_factor
        if self.last_epoch == 0:
            factor = self.start_factor if self.total_iters else self.end_factor
        elif self.last_epoch > self.total_iters:
            factor = 1.0
        else:
            factor = 1 + rise / (self.total_iters * self.start_factor + (self.last_epoch - 1) * rise)
        return [lr * factor for lr in self._lrs]


class ExponentialLR(LRScheduler):
    """The rate times gamma at each epoch.

    Parameters
    ----------
    optimizer : Optimizer
    gamma : float
    last_epoch : int

    Examples
    --------
    >>> from fastnn import nn, optim
    >>> optimizer = optim.SGD([nn.Parameter([0.0])], lr=1.0)
    >>> scheduler = ExponentialLR(optimizer, 0.5)
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.5]
    """

    _relative = True

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1):
        self.gamma = _check.finite(self._name, "gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the rates of epoch `last_epoch`."""
        return self._lrs if self.last_epoch == 0 else [lr * self.gamma for lr in self._lrs]


class PolynomialLR(LRScheduler):
    """The initial rate times (1 - epoch / total_iters)^power, 0 from there on.

    Parameters
    ----------
    optimizer : Optimizer
    total_iters : int
        At least 1.
    power : float
        Not negative.
    last_epoch : int

    Examples
    --------
    >>> from fastnn import nn, optim
    >>> optimizer = optim.SGD([nn.Parameter([0.0])], lr=1.0)
    >>> scheduler = PolynomialLR(optimizer, total_iters=4)
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.75]
    """

    _relative = True

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1):
        self.total_iters = _check.count(self._name, "total_iters", total_iters, low=1)
        self.power = _check.in_range(self._name, "power", power, 0, open_high=True)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the rates of epoch `last_epoch`."""
        if self.last_epoch == 0 or self.last_epoch > self.total_iters:
            return self._lrs
        left, before = (1 - epoch / self.total_iters for epoch in (self.last_epoch, self.last_epoch - 1))
        return [lr * (left / before) ** self.power for lr in self._lrs]
