"""The parts of the build that fail most easily, and the C program that is built from the records."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from records import BY_NAME, IN_TABLE, NO_KERNEL, RECORDS

ROOT = Path(__file__).parent.parent
COMPILER = shutil.which("gcc") or shutil.which("clang")

WRAPPER = """#!/bin/sh
for argument in "$@"; do
    case "$argument" in -fopenmp*) echo "unrecognized option $argument" >&2; exit 1 ;; esac
done
exec {compiler} "$@"
"""

PROGRAM = """
import numpy as np, fastnn
from fastnn import _core
x = np.random.default_rng(0).normal(size=300_000).astype(np.float32)
one, two = fastnn.gelu(x[:1000]), fastnn.gelu(x)
assert (two[:1000] == one).all() and _core.team() == "own" and _core.team_size() == 1
print(fastnn.show_config())
"""


@pytest.mark.skipif(not (ROOT / "src_c").is_dir() or COMPILER is None, reason="needs the source tree and a compiler")
def test_a_compiler_without_openmp(tmp_path):
    pytest.importorskip("Cython")
    pytest.importorskip("setuptools")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    skip = shutil.ignore_patterns("*.so", "__pycache__", "_core.c")
    for name in ("fastnn", "src_c"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=skip)
    compiler = tmp_path / "compiler"
    compiler.write_text(WRAPPER.format(compiler=COMPILER))
    compiler.chmod(0o755)
    environment = os.environ | {"CC": str(compiler), "LDSHARED": f"{compiler} -shared", "FASTNN_CFLAGS": "-O1"}
    build = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    subprocess.run(build, cwd=tmp_path, env=environment, check=True, capture_output=True)
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "FASTNN_NUM_THREADS": "2"}
    for variable in ("FASTNN_THREADING", "FASTNN_ISA"):
        environment.pop(variable, None)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "no: the compiler does not know them" in done.stdout
    (library,) = (tmp_path / "fastnn").glob("_core*.so")  # beside its sources it keeps the names of its functions
    assert b"fnn_plan_run" in library.read_bytes()


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_every_record_says_how_c_calls_its_kernels(record):
    """C statements, another record's name that has some, or why there are none."""
    native = BY_NAME[record.native].native if record.native in BY_NAME else record.native
    assert ";" in native or native in (IN_TABLE, NO_KERNEL), (
        f"{record.name}: give its Record `native`: C calls of its kernels in the terms of tests/native/selftest.c"
    )


@pytest.mark.skipif(not (ROOT / "src_c").is_dir() or COMPILER is None, reason="needs the source tree and a compiler")
def test_the_c_calls_of_the_records_fit_the_kernels(tmp_path):
    calls = subprocess.run([sys.executable, ROOT / "tests/native/calls.py"], capture_output=True, text=True, check=True)
    (tmp_path / "calls.inc").write_text(calls.stdout)
    families = (ROOT / "tests/native/families.inc").read_text()
    ran = set(re.findall(r"RUN\((\w+)", calls.stdout + families))
    rows = set(
        re.findall(r"^OP\((\w+)", "".join(path.read_text() for path in (ROOT / "src_c/tables/ops").glob("*.def")), re.M)
    )
    assert rows == ran, (
        f"no C call of {sorted(rows - ran)}: `native` of the record in tests/records, or tests/native/families.inc"
    )
    flags = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", f"-I{ROOT / 'src_c'}", f"-I{tmp_path}"]
    done = subprocess.run([COMPILER, *flags, ROOT / "tests/native/selftest.c"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
