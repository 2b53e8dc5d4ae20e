"""`python -m bench.instructions`: how many instructions kernels and small calls take, compared with the recorded numbers.

Times depend on the machine's mood; counts under valgrind do not.  A kernel that lost its vectors, or gained a pass, shows at
once, and so does a small call that gained a check.  The counts are those of the AVX2 tier, which valgrind knows, on one
thread; another compiler makes other code, so `--write` records the numbers anew, with the compiler's name.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

RECORD = Path(__file__).with_suffix(".json")
MARGIN = 0.03
SMALL_MARGIN = 0.05
CALLS = 4
SMALL_CALLS = 500
N, CONV = 65_536, 4 * 32 * 32 * 32  # values of `x`; of the result of a convolution of `image`
# a kernel's symbol: the call that runs it over so many values
KERNELS: dict[str, tuple[str, int]] = {
    "act_relu_f32": ("fastnn.relu(x)", N),
    "act_hardswish_f32": ("fastnn.hardswish(x)", N),
    "act_sigmoid_f32": ("fastnn.sigmoid(x)", N),
    "act_tanh_f32": ("fastnn.tanh(x)", N),
    "act_silu_f32": ("fastnn.silu(x)", N),
    "act_gelu_f32": ("fastnn.gelu(x)", N),
    "act_gelu_tanh_f32": ("fastnn.gelu(x, 'tanh')", N),
    "act_elu_f32": ("fastnn.elu(x)", N),
    "act_softplus_f32": ("fastnn.softplus(x)", N),
    "act_mish_f32": ("fastnn.mish(x)", N),
    "act_logsigmoid_f32": ("fastnn.logsigmoid(x)", N),
    "act_tanh_f64": ("fastnn.tanh(d)", N),
    "dact_gelu_f32": ("fastnn.gelu_backward(x, x)", N),
    "dact_silu_f32": ("fastnn.silu_backward(x, x)", N),
    "dact_celu_f32": ("fastnn.celu_backward(x, x)", N),
    "dact_elu_f32": ("fastnn.elu_backward(x, x)", N),
    "dact_softplus_f32": ("fastnn.softplus_backward(x, x)", N),
    "dact_logsigmoid_f32": ("fastnn.logsigmoid_backward(x, x)", N),
    "moments_last_f32": ("fastnn.batch_norm_stats(x)", N),
    "normalize_last_f32": ("fastnn.batch_norm(x, mean, var)", N),
    "grad_sums_last_f32": ("fastnn.batch_norm_backward(x, x, mean, var)", N),
    "dnormalize_last_f32": ("fastnn.batch_norm_backward(x, x, mean, var)", N),
    "moments_first_f32": ("fastnn.batch_norm_stats(image)", N),
    "group_norm_f32": ("fastnn.layer_norm(x, 512)", N),
    "dlayer_rows_f32": ("fastnn.layer_norm_backward(x, x, means, means, scale)", N),
    "dgroup_norm_f32": ("fastnn.group_norm_backward(image, image, groups, groups)", N),
    "softmax_f32": ("fastnn.softmax(x, -1)", N),
    "log_softmax_f32": ("fastnn.log_softmax(x, -1)", N),
    "dsoftmax_f32": ("fastnn.softmax_backward(x, x, -1)", N),
    "nll_f32": ("fastnn.cross_entropy(x, t)", N),
    "dnll_f32": ("fastnn.cross_entropy_backward(one, x, t)", N),
    "loss_smooth_l1_f32": ("fastnn.smooth_l1_loss(x, x)", N),
    "loss_bce_logits_f32": ("fastnn.binary_cross_entropy_with_logits(x, x)", N),
    "dropout_f32": ("fastnn.dropout(x, 0.5, rng=3)", N),
    "product_panel_f32": ("fastnn.linear(x, w)", 128 * 512 * 256),
    "product_row_f32": ("fastnn.linear(x[:1], w)", 512 * 256),
    "conv_rows_f32": ("fastnn.conv2d(image, filters, padding=1)", CONV),
    "max_taps_f32": ("fastnn.max_pool2d(image, 3)", N),
    "glu_f32": ("fastnn.glu(x)", N // 2),
    "unit_row_f32": ("fastnn.normalize(x)", N),
    "step_adam_f32": ("adam.step()", N),
    "step_sgd_f32": ("sgd.step()", N),
}
# whole calls whose arithmetic is less than what surrounds it; counted from Python's side, checks and objects included
SMALL: dict[str, str] = {
    "relu of 1": "fastnn.relu(one)",
    "relu of 100": "fastnn.relu(hundred)",
    "gelu of 1": "fastnn.gelu(one)",
    "gelu of 100": "fastnn.gelu(hundred)",
    "linear 1x64x64": "fastnn.linear(row, square, bias)",
    "linear 1x64x64 of a layer": "fastnn.linear(row, square.T, bias)",
    "linear 1x64x64, recorded": "fastnn.linear(tracked, square, bias)",
    "batch_norm 32x128": "fastnn.batch_norm(batch, None, None, training=True)",
    "layer_norm 32x128": "fastnn.layer_norm(batch, 128)",
    "softmax 32x128": "fastnn.softmax(batch, 1)",
    "cross_entropy 32x128": "fastnn.cross_entropy(batch, classes)",
    "Adam, 10 small tensors": "adam.step()",
    "frozen 64-128-64-10 of 1": "frozen(row)",
    "training step 64-128-64-10": "step()",
    "training step 64-128-64-10, compiled": "compiled(samples, targets)",
}
# What tells callgrind, from inside the process that it watches, where a call begins and ends
MARKS = """
#include <valgrind/callgrind.h>
void begin(void) { CALLGRIND_ZERO_STATS; }
void end(const char *name) { CALLGRIND_DUMP_STATS_AT(name); }
"""


def run_small(library: str) -> None:
    """Run each small call between two marks; this is the program that valgrind watches."""
    import ctypes

    import fastnn
    from fastnn import nn

    marks = ctypes.CDLL(library)
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray[Any, Any]:
        return rng.normal(size=shape).astype(np.float32)

    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))
    parameters = [nn.Parameter(normal(64)) for _ in range(10)]
    for parameter in parameters:
        parameter.grad = normal(64)
    samples, targets, optimizer = normal(8, 64), rng.integers(0, 10, 8), fastnn.optim.Adam(model.parameters())

    def step() -> None:
        optimizer.zero_grad()
        fastnn.cross_entropy(model(samples), targets).backward()
        optimizer.step()

    names = {
        "fastnn": fastnn, "one": normal(1), "hundred": normal(100), "row": normal(1, 64), "square": normal(64, 64),
        "bias": normal(64), "tracked": fastnn.tensor(normal(1, 64), requires_grad=True), "batch": normal(32, 128),
        "classes": rng.integers(0, 128, 32), "adam": fastnn.optim.Adam(parameters), "frozen": fastnn.freeze(model),
        "step": step, "samples": samples, "targets": targets,
        "compiled": fastnn.compile_step(model, fastnn.cross_entropy, optimizer),
    }  # fmt: skip
    for name, text in SMALL.items():
        call = eval(f"lambda: {text}", names)
        for _ in range(20):
            call()
        marks.begin()
        for _ in range(SMALL_CALLS):
            call()
        marks.end(name.encode())


def valgrind(folder: Path, *arguments: str) -> None:
    """Run this module under callgrind, whose files go to the folder."""
    environment = os.environ | {"FASTNN_ISA": "avx2", "FASTNN_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    out = f"--callgrind-out-file={folder / 'callgrind.out'}"
    subprocess.run(
        ["valgrind", "--tool=callgrind", out, sys.executable, "-m", "bench.instructions", *arguments],
        check=True, env=environment, cwd=Path(__file__).parent.parent, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def count_small() -> dict[str, float]:
    """Instructions of each small call."""
    counts: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "marks.c").write_text(MARKS)
        compiler = os.environ.get("CC", "cc")
        subprocess.run([compiler, "-O1", "-shared", "-fPIC", "marks.c", "-o", "marks.so"], cwd=folder, check=True)
        valgrind(folder, "--run-small", str(folder / "marks.so"))
        for file in folder.glob("callgrind.out.*"):
            lines = file.read_text().splitlines()
            trigger = next((line for line in lines if line.startswith("desc: Trigger: Client Request: ")), "")
            total = next(line for line in lines if line.startswith(("totals:", "summary:")))
            call = trigger.rpartition(": ")[2]
            if call in SMALL:
                counts[call] = int(total.split()[1]) / SMALL_CALLS
    return counts


def run_kernels() -> None:
    """Run each call; this is the program that valgrind watches."""
    import fastnn

    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray[Any, Any]:
        return rng.normal(size=shape).astype(np.float32)

    x = normal(128, 512)
    parameter = fastnn.nn.Parameter(x.copy())
    parameter.grad = x
    names = {
        "fastnn": fastnn, "x": x, "d": x.astype(np.float64), "w": np.asfortranarray(normal(256, 512)), "t": rng.integers(0, 512, 128),
        "mean": np.zeros(512, np.float32), "var": np.ones(512, np.float32), "one": np.float32(1), "means": np.ones(128), "groups": np.ones((4, 4)), "scale": np.ones(512, np.float32), "image": normal(4, 16, 32, 32),
        "filters": normal(32, 16, 3, 3),
        "adam": fastnn.optim.Adam([parameter]), "sgd": fastnn.optim.SGD([parameter], lr=1e-3),
    }  # fmt: skip
    for call, _ in KERNELS.values():
        for _ in range(CALLS):
            eval(call, names)


def count() -> dict[str, float]:
    """Instructions for each value, by kernel, what it calls included."""
    with tempfile.TemporaryDirectory() as folder:
        valgrind(Path(folder), "--run")
        text = subprocess.run(
            ["callgrind_annotate", "--inclusive=yes", "--threshold=100", str(Path(folder) / "callgrind.out")],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    counts: dict[str, float] = {}
    for line in text.splitlines():
        number, _, place = line.strip().partition(" ")
        symbol = place.split("[")[0].split(":")[-1].strip()
        if symbol in KERNELS and symbol not in counts:
            counts[symbol] = int(number.replace(",", "")) / (CALLS * KERNELS[symbol][1])
    return counts


def main() -> None:
    """Count, compare, and say so by the exit code; or write the numbers."""
    from fastnn import _core

    parser = argparse.ArgumentParser(prog="python -m bench.instructions", description=__doc__)
    parser.add_argument("--write", action="store_true", help="record the numbers instead of comparing")
    parser.add_argument("--run", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--run-small", metavar="LIBRARY", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        return run_kernels()
    if options.run_small:
        return run_small(options.run_small)
    counts, compiler = count() | count_small(), _core.BUILD["compiler"]
    missing = {*KERNELS, *SMALL} - set(counts)
    if missing:
        raise SystemExit(f"valgrind saw nothing of {', '.join(sorted(missing))}")
    if options.write:
        RECORD.write_text(json.dumps({"compiler": compiler, "counts": counts}, indent=2) + "\n")
        return print(f"{len(counts)} counts written to {RECORD.name}")
    record: dict[str, Any] = json.loads(RECORD.read_text())
    if record["compiler"] != compiler:
        print(f"recorded with {record['compiler']}, built with {compiler}: some difference is the compilers'")
    worse = 0
    for name, now in counts.items():
        before = record["counts"].get(name)
        change = float("nan") if before is None else now / before - 1
        mark = (
            ""
            if before is not None and abs(change) <= (SMALL_MARGIN if name in SMALL else MARGIN)
            else "  <-- more"
            if before is None or change > 0
            else "  <-- fewer"
        )
        worse += mark.endswith("more")
        print(
            f"{name:26} {now:12.3f} instructions for each {'call' if name in SMALL else 'value'}, {change:+7.1%}{mark}"
        )
    sys.exit(1 if worse else 0)


if __name__ == "__main__":
    main()
