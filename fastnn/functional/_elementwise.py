"""The general path of the element-wise functions: whatever `_core` does not take at once.

Lists, scalars, integers, float16, foreign byte order, views with gaps, Tensors, and an `out` of another layout or one
that overlaps the input.  A view is worked on row by row; only what a kernel cannot read (byte order, alignment,
float16) is copied.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from .. import _check, _core, _dispatch, functional
from .._check import Array

# The public name behind each row of activations.def.
NAMES = tuple({"gelu_tanh": "gelu"}.get(row, row) for row in _core.ACTS)


def _parameters(name: str, a: Any, b: Any) -> tuple[float, float]:
    """The row's two parameters as floats, called in errors as the function's signature calls them."""
    if type(a) is not float or type(b) is not float:
        own = inspect.signature(getattr(functional, name)).parameters
        words = [word for word in own if word not in ("input", "dy", "x", "y", "inplace", "out", "approximate")]
        words += ["a", "b"]
        a, b = _check.real(name, words[0], a), _check.real(name, words[1], b)
    return a, b


def forward(act: int, x: Any, out: Any, a: Any, b: Any) -> Any:
    """Y = f(x; a, b) for any x."""
    name = NAMES[act]
    a, b = _parameters(name, a, b)
    if isinstance(x, _dispatch.tensor_type):
        return x._elementwise(act, out, a, b)
    source, dtype = _check.as_compute(name, x)
    _check.check_out(name, out, source.shape, dtype)
    y = np.asarray(_destination(out, source, source))  # the plain array of a subclass such as memmap
    if _is_dense_alike(y, source):
        permutation = _memory_order(source)
        _core.unary(act, source.transpose(permutation), y.transpose(permutation), a, b)
    else:
        kernel = _core.unary_rows[_TYPE_NAMES[source.dtype]]
        for y_rows, x_rows in zip(_rows(y), _rows(source), strict=True):
            kernel(act, y_rows, x_rows, a, b)
    return _check.finish(y, dtype, out)


def backward(act: int, dy: Any, saved: Any, out: Any, a: Any, b: Any) -> Any:
    """Dx for any dy and saved tensor of one shape."""
    name = NAMES[act] + "_backward"
    a, b = _parameters(name, a, b)
    argument = "y" if _core.SAVES_Y[act] else "x"
    gradient, saved = _check.as_float(name, dy, "dy"), _check.as_float(name, saved, argument)
    _check.same_shape(name, argument, saved, "dy", gradient)
    dtype = np.result_type(gradient, saved)
    _check.check_out(name, out, saved.shape, dtype)
    compute = np.result_type(dtype, np.float32)
    gradient, saved = (_check.compute_array(array.astype(compute, copy=False)) for array in (gradient, saved))
    dx = _destination(out, saved, gradient, saved)
    kernel = _core.unary_backward_rows[_TYPE_NAMES[saved.dtype]]
    for dx_rows, dy_rows, saved_rows in zip(_rows(dx), _rows(gradient), _rows(saved), strict=True):
        kernel(act, dx_rows, dy_rows, saved_rows, a, b)
    return _check.finish(dx, dtype, out)


_TYPE_NAMES = {np.dtype(np.float32): "float", np.dtype(np.float64): "double"}


def _destination(out: Array | None, like: Array, *inputs: Array) -> Array:
    """Where the kernel may write: `out` if it has the computing type and is an input or apart from all of them."""
    if out is None or out.dtype != like.dtype or not out.dtype.isnative or not out.flags.aligned:
        return np.empty_like(like)
    for each in inputs:
        same = out.ctypes.data == each.ctypes.data and out.strides == each.strides
        if not same and np.may_share_memory(out, each):
            return np.empty_like(like)
    return out


def _memory_order(array: Array) -> list[int]:
    """Dimensions from the largest stride to the smallest."""
    return sorted(range(array.ndim), key=lambda i: -abs(array.strides[i]))


def _is_dense_alike(y: Array, x: Array) -> bool:
    """Both arrays fill one block of memory in the same order of dimensions."""
    permutation = _memory_order(x)
    return y.transpose(permutation).flags.c_contiguous and x.transpose(permutation).flags.c_contiguous


def _rows(array: Array) -> list[Array]:
    """The array as two-dimensional views, in C order, split alike for every array of one shape."""
    if array.ndim < 2:
        return [array.reshape(1, -1)]
    return [array[index] for index in np.ndindex(array.shape[:-2])]


_core.set_general(forward, backward)
