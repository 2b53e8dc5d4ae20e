"""The race's pictures: a panel for each function that was raced, none that are empty."""

from pathlib import Path

import pytest

if not (Path(__file__).parent.parent / "bench").is_dir():
    pytest.skip("needs the source tree", allow_module_level=True)
plt = pytest.importorskip("matplotlib.pyplot")

from bench import report  # noqa: E402
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
