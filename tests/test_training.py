"""The trainer: its loop against one written out, resuming, refusals."""

import copy
import signal
import sys

import numpy as np
import pytest
from scripts import python
from training import X, Y, loader, make, network, weights

import fastnn
from fastnn import data, metrics, nn, optim
from fastnn.training import Callback, CSVLogger, EarlyStopping, ModelCheckpoint, Trainer


def test_it_is_the_loop_written_out():
    trainer = make(max_grad_norm=0.5, scheduler=lambda o: optim.lr_scheduler.StepLR(o, 2, 0.5))
    validation = [(X[:40], Y[:40]), (X[40:], Y[40:])]
    history = trainer.fit(loader(), 4, validation)

    fastnn.manual_seed(1)
    model, criterion = network(), nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), 0.01)
    scheduler = optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
    batches, losses, rates, checked = loader(), [], [], []
    for _ in range(4):
        model.train()
        total = 0.0
        for x, y in batches:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
            total += loss.item() * len(x)
        losses.append(total / len(X))
        rates.append(optimizer.param_groups[0]["lr"])
        scheduler.step()
        model.eval()
        with fastnn.no_grad():
            checked.append(criterion(model(X), Y).item())
    assert history["loss"] == losses
    assert history["lr"] == rates == [0.01, 0.01, 0.005, 0.005]
    np.testing.assert_allclose(history["val_loss"], checked, rtol=1e-6)
    np.testing.assert_array_equal(weights(trainer), np.concatenate([np.ravel(a) for a in model.state_dict().values()]))
    assert set(history) == {"loss", "accuracy", "val_loss", "val_accuracy", "lr", "seconds"}
    assert history["val_accuracy"][-1] > 0.8
    assert (trainer.epoch, trainer.step) == (4, 20)
    logits = trainer.predict(X)
    assert not np.array_equal(logits, 0)
    np.testing.assert_array_equal(trainer.predict([(X[:50], Y[:50]), (X[50:], Y[50:])]), logits)
    np.testing.assert_array_equal(trainer.predict(data.DataLoader(X, 7)), logits)
    assert trainer.evaluate(validation)["accuracy"] == pytest.approx((logits.argmax(1) == Y).mean())


def test_evaluation_leaves_the_modules_modes():
    trainer = make()
    trainer.model.train()
    trainer.model[1].eval()
    trainer.evaluate([(X, Y)])
    trainer.predict(X)
    assert [m.training for m in trainer.model] == [True, False, True, True, True]


@pytest.mark.parametrize("rng", [5, None])
def test_a_resumed_run_has_the_bits_of_one_that_was_not_interrupted(tmp_path, rng):
    def begin():
        return make(
            scheduler=lambda o: optim.lr_scheduler.ReduceLROnPlateau(o, patience=0),
            callbacks=[EarlyStopping(patience=4), ModelCheckpoint(tmp_path / "last"), ModelCheckpoint(tmp_path / "best", "val_loss")],
        )  # fmt: skip

    validation = [(X, Y)]
    whole = begin()
    whole.fit(loader(rng), 9, validation)
    part = begin()
    part.fit(loader(rng), 5, validation)
    later = begin()
    fastnn.manual_seed(99)
    later.load(tmp_path / "last")
    assert later.epoch == 5
    later.fit(loader(rng), 9, validation)
    np.testing.assert_array_equal(weights(later), weights(whole))
    for name in ("loss", "val_loss", "accuracy", "lr"):
        assert later.history[name] == whole.history[name]
    best = [[callback.best for callback in trainer.callbacks] for trainer in (later, whole)]
    np.testing.assert_array_equal(*best)


KILLED = """
import os, sys
import numpy as np, fastnn
from fastnn import data, nn, optim
from fastnn.training import Callback, ModelCheckpoint, Trainer
class Kill(Callback):
    def on_batch_end(self, trainer, logs):
        if trainer.step == int(sys.argv[2]):
            os.kill(os.getpid(), 9)
rng = np.random.default_rng(0)
x = rng.normal(size=(100, 8)).astype(np.float32)
y = rng.integers(0, 3, 100)
fastnn.manual_seed(0)
model = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(), nn.Linear(16, 3))
batches = data.DataLoader(data.TensorDataset(x, y), 10, shuffle=True, rng=1, num_workers=2)
trainer = Trainer(model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), 0.1, momentum=0.9),
                  callbacks=[ModelCheckpoint(sys.argv[1]), Kill()], progress=False)
if os.path.exists(sys.argv[1]):
    trainer.load(sys.argv[1])
trainer.fit(batches, 6)
print(b"".join(a.tobytes() for a in model.state_dict().values()).hex())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kills by a signal")
def test_a_killed_process_goes_on(tmp_path):
    whole = python("-c", KILLED, str(tmp_path / "whole"), "-1")
    with pytest.raises(AssertionError):
        python("-c", KILLED, str(tmp_path / "part"), "37")
    assert (tmp_path / "part").exists()
    assert python("-c", KILLED, str(tmp_path / "part"), "-1") == whole


class Press(Callback):
    """Ctrl-C in the middle of an epoch."""

    def __init__(self, step):
        self.step = step

    def on_batch_end(self, trainer, logs):
        if trainer.step == self.step:
            signal.raise_signal(signal.SIGINT)


@pytest.fixture
def interruptible():
    """Ctrl-C raises, also in a process that was started in the background, where shells turn it off."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_control_c_ends_cleanly_with_the_best_weights():
    stopping = EarlyStopping("val_accuracy")
    trainer = make(callbacks=[stopping, Press(13)])
    history = trainer.fit(loader(), 50, [(X, Y)])
    assert trainer.interrupted
    assert trainer.epoch == 2
    assert len(history["loss"]) == 2
    for name, array in stopping.best_weights.items():
        np.testing.assert_array_equal(trainer.model.state_dict()[name], array)
    trainer.fit(loader(), 4, [(X, Y)])
    assert not trainer.interrupted
    assert trainer.epoch == 4


def test_schedulers_by_batch():
    trainer = make(scheduler=lambda o: optim.lr_scheduler.OneCycleLR(o, 0.1, total_steps=20))
    trainer.fit(loader(), 4)
    with pytest.raises(ValueError, match="expected at most 20 steps"):
        trainer.fit(loader(), 5)


def test_errors():
    trainer = make()
    with pytest.raises(ValueError, match=r"Trainer.fit: expected at least one batch, got none"):
        trainer.fit([], 1)
    with pytest.raises(ValueError, match=r"Trainer.evaluate: expected at least one batch"):
        trainer.evaluate([])
    with pytest.raises(TypeError, match="expected model to be a Module, got int"):
        Trainer(3, None, trainer.optimizer)
    with pytest.raises(TypeError, match="expected optimizer to be a Optimizer, got str"):
        Trainer(trainer.model, None, "adam")
    with pytest.raises(FloatingPointError, match=r"the loss is nan in epoch 1, batch 2; .*detect_anomaly"):
        make().fit([(X, Y), (X * np.nan, Y)], 1)
    with pytest.raises(KeyError, match="one of loss, accuracy, lr, seconds, got 'val_loss'; give fit validation data"):
        make(callbacks=[EarlyStopping()]).fit([(X, Y)], 1)
    with pytest.raises(ValueError, match="expected patience of at least 1, got 0"):
        EarlyStopping(patience=0)
    before = copy.deepcopy(trainer.state_dict()["model"])
    with pytest.raises(ValueError, match="is not a safetensors file"):
        trainer.load(__file__)
    assert all((before[k] == v).all() for k, v in trainer.state_dict()["model"].items())


def test_fastnn_names_it_without_importing_it():
    code = "import sys, fastnn; assert not any(m.startswith('fastnn.training') or m.startswith('fastnn.data') for m in sys.modules); print(fastnn.Trainer.__name__, fastnn.data.DataLoader.__name__, 'Trainer' in dir(fastnn))"
    assert python("-c", code).split() == ["Trainer", "DataLoader", "True"]


def test_validation_in_some_fits_only(tmp_path):
    path = tmp_path / "history.csv"
    trainer = make(callbacks=[CSVLogger(path)])
    trainer.fit(loader(), 2)
    trainer.fit(loader(), 3, [(X, Y)])
    trainer.fit(loader(), 4)
    assert {len(values) for values in trainer.history.values()} == {4}
    assert np.isnan(trainer.history["val_loss"]).tolist() == [True, True, False, True]
    assert len(path.read_text().splitlines()) == 5
    late = make(callbacks=[EarlyStopping()])
    late.fit(loader(), 1, [(X, Y)])
    with pytest.raises(KeyError, match="got 'val_loss'; give fit validation data"):
        late.fit(loader(), 9)


def test_a_state_is_a_copy_and_is_taken_whole_or_not_at_all():
    trainer = make()
    trainer.fit(loader(), 1)
    state, before = trainer.state_dict(), weights(trainer)
    trainer.fit(loader(), 3)
    trainer.load_state_dict(state)
    np.testing.assert_array_equal(weights(trainer), before)
    assert (trainer.epoch, len(trainer.history["loss"])) == (1, 1)

    scheduled = make(scheduler=lambda o: optim.lr_scheduler.StepLR(o, 2))
    untouched = weights(scheduled)
    with pytest.raises(ValueError, match="the state of one scheduler, got none"):
        scheduled.load_state_dict(state)
    with pytest.raises(ValueError, match="expected a trainer's state, which has model, optimizer"):
        scheduled.load_state_dict(network().state_dict())
    other = make()
    other.optimizer.add_param_group({"params": [nn.Parameter(np.zeros(2, np.float32))]})
    with pytest.raises(ValueError, match="expected groups of"):
        other.load_state_dict(state)
    np.testing.assert_array_equal(weights(other), untouched)
    seen = make()
    seen.fit(loader(), 1)
    with pytest.raises(ValueError, match="get_rng_state returned"):
        seen.load_state_dict({**state, "rng": {}})
    seen.fit(data.DataLoader(data.TensorDataset(X, Y), 20), 2)  # the refused state asks nothing of the next data


def test_saving_copies_no_state(tmp_path, monkeypatch):
    trainer = make()
    trainer.fit(loader(), 1)
    state = trainer.state_dict()

    def refuse(value):
        raise AssertionError("copied")

    monkeypatch.setattr(copy, "deepcopy", refuse)
    trainer.save(tmp_path / "state")
    monkeypatch.undo()
    later = make()
    later.load(tmp_path / "state")
    np.testing.assert_array_equal(weights(later), weights(trainer))
    assert later.state_dict()["optimizer"]["state"].keys() == state["optimizer"]["state"].keys()


def test_resuming_with_a_samplers_own_generator(tmp_path):
    def batches():
        sampler = data.WeightedRandomSampler(np.arange(1, 97), 60, rng=3)
        return data.DataLoader(data.TensorDataset(X, Y), 20, sampler=sampler, rng=4)

    whole = make()
    whole.fit(batches(), 4)
    part = make()
    part.fit(batches(), 2)
    part.save(tmp_path / "state")
    rest = make()
    rest.load(tmp_path / "state")
    rest.fit(batches(), 4)
    np.testing.assert_array_equal(weights(rest), weights(whole))


def test_predict_takes_tensors_and_refuses_datasets():
    trainer = make()
    np.testing.assert_array_equal(trainer.predict(fastnn.tensor(X)), trainer.predict(X))
    for call in (trainer.predict, trainer.evaluate, lambda samples: trainer.fit(samples, 1)):
        with pytest.raises(
            TypeError, match=r"Trainer\.\w+: expected batches, such as a DataLoader of this TensorDataset"
        ):
            call(data.TensorDataset(X, Y))


def test_empty_batches_are_passed_over():
    trainer, empty = make(), (X[:0], Y[:0])
    trainer.fit([empty, (X, Y), empty], 1)
    assert trainer.evaluate([(X, Y), empty]) == trainer.evaluate([(X, Y)])
    with pytest.raises(ValueError, match="at least one batch"):
        trainer.fit([empty], 2)


def test_names_and_norms_that_have_no_meaning():
    for name in ("loss", "lr", "val_accuracy"):
        with pytest.raises(ValueError, match=f"another name for a metric than '{name}'"):
            make(metrics={name: metrics.Accuracy()})
    for norm in (-1, float("nan")):
        with pytest.raises(ValueError, match="expected max_grad_norm in"):
            make(max_grad_norm=norm)


def test_strangers_among_metrics_and_callbacks():
    for options, match in (
        ({"metrics": ["accuracy"]}, "expected metrics by name"),
        ({"metrics": {"accuracy": metrics.TopKAccuracy}}, "expected a Metric, got <class"),
        ({"callbacks": [print]}, "expected a Callback, got <built-in"),
    ):
        with pytest.raises(TypeError, match=match):
            make(**options)


class Counted(metrics.Metric):
    """A value that is a NumPy scalar."""

    def reset(self):
        self.count = np.int64(0)

    def update(self, output, target):
        self.count += len(target)

    def compute(self):
        return self.count


def test_values_of_metrics_are_floats(tmp_path):
    trainer = make(metrics={"count": Counted()}, callbacks=[CSVLogger(tmp_path / "h.csv")])
    assert trainer.fit(loader(), 1)["count"] == [96.0]
    assert "count" in (tmp_path / "h.csv").read_text().splitlines()[0].split(",")
