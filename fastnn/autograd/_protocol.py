"""A Tensor under NumPy's functions, operators, indexing and changes in place."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _check, _core, _dispatch
from .._check import Array
from .._core import make, mode, observers, tracks, value_of, wants
from .._dispatch import DERIVATIVES, flat
from . import _unusual
from ._indexing import index_gradient, own_index
from ._registry import OWN, UFUNCS, UNDIFFERENTIATED, Gradients, unbroadcast

if TYPE_CHECKING:
    from ._tensor import Tensor


class Protocol(_core.TensorBase, np.lib.mixins.NDArrayOperatorsMixin):
    """The part of Tensor that NumPy calls: a call is recorded where a Tensor tracks gradients, else it runs on arrays.

    A function without a derivative is then refused, since the gradient would be lost silently.
    """

    __slots__ = ()
    __array_priority__ = 1000

    if TYPE_CHECKING:  # attributes of Tensor, and operators, whose results NumPy declares as Any

        @property
        def data(self) -> Array: ...
        def __add__(self, other: Any) -> Tensor: ...
        def __neg__(self) -> Tensor: ...

        __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __add__
        __pow__ = __rpow__ = __matmul__ = __rmatmul__ = __add__
        __pos__ = __abs__ = __neg__

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if observers and mode.observer is not None:
            told = ufunc if method == "__call__" else getattr(ufunc, method)
            return mode.observer.tell(f"np.{ufunc.__name__}", told, inputs, kwargs)
        out = kwargs.pop("out", ())
        if not tracks(*inputs, *out) or (ufunc in UNDIFFERENTIATED and not tracks(*out)):
            call = OWN.get(ufunc, ufunc) if method == "__call__" else getattr(ufunc, method)
            return _unrecorded(call, inputs, out, kwargs)
        if out:
            raise TypeError(f"np.{ufunc.__name__}: a recorded call writes no out=; use no_grad()")
        if method != "__call__" or kwargs or ufunc not in UFUNCS:
            call = ufunc.__name__ + ("" if method == "__call__" else "." + method)
            options = f" with {', '.join(kwargs)}=" if kwargs else ""
            raise TypeError(
                f"np.{call}{options} has no derivative here; use .numpy() or no_grad() to compute without one"
            )
        values = _unusual.arrays_of(inputs, ufunc)
        _unusual.refuse_masks(ufunc, values)
        y = (_core.add if ufunc is np.add else OWN.get(ufunc, ufunc))(*values)
        known = (y, *values)
        rules = [
            (rule.gradient, [known[i] for i in rule.reads], np.shape(value)) if wants(each) else None
            for rule, value, each in zip(UFUNCS[ufunc], values, inputs, strict=True)
        ]

        def backward(dy: Array) -> Gradients:
            return [None if rule is None else unbroadcast(rule[0](dy, *rule[1]), rule[2]) for rule in rules]

        return make(y, inputs, backward, ufunc)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if observers and mode.observer is not None:
            return mode.observer.tell(f"np.{function.__name__}", function, args, kwargs)
        values = flat((*args, *kwargs.values()))
        if function in UNDIFFERENTIATED or not tracks(*values):
            if "out" in kwargs:
                _dispatch.refuse_tracked(f"np.{function.__name__}", "out", kwargs["out"])
            return function(*_unwrapped(args), **{name: _unwrapped(value) for name, value in kwargs.items()})
        if function not in DERIVATIVES:
            raise TypeError(
                f"np.{function.__name__} has no derivative here; use .numpy() or no_grad() to compute without one"
            )
        _unusual.refuse_masks(function, values)
        return _core.recorded_call(f"np.{function.__name__}", DERIVATIVES[function], args, kwargs)

    def __getitem__(self, index: Any) -> Tensor:
        if observers and mode.observer is not None:
            return mode.observer.tell("getitem", operator.getitem, (self, index), {})
        if not tracks(self):
            return self.data[_unwrapped(index)]
        index = _unwrapped(index)
        x = self.data
        index, repeats = own_index(index)
        shape, dtype = x.shape, x.dtype
        return make(x[index], (self,), lambda dy: (index_gradient(dy, index, repeats, shape, dtype),))

    def __setitem__(self, index: Any, value: Any) -> None:
        if tracks(self, value):
            raise RuntimeError("Tensor: a Tensor that tracks gradients cannot be assigned to; use no_grad()")
        self.data[_unwrapped(index)] = _check.as_array("Tensor", value_of(value), "values")


def _unwrapped(value: Any) -> Any:
    """Arrays in place of Tensors, in lists and tuples too."""
    if isinstance(value, (list, tuple)):
        return type(value)(map(_unwrapped, value))
    return value_of(value)


def _unrecorded(call: Any, inputs: Any, out: Any, kwargs: Any) -> Any:
    """A ufunc, or one of its methods, on the arrays alone."""
    if out:
        kwargs["out"] = tuple(map(value_of, out))
    result = call(*_unusual.arrays_of(inputs, call), **kwargs)
    return out[0] if len(out) == 1 else result


def _updating(ufunc: np.ufunc) -> Callable[[Tensor, Any], Any]:
    """Operators such as `y += z`; on the tape y becomes a new Tensor, and the old one is unchanged."""

    def method(self: Tensor, other: Any) -> Any:
        if not tracks(self, other):
            return ufunc(self, other, out=(self,))
        if self.is_leaf and self.requires_grad:
            raise RuntimeError("Tensor: a Tensor that requires gradients cannot be changed in place; use no_grad()")
        result = ufunc(self, other)
        name, shape, dtype = f"np.{ufunc.__name__}", self.data.shape, self.data.dtype
        if result.shape != shape:
            raise ValueError(f"{name}: expected a result of shape {shape} in place, got {result.shape}")
        if not np.can_cast(result.dtype, dtype, "same_kind"):
            raise TypeError(f"{name}: expected a result of dtype {dtype} in place, got {result.dtype}")
        return result if result.dtype == dtype else result.astype(dtype)

    return method


for _name, _ufunc in {
    "__iadd__": np.add, "__isub__": np.subtract, "__imul__": np.multiply, "__itruediv__": np.divide,
    "__ifloordiv__": np.floor_divide, "__imod__": np.remainder, "__ipow__": np.power, "__imatmul__": np.matmul,
}.items():  # fmt: skip
    setattr(Protocol, _name, _updating(_ufunc))
