"""Softmax layers; the functions of the same names have the formulas."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import functional
from ._module import Module
from .activation import _Activation

__all__ = [
    "LogSoftmax",
    "Softmax",
    "Softmax2d",
    "Softmin",
]


class Softmax(_Activation):
    """exp(x) / sum exp(x) along `dim`, which inputs of more than two dimensions need; see `fastnn.softmax`.

    Examples
    --------
    >>> Softmax(dim=-1)([-1.0, 1.0]).round(4)
    array([0.1192, 0.8808])
    """

    _function = functional.softmax

    def __init__(self, dim: int | None = None):
        super().__init__(dim=dim)


class LogSoftmax(_Activation):
    """Logarithm of the softmax along `dim`, which inputs of more than two dimensions need; see `fastnn.log_softmax`.

    Examples
    --------
    >>> LogSoftmax(dim=-1)([-1.0, 1.0]).round(4)
    array([-2.1269, -0.1269])
    """

    _function = functional.log_softmax

    def __init__(self, dim: int | None = None):
        super().__init__(dim=dim)


class Softmin(_Activation):
    """`Softmax` of the negative input; see `fastnn.softmin`.

    Examples
    --------
    >>> Softmin(dim=-1)([-1.0, 1.0]).round(4)
    array([0.8808, 0.1192])
    """

    _function = functional.softmin

    def __init__(self, dim: int | None = None):
        super().__init__(dim=dim)


class Softmax2d(Module):
    """Softmax over the channels of (N, C, H, W) or (C, H, W); see `fastnn.softmax`.

    Examples
    --------
    >>> Softmax2d()(np.zeros((2, 1, 1))).ravel()
    array([0.5, 0.5])
    """

    def forward(self, input: Any) -> Any:
        """Return the softmax along dimension -3."""
        if np.ndim(input) not in (3, 4):
            raise ValueError(f"Softmax2d: expected a 3-D or 4-D input, got shape {np.shape(input)}")
        return functional.softmax(input, -3)
