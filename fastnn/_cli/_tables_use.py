"""`fastnn evaluate` and `fastnn predict` of models of tables."""

from __future__ import annotations

import csv
import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .._replace import replacing
from ._options import report
from ._tables import draw

COVERAGE = 0.9  # of the intervals beside numbers


def opened(options: Namespace, model: Any, file: str) -> Any:
    """A file with all columns that a model needs."""
    from .. import tables

    header = model.schema.header
    return tables.read(file, delimiter=options.delimiter, encoding=options.encoding, header=header,
                       missing=model.schema.missing)  # fmt: skip


def check_columns(source: Any, wanted: list[str]) -> None:
    """Refuse a file that lacks columns."""
    absent = [name for name in wanted if name not in source.names]
    if absent:
        raise ValueError(f"{source.label} has no column {', '.join(absent)}; it has {', '.join(source.names[:12])}")


def evaluate(options: Namespace) -> int:
    """The report of a model on rows with known targets, with pictures."""
    from .. import tables

    model = tables.load(options.model)
    source = opened(options, model, options.data)
    check_columns(source, [*(column.name for column in model.schema.features), *model.schema.targets])
    drift = model.encoder.new_drift()
    measured = model.evaluate(_with_targets(source, model, drift))
    folder = Path(options.out) if options.out else Path(options.model).parent / "evaluation"
    folder.mkdir(parents=True, exist_ok=True)
    drawn = [str(folder / name) for name in draw(measured, {}, folder)]
    if options.json:
        report({**measured.to_dict(), "drift": drift.report(), "written": drawn}, True)
        return 0
    print(measured.text(), drift, "written: " + ", ".join(drawn), sep="\n\n")
    return 0


def _with_targets(source: Any, model: Any, drift: Any) -> Iterator[Any]:
    """The rows with a known target of a learned class; prints how many others are left out."""
    left_out = 0
    for frame in source:
        known = model.encoder.transform(frame, drift=drift).known
        left_out += int((~known).sum())
        if known.any():
            yield frame[known]
    if left_out:
        print(f"{source.label}: {left_out:,} rows without a target that was learned are left out", file=sys.stderr)


def predict(options: Namespace) -> int:
    """Write predictions and the columns of ids, in parts: neither file is held in memory."""
    from .. import tables

    out = options.out.lower()
    model = tables.load(options.model)
    source = opened(options, model, options.file)
    check_columns(source, [column.name for column in model.schema.features])
    drift = model.encoder.new_drift()
    parts = _predictions(model, source, drift)
    if out == "-":
        _write(sys.stdout, parts)
    elif out.endswith(".npz"):
        _pack(options.out, list(parts))
    else:
        with replacing(options.out) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
            _write(file, parts)
    for line in drift.striking():
        print(f"fastnn predict: {source.label}: {line}", file=sys.stderr)
    return 0


def _predictions(model: Any, source: Any, drift: Any) -> Iterator[dict[str, Any]]:
    """Columns of the result by name, in parts of rows."""
    from ..tables._cells import texts

    schema = model.schema
    for frame in source:
        encoded = model.encoder.transform(frame, targets=False, drift=drift)
        linked = model._linked(encoded)
        if not np.isfinite(linked).all():
            raise ValueError(f"{source.label}: expected finite predictions, got others")
        found: dict[str, Any] = {}
        if encoded.ids is not None:
            found = {name: texts(encoded.ids[name]).fill_null("").to_pylist() for name in encoded.ids.columns}
        decided = model._decided(linked)
        if schema.task == "classification":
            found |= {"label": decided, **dict(zip(schema.classes, linked.T, strict=True))}
        elif schema.task == "multilabel":
            for i, name in enumerate(schema.targets):
                found |= {name: decided[:, i], f"{name} probability": linked[:, i]}
        else:
            found[schema.target] = decided
            if model._errors:
                low, high = model._bounds(linked, COVERAGE)
                found |= {f"{schema.target} low": low, f"{schema.target} high": high}
        yield found


def _write(file: Any, parts: Iterator[dict[str, Any]]) -> None:
    """Write CSV; nothing if the first rows fail."""
    writer = csv.writer(file, lineterminator="\n")
    first = True
    for part in parts:
        if first:
            writer.writerow(part)
            first = False
        columns = []
        for values in part.values():
            number = isinstance(values, np.ndarray) and values.dtype.kind == "f"
            columns.append([f"{value:.9g}" for value in values] if number else list(values))
        writer.writerows(zip(*columns, strict=True))
    if first:
        raise ValueError("expected rows to predict, got none")


def _pack(out: str, parts: list[dict[str, Any]]) -> None:
    if not parts:
        raise ValueError("expected rows to predict, got none")
    arrays = {name: np.concatenate([np.asarray(part[name]) for part in parts]) for name in parts[0]}
    if any("/" in name for name in arrays):
        raise ArgumentTypeError("--out: expected a .csv file, as names of columns hold a /")
    with replacing(out) as temporary, open(temporary, "wb") as packed:
        np.savez(packed, **arrays)  # type: ignore[arg-type]
