"""`python -m bench.instructions`: how many instructions a dozen kernels take, compared with the numbers in the repository.

Times depend on the machine's mood; counts under valgrind do not.  A kernel that lost its vectors, or gained a pass, shows at
once.  The counts are those of the AVX2 tier, which valgrind knows, on one thread; another compiler makes other code, so
`--write` records the numbers anew, with the compiler's name.
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
CALLS = 20
# a kernel's symbol: the call that runs it over so many values
KERNELS: dict[str, tuple[str, int]] = {
    "act_relu_f32": ("fastnn.relu(x)", 65_536),
    "act_sigmoid_f32": ("fastnn.sigmoid(x)", 65_536),
    "act_gelu_f32": ("fastnn.gelu(x)", 65_536),
    "dact_gelu_f32": ("fastnn.gelu_backward(x, x)", 65_536),
    "dact_silu_f32": ("fastnn.silu_backward(x, x)", 65_536),
    "act_tanh_f64": ("fastnn.tanh(d)", 65_536),
    "moments_last_f32": ("fastnn.batch_norm_stats(x)", 65_536),
    "normalize_last_f32": ("fastnn.batch_norm(x, mean, var)", 65_536),
    "group_norm_f32": ("fastnn.layer_norm(x, 512)", 65_536),
    "softmax_f32": ("fastnn.softmax(x, -1)", 65_536),
    "nll_f32": ("fastnn.cross_entropy(x, t)", 65_536),
    "dropout_f32": ("fastnn.dropout(x, 0.5, rng=3)", 65_536),
    "gemm_panel_f32": ("fastnn.linear(x, w)", 128 * 512 * 256),
    "step_adam_f32": ("optimizer.step()", 65_536),
}


def run_kernels() -> None:
    """Run each call; this is the program that valgrind watches."""
    import fastnn

    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(128, 512)).astype(np.float32), rng.normal(size=(256, 512)).astype(np.float32)
    parameter = fastnn.nn.Parameter(x.copy())
    parameter.grad = x
    names = {
        "fastnn": fastnn, "x": x, "d": x.astype(np.float64), "w": np.asfortranarray(w), "t": rng.integers(0, 512, 128),
        "mean": np.zeros(512, np.float32), "var": np.ones(512, np.float32), "optimizer": fastnn.optim.Adam([parameter]),
    }  # fmt: skip
    for call, _ in KERNELS.values():
        for _ in range(CALLS):
            eval(call, names)


def count() -> dict[str, float]:
    """Instructions for each value, by kernel, what it calls included."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "callgrind.out"
        environment = os.environ | {"FASTNN_ISA": "avx2", "FASTNN_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", sys.executable, "-m", "bench.instructions", "--run"],
            check=True, env=environment, cwd=Path(__file__).parent.parent, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        text = subprocess.run(
            ["callgrind_annotate", "--inclusive=yes", "--threshold=100", str(out)],
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
    missing = set(KERNELS) - set(counts)
    if missing:
        raise SystemExit(f"valgrind saw nothing of {', '.join(sorted(missing))}")
    return counts


def main() -> None:
    """Count, compare, and say so by the exit code; or write the numbers."""
    import fastnn

    parser = argparse.ArgumentParser(prog="python -m bench.instructions", description=__doc__)
    parser.add_argument("--write", action="store_true", help="record the numbers instead of comparing")
    parser.add_argument("--run", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        return run_kernels()
    counts, compiler = count(), fastnn._core.build_config()["compiler"]
    if options.write:
        RECORD.write_text(json.dumps({"compiler": compiler, "counts": counts}, indent=2) + "\n")
        return print(f"{len(counts)} kernels written to {RECORD.name}")
    record: dict[str, Any] = json.loads(RECORD.read_text())
    if record["compiler"] != compiler:
        print(f"recorded with {record['compiler']}, built with {compiler}: some difference is the compilers'")
    worse = 0
    for kernel, now in counts.items():
        before = record["counts"].get(kernel)
        change = float("nan") if before is None else now / before - 1
        mark = (
            ""
            if before is not None and abs(change) <= MARGIN
            else "  <-- more"
            if before is None or change > 0
            else "  <-- fewer"
        )
        worse += mark.endswith("more")
        print(f"{kernel:20} {now:9.3f} instructions for each value, {change:+7.1%}{mark}")
    sys.exit(1 if worse else 0)


if __name__ == "__main__":
    main()
