"""The rest of the functions, there and back: a recorded call and its backward pass, as a training program runs them."""

from __future__ import annotations

from typing import Any

import numpy as np

import fastnn

from .contest import Call, Contest, Unavailable, values

IMAGES = (32, 64, 32, 32)


def fractions(*shape: int) -> np.ndarray:
    """Probabilities."""
    return np.random.default_rng(1).uniform(0.01, 0.99, shape).astype(np.float32)


def classes(n: int, c: int) -> np.ndarray:
    """Class indices."""
    return np.random.default_rng(2).integers(0, c, n)


# function: the inputs that have gradients, the arguments after them
ROUND_TRIPS: dict[str, tuple[list[np.ndarray], tuple[Any, ...]]] = {
    "glu": ([values(1024, 512)], ()),
    "rrelu": ([values(1024, 512)], (0.125, 0.25, True)),
    "softmin": ([values(1024, 512)], (-1,)),
    "normalize": ([values(1024, 512)], (2.0, -1)),
    "nll_loss": ([values(1024, 512)], (classes(1024, 512),)),
    "binary_cross_entropy": ([fractions(256, 4096)], (fractions(256, 4096),)),
    "soft_margin_loss": ([values(256, 4096)], (np.sign(values(256, 4096, seed=1)),)),
    "bilinear": ([values(128, 64), values(128, 32), values(16, 64, 32)], ()),
    "dropout1d": ([values(256, 64, 64)], (0.5, True)),
    "dropout2d": ([values(*IMAGES)], (0.5, True)),
    "dropout3d": ([values(16, 32, 8, 16, 16)], (0.5, True)),
    "alpha_dropout": ([values(1024, 512)], (0.5, True)),
    "feature_alpha_dropout": ([values(*IMAGES)], (0.5, True)),
}


class RoundTrip(Contest):
    name = "round trip"
    cases = [{"function": function} for function in ROUND_TRIPS]

    def __init__(self, function: str):
        self.function = function
        self.inputs, self.arguments = ROUND_TRIPS[function]

    def _dy(self, y: Any) -> np.ndarray:
        return np.ones(y.shape, np.float32)

    def fastnn(self) -> Call:
        function, arguments = getattr(fastnn, self.function), self.arguments
        inputs = [fastnn.tensor(each, requires_grad=True) for each in self.inputs]
        dy = self._dy(function(*inputs, *arguments))

        def call() -> None:
            function(*inputs, *arguments).backward(dy)
            for each in inputs:
                each.grad = None

        return call

    def torch(self) -> Call:
        import torch

        function = getattr(torch.nn.functional, self.function)
        arguments = [torch.from_numpy(a) if isinstance(a, np.ndarray) else a for a in self.arguments]
        inputs = [torch.from_numpy(each).requires_grad_() for each in self.inputs]
        dy = torch.from_numpy(self._dy(function(*inputs, *arguments)))
        return lambda: torch.autograd.grad(function(*inputs, *arguments), inputs, dy)


class Lookup(Contest):
    """Rows of a table by index, and the gradient of the table."""

    name = "embedding"
    cases = [{"rows": 10_000, "size": 128, "batch": 4096}]

    def __init__(self, rows: int, size: int, batch: int):
        self.table, self.indices, self.dy = values(rows, size), classes(batch, rows), values(batch, size)

    def fastnn(self) -> Call:
        indices, dy, table = self.indices, self.dy, fastnn.tensor(self.table, requires_grad=True)

        def call() -> None:
            fastnn.embedding(indices, table).backward(dy)
            table.grad = None

        return call

    def torch(self) -> Call:
        import torch

        indices, table, dy = torch.from_numpy(self.indices), torch.from_numpy(self.table).requires_grad_(), self.dy
        function, dy = torch.nn.functional.embedding, torch.from_numpy(dy)
        return lambda: torch.autograd.grad(function(indices, table), table, dy)


class SwitchableNorm(Contest):
    """Batch, layer and instance norm mixed by learned weights, in training."""

    name = "switchable_norm"
    cases = [{"shape": IMAGES}]

    def __init__(self, shape: tuple[int, ...]):
        self.x, self.dy = values(*shape), values(*shape, seed=1)

    def fastnn(self) -> Call:
        layer, x, dy = fastnn.nn.SwitchableNorm2d(self.x.shape[1]), fastnn.tensor(self.x, requires_grad=True), self.dy
        return lambda: layer(x).backward(dy)

    def torch(self) -> Call:
        raise Unavailable("PyTorch has no switchable norm")
