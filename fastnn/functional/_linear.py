"""The linear layer's product and its gradients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _check, _core
from .._check import Array
from .._core import ops
from .._dispatch import derivative, differentiable

__all__ = [
    "linear",
    "linear_backward",
]


def _operands(name: str, arrays: dict[str, Any]) -> tuple[list[Array], np.dtype[Any]]:
    """The arrays in one computing type, and the result's type."""
    values = list(arrays.values())
    if all(map(_check.is_ready, values)) and len({value.dtype for value in values}) == 1:
        return values, values[0].dtype
    floats = [_check.as_float(name, value, argument) for argument, value in arrays.items()]
    dtype = np.result_type(*floats).newbyteorder("=")
    compute = np.result_type(dtype, np.float32)
    return [_check.compute_array(array.astype(compute, copy=False)) for array in floats], dtype


def _product(a: Array, b: Array, bias: Array | None = None, out: Array | None = None) -> Array:
    """A b + bias by the kernel; `out`, if given, is contiguous and apart from the operands."""
    c = _core.empty((a.shape[0], b.shape[1]), a.dtype) if out is None else out
    if c.size and a.shape[1]:
        _core.matmul(c, a, b, bias)
    elif c.size:
        c[...] = 0 if bias is None else bias
    return c


@differentiable
def linear(input: Any, weight: Any, bias: Any = None, *, out: Array | None = None) -> Array:
    """Apply a linear map to the last dimension: x W^T + b.

    Parameters
    ----------
    input : array_like, (*, in_features)
    weight : array_like, (out_features, in_features) or (in_features,)
        Fastest where its transpose is C-contiguous, as the layer `nn.Linear` keeps it.
    bias : array_like, (out_features,) or (), optional
    out : ndarray, optional
        Where to put the result.

    Returns
    -------
    ndarray, (*, out_features), or (*) for a weight of one dimension

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Notes
    -----
    Each output value is summed in the order of in_features, whatever the batch: a row's result does not depend on the
    rows beside it.

    Examples
    --------
    >>> linear([1.0, 2.0], [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [0.0, 0.0, 10.0])
    array([ 1.,  2., 13.])
    """
    if out is None:
        plain = _core.plain_linear(input, weight, bias)
        if plain is not None:
            return plain
    given = {"input": input, "weight": weight} | ({} if bias is None else {"bias": bias})
    (x, w, *rest), dtype = _operands("linear", given)
    _check_shapes("linear", x, w)
    single = w.ndim == 1
    expected = () if single else w.shape[:1]
    b = rest[0] if rest else None
    if b is not None and b.shape != expected:
        raise ValueError(f"linear: expected bias of shape {expected}, got {b.shape}")
    shape = x.shape[:-1] + expected
    _check.check_out("linear", out, shape, dtype)
    matrix = w.reshape(1, -1) if single else w
    rows = _rows_of(x)
    y = _check.target_for(out, shape, x.dtype, x, w, b)
    flat_bias = None if b is None else _check.contiguous(b).reshape(-1)
    _product(rows, matrix.T, flat_bias, y.reshape(len(rows), len(matrix)))
    return _check.finish(y, dtype, out)


def _rows_of(x: Array) -> Array:
    """(rows, features) of (*, features), a view where the strides allow."""
    rows = math.prod(x.shape[:-1])
    return x.reshape(rows, x.shape[-1])


def _check_shapes(name: str, x: Array, weight: Array) -> None:
    if weight.ndim not in (1, 2):
        raise ValueError(f"{name}: expected a weight (out_features, in_features), got shape {weight.shape}")
    if x.ndim < 1 or x.shape[-1] != weight.shape[-1]:
        features, turned = weight.shape[-1], x.ndim and weight.ndim == 2 and x.shape[-1] == weight.shape[0]
        advice = f"; the weight {weight.shape} is (out, in): should it be transposed?" if turned else ""
        raise ValueError(
            f"{name}: expected an input of {features} features in its last dimension, got shape {x.shape}{advice}"
        )


@derivative(linear, "input", "weight", "bias")
def _linear(wanted: tuple[bool, bool, bool], input: Any, weight: Any, bias: Any = None) -> Any:
    return linear(input, weight, bias), lambda dy: gradients(dy, input, weight, wanted)


def linear_backward(dy: Any, input: Any, weight: Any) -> tuple[Array, Array, Array]:
    """Gradients of `linear`: of the input, the weight and the bias.

    Parameters
    ----------
    dy : array_like, (*, out_features)
    input : array_like, (*, in_features)
    weight : array_like, (out_features, in_features) or (in_features,)

    Returns
    -------
    dx : ndarray, (*, in_features)
        dy W.
    dweight : ndarray
        dy^T x, in `weight`'s shape and memory layout.
    dbias : ndarray, (out_features,) or ()
        The sum of dy over all but its last dimension.

    Examples
    --------
    >>> dx, dweight, dbias = linear_backward([1.0, 10.0], [2.0], [[3.0], [4.0]])
    >>> dx, dweight.ravel(), dbias
    (array([43.]), array([ 2., 20.]), array([ 1., 10.]))
    """
    dx, dweight, dbias = gradients(dy, input, weight, (True, True, True))
    return dx, dweight, dbias  # type: ignore[return-value]  # all three were wanted


def gradients(dy: Any, input: Any, weight: Any, wanted: tuple[bool, bool, bool]) -> tuple[Array | None, ...]:
    """`linear_backward`, only with the gradients that are wanted."""
    plain = _core.plain_linear_backward(dy, input, weight, wanted)
    if plain is not None:
        return plain
    name = "linear_backward"
    (gradient, x, w), dtype = _operands(name, {"dy": dy, "input": input, "weight": weight})
    _check_shapes(name, x, w)
    expected = x.shape[:-1] + w.shape[:-1]
    if gradient.shape != expected:
        raise ValueError(f"{name}: expected dy of shape {expected}, got {gradient.shape}")
    matrix = w.reshape(1, -1) if w.ndim == 1 else w
    rows = _rows_of(x)
    dy_rows = gradient.reshape(len(rows), len(matrix))
    dx = dweight = dbias = None
    if wanted[0]:
        dx = _check.finish(_product(dy_rows, matrix).reshape(x.shape), dtype, None)
    if wanted[1]:
        if matrix.T.flags.c_contiguous:
            dweight = _core.empty(matrix.shape, x.dtype, "F")
            _product(rows.T, dy_rows, out=dweight.T)
        else:
            dweight = _product(dy_rows.T, rows)
        dweight = _check.finish(dweight.reshape(w.shape) if w.ndim == 1 else dweight, dtype, None)
    if wanted[2]:
        sums = np.zeros(len(matrix), x.dtype)
        if dy_rows.size:
            ops.column_sums(sums, _check.contiguous(dy_rows), *dy_rows.shape)
        dbias = _check.finish(sums.reshape(w.shape[:-1]), dtype, None)
    return dx, dweight, dbias
