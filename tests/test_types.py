"""The package's types: checkers accept a user's program and find each mistake."""

import importlib
import json
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fastnn

HERE = Path(__file__).parent
PACKAGE = Path(fastnn.__file__).parent
ROOT = HERE.parent
in_source = pytest.mark.skipif(not (ROOT / "tools").is_dir(), reason="needs the source tree")
PUBLIC = ["", ".functional", ".nn", ".nn.functional", ".nn.utils", ".optim", ".optim.lr_scheduler", ".data",
          ".data.transforms", ".training", ".metrics", ".plot", ".graph", ".inference", ".io"]  # fmt: skip


def by_mypy(file):
    """Lines with errors, as users see them with --strict."""
    pytest.importorskip("mypy")
    installed = "site-packages" in PACKAGE.parts
    environment = os.environ | ({} if installed else {"MYPYPATH": str(PACKAGE.parent)})
    command = ["-m", "mypy", "--strict", "--follow-imports=silent", "--config-file=", "--cache-dir", str(file.parent / "cache"), str(file)]  # fmt: skip
    done = subprocess.run([sys.executable, *command], env=environment, cwd=file.parent, capture_output=True, text=True)
    assert not done.stderr, done.stderr
    texts = [line for line in done.stdout.splitlines() if ": error: " in line]
    assert all(text.startswith(file.name) for text in texts), done.stdout
    return {int(text.split(":")[1]): text for text in texts}


def by_pyright(file):
    """Lines with errors; basedpyright is the same program, packed so that pip alone can install it."""
    names = ("pyright", "basedpyright")
    paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = next((found for found in (shutil.which(name, path=paths) for name in names) if found), None)
    if command is None:
        pytest.skip("needs pyright or basedpyright")
    options = {"typeCheckingMode": "standard", "extraPaths": [str(PACKAGE.parent)]}
    (file.parent / "pyrightconfig.json").write_text(json.dumps(options))
    done = subprocess.run([command, "--outputjson", "--pythonpath", sys.executable, str(file)], cwd=file.parent, capture_output=True, text=True)  # fmt: skip
    found = json.loads(done.stdout)["generalDiagnostics"]
    assert all(Path(each["file"]) == file for each in found)
    return {each["range"]["start"]["line"] + 1: each["message"] for each in found}


@pytest.fixture(params=[by_mypy, by_pyright])
def errors(request, tmp_path):
    """The errors of a program, by line."""

    def run(text):
        (tmp_path / "program.py").write_text(text)
        return request.param(tmp_path / "program.py")

    return run


def test_a_user_s_program_is_clean(errors):
    assert errors((HERE / "user_program.py").read_text()) == {}


def test_every_mistake_is_found(errors):
    text = (HERE / "user_mistakes.py").read_text()
    expected = {number for number, line in enumerate(text.splitlines(), 1) if "# mistake: " in line}
    assert len(expected) >= 20
    assert set(errors(text)) == expected


def test_every_public_name_is_exported(errors):
    lines = []
    for name in PUBLIC:
        module = importlib.import_module("fastnn" + name)
        lines += [f"from fastnn{name} import {each} as _{len(lines) + i}" for i, each in enumerate(module.__all__)]
        lines += [f"import fastnn{name}", *(f"print(fastnn{name}.{each})" for each in module.__all__)]
    assert len(lines) > 800
    assert errors("\n".join(lines) + "\n") == {}


@in_source
def test_the_stub_says_what_the_functions_say():
    """If this fails, a signature has changed: run `python tools/stubs.py`."""
    stubs = runpy.run_path(str(ROOT / "tools/stubs.py"))
    assert stubs["FILE"].read_text() == stubs["text"]()
    assert stubs["NAMES"].read_text() == stubs["names"]()


@in_source
def test_the_stub_knows_which_arguments_may_be_tensors():
    stub = (PACKAGE / "functional/__init__.pyi").read_text()
    for signature in (
        "def gelu(input: Tensor, approximate: str = 'none', *, out: Array | None = None) -> Tensor: ...",
        "def linear(input: _ArrayLike, weight: Tensor, bias: _ArrayLike | None = None, *, out: Array | None = None) -> Tensor: ...",
        "def group_norm(input: _ArrayLike, num_groups: int, weight: _ArrayLike | None = None, *, bias: Tensor, eps: float = 1e-05, out: Array | None = None) -> Tensor: ...",
        "def one_hot(tensor: _ArrayLike, num_classes: int = -1) -> Array: ...",
    ):
        assert stub.count(signature) == 1, signature
