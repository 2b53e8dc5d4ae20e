"""`python docs/study.py ROOT`: what the teaching texts say of activations, norms, dropout, optimizers, initialisers and
augmentation, tried on CIFAR-10.  Each of its two parts writes its numbers and a picture beside this file: the dense one
study.json and study.png, the convolutional one study_convolution.*; the words around them stand in docs/study.md.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import fastnn
from fastnn import data, metrics, nn, optim
from fastnn.data import transforms

HERE = Path(__file__).parent
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)
INITS = {
    "he": lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu"),
    "xavier": nn.init.xavier_normal_,
    "normal 0.01": lambda w: nn.init.normal_(w, 0, 0.01),
}


@dataclass
class Part:
    """One network, what it is changed in, and how it is trained."""

    file: str
    base: dict[str, Any]
    cases: dict[str, dict[str, dict[str, Any]]]  # {question: {choice: what is other than in base}}
    network: Callable[[dict[str, Any]], nn.Module]
    optimizer: Callable[[dict[str, Any], Any], optim.Optimizer]
    batch: int
    epochs: int
    images: int  # of the 10,000 to learn from
    watched: int  # of the 10,000 test images, after each epoch; all of them at the end
    cycle: bool = False  # whether the rate goes up and down once, or stays
    small: bool = False  # whether images are halved to 16 x 16


# -- a fully connected network ----------------------------------------------------------------------------------------

DENSE = {
    "activation": {
        "sigmoid": {"activation": nn.Sigmoid}, "tanh": {"activation": nn.Tanh}, "ReLU": {},
        "leaky ReLU": {"activation": nn.LeakyReLU}, "PReLU": {"activation": nn.PReLU},
        "GELU": {"activation": nn.GELU}, "Swish": {"activation": nn.Swish},
    },
    "norm": {
        "none": {}, "batch": {"norm": nn.BatchNorm1d}, "layer": {"norm": nn.LayerNorm},
        "switchable": {"norm": nn.SwitchableNorm1d},
    },
    "dropout": {"0": {"norm": nn.BatchNorm1d}, "0.2": {"norm": nn.BatchNorm1d, "dropout": 0.2},
                "0.5": {"norm": nn.BatchNorm1d, "dropout": 0.5}},
    "optimizer": {name: {"optimizer": name} for name in ("SGD", "SGD, momentum", "Adagrad", "RMSprop", "Adam")},
    "initialiser": {f"{init}, {name}": {"init": init, "activation": kind, "depth": 6}
                    for init in ("xavier", "he", "normal 0.01")
                    for name, kind in (("tanh", nn.Tanh), ("ReLU", nn.ReLU))},
}  # fmt: skip
OPTIMIZERS = {
    "SGD": lambda p: optim.SGD(p, 0.05),
    "SGD, momentum": lambda p: optim.SGD(p, 0.02, momentum=0.9),
    "Adagrad": lambda p: optim.Adagrad(p, 0.01),
    "RMSprop": lambda p: optim.RMSprop(p, 5e-4),
    "Adam": lambda p: optim.Adam(p, 1e-3),
}


def dense(case):
    """3072 - 256 - ... - 256 - 10."""
    layers, before = [nn.Flatten()], 3072
    for _ in range(case["depth"] - 1):
        linear = nn.Linear(before, 256)
        INITS[case["init"]](linear.weight)
        nn.init.zeros_(linear.bias)
        layers += [linear, *([case["norm"](256)] if case["norm"] else []), case["activation"]()]
        layers += [nn.Dropout(case["dropout"])] if case["dropout"] else []
        before = 256
    return nn.Sequential(*layers, nn.Linear(before, 10))


# -- a convolutional network of 20 layers -----------------------------------------------------------------------------

BARE = {"norm": False, "shortcut": False, "rate": 0.02}  # without both, a rate of 0.1 is too high
ACTIVATIONS = {"ReLU": nn.ReLU, "leaky ReLU": nn.LeakyReLU, "PReLU": nn.PReLU, "Swish": nn.Swish, "tanh": nn.Tanh}
CONVOLUTIONAL = {
    "batch norm and shortcuts": {
        "both": {}, "batch norm alone": {"shortcut": False}, "shortcuts alone": {"norm": False, "rate": 0.02},
        "neither": BARE, "neither, rate of 0.1": {**BARE, "rate": 0.1},
    },
    "activation, with both": {name: {"activation": kind} for name, kind in ACTIVATIONS.items()},
    "activation, with neither": {name: {**BARE, "activation": kind} for name, kind in ACTIVATIONS.items()},
    "initialiser, without shortcuts": {
        f"{init}, {norm}": {**change, "init": init}
        for norm, change in (("batch norm", {"shortcut": False}), ("none", BARE))
        for init in INITS
    },
    "dropout2d, with both": {"0": {}, "0.1": {"dropout": 0.1}, "0.3": {"dropout": 0.3}},
    "augmentation, with both": {
        "none": {}, "mirrored": {"augmentation": "mirrored"}, "moved, mirrored": {"augmentation": "moved, mirrored"},
    },
}  # fmt: skip
AUGMENTATION = {
    "none": [],
    "mirrored": [transforms.RandomHorizontalFlip()],
    "moved, mirrored": [transforms.RandomCrop(16, padding=2), transforms.RandomHorizontalFlip()],
}


class Block(nn.Module):
    """Two convolutions and what the case puts between them; x is added where it asks for shortcuts."""

    def __init__(self, case, before, width, stride):
        super().__init__()
        self.body = nn.Sequential(
            *unit(case, before, width, stride),
            case["activation"](),
            *([nn.Dropout2d(case["dropout"])] if case["dropout"] else []),
            *unit(case, width, width, 1),
        )
        self.activation, self.shortcut = case["activation"](), None
        if case["shortcut"]:
            same = before == width and stride == 1
            self.shortcut = nn.Identity() if same else nn.Sequential(*unit(case, before, width, stride, 1))

    def forward(self, x):
        y = self.body(x)
        return self.activation(y if self.shortcut is None else y + self.shortcut(x))


def unit(case, before, width, stride, size=3):
    """A convolution, and its norm."""
    layer = nn.Conv2d(before, width, size, stride, size // 2, bias=not case["norm"])
    INITS[case["init"]](layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return [layer, nn.BatchNorm2d(width)] if case["norm"] else [layer]


def convolutional(case):
    """ResNet-20, or what is left of it."""
    layers, before = [*unit(case, 3, 16, 1), case["activation"]()], 16
    for width in (16, 32, 64):
        for i in range(3):
            layers.append(Block(case, before, width, 2 if i == 0 and width > 16 else 1))
            before = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


PARTS = {
    "dense": Part(
        "study", {"activation": nn.ReLU, "norm": None, "dropout": 0.0, "optimizer": "Adam", "init": "he", "depth": 3},
        DENSE, dense, lambda case, p: OPTIMIZERS[case["optimizer"]](p), 128, 12, 10_000, 10_000,
    ),
    "convolutional": Part(
        "study_convolution",
        {"activation": nn.ReLU, "norm": True, "shortcut": True, "dropout": 0.0, "init": "he", "rate": 0.1,
         "augmentation": "none"},
        CONVOLUTIONAL, convolutional, lambda case, p: optim.SGD(p, case["rate"], momentum=0.9, weight_decay=5e-4),
        64, 8, 4_000, 1_000, cycle=True, small=True,
    ),
}  # fmt: skip

# -- all cases --------------------------------------------------------------------------------------------------------


def images(root, part, train):
    """Images of bytes (N, H, W, 3), and labels."""
    whole = data.CIFAR10(root, train, download=False)
    x, t = whole.data, np.asarray(whole.targets)
    if part.small:  # the mean of 2 x 2 pixels
        x = x.reshape(-1, 16, 2, 16, 2, 3).mean((2, 4)).round().astype(np.uint8)
    return (x[: part.images], t[: part.images]) if train else (x, t)


def run(part, case, seed, train, test):
    """One training: what the trainer kept of each epoch, the accuracy on the whole test at the end, and seconds."""
    fastnn.manual_seed(seed)
    model = part.network(case)
    last = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    moved = transforms.Compose([*AUGMENTATION[case.get("augmentation", "none")], *last])
    plain = transforms.Compose(last)
    loader = data.DataLoader(
        data.ImageDataset(*train, transform=moved), part.batch, shuffle=True, drop_last=True, rng=seed
    )
    whole = data.ImageDataset(*test, transform=plain)
    watched = data.Subset(whole, range(part.watched))
    optimizer = part.optimizer(case, model.parameters())
    rate = optimizer.param_groups[0]["lr"]
    steps = part.epochs * len(loader)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, rate, steps, cycle_momentum=False) if part.cycle else None
    trainer = fastnn.Trainer(
        model, nn.CrossEntropyLoss(), optimizer, metrics={"accuracy": metrics.Accuracy()}, scheduler=schedule,
        progress=False,
    )  # fmt: skip
    start = time.process_time()
    try:
        history = trainer.fit(loader, part.epochs, data.DataLoader(watched, 1000))
        final = trainer.evaluate(data.DataLoader(whole, 1000))["accuracy"]
    except FloatingPointError:  # it diverged: it says nothing from there on
        rest = [float("nan")] * (part.epochs - trainer.epoch)
        history = {key: trainer.history.get(key, []) + rest for key in ("accuracy", "val_accuracy")}
        final = float("nan")
    return history | {"final": final, "cpu": time.process_time() - start}


def main():
    """All cases of a part, one seed after the other, so that it can be ended after any of them."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("root")
    parser.add_argument("--part", choices=PARTS, default="convolutional")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--draw", action="store_true", help="the picture alone, of the numbers that are there")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    part = PARTS[options.part]
    path = HERE / f"{part.file}.json"
    if not options.draw:
        train, test = images(options.root, part, True), images(options.root, part, False)
        found: dict[tuple[str, str], list[Any]] = {}
        for seed in range(options.seeds):
            known = {}
            for group, cases in part.cases.items():
                for name, change in cases.items():
                    case = part.base | change
                    if repr(case) not in known:  # several questions share the base
                        known[repr(case)] = run(part, case, seed, train, test)
                    last = known[repr(case)]
                    found.setdefault((group, name), []).append(last)
                    print(seed, group, name, f"{last['final']:.1%}, {last['cpu']:.0f} s", flush=True)
                    path.write_text(json.dumps(summary(found), indent=1) + "\n")
    results = json.loads(path.read_text())
    table(results)
    draw(results, HERE / f"{part.file}.png")


def summary(found):
    """{question: {choice: by epoch the seeds' mean, of each seed the best and the last accuracy and the time}}."""
    results = {}
    for (group, name), runs in found.items():
        curves = {key: np.mean([run[key] for run in runs], 0).round(4).tolist() for key in ("accuracy", "val_accuracy")}
        results.setdefault(group, {})[name] = curves | {
            "best": [max(run["val_accuracy"]) for run in runs],
            "final": [run["final"] for run in runs],
            "cpu": [round(run["cpu"], 1) for run in runs],
        }
    return results


def table(results):
    """Print the rows of the page: best and last test accuracy, last training accuracy, seconds of the processor."""
    for group, cases in results.items():
        for name, values in cases.items():
            spread = [
                f"{100 * statistics.mean(each):.1f} ± {100 * statistics.stdev(each) if len(each) > 1 else np.nan:.1f} %"
                for each in (values["best"], values["final"])
            ]
            seconds = statistics.median(values["cpu"])
            print("|", " | ".join([group, name, *spread, f"{values['accuracy'][-1]:.0%}", f"{seconds:.0f}"]), "|")


def draw(results, path):
    """Test accuracy by epoch, a picture for each question."""
    from fastnn.plot._figure import COLORS, GRID, make_figure

    figure, axes = make_figure(15, 6.8, 2, 3)
    for each, (group, cases) in zip(axes.flat, results.items(), strict=False):
        for (name, values), color in zip(cases.items(), COLORS, strict=False):
            curve = 100 * np.array(values["val_accuracy"])
            each.plot(np.arange(1, len(curve) + 1), curve, color=color, linewidth=1.8, label=name)
        each.set_title(group, fontsize=12)
        each.set_xlabel("epoch", fontsize=9)
        each.set_ylabel("test accuracy, %", fontsize=9)
        low, high = each.get_ylim()
        rows = -(-len(cases) // 2)
        each.set_ylim(low - 0.11 * rows * (high - low), high)  # room for the names
        each.legend(frameon=False, fontsize=8.5, loc="lower right", ncols=2)
        each.grid(**GRID)
    for each in axes.flat[len(results) :]:
        each.set_axis_off()
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
