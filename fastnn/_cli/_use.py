"""`fastnn evaluate` and `fastnn predict`."""

from __future__ import annotations

import csv
import itertools
import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .. import data, functional, metrics
from .._check import Array
from .._replace import replacing
from ._options import add_command, add_output, report
from ._saved import Predictor, load_model
from ._sources import (
    CHUNK,
    IMAGES,
    Inputs,
    image_transform,
    load_arrays,
    numbers,
    open_images,
    read_rows,
    read_table,
    targets_of,
)


def add_commands(commands: Any) -> None:
    """Their options."""
    parser = add_command(
        commands,
        "evaluate",
        evaluate,
        "measure a trained model on data with known targets",
        "  fastnn evaluate run/model.safetensors --data cifar10 --root data\n"
        "  fastnn evaluate run/model.safetensors --data later.csv\n",
    )
    parser.add_argument("model", help="what `fastnn train` wrote: model.safetensors")
    parser.add_argument("--data", required=True, help=f"{', '.join(IMAGES)} (their test images), a CSV or an NPZ file")
    parser.add_argument("--root", default="data", help="folder of the datasets' files (%(default)s)")
    add_output(parser)
    parser = add_command(
        commands,
        "predict",
        predict,
        "write what a trained model says of each row of a file",
        "  fastnn predict run/model.safetensors new.csv --out predictions.csv\n"
        "  fastnn predict run/model.safetensors images.npz --out scores.npz\n"
        "  cat new.csv | fastnn predict run/model.safetensors - > predictions.csv\n",
    )
    parser.add_argument("model", help="what `fastnn train` wrote: model.safetensors")
    parser.add_argument("file", help="CSV with the columns that it learned from, NPZ with an array x; - reads CSV")
    parser.add_argument("--out", default="-", help="CSV or NPZ; - writes CSV to the standard output (%(default)s)")


def evaluate(options: Namespace) -> int:
    """Loss and metrics."""
    model, inputs = load_model(Path(options.model))
    if options.data in IMAGES:
        if options.data != inputs.source:
            raise ValueError(f"the model learned from {inputs.source}, not from {options.data}")
        images = open_images(inputs, options.root, False, False)
        batches: Any = data.DataLoader(images, CHUNK)
    else:
        if inputs.source != "table":
            raise ValueError(f"the model learned from {inputs.source}, not from {options.data}")
        _, _, x, values = read_table(Path(options.data), inputs.target, wanted=inputs.columns)
        known = values if inputs.classes else targets_of(Path(options.data), inputs.target, values)
        targets = inputs.targets(known) if inputs.classes else known.reshape(-1, 1)
        batches = [(inputs.scaled(x), targets)]
    measures: dict[str, metrics.Metric] = {"accuracy": metrics.Accuracy()} if inputs.classes else {
        "r2": metrics.R2Score(), "mae": metrics.MeanAbsoluteError()
    }  # fmt: skip
    loss = functional.cross_entropy if inputs.classes else functional.mse_loss
    predictor, total, count = Predictor(model, inputs), 0.0, 0
    for batch, target in batches:
        output = predictor(batch)
        total, count = total + float(loss(output, target)) * len(target), count + len(target)
        for measure in measures.values():
            measure.update(output, target)
    values_of = {name: float(measure.compute()) for name, measure in measures.items()}
    report({"samples": count, "loss": total / count, **values_of}, options.json)
    return 0


def _chunks(file: str, inputs: Inputs) -> Iterator[Array]:
    """Rows to predict, some at a time."""
    if file.endswith(".npz"):
        arrays = load_arrays(Path(file))
        if "x" not in arrays:
            raise ValueError(f"{file}: expected an array 'x', got {', '.join(arrays) or 'none'}")
        x = arrays["x"]
        if x.ndim < 2 or x.dtype.kind not in "biuf":
            raise ValueError(f"{file}: expected x (N, ...) of numbers, got shape {x.shape} and dtype {x.dtype}")
        yield from (x[i : i + CHUNK] for i in range(0, len(x), CHUNK))
        return
    for names, rows in read_rows(file):
        yield numbers(file, names, rows, inputs.columns)


def _scores(file: str, model: Any, inputs: Inputs) -> Iterator[Array]:
    predictor = Predictor(model, inputs)
    if inputs.source in IMAGES:
        if not file.endswith(".npz"):
            raise ValueError(f"the model learned from images ({inputs.source}): expected an NPZ file with an array x")
        prepare = image_transform(inputs, augment=False)
        for images in _chunks(file, inputs):
            if images.dtype != np.uint8 and images.dtype.kind != "f":
                raise ValueError(f"{file}: expected images of bytes, or of floats in [0, 1], got {images.dtype}")
            yield predictor(prepare(images[..., None] if images.ndim == 3 else images))
        return
    for x in _chunks(file, inputs):
        yield predictor(inputs.scaled(x.reshape(len(x), -1)))


def predict(options: Namespace) -> int:
    """Rows in, predictions out, without holding either file."""
    if options.out != "-" and not options.out.endswith((".csv", ".npz")):
        raise ArgumentTypeError(f"--out: expected a .csv or an .npz file, or -, got {options.out!r}")
    model, inputs = load_model(Path(options.model))
    scores = _scores(options.file, model, inputs)
    if options.out.endswith(".npz"):
        parts = list(scores)
        output = np.concatenate(parts) if parts else np.empty((0, len(inputs.classes) or 1), np.float32)
        arrays = {"output": output}
        if inputs.classes:
            arrays |= {"label": output.argmax(1), "classes": np.array(inputs.classes)}
        with replacing(options.out) as temporary, open(temporary, "wb") as packed:
            np.savez(packed, **arrays)  # type: ignore[arg-type]
        return 0
    if options.out == "-":
        _write(sys.stdout, scores, inputs)
        return 0
    with replacing(options.out) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        _write(file, scores, inputs)
    return 0


def _write(file: Any, scores: Iterator[Array], inputs: Inputs) -> None:
    """CSV: of classes the name and each probability, of numbers the number; nothing if the first rows fail."""
    scores = itertools.chain([part for part in [next(scores, None)] if part is not None], scores)
    writer = csv.writer(file, lineterminator="\n")
    if not inputs.classes:
        writer.writerow([inputs.target or "prediction"])
        for part in scores:
            writer.writerows([f"{value:.9g}"] for value in part[:, 0])
        return
    writer.writerow(["label", *inputs.classes])
    for part in scores:
        probability = functional.softmax(part, 1)
        for label, row in zip(part.argmax(1), probability, strict=True):
            writer.writerow([inputs.classes[label], *(f"{value:.6g}" for value in row)])
