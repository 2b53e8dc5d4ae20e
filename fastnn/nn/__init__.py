"""Layers: PyTorch's names, arguments, defaults and state_dict keys."""

from . import (
    activation,
    attention,
    batch_norm,
    bilinear,
    container,
    conv,
    dropout,
    embedding,
    functional,
    group_norm,
    image,
    init,
    instance_norm,
    layer_norm,
    linear,
    loss,
    metric_loss,
    padding,
    parameter_container,
    parametric,
    pool,
    recurrent,
    recurrent_cell,
    rrelu,
    shape,
    softmax,
    statistics,
    switchable,
    transformer,
    utils,
)
from ._module import Module, Parameter
from ._state import StateDictError
from .activation import *
from .attention import *
from .batch_norm import *
from .bilinear import *
from .container import *
from .conv import *
from .dropout import *
from .embedding import *
from .group_norm import *
from .image import *
from .instance_norm import *
from .layer_norm import *
from .linear import *
from .loss import *
from .metric_loss import *
from .padding import *
from .parameter_container import *
from .parametric import *
from .pool import *
from .recurrent import *
from .recurrent_cell import *
from .rrelu import *
from .shape import *
from .softmax import *
from .statistics import *
from .switchable import *
from .transformer import *

__all__ = [
    "Module",
    "Parameter",
    "StateDictError",
    "functional",
    "init",
    "utils",
    *activation.__all__,
    *attention.__all__,
    *batch_norm.__all__,
    *bilinear.__all__,
    *container.__all__,
    *conv.__all__,
    *dropout.__all__,
    *embedding.__all__,
    *group_norm.__all__,
    *image.__all__,
    *instance_norm.__all__,
    *layer_norm.__all__,
    *linear.__all__,
    *loss.__all__,
    *metric_loss.__all__,
    *padding.__all__,
    *parameter_container.__all__,
    *parametric.__all__,
    *pool.__all__,
    *rrelu.__all__,
    *recurrent.__all__,
    *recurrent_cell.__all__,
    *shape.__all__,
    *softmax.__all__,
    *statistics.__all__,
    *switchable.__all__,
    *transformer.__all__,
]
