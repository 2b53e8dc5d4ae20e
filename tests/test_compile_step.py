"""compile_step: the bits of the tape's steps, over networks, losses, optimizers and schedules, and what goes over the tape."""

import copy
import gc
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest

import fastnn
from fastnn import data, functional as F, metrics, nn, optim

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


def test_evaluation_mode_and_back():
    def between(i, model, _):
        model.train(i % 4 < 2)

    check_replayed(lambda: mlp(lambda: nn.BatchNorm1d(20), nn.ReLU, nn.Dropout), data=batches(8), between=between)


def test_frozen_parameters():
    def between(i, model, _):
        model[0].requires_grad_(i < 3)

    check_replayed(lambda: mlp(nn.ReLU), data=batches(7), between=between)


def test_a_parameter_in_another_array():
    def between(i, model, _):
        if i == 3:
            model[0].weight.data = model[0].weight.data * np.float32(0.5)

    check_replayed(lambda: mlp(nn.ReLU), data=batches(7), between=between)


@pytest.mark.parametrize("assign", [False, True])
def test_loaded_states(assign):
    other = {name: array.copy() for name, array in mlp(lambda: nn.BatchNorm1d(20), seed=3).state_dict().items()}

    def between(i, model, opt):
        if i == 3:
            model.load_state_dict({name: array.copy() for name, array in other.items()}, assign=assign)
            opt.load_state_dict(opt.state_dict())

    check_replayed(lambda: mlp(lambda: nn.BatchNorm1d(20)), data=batches(7), between=between)


def test_options_of_layers_and_of_the_optimizer():
    def between(i, model, opt):
        if i == 3:
            model[1].p = 0.8
            opt.param_groups[0]["lr"] = 0.05

    check_replayed(lambda: mlp(nn.Dropout), data=batches(7), between=between)


def test_another_layer():
    def between(i, model, opt):
        if i == 3:
            model[1] = nn.Tanh()

    check_replayed(lambda: mlp(nn.ReLU), data=batches(7), between=between)


def test_a_hook_that_comes_and_goes():
    calls = []
    model = mlp(nn.ReLU)
    step = fastnn.compile_step(model, nn.CrossEntropyLoss(), optim.Adam(model.parameters()))
    x, t = batches(1)[0]
    step(x, t)
    model[1].register_forward_hook(lambda *_: calls.append(1))
    step(x, t)
    step(x, t)
    assert len(calls) == 2
    assert "ReLU has hooks" in step.reason


def test_attributes_that_change_at_every_step():
    model = mlp(nn.Dropout)
    step = fastnn.compile_step(model, nn.CrossEntropyLoss(), optim.Adam(model.parameters()))
    for i, (x, t) in enumerate(batches(30)):
        model[1].p = 0.5 - i / 100
        step(x, t)
    assert "too often" in step.reason


# -- what goes over the tape ----------------------------------------------------------------------------------------------


class Custom(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.first, self.second = nn.Linear(12, 10), nn.Linear(10, 10)
        self.scale = nn.Parameter(np.float32(0.5))
        self.register_buffer("rate", np.float32(0.5))
        self.calls = 0
        self.function = function

    def forward(self, input):
        return self.second(self.function(self, self.first(input)))


def counted(model, h):
    model.calls += 1
    return h


REFUSED = {
    "values": (lambda model, h: h if float(h.sum()) > 0 else F.relu(h), "asks for values"),
    "a parameter's value": (lambda model, h: F.leaky_relu(h, model.scale.item()), "asks for values"),
    "a scalar": (lambda model, h: F.dropout(h, model.rate), "value"),
    "NumPy": (lambda model, h: np.sin(h), "NumPy computes what product reads as a"),
    "a sum of two": (lambda model, h: h + F.relu(h), "NumPy"),
    "an array of elsewhere": (lambda model, h: h * values(10), "NumPy"),
    "attributes": (counted, "changes attributes"),
    "unknown": (lambda model, h: F.normalize(h), "normalize"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    function, reason = REFUSED[name]

    def make():
        fastnn.manual_seed(0)
        return Custom(function)

    step = check_same(make)
    assert reason in step.reason


@pytest.mark.parametrize(
    ("loss", "reason"),
    [
        (nn.CrossEntropyLoss(label_smoothing=0.1), "NumPy"),
        (nn.CrossEntropyLoss(weight=np.ones(10, np.float32)), "NumPy"),
        (lambda y, t: F.cross_entropy(y, t) * 2, "loss function"),
        (lambda y, t: F.cross_entropy(y, t, reduction="none").mean(), "loss function"),
        (lambda y, t: F.cross_entropy(y, np.array(t)), "asks for values"),
    ],
)
def test_refused_losses(loss, reason):
    step = check_same(lambda: mlp(nn.ReLU), loss)
    assert reason in step.reason


@pytest.mark.parametrize("nonfinite", ["skip", "raise"])
def test_batch_norm_that_looks_at_its_statistics(nonfinite):
    step = check_same(lambda: mlp(lambda: nn.BatchNorm1d(20, nonfinite=nonfinite)))
    assert step.reason


def test_batch_norm_with_a_plain_average():
    step = check_same(lambda: mlp(lambda: nn.BatchNorm1d(20, momentum=None)))
    assert "momentum=None" in step.reason


def test_inputs_of_other_kinds():
    model = mlp(nn.ReLU)
    step = fastnn.compile_step(model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), 0.0))
    x, t = batches(1)[0]
    expected = step(x, t)
    for input, target in [(x.tolist(), t), (fastnn.tensor(x), t), (x.astype(np.float64), t), (np.asfortranarray(x), t)]:
        assert step(input, target) == pytest.approx(expected, rel=1e-5)
        assert step.reason
    step(x, t)
    assert step.reason is None
    with fastnn.detect_anomaly():
        assert step(x, t) == expected
    assert "observes" in step.reason
    with fastnn.no_grad(), pytest.raises(TypeError, match="tracks gradients"):
        step(x, t)


def test_wrong_targets_are_refused_and_change_nothing():
    model = mlp(lambda: nn.BatchNorm1d(20), nn.Dropout)
    opt = optim.Adam(model.parameters())
    step = fastnn.compile_step(model, nn.CrossEntropyLoss(), opt)
    x, t = batches(1)[0]
    step(x, t)
    before = [each.copy() for each in arrays_of([dict(model.named_parameters()), opt.state_dict()])]
    wrong = t.copy()
    wrong[3] = 10
    with pytest.raises(IndexError, match=r"got 10 at index 3"):
        step(x, wrong)
    after = arrays_of([dict(model.named_parameters()), opt.state_dict()])
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    ignored = t.copy()
    ignored[3] = -100
    assert np.isfinite(step(x, ignored))
    assert "no classes" in step.reason
    with pytest.raises(ValueError, match="features"):
        step(x[:, :5], t)


def test_gradients_that_are_there_are_added_to():
    model = mlp(nn.ReLU)
    opt = optim.SGD(list(model.parameters())[:2], 0.1)  # the others' gradients are never zeroed
    step = fastnn.compile_step(model, nn.CrossEntropyLoss(), opt)
    x, t = batches(1)[0]
    step(x, t)
    first = model[2].bias.grad.copy()
    step(x, t)
    assert "has a gradient already" in step.reason
    assert not np.array_equal(model[2].bias.grad, first)


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


def test_trainer_refuses_a_loss_that_is_not_finite():
    model = mlp(lambda: nn.BatchNorm1d(20))
    trainer = fastnn.Trainer(model, nn.CrossEntropyLoss(), optim.Adam(model.parameters()), progress=False, compile=True)
    (x, t), *_ = given = batches(3)
    trainer.fit(given, 1)
    before = [each.copy() for each in arrays_of(model.state_dict())]
    with pytest.raises(FloatingPointError, match="the loss is nan"):
        trainer.fit([(x * np.float32(np.nan), t)], 2)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(before, arrays_of(model.state_dict()), strict=True))


def test_wrong_parts():
    model = mlp()
    opt = optim.SGD(model.parameters(), 0.1)
    with pytest.raises(TypeError, match="compile_step: expected a Module, got function"):
        fastnn.compile_step(mlp, nn.MSELoss(), opt)
    with pytest.raises(TypeError, match="compile_step: expected a loss that can be called, got int"):
        fastnn.compile_step(model, 3, opt)
    with pytest.raises(TypeError, match="compile_step: expected an Optimizer, got list"):
        fastnn.compile_step(model, nn.MSELoss(), [])


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
    subprocess.run([sys.executable, "-c", text], check=True, env={**__import__("os").environ, "FASTNN_ISA": "base"})
