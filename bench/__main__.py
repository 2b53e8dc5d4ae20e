"""`python -m bench`: all installed libraries side by side."""

from __future__ import annotations

import argparse
from pathlib import Path

from .contest import LIBRARIES, installed, rows
from .race import race
from .report import HEAD, line, pictures, save


def main() -> None:
    """Race, print the table, write the files."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=main.__doc__)
    parser.add_argument("words", nargs="*", help="rows that contain all of these words, such as: gelu forward")
    parser.add_argument("--libraries", help="comma-separated, of: " + ", ".join(LIBRARIES))
    parser.add_argument("--bursts", type=int, default=7, help="how often each contestant is timed (7)")
    parser.add_argument(
        "--out", type=Path, default=Path("bench-results"), help="folder for the table, JSON and pictures"
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
    results = []
    print(HEAD)
    for result in race(numbered, libraries, options.bursts):
        results.append(result)
        print(line(result), flush=True)
    save(results, options.out)
    if not options.no_pictures:
        for path in pictures(results, options.out):
            print(path)


if __name__ == "__main__":
    main()
