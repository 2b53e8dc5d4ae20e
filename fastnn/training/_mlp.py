"""Multilayer perceptrons and optimizers by sizes and names, for the estimators and the command line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from .. import nn, optim
from ..nn import activation, parametric, rrelu, softmax

NORMS: dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm1d,
    "layer": nn.LayerNorm,
    "switchable": nn.SwitchableNorm1d,
}
OPTIMIZERS: dict[str, Callable[..., optim.Optimizer]] = {
    name.lower(): getattr(optim, name)
    for name in ("Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "SGD")
}
_LAYERS = {
    name.lower(): getattr(nn, name) for module in (activation, parametric, rrelu, softmax) for name in module.__all__
}
_LAYERS |= {"identity": nn.Identity, "logistic": nn.Sigmoid}  # as scikit-learn calls them
for _other in ("glu", "threshold", "softmax2d"):  # these change the shape, or need arguments
    del _LAYERS[_other]


def make_activation(name: str, given: Any) -> nn.Module:
    """A new layer from the name of an activation, or from a callable that returns a layer."""
    if isinstance(given, nn.Module):
        raise TypeError(f"{name}: expected activation to be a name, or to make a layer, such as nn.PReLU, got a layer")
    if callable(given):
        layer = given()
        if not isinstance(layer, nn.Module):
            raise TypeError(f"{name}: expected activation to make a Module, got {type(layer).__name__}")
        return layer
    kind = _LAYERS.get(given.lower().replace("_", "")) if isinstance(given, str) else None
    if kind is None:
        raise ValueError(f"{name}: expected activation to be one of {', '.join(sorted(_LAYERS))}, got {given!r}")
    return kind()


def make_mlp(name: str, sizes: Sequence[int], given: Any, norms: Sequence[str] = (), **dropout: Any) -> nn.Sequential:
    """Linear layers of these sizes; after each but the last norms, an activation, and dropout if it is given as `p`."""
    layers: list[nn.Module] = []
    for i, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        layers.append(nn.Linear(fan_in, fan_out))
        if i < len(sizes) - 2:
            layers += [NORMS[norm](fan_out) for norm in norms]
            layers.append(make_activation(name, given))
            layers += [nn.Dropout(**dropout)] if dropout.get("p") else []
    return nn.Sequential(*layers)
