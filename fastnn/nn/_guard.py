"""Restoring what a failed forward and backward pass has changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .._random import get_rng_state, set_rng_state
from ..autograd import Tensor
from ._module import Module


def modules_of(values: Iterable[Any]) -> list[Module]:
    """The modules among these values, and all below them, each once."""
    return list({id(each): each for value in values if isinstance(value, Module) for each in value.modules()}.values())


def generators_of(modules: Iterable[Module]) -> list[np.random.Generator]:
    """The modules' own generators, such as a dropout's."""
    return [each for module in modules for each in vars(module).values() if isinstance(each, np.random.Generator)]


class Guard:
    """Remembers what a forward and backward pass change (buffers, random states, gradients), and restores it.

    Parameters
    ----------
    values : iterable
        The modules among these are guarded.
    """

    def __init__(self, values: Iterable[Any]):
        found = modules_of(values)
        self.tables = [module._buffers for module in found if module._buffers]
        self.generators = generators_of(found)

    @contextmanager
    def step(self, parameters: list[Tensor]) -> Iterator[None]:
        """A block; after an error in it, Ctrl-C included, everything is as it was before."""
        buffers = [
            (table, name, array, array.copy())
            for table in self.tables
            for name, array in table.items()
            if array is not None
        ]
        states = [each.bit_generator.state for each in self.generators]
        own = get_rng_state()
        # None after `zero_grad`; the sum so far if gradients accumulate over batches
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
