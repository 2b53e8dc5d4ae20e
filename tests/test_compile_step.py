"""compile_step: the bits of the tape's steps, over networks, losses, optimizers, tiers and threads."""

import copy
import gc
import os
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest
from compiled_steps import arrays_of, batches, check_replayed, classes, mlp, run, values

import fastnn
from fastnn import data, functional as F, metrics, nn, optim

ACTIVATIONS = [
    nn.ReLU, nn.Sigmoid, nn.Tanh, nn.GELU, nn.SiLU, nn.ELU, nn.Softplus, nn.LeakyReLU, nn.SELU, nn.CELU, nn.Mish,
    nn.Hardtanh, nn.Hardswish, nn.LogSigmoid, nn.Softsign, nn.ReLU6, nn.Tanhshrink, nn.Hardsigmoid,
]  # fmt: skip


@pytest.mark.parametrize("layer", ACTIVATIONS, ids=lambda layer: layer.__name__)
def test_activations(layer):
    check_replayed(lambda: mlp(layer))


NETWORKS = {
    "batch norm": [lambda: nn.BatchNorm1d(20), nn.ReLU],
    "without affine": [lambda: nn.BatchNorm1d(20, affine=False)],
    "without running statistics": [lambda: nn.BatchNorm1d(20, track_running_stats=False)],
    "layer norm": [lambda: nn.LayerNorm(20), nn.GELU],
    "rms norm": [lambda: nn.RMSNorm(20)],
    "group norm": [lambda: nn.GroupNorm(4, 20), nn.SiLU],
    "dropout": [nn.ReLU, lambda: nn.Dropout(0.3)],
    "dropout's own generator": [nn.ReLU, lambda: nn.Dropout(0.3, rng=7), lambda: nn.Dropout(0.1)],
    "alpha dropout": [nn.SELU, lambda: nn.AlphaDropout(0.2)],
    "softmax": [lambda: nn.Softmax(-1)],
    "all": [lambda: nn.BatchNorm1d(20), nn.ReLU, lambda: nn.Dropout(0.2)] * 2,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name):
    check_replayed(lambda: mlp(*NETWORKS[name]))


@pytest.mark.parametrize("threads", [1, 2])
def test_threads(threads):
    def make():
        fastnn.manual_seed(0)
        return nn.Sequential(nn.Linear(300, 400), nn.BatchNorm1d(400), nn.GELU(), nn.Dropout(0.2), nn.Linear(400, 10))

    data = batches(4, (300,), samples=128)
    with fastnn.threads(1):
        tape = run(make, nn.CrossEntropyLoss(), optim.Adam, data, False)
    with fastnn.threads(threads):
        fast = run(make, nn.CrossEntropyLoss(), optim.Adam, data, True)
    assert fast[4].reason is None
    assert [x.tobytes() for x in tape[0]] == [x.tobytes() for x in fast[0]]


def test_double():
    def make():
        fastnn.manual_seed(0)
        return nn.Sequential(nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, 10)).double()

    check_replayed(make, data=[(x.astype(np.float64), t) for x, t in batches(5)])


def conv_net():
    fastnn.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout2d(0.1),
        nn.Conv2d(8, 12, 3, stride=2), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(12, 10),
    )  # fmt: skip


def test_convolutions():
    check_replayed(conv_net, data=batches(5, (3, 12, 12)))


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (
            lambda: nn.Sequential(
                nn.Conv1d(3, 6, 3), nn.GELU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(6, 10)
            ),
            (3, 9),
        ),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(12, 10)), (3, 4)),
        (lambda: nn.Sequential(nn.Conv2d(4, 8, 1, groups=4), nn.Flatten(), nn.Linear(72, 10)), (4, 3, 3)),
    ],
)
def test_shapes(make, shape):
    def seeded():
        fastnn.manual_seed(0)
        return make()

    check_replayed(seeded, data=batches(5, shape))


class Residual(nn.Module):
    """x + f(x), of layers or of the same layer twice."""

    def __init__(self, *layers):
        super().__init__()
        self.inner = nn.Sequential(*layers)

    def forward(self, x):
        return x + self.inner(x)


def test_sums_of_branches():
    check_replayed(lambda: mlp(lambda: Residual(nn.LayerNorm(20), nn.Linear(20, 20), nn.GELU()), nn.ReLU))
    check_replayed(lambda: mlp(lambda: Residual(Residual(nn.Tanh()), nn.Dropout(0.2))))

    def shared():
        fastnn.manual_seed(0)
        layer = nn.Linear(12, 12)
        return nn.Sequential(layer, nn.ReLU(), layer, nn.Linear(12, 10))

    check_replayed(shared)  # the weight has a sum of two gradients


@pytest.mark.parametrize("last", [False, True], ids=["channels first", "channels last"])
def test_residual_blocks_of_convolutions(last):
    def make():
        fastnn.manual_seed(0)
        block = Residual(nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU())
        return nn.Sequential(nn.Conv2d(3, 6, 3), block, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 10))

    def placed(x):
        return x.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2) if last else x

    data = [(placed(x), t) for x, t in batches(5, (3, 8, 8))]
    if last:
        step = run(make, nn.CrossEntropyLoss(), optim.Adam, data, True)[4]
        assert step.reason == "an array does not lie dense in memory"
    else:
        check_replayed(make, data=data)


def like_output(n, seed):
    return np.random.default_rng(seed + 50).uniform(0.1, 0.9, (n, 10)).astype(np.float32)


@pytest.mark.parametrize(
    "loss",
    [
        nn.MSELoss(), nn.MSELoss(reduction="sum"), nn.L1Loss(), nn.SmoothL1Loss(), nn.HuberLoss(delta=0.5),
        nn.BCEWithLogitsLoss(), nn.PoissonNLLLoss(), nn.SoftMarginLoss(), F.mse_loss, nn.KLDivLoss(reduction="sum"),
    ],
    ids=lambda loss: getattr(loss, "__name__", repr(loss)),
)  # fmt: skip
def test_losses(loss):
    check_replayed(lambda: mlp(nn.ReLU), loss, data=batches(5, target=like_output))


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda p: optim.SGD(p, 0.1), lambda p: optim.SGD(p, 0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
        lambda p: optim.AdamW(p, 0.01, amsgrad=True), optim.NAdam, optim.RAdam, optim.Adamax, optim.RMSprop,
        optim.Adagrad, optim.Adadelta, optim.Rprop, lambda p: optim.Adam(p, l1_decay=0.1, maximize=True),
    ],
)  # fmt: skip
def test_optimizers(optimizer):
    check_replayed(lambda: mlp(lambda: nn.BatchNorm1d(20), nn.ReLU, nn.Dropout), optimizer=optimizer, data=batches(8))


def test_parameter_groups():
    def optimizer(parameters):
        first, *rest = parameters
        return optim.Adam([{"params": [first], "lr": 0.1}, {"params": rest, "weight_decay": 0.1}])

    check_replayed(lambda: mlp(nn.ReLU), optimizer=optimizer)


def test_a_ragged_last_batch_has_a_plan_of_its_own():
    data = [*batches(3), (values(5, 12), classes(5))] * 3
    check_replayed(lambda: mlp(lambda: nn.BatchNorm1d(20), nn.Dropout), data=data, plans=2)


def test_the_first_step_is_replayed_from_then_on(monkeypatch):
    model = mlp(nn.ReLU)
    step = fastnn.compile_step(model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), 0.1))
    x, t = batches(1)[0]
    step(x, t)
    monkeypatch.setattr(nn.Linear, "forward", None)  # nobody calls it any more
    before = model[0].weight.data.copy()
    assert step(x, t) > 0
    assert (model[0].weight.data != before).any()


# -- what changes between steps -------------------------------------------------------------------------------------------


def test_backward_leaves_gradients_and_returns_the_output():
    model = mlp(nn.ReLU)
    step = fastnn.compile_step(model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), 0.1))
    x, t = batches(1)[0]
    for _ in range(2):
        model.zero_grad()
        output, loss = step.backward(x, t)
        assert np.array_equal(output, model(x).data)
        assert loss == F.cross_entropy(output, t)
        grads = [p.grad for p in model.parameters()]
    model.zero_grad()
    step.backward(x, t)
    assert all(a is not b.grad and np.array_equal(a, b.grad) for a, b in zip(grads, model.parameters(), strict=True))


def test_copies_make_their_own_plans():
    model = mlp(nn.ReLU)
    step = fastnn.compile_step(model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), 0.1))
    x, t = batches(1)[0]
    step(x, t)
    other = copy.deepcopy(step)
    weight = model[0].weight.data.copy()
    assert other(x, t) == step(x, t)
    assert other.model is not model
    assert not np.array_equal(weight, other.model[0].weight.data)
    assert np.array_equal(model[0].weight.data, other.model[0].weight.data)


@pytest.mark.parametrize("clip", [None, 0.5])
def test_trainer(clip):
    x, t = values(50, 12), classes(50)

    def trained(compile):
        model = mlp(lambda: nn.BatchNorm1d(20), nn.ReLU, nn.Dropout)
        fastnn.manual_seed(3)
        trainer = fastnn.Trainer(
            model, nn.CrossEntropyLoss(), optim.Adam(model.parameters(), 0.01), max_grad_norm=clip, compile=compile,
            metrics={"accuracy": metrics.Accuracy()}, progress=False,
        )  # fmt: skip
        batches = data.DataLoader(data.TensorDataset(x, t), 16, shuffle=True, rng=0)
        history = trainer.fit(batches, 4, validation=batches)
        del history["seconds"]
        return trainer, history

    (tape, expected), (fast, history) = trained(False), trained(True)
    assert history == expected
    assert tape.compiled is None
    assert fast.compiled.reason is None
    assert ", 2 plans" in repr(fast.compiled)  # of the last batch, too
    for a, b in zip(arrays_of(tape.state_dict()["model"]), arrays_of(fast.state_dict()["model"]), strict=True):
        assert a.tobytes() == b.tobytes()


def test_several_threads():
    losses = []
    data = batches(1)[0]
    models = [mlp(nn.ReLU, seed=i % 2) for i in range(6)]

    def work():
        model = models.pop()
        step = fastnn.compile_step(model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), 0.1))
        for _ in range(50):
            loss = step(*data)
        losses.append(loss)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(losses) == 6
    assert len(set(losses)) == 2


def test_memory_is_given_back():
    model = mlp(nn.ReLU, nn.Dropout)
    step = fastnn.compile_step(model, nn.CrossEntropyLoss(), optim.Adam(model.parameters()))
    for x, t in batches(3):
        step(x, t)
    known = weakref.ref(step)
    del step
    gc.collect()
    assert known() is None


def test_other_tier():
    text = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from test_compile_step import *\n"
        "check_replayed(lambda: mlp(*NETWORKS['all'])); check_replayed(conv_net, data=batches(4, (3, 12, 12)))\n"
    )
    subprocess.run([sys.executable, "-c", text], check=True, env={**os.environ, "FASTNN_ISA": "base"})
