"""The demonstration: a network trained on real handwritten digits, its pictures, its weights, its speed."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import numpy as np

from .. import data, io, metrics, nn, optim
from .._check import Array
from .._extras import extra
from .._random import manual_seed
from ..autograd import no_grad
from ..training import Trainer

BATCH = 32


def make_model() -> nn.Sequential:
    """Linear-BatchNorm-ReLU-Dropout twice, and a head."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Dropout(0.2),
        nn.Linear(128, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.2),
        nn.Linear(64, 10),
    )  # fmt: skip


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
    extra("fastnn demo", "sklearn", "matplotlib", "tqdm")  # fail before the training, not after it
    from .. import plot
    from ..plot._figure import save_figure

    train, test = data.Digits(), data.Digits(train=False)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    manual_seed(seed)
    model = make_model()
    trainer = Trainer(
        model,
        nn.CrossEntropyLoss(),
        optim.Adam(model.parameters(), lr=2e-3),
        metrics={"accuracy": metrics.Accuracy()},
        progress=not quiet,
    )
    start = time.perf_counter()
    history = trainer.fit(
        data.DataLoader(train, BATCH, shuffle=True, drop_last=True, rng=seed), epochs, data.DataLoader(test, 100)
    )
    seconds = time.perf_counter() - start

    logits = trainer.predict(test.data)
    weights = folder / "weights.safetensors"
    io.save(model.state_dict(), weights)
    loaded = make_model()
    loaded.load_state_dict(io.load(weights))
    with no_grad():
        same = bool(np.array_equal(loaded.eval()(test.data).view(np.uint32), logits.view(np.uint32)))
    save_figure(plot.history(history), folder / "curves.png")
    counts = metrics.ConfusionMatrix(10)(logits, test.targets)
    save_figure(plot.confusion_matrix(counts, test.classes), folder / "confusion.png")
    doubtful = plot.least_certain(logits, 32)
    chosen = (test.data[doubtful], logits[doubtful], test.targets[doubtful])
    save_figure(plot.predictions(*chosen), folder / "predictions.png")

    written = ("curves.png", "confusion.png", "predictions.png", "weights.safetensors")
    report = {
        "accuracy": f"{history['val_accuracy'][-1]:.2%} of {len(test)} held-out digits",
        "training": f"{trainer.epoch} epochs in {seconds:.2f} s",
        "latency": f"{latency(model, test.data[:1]) * 1e6:.0f} us for one prediction",
        "reloaded": "predictions are bit-equal" if same else "PREDICTIONS DIFFER",
        "written": ", ".join(str(folder / name) for name in written),
    }
    for name, text in report.items():
        print(f"{name + ':':<11}{text}")
    return 0 if same else 1
