"""A trained model of tables: it encodes frames as it learned them, and says what it predicts."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from .. import _check
from .._check import Array
from ..autograd import no_grad, value_of
from ._heads import HEADS, Target
from ._network import Scale, TableNetwork
from ._options import Options

_ROWS = 4096  # of one batch of the network


class TableModel:
    """What `fastnn.tables.fit` and `fastnn.tables.load` return.

    Attributes
    ----------
    schema : Schema
        The columns and their roles.
    encoder : Encoder
        Categories, missing values and scales, as the training rows had them.
    options : Options
    network : fastnn.nn.Module
        Takes (numbers, codes), in evaluation mode.
    history : dict of str to list of float
        One value for each epoch: "loss", "val_loss", "lr", "seconds".
    trials : list of dict
        Of `fastnn.tables.tune`, until the model is saved.
    """

    def __init__(
        self,
        schema: Any,
        encoder: Any,
        options: Options,
        head: str,
        target: Target,
        network: TableNetwork,
        scores: list[float],
        history: dict[str, list[float]],
    ):
        self.schema, self.encoder, self.options, self.network = schema, encoder, options, network
        self.history = history
        self.trials: list[dict[str, Any]] = []
        self._head, self._target = head, target
        self._errors = scores  # quantiles 0, 1 % ... 100 % of held-out errors, see `interval`
        self._scale = Scale(options.scale, encoder)

    @property
    def parameters(self) -> int:
        """How many numbers were learned."""
        return sum(each.size for each in self.network.parameters())

    def _raw(self, numbers: Array, codes: Array) -> Array:
        """What the network returns for encoded and scaled rows, float32 (N, outputs)."""
        width = HEADS[self._head].outputs(self._target)
        result = np.empty((len(numbers), width), np.float32)
        self.network.eval()
        with no_grad():
            for start in range(0, len(numbers), _ROWS):
                part = slice(start, start + _ROWS)
                result[part] = value_of(self.network((numbers[part], codes[part].astype(np.int64))))
        return result

    def _of_scaled(self, numbers: Array, codes: Array) -> Array:
        """Probabilities (N, classes or labels), a number (N, 1) or quantiles (N, Q)."""
        return HEADS[self._head].linked(self._raw(numbers, codes).astype(np.float64), self._target)

    def _linked(self, encoded: Any) -> Array:
        """What `_of_scaled` returns, of encoded rows."""
        return self._of_scaled(self._scale(encoded.numbers), encoded.codes)

    def _encoded(self, frame: Any) -> Any:
        return self.encoder.transform(frame, targets=False)

    def _decided(self, linked: Array) -> Array:
        """What `predict` returns, from `_linked`."""
        if self._head == "classes":
            return np.asarray(self.schema.classes)[linked.argmax(1)]
        if self._head == "labels":
            return (linked > 0.5).astype(np.int64)
        levels = np.asarray(self._target.quantiles or [0.5])
        return linked[:, np.abs(levels - 0.5).argmin()]

    def predict(self, frame: Any) -> Array:
        """Return the class of each row as text (N,), its labels of 0 and 1 (N, L), or its number (N,).

        Parameters
        ----------
        frame : pandas.DataFrame
            With the columns that were learned from, in any order; others are not looked at.

        Raises
        ------
        ValueError
            If columns are missing, or hold what cannot be read as their role.
        """
        return self._decided(self._linked(self._encoded(frame)))

    def predict_proba(self, frame: Any) -> Array:
        """Return the probability of each class in the order of `schema.classes`, or of each label; float64 (N, C)."""
        if self._head not in ("classes", "labels"):
            raise ValueError(
                f"TableModel.predict_proba: expected a model of classes, got one of numbers ({self._head})"
            )
        return self._linked(self._encoded(frame))

    def predict_quantiles(self, frame: Any) -> Array:
        """Return the quantiles `options.quantiles` of each row's number, rising; float64 (N, Q)."""
        if self._head != "quantile":
            raise ValueError(f"TableModel.predict_quantiles: expected loss='quantile', got {self._head!r}")
        return self._linked(self._encoded(frame))

    def interval(self, frame: Any, coverage: float = 0.9) -> tuple[Array, Array] | None:
        """Return bounds, each (N,), between which that share of new rows' numbers lies if they are like the old ones.

        Parameters
        ----------
        frame : pandas.DataFrame
        coverage : float

        Returns
        -------
        (low, high) or None
            None for a model of classes, and for one without held-out rows.

        Notes
        -----
        Split conformal prediction (Lei et al. 2018; Romano, Patterson, Candès 2019 for quantiles): errors of the
        held-out rows, in units of the root of the prediction for the Poisson loss.  The same rows have ended the
        training, so that it is a little too sure.
        """
        share = _check.in_range("TableModel.interval", "coverage", coverage, 0, 1)
        if not self._errors:
            return None
        return self._bounds(self._linked(self._encoded(frame)), share)

    def _bounds(self, linked: Array, coverage: float) -> tuple[Array, Array]:
        low, high, unit = self._band(linked)
        score = float(np.interp(coverage, np.linspace(0, 1, len(self._errors)), self._errors))
        return low - score * unit, high + score * unit

    def _band(self, linked: Array) -> tuple[Array, Array, Any]:
        """The lower and upper prediction from which errors are measured, and the unit of errors."""
        if self._head == "quantile":
            return linked[:, 0], linked[:, -1], 1.0
        y = linked[:, 0]
        return y, y, np.sqrt(np.maximum(y, 1e-12)) if self._head == "poisson" else 1.0

    def evaluate(self, data: Any, *, importance: bool = True) -> Any:
        """Compare predictions with known targets; see `fastnn.tables.Report`.

        Parameters
        ----------
        data : pandas.DataFrame, Source or path-like
        importance : bool
            Also measure what each column is worth, on up to 10,000 rows.

        Returns
        -------
        Report
        """
        from ._evaluate import evaluate

        return evaluate(self, data, importance)

    def drift(self, data: Any) -> Any:
        """Return how these rows differ from those that were learned from; `str` of it is a table, `report()` a list.

        Parameters
        ----------
        data : pandas.DataFrame, Source or path-like

        Returns
        -------
        Drift
            Of each column: the share of missing cells, now and in training, of categories that were not seen, and of
            numbers outside the training rows' range.
        """
        found = self.encoder.new_drift()
        for frame in parts_of(data):
            self.encoder.transform(frame, targets=False, drift=found)
        return found

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything that predictions need into one safetensors file, which cannot carry code."""
        from ._saved import save

        save(self, path)

    def __repr__(self) -> str:
        return f"TableModel({self._head}, {len(self.schema.columns)} columns, {self.parameters:,} parameters)"


def parts_of(data: Any) -> Any:
    """Frames of at most 65,536 rows, of a frame; the parts of a file; an iterable of frames as it is."""
    if isinstance(data, (str, os.PathLike)):
        from ._reading import read

        return read(data)
    if hasattr(data, "iloc"):
        return (data.iloc[start : start + 65536] for start in range(0, max(len(data), 1), 65536))
    return data
