"""What a contest is: one piece of work, written once for each library that can do it.

A subclass of Contest lists its `cases`; each is a row.  Its __init__ takes the case and makes the data; a method named
after a library returns the call to be timed, or is missing, or raises Unavailable where the library has no such thing.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

# method name: (the module it needs, what the reports call it)
LIBRARIES = {
    "fastnn": ("fastnn", "fastnn"),
    "openmp": ("fastnn", "fastnn, OpenMP's team"),
    "copy": ("numpy", "copy of the same arrays"),
    "numpy": ("numpy", "NumPy"),
    "scipy": ("scipy", "SciPy"),
    "torch": ("torch", "PyTorch"),
    "torch_compile": ("torch", "torch.compile"),
    "jax": ("jax", "JAX"),
    "onnxruntime": ("onnxruntime", "ONNX Runtime"),
    "openvino": ("openvino", "OpenVINO"),
    "sklearn": ("sklearn", "scikit-learn"),
}
OURS = ("fastnn", "openmp")
PEERS = tuple(name for name in LIBRARIES if name not in (*OURS, "copy"))

Call = Callable[[], Any]


class Unavailable(Exception):
    """This library has no such function."""


def installed() -> list[str]:
    """The libraries that can take part here."""
    return [name for name, (module, _) in LIBRARIES.items() if importlib.util.find_spec(module)]


class Contest:
    """One kind of work; `goal` is the least ratio (best peer's time / ours) that counts as met."""

    cases: ClassVar[list[dict[str, Any]]]
    name: ClassVar[str]
    registry: ClassVar[list[type[Contest]]] = []

    def __init_subclass__(cls) -> None:
        if "cases" in vars(cls):
            Contest.registry.append(cls)

    @classmethod
    def goal(cls, case: dict[str, Any]) -> float:
        """Return the goal of one case."""
        return 1.0

    @classmethod
    def kind(cls, case: dict[str, Any]) -> str:
        """Return what the pictures put together with this case."""
        return " ".join([cls.name, *(str(case[word]) for word in ("part", "direction", "mode") if word in case)])

    def openmp(self) -> Call:
        """Return our own call; its process was started with the other team."""
        return self.fastnn()

    def fastnn(self) -> Call:
        """Return our call."""
        raise NotImplementedError

    def call_of(self, library: str) -> Call:
        """Return the call of a library; Unavailable if it does not take part."""
        make = getattr(self, library, None)
        if make is None:
            raise Unavailable(f"{library} takes no part in {self.name}")
        return make()


class CompiledToo(Contest):
    """A contest whose `_torch` returns PyTorch's function and its tensors, to be called as it is and compiled."""

    def _torch(self) -> tuple[Any, ...]:
        raise NotImplementedError

    def torch(self) -> Call:
        """Return the eager call."""
        function, *tensors = self._torch()
        return lambda: function(*tensors)

    def torch_compile(self) -> Call:
        """Return the compiled call."""
        return compiled(*self._torch())


@dataclass(frozen=True)
class Row:
    """One row of the tables."""

    contest: type[Contest]
    case: dict[str, Any]

    def __str__(self) -> str:
        return " ".join([self.contest.name, *(_text(name, value) for name, value in self.case.items())])

    @property
    def goal(self) -> float:
        """The least ratio that counts as met."""
        return self.contest.goal(self.case)

    @property
    def kind(self) -> str:
        """What the pictures put together with this row."""
        return self.contest.kind(self.case)

    def call_of(self, library: str) -> Call:
        """Return the call to be timed."""
        return self.contest(**self.case).call_of(library)


def _text(name: str, value: Any) -> str:
    if isinstance(value, tuple):
        return "x".join(map(str, value))
    if isinstance(value, dict):
        return ",".join(f"{k}={v}" for k, v in value.items()) or "defaults"
    return f"{value:,}".replace(",", "_") if isinstance(value, int) and not isinstance(value, bool) else str(value)


def named() -> set[str]:
    """Every word in the names of the rows so far: the functions that have a contest."""
    return {word for contest in Contest.registry for case in contest.cases for word in str(Row(contest, case)).split()}


def rows() -> list[Row]:
    """Every row of every contest."""
    from . import elementwise, images, linear, losses, networks, norms, others, sequences, updates  # noqa: F401  they register

    return [Row(contest, case) for contest in Contest.registry for case in contest.cases]


def values(*shape: int, seed: int = 0, dtype: Any = np.float32) -> np.ndarray:
    """Normal values of deviation 2: where activations bend."""
    return np.random.default_rng(seed).normal(0, 2, shape).astype(dtype)


# -- the libraries' own habits ----------------------------------------------------------------------------------------


def jitted(function: Callable[..., Any], *arrays: np.ndarray) -> Call:
    """Return the compiled JAX call, which waits for its result."""
    import jax

    compiled, inputs = jax.jit(function), [jax.numpy.asarray(array) for array in arrays]
    return lambda: jax.block_until_ready(compiled(*inputs))


def compiled(function: Callable[..., Any], *tensors: Any) -> Call:
    """Return the call compiled by torch.compile."""
    import torch

    torch._dynamo.config.recompile_limit = 100_000
    fast = torch.compile(function, dynamic=False)
    return lambda: fast(*tensors)


def onnx_call(operator: str, x: np.ndarray, weights: tuple[np.ndarray, ...] = (), **attributes: Any) -> Call:
    """Return a session's run of one ONNX operator."""
    from onnx import helper, numpy_helper

    names = [f"w{i}" for i in range(len(weights))]
    node = helper.make_node(operator, ["x", *names], ["y"], **attributes)
    initializers = [numpy_helper.from_array(w, name) for w, name in zip(weights, names, strict=True)]
    return onnx_session([node], initializers, x)


def onnx_session(nodes: list[Any], initializers: list[Any], x: np.ndarray) -> Call:
    """Return a session's run of a graph from "x" to "y"."""
    return onnx_run(onnx_model(nodes, initializers, {"x": x}, x.ndim), {"x": x})


def onnx_model(nodes: list[Any], initializers: list[Any], inputs: dict[str, np.ndarray], dimensions: int) -> bytes:
    """Return a model from inputs of one dtype to "y", of so many dimensions."""
    from onnx import TensorProto, checker, helper

    x = next(iter(inputs.values()))
    kind = TensorProto.FLOAT if x.dtype == np.float32 else TensorProto.DOUBLE
    given = [helper.make_tensor_value_info(name, kind, array.shape) for name, array in inputs.items()]
    output = helper.make_tensor_value_info("y", kind, [None] * dimensions)
    graph = helper.make_graph(nodes, "row", given, [output], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    checker.check_model(model)
    return model.SerializeToString()


def onnx_run(model: bytes, inputs: dict[str, np.ndarray]) -> Call:
    """Return ONNX Runtime's run of a model."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    if os.environ.get("OMP_NUM_THREADS"):  # which it does not read itself
        options.intra_op_num_threads = int(os.environ["OMP_NUM_THREADS"])
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, inputs)


def openvino_run(model: bytes, inputs: dict[str, np.ndarray]) -> Call:
    """Return OpenVINO's run of a model, in float32 on machines with bfloat16 too; it reads the arrays where they lie."""
    import openvino

    core = openvino.Core()
    request = core.compile_model(
        core.read_model(model), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    ).create_infer_request()
    return lambda: request.infer(inputs, share_inputs=True)
