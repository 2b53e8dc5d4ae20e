"""Trainer: the training loop, with metrics, schedules, checkpoints and callbacks."""

from __future__ import annotations

import contextlib
import copy
import math
import os
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from .. import _check, io, optim
from .._check import Array
from .._random import get_rng_state, set_rng_state
from ..autograd import Tensor, value_of
from ..metrics import Metric
from ..nn import Module, utils
from ..nn._guard import Guard
from ..nn._modes import evaluating
from ._batches import check_iterable, check_pairs, none_came, pairs, said, size_of, take_order
from ._callback import Callback
from ._checks import BY_BATCH, check_fit, check_metrics, check_parts, stepped
from ._guard import check_gradients, there_and_back, untouched
from ._measure import Measures, measure
from ._progress import ProgressBar
from ._workers import check_group, goes_on, heard

History = dict[str, list[float]]


class Trainer:
    """Fits a model to batches, and evaluates and predicts with it.

    Parameters
    ----------
    model : Module
    criterion : callable
        Of output and target; returns a loss that `backward` can start from.
    optimizer : Optimizer
        Of the model's parameters, and those of the criterion if it is a Module.
    metrics : mapping of str to Metric, optional
        Computed on the training batches as they pass, and on the validation data.  The names "loss", "lr", "seconds"
        and those that begin with ``val_`` have meanings of their own.
    scheduler : LRScheduler, optional
        Stepped after each epoch; `OneCycleLR` and `CyclicLR` after each batch; `ReduceLROnPlateau` is given the
        validation's loss (the training's, where there is no validation).
    max_grad_norm : float, optional
        Gradients of the optimizer's parameters are scaled so that their norm is at most this.
    callbacks : sequence of Callback
        `EarlyStopping`, `ModelCheckpoint`, `CSVLogger`, `TensorBoard`, or your own.
    progress : bool
        Show a bar with the time that is left and the loss; needs tqdm.
    compile : bool
        Replay forward and backward passes in C where that gives the same bits; see `compile_step`.
    group : Group, optional
        The workers of `fastnn.distributed.mpi` (or `local`), each of which makes the same trainer and is given the
        same whole batches: the first alone calls callbacks, unless they are `everywhere`.

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
    compiled : CompiledStep or None
        Its `reason` says why the last batch was not replayed.

    Raises
    ------
    TypeError
        If a part is of another kind, or a callback has a method `on_...` that no event calls.
    ValueError
        If optimizer or schedule belong to another model, or a metric's name is taken.

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
        compile: bool = False,
        group: Any = None,
    ):
        check_group(group, compile)
        self.group, self._together = group, group is not None
        self.model, self.criterion, self.optimizer, self.scheduler = model, criterion, optimizer, scheduler
        self.metrics = check_metrics(metrics)
        if max_grad_norm is not None:
            max_grad_norm = _check.in_range("Trainer", "max_grad_norm", max_grad_norm, 0)
        self.max_grad_norm = max_grad_norm
        if not isinstance(callbacks, Iterable):
            raise TypeError(f"Trainer: expected a sequence of callbacks, got {callbacks!r}")
        self.callbacks = list(callbacks)
        check_parts("Trainer", self)
        self.compiled: Any = None
        if compile:
            from ..graph import compile_step  # imported here: few trainings need it

            self.compiled = compile_step(model, criterion, optimizer)
        if progress:
            self.callbacks.insert(0, ProgressBar())
        self.epoch = self.step = 0
        self.history: History = {}
        self.logs: dict[str, Any] = {}
        self.stop = self.interrupted = False
        self.data: Any = None
        self.validation: Any = None
        self.epochs = 0
        self._data_states: list[Any] = [None, None]
        self._learning = False

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
            If a loss or a gradient is not finite.  It is found before the step: weights, the optimizer's and the
            schedule's state, buffers such as running statistics, random numbers and counters are as they were before
            that batch.  Other errors of a batch, in the model or in a callback's `on_gradients`, leave that state too.
        TypeError, ValueError
            If it is seen at once that data, schedule or callbacks do not fit; nothing has changed then.

        Warns
        -----
        UserWarning
            If so many epochs are finished already, so that there is nothing to do; or if the order of the data in a
            loaded state cannot be given to this data.
        """
        self.epochs = check_fit(self, data, epochs, validation)
        if self.epoch and self.epoch >= self.epochs:
            warnings.warn(
                f"Trainer.fit: {self.epoch} epochs are finished already; expected more to train on, got {epochs}",
                stacklevel=2,
            )
        take_order((data, validation), self._data_states)
        self.data, self.validation, self._data_states = data, validation, [None, None]
        self.stop = self.interrupted = False
        try:
            self._call("on_fit_start")
            while goes_on(self):
                start, rate = time.perf_counter(), self.optimizer.param_groups[0]["lr"]
                self._call("on_epoch_start")
                self._learning = True
                logs = self._train(data)
                self._learning = False
                if validation is not None:
                    logs |= {
                        f"val_{name}": value for name, value in self._evaluate("fit(validation)", validation).items()
                    }
                self._schedule(logs.get("val_loss", logs["loss"]))
                self.epoch += 1
                self.logs = {**logs, "lr": rate, "seconds": time.perf_counter() - start}
                for name in {**self.history, **self.logs}:
                    values = self.history.setdefault(name, [math.nan] * (self.epoch - 1))
                    values.append(self.logs.get(name, math.nan))
                self._call("on_epoch_end")
                self._call("on_checkpoint")
        except KeyboardInterrupt:
            if self.group is not None and self.group.size > 1:
                raise  # the other workers cannot end their training here
            self.interrupted = True
        finally:
            self._learning = False
            with contextlib.ExitStack() as ends:  # each is called, whatever another raises
                for callback in reversed(heard(self.group, self.callbacks)):
                    ends.callback(callback.on_fit_end, self)
        return self.history

    def _train(self, data: Iterable[Any]) -> dict[str, Any]:
        """One epoch; the mean of the losses, weighted by the batches' sizes, and the metrics."""
        self.model.train()
        guard, measures = Guard([self.model, self.criterion]), Measures(self.metrics)
        # closing ends the loader's threads at once when a batch fails
        with untouched(data) as move, contextlib.closing(pairs("Trainer.fit", data)) as batches:
            for number, input, target, size in batches:
                self.optimizer.zero_grad()
                with guard.step(stepped(self.optimizer)):
                    self._learn(input, target, size, measures, f"in epoch {self.epoch + 1}, batch {number + 1}")
                move()
                self.step += 1
                if isinstance(self.scheduler, BY_BATCH):
                    self.scheduler.step()
                self._call("on_batch_end", {"loss": measures.loss})
            if not measures.count:
                raise none_came("Trainer.fit")
        return measures.compute()

    def _learn(self, input: Any, target: Any, size: int, measures: Measures, place: str) -> None:
        """One step, checked before it is taken."""
        place += (
            "; the step was not taken; `with fastnn.detect_anomaly():` around fit names the module where the first "
            "such value comes from"
        )
        value, output = there_and_back(self, input, target, place)
        self._call("on_gradients")
        parameters = stepped(self.optimizer)
        check_gradients(parameters, self.model, place)
        if self.max_grad_norm is not None:
            norm = utils.clip_grad_norm_(parameters, self.max_grad_norm)
            if not math.isfinite(norm):
                raise FloatingPointError(f"the norm of all gradients is {norm} {place}")
        measures.update(value, output, target, size)
        self.optimizer.step()

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
        check_pairs("Trainer.evaluate", data)
        return self._evaluate("evaluate", data)

    def _evaluate(self, method: str, data: Iterable[Any]) -> dict[str, Any]:
        # a callback may call it within an epoch, whose metrics must go on
        metrics = copy.deepcopy(self.metrics) if self._learning else self.metrics
        with evaluating(self.model):
            forward = partial(self.group.predict, self.model) if self._together else self.model
            return measure(f"Trainer.{method}", forward, self.criterion, metrics, data).compute()

    def predict(self, data: Any) -> Array:
        """Return the outputs in evaluation mode, joined.

        Parameters
        ----------
        data : ndarray, Tensor or iterable
            One array, which is taken as it is, or batches: of inputs, or of (input, target).

        Raises
        ------
        TypeError
            If the model returns anything but one array, or not a row for each sample of a batch.
        """
        check_iterable("Trainer.predict", data)
        with evaluating(self.model):
            if isinstance(data, (np.ndarray, Tensor)):
                return self._output(data)
            batches = (batch[0] if isinstance(batch, (tuple, list)) else batch for batch in data)
            outputs = []
            for batch in batches:
                output, size = self._output(batch), size_of(batch)
                if output.shape[:1] != (size,):
                    raise TypeError(
                        f"Trainer.predict: expected a batch of samples and a row of output for each, got {said(batch)} "
                        f"and an output of shape {output.shape}"
                    )
                outputs.append(output)
        if not outputs:
            raise none_came("Trainer.predict")
        return np.concatenate(outputs)

    def _output(self, input: Any) -> Array:
        output = self.model(input)
        if not isinstance(output, (np.ndarray, Tensor)):
            raise TypeError(f"Trainer.predict: expected a model that returns one array, got {said(output)}")
        return np.asarray(value_of(output))

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of everything that later epochs depend on, as it is at the end of an epoch."""
        return copy.deepcopy(self._state())

    def _state(self) -> dict[str, Any]:
        """The state, without copies of arrays."""
        sources = (self.data, self.validation)
        return {
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
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Trainer.load_state_dict: expected a dict, got {said(state_dict)}")
        missing = [name for name in own if name not in state_dict]
        if missing:
            raise ValueError(f"Trainer.load_state_dict: expected a trainer's state, which has {', '.join(missing)}")
        if (state_dict["scheduler"] is None) != (self.scheduler is None):
            got, expected = ("none", "one") if self.scheduler is not None else ("one", "none")
            raise ValueError(f"Trainer.load_state_dict: expected the state of {expected} scheduler, got {got}")
        for name in ("epoch", "step"):
            _check.count("Trainer.load_state_dict", name, state_dict[name])
        if not isinstance(state_dict["data"], (list, tuple)) or len(state_dict["data"]) != 2:
            raise ValueError("Trainer.load_state_dict: expected the states of data and validation")
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
        """Callbacks by class and number in it, so that a progress bar more or less does not matter."""
        kinds = [type(callback).__name__ for callback in self.callbacks]
        for i, callback in enumerate(self.callbacks):
            yield f"{kinds[i]}.{kinds[:i].count(kinds[i])}", callback

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the state to a file, as `fastnn.save` does."""
        io.save(self._state(), path)  # no copy of the whole state

    def load(self, path: str | os.PathLike[str]) -> None:
        """Go on from a file that `save` or `ModelCheckpoint` wrote."""
        self.load_state_dict(io.load(path))

    def _call(self, event: str, *arguments: Any) -> None:
        together, self._together = self._together, False  # what a callback evaluates is not shared among workers
        try:
            for callback in heard(self.group, self.callbacks):
                getattr(callback, event)(self, *arguments)
        finally:
            self._together = together
