"""Fits that go on with the network there is: what has changed since is honoured or refused, and errors are undone."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .. import nn
from .._check import Array

_LASTING = ("hidden_layer_sizes", "batch_norm", "layer_norm")  # what the weights are made for


@contextmanager
def unchanged_on_error(estimator: Any, goes_on: bool) -> Iterator[None]:
    """Bring an estimator back, after any error, to what it was; goes_on: its network itself is about to be trained."""
    kept: dict[str, Any] = {
        name: list(value) if isinstance(value, list) else value for name, value in vars(estimator).items()
    }
    optimizer = kept.get("_optimizer") if goes_on else None
    weights = copy.deepcopy(estimator.model_.state_dict()) if goes_on else {}
    moments = optimizer and copy.deepcopy(optimizer.state_dict())
    chance = copy.deepcopy(estimator._rng.bit_generator.state) if goes_on else None
    try:
        yield
    except Exception:
        vars(estimator).clear()
        vars(estimator).update(kept)
        if goes_on:
            estimator.model_.load_state_dict(weights)
            estimator._rng.bit_generator.state = chance
        if optimizer:
            optimizer.load_state_dict(moments)
        raise


def settings(estimator: Any) -> dict[str, Any]:
    """What a network, its optimizer and its source of chance are made from."""
    made = {name: getattr(estimator, name) for name in ("batch_norm", "layer_norm", "activation", "dropout", "solver")}
    made |= {"hidden_layer_sizes": estimator._sizes(), "random_state": estimator.random_state}
    return made | {"options": {} if estimator.solver == "lbfgs" else estimator._options()}


def refuse_another_network(estimator: Any, now: dict[str, Any]) -> None:
    """Refuse settings for which the weights there are were not made."""
    for name in _LASTING:
        if now[name] != estimator._settings[name]:
            raise ValueError(
                f"{type(estimator).__name__}: expected {name} {estimator._settings[name]} as in the fit before, got "
                f"{now[name]}: warm_start and partial_fit go on with the same weights"
            )


def same_weights(old: nn.Sequential, new: nn.Sequential, same_activations: bool) -> nn.Sequential:
    """A network with the old one's layers, but the new one's dropout, and its activations unless they are the same."""

    def is_kept(layer: nn.Module) -> bool:
        if same_activations:
            return not isinstance(layer, nn.Dropout)
        return isinstance(layer, (nn.Linear, nn.BatchNorm1d, nn.LayerNorm))

    kept = filter(is_kept, old)
    return nn.Sequential(*(next(kept) if is_kept(layer) else layer for layer in new))


def refuse_other_outputs(name: str, expected: str, got: str) -> None:
    """Refuse targets of another kind or width."""
    if expected != got:
        raise ValueError(f"{name}: expected {expected} as in the fit before, got {got}")


def cast(name: str, y: Array, dtype: Any) -> Array:
    """Targets in the network's dtype, which must be able to hold them."""
    with np.errstate(over="ignore"):
        result = y.astype(dtype)
    if not np.isfinite(result).all():
        raise ValueError(f"{name}: expected y in the range of {np.dtype(dtype)}, in which X is, got {abs(y).max():g}")
    return result
