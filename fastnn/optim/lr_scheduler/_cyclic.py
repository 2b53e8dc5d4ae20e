"""Schedules along a cosine, and schedules that rise and fall."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ... import _check
from .._optimizer import Optimizer
from ._base import LRScheduler


class CosineAnnealingLR(LRScheduler):
    """The rate along half a cosine from the initial one to eta_min in T_max epochs; it rises again after.

    Parameters
    ----------
    optimizer : Optimizer
    T_max : int
    eta_min : float
    last_epoch : int

    Notes
    -----
    Loshchilov, Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017, without the restarts.

    Examples
    --------
    >>> from fastnn import nn, optim
    >>> optimizer = optim.SGD([nn.Parameter([0.0])], lr=1.0)
    >>> scheduler = CosineAnnealingLR(optimizer, T_max=4)
    >>> scheduler.step()
    >>> round(scheduler.get_last_lr()[0], 6)
    0.853553
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1):
        self.T_max = _check.count(self._name, "T_max", T_max, low=1)
        self.eta_min = _check.real(self._name, "eta_min", eta_min)
        self._entered = False
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the rates of epoch `last_epoch`."""
        t, period, low = self.last_epoch, self.T_max, self.eta_min
        first, self._entered = not self._entered, True
        if t == 0:
            return self._lrs
        if first:
            return [low + (base - low) * (1 + math.cos(math.pi * t / period)) / 2 for base in self.base_lrs]
        if (t - 1 - period) % (2 * period) == 0:  # the first step up: a quotient would be 0 / 0
            rise = (1 - math.cos(math.pi / period)) / 2
            return [lr + (base - low) * rise for lr, base in zip(self._lrs, self.base_lrs, strict=True)]
        factor = (1 + math.cos(math.pi * t / period)) / (1 + math.cos(math.pi * (t - 1) / period))
        return [factor * (lr - low) + low for lr in self._lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """The rate along half a cosine from the initial one to eta_min, again and again.

    Parameters
    ----------
    optimizer : Optimizer
    T_0 : int
        Epochs of the first fall.
    T_mult : int
        Each fall takes T_mult times as long as the one before.
    eta_min : float
    last_epoch : int

    Notes
    -----
    Loshchilov, Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017.

    Examples
    --------
    >>> from fastnn import nn, optim
    >>> optimizer = optim.SGD([nn.Parameter([0.0])], lr=1.0)
    >>> scheduler = CosineAnnealingWarmRestarts(optimizer, T_0=2)
    >>> for _ in range(2):
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [1.0]
    """

    def __init__(self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1):
        self.T_0 = self.T_i = _check.count(self._name, "T_0", T_0, low=1)
        self.T_mult = _check.count(self._name, "T_mult", T_mult, low=1)
        self.eta_min = _check.real(self._name, "eta_min", eta_min)
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the rates at T_cur of T_i epochs."""
        share = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (base - self.eta_min) * share for base in self.base_lrs]

    def restart(self) -> None:
        """Enter epoch 0 again."""
        self.step(0)

    def step(self, epoch: float | None = None) -> None:
        """Enter the next epoch, or the one given, which may lie between two.

        Parameters
        ----------
        epoch : float, optional
            Not negative; epoch + batch / batches sets the rate batch by batch.
        """
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            self.last_epoch += 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur -= self.T_i
                self.T_i *= self.T_mult
        else:
            self._enter(_check.in_range(self._name, "epoch", epoch, 0))
        self._set(self.get_lr())

    def _enter(self, epoch: float) -> None:
        self.last_epoch = math.floor(epoch)
        if self.T_mult == 1:
            self.T_cur, self.T_i = epoch % self.T_0, self.T_0
            return
        cycle = int(math.log(epoch / self.T_0 * (self.T_mult - 1) + 1, self.T_mult))
        self.T_cur = epoch - self.T_0 * (self.T_mult**cycle - 1) / (self.T_mult - 1)
        self.T_i = self.T_0 * self.T_mult**cycle


class _WithMomentum(LRScheduler):
    """Schedules that move the momentum, or Adam's first beta, against the rate."""

    cycle_momentum: bool

    def _check_momentum(self) -> None:
        if self.cycle_momentum and not {"momentum", "betas"} & set(self.optimizer.defaults):
            raise ValueError(f"{self._name}: expected an optimizer with momentum or betas for cycle_momentum=True")

    def _set_momentum(self, group: dict[str, Any], momentum: float) -> None:
        if "betas" in self.optimizer.defaults:
            group["betas"] = (momentum, *group["betas"][1:])
        else:
            group["momentum"] = momentum


class CyclicLR(_WithMomentum):
    """The rate up from base_lr to max_lr and down again, in straight lines.

    Parameters
    ----------
    optimizer : Optimizer
    base_lr, max_lr : float, or one for each group
    step_size_up, step_size_down : int
        Steps up, and down (None: as many).
    mode : {"triangular", "triangular2", "exp_range"}
        The height stays; is halved each cycle; is gamma^step.
    gamma : float
    scale_fn : function, optional
        The height, of the cycle's number or of the step's; takes the place of `mode`.
    scale_mode : {"cycle", "iterations"}
        What scale_fn is a function of.
    cycle_momentum : bool
        Move the momentum between max_momentum and base_momentum against the rate.
    base_momentum, max_momentum : float, or one for each group
    last_epoch : int

    Notes
    -----
    Smith, "Cyclical learning rates for training neural networks", WACV 2017.

    Examples
    --------
    >>> from fastnn import nn, optim
    >>> optimizer = optim.SGD([nn.Parameter([0.0])], lr=1.0, momentum=0.9)
    >>> scheduler = CyclicLR(optimizer, 0.1, 0.5, step_size_up=4)
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.2]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: Any,
        max_lr: Any,
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: Any = 0.8,
        max_momentum: Any = 0.9,
        last_epoch: int = -1,
    ):
        self.optimizer = optimizer
        base_lrs, self.max_lrs = self._for_groups("base_lr", base_lr), self._for_groups("max_lr", max_lr)
        up = _check.count(self._name, "step_size_up", step_size_up, low=1)
        down = up if step_size_down is None else _check.count(self._name, "step_size_down", step_size_down)
        self.total_size, self.step_ratio = up + down, up / (up + down)
        self.mode = _check.choice(self._name, "mode", mode, ("triangular", "triangular2", "exp_range"))
        self.gamma, self.scale_fn = _check.real(self._name, "gamma", gamma), scale_fn
        if scale_fn is None:
            scale_mode = "iterations" if mode == "exp_range" else "cycle"
        self.scale_mode = _check.choice(self._name, "scale_mode", scale_mode, ("cycle", "iterations"))
        self.cycle_momentum = cycle_momentum
        self._check_momentum()
        self.base_momentums = self._for_groups("base_momentum", base_momentum)
        self.max_momentums = self._for_groups("max_momentum", max_momentum)
        if last_epoch == -1:
            for group, rate in zip(optimizer.param_groups, base_lrs, strict=True):
                group["lr"] = rate
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def _height(self, at: float) -> float:
        if self.scale_fn is not None:
            return self.scale_fn(at)
        return {"triangular": 1.0, "triangular2": 0.5 ** (at - 1), "exp_range": self.gamma**at}[self.mode]

    def get_lr(self) -> list[float]:
        """Return the rates of step `last_epoch`, and set the momentum."""
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1 + self.last_epoch / self.total_size - cycle
        share = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        share *= self._height(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            pairs = zip(self.base_momentums, self.max_momentums, strict=True)
            for group, (low, high) in zip(self.optimizer.param_groups, pairs, strict=True):
                self._set_momentum(group, high - (high - low) * share)
        return [low + (high - low) * share for low, high in zip(self.base_lrs, self.max_lrs, strict=True)]


class OneCycleLR(_WithMomentum):
    """The rate once up from max_lr / div_factor to max_lr, then down to a small fraction, step by step.

    Parameters
    ----------
    optimizer : Optimizer
    max_lr : float, or one for each group
    total_steps : int, optional
        Or epochs times steps_per_epoch.
    epochs, steps_per_epoch : int, optional
    pct_start : float
        The share of the steps in which the rate rises.
    anneal_strategy : {"cos", "linear"}
    cycle_momentum : bool
        Move the momentum between max_momentum and base_momentum against the rate.
    base_momentum, max_momentum : float, or one for each group
    div_factor, final_div_factor : float
        The first rate is max_lr / div_factor, the last the first / final_div_factor.
    three_phase : bool
        Down as long as up, then to the last rate.
    last_epoch : int

    Raises
    ------
    ValueError
        From `step`, after total_steps of them.

    Notes
    -----
    Smith, Topin, "Super-convergence: very fast training of neural networks using large learning rates", 2018.

    Examples
    --------
    >>> from fastnn import nn, optim
    >>> optimizer = optim.SGD([nn.Parameter([0.0])], lr=1.0, momentum=0.9)
    >>> scheduler = OneCycleLR(optimizer, 1.0, total_steps=9)
    >>> scheduler.step()
    >>> round(scheduler.get_last_lr()[0], 6)
    0.651358
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: Any,
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: Any = 0.85,
        max_momentum: Any = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ):
        self.optimizer = optimizer
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("OneCycleLR: expected total_steps, or epochs and steps_per_epoch")
            per_epoch = _check.count(self._name, "steps_per_epoch", steps_per_epoch, low=1)
            total_steps = _check.count(self._name, "epochs", epochs, low=1) * per_epoch
        self.total_steps = _check.count(self._name, "total_steps", total_steps, low=1)
        self.pct_start = _check.in_range(self._name, "pct_start", pct_start, 0, 1)
        self.anneal_strategy = _check.choice(self._name, "anneal_strategy", anneal_strategy, ("cos", "linear"))
        self.cycle_momentum, self.three_phase = cycle_momentum, three_phase
        self._check_momentum()
        if self.pct_start * self.total_steps == 1:
            raise ValueError(f"OneCycleLR: expected more than one step of rise, got {pct_start} of {total_steps}")
        for argument, value in (("div_factor", div_factor), ("final_div_factor", final_div_factor)):
            if not _check.real(self._name, argument, value) > 0:
                raise ValueError(f"OneCycleLR: expected {argument} above 0, got {value}")
        self.max_lrs = self._for_groups("max_lr", max_lr)
        first = [high / div_factor for high in self.max_lrs]
        self.min_lrs = [low / final_div_factor for low in first]
        self.base_momentums = self._for_groups("base_momentum", base_momentum)
        self.max_momentums = self._for_groups("max_momentum", max_momentum)
        if last_epoch == -1:
            for group, rate in zip(optimizer.param_groups, first, strict=True):
                group["initial_lr"] = rate
        super().__init__(optimizer, last_epoch)

    def _phases(self) -> list[tuple[float, int, int]]:
        """Each phase's last step and its ends, 0 the first rate, 1 the largest, 2 the last."""
        rise, end = self.pct_start * self.total_steps, self.total_steps - 1
        if self.three_phase:
            return [(rise - 1, 0, 1), (2 * rise - 2, 1, 0), (end, 0, 2)]
        return [(rise - 1, 0, 1), (end, 1, 2)]

    def _between(self, start: float, end: float, share: float) -> float:
        if self.anneal_strategy == "linear":
            return (end - start) * share + start
        return end + (start - end) / 2 * (1 + math.cos(math.pi * share))

    def get_lr(self) -> list[float]:
        """Return the rates of step `last_epoch`, and set the momentum."""
        phases = self._phases()
        number = next((i for i, (end, _, _) in enumerate(phases[:-1]) if self.last_epoch <= end), len(phases) - 1)
        end, start_level, end_level = phases[number]
        start = phases[number - 1][0] if number else 0.0
        share = (self.last_epoch - start) / (end - start)
        rates = []
        for i, group in enumerate(self.optimizer.param_groups):
            levels = (self.base_lrs[i], self.max_lrs[i], self.min_lrs[i])
            rates.append(self._between(levels[start_level], levels[end_level], share))
            if self.cycle_momentum:
                levels = (self.max_momentums[i], self.base_momentums[i], self.max_momentums[i])
                self._set_momentum(group, self._between(levels[start_level], levels[end_level], share))
        return rates

    def step(self) -> None:
        """Enter the next step; after total_steps of them nothing changes but an error is raised."""
        if self.last_epoch >= self.total_steps:
            raise ValueError(f"OneCycleLR: expected at most {self.total_steps} steps, got one more")
        super().step()
