"""The precision of convolutions: each thread's setting, and when "fast" uses Winograd's algorithm."""

from __future__ import annotations

import math
import threading

import numpy as np

from .. import _check, _core
from .._check import Array
from .._core import ops
from .._scope import Scope
from ._conv_engine import Window

WORDS = ("exact", "fast")
_EDGE = 4  # outputs of a tile along an axis
_LEAST_CHANNELS, _LEAST_TILES = 32, 16


class _Setting(threading.local):
    word = "exact"


_setting = _Setting()


def chosen() -> str:
    """The setting of this thread."""
    return _setting.word


def _swap(word: str) -> str:
    before, _setting.word = _setting.word, word
    return before


def conv_precision(precision: str) -> Scope[str]:
    """Compute this thread's convolutions inside a `with` block, or in a function so decorated, exactly or fast.

    Parameters
    ----------
    precision : {"exact", "fast"}
        "exact", the default: every value is one sum of products.  "fast": values of 2-D convolutions of 3 x 3 places
        with stride, dilation and groups of 1 and zeros as padding are computed by Winograd's F(4x4, 3x3) where that
        saves time, which the shapes of one sample and of the weight decide alone.  Gradients are always exact.

    Raises
    ------
    ValueError
        For another word.

    Notes
    -----
    36 products take the place of 144.  On normal data in float32 an error is at most 2e-6 of the sum of the products'
    sizes, 5e-6 where padding of 2 leaves one of nine pixels; its root mean square is 1e-7 (exact: 3e-7 and 3e-8).  But
    6 x 6 pixels share their errors: **these are relative to the largest of them**, so that 1e-4 beside 1e4 is lost
    altogether, and one infinity or NaN spreads over its tile of 4 x 4 results as NaN.  Sums run over the channels in
    order, in blocks of 256, transforms over columns before rows; bits depend on neither threads, batch, memory layout
    nor FMA tier.  A frozen model has a setting of its own: `freeze(model, conv="fast")`.

    References
    ----------
    Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016; points 0, 3/4, -3/4, 3/2, -3/2, infinity.

    Examples
    --------
    >>> import fastnn
    >>> x, weight = np.ones((1, 32, 16, 16)), np.ones((32, 32, 3, 3))
    >>> with fastnn.conv_precision("fast"):
    ...     y = fastnn.functional.conv2d(x, weight)
    >>> bool(np.allclose(y, 288))
    True
    """
    return Scope("conv_precision", _swap, _check.choice("conv_precision", "precision", precision, WORDS))


def pays(shape: tuple[int, ...], kernel: tuple[int, ...], window: Window, out: tuple[int, ...]) -> bool:
    """Whether Winograd's algorithm saves time, by the shapes of a sample (C, *), the weight and the result (out, *)."""
    padded = any((*window.before, *window.after))
    if (
        kernel[2:] != (3, 3)
        or {*window.stride, *window.dilation, window.groups} != {1}
        or padded > (window.mode == "zeros")
    ):
        return False
    tiles = math.prod(-(-size // _EDGE) for size in out[1:])
    whole = 3 * math.prod(out[1:]) >= 2 * tiles * _EDGE**2  # else too many results would be computed and dropped
    return whole and tiles >= _LEAST_TILES and min(shape[0], out[0]) >= _LEAST_CHANNELS


def pack_fast(weight: Array) -> Array:
    """The weight (out, in, 3, 3) as the op `conv` reads it for Winograd: transformed, in panels."""
    k, c = weight.shape[:2]
    width = _core.pack(np.zeros((1, 1), weight.dtype)).size
    packed = _core.empty((-(-k // width) * width * (c + 1) * 36,), weight.dtype)
    ops.winograd_weight(packed, weight, k, c)
    return packed
