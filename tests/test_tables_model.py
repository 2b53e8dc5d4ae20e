"""Models of tables: what they learn, their files, reports, intervals, trials; the same bits from anywhere."""

import json

import numpy as np
import pytest

pytest.importorskip("pandas")
pytest.importorskip("pyarrow")
import pandas as pd

import fastnn
from fastnn import tables
from fastnn.tables import _heads, _scores, _store
from fastnn.tables._network import Periodic, Piecewise, TableNetwork

SMALL = {"epochs": 4, "layers": (16, 16), "batch_size": 64}


def people(n=600, seed=0):
    """Numbers with gaps, categories, a date, yes and no; targets that follow from them."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "name": [f"customer {i}" for i in range(n)],
            "age": rng.integers(18, 90, n).astype(float),
            "income": rng.lognormal(8, 1, n),
            "city": rng.choice(["Rome", "Oslo", "Bern", "Paris"], n),
            "joined": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 1500, n), unit="D"),
            "member": rng.choice(["yes", "no"], n),
        }
    )
    value = (frame.age > 50) + np.log(frame.income) - 8 + 2 * (frame.city == "Oslo") + rng.normal(0, 0.2, n)
    frame.loc[rng.random(n) < 0.1, "age"] = np.nan
    frame.loc[rng.random(n) < 0.1, "city"] = None
    return frame, value


@pytest.fixture(scope="module")
def classes():
    frame, value = people()
    return frame.assign(kind=np.select([value > 1.5, value < 0], ["high", "low"], "middle"))


@pytest.fixture(scope="module")
def of_classes(classes):
    return tables.fit(classes, "kind", epochs=15)


def test_classes(classes, of_classes):
    model, (new, _) = of_classes, people(200, 1)
    assert model.schema.classes == ["high", "low", "middle"]
    assert np.mean(model.predict(classes) == classes.kind) > 0.75
    probability = model.predict_proba(new)
    np.testing.assert_allclose(probability.sum(1), 1, rtol=1e-12)
    np.testing.assert_array_equal(np.array(model.schema.classes)[probability.argmax(1)], model.predict(new))
    assert model.interval(new) is None
    assert len(model.history["val_loss"]) == len(model.history["loss"]) <= 15
    with pytest.raises(ValueError, match="quantile"):
        model.predict_quantiles(new)


@pytest.mark.parametrize(
    "options", [{"embedding": "piecewise"}, {"embedding": "none", "scale": "standard"}, {"norm": "layer"}]
)
def test_options_learn(classes, options):
    model = tables.fit(classes, "kind", epochs=10, dropout=0.1, **options)
    assert np.mean(model.predict(classes) == classes.kind) > 0.75


@pytest.mark.parametrize("loss", ["mse", "huber", "quantile"])
def test_numbers(loss):
    frame, value = people(800)
    model = tables.fit(frame.assign(value=1000 + 50 * value), "value", epochs=15, loss=loss)
    new, truth = people(400, 1)
    truth = 1000 + 50 * truth.to_numpy()
    guess = model.predict(new)
    assert 1 - np.mean((guess - truth) ** 2) / truth.var() > 0.7
    low, high = model.interval(new, 0.8)
    assert 0.65 < np.mean((low <= truth) & (truth <= high)) < 0.95
    narrow = model.interval(new, 0.5)
    assert (low <= narrow[0]).all()
    assert (narrow[1] <= high).all()
    if loss == "quantile":
        quantiles = model.predict_quantiles(new)
        assert (np.diff(quantiles, axis=1) >= 0).all()
        np.testing.assert_array_equal(quantiles[:, 1], guess)
        assert np.mean(truth <= quantiles[:, 0]) < 0.25 < 0.75 < np.mean(truth <= quantiles[:, 2])
    with pytest.raises(ValueError, match="model of classes"):
        model.predict_proba(new)


def test_counts_by_the_poisson_loss():
    frame, value = people(800)
    counts = np.random.default_rng(2).poisson(np.exp(value / 2))
    options = {"task": "regression", "loss": "poisson", "epochs": 15}
    model = tables.fit(frame.assign(count=counts), "count", **options)
    guess = model.predict(frame)
    assert (guess > 0).all()
    assert np.corrcoef(guess, np.exp(value / 2))[0, 1] > 0.7
    assert "Poisson deviance" in model.evaluate(frame.assign(count=counts), importance=False).figures
    with pytest.raises(ValueError, match="at least 0 for loss='poisson', got -3"):
        tables.fit(frame.assign(count=counts - 3), "count", **options)


def test_several_labels():
    frame, value = people(600)
    labels = frame.assign(rich=np.where(value > 1, "yes", "no"), old=np.where(frame.age > 50, "yes", "no"))
    model = tables.fit(labels, ["rich", "old"], epochs=15)
    found = model.predict(labels)
    assert np.mean(found == np.stack([value > 1, frame.age > 50], 1)) > 0.85
    assert model.predict_proba(labels).shape == (600, 2)
    report = model.evaluate(labels, importance=False)
    assert [each["class"] for each in report.classes] == ["rich", "old"]
    assert report.figures["accuracy"] == pytest.approx(np.mean(found == (labels[["rich", "old"]] == "yes").to_numpy()))


def test_the_same_bits_for_any_threads_and_from_a_file(classes, tmp_path, monkeypatch):
    before = fastnn.get_rng_state()
    probabilities = []
    for count in (1, 2):
        with fastnn.threads(count):
            probabilities.append(tables.fit(classes, "kind", seed=5, **SMALL).predict_proba(classes))
    path = tmp_path / "people.parquet"
    classes.to_parquet(path)
    monkeypatch.setattr(_store, "IN_MEMORY", 0)  # rows go to a temporary file
    probabilities.append(tables.fit(path, "kind", seed=5, **SMALL).predict_proba(classes))
    for other in probabilities[1:]:
        np.testing.assert_array_equal(probabilities[0], other)
    assert not np.array_equal(probabilities[0], tables.fit(classes, "kind", seed=6, **SMALL).predict_proba(classes))
    assert fastnn.get_rng_state() == before


def test_rows_do_not_depend_on_each_other(classes, of_classes):
    whole = of_classes.predict_proba(classes)
    np.testing.assert_array_equal(whole[100:103], of_classes.predict_proba(classes.iloc[100:103]))
    shuffled = classes.iloc[::-1][classes.columns[::-1]]
    np.testing.assert_array_equal(whole[::-1], of_classes.predict_proba(shuffled))


def test_weights():
    """Rows of weight 0 say nothing; weights of classes shift what is predicted."""
    frame, value = people(400)
    frame = frame.assign(kind=np.where(value > 0.8, "a", "b"), w=1.0)
    wrong = frame.assign(kind=np.where(value > 0.8, "b", "a"), w=0.0)
    both = pd.concat([frame, wrong, wrong])
    options = {"roles": {"w": "weight"}, "epochs": 15, "layers": (64, 64), "dropout": 0.0}
    model = tables.fit(both, "kind", **options)
    assert np.mean(model.predict(frame) == frame.kind) > 0.75
    shares = [
        np.mean(tables.fit(frame, "kind", class_weight=weight, **options).predict(frame) == "a")
        for weight in ({"a": 20.0}, {"b": 20.0})
    ]
    assert shares[0] > shares[1] + 0.1
    with pytest.raises(ValueError, match="class_weight of a, b; got c"):
        tables.fit(frame, "kind", class_weight={"c": 2.0})
    tables.fit(frame, "kind", class_weight="balanced", **SMALL)


def test_groups_are_held_out_together():
    frame, value = people(400)
    frame = frame.assign(value=value, team=np.arange(400) // 20)
    seen = []

    class Look(fastnn.training.Callback):
        def on_fit_start(self, trainer):
            seen.extend([trainer.data.store.rows, trainer.validation.store.rows])

    tables.fit(frame, "value", roles={"team": "group"}, callbacks=[Look()], **SMALL)
    assert all(rows and rows % 20 == 0 for rows in seen)
    assert sum(seen) == 400


def test_a_file_holds_it_all(classes, of_classes, tmp_path):
    path = tmp_path / "model.safetensors"
    of_classes.save(path)
    assert tables.is_model(path)
    model = tables.load(path)
    new, _ = people(50, 3)
    np.testing.assert_array_equal(model.predict_proba(new), of_classes.predict_proba(new))
    assert model.history == of_classes.history
    assert model.options == of_classes.options
    assert model.schema == of_classes.schema
    assert model.evaluate(classes).text() == of_classes.evaluate(classes).text()
    plain = tmp_path / "weights.safetensors"
    fastnn.save({"weight": np.ones(3)}, plain)
    assert not tables.is_model(plain)
    with pytest.raises(ValueError, match=r"expected a file that TableModel\.save wrote"):
        tables.load(plain)


def changed(parts, *keys, to):
    for key in keys[:-1]:
        parts = parts[key]
    parts[keys[-1]] = to


def test_hostile_files_are_value_errors(of_classes, tmp_path):
    path = tmp_path / "model.safetensors"
    of_classes.save(path)
    content = fastnn.load(path)
    faults = [
        (("options", "layers"), [10**9, 10**9]),
        (("options", "layers"), 3),
        (("options", "norm"), "x"),
        (("options", "unknown"), 1),
        (("head",), "nothing"),
        (("head",), "mse"),
        (("head",), ["classes"]),
        (("target", "width"), 10**9),
        (("target", "std"), [0.0, 0.0, 0.0]),
        (("target", "mean"), "abc"),
        (("target", "mean"), [float("nan")] * 3),
        (("errors",), [1.0, 2.0]),
        (("history",), {"loss": "x"}),
        (("history",), []),
        (("encoder",), {}),
        (("encoder", "schema", "classes"), ["a"]),
        (("encoder", "schema", "classes"), 7),
        (("encoder", "parts"), []),
        (("encoder", "parts", 0), 3),
    ]
    for keys, value in faults:
        parts = json.loads(content["parts"])
        changed(parts, *keys, to=value)
        fastnn.save({**content, "parts": json.dumps(parts)}, path)
        with pytest.raises(ValueError, match="damaged"):
            tables.load(path)
    for other in (
        {**content, "parts": "{"},
        {**content, "parts": "[]"},
        {**content, "model": {}},
        {"format": content["format"]},
    ):
        fastnn.save(other, path)
        with pytest.raises(ValueError, match="damaged"):
            tables.load(path)
    weights = {**content["model"], "head.bias": np.full_like(content["model"]["head.bias"], np.nan)}
    fastnn.save({**content, "model": weights}, path)
    with pytest.raises(ValueError, match="finite"):
        tables.load(path)
    of_classes.save(path)
    data = path.read_bytes()
    for cut in (0, 7, 100, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:cut])
        with pytest.raises(ValueError):  # noqa: PT011  the file's own reader has several
            tables.load(path)
    path.write_bytes(b"\xff" * 64)
    assert not tables.is_model(path)


def test_a_report_of_classes(classes, of_classes, tmp_path):
    metrics = pytest.importorskip("sklearn.metrics")
    report = of_classes.evaluate(classes)
    truth, probability = classes.kind.to_numpy(), of_classes.predict_proba(classes)
    guess = of_classes.predict(classes)
    expected = {
        "accuracy": metrics.accuracy_score(truth, guess),
        "log loss": metrics.log_loss(truth, probability),
        "ROC AUC": metrics.roc_auc_score(truth, probability, multi_class="ovr"),
        "Brier score": np.mean(((truth[:, None] == np.array(of_classes.schema.classes)) - probability) ** 2) * 3,
    }
    for name, value in expected.items():
        assert report.figures[name] == pytest.approx(value, rel=1e-9), name
    table = metrics.classification_report(truth, guess, output_dict=True)
    for line in report.classes:
        for ours, theirs in (("precision", "precision"), ("recall", "recall"), ("f1", "f1-score"), ("rows", "support")):
            assert line[ours] == pytest.approx(table[line["class"]][theirs])
        area = metrics.average_precision_score(
            truth == line["class"], probability[:, of_classes.schema.classes.index(line["class"])]
        )
        assert line["average precision"] == pytest.approx(area)
    np.testing.assert_array_equal(report.confusion, metrics.confusion_matrix(truth, guess))
    assert sum(each["rows"] for each in report.calibration) == len(classes)
    worth = {each["column"]: each["mean"] for each in report.importance}
    assert set(worth) == {"age", "income", "city", "joined", "member"}
    assert next(iter(worth)) == "income"
    assert worth["income"] > 5 * abs(worth["member"])
    text = report.text()
    assert str(report) == text
    assert "average precision" in text
    assert "income" in text
    assert json.loads(json.dumps(report.to_dict()))["rows"] == 600
    with pytest.raises(ValueError, match="kind"):
        of_classes.evaluate(classes.drop(columns="kind"))
    pytest.importorskip("matplotlib")
    names = report.save_pictures(tmp_path / "pictures")
    assert names == ["roc.png", "pr.png", "confusion.png", "calibration.png", "importance.png"]
    for name in names:
        assert (tmp_path / "pictures" / name).read_bytes().startswith(b"\x89PNG")


def test_a_report_of_numbers(tmp_path):
    frame, value = people(300)
    frame = frame.assign(value=value)
    report = tables.fit(frame, "value", loss="quantile", **SMALL).evaluate(frame)
    assert {"RMSE", "MAE", "R2", "pinball loss 0.5", "share below 0.95", "within the interval of 90 %"} <= set(
        report.figures
    )
    shares = [each["share"] for each in report.calibration]
    assert shares == sorted(shares)
    pytest.importorskip("matplotlib")
    assert report.save_pictures(tmp_path) == ["calibration.png", "predictions.png", "importance.png"]


def test_figures_of_merit():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    truth, weight = rng.random(200) < 0.3, rng.random(200)
    score = np.round(truth * 0.3 + rng.random(200), 1)  # with many that are equal
    _, _, area, precision = _scores.curves(truth, score, weight)
    assert area == pytest.approx(metrics.roc_auc_score(truth, score, sample_weight=weight))
    assert precision == pytest.approx(metrics.average_precision_score(truth, score, sample_weight=weight))
    assert np.isnan(_scores.curves(truth & False, score, weight)[2])
    y, guess = rng.poisson(2, 200).astype(float), rng.random(200) + 0.1
    assert _scores.poisson_deviance(guess, y, weight) == pytest.approx(
        metrics.mean_poisson_deviance(y, guess, sample_weight=weight)
    )
    assert _scores.pinball(guess, y, 0.2, weight) == pytest.approx(
        metrics.mean_pinball_loss(y, guess, alpha=0.2, sample_weight=weight)
    )
    assert _scores.of_numbers(guess, y, weight)["R2"] == pytest.approx(metrics.r2_score(y, guess, sample_weight=weight))


def test_drift(of_classes):
    new, _ = people(300, 5)
    new["city"] = new.city.where(np.arange(300) % 2 == 0, "Atlantis")
    new.loc[:29, "income"] = 1e9
    new.loc[:59, "age"] = np.nan
    found = {each["column"]: each for each in of_classes.drift(new).report()}
    assert found["city"]["unseen"] == pytest.approx(0.5)
    assert found["income"]["outside"] >= 0.1
    assert found["age"]["missing"] >= 0.2 > found["age"]["missing_training"]
    assert np.isfinite(of_classes.predict_proba(new)).all()


def test_losses_of_heads():
    rng = np.random.default_rng(0)
    output, y = rng.normal(size=(5, 3)).astype(np.float32), rng.normal(size=5)
    target = _heads.Target(1, [0.5], [2.0], [0.1, 0.5, 0.9])
    d = (y[:, None] - 0.5) / 2 - output
    q = np.array(target.quantiles)
    found = _heads.Criterion(_heads.HEADS["quantile"], target)(output, (y, np.ones(5, np.float32)))
    assert float(found) == pytest.approx(np.maximum(q * d, (q - 1) * d).mean(), rel=1e-5)
    weight = np.array([1, 0, 2, 0, 1], np.float32)
    head, one = _heads.HEADS["mse"], output[:, :1]
    found = _heads.Criterion(head, target)(one, (y, weight))
    squares = ((y - 0.5) / 2 - one[:, 0]) ** 2
    assert float(found) == pytest.approx(np.average(squares, weights=weight), rel=1e-5)
    np.testing.assert_allclose(head.linked(one.astype(float), target), one * 2 + 0.5, rtol=1e-6)


def test_embeddings_of_numbers():
    x = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    layer = Piecewise(2)
    edges = np.stack([np.linspace(-2, 2, 17), np.r_[np.zeros(9), np.linspace(0.1, 1, 8)]], 1).astype(np.float32)
    layer.set_edges(edges)
    code = layer(x).reshape(50, 2, 16)
    inside = np.clip((x[:, :1] + 2) / 0.25 - np.arange(16), 0, 1)
    np.testing.assert_allclose(code[:, 0, 1:15], inside[:, 1:15], atol=1e-5)
    assert (code[:, 1, 8:] == 0).all()  # eight edges that are all the same have no bins
    waves = Periodic(2)
    y = waves(x)
    assert y.shape == (50, waves.width)
    y.sum().backward()
    assert all(each.grad is not None for each in waves.parameters())


def test_unused_codes_get_the_mean():
    options = {"embedding": "none", "layers": [4], "norm": "none", "activation": "relu", "dropout": 0.0}
    network = TableNetwork([], [4], 2, options)
    table = network.categories[0].weight.data
    expected = (table[0] + 3 * table[2]) / 4
    network.fill_unused([np.array([1, 0, 3, 0])])
    np.testing.assert_allclose(table[1], expected, rtol=1e-6)
    np.testing.assert_array_equal(table[1], table[3])


@pytest.mark.parametrize("rows", [1, 2, 64, 65, 200, 10000, 20000])
def test_batches_are_the_rows_in_another_order(rows, monkeypatch):
    found = []
    for limit in (1 << 30, 0):
        monkeypatch.setattr(_store, "IN_MEMORY", limit)
        monkeypatch.setattr(_store, "_POOL", 400_000)
        store = _store.Store([3])
        for start in range(0, rows, 777):
            y = np.arange(start, min(start + 777, rows))
            store.append(np.float32(y[:, None]), y[:, None] % 3, y, None)
        batches = list(_store.Batches(store, 64, np.random.default_rng(0)))
        sizes = [len(target) for _, (target, _) in batches]
        assert len(batches) == len(_store.Batches(store, 64))
        assert min(sizes) > 1 or rows == 1
        assert max(sizes) <= 65
        targets = np.concatenate([target for _, (target, _) in batches])
        np.testing.assert_array_equal(np.sort(targets), np.arange(rows))
        for (numbers, codes), (target, _) in batches:
            np.testing.assert_array_equal(numbers[:, 0], target)
            np.testing.assert_array_equal(codes[:, 0], target % 3)
        store.close()
        found.append(targets)
    np.testing.assert_array_equal(*found)
    assert rows < 64 or not np.array_equal(found[0], np.arange(rows))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"layer": [3]}, "expected options among layers, .*; got layer"),
        ({"layers": [0]}, "layers of at least 1, got 0"),
        ({"layers": 5}, "layers to be a sequence, got 5"),
        ({"dropout": 1.0}, r"dropout in \[0, 1\), got 1"),
        ({"embedding": "fourier"}, "embedding to be one of"),
        ({"quantiles": (0.9, 0.1)}, r"rising quantiles between 0 and 1, got \(0.9, 0.1\)"),
        ({"class_weight": "heavy"}, "class_weight None, 'balanced'"),
        ({"loss": "huber"}, "loss='auto' for classification, got 'huber'"),
        ({"time_limit": 3}, "time_limit together with tune"),
        ({"held_out": -0.1}, "held_out in"),
    ],
)
def test_refusals(classes, options, words):
    with pytest.raises((TypeError, ValueError), match=words):
        tables.fit(classes, "kind", **options)


def test_trials(classes):
    pytest.importorskip("optuna")
    model = tables.fit(classes, "kind", tune=3, epochs=3, layers=(16,), seed=1, embedding="none")
    assert len(model.trials) == 3
    assert {each["options"]["layers"][0] for each in model.trials} == {16}
    assert len({each["options"]["lr"] for each in model.trials}) == 3
    finished = [each["loss"] for each in model.trials]
    assert min(model.history["val_loss"]) == min(finished)
    again = tables.tune(classes, "kind", trials=3, epochs=3, layers=(16,), seed=1, embedding="none")
    np.testing.assert_array_equal(again.predict_proba(classes), model.predict_proba(classes))
    quick = tables.tune(classes, "kind", trials=50, time_limit=0.0, epochs=50)
    assert len(quick.trials) == 1
    assert quick.trials[0]["epochs"] == 1


class Interrupt(fastnn.training.Callback):
    """Ctrl-C in an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_batch_end(self, trainer, logs):
        if trainer.epoch == self.epoch:
            raise KeyboardInterrupt


def test_an_interrupted_training_says_so(classes):
    with pytest.warns(UserWarning, match="interrupted after 2 of 4 epochs"):
        model = tables.fit(classes, "kind", callbacks=[Interrupt(2)], **SMALL)
    assert len(model.history["loss"]) == 2
    with pytest.raises(KeyboardInterrupt):
        tables.fit(classes, "kind", callbacks=[Interrupt(0)], **SMALL)


def test_a_schema_without_features(classes):
    schema = tables.find_roles(classes, "kind")
    for column in schema.features:
        column.role = "ignore"
    with pytest.raises(ValueError, match="at least one column to learn from"):
        tables.fit(classes, schema=schema)
