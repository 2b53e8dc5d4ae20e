"""Every element-wise function, forward and backward, at four sizes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import scipy.special
from records import ACTIVATIONS, BY_NAME, LEARNED

import fastnn

from .contest import Call, CompiledToo, Contest, Unavailable, jitted, onnx_call, values

GOALS = {100: 1.0, 10_000: 1.2, 1_000_000: 1.0, 32_000_000: 1.5}
OPS = {op.name: op for op in ACTIVATIONS}
# one case of each function, and the options that choose another formula
CASES = [
    (op.name, case)
    for op in ACTIVATIONS
    for case in (op.given, *op.variants)
    if case is op.given or any(isinstance(value, str) for value in case.values())
]
LARGEST = max(GOALS)


def jax_function(name: str, case: dict[str, Any]) -> Any:
    """Return JAX's function of this name."""
    import jax

    if name == "gelu":
        return lambda x: jax.nn.gelu(x, approximate=case.get("approximate") == "tanh")
    if not OPS[name].jax:
        raise Unavailable(f"JAX has no {name}")
    return getattr(jax.nn, OPS[name].jax)


class _Elementwise(CompiledToo):
    def __init__(self, function: str, options: dict[str, Any], n: int):
        self.op = OPS[function]
        self.case, self.x = options, values(n)

    @classmethod
    def goal(cls, case: dict[str, Any]) -> float:
        return GOALS[case["n"]]

    @classmethod
    def kind(cls, case: dict[str, Any]) -> str:
        return f"activations {cls.name}, {case['n']:,} elements"


class Forward(_Elementwise):
    name = "forward"
    cases = [{"function": name, "options": case, "n": n} for name, case in CASES for (n,) in BY_NAME[name].bench]

    def fastnn(self) -> Call:
        function, x, case = getattr(fastnn, self.op.name), self.x, self.case
        return (lambda: function(x, **case)) if case else (lambda: function(x))

    def copy(self) -> Call:
        """Two threads that copy half of the array each."""
        if self.x.size < LARGEST:
            raise Unavailable("a copy says something of the memory alone")
        x, y, half, pool = self.x, np.empty_like(self.x), self.x.size // 2, ThreadPoolExecutor(2)
        parts = [(y[:half], x[:half]), (y[half:], x[half:])]
        return lambda: list(pool.map(lambda part: np.copyto(*part), parts))

    def numpy(self) -> Call:
        x, case, written = self.x, self.case, self.op.peers
        if "numpy" in written:
            return lambda: written["numpy"](np, x, **case)
        return lambda: written["scipy"](scipy.special, x, **case)

    def _torch(self) -> tuple[Any, Any]:
        import torch

        case, function = self.case, getattr(torch.nn.functional, self.op.name)
        return (lambda t: function(t, **case)) if case else function, torch.from_numpy(self.x)

    def jax(self) -> Call:
        return jitted(jax_function(self.op.name, self.case), self.x)

    def onnxruntime(self) -> Call:
        if self.op.onnx is None:
            raise Unavailable(f"ONNX has no {self.op.name}")
        operator, attributes = self.op.onnx
        return onnx_call(operator, self.x, **attributes, **self.case)


class Backward(_Elementwise):
    name = "backward"
    cases = Forward.cases

    def __init__(self, function: str, options: dict[str, Any], n: int):
        super().__init__(function, options, n)
        self.dy = values(n, seed=1)

    def fastnn(self) -> Call:
        dy, x, case = self.dy, self.x, self.case
        if self.op.saves_y:
            x = getattr(fastnn, self.op.name)(x, **case)
        function = getattr(fastnn, self.op.name + "_backward")
        return (lambda: function(dy, x, **case)) if case else (lambda: function(dy, x))

    def _torch(self) -> tuple[Any, ...]:
        import torch

        x, dy = torch.from_numpy(self.x), torch.from_numpy(self.dy)
        if self.op.aten is None:
            x.requires_grad_()
            y = getattr(torch.nn.functional, self.op.name)(x, **self.case)
            return (lambda dy: torch.autograd.grad(y, x, dy, retain_graph=True)), dy
        name, saved, constants = self.op.aten
        function, case = getattr(torch.ops.aten, name).default, self.case if self.op.name == "gelu" else {}
        x = getattr(torch.nn.functional, self.op.name)(x, **self.case) if saved == "y" else x
        if name == "elu_backward":  # the only one that takes its constants first
            return (lambda dy, x: function(dy, *constants, x)), dy, x
        return (lambda dy, x: function(dy, x, *constants, **case)), dy, x

    def torch_compile(self) -> Call:
        if self.op.aten is None:
            raise Unavailable("nothing to compile by itself")
        return super().torch_compile()

    def jax(self) -> Call:
        import jax

        function = jax_function(self.op.name, self.case)
        return jitted(lambda dy, x: jax.vjp(function, x)[1](dy)[0], self.dy, self.x)


class Into(Contest):
    """The smallest call: 100 elements into an array that is there."""

    name = "forward out="
    cases = [{"function": name, "n": 100} for name in ("relu", "tanh", "gelu")]

    def __init__(self, function: str, n: int):
        self.function, self.x, self.y = function, values(n), values(n)

    def fastnn(self) -> Call:
        function, x, y = getattr(fastnn, self.function), self.x, self.y
        return lambda: function(x, out=y)

    def numpy(self) -> Call:
        x, y = self.x, self.y
        if self.function == "gelu":
            raise Unavailable("NumPy has no gelu")
        return (lambda: np.tanh(x, out=y)) if self.function == "tanh" else (lambda: np.maximum(x, 0, out=y))

    def torch(self) -> Call:
        import torch

        if self.function == "gelu":
            raise Unavailable("PyTorch's gelu takes no out=")
        function, x, y = torch.ops.aten, torch.from_numpy(self.x), torch.from_numpy(self.y)
        return (lambda: torch.tanh(x, out=y)) if self.function == "tanh" else (lambda: function.relu.out(x, out=y))


class Learned(Contest):
    """Learned activations, forward and backward at once, one parameter to each of 64 channels."""

    name = "learned"
    cases = [{"function": act.name, "shape": shape} for act in LEARNED for shape in BY_NAME[act.name].bench]

    def __init__(self, function: str, shape: tuple[int, ...]):
        self.act = next(act for act in LEARNED if act.name == function)
        self.x, self.dy = values(*shape), values(*shape, seed=1)
        self.parameters = [values(shape[1], seed=2 + i) for i in range(len(self.act.given))]

    def fastnn(self) -> Call:
        function, dy = getattr(fastnn, self.act.name), self.dy
        backward, inputs = getattr(fastnn, self.act.name + "_backward"), (self.x, *self.parameters)
        return lambda: (function(*inputs), backward(dy, *inputs))

    def torch(self) -> Call:
        import torch

        if self.act.name != "prelu":
            raise Unavailable(f"PyTorch has no {self.act.name}")
        dy, x, w = (torch.from_numpy(a) for a in (self.dy, self.x, *self.parameters))
        shaped = w.reshape(1, -1, *[1] * (x.ndim - 2))
        backward = torch.ops.aten._prelu_kernel_backward
        return lambda: (torch.nn.functional.prelu(x, w), backward(dy, x, shaped))
