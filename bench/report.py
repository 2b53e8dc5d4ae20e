"""What a race says: a table, a JSON file and pictures."""

from __future__ import annotations

import json
import math
import platform
import statistics
from pathlib import Path
from typing import Any

from .contest import LIBRARIES
from .race import Result, quartiles

UNITS = [(1e-6, "ns", 1e9), (1e-3, "µs", 1e6), (1, "ms", 1e3), (float("inf"), "s", 1)]


def duration(seconds: float) -> str:
    """Three figures and a unit."""
    for below, unit, factor in UNITS:
        if seconds < below:
            return f"{seconds * factor:.3g} {unit}"
    raise AssertionError


def spread(times: list[float]) -> str:
    """Median (least, interquartile range)."""
    low, middle, high = quartiles(times)
    return f"{duration(middle)} ({duration(min(times))}, {duration(high - low)})"


def line(result: Result) -> str:
    """One row of the table."""
    cells = [result.row, *(spread(result.times["fastnn"]) if "fastnn" in result.times else "-",)]
    others = sorted((name for name in result.times if name != "fastnn"), key=result.median)
    cells.append("; ".join(f"{LIBRARIES[name][1]} {spread(result.times[name])}" for name in others))
    if result.best_peer is None:
        cells += ["-", "-"]
    else:
        low, middle, high = result.ratios(result.best_peer)
        cells += [f"{middle:.2f} ({low:.2f} to {high:.2f})", result.verdict or "-"]
    cells.append(f"{result.goal:g}" if result.goal else "")
    return "| " + " | ".join(cells) + " |"


HEAD = (
    "| row | fastnn: median (min, IQR) | others, fastest first | ratio: median (quartiles) | verdict | goal |\n"
    "|---|---|---|---|---|---|"
)


def summary(results: list[Result]) -> str:
    """How many rows there are of each verdict."""
    verdicts = [result.verdict for result in results if result.verdict]
    counts = ", ".join(f"{verdicts.count(each)} {each}" for each in ("ahead", "too noisy to say", "behind"))
    return f"{len(verdicts)} rows with a rival: {counts}"


def agreement(results: list[Result], earlier: Path) -> str:
    """How many verdicts are those of an earlier race, and which are not."""
    before = {row["row"]: row["verdict"] for row in json.loads(earlier.read_text())["rows"] if row["verdict"]}
    both = [(result.row, before[result.row], result.verdict) for result in results if result.row in before]
    others = [f"{row}: {then}, now {now}" for row, then, now in both if then != now]
    return "\n".join([f"{len(both) - len(others)} of {len(both)} verdicts are the same", *others])


def machine(isa: str) -> dict[str, Any]:
    """Where the race was run, and with which versions."""
    from importlib.metadata import PackageNotFoundError, version

    import fastnn

    versions = {}
    for name in ("numpy", "scipy", "torch", "jax", "onnxruntime", "scikit-learn"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    model = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        model = next(
            (text.split(":")[1].strip() for text in info.read_text().splitlines() if "model name" in text), model
        )
    return {"processor": model, "threads": fastnn.get_num_threads(), "isa": isa or fastnn.isa(), "versions": versions}


def save(results: list[Result], folder: Path, isa: str = "") -> None:
    """Write results.json, and results.md with the rows that fall short first."""
    folder.mkdir(parents=True, exist_ok=True)
    about = machine(isa)
    records = {"machine": about, "rows": [result.record() for result in results]}
    (folder / "results.json").write_text(json.dumps(records, indent=1) + "\n")
    ranked = sorted(results, key=lambda r: float("inf") if r.ratio is None or not r.goal else r.ratio / r.goal)
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    head = f"{about['processor']}, {about['threads']} threads, {about['isa']}; {versions}"
    (folder / "results.md").write_text("\n".join([head, "", summary(results), "", HEAD, *map(line, ranked)]) + "\n")


def pictures(results: list[Result], folder: Path) -> list[Path]:
    """Draw bars of the ratios, and speed over the size for a few functions: those of the two that have something to show."""
    import matplotlib as mpl

    mpl.use("Agg")
    drawn = (_bars(results, folder / "ratios.png"), _curves(results, folder / "sizes.png"))
    return [path for path in drawn if path is not None]


def _bars(results: list[Result], path: Path) -> Path | None:
    """Median ratio of each kind of rows, with its least and largest; nothing if no row was raced with a goal."""
    import matplotlib.pyplot as plt

    kinds: dict[str, list[float]] = {}
    for result in results:
        if result.ratio is not None and result.goal:
            kinds.setdefault(result.kind, []).append(result.ratio)
    if not kinds:
        return None
    raced = sorted(kinds.items(), key=lambda item: -statistics.median(item[1]))
    middles = [statistics.median(ratios) for _, ratios in raced]
    figure, axes = plt.subplots(figsize=(8, 1 + 0.22 * len(raced)), layout="constrained")
    axes.barh(range(len(raced)), middles, color=["#2a7f62" if middle >= 1 else "#c44e52" for middle in middles])
    for place, (_, ratios) in enumerate(raced):
        axes.plot([min(ratios), max(ratios)], [place, place], color="black", linewidth=0.8, marker="|", markersize=4)
    axes.set_yticks(range(len(raced)), [f"{kind} ({len(ratios)})" for kind, ratios in raced], fontsize=7)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel(
        "times as fast as the fastest other library:\nmedian (bar), least and largest (line) of so many rows",
        fontsize=9,
    )
    axes.margins(y=0.01)
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return path


def _curves(results: list[Result], path: Path) -> Path | None:
    """Elements per second over n, a panel of contestants for each function there is, the copy's speed as a line."""
    import matplotlib.pyplot as plt

    points: dict[str, dict[str, list[tuple[int, float]]]] = {}
    copy = None
    for result in results:
        words = result.row.split()
        if words[0] != "forward" or not words[-1].replace("_", "").isdigit() or "defaults" not in words:
            continue
        n, panel = int(words[-1]), points.setdefault(words[1], {})
        for library in result.times:
            if library == "copy":
                copy = n / result.median(library)
            else:
                panel.setdefault(library, []).append((n, n / result.median(library)))
    names = [name for name in ("relu", "sigmoid", "tanh", "gelu", "silu", "softplus") if name in points]
    if not names:
        return None
    columns = min(3, len(names))
    lines = math.ceil(len(names) / columns)
    figure, grid = plt.subplots(
        lines, columns, figsize=(2 + 3 * columns, 3 * lines), layout="constrained", sharex=True, squeeze=False
    )
    colours = dict(zip(LIBRARIES, plt.get_cmap("tab10").colors, strict=False))
    for axes, name in zip(grid.flat, names, strict=False):
        for library, curve in points[name].items():
            if library != "openmp":
                axes.loglog(*zip(*curve, strict=True), marker="o", markersize=3, color=colours[library],
                            linewidth=2.2 if library == "fastnn" else 1, label=LIBRARIES[library][1])  # fmt: skip
        if copy:
            axes.axhline(copy, color="grey", linestyle="--", linewidth=0.8, label="copy in memory")
        axes.set_title(name)
        axes.grid(alpha=0.2)
    grid[0, 0].legend(fontsize=7)
    for axes in grid.flat[len(names) :]:
        axes.remove()
    for axes in grid.flat[max(0, len(names) - columns) : len(names)]:  # the lowest of each column
        axes.set_xlabel("elements")
        axes.tick_params(labelbottom=True)
    for axes in grid[:, 0]:
        axes.set_ylabel("elements per second")
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return path
