"""Learned activations, normalization of samples, losses of two arrays, and every optimizer's step, beside PyTorch."""

import numpy as np
import pytest
from ops import LEARNED
from peers import LIBRARIES, torch_tensor
from rules import IDS, RULES

import fastnn
from fastnn import nn

torch_or_us = pytest.mark.parametrize("library", [name for name in LIBRARIES if name != "numpy"])


def values(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def both_ways(race, name, library, inputs, ours, theirs):
    """A recorded call and its backward pass."""
    dy = values(*np.shape(ours(*inputs)), seed=9)
    if library == "fastnn":
        tracked = [fastnn.tensor(each, requires_grad=True) for each in inputs]

        def call():
            ours(*tracked).backward(dy)
            for each in tracked:
                each.grad = None
    else:
        import torch

        tensors, d = [torch_tensor(each, requires_grad=True) for each in inputs], torch_tensor(dy)
        call = lambda: torch.autograd.grad(theirs(torch.nn.functional, *tensors), tensors, d)  # noqa: E731
    race(name, library, call)


@torch_or_us
@pytest.mark.parametrize("channels", [1, 64])
def test_prelu(race, library, channels):
    inputs = (values(32, 64, 32, 32), values(channels))
    both_ways(race, f"prelu {channels}", library, inputs, fastnn.prelu, lambda F, x, w: F.prelu(x, w))


@pytest.mark.parametrize("act", LEARNED, ids=[act.name for act in LEARNED])
def test_learned(race, act):
    inputs = (values(32, 64, 32, 32), *(values(64) for _ in act.parameters))
    f = getattr(fastnn, act.name)
    both_ways(race, f"{act.name} 64 channels", "fastnn", inputs, f, None)


NORMS = [
    ("layer_norm", (256, 512), (512,), 512),
    ("layer_norm", (4096, 768), (768,), 768),
    ("rms_norm", (4096, 768), (768,), 768),
    ("group_norm", (32, 64, 32, 32), (8,), 64),
    ("instance_norm", (32, 64, 32, 32), (), 64),
]


@torch_or_us
@pytest.mark.parametrize(("name", "shape", "args", "size"), NORMS, ids=[f"{n}-{s}" for n, s, _, _ in NORMS])
def test_sample_norms(race, library, name, shape, args, size):
    inputs = (values(*shape), values(size))
    torch_args = ((size,),) if name in ("layer_norm", "rms_norm") else args

    ours = lambda x, w: getattr(fastnn, name)(x, *args, weight=w)  # noqa: E731
    theirs = lambda F, x, w: getattr(F, name)(x, *torch_args, weight=w)  # noqa: E731
    both_ways(race, f"{name} {shape}", library, inputs, ours, theirs)


@pytest.mark.filterwarnings("ignore:reduction")
@torch_or_us
@pytest.mark.parametrize(
    "name", ["l1_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy_with_logits", "kl_div"]
)
def test_losses(race, library, name):
    t = np.random.default_rng(1).uniform(size=(256, 4096)).astype(np.float32)
    both_ways(
        race,
        name,
        library,
        (values(256, 4096),),
        lambda x: getattr(fastnn, name)(x, t),
        lambda F, x: getattr(F, name)(x, torch_tensor(t)),
    )


@torch_or_us
@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_optimizers(race, library, rule):
    shapes = [(512, 784), (512,), (512, 512), (512,), (10, 512), (10,)]
    if library == "torch":
        import torch

        parameters = [torch.nn.Parameter(torch_tensor(values(*shape))) for shape in shapes]
        optimizer = getattr(torch.optim, rule.optimizer.__name__)(parameters, **({"lr": 1e-3} | rule.options))
        for p in parameters:
            p.grad = torch_tensor(values(*p.shape, seed=1))
    else:
        parameters = [nn.Parameter(values(*shape)) for shape in shapes]
        optimizer = rule.make(parameters, lr=1e-3)
        for p in parameters:
            p.grad = values(*p.shape, seed=1)
    race(f"{rule} step", library, optimizer.step)
