"""The build, where it is most likely to go wrong: a compiler that knows nothing of OpenMP."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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
