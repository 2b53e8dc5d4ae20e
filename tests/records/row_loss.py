"""Losses of whole rows and sequences, and the similarities that some of them are made of."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from fastnn._records._record import (
    IN_TABLE,
    Draw,
    LayerCall,
    Options,
    Record,
    Shape,
    Wrong,
    class_weights,
    classes,
    normal,
    trailing,
    uniform,
)

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


# -- similarities -----------------------------------------------------------------------------------------------------


def _cosine(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    def length(x: Any) -> Any:
        return np.maximum(np.sqrt((x * x).sum(dim)), eps)

    return (x1 * x2).sum(dim) / (length(x1) * length(x2))


def _distance(x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Any:
    size = abs(x1 - x2 + eps)
    y = size.max(-1) if p == np.inf else (size**p).sum(-1) ** (1 / p)
    return y[..., np.newaxis] if keepdim else y


_ROWS = """
        EACH(n, 1, 10, 33, 1000, 1317)
        {
            FILL(x, 37 * n, -9, 9); FILL(a, 37 * n, -9, 9); FILL(dy, 37, -2, 2);
            for (ptrdiff_t i = 0; i < n; i++)
                x[i] = 0, x[n + i] *= (REAL)1e30, a[2 * n + i] *= (REAL)1e-30;
"""

SIMILARITIES = [
    Record(
        "cosine_similarity",
        {"x1": normal(), "x2": normal(), "dim": 1},
        ((3, 4), (2, 3, 4)),
        ({"dim": 1}, {"dim": -1, "eps": 0.01}),
        reference=_cosine,
        gradients=("x1", "x2"),
        torch="cosine_similarity",
        wrong=(
            Wrong("expected dim in", {"dim": 9}, error=IndexError),
            Wrong("expected x1 and x2 of shapes that broadcast", {"x2": np.ones((3, 5))}, (3, 4)),
            Wrong("expected eps to be a real number", {"eps": "1"}, error=TypeError),
        ),
        any_shape=lambda shape: {"x2": np.ones(()), "dim": -1},
        large=((500, 1300), (37, 5, 1000)),
        layers=(LayerCall("CosineSimilarity", (), {}, ((3, 4), (3, 4))),),
        bench=((4096, 256),),
        native=_ROWS
        + """
            for (int added = 0; added < 2; added++)
            {
                RUN(cosine, .y = y, .x1 = x, .x2 = a, .rows = 37, .n = n, .added = added, .eps = 1e-8);
                ADD(y, 37);
                RUN(cosine_backward, .dx1 = y, .dx2 = z, .dy = dy, .x1 = x, .x2 = a, .rows = 37, .n = n, .added = added,
                    .eps = 1e-8);
                ADD(y, 37 * n); ADD(z, 37 * n);
            }
        }""",
    ),
    Record(
        "pairwise_distance",
        {"x1": normal(), "x2": normal()},
        ((4,), (3, 4), (2, 3, 4)),
        ({}, {"p": 1.0}, {"p": 3.0, "keepdim": True}, {"p": np.inf, "eps": 0.0}),
        reference=_distance,
        gradients=("x1", "x2"),
        joins=lambda arguments: arguments["x1"].ndim == 1,
        torch="pairwise_distance",
        step=1e-5,
        wrong=(
            Wrong("expected arrays of at least one dimension", {"x2": 1.0}, ()),
            Wrong("expected x1 and x2 of shapes that broadcast", {"x2": np.ones((3, 5))}, (3, 4)),
            Wrong("expected p to be a real number", {"p": "1"}, error=TypeError),
        ),
        any_shape=lambda shape: {"x2": np.ones(())},
        large=((500, 1300), (37, 5, 1000)),
        layers=(LayerCall("PairwiseDistance", (), {}, ((3, 4), (3, 4))),),
        bench=((4096, 256),),
        native=_ROWS
        + """
            RUN(distance, .y = y, .x1 = x, .x2 = a, .rows = 37, .n = n, .eps = 1e-6);
            RUN(distance_backward, .dx = z, .dy = dy, .x1 = x, .x2 = a, .rows = 37, .n = n, .eps = 1e-6);
            ADD(y, 37); ADD(z, 37 * n);
        }""",
    ),
]

# -- losses of distances ----------------------------------------------------------------------------------------------


def _joins(arguments: Options) -> bool:
    return arguments["reduction"] != "none" or next(iter(arguments.values())).ndim < 2


def _cosine_embedding(input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: str = "mean") -> Any:
    squares = ((input1**2).sum(-1) + 1e-12) * ((input2**2).sum(-1) + 1e-12)
    c = (input1 * input2).sum(-1) / np.sqrt(squares)
    return reduced(np.where(target == 1, 1 - c, np.maximum(0, c - margin)), reduction)


def _triplet(
    anchor: Any,
    positive: Any,
    negative: Any,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> Any:
    far = _distance(anchor, negative, p, eps)
    far = np.minimum(far, _distance(positive, negative, p, eps)) if swap else far
    return reduced(np.maximum(0, margin + _distance(anchor, positive, p, eps) - far), reduction)


def _with_reductions(*options: Options) -> tuple[Options, ...]:
    return tuple({**each, "reduction": reduction} for each, reduction in product(options, REDUCTIONS))


_TRIPLETS = {"anchor": normal(), "positive": normal(), "negative": normal(), "reduction": "mean"}
_TRIPLET_WRONG = (
    Wrong("expected margin above 0, got 0", {"margin": 0.0}),
    Wrong("of the same number of dimensions", {"negative": np.ones(5)}, (4, 5)),
    Wrong("expected reduction to be one of", {"reduction": "avg"}),
)
_SIGNS = Draw(lambda rng, shape: rng.choice([-1.0, 1.0], shape[:-1]), per_sample=True)

METRICS = [
    Record(
        "cosine_embedding_loss",
        {"input1": normal(), "input2": normal(), "target": _SIGNS, "reduction": "mean"},
        ((5,), (4, 5)),
        _with_reductions({}, {"margin": 0.3}),
        reference=_cosine_embedding,
        gradients=("input1", "input2"),
        joins=_joins,
        torch="cosine_embedding_loss",
        wrong=(
            Wrong("expected input1 and input2 .* got", {"target": np.ones(4)}, (4, 5, 2)),
            Wrong("expected input1 and input2 .* got", {"target": np.ones(3)}, (4, 5)),
            Wrong("expected reduction to be one of", {"reduction": "avg"}),
        ),
        large=((500, 1300),),
        batch=(64, 12),
        layers=(LayerCall("CosineEmbeddingLoss"),),
        bench=((4096, 256),),
        native="cosine_similarity",
    ),
    Record(
        "triplet_margin_loss",
        _TRIPLETS,
        ((5,), (4, 5), (2, 3, 4)),
        _with_reductions({}, {"swap": True}, {"p": 1.0, "margin": 3.0, "eps": 0.001}, {"p": 3.0, "swap": True}),
        reference=_triplet,
        gradients=("anchor", "positive", "negative"),
        joins=_joins,
        torch="triplet_margin_loss",
        step=1e-5,
        wrong=(
            *_TRIPLET_WRONG,
            Wrong(
                "expected anchor, positive and negative of shapes that broadcast", {"negative": np.ones((4, 6))}, (4, 5)
            ),
            Wrong("expected arrays of at least one dimension", {"positive": 1.0, "negative": 1.0}, ()),
        ),
        large=((500, 1300),),
        layers=(LayerCall("TripletMarginLoss"),),
        bench=((4096, 256),),
        native="pairwise_distance",
    ),
    Record(
        "triplet_margin_with_distance_loss",
        _TRIPLETS,
        ((5,), (4, 5), (2, 3, 4)),
        _with_reductions({}, {"swap": True, "margin": 3.0}),
        reference=_triplet,
        gradients=(),
        joins=_joins,
        torch="triplet_margin_with_distance_loss",
        wrong=_TRIPLET_WRONG,
        large=((500, 1300),),
        layers=(LayerCall("TripletMarginWithDistanceLoss"),),
        native="pairwise_distance",
    ),
]

# -- losses of margins between classes --------------------------------------------------------------------------------


def _multi_margin(
    input: Any, target: Any, p: int = 1, margin: float = 1.0, weight: Any = None, reduction: str = "mean"
) -> Any:
    x, t = np.atleast_2d(input), np.reshape(target, -1)
    rows = np.arange(len(x))
    terms = np.maximum(0, margin - x[rows, t][:, np.newaxis] + x) ** p
    terms[rows, t] = 0
    losses = terms.sum(1) / x.shape[1] * (1 if weight is None else weight[t])
    return reduced(losses.reshape(np.shape(target)), reduction)


def _multilabel_margin(input: Any, target: Any, reduction: str = "mean") -> Any:
    losses = np.zeros(len(np.atleast_2d(input)))
    for r, (x, row) in enumerate(zip(np.atleast_2d(input), np.atleast_2d(target), strict=True)):
        own = row[: np.argmin(row)] if (row < 0).any() else row
        others = np.delete(x, own)
        losses[r] = sum(np.maximum(0, 1 - x[t] + others).sum() for t in own) / len(x)
    return reduced(losses.reshape(input.shape[:-1]), reduction)


def _some_classes(rng: np.random.Generator, shape: Shape) -> Any:
    """Classes in any order, -1 from somewhere on."""
    order = rng.permuted(np.broadcast_to(np.arange(shape[-1]), shape), axis=-1)
    return np.where(np.arange(shape[-1]) < rng.integers(0, shape[-1] + 1, (*shape[:-1], 1)), order, -1)


def _multilabel_soft(input: Any, target: Any, weight: Any = None, reduction: str = "mean") -> Any:
    losses = np.log1p(np.exp(-input)) * target + np.log1p(np.exp(input)) * (1 - target)
    return reduced((losses * (1 if weight is None else weight)).mean(-1), reduction)


_NO_SCORES = Wrong("expected an input", {"target": np.zeros((4, 5, 2), int)}, (4, 5, 2))

MARGINS = [
    Record(
        "multi_margin_loss",
        {"input": normal(0, 2), "target": classes(), "reduction": "mean"},
        ((5,), (4, 5)),
        _with_reductions({}, {"p": 2}, {"margin": 0.3, "weight": class_weights()}, {"p": 2, "weight": class_weights()}),
        reference=_multi_margin,
        joins=_joins,
        torch="multi_margin_loss",
        step=1e-5,
        wrong=(
            _NO_SCORES,
            Wrong(r"expected targets in \[0, 4\], got 5", {"target": np.array([0, 5, 1, 1])}, (4, 5), IndexError),
            Wrong("expected target of shape", {"target": np.zeros(9, int)}, (4, 5)),
            Wrong("expected target to hold class indices", {"target": np.zeros(4)}, (4, 5), TypeError),
            Wrong("expected p of 1 or 2, got 3", {"p": 3}),
            Wrong("expected weight of shape", {"weight": np.ones(4)}, (4, 5)),
            Wrong("expected reduction to be one of", {"reduction": "avg"}),
        ),
        any_shape=lambda shape: {"target": 0},
        large=((500, 1300),),
        batch=(64, 12),
        layers=(LayerCall("MultiMarginLoss"),),
        bench=((1024, 512),),
        native="""
        EACH(n, 1, 10, 33, 1000, 1317)
            for (int square = 0; square < 2; square++)
            {
                static uint8_t taken[37 * 1317];
                FILL(x, 37 * n, -3, 3); FILL(dy, 37, -2, 2); FILL(a, n, 0, 1);
                TARGETS(37, n);
                memset(taken, 0, sizeof taken);
                for (ptrdiff_t r = 0; r < 37; r++)
                    if (targets[r] >= 0)
                        taken[r * n + targets[r]] = 1;
                RUN(margins, .loss = y, .x = x, .target = targets, .taken = taken, .weight = square ? a : NULL,
                    .rows = 37, .n = n, .k = 1, .square = square, .margin = 0.7);
                RUN(margins_backward, .dx = z, .dloss = dy, .x = x, .target = targets, .taken = taken,
                    .weight = square ? a : NULL, .rows = 37, .n = n, .k = 1, .square = square, .margin = 0.7);
                ADD(y, 37); ADD(z, 37 * n);
            }""",
    ),
    Record(
        "multilabel_margin_loss",
        {"input": normal(0, 2), "target": Draw(_some_classes, per_sample=True), "reduction": "mean"},
        ((5,), (4, 5)),
        _with_reductions({}),
        reference=_multilabel_margin,
        joins=_joins,
        torch="multilabel_margin_loss",
        step=1e-5,
        wrong=(
            _NO_SCORES,
            Wrong(r"expected targets in \[-1, 4\], got 5", {"target": np.full((4, 5), 5)}, (4, 5), IndexError),
            Wrong(r"expected targets in \[-1, 4\], got -2", {"target": np.full((4, 5), -2)}, (4, 5), IndexError),
            Wrong("expected target of the input's shape", {"target": np.zeros(4, int)}, (4, 5)),
            Wrong("expected reduction to be one of", {"reduction": "avg"}),
        ),
        large=((500, 1300),),
        batch=(64, 12),
        layers=(LayerCall("MultiLabelMarginLoss"),),
        bench=((1024, 64),),
        native="multi_margin_loss",
    ),
    Record(
        "multilabel_soft_margin_loss",
        {"input": normal(0, 2), "target": uniform(0.01, 0.99), "reduction": "mean"},
        ((5,), (4, 5), (2, 3, 4)),
        _with_reductions({}, {"weight": trailing(1, 0.5, 2)}),
        reference=_multilabel_soft,
        gradients=("input", "target"),
        twin=("input",),
        joins=_joins,
        torch="multilabel_soft_margin_loss",
        wrong=(
            Wrong(r"expected an input \(\*, C\), got a scalar", {"target": 1.0}, ()),
            Wrong("expected input and target of shapes that broadcast", {"target": np.ones(4)}, (4, 5)),
            Wrong("expected weight to broadcast", {"weight": np.ones(4)}, (4, 5)),
            Wrong("expected reduction to be one of", {"reduction": "avg"}),
        ),
        large=((300, 301),),
        layers=(LayerCall("MultiLabelSoftMarginLoss"),),
        bench=((256, 4096),),
        native=IN_TABLE,
    ),
]

RECORDS = [CTC, *SIMILARITIES, *METRICS, *MARGINS]
