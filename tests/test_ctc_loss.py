"""Connectionist temporal classification: known values, all paths, forms of targets, long and improbable sequences."""

import itertools
import math

import numpy as np
import pytest
from numeric import checksum, near, slope, waves

import fastnn
from fastnn import nn

LOGITS = waves((5, 2, 4), 1.3, 0)
LABELS, STEPS, COUNTS = np.array([[1, 2, 2], [3, 1, 0]]), [5, 4], [3, 2]


def test_known_values_of_ctc():
    log_p = fastnn.log_softmax(LOGITS, 2)
    near(fastnn.ctc_loss(log_p, LABELS, STEPS, COUNTS, reduction="none"), 4.362313233614, 3.181717605654)
    near(fastnn.ctc_loss(log_p, LABELS, STEPS, COUNTS), 1.522481607016)
    dx = fastnn.ctc_loss_backward(1.0, log_p, LABELS, STEPS, COUNTS, reduction="sum")
    near(checksum(dx), 0.451187212887)
    near(dx[0, 0], 0.168812278951, -0.544305109561, 0.288793619636, 0.086699210974)
    near(checksum(fastnn.ctc_loss_backward(1.0, log_p, LABELS, STEPS, COUNTS)), 0.114089406942)


def every_path(log_p, labels, blank=0):
    """The loss from its definition: all paths, one by one."""
    total = 0.0
    for path in itertools.product(range(log_p.shape[1]), repeat=len(log_p)):
        read = [c for i, c in enumerate(path) if (i == 0 or c != path[i - 1]) and c != blank]
        if read == list(labels):
            total += math.exp(sum(log_p[t, c] for t, c in enumerate(path)))
    return -math.log(total)


@pytest.mark.parametrize("labels", [[], [1], [1, 1], [2, 1], [1, 2, 1], [1, 1, 2]])
@pytest.mark.parametrize("blank", [0, 3])
def test_ctc_is_the_sum_over_all_paths(labels, blank):
    labels = [(label + (blank == 0)) % 4 if blank else label for label in labels]
    log_p = fastnn.log_softmax(waves((5, 4), 2.3, 1), 1)
    got = fastnn.ctc_loss(log_p, np.array(labels, int), 5, len(labels), blank, "none")
    np.testing.assert_allclose(got, every_path(log_p, labels, blank), rtol=1e-13)


def test_gradient_of_ctc_through_log_softmax():
    def loss(x):
        return fastnn.ctc_loss(fastnn.log_softmax(x, 2), LABELS, STEPS, COUNTS, reduction="none")

    tracked, dy = fastnn.tensor(LOGITS, requires_grad=True), np.array([0.7, -1.3])
    loss(tracked).backward(dy)
    np.testing.assert_allclose(tracked.grad, slope(loss, LOGITS, dy, 1e-4), rtol=1e-8, atol=1e-10)
    assert not tracked.grad[4, 1].any()


def test_forms_of_targets_and_lengths():
    log_p = fastnn.log_softmax(LOGITS, 2)
    expected = fastnn.ctc_loss(log_p, LABELS, STEPS, COUNTS, reduction="none")
    joined = np.array([1, 2, 2, 3, 1], np.int32)
    for targets in (LABELS, LABELS.tolist(), LABELS.astype(np.uint8), joined, joined.tolist()):
        for convert in (list, tuple, np.array, lambda v: np.array(v, np.int32)):
            got = fastnn.ctc_loss(log_p, targets, convert(STEPS), convert(COUNTS), reduction="none")
            np.testing.assert_array_equal(got, expected)
    wide = np.full((2, 9), -100)
    wide[:, :3] = LABELS
    np.testing.assert_array_equal(fastnn.ctc_loss(log_p, wide, STEPS, COUNTS, reduction="none"), expected)
    for i, (n, k) in enumerate(zip(STEPS, COUNTS, strict=True)):
        for lengths in ((n, k), ([n], [k]), (np.array(n), np.array(k)), (np.int32(n), np.int8(k))):
            assert fastnn.ctc_loss(log_p[:, i], LABELS[i], *lengths, reduction="none") == expected[i]
            assert fastnn.ctc_loss(log_p[:, i : i + 1], LABELS[i, :k], *lengths, reduction="none") == expected[i]
    last = np.ascontiguousarray(log_p.transpose(1, 0, 2)).transpose(1, 0, 2)
    np.testing.assert_array_equal(fastnn.ctc_loss(last, LABELS, STEPS, COUNTS, reduction="none"), expected)
    np.testing.assert_array_equal(
        fastnn.ctc_loss_backward(1.0, last, LABELS, STEPS, COUNTS),
        fastnn.ctc_loss_backward(1.0, log_p, LABELS, STEPS, COUNTS),
    )


def test_labels_that_do_not_fit():
    """A label that repeats needs a blank between: three of them in four steps are too many."""
    log_p = fastnn.log_softmax(LOGITS, 2)
    targets, steps, counts = [[3, 3, 3], [1, 2, 0]], [4, 5], [3, 2]
    loss = fastnn.ctc_loss(log_p, targets, steps, counts, reduction="none")
    assert loss[0] == np.inf
    assert np.isfinite(loss[1])
    dx = fastnn.ctc_loss_backward(1.0, log_p, targets, steps, counts)
    assert np.isnan(dx[:4, 0]).all()
    assert not dx[4, 0].any()
    assert np.isfinite(dx[:, 1]).all()
    assert fastnn.ctc_loss(log_p, targets, steps, counts) == np.inf
    kept = fastnn.ctc_loss(log_p, targets, steps, counts, reduction="none", zero_infinity=True)
    np.testing.assert_array_equal(kept, [0, loss[1]])
    zero = fastnn.ctc_loss_backward(1.0, log_p, targets, steps, counts, zero_infinity=True)
    assert not zero[:, 0].any()
    np.testing.assert_array_equal(zero[:, 1], dx[:, 1])


def test_sequences_of_nothing():
    log_p = fastnn.log_softmax(LOGITS, 2)
    loss = fastnn.ctc_loss(log_p, np.zeros((2, 0), int), [0, 3], [0, 0], reduction="none")
    assert loss[0] == 0
    np.testing.assert_allclose(loss[1], -log_p[:3, 1, 0].sum(), rtol=1e-14)
    assert fastnn.ctc_loss(log_p[:, :0], np.zeros((0, 3), int), [], [], reduction="none").shape == (0,)
    assert np.isnan(fastnn.ctc_loss(log_p[:, :0], np.zeros((0, 3), int), [], []))
    assert fastnn.ctc_loss_backward(1.0, log_p[:, :0], np.zeros((0, 3), int), [], []).shape == (5, 0, 4)


def test_ctc_of_long_and_improbable_sequences():
    """No path's probability underflows: 400 steps that shout for the wrong class, in float32."""
    x = np.zeros((400, 1, 5), np.float32)
    x[:, :, 4] = 60
    log_p = fastnn.log_softmax(x, 2)
    loss = fastnn.ctc_loss(log_p, [[1, 2, 3] * 60], 400, 180)
    wide = fastnn.ctc_loss(log_p.astype(np.float64), [[1, 2, 3] * 60], 400, 180)
    assert 100 < wide < 1000
    np.testing.assert_allclose(loss, wide, rtol=1e-6)
    shares = np.exp(log_p) - fastnn.ctc_loss_backward(1.0, log_p, [[1, 2, 3] * 60], 400, 180, reduction="sum")
    np.testing.assert_allclose(shares.sum(2), 1, rtol=1e-5)


def test_ctc_keeps_nan_and_what_it_was_given():
    log_p = fastnn.log_softmax(LOGITS, 2)
    log_p[2, 0] = np.nan
    loss = fastnn.ctc_loss(log_p, LABELS, STEPS, COUNTS, reduction="none")
    assert np.isnan(loss[0])
    assert np.isfinite(loss[1])
    labels, tracked = LABELS.copy(), fastnn.tensor(fastnn.log_softmax(LOGITS, 2), requires_grad=True)
    y = fastnn.ctc_loss(tracked, labels, STEPS, COUNTS)
    labels[:] = 1
    y.backward()
    np.testing.assert_array_equal(tracked.grad, fastnn.ctc_loss_backward(1.0, tracked.data, LABELS, STEPS, COUNTS))


def test_ctc_refuses():
    log_p = fastnn.log_softmax(LOGITS, 2)
    with pytest.raises(ValueError, match="got 4 at place 1 of sequence 1"):
        fastnn.ctc_loss(log_p, [[1, 2, 2], [3, 4, 0]], STEPS, COUNTS)
    with pytest.raises(ValueError, match=r"expected targets of 5 labels, the sum of target_lengths, got 4"):
        fastnn.ctc_loss(log_p, [1, 2, 2, 3], STEPS, COUNTS)
    with pytest.raises(ValueError, match=r"expected target_lengths in \[0, 3\], the second size of targets, got 4"):
        fastnn.ctc_loss(log_p, LABELS, STEPS, [3, 4])
    with pytest.raises(ValueError, match="CTCLoss: expected blank of at least 0"):
        nn.CTCLoss(blank=-1)
    assert nn.CTCLoss(zero_infinity=True)(log_p, LABELS, STEPS, COUNTS) == fastnn.ctc_loss(log_p, LABELS, STEPS, COUNTS)
