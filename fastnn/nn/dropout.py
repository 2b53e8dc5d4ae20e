"""The dropout layer."""

from __future__ import annotations

from typing import Any

from .. import _check, _random, functional
from ._module import Module


class Dropout(Module):
    """In training zero elements with probability p and scale the others by 1 / (1 - p); else hand the input on.

    Parameters
    ----------
    p : float
        In [0, 1].
    inplace : bool
        Write the result over the input, where that is a plain array.
    rng : None, int, SeedSequence or Generator
        Where masks come from: None is the package's generator (`fastnn.manual_seed`), an integer seeds the layer's own.

    Examples
    --------
    >>> Dropout(0.5).eval()([1.0, 2.0])
    [1.0, 2.0]
    """

    def __init__(self, p: float = 0.5, inplace: bool = False, *, rng: Any = None):
        super().__init__()
        self.p = _check.in_range("Dropout", "p", p, 0, 1)
        self.inplace = inplace
        self.rng = None if rng is None else _random.generator("Dropout", rng)

    def forward(self, input: Any) -> Any:
        """Return `fastnn.dropout(input, p)` in training, `input` itself in evaluation."""
        return functional.dropout(input, self.p, True, self.inplace, rng=self.rng) if self.training else input

    def extra_repr(self) -> str:
        """Return the options."""
        return f"p={self.p}, inplace={self.inplace}"
