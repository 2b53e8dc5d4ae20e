"""The network of tables: embeddings of numbers and categories, a residual perceptron, one linear head."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import NormalDist
from typing import Any

import numpy as np

from .. import nn
from .._check import Array
from ..nn import init
from ..training._mlp import NORMS, make_activation

_FREQUENCIES, _DIMENSIONS, _BINS = 16, 4, 16  # of each number's embedding
_MOST = 48  # dimensions of a category's embedding


def embedding_size(cardinality: int) -> int:
    """The dimensions of a column's vectors by how many values it has, as fastai sizes them."""
    return min(_MOST, round(1.6 * cardinality**0.56))


class Scale:
    """Standardized numbers as the network takes them, by the encoder's percentiles of the training rows.

    Parameters
    ----------
    kind : {"standard", "quantile"}
        Unchanged, or the normal distribution's value at their quantile, which outliers cannot stretch.
    encoder : Encoder
        Fitted.
    """

    def __init__(self, kind: str, encoder: Any):
        self.columns, self.table = np.flatnonzero(encoder.continuous), encoder.quantiles
        self.knots: dict[int, tuple[Array, Array]] = {}
        if kind == "quantile":
            normal = np.array([NormalDist().inv_cdf(min(max(i / 100, 1e-3), 1 - 1e-3)) for i in range(101)])
            for column in self.columns.tolist():
                values, first, count = np.unique(self.table[:, column], return_index=True, return_counts=True)
                self.knots[column] = values, np.add.reduceat(normal, first) / count  # equal quantiles get their mean

    def __call__(self, numbers: Array) -> Array:
        """A copy, float32 (N, K); columns that are no quantities stay."""
        result = np.array(numbers, np.float32)
        for column, knots in self.knots.items():
            result[:, column] = np.interp(result[:, column], *knots)
        return result

    def edges(self) -> Array:
        """Edges of bins of equal weight, (bins + 1, quantities)."""
        rows = np.linspace(0, 100, _BINS + 1).round().astype(int)
        return self(self.table[rows])[:, self.columns]


class Periodic(nn.Module):
    """x and Linear(cos(2 pi (c x + b))) of each of K numbers, c and b learned for each, the linear layer shared.

    Notes
    -----
    Gorishniy, Rubachev, Babenko, "On Embeddings for Numerical Features in Tabular Deep Learning", 2022; with phases
    and the number itself as in Holzmüller, Grinsztajn, Steinwart, "Better by Default", 2024.
    """

    def __init__(self, numbers: int):
        super().__init__()
        self.frequency = nn.Parameter(np.empty((numbers, _FREQUENCIES), np.float32))
        self.phase = nn.Parameter(np.empty((numbers, _FREQUENCIES), np.float32))
        init.normal_(self.frequency, 0, 0.3)
        init.uniform_(self.phase, -0.5, 0.5)
        self.linear = nn.Linear(_FREQUENCIES, _DIMENSIONS - 1)
        self.width = numbers * _DIMENSIONS

    def forward(self, x: Any) -> Any:
        """(N, K) -> (N, 4 K)."""
        rows, numbers = x.shape
        waves = np.cos((x[:, :, None] * self.frequency + self.phase) * np.float32(2 * math.pi))
        mixed = self.linear(waves.reshape(rows * numbers, _FREQUENCIES))
        return np.concatenate([mixed.reshape(rows, -1), x], 1)


class Piecewise(nn.Module):
    """Each number's position in each of its bins: 0 below, 1 above; in the outer ones it goes on to -4 and 4.

    Notes
    -----
    The piecewise-linear encoding by quantiles of Gorishniy, Rubachev, Babenko, 2022, section 3.2.
    """

    def __init__(self, numbers: int):
        super().__init__()
        self.register_buffer("low", np.zeros((numbers, _BINS), np.float32))
        self.register_buffer("slope", np.zeros((numbers, _BINS), np.float32))
        self.width = numbers * _BINS

    def set_edges(self, edges: Array) -> None:
        """Set the edges, (bins + 1, K); bins of no width are dropped."""
        for number, column in enumerate(edges.T):
            values = np.unique(column)
            used = len(values) - 1
            self.low[number, :used] = values[:-1]
            self.slope[number, :used] = 1 / np.diff(values)

    def forward(self, x: Any) -> Any:
        """(N, K) -> (N, 16 K)."""
        far = (x[:, :, None] - self.low) * self.slope
        last = np.maximum((self.slope > 0).sum(1) - 1, 0)
        floor, ceiling = np.zeros_like(self.low), np.ones_like(self.low)
        floor[:, 0] = -4
        ceiling[np.arange(len(last)), last] = 4
        return np.clip(far, floor, ceiling).reshape(len(x), -1)


class Layer(nn.Module):
    """Linear, norm, activation, dropout; the input is added if it has the output's size."""

    def __init__(self, inputs: int, outputs: int, norm: str, activation: str, dropout: float):
        super().__init__()
        parts = [nn.Linear(inputs, outputs), *([NORMS[norm](outputs)] if norm != "none" else [])]
        parts += [make_activation("tables.fit", activation), *([nn.Dropout(dropout)] if dropout else [])]
        self.parts, self.residual = nn.Sequential(*parts), inputs == outputs

    def forward(self, x: Any) -> Any:
        """(N, inputs) -> (N, outputs)."""
        y = self.parts(x)
        return x + y if self.residual else y


class TableNetwork(nn.Module):
    """Takes (numbers, codes), float32 (N, K) and integers (N, C), and returns (N, outputs).

    Parameters
    ----------
    continuous : array_like of bool (K,)
        Which numbers are quantities: embeddings are made of these.
    cardinalities : sequence of int
        How many codes each of the C columns has.
    outputs : int
    options : mapping
        "layers", "norm", "activation", "dropout", "embedding", as `fastnn.tables.fit` takes them.
    """

    def __init__(self, continuous: Any, cardinalities: Sequence[int], outputs: int, options: Mapping[str, Any]):
        super().__init__()
        real = np.asarray(continuous, bool)
        self.real, self.other = np.flatnonzero(real), np.flatnonzero(~real)
        kind = {"periodic": Periodic, "piecewise": Piecewise}.get(options["embedding"])
        self.numbers = kind(len(self.real)) if kind and len(self.real) else None
        self.categories = nn.ModuleList([nn.Embedding(n, embedding_size(n)) for n in cardinalities])
        for table in self.categories:
            init.normal_(table.weight, 0, table.embedding_dim**-0.5)
        width = self.numbers.width if self.numbers is not None else len(self.real)
        width += len(self.other) + sum(table.embedding_dim for table in self.categories)
        sizes = [width, *options["layers"]]
        rest = (options["norm"], options["activation"], options["dropout"])
        self.layers = nn.Sequential(*(Layer(a, b, *rest) for a, b in pairwise(sizes)))
        self.head = nn.Linear(sizes[-1], outputs)

    def forward(self, batch: Any) -> Any:
        """(N, outputs), before any link."""
        numbers, codes = batch
        parts = []
        if len(self.real):
            x = numbers if not len(self.other) else numbers[:, self.real]
            parts.append(x if self.numbers is None else self.numbers(x))
        if len(self.other):
            parts.append(numbers[:, self.other])
        parts += [table(codes[:, i]) for i, table in enumerate(self.categories)]
        return self.head(self.layers(np.concatenate(parts, 1) if len(parts) > 1 else parts[0]))

    def fill_unused(self, counts: Sequence[Array]) -> None:
        """Give each code without a training row the mean vector of all training rows."""
        for table, count in zip(self.categories, counts, strict=True):
            weight, used = table.weight.data, count > 0
            if used.any():
                share = (count[used] / count.sum()).astype(np.float64)
                weight[~used] = (weight[used].astype(np.float64) * share[:, None]).sum(0)


def least_weights(widths: Sequence[int], cardinalities: Sequence[int]) -> int:
    """The least number of weights of such a network, with which a file's claims are compared."""
    return sum(a * b for a, b in pairwise(widths)) + sum(n * embedding_size(n) for n in cardinalities)
