"""Dropout layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from .. import _check, _random, functional
from ._module import Module

__all__ = [
    "AlphaDropout",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "FeatureAlphaDropout",
]


class _Dropout(Module):
    """Drop in training; in evaluation return the input.

    Parameters
    ----------
    p : float
        In [0, 1].
    inplace : bool
        Write the result over the input, where that is a plain array.
    rng : None, int, SeedSequence or Generator
        Where masks come from: None is the package's generator (`fastnn.manual_seed`), an integer seeds the layer's own.
    """

    _function: ClassVar[Callable[..., Any]]

    def __init__(self, p: float = 0.5, inplace: bool = False, *, rng: Any = None):
        super().__init__()
        name = type(self).__name__
        self.p = _check.in_range(name, "p", p, 0, 1)
        self.inplace = inplace
        self.rng = None if rng is None else _random.generator(name, rng)

    def forward(self, input: Any) -> Any:
        """Return the function of `input` in training, `input` itself in evaluation."""
        return type(self)._function(input, self.p, True, self.inplace, rng=self.rng) if self.training else input

    def extra_repr(self) -> str:
        """Return the options."""
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):  # noqa: D101
    __doc__ = f"""Zero elements and scale the others by 1 / (1 - p); see `fastnn.dropout`.

    {_Dropout.__doc__}
    Examples
    --------
    >>> Dropout(0.5).eval()([1.0, 2.0])
    [1.0, 2.0]
    """
    _function = functional.dropout


class Dropout1d(_Dropout):  # noqa: D101
    __doc__ = f"""Zero whole channels of (N, C, L) or (C, L); see `fastnn.dropout1d`.

    {_Dropout.__doc__}
    Examples
    --------
    >>> Dropout1d(0.5).eval()([1.0, 2.0])
    [1.0, 2.0]
    """
    _function = functional.dropout1d


class Dropout2d(_Dropout):  # noqa: D101
    __doc__ = f"""Zero whole channels of (N, C, H, W); see `fastnn.dropout2d`.

    {_Dropout.__doc__}
    Examples
    --------
    >>> Dropout2d(0.5).eval()([1.0, 2.0])
    [1.0, 2.0]
    """
    _function = functional.dropout2d


class Dropout3d(_Dropout):  # noqa: D101
    __doc__ = f"""Zero whole channels of (N, C, D, H, W) or (C, D, H, W); see `fastnn.dropout3d`.

    {_Dropout.__doc__}
    Examples
    --------
    >>> Dropout3d(0.5).eval()([1.0, 2.0])
    [1.0, 2.0]
    """
    _function = functional.dropout3d


class AlphaDropout(_Dropout):  # noqa: D101
    __doc__ = f"""Set elements to selu's lower limit and restore mean and variance; see `fastnn.alpha_dropout`.

    {_Dropout.__doc__}
    Examples
    --------
    >>> AlphaDropout(0.5).eval()([1.0, 2.0])
    [1.0, 2.0]
    """
    _function = functional.alpha_dropout


class FeatureAlphaDropout(_Dropout):  # noqa: D101
    __doc__ = f"""Alpha dropout of whole channels; see `fastnn.feature_alpha_dropout`.

    {_Dropout.__doc__}
    Examples
    --------
    >>> FeatureAlphaDropout(0.5).eval()([1.0, 2.0])
    [1.0, 2.0]
    """
    _function = functional.feature_alpha_dropout
