"""The commands info, demo, certify, bench and plot."""

from __future__ import annotations

import time
from argparse import ArgumentTypeError, Namespace
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from .._replace import replacing
from ..tables._text import is_number
from ._csv import read_rows
from ._options import add_command, at_least, report


def add_commands(commands: Any) -> None:
    """Their options."""
    info_ = add_command(commands, "info", info, "version, kernels, threads and compiler; or what an ONNX model holds")
    info_.add_argument("model", nargs="?", help="ONNX file")
    info_.add_argument(
        "--shape",
        action="append",
        default=[],
        metavar="NAME=SIZE[,SIZE...]",
        help="a size by its name, or an input's shape, to count multiply-adds for; may be repeated (1)",
    )
    demo_ = add_command(commands, "demo", demo, "train a network on scikit-learn's handwritten digits")
    demo_.add_argument("--seed", type=at_least(0), default=0, help="the same seed gives the same bits (%(default)s)")
    demo_.add_argument("--epochs", type=at_least(1), default=30, help="passes over the training images (%(default)s)")
    demo_.add_argument("--out", default="fastnn-demo", help="folder for pictures and weights (%(default)s)")
    demo_.add_argument("--quiet", action="store_true", help="no progress bar, only the results")
    certify_ = add_command(
        commands,
        "certify",
        certify,
        "measure the accuracy of every element-wise function over all float32 inputs",
        "  fastnn certify gelu --peers          gelu, and what other libraries make of it\n"
        "  fastnn certify --stride 1000         all functions at every 1000th input: seconds\n",
    )
    certify_.add_argument("names", nargs="*", help="functions, such as gelu (all)")
    certify_.add_argument("--stride", type=at_least(1), default=1, help="every n-th float32 (all 2^32)")
    certify_.add_argument("--peers", action="store_true", help="NumPy, SciPy, PyTorch and JAX too, where installed")
    certify_.add_argument("--out", help="write the table to this Markdown file")
    certify_.add_argument("--quiet", action="store_true", help="no progress bar, only the results")
    bench_ = add_command(
        commands,
        "bench",
        bench,
        "time the element-wise functions beside NumPy on this machine",
        "  fastnn bench gelu silu --size 1000000\n",
    )
    bench_.add_argument("names", nargs="*", help="functions, such as gelu (all)")
    bench_.add_argument("--size", type=at_least(1), default=1_000_000, help="elements (%(default)s)")
    bench_.add_argument("--json", action="store_true", help="one JSON object on the standard output")
    plot_ = add_command(
        commands,
        "plot",
        plot,
        "draw activations with their derivatives, or the history of a training",
        "  fastnn plot activation gelu mish LeakyReLU --out activations.png\n"
        "  fastnn plot history run/history.csv --out history.png\n",
    )
    plot_.add_argument("what", choices=["activation", "history"])
    plot_.add_argument("names", nargs="+", help="activations; or the history's CSV file")
    plot_.add_argument("--out", default="plot.png", help="picture file: png, svg or pdf (%(default)s)")


def info(options: Namespace) -> int:
    """`fastnn info`."""
    from .._info import show_config
    from ._onnx import describe

    print(show_config() if options.model is None else describe(options.model, options.shape))
    return 0


def demo(options: Namespace) -> int:
    """`fastnn demo`."""
    from . import _demo

    return _demo.run(seed=options.seed, epochs=options.epochs, out=options.out, quiet=options.quiet)


def certify(options: Namespace) -> int:
    """`fastnn certify`."""
    from .._certify import certify as run
    from .._extras import extra

    extra("fastnn certify", "scipy.special", "mpmath", "tqdm")
    try:
        with replacing(options.out) if options.out else nullcontext() as out:  # a failure to write shows at once
            holds = run(options.names, options.stride, options.peers, out, options.quiet)
    except ValueError as error:  # an unknown name
        raise ArgumentTypeError(str(error)) from error
    return 0 if holds else 1


def bench(options: Namespace) -> int:
    """`fastnn bench`."""
    import fastnn

    from .._extras import extra
    from .._records import ACTIVATIONS

    special = extra("fastnn bench", "scipy.special")
    x = np.random.default_rng(0).normal(size=options.size).astype(np.float32)
    records = {record.name: record for record in ACTIVATIONS}
    unknown = [name for name in options.names if name not in records]
    if unknown:
        raise ArgumentTypeError(f"expected names of {', '.join(sorted(records))}; got {', '.join(unknown)}")
    rows: dict[str, Any] = {}
    for name in options.names or records:
        record, function = records[name], getattr(fastnn, name)
        library = "numpy" if "numpy" in record.peers else "scipy"
        peer, namespace = record.peers[library], np if library == "numpy" else special
        with np.errstate(all="ignore"):
            ours = least_time(lambda f=function, r=record: f(x, **r.given))
            theirs = least_time(lambda p=peer, n=namespace, r=record: p(n, x, **r.given))
        rows[name] = {"microseconds": round(ours * 1e6, 2), "numpy": round(theirs * 1e6, 2), "ratio": theirs / ours}
    if options.json:
        report({"size": options.size, "functions": rows}, as_json=True)
        return 0
    print(f"{options.size:,} float32, {fastnn.isa()}, {fastnn.get_num_threads()} threads; microseconds, least of many")
    print(f"{'':<14}{'fastnn':>10}{'NumPy':>12}{'ratio':>8}")
    for name, row in rows.items():
        print(f"{name:<14}{row['microseconds']:>10,.1f}{row['numpy']:>12,.1f}{row['ratio']:>8.1f}")
    return 0


def least_time(call: Any, seconds: float = 0.15) -> float:
    """The least time of a call, from calls during so many seconds."""
    call()
    best, end = float("inf"), time.perf_counter() + seconds
    while True:
        start = time.perf_counter()
        call()
        now = time.perf_counter()
        best = min(best, now - start)
        if now > end:
            return best


def plot(options: Namespace) -> int:
    """`fastnn plot`."""
    from ..plot import activation, history
    from ..plot._figure import save_figure

    given = options.names
    if not Path(options.out).suffix:
        raise ArgumentTypeError(f"--out: expected a name that ends in .png, .svg or .pdf, got {options.out!r}")
    if options.what == "history" and len(given) > 1:
        raise ArgumentTypeError(f"expected one history, got {len(given)} files")
    figure = activation(*given) if options.what == "activation" else history(read_history(Path(given[0])))
    save_figure(figure, options.out)
    print(options.out)
    return 0


def read_history(path: Path) -> dict[str, list[float]]:
    """The columns of a CSV file that `CSVLogger` wrote, where nan and inf are numbers too."""
    try:
        parts = list(read_rows(path, header=True))
    except ValueError as error:
        broken = "it has lines of another length, or cells that are no numbers"
        raise ValueError(f"{path} is not a history: {broken}: {error}") from error
    names, rows = parts[0][0], [row for _, part in parts for row in part]
    if "epoch" not in names or not rows:
        raise ValueError(f"{path} is not a history: it has no column 'epoch'")
    for row in rows:
        for name, cell in zip(names, row, strict=True):
            if not is_number(cell) and cell not in ("nan", "inf", "-inf"):
                place = f"{cell!r} in line {row.line}, column {name}"
                raise ValueError(f"{path} is not a history: it has cells that are no numbers: {place}")
    columns = zip(names, zip(*rows, strict=True), strict=True)
    return {name: list(map(float, cells)) for name, cells in columns if name != "epoch"}
