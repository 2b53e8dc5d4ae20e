"""compile_step: models that change between steps, what goes over the tape, and what is refused."""

import numpy as np
import pytest
from compiled_steps import arrays_of, batches, check_replayed, check_same, classes, mlp, values

import fastnn
from fastnn import functional as F, nn, optim


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
    "a product of two": (lambda model, h: h * F.relu(h), "NumPy"),
    "a sum of two shapes": (lambda model, h: h + h[:1], "NumPy"),
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


def test_an_empty_batch_goes_over_the_tape():
    model = mlp(nn.ReLU)
    step = fastnn.compile_step(model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), 0.1))
    for samples, reason in ((4, None), (0, "the batch is empty"), (4, None)):
        step(values(samples, 12), classes(samples))
        assert step.reason == reason


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
