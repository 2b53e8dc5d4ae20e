"""Softmax and what is taken of classes: cross-entropy, negative log-likelihood, one-hot rows."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from fastnn._records._record import (
    NO_KERNEL,
    LayerCall,
    Options,
    Record,
    Wrong,
    class_axis,
    class_weights,
    classes,
    indices,
    normal,
    shares,
)  # fmt: skip


def _axis(dim: int | None, ndim: int) -> int:
    """The axis meant; without one it is the last of one dimension or two."""
    return max(ndim - 1, 0) if dim is None else dim


def _log_softmax(input: Any, dim: int | None = None) -> Any:
    if input.ndim == 0:
        return np.zeros(())
    x = input.astype(np.longdouble)
    x = x - x.max(_axis(dim, x.ndim), keepdims=True)
    return (x - np.log(np.exp(x).sum(_axis(dim, x.ndim), keepdims=True))).astype(np.float64)


def _joins_samples(arguments: Options) -> bool:
    ndim = arguments["input"].ndim
    return ndim == 0 or _axis(arguments["dim"], ndim) % ndim == 0


def _reduced(losses: Any, reduction: str, divisor: Any) -> Any:
    if reduction == "none":
        return losses
    return losses.sum() if reduction == "sum" else losses.sum() / divisor


def _nll(
    input: Any, target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:  # fmt: skip
    """Losses of log-probabilities: -(1 - s) w[t] x[t] - s / C sum(w x)."""
    axis = class_axis(input.shape)
    x, count = np.moveaxis(input, axis, -1), input.shape[axis]
    w = np.ones(count) if weight is None else weight
    kept = target != ignore_index
    index = np.where(kept, target, 0)
    picked = np.take_along_axis(x, index[..., None], -1)[..., 0]
    losses = -(1 - label_smoothing) * w[index] * picked - label_smoothing / count * (w * x).sum(-1)
    return _reduced(np.where(kept, losses, 0), reduction, (w[index] * kept).sum())


def _cross_entropy(
    input: Any, target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:  # fmt: skip
    """The loss of classes, or of a distribution over them for each sample."""
    axis = class_axis(input.shape)
    log_p = _log_softmax(input, axis)
    if target.dtype.kind != "f":
        return _nll(log_p, target, weight, ignore_index, reduction, label_smoothing)
    count, shape = input.shape[axis], [1] * input.ndim
    shape[axis] = count
    w = 1.0 if weight is None else weight.reshape(shape)
    t = target * (1 - label_smoothing) + label_smoothing / count
    losses = -(w * t * log_p).sum(axis)
    return _reduced(losses, reduction, losses.size)


def _one_hot(tensor: Any, num_classes: int) -> Any:
    return np.eye(num_classes, dtype=np.int64)[tensor]


_REDUCTIONS = ("mean", "sum", "none")
_WEIGHTS: tuple[Any, ...] = (None, class_weights())
_TARGETS: tuple[tuple[Any, int], ...] = ((classes(), -100), (classes(), 1), (shares(), -100))
_DIMS: tuple[Any, ...] = (0, -1, lambda shape: len(shape) // 2, lambda shape: None if len(shape) < 3 else 1)
_SHAPES = ((5,), (4, 5), (4, 5, 3), (2, 5, 3, 2))
_LOSS_WRONG = (
    Wrong("expected an input .* got a scalar", {"target": 0}, ()),
    Wrong(r"expected targets in \[0, 4\], got 5", {"target": np.array([0, 5, 1, 1])}, (4, 5), IndexError),
    Wrong("expected target of shape", {"target": np.zeros(9, int)}, (4, 5)),
    Wrong("expected reduction to be one of", {"reduction": "avg"}),
    Wrong("expected ignore_index to be an integer", {"ignore_index": 1.5}, error=TypeError),
)


def _softmax_like(name: str, formula: Any, native: str, layers: tuple[LayerCall, ...], bench: Any) -> Record:
    return Record(
        name,
        {"input": normal(0, 4), "dim": 1},
        ((), (4,), (3, 4), (2, 3, 4), (2, 3, 4, 5)),
        tuple({"dim": dim} for dim in _DIMS),
        reference=formula,
        joins=_joins_samples,
        torch=name,
        wrong=(
            Wrong("expected dim in", {"dim": 9}, error=IndexError),
            Wrong("expected dim to be an integer", {"dim": 0.5}, error=TypeError),
            Wrong("expected dtype float16, float32 or float64", {"dtype": int}, error=TypeError),
        ),
        any_shape=lambda shape: {"dim": -1},
        large=((500, 1300), (37, 5, 1000)),
        layers=layers,
        bench=bench,
        native=native,
    )


ROWS_OF_CLASSES = ((128, 10), (128, 1000), (4096, 512))

RECORDS = [
    _softmax_like(
        "softmax",
        lambda input, dim: np.exp(_log_softmax(input, dim)),
        """
        EACH(n, 1, 10, 33, 1000, 1317)
            for (int log = 0; log < 2; log++)
            {
                FILL(x, 37 * n, -9, 9); FILL(dy, 37 * n, -2, 2);
                RUN(softmax, .y = y, .x = x, .rows = 37, .n = n, .log = log);
                RUN(softmax_backward, .dx = z, .dy = dy, .y = y, .rows = 37, .n = n, .log = log);
                ADD(y, 37 * n); ADD(z, 37 * n);
            }""",
        (LayerCall("Softmax2d", (), {}, ((2, 3, 4, 4),)), LayerCall("Softmax", (1,), {}, ((3, 4),))),
        ROWS_OF_CLASSES,
    ),
    _softmax_like(
        "log_softmax", _log_softmax, "softmax", (LayerCall("LogSoftmax", (1,), {}, ((3, 4),)),), ROWS_OF_CLASSES
    ),
    _softmax_like(
        "softmin",
        lambda input, dim: np.exp(_log_softmax(-input, dim)),
        "softmax",
        (LayerCall("Softmin", (1,), {}, ((3, 4),)),),
        ((1024, 512),),
    ),
    Record(
        "cross_entropy",
        {"input": normal(0, 3), "target": classes(), "weight": None, "reduction": "mean"},
        _SHAPES,
        tuple(
            {"target": t, "ignore_index": i, "weight": w, "label_smoothing": s, "reduction": r}
            for (t, i), w, s, r in product(_TARGETS, _WEIGHTS, (0.0, 0.2), _REDUCTIONS)
        ),
        reference=_cross_entropy,
        gradients=("input", "target"),
        twin=("input",),
        joins=lambda arguments: arguments["reduction"] != "none",
        torch="cross_entropy",
        wrong=(*_LOSS_WRONG, Wrong(r"label_smoothing in \[0, 1\], got 1.5", {"label_smoothing": 1.5})),
        large=((500, 1300), (37, 5, 1000)),
        large_variants=(
            {},
            {"label_smoothing": 0.1, "ignore_index": 1},
            {"weight": class_weights(), "reduction": "none"},
            {"target": shares(), "label_smoothing": 0.1},
            {"target": shares(), "weight": class_weights(), "reduction": "sum"},
        ),
        layers=(LayerCall("CrossEntropyLoss"),),
        bench=ROWS_OF_CLASSES,
        native="""
        EACH(n, 1, 10, 33, 1000, 1317)
            for (int weighted = 0; weighted < 2; weighted++)
            {
                const double smoothing = weighted * 0.1;
                const REAL *w = weighted ? a : NULL;
                FILL(x, 37 * n, -9, 9); FILL(dy, 37 * n, 0, 1); FILL(a, n, 0, 1);
                TARGETS(37, n);
                int64_t known[37], wrong = 0;
                RUN(classes, .y = known, .wrong = &wrong, .x = targets, .rows = 37, .n = n);
                add_bytes(&wrong, sizeof wrong);
                RUN(nll, .loss = y, .x = x, .target = targets, .weight = w, .rows = 37, .n = n, .smoothing = smoothing);
                RUN(nll_backward, .dx = z, .dloss = weighted ? dy : NULL, .x = x, .target = targets, .weight = w,
                    .rows = 37, .n = n, .smoothing = smoothing, .scale = 0.3);
                ADD(y, 37); ADD(z, 37 * n);
                RUN(soft_nll, .loss = y, .x = x, .t = dy, .weight = w, .rows = 37, .n = n, .smoothing = smoothing);
                ADD(y, 37);
                RUN(soft_nll_backward, .dx = z, .dloss = y, .x = x, .t = dy, .weight = w, .rows = 37, .n = n,
                    .smoothing = smoothing);
                ADD(z, 37 * n);
                RUN(soft_nll_target_backward, .dt = z, .dloss = y, .x = x, .weight = w, .rows = 37, .n = n,
                    .smoothing = smoothing);
                ADD(z, 37 * n);
            }""",
    ),
    Record(
        "nll_loss",
        {"input": normal(-2, 1), "target": classes(), "weight": None, "reduction": "mean"},
        _SHAPES,
        tuple(
            {"ignore_index": i, "weight": w, "reduction": r} for i, w, r in product((-100, 1), _WEIGHTS, _REDUCTIONS)
        ),
        reference=_nll,
        joins=lambda arguments: arguments["reduction"] != "none",
        torch="nll_loss",
        wrong=_LOSS_WRONG,
        large=((500, 1300), (37, 5, 1000)),
        layers=(LayerCall("NLLLoss"),),
        bench=((1024, 512),),
        native="""
        EACH(n, 1, 10, 33, 1000, 1317)
        {
            FILL(x, 37 * n, -9, 0); FILL(dy, 37, -2, 2); FILL(a, n, 0, 1);
            TARGETS(37, n);
            RUN(pick, .loss = y, .x = x, .target = targets, .weight = a, .rows = 37, .n = n);
            RUN(pick_backward, .dx = z, .dloss = dy, .target = targets, .weight = a, .rows = 37, .n = n);
            ADD(y, 37); ADD(z, 37 * n);
        }""",
    ),
    Record(
        "one_hot",
        {"tensor": indices(7), "num_classes": 7},
        ((), (5,), (2, 3)),
        reference=_one_hot,
        gradients=(),
        torch="one_hot",
        wrong=(
            Wrong("expected classes", {"num_classes": 2}, (40,)),
            Wrong("expected classes to be integers", {"tensor": np.ones(3)}, error=TypeError),
        ),
        any_shape=lambda shape: {"num_classes": 7},
        large=((30_000,),),
        batch=(64,),
        native=NO_KERNEL,
    ),
]
