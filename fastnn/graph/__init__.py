"""What a model does, as data: graphs, the passes over them, and plans, which predict without the interpreter."""

from ._freeze import Frozen, freeze
from ._graph import Call, Constant, Graph, Own, Ref, Times, Unary, Value
from ._loaded import load_frozen

__all__ = ["Call", "Constant", "Frozen", "Graph", "Own", "Ref", "Times", "Unary", "Value", "freeze", "load_frozen"]
