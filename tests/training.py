"""A small training, for the tests of the trainer and of its callbacks."""

import copy

import numpy as np

import fastnn
from fastnn import data, metrics, nn, optim
from fastnn.training import Trainer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(96, 6)).astype(np.float32)
Y = (X @ RNG.normal(size=6) > 0).astype(np.int64)


def network():
    return nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 2))


def loader(seed=0, batch_size=20):
    return data.DataLoader(data.TensorDataset(X, Y), batch_size, shuffle=True, rng=seed)


def make(**options):
    fastnn.manual_seed(1)
    model = network()
    optimizer = optim.Adam(model.parameters(), 0.01)
    options.setdefault("progress", False)
    options.setdefault("metrics", {"accuracy": metrics.Accuracy()})
    scheduler = options.pop("scheduler", lambda _: None)(optimizer)
    return Trainer(model, nn.CrossEntropyLoss(), optimizer, scheduler=scheduler, **options)


def weights(trainer):
    return np.concatenate([np.ravel(a).astype(np.float64) for a in trainer.model.state_dict().values()])


def everything(trainer):
    """All that a step moves, as bytes and numbers."""
    own = [each.rng.bit_generator.state for each in trainer.model if getattr(each, "rng", None) is not None]
    gradients = [None if p.grad is None else p.grad.tolist() for p in trainer.model.parameters()]
    return repr((copy.deepcopy(trainer.state_dict()), own, gradients))
