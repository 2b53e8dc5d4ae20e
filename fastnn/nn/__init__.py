"""Layers: PyTorch's names, arguments, defaults and state_dict keys."""

from . import activation, functional, init
from ._module import Module, Parameter, StateDictError
from .activation import *
from .container import Sequential
from .dropout import Dropout
from .linear import Flatten, Identity, Linear
from .loss import CrossEntropyLoss, MSELoss
from .norm import BatchNorm1d, BatchNorm2d, BatchNorm3d

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "CrossEntropyLoss",
    "Dropout",
    "Flatten",
    "Identity",
    "Linear",
    "MSELoss",
    "Module",
    "Parameter",
    "Sequential",
    "StateDictError",
    "functional",
    "init",
]
__all__ += activation.__all__
