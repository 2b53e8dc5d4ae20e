"""Optimizer steps over one large parameter, and over those of a network."""

from __future__ import annotations

from typing import Any

from records import OPTIMIZERS

from fastnn import nn

from .contest import Call, Contest, Unavailable, values

FUSED = ("SGD", "Adam", "AdamW", "Adagrad")  # PyTorch's optimizers with a fused kernel for the CPU
NETWORK = [(512, 784), (512,), (512, 512), (512,), (10, 512), (10,)]


class _Step(Contest):
    cases: Any

    def __init__(self, shapes: list[tuple[int, ...]], optimizer: str, options: dict[str, Any]):
        self.shapes, self.optimizer, self.options = shapes, optimizer, {"lr": 1e-3, **options}

    def _step(self, Parameter: Any, optimizers: Any, convert: Any, **extra: Any) -> Call:
        parameters = []
        for shape in self.shapes:
            p = Parameter(convert(values(*shape)))
            p.grad = convert(values(*shape, seed=1))
            parameters.append(p)
        return getattr(optimizers, self.optimizer)(parameters, **self.options, **extra).step

    def fastnn(self) -> Call:
        from fastnn import optim

        return self._step(nn.Parameter, optim, lambda array: array)

    def torch(self) -> Call:
        import torch

        extra = {"fused": True} if self.optimizer in FUSED else {"foreach": True}
        return self._step(torch.nn.Parameter, torch.optim, torch.from_numpy, **extra)


class Step(_Step):
    name = "step"
    cases = [
        {"optimizer": rule.optimizer.__name__, "options": rule.options, "n": n}
        for rule in OPTIMIZERS
        if rule.bench
        for n in (10_000, 1_000_000, 20_000_000)
    ]

    def __init__(self, optimizer: str, options: dict[str, Any], n: int):
        super().__init__([(n,)], optimizer, options)

    @classmethod
    def goal(cls, case: dict[str, Any]) -> float:
        return 1.1 if case["n"] == 20_000_000 else 1.3


class NetworkStep(_Step):
    name = "step of a network"
    cases = [{"optimizer": rule.optimizer.__name__, "options": rule.options} for rule in OPTIMIZERS]

    def __init__(self, optimizer: str, options: dict[str, Any]):
        super().__init__(NETWORK, optimizer, options)

    @classmethod
    def goal(cls, case: dict[str, Any]) -> float:
        return 1.3

    def torch(self) -> Call:
        import torch

        if self.optimizer == "Adagrad" and self.options.get("initial_accumulator_value"):
            raise Unavailable("the same kernel as without")
        extra = {"fused": True} if self.optimizer in FUSED else {"foreach": True}
        try:
            return self._step(torch.nn.Parameter, torch.optim, torch.from_numpy, **extra)
        except (TypeError, RuntimeError) as error:
            raise Unavailable(str(error)) from None
