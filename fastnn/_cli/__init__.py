"""The command line."""

from __future__ import annotations

import argparse
import io
import os
import sys
import traceback
import warnings
from collections.abc import Sequence

import numpy as np

from .._version import __version__
from . import _onnx, _profile, _tools, _train, _use

DESCRIPTION = "Neural-network kernels for NumPy on the CPU."
EXAMPLES = """examples:
  fastnn info                                          instruction set, threads, and why that many
  fastnn demo                                          a network on handwritten digits in two seconds
  fastnn train --data cifar10 --root data --out run    a network on CIFAR-10: weights, curves, pictures
  fastnn train --data table.csv --target price         a network on your own numbers
  fastnn predict run/model.safetensors new.csv         what it says of others
  fastnn plot activation gelu mish --out a.png         a picture of functions
  fastnn run model.onnx inputs.npz --out outputs.npz   a model that was trained elsewhere
  fastnn profile train.py                              what a script's time goes into

`fastnn COMMAND --help` tells more of each."""


def make_parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    parser = argparse.ArgumentParser(
        prog="fastnn", description=DESCRIPTION, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"fastnn {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for part in (_tools, _train, _use, _onnx, _profile):
        part.add_commands(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, 1 for a failure, 2 for wrong use, 130 for Ctrl-C."""
    for stream, errors in ((sys.stdout, "surrogateescape"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):  # UTF-8 whatever the locale; names of files as their bytes
            stream.reconfigure(encoding="utf-8", errors=errors)
    parser = make_parser()
    options = parser.parse_args(arguments)
    if getattr(options, "bare", False):  # warnings and errors of floats are left as they are
        return _run(parser, options)
    with warnings.catch_warnings(), np.errstate(all="ignore"):  # what is not finite is refused where it matters
        warnings.simplefilter("always", UserWarning)  # warnings about the data show whatever the filters are
        warnings.showwarning = lambda message, *_: _tell(options.command, str(message))
        return _run(parser, options)


def _run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Run a command, whose failures are reported in one line; its exit code."""
    try:
        code = int(options.run(options))
        sys.stdout.flush()
        return code
    except argparse.ArgumentTypeError as error:  # a wrong value of an option, found by the command
        parser.error(str(error))
    except BrokenPipeError:  # the reader of the output, such as head, has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    except MemoryError as error:
        _tell(options.command, f"out of memory: {error}")
    except OSError as error:
        _tell(options.command, f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except (ImportError, ValueError, FloatingPointError) as error:
        _tell(options.command, str(error))
    except Exception as error:  # unforeseen: the line of code helps to mend it
        *_, last = traceback.extract_tb(error.__traceback__)
        _tell(options.command, f"{type(error).__name__}: {error} ({last.filename}, line {last.lineno})")
    return 1


def _tell(command: str, message: str) -> None:
    """Print a message as one line."""
    start, line = f"fastnn {command}", " ".join(message.splitlines())
    print(line if line.startswith(start) else f"{start}: {line}", file=sys.stderr)
