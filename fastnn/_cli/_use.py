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

from .._check import Array
from .._replace import replacing
from ..training._measure import measure
from . import _tables_use
from ._options import add_command, add_output, report
from ._saved import Predictor, load_model
from ._sources import KINDS, NAMED, Inputs, kind_of
from ._tables import add_reading
from ._tasks import task_of


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
    parser.add_argument(
        "--data",
        required=True,
        help=f"{', '.join(NAMED)} (their test images), a table, an .npz file, a folder of folders of images",
    )
    add_reading(parser)
    parser.add_argument("--out", help="folder of the pictures of a table's model (evaluation, beside the model)")
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
    parser.add_argument(
        "file",
        help="a table with the columns that it learned from, NPZ with an array x, a folder of images; - reads CSV",
    )
    parser.add_argument("--out", default="-", help="CSV or NPZ; - writes CSV to the standard output (%(default)s)")
    add_reading(parser)


def _of_table(model: str) -> bool:
    from ..tables._saved import is_model

    return is_model(model)


def evaluate(options: Namespace) -> int:
    """Loss and metrics; a report of a table's model."""
    if _of_table(options.model):
        return _tables_use.evaluate(options)
    model, inputs = load_model(Path(options.model))
    kind = inputs.source
    if not KINDS[kind].takes(kind, options.data):
        kind_of(options.data)
        raise ValueError(f"the model learned from {kind}, not from {options.data}")
    batches = KINDS[kind].known(options, inputs)
    loss, measures = task_of(inputs).criterion(), task_of(inputs).measured()
    measured = measure("evaluate", Predictor(model, inputs, options.data), loss, measures, batches)
    report({"samples": measured.count, **measured.compute()}, options.json)
    return 0


def _scores(file: str, model: Any, inputs: Inputs) -> Iterator[Array]:
    """Predictions for a file's rows, in parts."""
    predictor = Predictor(model, inputs, file)
    for x, place in KINDS[inputs.source].prepared(file, inputs):
        yield predictor(x, place)


def predict(options: Namespace) -> int:
    """Write predictions in parts: neither file is held in memory."""
    out = options.out.lower()
    if out != "-" and not out.endswith((".csv", ".npz")):
        raise ArgumentTypeError(f"--out: expected a .csv or an .npz file, or -, got {options.out!r}")
    if _of_table(options.model):
        return _tables_use.predict(options)
    model, inputs = load_model(Path(options.model))
    scores = _scores(options.file, model, inputs)
    if out == "-":
        _write(sys.stdout, scores, inputs)
        return 0
    with replacing(options.out) as temporary:
        if out.endswith(".npz"):
            parts = [*scores] or [np.empty((0, task_of(inputs).outputs(inputs)), np.float32)]
            with open(temporary, "wb") as packed:
                np.savez(packed, **task_of(inputs).arrays(np.concatenate(parts), inputs))  # type: ignore[arg-type]
        else:
            with open(temporary, "w", newline="", encoding="utf-8") as file:
                _write(file, scores, inputs)
    return 0


def _write(file: Any, scores: Iterator[Array], inputs: Inputs) -> None:
    """Write CSV; nothing if the first rows fail."""
    scores = itertools.chain([part for part in [next(scores, None)] if part is not None], scores)
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(task_of(inputs).columns(inputs))
    for part in scores:
        writer.writerows(task_of(inputs).rows(part, inputs))
