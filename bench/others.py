"""The rest of the functions, there and back: a recorded call and its backward pass, as a training program runs them.

Every function with a record and without a contest of its own takes part; its record says with which shapes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from records import BY_NAME, RECORDS

import fastnn

# the other contests, so that they are there before the rest is known
from . import elementwise, linear, losses, norms  # noqa: F401
from .contest import Call, Contest, Unavailable, named

OTHERS = [record for record in RECORDS if record.gradients and record.name not in named()]


class RoundTrip(Contest):
    name = "round trip"
    cases = [{"function": record.name, "shape": shape} for record in OTHERS for shape in record.bench]

    def __init__(self, function: str, shape: tuple[int, ...]):
        self.record = BY_NAME[function]
        self.given = self.record.call(shape, self.record.bench_with, np.float32)
        self.names = self.given.with_gradient

    def _dy(self, y: Any) -> np.ndarray:
        return np.ones(y.shape, np.float32)

    def fastnn(self) -> Call:
        inputs = {name: fastnn.tensor(self.given.arguments[name], requires_grad=True) for name in self.names}
        function, arguments = self.record.function, self.given.arguments | inputs
        dy = self._dy(function(**arguments))

        def call() -> None:
            function(**arguments).backward(dy)
            for each in inputs.values():
                each.grad = None

        return call

    def torch(self) -> Call:
        import torch

        if not self.record.torch:
            raise Unavailable(f"PyTorch has no {self.record.name}")
        name = self.record.torch
        function = getattr(torch.nn.functional, name) if isinstance(name, str) else name
        arguments = {
            name: torch.from_numpy(value) if isinstance(value, np.ndarray) else value
            for name, value in self.given.arguments.items()
            if name != "rng"
        }
        inputs = [arguments[name].requires_grad_() for name in self.names]
        dy = torch.from_numpy(self._dy(function(**arguments)))
        return lambda: torch.autograd.grad(function(**arguments), inputs, dy)
