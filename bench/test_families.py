"""Linear, normalization, softmax, losses, dropout, optimizers, and a whole training step."""

import itertools

import numpy as np
import pytest
import scipy.special as sp
from peers import LIBRARIES, torch_tensor

import fastnn
from fastnn import nn, optim

torch_or_us = pytest.mark.parametrize("library", [name for name in LIBRARIES if name != "numpy"])
everyone = pytest.mark.parametrize("library", LIBRARIES)


def values(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@everyone
@pytest.mark.parametrize(("m", "k", "n"), [(128, 512, 512), (64, 3072, 512), (128, 784, 256), (32, 64, 128), (1, 3072, 512), (1, 64, 64), (1024, 1024, 1024)], ids=str)  # fmt: skip
def test_linear(race, library, m, k, n):
    x, b = values(m, k), values(n)
    w = np.asfortranarray(values(n, k)) if library == "fastnn" else values(n, k)
    if library == "torch":
        import torch

        tensors = [torch_tensor(a) for a in (x, w, b)]
        call = lambda: torch.nn.functional.linear(*tensors)  # noqa: E731
    else:
        call = (lambda: fastnn.linear(x, w, b)) if library == "fastnn" else (lambda: x @ w.T + b)
    race(f"linear {m}x{k}x{n}", library, call)


@torch_or_us
@pytest.mark.parametrize(("m", "k", "n"), [(128, 512, 512), (64, 3072, 512), (128, 784, 256)], ids=str)
def test_linear_gradients(race, library, m, k, n):
    x, w, b, dy = values(m, k), values(n, k), values(n), values(m, n)
    if library == "torch":
        import torch

        inputs = [torch_tensor(a, True) for a in (x, w, b)]
        y, d = torch.nn.functional.linear(*inputs), torch_tensor(dy)
        call = lambda: torch.autograd.grad(y, inputs, d, retain_graph=True)  # noqa: E731
    else:
        w = np.asfortranarray(w)
        call = lambda: fastnn.linear_backward(dy, x, w)  # noqa: E731
    race(f"linear backward {m}x{k}x{n}", library, call)


NORM_SHAPES = [(32, 128), (128, 512), (256, 4096), (32, 64, 32, 32)]


@everyone
@pytest.mark.parametrize("shape", NORM_SHAPES, ids=str)
def test_batch_norm(race, library, shape):
    x, w, b = values(*shape), values(shape[1]), values(shape[1])
    if library == "torch":
        import torch

        t, tw, tb = (torch_tensor(a) for a in (x, w, b))
        call = lambda: torch.nn.functional.batch_norm(t, None, None, tw, tb, training=True)  # noqa: E731
    elif library == "fastnn":
        call = lambda: fastnn.batch_norm(x, None, None, w, b, training=True)  # noqa: E731
    else:
        axes, tail = (0, *range(2, x.ndim)), (1, -1) + (1,) * (x.ndim - 2)

        def call():
            mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
            return (x - mean) / np.sqrt(var + 1e-5) * w.reshape(tail) + b.reshape(tail)

    race(f"batch_norm {shape}", library, call)


@torch_or_us
@pytest.mark.parametrize("shape", NORM_SHAPES, ids=str)
def test_batch_norm_backward(race, library, shape):
    x, w, b, dy = values(*shape), values(shape[1]), values(shape[1]), values(*shape, seed=1)
    if library == "torch":
        import torch

        inputs = [torch_tensor(a, True) for a in (x, w, b)]
        y, d = torch.nn.functional.batch_norm(inputs[0], None, None, *inputs[1:], training=True), torch_tensor(dy)
        call = lambda: torch.autograd.grad(y, inputs, d, retain_graph=True)  # noqa: E731
    else:
        stats = fastnn.batch_norm_stats(x)
        call = lambda: fastnn.batch_norm_backward(dy, x, *stats, w)  # noqa: E731
    race(f"batch_norm backward {shape}", library, call)


@everyone
@pytest.mark.parametrize("shape", [(128, 10), (128, 1000), (4096, 512)], ids=str)
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax(race, library, shape, name):
    x = values(*shape)
    if library == "torch":
        import torch

        t = torch_tensor(x)
        call = lambda: getattr(torch, name)(t, 1)  # noqa: E731
    else:
        function = getattr(fastnn if library == "fastnn" else sp, name)
        call = lambda: function(x, 1)  # noqa: E731
    race(f"{name} {shape}", library, call)


@torch_or_us
@pytest.mark.parametrize("shape", [(128, 10), (128, 1000)], ids=str)
def test_cross_entropy(race, library, shape):
    x, t = values(*shape), np.random.default_rng(0).integers(0, shape[1], shape[0])
    if library == "torch":
        import torch

        tx, tt = torch_tensor(x), torch_tensor(t)
        call = lambda: torch.nn.functional.cross_entropy(tx, tt)  # noqa: E731
    else:
        call = lambda: fastnn.cross_entropy(x, t)  # noqa: E731
    race(f"cross_entropy {shape}", library, call)


@everyone
@pytest.mark.parametrize("n", [10_000, 1_000_000])
def test_dropout(race, library, n):
    x, rng = values(n), np.random.default_rng(0)
    if library == "torch":
        import torch

        t = torch_tensor(x)
        call = lambda: torch.nn.functional.dropout(t, 0.5)  # noqa: E731
    elif library == "fastnn":
        call = lambda: fastnn.dropout(x, 0.5)  # noqa: E731
    else:
        call = lambda: np.where(rng.random(n, np.float32) < 0.5, 0, x * 2)  # noqa: E731
    race(f"dropout {n}", library, call)


@torch_or_us
@pytest.mark.parametrize("n", [10_000, 1_000_000])
@pytest.mark.parametrize(
    ("name", "options"), [("SGD", {"lr": 0.1, "momentum": 0.9}), ("Adam", {})], ids=["SGD", "Adam"]
)
def test_optimizer_step(race, library, n, name, options):
    if library == "torch":
        import torch

        p = torch.nn.Parameter(torch_tensor(values(n)))
        p.grad = torch_tensor(values(n, seed=1))
        step = getattr(torch.optim, name)([p], fused=True, **options).step
    else:
        p = nn.Parameter(values(n))
        p.grad = values(n, seed=1)
        step = getattr(optim, name)([p], **options).step
    race(f"{name} step {n}", library, step)


@torch_or_us
@pytest.mark.parametrize(("sizes", "batch"), [((64, 128, 64, 10), 32), ((784, 256, 128, 10), 128), ((3072, 512, 256, 10), 128)], ids=str)  # fmt: skip
def test_training_step(race, library, sizes, batch):
    x, t = values(batch, sizes[0]), np.random.default_rng(0).integers(0, 10, batch)
    if library == "torch":
        import torch

        layers, loss, make = torch.nn, torch.nn.CrossEntropyLoss(), lambda p: torch.optim.Adam(p, fused=True)
        x, t = torch_tensor(x), torch_tensor(t)
    else:
        layers, loss, make = nn, nn.CrossEntropyLoss(), optim.Adam
    parts = []
    for a, b in itertools.pairwise(sizes[:-1]):
        parts += [layers.Linear(a, b), layers.BatchNorm1d(b), layers.ReLU(), layers.Dropout(0.2)]
    model = layers.Sequential(*parts, layers.Linear(*sizes[-2:]))
    optimizer = make(model.parameters())

    def step():
        optimizer.zero_grad()
        loss(model(x), t).backward()
        optimizer.step()

    race(f"training step {sizes}", library, step)
