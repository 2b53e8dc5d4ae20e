"""Layers: PyTorch's names, arguments, defaults and state_dict keys."""

from . import (
    activation,
    container,
    dropout,
    functional,
    group_norm,
    init,
    linear,
    loss,
    norm,
    parametric,
    shape,
    statistics,
    switchable,
    utils,
)
from ._module import Module, Parameter
from ._state import StateDictError
from .activation import *
from .container import *
from .dropout import *
from .group_norm import *
from .linear import *
from .loss import *
from .norm import *
from .parametric import *
from .shape import *
from .statistics import *
from .switchable import *

__all__ = [
    "Module",
    "Parameter",
    "StateDictError",
    "functional",
    "init",
    "utils",
    *activation.__all__,
    *container.__all__,
    *dropout.__all__,
    *group_norm.__all__,
    *linear.__all__,
    *loss.__all__,
    *norm.__all__,
    *parametric.__all__,
    *shape.__all__,
    *statistics.__all__,
    *switchable.__all__,
]
