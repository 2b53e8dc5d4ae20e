"""Transposed convolution in one, two and three dimensions.

The code that computes it is imported at the first call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._check import Array
from .._dispatch import derivative, differentiable
from ._text import dimensional

__all__ = [
    "conv_transpose1d",
    "conv_transpose1d_backward",
    "conv_transpose2d",
    "conv_transpose2d_backward",
    "conv_transpose3d",
    "conv_transpose3d_backward",
]

Gradients = tuple[Array, Array, Array]


def _functions(n: int, examples: str, twin_examples: str) -> tuple[Callable[..., Array], Callable[..., Gradients]]:
    """The transposed convolution of n dimensions and its gradients."""

    @differentiable
    @dimensional(n, examples=examples)
    def conv_transpose_nd(
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
        """Transposed convolution over {words}: x[q] weight[r] adds to y[q stride - padding + r dilation].

        Parameters
        ----------
        input : array_like, (N, C, {space}) or (C, {space})
            Channels-last memory is read without a copy.
        weight : array_like, (C, out / groups, {kernel})
        bias : array_like, (out,), optional
        stride, padding, dilation : int, or one for each dimension of space
            Those of the convolution whose gradient this is: padding shortens the result on both sides.
        output_padding : int, or one for each dimension of space
            Lengthens the result at the end; below stride or dilation.
        groups : int
            Group h of the outputs reads group h of the channels alone.
        out : ndarray, optional
            Where to put the result.

        Returns
        -------
        ndarray
            (N, out, *) or (out, *), (size - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1 places
            along each dimension of space; channels-last in memory if `input` is.

        Raises
        ------
        ValueError
            If the shapes do not fit, nothing would be left, or an argument is out of range.

        Notes
        -----
        Computed as one convolution for each remainder of the stride, so that no product with an inserted zero is made.

        Examples
        --------
        {examples}
        """
        from . import _conv_run, _conv_shapes

        parents = (input, weight, bias)
        call = _conv_shapes.transposed(name, n, parents, stride, padding, output_padding, groups, dilation)
        return _conv_run.transposed_forward(name, call, out)

    @dimensional(n, examples=twin_examples)
    def conv_transpose_nd_backward(
        dy: Any,
        input: Any,
        weight: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: Any = 1,
        dilation: Any = 1,
    ) -> tuple[Array, Array, Array]:
        """Gradients of `conv_transpose{n}d`: of the input, the weight and the bias.

        Parameters
        ----------
        dy : array_like
            Of the result's shape.
        input, weight, stride, padding, output_padding, groups, dilation
            As they were given to `conv_transpose{n}d`.

        Returns
        -------
        dx, dweight : ndarray
            In `input`'s and `weight`'s shape and memory layout; dx is the convolution of dy.
        dbias : ndarray, (out,)
            The sum of dy over samples and places.

        Raises
        ------
        ValueError
            As `conv_transpose{n}d`, and if dy is not of the result's shape.

        Examples
        --------
        {examples}
        """
        from . import _conv_run, _conv_shapes

        parents = (input, weight, None)
        call = _conv_shapes.transposed(twin, n, parents, stride, padding, output_padding, groups, dilation)
        dx, dweight, dbias = _conv_run.transposed_backward(twin, call, dy, (True, True, True))
        return dx, dweight, dbias  # type: ignore[return-value]  # all three were wanted

    name, twin = conv_transpose_nd.__name__, conv_transpose_nd_backward.__name__

    @derivative(conv_transpose_nd, "input", "weight", "bias")
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
        from . import _conv_run, _conv_shapes

        parents = (input, weight, bias)
        call = _conv_shapes.transposed(name, n, parents, stride, padding, output_padding, groups, dilation)
        y = _conv_run.transposed_forward(name, call, None)
        return y, lambda dy: _conv_run.transposed_backward(twin, call, dy, wanted)

    return conv_transpose_nd, conv_transpose_nd_backward


conv_transpose1d, conv_transpose1d_backward = _functions(
    1,
    """
    >>> conv_transpose1d([[1.0, 2.0]], [[[1.0, 10.0, 100.0]]], stride=2)
    array([[  1.,  10., 102.,  20., 200.]])
    """,
    """
    >>> dx, dweight, dbias = conv_transpose1d_backward([[1.0, 2.0, 3.0]], [[1.0, 10.0]], [[[1.0, 100.0]]])
    >>> dx, dweight, dbias
    (array([[201., 302.]]), array([[[21., 32.]]]), array([6.]))
    """,
)
conv_transpose2d, conv_transpose2d_backward = _functions(
    2,
    """
    >>> conv_transpose2d([[[1.0, 2.0]]], np.ones((1, 1, 2, 2)), [0.5], stride=2)
    array([[[1.5, 1.5, 2.5, 2.5],
            [1.5, 1.5, 2.5, 2.5]]])
    """,
    """
    >>> x, weight = np.ones((1, 1, 2)), np.ones((1, 1, 2, 2))
    >>> dx, dweight, dbias = conv_transpose2d_backward(np.ones((1, 2, 4)), x, weight, stride=2)
    >>> dx, dweight.shape, dbias
    (array([[[4., 4.]]]), (1, 1, 2, 2), array([8.]))
    """,
)
conv_transpose3d, conv_transpose3d_backward = _functions(
    3,
    """
    >>> conv_transpose3d(np.ones((1, 1, 1, 2)), np.ones((1, 1, 1, 1, 2)))
    array([[[[1., 2., 1.]]]])
    """,
    """
    >>> x, weight = np.ones((1, 1, 1, 2)), np.ones((1, 1, 1, 1, 2))
    >>> dx, dweight, dbias = conv_transpose3d_backward(np.ones((1, 1, 1, 3)), x, weight)
    >>> dx.ravel(), dweight.ravel(), dbias
    (array([2., 2.]), array([2., 2.]), array([3.]))
    """,
)
