"""Helpers for the commands' options."""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .._extras import extra


def at_least(low: float, kind: Callable[[str], Any] = int, below: float = math.inf) -> Callable[[str], Any]:
    """The type of an option that is a number of at least `low`, and less than `below`."""

    def parse(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"expected a number, got {text!r}") from None
        if not value >= low:
            raise argparse.ArgumentTypeError(f"expected at least {low}, got {text}")
        if not value < below:
            raise argparse.ArgumentTypeError(f"expected less than {below}, got {text}")
        return value

    return parse


def sizes(text: str) -> list[int]:
    """The type of an option that is a list of sizes, such as 256,128."""
    try:
        values = [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected sizes such as 256,128, got {text!r}") from None
    if any(value < 1 for value in values):
        raise argparse.ArgumentTypeError(f"expected sizes of at least 1, got {text!r}")
    return values


def names(text: str) -> list[str]:
    """The type of an option that is a list of names, such as id,street."""
    return [name.strip() for name in text.split(",")]


def is_there(command: str, module: str, use: str, what: str) -> bool:
    """Whether an optional library is there; if not, print what is left out."""
    try:
        extra(use, module)
    except ImportError as error:
        print(f"{command}: left out {what}: {error}", file=sys.stderr)
        return False
    return True


def add_command(commands: Any, name: str, run: Callable[..., int], summary: str, examples: str = "") -> Any:
    """A command's parser."""
    epilog = f"examples:\n{examples}" if examples else None
    parser = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def add_output(parser: Any) -> None:
    """--json and --quiet."""
    parser.add_argument("--json", action="store_true", help="one JSON object as the standard output")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, only the results")


def check_folder(folder: Path, files: list[str]) -> None:
    """Make the folder of the results, and check before the work that they can be written."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in files:
        if (folder / name).is_dir():
            raise ValueError(f"{folder / name} is a folder, where a file is to be written")
    with tempfile.TemporaryFile(dir=folder):
        pass


def report(values: dict[str, Any], as_json: bool) -> None:
    """Print results: as JSON, or a line each."""
    if as_json:
        print(json.dumps(_finite(values), allow_nan=False))
        return
    width = max(map(len, values)) + 2
    for name, value in values.items():
        print(f"{name + ':':<{width}}{value:.4f}" if isinstance(value, float) else f"{name + ':':<{width}}{value}")


def _finite(value: Any) -> Any:
    """A value for JSON, in which NaN and infinity become null."""
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
