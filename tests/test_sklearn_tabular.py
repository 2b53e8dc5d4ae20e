"""The estimators of tables: scikit-learn's own checks, frames with categories and gaps, pipelines, searches."""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("pandas")
pytest.importorskip("pyarrow")
import pandas as pd
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

from fastnn.sklearn import TabularClassifier, TabularRegressor

QUICK = {"epochs": 10, "layers": (32, 32), "random_state": 0}
WHY = "batches and dropout are drawn by rows: scikit-learn expects the same of its own networks"
EXPECTED = dict.fromkeys(
    ("check_sample_weight_equivalence_on_dense_data", "check_sample_weight_equivalence_on_sparse_data"), WHY
)


@parametrize_with_checks(
    [TabularClassifier(epochs=40, layers=(32,)), TabularRegressor(epochs=80, layers=(64,), dropout=0.0)],
    expected_failed_checks=lambda estimator: EXPECTED,
)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def samples(n=400, seed=0):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "size": rng.normal(size=n),
            "city": pd.Categorical(rng.choice(["Rome", "Oslo", "Bern"], n)),
            "colour": rng.choice(["red", "blue", None], n),
            "seen": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, n), unit="D"),
            "large": rng.random(n) < 0.5,
        }
    )
    X.loc[rng.random(n) < 0.1, "size"] = np.nan
    value = X["size"].fillna(0) + 2 * (X.city == "Oslo") + X.large
    return X, value.to_numpy()


def test_frames_with_categories_and_gaps():
    X, value = samples()
    y = np.where(value > 1, "much", "little")
    model = TabularClassifier(epochs=25, random_state=0).fit(X, y)
    assert model.classes_.tolist() == ["little", "much"]
    assert model.score(X, y) > 0.85
    assert {column.name: column.role for column in model.model_.schema.features} == {
        "size": "number", "city": "category", "colour": "category", "seen": "date", "large": "category"
    }  # fmt: skip
    new = X.assign(city="Atlantis", size=np.nan)
    assert np.isfinite(model.predict_proba(new)).all()
    regressor = TabularRegressor(epochs=25, random_state=0).fit(X, value)
    assert regressor.score(X, value) > 0.8
    assert regressor.n_features_in_ == 5
    with pytest.raises(ValueError, match="feature names"):
        regressor.predict(X[X.columns[::-1]])


def test_more_than_ten_classes_keep_their_order():
    X = np.repeat(np.arange(12.0), 20)[:, None] + np.random.default_rng(0).normal(0, 0.05, (240, 1))
    y = np.repeat(np.arange(12) * 5, 20)
    model = TabularClassifier(epochs=60, dropout=0.0, random_state=0).fit(X, y)
    assert model.score(X, y) > 0.9
    np.testing.assert_array_equal(model.classes_[model.predict_proba(X).argmax(1)], model.predict(X))


def test_arrays_with_text():
    X, value = samples()
    objects = X[["size", "colour"]].to_numpy(object)
    model = TabularRegressor(**QUICK).fit(objects, value)
    assert [column.role for column in model.model_.schema.features] == ["number", "category"]
    assert model.predict(objects[:3]).shape == (3,)
    codes = np.stack([np.arange(400) % 7, np.arange(400) % 3], 1).astype(float)
    model = TabularRegressor(roles={"x0": "category"}, **QUICK).fit(codes, value)
    assert [column.role for column in model.model_.schema.features] == ["category", "number"]


def test_pipelines_clones_searches_and_pickles():
    X, value = samples(200)
    y = value > 1
    pipeline = make_pipeline(FunctionTransformer(lambda frame: frame.drop(columns="seen")), TabularClassifier(**QUICK))
    assert cross_val_score(pipeline, X, y, cv=2).shape == (2,)
    search = GridSearchCV(TabularClassifier(**QUICK), {"dropout": [0.0, 0.3], "class_weight": [None, "balanced"]}, cv=2)
    assert search.fit(X, y).best_params_["dropout"] in (0.0, 0.3)
    model = search.best_estimator_
    again = clone(model).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), again.predict_proba(X))
    np.testing.assert_array_equal(model.predict_proba(X), pickle.loads(pickle.dumps(model)).predict_proba(X))
    assert "dropout" in repr(TabularClassifier(dropout=0.5))
    assert TabularRegressor(loss="huber").get_params()["loss"] == "huber"
    with pytest.raises(TypeError, match="unexpected keyword argument 'los'"):
        TabularRegressor(los="huber")


def test_weights():
    X, value = samples(300)
    y = value > 1
    both, labels = pd.concat([X, X, X], ignore_index=True), np.r_[y, ~y, ~y]
    weight = np.r_[np.ones(300), np.zeros(600)]
    model = TabularClassifier(epochs=25, random_state=0).fit(both, labels, sample_weight=weight)
    assert model.score(X, y) > 0.8
    with pytest.raises(ValueError, match=r"positive weight|non-zero"):
        model.fit(X, y, sample_weight=np.zeros(300))
    with pytest.raises(ValueError, match=r"[Nn]egative"):
        model.fit(X, y, sample_weight=-np.ones(300))
    heavy = TabularClassifier(class_weight={True: 30.0}, **QUICK).fit(X, y).predict(X).mean()
    assert heavy > TabularClassifier(class_weight={False: 30.0}, **QUICK).fit(X, y).predict(X).mean()


def test_refusals():
    X, value = samples(60)
    with pytest.raises(NotFittedError):
        TabularRegressor().predict(X)
    with pytest.raises(ValueError, match="y of 60 samples, got 59"):
        TabularRegressor(**QUICK).fit(X, value[:-1])
    with pytest.raises(ValueError, match="infinity"):
        TabularRegressor(**QUICK).fit(X.assign(size=np.inf), value)
    with pytest.raises(ValueError, match="dropout"):
        TabularClassifier(dropout=2).fit(X, value > 1)
