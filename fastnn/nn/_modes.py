"""Evaluation mode inside a block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..autograd import no_grad
from ._module import Module


@contextmanager
def evaluating(model: Module) -> Iterator[None]:
    """Evaluation mode without gradients; on leaving every module has its own mode again."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        with no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode
