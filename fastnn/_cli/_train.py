"""`fastnn train`."""

from __future__ import annotations

import atexit
from argparse import ArgumentTypeError, Namespace
from pathlib import Path
from typing import Any

import numpy as np

from .. import data, metrics, nn, optim
from .._random import manual_seed
from ..training import CSVLogger, EarlyStopping, TensorBoard, Trainer
from ..training._mlp import OPTIMIZERS
from . import _tables
from ._networks import NETWORKS, configure, title
from ._options import add_command, add_output, at_least, check_folder, is_there, names, report, sizes
from ._resume import WRITTEN, Checkpoint, go_on, lasting, read_checkpoint
from ._saved import make_network, save_model
from ._sources import KINDS, NAMED, Inputs, kind_of
from ._tasks import task_of
from ._workers import first_alone, leads, make_group


def add_commands(commands: Any) -> None:
    """Its options."""
    parser = add_command(
        commands,
        "train",
        train,
        "train a network and write its weights, curves and pictures",
        "  fastnn train --data digits\n"
        "  fastnn train --data cifar10 --root data --epochs 30 --out run\n"
        "  fastnn train --data cifar10 --root data --model resnet20 --optimizer sgd --scheduler onecycle\n"
        "  fastnn train --data pets/ --model mobilenet_v2 --image-size 96     a folder of images for each class\n"
        "  fastnn train --data signals.npz --model cnn1d                      x (N, C, T) and y (N,)\n"
        "  fastnn train --data visits.csv --model gru --group patient         rows of one patient are one sequence\n"
        "  fastnn train --data houses.csv --target price                      a table with columns of all kinds\n"
        "  fastnn train --data export.csv --target churn --category zip --id customer --tune 20\n"
        "  fastnn train --data cifar10 --root data --out run --resume          go on after a kill\n",
    )
    parser.add_argument(
        "--data",
        required=True,
        help=f"{', '.join(NAMED)}, a table (.csv, .tsv, .txt, also .gz; .parquet, .xlsx), an .npz file with arrays x "
        "and y, or a folder that holds one of images for each class",
    )
    parser.add_argument("--root", default="data", help="folder of datasets' files, downloaded if missing (%(default)s)")
    parser.add_argument(
        "--target", help="column to predict (the last one; of an NPZ file y); several of yes and no: A,B"
    )
    parser.add_argument("--ignore", type=names, default=[], metavar="A,B",
                        help="columns not to learn from, such as names and numbers of rows")  # fmt: skip
    parser.add_argument("--header", choices=["auto", "yes", "no"], default="auto",
                        help="whether a table's first line names its columns (auto: the lines tell)")  # fmt: skip
    parser.add_argument("--task", choices=["auto", "classification", "regression"], default="auto",
                        help="auto: text, or up to 20 different integers, are classes")  # fmt: skip
    parser.add_argument("--model", choices=sorted([*NETWORKS, "table"]),
                        help="mlp for all data, table for tables, cnn1d for signals, lstm, gru and transformer for "
                        "sequences, the others for images (table, or mlp of whole tables of plain numbers and of "
                        "all else)")  # fmt: skip
    parser.add_argument(
        "--group",
        metavar="COLUMN",
        help="column of ids: rows with one id are a sequence (an NPZ file has x, y, lengths), or held out together",
    )
    parser.add_argument("--layers", type=sizes, help="sizes of the hidden layers, such as 256,128 (by the data)")
    parser.add_argument("--activation", default="relu", help="gelu, mish, prelu, LeakyReLU ... (%(default)s)")
    parser.add_argument("--norm", choices=["batch", "layer", "switchable", "none"],
                        help="after each of mlp's hidden layers (batch)")  # fmt: skip
    parser.add_argument(
        "--dropout", type=at_least(0, float, below=1), help="probability, for mlp (0.2) and sequences (0)"
    )
    parser.add_argument("--optimizer", type=str.lower, choices=sorted(OPTIMIZERS), default="adamw", help="%(default)s")
    parser.add_argument("--lr", type=at_least(0, float), help="learning rate (0.1 for sgd, else 0.002)")
    parser.add_argument("--weight-decay", type=at_least(0, float), help="0.01 for adamw, else 0.0005")
    parser.add_argument("--scheduler", choices=["onecycle", "cosine", "step", "plateau", "none"],
                        help="of the learning rate (cosine)")  # fmt: skip
    parser.add_argument("--epochs", type=at_least(1), help="passes over the data (by the data)")
    parser.add_argument("--batch-size", type=at_least(2), help="128; of --model table by the rows")
    parser.add_argument("--image-size", type=at_least(1), default=64,
                        help="rows and columns that a folder's images are scaled to (%(default)s)")  # fmt: skip
    parser.add_argument("--no-augment", action="store_true", help="images as they are, neither moved nor mirrored")
    parser.add_argument("--patience", type=at_least(1), help="stop after so many epochs without a gain")
    parser.add_argument("--max-grad-norm", type=at_least(0, float), help="scale gradients down to this norm")
    parser.add_argument("--seed", type=at_least(0), default=0, help="the same seed gives the same bits (%(default)s)")
    parser.add_argument("--workers", type=at_least(0), default=1, help="threads that make batches (%(default)s)")
    parser.add_argument("--shards", type=at_least(1), metavar="N",
                        help="parts of each batch, 2, 4, 8 ...: under mpiexec workers of any number that divides it "
                        "give the same bits (8 under mpiexec, else none)")  # fmt: skip
    parser.add_argument("--tensorboard", action="store_true", help="write the files of TensorBoard too")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    parser.add_argument("--out", default="run", help="folder for what is written (%(default)s)")
    _tables.add_options(parser)
    add_output(parser)


def make_scheduler(options: Namespace, optimizer: optim.Optimizer, batches: int) -> Any:
    """The learning rate's schedule over the training."""
    schedules, epochs = optim.lr_scheduler, options.epochs
    if options.scheduler == "onecycle":
        momentum = bool({"momentum", "betas"} & set(optimizer.defaults))  # OneCycleLR lowers these while the rate rises
        lr, steps = optimizer.param_groups[0]["lr"], epochs * batches
        return schedules.OneCycleLR(optimizer, lr, total_steps=steps, cycle_momentum=momentum)
    if options.scheduler == "cosine":
        return schedules.CosineAnnealingLR(optimizer, epochs)
    if options.scheduler == "step":
        return schedules.StepLR(optimizer, max(1, epochs // 3))
    return schedules.ReduceLROnPlateau(optimizer, patience=3) if options.scheduler == "plateau" else None


def make_trainer(
    options: Namespace, model: nn.Module, inputs: Inputs, batches: int, checkpoint: Checkpoint, group: Any
) -> Trainer:
    """The trainer that the options ask for."""
    rate = options.lr if options.lr is not None else 0.1 if options.optimizer == "sgd" else 2e-3
    usual = 1e-2 if options.optimizer == "adamw" else 5e-4
    decay = usual if options.weight_decay is None else options.weight_decay
    momentum = {"momentum": 0.9, "nesterov": True} if options.optimizer == "sgd" else {}
    optimizer = OPTIMIZERS[options.optimizer](model.parameters(), lr=rate, weight_decay=decay, **momentum)
    callbacks: list[Any] = [CSVLogger(checkpoint.folder / "history.csv"), checkpoint]
    if options.patience:
        callbacks.insert(0, EarlyStopping("val_loss", options.patience))
    if options.tensorboard:
        callbacks.append(TensorBoard(checkpoint.folder / "tensorboard"))
    task = task_of(inputs)
    return Trainer(
        model,
        task.criterion(),
        optimizer,
        metrics=task.watched(),
        scheduler=make_scheduler(options, optimizer, batches),
        max_grad_norm=options.max_grad_norm,
        callbacks=callbacks,
        group=group,
        progress=not options.quiet
        and leads(group)
        and is_there("fastnn train", "tqdm.auto", "showing it", "the progress bar"),
    )


def train(options: Namespace) -> int:
    """Train alone, or as one of the workers of mpiexec; if one fails, all end."""
    group = make_group(options)
    try:
        return _train(options, group)
    except BaseException:
        if group is not None and group.size > 1:
            atexit.register(group.engine.abort)
        raise


def _train(options: Namespace, group: Any) -> int:
    """Train, measure, draw, save; all inputs are checked before the first file is written."""
    table = _tables.chosen(options)
    if table is not None and group is not None:
        raise ArgumentTypeError(
            f"--shards, mpiexec: expected --model mlp or another network for {options.data}, got none"
        )
    if table is not None:
        return _tables.train(options, *table)
    options.model, options.scheduler = options.model or "mlp", options.scheduler or "cosine"
    options.batch_size = options.batch_size or 128
    kind, folder = KINDS[kind_of(options.data, options.model)], Path(options.out)
    options.epochs = options.epochs or kind.epochs
    if options.group and NETWORKS[options.model].takes != "sequences":
        raise ArgumentTypeError(f"--group: expected --model lstm, gru or transformer, got {options.model}")
    try:
        with first_alone(group):  # the first worker downloads files for all
            samples = kind.split(options)
    except ValueError as error:
        if not _tables.is_table(options.data) or _tables.can_read():
            raise
        raise ValueError(f"{error}; other tables than of plain numbers need pip install pandas pyarrow") from error
    task, inputs = task_of(samples.inputs), samples.inputs
    config = configure(options, kind.layers, samples.shape, samples.features, task.outputs(inputs))
    state = read_checkpoint(options, folder, samples.fingerprint, config) if options.resume else None
    manual_seed(options.seed)
    model = make_network(config)
    size = min(options.batch_size, len(samples.train))
    batches = data.DataLoader(
        samples.train, size, shuffle=True, num_workers=options.workers, drop_last=True, rng=options.seed
    )
    validation = data.DataLoader(samples.held_out, 1000, num_workers=options.workers)
    checkpoint = Checkpoint(folder, lasting(options, samples.fingerprint))
    trainer = make_trainer(options, model, inputs, len(batches), checkpoint, group)
    if state is not None:
        go_on(trainer, state, folder)
    pictures = pictures_of(inputs)
    if leads(group):
        if not is_there("fastnn train", "matplotlib.figure", "drawing", f"the pictures {', '.join(pictures)}"):
            pictures = []
        check_folder(folder, [*WRITTEN, *pictures])
    history = trainer.fit(batches, options.epochs, validation)
    if not trainer.epoch:
        return 130
    result = trainer.evaluate(validation)
    if not leads(group):
        return 0
    save_model(folder / "model.safetensors", model, config, inputs)
    if pictures:
        draw(folder, trainer, samples.held_out, validation, inputs, history)
    report(
        {
            "data": f"{len(samples.train):,} samples to learn from, {len(samples.held_out):,} held out",
            "task": task.summary(inputs),
            "model": f"{title(config)}, {sum(p.size for p in model.parameters()):,} parameters",
            "epochs": trainer.epoch,
            **({} if group is None else {"workers": f"{group.size}, of {group.shards} shards of each batch"}),
            "seconds": float(sum(history["seconds"])),
            **{f"held-out {name}": float(value) for name, value in result.items()},
            "interrupted": trainer.interrupted,
            "written": ", ".join(str(folder / name) for name in [*WRITTEN, *pictures]),
        },
        options.json,
    )
    return 130 if trainer.interrupted else 0


def pictures_of(inputs: Inputs) -> list[str]:
    """The names of the files that `draw` writes."""
    of_classes = ["confusion.png", *["predictions.png"] * KINDS[inputs.source].pictures] if inputs.classes else []
    return ["curves.png", *of_classes]


def draw(folder: Path, trainer: Trainer, held_out: Any, validation: Any, inputs: Inputs, history: Any) -> None:
    """Draw curves, for classes the confusion matrix, for images some predictions."""
    from .. import plot
    from ..plot._figure import save_figure

    figures = [plot.history(history)]
    if inputs.classes:
        output = trainer.predict(validation)
        target = np.concatenate([y for _, y in validation])
        counts = metrics.ConfusionMatrix(len(inputs.classes))(output, target)
        figures.append(plot.confusion_matrix(counts, inputs.classes))
        if KINDS[inputs.source].pictures:
            figures.append(plot.predictions(held_out.data[:32], output[:32], target[:32], inputs.classes))
    for name, figure in zip(pictures_of(inputs), figures, strict=True):
        save_figure(figure, folder / name)
