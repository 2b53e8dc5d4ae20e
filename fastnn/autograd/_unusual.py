"""What the tape does where a value is not as it mostly is: conversions and refusals, called from the extension."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import _core
from .._check import Array


def array_of_list(name: str, values: Any) -> Array:
    """A list as an array; one that holds Tensors with gradients is refused, since it would lose them."""
    if _core.tracks(*_core.flat(values)):
        raise TypeError(
            f"{name}: expected an array, got a list of Tensors, which would lose its gradient; use np.stack"
        )
    return np.asarray(values)


def checked_list(name: str, rule: Any, value: Any) -> Any:
    """An argument with a derivative; lists of Tensors in it are refused, but for the one list that some rules take."""
    if isinstance(value, (list, tuple)):
        for each in value if rule.takes_list else (value,):
            if isinstance(each, (list, tuple)) and _core.tracks(*_core.flat(each)):
                array_of_list(name, each)
    return value


def untracked(node: _core.Node, data: Array, function: Any) -> Array:
    """A result without a gradient; one that should have a gradient, but cannot have it here, is refused."""
    if data.dtype.kind in "cO":
        name = _name_of(node) if function is None else f"np.{function.__name__}"
        raise TypeError(
            f"{name}: a result of dtype {data.dtype} has no derivative here; use .numpy() or no_grad() to compute "
            "without one"
        )
    return data


def fitted(node: _core.Node, i: int, parent: _core.TensorBase, gradient: Any) -> Array:
    """The gradient of argument i as an array of its dtype; one of another shape is refused, it would be broadcast."""
    array, expected = np.asarray(gradient), parent._data
    if array.dtype.kind not in "fiub":
        raise TypeError(f"backward of {_name_of(node)}: expected a real gradient, got dtype {array.dtype}")
    if array.shape != expected.shape:
        raise ValueError(
            f"backward of {_name_of(node)}: expected a gradient of shape {expected.shape} for argument {i + 1}, "
            f"got {array.shape}"
        )
    return array.astype(expected.dtype, copy=False)


def refuse_number(node: _core.Node, gradients: Sequence[Any]) -> None:
    """Say how many gradients a call's way back owes."""
    raise ValueError(f"backward of {_name_of(node)}: expected {len(node.parents)} gradients, got {len(gradients)}")


def refuse_sum(leaf: _core.TensorBase, gradient: Array) -> None:
    """Say that a leaf holds a grad of another shape, left from other data."""
    assert leaf._grad is not None
    raise ValueError(
        f"backward: expected a grad of shape {gradient.shape} to add to, got one of shape {leaf._grad.shape}"
    )


def _name_of(node: _core.Node) -> str:
    """The recorded function that the node's backward was written in."""
    return str(getattr(node.backward, "__qualname__", "a recorded call")).split(".<locals>")[0].lstrip("_")
