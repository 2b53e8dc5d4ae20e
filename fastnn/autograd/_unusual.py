"""What the extension leaves to Python: rare cases of the tape, conversions, errors, the end of a backward pass."""

from __future__ import annotations

from collections.abc import Sequence
from types import FrameType
from typing import Any

import numpy as np

from .. import _core
from .._check import Array
from .._dispatch import DERIVATIVES, Derivative, flat
from ._registry import UFUNCS, UNDIFFERENTIATED

CONVERSIONS = frozenset({"require", "asarray_chkfinite"})  # of NumPy, in Python


# In place of PyTorch's methods: a Tensor has those of an array, since models get arrays where nothing is recorded
HERE = {
    "permute": "np.transpose(x, axes)", "unsqueeze": "np.expand_dims(x, axis)", "dim": "x.ndim", "numel": "x.size",
    "expand": "np.broadcast_to(x, shape)", "tile": "np.tile(x, reps)", "gather": "np.take_along_axis(x, index, axis)",
    "index_select": "np.take(x, index, axis)", "masked_fill": "np.where(mask, value, x)", "clamp": "x.clip(low, high)",
    "matmul": "x @ y", "mm": "x @ y", "bmm": "x @ y", "pow": "x ** y", "t": "x.T", "norm": "np.linalg.norm(x)",
    "chunk": "np.split(x, parts, axis)", "split": "np.split(x, ends, axis)", "unbind": "list(x)",
    "topk": "np.argsort(x.data) for the order", "sort": "np.sort(x, axis)", "clone": "+x", "copy": "+x",
    "contiguous": "x itself", "to": "x itself, or x.astype(dtype)", "cpu": "x itself", "cuda": "x itself",
    "float": "x.astype(np.float32)", "double": "x.astype(np.float64)", "long": "x.astype(np.int64)",
    "softmax": "fastnn.softmax(x, dim)", "log_softmax": "fastnn.log_softmax(x, dim)", "relu": "fastnn.relu(x)",
    "sigmoid": "fastnn.sigmoid(x)", "add_": "x + y", "mul_": "x * y",
    "zero_": "x.data.fill(0)", "fill_": "x.data.fill(value)", "copy_": "x.data[...] = values",
}  # fmt: skip


def advice(name: str) -> str:
    """The error message for a Tensor's attribute that does not exist."""
    function = None if name.startswith("_") else getattr(np, name, None)
    recorded = callable(function) and (function in DERIVATIVES or function in UFUNCS)
    here = HERE.get(name) or (f"np.{name}(x)" if recorded else "")
    return f"'Tensor' object has no attribute {name!r}" + (here and f"; here: {here}")


def array_of_list(name: str, values: Any) -> Array:
    """A list as an array; one that holds Tensors with gradients is refused, since it would lose them."""
    if _core.tracks(*flat(values)):
        raise TypeError(
            f"{name}: expected an array, got a list of Tensors, which would lose its gradient; use np.stack"
        )
    return np.asarray(values)


def arrays_of(values: Sequence[Any], call: Any) -> list[Any]:
    """A ufunc's arguments as arrays; lists may not hold Tensors with gradients."""
    return [
        array_of_list(f"np.{call.__name__}", value) if isinstance(value, (list, tuple)) else _core.value_of(value)
        for value in values
    ]


def argument(name: str, declared: Derivative, argument: str, value: Any, parents: list[Any]) -> Any:
    """An argument of a recorded call that has no derivative, or is no Tensor, or is the list that the call takes.

    Tensors with gradients in such a list become the parents; elsewhere they are refused.
    """
    if argument not in declared.places:
        if _core.tracks(*flat((value,))):
            raise TypeError(f"{name}: no derivative with respect to {argument}; use .numpy() or no_grad()")
        return _core.value_of(value)
    if not declared.takes_list:
        return array_of_list(name, value) if isinstance(value, (list, tuple)) else value
    value = list(value)
    parents[:] = [each if _core.wants(each) else None for each in value]
    return [array_of_list(name, each) if isinstance(each, (list, tuple)) else _core.value_of(each) for each in value]


def refuse_loss(caller: FrameType) -> None:
    """Refuse to become an array in NumPy's own Python code, which would compute with it and lose the gradient.

    It converts lists of Tensors, masked arrays and `np.r_`.  The caller itself may convert, and so may functions that
    have no derivative or return the array as it is, and `np.testing`.  NumPy's code in C cannot be told from the
    caller's.
    """
    outermost = None
    frame: FrameType | None = caller
    while frame is not None and frame.f_globals.get("__name__", "").startswith("numpy."):
        outermost, frame = frame, frame.f_back
    if outermost is None:
        return
    module, name = outermost.f_globals["__name__"], outermost.f_code.co_name
    if module.startswith("numpy.testing") or name in CONVERSIONS or getattr(np, name, None) in UNDIFFERENTIATED:
        return
    public = f"np.{name}" if hasattr(np, name) and not module.startswith("numpy.ma") else f"{module}.{name}"
    raise TypeError(
        f"{public}: expected arrays, got a Tensor that would lose its gradient; use np.stack for lists of Tensors, "
        ".numpy() to compute without gradients"
    )


def refuse_masks(function: Any, values: Sequence[Any]) -> None:
    """Refuse masked arrays, whose masks would be lost."""
    for value in values:
        if type(value) is not np.ndarray and isinstance(value, np.ma.MaskedArray):
            raise TypeError(f"np.{function.__name__}: expected arrays without a mask, got a masked array")


def refuse_keyword(name: str, declared: Derivative, keyword: str) -> None:
    """Refuse a keyword that a recorded call does not take, whether the function itself has it or not."""
    if keyword in declared.keywords:
        raise TypeError(
            f"{name} with {keyword}= has no derivative here; use .numpy() or no_grad() to compute without one"
        )
    raise TypeError(f"{name}: got an unexpected argument {keyword!r}")


def untracked(node: _core.Node, data: Array) -> Array:
    """A result without a gradient; one that should have a gradient, but cannot have it here, is refused."""
    if data.dtype.kind in "cO":
        raise TypeError(
            f"{_name_of(node)}: a result of dtype {data.dtype} has no derivative here; use .numpy() or no_grad() to "
            "compute without one"
        )
    return data


def fitted(node: _core.Node, i: int, source: _core.TensorBase | _core.Result, gradient: Any) -> Array:
    """The gradient of argument i as an array of its dtype; another shape, which would be broadcast, is refused."""
    array, expected = np.asarray(gradient), source if isinstance(source, _core.Result) else source._array
    if array.dtype.kind not in "fiub":
        raise TypeError(f"backward of {_name_of(node)}: expected a real gradient, got dtype {array.dtype}")
    if array.shape != expected.shape:
        raise ValueError(
            f"backward of {_name_of(node)}: expected a gradient of shape {expected.shape} for argument {i + 1}, "
            f"got {array.shape}"
        )
    return array.astype(expected.dtype, copy=False)


def refuse_number(node: _core.Node, gradients: Sequence[Any]) -> None:
    """Raise an error that says how many gradients a call's backward pass has to return."""
    raise ValueError(f"backward of {_name_of(node)}: expected {len(node.parents)} gradients, got {len(gradients)}")


def refuse_walk() -> None:
    """Raise an error: an earlier backward has released a call's values."""
    raise RuntimeError(
        "backward: this graph, or a part of it, was walked already and its values are gone; expected "
        "retain_graph=True in the earlier call, or a new forward pass"
    )


def give(leaves: dict[_core.TensorBase, list[Array]], grad: Array) -> None:
    """Add the leaves' gradients to their `grad`; if one does not fit, an error, and nothing has changed."""
    for leaf, (d,) in leaves.items():
        if leaf._grad is not None and leaf._grad.shape != d.shape:
            raise ValueError(
                f"backward: expected a grad of shape {d.shape} to add to, got one of shape {leaf._grad.shape}"
            )
    known = {id(grad)}  # arrays that others refer to
    for leaf, (d,) in leaves.items():
        if leaf._grad is not None:
            leaf._grad = _core.add(leaf._grad, d)
        else:
            leaf._grad = d.copy(order="K") if id(d) in known or not _core.is_own(d) else d
            known.add(id(d))


def _name_of(node: _core.Node) -> str:
    """The name of the recorded function, or, if the call has none, of the function in which its backward is written."""
    function = node.function
    if function is None:
        return str(getattr(node.backward, "__qualname__", "a recorded call")).split(".<locals>")[0].lstrip("_")
    return ("" if getattr(function, "__module__", "numpy").startswith("fastnn") else "np.") + str(function.__name__)
