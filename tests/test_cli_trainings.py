"""The files of `fastnn train`: models and checkpoints, their checks, and when an older one is replaced."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import GOOD, QUICK, ROWS, contents, refused, run, trained, write

import fastnn
from fastnn._cli import _sources, _table, _train, main

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_train, "draw", lambda *_: None)  # pictures take longer than all else


@pytest.mark.parametrize(
    ("part", "name", "value", "match"),
    [
        ("config", "sizes", [2, 10**9, 2], "sizes [2, 1000000000, 2] take 4,000,000,000 weights, but there are"),
        ("config", "sizes", [2, 10**15, 2], "weights, but there are"),
        ("config", "sizes", [2, 5, 2], "of shape (5, 2), got (4, 2)"),
        ("config", "sizes", [2], "expected sizes of two layers or more"),
        ("config", "sizes", "24", "expected sizes of two layers or more"),
        ("config", "sizes", [2, 4.0, 2], "expected sizes of two layers or more"),
        ("config", "activation", "rellu", "expected activation to be one of"),
        ("config", "norm", "none", "unexpected"),
        ("config", "norm", "nine", "expected norm to be none or one of batch, layer, switchable"),
        ("config", "dropout", 1, "expected dropout in [0, 1), got 1"),
        ("config", "kind", "tree", "expected a network of a kind among mlp, lenet, resnet20"),
        ("inputs", "source", "cifar", "expected data of a kind among digits"),
        ("inputs", "mean", [0.0], "expected means and deviations of 2 columns, got 1"),
        ("inputs", "mean", [0.0, float("nan")], "expected means that are finite"),
        ("inputs", "std", [0.0, 1.0], "deviations above 0"),
        ("inputs", "columns", ["a"], "expected means and deviations of 2 columns"),
        ("inputs", "classes", ["a"], "expected as many classes as the network's 2 outputs, got 1"),
        ("inputs", "classes", [1, 2], "expected classes to be a list of names"),
        ("model", "1.weight", None, "expected weights by name"),
    ],
)
def test_settings_are_compared_with_the_arrays(capsys, part, name, value, match):
    trained(capsys)
    content = fastnn.load("run/model.safetensors")
    content[part][name] = value
    fastnn.save(content, "lies.safetensors")
    told = refused(capsys, "predict", "lies.safetensors", "g.csv", "--out", "p.csv")
    assert told.startswith("fastnn predict: lies.safetensors was not written by `fastnn train`: ")
    assert match in told
    assert not os.path.exists("p.csv")


def test_a_model_without_the_newest_settings_is_read(capsys):
    trained(capsys)
    expected = run(capsys, "predict", "run/model.safetensors", "g.csv").out
    content = fastnn.load("run/model.safetensors")
    del content["config"]["kind"], content["inputs"]["header"]
    fastnn.save(content, "old.safetensors")
    assert run(capsys, "predict", "old.safetensors", "g.csv").out == expected
    told = refused(capsys, "predict", "run/checkpoint.safetensors", "g.csv")
    assert "checkpoint.safetensors is a checkpoint" in told


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--optimizer", "adagrad", "--activation", "rellu"), 1),
        (("--lr", "inf"), 2),
        (("--data", "none.csv"), 1),
        (("--target", "z"), 1),
        (("--header", "no", "--model", "mlp"), 1),
        (("--resume", "--seed", 1), 2),
        (("--task", "regression"), 1),
    ],
)
def test_a_refused_training_leaves_the_one_before_as_it_was(capsys, options, code):
    trained(capsys)
    before = contents()
    try:
        assert main([str(each) for each in ("train", "--data", "g.csv", *QUICK, *options)]) == code
    except SystemExit as stop:
        assert stop.code == code  # noqa: PT017
    assert "Traceback" not in capsys.readouterr().err
    assert contents() == before


def test_what_cannot_be_written_shows_before_the_training(capsys):
    trained(capsys)
    before = contents()
    (Path("run") / "history.csv").unlink()
    (Path("run") / "history.csv").mkdir()
    told = refused(capsys, "train", "--data", "g.csv", *QUICK)
    assert told == f"fastnn train: {Path('run/history.csv')} is a folder, where a file is to be written"
    assert contents() == {name: content for name, content in before.items() if name != "history.csv"}
    assert "g.csv: File exists" in refused(capsys, "train", "--data", "g.csv", *QUICK, "--out", "g.csv")
    os.mkdir("p.csv")
    told = refused(capsys, "predict", "run/model.safetensors", "g.csv", "--out", "p.csv")
    assert "expected a regular file, or none, to replace; got" in told
    assert "p.csv'" in told


def test_an_older_training_stays_until_the_first_epoch_is_finished(capsys, monkeypatch):
    trained(capsys)
    before = contents()

    def killed(*_):
        raise FloatingPointError("the loss is nan")

    with monkeypatch.context() as patch:
        patch.setattr(fastnn.training.CSVLogger, "on_epoch_end", killed)
        assert "the loss is nan" in refused(capsys, "train", "--data", "g.csv", *QUICK, "--seed", 1)
    assert contents() == before
    trained(capsys, "g.csv", None, "--resume")
    trained(capsys, "g.csv", None, "--seed", "1")
    assert json.loads((Path("run") / "options.json").read_text())["seed"] == 1


def test_a_class_is_learned_from_even_if_it_has_one_row(capsys):
    rare = "".join(f"{i},{i},rare {i}\n" for i in range(8))
    result, told = trained(capsys, "t.csv", "a,b,y\n" + rare + ROWS)
    moved = [line for line in told.splitlines() if "occurs among the held-out rows alone" in line]
    learned, held_out = (part.indices for part in fastnn.data.random_split(range(38), [0.8, 0.2], rng=0))
    lines = [i + 2 for i in held_out if i < 8]
    assert len(lines) > 0
    assert sorted(
        f"class rare {n - 2} occurs among the held-out rows alone: line {n} is learned from" for n in lines
    ) == sorted(line.split("t.csv: ")[1].split(", not")[0] for line in moved)
    assert result["data"].startswith(f"{len(learned) + len(lines)} samples to learn from")
    write("t.csv", "a,y\n" + "".join(f"{i},class {i}\n" for i in range(5)))
    assert "expected classes of more than one row" in refused(capsys, "train", "--data", "t.csv", *QUICK)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + "31,1,cat\n",
        lambda text: text.replace("29,", "29.5,"),
        lambda text: text.replace("0,0.5,dog\n", "0,0.5,cat\n"),
        lambda text: "a,b,y\n" + "".join(reversed(ROWS.splitlines(True))),
        lambda text: text.replace("a,b,y", "a,c,y"),
    ],
)
def test_resuming_asks_for_the_same_data(capsys, change):
    trained(capsys)
    before = contents()
    write("g.csv", change(GOOD))
    told = refused(capsys, "train", "--data", "g.csv", *QUICK, "--resume")
    assert told == "fastnn train: --resume: the data of g.csv are not those that the training in run began with"
    assert contents() == before
    assert trained(capsys, "g.csv", GOOD, "--resume")[0]["epochs"] == 1


def test_an_old_training_that_is_broken(capsys):
    trained(capsys)
    resume = ("train", "--data", "g.csv", *QUICK, "--resume")
    before, options = contents(), Path("run/options.json")
    for text, match in (
        ("{", "run/options.json, line 1, column 2: "),
        ("", "run/options.json, line 1, column 1: "),
        ("[]", "run/options.json: expected the options of a training, got list"),
        (b"\xff\xfe\0", "run/options.json is not JSON"),
        ("[" * 100_000, "run/options.json is not JSON"),
    ):
        write(options, text)
        assert match in refused(capsys, *resume).replace(os.sep, "/")
    lies = {**json.loads(before["options.json"]), "layers": [10**9]}
    write(options, json.dumps(lies))
    told = (
        refused(capsys, *resume[:-2], 10**9, "--resume")
        if resume[-2] == "--layers"
        else refused(capsys, "train", "--data", "g.csv", "--quiet", "--epochs", 1, "--layers", 10**9, "--resume")
    )
    assert "are not of one training" in told
    write(options, before["options.json"])
    state = fastnn.load("run/checkpoint.safetensors")
    for name, value, match in (
        ("model", {}, "sizes [2, 4, 2] take 16 weights, but there are 0 numbers"),
        ("optimizer", {}, "AdamW.load_state_dict"),
        ("history", 3, "does not hold this training's state"),
        ("epoch", "one", "expected numbers of epochs and steps, got 'one'"),
        ("data", [None], "expected the states of two loaders, got [None]"),
    ):
        fastnn.save({**state, name: value}, "run/checkpoint.safetensors")
        assert match in refused(capsys, *resume)
    for cut in (0, 100):
        write("run/checkpoint.safetensors", before["checkpoint.safetensors"][:cut])
        assert "checkpoint.safetensors' is not a safetensors file" in refused(capsys, *resume).replace(os.sep, "/")
    os.remove("run/checkpoint.safetensors")
    assert "checkpoint.safetensors: No such file" in refused(capsys, *resume)


@pytest.mark.parametrize("module", ["matplotlib", "tqdm"])
def test_training_where_a_library_is_missing_that_it_does_not_need(capsys, monkeypatch, module):
    for name in (module, f"{module}.figure", f"{module}.auto"):
        monkeypatch.setitem(sys.modules, name, None)
    write("g.csv", GOOD)
    shown = run(capsys, "train", "--data", "g.csv", "--epochs", 1, "--json", *["--quiet"] * (module == "matplotlib"))
    left_out = {"matplotlib": "the pictures curves.png, confusion.png", "tqdm": "the progress bar"}[module]
    assert f"fastnn train: left out {left_out}: " in shown.err
    assert f"needs {module}: pip install {module}\n" in shown.err
    assert ("curves.png" in json.loads(shown.out)["written"]) == (module == "tqdm")
    assert (Path("run") / "model.safetensors").exists()


def test_a_fault_that_nobody_foresaw_is_a_line_too(capsys, monkeypatch):
    def broken(*_):
        raise KeyError("x")

    monkeypatch.setattr(_train, "make_network", broken)
    told = refused(capsys, "train", "--data", write("g.csv", GOOD), *QUICK)
    assert told.startswith("fastnn train: KeyError: 'x' (")
    monkeypatch.setattr(_train, "make_network", lambda *_: bytearray(2**62))
    assert "out of memory" in refused(capsys, "train", "--data", "g.csv", *QUICK)


class Waves:
    """A kind of data that the program does not know: sequences, slow ones and fast ones."""

    layers, epochs, pictures = [16], 40, False

    def takes(self, name, source):
        return source.startswith("waves:")

    def make(self, count):
        y = np.arange(count) % 2
        return np.sin(np.arange(16) * (y[:, None] + 0.5) + RNG.normal(size=(count, 1))).astype(np.float32), y

    def split(self, options):
        parts = fastnn.data.random_split(fastnn.data.TensorDataset(*self.make(400)), [300, 100], rng=0)
        return _sources.Samples(*parts, _sources.Inputs("waves", [], [], classes=["slow", "fast"]), 16, "the same")

    def known(self, options, inputs):
        return [self.make(50), self.make(30)]

    def prepared(self, file, inputs):
        yield self.make(int(file))[0], _table.row_of()


def test_another_kind_of_data_is_a_row_of_the_table(capsys, monkeypatch):
    monkeypatch.setitem(_sources.KINDS, "waves", Waves())
    result = json.loads(run(capsys, "train", "--data", "waves:", "--quiet", "--json").out)
    assert result["model"].startswith("16 - 16 - 2,")
    assert result["epochs"] == 40
    measured = json.loads(run(capsys, "evaluate", "run/model.safetensors", "--data", "waves:", "--json").out)
    assert (measured["samples"], measured["accuracy"] > 0.9) == (80, True)
    assert len(run(capsys, "predict", "run/model.safetensors", "7").out.splitlines()) == 8


def test_options_that_cannot_be_honoured(capsys):
    np.savez("t.npz", x=np.ones((9, 2)), y=np.arange(9))
    assert "t.npz has no lines" in refused(capsys, "train", "--data", "t.npz", "--header", "no", *QUICK)
    for option in (("--target", "a"), ("--ignore", "a"), ("--header", "yes"), ("--task", "regression")):
        with pytest.raises(SystemExit):
            main(["train", "--data", "digits", *option])
        assert f"{option[0]}: expected " in capsys.readouterr().err
