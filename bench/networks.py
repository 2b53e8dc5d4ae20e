"""Whole networks: a training step, a prediction, and a call that shares the cores with NumPy's BLAS."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

import fastnn
from fastnn import nn, optim

from .contest import Call, Contest, Unavailable, compiled, jitted, onnx_session, values

NETWORKS = [((64, 128, 64, 10), 32), ((784, 256, 128, 10), 128), ((3072, 512, 256, 10), 128)]


def network(layers: Any, sizes: tuple[int, ...]) -> Any:
    """Linear, batch norm, ReLU, dropout twice, and a head, of either library."""
    parts = []
    for a, b in itertools.pairwise(sizes[:-1]):
        parts += [layers.Linear(a, b), layers.BatchNorm1d(b), layers.ReLU(), layers.Dropout(0.2)]
    return layers.Sequential(*parts, layers.Linear(*sizes[-2:]))


class _Network(Contest):
    @classmethod
    def kind(cls, case: dict[str, Any]) -> str:
        return f"{cls.name} {'-'.join(map(str, case['sizes']))}, batch {case['batch']}"


class Training(_Network):
    name = "training step"
    cases = [{"sizes": sizes, "batch": batch} for sizes, batch in NETWORKS]

    def __init__(self, sizes: tuple[int, ...], batch: int):
        self.sizes, self.x = sizes, values(batch, sizes[0])
        self.t = np.random.default_rng(0).integers(0, sizes[-1], batch)

    @classmethod
    def goal(cls, case: dict[str, Any]) -> float:
        return dict(zip([sizes for sizes, _ in NETWORKS], (3.0, 2.0, 1.4), strict=True))[case["sizes"]]

    def _step(self, model: Any, loss: Any, optimizer: Any, x: Any, t: Any) -> Call:
        def step() -> None:
            optimizer.zero_grad()
            loss(model(x), t).backward()
            optimizer.step()

        return step

    def fastnn(self) -> Call:
        model = network(nn, self.sizes)
        return self._step(model, nn.CrossEntropyLoss(), optim.Adam(model.parameters()), self.x, self.t)

    def _torch(self) -> tuple[Any, ...]:
        import torch

        model = network(torch.nn, self.sizes)
        optimizer = torch.optim.Adam(model.parameters(), fused=True)
        return model, torch.nn.CrossEntropyLoss(), optimizer, torch.from_numpy(self.x), torch.from_numpy(self.t)

    def torch(self) -> Call:
        return self._step(*self._torch())

    def torch_compile(self) -> Call:
        import torch

        model, *rest = self._torch()
        return self._step(torch.compile(model), *rest)

    def jax(self) -> Call:
        import jax

        def norm(x: Any, w: Any, b: Any) -> Any:
            return (x - x.mean(0)) / jax.numpy.sqrt(x.var(0) + 1e-5) * w + b

        def loss(parameters: Any, x: Any, t: Any, key: Any) -> Any:
            for w, b, gamma, beta in parameters[:-1]:
                key, own = jax.random.split(key)
                x = jax.nn.relu(norm(x @ w + b, gamma, beta))
                x = jax.numpy.where(jax.random.bernoulli(own, 0.8, x.shape), x / 0.8, 0)
            w, b = parameters[-1][:2]
            y = jax.nn.log_softmax(x @ w + b, 1)
            return -jax.numpy.take_along_axis(y, t[:, None], 1).mean()

        def step(state: Any, x: Any, t: Any) -> Any:
            parameters, m, v, count, key = state
            key, own = jax.random.split(key)
            grads = jax.grad(loss)(parameters, x, t, own)
            tree, count = jax.tree.map, count + 1
            m = tree(lambda m, g: 0.9 * m + 0.1 * g, m, grads)
            v = tree(lambda v, g: 0.999 * v + 0.001 * g * g, v, grads)
            rate = 1e-3 * jax.numpy.sqrt(1 - 0.999**count) / (1 - 0.9**count)
            parameters = tree(lambda p, m, v: p - rate * m / (jax.numpy.sqrt(v) + 1e-8), parameters, m, v)
            return parameters, m, v, count, key

        sizes, rng = self.sizes, np.random.default_rng(0)
        layers = [
            tuple(
                jax.numpy.asarray(a, dtype=np.float32)
                for a in (rng.normal(0, a**-0.5, (a, b)), np.zeros(b), np.ones(b), np.zeros(b))
            )
            for a, b in itertools.pairwise(sizes)
        ]
        zeros = jax.tree.map(jax.numpy.zeros_like, layers)
        state = [(layers, zeros, zeros, jax.numpy.float32(0), jax.random.key(0))]
        fast, x, t = jax.jit(step, donate_argnums=0), jax.numpy.asarray(self.x), jax.numpy.asarray(self.t)
        state = [jax.tree.map(lambda a: a.copy() if hasattr(a, "copy") else a, state[0])]

        def call() -> None:
            state[0] = jax.block_until_ready(fast(state[0], x, t))

        return call


class CompiledTraining(Training):
    """The same step, by `compile_step`; the others compile theirs too."""

    name = "compiled training step"
    cases = Training.cases

    @classmethod
    def goal(cls, case: dict[str, Any]) -> float:
        return dict(zip([sizes for sizes, _ in NETWORKS], (3.0, 2.0, 1.3), strict=True))[case["sizes"]]

    def fastnn(self) -> Call:
        model = network(nn, self.sizes)
        step, x, t = fastnn.compile_step(model, nn.CrossEntropyLoss(), optim.Adam(model.parameters())), self.x, self.t
        step(x, t)
        return lambda: step(x, t)


class Inference(_Network):
    name = "inference"
    cases = [{"sizes": sizes, "batch": batch} for sizes, _ in NETWORKS for batch in (1, 32)]

    def __init__(self, sizes: tuple[int, ...], batch: int):
        self.sizes, self.x, self.model = sizes, values(batch, sizes[0]), network(nn, sizes).eval()

    @classmethod
    def goal(cls, case: dict[str, Any]) -> float:
        first = dict(zip([sizes for sizes, _ in NETWORKS], (3.0, 1.5, 1.4), strict=True))
        return first[case["sizes"]] if case["batch"] == 1 else 1.3

    def fastnn(self) -> Call:
        plan, x = fastnn.freeze(self.model), self.x
        return lambda: plan(x)

    def _folded(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Weights and biases with batch norm inside, for libraries that would not fold it."""
        state, layers = self.model.state_dict(), []
        for i in range(0, len(self.model), 4):
            w, b = state[f"{i}.weight"], state[f"{i}.bias"]
            if f"{i + 1}.weight" in state:
                gain = state[f"{i + 1}.weight"] / np.sqrt(state[f"{i + 1}.running_var"] + 1e-5)
                w, b = w * gain[:, None], (b - state[f"{i + 1}.running_mean"]) * gain + state[f"{i + 1}.bias"]
            layers.append((np.ascontiguousarray(w, np.float32), b.astype(np.float32)))
        return layers

    def numpy(self) -> Call:
        *hidden, (head, bias) = self._folded()
        x = self.x

        def call() -> Any:
            h = x
            for w, b in hidden:
                h = np.maximum(h @ w.T + b, 0)
            return h @ head.T + bias

        return call

    def _torch(self) -> Any:
        import torch

        parts: list[Any] = []
        for w, b in self._folded():
            layer = torch.nn.Linear(*w.shape[::-1])
            layer.weight.data, layer.bias.data = torch.from_numpy(w), torch.from_numpy(b)
            parts += [layer, torch.nn.ReLU()]
        return torch.nn.Sequential(*parts[:-1]).eval().requires_grad_(False)

    def torch(self) -> Call:
        import torch

        model, x = self._torch(), torch.from_numpy(self.x)
        traced = torch.jit.optimize_for_inference(torch.jit.trace(model, x))
        with torch.inference_mode():
            traced(x)

        def call() -> Any:
            with torch.inference_mode():
                return traced(x)

        return call

    def torch_compile(self) -> Call:
        import torch

        return compiled(self._torch(), torch.from_numpy(self.x))

    def jax(self) -> Call:
        import jax

        layers = [(jax.numpy.asarray(w.T.copy()), jax.numpy.asarray(b)) for w, b in self._folded()]

        def forward(x: Any) -> Any:
            for w, b in layers[:-1]:
                x = jax.nn.relu(x @ w + b)
            return x @ layers[-1][0] + layers[-1][1]

        return jitted(forward, self.x)

    def onnxruntime(self) -> Call:
        from onnx import helper, numpy_helper

        nodes, initializers, layers = [], [], self._folded()
        for i, (w, b) in enumerate(layers):
            last = i == len(layers) - 1
            names = ["x" if i == 0 else f"r{i - 1}", f"w{i}", f"b{i}"]
            nodes.append(helper.make_node("Gemm", names, ["y" if last else f"h{i}"], transB=1))
            if not last:
                nodes.append(helper.make_node("Relu", [f"h{i}"], [f"r{i}"]))
            initializers += [numpy_helper.from_array(w, names[1]), numpy_helper.from_array(b, names[2])]
        return onnx_session(nodes, initializers, self.x)

    def sklearn(self) -> Call:
        from sklearn.neural_network import MLPRegressor

        model = MLPRegressor(self.sizes[1:-1], max_iter=1)
        layers, x = self._folded(), self.x
        model.n_features_in_, model.n_layers_, model.n_outputs_ = self.sizes[0], len(self.sizes), self.sizes[-1]
        model.coefs_, model.intercepts_ = [w.T.copy() for w, _ in layers], [b for _, b in layers]
        model.out_activation_ = "identity"
        return lambda: model.predict(x)


class Neighbour(Contest):
    """NumPy's matmul and our relu in turn; the goal is the sum of both alone, each measured as a row of its own."""

    name = "beside NumPy's BLAS"
    cases = [{"what": what, "n": n} for n in (65_536, 1_000_000) for what in ("together", "matmul", "relu")]

    def __init__(self, what: str, n: int):
        self.what, self.x, self.y = what, values(n), values(n)
        self.a, self.b, self.c = values(128, 512), values(512, 512), values(128, 512)

    @classmethod
    def goal(cls, case: dict[str, Any]) -> float:
        return 0.0  # no race: the parts are to be added up

    def fastnn(self) -> Call:
        a, b, c, x, y = self.a, self.b, self.c, self.x, self.y
        if self.what == "matmul":
            return lambda: np.matmul(a, b, out=c)
        if self.what == "relu":
            return lambda: fastnn.relu(x, out=y)
        return lambda: (np.matmul(a, b, out=c), fastnn.relu(x, out=y))

    def torch(self) -> Call:
        raise Unavailable("not a race")
