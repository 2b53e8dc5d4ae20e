"""Optimizers: PyTorch's names, arguments and defaults; each step is one fused kernel call over all parameters."""

from ._optimizer import Optimizer
from .adam import Adam
from .sgd import SGD

__all__ = ["SGD", "Adam", "Optimizer"]
