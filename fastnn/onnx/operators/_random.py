"""Random operators; without a `seed` they use fastnn's generator, which `fastnn.manual_seed` seeds."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..._check import Array
from ..._random import generator
from .._tensors import dtype_of
from ._shape import bounded
from ._table import operator


def _generator(seed: float | None) -> Any:
    """Return fastnn's generator, or for a node's own seed NumPy's RandomState, as ONNX's reference does."""
    if seed is not None:
        return np.random.RandomState(int(seed))
    return generator("onnx", None)


@operator("RandomNormal")
def random_normal(
    *, shape: Any, mean: float = 0.0, scale: float = 1.0, seed: float | None = None, dtype: int = 1
) -> Any:
    return _generator(seed).normal(mean, scale, bounded(shape)).astype(dtype_of(dtype))


@operator("RandomUniform")
def random_uniform(
    *, shape: Any, low: float = 0.0, high: float = 1.0, seed: float | None = None, dtype: int = 1
) -> Any:
    return _generator(seed).uniform(low, high, bounded(shape)).astype(dtype_of(dtype))


@operator("RandomNormalLike")
def random_normal_like(
    x: Array, *, mean: float = 0.0, scale: float = 1.0, seed: float | None = None, dtype: int | None = None
) -> Any:
    return _generator(seed).normal(mean, scale, x.shape).astype(x.dtype if dtype is None else dtype_of(dtype))


@operator("RandomUniformLike")
def random_uniform_like(
    x: Array, *, low: float = 0.0, high: float = 1.0, seed: float | None = None, dtype: int | None = None
) -> Any:
    return _generator(seed).uniform(low, high, x.shape).astype(x.dtype if dtype is None else dtype_of(dtype))


@operator("Bernoulli")
def bernoulli(x: Array, *, seed: float | None = None, dtype: int | None = None) -> Any:
    return (_generator(seed).uniform(size=x.shape) < x).astype(x.dtype if dtype is None else dtype_of(dtype))


@operator("Multinomial")
def multinomial(x: Array, *, sample_size: int = 1, seed: float | None = None, dtype: int = 6) -> Any:
    """Draw classes from unnormalized log probabilities: add Gumbel noise and take the largest."""
    noise = _generator(seed).gumbel(size=(x.shape[0], sample_size, x.shape[1]))
    return np.argmax(x[:, None] + noise, -1).astype(dtype_of(dtype))


@operator("Dropout", since=10)
def dropout(
    x: Array, rate: Array | None = None, training: Array | None = None, *, ratio: float = 0.5,
    seed: float | None = None,
) -> Any:  # fmt: skip
    share = ratio if rate is None else float(np.asarray(rate).reshape(-1)[0])
    if training is None or not bool(np.asarray(training).reshape(-1)[0]) or share == 0:
        return x, np.ones(x.shape, bool)
    kept = _generator(seed).uniform(size=x.shape) >= share
    return np.where(kept, x / x.dtype.type(1 - share), x.dtype.type(0)), kept


@operator("Dropout", since=7)
def dropout_7(x: Array, *, ratio: float = 0.5) -> Any:
    """Before opset 10 the mask has the dtype of x."""
    return x, np.ones(x.shape, x.dtype)
