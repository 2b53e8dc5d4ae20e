"""Dropout of whole channels, and dropout that keeps mean and variance (alpha dropout)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._check import Array
from .._dispatch import differentiable
from ._dropout import Rule, Span, alpha, apply, channels1d, channels2d, channels3d, elements, gradient, masked, zeroing
from ._text import written

__all__ = [
    "alpha_dropout",
    "alpha_dropout_backward",
    "dropout1d",
    "dropout1d_backward",
    "dropout2d",
    "dropout2d_backward",
    "dropout3d",
    "dropout3d_backward",
    "feature_alpha_dropout",
    "feature_alpha_dropout_backward",
]


def _functions(
    name: str, rule: Callable[[str, float], Rule], span: Span, on: bool, **words: str
) -> tuple[Callable[..., Array], Callable[..., Array]]:
    """A dropout by a rule, and its gradient; `on` is the default of `training`."""
    twin = f"{name}_backward"

    @differentiable
    @written(name, **words)
    def forward(
        input: Any,
        p: float = 0.5,
        training: bool = on,
        inplace: bool = False,
        *,
        rng: Any = None,
        out: Array | None = None,
    ) -> Array:
        """{what}.

        Parameters
        ----------
        input : array_like, {shape}
        p, training, inplace, rng, out
            As in `dropout`; the mask is `dropout_mask` of {masked}.

        Returns
        -------
        ndarray
            Of the input's shape and dtype.

        Raises
        ------
        ValueError
            If p is not in [0, 1], or the input has another number of dimensions.

        Examples
        --------
        {examples}
        """
        return apply(name, "input", input, rule(name, p), span, training, rng, input if inplace else out)

    masked(forward, rule, span, on)

    @written(twin, name=name, **words)
    def backward(dy: Any, p: float = 0.5, training: bool = on, *, rng: Any = None, out: Array | None = None) -> Array:
        """Gradient of `{name}`, `rng` the key of the forward call: dy {scale} where kept, else 0.

        Parameters
        ----------
        dy : array_like, {shape}
            The gradient of the result of `{name}`.
        p : float
        training : bool
            Those of the forward call.
        rng : int
            The key that the forward call was given.
        out : ndarray, optional
            Where to put the result.

        Returns
        -------
        ndarray
            Of dy's shape and dtype.

        Raises
        ------
        TypeError
            If training and `rng` is no key.

        Examples
        --------
        >>> {name}_backward(np.ones({ones}), training=False).ravel()
        array([1., 1., 1., 1.])
        """
        return gradient(twin, rule, span, dy, p, training, rng, out)

    return forward, backward


dropout1d, dropout1d_backward = _functions(
    "dropout1d",
    zeroing,
    channels1d,
    on=True,
    what="Zero whole channels with probability p and scale the others by 1 / (1 - p)",
    shape="(N, C, L) or (C, L)",
    masked="the leading dimensions, (N, C)",
    scale="/ (1 - p)",
    ones="(1, 2, 2)",
    examples="""
    >>> y = dropout1d(np.ones((2, 3, 4)), rng=0)
    >>> bool((y.min(2) == y.max(2)).all())
    True
    """,
)
dropout2d, dropout2d_backward = _functions(
    "dropout2d",
    zeroing,
    channels2d,
    on=True,
    what="Zero whole channels with probability p and scale the others by 1 / (1 - p)",
    shape="(N, C, *)",
    masked="the leading dimensions, (N, C)",
    scale="/ (1 - p)",
    ones="(1, 2, 2, 1)",
    examples="""
    >>> y = dropout2d(np.ones((2, 3, 4, 4)), rng=0)
    >>> bool((y.min((2, 3)) == y.max((2, 3))).all())
    True
    """,
)
dropout3d, dropout3d_backward = _functions(
    "dropout3d",
    zeroing,
    channels3d,
    on=True,
    what="Zero whole channels with probability p and scale the others by 1 / (1 - p)",
    shape="(N, C, D, H, W) or (C, D, H, W)",
    masked="the leading dimensions, (N, C)",
    scale="/ (1 - p)",
    ones="(1, 2, 1, 2, 1)",
    examples="""
    >>> y = dropout3d(np.ones((2, 3, 2, 2, 2)), rng=0)
    >>> bool((y.min((2, 3, 4)) == y.max((2, 3, 4))).all())
    True
    """,
)
alpha_dropout, alpha_dropout_backward = _functions(
    "alpha_dropout",
    alpha,
    elements,
    on=False,
    what="Set elements to selu's lower limit with probability p, restore mean and variance (Klambauer et al. 2017)",
    shape="any shape",
    masked="the shape",
    scale="times the scale",
    ones="(1, 2, 2, 1)",
    examples="""
    >>> alpha_dropout(np.zeros(1000), 0.5, training=True, rng=0).round(4).max()
    np.float64(0.7792)
    """,
)
feature_alpha_dropout, feature_alpha_dropout_backward = _functions(
    "feature_alpha_dropout",
    alpha,
    channels2d,
    on=False,
    what="`alpha_dropout` of whole channels",
    shape="(N, C, *)",
    masked="the leading dimensions, (N, C)",
    scale="times the scale",
    ones="(1, 2, 2, 1)",
    examples="""
    >>> y = feature_alpha_dropout(np.zeros((2, 3, 4)), 0.5, training=True, rng=0)
    >>> bool((y.min(2) == y.max(2)).all())
    True
    """,
)
