"""Callbacks: what happens around the loop."""

from __future__ import annotations

import csv
import math
import os
from typing import TYPE_CHECKING, Any

from .. import _check
from .._extras import extra
from .._replace import replacing
from ..metrics import Metric

if TYPE_CHECKING:
    from ._trainer import Trainer

__all__ = ["CSVLogger", "Callback", "EarlyStopping", "ModelCheckpoint", "ProgressBar"]


class Callback:
    """Base class of callbacks: a subclass defines those events that it cares for.

    Examples
    --------
    >>> class Shout(Callback):
    ...     def on_epoch_end(self, trainer):
    ...         print(f"epoch {trainer.epoch}: {trainer.history['loss'][-1]:.3f}!")
    """

    def on_fit_start(self, trainer: Trainer) -> None:
        """Training begins, or goes on."""

    def on_epoch_start(self, trainer: Trainer) -> None:
        """An epoch begins."""

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


class ProgressBar(Callback):
    """A bar for each epoch: batches, time left, loss; at its end the validation's values."""

    def __init__(self) -> None:
        self.tqdm = extra("The progress bar (or give progress=False)", "tqdm.auto").tqdm
        self.bar: Any = None

    def on_epoch_start(self, trainer: Trainer) -> None:
        """Show an empty bar."""
        try:
            total = len(trainer.data)
        except TypeError:  # a generator, or a loader whose sampler has no length
            total = None
        self.bar = self.tqdm(total=total, desc=f"epoch {trainer.epoch + 1}/{trainer.epochs}", unit="batch")

    def on_batch_end(self, trainer: Trainer, logs: dict[str, float]) -> None:
        """Move on."""
        self.bar.set_postfix({name: f"{value:.4f}" for name, value in logs.items()}, refresh=False)
        self.bar.update()

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Show the epoch's values."""
        values = {name: value for name, value in trainer.logs.items() if name not in ("lr", "seconds")}
        self.bar.set_postfix({name: f"{value:.4f}" for name, value in values.items() if isinstance(value, float)})
        self._close()

    def on_fit_end(self, trainer: Trainer) -> None:
        """Leave an unfinished bar as it is."""
        self._close()

    def _close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None


class _Watching(Callback):
    """What the callbacks that watch one value of the history have in common."""

    def __init__(self, monitor: str, mode: str | None, min_delta: float = 0.0):
        self.monitor = monitor
        self.mode = None if mode is None else _check.choice(type(self).__name__, "mode", mode, ("min", "max"))
        self.min_delta = _check.in_range(type(self).__name__, "min_delta", min_delta, 0)
        self.best = math.nan
        self.best_epoch = 0

    def on_fit_start(self, trainer: Trainer) -> None:
        """Forget another training's best."""
        if not trainer.epoch:
            self.best, self.best_epoch = math.nan, 0

    def improved(self, trainer: Trainer) -> bool:
        """Whether the last epoch is the best so far."""
        wants = self.monitor.startswith("val_")
        if self.monitor not in trainer.logs:
            raise KeyError(
                f"{type(self).__name__}: expected monitor to be one of {', '.join(trainer.logs)}, "
                f"got {self.monitor!r}" + "; give fit validation data" * (wants and "val_loss" not in trainer.logs)
            )
        value = float(trainer.logs[self.monitor])
        metric = trainer.metrics.get(self.monitor.removeprefix("val_"))
        rises = self.mode == "max" or (self.mode is None and isinstance(metric, Metric) and metric.higher_is_better)
        gain = value - self.best if rises else self.best - value
        if math.isnan(self.best) or gain > self.min_delta:
            self.best, self.best_epoch = value, trainer.epoch
            return True
        return False

    def state_dict(self) -> dict[str, Any]:
        """Return the best value and its epoch."""
        return {"best": self.best, "best_epoch": self.best_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state."""
        vars(self).update(state_dict)


class EarlyStopping(_Watching):
    """Ends the training when a value has not become better for `patience` epochs, and brings the best weights back.

    Parameters
    ----------
    monitor : str
        A name of the history.
    patience : int
    min_delta : float
        A gain that is not larger does not count.
    mode : {"min", "max"}, optional
        Whether less or more is better; if not given, the metric of that name knows, and a loss shall be small.
    restore_best : bool
        Whether the model has the weights of the best epoch when training ends, by whatever.

    Attributes
    ----------
    best : float
    best_epoch : int
    """

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

    def on_fit_start(self, trainer: Trainer) -> None:
        """Forget another training's best; end at once one that was stopped already."""
        super().on_fit_start(trainer)
        if not trainer.epoch:
            self.best_weights = {}
        elif self.best_epoch:
            self._judge(trainer)

    def _judge(self, trainer: Trainer) -> None:
        if trainer.epoch - self.best_epoch >= self.patience:
            trainer.stop = True

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Compare."""
        if self.improved(trainer):
            if self.restore_best:
                self.best_weights = {name: array.copy() for name, array in trainer.model.state_dict().items()}
        else:
            self._judge(trainer)

    def on_fit_end(self, trainer: Trainer) -> None:
        """Bring the best weights back."""
        if self.best_weights:
            trainer.model.load_state_dict(self.best_weights)

    def state_dict(self) -> dict[str, Any]:
        """Return the best value, its epoch and its weights."""
        return {**super().state_dict(), "best_weights": self.best_weights}


class ModelCheckpoint(_Watching):
    """Writes the trainer's whole state after each epoch, or after each that is the best so far.

    Parameters
    ----------
    path : path-like
        Replaced each time, whole or not at all; `Trainer.load` goes on from it.
    monitor : str, optional
        A name of the history; if given, only epochs are written that are better than all before.
    mode : {"min", "max"}, optional
        As in `EarlyStopping`.
    """

    def __init__(self, path: str | os.PathLike[str], monitor: str | None = None, mode: str | None = None):
        super().__init__(monitor or "", mode)
        self.path = path
        self.due = False

    def on_fit_start(self, trainer: Trainer) -> None:
        """Make the folder, so that what cannot be written shows at once."""
        super().on_fit_start(trainer)
        os.makedirs(os.path.dirname(os.path.abspath(self.path)), exist_ok=True)

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Compare."""
        self.due = not self.monitor or self.improved(trainer)

    def on_checkpoint(self, trainer: Trainer) -> None:
        """Write."""
        if self.due:
            trainer.save(self.path)


class CSVLogger(Callback):
    """Writes the history to a file, a line for each epoch.

    Parameters
    ----------
    path : path-like
        Replaced as a whole; a training that goes on writes its earlier epochs again.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = path

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Write."""
        history = trainer.history.items()
        scalars = {name: values for name, values in history if all(isinstance(value, float) for value in values)}
        rows = zip(*([f"{value:.9g}" for value in values] for values in scalars.values()), strict=True)
        with replacing(self.path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["epoch", *scalars])
            writer.writerows([i + 1, *row] for i, row in enumerate(rows))
