"""`fastnn profile`: a script, and what its time went into."""

from __future__ import annotations

import argparse
import os
import runpy
import sys
import traceback
from pathlib import Path
from typing import Any

from .._profile import Profile
from .._profile._table import SORTS
from ._options import add_command, at_least, check_folder


def add_commands(commands: Any) -> None:
    """Its options, which stand before the script; the arguments after it are the script's."""
    profile_ = add_command(
        commands,
        "profile",
        profile,
        "run a Python script and say what the time of its main thread goes into",
        "  fastnn profile train.py --epochs 3              the table; --epochs is the script's own option\n"
        "  fastnn profile --trace run.json train.py        and a file for https://ui.perfetto.dev\n"
        "  fastnn profile --picture run.png train.py       and a picture\n",
    )
    profile_.add_argument("--sort", choices=SORTS, default="own", help="which rows come first (%(default)s)")
    profile_.add_argument(
        "--by", choices=("call", "name"), default="call", help="one row for each function of a module"
    )
    profile_.add_argument("--rows", type=at_least(1), help="only so many rows (all)")
    profile_.add_argument("--trace", metavar="FILE", help="write a trace: JSON")
    profile_.add_argument("--picture", metavar="FILE", help="draw the table: png, svg or pdf")
    profile_.add_argument("script", help="Python file")
    profile_.add_argument("arguments", nargs=argparse.REMAINDER, help="the script's own arguments")
    profile_.set_defaults(bare=True)


def profile(options: argparse.Namespace) -> int:
    """`fastnn profile`: the script's exit code; the table comes after what it has printed."""
    for path in filter(None, (options.trace, options.picture)):
        check_folder(Path(path).parent, [Path(path).name])
    if options.picture:
        if not Path(options.picture).suffix:
            raise argparse.ArgumentTypeError(
                f"--picture: expected a name that ends in .png, .svg or .pdf, got {options.picture!r}"
            )
        from ..plot import profile as draw
        from ..plot._figure import save_figure
    with open(options.script, "rb"):  # a missing script is reported in one line
        pass
    prof = Profile()
    code = _run(options.script, options.arguments, prof)
    print(prof.table(options.sort, options.by, options.rows))
    if options.trace:
        prof.save_trace(options.trace)
    if options.picture:
        save_figure(draw(prof), options.picture)
    return code


def _run(script: str, arguments: list[str], prof: Profile) -> int:
    """Run the script as `python script` does, with the usual traceback for its errors."""
    before = sys.argv[:], sys.path[:]
    sys.argv[:], sys.path[:1] = [script, *arguments], [os.path.dirname(os.path.abspath(script)), *sys.path[:1]]
    try:
        with prof:
            runpy.run_path(script, run_name="__main__")
    except SystemExit as stop:
        if stop.code is None or isinstance(stop.code, int):
            return stop.code or 0
        print(stop.code, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BaseException as error:
        last = error.__traceback__
        while last is not None and last.tb_frame.f_code.co_filename != script:  # the runner's own frames
            last = last.tb_next
        traceback.print_exception(type(error), error, last or error.__traceback__)
        return 1
    finally:
        sys.argv[:], sys.path[:] = before
    return 0
