"""A trained model in a file: weights, the network's shape, and how its inputs are made."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from .. import io, nn
from .._check import Array
from .._mlp import make_mlp
from ..inference import freeze
from ._sources import Inputs


def make_network(config: dict[str, Any]) -> nn.Sequential:
    """The network of a configuration: sizes, activation, norm, dropout."""
    norms = [] if config["norm"] == "none" else [config["norm"]]
    return nn.Sequential(
        nn.Flatten(), *make_mlp("train", config["sizes"], config["activation"], norms, p=config["dropout"])
    )


def save_model(path: Path, model: nn.Module, config: dict[str, Any], inputs: Inputs) -> None:
    """Write all that prediction needs."""
    io.save({"model": model.state_dict(), "config": config, "inputs": asdict(inputs)}, path)


def load_model(path: Path) -> tuple[nn.Sequential, Inputs]:
    """The model, in evaluation mode, and what its inputs are."""
    content = io.load(path)
    try:
        model = make_network(content["config"])
        model.load_state_dict(content["model"])
        return model.eval(), Inputs(**content["inputs"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} was not written by `fastnn train`: {error}") from error


class Predictor:
    """What a saved model says of prepared inputs: scores of classes, or numbers in their own unit."""

    def __init__(self, model: nn.Module, inputs: Inputs):
        self.plan, self.inputs = freeze(model), inputs

    def __call__(self, x: Array) -> Array:
        """(N, outputs)."""
        output = np.asarray(self.plan(x))
        return output if self.inputs.classes else output * self.inputs.target_std + self.inputs.target_mean
