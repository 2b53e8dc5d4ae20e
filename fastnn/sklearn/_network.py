"""The network, the objective and the batches behind the estimators."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from .. import nn
from .._check import Array
from .._random import get_rng_state, manual_seed, set_rng_state
from ..nn import activation, init, parametric

_LAYERS = {name.lower(): getattr(nn, name) for name in (*activation.__all__, *parametric.__all__)}


def make_activation(name: str, given: Any) -> nn.Module:
    """A new layer from the name of an activation, or from whatever returns a layer."""
    if isinstance(given, nn.Module):
        raise TypeError(f"{name}: expected activation to be a name, or to make a layer, such as nn.PReLU, got a layer")
    if callable(given):
        layer = given()
        if not isinstance(layer, nn.Module):
            raise TypeError(f"{name}: expected activation to make a Module, got {type(layer).__name__}")
        return layer
    key = str(given).lower().replace("_", "")
    kind = nn.Identity if key == "identity" else nn.Sigmoid if key == "logistic" else _LAYERS.get(key)
    if not isinstance(given, str) or kind is None:
        known = ", ".join(sorted({"identity", "logistic", *_LAYERS}))
        raise ValueError(f"{name}: expected activation to be one of {known}, or to make a layer, got {given!r}")
    return kind()


def make_network(
    name: str,
    sizes: Sequence[int],
    given: Any,
    *,
    batch_norm: bool,
    layer_norm: bool,
    dropout: float,
    dtype: Any,
    rng: np.random.Generator,
) -> nn.Sequential:
    """Linear layers of these sizes; between them norms, activations and dropout; scikit-learn's initial values."""
    layers: list[nn.Module] = []
    state = get_rng_state()  # layers fill themselves from the package's generator, which shall not notice
    manual_seed(int(rng.integers(2**63)))
    for i, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        linear = nn.Linear(fan_in, fan_out)
        bound = math.sqrt((2.0 if given == "logistic" else 6.0) / (fan_in + fan_out))
        for parameter in (linear.weight, linear.bias):
            init.uniform_(parameter, -bound, bound, rng=rng)
        layers.append(linear)
        if i < len(sizes) - 2:
            layers += [nn.BatchNorm1d(fan_out)] if batch_norm else []
            layers += [nn.LayerNorm(fan_out)] if layer_norm else []
            layers.append(make_activation(name, given))
            layers += [nn.Dropout(dropout, rng=rng)] if dropout else []
    set_rng_state(state)
    return nn.Sequential(*layers).to(dtype)


class Objective:
    """The loss of a batch, its samples weighted, and the penalty alpha / 2 sum w^2 / (weight of the batch).

    The penalty's gradient is the optimizer's: `group`, the parameters that are penalised, is told its share.
    """

    def __init__(
        self,
        loss: Callable[..., Any],
        y: Array,
        weight: Array | None,
        alpha: float,
        group: dict[str, Any],
    ):
        self.loss, self.y, self.weight, self.alpha, self.group = loss, y, weight, alpha, group

    def share(self, index: Array) -> float:
        """The weight of a batch."""
        return float(len(index) if self.weight is None else self.weight[index].sum())

    def __call__(self, output: Any, index: Array) -> Any:
        """The loss of samples of these numbers: sum(weight * loss) / sum(weight), and the penalty."""
        total = self.share(index)
        each = self.loss(output, self.y[index])
        mean = (each if self.weight is None else each * self.weight[index]).sum() * (1 / total)
        if not self.alpha:
            return mean
        self.group["weight_decay"] = self.alpha / total
        squares = sum(float(np.square(p.data).sum()) for p in self.group["params"])  # np.vdot would wake BLAS's threads
        return mean + 0.5 * self.alpha * squares / total


class Batches:
    """(rows of X, their numbers), in a new order at each pass."""

    def __init__(self, X: Array, batch_size: int, rng: np.random.Generator | None):
        self.X, self.batch_size, self.rng = X, batch_size, rng

    def __len__(self) -> int:
        return -(-len(self.X) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Array, Array]]:
        n = len(self.X)
        order = np.arange(n) if self.rng is None else self.rng.permutation(n)
        for at in range(0, n, self.batch_size):
            index = order[at : at + self.batch_size]
            yield self.X.take(index, axis=0), index


def minimize(model: nn.Module, X: Array, objective: Objective, max_iter: int, max_fun: int, tol: float) -> Any:
    """SciPy's L-BFGS-B on all samples at once; its result."""
    from scipy.optimize import minimize as scipy_minimize

    parameters, index = list(model.parameters()), np.arange(len(X))
    penalised = {id(p) for p in objective.group["params"]}

    def value_and_gradient(flat: Array) -> tuple[float, Array]:
        for parameter, part in zip(parameters, np.split(flat, cuts), strict=True):
            parameter.data[...] = part.reshape(parameter.shape)
        model.zero_grad()
        loss = objective(model(X), index)
        loss.backward()
        share = objective.alpha / objective.share(index)
        gradients = [np.ravel(p.grad + share * p.data * (id(p) in penalised)) for p in parameters if p.grad is not None]
        return float(loss), np.concatenate(gradients).astype(np.float64)

    cuts = np.cumsum([p.size for p in parameters])[:-1]
    start = np.concatenate([np.ravel(p.data) for p in parameters]).astype(np.float64)
    options = {"maxfun": max_fun, "maxiter": max_iter, "gtol": tol}
    result = scipy_minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", options=options)
    value_and_gradient(result.x)
    return result
