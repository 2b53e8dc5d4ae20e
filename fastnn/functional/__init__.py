"""Functions of arrays: every one has a `_backward` twin that takes plain arrays too.

They hold PyTorch's `nn.functional` names, arguments and defaults.  Given Tensors that track gradients, they return
Tensors and are recorded.
"""

from . import (
    _activation,
    _class_loss,
    _dropout,
    _dropout_variants,
    _elementwise,
    _embedding,
    _exponential,
    _glu,
    _group_norm,
    _layer_norm,
    _linear,
    _norm,
    _normalize,
    _pair_loss,
    _parametric,
    _piecewise,
    _softmax,
    _switchable,
    _twins,
)
from ._activation import *
from ._class_loss import *
from ._dropout import *
from ._dropout_variants import *
from ._embedding import *
from ._exponential import *
from ._glu import *
from ._group_norm import *
from ._layer_norm import *
from ._linear import *
from ._norm import *
from ._normalize import *
from ._pair_loss import *
from ._parametric import *
from ._piecewise import *
from ._softmax import *
from ._switchable import *

__all__ = [
    *_activation.__all__,
    *_class_loss.__all__,
    *_dropout.__all__,
    *_dropout_variants.__all__,
    *_embedding.__all__,
    *_exponential.__all__,
    *_glu.__all__,
    *_group_norm.__all__,
    *_layer_norm.__all__,
    *_linear.__all__,
    *_norm.__all__,
    *_normalize.__all__,
    *_pair_loss.__all__,
    *_parametric.__all__,
    *_piecewise.__all__,
    *_softmax.__all__,
    *_switchable.__all__,
]

_twins.complete({name: globals()[name] for name in __all__})

del _elementwise
