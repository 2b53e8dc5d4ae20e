"""Predictions beside known targets: figures, a line for each class, what each column is worth, pictures."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from .._check import Array
from ..metrics import ConfusionMatrix
from . import _scores
from ._heads import HEADS, Criterion
from ._model import TableModel, parts_of

_SAMPLE = 10_000  # rows on which importance is measured
_REPEATS = 3


@dataclass
class Report:
    """What `TableModel.evaluate` returns; `str` of it is `text()`.

    Attributes
    ----------
    rows : int
    figures : dict of str to float
        Of classes: accuracy, log loss, Brier score, ROC AUC and average precision (of two classes the second's, of
        more the mean of each against the rest), calibration error.  Of numbers: RMSE, MAE, R2, those of the loss, the
        share of rows within the interval of 90 %.
    classes : list of dict
        Of each class or label: precision, recall, F1, rows, ROC AUC, average precision.
    calibration : list of dict
        By bins of the probability (of two classes the second's, of more the predicted one's), or by the coverage that
        was asked of the interval: "probability", "share" of rows, "rows".
    importance : list of dict
        "column", and how much the loss rises when it is shuffled, "mean" and "std"; the most important first.
    confusion : ndarray (classes, classes) or None
        Rows by true (row) and predicted class.
    """

    rows: int
    figures: dict[str, float]
    classes: list[dict[str, Any]] = field(default_factory=list)
    calibration: list[dict[str, float]] = field(default_factory=list)
    importance: list[dict[str, Any]] = field(default_factory=list)
    confusion: Array | None = None
    _curves: list[tuple[str, Any, Any]] = field(default_factory=list)
    _points: Array | None = None  # true and predicted numbers of some rows

    def text(self) -> str:
        """Return everything as tables of text."""
        parts = [[{"": name, " ": value} for name, value in [("rows", self.rows), *self.figures.items()]]]
        return "\n\n".join(map(_table, filter(None, [*parts, self.classes, self.importance, self.calibration])))

    __str__ = text

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can say of it, without the curves."""
        found = {name: value for name, value in asdict(self).items() if name[0] != "_"}
        return found | {"confusion": None if self.confusion is None else self.confusion.tolist()}

    def save_pictures(self, folder: str | os.PathLike[str]) -> list[str]:
        """Draw what there is into a folder, which is made; return the files' names.  Needs matplotlib.

        Parameters
        ----------
        folder : path-like
        """
        from ._pictures import save_pictures

        return save_pictures(self, folder)


def _cell(value: Any) -> str:
    whole = isinstance(value, int) or (isinstance(value, float) and value > 1 and value.is_integer())
    return str(value) if isinstance(value, str) else f"{value:,.0f}" if whole else f"{value:.4f}"


def _table(rows: list[dict[str, Any]]) -> str:
    cells = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in cells]
    return "\n".join(filter(None, lines))


def evaluate(model: TableModel, data: Any, importance: bool) -> Report:
    """See `TableModel.evaluate`."""
    found: list[Any] = []
    sample, keys, rng = None, np.empty(0), np.random.default_rng(0)
    for frame in parts_of(data):
        encoded = model.encoder.transform(frame)
        if encoded.target is None:
            raise ValueError(f"TableModel.evaluate: expected the columns {model.schema.targets}, which have the truth")
        if not encoded.known.all():
            encoded = encoded[encoded.known]
        arrays = [model._scale(encoded.numbers), encoded.codes, encoded.target]
        arrays.append(np.ones(len(encoded)) if encoded.weight is None else encoded.weight.astype(np.float64))
        found.append((model._of_scaled(*arrays[:2]), *arrays[2:]))
        if importance:  # each row as likely as any other to be in the sample
            sample = arrays if sample is None else [np.concatenate(pair) for pair in zip(sample, arrays, strict=True)]
            keys = np.append(keys, rng.random(len(encoded)))
            kept = np.sort(np.argsort(keys)[:_SAMPLE])
            keys, sample = keys[kept], [each[kept] for each in sample]
    if not sum(len(each[0]) for each in found):
        raise ValueError("TableModel.evaluate: expected at least one row whose target is known, got none")
    linked, truth, weight = (np.concatenate(each) for each in zip(*found, strict=True))
    kinds = {"classes": _of_classes, "labels": _of_labels}
    report = kinds.get(model._head, _of_numbers)(model, linked, truth, weight)
    if sample is not None:
        report.importance = _importance(model, *sample)
    return report


def _of_classes(model: TableModel, linked: Array, truth: Array, weight: Array) -> Report:
    names, guess = [str(each) for each in model.schema.classes], linked.argmax(1)
    of_true, two = linked[np.arange(len(truth)), truth], len(names) == 2
    squares = _scores.mean((linked**2).sum(1) - 2 * of_true + 1, weight)
    figures = {"accuracy": _scores.mean(guess == truth, weight), "log loss": _scores.log_loss(of_true, weight)}
    report = Report(len(truth), figures | {"Brier score": squares / 2 if two else squares})
    report.confusion = ConfusionMatrix(len(names))(linked, truth)
    places = range(len(names))
    _by_class(report, names, linked, [guess == i for i in places], [truth == i for i in places], weight, int(two))
    sure, happened = (linked[:, 1], truth == 1) if two else (linked.max(1), guess == truth)
    report.calibration, figures["calibration error"] = _scores.calibration(sure, happened, weight)
    report.figures |= figures
    return report


def _of_labels(model: TableModel, linked: Array, truth: Array, weight: Array) -> Report:
    yes, said = truth > 0.5, linked > 0.5
    every = np.repeat(weight, yes.shape[1])
    figures = {
        "accuracy": _scores.mean((said == yes).mean(1), weight),
        "all labels right": _scores.mean((said == yes).all(1), weight),
        "log loss": _scores.log_loss(np.where(yes, linked, 1 - linked).ravel(), every),
    }
    report = Report(len(truth), figures)
    _by_class(report, model.schema.targets, linked, list(said.T), list(yes.T), weight, 0)
    report.calibration, error = _scores.calibration(linked.ravel(), yes.ravel(), every)
    report.figures["calibration error"] = error
    return report


def _by_class(
    report: Report, names: list[str], linked: Array, said: list[Array], truth: list[Array], weight: Array, first: int
) -> None:
    """A line for each class against the rest; curves, and the mean of their areas, from the class `first` on."""
    areas = []
    for i, name in enumerate(names):
        roc, pr, area, precision = _scores.curves(truth[i], linked[:, i], weight)
        line = _scores.by_class(said[i], truth[i], weight, name)
        report.classes.append(line | {"ROC AUC": area, "average precision": precision})
        if i >= first and roc is not None:
            report._curves.append((name, roc, pr))
            areas.append((area, precision))
    if areas:
        report.figures["ROC AUC"], report.figures["average precision"] = map(float, np.mean(areas, 0))


def _of_numbers(model: TableModel, linked: Array, truth: Array, weight: Array) -> Report:
    guess = model._decided(linked)
    report = Report(len(truth), _scores.of_numbers(guess, truth, weight))
    if model._head == "poisson":
        report.figures["Poisson deviance"] = _scores.poisson_deviance(guess, truth, weight)
    for i, q in enumerate(model._target.quantiles):
        report.figures[f"pinball loss {q:g}"] = _scores.pinball(linked[:, i], truth, q, weight)
        report.figures[f"share below {q:g}"] = _scores.mean(truth <= linked[:, i], weight)
    for share in np.arange(1, 10) / 10 if model._errors else ():
        low, high = model._bounds(linked, share)
        inside = _scores.mean((low <= truth) & (truth <= high), weight)
        report.calibration.append({"probability": float(share), "share": inside, "rows": float(weight.sum())})
        report.figures["within the interval of 90 %"] = inside
    some = np.random.default_rng(0).permutation(len(truth))[:5000]
    report._points = np.stack([truth, guess], 1)[some]
    return report


def _importance(model: TableModel, numbers: Array, codes: Array, truth: Array, weight: Array) -> list[dict[str, Any]]:
    """How much the mean loss rises when the cells of a column, with all features made of them, are shuffled."""
    criterion, rng = Criterion(HEADS[model._head], model._target), np.random.default_rng(0)

    def loss(numbers: Array, codes: Array) -> float:
        return float(criterion(model._raw(numbers, codes), (truth, weight.astype(np.float32))))

    before, found = loss(numbers, codes), []
    for column in model.schema.features:
        of_numbers, of_codes = model.encoder.columns_of(column.name)
        rises = []
        for _ in range(_REPEATS):
            order, x, c = rng.permutation(len(truth)), numbers.copy(), codes.copy()
            x[:, of_numbers], c[:, of_codes] = x[order][:, of_numbers], c[order][:, of_codes]
            rises.append(loss(x, c) - before)
        found.append({"column": column.name, "mean": float(np.mean(rises)), "std": float(np.std(rises))})
    return sorted(found, key=lambda each: -each["mean"])
