"""Linear, Bilinear and Embedding."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _check, functional
from ..autograd import value_of
from ..functional._embedding import padding_row, refuse_renormalizing
from . import init
from ._module import Module, Parameter, cast

__all__ = [
    "Bilinear",
    "Embedding",
    "Linear",
]


class Linear(Module):
    """Linear map of the last dimension, x W^T + b.

    Parameters
    ----------
    in_features, out_features : int
    bias : bool
    dtype : float32 or float64
        What enters is converted to it.

    Attributes
    ----------
    weight : Parameter, (out_features, in_features)
        From U(-1/sqrt(in_features), 1/sqrt(in_features)), as the bias.  Its transpose is C-contiguous, as the product
        reads it.
    bias : Parameter, (out_features,), or None

    Examples
    --------
    >>> Linear(3, 2)(np.ones((5, 3))).shape
    (5, 2)
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, *, dtype: Any = np.float32):
        super().__init__()
        self.in_features = _check.count("Linear", "in_features", in_features)
        self.out_features = _check.count("Linear", "out_features", out_features)
        dtype = _check.float_dtype("Linear", dtype)
        self.weight = Parameter(np.empty((in_features, out_features), dtype).T)
        self.register_parameter("bias", Parameter(np.empty(out_features, dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        bound = 1 / math.sqrt(self.in_features) if self.in_features else 0.0
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Any) -> Any:
        """Return `fastnn.linear(input, weight, bias)`."""
        weight = self.weight
        return functional.linear(cast(self, input, weight.dtype), weight, self.bias)

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Bilinear(Module):
    """x1^T W_o x2 + b_o for each output o; see `fastnn.bilinear`.

    Parameters
    ----------
    in1_features, in2_features, out_features : int
    bias : bool
    dtype : float32 or float64
        What enters is converted to it.

    Attributes
    ----------
    weight : Parameter, (out_features, in1_features, in2_features)
        From U(-1/sqrt(in1_features), 1/sqrt(in1_features)), as the bias.
    bias : Parameter, (out_features,), or None

    Examples
    --------
    >>> Bilinear(3, 4, 2)(np.ones((5, 3)), np.ones((5, 4))).shape
    (5, 2)
    """

    def __init__(
        self, in1_features: int, in2_features: int, out_features: int, bias: bool = True, *, dtype: Any = np.float32
    ):
        super().__init__()
        self.in1_features = _check.count("Bilinear", "in1_features", in1_features, low=1)
        self.in2_features = _check.count("Bilinear", "in2_features", in2_features)
        self.out_features = _check.count("Bilinear", "out_features", out_features)
        dtype = _check.float_dtype("Bilinear", dtype)
        self.weight = Parameter(np.empty((out_features, in1_features, in2_features), dtype))
        self.register_parameter("bias", Parameter(np.empty(out_features, dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        bound = 1 / math.sqrt(self.in1_features)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1: Any, input2: Any) -> Any:
        """Return `fastnn.bilinear(input1, input2, weight, bias)`."""
        first, second = (cast(self, each, self.weight.dtype) for each in (input1, input2))
        return functional.bilinear(first, second, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Return the sizes."""
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )


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
        index = value_of(input)
        return functional.embedding(index, self.weight, self.padding_idx, scale_grad_by_freq=self.scale_grad_by_freq)

    def extra_repr(self) -> str:
        """Return the sizes."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        scale = ", scale_grad_by_freq=True" if self.scale_grad_by_freq else ""
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}{scale}"
