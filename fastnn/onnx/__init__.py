"""Models of ONNX files."""

from ._model import Argument, Model, load

__all__ = ["Argument", "Model", "load"]
