"""Layers of images: resizing, blocks to columns and back, local response normalization."""

from __future__ import annotations

from typing import Any

from .. import _check, functional
from ..functional._interpolate import check_mode
from ..functional._windows import MOST, numbers
from ._module import Module

__all__ = [
    "Fold",
    "LocalResponseNorm",
    "Unfold",
    "Upsample",
    "UpsamplingBilinear2d",
    "UpsamplingNearest2d",
]


class Upsample(Module):
    """The input at another size; see `fastnn.functional.interpolate`.

    Parameters
    ----------
    size, scale_factor, mode, align_corners, recompute_scale_factor
        As in the function; either size or scale_factor.

    Examples
    --------
    >>> Upsample(scale_factor=2)(np.ones((1, 3, 4, 5))).shape
    (1, 3, 8, 10)
    """

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ):
        super().__init__()
        name = type(self).__name__
        check_mode(name, mode, align_corners)
        if (size is None) == (scale_factor is None):
            raise ValueError(f"{name}: expected either size or scale_factor, got {size} and {scale_factor}")
        several = isinstance(scale_factor, (tuple, list))
        for each in size if isinstance(size, (tuple, list)) else () if size is None else (size,):
            _check.count(name, "size", each, 1, MOST)
        factors = tuple(
            _check.finite(name, "scale_factor", each)
            for each in (scale_factor if several else () if scale_factor is None else (scale_factor,))
        )
        if factors and min(factors) <= 0:
            raise ValueError(f"{name}: expected scale_factor above 0, got {scale_factor}")
        self.size = tuple(size) if isinstance(size, list) else size
        self.scale_factor = (factors if several else factors[0]) if factors else None
        self.mode, self.align_corners, self.recompute_scale_factor = mode, align_corners, recompute_scale_factor

    def forward(self, input: Any) -> Any:
        """Return the input at its new size."""
        options = (self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor)
        return functional.interpolate(input, *options)

    def extra_repr(self) -> str:
        """Return the options."""
        size = f"size={self.size}" if self.scale_factor is None else f"scale_factor={self.scale_factor}"
        return f"{size}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """An image at another size by the nearest places; see `fastnn.functional.interpolate`.

    Parameters
    ----------
    size : int or (int, int), optional
    scale_factor : float or (float, float), optional
        Either of the two.

    Examples
    --------
    >>> UpsamplingNearest2d((2, 3))(np.ones((1, 3, 4, 5))).shape
    (1, 3, 2, 3)
    """

    def __init__(self, size: Any = None, scale_factor: Any = None):
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """An image at another size, linear in both directions, corners aligned; see `fastnn.functional.interpolate`.

    Parameters
    ----------
    size : int or (int, int), optional
    scale_factor : float or (float, float), optional
        Either of the two.

    Examples
    --------
    >>> UpsamplingBilinear2d((2, 3))(np.ones((1, 3, 4, 5))).shape
    (1, 3, 2, 3)
    """

    def __init__(self, size: Any = None, scale_factor: Any = None):
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)


class Unfold(Module):
    """The blocks of an image as columns; see `fastnn.functional.unfold`.

    Parameters
    ----------
    kernel_size, dilation, padding, stride : int or (int, int)
        Of the blocks, as in the function.

    Examples
    --------
    >>> Unfold(2)(np.ones((1, 3, 4, 5))).shape
    (1, 12, 12)
    """

    def __init__(self, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1):
        super().__init__()
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride
        for argument, low in (("kernel_size", 1), ("dilation", 1), ("padding", 0), ("stride", 1)):
            numbers(type(self).__name__, argument, getattr(self, argument), 2, low)

    def forward(self, input: Any) -> Any:
        """Return the columns."""
        return functional.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        """Return the options."""
        names = ("kernel_size", "dilation", "padding", "stride")
        return ", ".join(f"{name}={getattr(self, name)}" for name in names)


class Fold(Unfold):
    """An image from its blocks, overlaps added; see `fastnn.functional.fold`.

    Parameters
    ----------
    output_size : int or (int, int)
        The image's size.
    kernel_size, dilation, padding, stride : int or (int, int)
        Of the blocks, as in the function.

    Examples
    --------
    >>> Fold((4, 5), 2)(np.ones((1, 12, 12))).shape
    (1, 3, 4, 5)
    """

    def __init__(self, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1):
        super().__init__(kernel_size, dilation, padding, stride)
        numbers("Fold", "output_size", output_size, 2, 1)
        self.output_size = output_size

    def forward(self, input: Any) -> Any:
        """Return the image."""
        blocks = (self.kernel_size, self.dilation, self.padding, self.stride)
        return functional.fold(input, self.output_size, *blocks)

    def extra_repr(self) -> str:
        """Return the options."""
        return f"output_size={self.output_size}, {super().extra_repr()}"


class LocalResponseNorm(Module):
    """Each channel over a mean of its neighbours' squares; see `fastnn.functional.local_response_norm`.

    Parameters
    ----------
    size : int
        The number of neighbouring channels.
    alpha, beta, k : float
        As in the function.

    Examples
    --------
    >>> LocalResponseNorm(1, alpha=3.0, beta=0.5, k=4.0)(np.full((1, 2, 1), 2.0)).ravel()
    array([0.5, 0.5])
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0):
        super().__init__()
        self.size = _check.count("LocalResponseNorm", "size", size, 1, MOST)
        self.alpha, self.beta, self.k = alpha, beta, k
        for argument in ("alpha", "beta", "k"):
            _check.real("LocalResponseNorm", argument, getattr(self, argument))

    def forward(self, input: Any) -> Any:
        """Return the normalized input."""
        return functional.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        """Return the options."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
