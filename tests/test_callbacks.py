"""Each callback, and the order of events."""

import csv
import sys

import numpy as np
import pytest
from training import X, Y, loader, make, weights

import fastnn
from fastnn import data, metrics, nn, optim
from fastnn.training import Callback, CSVLogger, EarlyStopping, ModelCheckpoint, TensorBoard


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


def test_csv(tmp_path):
    trainer = make(callbacks=[CSVLogger(tmp_path / "history.csv")])
    history = trainer.fit(loader(), 3, [(X, Y)])
    with open(tmp_path / "history.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    np.testing.assert_allclose([float(row["val_loss"]) for row in rows], history["val_loss"], rtol=1e-8)


def test_progress_bar(capsys):
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
    epoch = ["on_epoch_start", "on_gradients", "on_batch_end", "on_epoch_end", "on_checkpoint"]
    assert log.seen == ["on_fit_start", *epoch, *epoch, "on_fit_end"]


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


def test_progress_without_a_length(capsys):
    pytest.importorskip("tqdm")

    class Order:
        def __iter__(self):
            return iter(range(96))

    make(progress=True).fit(data.DataLoader(data.TensorDataset(X, Y), 32, sampler=Order()), 1)
    assert "epoch 1/1" in capsys.readouterr().err


@pytest.mark.parametrize("monitor", ["val_loss", "loss", "score"])
def test_a_value_that_is_always_nan_is_never_the_best(tmp_path, monitor):
    class Nan(Callback):
        def on_epoch_end(self, trainer):
            trainer.logs[monitor] = float("nan")

    stopping = EarlyStopping(monitor, patience=3)
    best, last = ModelCheckpoint(tmp_path / "best", monitor), ModelCheckpoint(tmp_path / "last")
    trainer = make(callbacks=[Nan(), stopping, best, last])
    trainer.fit(loader(), 20)
    assert trainer.epoch == 3
    assert (stopping.best_epoch, stopping.best_weights) == (0, {})
    assert not (tmp_path / "best").exists()
    again = make(callbacks=[Nan(), EarlyStopping(monitor, patience=3)])
    again.load(tmp_path / "last")
    again.fit(loader(), 20)
    assert again.epoch == 3


def test_a_nan_among_values_is_passed_over(tmp_path):
    class Script(Callback):
        def on_epoch_end(self, trainer):
            trainer.logs["loss"] = [np.nan, 3.0, np.nan, 2.0, np.nan, np.nan][trainer.epoch - 1]

    stopping = EarlyStopping("loss", patience=2)
    trainer = make(callbacks=[Script(), stopping, ModelCheckpoint(tmp_path / "best", "loss")])
    trainer.fit(loader(), 20)
    assert trainer.epoch == 6
    assert (stopping.best, stopping.best_epoch) == (2.0, 4)
    assert fastnn.load(tmp_path / "best")["epoch"] == 4


def test_stopping_starts_to_wait_where_it_comes_in():
    trainer = make()
    trainer.fit(loader(), 5)
    later = make(callbacks=[EarlyStopping("loss", patience=3, min_delta=10.0)])
    later.load_state_dict(trainer.state_dict())
    later.fit(loader(), 20)
    assert later.epoch == 9


def test_weights_of_another_training_are_not_brought_back():
    class Fails(Callback):
        def on_fit_start(self, trainer):
            raise RuntimeError("start")

    stopping = EarlyStopping("loss")
    make(callbacks=[stopping]).fit(loader(), 2)
    trainer = make(callbacks=[Fails(), stopping])
    before = weights(trainer)
    with pytest.raises(RuntimeError, match="start"):
        trainer.fit(loader(), 2)
    np.testing.assert_array_equal(weights(trainer), before)


@pytest.mark.parametrize(
    "callback", [EarlyStopping(), EarlyStopping("acuracy"), ModelCheckpoint("best", "val_accuracy")]
)
def test_a_name_that_no_value_will_have_is_refused_at_once(callback, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trainer = make(callbacks=[callback])
    with pytest.raises(KeyError, match=f"one of loss, accuracy, lr, seconds, got '{callback.monitor}'"):
        trainer.fit(loader(), 3)
    assert trainer.step == 0
    assert not any(tmp_path.iterdir())


def test_what_cannot_be_monitored():
    trainer = make(metrics={"confusion": metrics.ConfusionMatrix(2)}, callbacks=[EarlyStopping("confusion")])
    with pytest.raises(TypeError, match=r"expected 'confusion' to be a number, got shape \(2, 2\)"):
        trainer.fit(loader(), 1)
    with pytest.raises(TypeError, match="expected monitor to be a name, got 5"):
        EarlyStopping(5)
    with pytest.raises(ValueError, match=r"EarlyStopping.load_state_dict: unexpected keys \['patient'\]"):
        EarlyStopping().load_state_dict({"patient": 3})


def method(name, *arguments):
    return type("Mine", (Callback,), {name: eval(f"lambda {', '.join(arguments)}: None")})


@pytest.mark.parametrize(
    ("name", "arguments", "match"),
    [
        ("on_epoch_ends", ("self", "trainer"), r"Mine.on_epoch_ends is called by no event; did you mean on_epoch_end\?"),
        ("on_train_begin", ("self", "logs"), "Mine.on_train_begin is called by no event; (did you mean|there are on_fit_start)"),
        ("on_epoch_end", ("self",), r"expected Mine.on_epoch_end\(self, trainer\), but too many positional arguments"),
        ("on_batch_end", ("self", "trainer"), r"expected Mine.on_batch_end\(self, trainer, logs\), but too many"),
        ("on_batch_end", ("self", "trainer", "batch", "logs"), "but missing a required argument: 'logs'"),
    ],
)  # fmt: skip
def test_a_method_that_would_not_be_called_is_refused(name, arguments, match):
    kind = method(name, *arguments)
    with pytest.raises(TypeError, match=match):
        make(callbacks=[kind()])
    trainer = make()
    trainer.callbacks.append(kind())
    before = weights(trainer)
    with pytest.raises(TypeError, match=match):
        trainer.fit(loader(), 1)
    np.testing.assert_array_equal(weights(trainer), before)


def test_methods_of_other_names_and_forms_are_the_users():
    class Fine(Callback):
        def once(self):
            """Not an event."""

        def on_batch_end(self, *arguments, **options):
            self.count = len(arguments)

        @staticmethod
        def on_epoch_end(trainer):
            pass

    fine = Fine()
    make(callbacks=[fine]).fit(loader(), 1)
    assert fine.count == 2


def test_gradients_can_be_changed_before_they_are_clipped():
    class Double(Callback):
        norms = ()

        def on_gradients(self, trainer):
            for parameter in trainer.model.parameters():
                parameter.grad = parameter.grad * 2

        def on_batch_end(self, trainer, logs):
            self.norms += (nn.utils.get_total_norm([p.grad for p in trainer.model.parameters()]),)

    def step(callbacks, **options):
        trainer = make(callbacks=callbacks, **options)
        trainer.optimizer = optim.SGD(trainer.model.parameters(), 0.1)
        before = trainer.model[4].weight.data.copy()
        trainer.fit([(X, Y)], 1)
        return trainer.model[4].weight.data - before

    np.testing.assert_allclose(step([Double()]), 2 * step([]), rtol=1e-4, atol=1e-7)
    double = Double()
    step([double], max_grad_norm=0.01)
    np.testing.assert_allclose(double.norms, 0.01, rtol=1e-3)


def test_what_cannot_be_written_shows_at_once(tmp_path):
    for kind in (CSVLogger, ModelCheckpoint):
        trainer = make(callbacks=[kind(tmp_path)])
        with pytest.raises(
            IsADirectoryError, match=f"{kind.__name__}: expected the path of a file, got that of a folder"
        ):
            trainer.fit(loader(), 1)
        (tmp_path / "file").write_text("")
        trainer = make(callbacks=[kind(tmp_path / "file" / "name")])
        with pytest.raises(OSError, match="file"):
            trainer.fit(loader(), 1)
        assert trainer.step == 0
        with pytest.raises(TypeError, match=f"{kind.__name__}: expected the path of a file, got a int"):
            kind(3)


def test_the_log_makes_its_folder(tmp_path):
    make(callbacks=[CSVLogger(tmp_path / "a" / "b" / "history.csv")]).fit(loader(), 1)
    assert len((tmp_path / "a" / "b" / "history.csv").read_text().splitlines()) == 2


def lines_of(capsys):
    return [line for line in capsys.readouterr().err.splitlines() if line]


def test_a_line_for_each_epoch_where_there_is_no_terminal(capsys):
    pytest.importorskip("tqdm")
    make(progress=True).fit(loader(), 3, [(X, Y)])
    text = capsys.readouterr().err
    assert "\r" not in text
    lines = text.splitlines()
    assert [line.split(":")[0] for line in lines] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert all("100%" in line and "5/5" in line and "val_loss=" in line for line in lines)


def test_many_epochs_are_a_hundred_lines(capsys):
    pytest.importorskip("tqdm")

    class Stop(Callback):
        def on_epoch_end(self, trainer):
            trainer.stop = trainer.epoch == 203

    make(progress=True).fit([(X, Y)], 250)
    lines = lines_of(capsys)
    assert len(lines) == 84
    assert lines[-1].startswith("epoch 250/250")
    make(progress=True, callbacks=[Stop()]).fit([(X, Y)], 250)
    lines = lines_of(capsys)
    assert lines[-2].startswith("epoch 201/250")
    assert lines[-1].startswith("epoch 203/250")


def test_a_terminal_has_a_bar_that_moves(capsys, monkeypatch):
    pytest.importorskip("tqdm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    make(progress=True).fit(loader(), 1)
    assert "epoch 1/1:   0%" in capsys.readouterr().err


def test_a_state_of_another_value_is_refused(tmp_path):
    trainer = make(callbacks=[EarlyStopping("loss"), ModelCheckpoint(tmp_path / "last")])
    trainer.fit(loader(), 1)
    other = make(callbacks=[EarlyStopping("accuracy")])
    with pytest.raises(
        ValueError, match="expected the state of one that monitors 'accuracy', got that of one for 'loss'"
    ):
        other.load(tmp_path / "last")
    assert (other.epoch, other.callbacks[0].best_epoch) == (0, 0)


def test_two_callbacks_for_one_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"a file for each callback, got .*last for ModelCheckpoint and CSVLogger"):
        make(callbacks=[ModelCheckpoint("last"), CSVLogger(tmp_path / "last")])


def test_evaluating_in_the_middle_of_an_epoch_leaves_its_metrics():
    class Evaluate(Callback):
        def on_gradients(self, trainer):
            trainer.evaluate([(X[:7], 1 - Y[:7])])

        on_epoch_start = on_gradients

        def on_batch_end(self, trainer, logs):
            self.on_gradients(trainer)

    usual = make().fit(loader(), 2)
    asked = make(callbacks=[Evaluate()]).fit(loader(), 2)
    assert asked["accuracy"] == usual["accuracy"]


def test_a_notebook_has_a_bar_that_moves(capsys, monkeypatch):
    tqdm = pytest.importorskip("tqdm")
    trainer = make(progress=True)
    trainer.callbacks[0].tqdm = type("tqdm_notebook", (tqdm.tqdm,), {})
    trainer.fit(loader(), 1)
    assert "\repoch 1/1: 100%" in capsys.readouterr().err
