"""np.matmul by the kernel of `linear`, for Tensors and for gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _check, _core
from .._check import Array


def matmul(a: Any, b: Any, /, out: Any = None, **options: Any) -> Any:
    """a @ b, each value summed in the order of `linear`.

    Arrays that are not float, shapes that do not fit, and further options go to NumPy's function, with its errors.
    """
    if options or any(isinstance(each, np.ndarray) and type(each) is not np.ndarray for each in (a, b)):
        return np.matmul(a, b, out=out, **options)
    x, w = np.asarray(a), np.asarray(b)
    if not (x.ndim and w.ndim) or np.result_type(x, w).newbyteorder("=") not in _check.FLOATS:
        return np.matmul(a, b, out=out)
    rows, columns = x[np.newaxis] if x.ndim == 1 else x, w[:, np.newaxis] if w.ndim == 1 else w
    batch = _batch(rows, columns)
    if batch is None:
        return np.matmul(a, b, out=out)
    y = _product(rows, columns, batch)
    kept = batch + rows.shape[-2:-1] * (x.ndim > 1) + columns.shape[-1:] * (w.ndim > 1)
    y = y.reshape(kept)
    if out is None:
        return y if kept else y[()]
    (target,) = out if isinstance(out, tuple) else (out,)
    np.copyto(target, y, casting="same_kind")
    return target


def _batch(a: Array, b: Array) -> tuple[int, ...] | None:
    """The leading dimensions of a b, None if the shapes do not fit."""
    try:
        return np.broadcast_shapes(a.shape[:-2], b.shape[:-2]) if a.shape[-1] == b.shape[-2] else None
    except ValueError:
        return None


def _product(a: Array, b: Array, batch: tuple[int, ...]) -> Array:
    """(*batch, m, n) of float arrays whose leading dimensions are broadcast to `batch`."""
    dtype = np.result_type(a, b).newbyteorder("=")
    a, b = (_check.compute_array(each.astype(dtype, copy=False)) for each in (a, b))
    y = _core.empty((*batch, a.shape[-2], b.shape[-1]), a.dtype)
    if y.size and a.shape[-1]:
        wide = (np.broadcast_to(each, (*batch, *each.shape[-2:])) for each in (a, b))
        _core.matmul(y, *wide)
    else:
        y[...] = 0
    return _check.finish(y, dtype, None)
