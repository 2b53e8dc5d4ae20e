"""Tables as people export them: the same customers in ten ways of writing, for the tests of tables."""

import gzip
from pathlib import Path

import numpy as np

COUNT = 240
RNG = np.random.default_rng(7)
CITY = RNG.choice(["Berlin", "München", "Köln", "Zürich"], COUNT)
AGE = RNG.integers(18, 90, COUNT)
INCOME = (np.abs(RNG.normal(3000, 2500, COUNT)) + 12.34).round(2)
MEMBER = RNG.random(COUNT) < 0.5
DAYS = RNG.integers(0, 1500, COUNT)
CHURN = np.where((AGE > 50) ^ (CITY == "Köln"), "yes", "no")
GAPS = RNG.random(COUNT) < 0.1


def date(i, form):
    return (np.datetime64("2019-03-01") + DAYS[i]).astype(object).strftime(form)


def english(value):
    return f"{value:,.2f}"


def german(value):
    return f"{value:,.2f}".translate(str.maketrans(",.", ".,"))


def lines(head, row, delimiter=",", end=""):
    rows = [head, *(row(i) for i in range(COUNT))]
    return "".join(delimiter.join(map(str, cells)) + (end if i else "") + "\n" for i, cells in enumerate(rows))


def thousands(value):
    return f"{int(value):,}".replace(",", ".")


HEAD = ["customer_id", "city", "age", "income", "member", "joined", "churn"]
# Each: text, encoding, and how income is written.
EXPORTS = {
    "plain.csv": (lines(HEAD, lambda i: [f"C-{1000 + i}", CITY[i], AGE[i], INCOME[i], MEMBER[i], date(i, "%Y-%m-%d"), CHURN[i]]), "utf-8"),
    "gaps.csv": (lines(HEAD, lambda i: [i + 5000, CITY[i], "" if GAPS[i] else AGE[i], "?" if GAPS[i - 1] else INCOME[i], "yes" if MEMBER[i] else "no", date(i, "%d/%m/%Y"), CHURN[i]]), "utf-8"),
    "money.csv": (lines(HEAD, lambda i: [i + 5000, CITY[i], AGE[i], f'"${english(INCOME[i])}"', MEMBER[i], date(i, "%b %d %Y"), CHURN[i]]), "utf-8-sig"),
    "comma.csv": (lines(HEAD, lambda i: [i + 5000, CITY[i], AGE[i], f"{INCOME[i]:.2f}".replace(".", ","), MEMBER[i], date(i, "%d.%m.%Y"), CHURN[i]], ";"), "cp1252"),
    "grouped.csv": (lines(HEAD, lambda i: [i + 5000, CITY[i], AGE[i], thousands(INCOME[i]), MEMBER[i], date(i, "%d.%m.%Y"), CHURN[i]], ";"), "utf-8"),
    "wide.csv": (lines(HEAD, lambda i: [i + 5000, CITY[i], AGE[i], german(INCOME[i]), MEMBER[i], date(i, "%d.%m.%Y"), CHURN[i]], ";"), "utf-16"),
    "tabs.tsv": (lines(HEAD, lambda i: [i + 5000, CITY[i], AGE[i], INCOME[i], MEMBER[i], date(i, "%Y-%m-%d %H:%M:%S"), CHURN[i]], "\t"), "utf-8"),
    "packed.csv.gz": (lines(HEAD, lambda i: [i + 5000, CITY[i], AGE[i], INCOME[i], MEMBER[i], date(i, "%Y-%m-%d"), CHURN[i]]), "utf-8"),
    "bars.csv": (lines(HEAD, lambda i: [i + 5000, CITY[i], AGE[i], INCOME[i], MEMBER[i], date(i, "%Y-%m-%d"), CHURN[i]], "|", "|"), "utf-8"),
    "index.csv": (lines(["", *HEAD[1:]], lambda i: [i, CITY[i], AGE[i], INCOME[i], MEMBER[i], date(i, "%Y-%m-%d"), CHURN[i]]), "utf-8"),
}  # fmt: skip


def export(folder, name):
    """Write one of them; returns its path."""
    text, encoding = EXPORTS[name]
    content = text.encode(encoding)
    path = Path(folder) / name
    path.write_bytes(gzip.compress(content, mtime=0) if name.endswith(".gz") else content)
    return path


def income_of(name):
    """What the column says: some ways of writing leave out cents, or cells."""
    values = np.trunc(INCOME) if name == "grouped.csv" else INCOME.copy()
    if name == "gaps.csv":
        values[np.roll(GAPS, 1)] = np.nan
    return values
