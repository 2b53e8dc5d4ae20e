"""What makes a step of training one that is taken whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .. import _core
from .._random import get_rng_state, set_rng_state
from ..autograd import Tensor
from ..data import DataLoader
from ..nn import Module


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


@contextmanager
def untouched(data: Any) -> Iterator[Callable[[], None]]:
    """A pass over batches: after an error before the first call of what is yielded its order comes back, too."""
    moved = False

    def move() -> None:
        nonlocal moved
        moved = True

    states = data.state_dict() if isinstance(data, DataLoader) else None
    own = get_rng_state()
    try:
        yield move
    except BaseException:
        if not moved:
            set_rng_state(own)
            if states is not None:
                data.load_state_dict(states)
        raise


def check_gradients(parameters: Iterable[Tensor], model: Module, place: str) -> None:
    """Refuse a gradient that is not finite.

    Raises
    ------
    FloatingPointError
        With the parameter's name in the model, the value and its index, and `place`.
    """
    found = [(each, each.grad) for each in parameters if each.grad is not None]
    grads = [grad for _, grad in found]
    plain = len({grad.dtype for grad in grads}) == 1 and all(_core.are_alike([grad]) for grad in grads)
    if not grads or (plain and _core.ops.all_finite(grads, len(grads))):
        return  # a sum that is not finite may have overflowed: that takes a closer look
    with np.errstate(all="ignore"):
        for parameter, grad in found:
            finite = np.isfinite(grad)
            if not finite.all():
                names = [name for name, each in model.named_parameters() if each is parameter]
                index = tuple(map(int, np.argwhere(~finite)[0]))
                who = repr(names[0]) if names else f"a parameter of shape {parameter.shape}"
                raise FloatingPointError(f"the gradient of {who} is {grad[index]} at index {index} {place}")
