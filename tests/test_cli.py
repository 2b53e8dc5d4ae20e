"""The command line: training from each kind of data, using what was trained, pictures, exit codes."""

import csv
import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from test_datasets import binary_root

import fastnn
from fastnn._cli import main, make_parser
from fastnn._cli._sources import classes_of, read_rows
from fastnn.training._mlp import OPTIMIZERS

pytest.importorskip("matplotlib")
pytest.importorskip("tqdm")
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys, *arguments, code=0):
    assert main([str(each) for each in arguments]) == code
    return capsys.readouterr()


def usage(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        main([str(each) for each in arguments])
    assert stop.value.code == 2
    return capsys.readouterr().err


def table(path, header, rows):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([header, *rows] if header else rows)


def flowers(path="iris.csv"):
    from sklearn.datasets import load_iris

    x, y = load_iris(return_X_y=True)
    names = ["setosa", "versicolor", "virginica"]
    table(path, ["a", "b", "species", "c", "d"], [[*r[:2], names[k], *r[2:]] for r, k in zip(x, y, strict=True)])
    return x, np.array(names)[y]


def test_a_table_of_classes(capsys):
    pytest.importorskip("sklearn")
    _, labels = flowers()
    shown = run(capsys, "train", "--data", "iris.csv", "--target", "species", "--quiet", "--json", "--out", "run")
    result = json.loads(shown.out)
    assert result["held-out accuracy"] > 0.85
    assert result["model"].startswith("4 - 128 - 64 - 3,")
    for name in ("model.safetensors", "checkpoint.safetensors", "history.csv", "curves.png", "confusion.png"):
        assert name in result["written"]
    measured = json.loads(run(capsys, "evaluate", "run/model.safetensors", "--data", "iris.csv", "--json").out)
    assert measured["accuracy"] > 0.9
    rows = list(csv.DictReader(run(capsys, "predict", "run/model.safetensors", "iris.csv").out.splitlines()))
    assert np.mean([row["label"] == label for row, label in zip(rows, labels, strict=True)]) == measured["accuracy"]
    assert float(rows[0]["setosa"]) + float(rows[0]["versicolor"]) + float(rows[0]["virginica"]) == pytest.approx(
        1, abs=1e-4
    )
    run(capsys, "predict", "run/model.safetensors", "iris.csv", "--out", "p.npz")
    with np.load("p.npz") as arrays:
        assert arrays["output"].shape == (150, 3)
        assert (arrays["classes"][arrays["label"]] == [row["label"] for row in rows]).all()
    again = run(capsys, "train", "--data", "iris.csv", "--target", "species", "--quiet", "--out", "b").out
    assert "held-out accuracy:" in again
    a, b = (fastnn.load(f"{name}/model.safetensors")["model"] for name in ("run", "b"))
    assert all((a[key] == b[key]).all() for key in a)  # one seed, one result


def test_a_table_of_numbers(capsys):
    x = RNG.normal(50, 10, (400, 3))
    y = 1e6 + 1000 * (x[:, 0] - 2 * x[:, 1])
    table("t.csv", ["u", "v", "w", "price"], np.column_stack([x, y]).tolist())
    run(
        capsys,
        "train",
        "--data",
        "t.csv",
        "--quiet",
        "--epochs",
        200,
        "--lr",
        0.01,
        "--dropout",
        0,
        "--norm",
        "none",
        "--layers",
        "32",
    )
    measured = json.loads(run(capsys, "evaluate", "run/model.safetensors", "--data", "t.csv", "--json").out)
    assert measured["r2"] > 0.98
    assert measured["mae"] < 5000
    table("shuffled.csv", ["w", "price", "u", "v"], np.column_stack([x[:, 2], y, x[:, :2]]).tolist())
    first, second = (run(capsys, "predict", "run/model.safetensors", name).out for name in ("t.csv", "shuffled.csv"))
    assert first == second  # columns go by their names
    assert first.splitlines()[0] == "price"
    assert abs(float(first.splitlines()[1]) - y[0]) < 30000


def test_arrays(capsys):
    x = RNG.normal(size=(300, 2, 4)).astype(np.float32)
    np.savez("a.npz", x=x, y=(x.sum((1, 2)) > 0).astype(int))
    run(capsys, "train", "--data", "a.npz", "--quiet", "--epochs", 20, "--activation", "gelu", "--norm", "layer")
    assert (
        json.loads(run(capsys, "evaluate", "run/model.safetensors", "--data", "a.npz", "--json").out)["accuracy"] > 0.9
    )
    lines = run(capsys, "predict", "run/model.safetensors", "a.npz").out.splitlines()
    assert lines[0] == "label,0,1"
    assert len(lines) == 301


def test_images_with_all_options(capsys):
    pytest.importorskip("sklearn")
    pytest.importorskip("tensorboardX")
    run(
        capsys, "train", "--data", "digits", "--quiet", "--epochs", 12, "--layers", "64", "--activation", "mish", "--norm",
        "switchable", "--optimizer", "sgd", "--scheduler", "onecycle", "--max-grad-norm", 5, "--tensorboard", "--patience", 20,
        "--workers", 0, "--out", "d",
    )  # fmt: skip
    assert (
        json.loads(run(capsys, "evaluate", "d/model.safetensors", "--data", "digits", "--json").out)["accuracy"] > 0.9
    )
    from fastnn.data import Digits

    np.savez("x.npz", x=Digits(train=False).data)
    run(capsys, "predict", "d/model.safetensors", "x.npz", "--out", "p.csv")
    with open("p.csv") as file:
        labels = [int(row["label"]) for row in csv.DictReader(file)]
    assert (np.array(labels) == Digits(train=False).targets).mean() > 0.9


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
def test_one_cycle_goes_with_every_optimizer(capsys, optimizer):
    numbers_table()
    run(capsys, "train", "--data", "t.csv", "--quiet", "--epochs", 2, "--optimizer", optimizer, "--scheduler", "onecycle")  # fmt: skip
    with open("run/history.csv") as file:
        rates = [float(row["lr"]) for row in csv.DictReader(file)]
    assert len(set(rates)) == 2


@pytest.mark.filterwarnings("default")
def test_cifar_files(capsys, tmp_path):
    binary_root(tmp_path / "data", ["data_batch_1.bin", "test_batch.bin"], n=150)
    shown = run(capsys, "train", "--data", "cifar10", "--quiet", "--epochs", 2, "--layers", "32")
    assert "fastnn train: CIFAR10: found 1 of 5 training files" in shown.err
    assert "3072 - 32 - 10" in shown.out
    assert (tmp_path / "run/predictions.png").read_bytes()[:4] == b"\x89PNG"
    assert len((tmp_path / "run/history.csv").read_text().splitlines()) == 3


def test_resume(capsys):
    pytest.importorskip("sklearn")
    options = ("train", "--data", "digits", "--quiet", "--layers", "16", "--epochs", 6, "--scheduler", "step")
    run(capsys, *options, "--out", "whole")
    code = "import sys; from fastnn._cli import main; from fastnn.training import _trainer\n" \
           "class Kill(_trainer.Callback):\n    def on_checkpoint(self, t):\n        if t.epoch == 3: raise SystemExit\n" \
           "init = _trainer.Trainer.__init__\n" \
           "def patched(self, *a, callbacks=(), **k): init(self, *a, callbacks=[*callbacks, Kill()], **k)\n" \
           "_trainer.Trainer.__init__ = patched\nmain(sys.argv[1:])"  # fmt: skip
    subprocess.run([sys.executable, "-c", code, *map(str, options), "--out", "part"], check=True)
    shown = run(capsys, *options, "--out", "part", "--resume", "--json")
    assert json.loads(shown.out)["epochs"] == 6
    a, b = (fastnn.load(f"{name}/model.safetensors")["model"] for name in ("whole", "part"))
    assert all((a[key] == b[key]).all() for key in a)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_control_c_keeps_what_was_learned(tmp_path):
    pytest.importorskip("sklearn")
    code = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\nfrom fastnn._cli import main\nsys.exit(main())"
    arguments = ["train", "--data", "digits", "--epochs", "100000", "--quiet", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "run/history.csv").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert json.loads(out)["interrupted"] is True
    assert (tmp_path / "run/model.safetensors").exists()


def test_plot_and_bench(capsys, tmp_path):
    assert run(capsys, "plot", "activation", "gelu", "LeakyReLU", "--out", "a.svg").out == "a.svg\n"
    assert b"<svg" in (tmp_path / "a.svg").read_bytes()
    table("h.csv", ["epoch", "loss", "val_loss"], [[1, 2.0, 2.1], [2, 1.0, 1.5]])
    run(capsys, "plot", "history", "h.csv")
    assert (tmp_path / "plot.png").read_bytes()[:4] == b"\x89PNG"
    timed = json.loads(run(capsys, "bench", "relu", "gelu", "--size", 1000, "--json").out)
    assert set(timed["functions"]) == {"relu", "gelu"}
    assert timed["functions"]["relu"]["ratio"] > 0
    assert "ratio" in run(capsys, "bench", "tanh", "--size", 100).out


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("train", "--data", "no.csv"), "fastnn train: no.csv: No such file"),
        (("train", "--data", "bad.csv"), "bad.csv, line 3: expected 2 cells, got 3"),
        (("train", "--data", "words.csv", "--target", "y", "--model", "mlp"), "words.csv, column x: expected numbers, got 'cat'"),
        (("train", "--data", "words.csv", "--target", "z"), "words.csv has no column z; it has x, y"),
        (("train", "--data", "words.csv", "--target", "x", "--task", "regression"), "expected numbers to predict, got 'cat'"),
        (("train", "--data", "empty.csv"), "empty.csv is empty"),
        (("train", "--data", "one.csv"), "at least two classes, got 1"),
        (("train", "--data", "digits", "--activation", "rellu", "--quiet"), "expected activation to be one of"),
        (("train", "--data", "digits", "--resume", "--quiet"), "--resume: found no training in run"),
        (("train", "--data", "cifar10", "--root", "no"), "CIFAR10: could not download"),
        (("evaluate", "words.csv", "--data", "digits"), "words.csv' is not a safetensors file"),
        (("evaluate", "foreign.safetensors", "--data", "digits"), "was not written by `fastnn train`"),
        (("predict", "model.safetensors", "words.csv"), "words.csv has no column a, b, c, d; it has x, y"),
        (("evaluate", "model.safetensors", "--data", "digits"), "the model learned from table, not from digits"),
        (("evaluate", "model.safetensors", "--data", "words.csv"), "words.csv has no column species"),
        (("plot", "history", "words.csv"), "words.csv is not a history"),
        (("plot", "activation", "rellu"), "expected activations or their names, got 'rellu'"),
    ],
)  # fmt: skip
def test_failures_are_told_and_end_with_1(capsys, monkeypatch, arguments, match):
    pytest.importorskip("sklearn")
    pytest.importorskip("pooch")
    from fastnn.data import CIFAR10

    monkeypatch.setattr(CIFAR10, "url", "http://127.0.0.1:9/cifar-10-binary.tar.gz")
    table("bad.csv", ["x", "y"], [[1, 2], [1, 2, 3]])
    table("words.csv", ["x", "y"], [["cat", 2], ["dog", 3]])
    table("one.csv", ["x", "y"], [[1, 2], [2, 2]])
    open("empty.csv", "w").close()
    fastnn.save({"a": np.ones(2)}, "foreign.safetensors")
    if "model.safetensors" in arguments:
        flowers()
        run(capsys, "train", "--data", "iris.csv", "--target", "species", "--quiet", "--epochs", 1, "--out", ".")
    shown = run(capsys, *arguments, code=1)
    assert match in shown.err
    assert "Traceback" not in shown.err


def test_wrong_use_ends_with_2(capsys):
    assert "the following arguments are required: COMMAND" in usage(capsys)
    assert "expected at least 1, got 0" in usage(capsys, "train", "--data", "digits", "--epochs", 0)
    assert "expected sizes such as 256,128, got 'big'" in usage(capsys, "train", "--data", "digits", "--layers", "big")
    assert "expected a number, got 'x'" in usage(capsys, "train", "--data", "digits", "--lr", "x")
    assert "--data: expected digits, mnist" in usage(capsys, "train", "--data", "foo.bin")
    assert "expected names of" in usage(capsys, "bench", "rellu")
    assert "--dropout: expected less than 1" in usage(capsys, "train", "--data", "digits", "--dropout", 1)


def test_help_teaches_by_example(capsys):
    for command in ("train", "evaluate", "predict", "plot", "bench", "certify"):
        with pytest.raises(SystemExit) as stop:
            main([command, "--help"])
        assert stop.value.code == 0
        text = capsys.readouterr().out
        assert "examples:" in text
        for line in text.split("examples:")[1].splitlines():
            if line.strip().startswith("fastnn"):
                words = line.split("  ")[1].split(">")[0].split()
                make_parser().parse_args(words[1:])  # each example is right


def test_tables(tmp_path):
    (tmp_path / "a.csv").write_text("1,2\n3,4\n\n5,6\n")
    assert list(read_rows(tmp_path / "a.csv")) == [(["0", "1"], [["1", "2"], ["3", "4"], ["5", "6"]])]
    (tmp_path / "b.csv").write_text("x\n" + "1\n" * 10_000, encoding="utf-8-sig")
    parts = list(read_rows(tmp_path / "b.csv"))
    assert parts[0][0] == ["x"]
    assert [len(rows) for _, rows in parts] == [4096, 4096, 1808]
    assert classes_of(np.array(["b", "a"]), "auto") == ["a", "b"]
    assert classes_of(np.array(["10", "9"]), "auto") == ["9", "10"]
    assert classes_of(np.arange(30), "auto") == []
    assert classes_of(np.array([0.5, 1.0]), "auto") == []
    assert classes_of(np.arange(3), "regression") == []
    assert classes_of(np.arange(30), "classification")[-1] == "29"
    assert classes_of(np.array(["007", "1", "1.0", "7"]), "auto") == ["1", "007", "7"]


def numbers_table(path="t.csv", n=60):
    x = RNG.normal(size=(n, 2))
    table(path, ["u", "v", "y"], np.column_stack([x, x @ [1, -2]]).tolist())
    return x


def test_what_is_held_out_tells_nothing(capsys):
    """Means and deviations are those of the rows that are learned from."""
    x = numbers_table()
    x[:, 0] += 100 * (np.arange(60) == 3)
    table("t.csv", ["u", "v", "y"], np.column_stack([x, x[:, 1]]).tolist())
    run(capsys, "train", "--data", "t.csv", "--quiet", "--epochs", 1)
    learned = fastnn.data.random_split(range(60), [0.8, 0.2], rng=0)[0].indices
    saved = fastnn.load("run/model.safetensors")["inputs"]
    np.testing.assert_allclose(saved["mean"], x[learned].mean(0))
    np.testing.assert_allclose(saved["target_std"], x[learned, 1].std())


def test_resuming_asks_for_the_same_options(capsys):
    numbers_table()
    begin = ["train", "--data", "t.csv", "--quiet", "--epochs", "2"]
    run(capsys, *begin)
    assert "--resume: the training in run began with --optimizer adamw, not sgd" in usage(
        capsys, *begin, "--resume", "--optimizer", "sgd"
    )
    more = usage(capsys, "train", "--data", "t.csv", "--quiet", "--epochs", "5", "--resume")
    assert "began with --epochs 2, not 5" in more  # the cosine was planned for two
    begin += ["--scheduler", "none", "--out", "open"]
    run(capsys, *begin)
    begin[5] = "5"
    assert json.loads(run(capsys, *begin, "--resume", "--json").out)["epochs"] == 5


def test_predictions_of_the_standard_input_and_of_a_file_that_fails(capsys, tmp_path):
    numbers_table()
    run(capsys, "train", "--data", "t.csv", "--quiet", "--epochs", 1)
    expected = run(capsys, "predict", "run/model.safetensors", "t.csv").out
    command = [sys.executable, "-m", "fastnn", "predict", "run/model.safetensors", "-"]
    with open("t.csv", "rb") as file:
        assert subprocess.run(command, stdin=file, capture_output=True, check=True).stdout.decode() == expected
    run(capsys, "predict", "run/model.safetensors", "t.csv", "--out", "p.csv")
    table("bad.csv", ["u", "v"], [[1, 2], [3, "x"]])
    run(capsys, "predict", "run/model.safetensors", "bad.csv", "--out", "p.csv", code=1)
    assert (tmp_path / "p.csv").read_text() == expected
    assert not list(tmp_path.glob("p.csv.*"))
    table("one.csv", ["u", "v", "y"], [[1, 2, 3]])
    assert json.loads(run(capsys, "evaluate", "run/model.safetensors", "--data", "one.csv", "--json").out)["r2"] is None
    np.savez("flat.npz", x=np.arange(3))
    assert "expected x (N, ...) of numbers" in run(capsys, "predict", "run/model.safetensors", "flat.npz", code=1).err
    assert "--out: expected a .csv" in usage(capsys, "predict", "run/model.safetensors", "t.csv", "--out", "foo-")


def test_more_failures_without_a_traceback(capsys):
    for name in ("linear", "threshold", "batch_norm"):
        assert "which needs more than x" in run(capsys, "plot", "activation", name, code=1).err
    run(capsys, "plot", "activation", "prelu")
    with open("h.csv", "w") as file:
        file.write("epoch,loss\n1,2\n2\n")
    assert "cells that are no numbers" in run(capsys, "plot", "history", "h.csv", code=1).err
    table("three.csv", ["u", "y"], [[1, 2.5], [2, 3.5], [3, 4.5]])
    assert (
        "at least 5 rows, one of which is held out, got 3"
        in run(capsys, "train", "--data", "three.csv", "--model", "mlp", code=1).err
    )


def test_tables_as_people_have_them(capsys):
    x = RNG.normal(size=(80, 2))
    kinds = np.where(x[:, 0] > 0, "good", "bad")
    rows = [[f"row {i}", *each, kind] for i, (each, kind) in enumerate(zip(x, kinds, strict=True))]
    for delimiter, name in ((";", "semicolons.csv"), ("\t", "tabs.csv")):
        with open(name, "w", newline="") as file:
            csv.writer(file, delimiter=delimiter).writerows([["name, or number", "a", "b", "kind"], *rows])
    begin = ("train", "--data", "semicolons.csv", "--quiet", "--epochs", 20, "--optimizer", "AdamW", "--model", "mlp")
    assert "column name, or number: expected numbers, got 'row 0'" in run(capsys, *begin, code=1).err
    with open("tabs.csv") as file:
        assert file.readline().count("\t") == 3
    table("named.csv", ["id", "a", "b", "kind"], rows)
    shown = run(capsys, "train", "--data", "named.csv", "--ignore", "id", "--quiet", "--epochs", 20)
    assert "2 - 128 - 64 - 2" in shown.out
    assert (
        json.loads(run(capsys, "evaluate", "run/model.safetensors", "--data", "named.csv", "--json").out)["samples"]
        == 80
    )
    assert run(capsys, "predict", "run/model.safetensors", "named.csv").out.startswith("label,bad,good\n")
    assert "has no column idd" in run(capsys, "train", "--data", "named.csv", "--ignore", "idd", code=1).err
    assert [names for names, _ in read_rows("tabs.csv")] == [["name, or number", "a", "b", "kind"]]


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        ([[1, 2], [3, ""]] * 3, "column y: expected targets, got an empty cell"),
        ([["", 2], [3, 4.5]] * 3, "column x: expected numbers, got an empty cell"),
        ([["inf", 2], [3, 4.5]] * 3, "column x: expected numbers, got 'inf'"),
        ([[1, "nan"], [3, 4.5]] * 3, "column y: expected finite numbers, got nan"),
    ],
)
def test_cells_that_are_no_finite_numbers(capsys, rows, match):
    table("t.csv", ["x", "y"], rows)
    assert (
        match
        in run(capsys, "train", "--data", "t.csv", "--quiet", "--task", "regression", "--model", "mlp", code=1).err
    )


def test_a_table_of_one_column(capsys):
    table("t.csv", ["a|b|c"], [["1|2|3"]] * 6)
    told = run(capsys, "train", "--data", "t.csv", "--model", "mlp", code=1).err
    assert "has no column to learn a|b|c from; it has a|b|c" in told


def test_more_of_tables(capsys, tmp_path):
    begin = ("train", "--data", "t.csv", "--quiet", "--epochs", 1, "--model", "mlp")
    table("t.csv", ["x", "y"], [[i, i + 0.5] for i in range(30)] + [[30, "1,234"]])
    assert "got numbers and '1,234'; --task says which" in run(capsys, *begin, code=1).err
    table("t.csv", ["x", "y"], [[i, f"name {i}"] for i in range(30)])
    assert "got 30 different texts in 30 rows" in run(capsys, *begin, code=1).err
    table("t.csv", ["x", "x", "y"], [[1, 2, 3]] * 6)
    assert "t.csv has two columns x" in run(capsys, *begin, code=1).err
    (tmp_path / "t.csv").write_bytes("größe,y\n1,2\n".encode("latin-1"))
    assert "t.csv is not text in UTF-8" in run(capsys, *begin, code=1).err
    np.savez("n.npz", x=[[np.nan]] * 6, y=np.arange(6.0))
    assert "n.npz: expected finite numbers in x" in run(capsys, "train", "--data", "n.npz", code=1).err
    numbers_table()
    assert "regression of y" in run(capsys, *begin).out
    shown = run(capsys, "predict", "run/model.safetensors", "no.csv", code=1)
    assert (shown.out, "no.csv: No such file" in shown.err) == ("", True)
    before = (tmp_path / "t.csv").read_text().splitlines()
    run(capsys, "predict", "run/model.safetensors", "t.csv", "--out", "t.csv")  # read to its end before it is replaced
    assert len((tmp_path / "t.csv").read_text().splitlines()) == len(before)


def test_pictures_need_a_name_and_one_history(capsys):
    assert "--out: expected a name that ends in .png" in usage(capsys, "plot", "activation", "gelu", "--out", "a")
    assert "expected one history, got 2 files" in usage(capsys, "plot", "history", "a.csv", "b.csv")
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"fastnn {fastnn.__version__}\n"


def test_a_constant_column_of_a_table(capsys):
    x = RNG.normal(size=60)
    table("t.csv", ["a", "c", "y"], np.column_stack([x, np.full(60, 0.1), 2 * x]).tolist())
    run(capsys, "train", "--data", "t.csv", "--quiet", "--epochs", 5)
    assert fastnn.load("run/model.safetensors")["inputs"]["std"][1] == 1


def test_a_new_training_forgets_the_checkpoint(capsys, tmp_path):
    numbers_table()
    run(capsys, "train", "--data", "t.csv", "--quiet", "--epochs", 1)
    (tmp_path / "run/checkpoint.safetensors").write_bytes(b"an older training's")
    assert run(capsys, "train", "--data", "t.csv", "--quiet", "--epochs", 1).out
    assert fastnn.load("run/checkpoint.safetensors")["epoch"] == 1
    message = run(capsys, "predict", "run/model.safetensors", "t.csv", "--out", "no/p.csv", code=1).err
    assert "no/p.csv: No such file" in message


@pytest.mark.filterwarnings("default")
def test_first_lines(capsys):
    with open("quoted.csv", "w") as file:
        file.write('"a;b;c",price\n' + "1,2.5\n3,4.5\n" * 5)
    assert "1 - 128 - 64 - 1" in run(capsys, "train", "--data", "quoted.csv", "--quiet", "--epochs", 1).out
    table("bare.csv", [0.1, 0.2, "cat"], [[RNG.normal(), RNG.normal(), "cat" if i % 2 else "dog"] for i in range(20)])
    shown = run(capsys, "train", "--data", "bare.csv", "--quiet", "--epochs", 1, "--ignore", " 0.1")
    assert "its first line is taken as names of columns: 0.1, 0.2, cat" in shown.err
