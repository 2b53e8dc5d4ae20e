"""A trained model in a file: weights, the network's settings, and how its inputs are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import io, nn
from .._check import Array
from ..graph import freeze
from ..training._mlp import NORMS, make_activation, make_mlp
from ._sources import KINDS, Inputs
from ._table import Place, row_of
from ._tasks import task_of


class Network(NamedTuple):
    """How a kind of network is made from its settings."""

    make: Callable[[dict[str, Any]], nn.Module]
    check: Callable[[dict[str, Any], Mapping[str, Any]], None]  # settings beside arrays that claim to be theirs
    sizes: Callable[[dict[str, Any]], tuple[int, int]]  # numbers of a sample, and of what is said of it


def _make_mlp(config: dict[str, Any]) -> nn.Module:
    norms = [] if config["norm"] == "none" else [config["norm"]]
    layers = make_mlp("train", config["sizes"], config["activation"], norms, p=config["dropout"])
    return nn.Sequential(nn.Flatten(), *layers)


def _check_mlp(config: dict[str, Any], arrays: Mapping[str, Any]) -> None:
    """Compare the sizes with the arrays before layers are made, which compare all shapes then."""
    sizes = config["sizes"]
    if not isinstance(sizes, list) or len(sizes) < 2 or not all(type(size) is int and size > 0 for size in sizes):
        raise ValueError(f"expected sizes of two layers or more, got {sizes!r}")
    if config["norm"] not in ("none", *NORMS):
        raise ValueError(f"expected norm to be none or one of {', '.join(NORMS)}, got {config['norm']!r}")
    dropout = config["dropout"]
    if isinstance(dropout, bool) or not isinstance(dropout, (int, float)) or not 0 <= dropout < 1:
        raise ValueError(f"expected dropout in [0, 1), got {dropout!r}")
    make_activation("activation", config["activation"])
    needed, there = sum(a * b for a, b in pairwise(sizes)), sum(array.size for array in arrays.values())
    if needed > there:
        raise ValueError(f"sizes {sizes} take {needed:,} weights, but there are {there:,} numbers")


NETWORKS = {"mlp": Network(_make_mlp, _check_mlp, lambda config: (config["sizes"][0], config["sizes"][-1]))}


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
    """The model, in evaluation mode, and what its inputs are."""
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
    columns = features if inputs.source == "table" else len(inputs.mean)
    if (len(inputs.mean), len(inputs.std), len(inputs.columns) or columns) != (columns,) * 3:
        raise ValueError(f"expected means and deviations of {columns} columns, got {len(inputs.mean)}")
    if outputs != task_of(inputs).outputs(inputs):
        raise ValueError(f"expected as many classes as the network's {outputs} outputs, got {len(inputs.classes)}")


class Predictor:
    """What a saved model says of prepared inputs: scores of classes, or numbers in their own unit."""

    def __init__(self, model: nn.Module, inputs: Inputs, source: str):
        self.plan, self.inputs, self.task = freeze(model), inputs, task_of(inputs)
        self.source, self.seen = source, 0

    def __call__(self, x: Array, place: Place | None = None) -> Array:
        """(N, outputs); `place` says where the rows stand, which are counted otherwise."""
        output = self.task.finished(np.asarray(self.plan(x)), self.inputs)
        finite = np.isfinite(output).all(1)
        if not finite.all():
            at = int(finite.argmin())
            where = (place or row_of(self.seen))(at)
            raise ValueError(f"{self.source}: expected finite predictions, got {output[at].tolist()} for {where}")
        self.seen += len(output)
        return output
