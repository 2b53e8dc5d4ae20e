"""The accuracy certificate: its arithmetic, and a stride of it."""

import math
import re
import subprocess
import sys

import mpmath as mp
import numpy as np
import pytest

import fastnn
from fastnn import _core
from fastnn._certify import _measure, certify
from fastnn._cli import main
from fastnn._records import FORMULAS
from fastnn._records._formulas import Doubles, Multiple

HARD = np.array(
    [0.0, -0.0, 1e-45, -1e-45, 1.1754942e-38, -1.1754944e-38, 3.4028235e38, -3.4028235e38, math.inf, -math.inf, 0.5, -0.5,
     1, -1, 3, -3, 6, 8, 20, -17.5, 88.7, -88.72, -87.34, -103.9, -104.5, 1e19, -1e19, 2.0**60, -(2.0**65)],
    np.float32,
)  # fmt: skip
IDS = [formula.title for formula in FORMULAS]


def test_keys_are_in_the_order_of_values():
    keys = np.array([-0x7F800000, -1, 0, 1, 0x3F800000, 0x7F800000])
    np.testing.assert_array_equal(_measure.inputs(keys), [-np.inf, -np.float32(1e-45), 0, np.float32(1e-45), 1, np.inf])
    some = _measure.inputs(np.arange(-0x7F800000, 0x7F800001, 1_000_003))
    assert (np.diff(some) > 0).all()
    starts = _measure.starts(100_000)
    assert starts[0] == -(0x7F800000 // 100_000)


@pytest.mark.parametrize(
    ("got", "exact", "error"),
    [
        (1.0, 1 + 2.0**-24, 0.5),
        (1.0, 1 - 2.0**-24, 1.0),
        (0.0, 2.0**-150, 0.5),
        (2.0**-149, 3 * 2.0**-150, 0.5),
        (-2.0, -2 - 2.0**-20, 4),
        (math.inf, 2.0**128, 0),
        (math.inf, 2.0**128 - 2.0**103, 0),
        (math.inf, 2.0**127, math.inf),
        (3.4028235e38, 2.0**128, math.inf),
        (-math.inf, 1e300, math.inf),
        (math.nan, 1, math.inf),
        (0, 0, 0),
    ],
)
def test_ulps(got, exact, error):
    assert _measure.ulps(np.array([got], np.float32), np.array([exact], np.float64))[0] == error


@pytest.mark.parametrize("formula", FORMULAS, ids=IDS)
def test_formulas_in_double_are_those_in_multiple_precision(formula):
    """Within 2^-40: nothing beside half an ULP of float32."""
    multiple = Multiple()
    x = _measure.inputs(np.concatenate([np.arange(-0x7F7FFFFF, 0x7F800000, 0x7F800000 // 150)])).astype(np.float64)
    for rule in (formula.value, formula.slope):
        with np.errstate(all="ignore"):
            doubles = np.broadcast_to(rule(Doubles, x), x.shape)
        for at, got in zip(x, doubles, strict=True):
            exact = rule(multiple, multiple.context.mpf(float(at)))
            assert abs(got - exact) <= abs(exact) * mp.mpf(2) ** -40 + mp.mpf(2) ** -190, float(at)


@pytest.mark.parametrize("formula", FORMULAS, ids=IDS)
@pytest.mark.parametrize("slope", [False, True], ids=["value", "derivative"])
def test_a_stride_of_the_certificate(formula, slope):
    function = (_measure.slope_of if slope else _measure.value_of)(formula)
    result = _measure.tally(formula, function, slope, 40_009, lambda _: None)
    result.join(
        _measure.tally_part(formula, function, slope, np.unique(HARD.view(np.int32).astype(np.int64) & 0x7FFFFFFF))
    )
    result.join(
        _measure.tally_part(formula, function, slope, np.unique(-(HARD.view(np.int32).astype(np.int64) & 0x7FFFFFFF)))
    )
    assert result.inputs > 2 * 0x7F800000 // 40_009
    assert result.holds, f"{formula.title}: {result.fault}"


@pytest.mark.parametrize("formula", FORMULAS, ids=IDS)
def test_nan_stays_nan(formula):
    x = np.concatenate([np.arange(0x7F800001, 0x80000000, 99_991), np.arange(0xFF800001, 0x100000000, 99_991)])
    assert np.isnan(_measure.value_of(formula)(x.astype(np.uint32).view(np.float32))).all()


def test_every_element_wise_function_is_certified():
    names = {formula.name for formula in FORMULAS}
    assert {{"gelu_tanh": "gelu"}.get(row, row) for row in _core.ACTS} <= names


def test_a_wrong_kernel_is_seen(monkeypatch, capsys):
    monkeypatch.setattr(fastnn, "tanh", lambda x: np.tanh(x) * np.float32(1 + 2e-6))
    assert not certify(["tanh"], stride=1_000_003, quiet=True)
    out = capsys.readouterr().out
    assert re.search(
        r"^tanh, value: [\d,]+ of 4,281 results are more than 2 ULP off, the worst by \d+\.?\d* ULP at x = ", out, re.M
    )
    assert re.search(r"^tanh, derivative: an absolute error of \S+ at x = \S+ exceeds 1\.19e-07$", out, re.M)
    assert "BROKEN: 4 exceed their bounds" in out


@pytest.mark.parametrize("formula", [f for f in FORMULAS if f.activation.roots], ids=lambda f: f.title)
def test_only_small_derivatives_next_to_a_root_are_bounded_absolutely(formula):
    """Densely about each root; the absolute bound is what 4 ULP are where the zone ends, which bounds a steeper error."""
    function = _measure.slope_of(formula)
    for root in formula.activation.roots:
        ends = np.float32([root - 0.3, root + 0.3]).view(np.int32).astype(np.int64) & 0x7FFFFFFF
        keys = -np.arange(ends[1], ends[0], 31)[::-1]
        result = _measure.tally_part(formula, function, True, keys)
        assert result.holds, result.fault
        x = _measure.inputs(keys).astype(np.float64)
        slopes = formula.slope(Doubles, x)
        zone = _measure.near_root(formula, x, slopes)
        assert zone.any()
        assert np.abs(slopes[zone]).max() < 2.0**-4
        assert result.inputs == len(keys)
        off = lambda x: function(x) + np.float32(2.0**-24)  # 8 ULP at 2^-4  # noqa: E731
        assert not _measure.tally_part(formula, off, True, keys).holds


def test_command(capsys, tmp_path):
    table = tmp_path / "table.md"
    command = [sys.executable, "-m", "fastnn", "certify", "silu", "--stride", "4000037", "--peers", "--quiet"]
    done = subprocess.run(
        [*command, "--out", str(table)], capture_output=True, text=True
    )  # apart: it imports the peers
    assert done.returncode == 0, done.stderr
    assert "every bound holds" in done.stdout
    lines = table.read_text().splitlines()
    assert lines[0].startswith("| function | of |")
    assert any("numpy" in line for line in lines)
    with pytest.raises(SystemExit) as stop:
        main(["certify", "frelu"])
    assert stop.value.code == 2
    assert "expected names of" in capsys.readouterr().err
