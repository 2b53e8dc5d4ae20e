"""How rows differ from the training rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ._parts import Part

KINDS = ("missing", "unseen", "outside", "strays")


class Drift:
    """Counts by column over all rows that `Encoder.transform(frame, drift=...)` has seen; `str()` is a table."""

    def __init__(self, parts: Sequence[Part]):
        self.parts, self.rows = parts, 0
        self.counts = {part.column.name: dict.fromkeys(KINDS, 0) for part in parts}
        self.absent: list[str] = []  # columns that the rows did not have

    def report(self) -> list[dict[str, Any]]:
        """Shares of the rows, a dict for each column.

        `missing`, and `missing_training` in training; `unseen`: categories that are rare or new, and
        `unseen_training`; `outside`: numbers beyond the training's range; `strays`: cells that are no numbers or dates.
        """
        found = []
        for part in self.parts:
            shares = {kind: count / max(1, self.rows) for kind, count in self.counts[part.column.name].items()}
            known = max(1, part.rows)
            found.append(
                {
                    "column": part.column.name,
                    "role": part.column.role,
                    "rows": self.rows,
                    **shares,
                    "missing_training": part.gaps / known,
                    "unseen_training": part.others / known,
                }
            )
        return found

    def striking(self, more: float = 0.05) -> list[str]:
        """Lines about the columns that differ by more than a share of the rows."""
        lines = []
        for row in self.report():
            said = []
            if row["missing"] > row["missing_training"] + more:
                said.append(f"{row['missing']:.0%} missing (training {row['missing_training']:.0%})")
            if row["unseen"] > row["unseen_training"] + more:
                said.append(f"{row['unseen']:.0%} of rare or new values (training {row['unseen_training']:.0%})")
            if row["outside"] > more:
                said.append(f"{row['outside']:.0%} beyond the training's range")
            if row["strays"]:
                said.append(f"{row['strays']:.2%} of cells that are no {row['role']}")
            if said:
                lines.append(f"column {row['column']}: {', '.join(said)}")
        return lines

    def __str__(self) -> str:
        rows = self.report()
        width = max([6, *(len(row["column"][:32]) for row in rows)])
        heads = ("missing", "training", "unseen", "training", "outside")
        lines = [f"{'column':<{width}}  {'role':<8}  " + "  ".join(f"{head:>8}" for head in heads)]
        for row in rows:
            values = (row[name] for name in ("missing", "missing_training", "unseen", "unseen_training", "outside"))
            lines.append(
                f"{row['column'][:32]:<{width}}  {row['role']:<8}  "
                + "  ".join(f"{100 * each:6.2f} %" for each in values)
            )
        return "\n".join(lines)
