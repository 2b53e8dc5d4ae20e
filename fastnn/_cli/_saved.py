"""A trained model in a file: weights, settings of the network, and how its inputs are made."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from .. import io, nn
from .._check import Array
from ..graph import freeze
from ._networks import NETWORKS
from ._sources import KINDS, Inputs
from ._table import Place, row_of
from ._tasks import task_of


def make_network(config: dict[str, Any]) -> nn.Module:
    """The network of a configuration."""
    return NETWORKS[config.get("kind", "mlp")].make(config)


def check_network(config: dict[str, Any], arrays: Mapping[str, Any]) -> None:
    """Refuse weights that are not those of a configuration, before anything is allocated for it."""
    if not isinstance(arrays, Mapping) or not all(isinstance(array, np.ndarray) for array in arrays.values()):
        raise ValueError("expected weights by name")
    kind = config.get("kind", "mlp")
    if kind not in NETWORKS:
        raise ValueError(f"expected a network of a kind among {', '.join(NETWORKS)}, got {kind!r}")
    NETWORKS[kind].check(config, arrays)


def save_model(path: Path, model: nn.Module, config: dict[str, Any], inputs: Inputs) -> None:
    """Write all that prediction needs."""
    io.save({"model": model.state_dict(), "config": config, "inputs": asdict(inputs)}, path)


def load_model(path: Path) -> tuple[nn.Module, Inputs]:
    """The model, in evaluation mode, and how its inputs are made."""
    content = io.load(path)
    try:
        config, arrays, inputs = dict(content["config"]), content["model"], Inputs(**content["inputs"])
        check_network(config, arrays)
        _check_inputs(inputs, *NETWORKS[config.get("kind", "mlp")].sizes(config))
        model = make_network(config)
        model.load_state_dict(arrays)
    except (KeyError, TypeError, ValueError) as error:
        cause = f"it has no {error}" if isinstance(error, KeyError) else error
        if "optimizer" in content:
            raise ValueError(
                f"{path} is a checkpoint, which --resume goes on from: expected the model.safetensors beside it"
            ) from error
        raise ValueError(f"{path} was not written by `fastnn train`: {cause}") from error
    for name, array in model.state_dict().items():
        if not np.isfinite(array).all():
            got = array[~np.isfinite(array)][0]
            raise ValueError(f"{path}: expected finite weights, got {got} in {name}: it says nothing of any row")
    return model.eval(), inputs


def _check_inputs(inputs: Inputs, features: int, outputs: int) -> None:
    """Refuse descriptions of the inputs that do not fit the network."""
    if inputs.source not in KINDS:
        raise ValueError(f"expected data of a kind among {', '.join(KINDS)}, got {inputs.source!r}")
    for name in ("columns", "classes"):
        texts = getattr(inputs, name)
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise ValueError(f"expected {name} to be a list of names, got {texts!r}")
    if not isinstance(inputs.target, str) or inputs.header not in (None, True, False):
        raise ValueError(f"expected a target's name, got {inputs.target!r}, and header {inputs.header!r}")
    scales = np.asarray([*inputs.mean, *inputs.std, inputs.target_mean, inputs.target_std], np.float64)
    if not np.isfinite(scales).all() or not (np.asarray(inputs.std) > 0).all() or not inputs.target_std > 0:
        raise ValueError("expected means that are finite and deviations above 0")
    if inputs.source == "folder" and not _is_square(inputs.shape, features):
        raise ValueError(f"expected square images (H, W, 3) of the network's {features} numbers, got {inputs.shape}")
    if not isinstance(inputs.group, str):
        raise ValueError(f"expected the name of a column of ids, got {inputs.group!r}")
    columns = features if inputs.source in ("table", "sequences") else len(inputs.mean)
    if (len(inputs.mean), len(inputs.std), len(inputs.columns) or columns) != (columns,) * 3:
        raise ValueError(f"expected means and deviations of {columns} columns, got {len(inputs.mean)}")
    if outputs != task_of(inputs).outputs(inputs):
        raise ValueError(f"expected as many classes as the network's {outputs} outputs, got {len(inputs.classes)}")


def _is_square(shape: Any, features: int) -> bool:
    """Whether this is the shape (H, H, 3) of colour images of so many numbers."""
    right = isinstance(shape, list) and len(shape) == 3 and all(type(size) is int and size > 0 for size in shape)
    return right and shape[0] == shape[1] and shape[2] == 3 and math.prod(shape) == features


class Predictor:
    """Predictions of a saved model: scores of classes, or numbers that are not scaled."""

    def __init__(self, model: nn.Module, inputs: Inputs, source: str):
        self.plan, self.inputs, self.task = freeze(model), inputs, task_of(inputs)
        self.source, self.seen = source, 0

    def __call__(self, x: Array, place: Place | None = None) -> Array:
        """(N, outputs); `place` names the rows in errors, or they are counted."""
        output = self.task.finished(np.asarray(self.plan(x)), self.inputs)
        finite = np.isfinite(output).all(1)
        if not finite.all():
            at = int(finite.argmin())
            where = (place or row_of(self.seen))(at)
            raise ValueError(f"{self.source}: expected finite predictions, got {output[at].tolist()} for {where}")
        self.seen += len(output)
        return output
