"""Warm starts and partial fits: changed settings are honoured or refused as by scikit-learn; errors change nothing."""

import copy
import pickle
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn")
from scipy.sparse import csr_matrix
from sklearn import neural_network
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning

from fastnn import nn
from fastnn.sklearn import MLPClassifier, MLPRegressor
from fastnn.training import Callback

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = load_iris(return_X_y=True)
SEVERAL = np.stack([i == Y for i in range(3)], 1).astype(int)


def state(model):
    """Everything that an estimator knows."""
    optimizer = model._optimizer and model._optimizer.state_dict()
    known = {k: v for k, v in vars(model).items() if k not in ("model_", "_optimizer", "_rng")}
    return pickle.dumps((known, model.model_.state_dict(), optimizer, model._rng.bit_generator.state))


def classifier(**options):
    return MLPClassifier(**{"hidden_layer_sizes": (5,), "max_iter": 3, "random_state": 0} | options)


def theirs(of, **options):
    return getattr(neural_network, of)(**{"hidden_layer_sizes": (5,), "max_iter": 3, "random_state": 0} | options)


# first and second samples that no network can take one after the other; scikit-learn refuses all but the last two
OTHER_TARGETS = [
    ((X, Y), (X, Y + 5), r"expected labels among \[0, 1, 2\], got \[5, 6, 7\]"),
    ((X, Y), (X, Y.astype(str)), r"expected labels among \[0, 1, 2\], got \['0', '1', '2'\]"),
    ((X, Y.astype(str)), (X, Y), r"expected labels among \['0', '1', '2'\], got \[0, 1, 2\]"),
    ((X[:100], Y[:100]), (X, Y), r"expected labels among \[0, 1\], got \[2\]"),
    ((X, Y), (X, SEVERAL), "expected one class of each sample as in the fit before, got 3 labels"),
    ((X, SEVERAL), (X, SEVERAL[:, :2]), "expected 3 labels of each sample as in the fit before, got 2 labels"),
    ((X, Y), (X[:, :3], Y), "X has 3 features, but MLPClassifier is expecting 4"),
    ((X, SEVERAL), (X, Y), "expected 3 labels of each sample as in the fit before, got one class"),
    ((X, Y), (X, np.where(Y == 0, 2**53 + 1, Y)), "expected labels among"),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second", "match"), OTHER_TARGETS)
@pytest.mark.parametrize("method", ["warm", "partial"])
def test_other_targets_are_refused(first, second, match, method):
    model = classifier(warm_start=method == "warm").fit(*first)
    peer = theirs("MLPClassifier", warm_start=method == "warm").fit(*first)
    before, expected = state(model), model.predict_proba(first[0])
    with pytest.raises(ValueError, match=match):
        (model.fit if method == "warm" else model.partial_fit)(*second)
    if second[1] is not Y or first[1] is not SEVERAL:
        with pytest.raises((ValueError, AttributeError, IndexError)):
            (peer.fit if method == "warm" else peer.partial_fit)(*second)
    assert state(model) == before
    np.testing.assert_array_equal(model.predict_proba(first[0]), expected)
    cold = classifier().fit(*first).fit(*second)  # without warm start a fit begins anew
    assert cold.n_features_in_ == second[0].shape[1]


def test_a_warm_start_needs_all_classes_and_partial_fit_does_not():
    model = classifier(warm_start=True).fit(X, Y)
    with pytest.raises(ValueError, match=r"expected all classes \[0, 1, 2\] of the fit before .*, got \[0, 1\]"):
        model.fit(X[:100], Y[:100])
    with pytest.raises(ValueError, match="same classes"):
        theirs("MLPClassifier", warm_start=True).fit(X, Y).fit(X[:100], Y[:100])
    assert model.partial_fit(X[:100], Y[:100]).predict_proba(X).shape == (150, 3)


def test_the_classes_of_later_calls():
    model = classifier().partial_fit(X[:50], Y[:50], classes=[0, 1, 2])
    model.partial_fit(X, Y, classes=[2, 1, 0]).partial_fit(X, Y)
    before = state(model)
    for classes in ([0, 1], [0, 1, 2, 3], ["0", "1", "2"]):
        with pytest.raises(ValueError, match=r"expected classes \[0, 1, 2\] as in the fit before, got"):
            model.partial_fit(X, Y, classes=classes)
        with pytest.raises(ValueError, match="is not the same as on last call"):
            theirs("MLPClassifier").partial_fit(X, Y, classes=[0, 1, 2]).partial_fit(X, Y, classes=classes)
    assert state(model) == before
    large = np.array([2**53, 2**53 + 1, 2**53 + 2])
    assert classifier().partial_fit(X, large[Y], classes=large).classes_.tolist() == large.tolist()
    with pytest.raises(ValueError, match=rf"expected labels among .*, got \[{2**53 + 1}\]"):
        classifier().partial_fit(X, large[Y].astype(np.uint64), classes=large[::2].astype(np.int64))


@pytest.mark.parametrize("method", ["warm", "partial"])
def test_other_widths_of_numbers_are_refused(method):
    wide = np.stack([Y, Y], 1)
    for first, second in ((Y, wide), (wide, Y)):
        model = MLPRegressor((5,), warm_start=method == "warm", max_iter=3).fit(X, first)
        before = state(model)
        with pytest.raises(
            ValueError, match=r"MLPRegressor: expected y of \d numbers a sample as in the fit before, got y of"
        ):
            (model.fit if method == "warm" else model.partial_fit)(X, second)
        with pytest.raises(ValueError, match="X has 3 features, but MLPRegressor is expecting 4"):
            (model.fit if method == "warm" else model.partial_fit)(X[:, :3], first)
        assert state(model) == before


def test_names_of_features():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    for make in (classifier, lambda **options: theirs("MLPClassifier", **options)):
        model = make(warm_start=True).fit(frame, Y)
        for call in (model.fit, model.partial_fit):
            with pytest.raises(ValueError, match="feature names should match"):
                call(frame.rename(columns={"a": "e"}), Y)
            with pytest.warns(UserWarning, match="does not have valid feature names"):
                call(X, Y)
        assert model.feature_names_in_.tolist() == list("abcd")


@pytest.mark.parametrize("changed", [{"hidden_layer_sizes": (7,)}, {"hidden_layer_sizes": (5, 5)}, {"hidden_layer_sizes": ()},
                                     {"batch_norm": True}, {"layer_norm": True}], ids=str)  # fmt: skip
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_settings_that_the_weights_were_made_for_cannot_change(changed, method):
    model = classifier(warm_start=True).fit(X, Y)
    model.set_params(**changed)
    before = state(model)
    name = next(iter(changed))
    with pytest.raises(
        ValueError, match=f"MLPClassifier: expected {name} .* as in the fit before, got .*: warm_start and"
    ):
        getattr(model, method)(X, Y)
    assert state(model) == before
    model.set_params(warm_start=False).fit(X, Y)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("changed", [{"activation": "tanh"}, {"solver": "sgd"}, {"solver": "adam"}, {"solver": "lbfgs"}, {"alpha": 50.0},
                                     {"learning_rate_init": 0.05}, {"momentum": 0.1}, {"beta_1": 0.5, "beta_2": 0.9},
                                     {"max_iter": 7}, {"learning_rate": "invscaling", "momentum": 0.0}, {"nesterovs_momentum": False}], ids=str)  # fmt: skip
def test_a_warm_start_with_changed_settings_follows_scikit_learn(solver, changed):
    """From the same weights, all samples in a batch: the same path as scikit-learn's."""
    shared = {
        "warm_start": True,
        "batch_size": len(X),
        "tol": 0,
        "solver": solver,
        "learning_rate_init": 0.01,
        "epsilon": 1e-30,
    }
    begins = changed.get("solver", solver) if solver == "lbfgs" else solver  # scikit-learn's cannot go on by another
    ours, peer = classifier(**shared).fit(X, Y), theirs("MLPClassifier", **shared | {"solver": begins}).fit(X, Y)
    for layer, weight, bias in zip(ours._linears(), peer.coefs_, peer.intercepts_, strict=True):
        layer.weight.data[...], layer.bias.data[...] = weight.T, bias
    for model in (ours, peer):
        model.set_params(**changed).fit(X, Y)
        assert model.n_iter_ == changed.get("max_iter", 3)
    tolerance = 1e-4 if "lbfgs" in (solver, changed.get("solver")) else 1e-6
    np.testing.assert_allclose(ours.loss_, peer.loss_, rtol=tolerance)
    for a, b in zip(ours.coefs_ + ours.intercepts_, peer.coefs_ + peer.intercepts_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=tolerance)


def test_classes_of_several_labels_are_their_numbers():
    assert MLPClassifier().partial_fit(X, SEVERAL, classes=[2, 1, 0]).classes_.tolist() == [0, 1, 2]
    for classes in ([0, 1], [0, 2], ["a", "b", "c"], [0, 1, 2, 3]):
        model = MLPClassifier()
        with pytest.raises(ValueError, match=r"expected classes \[0, 1, 2\], the numbers of y's labels, got"):
            model.partial_fit(X, SEVERAL, classes=classes)
        assert not hasattr(model, "model_")


def test_partial_fit_with_changed_settings():
    def partial(changed):
        model = classifier(learning_rate_init=0.01).partial_fit(X, Y, classes=[0, 1, 2])
        model.set_params(**changed).partial_fit(X, Y)
        return model

    same = partial({})
    for changed in ({"learning_rate_init": 0.1}, {"beta_1": 0.1}, {"epsilon": 1.0}, {"solver": "sgd"}, {"solver": "rmsprop"}, {"activation": "tanh"},
                    {"dropout": 0.5}, {"alpha": 90.0}, {"batch_size": 10}, {"shuffle": False, "batch_size": 20}, {"random_state": 5, "batch_size": 10}):  # fmt: skip
        model = partial(changed)
        assert np.isfinite(model.loss_)
        assert not np.array_equal(model.coefs_[0], same.coefs_[0]), changed
    assert partial({"solver": "sgd"})._optimizer.__class__.__name__ == "SGD"
    np.testing.assert_array_equal(partial({"learning_rate_init": 0.01}).coefs_[0], same.coefs_[0])
    with pytest.raises(AttributeError, match="no attribute 'partial_fit'"):
        partial({"solver": "lbfgs"})


def test_learned_activations_stay_with_other_dropout():
    model = classifier(activation="prelu", warm_start=True, learning_rate_init=0.1).fit(X, Y)
    slope = next(layer for layer in model.model_ if isinstance(layer, nn.PReLU)).weight.data.copy()
    assert slope != 0.25
    model.set_params(dropout=0.3, learning_rate_init=1e-12).fit(X, Y)
    assert [type(layer).__name__ for layer in model.model_] == ["Linear", "PReLU", "Dropout", "Linear"]
    np.testing.assert_allclose(model.model_[1].weight.data, slope, atol=1e-9)


def test_another_dtype_goes_on_with_the_same_network():
    for first, second in ((np.float64, np.float32), (np.float32, np.float64)):
        model = classifier(warm_start=True, max_iter=30, learning_rate_init=0.05).fit(X.astype(first), Y)
        learned = model.loss_
        model.fit(X.astype(second), Y).partial_fit(csr_matrix(X.astype(second)), Y)
        assert model.loss_ < learned
        assert model.coefs_[0].dtype == first


class Fails(Callback):
    def on_epoch_end(self, trainer):
        if trainer.epoch == 2:
            raise RuntimeError("no")


@pytest.mark.parametrize("warm", [True, False])
@pytest.mark.parametrize("spoil", [
    lambda m: m.fit(X, Y, sample_weight=-np.ones(150)),
    lambda m: m.fit(X, Y, sample_weight=np.zeros(150)),
    lambda m: m.fit(X[:, :3], Y[:9]),
    lambda m: m.fit(np.where(X > 7, np.nan, X), Y),
    lambda m: m.fit(X * 1e200, Y),
    lambda m: m.set_params(callbacks=[Fails()]).fit(X, Y),
    lambda m: m.set_params(validation_fraction=0.001, early_stopping=True).fit(X, Y),
    lambda m: m.set_params(activation="no").fit(X, Y),
    lambda m: m.set_params(alpha=-1).fit(X, Y),
    lambda m: m.partial_fit(X, Y, sample_weight=-np.ones(150)),
    lambda m: m.partial_fit(X, Y + 1),
    lambda m: m.set_params(class_weight="balanced").partial_fit(X, Y),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
def test_a_fit_that_fails_changes_nothing(spoil, warm):
    model = classifier(warm_start=warm, solver="sgd", learning_rate_init=0.1).fit(X, Y)
    parameters, before, expected = model.get_params(), state(model), model.predict_proba(X)
    with pytest.raises((ValueError, RuntimeError)):
        spoil(model)
    model.set_params(**parameters)
    assert state(model) == before
    np.testing.assert_array_equal(model.predict_proba(X), expected)


def test_divergence_is_told_as_scikit_learn_does():
    for of, y in (("MLPClassifier", Y), ("MLPRegressor", Y * 1e160)):
        ours = {"MLPClassifier": MLPClassifier, "MLPRegressor": MLPRegressor}[of](
            max_iter=20, solver="lbfgs", random_state=0
        )
        with pytest.warns(
            ConvergenceWarning, match="lbfgs stopped after 0 iterations with a loss of (nan|inf); the samples may need"
        ):
            ours.fit(X * 1e200, y)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            with pytest.warns(ConvergenceWarning, match="lbfgs failed to converge"):
                theirs(of, solver="lbfgs").fit(X * 1e200, y)
            for make in (ours.set_params, lambda of=of, **options: theirs(of, **options)):
                with pytest.raises(ValueError, match=r"the loss is (nan|inf) in epoch|non-finite parameter weights"):
                    make(solver="sgd", max_iter=20).fit(X * 1e200, y)
    with pytest.warns(ConvergenceWarning, match="before it converged: STOP: TOTAL NO. OF F"):
        MLPClassifier(solver="lbfgs", max_fun=2).fit(X, Y)


def test_targets_that_the_samples_dtype_cannot_hold():
    with pytest.raises(
        ValueError, match=r"MLPRegressor: expected y in the range of float32, in which X is, got 2e\+40"
    ):
        MLPRegressor().fit(X.astype(np.float32), Y * 1e40)
    with pytest.raises(ValueError, match=r"expected labels of 0 and 1, got \[0, 5\]"):
        classifier().fit(X, SEVERAL * 5)


def test_scores_that_are_nan_are_never_better():
    class Unmeasured(MLPClassifier):
        def _score_of(self, X, y, weight):
            return np.nan

    model = Unmeasured((5,), early_stopping=True, n_iter_no_change=2, max_iter=50).fit(X, Y)
    assert model.n_iter_ == 3


@pytest.mark.parametrize(
    "name", ["shuffle", "warm_start", "nesterovs_momentum", "early_stopping", "batch_norm", "layer_norm"]
)
def test_yes_is_no_truth(name):
    with pytest.raises(TypeError, match=f"MLPClassifier: expected {name} to be True or False, got 'yes'"):
        classifier(**{name: "yes"}).fit(X, Y)


def test_a_copy_goes_on_alike():
    model = classifier(warm_start=True, dropout=0.3).fit(X, Y)
    twin = copy.deepcopy(model)
    for each in (model, twin):
        each.fit(X, Y)
    np.testing.assert_array_equal(model.coefs_[0], twin.coefs_[0])
