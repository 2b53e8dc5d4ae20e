"""`fastnn train` on tables with columns of all kinds: their roles are found, told, and set by options."""

from __future__ import annotations

import csv
import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .._extras import extra
from .._replace import replacing
from ._options import at_least, check_folder, is_there, names, report

OLDER = (".csv", ".tsv")  # other networks take these files as well
WRITTEN = ["model.safetensors", "history.csv"]
MOST_CELLS = 2_000_000  # of a table of numbers that is read line by line, and held in memory as a whole
ROLES = ("number", "category", "yesno", "date", "text", "id", "weight")  # each is an option as well
OF_READING = ("delimiter", "decimal", "thousands", "encoding", "missing")
OF_TABLES = ("roles", *ROLES, "date_format", *OF_READING, "tune", "time_limit", "loss", "class_weight", "embedding")
OF_OTHERS = {  # options that trainings of tables lack, and their defaults
    "optimizer": "adamw", "scheduler": None, "max_grad_norm": None, "resume": False, "no_augment": False,
}  # fmt: skip
OF_BOTH = ("layers", "norm", "dropout", "lr", "weight_decay", "batch_size", "epochs", "patience")


def add_options(parser: Any) -> None:
    """Options of `train` for tables alone."""
    group = parser.add_argument_group(
        "tables", "All is found out and told before the training; these options say it otherwise."
    )
    add_reading(group)
    group.add_argument("--decimal", help="mark in numbers")
    group.add_argument("--thousands", help="mark between groups of three digits")
    group.add_argument("--missing", type=names, help="further words for what is not known", metavar="A,B")
    for role in ROLES:
        group.add_argument(f"--{role}", type=names, metavar="A,B", help=f"columns of this role: {_meaning(role)}")
    group.add_argument("--date-format", action="append", metavar="COLUMN=FORMAT",
                       help="how dates are written, such as joined=%%d.%%m.%%y")  # fmt: skip
    group.add_argument("--roles", metavar="FILE", help="a TOML file with [roles], [dates] and any of these options")
    group.add_argument("--loss", choices=["mse", "huber", "poisson", "quantile"], help="of numbers (mse)")
    group.add_argument("--class-weight", choices=["balanced"], help="rare classes count as much as frequent ones")
    group.add_argument("--embedding", choices=["none", "periodic", "piecewise"], help="of numbers (periodic)")
    group.add_argument("--tune", type=at_least(1), metavar="N", help="the best of N trials of other options")
    group.add_argument("--time-limit", type=at_least(0, float), metavar="SECONDS", help="of all trials")


def add_reading(parser: Any) -> None:
    """How a file of text is written."""
    parser.add_argument("--delimiter", help="between cells of a table, such as ';' or tab")
    parser.add_argument("--encoding", help="of a table, such as cp1252")


def _meaning(role: str) -> str:
    from ..tables._roles import ROLES as MEANINGS

    return MEANINGS[role]


def is_table(path: str) -> bool:
    """Whether a file's name says that it holds a table."""
    from ..tables._reading import SUFFIXES

    return Path(path).suffix.lower() in SUFFIXES


def chosen(options: Namespace) -> Any:
    """(source, schema) of a table to learn from; None if another network learns from this file.

    That is so if --model names one, if pandas or pyarrow are missing, and for tables of plain numbers alone.
    """
    given = [name for name in OF_TABLES if getattr(options, name) is not None]
    if options.model not in (None, "table") or not is_table(options.data):
        if given or options.model == "table":
            cause = f"--model {options.model}" if options.model not in (None, "table") else options.data
            flag = given[0].replace("_", "-") if given else "model"
            raise ArgumentTypeError(f"--{flag}: expected a table and --model table, got {cause}")
        return None
    sure = options.model == "table" or bool(given) or Path(options.data).suffix.lower() not in OLDER
    if not sure and not can_read():
        return None
    extra("fastnn train on tables", "pandas", "pyarrow")
    source, schema = understood(options)
    if not sure and _is_plain(source, schema):
        return None
    bad = [name for name, usual in OF_OTHERS.items() if getattr(options, name) != usual]
    if bad:
        needed = "--model mlp, which takes whole tables of plain numbers"
        raise ArgumentTypeError(f"--{bad[0].replace('_', '-')}: expected {needed}")
    return source, schema


def can_read() -> bool:
    """Whether pandas and pyarrow are installed."""
    return all(find_spec(name) for name in ("pandas", "pyarrow"))


def understood(options: Namespace) -> tuple[Any, Any]:
    """The table, and its columns' roles."""
    from .. import tables

    settings = read_settings(options.roles) if options.roles else {}
    roles, forms = dict(settings.pop("roles", {})), dict(settings.pop("dates", {}))
    for name, value in settings.items():
        if getattr(options, name) in (None, [], "auto"):
            setattr(options, name, value)
    for role in ROLES:
        roles.update(dict.fromkeys(getattr(options, role) or [], role))
    for each in options.date_format or []:
        column, equals, form = each.partition("=")
        if not equals or "%" not in form:
            raise ArgumentTypeError(f"--date-format: expected COLUMN=FORMAT such as joined=%d.%m.%y, got {each!r}")
        forms[column] = form
    header = {"yes": True, "no": False}.get(options.header)
    reading = {name: getattr(options, name) for name in OF_READING if name != "missing"}
    source = tables.read(options.data, header=header, missing=options.missing or (), **reading)
    unnamed = next((name for name in source.names if name.startswith("Unnamed: ")), "")
    roles.update({name or unnamed: "ignore" for name in options.ignore})
    if options.group:
        roles[options.group] = "group"
    if header is not None and source.dialect.format != "text":
        raise ValueError(f"{source.label} has no lines, of which --header could say what the first is")
    target = options.target if options.target is not None else _last(source.names, roles)
    targets = [target] if target in source.names else names(target)
    schema = tables.find_roles(source, targets, roles, options.task, options.missing or (), forms)
    return source, schema


def _last(columns: list[str], roles: dict[str, str]) -> str:
    """The last named column without another role."""
    free = [name for name in columns if name not in roles and not name.startswith("Unnamed: ")]
    return free[-1] if free else columns[-1]


def read_settings(path: str) -> dict[str, Any]:
    """A TOML file of options, with the tables [roles] and [dates]."""
    toml = extra("--roles", "tomllib" if sys.version_info >= (3, 11) else "tomli")
    with open(path, "rb") as file:
        try:
            found = toml.load(file)
        except (toml.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{path}: {error}") from error
    known: dict[str, Any] = {"roles": dict, "dates": dict, "missing": list, "ignore": list, "target": (str, list)}
    known |= dict.fromkeys(("delimiter", "decimal", "thousands", "encoding", "task", "header", "group"), str)
    unknown = [name for name in found if name not in known]
    if unknown:
        raise ValueError(f"{path}: expected {', '.join(known)}; got {', '.join(unknown)}")
    for name, value in found.items():
        values = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
        if not isinstance(value, known[name]) or not all(isinstance(each, str) for each in values):
            raise ValueError(f"{path}: expected text in {name}, got {value!r}")
    if isinstance(found.get("target"), list):
        found["target"] = ",".join(found["target"])
    return found


def _is_plain(source: Any, schema: Any) -> bool:
    """Whether a table has nothing but numbers in the plain notation in all cells of all features."""
    from ..tables._cells import NOTATIONS

    dialect = source.dialect
    if schema.rows * len(schema.columns) > MOST_CELLS:
        return False
    if dialect.gzip or dialect.encoding not in ("utf-8", "utf-8-sig") or dialect.delimiter == "|" or schema.notes:
        return False
    for column in schema.columns:
        fits = column.numeric and column.marks == NOTATIONS[0] and not column.missing
        usable = column.role in ("number", "yesno", "constant") and fits
        if column.name.startswith("Unnamed: ") or not (usable or column.role in ("ignore", "target")):
            return False
    return schema.task == "classification" or (schema.task == "regression" and not schema[schema.target].missing)


def train(options: Namespace, source: Any, schema: Any) -> int:
    """Train, measure on the held-out rows, draw, save."""
    from .. import tables
    from ..training import Callback, TensorBoard

    folder = Path(options.out)
    tell(source, schema)
    count = schema.rows - round(max(schema[name].missing for name in schema.targets) * schema.rows)
    if count < 5:
        raise ValueError(f"{source.label}: expected at least 5 rows with a target, got {count}")
    if count < schema.rows:
        print(f"{schema.rows - count:,} rows without a target are left out", file=sys.stderr)
    chosen: dict[str, Any] = {name: getattr(options, name) for name in OF_BOTH if getattr(options, name) is not None}
    if options.activation != "relu":
        chosen["activation"] = options.activation
    for name in ("loss", "class_weight", "embedding"):
        if getattr(options, name) is not None:
            chosen[name] = getattr(options, name)
    if options.time_limit is not None and not options.tune:
        raise ArgumentTypeError("--time-limit: expected it with --tune, the number of trials")
    check_folder(folder, WRITTEN)
    callbacks: list[Callback] = [TensorBoard(folder / "tensorboard")] if options.tensorboard else []
    progress = not options.quiet
    if options.tune:
        model = tables.tune(source, schema=schema, trials=options.tune, time_limit=options.time_limit,
                            progress=progress, seed=options.seed, **chosen)  # fmt: skip
    else:
        model = tables.fit(source, schema=schema, callbacks=callbacks, progress=progress, seed=options.seed, **chosen)
    model.save(folder / "model.safetensors")
    write_history(folder / "history.csv", model.history)
    share = model.options.held_out_of(schema.rows)
    measured = model.evaluate(held_out(source, tables.Split(schema, options.seed, share))) if share else None
    pictures = draw(measured, model.history, folder)
    epochs = len(next(iter(model.history.values()), []))
    report(
        {
            "data": f"{schema.rows:,} rows, {share:.0%} of them held out",
            "task": summary(schema),
            "model": f"table {' - '.join(map(str, model.options.layers))}, {model.parameters:,} parameters",
            "epochs": epochs,
            "seconds": float(sum(model.history.get("seconds", []))),
            **{f"held-out {name}": value for name, value in (measured.figures if measured else {}).items()},
            "written": ", ".join(str(folder / name) for name in [*WRITTEN, *pictures]),
        },
        options.json,
    )
    return 0


def tell(source: Any, schema: Any) -> None:
    """Print how the file is written, the columns' roles, and what had to be guessed."""
    lines = [f"{source.label}: {source.dialect}, {schema.rows:,} rows", schema.table()]
    if schema.task == "classification":
        lines.append(f"classes: {', '.join(schema.classes)}")
    print("\n".join([*lines, *schema.notes]), file=sys.stderr)


def summary(schema: Any) -> str:
    """The task in words."""
    if schema.task == "classification":
        return f"classification into {len(schema.classes)} classes"
    return f"{len(schema.targets)} labels" if schema.task == "multilabel" else f"regression of {schema.target}"


def held_out(source: Any, split: Any) -> Iterator[Any]:
    """The held-out rows, part by part."""
    for frame, mask in split.masks(source):
        if mask.any():
            yield frame[mask]


def write_history(path: Path, history: dict[str, list[float]]) -> None:
    """What each epoch measured, a row each."""
    with replacing(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["epoch", *history])
        for epoch, row in enumerate(zip(*history.values(), strict=True), 1):
            writer.writerow([epoch, *row])


def draw(measured: Any, history: dict[str, list[float]], folder: Path) -> list[str]:
    """Draw pictures of the training and of a report; without matplotlib print that they are left out."""
    if not is_there("fastnn", "matplotlib.figure", "drawing", "the pictures"):
        return []
    drawn = measured.save_pictures(folder) if measured else []
    if history:
        from .. import plot
        from ..plot._figure import save_figure

        save_figure(plot.history(history), folder / "curves.png")
        drawn = ["curves.png", *drawn]
    return drawn
