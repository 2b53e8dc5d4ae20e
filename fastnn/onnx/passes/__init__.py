"""Passes over a graph: what exporters take apart is put together, constants are drawn into the layers beside them.

Each pass looks at the calls in order, and puts one call in the place of another one: it makes the same value, perhaps
of other values.  What is not read any more goes at the end.
"""

from ._attention import attention
from ._elementwise import activation, hard_sigmoid, identity
from ._layers import bias, layer_norm, one_hot, scale, scale_before
from ._rewriter import Pass, Rewriter

PASSES: list[list[Pass]] = [
    [identity, activation, hard_sigmoid, layer_norm, one_hot],
    [activation, attention, bias, scale],
    [scale_before],
]
__all__ = ["PASSES", "Rewriter"]
