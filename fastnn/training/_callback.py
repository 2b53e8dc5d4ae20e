"""Callbacks: base class, early stopping, checkpoints, CSV logs."""

from __future__ import annotations

import csv
import difflib
import inspect
import math
import os
import tempfile
from collections.abc import Sequence
from types import FunctionType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .. import _check
from .._replace import replacing
from ..metrics import Metric

if TYPE_CHECKING:
    from ._trainer import Trainer

__all__ = ["CSVLogger", "Callback", "EarlyStopping", "ModelCheckpoint"]


class Callback:
    """Base class of callbacks: a subclass defines methods for the events that it needs.

    A method `on_...` that is none of these events is refused by the trainer.

    Attributes
    ----------
    everywhere : bool
        Of the class: whether every worker of a `group` calls it; if not, the first one alone, where it may write, and
        set `trainer.stop`, but change neither weights nor gradients.

    Examples
    --------
    >>> class Shout(Callback):
    ...     def on_epoch_end(self, trainer):
    ...         print(f"epoch {trainer.epoch}: {trainer.history['loss'][-1]:.3f}!")
    """

    everywhere: ClassVar[bool] = False

    def on_fit_start(self, trainer: Trainer) -> None:
        """Training begins, or goes on."""

    def on_epoch_start(self, trainer: Trainer) -> None:
        """An epoch begins."""

    def on_gradients(self, trainer: Trainer) -> None:
        """A batch's gradients are in the parameters' `grad`, and may be changed; then they are clipped, and checked.

        An error here, or a gradient that is not finite afterwards, leaves everything as it was before the batch.
        """

    def on_batch_end(self, trainer: Trainer, logs: dict[str, float]) -> None:
        """Parameters were updated; `logs` holds the epoch's mean loss so far."""

    def on_epoch_end(self, trainer: Trainer) -> None:
        """An epoch and its validation are finished: its values are `trainer.logs`, and the last of the history."""

    def on_checkpoint(self, trainer: Trainer) -> None:
        """Every callback has seen the end of the epoch: the trainer's state can be written."""

    def on_fit_end(self, trainer: Trainer) -> None:
        """Training ends, be it by an error or Ctrl-C."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint must keep."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state."""


EVENTS = {name: 2 if name == "on_batch_end" else 1 for name in vars(Callback) if name.startswith("on_")}


def check_callbacks(method: str, callbacks: Sequence[Any]) -> None:
    """Refuse what is no callback, a method `on_...` that is no event, and one that its event cannot call."""
    for callback in callbacks:
        kind = type(callback)
        if not isinstance(callback, Callback):
            raise TypeError(f"{method}: expected a Callback, got {callback!r}")
        for name in sorted({*dir(kind), *vars(callback)}):
            if not name.startswith("on_"):
                continue
            if name not in EVENTS:
                near = difflib.get_close_matches(name, EVENTS, 1)
                hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(EVENTS)}"
                raise TypeError(f"{method}: {kind.__name__}.{name} is called by no event{hint}")
            function = inspect.getattr_static(kind, name)
            if isinstance(function, FunctionType):
                values = ("trainer", "logs")[: EVENTS[name]]
                try:
                    inspect.signature(function).bind(None, *values)
                except TypeError as error:
                    wanted = ", ".join(("self", *values))
                    raise TypeError(f"{method}: expected {kind.__name__}.{name}({wanted}), but {error}") from None


def check_paths(method: str, callbacks: Sequence[Any]) -> None:
    """Refuse two callbacks that write to one file."""
    seen: dict[str, str] = {}
    for callback in callbacks:
        if isinstance(callback, (CSVLogger, ModelCheckpoint)):
            path, kind = os.path.realpath(callback.path), type(callback).__name__
            if path in seen:
                raise ValueError(f"{method}: expected a file for each callback, got {path} for {seen[path]} and {kind}")
            seen[path] = kind


def path_of(name: str, path: Any) -> str:
    """The path of a file, as text."""
    if not isinstance(path, (str, bytes, os.PathLike)):
        raise TypeError(f"{name}: expected the path of a file, got a {type(path).__name__}")
    return os.fsdecode(path)


def make_room(name: str, path: str) -> None:
    """Make the folder of a file that is going to be written, so that a failure to write shows at once."""
    path = os.path.abspath(path)
    if os.path.isdir(path):
        raise IsADirectoryError(f"{name}: expected the path of a file, got that of a folder: {path}")
    folder = os.path.dirname(path)
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise type(error)(error.errno, f"{name}: cannot write: {error.strerror}", path) from None


class _Watching(Callback):
    """Base class of callbacks that watch one value of the history."""

    def __init__(self, monitor: str, mode: str | None, min_delta: float = 0.0):
        if not isinstance(monitor, str):
            raise TypeError(f"{type(self).__name__}: expected monitor to be a name, got {monitor!r}")
        self.monitor = monitor
        self.mode = None if mode is None else _check.choice(type(self).__name__, "mode", mode, ("min", "max"))
        self.min_delta = _check.in_range(type(self).__name__, "min_delta", min_delta, 0)
        self.best = math.nan
        self.best_epoch = 0

    def on_fit_start(self, trainer: Trainer) -> None:
        """Forget the best of an earlier training; refuse a name that no value will have."""
        own = __name__.partition(".")[0]
        if self.monitor and all(type(each).__module__.partition(".")[0] == own for each in trainer.callbacks):
            names = ["loss", *trainer.metrics]  # other callbacks may add values of their own
            held_out = [f"val_{name}" for name in names] if trainer.validation is not None else []
            self._check_monitor([*names, *held_out, "lr", "seconds"])
        if not trainer.epoch:
            self.best, self.best_epoch = math.nan, 0

    def _check_monitor(self, names: Sequence[str]) -> None:
        if self.monitor not in names:
            wants = self.monitor.startswith("val_") and "val_loss" not in names
            raise KeyError(
                f"{type(self).__name__}: expected monitor to be one of {', '.join(names)}, "
                f"got {self.monitor!r}" + "; give fit validation data" * wants
            )

    def improved(self, trainer: Trainer) -> bool:
        """Whether the last epoch is the best so far; one whose value is NaN never is."""
        self._check_monitor([*trainer.logs])
        value = trainer.logs[self.monitor]
        if np.ndim(value):
            raise TypeError(
                f"{type(self).__name__}: expected {self.monitor!r} to be a number, got shape {np.shape(value)}"
            )
        value = float(value)
        metric = trainer.metrics.get(self.monitor.removeprefix("val_"))
        rises = self.mode == "max" or (self.mode is None and isinstance(metric, Metric) and metric.higher_is_better)
        gain = value - self.best if rises else self.best - value
        if gain > self.min_delta or (math.isnan(self.best) and not math.isnan(value)):
            self.best, self.best_epoch = value, trainer.epoch
            return True
        return False

    def state_dict(self) -> dict[str, Any]:
        """Return what is watched, the best value and its epoch."""
        return {"monitor": self.monitor, "best": self.best, "best_epoch": self.best_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state; refuse that of a callback which watched another value."""
        watched = state_dict.get("monitor", self.monitor)
        if watched != self.monitor:
            raise ValueError(
                f"{type(self).__name__}.load_state_dict: expected the state of one that monitors {self.monitor!r}, "
                f"got that of one for {watched!r}"
            )
        unknown = [name for name in state_dict if name not in self.state_dict()]
        if unknown:
            raise ValueError(f"{type(self).__name__}.load_state_dict: unexpected keys {unknown}")
        vars(self).update(state_dict)


class EarlyStopping(_Watching):
    """Ends the training when a value has not become better for `patience` epochs, and brings the best weights back.

    A value that is NaN is not better than any other; where all are, no weights are the best and none are brought back.

    Parameters
    ----------
    monitor : str
        A name of the history.
    patience : int
    min_delta : float
        A gain that is not larger does not count.
    mode : {"min", "max"}, optional
        Whether less or more is better; if not given, the metric of that name decides; less for a loss.
    restore_best : bool
        Whether the model gets the weights of the best epoch when training ends, for whatever reason.

    Attributes
    ----------
    best : float
    best_epoch : int
    """

    everywhere = True

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int = 5,
        min_delta: float = 0.0,
        mode: str | None = None,
        restore_best: bool = True,
    ):
        super().__init__(monitor, mode, min_delta)
        self.patience = _check.count("EarlyStopping", "patience", patience, 1)
        self.restore_best = bool(restore_best)
        self.best_weights: dict[str, Any] = {}
        self.waited = 0  # epochs since the best
        self.begun = False  # whether `best_weights` may be restored: a training is running

    def on_fit_start(self, trainer: Trainer) -> None:
        """Forget the best of an earlier training; end at once a resumed one that had been stopped."""
        super().on_fit_start(trainer)
        self.begun = True
        if not trainer.epoch:
            self.best_weights, self.waited = {}, 0
        self._judge(trainer)

    def _judge(self, trainer: Trainer) -> None:
        if self.waited >= self.patience:
            trainer.stop = True

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Compare with the best epoch; keep its weights, or end the training."""
        if self.improved(trainer):
            self.waited = 0
            if self.restore_best:
                self.best_weights = {name: array.copy() for name, array in trainer.model.state_dict().items()}
        else:
            self.waited += 1
            self._judge(trainer)

    def on_fit_end(self, trainer: Trainer) -> None:
        """Bring the best weights back."""
        if self.begun and self.best_weights:
            trainer.model.load_state_dict(self.best_weights)
        self.begun = False

    def state_dict(self) -> dict[str, Any]:
        """Return the best value, its epoch, its weights, and the epochs since then."""
        return {**super().state_dict(), "waited": self.waited, "best_weights": self.best_weights}


class ModelCheckpoint(_Watching):
    """Writes the trainer's whole state after each epoch, or after each that is the best so far.

    Parameters
    ----------
    path : path-like
        Replaced each time, whole or not at all; `Trainer.load` goes on from it.
    monitor : str, optional
        A name of the history; if given, an epoch is written only if it is better than all before, and not NaN.
    mode : {"min", "max"}, optional
        As in `EarlyStopping`.
    """

    def __init__(self, path: str | os.PathLike[str], monitor: str | None = None, mode: str | None = None):
        super().__init__(monitor or "", mode)
        self.path = path_of("ModelCheckpoint", path)
        self.due = False

    def on_fit_start(self, trainer: Trainer) -> None:
        """Make the folder."""
        super().on_fit_start(trainer)
        make_room("ModelCheckpoint", self.path)

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Compare."""
        self.due = not self.monitor or self.improved(trainer)

    def on_checkpoint(self, trainer: Trainer) -> None:
        """Write."""
        if self.due:
            trainer.save(self.path)


class CSVLogger(Callback):
    """Writes the history to a file, a line for each epoch; values that are arrays are left out.

    Parameters
    ----------
    path : path-like
        Replaced as a whole; a training that goes on writes its earlier epochs again.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = path_of("CSVLogger", path)

    def on_fit_start(self, trainer: Trainer) -> None:
        """Make the folder."""
        make_room("CSVLogger", self.path)

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Write."""
        history = trainer.history.items()
        scalars = {name: values for name, values in history if all(isinstance(value, float) for value in values)}
        rows = zip(*([f"{value:.9g}" for value in values] for values in scalars.values()), strict=True)
        with replacing(self.path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["epoch", *scalars])
            writer.writerows([i + 1, *row] for i, row in enumerate(rows))
