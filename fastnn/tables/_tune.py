"""Searching options by trials, which optuna proposes and ends early."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from .. import _check
from .._extras import extra
from ..training import Callback, Trainer
from ._fit import TOO_FEW, Prepared, prepared, train
from ._model import TableModel
from ._options import Options, make_options


def tune(
    data: Any,
    target: Any = None,
    *,
    trials: int,
    time_limit: float | None = None,
    schema: Any = None,
    roles: Mapping[str, str] | None = None,
    task: str = "auto",
    callbacks: Sequence[Callback] = (),
    progress: bool = False,
    **options: Any,
) -> TableModel:
    """Return the best of several models by their loss of the held-out rows; needs optuna.

    Parameters
    ----------
    data, target, schema, roles, task, callbacks
        As `fastnn.tables.fit` takes them.
    trials : int
        The first one has the options of `fit`.
    time_limit : float, optional
        Seconds after which trials end; the first one yields a model even then.
    progress : bool
        Print a line for each trial.
    **options
        Of `fit`: those that are given are kept; layers, norm, activation, dropout, embedding, lr and weight_decay are
        searched if they are not.

    Returns
    -------
    TableModel
        Its attribute `trials` lists options, loss, epochs and seconds of each.

    Notes
    -----
    By the tree-structured Parzen estimator (Bergstra et al. 2011) and asynchronous successive halving (Li et al. 2020),
    which lets a third of the trials that came equally far go on.  The same seed tries the same, unless time ends it.
    """
    optuna = extra("fastnn.tables.tune", "optuna")
    trials, chosen = _check.count("tables.tune", "trials", trials, 1), make_options(options)
    if time_limit is not None:
        _check.in_range("tables.tune", "time_limit", time_limit, 0)
    search = _Search(optuna, chosen, set(options), time_limit, callbacks, progress)
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(
            sampler=optuna.samplers.TPESampler(seed=chosen.seed),
            pruner=optuna.pruners.SuccessiveHalvingPruner(reduction_factor=3),
        )
        with prepared(data, target, schema, roles, task, chosen) as search.ready:
            if search.ready.held_out.rows < TOO_FEW:
                got = search.ready.held_out.rows
                raise ValueError(f"tables.tune: expected at least {TOO_FEW} held-out rows to compare by, got {got}")
            study.enqueue_trial(search.start())
            study.optimize(search, n_trials=1)  # the first trial is never pruned, so that there is a model
            left = None if time_limit is None else search.end - time.monotonic()
            if trials > 1 and (left is None or left > 0):
                study.optimize(search, n_trials=trials - 1, timeout=left)
    finally:
        optuna.logging.set_verbosity(level)
    assert search.best is not None
    search.best.trials = search.trials
    return search.best


class _Search:
    """The function that optuna minimizes."""

    ready: Prepared

    def __init__(
        self, optuna: Any, options: Options, given: set[str], limit: float | None, callbacks: Any, progress: bool
    ):
        self.optuna, self.options, self.given = optuna, options, given
        self.callbacks, self.progress = callbacks, progress
        self.end = time.monotonic() + (float("inf") if limit is None else limit)
        self.best: TableModel | None = None
        self.least = float("inf")
        self.trials: list[dict[str, Any]] = []

    def start(self) -> dict[str, Any]:
        """The options of `fit` as a point of the space."""
        point = self.options.state() | {"width": self.options.layers[0], "depth": len(self.options.layers)}
        searched = {"dropout", "lr", "weight_decay", "norm", "activation", "embedding"} - self.given
        return {name: point[name] for name in searched | ({"width", "depth"} if "layers" not in self.given else set())}

    def suggest(self, trial: Any) -> Options:
        """Options of a trial; those that were given stay."""
        number, one = trial.suggest_float, trial.suggest_categorical
        space: dict[str, Any] = {
            "layers": lambda: (one("width", [64, 128, 256, 512]),) * trial.suggest_int("depth", 1, 5),
            "norm": lambda: one("norm", ["batch", "layer"]),
            "activation": lambda: one("activation", ["relu", "silu", "mish"]),
            "dropout": lambda: number("dropout", 0, 0.6),
            "embedding": lambda: one("embedding", ["periodic", "piecewise", "none"]),
            "lr": lambda: number("lr", 3e-4, 1e-2, log=True),
            "weight_decay": lambda: number("weight_decay", 1e-4, 0.3, log=True),
        }
        return replace(self.options, **{name: make() for name, make in space.items() if name not in self.given})

    def __call__(self, trial: Any) -> float:
        """Train; the least loss of the held-out rows."""
        options, watch, begun = self.suggest(trial), _Watch(self, trial), time.monotonic()
        try:
            model = train(self.ready, options, [*self.callbacks, watch])
            if self.best is None or watch.least < self.least:
                self.best, self.least = model, watch.least
            return watch.least
        finally:
            found = {"options": options.state(), "loss": watch.least, "epochs": watch.epochs}
            self.trials.append(found | {"seconds": time.monotonic() - begun})
            if self.progress:
                said = ", ".join(f"{name} {value}" for name, value in trial.params.items())
                print(f"trial {len(self.trials)}: loss {watch.least:.4f} after {watch.epochs} epochs; {said}")


class _Watch(Callback):
    """Tells optuna of each epoch; ends trials that fall behind or for which no time is left."""

    def __init__(self, search: _Search, trial: Any):
        self.search, self.trial, self.least, self.epochs = search, trial, float("inf"), 0

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Report the loss; end the trial if it falls behind or time is up."""
        loss = trainer.history["val_loss"][-1]
        self.least, self.epochs = min(self.least, loss), trainer.epoch
        self.trial.report(loss, trainer.epoch)
        late = time.monotonic() > self.search.end
        if self.search.best is None:
            trainer.stop = trainer.stop or late
        elif late or self.trial.should_prune():
            raise self.search.optuna.TrialPruned

    def on_fit_end(self, trainer: Trainer) -> None:
        """Try nothing more after Ctrl-C."""
        if trainer.interrupted:
            self.trial.study.stop()
