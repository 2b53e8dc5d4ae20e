"""`python docs/study.py ROOT`: what the teaching texts say of activations, norms, dropout, optimizers and initialisers,
tried on CIFAR-10.  Writes docs/study.json and docs/study.png; the words around the numbers stand in docs/study.md.
"""

from __future__ import annotations

import argparse
import json
import statistics
import warnings
from pathlib import Path

import numpy as np

import fastnn
from fastnn import data, metrics, nn, optim
from fastnn.data import transforms

HERE = Path(__file__).parent
BASE = {"activation": nn.ReLU, "norm": None, "dropout": 0.0, "optimizer": "Adam", "init": "he", "depth": 3}


CASES = {
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


def network(case):
    """3072 - 256 - ... - 256 - 10."""
    layers, before = [nn.Flatten()], 3072
    for _ in range(case["depth"] - 1):
        linear = nn.Linear(before, 256)
        {
            "he": lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu"),
            "xavier": nn.init.xavier_normal_,
            "normal 0.01": lambda w: nn.init.normal_(w, 0, 0.01),
        }[case["init"]](linear.weight)
        nn.init.zeros_(linear.bias)
        layers += [linear, *([case["norm"](256)] if case["norm"] else []), case["activation"]()]
        layers += [nn.Dropout(case["dropout"])] if case["dropout"] else []
        before = 256
    return nn.Sequential(*layers, nn.Linear(before, 10))


def main():
    """All cases, three seeds each."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("root")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    steps = transforms.Compose(
        [transforms.ToTensor(), transforms.Normalize((0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616))]
    )
    parts = [data.CIFAR10(options.root, train, steps, download=False) for train in (True, False)]
    whole = [next(iter(data.DataLoader(part, len(part)))) for part in parts]  # normalised once: no augmentation here
    results = {}
    for group, cases in CASES.items():
        results[group] = {}
        for name, change in cases.items():
            runs = []
            for seed in range(options.seeds):
                fastnn.manual_seed(seed)
                case = BASE | change
                model = network(case)
                loader = data.DataLoader(data.TensorDataset(*whole[0]), 128, shuffle=True, drop_last=True, rng=seed)
                trainer = fastnn.Trainer(
                    model, nn.CrossEntropyLoss(), OPTIMIZERS[case["optimizer"]](model.parameters()),
                    metrics={"accuracy": metrics.Accuracy()}, progress=False,
                )  # fmt: skip
                runs.append(trainer.fit(loader, options.epochs, data.DataLoader(data.TensorDataset(*whole[1]), 1000)))
            results[group][name] = {key: np.mean([run[key] for run in runs], 0).tolist() for key in runs[0]}
            best = [max(run["val_accuracy"]) for run in runs]
            results[group][name]["best"] = best
            final = results[group][name]
            print(
                f"{group:<12} {name:<18} best {statistics.mean(best):.1%} ± {statistics.stdev(best):.1%}, at the end "
                f"{final['val_accuracy'][-1]:.1%} (training {final['accuracy'][-1]:.1%}), "
                f"{np.mean(final['seconds']):.2f} s an epoch",
                flush=True,
            )
    (HERE / "study.json").write_text(json.dumps(results, indent=1) + "\n")
    draw(results)


def draw(results):
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
        each.set_ylim(low - 0.2 * (high - low), high)  # room for the names
        each.legend(frameon=False, fontsize=8.5, loc="lower right", ncols=2)
        each.grid(**GRID)
    axes.flat[-1].set_axis_off()
    figure.savefig(HERE / "study.png", dpi=110)


if __name__ == "__main__":
    main()
