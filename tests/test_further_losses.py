"""Losses of margins, likelihoods, similarities: known values, accepted and refused arguments."""

import math

import numpy as np
import pytest
from numeric import checksum, near, slope, waves

import fastnn
from fastnn import nn

both = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])


def gradients(loss, *arrays, **options):
    """The loss and the checksums of its gradients, by the tape."""
    tracked = [fastnn.tensor(each, requires_grad=True) for each in arrays]
    y = loss(*tracked, **options)
    y.backward()
    return [float(y.data), *(checksum(each.grad) for each in tracked)]


A, B, C = waves((3, 4), 1, 0), waves((3, 4), 0.7, 1), waves((3, 4), 0.4, 2)
X1, X2 = waves((2, 3), 1, 0), waves((2, 3), 0.7, 1)
Y, ONES = np.array([1.0, -1.0, 1.0]), np.array([[1.0, 0, 1, 0], [0, 0, 0, 1], [1, 1, 1, 1]])


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


# -- similarities, and losses of them -----------------------------------------------------------------------------------


def similarities(function, x1, x2, dy, **options):
    tracked = [fastnn.tensor(each, requires_grad=True) for each in (x1, x2)]
    y = function(*tracked, **options)
    y.backward(dy)
    return [y.data, *(each.grad for each in tracked)]


def test_known_values_of_similarities():
    dy = waves((2,), 0.3, 0.5)
    near(
        [checksum(each) for each in similarities(fastnn.cosine_similarity, X1, X2, dy)],
        1.721819185823,
        0.231183229609,
        -0.012360882016,
    )
    near(
        [checksum(each) for each in similarities(fastnn.pairwise_distance, X1, X2, dy)],
        1.051024763909,
        -0.332123495257,
        0.332123495257,
    )


def test_known_values_of_losses_of_distances():
    near(
        gradients(lambda a, b: fastnn.cosine_embedding_loss(a, b, Y, 0.2), A, B),
        0.632212804304,
        0.380537437227,
        -0.002800462155,
    )
    near(
        gradients(fastnn.triplet_margin_loss, A, B, C), 0.711971677042, 0.320985089407, 0.349110646254, -0.670095735661
    )
    near(
        gradients(lambda *x: fastnn.triplet_margin_loss(*x, swap=True, p=1), A, B, C),
        1.411220564510,
        -0.202364947097,
        0.427204393884,
        -0.224839446787,
    )


def test_known_values_of_margins_between_classes():
    w = np.array([1, 2, 0.5, 1])
    near(gradients(lambda x: fastnn.multi_margin_loss(x, [1, 3, 0], p=2, weight=w), A), 0.224426625397, -0.111428108022)
    labels = [[3, 0, -1, 1], [1, -1, 2, -1], [-1, 0, 0, 0]]
    near(gradients(lambda x: fastnn.multilabel_margin_loss(x, labels), A), 1.059736519696, -0.007211009368)
    near(gradients(lambda x: fastnn.multilabel_soft_margin_loss(x, ONES), A), 0.652248282920, 0.149419960534)


@both
def test_lengths_neither_overflow_nor_vanish(dtype):
    """The cosine does not depend on the lengths, and scaled vectors have scaled gradients."""
    x1, x2 = X1.astype(dtype), X2.astype(dtype)
    dy = np.ones(2, dtype)
    y, d1, d2 = similarities(fastnn.cosine_similarity, x1, x2, dy, eps=0.0)
    large = dtype(2) ** (100 if dtype == np.float32 else 1000)
    tolerance = {"rtol": 1e-5 if dtype == np.float32 else 1e-13}
    for a, b in ((large, 1), (1, large), (1 / large, 1), (large, 1 / large)):
        a, b = dtype(a), dtype(b)
        got, g1, g2 = similarities(fastnn.cosine_similarity, x1 * a, x2 * b, dy, eps=0.0)
        np.testing.assert_allclose(got, y, **tolerance)
        np.testing.assert_allclose(g1 * a, d1, **tolerance)
        np.testing.assert_allclose(g2 * b, d2, **tolerance)
    far, f1, _ = similarities(fastnn.pairwise_distance, x1 * large, x2 * large, dy)
    near_, n1, _ = similarities(fastnn.pairwise_distance, x1, x2, dy, eps=0.0)
    np.testing.assert_allclose(far / large, near_, **tolerance)
    np.testing.assert_allclose(f1, n1, **tolerance)


def test_vectors_of_nothing():
    zero = np.zeros((1, 3))
    np.testing.assert_array_equal(fastnn.cosine_similarity(zero, X1), [0, 0])
    d1, d2 = fastnn.cosine_similarity_backward([1.0], zero, X1[:1], eps=0.5)
    length = np.linalg.norm(X1[0])
    np.testing.assert_allclose(d1, X1[:1] / 0.5 / length)
    assert not d2.any()
    assert not fastnn.pairwise_distance_backward([1.0], zero, zero, eps=0.0)[0].any()
    assert fastnn.cosine_similarity(np.zeros((0, 4)), np.zeros((0, 4))).shape == (0,)
    np.testing.assert_array_equal(fastnn.cosine_similarity(np.zeros((3, 0)), np.zeros((3, 0))), np.zeros(3))
    np.testing.assert_array_equal(fastnn.cosine_similarity(np.zeros((0, 4)), np.zeros((0, 4)), 0), np.zeros(4))


def test_a_length_below_eps_is_eps():
    """Its derivative is that of the formula, where eps is a constant."""
    x1, dy = X1 * 0.1, np.array([1.0, -2.0])
    for each, other in ((x1, X2), (X2, x1)):
        d1, d2 = fastnn.cosine_similarity_backward(dy, each, other, eps=0.7)
        s1 = slope(lambda v, other=other: fastnn.cosine_similarity(v, other, eps=0.7), each, dy, 1e-4)
        s2 = slope(lambda v, each=each: fastnn.cosine_similarity(each, v, eps=0.7), other, dy, 1e-4)
        np.testing.assert_allclose(d1, s1, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(d2, s2, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("dim", [0, 1, 2, -1, -2])
def test_cosines_of_broadcast_arrays(dim):
    x1, x2 = waves((4, 1, 3), 1, 0.3), waves((2, 3), 0.7, 1)
    full1, full2 = (np.broadcast_to(each, (4, 2, 3)) for each in (x1, x2))
    expected = (full1 * full2).sum(dim) / np.linalg.norm(full1, axis=dim) / np.linalg.norm(full2, axis=dim)
    dy = waves(expected.shape, 0.3, 0.5)
    y, d1, d2 = similarities(fastnn.cosine_similarity, x1, x2, dy, dim=dim)
    np.testing.assert_allclose(y, expected, rtol=1e-13)
    np.testing.assert_allclose(
        d1, slope(lambda v: fastnn.cosine_similarity(v, x2, dim), x1, dy, 1e-4), rtol=1e-7, atol=1e-10
    )
    np.testing.assert_allclose(
        d2, slope(lambda v: fastnn.cosine_similarity(x1, v, dim), x2, dy, 1e-4), rtol=1e-7, atol=1e-10
    )


def test_the_gradient_of_one_array_alone():
    for function in (fastnn.cosine_similarity, fastnn.pairwise_distance):
        whole = similarities(function, X1, X2, np.ones(2))
        for i in (0, 1):
            arrays = [X1, X2]
            arrays[i] = fastnn.tensor(arrays[i], requires_grad=True)
            function(*arrays).backward(np.ones(2))
            np.testing.assert_array_equal(arrays[i].grad, whole[1 + i])


def test_triplets_of_any_distance():
    def city(x, y):
        return abs(x - y).sum(-1)

    tracked = [fastnn.tensor(each, requires_grad=True) for each in (A, B, C)]
    y = fastnn.triplet_margin_with_distance_loss(*tracked, distance_function=city, swap=True, margin=0.7)
    y.backward()
    others = [fastnn.tensor(each, requires_grad=True) for each in (A, B, C)]
    expected = fastnn.triplet_margin_loss(*others, 0.7, 1, 0.0, True)
    expected.backward()
    near(y.data, expected.data)
    for a, b in zip(tracked, others, strict=True):
        near(a.grad, *b.grad)
    plain = fastnn.triplet_margin_with_distance_loss(A, B, C, distance_function=city, swap=True, margin=0.7)
    assert plain == y.data
    layer = nn.TripletMarginWithDistanceLoss(
        distance_function=nn.PairwiseDistance(p=1.0, eps=0.0), swap=True, margin=0.7
    )
    near(layer(A, B, C), y.data)
    assert fastnn.triplet_margin_with_distance_loss(A, B, C) == fastnn.triplet_margin_loss(A, B, C)


def test_triplets_are_broadcast():
    y = fastnn.triplet_margin_loss(A, B[:1], C, reduction="none")
    np.testing.assert_array_equal(y, fastnn.triplet_margin_loss(A, np.repeat(B[:1], 3, 0), C, reduction="none"))
    whole = fastnn.triplet_margin_loss_backward(1.0, A, np.repeat(B[:1], 3, 0), C)
    got = fastnn.triplet_margin_loss_backward(1.0, A, B[:1], C)
    np.testing.assert_allclose(got[1], whole[1].sum(0, keepdims=True), rtol=1e-12)


def test_kinks_of_margins():
    """Distances that just keep the margin pass the gradient, classes do not."""
    x = np.array([[1.0, 0.0, -3.0]])
    assert not fastnn.multi_margin_loss_backward(1.0, x, [0]).any()
    assert not fastnn.multilabel_margin_loss_backward(1.0, x, [[0, -1, -1]]).any()
    anchor, other = np.zeros((1, 2)), np.array([[1.0, 0.0]])
    *_, dn = fastnn.triplet_margin_loss_backward(1.0, anchor, anchor + 1e-300, other, 1.0, eps=0.0)
    np.testing.assert_array_equal(dn, [[-1.0, 0.0]])
    dx1, _ = fastnn.cosine_embedding_loss_backward(1.0, [[0.0, 1.0]], [[1.0, 0.0]], [-1])
    assert dx1.any()


def test_labels_that_stand_twice_count_twice():
    x = np.array([0.1, 0.4, 0.2, 0.8])
    once, twice = (fastnn.multilabel_margin_loss(x, t) for t in ([2, -1, -1, -1], [2, 2, -1, -1]))
    near(twice, 2 * once)
    near(
        fastnn.multilabel_margin_loss_backward(1.0, x, [2, 2, -1, -1]),
        *2 * fastnn.multilabel_margin_loss_backward(1.0, x, [2, -1, -1, -1]),
    )


def test_many_classes():
    """More than fit one block of the kernels."""
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(3, 2500)), rng.integers(0, 2500, 3)
    expected = np.maximum(0, 1 - x[np.arange(3), t][:, None] + x)
    expected[np.arange(3), t] = 0
    np.testing.assert_allclose(fastnn.multi_margin_loss(x, t, reduction="none"), expected.mean(1), rtol=1e-13)
    labels = np.full((3, 2500), -1)
    labels[:, :2] = [[2400, 7], [3, 1100], [5, 6]]
    losses = [
        sum(np.maximum(0, 1 - row[j] + np.delete(row, own[:2])).sum() for j in own[:2]) / 2500
        for row, own in zip(x, labels, strict=True)
    ]
    np.testing.assert_allclose(fastnn.multilabel_margin_loss(x, labels, reduction="none"), losses, rtol=1e-13)
    dx = fastnn.multilabel_margin_loss_backward(1.0, x, labels)
    assert abs(dx.sum()) < 1e-12
    rows = np.repeat(np.arange(3), 2)
    other = np.ones(x.shape, bool)
    other[rows, labels[:, :2].ravel()] = False
    counts = sum((1 - x[np.arange(3), labels[:, j]][:, None] + x > 0) for j in range(2)) * other
    np.testing.assert_allclose(dx[other], (counts / 7500)[other], rtol=1e-13)


def test_forms_of_scores_and_labels():
    assert fastnn.multi_margin_loss(0.5, 0) == 0
    assert (
        fastnn.multi_margin_loss(A[0], 2) == fastnn.multi_margin_loss(A[0], [2]) == fastnn.multi_margin_loss(A[:1], [2])
    )
    assert fastnn.multi_margin_loss(A[0], [2], reduction="none").shape == (1,)
    assert fastnn.multi_margin_loss(np.zeros((0, 3)), []) == 0
    assert fastnn.multilabel_margin_loss(0.5, 0) == 0
    assert fastnn.multilabel_soft_margin_loss(A, ONES, reduction="none").shape == (3,)
    np.testing.assert_allclose(
        fastnn.multilabel_soft_margin_loss(A, ONES, reduction="sum"),
        fastnn.multilabel_soft_margin_loss(A, ONES, reduction="none").sum(),
        rtol=1e-14,
    )
    with pytest.raises(IndexError, match=r"expected targets in \[0, 3\], got 4 at index 1"):
        fastnn.multi_margin_loss(A, [0, 4, 1])
    with pytest.raises(IndexError, match=r"expected targets in \[-1, 3\], got -2 at index \(1, 2\)"):
        fastnn.multilabel_margin_loss(A, [[0, -1, 0, 0], [0, 1, -2, 0], [0, 0, 0, 0]])


def test_layers_of_similarities():
    assert repr(nn.TripletMarginLoss()) == "TripletMarginLoss()"
    np.testing.assert_array_equal(nn.CosineSimilarity(0)(X1, X2), fastnn.cosine_similarity(X1, X2, 0))
    np.testing.assert_array_equal(
        nn.PairwiseDistance(1, keepdim=True)(X1, X2), fastnn.pairwise_distance(X1, X2, 1, keepdim=True)
    )
    for make in (
        lambda: nn.TripletMarginLoss(0.0),
        lambda: nn.TripletMarginWithDistanceLoss(margin=-1.0),
        lambda: nn.MultiMarginLoss(3),
    ):
        with pytest.raises(ValueError, match=r"Loss: expected (margin above 0|p of 1 or 2), got"):
            make()
    assert list(nn.MultiMarginLoss(weight=[1.0, 2.0]).state_dict()) == ["weight"]
