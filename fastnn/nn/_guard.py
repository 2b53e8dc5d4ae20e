"""What a forward and backward pass change beside parameters, remembered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .._random import get_rng_state, set_rng_state
from ..autograd import Tensor
from ._module import Module


def modules_of(values: Iterable[Any]) -> list[Module]:
    """The modules among these, and all below them, each once."""
    return list({id(each): each for value in values if isinstance(value, Module) for each in value.modules()}.values())


def generators_of(modules: Iterable[Module]) -> list[np.random.Generator]:
    """The modules' own generators, such as a dropout's."""
    return [each for module in modules for each in vars(module).values() if isinstance(each, np.random.Generator)]


class Guard:
    """Remembers what a forward and backward pass change: buffers, random numbers, gradients; brings it back.

    Parameters
    ----------
    values : iterable
        Of the modules among these: buffers, such as running statistics, and generators.
    """

    def __init__(self, values: Iterable[Any]):
        found = modules_of(values)
        self.tables = [module._buffers for module in found if module._buffers]
        self.generators = generators_of(found)

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
