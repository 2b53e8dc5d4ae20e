"""Models of ONNX files."""

from ._model import Argument, Model, load
from ._save import save

__all__ = ["Argument", "Model", "load", "save"]
