"""A GPT: a decoder that predicts the next token, and writes with a cache of keys and values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _check, _random, functional, nn
from ..autograd import no_grad, value_of

__all__ = ["GPT", "gpt"]


class Block(nn.Module):
    """Attention to the tokens so far, then a network for each token; each reads its input normalized and adds to it."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, heads, dropout, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU("tanh"), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Any, past: Any) -> tuple[Any, Any]:
        """Return the output of x (N, T, width), and the keys and values of all tokens so far if `past` is not None."""
        z = self.ln_1(x)
        heads, p = self.attn.project(z, z, z), self.attn.dropout if self.training else 0.0
        found = functional.scaled_dot_product_attention(*heads, dropout_p=p, is_causal=True, past=past)
        y, present = (found, None) if past is None else found
        x = x + self.dropout(self.attn.combine(y))
        return x + self.dropout(self.mlp(self.ln_2(x))), present


class GPT(nn.Module):
    """A decoder with learned positions, whose output weights are the token table; see `gpt`."""

    def __init__(self, vocab_size: int, block_size: int, num_layers: int, num_heads: int, width: int, dropout: float):
        super().__init__()
        self.block_size = _check.count("gpt", "block_size", block_size, low=2)
        self.wte, self.wpe = nn.Embedding(vocab_size, width), nn.Embedding(block_size, width)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList([Block(width, num_heads, dropout) for _ in range(num_layers)])
        self.ln_f = nn.LayerNorm(width)
        last = 0.02 / math.sqrt(2 * max(num_layers, 1))  # of what adds to the sum that runs through the layers
        for name, each in self.named_parameters():
            if each.ndim > 1:
                nn.init.normal_(each, 0, last if name.endswith(("out_proj.weight", "mlp.2.weight")) else 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(each)

    def forward(self, input: Any, past: Any = None) -> Any:
        """Return scores (N, T, vocab_size) of the token after each of `input` (N, T).

        With `past`, () for none yet, also the keys and values of each layer, the next call's `past`: tokens given part
        by part have the bits of one call.
        """
        shape = np.shape(input)
        if len(shape) != 2:
            raise ValueError(f"GPT: expected tokens (N, T), got shape {shape}")
        begin = np.shape(past[0][0])[2] if past else 0
        end = begin + shape[1]
        if end > self.block_size:
            raise ValueError(f"GPT: expected at most {self.block_size} tokens, got {end}")
        x = self.dropout(self.wte(input) + self.wpe(np.arange(begin, end)))
        known = past if past or past is None else [self._nothing(shape[0])] * len(self.blocks)
        present = []
        for i, block in enumerate(self.blocks):
            x, kept = block(x, None if known is None else known[i])
            present.append(kept)
        scores = functional.linear(self.ln_f(x), self.wte.weight)
        return scores if past is None else (scores, tuple(present))

    def _nothing(self, n: int) -> tuple[Any, Any]:
        """Keys and values of no tokens."""
        attention = self.blocks[0].attn
        empty = np.zeros((n, attention.num_heads, 0, attention.head_dim), self.wte.weight.dtype)
        return empty, empty

    def generate(
        self, input: Any, max_new_tokens: int, temperature: float = 1.0, top_k: int | None = None, *, rng: Any = None
    ) -> Any:
        """Return `input` (N, T) and the tokens that the model writes after it, (N, T + max_new_tokens).

        Each is drawn from softmax(scores / temperature), of the `top_k` most probable alone if given; temperature 0
        takes the most probable.  The model sees at most block_size tokens: when they are full, it goes on from the
        last half.
        """
        name = "generate"
        tokens, new = np.asarray(value_of(input)), _check.count(name, "max_new_tokens", max_new_tokens)
        if tokens.ndim != 2 or not tokens.shape[1]:
            raise ValueError(
                f"{name}: expected tokens (N, T) with at least one to begin with, got shape {tokens.shape}"
            )
        heat = _check.in_range(name, "temperature", temperature, 0)
        most = None if top_k is None else _check.count(name, "top_k", top_k, low=1)
        source, mode, past, seen = _random.generator(name, rng), self.training, (), tokens[:, -self.block_size :]
        self.eval()
        try:
            with no_grad():
                for _ in range(new):
                    if past and np.shape(past[0][0])[2] == self.block_size:
                        past, seen = (), tokens[:, -(self.block_size // 2) :]
                    scores, past = self(seen, past)
                    seen = _drawn(np.asarray(scores)[:, -1].astype(np.float64), heat, most, source)[:, np.newaxis]
                    tokens = np.concatenate([tokens, seen], 1)
        finally:
            self.train(mode)
        return tokens


def _drawn(scores: Any, temperature: float, top_k: int | None, rng: np.random.Generator) -> Any:
    """One token of each row."""
    if temperature == 0:
        return scores.argmax(1)
    if top_k is not None and top_k < scores.shape[1]:
        least = np.partition(scores, -top_k, 1)[:, -top_k, np.newaxis]
        scores = np.where(scores < least, -np.inf, scores)
    shares = np.cumsum(np.exp((scores - scores.max(1, keepdims=True)) / temperature), 1)
    return (shares < rng.random((len(scores), 1)) * shares[:, -1:]).sum(1)


def gpt(
    vocab_size: int = 256,
    block_size: int = 256,
    num_layers: int = 6,
    num_heads: int = 6,
    width: int = 384,
    dropout: float = 0.1,
) -> GPT:
    """A language model of the kind of GPT-2: norms before each part, learned positions, tanh's gelu, tied weights.

    Parameters
    ----------
    vocab_size : int
        How many tokens there are; 256 for bytes.
    block_size : int
        The most tokens that the model sees.
    num_layers, num_heads, width : int
        (12, 12, 768) are GPT-2's.
    dropout : float

    Returns
    -------
    GPT
        A Module of 10.8 million parameters by default, with a method `generate`.

    References
    ----------
    Radford, Wu, Child, Luan, Amodei, Sutskever: "Language models are unsupervised multitask learners", 2019.

    Examples
    --------
    >>> model = gpt(vocab_size=50, block_size=16, num_layers=2, num_heads=2, width=8)
    >>> model(np.zeros((3, 5), int)).shape
    (3, 5, 50)
    >>> model.generate(np.zeros((1, 2), int), 20).shape
    (1, 22)
    """
    return GPT(vocab_size, block_size, num_layers, num_heads, width, dropout)
