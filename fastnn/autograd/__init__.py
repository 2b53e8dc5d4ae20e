"""Reverse-mode differentiation: Tensor and the tape.

A Tensor holds an ndarray and, if it was computed, the node of the call and its place among the call's results.  A node
holds the call's parents, and a function from the gradients of the results to those of the parents.  Nothing is
recorded for plain arrays, for Tensors that track no gradient, or under `no_grad`: functions then return arrays.
Gradients are ndarrays: first derivatives only.
"""

from typing import TYPE_CHECKING

from .._core import make, mode, tracks, value_of, wants
from . import _choosing, _matmul, _rearranging, _reductions, _ufuncs
from ._mode import enable_grad, is_grad_enabled, no_grad
from ._registry import UFUNCS, UNDIFFERENTIATED, Gradients, unbroadcast
from ._tensor import Tensor, tensor, zero_gradients

if TYPE_CHECKING:
    from ._function import Function, FunctionCtx
else:

    def __getattr__(name):
        if name in ("Function", "FunctionCtx"):  # few programs need them: imported when first named
            from . import _function

            return getattr(_function, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


del _choosing, _matmul, _rearranging, _reductions, _ufuncs

__all__ = [
    "UFUNCS",
    "UNDIFFERENTIATED",
    "Function",
    "FunctionCtx",
    "Gradients",
    "Tensor",
    "enable_grad",
    "is_grad_enabled",
    "make",
    "mode",
    "no_grad",
    "tensor",
    "tracks",
    "unbroadcast",
    "value_of",
    "wants",
    "zero_gradients",
]
