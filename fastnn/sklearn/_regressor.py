"""MLPRegressor."""

from __future__ import annotations

from typing import Any

from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, column_or_1d

from .. import functional, nn
from .._check import Array
from ..metrics import R2Score
from ._base import MLP, by_batches
from ._export import Regression
from ._going_on import cast, refuse_other_outputs
from ._network import by_sample
from ._text import ATTRIBUTES, PARAMETERS


class MLPRegressor(RegressorMixin, MLP):
    __doc__ = f"""A multilayer perceptron for numbers, one or several; its loss is half the squared error.
    {PARAMETERS}{ATTRIBUTES}
    Examples
    --------
    >>> import numpy as np
    >>> X = np.linspace(-3, 3, 200)[:, None]
    >>> regressor = MLPRegressor((32, 32), "tanh", solver="lbfgs", random_state=0)
    >>> bool(regressor.fit(X, np.sin(X[:, 0])).score(X, np.sin(X[:, 0])) > 0.99)
    True
    """

    def _loss(self, output: Any, y: Array, reduction: str) -> Any:
        losses = functional.mse_loss(output, y if y.ndim > 1 else y[:, None], reduction=reduction) * 0.5
        return by_sample(losses)

    def _prepared(self, X: Any, y: Any, sample_weight: Any, goes_on: bool, **options: Any) -> tuple[Any, ...]:
        X, y = self._samples(X, y, goes_on, y_numeric=True)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if goes_on:
            widths = (f"y of {width} numbers a sample" for width in (self.n_outputs_, self._outputs(y)))
            refuse_other_outputs("MLPRegressor", *widths)
        self.out_activation_ = "identity"
        return X, cast("MLPRegressor", y, X.dtype), self._weights(sample_weight, X)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:
        """Fit to samples X (N, features), dense or sparse, and numbers y, (N,) or (N, outputs).

        Parameters
        ----------
        X, y : array_like
        sample_weight : array_like (N,), optional
            Not negative.
        """
        return self._fit(X, y, sample_weight, self.warm_start)

    @available_if(by_batches)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:
        """Train one epoch more on these samples."""
        if self.early_stopping:
            raise ValueError("MLPRegressor: expected early_stopping=False for partial_fit, got True")
        return self._fit(X, y, sample_weight, True, epochs=1)

    def _score_of(self, X: Array, y: Array, weight: Array | None) -> float:
        output = self._outputs_of(X)
        if weight is None:  # scikit-learn's checks of its arguments would cost a third of a small epoch
            return float(R2Score()(output, y))
        return float(r2_score(y, output[:, 0] if y.ndim == 1 else output, sample_weight=weight))

    def _onnx_module(self) -> nn.Module:
        """What `fastnn.onnx.save` writes."""
        check_is_fitted(self)
        return Regression(self)

    def predict(self, X: Any) -> Array:
        """Return the numbers of each sample."""
        output = self._predicted(self._checked(X))
        return output[:, 0] if output.shape[1] == 1 else output
