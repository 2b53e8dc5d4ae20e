"""Passes over a graph: they fuse what exporters took apart, and fold constants into neighbouring layers.

Each pass looks at the calls in order, and may replace a call by another one that gives the same value up to rounding,
perhaps from other values.  Calls whose results are no longer read are removed at the end.
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
    """Run all passes over a graph, and return how often each has changed it."""
    rewriter = Rewriter(graph, names)
    for each in PASSES:
        rewriter.sweep(each)
    if rewriter.hidden:
        sequences(rewriter)
        rewriter.clean()
    return rewriter.done


__all__ = ["PASSES", "rewrite"]
