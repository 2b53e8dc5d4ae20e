"""Attention of several heads as a layer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _check
from ..functional._multi_head import beside, check_inputs, heads_of, joined, multi_head_attention_forward, projected
from . import init
from ._module import Module, Parameter, cast
from .linear import Linear

__all__ = [
    "MultiheadAttention",
]


class MultiheadAttention(Module):
    """Attention in slices of the features: softmax(Q K^T / sqrt(E / heads)) V of projections Q, K, V, projected.

    Parameters
    ----------
    embed_dim, num_heads : int
        E, a multiple of num_heads.
    dropout : float
        Of the weights, in training.
    bias : bool
        Of all four projections.
    add_bias_kv : bool
        Learn one more key and value, which every query sees.
    add_zero_attn : bool
        Add a key and a value of zeros.
    kdim, vdim : int, optional
        Features of keys and values, E if None.
    batch_first : bool
        Inputs are (N, L, E) instead of (L, N, E).
    dtype : float32 or float64
        The input is converted to it.

    Attributes
    ----------
    in_proj_weight : Parameter, (3 E, E)
        The rows of query, key and value.  With other kdim or vdim None; then `q_proj_weight` (E, E), `k_proj_weight`
        (E, kdim) and `v_proj_weight` (E, vdim) are there.
    in_proj_bias : Parameter, (3 E,), or None
    bias_k, bias_v : Parameter, (1, 1, E), or None
    out_proj : Linear

    Notes
    -----
    The layer is called with ``(query, key, value, key_padding_mask=None, need_weights=True, attn_mask=None,
    average_attn_weights=True, is_causal=False)`` and returns y and the weights, or None in their place; see
    `multi_head_attention_forward`.  Masks of bool are True where a key is left out, the opposite of
    `scaled_dot_product_attention`'s; a query that sees no key has weights 0.  y has the same bits whether or not the
    weights are asked for.  `is_causal` needs no mask beside it, and holds together with one.

    `project` and `combine` are the layer's two halves; another attention can run between them, as with a cache.

    Vaswani et al., "Attention is all you need", 2017.

    Examples
    --------
    >>> layer = MultiheadAttention(8, 2, batch_first=True)
    >>> x = np.ones((3, 5, 8), np.float32)
    >>> y, weights = layer(x, x, x)
    >>> y.shape, weights.shape
    ((3, 5, 8), (3, 5, 5))
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        *,
        dtype: Any = np.float32,
    ):
        super().__init__()
        name = type(self).__name__
        self.embed_dim = _check.count(name, "embed_dim", embed_dim, low=1)
        self.num_heads = _check.count(name, "num_heads", num_heads, low=1)
        if embed_dim % num_heads:
            raise ValueError(
                f"{name}: expected embed_dim to be a multiple of num_heads, got {embed_dim} and {num_heads}"
            )
        self.head_dim = embed_dim // num_heads
        self.kdim, self.vdim = (
            embed_dim if each is None else _check.count(name, argument, each)
            for argument, each in (("kdim", kdim), ("vdim", vdim))
        )
        self.dropout = _check.in_range(name, "dropout", dropout, 0, 1)
        self.batch_first, self.add_zero_attn = bool(batch_first), bool(add_zero_attn)
        dtype = _check.float_dtype(name, dtype)
        one = self.kdim == self.vdim == embed_dim
        widths = {"q_proj_weight": embed_dim, "k_proj_weight": self.kdim, "v_proj_weight": self.vdim}
        self.register_parameter("in_proj_weight", _matrix(3 * embed_dim, embed_dim, dtype) if one else None)
        for key, width in widths.items():
            self.register_parameter(key, None if one else _matrix(embed_dim, width, dtype))
        self.register_parameter("in_proj_bias", Parameter(np.empty(3 * embed_dim, dtype)) if bias else None)
        self.out_proj = Linear(embed_dim, embed_dim, bias, dtype=dtype)
        for key in ("bias_k", "bias_v"):
            self.register_parameter(key, Parameter(np.empty((1, 1, embed_dim), dtype)) if add_bias_kv else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew: Xavier's uniform weights, biases of 0, bias_k and bias_v from N(0, 1/E)."""
        for weight in self._weights if isinstance(self._weights, tuple) else (self._weights,):
            init.xavier_uniform_(weight)
        self.out_proj.reset_parameters()
        for bias in (self.in_proj_bias, self.out_proj.bias):
            if bias is not None:
                init.zeros_(bias)
        for row in (self.bias_k, self.bias_v):
            if row is not None:
                init.normal_(row, 0, 1 / math.sqrt(self.embed_dim))

    @property
    def _weights(self) -> Any:
        """The packed weight, or the three weights."""
        own = self.in_proj_weight
        return (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight) if own is None else own

    def _entering(self, query: Any, key: Any, value: Any) -> tuple[Any, Any, Any]:
        """The inputs in the layer's dtype; one array given several times is converted once."""
        dtype = self.out_proj.weight.dtype
        q = cast(self, query, dtype)
        k = q if key is query else cast(self, key, dtype)
        return q, k, q if value is query else k if value is key else cast(self, value, dtype)

    def _check(self, query: Any, key: Any, value: Any) -> None:
        name = type(self).__name__
        check_inputs(name, query, key, value, self.embed_dim)
        for argument, array, width in (("key", key, self.kdim), ("value", value, self.vdim)):
            if array.shape[-1] != width:
                raise ValueError(
                    f"{name}: expected {argument} of {width} features in its last dimension, got shape {array.shape}"
                )
        at = 0 if self.batch_first else 1
        if query.ndim == 3 and query.shape[at] != key.shape[at]:
            raise ValueError(f"{name}: expected query and key of one batch, got shapes {query.shape} and {key.shape}")

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Any, Any]:
        """Return y, of the query's shape, and the weights (N, L, S), (N, heads, L, S) if not averaged, or None."""
        inputs = self._entering(query, key, value)
        self._check(*inputs)
        packed = self.in_proj_weight
        return multi_head_attention_forward(
            *inputs, self.embed_dim, self.num_heads, packed, self.in_proj_bias, self.bias_k, self.bias_v,
            self.add_zero_attn, self.dropout, self.out_proj.weight, self.out_proj.bias, self.training, key_padding_mask,
            need_weights, attn_mask, packed is None, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight,
            average_attn_weights=average_attn_weights, is_causal=is_causal, batch_first=self.batch_first,
        )  # fmt: skip

    def project(self, query: Any, key: Any, value: Any) -> tuple[Any, Any, Any]:
        """Return queries (N, heads, L, E / heads), keys and values (N, heads, S, E / heads) of a batch of inputs."""
        inputs = self._entering(query, key, value)
        self._check(*inputs)
        if inputs[0].ndim != 3:
            raise ValueError(f"{type(self).__name__}: expected a batch to project, got shape {inputs[0].shape}")
        q, k, v = projected(*inputs, self._weights, self.in_proj_bias)
        if self.bias_k is not None:
            k, v = beside(k, self.bias_k, self.batch_first), beside(v, self.bias_v, self.batch_first)
        q, k, v = (heads_of(each, self.num_heads, self.batch_first) for each in (q, k, v))
        return q, k, v

    def combine(self, heads: Any) -> Any:
        """Return the output (N, L, E), or (L, N, E), from the heads' results (N, heads, L, E / heads)."""
        return self.out_proj(joined(heads, self.batch_first))


def _matrix(rows: int, columns: int, dtype: Any) -> Parameter:
    """(rows, columns), its transpose contiguous, as the product reads it."""
    return Parameter(np.empty((columns, rows), dtype).T)
