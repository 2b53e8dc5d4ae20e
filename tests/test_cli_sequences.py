"""`fastnn train`, `evaluate` and `predict` with sequences: tables whose rows are grouped, arrays with lengths."""

import csv
import json

import numpy as np
import pytest
from commands import contents, inputs_of, refused, run, write

from fastnn._cli import main


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


MODELS = ("lstm", "gru", "transformer")


def series(file="s.npz", count=120, task="classes", longest=12):
    """A rising or a falling line with noise, of 3 to `longest` steps; the padding is NaN."""
    rng = np.random.default_rng(0)
    lengths, slope = rng.integers(3, longest + 1, count), rng.choice([-1.0, 1.0], count)
    x = slope[:, None, None] * np.arange(longest)[:, None] + rng.normal(0, 0.5, (count, longest, 2))
    x[np.arange(longest) >= lengths[:, None]] = np.nan
    y = np.where(slope > 0, "up", "down") if task == "classes" else slope * 3 + 1.5 + rng.normal(0, 0.01, count)
    np.savez(file, x=x, y=y, lengths=lengths)
    return x, lengths, y


def table(file="t.csv", count=80):
    """The same as rows, those of different sequences in turn."""
    x, lengths, y = series("unused.npz", count)
    rows = [
        (t, f"id{i}", f"{x[i, t, 0]:.6f}", f"{x[i, t, 1]:.6f}", y[i]) for i in range(count) for t in range(lengths[i])
    ]
    lines = ["id,a,b,way", *(",".join(map(str, row[1:])) for row in sorted(rows, key=lambda row: row[0]))]
    write(file, "\n".join(lines) + "\n")
    return x, lengths, y


def train(capsys, *options):
    shown = run(capsys, "train", "--quiet", "--json", "--batch-size", 16, "--layers", 8, *options)
    return json.loads(shown.out), shown.err


@pytest.mark.parametrize("model", MODELS)
def test_arrays_with_lengths(capsys, model):
    series()
    result, told = train(capsys, "--data", "s.npz", "--model", model, "--epochs", 25, "--lr", 0.01)
    assert result["model"].startswith(f"{model} 8, ")
    assert result["held-out accuracy"] > 0.9
    assert "2 classes down, up" in told
    measured = json.loads(run(capsys, "evaluate", "run/model.safetensors", "--data", "s.npz", "--json").out)
    assert measured["samples"] == 120
    assert measured["accuracy"] > 0.9
    run(capsys, "predict", "run/model.safetensors", "s.npz", "--out", "p.csv")
    with open("p.csv", newline="") as file:
        labels = [row["label"] for row in csv.DictReader(file)]
    assert np.mean(np.array(labels) == np.load("s.npz")["y"]) == pytest.approx(measured["accuracy"])


def test_numbers(capsys):
    _, _, y = series(task="numbers")
    result, _ = train(capsys, "--data", "s.npz", "--model", "gru", "--epochs", 12, "--lr", 0.01)
    assert result["held-out r2"] > 0.8
    run(capsys, "predict", "run/model.safetensors", "s.npz", "--out", "p.npz")
    assert np.corrcoef(np.load("p.npz")["output"][:, 0], y)[0, 1] > 0.9


def test_padding_and_the_longest_sequence_of_a_file_do_not_matter(capsys):
    x, lengths, _ = series()
    for model in MODELS:
        train(capsys, "--data", "s.npz", "--model", model, "--epochs", 1)
        run(capsys, "predict", "run/model.safetensors", "s.npz", "--out", "whole.npz")
        wide = np.full((120, 20, 2), np.inf)
        wide[:, :12] = x
        np.savez("wide.npz", x=wide[:50], lengths=lengths[:50])
        run(capsys, "predict", "run/model.safetensors", "wide.npz", "--out", "part.npz")
        whole, part = np.load("whole.npz")["output"], np.load("part.npz")["output"]
        np.testing.assert_allclose(part, whole[:50], rtol=1e-5, atol=1e-6)
        if model != "transformer":  # whose sums of a row are over the padding too
            np.testing.assert_array_equal(part, whole[:50])


def test_rows_of_a_table_are_grouped(capsys):
    """Into the sequences of the array, in the order in which the ids come."""
    x, lengths, y = table()
    result, _ = train(capsys, "--data", "t.csv", "--model", "lstm", "--group", "id", "--epochs", 25, "--lr", 0.01)
    assert result["held-out accuracy"] > 0.9
    assert inputs_of()["columns"] == ["a", "b"]
    assert inputs_of()["group"] == "id"
    run(capsys, "predict", "run/model.safetensors", "t.csv", "--out", "p.npz")
    np.savez("same.npz", x=np.round(np.nan_to_num(x), 6), y=y, lengths=lengths)
    run(capsys, "predict", "run/model.safetensors", "same.npz", "--out", "q.npz")
    np.testing.assert_array_equal(np.load("p.npz")["output"], np.load("q.npz")["output"])
    measured = json.loads(run(capsys, "evaluate", "run/model.safetensors", "--data", "t.csv", "--json").out)
    assert measured["samples"] == 80


@pytest.mark.parametrize("model", MODELS)
def test_going_on_gives_the_bits_of_a_training_in_one_go(capsys, model):
    series()
    common = ("--data", "s.npz", "--model", model, "--scheduler", "none")
    train(capsys, *common, "--epochs", 3, "--out", "whole")
    train(capsys, *common, "--epochs", 1, "--out", "parts")
    train(capsys, *common, "--epochs", 3, "--out", "parts", "--resume")
    assert contents("whole")["model.safetensors"] == contents("parts")["model.safetensors"]


REFUSED = [
    (("--data", "t.csv", "--model", "lstm"), "--group: expected the column of t.csv whose ids"),
    (("--data", "t.csv", "--model", "lstm", "--group", "who"), "t.csv has no column who"),
    (
        ("--data", "t.csv", "--model", "mlp", "--group", "id"),
        "--group: expected --model lstm, gru or transformer, got mlp",
    ),
    (("--data", "s.npz", "--model", "gru", "--group", "id"), "--group: expected a table, got sequences in s.npz"),
    (("--data", "s.npz", "--model", "gru", "--norm", "batch"), "--norm: expected it with --model mlp alone"),
    (
        ("--data", "s.npz", "--model", "gru", "--layers", "8,4"),
        "--layers: expected layers of one size for gru, got [8, 4]",
    ),
    (
        ("--data", "s.npz", "--model", "transformer", "--layers", "6"),
        "--layers: expected sizes that 4 heads can share, got 6",
    ),
    (("--data", "digits", "--model", "gru"), "--data: expected a .csv, .tsv or .npz file of sequences, got 'digits'"),
    (("--data", "flat.npz", "--model", "gru"), "expected sequences x (N, T, F) of numbers, got shape (20, 3)"),
    (("--data", "long.npz", "--model", "gru"), "expected lengths from 1 to 3, got 1 to 4"),
    (("--data", "two.csv", "--model", "gru", "--group", "id"), "one target for each id, got up and down for 7"),
]


@pytest.mark.parametrize(("options", "text"), REFUSED, ids=[text for _, text in REFUSED])
def test_refusals(capsys, options, text):
    series(), table()
    np.savez("flat.npz", x=np.ones((20, 3)), y=np.arange(20) % 2)
    np.savez("long.npz", x=np.ones((20, 3, 2)), y=np.arange(20) % 2, lengths=1 + np.arange(20) % 4)
    write("two.csv", "id,a,way\n" + "".join(f"{i},{i}.5,up\n" for i in range(9)) + "7,1.5,down\n")
    if not text.startswith("--"):
        assert text in refused(capsys, "train", "--quiet", "--epochs", 1, *options)
        return
    with pytest.raises(SystemExit):
        main(["train", "--quiet", "--epochs", "1", *options])
    assert text in capsys.readouterr().err


def test_predictions_need_what_was_learned_from(capsys):
    series()
    train(capsys, "--data", "s.npz", "--model", "gru", "--epochs", 1)
    write("t.csv", "a,b\n1,2\n")
    assert "expected an NPZ file with an array x" in refused(capsys, "predict", "run/model.safetensors", "t.csv")
    np.savez("other.npz", x=np.ones((4, 3, 5)))
    assert "expected sequences of 2 features, got 5" in refused(capsys, "predict", "run/model.safetensors", "other.npz")
