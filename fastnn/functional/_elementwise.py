"""The general path of the element-wise functions, for inputs that `_core` does not take directly.

Lists, scalars, integers, float16, foreign byte order, views with gaps, Tensors, and an `out` of another layout or one
that overlaps the input.  A view is worked on row by row; only what a kernel cannot read (byte order, alignment,
float16) is copied.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import _check, _core
from .._check import Array
from .._core import ops

# The public name behind each row of activations.def.
NAMES = tuple({"gelu_tanh": "gelu"}.get(row, row) for row in _core.ACTS)


def _parameters(name: str, act: int, a: Any, b: Any) -> tuple[float, float]:
    """The row's two parameters as floats; errors use the names that its table gives them."""
    if type(a) is not float or type(b) is not float:
        first, second, *_ = (*_core.PARAMETERS[act], "a", "b")
        a, b = _check.real(name, first, a), _check.real(name, second, b)
    return a, b


def forward(act: int, x: Any, out: Any, a: Any, b: Any) -> Any:
    """Compute f(x; a, b) for any x."""
    name = NAMES[act]
    a, b = _parameters(name, act, a, b)
    if isinstance(x, _core.TensorBase):
        return x._elementwise(act, out, a, b)
    source, dtype = _check.as_compute(name, x)
    _check.check_out(name, out, source.shape, dtype)
    y = np.asarray(_destination(out, source, source))  # subclasses such as memmap become plain arrays
    order = _check.dense_order(source, y)
    if order is not None:
        _core.unary(act, source.transpose(order), y.transpose(order), a, b)
    else:
        for y_rows, x_rows in _rows(y, source):
            ops.activation_rows(y_rows, x_rows, act, *y_rows.shape, a, b)
    return _check.finish(y, dtype, out)


def backward(act: int, dy: Any, saved: Any, out: Any, a: Any, b: Any) -> Any:
    """Compute dx for any dy and saved tensor of one shape."""
    name = NAMES[act] + "_backward"
    a, b = _parameters(name, act, a, b)
    argument = "y" if _core.SAVES_Y[act] else "x"
    gradient, saved = _check.as_float(name, dy, "dy"), _check.as_float(name, saved, argument)
    _check.same_shape(name, argument, saved, "dy", gradient)
    dtype = np.result_type(gradient, saved)
    _check.check_out(name, out, saved.shape, dtype)
    compute = np.result_type(dtype, np.float32)
    gradient, saved = (_check.compute_array(array.astype(compute, copy=False)) for array in (gradient, saved))
    dx = np.asarray(_destination(out, saved, gradient, saved))
    order = _check.dense_order(saved, gradient, dx)
    if order is not None:
        _core.unary_backward(act, gradient.transpose(order), saved.transpose(order), dx.transpose(order), a, b)
    else:
        for dx_rows, dy_rows, saved_rows in _rows(dx, gradient, saved):
            ops.activation_rows_backward(dx_rows, dy_rows, saved_rows, act, *dx_rows.shape, a, b)
    return _check.finish(dx, dtype, out)


def _destination(out: Array | None, like: Array, *inputs: Array) -> Array:
    """Where the kernel may write: `out` if it has the computing type and is an input or overlaps none."""
    if out is None or out.dtype != like.dtype or not out.dtype.isnative or not out.flags.aligned:
        return _core.empty_like(like)
    for each in inputs:
        same = out.ctypes.data == each.ctypes.data and out.strides == each.strides
        if not same and np.may_share_memory(out, each):
            return _core.empty_like(like)
    return out


def _rows(*arrays: Array) -> Iterator[tuple[Array, ...]]:
    """Arrays of one shape as 2-D views: a single one of all rows if the strides allow it, else several."""
    shape = arrays[0].shape
    matrices = tuple(each.reshape(math.prod(shape[:-1]), *shape[-1:] or (1,)) for each in arrays)
    if all(np.may_share_memory(*pair) for pair in zip(matrices, arrays, strict=True)):
        yield matrices
    else:
        for index in np.ndindex(shape[:-2]):
            yield tuple(each[index] for each in arrays)


_core.set_general(forward, backward)
