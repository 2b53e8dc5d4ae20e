"""Stand-ins, in a traced forward pass, for values and for sizes that depend on the batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..autograd import Tensor

if TYPE_CHECKING:
    from ._trace import Tracer


class Hidden:
    """Takes the place of a stand-in's array: any use of it is refused, since it would show values."""

    def __init__(self, tracer: Tracer):
        self.__dict__["tracer"] = tracer

    def refuse(self, *_: Any, **__: Any) -> Any:
        """Raise."""
        raise self.__dict__["tracer"].refused("it asks for values")

    __array__ = __array_ufunc__ = __array_function__ = __getitem__ = __len__ = __iter__ = __index__ = refuse
    __float__ = __int__ = __bool__ = __getattr__ = refuse


class Batch:
    """A size that depends on the batch: `factor` times the batch size, or, if that is None, in another way.

    It may be multiplied, compared with another one, and handed to calls; anything else asks for the batch size.
    """

    def __init__(self, factor: int | None, tracer: Tracer):
        self.factor, self.tracer = factor, tracer

    def read(self, *_: Any, **__: Any) -> Any:
        """Raise."""
        raise self.tracer.refused_batch()

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, Tensor):
            return NotImplemented
        if type(other) is int and other > 0 and self.factor is not None:
            return Batch(self.factor * other, self.tracer)
        return self.read()

    __rmul__ = __mul__

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Batch) and None not in (self.factor, other.factor):
            return self.factor == other.factor
        return bool(self.read())

    def __repr__(self) -> str:
        return "N" if self.factor == 1 else f"{self.factor}N"


def _reading(name: str) -> Callable[..., Any]:
    """An operator that asks for the batch size, but leaves it to the other operand if that is a stand-in."""

    def method(self: Batch, *others: Any) -> Any:
        return NotImplemented if any(isinstance(other, Tensor) for other in others) else self.read()

    return method


_OPERATORS = """
    add radd sub rsub truediv rtruediv floordiv rfloordiv mod rmod pow rpow divmod rdivmod lt le gt ge neg pos abs
    invert and rand or ror xor rxor lshift rlshift rshift rrshift int float index bool hash round trunc floor ceil
    array format
"""
for _name in _OPERATORS.split():
    setattr(Batch, f"__{_name}__", _reading(_name))
