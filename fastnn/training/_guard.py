"""Parts of a training step, which is taken as a whole or not at all."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from .._random import get_rng_state, set_rng_state
from ..autograd import Tensor
from ..data import DataLoader
from ..nn import Module
from ._batches import said
from ._measure import number_of

if TYPE_CHECKING:
    from ._trainer import Trainer


@contextmanager
def untouched(data: Any) -> Iterator[Callable[[], None]]:
    """A pass over batches; an error before the function that it yields is called restores order and random state."""
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


def there_and_back(trainer: Trainer, input: Any, target: Any, place: str) -> tuple[float, Any]:
    """The finite loss of a batch and its output (with a group only where metrics need it); gradients are set."""
    method, criterion, loss = "Trainer.fit", trainer.criterion, None
    if trainer.group is not None:
        whole = bool(trainer.metrics)
        value, output = trainer.group._run(method, trainer.model, criterion, (input, target), whole)
    elif trainer.compiled is not None:
        output, loss = trainer.compiled.backward(input, target)
        value = number_of(method, loss)
    else:
        output = trainer.model(input)
        loss = criterion(output, target)
        value = number_of(method, loss)
    if not math.isfinite(value):
        raise FloatingPointError(f"the loss is {value} {place}")
    if trainer.group is None and trainer.compiled is None:
        if not isinstance(loss, Tensor) or not loss.requires_grad:
            raise TypeError(
                f"{method}: expected criterion to return a loss that tracks gradients, got {said(loss)} that does not: "
                "under no_grad, of frozen parameters, or computed outside the tape"
            )
        loss.backward()
    return value, output


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
        return  # else a closer look: a sum of finite values may have overflowed
    with np.errstate(all="ignore"):
        for parameter, grad in found:
            finite = np.isfinite(grad)
            if not finite.all():
                names = [name for name, each in model.named_parameters() if each is parameter]
                index = tuple(map(int, np.argwhere(~finite)[0]))
                who = repr(names[0]) if names else f"a parameter of shape {parameter.shape}"
                raise FloatingPointError(f"the gradient of {who} is {grad[index]} at index {index} {place}")
