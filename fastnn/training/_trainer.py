"""Trainer: the five-line loop, with what people put around it."""

from __future__ import annotations

import contextlib
import copy
import math
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .. import _check, io, optim
from .._check import Array
from .._random import get_rng_state, set_rng_state
from ..autograd import Tensor, value_of
from ..data import Dataset
from ..metrics import Metric
from ..nn import Module, utils
from ..nn._modes import evaluating
from ._callback import Callback, ProgressBar

History = dict[str, list[float]]
BY_BATCH = (optim.lr_scheduler.OneCycleLR, optim.lr_scheduler.CyclicLR)


def _check_batches(method: str, data: Any) -> None:
    """Refuse a dataset, whose samples are no batches."""
    if isinstance(data, Dataset):
        raise TypeError(f"Trainer.{method}: expected batches, such as a DataLoader of this {type(data).__name__}")


class Trainer:
    """Fits a model to batches, and evaluates and predicts with it.

    Parameters
    ----------
    model : Module
    criterion : callable
        Of output and target; returns a loss that `backward` can start from.
    optimizer : Optimizer
    metrics : mapping of str to Metric, optional
        Computed on the training batches as they pass, and on the validation data.  The names "loss", "lr", "seconds"
        and those that begin with ``val_`` have meanings of their own.
    scheduler : LRScheduler, optional
        Stepped after each epoch; `OneCycleLR` and `CyclicLR` after each batch; `ReduceLROnPlateau` is given the
        validation's loss (the training's, where there is no validation).
    max_grad_norm : float, optional
        Gradients are scaled so that their norm is at most this.
    callbacks : sequence of Callback
        `EarlyStopping`, `ModelCheckpoint`, `CSVLogger`, `TensorBoard`, or your own.
    progress : bool
        Show a bar with the time that is left and the loss; needs tqdm.

    Attributes
    ----------
    epoch, step : int
        Epochs and updates that are finished.
    history : dict of str to list of float
        One value for each epoch: "loss" and metrics, "val_loss" and so on, "lr", "seconds"; NaN where there was none.
    logs : dict of str to float
        The values of the last epoch.
    stop : bool
        A callback sets it to end the training after the epoch.
    interrupted : bool
        Whether the last `fit` was ended by Ctrl-C.

    Examples
    --------
    >>> import fastnn
    >>> from fastnn import data, metrics, nn, optim
    >>> fastnn.manual_seed(0)
    >>> x = np.random.default_rng(0).normal(size=(256, 2)).astype(np.float32)
    >>> batches = data.DataLoader(data.TensorDataset(x, (x[:, 0] > x[:, 1]).astype(int)), 32, shuffle=True, rng=0)
    >>> model = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 2))
    >>> trainer = Trainer(model, nn.CrossEntropyLoss(), optim.Adam(model.parameters(), 0.01),
    ...                   metrics={"accuracy": metrics.Accuracy()}, progress=False)
    >>> history = trainer.fit(batches, epochs=20)
    >>> history["accuracy"][-1] > 0.97
    True
    >>> trainer.predict(x[:5]).shape
    (5, 2)
    """

    def __init__(
        self,
        model: Module,
        criterion: Any,
        optimizer: optim.Optimizer,
        *,
        metrics: Mapping[str, Metric] | None = None,
        scheduler: Any = None,
        max_grad_norm: float | None = None,
        callbacks: Sequence[Callback] = (),
        progress: bool = True,
    ):
        for argument, value, kind in (("model", model, Module), ("optimizer", optimizer, optim.Optimizer)):
            if not isinstance(value, kind):
                raise TypeError(f"Trainer: expected {argument} to be a {kind.__name__}, got {type(value).__name__}")
        self.model, self.criterion, self.optimizer, self.scheduler = model, criterion, optimizer, scheduler
        if metrics is not None and not isinstance(metrics, Mapping):
            raise TypeError(f"Trainer: expected metrics by name, such as {{'accuracy': ...}}, got {metrics!r}")
        self.metrics = dict(metrics or {})
        for expected, each in [*((Metric, m) for m in self.metrics.values()), *((Callback, c) for c in callbacks)]:
            if not isinstance(each, expected):
                raise TypeError(f"Trainer: expected a {expected.__name__}, got {each!r}")
        for name in self.metrics:
            if name in ("loss", "lr", "seconds", "epoch") or name.startswith("val_"):
                raise ValueError(f"Trainer: expected another name for a metric than {name!r}, which has a meaning")
        if max_grad_norm is not None:
            max_grad_norm = _check.in_range("Trainer", "max_grad_norm", max_grad_norm, 0)
        self.max_grad_norm = max_grad_norm
        self.callbacks = [*([ProgressBar()] if progress else []), *callbacks]
        self.epoch = self.step = 0
        self.history: History = {}
        self.logs: dict[str, Any] = {}
        self.stop = self.interrupted = False
        self.data: Any = None
        self.validation: Any = None
        self.epochs = 0
        self._data_states: list[Any] = [None, None]

    def fit(self, data: Iterable[Any], epochs: int, validation: Iterable[Any] | None = None) -> History:
        """Train until `epochs` epochs are finished, those of a loaded checkpoint included.

        Parameters
        ----------
        data : iterable of (input, target)
            A `DataLoader`, or anything that can be gone through once an epoch.
        epochs : int
        validation : iterable of (input, target), optional
            Evaluated after each epoch.

        Returns
        -------
        dict of str to list of float
            `history`.

        Raises
        ------
        FloatingPointError
            If the loss is not finite.
        """
        self.epochs = _check.count("Trainer.fit", "epochs", epochs)
        for batches in (data, validation):
            _check_batches("fit", batches)
        self.data, self.validation = data, validation
        self.stop = self.interrupted = False
        for source, state in zip((self.data, self.validation), self._data_states, strict=True):
            if state is not None and hasattr(source, "load_state_dict"):
                source.load_state_dict(state)
        self._data_states = [None, None]
        try:
            self._call("on_fit_start")
            while self.epoch < self.epochs and not self.stop:
                start, rate = time.perf_counter(), self.optimizer.param_groups[0]["lr"]
                self._call("on_epoch_start")
                logs = self._train(data)
                if validation is not None:
                    logs |= {f"val_{name}": value for name, value in self.evaluate(validation).items()}
                self.epoch += 1
                self._schedule(logs.get("val_loss", logs["loss"]))
                self.logs = {**logs, "lr": rate, "seconds": time.perf_counter() - start}
                for name in {**self.history, **self.logs}:
                    values = self.history.setdefault(name, [math.nan] * (self.epoch - 1))
                    values.append(self.logs.get(name, math.nan))
                self._call("on_epoch_end")
                self._call("on_checkpoint")
        except KeyboardInterrupt:
            self.interrupted = True
        finally:
            with contextlib.ExitStack() as ends:  # each of them, whatever another raises
                for callback in reversed(self.callbacks):
                    ends.callback(callback.on_fit_end, self)
        return self.history

    def _train(self, data: Iterable[Any]) -> dict[str, float]:
        """One epoch; the mean of the losses, weighted by the batches' sizes, and the metrics."""
        self.model.train()
        total, count = 0.0, 0
        for metric in self.metrics.values():
            metric.reset()
        for number, (input, target) in enumerate(data):
            if not len(target):
                continue
            self.optimizer.zero_grad()
            output = self.model(input)
            loss = self.criterion(output, target)
            loss.backward()
            if self.max_grad_norm is not None:
                utils.clip_grad_norm_(self.model.parameters(), self.max_grad_norm)
            self.optimizer.step()
            self.step += 1
            if isinstance(self.scheduler, BY_BATCH):
                self.scheduler.step()
            total, count = total + self._finite(loss, number) * len(target), count + len(target)
            for metric in self.metrics.values():
                metric.update(output, target)
            self._call("on_batch_end", {"loss": total / count})
        if not count:
            raise ValueError("Trainer.fit: expected at least one batch, got none")
        return {"loss": total / count, **self._metrics()}

    def _finite(self, loss: Any, number: int) -> float:
        value = float(loss)
        if not math.isfinite(value):
            raise FloatingPointError(
                f"the loss is {value} in epoch {self.epoch + 1}, batch {number + 1}; `with fastnn.detect_anomaly():` "
                "around fit names the module where the first such value comes from"
            )
        return value

    def _metrics(self) -> dict[str, Any]:
        values = {name: metric.compute() for name, metric in self.metrics.items()}
        return {name: float(value) if np.ndim(value) == 0 else value for name, value in values.items()}

    def _schedule(self, loss: float) -> None:
        if isinstance(self.scheduler, optim.lr_scheduler.ReduceLROnPlateau):
            self.scheduler.step(loss)
        elif self.scheduler is not None and not isinstance(self.scheduler, BY_BATCH):
            self.scheduler.step()

    def evaluate(self, data: Iterable[Any]) -> dict[str, Any]:
        """Return the loss, the mean weighted by the batches' sizes, and the metrics, in evaluation mode.

        Parameters
        ----------
        data : iterable of (input, target)
        """
        _check_batches("evaluate", data)
        total, count = 0.0, 0
        for metric in self.metrics.values():
            metric.reset()
        with evaluating(self.model):
            for input, target in data:
                if not len(target):
                    continue
                output = self.model(input)
                total, count = total + float(self.criterion(output, target)) * len(target), count + len(target)
                for metric in self.metrics.values():
                    metric.update(output, target)
        if not count:
            raise ValueError("Trainer.evaluate: expected at least one batch, got none")
        return {"loss": total / count, **self._metrics()}

    def predict(self, data: Any) -> Array:
        """Return the outputs in evaluation mode, joined.

        Parameters
        ----------
        data : ndarray, Tensor or iterable
            One array, which is taken as it is, or batches: of inputs, or of (input, target).
        """
        _check_batches("predict", data)
        with evaluating(self.model):
            if isinstance(data, (np.ndarray, Tensor)):
                return np.asarray(value_of(self.model(data)))
            batches = (batch[0] if isinstance(batch, (tuple, list)) else batch for batch in data)
            outputs = [np.asarray(value_of(self.model(batch))) for batch in batches]
        if not outputs:
            raise ValueError("Trainer.predict: expected at least one batch, got none")
        return np.concatenate(outputs)

    def state_dict(self) -> dict[str, Any]:
        """Return everything that the epochs to come depend on, at the end of an epoch; a copy."""
        sources = (self.data, self.validation)
        return copy.deepcopy(
            {
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
                "callbacks": {name: callback.state_dict() for name, callback in self._named_callbacks()},
                "data": [each.state_dict() if hasattr(each, "state_dict") else None for each in sources],
                "rng": get_rng_state(),
                "epoch": self.epoch,
                "step": self.step,
                "history": self.history,
            }
        )

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a state: with the same data, training gives the same bits as if it had not been interrupted.

        Parameters
        ----------
        state_dict : mapping
            What `state_dict` returned, of a trainer with such a model, optimizer and scheduler.

        Raises
        ------
        ValueError
            If it does not fit; nothing has changed then.
        """
        own = self.state_dict()
        missing = [name for name in own if name not in state_dict]
        if missing:
            raise ValueError(f"Trainer.load_state_dict: expected a trainer's state, which has {', '.join(missing)}")
        if (state_dict["scheduler"] is None) != (self.scheduler is None):
            got, expected = ("none", "one") if self.scheduler is not None else ("one", "none")
            raise ValueError(f"Trainer.load_state_dict: expected the state of {expected} scheduler, got {got}")
        waiting = self._data_states
        try:
            self._take(state_dict)
        except Exception:
            self._take(own)
            self._data_states = waiting
            raise

    def _take(self, state_dict: Mapping[str, Any]) -> None:
        self.model.load_state_dict(state_dict["model"])
        self.optimizer.load_state_dict(state_dict["optimizer"])
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state_dict["scheduler"])
        for name, callback in self._named_callbacks():
            if name in state_dict["callbacks"]:
                callback.load_state_dict(state_dict["callbacks"][name])
        self._data_states = list(state_dict["data"])
        set_rng_state(state_dict["rng"])
        self.epoch, self.step = state_dict["epoch"], state_dict["step"]
        self.history = {name: list(values) for name, values in state_dict["history"].items()}

    def _named_callbacks(self) -> Iterator[tuple[str, Callback]]:
        """Callbacks by kind and number, so that a bar more or less does not matter."""
        kinds = [type(callback).__name__ for callback in self.callbacks]
        for i, callback in enumerate(self.callbacks):
            yield f"{kinds[i]}.{kinds[:i].count(kinds[i])}", callback

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the state to a file, as `fastnn.save` does."""
        io.save(self.state_dict(), path)

    def load(self, path: str | os.PathLike[str]) -> None:
        """Go on from a file that `save` or `ModelCheckpoint` wrote."""
        self.load_state_dict(io.load(path))

    def _call(self, event: str, *arguments: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, event)(self, *arguments)
