"""Functions of arrays: every one has a `_backward` twin that takes plain arrays too.

They hold PyTorch's `nn.functional` names, arguments and defaults.  Given Tensors that track gradients, they return
Tensors and are recorded.
"""

from importlib import import_module as _import_module

from . import _elementwise, _text

# A module for each family; `__init__.pyi`, which tools/stubs.py writes, names their functions to type checkers.
_FAMILIES = (
    "activation attention batch_norm bilinear blocks class_loss conv conv_transpose ctc_loss dropout "
    "dropout_variants embedding embedding_bag exponential glu group_norm instance_norm interpolate "
    "label_margin_loss layer_norm likelihood_loss linear margin_loss metric_loss normalize pad pair_loss parametric "
    "piecewise pool_average pool_lp pool_max rearrange recurrent_cells recurrent_layers response_norm rrelu similarity "
    "softmax switchable"
)
__all__ = []
for _family in _FAMILIES.split():
    _module = _import_module(f"._{_family}", __name__)
    __all__ += _module.__all__
    globals().update({name: getattr(_module, name) for name in _module.__all__})

_text.complete({name: globals()[name] for name in __all__})

del _elementwise, _family, _module, _text
