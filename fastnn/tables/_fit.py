"""`fit`: from a table to a model by one call."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import optim
from .._check import Array
from .._random import seeded
from ..training import Callback, EarlyStopping, Trainer
from ._encoder import Encoder
from ._frames import Split
from ._heads import HEADS, Criterion, Target
from ._model import TableModel
from ._network import Piecewise, Scale, TableNetwork
from ._options import Options, make_options
from ._reading import read
from ._roles import find_roles
from ._store import Batches, Store

TOO_FEW = 20  # fewer held-out rows cannot end a training


def fit(
    data: Any,
    target: Any = None,
    *,
    schema: Any = None,
    roles: Mapping[str, str] | None = None,
    task: str = "auto",
    tune: int = 0,
    time_limit: float | None = None,
    callbacks: Sequence[Callback] = (),
    progress: bool = False,
    **options: Any,
) -> TableModel:
    """Learn to predict a column of a table from the others.

    Parameters
    ----------
    data : pandas.DataFrame, path-like or Source
        A file, or what `fastnn.tables.read` returns, is read by chunks and may be larger than the memory.
    target : str or sequence of str
        The column to predict; several columns of yes and no are labels.
    schema : Schema, optional
        From `fastnn.tables.find_roles`, perhaps changed; in place of `target`, `roles` and `task`.
    roles, task
        As `find_roles` takes them.
    tune : int
        Number of trials of other options, by `fastnn.tables.tune`; 0 for none.
    time_limit : float, optional
        Of `tune`, in seconds.
    callbacks : sequence of fastnn.training.Callback
    progress : bool
        Show a bar; needs tqdm.

    Other Parameters
    ----------------
    layers : sequence of int, (256, 256, 256)
        Hidden layers; one whose input has its size is residual.
    norm : {"batch", "layer", "switchable", "none"}
    activation : str, "relu"
    dropout : float, 0.25
    embedding : {"periodic", "piecewise", "none"}
        Of numbers: learned waves, or bins by quantiles (Gorishniy et al. 2022).
    scale : {"quantile", "standard"}
        Of numbers: the normal distribution's value at their quantile among training rows, or (x - mean) / std.
    loss : {"auto", "mse", "huber", "poisson", "quantile"}
        Of numbers; "auto" is "mse".
    quantiles : sequence of float, (0.05, 0.5, 0.95)
        Of the loss "quantile".
    class_weight : None, "balanced" or mapping of class to float
    lr, weight_decay : float, 0.002 and 0.01
        Of AdamW; `lr` is the peak of `optim.lr_scheduler.OneCycleLR`.
    batch_size, epochs : int, optional
        By the number of rows.
    patience : int, optional
        Training ends after so many epochs without a lower loss of the held-out rows (a fourth of `epochs`, at least
        12); the best epoch's weights are kept.
    held_out : float, optional
        Share of the rows (with a column of role group, of the groups) that are not trained on.
    seed : int, 0
        The same seed gives the same bits, for any number of threads, in memory and from a file.

    Returns
    -------
    TableModel

    Raises
    ------
    ValueError, TypeError
        If columns cannot be used, all of them named, or an option cannot be honoured.

    Examples
    --------
    >>> import fastnn, numpy as np, pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> frame = pd.DataFrame({"size": rng.normal(size=400), "city": rng.choice(["Rome", "Oslo", "Bern"], 400)})
    >>> frame["sold"] = np.where((frame["size"] > 0) ^ (frame["city"] == "Oslo"), "yes", "no")
    >>> model = fastnn.tables.fit(frame, "sold", epochs=30)
    >>> float((model.predict(frame) == frame["sold"]).mean()) > 0.95
    True
    """
    if tune:
        from ._tune import tune as search

        given = {"schema": schema, "roles": roles, "task": task, "callbacks": callbacks, "progress": progress}
        return search(data, target, trials=tune, time_limit=time_limit, **given, **options)
    if time_limit is not None:
        raise ValueError("tables.fit: expected time_limit together with tune, the number of trials")
    chosen = make_options(options)
    with prepared(data, target, schema, roles, task, chosen) as ready:
        return train(ready, chosen, callbacks, progress)


@dataclass(frozen=True)
class Prepared:
    """Encoded and scaled rows, and what they were made with."""

    schema: Any
    encoder: Any
    head: str
    target: Target
    training: Store
    held_out: Store


@contextmanager
def prepared(
    data: Any, target: Any, schema: Any, roles: Mapping[str, str] | None, task: str, options: Options
) -> Iterator[Prepared]:
    """Find roles, fit the encoder on the training rows, encode all rows: three passes over the data."""
    if isinstance(data, (str, os.PathLike)):
        data = read(data)
    if schema is None:
        schema = find_roles(data, target, roles=roles, task=task)
    head = _head_of(schema, options)
    if not schema.features:
        raise ValueError("tables.fit: expected at least one column to learn from, got none")
    split = Split(schema, options.seed, options.held_out_of(schema.rows))
    encoder = Encoder(schema).fit(split.training(data))
    scale = Scale(options.scale, encoder)
    stores = Store(encoder.cardinalities), Store(encoder.cardinalities)
    try:
        for frame, mask in split.masks(data):
            encoded: Any = encoder.transform(frame)
            if head == "poisson" and (encoded.target < 0).any():
                got = encoded.target.min()
                raise ValueError(f"tables.fit: expected a target of at least 0 for loss='poisson', got {got:g}")
            for store, taken in zip(stores, (~mask, mask), strict=True):
                if taken.any():
                    part = encoded[taken]
                    store.append(scale(part.numbers), part.codes, part.target, part.weight)
        if stores[0].rows < 2:
            raise ValueError(f"tables.fit: expected at least 2 rows to learn from, got n_samples = {stores[0].rows}")
        yield Prepared(schema, encoder, head, _measured(stores[0], head, schema, options), *stores)
    finally:
        for store in stores:
            store.close()


def _head_of(schema: Any, options: Options) -> str:
    """The row of `HEADS` for a task and a loss."""
    if options.class_weight is not None and schema.task != "classification":
        raise ValueError(f"tables.fit: expected class_weight=None for {schema.task or 'no target'}")
    if schema.task == "regression":
        return "mse" if options.loss == "auto" else options.loss
    kinds = {"classification": "classes", "multilabel": "labels"}
    if schema.task not in kinds:
        raise ValueError("tables.fit: expected a target, the column to predict")
    if options.loss != "auto":
        raise ValueError(f"tables.fit: expected loss='auto' for {schema.task}, got {options.loss!r}")
    return kinds[schema.task]


def _measured(store: Store, head: str, schema: Any, options: Options) -> Target:
    """Means and deviations of the training rows' targets; for classes, their shares."""
    if head == "classes":
        counts = np.zeros(len(schema.classes))
        for block in store.blocks():
            counts += np.bincount(block["target"], minlength=len(counts))
        return Target(len(counts), (counts / store.rows).tolist(), [1.0] * len(counts), [])

    def sums(centre: Any, power: int) -> Array:
        return np.sum([((block["target"] - centre) ** power).sum(0, np.float64) for block in store.blocks()], 0)

    centre = np.atleast_1d(sums(0, 1) / store.rows)
    spread = np.atleast_1d(np.sqrt(sums(centre, 2) / store.rows))
    quantiles = list(options.quantiles) if head == "quantile" else []
    return Target(len(centre), centre.tolist(), np.where(spread > 0, spread, 1).tolist(), quantiles)


def _network_of(ready: Prepared, options: Options) -> TableNetwork:
    """A network whose first predictions are the training rows' means."""
    head, encoder = HEADS[ready.head], ready.encoder
    network = TableNetwork(encoder.continuous, encoder.cardinalities, head.outputs(ready.target), options.state())
    network.head.bias.data[...] = head.bias(ready.target)
    if isinstance(network.numbers, Piecewise):
        network.numbers.set_edges(Scale(options.scale, encoder).edges())
    return network


def _criterion_of(ready: Prepared, options: Options) -> Criterion:
    """The loss, with the weights of classes."""
    given, names, weights = options.class_weight, ready.schema.classes, None
    if given == "balanced":
        weights = 1 / (len(names) * np.maximum(ready.target.mean, 1e-12))
    elif given is not None:
        unknown = [name for name in given if name not in names]
        if unknown:
            raise ValueError(f"tables.fit: expected class_weight of {', '.join(names)}; got {', '.join(unknown)}")
        weights = np.array([given.get(name, 1.0) for name in names])
    return Criterion(HEADS[ready.head], ready.target, weights)


def _optimizer_of(network: TableNetwork, options: Options) -> optim.Optimizer:
    """AdamW; matrices decay, but for embeddings of categories."""
    groups: tuple[list[Any], list[Any]] = [], []
    for name, each in network.named_parameters():
        groups[each.ndim < 2 or "categories" in name].append(each)
    decays = options.weight_decay, 0.0
    given = [{"params": group, "weight_decay": each} for group, each in zip(groups, decays, strict=True)]
    return optim.AdamW(given, lr=options.lr)


def train(ready: Prepared, options: Options, callbacks: Sequence[Callback] = (), progress: bool = False) -> TableModel:
    """Train a network on prepared rows."""
    count = ready.training.rows
    epochs = options.epochs_of(count)
    criterion = _criterion_of(ready, options)
    with seeded(options.seed):
        network = _network_of(ready, options)
        batches = Batches(ready.training, min(options.batch_of(count), count), np.random.default_rng(options.seed))
        held_out, stopping = None, []
        if ready.held_out.rows >= TOO_FEW:
            held_out = Batches(ready.held_out, 8192)
            stopping.append(EarlyStopping("val_loss", options.patience or max(12, epochs // 4)))
        optimizer = _optimizer_of(network, options)
        steps = epochs * len(batches)
        trainer = Trainer(
            network,
            criterion,
            optimizer,
            scheduler=optim.lr_scheduler.OneCycleLR(optimizer, options.lr, total_steps=steps, cycle_momentum=False),
            max_grad_norm=1.0,
            callbacks=[*stopping, *callbacks],
            progress=progress,
        )
        trainer.fit(batches, epochs, held_out)
    if trainer.interrupted:
        if not trainer.epoch:
            raise KeyboardInterrupt
        warnings.warn(f"tables.fit: interrupted after {trainer.epoch} of {epochs} epochs", stacklevel=3)
    network.fill_unused(ready.training.counts)
    network.eval().requires_grad_(False)
    model = TableModel(ready.schema, ready.encoder, options, ready.head, ready.target, network, [], trainer.history)
    model._errors = _held_out_errors(model, ready.held_out)
    return model


def _held_out_errors(model: TableModel, store: Store) -> list[float]:
    """Quantiles 0, 1 % ... 100 % of how far held-out numbers lie beyond the prediction, or its outer quantiles."""
    if store.rows < TOO_FEW or model._head in ("classes", "labels"):
        return []
    errors = []
    for block in store.blocks():
        low, high, unit = model._band(model._of_scaled(block["numbers"], block["codes"]))
        errors.append(np.maximum(low - block["target"], block["target"] - high) / unit)
    shares = np.minimum(np.linspace(0, 1, 101) * (1 + 1 / store.rows), 1)
    return np.quantile(np.concatenate(errors), shares, method="higher").tolist()
