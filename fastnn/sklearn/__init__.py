"""Multilayer perceptrons and networks of tables as scikit-learn estimators, with what its own do not have."""

from .._extras import extra

extra("fastnn.sklearn", "sklearn")

from ._classifier import MLPClassifier  # noqa: E402
from ._regressor import MLPRegressor  # noqa: E402
from ._tabular import TabularClassifier, TabularRegressor  # noqa: E402

__all__ = ["MLPClassifier", "MLPRegressor", "TabularClassifier", "TabularRegressor"]
