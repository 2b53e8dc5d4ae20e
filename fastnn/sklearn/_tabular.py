"""TabularClassifier and TabularRegressor: the networks of `fastnn.tables` as estimators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from inspect import Parameter, Signature
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    assert_all_finite,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from .._check import Array
from .._extras import extra
from ..tables._options import Options

_TEXT = """
    Columns of numbers are numbers, those of dates dates, all others categories; empty cells are fine, and so are
    categories that come later.  Needs pandas and pyarrow.

    Parameters
    ----------
    layers, norm, activation, dropout, embedding, scale, lr, weight_decay, batch_size, epochs, patience, held_out{more}
        As `fastnn.tables.fit` takes them.
    roles : mapping of str to str, optional
        Other roles of columns, such as {{"zip": "category"}}; those of an array are called x0, x1 ...
    random_state : int, RandomState or None

    Attributes
    ----------
    model_ : fastnn.tables.TableModel
    n_iter_ : int
        Epochs.
    n_features_in_, feature_names_in_{classes}
        As in scikit-learn.
"""


def _signature(*left_out: str) -> Signature:
    """Keywords with the defaults of `Options`, by which scikit-learn finds parameters."""
    names = {each.name: each.default for each in fields(Options) if each.name not in ("seed", *left_out)}
    names |= {"roles": None, "random_state": None}
    parts = [Parameter(name, Parameter.KEYWORD_ONLY, default=default) for name, default in names.items()]
    return Signature([Parameter("self", Parameter.POSITIONAL_OR_KEYWORD), *parts])


class _Tabular(BaseEstimator):
    roles: Any
    random_state: Any

    def _set(self, given: dict[str, Any]) -> None:
        bound = type(self).__init__.__signature__.bind(self, **given)  # type: ignore[attr-defined]
        bound.apply_defaults()
        for name, value in bound.arguments.items():
            if name != "self":
                setattr(self, name, value)

    def _frame(self, X: Any, reset: bool) -> Any:
        """X as a frame whose columns have names."""
        pandas = extra(type(self).__name__, "pandas", "pyarrow")
        if isinstance(X, pandas.DataFrame):
            validate_data(self, X, reset=reset, skip_check_array=True)
            frame = X.copy(deep=False)
            assert_all_finite(frame.select_dtypes("number").to_numpy(np.float64, na_value=np.nan), allow_nan=True)
        else:
            objects = isinstance(X, np.ndarray) and X.dtype.kind == "O"
            texts = objects and any(isinstance(each, str) for each in X.flat)
            kind = object if texts else "numeric"
            X = validate_data(self, X, dtype=kind, ensure_all_finite="allow-nan", reset=reset)
            frame = pandas.DataFrame(X).infer_objects()
        if not len(frame):
            raise ValueError(f"{type(self).__name__}: found array with 0 sample(s), a minimum of 1 is required")
        known = getattr(self, "feature_names_in_", None)
        frame.columns = [f"x{i}" for i in range(frame.shape[1])] if known is None else [str(name) for name in known]
        return frame

    def _learn(self, X: Any, y: Array, sample_weight: Any, task: str, **changed: Any) -> Any:
        """Fit; y are numbers (N,), of classes their places."""
        from ..tables import fit

        frame = self._frame(X, reset=True)
        name, types = type(self).__name__, extra("", "pandas").api.types
        if len(y) != len(frame):
            raise ValueError(f"{name}: expected y of {len(frame)} samples, got {len(y)}")
        if len(frame) < 2:
            raise ValueError(f"{name}: expected at least 2 samples, got n_samples = {len(frame)}")
        roles = {}
        for column, dtype in frame.dtypes.items():
            number = types.is_numeric_dtype(dtype) and not types.is_bool_dtype(dtype)
            roles[column] = "number" if number else "date" if types.is_datetime64_any_dtype(dtype) else "category"
        roles |= dict(self.roles or {})
        target, weight = (_unused(name, frame.columns) for name in ("target", "weight"))
        if sample_weight is not None:
            frame[weight] = _check_sample_weight(sample_weight, frame, dtype=np.float64, ensure_non_negative=True)
            roles[weight] = "weight"
        frame[target] = y
        if sample_weight is not None:
            frame = frame[frame[weight] > 0]  # a weight of 0 is as good as not being there
            if not len(frame):
                raise ValueError(f"{name}: expected at least one sample of positive weight")
        options = {key: value for key, value in self.get_params(deep=False).items() if key not in _OWN}
        options["seed"] = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        self.model_ = fit(frame, target, roles=roles, task=task, **{**options, **changed})
        self.n_iter_ = len(self.model_.history["loss"])
        return self

    def _ready(self, X: Any) -> Any:
        check_is_fitted(self)
        return self._frame(X, reset=False)

    def _targets(self, y: Any) -> Array:
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        return column_or_1d(y, warn=True)

    def __sklearn_tags__(self) -> Any:
        """Say that missing values and categories are fine."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.categorical = True
        return tags


_OWN = ("roles", "random_state")


def _unused(name: str, taken: Any) -> str:
    while name in taken:
        name += "_"
    return name


class TabularClassifier(ClassifierMixin, _Tabular):
    __doc__ = f"""A network for classes of a table's rows.
    {_TEXT.format(more=", class_weight", classes=", classes_")}
    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({{"size": rng.normal(size=400), "city": rng.choice(["Rome", "Oslo", None], 400)}})
    >>> y = np.where((X["size"] > 0) ^ (X["city"] == "Oslo"), "yes", "no")
    >>> bool(TabularClassifier(epochs=30, random_state=0).fit(X, y).score(X, y) > 0.95)
    True
    """
    class_weight: Any

    def __init__(self, **options: Any):
        self._set(options)

    __init__.__signature__ = _signature("loss", "quantiles")  # type: ignore[attr-defined]

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> TabularClassifier:
        """Fit to samples X (N, features), a DataFrame or an array, and classes y (N,).

        Parameters
        ----------
        X, y : array_like
        sample_weight : array_like (N,), optional
            Not negative.
        """
        y = self._targets(y)
        check_classification_targets(y)
        self.classes_, places = np.unique(y, return_inverse=True)
        weights = self.class_weight
        if isinstance(weights, Mapping):
            numbers = {label: i for i, label in enumerate(self.classes_.tolist())}
            weights = {str(numbers.get(label, label)): value for label, value in weights.items()}
        return self._learn(X, places, sample_weight, "classification", class_weight=weights)

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, in the order of `classes_`."""
        frame = self._ready(X)
        result = np.zeros((len(frame), len(self.classes_)))
        result[:, [int(name) for name in self.model_.schema.classes]] = self.model_.predict_proba(frame)
        return result

    def predict(self, X: Any) -> Array:
        """Return the class of each sample."""
        places = self.predict_proba(X).argmax(1)
        return self.classes_[places]


class TabularRegressor(RegressorMixin, _Tabular):
    __doc__ = f"""A network for a number of each of a table's rows.
    {_TEXT.format(more=", loss, quantiles", classes="")}
    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(500, 3))
    >>> y = X[:, 0] * X[:, 1] + X[:, 2]
    >>> bool(TabularRegressor(epochs=40, random_state=0).fit(X, y).score(X, y) > 0.9)
    True
    """

    def __init__(self, **options: Any):
        self._set(options)

    __init__.__signature__ = _signature("class_weight")  # type: ignore[attr-defined]

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> TabularRegressor:
        """Fit to samples X (N, features), a DataFrame or an array, and numbers y (N,).

        Parameters
        ----------
        X, y : array_like
        sample_weight : array_like (N,), optional
            Not negative.
        """
        y = np.asarray(self._targets(y), np.float64)
        assert_all_finite(y, input_name="y")
        return self._learn(X, y, sample_weight, "regression")

    def predict(self, X: Any) -> Array:
        """Return the number of each sample."""
        frame = self._ready(X)
        return self.model_.predict(frame)
