"""A model's computation as data: graphs, the passes over them, and plans, which predict without the interpreter."""

from typing import TYPE_CHECKING, Any

from ._graph import Call, Constant, Graph, Own, Ref, Times, Unary, Value

if TYPE_CHECKING:
    from ._compile import CompiledStep, compile_step
    from ._freeze import Frozen, freeze
    from ._loaded import load_frozen

__all__ = [
    "Call", "CompiledStep", "Constant", "Frozen", "Graph", "Own", "Ref", "Times", "Unary", "Value", "compile_step",
    "freeze", "load_frozen",
]  # fmt: skip
_LATE = {
    "CompiledStep": "_compile",
    "Frozen": "_freeze",
    "compile_step": "_compile",
    "freeze": "_freeze",
    "load_frozen": "_loaded",
}  # imported when first named, since these modules import nn; fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LATE[name]}"), name)
