"""Functions of arrays: every one has a `_backward` twin that takes plain arrays too.

They hold PyTorch's `nn.functional` names, arguments and defaults.  Given Tensors that track gradients, they return
Tensors and are recorded.
"""

from . import _activation, _dropout, _elementwise, _linear, _loss, _norm, _piecewise, _softmax
from ._activation import *
from ._dropout import *
from ._linear import *
from ._loss import *
from ._norm import *
from ._piecewise import *
from ._softmax import *

__all__ = _activation.__all__ + _piecewise.__all__ + _softmax.__all__
__all__ += _linear.__all__ + _norm.__all__ + _dropout.__all__ + _loss.__all__

del _elementwise
