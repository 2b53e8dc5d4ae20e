"""The docstrings of the pooling functions: one, two and three dimensions differ in shapes and examples alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_SPACE = {1: "L", 2: "H, W", 3: "D, H, W"}
_ARGUMENTS = """\
    kernel_size : int or tuple of int
        The windows' size; one number stands for all dimensions.
    stride : int or tuple of int, optional
        The distance of windows; by default kernel_size."""
_PADDING = """
    padding : int or tuple of int
        Places around the input, at most half of kernel_size."""
_CEIL = """
    ceil_mode : bool
        Keep a last window that reaches beyond the end, if it begins before the right padding."""
_DILATION = """
    dilation : int or tuple of int
        The distance of a window's places."""
_COUNTING = """
    count_include_pad : bool
        Divide by the window's size with the padding in it, else by the number of its places in the input."""
_DIVISOR = """
    divisor_override : int, optional
        Divide by this number instead; any but 0."""
_INDICES = """
    return_indices : bool
        Return the places of the maxima too."""
_SIZE = """\
    output_size : int, or tuple of int or None
        The result's size; None keeps that of a dimension."""
_NORM = """\
    norm_type : float
        p, any number but 0; inf and -inf take the largest and the smallest absolute value.
"""
_PLACES = """\
    indices : array_like of int64, of the input's shape
        Flat places in a plane of the result, as the pooling returns them; -1 for none.
"""
_UNPOOL_SIZE = """
    output_size : tuple of int, optional
        The result's size, or shape: that of the pooling's input, where several sizes pool to one."""

# each family: its formula, its arguments, what its gradient is, examples for the function and for its twin
_FAMILIES = {
    "max_pool": (
        """The largest value of each window; NaN if it holds one.

    y[j] = max over t of x[j stride - padding + t dilation], t from 0 to kernel_size - 1 in each dimension.  Padding
    counts as -inf; of equal values the first is taken.""",
        _ARGUMENTS + _PADDING + _DILATION + _CEIL,
        "dy goes to the place of each window's maximum, and what overlapping windows give a place is added",
        ("[[[1.0, 3.0, 2.0, 0.0]]]", "2", "array([[[3., 2.]]])"),
        ("[[[1.0, 5.0]]]", "[[[1.0, 3.0, 2.0, 0.0]]]", "2", "array([[[0., 1., 5., 0.]]])"),
    ),
    "adaptive_max_pool": (
        """The largest value of each of output_size windows that cover the input evenly; NaN if it holds one.

    Window i of a dimension of size L, of o windows, goes from floor(i L / o) to ceil((i + 1) L / o); they may
    overlap.""",
        _SIZE,
        "dy goes to the place of each window's maximum, and what overlapping windows give a place is added",
        ("[[[1.0, 3.0, 2.0, 0.0]]]", "2", "array([[[3., 2.]]])"),
        ("[[[1.0, 5.0]]]", "[[[1.0, 3.0, 2.0, 0.0]]]", "2", "array([[[0., 1., 5., 0.]]])"),
    ),
    "avg_pool": (
        """The mean of each window.

    y[j] = sum over t of x[j stride - padding + t] / divisor, t from 0 to kernel_size - 1 in each dimension.  Padding
    counts as 0, and places beyond it, which ceil_mode adds, count for nothing.  Sums are kept in float64.""",
        _ARGUMENTS + _PADDING + _CEIL + _COUNTING,
        "each place of a window gets dy / divisor",
        ("[[[1.0, 3.0, 2.0, 0.0]]]", "2", "array([[[2., 1.]]])"),
        ("[[[1.0, 5.0]]]", "[[[1.0, 3.0, 2.0, 0.0]]]", "2", "array([[[0.5, 0.5, 2.5, 2.5]]])"),
    ),
    "adaptive_avg_pool": (
        """The mean of each of output_size windows that cover the input evenly.

    Window i of a dimension of size L, of o windows, goes from floor(i L / o) to ceil((i + 1) L / o); they may overlap.
    Sums are kept in float64.""",
        _SIZE,
        "each place of a window gets dy / the window's size",
        ("[[[1.0, 3.0, 2.0, 0.0]]]", "2", "array([[[2., 1.]]])"),
        ("[[[1.0, 5.0]]]", "[[[1.0, 3.0, 2.0, 0.0]]]", "2", "array([[[0.5, 0.5, 2.5, 2.5]]])"),
    ),
    "lp_pool": (
        """The p-norm of each window without absolute values, (sum x^p)^(1/p).

    A negative sum, or a negative x with a fraction as p, gives NaN.  A window that reaches beyond the end has the sum
    of what is there.""",
        _NORM + _ARGUMENTS + _CEIL,
        "dx = dy y^(1 - p) x^(p - 1), 0 where y is 0",
        ("[[[3.0, 4.0, 0.0, 1.0]]]", "2, 2", "array([[[5., 1.]]])"),
        ("[[[5.0, 1.0]]]", "[[[3.0, 4.0, 0.0, 1.0]]]", "2, 2", "array([[[3., 4., 0., 1.]]])"),
    ),
    "max_unpool": (
        """Values put back to where max pooling found them, 0 elsewhere.

    y[indices[j]] = x[j] in each plane; of several values for a place the last stays.  A dimension has the size
    (input - 1) stride - 2 padding + kernel_size.""",
        _PLACES + _ARGUMENTS + _PADDING + _UNPOOL_SIZE,
        "dx[j] = dy[indices[j]]",
        ("[[[3.0, 2.0]]]", "[[[1, 2]]], 2", "array([[[0., 3., 2., 0.]]])"),
        ("[[[0.5, 1.0, 2.0, 4.0]]]", "[[[3.0, 2.0]]]", "[[[1, 2]]], 2", "array([[[1., 2.]]])"),
    ),
}


def described(n: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Give a function of `n` dimensions the docstring of its family."""

    def complete(function: Callable[P, R]) -> Callable[P, R]:
        name = function.__name__
        family = name.removesuffix("_backward")[:-2]
        text = _backward_text if name.endswith("_backward") else _text
        function.__doc__ = text(family, n)
        return function

    return complete


def _options(family: str, n: int) -> str:
    return _FAMILIES[family][1] + (_DIVISOR if family == "avg_pool" and n > 1 else "")


def _in_space(text: str, n: int) -> str:
    """An example in one dimension as one of `n`: windows of one place along the others."""
    return text.replace("[[[", "[[" + "[" * n).replace("]]]", "]]" + "]" * n)


def _arguments(family: str, arguments: str, n: int) -> str:
    if n == 1:
        return arguments
    *others, last = _in_space(arguments, n).rsplit(", ", 1)
    return ", ".join([*others, f"({'1, ' * (n - 1)}{last})"])


def _text(family: str, n: int) -> str:
    formula, _, _, (x, arguments, result), _ = _FAMILIES[family]
    indices = _INDICES if family.endswith("max_pool") else ""
    several = (
        "\n        With return_indices a tuple: the result, and int64 flat places in a plane, -1 for none."
        * bool(indices)
    )
    return f"""{formula}

    Parameters
    ----------
    input : array_like, (N, C, {_SPACE[n]}) or (C, {_SPACE[n]})
{_options(family, n)}{indices}

    Returns
    -------
    ndarray
        In the memory order of the input, channels first or last.{several}

    Raises
    ------
    ValueError
        If shapes do not fit, or a number is out of its range.

    Examples
    --------
    >>> {family}{n}d({_in_space(x, n)}, {_arguments(family, arguments, n)})
    {_in_space(result, n)}
    """


def _backward_text(family: str, n: int) -> str:
    _, _, gradient, _, (dy, x, arguments, result) = _FAMILIES[family]
    return f"""Gradient of `{family}{n}d`: {gradient}.

    Parameters
    ----------
    dy : array_like
        The gradient of the result, of its shape.
    input : array_like, (N, C, {_SPACE[n]}) or (C, {_SPACE[n]})
        The input of `{family}{n}d`.
{_options(family, n)}

    Returns
    -------
    ndarray
        The gradient of the input, of its shape and dtype.

    Raises
    ------
    ValueError
        If shapes do not fit, or a number is out of its range.

    Examples
    --------
    >>> {family}{n}d_backward({_in_space(dy, n)}, {_in_space(x, n)}, {_arguments(family, arguments, n)})
    {_in_space(result, n)}
    """
