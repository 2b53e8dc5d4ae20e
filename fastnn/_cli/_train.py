"""`fastnn train`."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError, Namespace
from pathlib import Path
from typing import Any

import numpy as np

from .. import data, metrics, nn, optim
from .._extras import extra
from .._mlp import OPTIMIZERS
from .._random import manual_seed
from ..training import CSVLogger, EarlyStopping, ModelCheckpoint, TensorBoard, Trainer
from ._options import add_command, add_output, at_least, names, report, sizes
from ._saved import make_network, save_model
from ._sources import IMAGES, SCALES, Inputs, classes_of, open_images, read_table, targets_of

# what is used where the command does not say: hidden layers, epochs
USUAL = {
    "digits": ([128, 64], 30),
    "mnist": ([512, 256], 15),
    "fashion_mnist": ([512, 256], 20),
    "cifar10": ([1024, 512], 30),
}
TABLE = ([128, 64], 60)


def add_commands(commands: Any) -> None:
    """Its options."""
    parser = add_command(
        commands,
        "train",
        train,
        "train a fully connected network and write its weights, curves and pictures",
        "  fastnn train --data digits\n"
        "  fastnn train --data cifar10 --root data --epochs 30 --out run\n"
        "  fastnn train --data houses.csv --target price --ignore street,city --layers 64,64 --activation gelu\n"
        "  fastnn train --data cifar10 --root data --out run --resume          go on after a kill\n",
    )
    parser.add_argument(
        "--data", required=True, help=f"{', '.join(IMAGES)}, a CSV file, or an NPZ file with arrays x and y"
    )
    parser.add_argument("--root", default="data", help="folder of datasets' files, downloaded if missing (%(default)s)")
    parser.add_argument("--target", help="column to predict (the last one; of an NPZ file y)")
    parser.add_argument("--ignore", type=names, default=[], metavar="A,B",
                        help="columns not to learn from, such as names and numbers of rows")  # fmt: skip
    parser.add_argument("--task", choices=["auto", "classification", "regression"], default="auto",
                        help="auto: text, or up to 20 different integers, are classes")  # fmt: skip
    parser.add_argument("--layers", type=sizes, help="sizes of the hidden layers, such as 256,128 (by the data)")
    parser.add_argument("--activation", default="relu", help="gelu, mish, prelu, LeakyReLU ... (%(default)s)")
    parser.add_argument("--norm", choices=["batch", "layer", "switchable", "none"], default="batch",
                        help="after each hidden layer (%(default)s)")  # fmt: skip
    parser.add_argument("--dropout", type=at_least(0, float), default=0.2, help="probability (%(default)s)")
    parser.add_argument("--optimizer", type=str.lower, choices=sorted(OPTIMIZERS), default="adamw", help="%(default)s")
    parser.add_argument("--lr", type=at_least(0, float), help="learning rate (0.1 for sgd, else 0.002)")
    parser.add_argument("--weight-decay", type=at_least(0, float), help="0.01 for adamw, else 0.0005")
    parser.add_argument("--scheduler", choices=["onecycle", "cosine", "step", "plateau", "none"], default="cosine",
                        help="of the learning rate (%(default)s)")  # fmt: skip
    parser.add_argument("--epochs", type=at_least(1), help="passes over the data (by the data)")
    parser.add_argument("--batch-size", type=at_least(2), default=128, help="%(default)s")
    parser.add_argument("--no-augment", action="store_true", help="images as they are, neither moved nor mirrored")
    parser.add_argument("--patience", type=at_least(1), help="stop after so many epochs without a gain")
    parser.add_argument("--max-grad-norm", type=at_least(0, float), help="scale gradients down to this norm")
    parser.add_argument("--seed", type=at_least(0), default=0, help="the same seed gives the same bits (%(default)s)")
    parser.add_argument("--workers", type=at_least(0), default=1, help="threads that make batches (%(default)s)")
    parser.add_argument("--tensorboard", action="store_true", help="write the files of TensorBoard too")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    parser.add_argument("--out", default="run", help="folder for what is written (%(default)s)")
    add_output(parser)


def open_data(options: Namespace) -> tuple[Any, Any, Inputs, int]:
    """Training and held-out samples, how they are made, and how many numbers a sample has."""
    if options.data in IMAGES:
        mean, std = SCALES[options.data]
        inputs = Inputs(options.data, mean, std)
        train_set = open_images(inputs, options.root, True, not options.no_augment)
        held_out = open_images(inputs, options.root, False, False)
        inputs.classes = train_set.classes
        return train_set, held_out, inputs, int(np.prod(train_set.data.shape[1:]))
    path = Path(options.data)
    if path.suffix not in (".csv", ".npz"):
        raise ArgumentTypeError(f"--data: expected {', '.join(IMAGES)}, a .csv or an .npz file, got {options.data!r}")
    columns, target, x, values = read_table(path, options.target, options.ignore)
    classes = classes_of(values, options.task)
    learned, held_out = (part.indices for part in data.random_split(range(len(x)), [0.8, 0.2], rng=options.seed))
    if not len(held_out):
        raise ValueError(f"{path}: expected at least 5 rows, one of which is held out, got {len(x)}")
    seen = x[learned]  # what is held out says nothing, not even by its mean
    std = np.where(np.ptp(seen, 0) > 0, seen.std(0), 1).tolist()  # of a constant, rounding leaves a tiny deviation
    inputs = Inputs("table", seen.mean(0).tolist(), std, columns, target)
    inputs.classes = classes
    if not inputs.classes:
        numbers = targets_of(path, target, values)[learned]
        inputs.target_mean, inputs.target_std = float(numbers.mean()), float(numbers.std()) if np.ptp(numbers) else 1.0
    whole = data.TensorDataset(inputs.scaled(x), inputs.targets(values))
    return data.Subset(whole, learned), data.Subset(whole, held_out), inputs, len(columns)


# what a checkpoint was made with, and so what going on from it must be asked with
LASTING = (
    "data", "target", "ignore", "task", "layers", "activation", "norm", "dropout", "optimizer", "lr", "weight_decay",
    "scheduler", "epochs", "batch_size", "no_augment", "max_grad_norm", "patience", "seed",
)  # fmt: skip


def check_resumed(options: Namespace, folder: Path) -> None:
    """Refuse options that are others than those the training began with."""
    try:
        before = json.loads((folder / "options.json").read_text())
    except FileNotFoundError:
        raise ValueError(f"--resume: found no training in {folder}") from None
    for name in LASTING:
        now, then = getattr(options, name), before.get(name)
        if now != then and not (name == "epochs" and options.scheduler in ("none", "plateau")):
            flag = "--" + name.replace("_", "-")
            raise ArgumentTypeError(f"--resume: the training in {folder} began with {flag} {then}, not {now}")


def make_scheduler(options: Namespace, optimizer: optim.Optimizer, batches: int) -> Any:
    """The learning rate's schedule over the training."""
    schedules, epochs = optim.lr_scheduler, options.epochs
    if options.scheduler == "onecycle":
        momentum = bool({"momentum", "betas"} & set(optimizer.defaults))  # what the schedule moves against the rate
        lr, steps = optimizer.param_groups[0]["lr"], epochs * batches
        return schedules.OneCycleLR(optimizer, lr, total_steps=steps, cycle_momentum=momentum)
    if options.scheduler == "cosine":
        return schedules.CosineAnnealingLR(optimizer, epochs)
    if options.scheduler == "step":
        return schedules.StepLR(optimizer, max(1, epochs // 3))
    return schedules.ReduceLROnPlateau(optimizer, patience=3) if options.scheduler == "plateau" else None


def make_trainer(options: Namespace, model: nn.Module, classes: list[str], batches: int, folder: Path) -> Trainer:
    """The trainer that the options ask for."""
    rate = options.lr if options.lr is not None else 0.1 if options.optimizer == "sgd" else 2e-3
    usual = 1e-2 if options.optimizer == "adamw" else 5e-4
    decay = usual if options.weight_decay is None else options.weight_decay
    momentum = {"momentum": 0.9, "nesterov": True} if options.optimizer == "sgd" else {}
    optimizer = OPTIMIZERS[options.optimizer](model.parameters(), lr=rate, weight_decay=decay, **momentum)
    measured: dict[str, metrics.Metric] = {"accuracy": metrics.Accuracy()} if classes else {"r2": metrics.R2Score()}
    callbacks: list[Any] = [CSVLogger(folder / "history.csv"), ModelCheckpoint(folder / "checkpoint.safetensors")]
    if options.patience:
        callbacks.insert(0, EarlyStopping("val_loss", options.patience))
    if options.tensorboard:
        callbacks.append(TensorBoard(folder / "tensorboard"))
    return Trainer(
        model,
        nn.CrossEntropyLoss() if classes else nn.MSELoss(),
        optimizer,
        metrics=measured,
        scheduler=make_scheduler(options, optimizer, batches),
        max_grad_norm=options.max_grad_norm,
        callbacks=callbacks,
        progress=not options.quiet,
    )


def train(options: Namespace) -> int:
    """Train, measure, draw, save."""
    extra("fastnn train", "matplotlib", "train")  # a missing extra shows before the training, not after it
    train_set, held_out, inputs, features = open_data(options)
    layers, epochs = USUAL.get(options.data, TABLE)
    options.epochs = options.epochs or epochs
    if options.dropout >= 1:
        raise ArgumentTypeError(f"--dropout: expected less than 1, got {options.dropout}")
    outputs = len(inputs.classes) or 1
    hidden = layers if options.layers is None else options.layers
    config = {"sizes": [features, *hidden, outputs], "activation": options.activation, "norm": options.norm,
              "dropout": options.dropout}  # fmt: skip
    manual_seed(options.seed)
    model = make_network(config)
    size = min(options.batch_size, len(train_set))
    batches = data.DataLoader(
        train_set, size, shuffle=True, num_workers=options.workers, drop_last=True, rng=options.seed
    )
    validation = data.DataLoader(held_out, 1000, num_workers=options.workers)
    folder = Path(options.out)
    if options.resume:
        check_resumed(options, folder)
    folder.mkdir(parents=True, exist_ok=True)
    if not options.resume:  # another training's, which --resume would take for this one's
        (folder / "checkpoint.safetensors").unlink(missing_ok=True)
    (folder / "options.json").write_text(json.dumps({name: getattr(options, name) for name in LASTING}, indent=2))
    trainer = make_trainer(options, model, inputs.classes, len(batches), folder)
    if options.resume:
        trainer.load(folder / "checkpoint.safetensors")
    history = trainer.fit(batches, options.epochs, validation)
    if not trainer.epoch:
        return 130
    save_model(folder / "model.safetensors", model, config, inputs)
    written = ["model.safetensors", "checkpoint.safetensors", "history.csv", "options.json"]
    result = trainer.evaluate(validation)
    written += draw(folder, trainer, held_out, validation, inputs, history)
    report(
        {
            "data": f"{len(train_set):,} samples to learn from, {len(held_out):,} held out",
            "task": f"classification into {outputs} classes" if inputs.classes else f"regression of {inputs.target}",
            "model": f"{' - '.join(map(str, config['sizes']))}, {sum(p.size for p in model.parameters()):,} parameters",
            "epochs": trainer.epoch,
            "seconds": float(sum(history["seconds"])),
            **{f"held-out {name}": float(value) for name, value in result.items()},
            "interrupted": trainer.interrupted,
            "written": ", ".join(str(folder / name) for name in written),
        },
        options.json,
    )
    return 130 if trainer.interrupted else 0


def draw(folder: Path, trainer: Trainer, held_out: Any, validation: Any, inputs: Inputs, history: Any) -> list[str]:
    """Curves; of classes the confusion, of images some predictions; the names of the files."""
    from .. import plot

    pictures = {"curves.png": plot.history(history)}
    if inputs.classes:
        output = trainer.predict(validation)
        target = np.concatenate([y for _, y in validation])
        counts = metrics.ConfusionMatrix(len(inputs.classes))(output, target)
        pictures["confusion.png"] = plot.confusion_matrix(counts, inputs.classes)
        if inputs.source in IMAGES:
            pictures["predictions.png"] = plot.predictions(held_out.data[:32], output[:32], target[:32], inputs.classes)
    for name, figure in pictures.items():
        figure.savefig(folder / name, dpi=120)
    return list(pictures)
