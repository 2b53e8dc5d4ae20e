"""Layers that pick rows of a table by index, one by one or in bags."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _check, functional
from ..functional._embedding import norm_options, padding_row
from . import init
from ._module import Module, Parameter

__all__ = [
    "Embedding",
    "EmbeddingBag",
]


class Embedding(Module):
    """Rows of a learned table; see `fastnn.embedding`.

    Parameters
    ----------
    num_embeddings, embedding_dim : int
    padding_idx : int, optional
        A row that starts at 0 and receives no gradient.
    max_norm : float, optional
        Rows that are picked and have a larger norm are scaled to this one, in `weight`, before each forward pass.
    norm_type : float
        p of that norm.
    scale_grad_by_freq : bool
        Divide each row's gradient by how often it was picked.
    sparse : bool
        Changes nothing: the gradient is dense.
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
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        *,
        dtype: Any = np.float32,
    ):
        super().__init__()
        self.num_embeddings = _check.count("Embedding", "num_embeddings", num_embeddings)
        self.embedding_dim = _check.count("Embedding", "embedding_dim", embedding_dim)
        self.padding_idx = padding_row("Embedding", padding_idx, num_embeddings)
        self.max_norm, self.norm_type = norm_options(type(self).__name__, max_norm, norm_type)
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, bool(sparse)
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
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Embedding:
        """Make a layer of a given table, which is not trained if `freeze`."""
        table = _check.as_float("Embedding.from_pretrained", embeddings, "embeddings")
        if table.ndim != 2:
            raise ValueError(f"Embedding.from_pretrained: expected embeddings of 2 dimensions, got {table.shape}")
        dtype = _check.compute_array(table).dtype
        rows, columns = table.shape
        options = (padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
        layer = cls(rows, columns, *options, dtype=dtype)
        layer.weight = Parameter(table.astype(dtype), requires_grad=not freeze)
        return layer

    def forward(self, input: Any) -> Any:
        """Return `fastnn.embedding(input, weight)`."""
        options = (self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse)
        return functional.embedding(input, self.weight, *options)

    def extra_repr(self) -> str:
        """Return the sizes."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        norm = "" if self.max_norm is None else f", max_norm={self.max_norm:g}"
        scale = ", scale_grad_by_freq=True" if self.scale_grad_by_freq else ""
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}{norm}{scale}"


class EmbeddingBag(Module):
    """The sum, the mean or the largest values of bags of rows of a learned table; see `fastnn.embedding_bag`.

    Parameters
    ----------
    num_embeddings, embedding_dim : int
    max_norm : float, optional
        Rows that are picked and have a larger norm are scaled to this one, in `weight`, before each forward pass.
    norm_type : float
        p of that norm.
    scale_grad_by_freq : bool
        Divide each row's gradient by how often it was picked.
    sparse : bool
        Changes nothing: the gradient is dense.
    mode : "sum", "mean" or "max"
    include_last_offset : bool
        The offsets have one value more, where the last bag ends.
    padding_idx : int, optional
        A row that starts at 0, counts in no bag and receives no gradient.
    dtype : float32 or float64

    Attributes
    ----------
    weight : Parameter, (num_embeddings, embedding_dim)
        From N(0, 1).

    Examples
    --------
    >>> EmbeddingBag(10, 3)([1, 2, 4, 5, 4], [0, 3]).shape
    (2, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        *,
        dtype: Any = np.float32,
    ):
        super().__init__()
        self.num_embeddings = _check.count("EmbeddingBag", "num_embeddings", num_embeddings)
        self.embedding_dim = _check.count("EmbeddingBag", "embedding_dim", embedding_dim)
        self.padding_idx = padding_row("EmbeddingBag", padding_idx, num_embeddings)
        self.mode = _check.choice("EmbeddingBag", "mode", mode, ("sum", "mean", "max"))
        self.max_norm, self.norm_type = norm_options(type(self).__name__, max_norm, norm_type)
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, bool(sparse)
        self.include_last_offset = bool(include_last_offset)
        self.weight = Parameter(np.empty((num_embeddings, embedding_dim), _check.float_dtype("EmbeddingBag", dtype)))
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
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> EmbeddingBag:
        """Make a layer of a given table, which is not trained if `freeze`."""
        table = _check.as_float("EmbeddingBag.from_pretrained", embeddings, "embeddings")
        if table.ndim != 2:
            raise ValueError(f"EmbeddingBag.from_pretrained: expected embeddings of 2 dimensions, got {table.shape}")
        dtype, (rows, columns) = _check.compute_array(table).dtype, table.shape
        options = (max_norm, norm_type, scale_grad_by_freq, mode, sparse, include_last_offset, padding_idx)
        layer = cls(rows, columns, *options, dtype=dtype)
        layer.weight = Parameter(table.astype(dtype), requires_grad=not freeze)
        return layer

    def forward(self, input: Any, offsets: Any = None, per_sample_weights: Any = None) -> Any:
        """Return `fastnn.embedding_bag(input, weight, offsets)`."""
        return functional.embedding_bag(
            input, self.weight, offsets, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.mode, self.sparse,
            per_sample_weights, self.include_last_offset, self.padding_idx,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """Return the sizes."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        norm = "" if self.max_norm is None else f", max_norm={self.max_norm:g}"
        return f"{self.num_embeddings}, {self.embedding_dim}{norm}, mode={self.mode!r}{padding}"
