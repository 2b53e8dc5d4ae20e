"""The estimators: scikit-learn's own checks, its conventions, and options beyond it."""

import pickle
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn")
from scipy.sparse import csr_matrix
from scripts import python
from sklearn import neural_network
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import fastnn
from fastnn import nn
from fastnn.sklearn import MLPClassifier, MLPRegressor
from fastnn.training import Callback

quick = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@parametrize_with_checks([MLPClassifier(), MLPRegressor(), MLPClassifier(solver="sgd"), MLPRegressor(solver="lbfgs")])
@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def scaled(load, dtype=np.float64, seed=0):
    X, y = load(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, random_state=seed)
    scaler = StandardScaler().fit(X)
    if load is load_diabetes:
        y, y_test = (y - y.mean()) / y.std(), (y_test - y.mean()) / y.std()
    return scaler.transform(X).astype(dtype), scaler.transform(X_test).astype(dtype), y, y_test


@quick
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_is_as_good_as_scikit_learns_at_the_same_settings(dtype):
    for load, name, options in (
        (load_digits, "MLPClassifier", {}),
        (load_breast_cancer, "MLPClassifier", {}),
        (load_diabetes, "MLPRegressor", {"learning_rate_init": 0.003}),
    ):
        ours, theirs = [], []
        for seed in range(3):
            X, X_test, y, y_test = scaled(load, dtype, seed)
            options |= {"random_state": seed, "max_iter": 40}
            model = globals()[name](**options).fit(X, y)
            assert model.coefs_[0].dtype == dtype
            ours.append(model.score(X_test, y_test))
            theirs.append(getattr(neural_network, name)(**options).fit(X, y).score(X_test, y_test))
        assert np.mean(ours) > np.mean(theirs) - 0.02, load.__name__


@quick
def test_a_full_batch_follows_scikit_learns_weights():
    """The same start, all samples in a batch: the same path, the penalty included."""
    X, _, y, _ = scaled(load_breast_cancer)
    for solver, options in (("adam", {}), ("sgd", {"learning_rate_init": 0.1}), ("sgd", {"nesterovs_momentum": False})):
        shared = {
            "hidden_layer_sizes": (8,),
            "solver": solver,
            "alpha": 3.0,
            "batch_size": len(X),
            "tol": 0,
            "epsilon": 1e-30,
            **options,
        }
        ours = MLPClassifier(max_iter=1, warm_start=True, random_state=0, **shared).fit(X, y)
        theirs = neural_network.MLPClassifier(max_iter=1, random_state=0, **shared)
        theirs.partial_fit(X, y, classes=[0, 1])
        for layer, weight, bias in zip(ours._linears(), theirs.coefs_, theirs.intercepts_, strict=True):
            layer.weight.data[...], layer.bias.data[...] = weight.T, bias
        ours._optimizer = ours._make_optimizer()
        del theirs._optimizer
        for _ in range(5):
            theirs.partial_fit(X, y)
            ours.partial_fit(X, y)
            np.testing.assert_allclose(ours.loss_, theirs.loss_, rtol=1e-9)
        for a, b in zip(ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-10)
        np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-6, atol=1e-12)


@quick
@pytest.mark.parametrize(
    "options",
    [{"activation": name} for name in ("identity", "logistic", "tanh", "gelu", "mish", "leaky_relu", "prelu", "Swish")]
    + [
        {"activation": nn.SELU},
        {"activation": lambda: nn.Softplus(2.0)},
        {"batch_norm": True},
        {"layer_norm": True},
        {"dropout": 0.2},
        {"solver": "adamw"},
        {"solver": "rmsprop"},
        {"solver": "lbfgs", "max_iter": 300},
        {"solver": "sgd", "learning_rate_init": 0.2, "learning_rate": "adaptive"},
        {"solver": "sgd", "learning_rate_init": 3.0, "learning_rate": "invscaling", "power_t": 0.3},
        {"early_stopping": True, "max_iter": 100},
        {"hidden_layer_sizes": ()},
        {"hidden_layer_sizes": [32, 16], "batch_size": 32, "shuffle": False},
    ],
    ids=lambda options: "lambda" if callable(options.get("activation")) else str(options),
)
def test_options_learn(options):
    X, X_test, y, y_test = scaled(load_breast_cancer, np.float32)
    model = MLPClassifier(**{"max_iter": 60, "random_state": 0, "learning_rate_init": 0.01} | options).fit(X, y)
    assert model.score(X_test, y_test) > 0.93
    again = clone(model).fit(X, y)
    np.testing.assert_array_equal(again.predict_proba(X_test), model.predict_proba(X_test))


@quick
def test_early_stopping_keeps_the_best_weights():
    X, _, y, _ = scaled(load_digits)
    model = MLPClassifier(early_stopping=True, n_iter_no_change=3, random_state=0, learning_rate_init=0.01).fit(X, y)
    assert len(model.validation_scores_) == model.n_iter_ < 200
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert len(model.loss_curve_) == model.n_iter_


@quick
def test_sample_and_class_weights_are_exact():
    X, _, y, _ = scaled(load_breast_cancer)
    X, y = X[:80], y[:80]
    weight = np.random.default_rng(0).integers(0, 4, len(X))
    options = {"hidden_layer_sizes": (6,), "random_state": 0, "max_iter": 30, "batch_size": 1000}
    a = MLPClassifier(**options).fit(X, y, sample_weight=weight)
    b = MLPClassifier(**options).fit(np.repeat(X, weight, 0), np.repeat(y, weight))
    for u, v in zip(a.coefs_, b.coefs_, strict=True):
        np.testing.assert_allclose(u, v, rtol=1e-9, atol=1e-12)
    c = MLPClassifier(class_weight={0: 3, 1: 1}, **options).fit(X, y)
    d = MLPClassifier(**options).fit(X, y, sample_weight=np.where(y == 0, 3, 1))
    np.testing.assert_array_equal(c.coefs_[0], d.coefs_[0])
    with pytest.raises(ValueError, match=r"[Nn]egative"):
        MLPClassifier(**options).fit(X, y, sample_weight=-weight)
    with pytest.raises(ValueError, match="at least one"):
        MLPClassifier(**options).fit(X, y, sample_weight=weight * 0)


@quick
def test_labels_of_any_kind():
    X, _, y, _ = scaled(load_digits, np.float32)
    names = np.array([["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]]).ravel()
    model = MLPClassifier(max_iter=30, random_state=0).fit(X, names[y])
    assert set(model.classes_) == set(names)
    assert (model.predict(X) == names[y]).mean() > 0.95
    probability = model.predict_proba(X)
    np.testing.assert_allclose(probability.sum(1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), probability, rtol=1e-5, atol=1e-30)
    X, y = make_multilabel_classification(400, random_state=0)
    several = MLPClassifier(max_iter=200, random_state=0).fit(X, y)
    assert several.predict(X).shape == y.shape
    assert several.score(X, y) > 0.5
    assert ((several.predict_proba(X) > 0.5) == several.predict(X)).all()
    one = MLPClassifier(max_iter=5).fit(X, np.zeros(400))
    assert (one.predict(X) == 0).all()
    assert (one.predict_proba(X) == 1).all()


@quick
def test_regression_with_several_outputs():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 4)).astype(np.float32)
    y = np.stack([X[:, 0] - X[:, 1], X[:, 2] ** 2], 1)
    model = MLPRegressor((64,), "gelu", learning_rate_init=0.01, max_iter=150, random_state=0).fit(X, y)
    assert model.predict(X).shape == (500, 2)
    assert model.predict(X).dtype == np.float32
    assert model.score(X, y) > 0.97
    whole = model.predict(X)
    np.testing.assert_array_equal(np.concatenate([model.predict(X[i : i + 7]) for i in range(0, 500, 7)]), whole)


@quick
def test_partial_fit_and_warm_start():
    X, X_test, y, y_test = scaled(load_digits, np.float32)
    model = MLPClassifier(random_state=0, learning_rate_init=0.01)
    for _ in range(8):
        for rows in np.array_split(np.arange(len(X)), 3):
            model.partial_fit(X[rows], y[rows], classes=range(10))
    assert model.score(X_test, y_test) > 0.93
    assert model.t_ == 8 * len(X)
    with pytest.raises(ValueError, match="classes must be given in the first call"):
        MLPClassifier().partial_fit(X, y)
    with pytest.raises(ValueError, match=r"expected labels among \[0, .*\], got \[11\]"):
        model.partial_fit(X[:1], [11])
    warm = MLPClassifier(warm_start=True, max_iter=5, random_state=0)
    first = warm.fit(X, y).loss_
    assert warm.fit(X, y).loss_ < first
    assert len(warm.loss_curve_) == 10
    cold = MLPClassifier(max_iter=5, random_state=0)
    assert cold.fit(X, y).loss_ == cold.fit(X, y).loss_


@quick
def test_in_pipelines_searches_and_pickles():
    X, y = load_breast_cancer(return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), MLPClassifier(max_iter=20, random_state=0))
    assert cross_val_score(pipeline, X, y, cv=3).mean() > 0.95
    grid = {"mlpclassifier__activation": ["relu", "gelu"], "mlpclassifier__dropout": [0.0, 0.2]}
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=2).fit(X, y)
    assert search.best_score_ > 0.95
    back = pickle.loads(pickle.dumps(search.best_estimator_))
    np.testing.assert_array_equal(back.predict_proba(X), search.best_estimator_.predict_proba(X))
    model = MLPClassifier(max_iter=3, random_state=0).fit(X, y)
    twin = pickle.loads(pickle.dumps(model))
    for each in (model, twin):
        each.partial_fit(X, y)
    np.testing.assert_array_equal(model.coefs_[0], twin.coefs_[0])


@quick
def test_random_state_is_the_only_source_of_chance():
    X, _, y, _ = scaled(load_breast_cancer)
    options = {"dropout": 0.3, "max_iter": 5}
    fastnn.manual_seed(0)
    first = MLPClassifier(random_state=1, **options).fit(X, y)
    state = fastnn.get_rng_state()
    fastnn.manual_seed(5)
    np.testing.assert_array_equal(MLPClassifier(random_state=1, **options).fit(X, y).coefs_[0], first.coefs_[0])
    fastnn.manual_seed(0)
    assert fastnn.get_rng_state() == state
    assert not np.array_equal(MLPClassifier(random_state=2, **options).fit(X, y).coefs_[0], first.coefs_[0])


def test_convergence_is_reported():
    X, _, y, _ = scaled(load_breast_cancer)
    with pytest.warns(ConvergenceWarning, match="MLPClassifier: 2 epochs are over"):
        MLPClassifier(max_iter=2).fit(X, y)
    with pytest.warns(ConvergenceWarning, match="lbfgs did not converge in 2 iterations"):
        MLPClassifier(solver="lbfgs", max_iter=2).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = MLPClassifier(tol=0.1, n_iter_no_change=2).fit(X, y)
    assert model.n_iter_ < 200


@quick
def test_callbacks_and_verbose(capsys):
    class Count(Callback):
        epochs = 0

        def on_epoch_end(self, trainer):
            Count.epochs += 1
            trainer.stop = trainer.epoch == 4

    X, _, y, _ = scaled(load_breast_cancer)
    model = MLPClassifier(callbacks=[Count()], verbose=True, max_iter=50).fit(X, y)
    assert Count.epochs == model.n_iter_ == 4
    assert "Iteration 4, loss = " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"activation": "rellu"}, ValueError, "MLPClassifier: expected activation to be one of"),
        ({"activation": nn.ReLU()}, TypeError, "expected activation to be a name, or to make a layer"),
        ({"activation": dict}, TypeError, "expected activation to make a Module, got dict"),
        ({"solver": "newton"}, ValueError, "expected solver to be one of 'lbfgs', "),
        ({"hidden_layer_sizes": (3, 0)}, ValueError, "each of hidden_layer_sizes of at least 1, got 0"),
        ({"hidden_layer_sizes": 3.5}, TypeError, "each of hidden_layer_sizes to be an integer, got float"),
        ({"alpha": -1}, ValueError, r"expected alpha in \[0, inf\), got -1"),
        ({"dropout": 1.0}, ValueError, r"expected dropout in \[0, 1\), got 1"),
        ({"batch_size": 0}, ValueError, "batch_size of at least 1, got 0"),
        ({"max_iter": 0}, ValueError, "max_iter of at least 1, got 0"),
        ({"learning_rate": "cosine"}, ValueError, "learning_rate to be one of 'constant'"),
        ({"solver": "lbfgs", "dropout": 0.1}, ValueError, "another solver than lbfgs"),
    ],
)  # fmt: skip
def test_errors(options, error, match):
    X, y = load_breast_cancer(return_X_y=True)
    with pytest.raises(error, match=match):
        MLPClassifier(**options).fit(X, y)


def test_not_fitted():
    with pytest.raises(NotFittedError):
        MLPClassifier().predict([[1.0]])
    with pytest.raises(NotFittedError):
        _ = MLPRegressor().coefs_


def test_without_scikit_learn():
    code = "import sys; sys.modules['sklearn'] = None\nimport fastnn\ntry:\n    fastnn.sklearn\nexcept ModuleNotFoundError as e: print(e)"
    assert python("-c", code).strip() == "fastnn.sklearn needs scikit-learn: pip install scikit-learn"


@quick
@pytest.mark.parametrize("options", [{}, {"early_stopping": True}, {"solver": "lbfgs"}, {"shuffle": False}], ids=repr)
def test_sparse_samples_are_the_dense_ones(options):
    x, y = load_iris(return_X_y=True)
    x = np.where(x > 2, x, 0)
    fitted = [MLPClassifier(max_iter=9, random_state=0, tol=0, **options).fit(each, y) for each in (x, csr_matrix(x))]
    expected = fitted[0].predict_proba(x)
    for each in fitted:
        np.testing.assert_array_equal(each.predict_proba(csr_matrix(x)), expected)
    wide = csr_matrix(np.tile(x, (20, 1)))
    np.testing.assert_array_equal(fitted[0].predict_proba(wide)[-150:], expected)


@quick
def test_batch_norm_is_never_given_one_sample():
    x, y = load_iris(return_X_y=True)
    model = MLPClassifier(batch_norm=True, batch_size=149, max_iter=2, random_state=0)
    assert np.isfinite(model.fit(x, y).predict_proba(x)).all()


def test_predictions_come_from_a_plan_that_follows_the_network():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 4)), rng.integers(0, 3, 60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        clf = MLPClassifier((8,), max_iter=3).fit(X, y)
    first = clf.predict_proba(X)
    assert clf._plan.predict._program is not None
    np.testing.assert_allclose(clf.predict_proba(X[:1]), first[:1], atol=1e-12)
    again = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(again.predict_proba(X), first)
    assert again._plan.predict._program is not None
    clf.partial_fit(X, y)
    assert not np.array_equal(clf.predict_proba(X), first)
    clf.model_[-1].weight.data[...] = 0  # by hand
    clf.model_[-1].bias.data[...] = 0
    np.testing.assert_allclose(clf.predict_proba(X), 1 / 3)
    clf.model_[-1].bias.data[...] = np.nan
    assert np.isnan(clf.predict_proba(X)).all()
