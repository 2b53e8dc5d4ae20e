"""Inputs of the command line: tables, arrays, rows to predict; each error is one line, and changes nothing."""

import json
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import GOOD, QUICK, ROWS, contents, inputs_of, refused, run, trained, write

import fastnn
from fastnn._cli import _table, _train, main
from fastnn._cli._csv import numbers, read_rows
from fastnn._cli._labels import classes_of, label
from fastnn.tables._text import is_number

RNG = np.random.default_rng(0)
NUMBERS = "".join(f"{i}.5,{i * 3 % 7},{i % 3}\n" for i in range(30))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_train, "draw", lambda *_: None)  # pictures take longer than all else


# tables


@pytest.mark.parametrize(
    ("head", "columns", "target"),
    [
        ("0,1,2", ["0", "1"], "2"),  # as pandas writes a frame without names
        ("2019,2020,2021", ["2019", "2020"], "2021"),
        ("2000,2010,2015", ["2000", "2010"], "2015"),
        ("1,2,3", ["1", "2"], "3"),  # whole numbers over decimals
        ("400.5,410.5,420.5", ["400.5", "410.5"], "420.5"),  # far from all that is below
    ],
)
def test_a_first_line_of_numbers_names_the_columns(capsys, head, columns, target):
    result, told = trained(capsys, "t.csv", f"{head}\n{NUMBERS}")
    assert result["data"] == "24 samples to learn from, 6 held out"
    assert result["task"] == "classification into 3 classes"
    assert (
        f"names of columns in its first line, 30 rows, inputs {', '.join(columns)}, target {target}: 3 classes" in told
    )
    assert (inputs_of()["columns"], inputs_of()["header"]) == (columns, True)
    assert len(run(capsys, "predict", "run/model.safetensors", "t.csv").out.splitlines()) == 31


def test_a_first_line_of_numbers_is_a_row_among_its_like(capsys):
    result, told = trained(capsys, "t.csv", NUMBERS)
    assert "t.csv: no names of columns, 30 rows, inputs 0, 1, target 2: 3 classes 0, 1, 2" in told
    assert result["data"] == "24 samples to learn from, 6 held out"
    write("zero.csv", "0,1\n" + "".join(f"{i}.5,{i}\n" for i in range(30)))
    assert len(run(capsys, "predict", "run/model.safetensors", "zero.csv").out.splitlines()) == 32  # as it was learned
    assert trained(capsys, "t.csv", "0,1,2\n" + NUMBERS, "--header", "no")[0]["data"].startswith("25 samples to learn")
    result, _ = trained(capsys, "t.csv", "7.25,3,1\n" + NUMBERS, "--header", "yes")
    assert (result["data"], inputs_of()["columns"]) == ("24 samples to learn from, 6 held out", ["7.25", "3"])
    write("years.csv", "".join(f"{1950 + i},{1960 + 2 * i % 37}\n" for i in range(8)))
    assert next(read_rows("years.csv"))[0].line == 0
    write("counted.csv", "1,2,3\n4,5,6\n7,8,9\n")
    assert next(read_rows("counted.csv"))[0].line == 0
    write("text.csv", "1,2\ncat,3\ndog,4\n")  # no number is below 1
    write("iris.csv", "5.1,3.5,3.5,setosa\n4.9,3,1.4,virginica\n")  # of numbers, names would not be one twice
    assert [len(rows) for _, rows in read_rows("iris.csv")] == [2]
    with pytest.warns(UserWarning, match="text.csv: its first line is taken as names of columns: 1, 2"):
        assert next(read_rows("text.csv"))[0] == ["1", "2"]


def test_labels_are_text_unless_they_are_how_a_number_is_written():
    big = ["9007199254740992", "9007199254740993"]
    assert classes_of(big * 3, "auto") == big
    assert classes_of(np.array([2**53, 2**53 + 1]), "auto") == big
    assert classes_of(np.array([2**64 - 2, 2**64 - 1], np.uint64), "auto") == [str(2**64 - 2), str(2**64 - 1)]
    assert label("1") == label("1.0") == label(1) == label(np.float32(1))
    different = [
        "1",
        "01",
        "1.00",
        "+1",
        "1e0",
        "1_0",
        "10",
        "0x1",
        "-0",
        "0",
        "nan",
        "inf",
        big[0] + ".0",
        big[1] + ".0",
    ]
    assert len({label(text) for text in different}) == len(different)
    assert label(big[0]) != label(big[1])
    assert classes_of(["10", "9", "009", "9.5"] * 2, "classification") == ["009", "9", "9.5", "10"]


def test_numbers_are_in_the_plain_notation_of_csv(tmp_path):
    for text in ("1", "-1.5", "+.5", "5.", "1e5", "1E-5", " 7 ", "1e999"):
        assert is_number(text)
    for text in (
        "1_000",
        "0x10",
        "inf",
        "-Infinity",
        "nan",
        "",
        " ",
        "1,5",
        "1 000",
        "٣",
        "1e",
        "e5",
        "1\0",
        "True",
        "½",
    ):
        assert not is_number(text)
    write("t.csv", 'a,b\n1,2\n\n"3\n",1_0\n')
    ((names, rows),) = read_rows("t.csv")
    with pytest.raises(ValueError, match=r"t.csv, column b: expected numbers, got '1_0' in line 4"):
        numbers("t.csv", names, rows, ["b"])


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (GOOD + '1,2,"cat\n3,4,dog\n', "t.csv, line 32: a quote is opened and never closed"),
        ('a,b,y\n1,"2,cat\n' + ROWS, "t.csv, line 2: a quote is opened and never closed"),
        (GOOD + '1,2,"' + "x\n" * 70_000, "t.csv, line 32: a cell has more than 131,072 characters"),
        (GOOD + "1,2," + "x" * 140_000 + "\n", "t.csv, line 32: a cell has more than 131,072 characters"),
        (GOOD + '1,2,"cat"s\n', "t.csv, line 32: ',' expected after"),
        (GOOD + "1,2\0,cat\n", "t.csv is not text: NUL in line 32, column 4"),
        ((GOOD + "1,2,größe\n").encode("latin-1"), "t.csv is not text in UTF-8: byte 0xf6 in line 32, column 7"),
        (GOOD.encode("utf-16"), "t.csv is not text"),
        (b"\x93NUMPY\1\0v\0", "t.csv is not text"),
        ("", "t.csv is empty"),
        ("\n \n\n", "t.csv is empty"),
        ("a,b,y\n", "t.csv has no rows"),
        (GOOD + "1_000,2,cat\n", "t.csv, column a: expected numbers, got '1_000' in line 32"),
        (GOOD + "1,0x10,cat\n", "t.csv, column b: expected numbers, got '0x10' in line 32"),
        (GOOD + "infinity,2,cat\n", "t.csv, column a: expected numbers, got 'infinity' in line 32"),
        (GOOD + "1e999,2,cat\n", "t.csv, column a: expected finite numbers, got '1e999' in line 32"),
        (GOOD + "1,2\n", "t.csv, line 32: expected 3 cells, got 2"),
        (GOOD + "1,2,\n", "t.csv, column y: expected targets, got an empty cell in line 32"),
        (GOOD + " ,2,cat\n", "t.csv, column a: expected numbers, got an empty cell in line 32"),
    ],
)  # fmt: skip
def test_broken_tables(capsys, content, match):
    trained(capsys)
    before = contents()
    write("t.csv", content)
    assert match in refused(capsys, "train", "--data", "t.csv", *QUICK, "--model", "mlp")
    assert match in refused(capsys, "evaluate", "run/model.safetensors", "--data", "t.csv")
    if match.split(": ")[0] != "t.csv, column y" and match != "t.csv has no rows":
        assert match in refused(capsys, "predict", "run/model.safetensors", "t.csv", "--out", "p.csv")
        assert not os.path.exists("p.csv")
    assert contents() == before


def test_files_as_people_have_them(capsys):
    result, _ = trained(capsys)
    expected = run(capsys, "predict", "run/model.safetensors", "g.csv").out
    for name, content in (
        ("g.CSV", GOOD),
        ("g.tsv", GOOD.replace("a,", '"a, or not"\t').replace(",", "\t").replace("a\t or", "a, or")),
        ("G.TSV", GOOD.replace(",", "\t")),
        ("blank.csv", "\n \n" + GOOD),
        ("windows.csv", b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode()),
        ("mac.csv", GOOD.replace("\n", "\r")),
    ):
        assert trained(capsys, name, content, "--out", "again")[0]["data"] == result["data"], name
        assert run(capsys, "predict", "again/model.safetensors", name).out == expected, name
    run(capsys, "predict", "run/model.safetensors", "g.CSV", "--out", "P.CSV")
    assert Path("P.CSV").read_text() == expected
    write("late.csv", "\n\n" + GOOD + "1,x,cat\n")
    assert "expected numbers, got 'x' in line 34" in refused(
        capsys, "train", "--data", "late.csv", *QUICK, "--model", "mlp"
    )


def test_an_index_is_learned_from_by_nobody(capsys):
    lines = GOOD.splitlines()
    for name in ("", "Unnamed: 0"):
        write("t.csv", f"{name},{lines[0]}\n" + "".join(f"{i},{line}\n" for i, line in enumerate(lines[1:])))
        told = refused(capsys, "train", "--data", "t.csv", *QUICK, "--model", "mlp")
        assert f"t.csv: column 1 {'is called' if name else 'has no name'}" in told
        assert f"--ignore '{name}' leaves it out" in told
        trained(capsys, "t.csv", None, "--ignore", name, "--model", "mlp")
        assert inputs_of()["columns"] == ["a", "b"]
        run(capsys, "predict", "run/model.safetensors", "t.csv")
    write("t.csv", f"{lines[0]},\n" + "".join(f"{line},\n" for line in lines[1:]))  # each line ends in a comma
    assert "t.csv: column 4 has no name" in refused(capsys, "train", "--data", "t.csv", *QUICK, "--model", "mlp")
    trained(capsys, "t.csv", None, "--ignore", "", "--model", "mlp")
    assert (inputs_of()["columns"], inputs_of()["target"]) == (["a", "b"], "y")


def test_output_is_utf_8_whatever_the_locale(capsys):
    trained(capsys, "g.csv", GOOD.replace("cat", "größe €").replace("a,", "ä,"))
    command = [sys.executable, "-m", "fastnn", "predict", "run/model.safetensors"]
    for name, code in (("g.csv", 0), ("ö.csv", 1)):
        for encoding in ("ascii", "latin-1"):
            done = subprocess.run(
                [*command, name], capture_output=True, env=os.environ | {"PYTHONIOENCODING": encoding}
            )
            assert done.returncode == code
            assert (
                (done.stderr if code else done.stdout)
                .decode()
                .startswith("fastnn predict: ö" if code else "label,dog,größe €\n")
            )


def test_columns_keep_their_deviation_at_both_ends_of_float64():
    x = np.array([[1e-300, 1e300, 7.0, 0.1], [2e-300, -1e300, 7.0, 0.1], [3e-300, 1.5e308, 7.0, 0.1]])
    mean, std = _table.moments(x)
    np.testing.assert_allclose(mean[:1], 2e-300)
    np.testing.assert_allclose(std[:2], [np.sqrt(2 / 3) * 1e-300, np.std(x[:, 1] / 1e300) * 1e300])
    assert std[2:].tolist() == [1, 1]


# arrays

X, Y = RNG.normal(size=(30, 2)), np.arange(30) % 2


@pytest.mark.parametrize(
    ("arrays", "match"),
    [
        ({"x": X.astype(object), "y": Y}, "array 'x' cannot be read: Object arrays"),
        ({"x": X, "y": np.array(["a", None])[Y]}, "array 'y' cannot be read: Object arrays"),
        ({"x": np.zeros(30, "f4,f4"), "y": Y}, "expected x (N, ...) of numbers, got shape (30,)"),
        ({"x": X, "y": np.zeros(30, "i4,i4")}, "expected y of numbers or text, got dtype"),
        ({"x": X * 1j, "y": Y}, "of numbers, got shape (30, 2) and dtype complex128"),
        ({"x": X, "y": Y * 1j}, "expected y of numbers or text, got dtype complex128"),
        ({"x": X, "y": Y.astype("M8[D]")}, "expected y of numbers or text, got dtype datetime64[D]"),
        ({"x": X.astype(str), "y": Y}, "expected x (N, ...) of numbers"),
        ({"x": np.float64(1), "y": np.float64(1)}, "expected x (N, ...) of numbers and y (N,), got shapes () and ()"),
        ({"x": X, "y": Y[:, None]}, "got shapes (30, 2) and (30, 1)"),
        ({"x": X, "y": Y[1:]}, "got shapes (30, 2) and (29,)"),
        ({"x": X[:, :0], "y": Y}, "got shape (30, 0)"),
        ({"x": X[:0], "y": Y[:0]}, "t.npz has no rows"),
        ({"x": np.where(np.arange(30)[:, None] == 3, np.nan, X), "y": Y}, "expected finite numbers in x, got nan in row 3 "),
        ({"x": X, "y": np.where(np.arange(30) == 4, np.inf, Y)}, "expected finite numbers in y, got inf in row 4 "),
        ({"x": X, "y": np.array([b"cat", b"\xff"])[Y]}, "y is not text in UTF-8"),
        ({"x": X, "y": np.array(["cat", ""])[Y]}, "expected targets in y, got an empty text in row 1 "),
        ({"x": X}, "expected arrays 'x' and 'y', got x"),
    ],
)  # fmt: skip
def test_arrays_of_kinds_that_nobody_expects(capsys, arrays, match):
    np.savez("t.npz", **arrays)
    told = refused(capsys, "train", "--data", "t.npz", *QUICK)
    assert told.startswith("fastnn train: t.npz")
    assert match in told
    assert not os.path.exists("run")


def test_labels_of_bytes_are_text(capsys):
    np.savez("t.npz", x=X, y=np.array(["cat", "größe"])[Y].astype("U").reshape(-1))
    trained(capsys, "t.npz", None)
    assert inputs_of()["classes"] == ["cat", "größe"]
    np.savez("t.npz", x=X, y=np.char.encode(np.array(["cat", "größe"])[Y], "utf-8"))
    trained(capsys, "t.npz", None)
    assert inputs_of()["classes"] == ["cat", "größe"]


def test_files_that_are_no_whole_archive(capsys):
    np.savez("whole.npz", x=X, y=Y)
    trained(capsys, "whole.npz", None)
    raw = Path("whole.npz").read_bytes()
    for cut in (0, 1, 100, len(raw) // 2, len(raw) - 1):
        write("t.npz", raw[:cut])
        assert refused(capsys, "train", "--data", "t.npz", *QUICK) == "fastnn train: t.npz is not a whole NPZ file"
    write("t.npz", pickle.dumps({"x": X}))
    assert refused(capsys, "predict", "run/model.safetensors", "t.npz").endswith("t.npz is not a whole NPZ file")
    rng = np.random.default_rng(0)
    for _ in range(200):
        damaged = bytearray(raw)
        damaged[rng.integers(len(raw))] ^= 1 << rng.integers(8)
        write("t.npz", bytes(damaged))
        code, shown = main(["predict", "run/model.safetensors", "t.npz", "--out", "p.csv"]), capsys.readouterr().err
        assert (code, shown.count("\n")) in ((0, 0), (1, 1))
        assert code == 0 or shown.startswith("fastnn predict: t.npz")
        assert "(/" not in shown  # no place in the program, which nobody foresaw


def test_columns_of_arrays(capsys):
    np.savez("t.npz", x=np.column_stack([X, X[:, 0]]), y=Y)
    trained(capsys, "t.npz", None, "--ignore", "1")
    assert inputs_of()["columns"] == ["0", "2"]
    expected = run(capsys, "predict", "run/model.safetensors", "t.npz").out
    trained(capsys, "t.npz", None)
    np.savez("two.npz", x=X, y=Y)
    told = refused(capsys, "predict", "run/model.safetensors", "two.npz")
    assert told.endswith("two.npz: expected rows of x of 3 numbers (0, 1, 2), got 2")
    np.savez("t.npz", x=np.column_stack([X[:, 0], RNG.normal(size=30), X[:, 0]]), y=Y)
    trained(capsys, "t.npz", None, "--ignore", "1")
    assert run(capsys, "predict", "run/model.safetensors", "t.npz").out == expected
    assert "t.npz has no column 7" in refused(capsys, "train", "--data", "t.npz", "--ignore", "7", *QUICK)


# predictions


def test_nothing_is_said_of_rows_that_are_not_finite(capsys):
    np.savez("t.npz", x=X, y=Y)
    trained(capsys, "t.npz", None)
    for value in (np.nan, np.inf, -np.inf):
        x = np.repeat(X, 200, 0)
        x[5000, 1] = value
        np.savez("t.npz", x=x)
        told = refused(capsys, "predict", "run/model.safetensors", "t.npz", "--out", "p.npz")
        assert told.endswith(f"t.npz: expected finite numbers in x, got {value} in row 5000 (counted from 0)")
        assert not os.path.exists("p.npz")
    write("t.csv", "0,1\n1,2\n3,1e300\n")
    told = refused(capsys, "predict", "run/model.safetensors", "t.csv", "--out", "p.npz")
    assert told.endswith("t.csv: expected numbers that float32 can hold, got 1e+300 in line 3")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(capsys, value):
    trained(capsys)
    content = fastnn.load("run/model.safetensors")
    content["model"]["2.running_mean"][1] = value
    fastnn.save(content, "broken.safetensors")
    for command in (("predict", "broken.safetensors", "g.csv"), ("evaluate", "broken.safetensors", "--data", "g.csv")):
        assert f"broken.safetensors: expected finite weights, got {value} in 2.running_mean" in refused(
            capsys, *command
        )
    content["model"]["2.running_mean"][1] = 0
    content["model"]["1.weight"][:] = 3e38
    fastnn.save(content, "large.safetensors")
    told = refused(capsys, "predict", "large.safetensors", "g.csv")
    assert "g.csv: expected finite predictions, got" in told
    assert re.search(r"for line \d+$", told)


def test_results_are_json_whatever_they_are(capsys):
    np.savez("t.npz", x=X, y=1e200 * X[:, 0])
    trained(capsys, "t.npz", None)
    out = run(capsys, "evaluate", "run/model.safetensors", "--data", "t.npz", "--json").out
    result = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert result["loss"] is None  # 1e400
    assert result["samples"] == 30


def test_images_are_of_the_shape_and_range_that_were_learned(capsys):
    pytest.importorskip("sklearn")
    run(capsys, "train", "--data", "digits", *QUICK)
    for x, match in (
        (np.zeros((2, 64), np.uint8), "expected images x (N, 8, 8, 1), got shape (2, 64)"),
        (np.zeros((2, 1, 8, 8), np.uint8), "got shape (2, 1, 8, 8)"),
        (np.zeros((2, 8, 8), int), "expected images of bytes, or of floats in [0, 1], got int64"),
        (np.full((2, 8, 8), 16.0), "expected floats in [0, 1], got others in row 0 "),
        (np.full((2, 8, 8), np.nan), "expected finite numbers in x, got nan in row 0 "),
    ):
        np.savez("x.npz", x=x)
        assert match in refused(capsys, "predict", "run/model.safetensors", "x.npz")
