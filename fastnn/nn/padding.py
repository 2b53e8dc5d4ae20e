"""Layers that pad space."""

from __future__ import annotations

from typing import Any, ClassVar

from .. import _check, functional
from ..functional._windows import MOST
from ._dimensions import Dimensional

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class _Pad(Dimensional):
    """The layers that pad space, those with a constant apart."""

    _sections = """
    Parameters
    ----------
    padding : int, or tuple of int
        The places to add at every side, or a pair for each dimension, the last dimension's pair first.

    Examples
    --------
    >>> {layer}(1)(np.ones((1, 3, {4s}))).shape
    (1, 3, {6s})
    """

    _mode: ClassVar[str] = "constant"

    def __init__(self, padding: Any):
        super().__init__()
        name, count = type(self).__name__, 2 * self._dims
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
    """The layers that pad space with a constant."""

    _sections = """
    Parameters
    ----------
    padding : int, or tuple of int
        The places to add at every side, or a pair for each dimension, the last dimension's pair first.
    value : float
        The constant.

    Examples
    --------
    >>> {layer}(1, 0.5)(np.ones((1, 3, {4s}))).shape
    (1, 3, {6s})
    """

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


class CircularPad1d(_Pad, dims=1):
    """Pad space of (N, C, L) or (C, L) as if it were a ring; see `fastnn.functional.pad`."""

    _mode = "circular"


class CircularPad2d(_Pad, dims=2):
    """Pad space of (N, C, H, W) or (C, H, W) as if it were a ring; see `fastnn.functional.pad`."""

    _mode = "circular"


class CircularPad3d(_Pad, dims=3):
    """Pad space of (N, C, D, H, W) or (C, D, H, W) as if it were a ring; see `fastnn.functional.pad`."""

    _mode = "circular"


class ConstantPad1d(_ConstantPad, dims=1):
    """Pad space of (N, C, L) or (C, L) with a constant; see `fastnn.functional.pad`."""


class ConstantPad2d(_ConstantPad, dims=2):
    """Pad space of (N, C, H, W) or (C, H, W) with a constant; see `fastnn.functional.pad`."""


class ConstantPad3d(_ConstantPad, dims=3):
    """Pad space of (N, C, D, H, W) or (C, D, H, W) with a constant; see `fastnn.functional.pad`."""


class ReflectionPad1d(_Pad, dims=1):
    """Pad space of (N, C, L) or (C, L) with its mirror image; see `fastnn.functional.pad`."""

    _mode = "reflect"


class ReflectionPad2d(_Pad, dims=2):
    """Pad space of (N, C, H, W) or (C, H, W) with its mirror image; see `fastnn.functional.pad`."""

    _mode = "reflect"


class ReflectionPad3d(_Pad, dims=3):
    """Pad space of (N, C, D, H, W) or (C, D, H, W) with its mirror image; see `fastnn.functional.pad`."""

    _mode = "reflect"


class ReplicationPad1d(_Pad, dims=1):
    """Pad space of (N, C, L) or (C, L) with the edge repeated; see `fastnn.functional.pad`."""

    _mode = "replicate"


class ReplicationPad2d(_Pad, dims=2):
    """Pad space of (N, C, H, W) or (C, H, W) with the edge repeated; see `fastnn.functional.pad`."""

    _mode = "replicate"


class ReplicationPad3d(_Pad, dims=3):
    """Pad space of (N, C, D, H, W) or (C, D, H, W) with the edge repeated; see `fastnn.functional.pad`."""

    _mode = "replicate"


class ZeroPad1d(_Pad, dims=1):
    """Pad space of (N, C, L) or (C, L) with zeros; see `fastnn.functional.pad`."""


class ZeroPad2d(_Pad, dims=2):
    """Pad space of (N, C, H, W) or (C, H, W) with zeros; see `fastnn.functional.pad`."""


class ZeroPad3d(_Pad, dims=3):
    """Pad space of (N, C, D, H, W) or (C, D, H, W) with zeros; see `fastnn.functional.pad`."""
