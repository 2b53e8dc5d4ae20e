"""The demonstration: a network trained on real handwritten digits, its pictures, its weights, its speed."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from . import io, nn, optim
from ._check import Array
from ._random import manual_seed
from .autograd import no_grad

BATCH = 32
HELD_OUT = 0.2


class Digits:
    """scikit-learn's 1,797 images of 8x8 pixels, a fixed fifth of them held out."""

    def __init__(self) -> None:
        from sklearn.datasets import load_digits

        images, labels = load_digits(return_X_y=True)
        order = np.random.default_rng(0).permutation(len(images))
        cut = round(HELD_OUT * len(images))
        images = (images / 16).astype(np.float32)
        self.test = images[order[:cut]], labels[order[:cut]]
        self.train = images[order[cut:]], labels[order[cut:]]


def make_model() -> nn.Sequential:
    """Linear-BatchNorm-ReLU-Dropout twice, and a head."""
    return nn.Sequential(
        nn.Linear(64, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Dropout(0.2),
        nn.Linear(128, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.2),
        nn.Linear(64, 10),
    )  # fmt: skip


def predict(model: nn.Module, images: Array) -> Array:
    """Logits, computed in evaluation mode."""
    model.eval()
    with no_grad():
        return model(images)


def train(model: nn.Module, digits: Digits, epochs: int, seed: int, quiet: bool) -> dict[str, list[float]]:
    """Train by Adam; returns loss and accuracy of each epoch."""
    from tqdm import tqdm

    images, labels = digits.train
    rng = np.random.default_rng(seed)
    criterion, optimizer = nn.CrossEntropyLoss(), optim.Adam(model.parameters(), lr=2e-3)
    history: dict[str, list[float]] = {"loss": [], "training accuracy": [], "held-out accuracy": []}
    bar = tqdm(range(epochs), unit="epoch", disable=quiet)
    for _ in bar:
        model.train()
        losses, hits = [], 0
        for batch in np.array_split(rng.permutation(len(images)), len(images) // BATCH):
            optimizer.zero_grad()
            logits = model(images[batch])
            loss = criterion(logits, labels[batch])
            loss.backward()
            optimizer.step()
            losses.append(loss.item() * len(batch))
            hits += int((logits.argmax(1) == labels[batch]).sum())
        held_out = float((predict(model, digits.test[0]).argmax(1) == digits.test[1]).mean())
        for name, value in zip(history, (sum(losses) / len(images), hits / len(images), held_out), strict=True):
            history[name].append(value)
        bar.set_postfix(loss=f"{history['loss'][-1]:.4f}", accuracy=f"{held_out:.2%}")
    return history


def draw_curves(history: dict[str, list[float]], path: Path) -> None:
    """Loss and accuracy by epoch."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = range(1, len(history["loss"]) + 1)
    left.plot(epochs, history["loss"], color="tab:blue")
    left.set(title="Training loss (cross-entropy)", xlabel="epoch", yscale="log")
    for name, color in (("training accuracy", "tab:blue"), ("held-out accuracy", "tab:orange")):
        right.plot(
            epochs, [100 * value for value in history[name]], label=f"{name}: {history[name][-1]:.1%}", color=color
        )
    right.set(title="Accuracy", xlabel="epoch", ylabel="%")
    right.legend(loc="lower right")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


def draw_confusion(labels: Array, predicted: Array, path: Path) -> None:
    """How often each digit was read as which."""
    from matplotlib.figure import Figure

    counts = np.zeros((10, 10), np.int64)
    np.add.at(counts, (labels, predicted), 1)
    figure = Figure(figsize=(5.2, 4.8), layout="constrained")
    axes = figure.subplots()
    axes.imshow(np.log1p(counts), cmap="Blues")
    for i, j in np.argwhere(counts):
        axes.text(j, i, str(counts[i, j]), ha="center", va="center", color="white" if i == j else "black", fontsize=9)
    hits = int(np.trace(counts))
    axes.set(title=f"Held-out digits: {hits} of {counts.sum()} read right", xlabel="predicted", ylabel="true")
    axes.set_xticks(range(10))
    axes.set_yticks(range(10))
    figure.savefig(path, dpi=120)


def latency(model: nn.Module, image: Array) -> float:
    """Median time of one prediction, in seconds."""
    times = []
    model.eval()
    with no_grad():
        for _ in range(1000):
            start = time.perf_counter()
            model(image)
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def run(*, seed: int, epochs: int, out: str, quiet: bool) -> int:
    """Train, draw, save, load again and compare; returns 0 if the loaded weights predict the same bits."""
    import matplotlib  # noqa: F401  (a missing extra shows before the training, not after it)
    import tqdm  # noqa: F401

    digits = Digits()
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    manual_seed(seed)
    model = make_model()
    start = time.perf_counter()
    history = train(model, digits, epochs, seed, quiet)
    seconds = time.perf_counter() - start

    images, labels = digits.test
    logits = predict(model, images)
    weights = folder / "weights.safetensors"
    io.save(model.state_dict(), weights)
    loaded = make_model()
    loaded.load_state_dict(io.load(weights))
    same = bool(np.array_equal(predict(loaded, images).view(np.uint32), logits.view(np.uint32)))
    draw_curves(history, folder / "curves.png")
    draw_confusion(labels, logits.argmax(1), folder / "confusion.png")

    report: dict[str, Any] = {
        "accuracy": f"{history['held-out accuracy'][-1]:.2%} of {len(labels)} held-out digits",
        "training": f"{epochs} epochs in {seconds:.2f} s",
        "latency": f"{latency(model, images[:1]) * 1e6:.0f} us for one prediction",
        "reloaded": "predictions are bit-equal" if same else "PREDICTIONS DIFFER",
        "written": ", ".join(str(folder / name) for name in ("curves.png", "confusion.png", "weights.safetensors")),
    }
    for name, text in report.items():
        print(f"{name + ':':<11}{text}")
    return 0 if same else 1
