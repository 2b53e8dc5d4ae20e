"""Normalization."""

from __future__ import annotations

from typing import Any

import numpy as np
from records import BY_NAME

import fastnn

from .contest import Call, Contest, Unavailable, compiled, jitted, onnx_call, values

BATCHES = BY_NAME["batch_norm"].bench
BATCH_GOALS = {
    "training": dict(zip(BATCHES, (2.0, 2.0, 1.5, 4.0), strict=True)),
    "backward": dict(zip(BATCHES, (1.5, 1.5, 3.0, 1.2), strict=True)),
}


class BatchNorm(Contest):
    name = "batch_norm"
    cases = [
        {"direction": direction, "shape": shape, "order": order}
        for direction in ("training", "backward", "eval")
        for shape in BATCHES
        for order in (["first", "last"] if len(shape) == 4 else ["first"])
    ]

    def __init__(self, direction: str, shape: tuple[int, ...], order: str):
        x, dy, c = values(*shape), values(*shape, seed=1), shape[1]
        if order == "last":  # (n, h, w, c) in memory
            x, dy = (np.ascontiguousarray(a.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2) for a in (x, dy))
        self.direction, self.x, self.dy, self.w, self.b = direction, x, dy, values(c), values(c)
        self.axes, self.shape = (0, *range(2, x.ndim)), (1, -1) + (1,) * (x.ndim - 2)
        self.mean, self.var = x.mean(self.axes), x.var(self.axes)

    @classmethod
    def goal(cls, case: dict[str, Any]) -> float:
        return BATCH_GOALS.get(case["direction"], {}).get(case["shape"], 1.2)

    def fastnn(self) -> Call:
        x, dy, w, b, mean, var = self.x, self.dy, self.w, self.b, self.mean, self.var
        if self.direction == "training":
            return lambda: fastnn.batch_norm(x, None, None, w, b, training=True)
        if self.direction == "eval":
            return lambda: fastnn.batch_norm(x, mean, var, w, b)
        stats = fastnn.batch_norm_stats(x)
        return lambda: fastnn.batch_norm_backward(dy, x, *stats, w)

    def _formula(self, lib: Any) -> Any:
        axes, shape = self.axes, self.shape

        def forward(x: Any, w: Any, b: Any) -> Any:
            mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
            return (x - mean) / lib.sqrt(var + 1e-5) * w.reshape(shape) + b.reshape(shape)

        return forward

    def numpy(self) -> Call:
        if self.direction != "training":
            raise Unavailable("the forward formula only")
        x, w, b, forward = self.x, self.w, self.b, self._formula(np)
        return lambda: forward(x, w, b)

    def jax(self) -> Call:
        import jax

        if self.direction == "eval":
            raise Unavailable("an affine map alone")
        forward = self._formula(jax.numpy)
        if self.direction == "training":
            return jitted(forward, self.x, self.w, self.b)
        return jitted(lambda dy, *inputs: jax.vjp(forward, *inputs)[1](dy), self.dy, self.x, self.w, self.b)

    def torch(self) -> Call:
        import torch

        x, dy, w, b, mean, var = (torch.from_numpy(a) for a in (self.x, self.dy, self.w, self.b, self.mean, self.var))
        function = torch.nn.functional.batch_norm
        if self.direction == "training":
            return lambda: function(x, None, None, w, b, training=True)
        if self.direction == "eval":
            return lambda: function(x, mean, var, w, b)
        backward = torch.ops.aten.native_batch_norm_backward.default
        _, mean, rstd = torch.ops.aten.native_batch_norm(x, w, b, None, None, True, 0.1, 1e-5)
        return lambda: backward(dy, x, w, None, None, mean, rstd, True, 1e-5, [True, True, True])

    def torch_compile(self) -> Call:
        import torch

        if self.direction == "backward":
            raise Unavailable("aten's own kernel")
        x, w, b, mean, var = (torch.from_numpy(a) for a in (self.x, self.w, self.b, self.mean, self.var))
        function, training = torch.nn.functional.batch_norm, self.direction == "training"
        stats = (None, None) if training else (mean, var)
        return compiled(lambda x, w, b: function(x, *stats, w, b, training=training), x, w, b)

    def onnxruntime(self) -> Call:
        if self.direction != "eval":
            raise Unavailable("inference only")
        return onnx_call("BatchNormalization", np.ascontiguousarray(self.x), (self.w, self.b, self.mean, self.var))


SAMPLE_NORMS = ("layer_norm", "rms_norm", "group_norm", "instance_norm")


class SampleNorm(Contest):
    name = "norm"
    cases = [
        {"function": f, "shape": s, "direction": d}
        for f in SAMPLE_NORMS
        for s in BY_NAME[f].bench
        for d in ("forward", "backward")
    ]

    def __init__(self, function: str, shape: tuple[int, ...], direction: str):
        self.function, self.direction = function, direction
        self.x, self.dy = values(*shape), values(*shape, seed=1)
        c = shape[-1] if function in ("layer_norm", "rms_norm") else shape[1]
        self.w, self.b = values(c), values(c)

    @classmethod
    def goal(cls, case: dict[str, Any]) -> float:
        return 1.2

    def fastnn(self) -> Call:
        x, dy, w, b, f = self.x, self.dy, self.w, self.b, getattr(fastnn, self.function)
        backward = getattr(fastnn, self.function + "_backward")
        if self.function == "layer_norm":
            forward, stats = lambda: f(x, w.shape, w, b), fastnn.layer_norm_stats(x, w.shape)
        elif self.function == "rms_norm":
            forward, stats = lambda: f(x, w.shape, w), (fastnn.rms_norm_stats(x, w.shape),)
        elif self.function == "group_norm":
            forward, stats = lambda: f(x, 8, w, b), fastnn.group_norm_stats(x, 8)
        else:
            forward, stats = lambda: f(x, weight=w, bias=b), fastnn.instance_norm_stats(x)
        return forward if self.direction == "forward" else lambda: backward(dy, x, *stats, w)

    def torch(self) -> Call:
        import torch

        x, dy, w, b = (torch.from_numpy(a) for a in (self.x, self.dy, self.w, self.b))
        F, aten, forward = torch.nn.functional, torch.ops.aten, self.direction == "forward"
        if self.function == "layer_norm":
            if forward:
                return lambda: F.layer_norm(x, w.shape, w, b)
            _, mean, rstd = aten.native_layer_norm(x, w.shape, w, b, 1e-5)
            backward = aten.native_layer_norm_backward.default
            return lambda: backward(dy, x, w.shape, mean, rstd, w, b, [True, True, True])
        if self.function == "group_norm":
            if forward:
                return lambda: F.group_norm(x, 8, w, b)
            n, c, *rest = x.shape
            sizes = (n, c, int(np.prod(rest)), 8)
            _, mean, rstd = aten.native_group_norm(x, w, b, *sizes, 1e-5)
            backward = aten.native_group_norm_backward.default
            return lambda: backward(dy, x, mean, rstd, w, *sizes, [True, True, True])
        if self.function == "rms_norm":
            f, inputs = (lambda x, w: F.rms_norm(x, w.shape, w)), (x, w)
        else:
            f, inputs = (lambda x, w, b: F.instance_norm(x, weight=w, bias=b)), (x, w, b)
        if forward:
            return lambda: f(*inputs)
        inputs = tuple(t.requires_grad_() for t in inputs)
        y = f(*inputs)
        return lambda: torch.autograd.grad(y, inputs, dy, retain_graph=True)

    def torch_compile(self) -> Call:
        import torch

        if self.direction == "backward" or self.function == "instance_norm":
            raise Unavailable("forward only")
        x, w, b = (torch.from_numpy(a) for a in (self.x, self.w, self.b))
        F = torch.nn.functional
        return compiled(
            {
                "layer_norm": lambda x, w, b: F.layer_norm(x, w.shape, w, b),
                "rms_norm": lambda x, w, b: F.rms_norm(x, w.shape, w),
                "group_norm": lambda x, w, b: F.group_norm(x, 8, w, b),
            }[self.function],
            x, w, b,
        )  # fmt: skip

    def jax(self) -> Call:
        import jax

        if self.function != "layer_norm":
            raise Unavailable("layer_norm stands for all")

        def f(x: Any, w: Any, b: Any) -> Any:
            mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
            return (x - mean) / jax.numpy.sqrt(var + 1e-5) * w + b

        if self.direction == "forward":
            return jitted(f, self.x, self.w, self.b)
        return jitted(lambda dy, *inputs: jax.vjp(f, *inputs)[1](dy), self.dy, self.x, self.w, self.b)

    def onnxruntime(self) -> Call:
        operators = {"layer_norm": "LayerNormalization", "instance_norm": "InstanceNormalization"}
        if self.direction == "backward" or self.function not in operators:
            raise Unavailable("forward of two of them")
        return onnx_call(operators[self.function], self.x, (self.w, self.b))
