"""The command line: `python -m fastnn info`, `demo` and `certify`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fastnn", description="Neural-network kernels for NumPy on the CPU.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("info", help="version, kernels, threads and compiler")
    demo = commands.add_parser("demo", help="train a network on scikit-learn's handwritten digits")
    demo.add_argument("--seed", type=int, default=0, help="the same seed gives the same bits (default: %(default)s)")
    demo.add_argument("--epochs", type=int, default=30, help="passes over the training images (default: %(default)s)")
    demo.add_argument("--out", default="fastnn-demo", help="folder for pictures and weights (default: %(default)s)")
    demo.add_argument("--quiet", action="store_true", help="no progress bar, only the results")
    certify = commands.add_parser("certify", help="measure the accuracy of every element-wise function")
    certify.add_argument("names", nargs="*", help="functions, such as gelu (default: all)")
    certify.add_argument("--stride", type=int, default=1, help="every n-th float32 (default: all 2^32)")
    certify.add_argument(
        "--peers", action="store_true", help="the same of NumPy, SciPy, PyTorch and JAX where installed"
    )
    certify.add_argument("--out", help="write the table to this Markdown file")
    certify.add_argument("--quiet", action="store_true", help="no progress bar, only the results")
    return parser


def _certify(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    from ._certify import certify

    try:
        holds = certify(options.names, options.stride, options.peers, options.out, options.quiet)
    except ValueError as error:
        parser.error(str(error))
    except ModuleNotFoundError as error:
        parser.exit(1, f"fastnn certify needs {error.name}: pip install 'fastnn[certify]'\n")
    return 0 if holds else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command == "info":
        from ._info import show_config

        print(show_config())
        return 0
    if options.command == "certify":
        return _certify(parser, options)
    if options.epochs < 1 or options.seed < 0:
        parser.error(
            f"expected --epochs of at least 1 and --seed of at least 0, got {options.epochs} and {options.seed}"
        )
    from . import _demo

    try:
        return _demo.run(seed=options.seed, epochs=options.epochs, out=options.out, quiet=options.quiet)
    except ModuleNotFoundError as error:
        parser.exit(1, f"fastnn demo needs {error.name}: pip install 'fastnn[demo]'\n")


if __name__ == "__main__":
    raise SystemExit(main())
