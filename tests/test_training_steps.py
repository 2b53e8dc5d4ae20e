"""A step is taken whole or not at all: after an error everything is as before the batch."""

import contextlib
import threading

import numpy as np
import pytest
from training import X, Y, everything, make, network

import fastnn
from fastnn import data, metrics, nn, optim
from fastnn.training import Callback, Trainer

NAN = X.copy()
NAN[3, 2] = np.nan


class Accumulating(optim.Adam):
    """Adds up the gradients of two batches for each step."""

    calls = 0

    def zero_grad(self, set_to_none=True):
        if self.calls % 2 == 0:
            super().zero_grad(set_to_none)

    def step(self, closure=None):
        self.calls += 1
        return super().step(closure) if self.calls % 2 == 0 else None


def groups(kind=optim.Adam):
    """A trainer with all that a step moves: two groups, running statistics, dropouts, a schedule by the batch."""
    fastnn.manual_seed(1)
    model = network()
    model.append(nn.Dropout(0.1, rng=5))
    optimizer = kind(
        [{"params": model[0].parameters()}, {"params": [*model[1].parameters(), *model[4].parameters()], "lr": 0.1}], 0.01
    )  # fmt: skip
    scheduler = optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=20)
    return Trainer(model, nn.CrossEntropyLoss(), optimizer, scheduler=scheduler, max_grad_norm=1.0, progress=False)


class Spoil(Callback):
    """Writes into a gradient of the batch with this number."""

    def __init__(self, batch, value, name="4.weight"):
        self.batch, self.value, self.name, self.seen = batch, value, name, 0

    def on_gradients(self, trainer):
        self.seen += 1
        if self.seen == self.batch:
            trainer.model.get_parameter(self.name).grad[1, 1] = self.value


class Remember(Callback):
    """The state after the last batch that was learned."""

    def on_epoch_start(self, trainer):
        self.state = everything(trainer)

    def on_batch_end(self, trainer, logs):
        trainer.optimizer.zero_grad()
        self.state = everything(trainer)


@pytest.mark.parametrize("good", [0, 3])
def test_a_nan_in_one_sample_changes_nothing(good):
    trainer, remember = groups(), Remember()
    trainer.callbacks.append(remember)
    with pytest.raises(FloatingPointError, match=rf"the loss is nan in epoch 1, batch {good + 1}; the step was not"):
        trainer.fit([(X, Y)] * good + [(NAN, Y), (X, Y)], 1)
    assert trainer.step == good
    assert everything(trainer) == remember.state
    assert all(np.isfinite(a).all() for a in trainer.model.state_dict().values())
    trainer.fit([(X, Y)], 1)
    assert np.isfinite(trainer.history["loss"]).all()


def test_the_order_of_the_data_comes_back_if_no_batch_was_learned():
    for rng in (None, 3):
        batches = data.DataLoader(data.TensorDataset(NAN, Y), len(X), shuffle=True, rng=rng)
        trainer = groups()
        before, order = everything(trainer), batches.state_dict()
        with pytest.raises(FloatingPointError, match="the loss is nan"):
            trainer.fit(batches, 1)
        trainer.data = None  # the state of data that were seen is a part of the trainer's
        assert everything(trainer) == before
        assert batches.state_dict() == order


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["0.weight", "4.weight"])
def test_a_gradient_that_is_not_finite_changes_nothing(name, value):
    trainer, remember = groups(), Remember()
    trainer.callbacks += [Spoil(2, value, name), remember]
    with pytest.raises(
        FloatingPointError,
        match=rf"the gradient of '{name}' is {value} at index \(1, 1\) in epoch 1, batch 2; .*anomaly",
    ):
        trainer.fit([(X, Y)] * 3, 1)
    assert trainer.step == 1
    assert everything(trainer) == remember.state


def test_gradients_whose_sum_overflows_are_finite():
    trainer = make(callbacks=[Spoil(1, np.float32(3e38)), Spoil(1, np.float32(3e38), "0.weight")])
    trainer.fit([(X, Y)], 1)
    assert trainer.step == 1


def test_a_norm_that_overflows_is_not_clipped_to_nothing():
    trainer = make(max_grad_norm=1.0, callbacks=[Spoil(1, 1e200)])
    trainer.model.double()
    before = trainer.model[0].weight.data.copy()
    with pytest.raises(FloatingPointError, match="the norm of all gradients is inf in epoch 1, batch 1"):
        trainer.fit([(X.astype(float), Y)], 1)
    np.testing.assert_array_equal(trainer.model[0].weight.data, before)


def test_a_gradient_that_a_callback_mends_is_used():
    class Mend(Callback):
        def on_gradients(self, trainer):
            for parameter in trainer.model.parameters():
                parameter.grad = np.nan_to_num(parameter.grad, nan=0.0)

    trainer = make(max_grad_norm=1.0, callbacks=[Spoil(1, np.nan), Mend()])
    trainer.fit([(X, Y)], 1)
    assert trainer.step == 1
    assert all(np.isfinite(a).all() for a in trainer.model.state_dict().values())


def test_gradients_that_were_accumulated_stay():
    trainer = groups(Accumulating)
    trainer.fit([(X[:50], Y[:50])], 1)
    sums = [p.grad.copy() for p in trainer.model.parameters()]
    before = everything(trainer)
    with pytest.raises(FloatingPointError):
        trainer.fit([(NAN, Y)], 2)
    trainer.data = [None]
    assert everything(trainer) == before
    for parameter, gradient in zip(trainer.model.parameters(), sums, strict=True):
        np.testing.assert_array_equal(parameter.grad, gradient)


@pytest.mark.parametrize("event", ["model", "criterion", "metric", "on_gradients", "step"])
def test_an_error_of_a_batch_changes_nothing(event, monkeypatch):
    class Fails(Callback, metrics.Metric):
        def __init__(self):
            super().__init__()

        def reset(self):
            pass

        def update(self, output, target):
            if event == "metric":
                raise RuntimeError("here")

        def compute(self):
            return 0.0

        def on_gradients(self, trainer):
            if event == "on_gradients":
                raise RuntimeError("here")

    def fails(*_):
        raise RuntimeError("here")

    fault = Fails()
    trainer = make(callbacks=[fault], metrics={"fault": fault})
    if event == "model":
        trainer.model[4].register_forward_hook(fails)
    if event == "criterion":
        monkeypatch.setattr(trainer.criterion, "forward", fails)
    if event == "step":
        monkeypatch.setattr(trainer.optimizer, "step", fails)
    before = everything(trainer)
    with pytest.raises(RuntimeError, match="here"):
        trainer.fit([(X, Y)], 1)
    trainer.data = None
    assert everything(trainer) == before


def test_frozen_parameters_do_not_count_in_the_norm():
    """Nobody forgets the gradients of parameters that the optimizer does not have: they would grow, and so the norm."""
    steps = []
    for max_grad_norm in (None, 1e3):
        fastnn.manual_seed(0)
        model = network()
        optimizer = optim.SGD(model[4].parameters(), 0.1)
        trainer = Trainer(model, nn.CrossEntropyLoss(), optimizer, max_grad_norm=max_grad_norm, progress=False)
        model[0].weight.grad = np.full_like(model[0].weight.data, 1e6)
        trainer.fit([(X, Y)], 2)
        steps.append(model[4].weight.data.copy())
    np.testing.assert_array_equal(*steps)


def test_threads_of_a_loader_end_with_an_error():
    before = threading.active_count()
    batches = data.DataLoader(data.TensorDataset(NAN, Y), 8, num_workers=2)
    with pytest.raises(FloatingPointError) as caught:
        make().fit(batches, 1)
    assert threading.active_count() == before
    assert caught.value.__traceback__ is not None  # which holds the frames of the loop


def test_nan_under_detect_anomaly_and_in_batch_norm_changes_nothing():
    for context, mode in ((fastnn.detect_anomaly(), "propagate"), (contextlib.nullcontext(), "raise")):
        trainer = groups()
        trainer.model[1].nonfinite = mode
        before = everything(trainer)
        with context, pytest.raises(FloatingPointError):
            trainer.fit([(NAN, Y)], 1)
        trainer.data = None
        assert everything(trainer) == before
