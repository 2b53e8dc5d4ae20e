"""Embedding: rows of a table picked by index."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _check, functional
from ..functional._embedding import padding_row, refuse_renormalizing
from . import init
from ._module import Module, Parameter

__all__ = [
    "Embedding",
]


class Embedding(Module):
    """Rows of a learned table; see `fastnn.embedding`.

    Parameters
    ----------
    num_embeddings, embedding_dim : int
    padding_idx : int, optional
        A row that starts at 0 and receives no gradient.
    max_norm, norm_type, sparse
        Not supported: max_norm and sparse=True raise NotImplementedError.
    scale_grad_by_freq : bool
        Divide each row's gradient by how often it was picked.
    dtype : float32 or float64

    Attributes
    ----------
    weight : Parameter, (num_embeddings, embedding_dim)
        From N(0, 1).

    Examples
    --------
    >>> Embedding(10, 3)([[1, 2], [4, 5]]).shape
    (2, 2, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        *,
        dtype: Any = np.float32,
    ):
        super().__init__()
        refuse_renormalizing("Embedding", max_norm, sparse)
        self.num_embeddings = _check.count("Embedding", "num_embeddings", num_embeddings)
        self.embedding_dim = _check.count("Embedding", "embedding_dim", embedding_dim)
        self.padding_idx = padding_row("Embedding", padding_idx, num_embeddings)
        self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse = None, norm_type, scale_grad_by_freq, False
        self.weight = Parameter(np.empty((num_embeddings, embedding_dim), _check.float_dtype("Embedding", dtype)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the table anew."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            self.weight.data[self.padding_idx] = 0

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Any,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Embedding:
        """Make a layer of a given table, which is not trained if `freeze`."""
        refuse_renormalizing("Embedding.from_pretrained", max_norm, sparse)
        table = _check.as_float("Embedding.from_pretrained", embeddings, "embeddings")
        if table.ndim != 2:
            raise ValueError(f"Embedding.from_pretrained: expected embeddings of 2 dimensions, got {table.shape}")
        dtype = _check.compute_array(table).dtype
        rows, columns = table.shape
        layer = cls(rows, columns, padding_idx, scale_grad_by_freq=scale_grad_by_freq, dtype=dtype)
        layer.weight = Parameter(table.astype(dtype), requires_grad=not freeze)
        return layer

    def forward(self, input: Any) -> Any:
        """Return `fastnn.embedding(input, weight)`."""
        return functional.embedding(input, self.weight, self.padding_idx, scale_grad_by_freq=self.scale_grad_by_freq)

    def extra_repr(self) -> str:
        """Return the sizes."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        scale = ", scale_grad_by_freq=True" if self.scale_grad_by_freq else ""
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}{scale}"
