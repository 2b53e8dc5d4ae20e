"""LRScheduler, the base of all schedules."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np

from ... import _check
from .._optimizer import Optimizer

_serial = itertools.count()


class LRScheduler:
    """Sets the learning rate of each parameter group, epoch by epoch.

    A subclass's `get_lr` computes the rates of epoch `last_epoch` from the groups' rates so far; so schedules can be
    combined, and a rate that was changed by hand stays changed.

    Parameters
    ----------
    optimizer : Optimizer
        Groups that are added to it later follow the schedule too: from then on their rates change by the other groups'
        factors.  A schedule that was given a list with one value for each group refuses to go on.
    last_epoch : int
        The last finished epoch, after which the schedule goes on; the optimizer's state must have been restored, or its
        groups have an "initial_lr".  -1 starts at the beginning, with the groups' rates as the initial ones.

    Attributes
    ----------
    last_epoch : int
        The epoch that was entered last.
    base_lrs : list of float
        The initial rates.
    """

    _relative = False  # whether an epoch's rates are computed from those before
    _keeps_lr_on_restart = False  # whether epoch 0 depends on the rate before it
    _per_group: ClassVar[tuple[str, ...]] = ()  # attributes that hold a value for each group

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1):
        self._hold(optimizer)
        self.last_epoch = _check.count(self._name, "last_epoch", last_epoch, low=-1)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch >= 0 and "initial_lr" not in group:
                raise KeyError(f"{self._name}: expected 'initial_lr' in parameter group {i} to go on from {last_epoch}")
        self._found = (next(_serial), self._lrs)
        self.base_lrs = self._initial_lrs()
        with all_or_nothing(self):
            for group, rate in zip(optimizer.param_groups, self.base_lrs, strict=True):
                self._mark(group, rate)
            self.initial_step()
        self._goes_on = last_epoch >= 0  # until the first step

    def _hold(self, optimizer: Optimizer) -> None:
        """Store the optimizer; arguments are checked against its groups next."""
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{self._name}: expected an Optimizer, got {type(optimizer).__name__}")
        self.optimizer = optimizer
        self._separate: list[str] = getattr(self, "_separate", [])  # arguments given as a list, a value for each group

    @property
    def _name(self) -> str:
        return type(self).__name__

    @property
    def _lrs(self) -> list[float]:
        """The groups' rates now."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def _initial_lrs(self) -> list[float]:
        """The rates that the schedule starts from."""
        return [float(group["initial_lr" if "initial_lr" in group else "lr"]) for group in self.optimizer.param_groups]

    def _mark(self, group: dict[str, Any], rate: float) -> None:
        """Store the initial rate in the group, where schedules that are made later find it."""
        group.setdefault("initial_lr", rate)

    def _for_groups(self, argument: str, value: Any) -> list[Any]:
        """One value for each group."""
        groups = len(self.optimizer.param_groups)
        if not isinstance(value, (list, tuple)):
            return [value] * groups
        if len(value) != groups:
            raise ValueError(f"{self._name}: expected {groups} values of {argument}, got {len(value)}")
        self._separate.append(argument)
        return list(value)

    def _take_in_groups(self) -> None:
        """Include groups that were added to the optimizer."""
        groups, known = self.optimizer.param_groups, len(self.base_lrs)
        if len(groups) == known:
            return
        if len(groups) < known or self._separate:
            given = f", each with its own {' and '.join(self._separate)}" if self._separate else ""
            raise ValueError(
                f"{self._name}: expected the {known} parameter groups it was made for{given}, got {len(groups)}; "
                "make a new schedule"
            )
        for attribute in self._per_group:
            values = getattr(self, attribute)
            setattr(self, attribute, values + values[:1] * (len(groups) - known))
        if "base_lrs" not in self._per_group:
            self.base_lrs = self.base_lrs + self._initial_lrs()[known:]
        for group, rate in zip(groups[known:], self.base_lrs[known:], strict=True):
            self._mark(group, rate)

    def get_lr(self) -> list[float]:
        """Return the rates of epoch `last_epoch`."""
        raise NotImplementedError

    def get_last_lr(self) -> list[float]:
        """Return the rates that were set last."""
        return self._last_lr

    def initial_step(self) -> None:
        """Enter the first epoch.

        When a schedule goes on, a restored optimizer has its rates already; one that still has the initial rates goes
        through all epochs.
        """
        epochs = self.last_epoch + 1
        if not epochs or not self._relative:
            self.last_epoch = epochs
            self._begin()
        elif self._lrs == self.base_lrs:
            self.start()
            for _ in range(epochs):
                self.step()
        else:
            self.last_epoch = epochs
            self._set(self._lrs)

    def _begin(self) -> None:
        """Set the rates of the first epoch."""
        self._set(self.get_lr())

    def start(self) -> None:
        """Enter epoch 0 from the rates that the groups have."""
        self.last_epoch = -1
        self.initial_step()

    def restart(self) -> None:
        """Enter epoch 0 again, from the initial rates."""
        self._take_in_groups()
        self.last_epoch = 0
        if not self._keeps_lr_on_restart:
            self._set(self.base_lrs)
        self._set(self.get_lr())

    def step(self) -> None:
        """Enter the next epoch; an error leaves everything as it was."""
        with all_or_nothing(self):
            self._take_in_groups()
            self.last_epoch += 1
            self._set(self.get_lr())
            self._goes_on = False

    def _set(self, rates: list[float]) -> None:
        groups = self.optimizer.param_groups
        if len(rates) != len(groups):
            raise ValueError(f"{self._name}: expected {len(groups)} rates, got {len(rates)}")
        what = "the rate of parameter group {} in epoch {}"
        checked = [
            rate if type(rate) is float and rate - rate == 0 else  # finite: the message of the check is not needed
            _check.finite(self._name, what.format(i, self.last_epoch), rate) for i, rate in enumerate(rates)
        ]  # fmt: skip
        for group, rate in zip(groups, checked, strict=True):
            group["lr"] = rate
        self._last_lr = checked

    def state_dict(self) -> dict[str, Any]:
        """Return everything but the optimizer and functions, with the groups' present rates as `_last_lr`."""
        kept = {key: _copied(value) for key, value in vars(self).items() if _is_state(key, value)}
        return kept | {"_last_lr": self._lrs}

    def check_state(self, state_dict: Mapping[str, Any]) -> None:
        """Refuse a state of another kind of schedule, or one for other parameter groups."""
        name, own = f"{self._name}.load_state_dict", self.state_dict()
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"{name}: expected a dict, got {type(state_dict).__name__}")
        for what, keys in (("unexpected", set(state_dict) - set(own)), ("missing", set(own) - set(state_dict))):
            if keys:
                raise ValueError(f"{name}: {what} keys {sorted(map(str, keys))}")
        for key, value in own.items():
            given = state_dict[key]
            if not _is_alike(value, given):
                raise TypeError(f"{name}: expected {key} like {value!r}, got {given!r}")
            groups = len(self.optimizer.param_groups)
            if key in ("base_lrs", "_last_lr", *self._per_group) and len(given) != groups:
                raise ValueError(f"{name}: expected {key} of {groups} parameter groups, got {len(given)}")
        if "last_epoch" in own:
            _check.count(name, "last_epoch", state_dict["last_epoch"], low=-1)
        for rate in state_dict["_last_lr"]:
            _check.finite(name, "each of _last_lr", rate)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state, with its rates unless a group's rate was changed since this schedule set it.

        It makes no difference whether the optimizer's state is loaded before, between or after.
        """
        self.check_state(state_dict)
        before = self._last_lr
        vars(self).update({key: _copied(value) for key, value in state_dict.items()})
        for group, own, new in zip(self.optimizer.param_groups, before, self._last_lr, strict=False):
            if group["lr"] == own:
                group["lr"] = new


@contextmanager
def all_or_nothing(scheduler: LRScheduler) -> Iterator[None]:
    """Undo, on any error, all changes of a schedule, of its parts, and of its optimizer's options."""
    holders = [*map(vars, family(scheduler)), *scheduler.optimizer.param_groups]
    kept = [(holder, dict(holder)) for holder in holders]
    try:
        yield
    except BaseException:
        for holder, before in kept:
            holder.clear()
            holder.update(before)
        raise


def family(scheduler: LRScheduler) -> list[LRScheduler]:
    """A schedule and all of its parts."""
    return [scheduler, *(each for part in getattr(scheduler, "_schedulers", ()) for each in family(part))]


def _is_state(key: str, value: Any) -> bool:
    many = value if isinstance(value, list) else [value]
    return key not in ("optimizer", "_found", "_goes_on", "_schedulers") and not any(callable(each) for each in many)


def _copied(value: Any) -> Any:
    return list(value) if isinstance(value, (list, tuple)) else value


def _is_alike(own: Any, given: Any) -> bool:
    """Whether both are numbers, or texts, or lists of these, or one of them is None."""
    if isinstance(own, list):
        return isinstance(given, (list, tuple)) and all(_is_alike(own[0], each) for each in given if own)
    numbers = (int, float, np.integer, np.floating)
    for kind in (bool, numbers, str):
        if isinstance(own, kind):
            return isinstance(given, kind)
    return True
