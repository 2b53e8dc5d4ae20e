"""Recurrent layers and attention."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import fastnn
from fastnn import nn

from .contest import Call, Contest, Unavailable, jitted, onnx_model, onnx_run, openvino_run, values

GATES = {"LSTM": 4, "GRU": 3}


class Recurrence(Contest):
    name = "recurrence"
    cases = [
        {"direction": direction, "layer": layer, "shape": shape, "options": options}
        for shape, options in (
            ((100, 32, 64, 128), {}),
            ((100, 32, 64, 128), {"num_layers": 2, "bidirectional": True}),
            ((1000, 1, 40, 64), {}),
        )
        for layer in GATES
        for direction in ("forward", "training")
    ]

    def __init__(self, direction: str, layer: str, shape: tuple[int, ...], options: dict[str, Any]):
        steps, n, self.features, self.units = shape
        self.direction, self.layer, self.options = direction, layer, options
        self.x = values(steps, n, self.features)
        self.model = getattr(nn, layer)(self.features, self.units, **options)

    @classmethod
    def goal(cls, case: dict[str, Any]) -> float:
        if case["shape"][1] == 1:
            return 1.1 if case["direction"] == "forward" else {"LSTM": 1.5, "GRU": 1.3}[case["layer"]]
        if case["direction"] == "forward":
            return 1.0
        return 1.3 if case["options"] else {"LSTM": 1.2, "GRU": 1.4}[case["layer"]]

    def fastnn(self) -> Call:
        model, x = self.model, self.x
        if self.direction == "forward":
            return fastnn.no_grad()(lambda: model(x))

        def step() -> None:
            model.zero_grad()
            model(fastnn.Tensor(x))[0].sum().backward()

        return step

    def torch(self) -> Call:
        import torch

        model, x = getattr(torch.nn, self.layer)(self.features, self.units, **self.options), torch.from_numpy(self.x)
        if self.direction == "forward":
            return torch.inference_mode()(lambda: model.eval()(x))

        def step() -> None:
            model.zero_grad()
            model(x)[0].sum().backward()

        return step

    def jax(self) -> Call:
        import jax

        if self.options:
            raise Unavailable("one layer stands for all")
        weights = [each.data for each in self.model.parameters()]

        def output(x: Any, *weights: Any) -> Any:
            w_ih, w_hh, b_ih, b_hh = weights
            zeros = jax.numpy.zeros((x.shape[1], self.units), x.dtype)
            cell = _jax_lstm if self.layer == "LSTM" else _jax_gru
            entries = x @ w_ih.T + b_ih
            return jax.lax.scan(lambda state, entry: cell(state, entry, w_hh, b_hh), (zeros, zeros), entries)[1]

        if self.direction == "forward":
            return jitted(output, self.x, *weights)
        of_weights = jax.grad(lambda weights, x: output(x, *weights).sum())
        return jitted(lambda x, *weights: of_weights(weights, x), self.x, *weights)

    def _onnx(self) -> bytes:
        """The layers as one node each, whose outputs (T, directions, N, H) the next one takes side by side."""
        from onnx import helper, numpy_helper

        if self.direction != "forward":
            raise Unavailable("inference only")
        state = {key: np.asarray(value) for key, value in self.model.state_dict().items()}
        order = [0, 3, 1, 2] if self.layer == "LSTM" else [1, 0, 2]
        suffixes = ("", "_reverse") if self.model.bidirectional else ("",)
        nodes, initializers, source = [], [], "x"
        for i in range(self.model.num_layers):
            for letter, names in (("W", ("weight_ih",)), ("R", ("weight_hh",)), ("B", ("bias_ih", "bias_hh"))):
                parts = [
                    np.concatenate([_reordered(state[f"{name}_l{i}{suffix}"], order) for name in names])
                    for suffix in suffixes
                ]
                initializers.append(numpy_helper.from_array(np.stack(parts), f"{letter}{i}"))
            options = {"linear_before_reset": 1} if self.layer == "GRU" else {}
            way = "bidirectional" if len(suffixes) > 1 else "forward"
            inputs = [source, f"W{i}", f"R{i}", f"B{i}"]
            options |= {"hidden_size": self.units, "direction": way}
            nodes.append(helper.make_node(self.layer, inputs, [f"y{i}"], **options))
            nodes.append(helper.make_node("Transpose", [f"y{i}"], [f"t{i}"], perm=[0, 2, 1, 3]))
            last = i == self.model.num_layers - 1
            source = "y" if last else f"x{i + 1}"
            nodes.append(helper.make_node("Reshape", [f"t{i}", "shape"], [source]))
        initializers.append(numpy_helper.from_array(np.array([0, 0, -1]), "shape"))
        return onnx_model(nodes, initializers, {"x": self.x}, 3)

    def onnxruntime(self) -> Call:
        return onnx_run(self._onnx(), {"x": self.x})

    def openvino(self) -> Call:
        return openvino_run(self._onnx(), {"x": self.x})


def _reordered(array: np.ndarray, order: list[int]) -> np.ndarray:
    return np.concatenate([np.split(array, len(order))[i] for i in order])


def _jax_lstm(state: Any, entry: Any, w: Any, b: Any) -> Any:
    import jax

    h, c = state
    i, f, g, o = jax.numpy.split(entry + h @ w.T + b, 4, -1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jax.numpy.tanh(g)
    h = jax.nn.sigmoid(o) * jax.numpy.tanh(c)
    return (h, c), h


def _jax_gru(state: Any, entry: Any, w: Any, b: Any) -> Any:
    import jax

    h, _ = state
    (x_r, x_z, x_n), (h_r, h_z, h_n) = (jax.numpy.split(each, 3, -1) for each in (entry, h @ w.T + b))
    z, n = jax.nn.sigmoid(x_z + h_z), jax.numpy.tanh(x_n + jax.nn.sigmoid(x_r + h_r) * h_n)
    h = (1 - z) * n + z * h
    return (h, h), h


class Attention(Contest):
    name = "attention"
    cases = [
        {"direction": direction, "shape": shape, "mask": mask}
        for shape in ((1, 8, 128, 64), (8, 12, 128, 64), (1, 12, 512, 64))
        for mask in ("none", "causal")
        for direction in ("forward", "training")
    ]

    def __init__(self, direction: str, shape: tuple[int, ...], mask: str):
        self.direction, self.causal, self.scale = direction, mask == "causal", 1 / math.sqrt(shape[-1])
        self.q, self.k, self.v = (values(*shape, seed=seed) / 2 for seed in range(3))

    @classmethod
    def goal(cls, case: dict[str, Any]) -> float:
        place = Attention.cases.index({"direction": "forward", "shape": case["shape"], "mask": "none"}) // 4
        if case["direction"] == "forward":
            return ((1.0, 1.1, 1.0), (1.3, 1.7, 1.7))[case["mask"] == "causal"][place]
        return (1.2, 1.2, 1.6)[place]

    def fastnn(self) -> Call:
        arrays, causal, attend = (self.q, self.k, self.v), self.causal, fastnn.functional.scaled_dot_product_attention
        if self.direction == "forward":
            return lambda: attend(*arrays, is_causal=causal)
        return _trained(lambda x: fastnn.Tensor(x, requires_grad=True), attend, arrays, causal)

    def torch(self) -> Call:
        import torch

        attend = torch.nn.functional.scaled_dot_product_attention
        arrays, causal = (self.q, self.k, self.v), self.causal
        if self.direction == "forward":
            tensors = [torch.from_numpy(each) for each in arrays]
            return torch.inference_mode()(lambda: attend(*tensors, is_causal=causal))
        return _trained(lambda x: torch.from_numpy(x).requires_grad_(), attend, arrays, causal)

    def jax(self) -> Call:
        import jax

        def attend(q: Any, k: Any, v: Any) -> Any:
            scores = (q * self.scale) @ k.swapaxes(-1, -2)
            if self.causal:
                scores = jax.numpy.where(np.tri(scores.shape[-1], dtype=bool), scores, -np.inf)
            return jax.nn.softmax(scores) @ v

        if self.direction == "forward":
            return jitted(attend, self.q, self.k, self.v)
        return jitted(jax.grad(lambda *arrays: attend(*arrays).sum(), (0, 1, 2)), self.q, self.k, self.v)

    def _onnx(self) -> bytes:
        from onnx import helper, numpy_helper

        if self.direction != "forward":
            raise Unavailable("inference only")
        length = self.q.shape[2]
        mask = np.where(np.tri(length, dtype=bool), 0, -np.inf).astype(np.float32)
        steps = [
            ("Transpose", ["k"], "kt", {"perm": [0, 1, 3, 2]}),
            ("Mul", ["q", "scale"], "scaled", {}),
            ("MatMul", ["scaled", "kt"], "scores", {}),
            *([("Add", ["scores", "mask"], "masked", {})] if self.causal else []),
            ("Softmax", ["masked" if self.causal else "scores"], "weights", {"axis": -1}),
            ("MatMul", ["weights", "v"], "y", {}),
        ]
        nodes = [helper.make_node(name, inputs, [output], **options) for name, inputs, output, options in steps]
        constants = {"scale": np.float32(self.scale).reshape(()), **({"mask": mask} if self.causal else {})}
        initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
        return onnx_model(nodes, initializers, self._inputs, 4)

    @property
    def _inputs(self) -> dict[str, np.ndarray]:
        return {"q": self.q, "k": self.k, "v": self.v}

    def onnxruntime(self) -> Call:
        return onnx_run(self._onnx(), self._inputs)

    def openvino(self) -> Call:
        return openvino_run(self._onnx(), self._inputs)


def _trained(tracked: Any, attend: Any, arrays: tuple[np.ndarray, ...], causal: bool) -> Call:
    tensors = [tracked(each) for each in arrays]

    def step() -> None:
        for each in tensors:
            each.grad = None
        attend(*tensors, is_causal=causal).sum().backward()

    return step
