"""Softmax, losses and dropout."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special
from records import BY_NAME, LOSSES

import fastnn

from .contest import Call, CompiledToo, Contest, Unavailable, jitted, onnx_call, values


class Softmax(CompiledToo):
    name = "softmax family"
    cases = [
        {"function": f, "direction": d, "shape": shape}
        for f in ("softmax", "log_softmax")
        for d in ("forward", "backward")
        for shape in BY_NAME[f].bench
    ]

    def __init__(self, function: str, direction: str, shape: tuple[int, int]):
        self.function, self.direction = function, direction
        self.x, self.dy = values(*shape), values(*shape, seed=1)

    @classmethod
    def goal(cls, case: dict[str, Any]) -> float:
        return 1.2

    def fastnn(self) -> Call:
        f, x, dy = getattr(fastnn, self.function), self.x, self.dy
        backward, y = getattr(fastnn, self.function + "_backward"), f(x, 1)
        return (lambda: f(x, 1)) if self.direction == "forward" else (lambda: backward(dy, y, 1))

    def scipy(self) -> Call:
        if self.direction == "backward":
            raise Unavailable("forward only")
        f, x = getattr(scipy.special, self.function), self.x
        return lambda: f(x, 1)

    def _torch(self) -> tuple[Any, ...]:
        import torch

        f, x, dy = getattr(torch, self.function), torch.from_numpy(self.x), torch.from_numpy(self.dy)
        if self.direction == "forward":
            return lambda x: f(x, 1), x
        backward = getattr(torch.ops.aten, f"_{self.function}_backward_data").default
        return lambda dy, y: backward(dy, y, 1, torch.float32), dy, f(x, 1)

    def jax(self) -> Call:
        import jax

        f = getattr(jax.nn, self.function)
        if self.direction == "forward":
            return jitted(f, self.x)
        return jitted(lambda dy, x: jax.vjp(f, x)[1](dy)[0], self.dy, self.x)

    def onnxruntime(self) -> Call:
        if self.direction == "backward":
            raise Unavailable("forward only")
        return onnx_call({"softmax": "Softmax", "log_softmax": "LogSoftmax"}[self.function], self.x, axis=1)


class CrossEntropy(CompiledToo):
    name = "cross_entropy"
    cases = [{"direction": d, "shape": s} for d in ("forward", "backward") for s in BY_NAME["cross_entropy"].bench]

    def __init__(self, direction: str, shape: tuple[int, int]):
        self.direction, self.x = direction, values(*shape)
        self.t = np.random.default_rng(0).integers(0, shape[1], shape[0])

    @classmethod
    def goal(cls, case: dict[str, Any]) -> float:
        return 1.2

    def fastnn(self) -> Call:
        x, t, dy = self.x, self.t, np.float32(1)
        if self.direction == "forward":
            return lambda: fastnn.cross_entropy(x, t)
        return lambda: fastnn.cross_entropy_backward(dy, x, t)

    def _torch(self) -> tuple[Any, ...]:
        import torch

        x, t, F = torch.from_numpy(self.x), torch.from_numpy(self.t), torch.nn.functional
        if self.direction == "forward":
            return lambda x: F.cross_entropy(x, t), x
        # what autograd runs: the gradient of nll_loss, then log_softmax's, from the saved log_softmax
        y, aten = torch.log_softmax(x, 1), torch.ops.aten
        _, total = aten.nll_loss_forward(y, t, None, 1, -100)
        one = torch.ones(())

        def backward(y: Any) -> Any:
            dy = aten.nll_loss_backward(one, y, t, None, 1, -100, total)
            return aten._log_softmax_backward_data(dy, y, 1, torch.float32)

        return backward, y

    def jax(self) -> Call:
        import jax

        def loss(x: Any, t: Any) -> Any:
            return -jax.numpy.take_along_axis(jax.nn.log_softmax(x, 1), t[:, None], 1).mean()

        return jitted(loss if self.direction == "forward" else jax.grad(loss), self.x, self.t)


class PairLoss(Contest):
    name = "loss"
    cases = [
        {"function": loss.name, "direction": d, "shape": shape}
        for loss in LOSSES
        for d in ("forward", "backward")
        for shape in BY_NAME[loss.name].bench
    ]

    def __init__(self, function: str, direction: str, shape: tuple[int, int]):
        arguments = BY_NAME[function].call(shape, dtype=np.float32).arguments
        self.function, self.direction, self.x, self.t = function, direction, arguments["input"], arguments["target"]

    def fastnn(self) -> Call:
        x, t, dy, f = self.x, self.t, np.float32(1), getattr(fastnn, self.function)
        backward = getattr(fastnn, self.function + "_backward")
        return (lambda: f(x, t)) if self.direction == "forward" else (lambda: backward(dy, x, t))

    def torch(self) -> Call:
        import torch

        x, t, f = torch.from_numpy(self.x), torch.from_numpy(self.t), getattr(torch.nn.functional, self.function)
        if self.direction == "forward":
            return lambda: f(x, t)
        y = f(x.requires_grad_(), t)
        return lambda: torch.autograd.grad(y, x, retain_graph=True)


class Dropout(Contest):
    name = "dropout"
    cases = [{"direction": d, "n": n} for d in ("forward", "backward") for (n,) in BY_NAME["dropout"].bench]

    def __init__(self, direction: str, n: int):
        self.direction, self.x = direction, values(n)

    @classmethod
    def goal(cls, case: dict[str, Any]) -> float:
        return 1.0 if case["direction"] == "backward" else 25.0 if case["n"] >= 65_536 else 10.0

    def fastnn(self) -> Call:
        x = self.x
        if self.direction == "forward":
            return lambda: fastnn.dropout(x, 0.5)
        return lambda: fastnn.dropout_backward(x, 0.5, rng=7)

    def copy(self) -> Call:
        if self.direction == "backward":
            raise Unavailable("forward only")
        x = self.x
        return lambda: x.copy()

    def numpy(self) -> Call:
        if self.direction == "backward":
            raise Unavailable("forward only")
        x, n, rng = self.x, self.x.size, np.random.default_rng(0)
        return lambda: np.where(rng.random(n, np.float32) < 0.5, 0, x * 2)

    def torch(self) -> Call:
        import torch

        x = torch.from_numpy(self.x)
        if self.direction == "forward":
            return lambda: torch.nn.functional.dropout(x, 0.5)
        mask, backward = torch.rand(x.shape) < 0.5, torch.ops.aten.native_dropout_backward.default
        return lambda: backward(x, mask, 2.0)
