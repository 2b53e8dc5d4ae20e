"""The trainer: its loop against one written out, resuming, stopping, and each callback."""

import copy
import csv
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from scripts import python

import fastnn
from fastnn import data, metrics, nn, optim
from fastnn.training import Callback, CSVLogger, EarlyStopping, ModelCheckpoint, TensorBoard, Trainer

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


def test_early_stopping_waits_and_restores():
    class Script(Callback):
        """Gives the history values of its own, and each epoch weights of its own."""

        def on_epoch_end(self, trainer):
            trainer.logs["loss"] = [3.0, 2.0, 1.0, 1.5, 0.99, 1.2, 1.1, 0.98][trainer.epoch - 1]
            trainer.model[0].bias.data[...] = trainer.epoch

    stopping = EarlyStopping("loss", patience=3, min_delta=0.05)
    trainer = make(callbacks=[Script(), stopping])
    trainer.fit(loader(), 100)
    assert trainer.epoch == 6
    assert (stopping.best, stopping.best_epoch) == (1.0, 3)
    assert (trainer.model[0].bias.data == 3).all()
    stays = make(callbacks=[Script(), EarlyStopping("loss", patience=1, restore_best=False)])
    stays.fit(loader(), 100)
    assert (stays.model[0].bias.data == 4).all()


def test_best_checkpoint(tmp_path):
    path = tmp_path / "best.safetensors"
    trainer = make(callbacks=[ModelCheckpoint(path, "accuracy")])
    trainer.fit(loader(), 8)
    best = int(np.argmax(trainer.history["accuracy"])) + 1
    assert fastnn.load(path)["epoch"] == best
    alone = make(progress=False)
    alone.load(path)
    assert alone.epoch == best


def test_schedulers_by_batch():
    trainer = make(scheduler=lambda o: optim.lr_scheduler.OneCycleLR(o, 0.1, total_steps=20))
    trainer.fit(loader(), 4)
    with pytest.raises(ValueError, match="expected at most 20 steps"):
        trainer.fit(loader(), 5)


def test_csv(tmp_path):
    trainer = make(callbacks=[CSVLogger(tmp_path / "history.csv")])
    history = trainer.fit(loader(), 3, [(X, Y)])
    with open(tmp_path / "history.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    np.testing.assert_allclose([float(row["val_loss"]) for row in rows], history["val_loss"], rtol=1e-8)


def test_tensorboard(tmp_path):
    pytest.importorskip("tensorboardX")
    from tensorboardX.proto.event_pb2 import Event

    images = RNG.random((4, 3, 8, 8)).astype(np.float32)
    trainer = make(callbacks=[TensorBoard(tmp_path / "runs", images=images)])
    history = trainer.fit(loader(), 2, [(X, Y)])
    (file,) = Path(tmp_path / "runs").glob("events*")
    raw, at, values = file.read_bytes(), 0, {}
    while at < len(raw):  # records: length, its checksum, data, its checksum
        size = int.from_bytes(raw[at : at + 8], "little")
        event = Event.FromString(raw[at + 12 : at + 12 + size])
        at += size + 16
        for value in event.summary.value:
            values.setdefault(value.tag, []).append((event.step, value))
    assert [step for step, _ in values["loss/training"]] == [1, 2]
    np.testing.assert_allclose([v.simple_value for _, v in values["loss/validation"]], history["val_loss"], rtol=1e-6)
    assert values["parameters/0.weight"][0][1].histo.num == 96
    assert "gradients/4.bias" in values
    assert values["images"][0][1].image.height >= 8
    assert b"BatchNorm1d" in values["model/text_summary"][0][1].tensor.string_val[0]
    assert {"lr", "seconds", "accuracy/training"} <= set(values)


def test_progress_bar(capsys):
    pytest.importorskip("tqdm")
    make(progress=True).fit(loader(), 2, [(X, Y)])
    shown = capsys.readouterr().err
    assert "epoch 2/2: 100%" in shown
    assert "val_accuracy=" in shown


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with pytest.raises(ModuleNotFoundError, match=r"progress=False\) needs tqdm: pip install tqdm$"):
        make(progress=True)
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ModuleNotFoundError, match=r"TensorBoard needs tensorboardX: pip install tensorboardX$"):
        TensorBoard()


def test_events_come_in_order():
    class Log(Callback):
        def __init__(self):
            self.seen = []

        def __getattribute__(self, name):
            if name.startswith("on_"):
                object.__getattribute__(self, "seen").append(name)
            return object.__getattribute__(self, name)

    log = Log()
    make(callbacks=[log]).fit([(X, Y)], 2)
    epoch = ["on_epoch_start", "on_batch_end", "on_epoch_end", "on_checkpoint"]
    assert log.seen == ["on_fit_start", *epoch, *epoch, "on_fit_end"]


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


def test_early_stopping_forgets_another_training():
    stopping = EarlyStopping("loss", patience=2)
    make(callbacks=[stopping]).fit(loader(), 6)
    second = make(callbacks=[stopping])
    second.fit(loader(3), 6)
    alone = make(callbacks=[EarlyStopping("loss", patience=2)])
    alone.fit(loader(3), 6)
    np.testing.assert_array_equal(weights(second), weights(alone))
    assert second.history["loss"] == alone.history["loss"]


def test_a_training_that_was_stopped_early_stays_so(tmp_path):
    def trainer():
        stopping = EarlyStopping("loss", patience=1, min_delta=10.0)  # never better by that much
        return make(callbacks=[ModelCheckpoint(tmp_path / "last"), stopping])

    first, again = trainer(), trainer()
    first.fit(loader(), 9)
    again.load(tmp_path / "last")
    again.fit(loader(), 9)
    assert first.epoch == again.epoch == 2


def test_checkpoints_hold_what_all_callbacks_know(tmp_path):
    names = ["a", "b"]
    trainer = make(callbacks=[ModelCheckpoint(tmp_path / name, "loss") for name in names])
    trainer.fit(loader(), 4)
    for name in names:
        saved = fastnn.load(tmp_path / name)
        assert [each["best_epoch"] for each in saved["callbacks"].values()] == [saved["epoch"]] * 2


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


def test_checkpoints_make_their_folder(tmp_path):
    make(callbacks=[ModelCheckpoint(tmp_path / "a" / "b" / "last")]).fit(loader(), 1)
    assert (tmp_path / "a" / "b" / "last").exists()


def test_every_callback_sees_the_end():
    seen = []

    class Fails(Callback):
        def on_fit_start(self, trainer):
            raise RuntimeError("start")

        def on_fit_end(self, trainer):
            seen.append("fails")
            raise OSError("end")

    class Watches(Callback):
        def on_fit_end(self, trainer):
            seen.append("watches")

    with pytest.raises(OSError, match="end"):
        make(callbacks=[Fails(), Watches()]).fit(loader(), 1)
    assert seen == ["fails", "watches"]


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


def test_tensorboard_of_an_empty_parameter_and_odd_images(tmp_path):
    pytest.importorskip("tensorboardX")
    trainer = make(callbacks=[TensorBoard(tmp_path)])
    trainer.model.empty = nn.Parameter(np.zeros((0, 3), np.float32))
    trainer.fit(loader(), 1)
    for shape in ((2, 5, 5, 5), (0, 3, 4, 4), (3, 4, 4)):
        with pytest.raises(ValueError, match="expected images"):
            TensorBoard(tmp_path, images=np.zeros(shape))


def test_progress_without_a_length(capsys):
    pytest.importorskip("tqdm")

    class Order:
        def __iter__(self):
            return iter(range(96))

    make(progress=True).fit(data.DataLoader(data.TensorDataset(X, Y), 32, sampler=Order()), 1)
    assert "epoch 1/1" in capsys.readouterr().err
