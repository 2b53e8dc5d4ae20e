"""Cosine schedules, and schedules that rise and fall."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ... import _check
from .._optimizer import Optimizer
from ._base import LRScheduler, all_or_nothing


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

    _relative = True

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1):
        self.T_max = _check.count(self._name, "T_max", T_max, low=1)
        self.eta_min = _check.finite(self._name, "eta_min", eta_min)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the rates of epoch `last_epoch`."""
        t, period, low = self.last_epoch, self.T_max, self.eta_min
        if t == 0:
            return self._lrs
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
        self.eta_min = _check.finite(self._name, "eta_min", eta_min)
        self.T_cur: float = -1
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the rates at T_cur of T_i epochs."""
        share = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (base - self.eta_min) * share for base in self.base_lrs]

    def initial_step(self) -> None:
        """Enter the first epoch."""
        self.step(self.last_epoch + 1)

    def restart(self) -> None:
        """Enter epoch 0 again."""
        self.step(0)

    def step(self, epoch: float | None = None) -> None:
        """Enter the next epoch, or the one given, which may lie between two; an error leaves everything as it was.

        Parameters
        ----------
        epoch : float, optional
            Not negative; epoch + batch / batches sets the rate batch by batch.
        """
        if epoch is not None:
            epoch = _check.in_range(self._name, "epoch", epoch, 0, open_high=True)
        with all_or_nothing(self):
            self._take_in_groups()
            if epoch is None:
                self.last_epoch, self.T_cur = self.last_epoch + 1, self.T_cur + 1
            else:
                self.last_epoch, self.T_cur, self.T_i = math.floor(epoch), epoch, self.T_0
            if self.T_mult == 1:
                self.T_cur %= self.T_i
            while self.T_cur >= self.T_i:
                self.T_cur -= self.T_i
                self.T_i *= self.T_mult
            self._set(self.get_lr())
            self._goes_on = False


class _WithMomentum(LRScheduler):
    """Base class of schedules that move the momentum, or Adam's first beta, against the rate.

    A subclass gives the momentum of step `last_epoch` in `_momenta`.
    """

    cycle_momentum: bool
    base_momentums: list[float]
    max_momentums: list[float]

    def _take_momentum(self, cycle: bool, base: Any, most: Any) -> None:
        """Keep the arguments of the momentum."""
        self.cycle_momentum = bool(cycle)
        if self.cycle_momentum and not {"momentum", "betas"} & set(self.optimizer.defaults):
            raise ValueError(f"{self._name}: expected an optimizer with momentum or betas for cycle_momentum=True")
        self.base_momentums = self._in_range("base_momentum", base, 1, open_high=True)
        self.max_momentums = self._in_range("max_momentum", most, 1, open_high=True)

    def _in_range(self, argument: str, value: Any, most: float = math.inf, open_high: bool = True) -> list[float]:
        """One number for each group, from 0 on."""
        values = self._for_groups(argument, value)
        return [_check.in_range(self._name, argument, each, 0, most, open_high=open_high) for each in values]

    def _momenta(self) -> list[float]:
        """The momentum of each group in step `last_epoch`."""
        raise NotImplementedError

    @property
    def _momenta_now(self) -> list[float]:
        groups = self.optimizer.param_groups
        return [group["betas"][0] if "betas" in self.optimizer.defaults else group["momentum"] for group in groups]

    def _set_momentum(self, group: dict[str, Any], momentum: float) -> None:
        if "betas" in self.optimizer.defaults:
            group["betas"] = (momentum, *group["betas"][1:])
        else:
            group["momentum"] = momentum

    def _set(self, rates: list[float]) -> None:
        super()._set(rates)
        if self.cycle_momentum:
            for group, momentum in zip(self.optimizer.param_groups, self._momenta(), strict=True):
                self._set_momentum(group, momentum)
            self._last_momenta = self._momenta_now

    def state_dict(self) -> dict[str, Any]:
        """Return everything but the optimizer and functions, with the present rates and momenta."""
        return super().state_dict() | ({"_last_momenta": self._momenta_now} if self.cycle_momentum else {})

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state, with its rates and momenta unless others were set since."""
        before = getattr(self, "_last_momenta", [])
        super().load_state_dict(state_dict)
        if self.cycle_momentum:
            groups = zip(self.optimizer.param_groups, before, self._momenta_now, self._last_momenta, strict=False)
            for group, own, now, new in groups:
                if now == own:
                    self._set_momentum(group, new)


class CyclicLR(_WithMomentum):
    """The rate up from base_lr to max_lr and down again, in straight lines.

    Parameters
    ----------
    optimizer : Optimizer
    base_lr, max_lr : float, or one for each group
    step_size_up, step_size_down : int
        Steps up, and down (None: as many).
    mode : {"triangular", "triangular2", "exp_range"}
        The height is constant; is halved each cycle; is gamma^step.
    gamma : float
    scale_fn : function, optional
        The height as a function of the cycle's or the step's number, in place of `mode`.
    scale_mode : {"cycle", "iterations"}
        Whether scale_fn is a function of the cycle or of the step.
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

    _per_group = ("base_lrs", "max_lrs", "base_momentums", "max_momentums")

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
        self._hold(optimizer)
        self.base_lrs, self.max_lrs = self._in_range("base_lr", base_lr), self._in_range("max_lr", max_lr)
        up = _check.count(self._name, "step_size_up", step_size_up, low=1)
        down = up if step_size_down is None else _check.count(self._name, "step_size_down", step_size_down)
        self.total_size, self.step_ratio = up + down, up / (up + down)
        self.mode = _check.choice(self._name, "mode", mode, ("triangular", "triangular2", "exp_range"))
        self.gamma, self.scale_fn = _check.finite(self._name, "gamma", gamma), scale_fn
        if scale_fn is None:
            scale_mode = "iterations" if mode == "exp_range" else "cycle"
        self.scale_mode = _check.choice(self._name, "scale_mode", scale_mode, ("cycle", "iterations"))
        self._take_momentum(cycle_momentum, base_momentum, max_momentum)
        super().__init__(optimizer, last_epoch)

    def _initial_lrs(self) -> list[float]:
        return self.base_lrs

    def _height(self, at: float) -> float:
        if self.scale_fn is not None:
            return self.scale_fn(at)
        if self.mode == "exp_range":
            return self.gamma**at
        return 0.5 ** (at - 1) if self.mode == "triangular2" else 1.0

    def _share(self) -> float:
        """The position between the lowest rate, 0, and the highest, 1."""
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1 + self.last_epoch / self.total_size - cycle
        share = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        return share * self._height(cycle if self.scale_mode == "cycle" else self.last_epoch)

    def get_lr(self) -> list[float]:
        """Return the rates of step `last_epoch`."""
        share = self._share()
        return [low + (high - low) * share for low, high in zip(self.base_lrs, self.max_lrs, strict=True)]

    def _momenta(self) -> list[float]:
        share = self._share()
        return [high - (high - low) * share for low, high in zip(self.base_momentums, self.max_momentums, strict=True)]


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

    _per_group = ("base_lrs", "max_lrs", "min_lrs", "base_momentums", "max_momentums")

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
        self._hold(optimizer)
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("OneCycleLR: expected total_steps, or epochs and steps_per_epoch")
            per_epoch = _check.count(self._name, "steps_per_epoch", steps_per_epoch, low=1)
            total_steps = _check.count(self._name, "epochs", epochs, low=1) * per_epoch
        self.total_steps = _check.count(self._name, "total_steps", total_steps, low=1)
        self.pct_start = _check.in_range(self._name, "pct_start", pct_start, 0, 1)
        self.anneal_strategy = _check.choice(self._name, "anneal_strategy", anneal_strategy, ("cos", "linear"))
        self.three_phase = bool(three_phase)
        if self.pct_start * self.total_steps == 1:
            raise ValueError(f"OneCycleLR: expected more than one step of rise, got {pct_start} of {total_steps}")
        for argument, value in (("div_factor", div_factor), ("final_div_factor", final_div_factor)):
            if not _check.finite(self._name, argument, value) > 0:
                raise ValueError(f"OneCycleLR: expected {argument} above 0, got {value}")
        self._take_momentum(cycle_momentum, base_momentum, max_momentum)
        self.max_lrs = self._in_range("max_lr", max_lr)
        self.base_lrs = [high / div_factor for high in self.max_lrs]
        self.min_lrs = [low / final_div_factor for low in self.base_lrs]
        super().__init__(optimizer, last_epoch)

    def _initial_lrs(self) -> list[float]:
        return self.base_lrs

    def _mark(self, group: dict[str, Any], rate: float) -> None:
        group["initial_lr"] = rate

    def _phases(self) -> list[tuple[float, int, int]]:
        """Each phase's last step, and its first and last level: 0 the first rate, 1 the largest, 2 the last."""
        rise, end = self.pct_start * self.total_steps, self.total_steps - 1
        phases = [(rise - 1, 0, 1), (2 * rise - 2, 1, 0), (end, 0, 2)]
        if not self.three_phase:
            phases = [(rise - 1, 0, 1), (end, 1, 2)]
        return phases if end > phases[-2][0] else phases[:-1]  # the last phase may have no step

    def _at(self, *levels: list[float]) -> list[float]:
        """The value of each group, between the levels at the ends of its phase."""
        phases = self._phases()
        number = next((i for i, (end, _, _) in enumerate(phases[:-1]) if self.last_epoch <= end), len(phases) - 1)
        end, first, last = phases[number]
        start = phases[number - 1][0] if number else 0.0
        share = (self.last_epoch - start) / (end - start)
        if self.anneal_strategy == "linear":
            return [(to - begin) * share + begin for begin, to in zip(levels[first], levels[last], strict=True)]
        fall = (1 + math.cos(math.pi * share)) / 2
        return [to + (begin - to) * fall for begin, to in zip(levels[first], levels[last], strict=True)]

    def get_lr(self) -> list[float]:
        """Return the rates of step `last_epoch`; an error after total_steps."""
        if self.last_epoch > self.total_steps:
            raise ValueError(f"OneCycleLR: expected at most {self.total_steps} steps, got one more")
        return self._at(self.base_lrs, self.max_lrs, self.min_lrs)

    def _momenta(self) -> list[float]:
        return self._at(self.max_momentums, self.base_momentums, self.max_momentums)
