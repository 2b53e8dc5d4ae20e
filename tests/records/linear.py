"""Products with a learned matrix, and rows picked from one."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from fastnn._records._record import (
    Call,
    Draw,
    LayerCall,
    Options,
    Record,
    Wrong,
    features,
    fixed,
    indices,
    normal,
    weights,
)


def _linear(input: Any, weight: Any, bias: Any = None) -> Any:
    y = np.einsum("...k,nk->...n", input, weight)
    return y if bias is None else y + bias


def _bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    y = np.einsum("...i,oij,...j->...o", input1, weight, input2)
    return y if bias is None else y + bias


def _embedding(input: Any, weight: Any, **options: Any) -> Any:
    return weight[input]


def _rows(call: Call) -> Options:
    return {"num_embeddings": len(call.arguments["weight"])}


def _laid(draw: Draw) -> Draw:
    """The same values as a layer keeps them: (in, out) in memory."""
    return Draw(lambda rng, shape: np.asfortranarray(draw.make(rng, shape)))


def _bags(input: Any, weight: Any, offsets: Any = None, mode: str = "mean", **options: Any) -> Any:
    """Bag by bag; `options`: entries' weights, a row that does not count, whether the last offset is an end."""
    entries, scale = np.ravel(input), np.ravel(options.get("per_sample_weights", np.ones(np.shape(input))))
    starts = np.arange(len(input) + 1) * input.shape[1] if offsets is None else np.append(offsets, len(entries))
    if options.get("include_last_offset"):
        starts = starts[:-1]
    found = []
    for first, end in itertools.pairwise(starts):
        own = [i for i in range(first, end) if entries[i] != options.get("padding_idx")]
        rows = weight[entries[own]] * scale[own, np.newaxis]
        found.append(getattr(np, mode)(rows, 0) if own else np.zeros(weight.shape[1]))
    return np.reshape(found, (len(starts) - 1, weight.shape[1]))


RECORDS = [
    Record(
        "linear",
        {"input": normal(), "weight": weights(3), "bias": fixed(3)},
        ((5,), (6, 5), (2, 4, 5), (0, 5)),
        ({}, {"bias": None}, {"weight": _laid(weights(3))}),
        reference=_linear,
        gradients=("input", "weight", "bias"),
        torch="linear",
        bounds=(3e-6, 1e-13),
        wrong=(
            Wrong("expected an input of 9 features in its last dimension", {"weight": np.ones((3, 9))}),
            Wrong(r"expected bias of shape \(3,\), got \(9,\)", {"bias": np.ones(9)}),
            Wrong(r"expected a weight \(out_features, in_features\)", {"weight": np.ones((1, 3, 5))}),
            Wrong("expected weight of real numbers", {"weight": "w"}, error=TypeError),
        ),
        large=((128, 784), (700, 300), (1, 3000), (241, 513)),
        large_variants=(
            {"weight": weights(256), "bias": fixed(256)},
            {"weight": _laid(weights(256)), "bias": fixed(256)},
            {"weight": weights(10), "bias": None},
            {"weight": _laid(weights(513)), "bias": None},
            {"weight": weights(65), "bias": fixed(65)},
        ),
        layers=(LayerCall("Linear", (5, 3), {}, ((2, 4, 5),)), LayerCall("Linear", (5, 3), {"bias": False}, ((4, 5),))),
        bench=(  # rows, features in, features out
            (128, 512, 512),
            (64, 3072, 512),
            (128, 784, 256),
            (32, 64, 128),
            (1, 3072, 512),
            (1, 64, 64),
            (1024, 1024, 1024),
        ),
        native="""
        const ptrdiff_t sizes[][3] = {{128, 97, 513}, {1, 300, 600}, {37, 10, 300}, {241, 65, 129}, {5, 5, 0}};
        for (int i = 0; i < 10; i++)
        {
            const ptrdiff_t m = sizes[i / 2][0], n = sizes[i / 2][1], k = sizes[i / 2][2];
            FILL(x, m * k, -1, 1); FILL(dy, k * n, -1, 1); FILL(a, n, -1, 1);
            RUN(product, .c = y, .c_strides = {0, n, 1}, .a = x, .a_strides = {0, k, 1}, .b = dy,
                .b_strides = {0, i % 2 ? 1 : n, i % 2 ? k : 1}, .bias = a, .batch = 1, .m = m, .n = n, .k = k,
                .act = -1);
            ADD(y, m * n);
            RUN(pack_weight, .packed = z, .w = dy, .w_strides = {k, 1}, .n = n, .k = k);
            RUN(product, .c = y, .c_strides = {0, n, 1}, .a = x, .a_strides = {0, k, 1}, .packed = z, .batch = 1, .m = m,
                .n = n, .k = k, .act = -1);
            ADD(y, m * n);
            RUN(column_sums, .sums = z, .x = y, .rows = m, .c = n);
            ADD(z, n);
        }""",
    ),
    Record(
        "bilinear",
        {"input1": normal(), "input2": features(4), "weight": weights(3, 4), "bias": fixed(3)},
        ((5,), (6, 5), (2, 4, 5)),
        ({}, {"bias": None}),
        reference=_bilinear,
        gradients=("input1", "input2", "weight", "bias"),
        torch="bilinear",
        bounds=(5e-6, 1e-13),
        wrong=(
            Wrong(r"expected a weight \(out, in1, in2\)", {"weight": np.ones((3, 5))}),
            Wrong(r"expected inputs \(\*, 9\) and", {"weight": np.ones((3, 9, 4))}),
        ),
        large=((300, 60),),
        layers=(LayerCall("Bilinear", (5, 4, 3), {}, ((6, 5), (6, 4))),),
        bench=((128, 64),),
        bench_with={"input2": features(32), "weight": weights(16, 32), "bias": None},
        native="linear",
    ),
    Record(
        "embedding",
        {"input": indices(7), "weight": fixed(7, 3)},
        ((), (5,), (3, 4)),
        ({}, {"padding_idx": 2}, {"padding_idx": -1}, {"scale_grad_by_freq": True}),
        reference=_embedding,
        gradients=("weight",),
        saved=_rows,
        torch="embedding",
        wrong=(
            Wrong(r"expected indices in \[0, 6\], got 7", {"input": np.array([7])}, error=IndexError),
            Wrong("expected input of integers", {"input": np.ones(2)}, error=TypeError),
            Wrong("expected a weight of 2 dimensions", {"weight": np.ones(7)}),
            Wrong(r"expected padding_idx in \[-7, 6\], got 7", {"padding_idx": 7}),
            Wrong("expected max_norm of at least 0, got -1", {"max_norm": -1}),
        ),
        large=((3000,), (40, 50)),
        layers=(LayerCall("Embedding", (7, 3), {"padding_idx": 2}),),
        bench=((4096,),),
        bench_with={"input": indices(10_000), "weight": fixed(10_000, 128)},
        native="""
        EACH(c, 1, 7, 128)
        {
            memset(z, 0, sizeof(REAL) * 50 * (size_t)c);
            FILL(x, 700 * c, -1, 1);
            TARGETS(700, 49);
            for (ptrdiff_t r = 0; r < 700; r++)
                targets[r]++; /* from -1 on */
            RUN(scatter_add, .table = z, .index = targets, .x = x, .n = 700, .c = c);
            ADD(z, 50 * c);
        }""",
    ),
    Record(
        "embedding_bag",
        {"input": indices(7), "weight": fixed(7, 3)},
        ((1, 4), (5, 3)),
        (
            {},
            {"mode": "max"},
            {"mode": "sum", "per_sample_weights": normal()},
            {"mode": "mean", "padding_idx": 2},
            {"mode": "sum", "padding_idx": 1, "per_sample_weights": normal()},
        ),
        reference=_bags,
        gradients=("weight", "per_sample_weights"),
        torch="embedding_bag",
        wrong=(
            Wrong(r"expected indices in \[0, 6\], got 7", {"input": np.array([[7]])}, error=IndexError),
            Wrong("expected input of integers", {"input": np.ones((2, 2))}, error=TypeError),
            Wrong("expected an input \\(bags, size\\)", {"input": np.array([1, 2])}),
            Wrong("expected no offsets with an input of 2 dimensions", {"offsets": [0]}),
            Wrong("expected offsets that grow from 0", {"input": np.array([1, 2, 3]), "offsets": [0, 2, 1]}),
            Wrong("expected offsets that grow from 0 up to at most 3", {"input": np.arange(3), "offsets": [0, 4]}),
            Wrong("expected per_sample_weights with mode 'sum'", {"per_sample_weights": np.ones((5, 3))}),
            Wrong("expected mode to be one of", {"mode": "min"}),
            Wrong("expected max_norm of at least 0, got -1", {"max_norm": -1}),
        ),
        large=((700, 5),),
        batch=(64, 12),
        layers=(LayerCall("EmbeddingBag", (7, 3), {"padding_idx": 2}),),
        bench=((1024, 16),),
        bench_with={"input": indices(10_000), "weight": fixed(10_000, 128)},
        native="embedding",
    ),
]
