"""Calls of a graph as nodes of ONNX, by family: each file has the writers of its functions."""

from . import activation, arrays, attention, elementwise, image, linear, norm, recurrent, window
from ._build import WRITERS, Builder, NotWritten
from ._model import Exported, export

FAMILIES = (activation, arrays, attention, elementwise, image, linear, norm, recurrent, window)
__all__ = ["FAMILIES", "WRITERS", "Builder", "Exported", "NotWritten", "export"]
