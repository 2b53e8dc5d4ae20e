"""The networks of `fastnn train`, a row of the table `NETWORKS` each."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

from .. import models, nn
from ..training._mlp import NORMS, make_activation, make_mlp
from . import _sequence_networks

Config = dict[str, Any]
OF_MLP = {"layers": None, "norm": "batch", "dropout": 0.2}  # options that other networks do not have


class Network(NamedTuple):
    """How a kind of network is made from its settings."""

    make: Callable[[Config], nn.Module]
    check: Callable[[Config, Mapping[str, Any]], None]  # refuses settings that do not fit the arrays of a file
    sizes: Callable[[Config], tuple[int, int]]  # of a sample, and of its outputs
    takes: str = ""  # "images" (C, H, W), "signals" (C, T), "sequences"; "": any samples of one shape


def _make_mlp(config: Config) -> nn.Module:
    norms = [] if config["norm"] == "none" else [config["norm"]]
    layers = make_mlp("train", config["sizes"], config["activation"], norms, p=config["dropout"])
    return nn.Sequential(nn.Flatten(), *layers)


def _check_mlp(config: Config, arrays: Mapping[str, Any]) -> None:
    """Compare the sizes with the arrays before memory is taken; loading compares all shapes later."""
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


def _make_lenet(config: Config) -> nn.Module:
    channels, *space = config["shape"]
    if space[0] != space[1]:
        raise ValueError(f"expected square images for lenet, got {space[0]} rows of {space[1]}")
    return models.lenet(config["outputs"], channels, space[0], lambda: make_activation("train", config["activation"]))


def _named(name: str) -> Callable[[Config], nn.Module]:
    """A network of `fastnn.models` that takes samples of any size."""

    def make(config: Config) -> nn.Module:
        options: dict[str, Any] = {"activation": lambda: make_activation("train", config["activation"])}
        if name == "mobilenet_v2":
            if config["activation"] != "relu":
                raise ArgumentTypeError("--activation: expected none for mobilenet_v2, whose functions are its own")
            options = {}
        return getattr(models, name)(config["outputs"], config["shape"][0], **options)

    return make


def _check_named(config: Config, arrays: Mapping[str, Any]) -> None:
    """Refuse sizes beyond the arrays' before memory is taken; loading compares all shapes later."""
    shape, outputs = config["shape"], config["outputs"]
    sizes = [*shape, outputs] if isinstance(shape, list) else [shape]
    if not all(type(size) is int and size > 0 for size in sizes):
        raise ValueError(f"expected shape and outputs of positive integers, got {shape!r} and {outputs!r}")
    if len(shape) != (2 if NETWORKS[config["kind"]].takes == "signals" else 3):
        raise ValueError(f"expected samples that are {NETWORKS[config['kind']].takes}, got shape {shape}")
    there = sum(array.size for array in arrays.values())
    if max(shape[0], outputs) > there or (config["kind"] == "lenet" and shape[1] * shape[2] > there):
        raise ValueError(f"shape {shape} and {outputs} outputs take more weights than the {there:,} numbers there")
    make_activation("activation", config["activation"])


def _sizes_named(config: Config) -> tuple[int, int]:
    return math.prod(config["shape"]), config["outputs"]


NETWORKS = {
    "mlp": Network(_make_mlp, _check_mlp, lambda config: (config["sizes"][0], config["sizes"][-1])),
    "lenet": Network(_make_lenet, _check_named, _sizes_named, "images"),
    **{
        name: Network(_named(name), _check_named, _sizes_named, "images")
        for name in ("resnet20", "resnet56", "resnet18", "mobilenet_v2")
    },
    "cnn1d": Network(_named("cnn1d"), _check_named, _sizes_named, "signals"),
    **dict.fromkeys(
        ("lstm", "gru", "transformer"),
        Network(
            _sequence_networks.make,
            _sequence_networks.check,
            lambda config: (config["features"], config["outputs"]),
            "sequences",
        ),
    ),
}


def configure(options: Namespace, layers: list[int], shape: tuple[int, ...], features: int, outputs: int) -> Config:
    """The settings of the network that the options ask for, for samples of shape (C, *), or () for rows of a table."""
    name = options.model
    if name == "mlp":
        for option, usual in OF_MLP.items():
            if getattr(options, option) is None:
                setattr(options, option, usual)
        hidden = layers if options.layers is None else options.layers
        sizes = [features, *hidden, outputs]
        return {"kind": "mlp", "sizes": sizes, "activation": options.activation, "norm": options.norm,
                "dropout": options.dropout}  # fmt: skip
    takes = NETWORKS[name].takes
    for option in ("norm",) if takes == "sequences" else OF_MLP:
        if getattr(options, option) is not None:
            raise ArgumentTypeError(f"--{option}: expected it with --model mlp alone, got --model {name}")
    if takes == "sequences":
        return _of_sequences(options, layers, features, outputs)
    if len(shape) != (2 if takes == "signals" else 3):
        raise ArgumentTypeError(f"--model: expected {takes} for {name}, got {options.data}")
    return {"kind": name, "shape": list(shape), "outputs": outputs, "activation": options.activation}


def _of_sequences(options: Namespace, layers: list[int], features: int, outputs: int) -> Config:
    if options.activation != "relu":
        raise ArgumentTypeError(f"--activation: expected none for {options.model}, whose functions are its own")
    sizes = options.layers or layers
    if len(set(sizes)) > 1:
        raise ArgumentTypeError(f"--layers: expected layers of one size for {options.model}, got {sizes}")
    heads = _sequence_networks.HEADS
    if options.model == "transformer" and sizes[0] % heads:
        raise ArgumentTypeError(f"--layers: expected sizes that {heads} heads can share, got {sizes[0]}")
    options.dropout = 0.0 if options.dropout is None else options.dropout
    return {"kind": options.model, "features": features, "sizes": sizes, "outputs": outputs, "dropout": options.dropout}


def title(config: Config) -> str:
    """The network's name in a report."""
    if config["kind"] == "mlp":
        return " - ".join(map(str, config["sizes"]))
    return " ".join([config["kind"], *map(str, config.get("sizes", []))])
