"""Transposed convolution in one, two and three dimensions.

What computes it is imported at the first call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._check import Array
from .._dispatch import derivative, differentiable

__all__ = [
    "conv_transpose1d",
    "conv_transpose1d_backward",
    "conv_transpose2d",
    "conv_transpose2d_backward",
    "conv_transpose3d",
    "conv_transpose3d_backward",
]


@differentiable
def conv_transpose1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: Any = 1,
    dilation: Any = 1,
    *,
    out: Array | None = None,
) -> Array:
    """Transposed convolution over one dimension: x[q] weight[r] adds to y[q stride - padding + r dilation].

    Parameters
    ----------
    input : array_like, (N, C, L) or (C, L)
        Channels-last memory is read where it lies.
    weight : array_like, (C, out / groups, kL)
    bias : array_like, (out,), optional
    stride, padding, dilation : int, or one for each dimension of space
        Those of the convolution whose gradient this is: padding shortens the result on both sides.
    output_padding : int, or one for each dimension of space
        Lengthens the result at the end; below stride or dilation.
    groups : int
        Group h of the outputs sees group h of the channels alone.
    out : ndarray, optional
        Where to put the result.

    Returns
    -------
    ndarray
        (N, out, *) or (out, *), (size - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1 places along
        each dimension of space; channels-last in memory if `input` is.

    Raises
    ------
    ValueError
        If the shapes do not fit, nothing would be left, or an argument is out of range.

    Notes
    -----
    Computed as one convolution for each remainder of the stride, so that no product with an inserted zero is made.

    Examples
    --------
    >>> conv_transpose1d([[1.0, 2.0]], [[[1.0, 10.0, 100.0]]], stride=2)
    array([[  1.,  10., 102.,  20., 200.]])
    """
    from . import _conv_run, _conv_shapes

    arrays = (input, weight, bias)
    call = _conv_shapes.transposed("conv_transpose1d", 1, arrays, stride, padding, output_padding, groups, dilation)
    return _conv_run.transposed_forward("conv_transpose1d", call, out)


def conv_transpose1d_backward(
    dy: Any,
    input: Any,
    weight: Any,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: Any = 1,
    dilation: Any = 1,
) -> tuple[Array, Array, Array]:
    """Gradients of `conv_transpose1d`: of the input, the weight and the bias.

    Parameters
    ----------
    dy : array_like
        Of the result's shape.
    input, weight, stride, padding, output_padding, groups, dilation
        As they were given to `conv_transpose1d`.

    Returns
    -------
    dx, dweight : ndarray
        In `input`'s and `weight`'s shape and memory layout; dx is the convolution of dy.
    dbias : ndarray, (out,)
        The sum of dy over samples and places.

    Raises
    ------
    ValueError
        As `conv_transpose1d`, and if dy is not of the result's shape.

    Examples
    --------
    >>> dx, dweight, dbias = conv_transpose1d_backward([[1.0, 2.0, 3.0]], [[1.0, 10.0]], [[[1.0, 100.0]]])
    >>> dx, dweight, dbias
    (array([[201., 302.]]), array([[[21., 32.]]]), array([6.]))
    """
    from . import _conv_run, _conv_shapes

    name, arrays = "conv_transpose1d_backward", (input, weight, None)
    call = _conv_shapes.transposed(name, 1, arrays, stride, padding, output_padding, groups, dilation)
    dx, dweight, dbias = _conv_run.transposed_backward(name, call, dy, (True, True, True))
    return dx, dweight, dbias  # type: ignore[return-value]  # all three were wanted


@differentiable
def conv_transpose2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: Any = 1,
    dilation: Any = 1,
    *,
    out: Array | None = None,
) -> Array:
    """Transposed convolution over two dimensions: x[q] weight[r] adds to y[q stride - padding + r dilation].

    Parameters
    ----------
    input : array_like, (N, C, H, W) or (C, H, W)
        Channels-last memory is read where it lies.
    weight : array_like, (C, out / groups, kH, kW)
    bias : array_like, (out,), optional
    stride, padding, dilation : int, or one for each dimension of space
        Those of the convolution whose gradient this is: padding shortens the result on both sides.
    output_padding : int, or one for each dimension of space
        Lengthens the result at the end; below stride or dilation.
    groups : int
        Group h of the outputs sees group h of the channels alone.
    out : ndarray, optional
        Where to put the result.

    Returns
    -------
    ndarray
        (N, out, *) or (out, *), (size - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1 places along
        each dimension of space; channels-last in memory if `input` is.

    Raises
    ------
    ValueError
        If the shapes do not fit, nothing would be left, or an argument is out of range.

    Notes
    -----
    Computed as one convolution for each remainder of the stride, so that no product with an inserted zero is made.

    Examples
    --------
    >>> conv_transpose2d([[[1.0, 2.0]]], np.ones((1, 1, 2, 2)), [0.5], stride=2)
    array([[[1.5, 1.5, 2.5, 2.5],
            [1.5, 1.5, 2.5, 2.5]]])
    """
    from . import _conv_run, _conv_shapes

    arrays = (input, weight, bias)
    call = _conv_shapes.transposed("conv_transpose2d", 2, arrays, stride, padding, output_padding, groups, dilation)
    return _conv_run.transposed_forward("conv_transpose2d", call, out)


def conv_transpose2d_backward(
    dy: Any,
    input: Any,
    weight: Any,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: Any = 1,
    dilation: Any = 1,
) -> tuple[Array, Array, Array]:
    """Gradients of `conv_transpose2d`: of the input, the weight and the bias.

    Parameters
    ----------
    dy : array_like
        Of the result's shape.
    input, weight, stride, padding, output_padding, groups, dilation
        As they were given to `conv_transpose2d`.

    Returns
    -------
    dx, dweight : ndarray
        In `input`'s and `weight`'s shape and memory layout; dx is the convolution of dy.
    dbias : ndarray, (out,)
        The sum of dy over samples and places.

    Raises
    ------
    ValueError
        As `conv_transpose2d`, and if dy is not of the result's shape.

    Examples
    --------
    >>> x, weight = np.ones((1, 1, 2)), np.ones((1, 1, 2, 2))
    >>> dx, dweight, dbias = conv_transpose2d_backward(np.ones((1, 2, 4)), x, weight, stride=2)
    >>> dx, dweight.shape, dbias
    (array([[[4., 4.]]]), (1, 1, 2, 2), array([8.]))
    """
    from . import _conv_run, _conv_shapes

    name, arrays = "conv_transpose2d_backward", (input, weight, None)
    call = _conv_shapes.transposed(name, 2, arrays, stride, padding, output_padding, groups, dilation)
    dx, dweight, dbias = _conv_run.transposed_backward(name, call, dy, (True, True, True))
    return dx, dweight, dbias  # type: ignore[return-value]  # all three were wanted


@differentiable
def conv_transpose3d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: Any = 1,
    dilation: Any = 1,
    *,
    out: Array | None = None,
) -> Array:
    """Transposed convolution over three dimensions: x[q] weight[r] adds to y[q stride - padding + r dilation].

    Parameters
    ----------
    input : array_like, (N, C, D, H, W) or (C, D, H, W)
        Channels-last memory is read where it lies.
    weight : array_like, (C, out / groups, kD, kH, kW)
    bias : array_like, (out,), optional
    stride, padding, dilation : int, or one for each dimension of space
        Those of the convolution whose gradient this is: padding shortens the result on both sides.
    output_padding : int, or one for each dimension of space
        Lengthens the result at the end; below stride or dilation.
    groups : int
        Group h of the outputs sees group h of the channels alone.
    out : ndarray, optional
        Where to put the result.

    Returns
    -------
    ndarray
        (N, out, *) or (out, *), (size - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1 places along
        each dimension of space; channels-last in memory if `input` is.

    Raises
    ------
    ValueError
        If the shapes do not fit, nothing would be left, or an argument is out of range.

    Notes
    -----
    Computed as one convolution for each remainder of the stride, so that no product with an inserted zero is made.

    Examples
    --------
    >>> conv_transpose3d(np.ones((1, 1, 1, 2)), np.ones((1, 1, 1, 1, 2)))
    array([[[[1., 2., 1.]]]])
    """
    from . import _conv_run, _conv_shapes

    arrays = (input, weight, bias)
    call = _conv_shapes.transposed("conv_transpose3d", 3, arrays, stride, padding, output_padding, groups, dilation)
    return _conv_run.transposed_forward("conv_transpose3d", call, out)


def conv_transpose3d_backward(
    dy: Any,
    input: Any,
    weight: Any,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: Any = 1,
    dilation: Any = 1,
) -> tuple[Array, Array, Array]:
    """Gradients of `conv_transpose3d`: of the input, the weight and the bias.

    Parameters
    ----------
    dy : array_like
        Of the result's shape.
    input, weight, stride, padding, output_padding, groups, dilation
        As they were given to `conv_transpose3d`.

    Returns
    -------
    dx, dweight : ndarray
        In `input`'s and `weight`'s shape and memory layout; dx is the convolution of dy.
    dbias : ndarray, (out,)
        The sum of dy over samples and places.

    Raises
    ------
    ValueError
        As `conv_transpose3d`, and if dy is not of the result's shape.

    Examples
    --------
    >>> x, weight = np.ones((1, 1, 1, 2)), np.ones((1, 1, 1, 1, 2))
    >>> dx, dweight, dbias = conv_transpose3d_backward(np.ones((1, 1, 1, 3)), x, weight)
    >>> dx.ravel(), dweight.ravel(), dbias
    (array([2., 2.]), array([2., 2.]), array([3.]))
    """
    from . import _conv_run, _conv_shapes

    name, arrays = "conv_transpose3d_backward", (input, weight, None)
    call = _conv_shapes.transposed(name, 3, arrays, stride, padding, output_padding, groups, dilation)
    dx, dweight, dbias = _conv_run.transposed_backward(name, call, dy, (True, True, True))
    return dx, dweight, dbias  # type: ignore[return-value]  # all three were wanted


def _declare(function: Callable[..., Any], dims: int) -> None:
    name = function.__name__

    @derivative(function, "input", "weight", "bias")
    def run(
        wanted: tuple[bool, bool, bool],
        input: Any,
        weight: Any,
        bias: Any = None,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: Any = 1,
        dilation: Any = 1,
    ) -> Any:
        from . import _conv_run, _conv_shapes  # at the first call

        parents, twin = (input, weight, bias), f"{name}_backward"
        call = _conv_shapes.transposed(name, dims, parents, stride, padding, output_padding, groups, dilation)
        y = _conv_run.transposed_forward(name, call, None)
        return y, lambda dy: _conv_run.transposed_backward(twin, call, dy, wanted)


for _dims, _function in enumerate((conv_transpose1d, conv_transpose2d, conv_transpose3d), 1):
    _declare(_function, _dims)
