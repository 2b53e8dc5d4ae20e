"""The same bits for any thread count, thread team and FMA tier, whole training runs included."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import scripts
from records import BY_NAME

import fastnn
from fastnn import _core

HERE = Path(__file__).parent
TIERS = [name for name, runs in _core.ISA_TIERS if runs]
TEAMS = ["own", "openmp", "serial"]


def run(**environment):
    """What bits.py prints with these variables set: tier, team, threads, and the hash of everything."""
    return printed(**environment)[0]


def printed(**environment):
    """The lines of bits.py in words: what ran, then a hash for each record."""
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("FASTNN_", "OMP_"))}
    command = [sys.executable, str(HERE / "bits.py")]
    done = subprocess.run(command, env=keep | environment, capture_output=True, text=True, check=True)
    return [line.split() for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def reference():
    """The hashes of the best tier, one thread, by record."""
    return dict(printed(FASTNN_NUM_THREADS="1")[1:])


@pytest.mark.parametrize("team", TEAMS)
@pytest.mark.parametrize("threads", ["1", "2", "3", "7"])
def test_threads_and_teams(team, threads, reference):
    if team == "openmp" and not scripts.has_openmp():
        pytest.skip("no OpenMP runtime here")
    (_, ran, count, _), *lines = printed(FASTNN_NUM_THREADS=threads, FASTNN_THREADING=team)
    assert (ran, count) == (team, threads)
    assert dict(lines) == reference


@pytest.mark.parametrize("tier", TIERS)
def test_tiers(tier, reference):
    (ran, *_), *lines = printed(FASTNN_ISA=tier, FASTNN_NUM_THREADS="2")
    assert ran == tier
    if tier != "base":  # base has no fused multiply-add and rounds twice
        assert dict(lines) == reference


def test_every_record_is_hashed(reference):
    assert set(reference) == {*BY_NAME, "matmul", "optimizers", "training"}


def test_unknown_names_are_refused():
    for variable, value, text in (
        ("FASTNN_ISA", "sse9", "expected one of this machine's tiers"),
        ("FASTNN_THREADING", "tbb", "expected a thread team"),
        ("FASTNN_NUM_THREADS", "many", "expected an integer from 1 to 256, got 'many'"),
    ):
        with pytest.raises(subprocess.CalledProcessError) as error:
            run(**{variable: value})
        assert f"ImportError: {variable}: {text}" in error.value.stderr.replace("expected one", "expected one")


def test_the_best_tier_is_chosen():
    if "FASTNN_ISA" not in os.environ:
        assert fastnn.isa() == TIERS[0]


@pytest.mark.parametrize("tier", TIERS[1:])
def test_every_tier_passes_the_element_wise_tests(tier):
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", str(HERE / "test_elementwise.py")]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")} | {"FASTNN_ISA": tier}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=HERE)
    assert done.returncode == 0, done.stdout[-3000:]


def matrix(**environment):
    """The lines of matrix.py: tier, threads, layout, split, hash."""
    return [line.split() for line in scripts.python(str(HERE / "matrix.py"), **environment).splitlines()]


def test_layouts_and_splits_on_every_tier_with_any_threads():
    fused = [tier for tier in TIERS if tier != "base"]
    rows = [row for tier in fused for n in "1237" for row in matrix(FASTNN_ISA=tier, FASTNN_NUM_THREADS=n)]
    assert len(rows) == len(fused) * 4 * 4 * 3
    assert len({row[-1] for row in rows}) == 1, rows
    base = matrix(FASTNN_ISA="base", FASTNN_NUM_THREADS="2")
    assert len({row[-1] for row in base}) == 1, base
