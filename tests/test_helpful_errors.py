"""Helpful errors: arguments by another name, swapped or of the wrong kind are named, with advice."""

import numpy as np
import pytest

import fastnn
from fastnn import functional, nn

X = np.ones((2, 4))


def every_kind(x):
    """The same values plain, as a Tensor, and as one that is recorded."""
    return x, fastnn.tensor(x), fastnn.tensor(x, requires_grad=True)


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin", "glu", "normalize"])
def test_axis_is_called_dim(name):
    text = "got an unexpected argument 'axis'; did you mean dim="
    for x in every_kind(X):
        with pytest.raises(TypeError, match=f"{name}: {text}"):
            getattr(fastnn, name)(x, axis=1)
    with pytest.raises(TypeError, match=f"{name}_backward: {text}"):
        getattr(functional, name + "_backward")(X, X, axis=1)


@pytest.mark.parametrize("layer", [nn.Softmax, nn.LogSoftmax, nn.Softmin, nn.GLU, nn.Unflatten])
def test_layers_have_dims_too(layer):
    with pytest.raises(TypeError, match=f"{layer.__name__}: got an unexpected argument 'axis'; did you mean dim="):
        layer(axis=1)


@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "argmax"])
def test_dim_is_called_axis_where_numpy_is_followed(name):
    for t in every_kind(X)[1:]:
        with pytest.raises(TypeError, match=f"Tensor.{name}: got an unexpected argument 'dim'; did you mean axis="):
            getattr(t, name)(dim=1)
        if name != "argmax":
            with pytest.raises(TypeError, match=f"Tensor.{name}: .* 'keepdim'; did you mean keepdims="):
                getattr(t, name)(axis=1, keepdim=True)


@pytest.mark.parametrize("old", ["size_average", "reduce"])
def test_what_reduction_has_replaced(old):
    for x in every_kind(X):
        with pytest.raises(TypeError, match=f"mse_loss: got an unexpected argument '{old}'; did you mean reduction="):
            fastnn.mse_loss(x, X, **{old: False})
    with pytest.raises(TypeError, match=f"CrossEntropyLoss: .*'{old}'; did you mean reduction="):
        nn.CrossEntropyLoss(**{old: False})


def test_other_unknown_arguments_get_no_hint():
    for x in every_kind(X):
        with pytest.raises(TypeError, match=r"softmax.*unexpected.*'banana'$"):
            fastnn.softmax(x, banana=1)
    with pytest.raises(TypeError, match="expected out to be an array, got str"):  # an error of the call itself
        fastnn.softmax(X, dim=1, out="here")


SCORES = np.arange(12.0).reshape(4, 3)
LABELS = np.array([0, 1, 2, 0])
ONE_HOT = np.eye(3, dtype=int)[LABELS]
IMAGES, PIXELS = np.zeros((2, 5, 6, 3)), np.zeros((2, 5, 6), int)

TARGETS = [
    (LABELS, SCORES, "input holds integers of shape (4,): are input and target swapped?"),
    (SCORES, ONE_HOT, "if that is one-hot, give target.argmax(1)"),
    (SCORES, ONE_HOT.astype(bool), "if that is one-hot, give target.argmax(1)"),
    (SCORES[0], ONE_HOT[0], "if that is one-hot, give target.argmax(0)"),
    (SCORES, LABELS[:, None], "got (4, 1); give target.reshape(4,)"),
    (SCORES, LABELS.astype(float), "got dtype float64; give target.astype(int)"),
    (SCORES, LABELS[None].astype(np.float32), "give target.astype(int).reshape(4,)"),
    (SCORES, LABELS > 0, "got dtype bool; give target.astype(int)"),
    (SCORES, np.array(["cat", "dog", "cow", "cat"]), "give np.unique(target, return_inverse=True)[1]"),
    (SCORES, np.array(["cat", "dog", "cow", "cat"], object), "give np.unique(target, return_inverse=True)[1]"),
    (SCORES, LABELS + 1, "expected targets in [0, 2], got 3 at index 2; if the classes count from 1, give target - 1"),
    (SCORES, LABELS - 1, "got -1 at index 0; ignore_index=-1 would leave such rows out"),
    (IMAGES, PIXELS, "if they are its last, give np.moveaxis(input, -1, 1)"),
]


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
@pytest.mark.parametrize(("scores", "target", "text"), TARGETS, ids=lambda each: each if isinstance(each, str) else "")
def test_targets_of_classes(name, scores, target, text):
    loss, backward = getattr(fastnn, name), getattr(functional, name + "_backward")
    for given in every_kind(scores) if scores.dtype.kind == "f" else (scores, fastnn.tensor(scores)):
        with pytest.raises((TypeError, ValueError, IndexError)) as caught:
            loss(given, target)
        assert str(caught.value).startswith(f"{name}: expected target")
        assert str(caught.value).endswith(text) or (name == "cross_entropy" and "probabilities" in str(caught.value))
        assert text in str(caught.value)
    with pytest.raises((TypeError, ValueError, IndexError), match=f"{name}_backward: expected target"):
        backward(1.0, scores, target)


def test_what_the_advice_says_works():
    loss = fastnn.cross_entropy(SCORES, LABELS)
    for target in (
        ONE_HOT.argmax(1), ONE_HOT.astype(float), LABELS[:, None].reshape(4,), LABELS[None].astype(float).astype(int).reshape(4,),
        np.unique(np.array(list("abca")), return_inverse=True)[1], (LABELS + 1) - 1,
    ):  # fmt: skip
        assert fastnn.cross_entropy(SCORES, target) == pytest.approx(loss)
    assert fastnn.cross_entropy(np.moveaxis(IMAGES, -1, 1), PIXELS) == pytest.approx(np.log(3))
    assert fastnn.cross_entropy(SCORES, LABELS - 1, ignore_index=-1) > 0


def test_no_advice_where_there_is_none():
    for target in (LABELS[:2], np.zeros((3, 4), int), np.zeros((2, 2), int)):
        with pytest.raises(ValueError, match=r"got \([\d, ]+\)$"):
            fastnn.cross_entropy(SCORES, target)
    with pytest.raises(TypeError, match=r"float64; probabilities of the classes would have shape \(4, 3\)$"):
        fastnn.cross_entropy(SCORES, np.full((4, 2), 0.5))


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "huber_loss", "binary_cross_entropy_with_logits"])
def test_columns_beside_vectors(name):
    loss = getattr(fastnn, name)
    with pytest.raises(ValueError, match=rf"{name}: .* got \(4,\); give target.reshape\(4, 1\)$"):
        loss(SCORES[:, :1], LABELS)
    with pytest.raises(ValueError, match=r"got \(3, 4\)$"):  # the same size, but another order
        loss(SCORES, SCORES.T)


def test_scores_are_no_probabilities():
    with pytest.raises(ValueError, match=r"got 2\.0 at index 2; binary_cross_entropy_with_logits takes scores$"):
        fastnn.binary_cross_entropy(SCORES[0], [0.0, 1.0, 1.0])


def test_a_weight_the_wrong_way_round():
    with pytest.raises(ValueError, match=r"the weight \(3, 5\) is \(out, in\): should it be transposed\?"):
        fastnn.linear(SCORES, np.zeros((3, 5)))


class Foreign:
    """Another library's array that does not let NumPy look."""

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("not on this device")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "of real numbers up to float64, got NoneType$"),
        ({"a": 1}, "of real numbers up to float64, got dict$"),
        (np.ones(2) * 1j, "of real numbers up to float64, got dtype complex128; give its .real or .imag$"),
        (np.ones(2, np.longdouble), r"of real numbers up to float64, got dtype \w+; give its .astype\(np.float64\)$"),
        (Foreign(), "to be array_like, got test_helpful_errors.Foreign: not on this device$"),
    ],
)
def test_what_is_no_array_of_real_numbers(value, text):
    if getattr(value, "dtype", None) == np.float64:
        pytest.skip("long double is double here")
    for name in ("relu", "softmax", "mse_loss", "layer_norm"):
        arguments = {"softmax": (0,), "mse_loss": (X,), "layer_norm": (2,)}.get(name, ())
        with pytest.raises(TypeError, match=f"{name}: expected input {text}"):
            getattr(fastnn, name)(value, *arguments)


def test_sparse_matrices_are_not_opened():
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(TypeError, match=r"relu: .* got \w+; give its .toarray\(\)"):
        fastnn.relu(sparse.eye(3))
