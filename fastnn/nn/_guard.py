"""What a forward and backward pass change beside parameters, remembered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np

from .._random import get_rng_state, set_rng_state
from ..autograd import Tensor
from ._module import Module


class Guard:
    """Remembers what a forward and backward pass change: buffers, random numbers, gradients; brings it back.

    Parameters
    ----------
    modules : iterable of Module
        Their buffers, such as running statistics, and their generators, such as a dropout's.
    """

    def __init__(self, modules: Iterable[Module]):
        found = {id(each): each for module in modules for each in module.modules()}.values()
        self.tables = [module._buffers for module in found if module._buffers]
        self.generators = [
            each for module in found for each in vars(module).values() if isinstance(each, np.random.Generator)
        ]

    @contextmanager
    def step(self, parameters: list[Tensor]) -> Iterator[None]:
        """A block after whose errors, Ctrl-C included, everything is as it was before it."""
        buffers = [
            (table, name, array, array.copy())
            for table in self.tables
            for name, array in table.items()
            if array is not None
        ]
        states = [each.bit_generator.state for each in self.generators]
        own = get_rng_state()
        # None after `zero_grad`; of an optimizer that accumulates over batches, the sum so far
        gradients = [None if each.grad is None else each.grad.copy() for each in parameters]
        try:
            yield
        except BaseException:
            for table, name, array, copy in buffers:
                if array.flags.writeable:
                    array[...] = copy
                table[name] = array  # a layer may have put another array into its place
            for each, state in zip(self.generators, states, strict=True):
                each.bit_generator.state = state
            set_rng_state(own)
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient
            raise
