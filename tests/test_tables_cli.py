"""The command line on tables as people export them: one command with no options but the target, and those options."""

import csv
import gzip
import io
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from commands import contents, refused, run, write
from exports import CHURN, CITY, COUNT, EXPORTS, export

from fastnn._cli import main

pd = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")
pytest.importorskip("matplotlib")
QUICK = ("--quiet", "--epochs", 3, "--layers", "16")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def usage(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        main([str(each) for each in arguments])
    assert stop.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("name", EXPORTS)
def test_each_export_trains_by_one_command(capsys, name):
    export(".", name)
    shown = run(capsys, "train", "--data", name, "--target", "churn", "--quiet", "--epochs", 40, "--json")
    result = json.loads(shown.out)
    assert result["data"] == f"{COUNT} rows, 20% of them held out"
    assert result["held-out accuracy"] > 0.7
    assert "city" in shown.err
    assert "category" in shown.err
    for picture in ("curves.png", "roc.png", "pr.png", "calibration.png", "importance.png"):
        assert picture in result["written"]
    ids = "Unnamed: 0" if name == "index.csv" else "customer_id"
    rows = rows_of(run(capsys, "predict", "run/model.safetensors", name).out)
    assert list(rows[0]) == [ids, "label", "no", "yes"]
    start = {"plain.csv": "C-1000", "index.csv": "0"}.get(name, "5000")
    assert [rows[0][ids], len(rows)] == [start, COUNT]
    assert np.mean([row["label"] == truth for row, truth in zip(rows, CHURN, strict=True)]) > 0.8
    assert all(float(row["no"]) + float(row["yes"]) == pytest.approx(1, abs=1e-5) for row in rows)


@pytest.fixture
def trained(capsys):
    export(".", "plain.csv")
    return run(capsys, "train", "--data", "plain.csv", "--target", "churn", "--quiet", "--epochs", 30)


def test_evaluate_reports_and_draws(capsys, trained):
    measured = json.loads(run(capsys, "evaluate", "run/model.safetensors", "--data", "plain.csv", "--json").out)
    assert measured["rows"] == COUNT
    assert [each["class"] for each in measured["classes"]] == ["no", "yes"]
    assert measured["figures"]["accuracy"] > 0.8
    assert {each["column"] for each in measured["importance"][:2]} == {"age", "city"}
    assert {each["column"] for each in measured["drift"]} == {"age", "city", "income", "joined", "member"}
    drawn = {path.name for path in Path("run/evaluation").iterdir()}
    assert {"roc.png", "pr.png", "calibration.png", "importance.png"} <= drawn
    told = run(capsys, "evaluate", "run/model.safetensors", "--data", "plain.csv", "--out", "pictures").out
    assert "precision" in told
    assert "shuffled column" in told or "importance" in told
    assert Path("pictures/roc.png").exists()
    text = EXPORTS["plain.csv"][0].replace(",no\n", ",maybe\n")
    write("later.csv", text)
    shown = run(capsys, "evaluate", "run/model.safetensors", "--data", "later.csv", "--json")
    assert json.loads(shown.out)["rows"] == (CHURN == "yes").sum()
    assert f"later.csv: {(CHURN == 'no').sum()} rows without a target that was learned are left out" in shown.err


def test_predict_streams_in_any_notation_and_tells_drift(capsys, monkeypatch, trained):
    expected = run(capsys, "predict", "run/model.safetensors", "plain.csv").out
    text = EXPORTS["plain.csv"][0]
    head, *rest = text.splitlines()
    write("bars.txt", text.replace(",", "|").encode("utf-16"))
    assert run(capsys, "predict", "run/model.safetensors", "bars.txt").out == expected
    write("t.csv.gz", gzip.compress(text.encode(), mtime=0))
    assert run(capsys, "predict", "run/model.safetensors", "t.csv.gz").out == expected
    pd.read_csv("plain.csv").drop(columns="churn").iloc[:, ::-1].to_parquet("t.parquet")
    assert run(capsys, "predict", "run/model.safetensors", "t.parquet").out == expected
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        before = set(Path(tempfile.gettempdir()).glob("fastnn-*"))
        assert run(capsys, "predict", "run/model.safetensors", "-").out == expected
        assert set(Path(tempfile.gettempdir()).glob("fastnn-*")) <= before
    done = run(capsys, "predict", "run/model.safetensors", "plain.csv", "--out", "p.npz")
    assert done.err == ""
    with np.load("p.npz") as arrays:
        assert arrays["label"].tolist() == [row["label"] for row in rows_of(expected)]
        assert arrays["customer_id"][0] == "C-1000"
    changed = [row.replace("Berlin", "Madrid").replace("Köln", "") for row in rest]
    shown = run(capsys, "predict", "run/model.safetensors", write("new.csv", "\n".join([head, *changed]) + "\n"))
    share = (CITY == "Berlin").mean()
    assert (
        f"new.csv: column city: {(CITY == 'Köln').mean():.0%} missing (training 0%), {share:.0%} of rare or new"
        in shown.err
    )
    write("few.csv", "city,joined\nBerlin,2020-01-01\n")
    told = refused(capsys, "predict", "run/model.safetensors", "few.csv", "--out", "p.csv")
    assert told.endswith("few.csv has no column age, income, member; it has city, joined")


def test_numbers_come_with_an_interval(capsys):
    rng = np.random.default_rng(0)
    x, kind = rng.normal(size=400), rng.choice(["a", "b"], 400)
    y = 1000 + 100 * x + 300 * (kind == "b") + rng.normal(size=400) * 5
    pd.DataFrame({"key": [f"k{i}" for i in range(400)], "kind": kind, "x": x, "price": y}).to_csv(
        "t.csv", sep=";", decimal=","
    )
    shown = run(capsys, "train", "--data", "t.csv", "--target", "price", "--quiet", "--epochs", 60, "--json")
    assert json.loads(shown.out)["task"] == "regression of price"
    rows = rows_of(run(capsys, "predict", "run/model.safetensors", "t.csv").out)
    assert list(rows[0]) == ["Unnamed: 0", "key", "price", "price low", "price high"]
    found = np.array([[float(row[name]) for name in ("price low", "price", "price high")] for row in rows])
    assert (np.diff(found) > 0).all()
    assert np.corrcoef(found[:, 1], y)[0, 1] > 0.95
    assert ((found[:, 0] < y) & (y < found[:, 2])).mean() > 0.8


def test_several_labels(capsys):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2))
    frame = pd.DataFrame({"x": x[:, 0], "z": x[:, 1], "hot": x[:, 0] > 0, "wet": np.where(x[:, 1] > 0, "yes", "no")})
    frame.to_csv("t.csv", index=False)
    shown = run(capsys, "train", "--data", "t.csv", "--target", "hot,wet", "--quiet", "--epochs", 40, "--json")
    assert json.loads(shown.out)["task"] == "2 labels"
    rows = rows_of(run(capsys, "predict", "run/model.safetensors", "t.csv").out)
    assert list(rows[0]) == ["hot", "hot probability", "wet", "wet probability"]
    assert np.mean([int(row["hot"]) == truth for row, truth in zip(rows, x[:, 0] > 0, strict=True)]) > 0.9
    write("bad.csv", "x,a,b\n" + "".join(f"{i}.5,{i % 2},{i % 3}\n" for i in range(30)))
    told = refused(capsys, "train", "--data", "bad.csv", "--target", "a,b", *QUICK)
    assert told.endswith("bad.csv: expected several targets to be yes or no each, got others in b")


def test_roles_are_set_by_options_and_by_a_file(capsys):
    export(".", "plain.csv")
    write(
        "roles.toml",
        'target = "churn"\nmissing = ["Berlin"]\n[roles]\nincome = "ignore"\nage = "category"\n[dates]\njoined = "ISO"\n',
    )
    if sys.version_info < (3, 11):
        pytest.importorskip("tomli")
    shown = run(
        capsys, "train", "--data", "plain.csv", "--roles", "roles.toml", "--number", "age", "--id", "city", *QUICK
    )
    lines = {line.split()[0]: line.split()[1] for line in shown.err.splitlines() if line.split()}
    assert [lines[name] for name in ("customer_id", "city", "age", "income", "churn")] == [
        "id",
        "id",
        "number",
        "ignore",
        "target",
    ]
    rows = rows_of(run(capsys, "predict", "run/model.safetensors", "plain.csv").out)
    assert list(rows[0]) == ["customer_id", "city", "label", "no", "yes"]
    for text, match in (
        ("roles = 3\n", "expected text in roles, got 3"),
        ('sorts = "a"\n', "expected roles, dates, missing, ignore, target, "),
        ("[roles\n", "roles.toml: "),
        ('[roles]\nage = "words"\n', "expected roles among number, category, yesno"),
    ):
        assert match in refused(capsys, "train", "--data", "plain.csv", "--roles", write("roles.toml", text), *QUICK)


def test_marks_and_words_are_options(capsys):
    text = "a;b;y\n" + "".join(
        f"{i % 7 + 1}.{i * 37 % 1000:03};{'unknown' if i % 11 == 0 else i * i}; {i % 2}\n" for i in range(60)
    )
    write("t.csv", text)
    begin = ("train", "--data", "t.csv", *QUICK)
    shown = run(capsys, *begin)
    assert "read as 1000; --decimal '.' for the other reading" in shown.err
    assert "6 cells that are no numbers count as missing" in shown.err
    shown = run(capsys, *begin, "--decimal", ".", "--missing", "unknown")
    assert "other reading" not in shown.err
    assert "count as missing" not in shown.err
    assert "10.0 %" in shown.err
    assert "--decimal: expected" not in refused(capsys, *begin, "--decimal", "..").replace("read: expected decimal", "")


def test_all_that_cannot_be_used_is_named_with_its_options(capsys):
    mixed = [str(i) if i % 2 else f"word {i}" for i in range(60)]
    pd.DataFrame({"a": mixed, "b": mixed[::-1], "x": np.arange(60) * 1.5 % 7, "y": ["u", "v"] * 30}).to_csv(
        "t.csv", index=False
    )
    told = refused(capsys, "train", "--data", "t.csv", *QUICK)
    for word in ("cannot use 2 of 4 columns", "--category a", "--ignore a", "--number a", "--category b", "--missing"):
        assert word in told
    run(capsys, "train", "--data", "t.csv", *QUICK, "--ignore", "a", "--number", "b")
    assert "--date-format: expected COLUMN=FORMAT" in usage(capsys, "train", "--data", "t.csv", "--date-format", "a")
    assert "cannot use 1 of 4 columns: x (expected dates" in refused(
        capsys, "train", "--data", "t.csv", "--ignore", "a,b", "--date", "x", *QUICK
    )


def test_options_that_cannot_be_honoured(capsys):
    export(".", "plain.csv")
    begin = ("train", "--data", "plain.csv", "--target", "churn", *QUICK)
    for option in (("--optimizer", "sgd"), ("--scheduler", "step"), ("--max-grad-norm", 1), ("--resume",)):
        assert f"{option[0]}: expected --model mlp" in usage(capsys, *begin, *option)
    assert "--time-limit: expected it with --tune" in usage(capsys, *begin, "--time-limit", 3)
    assert "--category: expected a table and --model table, got --model mlp" in usage(
        capsys, *begin, "--model", "mlp", "--category", "age"
    )
    assert "--tune: expected a table and --model table, got digits" in usage(
        capsys, "train", "--data", "digits", "--tune", 2
    )
    told = refused(capsys, *begin, "--model", "mlp", "--ignore", "customer_id")
    assert f"column city: expected numbers, got '{CITY[0]}' in line 2" in told
    assert "loss" in refused(capsys, *begin, "--loss", "poisson")
    run(capsys, *begin)
    before = contents()
    assert "plain.csv has no column z" in refused(capsys, *begin, "--ignore", "z")
    assert contents() == before


def test_rows_without_a_target_are_left_out_and_told(capsys):
    lines = EXPORTS["plain.csv"][0].splitlines()
    lines[1:41] = [line.rsplit(",", 1)[0] + "," for line in lines[1:41]]
    write("t.csv", "\n".join(lines) + "\n")
    assert "40 rows without a target are left out" in run(capsys, "train", "--data", "t.csv", *QUICK).err
    write("t.csv", "\n".join(lines[:42]) + "\n")
    assert "at least" in refused(capsys, "train", "--data", "t.csv", "--target", "churn", *QUICK)


def test_tables_of_plain_numbers_stay_with_the_multilayer_perceptron(capsys):
    rows = "".join(f"{i * 11 % 30},{i * i % 7}.5,{i % 2}\n" for i in range(30))
    write("t.csv", "a,b,y\n" + rows)
    assert "2 - 4 - 2," in run(capsys, "train", "--data", "t.csv", "--quiet", "--epochs", 1, "--layers", 4).out
    assert (
        "table 4,"
        in run(capsys, "train", "--data", "t.csv", "--quiet", "--epochs", 1, "--layers", 4, "--model", "table").out
    )
    write("t.csv", "a,b,y\n" + rows + ",1,1\n")
    assert "table 4," in run(capsys, "train", "--data", "t.csv", "--quiet", "--epochs", 1, "--layers", 4).out


def test_without_pandas_tables_of_numbers_train_still(capsys, monkeypatch):
    monkeypatch.setattr("fastnn._cli._tables.find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    write("t.csv", "a,b,y\n" + "".join(f"{i * 11 % 30},{i * i % 7}.5,{i % 2}\n" for i in range(30)))
    assert "2 - 4 - 2," in run(capsys, "train", "--data", "t.csv", "--quiet", "--epochs", 1, "--layers", 4).out
    export(".", "packed.csv.gz")
    told = refused(capsys, "train", "--data", "packed.csv.gz", *QUICK)
    assert told == "fastnn train on tables needs pyarrow: pip install pyarrow"
    told = refused(capsys, "train", "--data", export(".", "plain.csv"), "--target", "churn", *QUICK)
    assert "column customer_id: expected numbers, got 'C-1000' in line 2" in told
    assert "pip install pandas pyarrow" in told


def test_tuning(capsys):
    pytest.importorskip("optuna")
    export(".", "plain.csv")
    shown = run(
        capsys,
        "train",
        "--data",
        "plain.csv",
        "--target",
        "churn",
        "--tune",
        2,
        "--time-limit",
        60,
        "--epochs",
        4,
        "--json",
        "--quiet",
    )
    assert "held-out accuracy" in json.loads(shown.out)
