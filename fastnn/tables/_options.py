"""Options of a model of tables and its training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from .. import _check
from ..training._mlp import NORMS, make_activation

_VISITS = 3_000_000  # rows that pass in all epochs, if `epochs` is not given
_CHOICES = {
    "norm": ("none", *NORMS),
    "embedding": ("none", "periodic", "piecewise"),
    "scale": ("quantile", "standard"),
    "loss": ("auto", "mse", "huber", "poisson", "quantile"),
}


@dataclass(frozen=True)
class Options:
    """See `fastnn.tables.fit`."""

    layers: tuple[int, ...] = (256, 256, 256)
    norm: str = "batch"
    activation: str = "relu"
    dropout: float = 0.25
    embedding: str = "periodic"
    scale: str = "quantile"
    loss: str = "auto"
    quantiles: tuple[float, ...] = (0.05, 0.5, 0.95)
    class_weight: Any = None
    lr: float = 2e-3
    weight_decay: float = 0.01
    batch_size: int | None = None
    epochs: int | None = None
    patience: int | None = None
    held_out: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse values before anything is read."""
        name = "tables.fit"
        for key, choices in _CHOICES.items():
            _check.choice(name, key, getattr(self, key), choices)
        make_activation(name, self.activation)
        for key, high in (("dropout", 1), ("held_out", 1), ("lr", np.inf), ("weight_decay", np.inf)):
            if getattr(self, key) is not None:
                _check.in_range(name, key, getattr(self, key), 0, high, open_high=True)
        for key, low in (("batch_size", 2), ("epochs", 1), ("patience", 1), ("seed", 0)):
            if getattr(self, key) is not None:
                _check.count(name, key, getattr(self, key), low)
        for key in ("layers", "quantiles"):
            if isinstance(getattr(self, key), (str, bytes)) or not hasattr(getattr(self, key), "__iter__"):
                raise TypeError(f"{name}: expected {key} to be a sequence, got {getattr(self, key)!r}")
            object.__setattr__(self, key, tuple(getattr(self, key)))
        for size in self.layers:
            _check.count(name, "each of layers", size, 1)
        levels = [_check.in_range(name, "each of quantiles", q, 0, 1) for q in self.quantiles]
        if not levels or sorted({0.0, 1.0, *levels}) != [0.0, *levels, 1.0]:
            raise ValueError(f"{name}: expected rising quantiles between 0 and 1, got {self.quantiles}")
        given = self.class_weight
        if isinstance(given, Mapping):
            weights = {str(key): _check.in_range(name, "each class's weight", each, 0) for key, each in given.items()}
            object.__setattr__(self, "class_weight", weights)
        elif given is not None and not (isinstance(given, str) and given == "balanced"):
            raise ValueError(f"{name}: expected class_weight None, 'balanced' or weights by class, got {given!r}")

    def batch_of(self, rows: int) -> int:
        """The size of a batch; if not given, the power of two nearest to rows / 50, 64 to 1024."""
        return self.batch_size or int(2 ** np.clip(np.round(np.log2(max(rows, 1) / 50)), 6, 10))

    def epochs_of(self, rows: int) -> int:
        """Passes over the data; if not given, 4 to 100, fewer for more rows."""
        return self.epochs or int(np.clip(_VISITS // max(rows, 1), 4, 100))

    def held_out_of(self, rows: int) -> float:
        """The share of held-out rows; if not given, a fifth, but at most 100,000 rows, and 0 of fewer than 100."""
        return self.held_out if self.held_out is not None else min(0.2, 100_000 / rows) if rows >= 100 else 0.0

    def state(self) -> dict[str, Any]:
        """The options, as JSON can hold them."""
        return asdict(self) | {"layers": list(self.layers), "quantiles": list(self.quantiles)}


def make_options(given: Mapping[str, Any]) -> Options:
    """Options by name."""
    known = [each.name for each in fields(Options)]
    unknown = [name for name in given if name not in known]
    if unknown:
        raise TypeError(f"tables.fit: expected options among {', '.join(known)}; got {', '.join(unknown)}")
    return Options(**given)
