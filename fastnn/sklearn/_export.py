"""An estimator's predictions as a module, which `fastnn.onnx.save` can trace."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import functional, nn
from ..autograd import Tensor


class Regression(nn.Module):
    """The numbers of each sample."""

    def __init__(self, estimator: Any):
        super().__init__()
        self.network = estimator.model_

    def forward(self, X: Any) -> Any:
        """Return them by skl2onnx's name."""
        return {"variable": self.network(X)}


class Classification(nn.Module):
    """The class of each sample, and the probability of each."""

    def __init__(self, estimator: Any):
        super().__init__()
        self.network, self.multilabel = estimator.model_, estimator._multilabel
        classes = np.asarray(estimator.classes_)
        if classes.dtype.kind == "O":
            if not all(isinstance(each, str) for each in classes):
                raise NotImplementedError(f"onnx.save: classes that are neither numbers nor texts: {classes.tolist()}")
            classes = classes.astype(str)
        self.classes = classes

    def forward(self, X: Any) -> Any:
        """Return both by skl2onnx's names."""
        output = self.network(X)
        if self.multilabel:
            return {"label": (output > 0).astype(np.int64), "probabilities": functional.sigmoid(output)}
        if len(self.classes) > 2:
            number, shares = np.argmax(output, 1), functional.softmax(output, 1)
        elif len(self.classes) == 2:
            number = (output[:, 0] > 0).astype(np.int64)
            shares = np.concatenate([functional.sigmoid(-output), functional.sigmoid(output)], 1)
        else:
            number, shares = np.zeros_like(output[:, 0], np.int64), np.ones_like(output)
        return {"label": Tensor(self.classes)[number], "probabilities": shares}
