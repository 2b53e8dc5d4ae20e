"""RReLU: leaky ReLU with random slopes."""

from __future__ import annotations

from typing import Any

from .. import _random, functional
from .activation import _Activation

__all__ = [
    "RReLU",
]


class RReLU(_Activation):
    """Leaky ReLU with random slopes in training; see `fastnn.rrelu`.

    Parameters
    ----------
    lower, upper : float
    inplace : bool
    rng : None, int, SeedSequence or Generator
        Where slopes come from: None is the package's generator (`fastnn.manual_seed`), an integer seeds one of the
        layer's own.

    Examples
    --------
    >>> RReLU().eval()([-48.0, 2.0])
    array([-11.,   2.])
    """

    _function = functional.rrelu
    rng: Any = 0  # a key, so that the check of options draws nothing

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3, inplace: bool = False, *, rng: Any = None):
        super().__init__(lower=lower, upper=upper, inplace=inplace)
        self.rng = None if rng is None else _random.generator("RReLU", rng)

    def forward(self, input: Any) -> Any:
        """Return `fastnn.rrelu` of `input`, with random slopes in training."""
        return functional.rrelu(input, self.lower, self.upper, self.training, self.inplace, rng=self.rng)
