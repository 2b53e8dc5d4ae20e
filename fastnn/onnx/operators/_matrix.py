"""Products of matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..._check import Array
from ...functional import _matmul as products
from ._elementwise import HALVES, in_float32
from ._table import operator


@operator("MatMul")
@in_float32
def matmul(a: Array, b: Array) -> Any:
    """Multiply; float results have the same bits for any number of threads and any split of a batch."""
    if a.dtype.kind != "f" or not a.size or not b.size:
        return np.matmul(a, b)
    return products.matmul(a, b)


@operator("Gemm")
@in_float32
def gemm(
    a: Array, b: Array, c: Array | None = None, *, alpha: float = 1.0, beta: float = 1.0, transA: int = 0,
    transB: int = 0, broadcast: int = 1,
) -> Any:  # fmt: skip
    y = matmul(a.T if transA else a, b.T if transB else b)
    y = y if alpha == 1 else y * y.dtype.type(alpha)
    return y if c is None else y + (c if beta == 1 else c * y.dtype.type(beta))


@operator("Einsum")
def einsum(*arrays: Array, equation: str) -> Any:
    dtype = arrays[0].dtype
    wide = [x.astype(np.float32) if dtype.name in HALVES else x for x in arrays]
    return np.einsum(equation.replace(" ", ""), *wide).astype(dtype)


@operator("Det")
def det(x: Array) -> Any:
    return np.asarray(np.linalg.det(x), x.dtype)
