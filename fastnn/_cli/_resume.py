"""Checkpoints of a training: its state, with its options and a hash of its data."""

from __future__ import annotations

import json
import os
from argparse import ArgumentTypeError, Namespace
from pathlib import Path
from typing import Any

from .. import io
from .._replace import replacing
from ..training import Callback, Trainer
from ._saved import check_network

# options that must be the same when a training is resumed
LASTING = (
    "data", "model", "group", "target", "ignore", "header", "task", "layers", "activation", "norm", "dropout",
    "optimizer", "lr", "weight_decay", "scheduler", "image_size", "epochs", "batch_size", "no_augment", "max_grad_norm",
    "patience", "seed", "shards",
)  # fmt: skip
NEWER = {
    "model": "mlp",
    "image_size": 64,
    "group": None,
    "shards": None,
}  # values for checkpoints written before these options existed
WRITTEN = ["model.safetensors", "checkpoint.safetensors", "history.csv", "options.json"]


class Checkpoint(Callback):
    """Writes the state after each epoch, and the options with the first; until then an older training's files stay."""

    def __init__(self, folder: Path, options: dict[str, Any]):
        self.folder, self.options = folder, options
        self.told = False

    def on_checkpoint(self, trainer: Trainer) -> None:
        """Write."""
        io.save({**trainer.state_dict(), "options": self.options}, self.folder / "checkpoint.safetensors")
        if not self.told:
            with replacing(self.folder / "options.json") as temporary:
                Path(temporary).write_text(json.dumps(self.options, indent=2), encoding="utf-8")
            self.told = True


def lasting(options: Namespace, fingerprint: str) -> dict[str, Any]:
    """The options and the hash that are written beside the state."""
    return {**{name: getattr(options, name) for name in LASTING}, "fingerprint": fingerprint}


def read_options(folder: Path) -> dict[str, Any]:
    """The options that the training in a folder began with."""
    path = folder / "options.json"
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ValueError(f"--resume: found no training in {folder}") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}, line {error.lineno}, column {error.colno}: {error.msg}") from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path}: expected the options of a training, got {type(found).__name__}")
    return found


def read_checkpoint(options: Namespace, folder: Path, fingerprint: str, config: dict[str, Any]) -> dict[str, Any]:
    """The state to resume from; refused if options, data or sizes differ from the training's."""
    before = read_options(folder)
    for name, now in lasting(options, fingerprint).items():
        then = before.get(name, NEWER.get(name))
        if now == then or (name == "epochs" and options.scheduler in ("none", "plateau")):
            continue
        if name == "fingerprint":
            raise ValueError(
                f"--resume: the data of {options.data} are not those that the training in {folder} began with"
            )
        flag = "--" + name.replace("_", "-")
        raise ArgumentTypeError(f"--resume: the training in {folder} began with {flag} {then}, not {now}")
    path = folder / "checkpoint.safetensors"
    state = io.load(path)
    if state.pop("options", None) != before:
        raise ValueError(f"--resume: {path} and {folder / 'options.json'} are not of one training")
    try:
        check_network(config, state["model"])
    except (KeyError, ValueError) as error:
        raise ValueError(f"--resume: {path} does not hold this training's state: {error}") from error
    return state


def go_on(trainer: Trainer, state: dict[str, Any], folder: Path) -> None:
    """Load a state, or raise an error that names the file."""
    try:
        counts = (state["epoch"], state["step"])
        if not all(type(count) is int and count >= 0 for count in counts):
            raise ValueError(f"expected numbers of epochs and steps, got {counts[0]!r} and {counts[1]!r}")
        if not all(each is None or isinstance(each, dict) for each in state["data"]) or len(state["data"]) != 2:
            raise ValueError(f"expected the states of two loaders, got {state['data']!r}")
        trainer.load_state_dict(state)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        path = os.fspath(folder / "checkpoint.safetensors")
        raise ValueError(f"--resume: {path} does not hold this training's state: {error}") from error
