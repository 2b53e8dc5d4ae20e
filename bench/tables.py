"""`python -m bench.tables`: networks of tables beside trees and other networks, each library in a process of its own.

Data sets of scikit-learn and generated ones with missing cells, categories and 5 % wrong labels; each seed is another split into
training and test rows. All libraries get the same frames with their default settings, one thread, and what they have for
categories and missing cells; for those that have nothing, scikit-learn's encoders stand before them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

ROWS = 100_000
THREADS = 1


def mixed(rows: int, kind: str, seed: int = 0) -> tuple[Any, Any, str]:
    """Eight numbers and three categories, with gaps; smooth: waves, products and slopes by category; steps: thresholds."""
    import pandas as pd

    rng, fixed = np.random.default_rng(seed), np.random.default_rng(1000)
    x = rng.normal(size=(rows, 8))
    sizes = (4, 30, 400)
    codes = [np.minimum(rng.zipf(1.3, rows) - 1, n - 1) if n > 100 else rng.integers(0, n, rows) for n in sizes]
    effects = [fixed.normal(size=n)[c] for n, c in zip(sizes, codes, strict=True)]
    if kind == "smooth":
        value = np.sin(2 * x[:, 0]) + x[:, 1] * effects[0] + x[:, 2] * x[:, 3] + effects[1] + 0.5 * effects[2]
    else:
        parts = [
            (x[:, i] > fixed.normal()) * (x[:, j] > fixed.normal()) * fixed.normal(0, 2)
            for i, j in ((0, 1), (2, 3), (4, 5), (1, 4))
        ]
        value = sum(parts) + np.where(effects[0] > 0, effects[1], 0) + 0.5 * effects[2]
    frame = pd.DataFrame({f"number {i}": np.exp(x[:, i]) if i % 3 == 2 else x[:, i] for i in range(8)})
    for n, c in zip(sizes, codes, strict=True):
        frame[f"category of {n}"] = np.char.add("v", c.astype(str)).astype(object)
    for name in frame.columns[[0, 5, 8, 9]]:
        frame.loc[rng.random(rows) < 0.08, name] = np.nan if frame[name].dtype.kind == "f" else None
    return frame, value + rng.normal(0, 0.3, rows), "regression"


def classes(rows: int, kind: str, seed: int = 0) -> tuple[Any, Any, str]:
    """Whether that value is above the middle, wrong in 5 % of the rows."""
    frame, value, _ = mixed(rows, kind, seed)
    y = (value > np.median(value)).astype(int)
    wrong = np.random.default_rng(seed + 1).random(rows) < 0.05
    return frame, np.where(wrong, 1 - y, y), "classification"


def of_sklearn(name: str, task: str) -> tuple[Any, Any, str]:
    import pandas as pd
    from sklearn import datasets

    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return pd.DataFrame(X).add_prefix("x"), y, task


DATA = {
    "breast cancer": lambda: of_sklearn("breast_cancer", "classification"),
    "digits": lambda: of_sklearn("digits", "classification"),
    "diabetes": lambda: of_sklearn("diabetes", "regression"),
    "smooth, 5 % wrong, 5,000": lambda: classes(5000, "smooth"),
    "steps, 5 % wrong, 5,000": lambda: classes(5000, "steps"),
    "smooth, 5 % wrong": lambda: classes(ROWS, "smooth"),
    "steps, 5 % wrong": lambda: classes(ROWS, "steps"),
    "smooth, numbers": lambda: mixed(ROWS, "smooth"),
}


def split_names(X: Any) -> tuple[list[str], list[str]]:
    texts = [name for name in X.columns if X[name].dtype.kind == "O" or str(X[name].dtype) in ("str", "string")]
    return [name for name in X.columns if name not in texts], texts


def fastnn_tables(X: Any, task: str, seed: int) -> Any:
    from fastnn.sklearn import TabularClassifier, TabularRegressor

    return (TabularClassifier if task == "classification" else TabularRegressor)(random_state=seed)


def encoded(X: Any, model: Any, scaled: bool) -> Any:
    """Before a model that takes numbers alone: for networks indicators and one-hot codes, for trees ordinal codes."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

    numbers, texts = split_names(X)
    if scaled:
        return make_pipeline(
            make_column_transformer(
                (make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler()), numbers),
                (OneHotEncoder(min_frequency=10, handle_unknown="infrequent_if_exist", sparse_output=False), texts),
            ),
            model,
        )
    code = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1)
    return make_pipeline(make_column_transformer(("passthrough", numbers), (code, texts)), model)


def hist_gradient_boosting(X: Any, task: str, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingClassifier if task == "classification" else HistGradientBoostingRegressor
    return encoded(
        X, kind(random_state=seed), False
    )  # more than 255 values of a category are beyond its own kind of category


def sklearn_mlp(X: Any, task: str, seed: int) -> Any:
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    kind = MLPClassifier if task == "classification" else MLPRegressor
    return encoded(X, kind(random_state=seed, early_stopping=True), True)


class Categories:
    """A model that takes pandas' categories, of the training rows."""

    def __init__(self, model: Any, texts: list[str], filled: bool = False):
        self.model, self.texts, self.filled = model, texts, filled

    def frame(self, X: Any) -> Any:
        X = X.copy()
        for name in self.texts:
            X[name] = X[name].fillna("none").astype(str) if self.filled else X[name].astype(self.kinds[name])
        return X

    def fit(self, X: Any, y: Any) -> Any:
        self.kinds = {name: X[name].astype("category").dtype for name in self.texts}
        options = {"cat_features": self.texts} if self.filled else {}
        self.model.fit(self.frame(X), y, **options)
        return self

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.model, name)
        return lambda X: method(self.frame(X))


def lightgbm(X: Any, task: str, seed: int) -> Any:
    import lightgbm

    kind = lightgbm.LGBMClassifier if task == "classification" else lightgbm.LGBMRegressor
    return Categories(kind(random_state=seed, n_jobs=THREADS, verbose=-1), split_names(X)[1])


def xgboost(X: Any, task: str, seed: int) -> Any:
    import xgboost

    kind = xgboost.XGBClassifier if task == "classification" else xgboost.XGBRegressor
    return Categories(kind(random_state=seed, n_jobs=THREADS, enable_categorical=True), split_names(X)[1])


def catboost(X: Any, task: str, seed: int) -> Any:
    import catboost

    kind = catboost.CatBoostClassifier if task == "classification" else catboost.CatBoostRegressor
    options = {"random_seed": seed, "thread_count": THREADS, "verbose": False, "allow_writing_files": False}
    return Categories(kind(**options), split_names(X)[1], filled=True)


def realmlp(X: Any, task: str, seed: int) -> Any:
    import torch
    from pytabkit import RealMLP_TD_Classifier, RealMLP_TD_Regressor

    torch.set_num_threads(THREADS)
    kind = RealMLP_TD_Classifier if task == "classification" else RealMLP_TD_Regressor
    if len(X) > 20_000:
        raise ImportError("256 epochs of 100,000 rows take too long here")
    model = Categories(kind(random_state=seed, device="cpu", n_threads=THREADS, verbosity=0), split_names(X)[1])
    medians = X[split_names(X)[0]].median()  # it takes no missing numbers
    plain = model.frame
    model.frame = lambda frame: plain(frame.fillna(medians))
    return model


LIBRARIES = {
    "fastnn.tables": fastnn_tables,
    "HistGradientBoosting": hist_gradient_boosting,
    "LightGBM": lightgbm,
    "XGBoost": xgboost,
    "CatBoost": catboost,
    "scikit-learn's MLP": sklearn_mlp,
    "RealMLP": realmlp,
}


def measure(library: str, data: str, seed: int) -> dict[str, Any]:
    """Train on four fifths, score on the rest."""
    from sklearn.metrics import accuracy_score, log_loss, r2_score
    from sklearn.model_selection import train_test_split

    X, y, task = DATA[data]()
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.2, random_state=seed)
    model = LIBRARIES[library](X, task, seed)
    start, work = time.perf_counter(), time.process_time()
    model.fit(X, y)
    seconds, work = time.perf_counter() - start, time.process_time() - work
    guess = np.ravel(model.predict(X_test))
    found = {"library": library, "data": data, "seed": seed, "seconds": seconds, "cpu_seconds": work}
    if task == "regression":
        return found | {"R2": r2_score(y_test, guess)}
    return found | {
        "accuracy": accuracy_score(y_test, guess),
        "log loss": log_loss(y_test, model.predict_proba(X_test)),
    }


def table(found: list[dict[str, Any]]) -> str:
    """Mean and deviation over seeds, in the words of Markdown."""
    lines = ["| data | library | score | log loss | seconds of processor |", "|---|---|---|---|---|"]
    for data in DATA:
        for library in LIBRARIES:
            rows = [each for each in found if (each["data"], each["library"]) == (data, library)]
            if not rows:
                continue
            name = "accuracy" if "accuracy" in rows[0] else "R2"
            cells = []
            for key, digits in ((name, 4), ("log loss", 4), ("cpu_seconds", 1)):
                values = [each[key] for each in rows if key in each]
                spread = f" ± {statistics.stdev(values):.{digits}f}" if key == name and len(values) > 1 else ""
                cells.append(f"{statistics.mean(values):.{digits}f}{spread}" if values else "")
            cells[0] = f"{name} {cells[0]}" + (f" ({len(rows)} of 5)" if len(rows) != 5 else "")
            lines.append(f"| {data} | {library} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="*", default=list(DATA), choices=list(DATA))
    parser.add_argument("--library", nargs="*", default=list(LIBRARIES), choices=list(LIBRARIES))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument(
        "--out", default="tables.json", help="what is measured is added to this file, which is read first"
    )
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        warnings.simplefilter("ignore")
        print(json.dumps(measure(options.one[0], options.one[1], int(options.one[2]))))
        return
    found = json.loads(Path(options.out).read_text()) if os.path.exists(options.out) else []
    known = {(each["data"], each["library"], each["seed"]) for each in found}
    environment = os.environ | {
        name: str(THREADS) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "FASTNN_NUM_THREADS")
    }
    for data in options.data:
        for seed in range(options.seeds):
            for library in options.library:
                if (data, library, seed) in known:
                    continue
                command = [sys.executable, "-m", "bench.tables", "--one", library, data, str(seed)]
                done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
                if done.returncode:
                    print(f"{data}, {library}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
                    continue
                found.append(json.loads(done.stdout.strip().splitlines()[-1]))
                print(found[-1], file=sys.stderr, flush=True)
                Path(options.out).write_text(json.dumps(found, indent=1))
    print(table(found))


if __name__ == "__main__":
    main()
