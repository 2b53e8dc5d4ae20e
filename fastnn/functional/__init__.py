"""Functions of arrays: every one has a `_backward` twin that takes plain arrays too.

They hold PyTorch's `nn.functional` names, arguments and defaults.  Given Tensors that track gradients, they return
Tensors and are recorded.
"""

from . import (
    _activation,
    _attention,
    _batch_norm,
    _bilinear,
    _blocks,
    _class_loss,
    _conv,
    _conv_transpose,
    _ctc_loss,
    _dropout,
    _dropout_variants,
    _elementwise,
    _embedding,
    _embedding_bag,
    _exponential,
    _glu,
    _group_norm,
    _instance_norm,
    _interpolate,
    _label_margin_loss,
    _layer_norm,
    _likelihood_loss,
    _linear,
    _margin_loss,
    _metric_loss,
    _normalize,
    _pad,
    _pair_loss,
    _parametric,
    _piecewise,
    _pool_average,
    _pool_max,
    _rearrange,
    _recurrent_cells,
    _recurrent_layers,
    _response_norm,
    _rrelu,
    _similarity,
    _softmax,
    _switchable,
    _text,
)
from ._activation import *
from ._attention import *
from ._batch_norm import *
from ._bilinear import *
from ._blocks import *
from ._class_loss import *
from ._conv import *
from ._conv_transpose import *
from ._ctc_loss import *
from ._dropout import *
from ._dropout_variants import *
from ._embedding import *
from ._embedding_bag import *
from ._exponential import *
from ._glu import *
from ._group_norm import *
from ._instance_norm import *
from ._interpolate import *
from ._label_margin_loss import *
from ._layer_norm import *
from ._likelihood_loss import *
from ._linear import *
from ._margin_loss import *
from ._metric_loss import *
from ._normalize import *
from ._pad import *
from ._pair_loss import *
from ._parametric import *
from ._piecewise import *
from ._pool_average import *
from ._pool_max import *
from ._rearrange import *
from ._recurrent_cells import *
from ._recurrent_layers import *
from ._response_norm import *
from ._rrelu import *
from ._similarity import *
from ._softmax import *
from ._switchable import *

__all__ = [
    *_activation.__all__,
    *_attention.__all__,
    *_batch_norm.__all__,
    *_bilinear.__all__,
    *_blocks.__all__,
    *_class_loss.__all__,
    *_conv.__all__,
    *_conv_transpose.__all__,
    *_ctc_loss.__all__,
    *_dropout.__all__,
    *_dropout_variants.__all__,
    *_embedding.__all__,
    *_embedding_bag.__all__,
    *_exponential.__all__,
    *_glu.__all__,
    *_group_norm.__all__,
    *_instance_norm.__all__,
    *_interpolate.__all__,
    *_label_margin_loss.__all__,
    *_layer_norm.__all__,
    *_likelihood_loss.__all__,
    *_linear.__all__,
    *_margin_loss.__all__,
    *_metric_loss.__all__,
    *_normalize.__all__,
    *_pad.__all__,
    *_pair_loss.__all__,
    *_parametric.__all__,
    *_piecewise.__all__,
    *_pool_average.__all__,
    *_pool_max.__all__,
    *_rearrange.__all__,
    *_recurrent_cells.__all__,
    *_recurrent_layers.__all__,
    *_response_norm.__all__,
    *_rrelu.__all__,
    *_similarity.__all__,
    *_softmax.__all__,
    *_switchable.__all__,
]

_text.complete({name: globals()[name] for name in __all__})

del _elementwise, _text
