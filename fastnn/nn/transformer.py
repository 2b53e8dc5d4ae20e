"""Transformers: layers of attention, each with a small network that runs at each position."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np

from .. import _check, functional
from .._shard import sample_axis
from . import init
from ._module import Module, cast
from .attention import MultiheadAttention
from .container import ModuleList
from .dropout import Dropout
from .layer_norm import LayerNorm
from .linear import Linear

__all__ = [
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
]

Activation = str | Callable[[Any], Any]

_ARGUMENTS = """\
    d_model, nhead : int
        Features, and how many heads share them.
    dim_feedforward : int
        Features inside of the network for each position.
    dropout : float
        In training: of the attention's weights, of that network's hidden values, and of the output of each part.
    activation : "relu", "gelu", or callable
    layer_norm_eps : float
    batch_first : bool
        Sequences are (N, L, d_model) instead of (L, N, d_model).
    norm_first : bool
        Normalize the input of each part, instead of its output's sum with the input.
    bias : bool
        Of projections and norms.
    dtype : float32 or float64
        The input is converted to it.
"""
_MASKS = """\
    Masks are `nn.MultiheadAttention`'s: of bool, True where a key is left out, or of floats, added to the scores.  An
    `is_causal` holds with and without a mask.
"""


def _function(name: str, activation: Activation) -> Callable[[Any], Any]:
    if callable(activation):
        return activation
    return getattr(functional, _check.choice(name, "activation", activation, ("relu", "gelu")))


class _Layer(Module):
    """The common part of encoder and decoder layers: self-attention first, the network at each position last."""

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int,
        dropout: float,
        activation: Activation,
        layer_norm_eps: float,
        batch_first: bool,
        norm_first: bool,
        bias: bool,
        dtype: Any,
        attentions: tuple[str, ...],
    ):
        super().__init__()
        name = type(self).__name__
        function = _function(name, activation)
        for key in attentions:
            own = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, dtype=dtype)
            setattr(self, key, own)
        self.linear1 = Linear(d_model, dim_feedforward, bias, dtype=dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, dtype=dtype)
        self.norm_first, self._samples = bool(norm_first), 0 if batch_first else 1
        parts = range(1, len(attentions) + 2)
        for i in parts:
            setattr(self, f"norm{i}", LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype))
        for i in parts:
            setattr(self, f"dropout{i}", Dropout(dropout))
        self.activation = function

    def _with(self, x: Any, part: Callable[[Any], Any], i: int) -> Any:
        """x plus the output of the layer's i-th part, normalized before or after."""
        norm, dropout = getattr(self, f"norm{i}"), getattr(self, f"dropout{i}")
        with sample_axis(self._samples):
            return x + dropout(part(norm(x))) if self.norm_first else norm(x + dropout(part(x)))

    def _feed_forward(self, x: Any) -> Any:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))


class TransformerEncoderLayer(_Layer):  # noqa: D101
    __doc__ = f"""Attention of a sequence to itself, then a network for each position; each adds to its input.

    x = norm1(x + self_attn(x)), then x = norm2(x + linear2(activation(linear1(x)))); with `norm_first`
    x = x + self_attn(norm1(x)), and so on.

    Parameters
    ----------
{_ARGUMENTS}
    Notes
    -----
{_MASKS}
    Vaswani et al., "Attention is all you need", 2017.

    Examples
    --------
    >>> TransformerEncoderLayer(8, 2, 16, batch_first=True)(np.ones((3, 5, 8))).shape
    (3, 5, 8)
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        dtype: Any = np.float32,
    ):
        options = (dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias, dtype)
        super().__init__(d_model, nhead, *options, attentions=("self_attn",))

    def forward(self, src: Any, src_mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool = False) -> Any:
        """Return the layer's output, of src's shape."""
        x = cast(self, src, self.linear1.weight.dtype)

        def attend(z: Any) -> Any:
            return self.self_attn(z, z, z, src_key_padding_mask, False, src_mask, is_causal=is_causal)[0]

        return self._with(self._with(x, attend, 1), self._feed_forward, 2)


class TransformerDecoderLayer(_Layer):  # noqa: D101
    __doc__ = f"""As `TransformerEncoderLayer`, with attention to an encoder's output, the memory, in between.

    Parameters
    ----------
{_ARGUMENTS}
    Notes
    -----
{_MASKS}
    Examples
    --------
    >>> layer = TransformerDecoderLayer(8, 2, 16, batch_first=True)
    >>> layer(np.ones((3, 5, 8)), np.ones((3, 7, 8)), tgt_is_causal=True).shape
    (3, 5, 8)
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        dtype: Any = np.float32,
    ):
        options = (dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias, dtype)
        super().__init__(d_model, nhead, *options, attentions=("self_attn", "multihead_attn"))

    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Any:
        """Return the layer's output, of tgt's shape."""
        x, known = (cast(self, each, self.linear1.weight.dtype) for each in (tgt, memory))

        def attend(z: Any) -> Any:
            return self.self_attn(z, z, z, tgt_key_padding_mask, False, tgt_mask, is_causal=tgt_is_causal)[0]

        def look(z: Any) -> Any:
            masks = (memory_key_padding_mask, False, memory_mask)
            return self.multihead_attn(z, known, known, *masks, is_causal=memory_is_causal)[0]

        return self._with(self._with(self._with(x, attend, 1), look, 2), self._feed_forward, 3)


def _copies(name: str, layer: Any, kind: type, count: int) -> ModuleList:
    if not isinstance(layer, Module):
        raise TypeError(f"{name}: expected a layer to copy, such as {kind.__name__}, got {type(layer).__name__}")
    return ModuleList([deepcopy(layer) for _ in range(_check.count(name, "num_layers", count))])


class TransformerEncoder(Module):
    """Copies of a layer, one after the other; they begin with equal parameters.

    Parameters
    ----------
    encoder_layer : TransformerEncoderLayer
    num_layers : int
    norm : Module, optional
        Applied to the last layer's output.
    enable_nested_tensor, mask_check : bool
        Arguments of PyTorch's, without effect: evaluation runs as training does.

    Examples
    --------
    >>> encoder = TransformerEncoder(TransformerEncoderLayer(8, 2, 16), 3)
    >>> encoder(np.ones((5, 2, 8))).shape, list(encoder.state_dict())[0]
    ((5, 2, 8), 'layers.0.self_attn.in_proj_weight')
    """

    def __init__(
        self,
        encoder_layer: Any,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ):
        super().__init__()
        self.layers = _copies("TransformerEncoder", encoder_layer, TransformerEncoderLayer, num_layers)
        self.num_layers, self.norm = num_layers, norm

    def forward(
        self, src: Any, mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool | None = None
    ) -> Any:
        """Return the last layer's output; `is_causal` None is False."""
        x = src
        for layer in self.layers:
            x = layer(x, mask, src_key_padding_mask, bool(is_causal))
        return x if self.norm is None else self.norm(x)


class TransformerDecoder(Module):
    """Copies of a layer, one after the other, which all see the memory; they begin with equal parameters.

    Parameters
    ----------
    decoder_layer : TransformerDecoderLayer
    num_layers : int
    norm : Module, optional
        Applied to the last layer's output.

    Examples
    --------
    >>> TransformerDecoder(TransformerDecoderLayer(8, 2, 16), 3)(np.ones((5, 2, 8)), np.ones((7, 2, 8))).shape
    (5, 2, 8)
    """

    def __init__(self, decoder_layer: Any, num_layers: int, norm: Module | None = None):
        super().__init__()
        self.layers = _copies("TransformerDecoder", decoder_layer, TransformerDecoderLayer, num_layers)
        self.num_layers, self.norm = num_layers, norm

    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Any:
        """Return the last layer's output; `tgt_is_causal` None is False."""
        x, masks = tgt, (tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask)
        for layer in self.layers:
            x = layer(x, memory, *masks, bool(tgt_is_causal), memory_is_causal)
        return x if self.norm is None else self.norm(x)


class Transformer(Module):  # noqa: D101
    __doc__ = f"""An encoder of one sequence and a decoder of another that sees the encoder's output.

    Parameters
    ----------
    num_encoder_layers, num_decoder_layers : int
{_ARGUMENTS}    custom_encoder, custom_decoder : Module, optional
        In place of the own ones.

    Notes
    -----
    Both end in a LayerNorm.  All parameters of two dimensions or more are drawn by Xavier's uniform rule.  To add
    positions to the inputs is left to the user.

{_MASKS}
    Examples
    --------
    >>> model = Transformer(8, 2, 1, 1, 16, batch_first=True)
    >>> model(np.ones((3, 7, 8)), np.ones((3, 5, 8)), tgt_is_causal=True).shape
    (3, 5, 8)
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        custom_encoder: Any = None,
        custom_decoder: Any = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        dtype: Any = np.float32,
    ):
        super().__init__()
        options = (dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias)
        norms = [LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype) for _ in range(2)]
        if custom_encoder is None:
            encoder_layer = TransformerEncoderLayer(d_model, nhead, *options, dtype=dtype)
            custom_encoder = TransformerEncoder(encoder_layer, num_encoder_layers, norms[0])
        if custom_decoder is None:
            decoder_layer = TransformerDecoderLayer(d_model, nhead, *options, dtype=dtype)
            custom_decoder = TransformerDecoder(decoder_layer, num_decoder_layers, norms[1])
        self.encoder, self.decoder = custom_encoder, custom_decoder
        self.d_model, self.nhead, self.batch_first = d_model, nhead, bool(batch_first)
        for each in self.parameters():
            if each.ndim > 1:
                init.xavier_uniform_(each)

    def forward(
        self,
        src: Any,
        tgt: Any,
        src_mask: Any = None,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        src_key_padding_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Any:
        """Return the decoder's output, of tgt's shape."""
        s, t = np.shape(src), np.shape(tgt)
        batch = 0 if self.batch_first else 1
        if len(s) != len(t) or len(s) not in (2, 3) or s[-1] != self.d_model or t[-1] != self.d_model:
            raise ValueError(
                f"Transformer: expected src and tgt of {self.d_model} features, both of 2-D or of 3-D, got {s} and {t}"
            )
        if len(s) == 3 and s[batch] != t[batch]:
            raise ValueError(f"Transformer: expected src and tgt of one batch, got shapes {s} and {t}")
        memory = self.encoder(src, src_mask, src_key_padding_mask, src_is_causal)
        masks = (tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask)
        return self.decoder(tgt, memory, *masks, tgt_is_causal, memory_is_causal)

    @staticmethod
    def generate_square_subsequent_mask(sz: int, *, dtype: Any = np.float32) -> Any:
        """Return a mask (sz, sz) of floats: -inf above the diagonal, for keys that come later, else 0."""
        count = _check.count("generate_square_subsequent_mask", "sz", sz)
        return np.triu(np.full((count, count), -np.inf, dtype), 1)
