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
    """Measure, print the table, and write it as Markdown to `out`; whether all bounds hold.

    Forward within 2 ULP for every float32; the derivative within 4 ULP where it is computed from the input (absolutely
    2^-23 next to its roots), within 2^-23 where it is computed from the result.  float64 at sampled points within
    4 ULP of multiple precision.
    """
    if stride < 1:
        raise ValueError(f"certify: expected a stride of at least 1, got {stride}")
    from tqdm import tqdm

    rows, holds = [], True
    chunks = len(starts(stride))
    for formula in _chosen(names):
        kinds = [("value", value_of(formula), False), ("derivative", slope_of(formula), True)]
        others = [(library, function, False) for library, function in peers_of(formula).items()] if peers else []
        for of, function, slope in kinds + others:
            with tqdm(total=chunks, desc=f"{formula.title} {of}", leave=False, disable=quiet) as bar:
                result = tally(formula, function, slope, stride, bar.update)
            own = of in ("value", "derivative")
            holds &= result.holds or not own
            rows.append(_row(formula.title, of, result, own))
            print("  ".join(rows[-1]), flush=True)
        for of, slope in (("value, float64", False), ("derivative, float64", True)):
            result = tally_double(formula, slope, DOUBLES)
            holds &= result.holds
            rows.append(_row(formula.title, of, result))
            print("  ".join(rows[-1]), flush=True)
    if out is not None:
        table = [HEAD, ("---",) * len(HEAD), *rows]
        Path(out).write_text("\n".join("| " + " | ".join(row) + " |" for row in table) + "\n", encoding="utf-8")
    print(f"{_core.isa()}: {'every bound holds' if holds else 'BROKEN'}")
    return holds
