"""The race's verdicts, and its pictures: a panel for each function that was raced, none that are empty."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

if not (Path(__file__).parent.parent / "bench").is_dir():
    pytest.skip("needs the source tree", allow_module_level=True)
plt = pytest.importorskip("matplotlib.pyplot")

from bench import race, report  # noqa: E402
from bench.race import Result  # noqa: E402


def raced(name, peers=True):
    others = {"numpy": [2e-3, 3e-3]} if peers else {}
    return [
        Result(f"forward {name} defaults {n}", "forward", 1.0, {"fastnn": [1e-3 * n, 2e-3 * n], **others})
        for n in (100, 10_000)
    ]


@pytest.mark.parametrize(
    ("names", "lines", "columns"),
    [
        (["gelu"], 1, 1),
        (["gelu", "silu"], 1, 2),
        (["relu", "gelu", "silu", "tanh"], 2, 3),
        (["relu", "sigmoid", "tanh", "gelu", "silu", "softplus"], 2, 3),
    ],
)
def test_a_panel_for_each_function(names, lines, columns, tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(plt, "close", figures.append)
    written = report.pictures([row for name in names for row in raced(name)], tmp_path)
    assert [path.name for path in written] == ["ratios.png", "sizes.png"]
    assert all(path.is_file() for path in written)
    curves = figures[1]
    assert [axes.get_title() for axes in curves.axes] == [
        name for name in ("relu", "sigmoid", "tanh", "gelu", "silu", "softplus") if name in names
    ]
    assert all(axes.lines for axes in curves.axes)
    grid = curves.axes[0].get_gridspec()
    assert (grid.nrows, grid.ncols) == (lines, columns)


def test_nothing_to_show_is_not_drawn(tmp_path):
    assert [path.name for path in report.pictures(raced("gelu", peers=False), tmp_path)] == ["sizes.png"]
    assert report.pictures([], tmp_path) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sizes.png"]


@pytest.mark.parametrize(
    ("peers", "verdict", "ratio"),
    [
        ({"numpy": [2.0, 2.2, 1.8, 2.1]}, "ahead", 2.05),
        ({"numpy": [0.5, 0.6, 0.4, 0.5]}, "behind", 0.5),
        ({"numpy": [0.5, 2.0, 0.5, 2.0]}, "too noisy to say", 1.25),
        ({"numpy": [2.0, 2.0, 2.0, 2.0], "torch": [0.9, 0.9, 0.8, 1.1]}, "behind", 0.9),
        ({"numpy": [2.0, 2.0, 2.0, 2.0], "torch": [0.9, 1.2, 1.2, 0.9]}, "too noisy to say", 1.05),
        ({"copy": [0.1, 0.1, 0.1, 0.1], "openmp": [0.1, 0.1, 0.1, 0.1]}, None, None),
    ],
)
def test_a_verdict_is_what_three_quarters_of_the_pairs_agree_on(peers, verdict, ratio):
    result = Result("row", "kind", 1.0, {"fastnn": [1.0, 1.0, 1.0, 1.0], **peers})
    assert result.verdict == verdict
    assert result.ratio == (None if ratio is None else pytest.approx(ratio))
    slow = Result("row", "kind", 1.0, {name: [7 * time for time in times] for name, times in result.times.items()})
    assert (slow.verdict, slow.ratio) == (verdict, None if ratio is None else pytest.approx(ratio))


def test_rounds_are_put_together(tmp_path):
    first, second = (
        Result("row", "kind", 1.0, {"fastnn": [1.0, 1.0], "torch": [t, t], "jax": [3.0, 3.0]}) for t in (2.0, 4.0)
    )
    del second.times["jax"]
    second.refusals["jax"] = "not today"
    first.add(second)
    assert first.times == {"fastnn": [1.0] * 4, "torch": [2.0, 2.0, 4.0, 4.0]}
    assert first.ratio == 3.0
    report.save([first], tmp_path)
    assert "1 rows with a rival: 1 ahead" in (tmp_path / "results.md").read_text()
    assert report.agreement([first], tmp_path / "results.json") == "1 of 1 verdicts are the same"
    first.times["torch"] = [0.5] * 4
    assert report.agreement([first], tmp_path / "results.json").splitlines()[1:] == ["row: ahead, now behind"]


def test_the_switches_of_avx2():
    """Every library that is raced in AVX2 has a switch of its own, and NumPy's names what this NumPy has."""
    assert race.avx2_only("fastnn")["FASTNN_ISA"] == "avx2"
    assert race.avx2_only("numpy")["OPENBLAS_CORETYPE"] == "Haswell"
    assert "onnxruntime" not in race.AVX2_ONLY
    names = race.avx2_only("copy")["NPY_DISABLE_CPU_FEATURES"]
    code = "import numpy, sys; from numpy._core._multiarray_umath import __cpu_features__ as f; print(sum(f[n] for n in sys.argv[1:]))"
    run = [sys.executable, "-W", "error", "-c", code, *names.split()]
    found = subprocess.run(run, env={**os.environ, "NPY_DISABLE_CPU_FEATURES": names}, capture_output=True, text=True)
    assert (found.stdout.strip(), found.stderr) == ("0", "")
