"""The network, the objective and the batches behind the estimators."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import gen_batches

from .. import nn
from .._check import Array
from .._random import seeded
from ..autograd import value_of
from ..graph import freeze
from ..nn import init
from ..training._mlp import make_mlp


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
    """A perceptron with scikit-learn's initial values, drawn from `rng` alone."""
    norms = ["batch"] * bool(batch_norm) + ["layer"] * bool(layer_norm)
    with seeded(int(rng.integers(2**63))):  # layers fill themselves from the package's generator
        network = make_mlp(name, sizes, given, norms, p=dropout, rng=rng)
    for layer in network:
        if isinstance(layer, nn.Linear):
            bound = math.sqrt((2.0 if given == "logistic" else 6.0) / (layer.in_features + layer.out_features))
            for parameter in (layer.weight, layer.bias):
                init.uniform_(parameter, -bound, bound, rng=rng)
    return network.to(dtype)


def by_sample(losses: Any) -> Any:
    """Losses (N, outputs) added for each sample, (N,); a sum stays."""
    if losses.ndim < 2:
        return losses
    return losses.sum(1) if losses.shape[1] > 1 else losses.reshape(-1)


class Objective:
    """The loss of a batch, its samples weighted, and the penalty alpha / 2 sum w^2 / (weight of the batch).

    `loss(output, y, reduction)` is of each sample for "none", their sum for "sum".  The penalty's gradient is the
    optimizer's: `group`, the parameters that are penalised, is told its share.
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
        if self.weight is None:
            mean = self.loss(output, self.y[index], "sum") * (1 / total)
        else:
            mean = (self.loss(output, self.y[index], "none") * self.weight[index]).sum() * (1 / total)
        if not self.alpha:
            return mean
        self.group["weight_decay"] = self.alpha / total
        squares = sum(float(np.square(p.data).sum()) for p in self.group["params"])  # np.vdot would wake BLAS's threads
        return mean + 0.5 * self.alpha * squares / total


def dense(rows: Any) -> Array:
    """Rows of an array, or of a sparse matrix."""
    return rows.toarray() if issparse(rows) else rows


class Batches:
    """(rows of X, their numbers), in a new order at each pass; no batch smaller than `least` but the only one."""

    def __init__(self, X: Any, batch_size: int, rng: np.random.Generator | None, least: int):
        self.X, self.rng = X, rng
        self.parts = list(gen_batches(X.shape[0], batch_size, min_batch_size=least))

    def __len__(self) -> int:
        return len(self.parts)

    def __iter__(self) -> Iterator[tuple[Array, Array]]:
        n = self.X.shape[0]
        order = np.arange(n) if self.rng is None else self.rng.permutation(n)
        for part in self.parts:
            index = order[part]
            yield self.X[index].toarray() if issparse(self.X) else self.X.take(index, axis=0), index


def minimize(model: nn.Module, X: Any, objective: Objective, max_iter: int, max_fun: int, tol: float) -> Any:
    """SciPy's L-BFGS-B on all samples at once; its result."""
    from scipy.optimize import minimize as scipy_minimize

    X = dense(X)
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


class Plan:
    """The network's plan, and what tells whether the network is still the one that it was made from."""

    def __init__(self, model: nn.Sequential):
        self.predict = freeze(model)
        self.tables = [(vars(layer)["_parameters"], dict(layer.named_parameters())) for layer in model.modules()][1:]
        self.layers = list(model)
        held = [value_of(each) for each in (*model.parameters(), *model.buffers())]
        self.arrays = [(array, array.tobytes("A")) for array in held]

    def holds(self, model: nn.Sequential) -> bool:
        """Whether layers, parameters, their arrays and their values are those of then."""
        if list(model) != self.layers:
            return False
        for table, before in self.tables:
            if any(table[name] is not each for name, each in before.items()):
                return False
        own = [each.data for table, _ in self.tables for each in table.values() if each is not None]
        return all(map(operator.is_, own, (array for array, _ in self.arrays))) and all(
            array.tobytes("A") == content for array, content in self.arrays
        )
