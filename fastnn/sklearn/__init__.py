"""Multilayer perceptrons as scikit-learn estimators, with what its own do not have."""

from .._extras import extra

extra("fastnn.sklearn", "sklearn")

from ._classifier import MLPClassifier  # noqa: E402
from ._regressor import MLPRegressor  # noqa: E402

__all__ = ["MLPClassifier", "MLPRegressor"]
