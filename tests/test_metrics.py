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
