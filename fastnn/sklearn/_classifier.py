"""MLPClassifier."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels
from sklearn.utils.validation import check_is_fitted, column_or_1d

from .. import functional, nn
from .._check import Array
from ..training import Callback
from ._base import MLP, by_batches
from ._export import Classification
from ._going_on import refuse_other_outputs
from ._network import by_sample
from ._text import ATTRIBUTES, PARAMETERS


class MLPClassifier(ClassifierMixin, MLP):
    __doc__ = f"""A multilayer perceptron for classes, or for several labels at once.
    {PARAMETERS}
    class_weight : dict, "balanced" or None
        Weights of the classes; multiplied with sample weights.
    {ATTRIBUTES}
    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> X, X_test, y, y_test = train_test_split(*load_breast_cancer(return_X_y=True), random_state=0)
    >>> classifier = MLPClassifier(activation="gelu", batch_norm=True, tol=0.01, random_state=0)
    >>> bool(make_pipeline(StandardScaler(), classifier).fit(X, y).score(X_test, y_test) > 0.95)
    True
    """
    classes_: Array
    _multilabel: bool  # whether a sample has several labels

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int = 10,
        max_fun: int = 15000,
        batch_norm: bool = False,
        layer_norm: bool = False,
        dropout: float = 0.0,
        callbacks: Sequence[Callback] | None = None,
        class_weight: Any = None,
    ):
        own = {name: value for name, value in locals().items() if name not in ("self", "class_weight", "__class__")}
        super().__init__(**own)
        self.class_weight = class_weight

    def _loss(self, output: Any, y: Array, reduction: str) -> Any:
        if y.ndim == 1:
            return functional.cross_entropy(output, y, reduction=reduction)
        return by_sample(functional.binary_cross_entropy_with_logits(output, y, reduction=reduction))

    def _labels(self, y: Any, goes_on: bool, classes: Any) -> Array:
        """Class numbers (N,) where there are more than two, else 0 and 1 (N, labels)."""
        check_classification_targets(y)
        several = type_of_target(y) == "multilabel-indicator"
        if several:
            y = np.asarray(y.toarray() if hasattr(y, "toarray") else y)
            if not np.isin(y, (0, 1)).all():
                raise ValueError(f"MLPClassifier: expected labels of 0 and 1, got {np.unique(y).tolist()}")
        else:
            y = column_or_1d(y, warn=True)
        if goes_on:
            kinds = [f"{width} labels of each sample" if many else "one class of each sample"
                     for many, width in ((self._multilabel, self.n_outputs_), (several, y.shape[-1]))]  # fmt: skip
            refuse_other_outputs("MLPClassifier", *kinds)
            if classes is not None and set(unique_labels(classes).tolist()) != set(self.classes_.tolist()):
                before = self.classes_.tolist()
                raise ValueError(f"MLPClassifier: expected classes {before} as in the fit before, got {list(classes)}")
        self._multilabel = several
        if several:
            numbers = np.arange(y.shape[1])
            if classes is not None and set(unique_labels(classes).tolist()) != set(numbers.tolist()):
                wanted = f"expected classes {numbers.tolist()}, the numbers of y's labels"
                raise ValueError(f"MLPClassifier: {wanted}, got {list(classes)}")
            self.classes_ = numbers
            return y
        return self._numbers(y, goes_on, classes)

    def _numbers(self, y: Array, goes_on: bool, classes: Any) -> Array:
        """The classes' numbers; compared as Python's values, where no label is rounded and 0 is not "0"."""
        found, places = np.unique(y, return_inverse=True)
        if not goes_on:
            self.classes_ = found if classes is None else unique_labels(classes)
        number = {label: i for i, label in enumerate(self.classes_.tolist())}
        unknown = [label for label in found.tolist() if label not in number]
        if unknown:
            raise ValueError(f"MLPClassifier: expected labels among {list(number)}, got {unknown}")
        numbers = np.array([number[label] for label in found.tolist()], np.intp)[places.reshape(-1)]
        return numbers if len(number) > 2 else numbers[:, None]

    def _outputs(self, y: Array) -> int:
        return len(self.classes_) if y.ndim == 1 else y.shape[1]

    def _prepared(self, X: Any, y: Any, sample_weight: Any, goes_on: bool, **options: Any) -> tuple[Any, ...]:
        X, y = self._samples(X, y, goes_on)
        weight = self._weights(sample_weight, X)
        if self.class_weight is not None:
            of_class = compute_sample_weight(self.class_weight, y).astype(X.dtype)
            weight = of_class if weight is None else weight * of_class
        whole = "classes" not in options  # a whole fit: all classes are there
        labels = self._labels(y, goes_on, options.get("classes"))
        if goes_on and whole and not self._multilabel and len(np.unique(labels)) < len(self.classes_):
            raise ValueError(
                f"MLPClassifier: expected all classes {self.classes_.tolist()} of the fit before with warm_start=True, "
                f"got {self.classes_[np.unique(labels)].tolist()}"
            )
        self.out_activation_ = "softmax" if labels.ndim == 1 else "logistic"
        return X, labels if labels.ndim == 1 else labels.astype(X.dtype), weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPClassifier:
        """Fit to samples X (N, features), dense or sparse, and classes (N,), or labels of 0 and 1 (N, labels).

        Parameters
        ----------
        X, y : array_like
        sample_weight : array_like (N,), optional
            Not negative.
        """
        return self._fit(X, y, sample_weight, self.warm_start)

    @available_if(by_batches)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> MLPClassifier:
        """Train one epoch more on these samples.

        Parameters
        ----------
        X, y : array_like
        sample_weight : array_like (N,), optional
        classes : array_like
            All classes that will come; needed in the first call, and the same in later ones.
        """
        if self.early_stopping:
            raise ValueError("MLPClassifier: expected early_stopping=False for partial_fit, got True")
        if isinstance(self.class_weight, str):
            raise ValueError(
                f"MLPClassifier: expected class_weight as a dict for partial_fit, got {self.class_weight!r}: "
                "a part of the samples does not show how frequent classes are"
            )
        if classes is None and not hasattr(self, "model_") and type_of_target(y) != "multilabel-indicator":
            raise ValueError("MLPClassifier: classes must be given in the first call of partial_fit")
        return self._fit(X, y, sample_weight, True, epochs=1, classes=classes)

    def _strata(self, y: Array) -> Array | None:
        return y if y.ndim == 1 else y[:, 0] if y.shape[1] == 1 else None

    def _score_of(self, X: Array, y: Array, weight: Array | None) -> float:
        output = self._outputs_of(X)
        hits = output.argmax(1) == y if y.ndim == 1 else ((output > 0) == y).all(1)
        return float(np.average(hits, weights=weight))

    def _onnx_module(self) -> nn.Module:
        """What `fastnn.onnx.save` writes."""
        check_is_fitted(self)
        return Classification(self)

    def predict(self, X: Any) -> Array:
        """Return the class of each sample, or its labels."""
        output = self._predicted(self._checked(X))
        if self._multilabel:
            return (output > 0).astype(np.int64)
        if len(self.classes_) > 2:
            return self.classes_[output.argmax(1)]
        return self.classes_[np.minimum(output[:, 0] > 0, len(self.classes_) - 1).astype(np.intp)]

    def _linked(self, X: Any, logistic: Callable[..., Any], softmax: Callable[..., Any], sure: float) -> Array:
        """Of each class, or of each label; `sure` where there is one class."""
        output = self._predicted(self._checked(X))
        if self._multilabel:
            return logistic(output)
        if len(self.classes_) > 2:
            return softmax(output, 1)
        if len(self.classes_) == 1:
            return np.full_like(output, sure)
        return np.hstack([logistic(-output), logistic(output)])

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, or of each label."""
        return self._linked(X, functional.sigmoid, functional.softmax, 1.0)

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithm of the probabilities, without their underflow."""
        return self._linked(X, functional.logsigmoid, functional.log_softmax, 0.0)

    def __sklearn_tags__(self) -> Any:
        """Say that several labels are fine."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
