"""`python -m bench.neighbours`: a frozen model beside neighbours, in a control group that has one processor of the machine's.

One model predicts 64 rows at a time: by fastnn with the threads that it chooses, by fastnn with two threads, by PyTorch with
the threads that it chooses.  Its neighbours are copies of itself behind HTTP (2 and 4 workers of gunicorn) and in joblib's
two processes, and PyTorch, which trains in the same process.  Needs Linux's control groups, gunicorn, joblib and torch.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from control_group import control_group, entering

ROOT = Path(__file__).resolve().parents[1]
NEIGHBOURS = ["none", "gunicorn 2", "gunicorn 4", "joblib 2", "PyTorch"]
ENGINES = {
    "fastnn": {"ENGINE": "fastnn"},
    "fastnn, 2 threads": {"ENGINE": "fastnn", "FASTNN_NUM_THREADS": "2"},
    "PyTorch": {"ENGINE": "torch"},
}
INPUTS, HIDDEN, OUTPUTS, ROWS = 256, 1024, 10, 64
WIDTHS = (INPUTS, HIDDEN, HIDDEN, OUTPUTS)


def weights() -> list[tuple[np.ndarray, np.ndarray]]:
    """Those of each linear layer; between them stands GELU."""
    rng = np.random.default_rng(0)
    return [
        (rng.normal(size=(n, k)).astype(np.float32) / np.float32(k**0.5), rng.normal(size=n).astype(np.float32))
        for k, n in itertools.pairwise(WIDTHS)
    ]


def predictor() -> Callable[[np.ndarray], np.ndarray]:
    """The model, by the library that the environment names."""
    layers: list = []
    if os.environ["ENGINE"] == "torch":
        import torch

        for weight, bias in weights():
            linear = torch.nn.Linear(*weight.shape[::-1])
            linear.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})
            layers += [linear, torch.nn.GELU()]
        model = torch.nn.Sequential(*layers[:-1]).eval()

        def predict(x: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                return model(torch.from_numpy(x)).numpy()

        return predict

    import fastnn
    from fastnn import nn

    for weight, bias in weights():
        layer = nn.Linear(*weight.shape[::-1])
        layer.load_state_dict({"weight": weight, "bias": bias})
        layers += [layer, nn.GELU()]
    return fastnn.freeze(nn.Sequential(*layers[:-1]))


def app(environ: dict, start_response: Callable) -> list[bytes]:
    """A WSGI application: rows of float32 in, scores out."""
    rows = np.frombuffer(environ["wsgi.input"].read(), np.float32).reshape(-1, INPUTS).copy()
    body = served(rows).tobytes()
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(len(body)))])
    return [body]


if "SERVED" in os.environ:  # in gunicorn's workers
    served = predictor()


class Watch:
    """What the processes of a group do from now on."""

    def __init__(self, folder: Path):
        self.folder, self.start = folder, time.perf_counter()
        self.threads, self.periods = self._threads(), self._periods()

    def _threads(self) -> dict[str, tuple[int, int]]:
        """Of each thread the nanoseconds that it ran, and how often it was put off a processor that it still wanted."""
        found = {}
        for process in (self.folder / "cgroup.procs").read_text().split():
            for thread in Path("/proc", process, "task").glob("*"):
                status = dict(line.split(":", 1) for line in (thread / "status").read_text().splitlines())
                ran = int((thread / "schedstat").read_text().split()[0])
                found[thread.name] = ran, int(status["nonvoluntary_ctxt_switches"])
        return found

    def _periods(self) -> tuple[int, int]:
        """The periods of 100 ms that began, and those in which the quota was used up and all processes stood still."""
        numbers = dict(line.split() for line in (self.folder / "cpu.stat").read_text().splitlines())
        return int(numbers["nr_periods"]), int(numbers["nr_throttled"])

    def stop(self) -> dict[str, float]:
        seconds = time.perf_counter() - self.start
        before = self.threads
        grown = [
            (ran - before.get(name, (0, 0))[0], switches - before.get(name, (0, 0))[1])
            for name, (ran, switches) in self._threads().items()
        ]
        periods, stopped = (now - then for now, then in zip(self._periods(), self.periods, strict=True))
        return {
            "threads": sum(ran > 0.02e9 * seconds for ran, _ in grown),
            "switches": sum(switches for _, switches in grown) / seconds,
            "stopped": stopped / max(periods, 1),
        }


def calls(seconds: float, beside: Callable[[], object] | None = None) -> list[float]:
    """The time that each call took; the neighbour of the same process works after each."""
    predict, x = predictor(), np.random.default_rng(1).normal(size=(ROWS, INPUTS)).astype(np.float32)
    found, end = [], time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        predict(x)
        found.append(time.perf_counter() - start)
        if beside:
            beside()
    return found


def training_step() -> Callable[[], object]:
    """PyTorch's, of a small network, with the threads that it chooses."""
    import torch

    model = torch.nn.Sequential(torch.nn.Linear(INPUTS, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, OUTPUTS))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    x, y = torch.randn(ROWS, INPUTS), torch.randint(0, OUTPUTS, (ROWS,))

    def step() -> None:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()

    return step


def within(neighbour: str, seconds: float, folder: Path) -> dict[str, float]:
    """The measurement inside the group, of one process or of joblib's two."""
    if neighbour.startswith("joblib"):
        import joblib

        with joblib.Parallel(n_jobs=2) as parallel:
            parallel(joblib.delayed(calls)(1) for _ in range(2))
            watch = Watch(folder)
            both = parallel(joblib.delayed(calls)(seconds) for _ in range(2))
            times = [*both[0], *both[1]]
            watched = watch.stop()
    else:
        beside = training_step() if neighbour == "PyTorch" else None
        calls(1, beside)
        watch = Watch(folder)
        times = calls(seconds, beside)
        watched = watch.stop()
    return {"rate": len(times) / seconds, "p99": sorted(times)[len(times) * 99 // 100]} | watched


def behind_http(workers: str, seconds: float, folder: Path, environment: dict[str, str]) -> dict[str, float]:
    """The measurement of gunicorn's workers in the group, by eight clients outside of it."""
    sys.path.insert(0, str(ROOT / "examples"))
    from ask import ask, started

    command = ["gunicorn", "--workers", workers, "--threads", "2", "--log-level", "error", "--bind", "127.0.0.1:{port}"]
    server, url = started(
        [*command, "bench.neighbours:app"], env=environment | {"SERVED": "1"}, cwd=ROOT, preexec_fn=entering(folder)
    )
    try:
        body = np.random.default_rng(1).normal(size=(ROWS, INPUTS)).astype(np.float32).tobytes()
        _, rate, _ = ask(url, body, 400, 8)
        watch = Watch(folder)
        _, rate, p99 = ask(url, body, max(400, round(rate * seconds)), 8)
        return {"rate": rate, "p99": p99} | watch.stop()
    finally:
        server.terminate()
        server.wait()


def measured(neighbour: str, engine: str, seconds: float) -> dict[str, float]:
    """One measurement in a group of its own."""
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("FASTNN_", "OMP_", "MKL_"))}
    environment = keep | ENGINES[engine] | {"OPENBLAS_NUM_THREADS": "1"}
    with control_group(1) as folder:
        if neighbour.startswith("gunicorn"):
            return behind_http(neighbour.split()[1], seconds, folder, environment)
        program = [sys.executable, "-W", "ignore", "-m", "bench.neighbours", "--within", neighbour, str(folder)]
        done = subprocess.run(
            [*program, "--seconds", str(seconds)], env=environment, cwd=ROOT, preexec_fn=entering(folder),
            stdout=subprocess.PIPE, check=True,
        )  # fmt: skip
        return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.neighbours", description=__doc__)
    parser.add_argument("neighbours", nargs="*", metavar="neighbour", help=f"some of: {', '.join(NEIGHBOURS)} (all)")
    parser.add_argument("--seconds", type=float, default=3, help="of one measurement (3)")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each, of which the best counts (3)")
    parser.add_argument("--within", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.within:
        print(json.dumps(within(options.within[0], options.seconds, Path(options.within[1]))))
        return
    print("| neighbour | who predicts | calls a second | p99 | threads at work | switches a second | stopped periods |")
    print("|---|---|---|---|---|---|---|")
    for neighbour in options.neighbours or NEIGHBOURS:
        found: dict[str, list] = {engine: [] for engine in ENGINES}
        for _ in range(options.rounds):
            for engine in ENGINES:  # in turn, so that what else the machine does meets all of them
                found[engine].append(measured(neighbour, engine, options.seconds))
        for engine, each in found.items():
            best = max(each, key=lambda one: one["rate"])
            print(
                f"| {neighbour} | {engine} | {best['rate']:,.0f} | {best['p99'] * 1e3:.1f} ms | {best['threads']:.0f} "
                f"| {best['switches']:,.0f} | {best['stopped']:.0%} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
