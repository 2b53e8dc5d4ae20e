"""Metrics against scikit-learn, whole and batch by batch."""

import math

import numpy as np
import pytest

import fastnn
from fastnn.metrics import Accuracy, ConfusionMatrix, MeanAbsoluteError, Metric, R2Score, TopKAccuracy

RNG = np.random.default_rng(0)
SCORES, LABELS = RNG.normal(size=(300, 5)).astype(np.float32), RNG.integers(0, 5, 300)
VALUES = RNG.normal(1e6, 3, (300, 2))
WANTED = VALUES + RNG.normal(size=VALUES.shape)


def peers():
    return pytest.importorskip("sklearn.metrics")


CASES = [
    (Accuracy(), SCORES, LABELS, lambda s: s.accuracy_score(LABELS, SCORES.argmax(1))),
    (TopKAccuracy(2), SCORES, LABELS, lambda s: s.top_k_accuracy_score(LABELS, SCORES, k=2)),
    (ConfusionMatrix(5), SCORES, LABELS, lambda s: s.confusion_matrix(LABELS, SCORES.argmax(1))),
    (MeanAbsoluteError(), VALUES, WANTED, lambda s: s.mean_absolute_error(WANTED, VALUES)),
    (R2Score(), VALUES, WANTED, lambda s: s.r2_score(WANTED, VALUES)),
]


@pytest.mark.parametrize(("metric", "output", "target", "expected"), CASES, ids=[type(c[0]).__name__ for c in CASES])
def test_value_is_scikit_learns_in_one_batch_and_in_many(metric, output, target, expected):
    value = expected(peers())
    np.testing.assert_allclose(metric(output, target), value, rtol=1e-9)
    metric.reset()
    for rows in np.array_split(np.arange(300), [1, 2, 100, 100]):
        metric.update(fastnn.tensor(output[rows], requires_grad=True), target[rows])
    np.testing.assert_allclose(metric.compute(), value, rtol=1e-9)


def test_nothing_gathered_is_nan():
    for metric in (Accuracy(), TopKAccuracy(2), MeanAbsoluteError(), R2Score()):
        assert math.isnan(metric.compute())
    assert math.isnan(R2Score()([1.0], [1.0]))
    assert ConfusionMatrix(2).compute().tolist() == [[0, 0], [0, 0]]


def test_edges():
    assert Accuracy()(np.array([[math.nan, 1.0]]), [0]) == 0
    assert Accuracy()([[1.0, 1.0]], [0]) == 1
    assert Accuracy()([[1.0, 1.0]], [1]) == 0
    assert Accuracy()([0.3, -0.2, 5.0], [1, 0, 0]) == pytest.approx(2 / 3)
    assert R2Score()([1.0, 1.0], [1.0, 1.0]) == 1
    assert R2Score()([1.0, 2.0], [1.0, 1.0]) == 0
    assert R2Score()(np.ones((3, 1)), np.array([1.0, 2, 3])) == pytest.approx(-1.5)
    assert MeanAbsoluteError()(3.0, 1.0) == 2


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: Accuracy()(SCORES, LABELS[:3]), ValueError, r"Accuracy: expected output \(N, C\) and integer target"),
        (lambda: Accuracy()(SCORES[:2], [0, -1]), ValueError, r"expected target in \[0, 4\], got values from -1 to 0"),
        (lambda: Accuracy()(SCORES[:2], [0, 5]), ValueError, r"expected target in \[0, 4\], got values from 0 to 5"),
        (lambda: TopKAccuracy(0), ValueError, "expected k of at least 1, got 0"),
        (lambda: ConfusionMatrix(3)(SCORES, LABELS), ValueError, r"of 3 classes, got shape \(300, 5\)"),
        (lambda: MeanAbsoluteError()([1.0], [1.0, 2.0]), ValueError, "expected target of output's shape"),
        (lambda: Metric(), NotImplementedError, "reset is not defined"),
    ],
)
def test_errors(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_accuracy_of_classes_columns_and_nan():
    assert Accuracy()([3, 1, 2], [1, 2, 3]) == 0
    assert Accuracy()([3, 1, 2], [3, 1, 0]) == 2 / 3
    assert Accuracy()([[0.5], [-0.5]], [1, 0]) == 1
    assert Accuracy()([[0.5], [0.5]], [0, 0]) == 0
    assert Accuracy()([math.nan, 1.0], [0, 1]) == 0.5
    with pytest.raises(ValueError, match="expected targets of 0 or 1"):
        Accuracy()([0.5, 0.5], [2, 1])


def test_nan_is_the_highest_score_for_all_metrics():
    scores, labels = [[math.nan, 1.0, 0.0], [0.0, 1.0, math.nan]], [1, 2]
    assert Accuracy()(scores, labels) == 0
    assert TopKAccuracy(2)(scores, labels) == 0.5
    np.testing.assert_array_equal(ConfusionMatrix(3)(scores, labels), [[0, 0, 0], [1, 0, 0], [0, 0, 1]])


@pytest.mark.parametrize("value", [0.1, 0.7, 1e6 + 0.1])
def test_r2_of_constant_targets(value):
    wanted = np.full(7, value)
    assert R2Score()(wanted + 1, wanted) == 0
    assert R2Score()(wanted, wanted) == 1
    gathered = R2Score()
    gathered.update(wanted, wanted)
    with pytest.raises(ValueError, match="expected 1 outputs as before, got 3"):
        gathered.update(np.zeros((2, 3)), np.zeros((2, 3)))


@pytest.mark.parametrize("where", ["output", "target"])
def test_a_nan_is_not_averaged_away(where):
    for wanted in ([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]):
        arrays = {"output": np.ones(3), "target": np.array(wanted)}
        arrays[where][1] = math.nan
        for metric in (R2Score(), MeanAbsoluteError()):
            assert math.isnan(metric(arrays["output"], arrays["target"]))
            metric.reset()
            metric.update([2.0], [1.0])
            metric.update(arrays["output"], arrays["target"])
            assert math.isnan(metric.compute())
    two = np.ones((3, 2))
    two[0, 1] = math.nan
    assert math.isnan(R2Score()(two, np.ones((3, 2))))


def test_infinities():
    assert R2Score()([math.inf, 1.0], [1.0, 2.0]) == -math.inf
    assert math.isnan(R2Score()([1.0, 1.0], [math.inf, 2.0]))
    assert MeanAbsoluteError()([math.inf], [1.0]) == math.inf
    assert math.isnan(MeanAbsoluteError()([math.inf], [math.inf]))


def test_small_integers_do_not_overflow():
    assert MeanAbsoluteError()(np.uint8([0, 255]), np.uint8([255, 0])) == 255
    assert R2Score()(np.int8([-128, 127]), np.int8([127, -128])) == -3
    assert Accuracy()(np.uint8([255]), np.int8([-1])) == 0
    scores, labels = np.eye(3, dtype=np.float32)[[0, 1, 2]], np.uint8([0, 1, 2])
    assert np.array_equal(ConfusionMatrix(3)(scores, labels), np.eye(3))


def test_classes_that_never_occur_have_a_row_of_their_own():
    scores = np.eye(4, dtype=np.float32)[[0, 0, 3]]
    expected = peers().confusion_matrix([0, 1, 1], [0, 0, 3], labels=range(4))
    np.testing.assert_array_equal(ConfusionMatrix(4)(scores, [0, 1, 1]), expected)


@pytest.mark.parametrize("metric", [Accuracy(), TopKAccuracy(1), ConfusionMatrix(2), MeanAbsoluteError(), R2Score()])
def test_what_is_no_number_is_refused(metric):
    name = type(metric).__name__
    pair = np.zeros((2, 2)), np.array([0, 1])
    for i, argument in enumerate(("output", "target")):
        for wrong, error, match in (
            (np.ma.masked_array(pair[i], pair[i] > 5), TypeError, "without a mask"),
            (pair[i].astype(str), TypeError, "of real numbers, got dtype <U"),
            (pair[i].astype(complex), TypeError, "of real numbers, got dtype complex128"),
            (pair[i].astype(object), TypeError, "of real numbers, got dtype object"),
            ([[1, 2], [3]], ValueError, "lists of unequal lengths"),
        ):
            arguments = [*pair]
            arguments[i] = wrong
            with pytest.raises(error, match=f"{name}: expected {argument} .*{match}"):
                metric(*arguments)


def test_more_classes_asked_for_than_there_are():
    assert TopKAccuracy(2)([[0.1, 0.9]], [0]) == 1
    with pytest.raises(ValueError, match=r"expected scores of at least k = 3 classes, got shape \(1, 2\)"):
        TopKAccuracy(3)([[0.1, 0.9]], [0])
    with pytest.raises(ValueError, match="targets that are classes"):
        Accuracy()([1, 2], [1.5, 2.0])
    assert Accuracy()([1, 2], [1.0, 2.0]) == 1
