"""`python -m fastnn certify`: the accuracy of every element-wise function over all float32 inputs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .. import _core
from .._records import FORMULAS, Formula
from ._measure import Tally, slope_of, starts, tally, tally_double, value_of
from ._peers import peers_of

__all__ = ["certify"]

DOUBLES = 1500
HEAD = ("function", "of", "inputs", "largest ULP", "at", "median ULP", "absolute", "falls", "")


def _row(title: str, of: str, tally: Tally, judged: bool = True) -> tuple[str, ...]:
    verdict = ("holds" if tally.holds else "BROKEN") if judged else ""
    relative = tally.at == tally.at
    return (
        title,
        of,
        f"{tally.inputs:,}",
        f"{tally.worst:.3g}" if relative else "-",
        f"{tally.at:.9g}" if relative else "-",
        f"{tally.median:.2f}" if relative else "-",
        f"{tally.absolute:.2g}" if tally.absolute else "-",
        str(tally.falls),
        verdict,
    )


def _chosen(names: Sequence[str]) -> list[Formula]:
    known = {formula.name for formula in FORMULAS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"certify: expected names of {', '.join(sorted(known))}; got {', '.join(unknown)}")
    return [formula for formula in FORMULAS if not names or formula.name in names]


def certify(
    names: Sequence[str] = (), stride: int = 1, peers: bool = False, out: str | None = None, quiet: bool = False
) -> bool:
    """Measure, print the table and a sentence for each bound that is broken; whether all bounds hold.

    Forward within 2 ULP for every float32; the derivative within 4 ULP where it is computed from the input (next to its
    roots, where it is below 2^-4, within 4 ULP of 2^-4), within 2^-23 where it is computed from the result.  float64 at
    sampled points within 4 ULP of multiple precision.  The table is written as Markdown to `out`.
    """
    if stride < 1:
        raise ValueError(f"certify: expected a stride of at least 1, got {stride}")
    from tqdm import tqdm

    rows: list[tuple[str, ...]] = []
    faults: list[str] = []

    def enter(formula: Formula, of: str, result: Tally, own: bool = True) -> None:
        rows.append(_row(formula.title, of, result, own))
        print("  ".join(rows[-1]), flush=True)
        if own and result.fault:
            faults.append(f"{formula.title}, {of}: {result.fault}")
            print(faults[-1], flush=True)

    print("  ".join(HEAD).rstrip(), flush=True)
    chunks = len(starts(stride))
    for formula in _chosen(names):
        kinds = [("value", value_of(formula), False), ("derivative", slope_of(formula), True)]
        others = [(library, function, False) for library, function in peers_of(formula).items()] if peers else []
        for of, function, slope in kinds + others:
            with tqdm(total=chunks, desc=f"{formula.title} {of}", leave=False, disable=quiet) as bar:
                result = tally(formula, function, slope, stride, bar.update)
            enter(formula, of, result, own=of in ("value", "derivative"))
        for of, slope in (("value, float64", False), ("derivative, float64", True)):
            enter(formula, of, tally_double(formula, slope, DOUBLES))
    if out is not None:
        table = [HEAD, ("---",) * len(HEAD), *rows]
        Path(out).write_text("\n".join("| " + " | ".join(row) + " |" for row in table) + "\n", encoding="utf-8")
    print(f"{_core.isa()}: {f'BROKEN: {len(faults)} exceed their bounds' if faults else 'every bound holds'}")
    return not faults
