"""Convolution in one, two and three dimensions.

The code that computes it is imported at the first call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._check import Array
from .._dispatch import derivative, differentiable
from ._text import dimensional

__all__ = [
    "conv1d",
    "conv1d_backward",
    "conv2d",
    "conv2d_backward",
    "conv3d",
    "conv3d_backward",
]

Gradients = tuple[Array, Array, Array]


def _functions(n: int, examples: str, twin_examples: str) -> tuple[Callable[..., Array], Callable[..., Gradients]]:
    """The convolution of n dimensions and its gradients."""

    @differentiable
    @dimensional(n, examples=examples)
    def conv_nd(
        input: Any,
        weight: Any,
        bias: Any = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: Any = 1,
        *,
        padding_mode: str = "zeros",
        out: Array | None = None,
    ) -> Array:
        """Convolution over {words}, in fact a cross-correlation: the weight is not flipped.

        y[q] = bias + the sum over channels and kernel places r of weight[r] x[q stride - padding + r dilation].

        Parameters
        ----------
        input : array_like, (N, C, {space}) or (C, {space})
            Channels-last memory is read without a copy.
        weight : array_like, (out, C / groups, {kernel})
        bias : array_like, (out,), optional
        stride, dilation : int, or one for each dimension of space
        padding : int, or one for each dimension of space, or "valid" or "same"
            On both sides.  "valid" is no padding; "same" gives an output of the input's size; of an odd total,
            the end gets more.
        groups : int
            Group h of the outputs reads group h of the channels alone.
        padding_mode : {"zeros", "reflect", "replicate", "circular"}
            The values in the padding.
        out : ndarray, optional
            Where to put the result.

        Returns
        -------
        ndarray
            (N, out, *) or (out, *), floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1 places along
            each dimension of space; channels-last in memory if `input` is.

        Raises
        ------
        ValueError
            If the shapes do not fit, the kernel is larger than the padded input, or an argument is out of range.

        Notes
        -----
        Each value is one sum in the order of the kernel's places and channels, kept apart in blocks of 256 products:
        its bits depend on neither the batch, nor the memory layout, nor the number of threads.

        Examples
        --------
        {examples}
        """
        from . import _conv_run, _conv_shapes

        parents = (input, weight, bias)
        call = _conv_shapes.convolution(name, n, parents, stride, padding, dilation, groups, padding_mode)
        return _conv_run.forward(name, call, out)

    @dimensional(n, examples=twin_examples)
    def conv_nd_backward(
        dy: Any,
        input: Any,
        weight: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: Any = 1,
        *,
        padding_mode: str = "zeros",
    ) -> tuple[Array, Array, Array]:
        """Gradients of `conv{n}d`: of the input, the weight and the bias.

        Parameters
        ----------
        dy : array_like
            Of the result's shape.
        input, weight, stride, padding, dilation, groups, padding_mode
            As they were given to `conv{n}d`.

        Returns
        -------
        dx, dweight : ndarray
            In `input`'s and `weight`'s shape and memory layout: the transposed convolution of dy, and the sum over
            samples and places q of dy[q] x[q stride - padding + r dilation].
        dbias : ndarray, (out,)
            The sum of dy over samples and places.

        Raises
        ------
        ValueError
            As `conv{n}d`, and if dy is not of the result's shape.

        Examples
        --------
        {examples}
        """
        from . import _conv_run, _conv_shapes

        parents = (input, weight, None)
        call = _conv_shapes.convolution(twin, n, parents, stride, padding, dilation, groups, padding_mode)
        dx, dweight, dbias = _conv_run.backward(twin, call, dy, (True, True, True))
        return dx, dweight, dbias  # type: ignore[return-value]  # all three were wanted

    name, twin = conv_nd.__name__, conv_nd_backward.__name__

    @derivative(conv_nd, "input", "weight", "bias")
    def run(
        wanted: tuple[bool, bool, bool],
        input: Any,
        weight: Any,
        bias: Any = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: Any = 1,
        *,
        padding_mode: str = "zeros",
    ) -> Any:
        from . import _conv_run, _conv_shapes

        parents = (input, weight, bias)
        call = _conv_shapes.convolution(name, n, parents, stride, padding, dilation, groups, padding_mode)
        return _conv_run.forward(name, call, None), lambda dy: _conv_run.backward(twin, call, dy, wanted)

    return conv_nd, conv_nd_backward


conv1d, conv1d_backward = _functions(
    1,
    """
    >>> conv1d([[1.0, 2.0, 3.0, 4.0, 5.0]], [[[1.0, 10.0, 100.0, 1000.0]]], padding="same")
    array([[3210., 4321., 5432.,  543.,   54.]])
    """,
    """
    >>> dx, dweight, dbias = conv1d_backward([[1.0, 1.0]], [[1.0, 2.0, 3.0]], [[[10.0, 20.0]]])
    >>> dx, dweight, dbias
    (array([[10., 30., 20.]]), array([[[3., 5.]]]), array([2.]))
    """,
)
conv2d, conv2d_backward = _functions(
    2,
    """
    >>> x = np.arange(9.0).reshape(1, 3, 3)
    >>> conv2d(x, np.ones((1, 1, 2, 2)), [0.5])
    array([[[ 8.5, 12.5],
            [20.5, 24.5]]])
    """,
    """
    >>> x, weight = np.arange(9.0).reshape(1, 3, 3), np.ones((1, 1, 2, 2))
    >>> dx, dweight, dbias = conv2d_backward(np.ones((1, 2, 2)), x, weight)
    >>> dx[0], dweight[0, 0], dbias
    (array([[1., 2., 1.],
           [2., 4., 2.],
           [1., 2., 1.]]), array([[ 8., 12.],
           [20., 24.]]), array([4.]))
    """,
)
conv3d, conv3d_backward = _functions(
    3,
    """
    >>> conv3d(np.ones((1, 2, 2, 3)), np.ones((1, 1, 2, 2, 2)))
    array([[[[8., 8.]]]])
    """,
    """
    >>> x, weight = np.ones((1, 2, 2, 3)), np.ones((1, 1, 2, 2, 2))
    >>> dx, dweight, dbias = conv3d_backward(np.ones((1, 1, 1, 2)), x, weight)
    >>> dx[0, 0, 0], dweight[0, 0, 0, 0], dbias
    (array([1., 2., 1.]), array([2., 2.]), array([2.]))
    """,
)
