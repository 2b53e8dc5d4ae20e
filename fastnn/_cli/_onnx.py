"""`fastnn run` and `fastnn info MODEL`: ONNX files from the shell."""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from typing import Any

import numpy as np

from .._replace import replacing
from ._options import add_command


def add_commands(commands: Any) -> None:
    """Their options."""
    run_ = add_command(
        commands,
        "run",
        run,
        "run an ONNX model on the arrays of an NPZ file",
        "  fastnn run model.onnx inputs.npz --out outputs.npz\n",
    )
    run_.add_argument("model", help="ONNX file")
    run_.add_argument("inputs", help="NPZ file with an array for each input, by name")
    run_.add_argument("--out", default="outputs.npz", help="NPZ file for the outputs, by name (%(default)s)")


def run(options: Namespace) -> int:
    """`fastnn run`."""
    from .. import onnx

    model = onnx.load(options.model)
    with np.load(options.inputs, allow_pickle=False) as arrays:
        feeds = {name: arrays[name] for name in arrays.files}
    try:
        results = model.run(None, feeds)
    except TypeError as error:  # an input that is missing, or of another type
        raise ValueError(str(error)) from None
    named = dict(zip((each.name for each in model.outputs), results, strict=True))
    with replacing(options.out) as temporary, open(temporary, "wb") as file:
        np.savez(file, **named)  # type: ignore[arg-type]
    for name, array in named.items():
        print(f"{name}: {array.dtype} {array.shape}")
    return 0


def describe(path: str, shapes: list[str]) -> str:
    """An ONNX file's inputs, outputs and constants, and its operators' cost for inputs of these sizes."""
    from .. import onnx
    from ._onnx_cost import example, in_python, multiply_adds, sizes_of

    given = sizes_of(shapes)
    model = onnx.load(path)
    lines = []
    for title, arguments in (("input", model.inputs), ("output", model.outputs)):
        for each in arguments:
            sizes = ", ".join(str(size if size is not None else "?") for size in each.shape or [])
            lines.append(f"{title}  {each.name}: {each.dtype} ({sizes})")
    inner = [value for node in model._file.graph.nodes for value in node.attributes.values()]  # Constant's values
    arrays = [each for each in (*model.constants.values(), *inner) if isinstance(each, np.ndarray)]
    size = sum(array.nbytes for array in arrays)
    lines.append(f"weights  {sum(array.size for array in arrays):,} numbers, {size / 1e6:.1f} MB")
    lines.append(f"opset  {model.opset}")
    feeds = example(model, given)
    counts: Counter[str] = Counter()
    try:
        counts = multiply_adds(model, feeds)
        python = in_python(model, feeds)
    except (ValueError, TypeError) as error:
        lines.append(f"multiply-adds  not counted: {error}")
    else:
        shown = ", ".join(f"{name} {array.shape}" for name, array in feeds.items())
        lines.append(f"multiply-adds  {counts.total():,} for zeros of {shown}")
        if python is None:
            reason = f": {', '.join(model.unplanned)}" if model.unplanned else ""
            lines.append(f"runs  call by call, each kernel in C or in NumPy{reason}")
        else:
            between = ", ".join(f"{count} {name}" for name, count in Counter(python).most_common())
            lines.append(f"runs  in C{', but for ' + between if between else ''}")
    own = Counter(model.operators)
    inner = [(name, 0) for name in counts if name not in own]  # in branches, loops and functions
    for name, count in [*own.most_common(), *inner]:
        lines.append(f"{count or '':6}  {name}" + (f"  {counts[name]:,}" if counts[name] else ""))
    return "\n".join(lines)
