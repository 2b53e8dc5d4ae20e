"""Search for hyper-parameters on a Dask cluster: scikit-learn's halving search, whose fits Dask's workers share.

python search_dask.py [--short]
"""

import sys

import joblib
from distributed import Client, LocalCluster
from sklearn.datasets import load_digits
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import HalvingGridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastnn.sklearn import MLPClassifier

if __name__ == "__main__":
    short = "--short" in sys.argv
    X, X_test, y, y_test = train_test_split(*load_digits(return_X_y=True), random_state=0)
    classifier = MLPClassifier((64,), batch_norm=True, tol=1e-2 if short else 1e-4, random_state=0)
    pipeline = make_pipeline(StandardScaler(), classifier)
    grid = {
        "mlpclassifier__dropout": [0.0, 0.2] if short else [0.0, 0.1, 0.2, 0.4],
        "mlpclassifier__activation": ["relu", "gelu"] if short else ["relu", "gelu", "silu", "mish"],
    }
    search = HalvingGridSearchCV(pipeline, grid, cv=2, min_resources=100 if short else "smallest", random_state=0)
    cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with cluster, Client(cluster), joblib.parallel_config("dask"):  # each fit has the threads that Dask gives a worker
        search.fit(X, y)
    print(f"{search.n_candidates_[0]} candidates in {search.n_iterations_} rounds: {search.best_params_}")
    print(f"accuracy on samples held out: {search.score(X_test, y_test):.3f}")
