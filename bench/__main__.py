"""`python -m bench`: all installed libraries side by side."""

from __future__ import annotations

import argparse
from pathlib import Path

from .contest import LIBRARIES, installed, rows
from .race import Result, race
from .report import HEAD, agreement, line, pictures, save


def main() -> None:
    """Race, print the table, write the files."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=main.__doc__)
    parser.add_argument("words", nargs="*", help="rows that contain all of these words, such as: gelu forward")
    parser.add_argument("--libraries", help="comma-separated, of: " + ", ".join(LIBRARIES))
    parser.add_argument("--bursts", type=int, default=7, help="how often each contestant is timed in a round (7)")
    parser.add_argument(
        "--rounds", type=int, default=1, help="how often all processes start anew: some speeds are of a process (1)"
    )
    parser.add_argument(
        "--isa", choices=["avx2"], default="", help="keep every library from AVX-512; those without a switch stay out"
    )
    parser.add_argument("--alone", action="store_true", help="one thread each on one processor, whose own time counts")
    parser.add_argument(
        "--out", type=Path, default=Path("bench-results"), help="folder for the table, JSON and pictures"
    )
    parser.add_argument(
        "--compare", type=Path, metavar="JSON", help="say how many verdicts of an earlier race are the same"
    )
    parser.add_argument("--no-pictures", action="store_true")
    options = parser.parse_args()

    libraries = options.libraries.split(",") if options.libraries else installed()
    unknown = set(libraries) - set(installed())
    if unknown:
        parser.error(f"not installed or unknown: {', '.join(sorted(unknown))}")
    numbered = [(i, row) for i, row in enumerate(rows()) if all(word in str(row).split() for word in options.words)]
    if not numbered:
        parser.error("no row has all these words")
    results: dict[str, Result] = {}
    print(HEAD)
    for number in range(options.rounds):
        for result in race(numbered, libraries, options.bursts, options.isa, options.alone):
            if result.row in results:
                results[result.row].add(result)
            else:
                results[result.row] = result
            if number == options.rounds - 1:
                print(line(results[result.row]), flush=True)
    save([*results.values()], options.out, options.isa)
    if options.compare:
        print(agreement([*results.values()], options.compare))
    if not options.no_pictures:
        for path in pictures([*results.values()], options.out):
            print(path)


if __name__ == "__main__":
    main()
