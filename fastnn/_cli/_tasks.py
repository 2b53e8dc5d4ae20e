"""Kinds of targets, a row of the table `TASKS` each: their loss and metrics, and how predictions are written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from .. import functional, metrics, nn
from .._check import Array
from ._sources import Inputs

Metrics = dict[str, metrics.Metric]


@dataclass(frozen=True)
class Task:
    """What depends on the kind of target."""

    criterion: Callable[[], nn.Module]
    watched: Callable[[], Metrics]  # during training
    measured: Callable[[], Metrics]  # of a trained model
    outputs: Callable[[Inputs], int]
    summary: Callable[[Inputs], str]
    finished: Callable[[Array, Inputs], Array]  # from the network's output to predictions that are not scaled
    columns: Callable[[Inputs], list[str]]  # of predictions in a CSV file
    rows: Callable[[Array, Inputs], Iterator[list[str]]]
    arrays: Callable[[Array, Inputs], dict[str, Array]]  # in an NPZ file


def _class_rows(output: Array, inputs: Inputs) -> Iterator[list[str]]:
    """A class's name and each class's probability."""
    for label, row in zip(output.argmax(1), functional.softmax(output, 1), strict=True):
        yield [inputs.classes[label], *(f"{value:.6g}" for value in row)]


def _class_arrays(output: Array, inputs: Inputs) -> dict[str, Array]:
    return {"output": output, "label": output.argmax(1), "classes": np.array(inputs.classes)}


CLASSIFICATION = Task(
    criterion=nn.CrossEntropyLoss,
    watched=lambda: {"accuracy": metrics.Accuracy()},
    measured=lambda: {"accuracy": metrics.Accuracy()},
    outputs=lambda inputs: len(inputs.classes),
    summary=lambda inputs: f"classification into {len(inputs.classes)} classes",
    finished=lambda output, inputs: output,
    columns=lambda inputs: ["label", *inputs.classes],
    rows=_class_rows,
    arrays=_class_arrays,
)
REGRESSION = Task(
    criterion=nn.MSELoss,
    watched=lambda: {"r2": metrics.R2Score()},
    measured=lambda: {"r2": metrics.R2Score(), "mae": metrics.MeanAbsoluteError()},
    outputs=lambda inputs: 1,
    summary=lambda inputs: f"regression of {inputs.target}",
    finished=lambda output, inputs: output.astype(np.float64) * inputs.target_std + inputs.target_mean,
    columns=lambda inputs: [inputs.target or "prediction"],
    rows=lambda output, inputs: ([f"{value:.9g}"] for value in output[:, 0]),
    arrays=lambda output, inputs: {"output": output},
)


def task_of(inputs: Inputs) -> Task:
    """The task that a model was trained for."""
    return TASKS["classification" if inputs.classes else "regression"]


TASKS = {"classification": CLASSIFICATION, "regression": REGRESSION}
