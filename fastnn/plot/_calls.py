"""What is called: a profile's rows as bars, a graph as boxes and arrows."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from .._profile import Profile
from .._profile._table import in_words
from ..graph import Frozen
from ..graph._graph import Graph, refs
from ._figure import COLORS, GRID, make_figure


def profile(prof: Profile, rows: int = 20) -> Any:
    """Draw what a profile's time went into: own time of each call, and how much of it was spent in C.

    Parameters
    ----------
    prof : Profile
    rows : int
        At most so many, those of the most own time.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import numpy as np, fastnn
    >>> with fastnn.profile() as prof:
    ...     _ = fastnn.gelu(np.ones(1000))
    >>> [text.get_text() for text in fastnn.plot.profile(prof).axes[0].get_yticklabels()]
    ['gelu']
    """
    shown = sorted(prof.rows(), key=lambda row: -row.own)[:rows]
    figure, axes = make_figure(8.5, 1.2 + 0.28 * max(1, len(shown)))
    axis = axes[0, 0]
    places = range(len(shown))
    inside = [0.0 if row.kind == "module" else min(row.kernel, row.own) for row in shown]
    axis.barh(places, [1e3 * each for each in inside], color=COLORS[0], label="in C")
    rest = [1e3 * (row.own - each) for row, each in zip(shown, inside, strict=True)]
    axis.barh(places, rest, left=[1e3 * each for each in inside], color=COLORS[1], alpha=0.75, label="around it")
    for place, row in zip(places, shown, strict=True):
        limit = f", {row.limit:.0%} of the limit" if row.limit is not None and row.limit >= 0.005 else ""
        threads = f", {row.took.split()[0]} thread{'s' * (row.took[0] != '1')}" if row.took else ""
        text = f" {row.calls:,} x {in_words(row.own / max(row.calls, 1))}{limit}{threads}"
        axis.text(1e3 * row.own, place, text, va="center", fontsize=7.5)
    axis.set_yticks(places, [f"{row.name}  {row.module}".strip() for row in shown], fontsize=8.5)
    axis.invert_yaxis()
    axis.set_xlim(0, 1.55e3 * max((row.own for row in shown), default=1e-3))
    axis.set_xlabel(f"own time in ms, of {in_words(prof.seconds)} in all", fontsize=9)
    axis.grid(axis="x", **GRID)
    axis.set_axisbelow(True)
    if shown:
        axis.legend(loc="lower right", fontsize=8.5, frameon=False)
    return figure


def graph(model: Frozen | Graph) -> Any:
    r"""Draw what a frozen model does: a box for each call, an arrow for each value that it reads, from top to bottom.

    Parameters
    ----------
    model : Frozen or Graph
        A frozen model that has predicted, or its `graph`.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import numpy as np, fastnn
    >>> frozen = fastnn.freeze(fastnn.nn.Sequential(fastnn.nn.Linear(3, 2), fastnn.nn.Tanh()))
    >>> _ = frozen(np.ones((1, 3), np.float32))
    >>> texts = [each.get_text() for each in fastnn.plot.graph(frozen).axes[0].texts]
    >>> [text.split("\n")[0] for text in texts if text]
    ['input 0', 'linear  0', 'tanh  1', 'result']
    """
    drawn = model if isinstance(model, Graph) else getattr(model, "graph", None)
    if not isinstance(drawn, Graph):
        raise ValueError(
            f"plot.graph: expected a frozen model that has predicted, or a graph, got {type(model).__name__}"
        )
    boxes = _boxes(drawn)
    lines, places = _laid_out(boxes)
    width = max(len(rank) for rank in places)
    depth = len(places)
    figure, axes = make_figure(min(1.2 + 2.1 * width, 40), min(0.6 + 0.62 * depth, 100))
    axis = axes[0, 0]
    axis.set_axis_off()
    where = {key: (x, -y) for y, rank in enumerate(places) for key, x in rank.items()}
    for (source, target), between in lines.items():
        points: list[tuple[float, float]] = [where[key] for key in (source, *between, target)]
        points[0], points[-1] = (points[0][0], points[0][1] - EDGE), (points[-1][0], points[-1][1] + EDGE)
        for a, b in pairwise(points):
            arrow = "-|>" if b is points[-1] else "-"
            axis.annotate("", b, a, arrowprops={"arrowstyle": arrow, "color": "#666666", "shrinkA": 0, "shrinkB": 0})
    for key, (text, color, _) in boxes.items():
        look = {"boxstyle": "round,pad=0.35", "fc": "white", "ec": color, "lw": 1.3}
        axis.text(*where[key], text, ha="center", va="center", fontsize=7.5, bbox=look, linespacing=1.25)
    axis.set_xlim(-width / 2 - 0.1, width / 2 + 0.1)
    axis.set_ylim(0.5 - depth, 0.5)
    return figure


EDGE = 0.27  # from a box's middle to its upper edge, where ranks are 1 apart
Boxes = dict[Any, tuple[str, str, list[Any]]]  # text, color, and what each reads
Lines = dict[tuple[Any, Any], list[Any]]  # from a box to one that reads it, by places in the ranks between


def _boxes(drawn: Graph) -> Boxes:
    """Inputs, calls in their order, the result."""
    boxes: Boxes = {i: (f"input {i}\n{value}", COLORS[2], []) for i, value in enumerate(drawn.inputs)}
    for call in drawn.calls:
        known = drawn.values.get(call.number)
        text = f"{call.name}  {call.path}".strip() + ("" if known is None else f"\n{known}")
        boxes[call.number] = text, COLORS[0], sorted(call.reads)
    boxes["result"] = "result", COLORS[2], sorted(refs(drawn.results))
    return boxes


def _laid_out(boxes: Boxes) -> tuple[Lines, list[dict[Any, float]]]:
    """Lines, and of each rank what stands in it and where: boxes, and places that longer lines pass.

    A box stands one rank below the lowest that it reads; in a rank the order is that of the mean place of neighbours
    (Sugiyama, Tagawa, Toda 1981).
    """
    rank: dict[Any, int] = {}
    lines: Lines = {}
    for key, (_, _, reads) in boxes.items():
        rank[key] = 1 + max((rank[each] for each in reads), default=-1)
        lines |= {(each, key): [(each, key, i) for i in range(rank[each] + 1, rank[key])] for each in reads}
    ranks: list[list[Any]] = [[key for key in boxes if rank[key] == i] for i in range(max(rank.values()) + 1)]
    near: dict[Any, list[Any]] = {}
    for (source, target), between in lines.items():
        for i, each in enumerate(between, rank[source] + 1):
            ranks[i].append(each)
        for a, b in pairwise([source, *between, target]):
            near.setdefault(a, []).append(b)
            near.setdefault(b, []).append(a)
    found = [_spread(keys) for keys in ranks]
    down = list(range(1, len(ranks)))
    for i, j in [(i, i - 1) for i in down] + [(i - 1, i) for i in down[::-1]] + [(i, i - 1) for i in down]:
        mean = {
            key: np.mean([found[j][each] for each in near.get(key, ()) if each in found[j]] or [found[i][key]])
            for key in ranks[i]
        }
        found[i] = _spread(sorted(ranks[i], key=mean.__getitem__))
    return lines, found


def _spread(keys: list[Any]) -> dict[Any, float]:
    """Side by side, around 0."""
    return {key: i - (len(keys) - 1) / 2 for i, key in enumerate(keys)}
