"""The command line, the demonstration and the example, as a user runs them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXTRAS = ("sklearn", "matplotlib", "tqdm")


def run(*arguments, cwd, code=0, **environment):
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=os.environ | environment, capture_output=True, text=True
    )
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def fastnn(*arguments, cwd, code=0, **environment):
    return run("-m", "fastnn", *arguments, cwd=cwd, code=code, **environment)


def needs_extras():
    for name in EXTRAS:
        pytest.importorskip(name)


def test_info(tmp_path):
    text = fastnn("info", cwd=tmp_path, FASTNN_NUM_THREADS="3")
    for line in (
        "version",
        "instruction set",
        "threads because of      FASTNN_NUM_THREADS",
        "CPU quota",
        "compiler",
        "OpenMP runtimes loaded",
    ):
        assert line in text


def test_demo(tmp_path):
    needs_extras()
    texts = [
        fastnn("demo", "--quiet", "--out", name, cwd=tmp_path, FASTNN_NUM_THREADS=n)
        for name, n in (("a", "1"), ("b", "2"))
    ]
    for name, text in zip("ab", texts, strict=True):
        assert "reloaded:  predictions are bit-equal" in text
        assert "latency:" in text
        accuracy = float(text.split("accuracy:")[1].split("%")[0])
        assert accuracy >= 97
        for picture in ("curves.png", "confusion.png"):
            assert (tmp_path / name / picture).read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "a/weights.safetensors").read_bytes() == (tmp_path / "b/weights.safetensors").read_bytes()
    other = fastnn("demo", "--epochs", "1", "--seed", "5", "--out", "c", cwd=tmp_path)
    assert "1/1" in other  # the progress bar
    assert (tmp_path / "c/weights.safetensors").read_bytes() != (tmp_path / "a/weights.safetensors").read_bytes()


def test_wrong_use(tmp_path):
    assert "--epochs: expected at least 1, got 0" in fastnn("demo", "--epochs", "0", cwd=tmp_path, code=2)
    assert "usage:" in fastnn(cwd=tmp_path, code=2)
    assert "demo" in fastnn("--help", cwd=tmp_path)


def test_a_missing_extra_names_the_command(tmp_path):
    (tmp_path / "matplotlib.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'matplotlib'\", name='matplotlib')\n"
    )
    text = fastnn(
        "demo", cwd=tmp_path, code=1, PYTHONPATH=os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    )
    assert "fastnn demo needs matplotlib: pip install matplotlib\n" in text


def test_example(tmp_path):
    needs_extras()
    example = ROOT / "examples/digits.py"
    if not example.exists():
        pytest.skip("needs the source tree")
    text = run(str(example), cwd=tmp_path)
    assert float(text.split("accuracy ")[1].rstrip("%\n")) >= 96
    assert (tmp_path / "digits.safetensors").exists()
