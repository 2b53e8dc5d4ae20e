"""Reverse-mode differentiation: Tensor and the tape.

A Tensor is an ndarray with a memory of how it came about: a node, which holds the parents and one function from the
result's gradient to theirs.  Nothing is recorded for plain arrays, for Tensors that track no gradient, or under
`no_grad`; arrays come back then.  Gradients are ndarrays: first derivatives only.
"""

from .._core import make, mode, tracks, value_of, wants
from . import _numpy
from ._mode import enable_grad, is_grad_enabled, no_grad, tracer_of_thread, tracing
from ._registry import FUNCTIONS, UFUNCS, UNDIFFERENTIATED, Gradients, Recorded, recorded, unbroadcast
from ._tensor import Tensor, gate, tensor, zero_gradients

del _numpy

__all__ = [
    "FUNCTIONS",
    "UFUNCS",
    "UNDIFFERENTIATED",
    "Gradients",
    "Recorded",
    "Tensor",
    "enable_grad",
    "gate",
    "is_grad_enabled",
    "make",
    "mode",
    "no_grad",
    "recorded",
    "tensor",
    "tracer_of_thread",
    "tracing",
    "tracks",
    "unbroadcast",
    "value_of",
    "wants",
    "zero_gradients",
]
