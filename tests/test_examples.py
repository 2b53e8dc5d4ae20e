"""The programs of examples/ run, in their short forms."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="needs the source tree")


def run(name, folder):
    program = [sys.executable, str(EXAMPLES / name), "--short"]
    done = subprocess.run(program, cwd=folder, env=os.environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_is_run():
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    for path in EXAMPLES.glob("*.py"):
        assert f'{path.name}"' in tests, path.name


def test_lines_of_text(tmp_path):
    text = run("lines_of_text.py", tmp_path)
    assert "288 lines to learn from, 72 held out" in text
    for name in ("LSTM", "LSTM, learned gates", "GRU", "GRU, learned gates", "transformer"):
        (found,) = [line for line in text.splitlines() if line.startswith(name.ljust(21))]
        assert 20 <= float(found.split("%")[0].split()[-1]) <= 100
    assert text.count("a from") == 2


def test_stream_prediction(tmp_path):
    text = run("stream_prediction.py", tmp_path)
    assert "streamed 1999 values" in text
    assert "the same bits as at once: True" in text
