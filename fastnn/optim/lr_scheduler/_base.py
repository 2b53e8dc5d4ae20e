"""LRScheduler, the base of all schedules."""

from __future__ import annotations

from typing import Any

from ... import _check
from .._optimizer import Optimizer


class LRScheduler:
    """Sets the learning rate of each parameter group, epoch by epoch.

    A subclass gives the rates of epoch `last_epoch` in `get_lr`, from those that the groups have now; schedules can
    therefore be combined, and a rate that was changed by hand stays changed.

    Parameters
    ----------
    optimizer : Optimizer
    last_epoch : int
        The epoch to go on from; -1 starts at the beginning, and takes the groups' rates as the initial ones.

    Attributes
    ----------
    last_epoch : int
    base_lrs : list of float
        The initial rates.
    """

    _keeps_lr_on_restart = False  # whether epoch 0 depends on the rate before it

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1):
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{self._name}: expected an Optimizer, got {type(optimizer).__name__}")
        self.optimizer = optimizer
        self.last_epoch = _check.count(self._name, "last_epoch", last_epoch, low=-1)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(f"{self._name}: expected 'initial_lr' in parameter group {i} to go on from {last_epoch}")
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.initial_step()

    @property
    def _name(self) -> str:
        return type(self).__name__

    @property
    def _lrs(self) -> list[float]:
        """The groups' rates now."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def _for_groups(self, argument: str, value: Any) -> list[Any]:
        """One value for each group."""
        values = list(value) if isinstance(value, (list, tuple)) else [value] * len(self.optimizer.param_groups)
        if len(values) != len(self.optimizer.param_groups):
            groups = len(self.optimizer.param_groups)
            raise ValueError(f"{self._name}: expected {groups} values of {argument}, got {len(values)}")
        return values

    def get_lr(self) -> list[float]:
        """Return the rates of epoch `last_epoch`."""
        raise NotImplementedError

    def get_last_lr(self) -> list[float]:
        """Return the rates that were set last."""
        return self._last_lr

    def initial_step(self) -> None:
        """Enter the first epoch."""
        self.step()

    def restart(self) -> None:
        """Enter epoch 0 again."""
        self.last_epoch = 0
        if not self._keeps_lr_on_restart:
            self._set(self.base_lrs)
        self._set(self.get_lr())

    def step(self) -> None:
        """Enter the next epoch."""
        self.last_epoch += 1
        try:
            rates = self.get_lr()
        except BaseException:
            self.last_epoch -= 1
            raise
        self._set(rates)

    def _set(self, rates: list[float]) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        self._last_lr = self._lrs

    def state_dict(self) -> dict[str, Any]:
        """Return everything but the optimizer and functions."""
        return {key: value for key, value in vars(self).items() if key != "optimizer" and not _holds_functions(value)}

    def check_state(self, state_dict: dict[str, Any]) -> None:
        """Refuse a state of another kind of schedule."""
        unknown = [key for key in state_dict if key not in vars(self) or key == "optimizer"]
        if unknown:
            raise ValueError(f"{self._name}.load_state_dict: unexpected keys {unknown}")

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state."""
        self.check_state(state_dict)
        vars(self).update(state_dict)


def _holds_functions(value: Any) -> bool:
    return callable(value) or (isinstance(value, list) and any(callable(each) for each in value))
