"""Pictures of a report, in the style of `fastnn.plot`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import plot
from ..plot._figure import COLORS, GRID, make_figure, save_figure

if TYPE_CHECKING:
    from ._evaluate import Report

_COLUMNS = 25  # bars of the importance
_POINTS = 400  # of a curve


def save_pictures(report: Report, folder: str | os.PathLike[str]) -> list[str]:
    """Draw what the report has; return the files' names."""
    figures = {}
    if report._curves:
        figures["roc.png"] = _curves(report, 1, "false positive rate", "true positive rate", "ROC AUC")
        figures["pr.png"] = _curves(report, 2, "recall", "precision", "average precision")
    if report.confusion is not None:
        figures["confusion.png"] = plot.confusion_matrix(report.confusion, [each["class"] for each in report.classes])
    if report.calibration:
        figures["calibration.png"] = _calibration(report)
    if report._points is not None:
        figure, axes = _square("true", "predicted", [report._points.min(), report._points.max()])
        axes.scatter(*report._points.T, s=5, alpha=0.35, color=COLORS[0], linewidths=0)
        figures["predictions.png"] = figure
    if report.importance:
        figures["importance.png"] = _importance(report.importance)
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        save_figure(figure, path / name)
    return list(figures)


def _square(x: str, y: str, diagonal: Any) -> tuple[Any, Any]:
    figure, axes = make_figure(4.6, 4.2)
    each = axes[0, 0]
    each.set_xlabel(x, fontsize=10)
    each.set_ylabel(y, fontsize=10)
    each.plot(diagonal, diagonal, color="#999999", linewidth=0.8, linestyle="--")
    each.grid(**GRID)
    return figure, each


def _curves(report: Report, kind: int, x: str, y: str, area: str) -> Any:
    """Curves of the classes with the most rows, with their areas."""
    known = {each["class"]: each for each in report.classes}
    shown = sorted(report._curves, key=lambda each: -known[each[0]]["rows"])[: len(COLORS)]
    figure, axes = _square(x, y, [0, 1] if kind == 1 else [])
    for color, curve in zip(COLORS, shown, strict=False):
        count = len(curve[kind][0])
        points = np.unique(np.linspace(0, count - 1, min(count, _POINTS)).round().astype(int))
        label = f"{curve[0]} {known[curve[0]][area]:.3f}"
        axes.plot(*(each[points] for each in curve[kind]), color=color, linewidth=1.7, label=label)
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    place = "lower right" if kind == 1 else "lower left"
    axes.legend(frameon=False, fontsize=8, loc=place, title=area, title_fontsize=8)
    if len(report._curves) > len(shown):
        axes.set_title(f"{len(shown)} of {len(report._curves)} classes", fontsize=11)
    return figure


def _calibration(report: Report) -> Any:
    of_numbers = report._points is not None
    figure, axes = _square("asked coverage" if of_numbers else "predicted probability", "share of rows", [0, 1])
    x, y, rows = (np.array([each[name] for each in report.calibration]) for name in ("probability", "share", "rows"))
    axes.plot(x, y, color=COLORS[0], linewidth=1.7)
    axes.scatter(x, y, s=12 + 60 * rows / rows.max(), color=COLORS[0], zorder=3)  # area shows the number of rows
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    return figure


def _importance(importance: list[dict[str, Any]]) -> Any:
    shown = importance[:_COLUMNS][::-1]
    figure, axes = make_figure(6.2, 1.2 + 0.27 * len(shown))
    each, places = axes[0, 0], range(len(shown))  # by number: shortened names may be equal
    means, deviations = ([line[name] for line in shown] for name in ("mean", "std"))
    each.barh(places, means, xerr=deviations, color=COLORS[0], height=0.7, error_kw={"linewidth": 0.9})
    names = [line["column"] for line in shown]
    each.set_yticks(places, [name if len(name) <= 30 else name[:29] + "…" for name in names], fontsize=9)
    rest = f" (the first {_COLUMNS} of {len(importance)} columns)" if len(importance) > _COLUMNS else ""
    each.set_xlabel(f"the loss rises by, when the column is shuffled{rest}", fontsize=10)
    each.axvline(0, color="#999999", linewidth=0.8)
    each.grid(**GRID, axis="x")
    return figure
