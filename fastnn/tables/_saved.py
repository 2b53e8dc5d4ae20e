"""A model of tables in one file: weights, and in its metadata, as JSON, columns, categories, scales and options."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import Any

import numpy as np

from .. import io
from ._encoder import Encoder
from ._heads import HEADS, Target
from ._model import TableModel
from ._network import TableNetwork, least_weights
from ._options import Options

_FORMAT = "fastnn.tables 1"
_WRONG = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError)


def save(model: TableModel, path: str | os.PathLike[str]) -> None:
    """Write a model."""
    parts = {"encoder": model.encoder.state(), "options": model.options.state(), "target": asdict(model._target)}
    parts |= {"head": model._head, "errors": model._errors, "history": model.history}
    io.save({"format": _FORMAT, "parts": json.dumps(parts), "model": model.network.state_dict()}, path)


def is_model(path: str | os.PathLike[str]) -> bool:
    """Return whether a file says of itself that it holds a model of tables; only its head is read."""
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        return size < 100 << 20 and _FORMAT.encode() in file.read(size)


def load(path: str | os.PathLike[str]) -> TableModel:
    """Load what `TableModel.save` wrote.  Nothing in a file is executed.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    TableModel

    Raises
    ------
    ValueError
        If the file is anything else, or its parts do not fit each other.
    OSError
        From the file system.
    """
    content, name = io.load(path), os.fsdecode(path)
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise ValueError(f"tables.load: expected a file that TableModel.save wrote, got {name}")
    try:
        return _restored(json.loads(content["parts"]), content["model"])
    except _WRONG as error:
        cause = f"it has no {error}" if isinstance(error, KeyError) else error
        raise ValueError(f"tables.load: {name} is damaged: {cause}") from error


def _restored(parts: dict[str, Any], arrays: dict[str, Any]) -> TableModel:
    if not all(isinstance(each, np.ndarray) and np.isfinite(each).all() for each in arrays.values()):
        raise ValueError("expected finite weights by name")
    encoder, options, target = (
        Encoder.from_state(parts["encoder"]),
        Options(**parts["options"]),
        Target(**parts["target"]),
    )
    head, schema = HEADS[parts["head"]], encoder.schema
    widths = {"classes": len(schema.classes), "labels": len(schema.targets)}
    columns, levels = np.array([target.mean, target.std], float), np.array(target.quantiles, float)
    if columns.shape != (2, target.width) or target.width != widths.get(parts["head"], 1):
        raise ValueError(f"expected as many targets as classes or labels, got {target.width}")
    if not np.isfinite(columns).all() or not (columns[1] > 0).all() or not ((levels > 0) & (levels < 1)).all():
        raise ValueError("expected finite means, deviations above 0 and quantiles between 0 and 1")
    errors = np.array(parts["errors"], float)
    if not np.isfinite(errors).all() or errors.shape not in ((0,), (101,)):
        raise ValueError("expected 101 quantiles of held-out errors or none")
    outputs, there = head.outputs(target), sum(each.size for each in arrays.values())
    needed = least_weights([*options.layers, outputs], encoder.cardinalities)
    if needed > there:
        raise ValueError(f"its layers and categories take {needed:,} weights, but there are {there:,} numbers")
    network = TableNetwork(encoder.continuous, encoder.cardinalities, outputs, options.state())
    network.load_state_dict(arrays)
    network.eval().requires_grad_(False)
    history = {str(name): [float(each) for each in values] for name, values in parts["history"].items()}
    return TableModel(schema, encoder, options, parts["head"], target, network, errors.tolist(), history)
