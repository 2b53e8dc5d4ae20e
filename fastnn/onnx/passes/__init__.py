"""Passes over a graph: what exporters take apart is put together, constants are drawn into the layers beside them.

Each pass looks at the calls in order, and puts one call in the place of another one: it makes the same value, perhaps
of other values.  What is not read any more goes at the end.
"""

from collections import Counter

from ...graph._graph import Graph, Names
from ._attention import attention
from ._elementwise import activation, hard_sigmoid, identity
from ._layers import bias, layer_norm, one_hot, reshape_later, scale, scale_before
from ._recurrent import gru_cell, lstm_cell, sequences
from ._rewriter import Pass, Rewriter

PASSES: list[list[Pass]] = [
    [identity, activation, hard_sigmoid, layer_norm, one_hot, reshape_later],
    [activation, attention, gru_cell, lstm_cell, bias, scale],
    [scale_before],
]


def rewrite(graph: Graph, names: Names) -> Counter[str]:
    """Run all passes over a graph; how often each has done something."""
    rewriter = Rewriter(graph, names)
    for each in PASSES:
        rewriter.sweep(each)
    if rewriter.hidden:
        sequences(rewriter)
        rewriter.clean()
    return rewriter.done


__all__ = ["PASSES", "rewrite"]
