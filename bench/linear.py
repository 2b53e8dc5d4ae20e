"""Linear products."""

from __future__ import annotations

from typing import Any

import numpy as np
from records import BY_NAME

import fastnn

from .contest import Call, Contest, Unavailable, jitted, onnx_call, values


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
    cases = [{"shape": shape, "dtype": dtype} for shape in BY_NAME["linear"].bench for dtype in ("float32", "float64")]

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
