"""The operators of ONNX as functions of arrays, by family; https://onnx.ai/onnx/operators is their documentation."""

from . import (
    _attention,
    _control,
    _detection,
    _elementwise,
    _indexing,
    _loss,
    _matrix,
    _normalization,
    _quantized,
    _random,
    _recurrent,
    _reduction,
    _resize,
    _shape,
    _window,
)
from ._table import DRAWN, TABLE, Operator, find

FAMILIES = (
    _attention, _control, _detection, _elementwise, _indexing, _loss, _matrix, _normalization, _quantized, _random,
    _recurrent, _reduction, _resize, _shape, _window,
)  # fmt: skip
__all__ = ["DRAWN", "FAMILIES", "TABLE", "Operator", "find"]
