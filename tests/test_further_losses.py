"""Losses of margins, likelihoods, similarities: known values, what they take, what they refuse."""

import math

import numpy as np
import pytest

import fastnn
from fastnn import nn


def waves(shape, a, b):
    """sin(a i + b) in C order."""
    return np.sin(a * np.arange(math.prod(shape)) + b).reshape(shape)


def checksum(values):
    values = np.asarray(values).ravel()
    return float(values @ np.cos(0.37 * np.arange(values.size)))


def gradients(loss, *arrays, **options):
    """The loss and the checksums of its gradients, by the tape."""
    tracked = [fastnn.tensor(each, requires_grad=True) for each in arrays]
    y = loss(*tracked, **options)
    y.backward()
    return [float(y.data), *(checksum(each.grad) for each in tracked)]


A, B, C = waves((3, 4), 1, 0), waves((3, 4), 0.7, 1), waves((3, 4), 0.4, 2)
Y, ONES = np.array([1.0, -1.0, 1.0]), np.array([[1.0, 0, 1, 0], [0, 0, 0, 1], [1, 1, 1, 1]])


def near(got, *expected):
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-11)


def test_known_values_of_margins():
    near(
        gradients(lambda x, z: fastnn.margin_ranking_loss(x, z, Y, 0.3), A[:, 0].copy(), B[:, 0].copy()),
        0.432175460148,
        -0.022557551465,
        0.022557551465,
    )
    near(gradients(lambda x: fastnn.hinge_embedding_loss(x, Y[:, None]), A), 0.590625791964, 0.111962354041)
    near(gradients(lambda x: fastnn.soft_margin_loss(x, 2 * ONES - 1), A), 0.652248282920, 0.149419960534)


def test_known_values_of_likelihoods():
    near(gradients(lambda x: fastnn.poisson_nll_loss(x, 2 * ONES, full=True), A), 1.446211956518, 0.296362880274)
    y, dx, _, dvar = gradients(lambda x, t, v: fastnn.gaussian_nll_loss(x, t, v, full=True), A, B, C**2)
    near([y, dx, dvar], 10.148029793943, 8.505616713143, 375.234330428303)


def test_labels_and_counts_take_the_type_of_the_scores():
    x = A.astype(np.float32)
    labels = np.where(A > 0, 1, -1)
    assert fastnn.hinge_embedding_loss(x, labels).dtype == np.float32
    assert fastnn.hinge_embedding_loss(x, labels.tolist()).dtype == np.float32
    assert fastnn.margin_ranking_loss(x, x, labels).dtype == np.float32
    assert fastnn.poisson_nll_loss(x, labels + 1).dtype == np.float32
    assert fastnn.gaussian_nll_loss(x, x, 0.5).dtype == np.float32
    assert fastnn.gaussian_nll_loss(x, x, np.float64(0.5)).dtype == np.float64
    assert fastnn.hinge_embedding_loss(labels, labels).dtype == np.float64


def test_arrays_are_broadcast_and_gradients_summed():
    column, row = fastnn.tensor(A[:, :1].copy(), requires_grad=True), fastnn.tensor(B[:1].copy(), requires_grad=True)
    y = fastnn.poisson_nll_loss(column, row, reduction="sum")
    np.testing.assert_allclose(y.data, (np.exp(A[:, :1]) - A[:, :1] * B[:1]).sum(), rtol=1e-14)
    y.backward()
    np.testing.assert_allclose(column.grad, (np.exp(A[:, :1]) - B[:1]).sum(1, keepdims=True), rtol=1e-13)
    np.testing.assert_allclose(row.grad, -A[:, :1].sum(0, keepdims=True) + np.zeros((1, 4)), rtol=1e-13)
    mean = fastnn.hinge_embedding_loss(A, Y[:, None])
    np.testing.assert_allclose(mean, np.where(Y[:, None] == 1, A, np.maximum(0, 1 - A)).mean(), rtol=1e-14)


def test_the_variance_of_each_row_or_of_all():
    v = np.array([0.5, 1.0, 2.0])
    whole = fastnn.gaussian_nll_loss(A, B, np.repeat(v, 4).reshape(3, 4))
    assert fastnn.gaussian_nll_loss(A, B, v) == fastnn.gaussian_nll_loss(A, B, v[:, None]) == whole
    assert fastnn.gaussian_nll_loss(A, B, 2.0) == fastnn.gaussian_nll_loss(A, B, np.full((3, 4), 2.0))
    tracked = fastnn.tensor(v, requires_grad=True)
    fastnn.gaussian_nll_loss(A, B, tracked).backward()
    np.testing.assert_allclose(tracked.grad, (0.5 / v * (1 - ((A - B) ** 2).T / v)).sum(0) / 12, rtol=1e-12)
    with pytest.raises(
        ValueError, match=r"expected var of shape \(3, 4\), with one size of it 1, or \(3,\), got \(4,\)"
    ):
        fastnn.gaussian_nll_loss(A, B, np.ones(4))
    with pytest.raises(ValueError, match="gaussian_nll_loss: expected var of at least 0, got -2"):
        fastnn.gaussian_nll_loss(A, B, -2.0)


def test_a_small_variance_is_raised_and_keeps_its_gradient():
    (*_, dvar) = fastnn.gaussian_nll_loss_backward(1.0, [1.0], [0.0], [0.0], eps=0.5)
    np.testing.assert_allclose(dvar, [0.5 * (1 - 1 / 0.5) / 0.5])


def test_kinks_pass_the_gradient():
    np.testing.assert_array_equal(fastnn.hinge_embedding_loss_backward(1.0, [1.0], [-1]), [-1.0])
    np.testing.assert_array_equal(fastnn.margin_ranking_loss_backward(1.0, [1.0], [1.0], [1])[0], [-1.0])


def test_other_targets_add_both_losses():
    assert fastnn.hinge_embedding_loss([0.25], [0.0]) == 1.0


def test_stirling_counts_from_above_one():
    t = np.array([0.0, 1.0, 1.5, 30.0])
    plain, full = (fastnn.poisson_nll_loss(np.zeros(4), t, full=f, reduction="none") for f in (False, True))
    expected = [0, 0, *(x * math.log(x) - x + 0.5 * math.log(2 * math.pi * x) for x in t[2:])]
    np.testing.assert_allclose(full - plain, expected, rtol=1e-14)


def test_layers_of_margins_and_likelihoods():
    assert nn.HingeEmbeddingLoss(0.5, reduction="sum")(A, Y[:, None]) == fastnn.hinge_embedding_loss(
        A, Y[:, None], 0.5, reduction="sum"
    )
    assert nn.MarginRankingLoss(0.2)(A, B, ONES) == fastnn.margin_ranking_loss(A, B, ONES, 0.2)
    assert nn.PoissonNLLLoss(False, True, eps=1e-3)(A**2, ONES) == fastnn.poisson_nll_loss(
        A**2, ONES, False, True, eps=1e-3
    )
    assert nn.GaussianNLLLoss(full=True)(A, B, C**2) == fastnn.gaussian_nll_loss(A, B, C**2, True)
    with pytest.raises(TypeError, match="MarginRankingLoss: expected margin to be a real number, got str"):
        nn.MarginRankingLoss("1")
