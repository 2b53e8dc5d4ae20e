"""`fastnn profile`: the script runs as it would alone, then come its table, trace and picture."""

import json
import sys

import pytest
from commands import refused, run, write

from fastnn import _core

SCRIPT = """
import sys
import numpy as np
import fastnn
import beside
print(__name__, sys.argv, beside.NAME)
model = fastnn.nn.Sequential(fastnn.nn.Linear(4, 3), fastnn.nn.ReLU())
for _ in range(int(sys.argv[1])):
    model(np.ones((2, 4), np.float32)).sum().backward()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("beside.py", "NAME = 'beside'")
    write("script.py", SCRIPT)
    yield tmp_path
    sys.modules.pop("beside", None)
    assert (_core.observers, _core.log_read(0)) == ([], 0)


def test_a_script(capsys, folder):
    before = sys.argv[:], sys.path[:]
    shown = run(capsys, "profile", "--trace", "out/run.json", "--sort", "calls", "script.py", 3, "--rows", "x").out
    lines = shown.splitlines()
    assert lines[0] == "__main__ ['script.py', '3', '--rows', 'x'] beside"
    counts = [(line.split()[0], line.split()[1]) for line in lines[2:-2] if line.split()[1].isdigit()]
    assert counts.count(("Sequential", "3")) == counts.count(("np.sum", "3")) == 1
    assert any(line.split()[:4] == ["linear", "backward", "0", "3"] for line in lines)
    names = [each["name"] for each in json.loads((folder / "out/run.json").read_text())["traceEvents"]]
    assert names.count("relu backward") == 3
    assert (sys.argv, sys.path) == before
    assert (
        len(run(capsys, "profile", "--by", "name", "--rows", 2, "script.py", 1).out.splitlines()) == 1 + 1 + 2 + 1 + 2
    )


def test_a_picture(capsys, folder):
    pytest.importorskip("matplotlib")
    run(capsys, "profile", "--picture", "run.png", "script.py", 1)
    assert (folder / "run.png").read_bytes()[:4] == b"\x89PNG"


def test_scripts_that_end_early(capsys):
    for text, code, said in (
        ("raise SystemExit(3)", 3, ""),
        ("import sys; sys.exit('gone')", 1, "gone\n"),
        ("raise KeyboardInterrupt", 130, ""),
        ("def f():\n    return 1 / 0\nf()", 1, "ZeroDivisionError: division by zero\n"),
    ):
        write("ends.py", f"import fastnn; fastnn.relu([1.0])\n{text}\n")
        from fastnn._cli import main

        assert main(["profile", "ends.py"]) == code
        shown = capsys.readouterr()
        assert shown.out.splitlines()[1].split()[:2] == ["relu", "1"]
        assert shown.err.endswith(said)
        assert "runpy" not in shown.err


def test_warnings_stay_the_scripts(capsys):
    write("warns.py", "import numpy as np\nnp.geterr()['divide'] == 'warn' or 1 / 0\n")
    run(capsys, "profile", "warns.py")


def test_what_cannot_be_done_is_said_before_the_script_runs(capsys, folder):
    write("touch.py", "open('ran', 'w')")
    assert refused(capsys, "profile", "nowhere.py") == "fastnn profile: nowhere.py: No such file or directory"
    (folder / "taken").mkdir()
    assert "taken is a folder" in refused(capsys, "profile", "--trace", "taken", "touch.py")
    with pytest.raises(SystemExit):
        run(capsys, "profile", "--picture", "noend", "touch.py")
    assert not (folder / "ran").exists()
