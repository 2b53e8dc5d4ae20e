"""The arguments of a training are checked before anything changes."""

import numpy as np
import pytest
from training import X, Y, everything, loader, make, network

import fastnn
from fastnn import data, metrics, nn, optim
from fastnn.training import Callback, EarlyStopping, Trainer

ARRAYS = data.TensorDataset(X, Y)
NOT_BATCHES = {
    "rows of an array": (X, r"\(input, target\).*got an array of shape \(96, 6\)"),
    "two rows": (X[:2], r"got an array of shape \(2, 6\)"),
    "a tensor": (fastnn.tensor(X[:2]), "got an array of shape"),
    "arrays": ((X, Y), r"got an array of shape \(96, 6\) as batch 1"),
    "later arrays": ([(X, Y), X[:2]], r"got an array of shape \(2, 6\) as batch 2"),
    "inputs alone": (data.DataLoader(X, 2), r"got an array of shape \([12], 6\) as batch 1"),
    "a dataset of inputs": (data.DataLoader(data.TensorDataset(X), 2), "got a tuple of 1 as batch 1"),
    "three parts": ([(X, Y, Y)], "got a tuple of 3 as batch 1"),
    "a mapping": ({"x": X, "y": Y}, "expected batches, got a dict"),
    "mappings": ([{"x": X, "y": Y}], "got a dict as batch 1"),
    "single samples": (data.DataLoader(ARRAYS, None), "expected batches of targets, got a .*int64 in batch 1"),
    "a number": (3, "expected batches, got a int"),
    "a file's name": ("batches.npz", "expected batches, got a str"),
    "a dataset": (ARRAYS, "expected batches, such as a DataLoader of this TensorDataset"),
    "a generator": ((batch for batch in [(X, Y)]), "gone through 2 times, got a generator, which is used up"),
    "a zip": (zip([X], [Y], strict=True), "gone through 2 times, got a zip"),
}


@pytest.mark.parametrize("place", ["data", "validation"])
@pytest.mark.parametrize("case", NOT_BATCHES)
def test_what_is_no_batches_is_refused_before_anything_moves(case, place):
    wrong, match = NOT_BATCHES[case]
    seen = []

    class Watch(Callback):
        def on_batch_end(self, trainer, logs):
            seen.append(logs)

    trainer, batches = make(callbacks=[Watch()]), loader()
    before, order = everything(trainer), batches.state_dict()
    where = "Trainer.fit" if place == "data" else r"Trainer.fit\(validation\)"
    with pytest.raises(TypeError, match=f"{where}: .*{match}"):
        trainer.fit(*((wrong, 2) if place == "data" else (batches, 2, wrong)))
    trainer.data = trainer.validation = None
    assert everything(trainer) == before
    assert batches.state_dict() == order
    assert not seen


def test_evaluate_and_predict_take_batches_alone():
    trainer = make()
    for case in ("rows of an array", "two rows", "arrays", "inputs alone", "three parts", "single samples", "a number"):
        with pytest.raises(TypeError, match=r"Trainer\.evaluate: expected batches"):
            trainer.evaluate(NOT_BATCHES[case][0])
    trainer.model = nn.Linear(6, 2)
    with pytest.raises(TypeError, match=r"output for each, got an array of shape \(6,\) and an output of shape \(2,\)"):
        trainer.predict(data.DataLoader(X, None))
    with pytest.raises(TypeError, match="expected batches, got a int"):
        trainer.predict(3)

    class Two(nn.Module):
        def forward(self, input):
            return input, input

    trainer.model = Two()
    with pytest.raises(TypeError, match="a model that returns one array, got a tuple of 2"):
        trainer.predict(X)


def test_a_pass_may_be_all_there_is():
    history = make().fit(((X, Y) for _ in range(3)), 1, iter([(X, Y)]))
    assert len(history["val_loss"]) == 1

    class Again:
        def __iter__(self):
            self.left = 2
            return self

        def __next__(self):
            self.left -= 1
            if self.left < 0:
                raise StopIteration
            return X, Y

    trainer = make()
    trainer.fit(Again(), 3)
    assert trainer.step == 6


def test_the_mean_is_weighted_by_samples_whatever_their_target_is():
    def criterion(output, target):
        first = target["a"] if isinstance(target, dict) else target[0]
        return (output[:, 0] * 0 + first).mean()

    first, second = np.ones(90, np.float32), np.full(6, 3, np.float32)
    for pack in (lambda a: (a, a, a), lambda a: {"a": a}):
        trainer = make(metrics={})
        trainer.criterion = criterion
        history = trainer.fit([(X[:90], pack(first)), (X[90:], pack(second))], 1)
        assert history["loss"] == [pytest.approx((90 + 6 * 3) / 96)]


OTHER = network()
RISING = optim.lr_scheduler.ReduceLROnPlateau(optim.SGD(OTHER.parameters(), 0.1), "max")


@pytest.mark.parametrize(
    ("parts", "error", "match"),
    [
        ({"optimizer": optim.SGD(OTHER.parameters(), 0.1)}, ValueError, r"optimizer of the model's .* got 6 others, the first of shape \(16, 6\)"),
        ({"model": type(OTHER)}, TypeError, "expected model to be a Module, got type"),
        ({"criterion": nn.CrossEntropyLoss}, TypeError, "expected criterion to be a function .*got the class CrossEntropyLoss"),
        ({"criterion": None}, TypeError, "expected criterion to be a function of output and target, got a NoneType"),
        ({"scheduler": optim.lr_scheduler.StepLR(optim.SGD(OTHER.parameters(), 0.1), 1)}, ValueError, "a StepLR of this optimizer, got another one's"),
        ({"scheduler": optim.lr_scheduler.ReduceLROnPlateau(optim.SGD(OTHER.parameters(), 0.1))}, ValueError, "a ReduceLROnPlateau of this optimizer"),
        ({"optimizer": RISING.optimizer, "model": OTHER, "scheduler": RISING}, ValueError, "ReduceLROnPlateau of mode 'min', for it is given the loss"),
        ({"scheduler": optim.lr_scheduler.StepLR}, TypeError, "expected a learning-rate schedule, got <class"),
        ({"scheduler": 0.1}, TypeError, "expected a learning-rate schedule, got 0.1"),
        ({"callbacks": EarlyStopping()}, TypeError, "expected a sequence of callbacks, got <"),
        ({"metrics": {3: metrics.Accuracy()}}, TypeError, "metrics by name, got the name 3"),
        ({"metrics": dict.fromkeys("ab", metrics.ConfusionMatrix(2))}, ValueError, "a metric of its own for 'a', got that of 'b'"),
    ],
)  # fmt: skip
def test_parts_that_do_not_belong_together(parts, error, match):
    model = network()
    usual = {"model": model, "criterion": nn.CrossEntropyLoss(), "optimizer": optim.SGD(model.parameters(), 0.1)}
    with pytest.raises(error, match=f"Trainer: .*{match}"):
        Trainer(**{**usual, "progress": False, **parts})


def test_parts_are_looked_at_again_by_fit():
    trainer = make()
    trainer.model[4] = nn.Linear(16, 2)  # the optimizer still has the old one
    before = everything(trainer)
    with pytest.raises(ValueError, match=r"Trainer\.fit: expected an optimizer of the model's .* got 2 others"):
        trainer.fit(loader(), 1)
    assert everything(trainer) == before


def test_a_criterion_may_have_parameters():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(np.ones((), np.float32))

        def forward(self, input, target):
            return fastnn.cross_entropy(input * self.scale, target)

    model, criterion = network(), Scaled()
    trainer = Trainer(model, criterion, optim.SGD([*model.parameters(), criterion.scale], 0.1), progress=False)
    trainer.fit(loader(), 1)
    assert criterion.scale.item() != 1


@pytest.mark.parametrize(
    ("criterion", "match"),
    [
        (lambda output, target: (output[:, 0] - target) ** 2, r"one real number, got shape \(20,\)"),
        (lambda output, target: 1.5, "a loss that tracks gradients, got a float that does not: under no_grad"),
        (lambda output, target: np.float32(0), "a loss that tracks gradients, got a float32"),
        (lambda output, target: None, "one real number, got a NoneType"),
    ],
)
def test_losses_that_are_none(criterion, match):
    trainer = make()
    trainer.criterion = criterion
    before = everything(trainer)
    with pytest.raises(TypeError, match=rf"Trainer\.fit: expected criterion to return .*{match}"):
        trainer.fit(loader(), 1)
    trainer.data = None
    assert everything(trainer) == before


def test_a_one_cycle_schedule_that_is_too_short_is_refused_at_once():
    trainer = make(scheduler=lambda o: optim.lr_scheduler.OneCycleLR(o, 0.1, total_steps=12))
    before = everything(trainer)
    with pytest.raises(ValueError, match="OneCycleLR: expected at most 12 steps, got 15 of 3 epochs after 0"):
        trainer.fit(loader(), 3)
    assert everything(trainer) == before
    trainer.fit([(X, Y), (X[:0], Y[:0])], 12)
    assert trainer.step == 12


def test_epochs_that_are_over_are_said_to_be():
    trainer = make()
    trainer.fit(loader(), 2)
    for epochs in (2, 1):
        with pytest.warns(UserWarning, match=rf"2 epochs are finished already; .* got {epochs}"):
            trainer.fit(loader(), epochs)
    assert (trainer.epoch, trainer.step) == (2, 10)
    assert trainer.fit(loader(), 3)["loss"][2:]


@pytest.mark.parametrize("empty", [[], [(X[:0], Y[:0])], data.DataLoader(ARRAYS, 100, drop_last=True)])
def test_no_batches_are_refused_before_an_epoch_is_lost(empty):
    trainer = make()
    with pytest.raises(ValueError, match=r"Trainer\.fit\(validation\): expected at least one batch, got none"):
        trainer.fit(loader(), 2, empty)
    assert trainer.step == 0
    with pytest.raises(ValueError, match=r"Trainer\.fit: expected at least one batch, got none"):
        trainer.fit(empty, 2)


def test_an_order_that_the_data_cannot_take_is_said():
    trainer = make()
    trainer.fit(loader(), 1)
    for source in ([(X, Y)], loader()):
        later = make()
        later.load_state_dict(trainer.state_dict())
        if isinstance(source, list):
            with pytest.warns(UserWarning, match="the order of the data .* cannot be given to a list of 1"):
                later.fit(source, 2)
        else:
            later.fit(source, 2)
        assert later.epoch == 2


def test_states_that_are_none():
    trainer = make()
    with pytest.raises(TypeError, match="expected a dict, got a int"):
        trainer.load_state_dict(3)
    with pytest.raises(ValueError, match="expected the states of data and validation"):
        trainer.load_state_dict({**trainer.state_dict(), "data": []})
    for name in ("epoch", "step"):
        with pytest.raises((TypeError, ValueError), match=rf"Trainer\.load_state_dict: expected {name} "):
            trainer.load_state_dict({**trainer.state_dict(), name: -1})
