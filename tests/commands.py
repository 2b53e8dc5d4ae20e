"""Commands as a user gives them, for the tests of the command line."""

import json
from pathlib import Path

import fastnn
from fastnn._cli import main

QUICK = ("--quiet", "--epochs", 1, "--layers", "4")
ROWS = "".join(f"{i * 11 % 30},{i * i % 7}.5,{'cat' if i % 2 else 'dog'}\n" for i in range(30))
GOOD = "a,b,y\n" + ROWS


def write(name, content):
    with open(name, "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())
    return name


def run(capsys, *arguments, code=0):
    assert main([str(each) for each in arguments]) == code
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err
    return shown


def refused(capsys, *arguments):
    """The one line in which a command ends."""
    shown = run(capsys, *arguments, code=1)
    assert shown.out == ""
    return shown.err.splitlines()[-1]  # above it may stand what a table was taken for


def trained(capsys, name="g.csv", content=GOOD, *options):
    """Train on a file; the answer."""
    if content is not None:
        write(name, content)
    shown = run(capsys, "train", "--data", name, *QUICK, "--json", *options)
    return json.loads(shown.out), shown.err


def inputs_of(path="run/model.safetensors"):
    return fastnn.load(path)["inputs"]


def contents(path="run"):
    return {file.name: file.read_bytes() for file in Path(path).iterdir() if file.is_file()}
