"""Activations whose parameters can be learned, one for all values or one for each channel (dimension 1).

Each takes its parameters as arrays of one or of C values (1-D and 0-d inputs have one channel) in the input's dtype.
The `_backward` twin returns the input's gradient and each parameter's, in its shape.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import _check, _core
from .._check import Array
from .._core import ops
from .._dispatch import derivative, differentiable
from ._layout import memory_of

__all__ = [
    "parametric_elu",
    "parametric_elu_backward",
    "parametric_sigmoid",
    "parametric_sigmoid_backward",
    "parametric_softplus",
    "parametric_softplus_backward",
    "prelu",
    "prelu_backward",
    "scaled_relu",
    "scaled_relu_backward",
    "swish",
    "swish_backward",
]


class _Call(NamedTuple):
    """A call's checked arguments: the input, the two parameters of each channel, and which of them are learned."""

    row: int
    x: Array
    dtype: np.dtype[Any]
    a: Array
    b: Array
    given: list[Array]

    @property
    def single(self) -> bool:
        """Whether each parameter has a single value for all channels."""
        return self.a.size == 1


def _checked(name: str, row: str, input: Any, params: dict[str, Any], fixed: float) -> _Call:
    x, dtype = _check.as_compute(name, input)
    channels = x.shape[1] if x.ndim > 1 else 1
    given = []
    for argument, value in params.items():
        array = _check.as_float(name, value, argument)
        if array.ndim > 1 or array.size not in (1, channels):
            raise ValueError(
                f"{name}: expected {argument} of 1 or {channels} values for an input of shape {x.shape}, "
                f"got shape {array.shape}"
            )
        given.append(array.astype(x.dtype, copy=False))
    size = max((array.size for array in given), default=1)
    a, b = (
        _check.contiguous(np.broadcast_to(value.reshape(-1), (size,)))
        for value in (*given, np.array(fixed, x.dtype), np.array(fixed, x.dtype))[:2]
    )
    return _Call(_core.ACTS[row], x, dtype, a, b, given)


def _forward(name: str, row: str, input: Any, params: dict[str, Any], out: Array | None, fixed: float = 0.0) -> Array:
    if out is None:
        plain = _core.plain_learned(row, input, tuple(params.values()), fixed)
        if plain is not None:
            return plain
    call = _checked(name, row, input, params, fixed)
    _check.check_out(name, out, call.x.shape, call.dtype)
    if call.single:
        direct = out if out is not None and out.dtype == call.x.dtype else None
        y = _core.unary(call.row, call.x, direct, float(call.a[0]), float(call.b[0]))
    else:
        x, memory = memory_of(call.x)
        same = out is not None and out.strides == x.strides
        y = _check.target_for(out if same else None, x.shape, x.dtype, x) if same else _core.empty_like(x)
        if y.size:
            ops.activation_channels(memory.flat(y), memory.flat(x), call.a, call.b, call.row, *memory.sizes)
    return _check.finish(y, call.dtype, out)


def _backward(
    name: str, row: str, dy: Any, input: Any, params: dict[str, Any], fixed: float = 0.0, wanted: tuple[bool, ...] = ()
) -> tuple[Any, ...]:
    """The gradients of the input and of each parameter: the `wanted` ones, all if that is empty."""
    of_input, of_params = not wanted or wanted[0], not wanted or any(wanted[1:])
    plain = _core.plain_learned_backward(row, dy, input, tuple(params.values()), fixed, of_input, of_params)
    if plain is not None:
        return plain
    call = _checked(name, row, input, params, fixed)
    gradient = _check.as_float(name, dy, "dy").astype(call.x.dtype, copy=False)
    _check.same_shape(name, "x", call.x, "dy", gradient)
    if call.single:
        x, gradient = (_check.contiguous(each).reshape(1, 1, -1) for each in (call.x, gradient))
    else:
        x = call.x
    x, memory = memory_of(x)
    gradient = _check.laid_out_as(x, _check.compute_array(gradient))
    dx = _core.empty_like(x) if of_input else None
    sums = np.zeros((2, call.a.size))
    if x.size:
        flat, sizes = memory.flat, memory.sizes
        given = (flat(gradient), flat(x), call.a, call.b, call.row, *sizes)
        if dx is not None:
            ops.activation_channels_backward(flat(dx), *given)
        if of_params:
            ops.activation_parameters_backward(*sums, *given)
    dparams = [
        each.reshape(param.shape) if each.size == param.size else each.sum().reshape(param.shape)
        for each, param in zip(sums, call.given, strict=False)
    ]
    return None if dx is None else _check.finish(dx.reshape(call.x.shape), call.dtype, None), *(
        _check.finish(d, call.dtype, None) if of_params else None for d in dparams
    )


def _learned(function: Callable[..., Any], row: str, *names: str, **defaults: float) -> None:
    """Declare the derivative of an activation with respect to its input and to its learned parameters.

    `defaults` has the defaults of its arguments, in order; an argument that is not learned is fixed.
    """
    name = function.__name__ + "_backward"
    order = (*names, *(each for each in defaults if each not in names))

    @derivative(function, "input", *names)
    def run(wanted: tuple[bool, ...], input: Any, *args: Any, **named: Any) -> Any:
        given = defaults | dict(zip(order, args, strict=False)) | named
        params, fixed = {each: given[each] for each in names}, [given[each] for each in order[len(names) :]] or [0.0]
        y = function(input, *args, **named)
        return y, lambda dy: _backward(name, row, dy, input, params, fixed[0], wanted)


@differentiable
def prelu(input: Any, weight: Any, *, out: Array | None = None) -> Array:
    """Leaky ReLU with a learned slope: x where x > 0, else weight * x (He et al. 2015).

    Parameters
    ----------
    input : array_like, (N, C, *) or any shape
    weight : array_like, (1,) or (C,)

    Raises
    ------
    ValueError
        If the weight holds neither one value nor one for each channel.

    Examples
    --------
    >>> prelu([[-1.0, -1.0], [2.0, 2.0]], [0.25, 0.5])
    array([[-0.25, -0.5 ],
           [ 2.  ,  2.  ]])
    """
    return _forward("prelu", "leaky_relu", input, {"weight": weight}, out)


def prelu_backward(dy: Any, x: Any, weight: Any) -> tuple[Array, ...]:
    """Gradients of `prelu`: of the input, and of the weight, the sum of x * dy where x <= 0.

    Examples
    --------
    >>> prelu_backward([1.0, 1.0], [-2.0, 2.0], [0.25])
    (array([0.25, 1.  ]), array([-2.]))
    """
    return _backward("prelu_backward", "leaky_relu", dy, x, {"weight": weight})


_learned(prelu, "leaky_relu", "weight")


@differentiable
def swish(input: Any, beta: Any = 1.0, *, out: Array | None = None) -> Array:
    """x * sigmoid(beta * x) (Ramachandran, Zoph, Le 2017); with beta = 1 it is `silu`.

    Parameters
    ----------
    input : array_like, (N, C, *) or any shape
    beta : float or array_like, (1,) or (C,)

    Examples
    --------
    >>> swish([-1.0, 1.0], 2.0).round(4)
    array([-0.1192,  0.8808])
    """
    return _forward("swish", "swish", input, {"beta": beta}, out)


def swish_backward(dy: Any, x: Any, beta: Any = 1.0) -> tuple[Array, ...]:
    """Gradients of `swish`: dy * (s + beta x s (1 - s)) and the sum of dy * x^2 s (1 - s), s = sigmoid(beta x).

    Examples
    --------
    >>> swish_backward([1.0], [0.0], [2.0])
    (array([0.5]), array([0.]))
    """
    return _backward("swish_backward", "swish", dy, x, {"beta": beta})


_learned(swish, "swish", "beta", beta=1.0)


@differentiable
def parametric_elu(input: Any, alpha: Any, *, out: Array | None = None) -> Array:
    """ELU with a learned alpha: x where x > 0, else alpha * (exp(x) - 1).

    Parameters
    ----------
    input : array_like, (N, C, *) or any shape
    alpha : array_like, (1,) or (C,)

    Examples
    --------
    >>> parametric_elu([-1.0, 2.0], [0.5]).round(4)
    array([-0.3161,  2.    ])
    """
    return _forward("parametric_elu", "elu", input, {"alpha": alpha}, out)


def parametric_elu_backward(dy: Any, x: Any, alpha: Any) -> tuple[Array, ...]:
    """Gradients of `parametric_elu`: of the input, and of alpha, the sum of dy * (exp(x) - 1) where x <= 0.

    Examples
    --------
    >>> dx, dalpha = parametric_elu_backward([1.0, 1.0], [-1.0, 2.0], [0.5])
    >>> dx.round(4), dalpha.round(4)
    (array([0.1839, 1.    ]), array([-0.6321]))
    """
    return _backward("parametric_elu_backward", "elu", dy, x, {"alpha": alpha})


_learned(parametric_elu, "elu", "alpha")


@differentiable
def parametric_softplus(input: Any, beta: Any, threshold: float = 20.0, *, out: Array | None = None) -> Array:
    """Softplus with a learned beta: log(1 + exp(beta x)) / beta; x itself where beta x > threshold.

    Parameters
    ----------
    input : array_like, (N, C, *) or any shape
    beta : array_like, (1,) or (C,)
    threshold : float

    Examples
    --------
    >>> parametric_softplus([0.0, 30.0], [2.0]).round(4)
    array([ 0.3466, 30.    ])
    """
    threshold = _check.real("parametric_softplus", "threshold", threshold)
    return _forward("parametric_softplus", "softplus", input, {"beta": beta}, out, threshold)


def parametric_softplus_backward(dy: Any, x: Any, beta: Any, threshold: float = 20.0) -> tuple[Array, ...]:
    """Gradients of `parametric_softplus`: dy * sigmoid(beta x), and the sum of dy * (x sigmoid(beta x) - y) / beta.

    Examples
    --------
    >>> dx, dbeta = parametric_softplus_backward([1.0], [0.0], [1.0])
    >>> dx, dbeta.round(4)
    (array([0.5]), array([-0.6931]))
    """
    threshold = _check.real("parametric_softplus_backward", "threshold", threshold)
    return _backward("parametric_softplus_backward", "softplus", dy, x, {"beta": beta}, threshold)


_learned(parametric_softplus, "softplus", "beta", threshold=20.0)


@differentiable
def parametric_sigmoid(input: Any, a: Any, b: Any, *, out: Array | None = None) -> Array:
    """a * sigmoid(b * x) with learned height and slope.

    Parameters
    ----------
    input : array_like, (N, C, *) or any shape
    a, b : array_like, (1,) or (C,)

    Examples
    --------
    >>> parametric_sigmoid([0.0, 1.0], [2.0], [1.0]).round(4)
    array([1.    , 1.4621])
    """
    return _forward("parametric_sigmoid", "parametric_sigmoid", input, {"a": a, "b": b}, out)


def parametric_sigmoid_backward(dy: Any, x: Any, a: Any, b: Any) -> tuple[Array, ...]:
    """Gradients of `parametric_sigmoid`: of the input, a and b.

    Examples
    --------
    >>> parametric_sigmoid_backward([1.0], [0.0], [2.0], [1.0])
    (array([0.5]), array([0.5]), array([0.]))
    """
    return _backward("parametric_sigmoid_backward", "parametric_sigmoid", dy, x, {"a": a, "b": b})


_learned(parametric_sigmoid, "parametric_sigmoid", "a", "b")


@differentiable
def scaled_relu(input: Any, alpha: Any, *, out: Array | None = None) -> Array:
    """alpha * relu(x) with a learned alpha.

    Parameters
    ----------
    input : array_like, (N, C, *) or any shape
    alpha : array_like, (1,) or (C,)

    Examples
    --------
    >>> scaled_relu([-1.0, 2.0], [1.5])
    array([0., 3.])
    """
    return _forward("scaled_relu", "scaled_relu", input, {"alpha": alpha}, out)


def scaled_relu_backward(dy: Any, x: Any, alpha: Any) -> tuple[Array, ...]:
    """Gradients of `scaled_relu`: alpha * dy where x > 0, and the sum of x * dy there.

    Examples
    --------
    >>> scaled_relu_backward([1.0, 1.0], [-1.0, 2.0], [1.5])
    (array([0. , 1.5]), array([2.]))
    """
    return _backward("scaled_relu_backward", "scaled_relu", dy, x, {"alpha": alpha})


_learned(scaled_relu, "scaled_relu", "alpha")
