"""Training on the tape and by a compiled step, compared bit by bit."""

import numpy as np

import fastnn
from fastnn import nn, optim

SAMPLES = 16


def values(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def classes(n=SAMPLES, seed=0):
    return np.random.default_rng(seed).integers(0, 10, n)


def mlp(*between, seed=0):
    """A small network with these layers in it, made anew with the same weights."""
    fastnn.manual_seed(seed)
    return nn.Sequential(nn.Linear(12, 20), *(make() for make in between), nn.Linear(20, 10))


def batches(count, shape=(12,), target=classes, samples=SAMPLES):
    return [(values(samples, *shape, seed=i), target(samples, seed=i)) for i in range(count)]


def run(make, loss, optimizer, data, compiled, between=None):
    """Losses, gradients of each step, the model and the optimizer after training from a fixed seed."""
    model = make()
    opt = optimizer(model.parameters())
    schedule = optim.lr_scheduler.StepLR(opt, 2, 0.5)
    fastnn.manual_seed(5)
    step = fastnn.compile_step(model, loss, opt) if compiled else None
    losses, grads = [], []
    for i, (x, t) in enumerate(data):
        if between is not None:
            between(i, model, opt)
        if compiled:
            losses.append(step(x, t))
        else:
            opt.zero_grad()
            value = loss(model(x), t)
            value.backward()
            opt.step()
            losses.append(value.data[()])
        grads.append([None if p.grad is None else p.grad.copy() for p in model.parameters()])
        schedule.step()
    return losses, grads, model, opt, step, fastnn.get_rng_state()["state"]


def arrays_of(state):
    if isinstance(state, dict):
        return [each for value in state.values() for each in arrays_of(value)]
    if isinstance(state, (list, tuple)):
        return [each for value in state for each in arrays_of(value)]
    return [np.asarray(state)]


def check_same(make, loss=None, optimizer=optim.Adam, data=None, between=None):
    """Steps of both kinds have the same bits in everything; returns the compiled step."""
    loss, data = loss or nn.CrossEntropyLoss(), data or batches(6)
    tape = run(make, loss, optimizer, data, False, between)
    fast = run(make, loss, optimizer, data, True, between)
    assert [(type(x), x.tobytes()) for x in tape[0]] == [(type(x), x.tobytes()) for x in fast[0]]
    for ours, theirs in zip(fast[1], tape[1], strict=True):
        for x, y in zip(ours, theirs, strict=True):
            assert (x is None) == (y is None)
            assert x is None or (x.tobytes() == y.tobytes() and x.flags.c_contiguous == y.flags.c_contiguous)
    for i in (2, 3):
        ours, theirs = (arrays_of(run[i].state_dict()) for run in (fast, tape))
        assert len(ours) == len(theirs) > 0
        assert all(x.tobytes() == y.tobytes() for x, y in zip(ours, theirs, strict=True))
    assert fast[5] == tape[5]
    return fast[4]


def check_replayed(*args, plans=1, **kwargs):
    step = check_same(*args, **kwargs)
    assert step.reason is None
    assert f", {plans} plans" in repr(step)
    return step
