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
from ._elementwise import BINARY, UNARY
from ._shape import LIMIT
from ._table import DRAWN, TABLE, Kept, Operator, find

FAMILIES = (
    _attention, _control, _detection, _elementwise, _indexing, _loss, _matrix, _normalization, _quantized, _random,
    _recurrent, _reduction, _resize, _shape, _window,
)  # fmt: skip
# operators whose result size is estimated by broadcasting the inputs' shapes
BROADCASTING = {
    *BINARY, *UNARY, "Cast", "CastLike", "DequantizeLinear", "Flatten", "Identity", "QuantizeLinear",
    "Reshape", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze", "Where",
}  # fmt: skip
__all__ = ["BROADCASTING", "DRAWN", "FAMILIES", "LIMIT", "TABLE", "Kept", "Operator", "find"]
