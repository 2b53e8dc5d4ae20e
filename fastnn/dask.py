"""Dask: prediction, batch statistics and training over the chunks of arrays and tables that are larger than memory.

What comes back is lazy; `.compute()` runs it on Dask's threads, processes or cluster.  Needs dask.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from ._check import Array
from ._extras import extra
from ._threads import threads
from .graph import Frozen, freeze
from .nn import BatchStats, Module, batch_stats as _stats_of, merge_batch_stats

__all__ = ["batch_stats", "partial_fit", "predict"]

JOINED = 16  # statistics that one task joins


def predict(model: Module | Frozen, data: Any) -> Any:
    """What a model predicts for each row of a Dask array or DataFrame, chunk by chunk.

    Each task has one thread, so that a worker uses as many as Dask gave it; no bit of the result depends on chunks,
    workers or their loss.

    Parameters
    ----------
    model : Module or Frozen
        A module is frozen at once, and training it further changes nothing here.  The frozen model is one key of Dask's
        graph: it travels to each worker once and makes its plan there; of one from `load_frozen` the path alone
        travels, and each worker maps the file.
    data : dask.array.Array, (N, *), or dask.dataframe.DataFrame
        Numbers; a table's columns are the features, in their order.

    Returns
    -------
    dask.array.Array, or DataFrame or Series
        Lazy, with the chunks of `data`; a table keeps index and divisions.

    Raises
    ------
    TypeError
        If `model` or `data` is something else or not of numbers, or the model returns anything but one array.
    ValueError
        If the sizes of a sample are unknown, or the result has not one row for each of the input.

    Notes
    -----
    See https://docs.dask.org/en/stable/array-best-practices.html for how large chunks should be.

    Examples
    --------
    >>> import dask.array
    >>> from fastnn import nn
    >>> x = dask.array.ones((1000, 4), chunks=(300, 4), dtype=np.float32)
    >>> y = predict(nn.Linear(4, 2), x)
    >>> y.shape, y.chunks, y.compute().dtype
    ((1000, 2), ((300, 300, 300, 100), (2,)), dtype('float32'))
    """
    dask = extra("fastnn.dask.predict", "dask")
    if not isinstance(model, (Module, Frozen)):
        raise TypeError(f"predict: expected a Module or a Frozen, got a {type(model).__name__}")
    table = dask.utils.is_dataframe_like(data) and dask.is_dask_collection(data)
    if table:
        dtype, sample = _common_dtype(data), (len(data.columns),)
    else:
        data = _whole_samples("predict", data)
        dtype, sample = data.dtype, data.shape[1:]
    frozen = model if isinstance(model, Frozen) else freeze(model)
    example = _predicted(np.zeros((2, *sample), dtype), frozen)
    held = dask.delayed(frozen, name=f"fastnn-model-{dask.base.tokenize(frozen)}", traverse=False)
    if table:
        return data.map_partitions(_predicted_table, held, dtype, meta=_as_table(example[:0], data._meta.index))
    return data.map_blocks(
        _predicted,
        held,
        drop_axis=list(range(1, data.ndim)),
        new_axis=list(range(1, example.ndim)),
        chunks=(data.chunks[0], *((size,) for size in example.shape[1:])),
        dtype=example.dtype,
        meta=example[(slice(0),) * example.ndim],
    )


def _predicted(rows: Array, frozen: Frozen) -> Array:
    with threads(1):
        y = frozen(rows)
    if not isinstance(y, np.ndarray):
        raise TypeError(f"predict: expected a model that returns one array, got a {type(y).__name__}")
    if y.shape[:1] != rows.shape[:1]:
        raise ValueError(f"predict: expected a result of {len(rows)} rows, as the input has, got shape {y.shape}")
    return y


def _predicted_table(part: Any, frozen: Frozen, dtype: Any) -> Any:
    return _as_table(_predicted(part.to_numpy(dtype), frozen), part.index)


def _as_table(y: Array, index: Any) -> Any:
    pandas = extra("fastnn.dask.predict", "pandas")
    if y.ndim > 2:
        raise ValueError(f"predict: expected one number or several for each row of a table, got shape {y.shape[1:]}")
    return (pandas.Series if y.ndim == 1 else pandas.DataFrame)(y, index)


def _common_dtype(data: Any) -> Any:
    """The dtype of an array of all columns; nullable ones as floats, in which what is missing is NaN."""
    found = []
    for name, dtype in data.dtypes.items():
        kind = getattr(dtype, "kind", "O")
        if kind not in "biuf":
            raise TypeError(f"predict: expected columns of numbers, got {name!r} of {dtype}")
        found.append(dtype if isinstance(dtype, np.dtype) else np.float32 if dtype == "Float32" else np.float64)
    return np.result_type(*found)


def _whole_samples(name: str, data: Any) -> Any:
    """The array, whose chunks are cut between samples alone."""
    da = extra(f"fastnn.dask.{name}", "dask.array")
    if not isinstance(data, da.Array):
        raise TypeError(f"{name}: expected a Dask array or DataFrame, got a {type(data).__name__}")
    if data.ndim < 1 or data.dtype.kind not in "biuf":
        raise TypeError(f"{name}: expected an array (N, *) of numbers, got {data.dtype} of shape {data.shape}")
    if np.isnan(data.shape[1:]).any():
        raise ValueError(f"{name}: expected samples of known sizes, got shape {data.shape}")
    return data.rechunk(dict.fromkeys(range(1, data.ndim), -1))


def _parts(name: str, data: Any, sizes: Any = None) -> list[Any]:
    """The chunks one by one, in their order; an array's cut as `sizes` says where that is known."""
    if hasattr(data, "npartitions") and not hasattr(data, "chunks"):
        return list(data.to_delayed())
    data = _whole_samples(name, data)
    if sizes is not None and not np.isnan(sizes + data.chunks[0]).any():
        if sum(sizes) != len(data):
            raise ValueError(f"{name}: expected as many rows as X has, {sum(sizes)}, got {len(data)}")
        data = data.rechunk({0: sizes})
    return list(data.to_delayed().ravel())


def batch_stats(input: Any) -> Any:
    """Statistics of each channel over all chunks: `nn.batch_stats`, joined along a tree that the chunks' order decides.

    Parameters
    ----------
    input : dask.array.Array, (N, C, *), or dask.dataframe.DataFrame
        Chunks without rows are skipped.

    Returns
    -------
    dask.delayed.Delayed
        Lazy, of a `nn.BatchStats`.

    Raises
    ------
    TypeError, ValueError
        As `predict`; where no chunk has a row, by `.compute()`.

    Examples
    --------
    >>> import dask.array
    >>> batch_stats(dask.array.arange(6, chunks=2).reshape(6, 1)).compute()
    BatchStats(count=6, mean=array([2.5]), m2=array([17.5]))
    """
    dask = extra("fastnn.dask.batch_stats", "dask")
    level = [dask.delayed(_part_stats)(part) for part in _parts("batch_stats", input)]
    while len(level) > 1:
        level = [dask.delayed(_joined)(level[i : i + JOINED]) for i in range(0, len(level), JOINED)]
    return dask.delayed(_joined)(level, last=True)


def _part_stats(part: Any) -> BatchStats | None:
    with threads(1):
        return _stats_of(np.asarray(part)) if len(part) else None


def _joined(parts: list[BatchStats | None], last: bool = False) -> BatchStats | None:
    found = [part for part in parts if part is not None]
    if last and not found:
        raise ValueError("batch_stats: expected one row or more, got none")
    return merge_batch_stats(*found) if found else None


def partial_fit(estimator: Any, X: Any, y: Any, sample_weight: Any = None, **options: Any) -> Any:
    """Train an estimator on one chunk after the other, in their order, by its own `partial_fit`.

    The estimator goes from task to task, to where the next chunk lies; each task trains a copy, so that a lost worker's
    part is done again in the same bits.

    Parameters
    ----------
    estimator : object
        `fastnn.sklearn.MLPClassifier`, `MLPRegressor`, or another with `partial_fit(X, y, ...)`; it is copied.
    X : dask.array.Array, (N, features), or dask.dataframe.DataFrame
    y : dask.array.Array, (N,) or (N, outputs), or dask.dataframe.Series or DataFrame
        Cut as X is; where both numbers of rows are known, another cut is made the same.
    sample_weight : as y, optional
    **options
        For each call: `classes` of a classifier.

    Returns
    -------
    dask.delayed.Delayed
        Lazy, of the trained copy.

    Raises
    ------
    TypeError
        If the estimator has no `partial_fit`, or X or y is no collection of Dask's.
    ValueError
        If X and y differ in rows or in the number of chunks.

    Examples
    --------
    >>> import dask.array
    >>> from fastnn.sklearn import MLPRegressor
    >>> x = dask.array.random.default_rng(0).normal(size=(600, 3), chunks=(200, 3))
    >>> trained = partial_fit(MLPRegressor((8,), random_state=0), x, x.sum(1)).compute()
    >>> trained.t_
    600
    """
    dask = extra("fastnn.dask.partial_fit", "dask")
    if not hasattr(estimator, "partial_fit"):
        raise TypeError(f"partial_fit: expected an estimator with partial_fit, got a {type(estimator).__name__}")
    if hasattr(X, "chunks"):
        X = _whole_samples("partial_fit", X)
    given = [X, y] if sample_weight is None else [X, y, sample_weight]
    parts = [_parts("partial_fit", each, X.chunks[0] if hasattr(X, "chunks") else None) for each in given]
    if len({len(each) for each in parts}) > 1:
        raise ValueError(f"partial_fit: expected as many chunks of y as of X, got {[len(each) for each in parts]}")
    trained = dask.delayed(copy.deepcopy(estimator), traverse=False)
    for each in zip(*parts, strict=True):
        trained = dask.delayed(_trained)(trained, options, *each)
    return trained


def _trained(estimator: Any, options: dict[str, Any], *given: Any) -> Any:
    return copy.deepcopy(estimator).partial_fit(*given, **options)
