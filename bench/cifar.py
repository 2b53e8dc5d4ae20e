"""`python -m bench.cifar ROOT`: one training on CIFAR-10 by fastnn and by PyTorch, epoch by epoch in turn.

Both start from the same weights and learn the same batches: images are drawn, cropped and mirrored by NumPy from one seed,
and lie in memory with their channels last, which both libraries like best.  Each has a process of its own, which waits
while the other works.  The seconds are those of the steps alone, of the wall's clock and of the processor's.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from .twins import load, networks

BATCH, CHUNK = 128, 500
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
NAMES = {"fastnn": "fastnn", "torch": "PyTorch"}
LIBRARIES = tuple(NAMES)


def modules_of(library: str) -> tuple[Any, Any]:
    """Return `nn` and `optim` of a library."""
    if library == "fastnn":
        from fastnn import nn, optim

        return nn, optim
    import torch

    return torch.nn, torch.optim


def mlp(nn: Any) -> Any:
    """3072 - 1024 - 512 - 10, with batch norm."""
    layers, before = [nn.Flatten()], 3072
    for size in (1024, 512):
        layers += [nn.Linear(before, size), nn.BatchNorm1d(size), nn.ReLU()]
        before = size
    return nn.Sequential(*layers, nn.Linear(before, 10))


def recipe(library: str, name: str, steps: int) -> tuple[Any, Any, Any]:
    """Return a network, its optimizer, and the schedule of so many steps: one cycle of the rate."""
    nn, optim = modules_of(library)
    model = mlp(nn) if name == "mlp" else getattr(networks(library), name)(num_classes=10)
    if name == "mlp":
        optimizer, rate = optim.AdamW(model.parameters(), weight_decay=1e-2), 2e-3
    else:
        optimizer, rate = optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4), 0.1
    return model, optimizer, optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, cycle_momentum=False)


def files(root: str, train: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return images (N, 32, 32, 3) of bytes, and labels."""
    from fastnn.data import CIFAR10

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = CIFAR10(root, train, download=False)
    return np.asarray(data.data), np.asarray(data.targets, np.int64)


def scaled(images: np.ndarray) -> np.ndarray:
    """Return (N, 3, 32, 32) with channels last in memory, of mean 0 and deviation 1."""
    x = (images / np.float32(255) - np.float32(MEAN)) / np.float32(STD)
    return x.astype(np.float32, copy=False).transpose(0, 3, 1, 2)


def batches(images: np.ndarray, labels: np.ndarray, seed: int, epoch: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield an epoch's batches: shuffled, moved by up to 4 pixels, and every other image mirrored."""
    rng = np.random.default_rng((seed, epoch))
    padded = np.pad(images, ((0, 0), (4, 4), (4, 4), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (32, 32), (1, 2)).transpose(0, 1, 2, 4, 5, 3)
    order = rng.permutation(len(images))
    for at in range(0, len(images) - BATCH + 1, BATCH):
        rows = order[at : at + BATCH]
        top, left = rng.integers(0, 9, (2, BATCH))
        part = windows[rows, top, left]
        mirrored = rng.random(BATCH) < 0.5
        part[mirrored] = part[mirrored, :, ::-1]
        yield scaled(part), labels[rows]


class Learner:
    """A network in training, of either library."""

    def __init__(self, library: str, name: str, state: dict[str, np.ndarray], steps: int):
        self.model, self.optimizer, self.schedule = recipe(library, name, steps)
        load(self.model, state)
        self.criterion = modules_of(library)[0].CrossEntropyLoss()
        self.tensor: Any
        self.no_grad: Any
        if library == "fastnn":
            from fastnn import no_grad

            self.tensor, self.no_grad = np.asarray, no_grad
        else:
            import torch

            self.model.to(memory_format=torch.channels_last)
            self.tensor, self.no_grad = torch.from_numpy, torch.no_grad

    def step(self, x: np.ndarray, t: np.ndarray) -> float:
        """Learn one batch; return its loss."""
        self.optimizer.zero_grad()
        loss = self.criterion(self.model(self.tensor(x)), self.tensor(t))
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        return float(loss.item())

    def scores(self, images: np.ndarray) -> np.ndarray:
        """Return the classes' scores, (N, 10)."""
        self.model.eval()
        with self.no_grad():
            parts = [self.model(self.tensor(scaled(images[i : i + CHUNK]))) for i in range(0, len(images), CHUNK)]
        self.model.train()
        return np.concatenate([np.asarray(part) for part in parts])


def work(root: str, library: str, name: str, seed: int, epochs: int, start: str, save: str | None) -> None:
    """Train an epoch for each line that comes in, and answer with a line of results."""
    import fastnn

    (images, labels), (test, truth) = files(root, True), files(root, False)
    learner = Learner(library, name, fastnn.load(start), epochs * (len(images) // BATCH))
    for epoch in range(epochs):
        sys.stdin.readline()
        losses, seconds, cpu = [], 0.0, 0.0
        for x, t in batches(images, labels, seed, epoch):
            clock, processor = time.perf_counter(), time.process_time()
            losses.append(learner.step(x, t))
            seconds, cpu = seconds + time.perf_counter() - clock, cpu + time.process_time() - processor
        accuracy = float((learner.scores(test).argmax(1) == truth).mean())
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        row = {"library": library, "seed": seed, "epoch": epoch + 1, "accuracy": accuracy}
        row |= {"seconds": seconds, "cpu": cpu, "peak_mb": peak, "losses": losses}
        print(json.dumps(row), flush=True)
    if save and library == "fastnn":
        fastnn.save(learner.model.state_dict(), save)


def duel(options: argparse.Namespace, seed: int, out: IO[str], start: Path) -> None:
    """Both libraries' training from one seed."""
    import fastnn

    fastnn.manual_seed(seed)
    fastnn.save(recipe("fastnn", options.model, 1)[0].state_dict(), start)
    workers = {}
    for library in LIBRARIES:
        command = [sys.executable, "-m", "bench.cifar", options.root, "--model", options.model, "--only", library]
        command += ["--epochs", str(options.epochs), "--seeds", str(seed), "--start", str(start)]
        command += ["--save", str(options.save)] if options.save and seed == 0 else []
        workers[library] = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    for epoch in range(options.epochs):
        for library in LIBRARIES if (epoch + seed) % 2 == 0 else LIBRARIES[::-1]:
            worker = workers[library]
            assert worker.stdin is not None
            assert worker.stdout is not None
            worker.stdin.write("\n")
            worker.stdin.flush()
            line = worker.stdout.readline()
            if not line:
                raise SystemExit(f"{library} stopped with {worker.wait()}")
            out.write(line)
            out.flush()
            row = json.loads(line)
            print(*(f"{key} {row[key]:.4g}" if key != "library" else row[key] for key in list(row)[:-1]), flush=True)
    for worker in workers.values():
        worker.communicate()


def report(path: Path) -> None:
    """What the rows of a file say."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    last = max(row["epoch"] for row in rows)
    first = {(row["library"], row["seed"]): np.array(row["losses"][:50]) for row in rows if row["epoch"] == 1}
    for seed in sorted({row["seed"] for row in rows}):
        apart = np.abs(first["fastnn", seed] - first["torch", seed])
        near = int((apart < 1e-3).sum())
        print(f"seed {seed}: {near} of the first 50 losses within 1e-3, the furthest {apart.max():.1e} apart")
    for library in LIBRARIES:
        own = [row for row in rows if row["library"] == library]
        final = [row["accuracy"] for row in own if row["epoch"] == last]
        error = statistics.stdev(final) / len(final) ** 0.5 if len(final) > 1 else float("nan")
        text = ", ".join(
            f"{key} {statistics.median(row[key] for row in own):.2f} (least {min(row[key] for row in own):.2f})"
            for key in ("seconds", "cpu")
        )
        print(f"{library:<7} accuracy {statistics.mean(final):.2%} ± {error:.2%} of {final}; an epoch's {text}")


def picture(path: Path) -> None:
    """Losses of the steps, running means of 20, and test accuracy by epoch; a line for each seed."""
    from fastnn.plot._figure import COLORS, GRID, make_figure

    rows = [json.loads(line) for line in path.read_text().splitlines()]
    figure, axes = make_figure(10, 3.6, 1, 2)
    for library, color in zip(LIBRARIES, COLORS, strict=False):
        for seed in sorted({row["seed"] for row in rows}):
            own = [row for row in rows if (row["library"], row["seed"]) == (library, seed)]
            losses = np.concatenate([row["losses"] for row in own])
            losses = np.lib.stride_tricks.sliding_window_view(losses, min(20, len(losses))).mean(1)
            label = NAMES[library] if seed == 0 else None
            axes[0, 0].plot(losses, color=color, linewidth=1, label=label)
            axes[0, 1].plot(
                [row["epoch"] for row in own], [100 * row["accuracy"] for row in own], color=color, label=label
            )
    for each, x, y in zip(axes.flat, ("step", "epoch"), ("training loss", "test accuracy, %"), strict=True):
        each.set_xlabel(x, fontsize=9)
        each.set_ylabel(y, fontsize=9)
        each.legend(frameon=False, fontsize=9)
        each.grid(**GRID)
    figure.savefig(path.with_suffix(".png"), dpi=110)


def main() -> None:
    """Both libraries, three seeds, in turn."""
    parser = argparse.ArgumentParser(prog="python -m bench.cifar", description=main.__doc__)
    parser.add_argument("root", help="folder that holds cifar-10-batches-bin")
    parser.add_argument("--model", default="mlp", choices=["mlp", "resnet20", "resnet56"])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--out", type=Path, default=Path("cifar.jsonl"), help="file for the rows of results; a picture beside it"
    )
    parser.add_argument("--save", type=Path, help="file for the weights that fastnn finds from the first seed")
    parser.add_argument("--only", choices=LIBRARIES, help=argparse.SUPPRESS)
    parser.add_argument("--start", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        work(options.root, options.only, options.model, options.seeds, options.epochs, options.start, options.save)
        return
    with tempfile.TemporaryDirectory() as folder, options.out.open("w") as out:
        for seed in range(options.seeds):
            duel(options, seed, out, Path(folder, "start.safetensors"))
    report(options.out)
    picture(options.out)


if __name__ == "__main__":
    main()
