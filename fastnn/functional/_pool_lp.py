"""The p-norms of windows: LP pooling."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _check
from .._check import Array
from .._core import ops
from .._dispatch import differentiable, gradient_of
from ._pool_average import Divisor, mean, spread
from ._text import dimensional
from ._windows import Planes, slid

__all__ = [
    "lp_pool1d",
    "lp_pool1d_backward",
    "lp_pool2d",
    "lp_pool2d_backward",
    "lp_pool3d",
    "lp_pool3d_backward",
]

SUM = Divisor(number=1)  # of powers


class _Norm:
    """The p-norms of windows and their gradients; inf and -inf take the largest and the smallest absolute value."""

    def __init__(self, name: str, n: int, input: Any, norm_type: Any, kernel_size: Any, stride: Any, ceil_mode: Any):
        self.p = _check.real(name, "norm_type", norm_type)
        if self.p == 0 or math.isnan(self.p):
            raise ValueError(f"{name}: expected norm_type other than 0 and NaN, got {self.p:g}")
        self.planes = Planes(name, input, n)
        self.windows = slid(name, self.planes.space, kernel_size, stride, 0, 1, ceil_mode)
        self.space = self.windows.output

    def _sign(self) -> int:
        return 1 if self.p > 0 else -1

    def value(self) -> Array:
        """The norm of each window."""
        planes, x = self.planes, self.planes.x
        with np.errstate(all="ignore"):
            if not math.isinf(self.p):
                return np.asarray(mean(planes, x**self.p, self.windows, SUM) ** (1 / self.p), x.dtype)
        y = planes.empty(self.space)
        if y.size:
            ops.max_pool(y, self._sign() * np.abs(x), *self.windows.arguments(*planes.sizes))
        return self._sign() * y

    def gradient(self, gradient: Array) -> Array:
        """The gradient of the input from that of the norms; 0 for a window whose norm is 0."""
        planes, x, windows = self.planes, self.planes.x, self.windows
        if not gradient.size:
            return np.zeros_like(x)
        with np.errstate(all="ignore"):
            if math.isinf(self.p):
                dx = planes.empty(planes.space)
                size = self._sign() * np.abs(x)
                ops.max_pool_backward(dx, gradient, size, *windows.arguments(*planes.sizes))
                return np.sign(x) * dx
            y = self.value()
            each = np.where(y == 0, 0, gradient * y ** (1 - self.p))
            through = spread(planes, np.asarray(each, x.dtype), windows, SUM)
            slope = x ** (self.p - 1)  # NaN for a negative x and a fraction as p, in windows or not, as in PyTorch
            return np.where((through == 0) & ~np.isnan(slope), 0, through * slope).astype(x.dtype, copy=False)


def _lp_pools(n: int) -> tuple[Callable[..., Array], Callable[..., Array]]:
    """LP pooling of n dimensions and its gradient."""

    @differentiable
    @dimensional(n)
    def lp_pool_nd(
        input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
    ) -> Array:
        """The p-norm of each window without absolute values, (sum x^p)^(1/p).

        A negative sum, or a negative x with a fraction as p, gives NaN.  A window that reaches beyond the end sums
        the values inside.

        Parameters
        ----------
        input : array_like, (N, C, {space}) or (C, {space})
        norm_type : float
            p, any number but 0; inf and -inf take the largest and the smallest absolute value.
        kernel_size : int or tuple of int
            The windows' size; one number stands for all dimensions.
        stride : int or tuple of int, optional
            The distance of windows; by default kernel_size.
        ceil_mode : bool
            Keep a last window that reaches beyond the end, if it begins before the right padding.

        Returns
        -------
        ndarray
            In the memory order of the input, channels first or last.

        Raises
        ------
        ValueError
            If shapes do not fit, or a number is out of its range.

        Examples
        --------
        >>> lp_pool{n}d(np.reshape([3.0, 4.0, 0.0, 1.0], (1, {ones}4)), 2, ({ones}2)).ravel()
        array([5., 1.])
        """
        norm = _Norm(lp_pool_nd.__name__, n, input, norm_type, kernel_size, stride, ceil_mode)
        return norm.planes.finished(norm.value())

    @gradient_of(lp_pool_nd)
    @dimensional(n)
    def lp_pool_nd_backward(
        dy: Any, input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
    ) -> Array:
        """Gradient of `lp_pool{n}d`: dx = dy y^(1 - p) x^(p - 1), 0 where y is 0.

        Examples
        --------
        >>> x = np.reshape([3.0, 4.0, 0.0, 1.0], (1, {ones}4))
        >>> lp_pool{n}d_backward(np.reshape([5.0, 1.0], (1, {ones}2)), x, 2, ({ones}2)).ravel()
        array([3., 4., 0., 1.])
        """
        name = lp_pool_nd_backward.__name__
        norm = _Norm(name, n, input, norm_type, kernel_size, stride, ceil_mode)
        return norm.planes.finished(norm.gradient(norm.planes.gradient(name, dy, norm.space)))

    return lp_pool_nd, lp_pool_nd_backward


lp_pool1d, lp_pool1d_backward = _lp_pools(1)
lp_pool2d, lp_pool2d_backward = _lp_pools(2)
lp_pool3d, lp_pool3d_backward = _lp_pools(3)
