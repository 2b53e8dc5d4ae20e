"""Layers of images: padding, another size, blocks and back, local response normalization."""

from __future__ import annotations

from typing import Any, ClassVar

from .. import _check, functional
from ..functional._interpolate import check_mode
from ..functional._windows import MOST, numbers
from ._module import Module

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "Fold",
    "LocalResponseNorm",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "Unfold",
    "Upsample",
    "UpsamplingBilinear2d",
    "UpsamplingNearest2d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class _Pad(Module):
    """Pad space; padding is one number for all sides, or a pair for each dimension, the last one first."""

    _mode: ClassVar[str] = "constant"
    _dimensions: ClassVar[int]

    def __init__(self, padding: Any):
        super().__init__()
        name, count = type(self).__name__, 2 * self._dimensions
        values = tuple(padding) if isinstance(padding, (tuple, list)) else (padding,) * count
        if len(values) != count:
            raise ValueError(f"{name}: expected padding of 1 or {count} numbers, got {len(values)}: {padding}")
        self.padding = tuple(_check.count(name, "padding", each, -MOST, MOST) for each in values)

    def forward(self, input: Any) -> Any:
        """Return the padded input."""
        return functional.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        """Return the padding."""
        return str(self.padding)


class _ConstantPad(_Pad):
    def __init__(self, padding: Any, value: float):
        super().__init__(padding)
        _check.real(type(self).__name__, "value", value)
        self.value = value

    def forward(self, input: Any) -> Any:
        """Return the padded input."""
        return functional.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        """Return the options."""
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """Pad a dimension of space with a constant; see `fastnn.functional.pad`.

    Examples
    --------
    >>> ConstantPad1d(1, 0.5)(np.ones((1, 3, 4))).shape
    (1, 3, 6)
    """

    _dimensions = 1


class ConstantPad2d(_ConstantPad):
    """Pad 2 dimensions of space with a constant; see `fastnn.functional.pad`.

    Examples
    --------
    >>> ConstantPad2d(1, 0.5)(np.ones((1, 3, 4, 4))).shape
    (1, 3, 6, 6)
    """

    _dimensions = 2


class ConstantPad3d(_ConstantPad):
    """Pad 3 dimensions of space with a constant; see `fastnn.functional.pad`.

    Examples
    --------
    >>> ConstantPad3d(1, 0.5)(np.ones((1, 3, 4, 4, 4))).shape
    (1, 3, 6, 6, 6)
    """

    _dimensions = 3


class ZeroPad1d(_Pad):
    """Pad a dimension of space with zeros; see `fastnn.functional.pad`.

    Examples
    --------
    >>> ZeroPad1d(1)(np.ones((1, 3, 4))).shape
    (1, 3, 6)
    """

    _dimensions = 1


class ZeroPad2d(_Pad):
    """Pad 2 dimensions of space with zeros; see `fastnn.functional.pad`.

    Examples
    --------
    >>> ZeroPad2d(1)(np.ones((1, 3, 4, 4))).shape
    (1, 3, 6, 6)
    """

    _dimensions = 2


class ZeroPad3d(_Pad):
    """Pad 3 dimensions of space with zeros; see `fastnn.functional.pad`.

    Examples
    --------
    >>> ZeroPad3d(1)(np.ones((1, 3, 4, 4, 4))).shape
    (1, 3, 6, 6, 6)
    """

    _dimensions = 3


class ReflectionPad1d(_Pad):
    """Pad a dimension of space with the input mirrored about its edge; see `fastnn.functional.pad`.

    Examples
    --------
    >>> ReflectionPad1d(1)(np.ones((1, 3, 4))).shape
    (1, 3, 6)
    """

    _mode = "reflect"
    _dimensions = 1


class ReflectionPad2d(_Pad):
    """Pad 2 dimensions of space with the input mirrored about its edge; see `fastnn.functional.pad`.

    Examples
    --------
    >>> ReflectionPad2d(1)(np.ones((1, 3, 4, 4))).shape
    (1, 3, 6, 6)
    """

    _mode = "reflect"
    _dimensions = 2


class ReflectionPad3d(_Pad):
    """Pad 3 dimensions of space with the input mirrored about its edge; see `fastnn.functional.pad`.

    Examples
    --------
    >>> ReflectionPad3d(1)(np.ones((1, 3, 4, 4, 4))).shape
    (1, 3, 6, 6, 6)
    """

    _mode = "reflect"
    _dimensions = 3


class ReplicationPad1d(_Pad):
    """Pad a dimension of space with the edge repeated; see `fastnn.functional.pad`.

    Examples
    --------
    >>> ReplicationPad1d(1)(np.ones((1, 3, 4))).shape
    (1, 3, 6)
    """

    _mode = "replicate"
    _dimensions = 1


class ReplicationPad2d(_Pad):
    """Pad 2 dimensions of space with the edge repeated; see `fastnn.functional.pad`.

    Examples
    --------
    >>> ReplicationPad2d(1)(np.ones((1, 3, 4, 4))).shape
    (1, 3, 6, 6)
    """

    _mode = "replicate"
    _dimensions = 2


class ReplicationPad3d(_Pad):
    """Pad 3 dimensions of space with the edge repeated; see `fastnn.functional.pad`.

    Examples
    --------
    >>> ReplicationPad3d(1)(np.ones((1, 3, 4, 4, 4))).shape
    (1, 3, 6, 6, 6)
    """

    _mode = "replicate"
    _dimensions = 3


class CircularPad1d(_Pad):
    """Pad a dimension of space with the other end; see `fastnn.functional.pad`.

    Examples
    --------
    >>> CircularPad1d(1)(np.ones((1, 3, 4))).shape
    (1, 3, 6)
    """

    _mode = "circular"
    _dimensions = 1


class CircularPad2d(_Pad):
    """Pad 2 dimensions of space with the other end; see `fastnn.functional.pad`.

    Examples
    --------
    >>> CircularPad2d(1)(np.ones((1, 3, 4, 4))).shape
    (1, 3, 6, 6)
    """

    _mode = "circular"
    _dimensions = 2


class CircularPad3d(_Pad):
    """Pad 3 dimensions of space with the other end; see `fastnn.functional.pad`.

    Examples
    --------
    >>> CircularPad3d(1)(np.ones((1, 3, 4, 4, 4))).shape
    (1, 3, 6, 6, 6)
    """

    _mode = "circular"
    _dimensions = 3


class Upsample(Module):
    """The input at another size; see `fastnn.functional.interpolate`.

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

    Examples
    --------
    >>> UpsamplingNearest2d((2, 3))(np.ones((1, 3, 4, 5))).shape
    (1, 3, 2, 3)
    """

    def __init__(self, size: Any = None, scale_factor: Any = None):
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """An image at another size, linear in both directions, corners aligned; see `fastnn.functional.interpolate`.

    Examples
    --------
    >>> UpsamplingBilinear2d((2, 3))(np.ones((1, 3, 4, 5))).shape
    (1, 3, 2, 3)
    """

    def __init__(self, size: Any = None, scale_factor: Any = None):
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)


class Unfold(Module):
    """The blocks of an image as columns; see `fastnn.functional.unfold`.

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
