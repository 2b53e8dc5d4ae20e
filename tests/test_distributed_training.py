"""Trainer with a group: joined decisions, callbacks on the first worker, going on with another number of workers."""

import hashlib

import numpy as np
import pytest
from shards import loader, on_workers

import fastnn
from fastnn import distributed, metrics, nn, optim, training


class Seen(training.Callback):
    """Counts events; evaluates in the middle of an epoch, which only its own worker does."""

    def __init__(self, data):
        self.data, self.epochs, self.losses = data, 0, []

    def on_epoch_end(self, trainer):
        self.epochs += 1

    def on_batch_end(self, trainer, logs):
        if trainer.step == 3:
            self.losses.append(trainer.evaluate(self.data)["loss"])


def make(group, folder, callbacks=()):
    fastnn.manual_seed(5)
    model = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 2))
    optimizer = optim.AdamW(model.parameters(), 0.02)
    return training.Trainer(
        model,
        nn.CrossEntropyLoss(),
        optimizer,
        metrics={"accuracy": metrics.Accuracy(), "confusion": metrics.ConfusionMatrix(2)},
        scheduler=optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, factor=0.5),
        max_grad_norm=0.5,
        callbacks=[
            training.EarlyStopping(patience=3, min_delta=0.02),
            training.ModelCheckpoint(folder / "checkpoint.safetensors"),
            training.CSVLogger(folder / f"history{0 if group is None else group.rank}.csv"),
            *callbacks,
        ],
        progress=False,
        group=group,
    )


def fitted(engine, folder, epochs=12, resume=False):
    """A job: the hash of the weights, the history without times, and what the callback saw."""
    group = engine if engine is None else distributed.Group(engine, 8)
    data, validation = loader(), loader(70)
    seen = Seen(loader(70))  # of an order of its own
    trainer = make(group, folder, [seen])
    if resume:
        trainer.load(folder / "checkpoint.safetensors")
    history = trainer.fit(data, epochs, validation)
    weights = hashlib.sha256(b"".join(each.tobytes() for each in trainer.model.state_dict().values())).hexdigest()
    history = {name: np.asarray(values).tolist() for name, values in history.items() if name != "seconds"}
    return weights, history, seen.epochs, seen.losses


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return fitted(distributed._engine.Alone(), tmp_path_factory.mktemp("alone"))


@pytest.mark.parametrize("workers", [2, 4])
def test_workers_decide_alike_and_the_first_one_writes(alone, workers, tmp_path):
    found = on_workers(workers, fitted, tmp_path)
    assert found[0] == alone
    for each in found[1:]:
        assert each[:2] == alone[:2]
        assert each[2:] == (0, [])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint.safetensors", "history0.csv"]
    assert len(set(alone[1]["lr"])) > 1  # the plateau was met
    assert len(alone[3]) == 1


def test_values_are_those_of_whole_batches(alone, tmp_path):
    """Metrics count every sample once; losses are those of a trainer without a group, but for rounding."""
    _, history, _, _ = fitted(None, tmp_path)
    np.testing.assert_allclose(alone[1]["loss"][:3], history["loss"][:3], rtol=1e-4)
    assert np.sum(alone[1]["confusion"][0]) == 200
    assert np.sum(alone[1]["val_confusion"][0]) == 70


def test_going_on_with_other_workers(alone, tmp_path):
    on_workers(4, fitted, tmp_path, 2)
    assert on_workers(2, fitted, tmp_path, 12, True)[1][:2] == alone[:2]


def unlike(engine, what):
    """A job whose worker 1 has something else; what both say."""
    group, other = distributed.Group(engine, 8), engine.rank == 1
    fastnn.manual_seed(5)
    model = nn.Linear(6, 2)
    optimizer = optim.SGD(model.parameters(), 0.2 if other and what == "lr" else 0.1)
    norm = 2.0 if other and what == "norm" else None
    trainer = training.Trainer(model, nn.CrossEntropyLoss(), optimizer, max_grad_norm=norm, progress=False, group=group)
    data = loader(100 if other and what == "length" else 200)
    if other and what == "order":
        next(iter(data))
    epochs = 3 if other and what == "epochs" else 2
    before = {name: array.copy() for name, array in model.state_dict().items()}
    try:
        trainer.fit(data, epochs)
    except ValueError as error:
        assert all((array == before[name]).all() for name, array in model.state_dict().items())
        return str(error)
    return "trained"


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("nothing", "trained"),
        ("lr", "the same optimizer on all 2 workers, got SGD"),
        ("norm", "the same max_grad_norm on all 2 workers, got None on worker 0 and 2.0 on worker 1"),
        ("length", "the same data on all 2 workers, got 7 batches"),
        ("order", "the same data on all 2 workers, got 7 batches"),
        ("epochs", "the same epochs on all 2 workers, got 0 of 2 on worker 0 and 0 of 3 on worker 1"),
    ],
)
def test_what_differs_is_refused_before_the_first_step(what, said):
    found = on_workers(2, unlike, what)
    assert found[0] == found[1]
    assert said in found[0]
    assert found[0] == "trained" or found[0].startswith("Trainer.fit: expected ")


class Meddling(training.Callback):
    """Changes a weight of one worker."""

    def on_epoch_end(self, trainer):
        trainer.model[0].weight.data[0, 0] += 1


def meddled(engine, folder):
    trainer = make(distributed.Group(engine, 8), folder, [Meddling()])
    try:
        trainer.fit(loader(), 2, loader(70))
    except ValueError as error:
        return str(error)
    return "trained"


def test_weights_that_a_callback_changes_on_one_worker(tmp_path):
    found = on_workers(2, meddled, tmp_path)
    assert found[0] == found[1]
    assert "expected the same weights on all 2 workers" in found[0]


def not_finite(engine):
    group = distributed.Group(engine, 4)
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    model[0].weight.data[...], model[2].weight.data[...] = 1, 1
    trainer = training.Trainer(model, nn.MSELoss(), optim.SGD(model.parameters(), 0.1), progress=False, group=group)
    x, y = np.ones((8, 2), np.float32), np.zeros((8, 1), np.float32)
    x[7] = np.inf
    before = {name: array.copy() for name, array in model.state_dict().items()}
    try:
        trainer.fit([(x, y)], 1)
    except FloatingPointError as error:
        assert all((array == before[name]).all() for name, array in model.state_dict().items())
        return str(error)
    return "trained"


def test_a_loss_that_is_not_finite_stops_all():
    fastnn.manual_seed(0)
    found = on_workers(2, not_finite_seeded)
    assert found[0] == found[1]
    assert found[0].startswith("the loss is nan in epoch 1, batch 1")


def not_finite_seeded(engine):
    fastnn.manual_seed(0)
    return not_finite(engine)


def test_what_is_no_group():
    model = nn.Linear(1, 1)
    with pytest.raises(
        TypeError, match=r"Trainer: expected group to be one of fastnn.distributed.local or mpi, got a int"
    ):
        training.Trainer(model, nn.MSELoss(), optim.SGD(model.parameters(), 0.1), progress=False, group=3)
    with pytest.raises(ValueError, match="Trainer: expected compile=True or a group, got both"):
        training.Trainer(
            model,
            nn.MSELoss(),
            optim.SGD(model.parameters(), 0.1),
            progress=False,
            compile=True,
            group=distributed.local(),
        )
