"""Losses of whole rows and sequences, and the similarities that some of them are made of."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._record import Draw, LayerCall, Record, Shape, Wrong
from .pair_loss import REDUCTIONS, reduced

# -- connectionist temporal classification ----------------------------------------------------------------------------


def _log_probabilities(rng: np.random.Generator, shape: Shape) -> Any:
    x = rng.normal(0, 2, shape)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def _sequences(shape: Shape) -> Shape:
    """(N,), or () for a sequence alone."""
    return shape[1:-1]


def _room(shape: Shape) -> int:
    """How many labels surely fit, even if they are all the same."""
    return (shape[0] + 1) // 3


def _labels(rng: np.random.Generator, shape: Shape) -> Any:
    return rng.integers(1, max(shape[-1], 2), (*_sequences(shape), _room(shape)))


def _each_second_less(most: int, shape: Shape) -> Any:
    """As many, or one less in every second sequence."""
    return np.maximum(most - np.arange(np.prod(_sequences(shape), dtype=int)) % 2, 0).reshape(_sequences(shape))


def _ctc(
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Any:
    """The sum over the paths of probabilities, place by place."""
    p = np.exp(log_probs if log_probs.ndim == 3 else log_probs[:, np.newaxis])
    steps, counts = np.broadcast_to(input_lengths, p.shape[1]), np.broadcast_to(target_lengths, p.shape[1])
    losses = np.zeros(p.shape[1])
    for i, row in enumerate(targets.reshape(p.shape[1], -1)):
        labels = [blank]
        for label in row[: counts[i]]:
            labels += [int(label), blank]
        reached = np.zeros(len(labels) + 2)
        reached[1] = 1.0
        for t in range(steps[i]):
            skips = [s > 1 and s % 2 == 1 and label != labels[s - 2] for s, label in enumerate(labels)]
            skips[1:2] = [True] * (len(labels) > 1)
            into = reached[2:] + reached[1:-1] + np.where(skips, reached[:-2], 0)
            reached = np.concatenate([[0, 0], into * p[t, i, labels]])
        with np.errstate(divide="ignore"):
            losses[i] = -np.log(reached[-1] + reached[-2])
    losses = np.where(np.isinf(losses), 0, losses) if zero_infinity else losses
    if reduction == "mean":
        losses = losses / np.maximum(counts, 1)
    return reduced(losses.reshape(_sequences(log_probs.shape)), reduction)


CTC = Record(
    "ctc_loss",
    {
        "log_probs": Draw(_log_probabilities, per_sample=True),
        "targets": Draw(_labels),
        "input_lengths": lambda shape: _each_second_less(shape[0], shape),
        "target_lengths": lambda shape: _each_second_less(_room(shape), shape),
        "reduction": "mean",
    },
    ((4, 3), (5, 2, 4), (9, 3, 5)),
    tuple({"reduction": reduction} for reduction in REDUCTIONS),
    reference=_ctc,
    gradients=("log_probs",),
    joins=lambda arguments: True,
    torch="ctc_loss",
    wrong=(
        Wrong(r"expected log_probs \(T, N, C\) or \(T, C\)", {"targets": np.ones(1, int)}, (3,)),
        Wrong("expected blank in", {"blank": 5}, (9, 3, 5)),
        Wrong("expected labels in .* got 7", {"targets": np.full((3, 3), 7)}, (9, 3, 5)),
        Wrong("expected labels in .* got 0, the blank", {"targets": np.zeros((3, 3), int)}, (9, 3, 5)),
        Wrong("expected targets of shape", {"targets": np.ones((2, 3), int)}, (9, 3, 5)),
        Wrong("expected targets of 9 labels", {"targets": np.ones(8, int), "target_lengths": [3, 3, 3]}, (9, 3, 5)),
        Wrong("expected targets to hold labels", {"targets": np.ones((3, 3))}, (9, 3, 5), TypeError),
        Wrong(r"expected input_lengths in \[0, 9\]", {"input_lengths": [9, 10, 9]}, (9, 3, 5)),
        Wrong("expected input_lengths of shape", {"input_lengths": [9, 9]}, (9, 3, 5)),
        Wrong("expected input_lengths to be integers", {"input_lengths": [9.0, 9.0, 9.0]}, (9, 3, 5), TypeError),
        Wrong(r"expected target_lengths in \[0, 3\]", {"target_lengths": [3, 3, -1]}, (9, 3, 5)),
        Wrong("expected reduction to be one of", {"reduction": "avg"}),
    ),
    any_shape=lambda shape: {"targets": np.ones(1, int), "input_lengths": 1, "target_lengths": 1},
    large=((70, 50, 40), (300, 3, 600)),
    batch=(64, 12),
    layers=(LayerCall("CTCLoss"),),
    bench=((100, 32, 40),),
    native="""
    {
        const int64_t labels[2][3] = {{1, 2, 2}, {3, 1, 0}}, steps[2] = {90, 85}, counts[2] = {3, 2};
        const double dloss[2] = {0.3, -0.7};
        FILL(x, 90 * 2 * 1100, -9, 0);
        RUN(ctc, .loss = us, .alpha = vs, .lp = x, .lp_strides = {2200, 1100, 1}, .targets = labels[0],
            .input_lengths = steps, .target_lengths = counts, .work = work, .t = 90, .n = 2, .c = 1100, .s = 3,
            .kept = 91);
        RUN(ctc_backward, .dx = z, .dloss = dloss, .loss = us, .alpha = vs, .lp = x, .lp_strides = {2200, 1100, 1},
            .targets = labels[0], .input_lengths = steps, .target_lengths = counts, .work = work, .t = 90, .n = 2,
            .c = 1100, .s = 3);
        ADD_DOUBLES(us, 2); ADD(z, 90 * 2 * 1100);
    }""",
)

RECORDS = [CTC]
