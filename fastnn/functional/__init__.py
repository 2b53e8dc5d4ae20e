"""Functions of arrays: every one has a `_backward` twin that takes plain arrays too.

They hold PyTorch's `nn.functional` names, arguments and defaults.  Given Tensors that track gradients, they return
Tensors and are recorded.
"""

from collections.abc import Callable as _Callable, Iterator as _Iterator
from typing import Any as _Any

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

# The sections that the docstrings of many twins share: a twin's own has its formula and its example, the entries of its
# other parameters are the function's.
_PARAMETERS, _RETURNS, _EXAMPLES = (f"{title}\n{'-' * len(title)}\n" for title in ("Parameters", "Returns", "Examples"))

_SAVED = """\
dy, {0} : array_like
    Of one shape: the gradient of the result, and the {1} of `{2}`.
"""
_SAME = """\
dy : array_like
    The gradient of the result, of its shape.
"""
_LOSS = """\
dy : array_like
    The gradient of the loss, of its shape: a scalar, or, for reduction "none", one value for each.
"""
_OUT = """\
out : ndarray, optional
    Where to put the result.
"""
_ONE = """\
ndarray
    The gradient of the input, of its shape, in the dtype that the arrays have together.
"""
_INPUT = """\
ndarray
    The gradient of the input, of its shape and dtype.
"""
_SEVERAL = """\
tuple of ndarray
    The gradient of x, of its shape, and that of each parameter, in the parameter's; all in the dtype of x.
"""
_ARRAYS = """\
tuple of ndarray
    The gradient of each array, of its shape, in the dtype that the arrays have together.
"""
_RAISES = """
Raises
------
ValueError
    If shapes do not fit.

"""


def _complete(functions: dict[str, _Callable[..., _Any]]) -> None:
    """Give the twins among these functions, where they have a formula and an example alone, the other sections."""
    for name, twin in functions.items():
        doc = _text(twin)
        if name.endswith("_backward") and doc and _PARAMETERS not in doc:
            function = name.removesuffix("_backward")
            own, example = doc.split(_EXAMPLES)
            sections = _sections(getattr(twin, "__wrapped__", twin).__code__, function, _text(functions[function]))
            twin.__doc__ = f"{own}{sections}{_EXAMPLES}{example}"


def _text(function: _Callable[..., _Any]) -> str:
    """A docstring without its indentation, which compilers before Python 3.13 leave in it."""
    doc = function.__doc__ or ""
    return doc.replace("\n    ", "\n") if f"\n    {_EXAMPLES[:8]}\n" in doc else doc


def _sections(code: _Any, function: str, doc: str) -> str:
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    first, returned = _SAME, _INPUT
    if "reduction" in names:
        first, returned = _LOSS, _ONE if "out" in names else _ARRAYS
    elif names[1] in ("x", "y"):
        first = _SAVED.format(names[1], "result" if names[1] == "y" else "input", function)
        returned = _ONE if "out" in names else _SEVERAL
    others = "".join(entry for words, entry in _entries(doc) if not words.isdisjoint(names) and "out" not in words)
    out = _OUT if "out" in names else ""
    return f"{_PARAMETERS}{first}{others}{out}\n{_RETURNS}{returned}{_RAISES}"


def _entries(doc: str) -> _Iterator[tuple[set[str], str]]:
    """The names and the text of each entry of a docstring's parameters."""
    entry: list[str] = []
    for line in (*doc.partition(_PARAMETERS)[2].partition("\n\n")[0].splitlines(), ""):
        if entry and not line.startswith(" "):
            yield set(entry[0].partition(" : ")[0].strip().split(", ")), "\n".join(entry) + "\n"
            entry = []
        entry.append(line)


_complete({name: globals()[name] for name in __all__})

del _elementwise
