"""How all pictures look."""

from __future__ import annotations

import os
from typing import Any

from .._extras import extra
from .._replace import replacing

COLORS = ("#3b6fb6", "#e08214", "#4d9a5b", "#b2436b", "#7a68a6", "#8c6d4f", "#2aa1a4", "#777777")
GRID = {"alpha": 0.3, "linewidth": 0.6}


def make_figure(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Any, Any]:
    """A Figure, and its axes as an array of two dimensions."""
    figure = extra("fastnn.plot", "matplotlib.figure").Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for each in axes.flat:
        each.spines[["top", "right"]].set_visible(False)
        each.tick_params(labelsize=9)
    return figure, axes


def save_figure(figure: Any, path: str | os.PathLike[str]) -> None:
    """Write a picture of the kind that the path ends in; a file that is there is whole."""
    kind = os.path.splitext(os.fsdecode(path))[1][1:].lower()
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120, format=kind)


def hide_rest(axes: Any, used: int) -> None:
    """Leave the places of a grid empty that nothing is drawn in."""
    for each in list(axes.flat)[used:]:
        each.set_axis_off()


def grid_of(count: int, most: int = 4) -> tuple[int, int]:
    """Rows and columns for so many pictures."""
    columns = max(1, min(count, most))
    return max(1, -(-count // columns)), columns
