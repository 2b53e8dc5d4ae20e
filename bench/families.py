"""Linear products, normalization, softmax, losses and dropout."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special

import fastnn

from .contest import Call, CompiledToo, Contest, Unavailable, compiled, jitted, onnx_call, values

# -- linear -----------------------------------------------------------------------------------------------------------

PRODUCTS = [
    (128, 512, 512), (64, 3072, 512), (128, 784, 256), (32, 64, 128), (1, 3072, 512), (1, 64, 64), (1024, 1024, 1024),
]  # fmt: skip


class _Product(Contest):
    cases: Any

    def __init__(self, shape: tuple[int, int, int], dtype: str):
        m, k, n = shape
        self.x, self.w, self.b = (values(*size, dtype=dtype) for size in ((m, k), (n, k), (n,)))
        self.dy, self.laid = values(m, n, dtype=dtype), np.asfortranarray(self.w)

    @classmethod
    def kind(cls, case: dict[str, Any]) -> str:
        return f"{super().kind(case)} {case['dtype']}"

    @classmethod
    def goal(cls, case: dict[str, Any]) -> float:
        return 0.95

    def tensors(self) -> list[Any]:
        import torch

        return [torch.from_numpy(a) for a in (self.x, self.w, self.b, self.dy)]


class Linear(_Product):
    name = "linear"
    cases = [{"shape": shape, "dtype": dtype} for shape in PRODUCTS for dtype in ("float32", "float64")]

    def fastnn(self) -> Call:
        x, w, b = self.x, self.laid, self.b
        return lambda: fastnn.linear(x, w, b)

    def numpy(self) -> Call:
        x, w, b = self.x, self.w.T, self.b
        return lambda: x @ w + b

    def torch(self) -> Call:
        import torch

        x, w, b, _ = self.tensors()
        return lambda: torch.nn.functional.linear(x, w, b)

    def jax(self) -> Call:
        if self.x.dtype != np.float32:
            raise Unavailable("JAX computes in float32")
        return jitted(lambda x, w, b: x @ w.T + b, self.x, self.w, self.b)

    def onnxruntime(self) -> Call:
        return onnx_call("Gemm", self.x, (self.w, self.b), transB=1)


class LinearBackward(_Product):
    name = "linear backward"
    cases = [{"part": part, **case} for part in ("dx", "dw") for case in Linear.cases]

    def __init__(self, part: str, **case: Any):
        super().__init__(**case)
        self.part = part

    def fastnn(self) -> Call:
        from fastnn.functional._linear import gradients

        dy, x, w, wanted = self.dy, self.x, self.laid, (self.part == "dx", self.part == "dw", False)
        return lambda: gradients(dy, x, w, wanted)

    def numpy(self) -> Call:
        dy, x, w = self.dy, self.x, self.w
        return (lambda: dy @ w) if self.part == "dx" else (lambda: dy.T @ x)

    def torch(self) -> Call:
        x, w, _, dy = self.tensors()
        return (lambda: dy.mm(w)) if self.part == "dx" else (lambda: dy.t().mm(x))

    def jax(self) -> Call:
        if self.x.dtype != np.float32:
            raise Unavailable("JAX computes in float32")
        if self.part == "dx":
            return jitted(lambda dy, w: dy @ w, self.dy, self.w)
        return jitted(lambda dy, x: dy.T @ x, self.dy, self.x)


# -- normalization ----------------------------------------------------------------------------------------------------

BATCHES = [(32, 128), (128, 512), (256, 4096), (32, 64, 32, 32)]
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


SAMPLES = [
    ("layer_norm", (256, 512)), ("layer_norm", (4096, 768)), ("rms_norm", (4096, 768)),
    ("group_norm", (32, 64, 32, 32)), ("instance_norm", (32, 64, 32, 32)),
]  # fmt: skip


class SampleNorm(Contest):
    name = "norm"
    cases = [{"function": f, "shape": s, "direction": d} for f, s in SAMPLES for d in ("forward", "backward")]

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


# -- softmax and losses -----------------------------------------------------------------------------------------------

ROWS_OF_CLASSES = [(128, 10), (128, 1000), (4096, 512)]


class Softmax(CompiledToo):
    name = "softmax family"
    cases = [
        {"function": f, "direction": d, "shape": shape}
        for f in ("softmax", "log_softmax")
        for d in ("forward", "backward")
        for shape in ROWS_OF_CLASSES
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
    cases = [{"direction": d, "shape": s} for d in ("forward", "backward") for s in ROWS_OF_CLASSES]

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


PAIR_LOSSES = ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy_with_logits", "kl_div"]


class PairLoss(Contest):
    name = "loss"
    cases = [
        {"function": f, "direction": d, "shape": (256, 4096)} for f in PAIR_LOSSES for d in ("forward", "backward")
    ]

    def __init__(self, function: str, direction: str, shape: tuple[int, int]):
        self.function, self.direction, self.x = function, direction, values(*shape)
        self.t = np.random.default_rng(1).uniform(size=shape).astype(np.float32)

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


# -- dropout ----------------------------------------------------------------------------------------------------------


class Dropout(Contest):
    name = "dropout"
    cases = [
        {"direction": d, "n": n}
        for d in ("forward", "backward")
        for n in (1_000, 10_000, 65_536, 1_000_000, 32_000_000)
    ]

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
