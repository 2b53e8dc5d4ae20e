"""Tables as people export them: how they are written, what their columns are for, and the arrays made of them."""

import gzip
import json
import random
import sys

import numpy as np
import pytest
from exports import AGE, CHURN, CITY, COUNT, DAYS, EXPORTS, GAPS, export, income_of

pd = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")
from fastnn import tables  # noqa: E402
from fastnn.tables._cells import Marks, dates, numbers  # noqa: E402


def written(path, text, encoding="utf-8"):
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


def table(tmp_path, **columns):
    """A file of the columns, parted by semicolons."""
    rows = zip(*columns.values(), strict=True)
    return written(tmp_path / "t.csv", "\n".join(";".join(map(str, row)) for row in [columns, *rows]) + "\n")


@pytest.mark.parametrize("name", EXPORTS)
def test_ten_exports(tmp_path, name):
    source = tables.read(export(tmp_path, name))
    schema = tables.find_roles(source, "churn")
    first = "Unnamed: 0" if name == "index.csv" else "customer_id"
    roles = {column.name: column.role for column in schema.columns}
    assert roles.pop("Unnamed: 7", "constant") == "constant"  # after the last delimiter
    assert roles == {
        first: "id", "city": "category", "age": "number", "income": "number", "member": "yesno", "joined": "date", "churn": "target",
    }  # fmt: skip
    assert (schema.task, schema.classes) == ("classification", ["no", "yes"])
    frame = source.frame()
    assert len(frame) == COUNT
    assert frame["city"].tolist() == CITY.tolist()
    income = schema["income"]
    found, strays, _ = numbers(frame["income"], income.marks)
    np.testing.assert_array_equal(found, income_of(name))
    assert strays == 0
    joined = dates(frame["joined"], schema["joined"].form)
    np.testing.assert_array_equal(joined.astype("datetime64[D]"), np.datetime64("2019-03-01") + DAYS)
    encoder = tables.Encoder(schema).fit(frame)
    encoded = encoder.transform(frame)
    np.testing.assert_array_equal(encoded.target, CHURN == "yes")
    assert encoder.code_names == ["city"]
    known = np.array(encoder.categories[0])
    np.testing.assert_array_equal(known[encoded.codes[:, 0] - 2], CITY)
    at = encoder.number_names.index("age")
    gone = GAPS if name == "gaps.csv" else np.zeros(COUNT, bool)
    assert schema["age"].missing == pytest.approx(gone.mean())
    age = np.where(gone, np.median(AGE[~gone]), AGE)
    expected = (age - AGE[~gone].mean()) / AGE[~gone].std()
    np.testing.assert_allclose(encoded.numbers[:, at], expected, rtol=1e-5, atol=1e-6)
    if gone.any():
        np.testing.assert_array_equal(encoded.numbers[:, encoder.number_names.index("age is missing")], gone)
    assert list(encoded.ids) == [first]
    again = tables.Encoder.from_state(json.loads(json.dumps(encoder.state()))).transform(frame)
    np.testing.assert_array_equal(again.numbers, encoded.numbers)
    np.testing.assert_array_equal(again.codes, encoded.codes)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("comma.csv", "cp1252, delimiter ;, 7 columns named in the first line, not UTF-8 by byte 0xfc in line "),
        ("wide.csv", "utf-16, delimiter ;, 7 columns"),
        ("tabs.tsv", "utf-8, delimiter tab, 7 columns"),
        ("packed.csv.gz", "gzip, utf-8, delimiter ,, 7 columns"),
        ("bars.csv", "utf-8, delimiter |, 8 columns"),
        ("money.csv", "utf-8-sig, delimiter ,, 7 columns"),
    ],
)
def test_how_a_file_is_written_is_said_in_a_line(tmp_path, name, line):
    said = str(tables.read(export(tmp_path, name)).dialect)
    assert said.startswith(line)
    assert "\n" not in said


OTHERS = {"other": ["1,5", "22,25", "3"] * 8}
ROUND = [f"{i % 7 + 1}.{i * 37 % 1000:03}" for i in range(24)]


@pytest.mark.parametrize(
    ("cells", "more", "marks", "note"),
    [
        (["1.150", "850", "12.300", "7.205"] * 6, {}, (",", "."), "numbers below 1000 have none"),
        (["1.150", "850.5", "12.300", "7.205"] * 6, {}, (".", ""), ""),
        (["1.150", "0.850", "12.300", "7.205"] * 6, {}, (".", ""), ""),
        (["1.150.000", "850", "12.300", "7.205"] * 6, {}, (",", "."), ""),
        (ROUND, {}, (".", ""), "all . stand before three digits"),
        (ROUND, {"z": ["u", "v"] * 12}, (",", "."), "all . stand before three digits"),  # of a file with semicolons
        (ROUND, OTHERS, (",", "."), "as in other columns"),
        (ROUND, {"other": ["1.5", "22.25", "3"] * 8}, (".", ""), "as in other columns"),
        (["19435,92", "7,1"] * 12, {}, (",", ""), ""),
        (["19,435", "7,100", "850"] * 8, {}, (".", ","), "numbers below 1000 have none"),
        (["1 234,5", "22", "3\u00a0000"] * 8, {}, (",", " "), ""),
        (["1'234.5", "22.25", "3"] * 8, {}, (".", "'"), ""),
        (["€ 1.234,50", "-22,1 €", "3"] * 8, {}, (",", "."), ""),
        (["12", "850", "7"] * 8, OTHERS, (".", ""), ""),
    ],
)  # fmt: skip
def test_marks_of_numbers_are_decided_by_columns_and_the_file(tmp_path, cells, more, marks, note):
    schema = tables.find_roles(tables.read(table(tmp_path, a=cells, **more)))
    assert schema["a"].role == "number"
    assert schema["a"].marks == Marks(*marks)
    notes = [line for line in schema.notes if line.startswith("column a:")]
    assert len(notes) == bool(note)
    assert note in "".join(notes)
    assert ("for the other reading" in schema.table()) == bool(note)


def test_there_is_something_to_learn_from():
    frame = pd.DataFrame({"t": range(10), "y": [0.5, 1.5] * 5})
    assert tables.find_roles(frame, "y")["t"].role == "number"  # for want of others
    assert tables.find_roles(frame.assign(z=0.5 + frame["t"] % 3), "y")["t"].role == "id"
    with pytest.raises(ValueError, match=r"the table has no column to learn y from: it has id .id., k .constant."):
        tables.find_roles(frame.rename(columns={"t": "id"}).assign(k=1), "y")


def test_marks_that_are_given_decide(tmp_path):
    path = table(tmp_path, a=ROUND)
    for option, value in (({"thousands": "."}, 1000), ({"decimal": "."}, 1), ({"decimal": ","}, 1000)):
        source = tables.read(path, **option)
        schema = tables.find_roles(source)
        assert schema.notes == []
        found, _, _ = numbers(source.frame()["a"], schema["a"].marks)
        np.testing.assert_allclose(found, np.array(ROUND, float) * value)
    with pytest.raises(ValueError, match="expected different marks for decimals and thousands, got ',' for both"):
        tables.read(path, decimal=",", thousands=",")
    with pytest.raises(ValueError, match="expected delimiter to be one character, got ';;'"):
        tables.read(path, delimiter=";;")


@pytest.mark.parametrize(
    ("cells", "form", "note"),
    [
        (["31.12.2020", "01.02.2021"] * 12, "%d.%m.%Y", ""),
        (["12/31/2020", "1/2/2021"] * 12, "%m/%d/%Y", ""),
        (["31/12/2020", "1/2/2021"] * 12, "%d/%m/%Y", ""),
        (["3/12/2020", "1/2/2021"] * 12, "%d/%m/%Y", "dates may be %d/%m/%Y or %m/%d/%Y"),
        (["2020-12-31T10:00:00Z", "2021-02-01T10:00:00+02:00"] * 12, "ISO", ""),
        (["2020-12-31 10:00:00.5", "2021-02-01 10:00"] * 12, "ISO", ""),
        (["3 Jan 2020", "14 Feb 2021"] * 12, "%d %b %Y", ""),
        (["20201231", "20210201"] * 12, "%Y%m%d", ""),
        (["3.12.20 07:30", "14.1.21 23:00"] * 12, "%d.%m.%y %H:%M", ""),
    ],
)
def test_dates(tmp_path, cells, form, note):
    schema = tables.find_roles(tables.read(table(tmp_path, a=cells, b=range(24))), roles={"a": "date"})
    assert (schema["a"].role, schema["a"].form) == ("date", form)
    assert note in "".join(schema.notes)
    assert bool(note) == bool(schema.notes)


def test_what_dates_become():
    frame = pd.DataFrame({"d": ["2020-07-01 06:00", "2021-01-04 12:00", None, "2021-01-04 18:00"] * 3})
    encoder = tables.Encoder(tables.find_roles(frame)).fit(frame)
    found = dict(zip(encoder.number_names, encoder.transform(frame).numbers.T, strict=True))
    assert list(found) == [
        "d year", "d is missing", "d month sine", "d month cosine", "d weekday sine", "d weekday cosine", "d hour sine", "d hour cosine",
    ]  # fmt: skip
    np.testing.assert_allclose(found["d month cosine"][:3], [-1, 1, 0], atol=1e-6)  # July, January, none
    np.testing.assert_allclose(found["d weekday cosine"][1], 1, atol=1e-6)  # a Monday
    np.testing.assert_allclose(found["d hour sine"][:4], [1, 0, 0, -1], atol=1e-6)
    assert encoder.continuous.tolist() == [True] + [False] * 7
    years = np.array([2020 + 182.25 / 366, 2021 + 3.5 / 365, 2021 + 3.75 / 365])
    scaled = (years - years.mean()) / years.std()
    np.testing.assert_allclose(found["d year"][[0, 1, 3]], scaled, atol=1e-4)
    np.testing.assert_allclose(found["d year"][2], scaled[1], atol=1e-4)  # the median


def test_roles_of_unusual_columns():
    n = 40
    frame = pd.DataFrame(
        {
            "Unnamed: 0": range(n),
            "orderNo": np.random.default_rng(0).permutation(n) + 7,
            "token": [f"x{i * 7919 % 997:04x}" for i in range(n)],
            "remark": [f"words of a customer {i}" for i in range(n)],
            "zip": [f"0{i % 4}123" for i in range(n)],
            "one": ["a"] * n,
            "crossed": ["x", None] * (n // 2),
            "empty": [None] * n,
            "flag": [0, 1] * (n // 2),
            "bool": [True, False] * (n // 2),
            "when": pd.date_range("2020-01-01", periods=n),
            "kind": pd.Categorical(["u", "v"] * (n // 2)),
            "paid": ["1.5", "2", "3.25", "n.v."] + ["7"] * (n - 4),
        }
    )
    schema = tables.find_roles(frame, roles={"one": "ignore"})
    assert {column.name: column.role for column in schema.columns} == {
        "Unnamed: 0": "id", "orderNo": "id", "token": "id", "remark": "text", "zip": "category", "one": "ignore",
        "crossed": "category", "empty": "constant", "flag": "yesno", "bool": "yesno", "when": "date", "kind": "category",
        "paid": "number",
    }  # fmt: skip
    assert schema.notes == ["column paid: 1 cells that are no numbers count as missing"]
    lines = schema.table().splitlines()
    assert lines[0].split() == ["column", "role", "missing", "values", "for", "example"]
    assert lines[8].split()[:4] == ["empty", "constant", "100.0", "%"]
    encoder = tables.Encoder(schema).fit(frame)
    encoded = encoder.transform(frame)
    assert np.isfinite(encoded.numbers).all()
    assert tables.Schema.from_state(json.loads(json.dumps(schema.state()))) == schema


def test_all_columns_that_cannot_be_used_are_named(tmp_path):
    mixed = [str(i) if i % 2 else f"word {i}" for i in range(60)]
    path = table(tmp_path, a=mixed, b=range(60), c=mixed[::-1], y=["u", "v"] * 30)
    with pytest.raises(ValueError, match=r"cannot use 2 of 4 columns: a .numbers in 50 % of the cells.*; c ") as stop:
        tables.find_roles(tables.read(path), "y")
    for option in ("--category a", "--number a", "--ignore a", "--category c"):
        assert option in str(stop.value)
    schema = tables.find_roles(tables.read(path), "y", {"a": "ignore", "c": "number"}, missing=[])
    assert (schema["c"].role, schema["c"].note) == ("number", "all cells that are no numbers count as missing")
    encoded = tables.Encoder(schema).fit(tables.read(path)).transform(tables.read(path).frame())
    assert encoded.numbers[:, 1].sum() == 30  # c is missing
    with pytest.raises(
        ValueError,
        match=r"cannot use 2 of 4 columns: b .expected dates, got '0'.*; y .expected numbers for a number, got 'u', 'v'",
    ):
        tables.find_roles(tables.read(path), None, {"a": "ignore", "c": "ignore", "b": "date", "y": "number"})
    with pytest.raises(ValueError, match=r"t.csv has no column q, z; it has a, b, c, y"):
        tables.find_roles(tables.read(path), "q", {"z": "id"})
    with pytest.raises(ValueError, match="expected roles among number, category"):
        tables.find_roles(tables.read(path), "y", {"a": "words"})


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("", "t.csv is empty"),
        ("\n \n", "t.csv is empty"),
        ("a,b\n1,2\n3\n", r"t.csv, line 3: expected 2 cells, got 1"),
        ('a,b\n1,"2\n3,4\n', "t.csv, line 2: a quote is opened and never closed"),
        (b"a,b\n1,2\0\n", "t.csv is not text: NUL in line 2, column 4"),
        ("a,b\n", "t.csv has no rows"),
        ("a,b", "t.csv has no rows"),
        (
            gzip.compress(b"a,b\n" + b"1,2\n" * 99, mtime=0)[:-9],
            "t.csv is not a whole gzip file: Compressed file ended",
        ),
    ],
)
def test_broken_files(tmp_path, content, match):
    path = written(tmp_path / "t.csv", content)
    with pytest.raises(ValueError, match=match):
        tables.find_roles(tables.read(path))


def test_rows_of_a_file_are_the_same_however_it_is_cut(tmp_path, monkeypatch):
    n = 3000
    rng = np.random.default_rng(0)
    text = "id,x,c,y\n" + "".join(f"{i},{rng.normal():.3f},{'abc'[i % 3]},{i % 2}\n" for i in range(n))
    source = tables.read(written(tmp_path / "t.csv", text))
    whole = source.frame()
    assert whole.index.tolist() == list(range(n))
    monkeypatch.setattr("fastnn.tables._reading.BLOCK", 4096)
    assert len(list(source)) > 5
    pd.testing.assert_frame_equal(source.frame(), whole)
    schema = tables.find_roles(source, "y")
    split = tables.Split(schema, 3)
    parts = [frame["id"][held] for frame, held in split.masks(source)]
    (frame, held), *_ = split.masks(whole)
    assert pd.concat(parts).tolist() == frame["id"][held].tolist()
    assert 0.15 < held.mean() < 0.25
    a = tables.Encoder(schema).fit(split.training(source)).transform(whole)
    b = tables.Encoder(schema).fit(split.training(whole)).transform(whole)
    np.testing.assert_allclose(a.numbers, b.numbers, rtol=1e-6)


def test_groups_stay_together_and_rows_without_a_target_go():
    frame = pd.DataFrame(
        {"who": [f"p{i % 20}" for i in range(200)], "x": np.arange(200.0), "y": ["a", "b", None, "b"] * 50}
    )
    schema = tables.find_roles(frame, "y", {"who": "group"})
    ((rows, held),) = tables.Split(schema, 1).masks(frame)
    assert len(rows) == 150
    assert 0 < held.sum() < 150
    assert not set(rows["who"][held]) & set(rows["who"][~held])


def test_drift():
    frame = pd.DataFrame({"c": ["u", "v"] * 20, "x": np.linspace(0, 1, 40)})
    encoder = tables.Encoder(tables.find_roles(frame)).fit(frame)
    drift = encoder.new_drift()
    later = pd.DataFrame({"c": ["u", "new", None, "w"], "x": ["2", "0.5", None, "word"]})
    encoded = encoder.transform(later, drift=drift)
    assert encoded.codes.ravel().tolist() == [2, 1, 0, 1]
    assert np.isfinite(encoded.numbers).all()
    c, x = drift.report()
    assert (c["missing"], c["unseen"], c["unseen_training"]) == (0.25, 0.5, 0)
    assert (x["missing"], x["outside"], x["strays"], x["missing_training"]) == (0.5, 0.25, 0.25, 0)
    assert str(drift).splitlines()[1].split() == [
        "c",
        "category",
        "25.00",
        "%",
        "0.00",
        "%",
        "50.00",
        "%",
        "0.00",
        "%",
        "0.00",
        "%",
    ]
    assert [line.split(":")[0] for line in drift.striking()] == ["column c", "column x"]
    with pytest.raises(ValueError, match="expected columns c, x, which the table does not have"):
        encoder.transform(pd.DataFrame({"z": [1]}))


def test_parquet_keeps_its_types(tmp_path):
    frame = pd.DataFrame(
        {
            "a": np.arange(30) / 4,
            "b": [True, False] * 15,
            "when": pd.date_range("2020-01-01", periods=30),
            "c": ["u", "v", None] * 10,
        }
    )
    frame.to_parquet(tmp_path / "t.parquet")
    source = tables.read(tmp_path / "t.parquet")
    schema = tables.find_roles(source)
    assert [column.role for column in schema.columns] == ["number", "yesno", "date", "category"]
    encoder = tables.Encoder(schema).fit(source)
    for found in (encoder.transform(source.frame()), encoder.transform(frame)):
        np.testing.assert_allclose(
            found.numbers[:, 0] * frame["a"].std(ddof=0) + frame["a"].mean(), frame["a"], atol=1e-5
        )
    schema = tables.find_roles(source, "b")
    assert schema.classes == ["false", "true"]
    assert tables.Encoder(schema).fit(source).transform(frame).target.tolist() == [1, 0] * 15
    with pytest.raises(ValueError, match="expected delimiter and encoding of text alone, not of parquet"):
        tables.read(tmp_path / "t.parquet", encoding="cp1252")
    written(tmp_path / "bad.parquet", "no")
    with pytest.raises(ValueError, match=r"bad.parquet: Parquet"):
        tables.read(tmp_path / "bad.parquet")


def test_excel(tmp_path):
    pytest.importorskip("openpyxl")
    frame = pd.DataFrame({"a": np.arange(6) / 4, "c": ["u", "v", None] * 2})
    frame.to_excel(tmp_path / "t.xlsx", index=False)
    found = tables.read(tmp_path / "t.xlsx").frame()
    pd.testing.assert_frame_equal(found.fillna("none"), frame.fillna("none"))


def test_a_state_that_is_none():
    frame = pd.DataFrame({"x": [1.0, 2.5, 3.0]})
    state = tables.Encoder(tables.find_roles(frame)).fit(frame).state()
    for lie in ({}, {**state, "parts": []}, {**state, "parts": [{"mean": 1}]}, {**state, "schema": {"columns": 3}}):
        with pytest.raises(ValueError, match=r"Encoder.from_state: expected the state of an encoder"):
            tables.Encoder.from_state(lie)


def test_without_pandas(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ModuleNotFoundError, match=r"fastnn.tables.read needs pyarrow: pip install pyarrow"):
        tables.read(tmp_path / "t.csv")


CELLS = [
    "", "1", "2.5", "1,5", "1.150", "$3", "a", "b c", "?", "NA", "yes", "no", "2020-01-01", "31.12.2020", '"q"', '"x,y"', "1e999",
    "nan", "-", "ä", "0", "01", "True", "1 234", "12:00", "2020-13-45", "'", '"', "\u00a0", "1e5", "99999999999999999999",
]  # fmt: skip


@pytest.mark.parametrize("seed", range(60))
def test_whatever_a_file_holds_is_read_or_refused_in_a_line(tmp_path, seed):
    rng = random.Random(seed)
    delimiter, width = rng.choice(",;\t|"), rng.randint(1, 5)
    columns = [rng.sample(CELLS, rng.randint(1, 4)) for _ in range(width)]
    head = delimiter.join(rng.choice(["a", "b", "id", "x y", "", "1", "date", "ä"]) for _ in range(width))
    rows = [delimiter.join(map(rng.choice, columns)) for _ in range(rng.randint(0, 30))]
    content = (
        rng.choice(["\n", "\r\n", "\r"])
        .join([head, *rows])
        .encode(rng.choice(["utf-8", "utf-16", "cp1252"]), "replace")
    )
    content = gzip.compress(content, mtime=0) if rng.random() < 0.1 else content
    path = written(tmp_path / "t.csv", content[: rng.randrange(1, len(content) + 1)] if rng.random() < 0.1 else content)
    try:
        source = tables.read(path)
        schema = tables.find_roles(source, rng.choice([None, *source.names]))
    except ValueError as error:
        assert str(error).startswith(str(path))  # noqa: PT017
        assert "\n" not in str(error)  # noqa: PT017
        return
    encoder = tables.Encoder(schema).fit(source)
    for frame in source:
        encoded = encoder.transform(frame)
        assert np.isfinite(encoded.numbers).all()
        assert (encoded.codes < np.array(encoder.cardinalities, int)).all()
    assert json.dumps(encoder.state())
