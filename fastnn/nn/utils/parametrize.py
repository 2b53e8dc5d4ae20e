"""Parameters that are computed from others whenever they are read, as in `torch.nn.utils.parametrize`.

A module with a parametrization gets a class of its own, which computes the tensor when its name is read; the trained
tensors are `original`, or `original0`, `original1` ..., of `module.parametrizations.<name>`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import numpy as np

from ... import _check
from ..._check import Array
from ...autograd import Tensor, no_grad, value_of
from .._module import Module, Parameter
from ..container import ModuleDict, ModuleList

__all__ = ["ParametrizationList", "cached", "is_parametrized", "register_parametrization", "remove_parametrizations"]

M = TypeVar("M", bound=Module)
_kept: ContextVar[dict[tuple[int, str], Any] | None] = ContextVar("parametrized", default=None)


@contextmanager
def cached() -> Iterator[None]:
    """Compute each parametrized tensor once in a `with` block, however often it is read.

    Examples
    --------
    >>> from fastnn import nn
    >>> cell = nn.utils.parametrizations.weight_norm(nn.Linear(2, 2))
    >>> with nn.utils.parametrize.cached():
    ...     cell.weight is cell.weight
    True
    """
    outer = _kept.get()
    token = _kept.set({} if outer is None else outer)
    try:
        yield
    finally:
        _kept.reset(token)


def _array(what: str, value: Any) -> Array:
    if not isinstance(value, (Tensor, np.ndarray)):
        raise ValueError(f"register_parametrization: expected {what} to return an array, got {type(value).__name__}")
    return _check.as_array("register_parametrization", value_of(value), what)


def _inverse(parametrization: Module, value: Any) -> Any:
    """The original from which the parametrization computes this value; the value itself without a right_inverse."""
    inverse = getattr(parametrization, "right_inverse", None)
    if inverse is None:
        return value
    try:
        with no_grad():
            return inverse(value)
    except NotImplementedError:
        return value


def _require_like(what: str, got: Array, expected: Array) -> None:
    if got.shape != expected.shape or got.dtype != expected.dtype:
        raise ValueError(
            f"register_parametrization: expected {what} of shape {expected.shape} and dtype {expected.dtype}, "
            f"got {got.shape} and {got.dtype}"
        )


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, applied in order, and the original tensors that the first one takes.

    Examples
    --------
    >>> from fastnn import nn
    >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(3, 2))
    >>> [(name, each.shape) for name, each in layer.parametrizations.weight.state_dict().items()]
    [('original0', (2, 1)), ('original1', (2, 3))]
    """

    def __init__(self, modules: Any, original: Any, unsafe: bool = False):
        super().__init__(modules)
        self.unsafe = unsafe
        tensor, new = value_of(original), original
        for parametrization in reversed(list(self)):
            new = _inverse(parametrization, new)
        self.is_tensor = isinstance(new, (Tensor, np.ndarray))
        parts = [new] if self.is_tensor else list(new) if isinstance(new, (tuple, list)) else [new]
        values = [_array("right_inverse", each) for each in parts]
        self.ntensors = len(values)
        if self.is_tensor:
            if values[0].dtype != tensor.dtype:
                _require_like("what right_inverse returns", values[0], tensor)
            if isinstance(original, Parameter):
                original.data = values[0]
                self.register_parameter("original", original)
            else:
                self.register_buffer("original", values[0])
        else:
            for i, value in enumerate(values):
                if isinstance(original, Parameter):
                    self.register_parameter(f"original{i}", Parameter(value.copy(), original.requires_grad))
                else:
                    self.register_buffer(f"original{i}", value.copy())
        if not unsafe:
            with no_grad():
                _require_like("a parametrization's result", _array("a parametrization", self()), tensor)

    def _originals(self) -> list[Any]:
        names = ["original"] if self.is_tensor else [f"original{i}" for i in range(self.ntensors)]
        return [getattr(self, name) for name in names]

    def right_inverse(self, value: Any) -> None:
        """Set the originals so that the tensor becomes this value, by the parametrizations' right_inverse."""
        for parametrization in reversed(list(self)):
            if not hasattr(parametrization, "right_inverse"):
                raise RuntimeError(f"{type(parametrization).__name__}: right_inverse is not defined")
            with no_grad():
                value = parametrization.right_inverse(value)
        originals = self._originals()
        values = [_array("right_inverse", each) for each in ([value] if self.is_tensor else value)]
        if len(values) != len(originals):
            raise ValueError(f"right_inverse: expected {len(originals)} arrays, got {len(values)}")
        for original, each in zip(originals, values, strict=True):
            _require_like("what right_inverse returns", each, value_of(original))
        for original, each in zip(originals, values, strict=True):
            value_of(original)[...] = each

    def forward(self) -> Any:
        """Return the parametrized tensor."""
        first, *others = self
        value = first(*self._originals())
        for parametrization in others:
            value = parametrization(value)
        return value


class _Parametrized:
    """The attributes that a module's class gains by parametrizations."""

    def _list_of(self, name: str) -> Any:
        lists = vars(self).get("_modules", {}).get("parametrizations")
        return None if lists is None else lists._modules.get(name)

    def __getattr__(self, name: str) -> Any:
        found = self._list_of(name)
        if found is None:
            return super().__getattr__(name)  # type: ignore[misc]  # of Module
        kept = _kept.get()
        if kept is None:
            return found()
        key = (id(self), name)
        if key not in kept:
            kept[key] = found()
        return kept[key]

    def __setattr__(self, name: str, value: Any) -> None:
        found = self._list_of(name)
        if found is None:
            super().__setattr__(name, value)
        else:
            found.right_inverse(value)

    def __reduce__(self) -> Any:
        return _restored, (type(self).__mro__[2], vars(self))


def _restored(base: type[Module], state: dict[str, Any]) -> Any:
    module = object.__new__(_class_over(base))
    vars(module).update(state)
    return module


_classes: dict[type[Module], Any] = {}


def _class_over(base: type[Module]) -> Any:
    if base not in _classes:
        _classes[base] = type(f"Parametrized{base.__name__}", (_Parametrized, base), {"__doc__": base.__doc__})
    return _classes[base]


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether a module has parametrizations, or one of the tensor of this name.

    Examples
    --------
    >>> from fastnn import nn
    >>> is_parametrized(nn.Linear(2, 2), "weight")
    False
    """
    lists = module._modules.get("parametrizations")
    if not isinstance(module, _Parametrized) or not isinstance(lists, ModuleDict):
        return False
    return len(lists) > 0 if tensor_name is None else tensor_name in lists


def register_parametrization(module: M, tensor_name: str, parametrization: Module, *, unsafe: bool = False) -> M:
    """Compute a parameter or buffer of a module by another module from now on.

    Parameters
    ----------
    module : Module
        Changed in place.
    tensor_name : str
        "weight", say.  Several parametrizations of one tensor are applied one after the other.
    parametrization : Module
        Its `forward` takes the original tensor, or several, and returns the parametrized one.  Its `right_inverse`,
        if it has one, computes originals from a value: from the present one now, and from each that is assigned later.
    unsafe : bool
        Allow another shape or dtype.

    Returns
    -------
    Module
        The same.

    Raises
    ------
    ValueError
        If there is no such tensor, or shape or dtype would change.

    Examples
    --------
    >>> from fastnn import nn
    >>> class Symmetric(nn.Module):
    ...     def forward(self, input):
    ...         return (input + input.T) / 2
    >>> layer = register_parametrization(nn.Linear(3, 3), "weight", Symmetric())
    >>> np.array_equal(layer.weight.numpy(), layer.weight.numpy().T)
    True
    >>> list(layer.state_dict())
    ['bias', 'parametrizations.weight.original']
    """
    if not isinstance(parametrization, Module):
        kind = type(parametrization).__name__
        raise TypeError(f"register_parametrization: expected a Module as parametrization, got {kind}")
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        lists: Any = module._modules["parametrizations"]
        if not unsafe:
            with no_grad():
                now = _array("a parametrization", getattr(module, tensor_name))
                then = _array("a parametrization", parametrization(now))
                _require_like("a parametrization's result", then, now)
                _require_like(
                    "what right_inverse returns", _array("right_inverse", _inverse(parametrization, then)), now
                )
        lists[tensor_name].append(parametrization)
        lists[tensor_name].unsafe |= unsafe
        return module
    table: Any = next(
        (each for each in (module._parameters, module._buffers) if each.get(tensor_name) is not None), None
    )
    if table is None:
        raise ValueError(
            f"register_parametrization: expected the name of a parameter or buffer of {type(module).__name__}, "
            f"got {tensor_name!r}"
        )
    made = ParametrizationList([parametrization], table[tensor_name], unsafe)
    made.training = module.training
    delattr(module, tensor_name)
    if not isinstance(module, _Parametrized):
        module.parametrizations = ModuleDict()
        module.parametrizations.training = module.training
        object.__setattr__(module, "__class__", _class_over(type(module)))
    module.parametrizations[tensor_name] = made
    return module


def remove_parametrizations(module: M, tensor_name: str, leave_parametrized: bool = True) -> M:
    """Make a parametrized tensor a parameter or buffer of its own again.

    Parameters
    ----------
    module : Module
        Changed in place.
    tensor_name : str
    leave_parametrized : bool
        Keep the computed value; else the original's, if there is only one.

    Returns
    -------
    Module
        The same.

    Raises
    ------
    ValueError
        If the tensor is not parametrized, or it has several originals and leave_parametrized is False.

    Examples
    --------
    >>> from fastnn import nn
    >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(3, 2))
    >>> list(remove_parametrizations(layer, "weight").state_dict())
    ['bias', 'weight']
    """
    name = "remove_parametrizations"
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"{name}: expected a parametrized tensor of {type(module).__name__}, got {tensor_name!r}")
    lists: Any = module._modules["parametrizations"]
    made = lists[tensor_name]
    if not made.is_tensor and not leave_parametrized:
        raise ValueError(f"{name}: expected one original of {tensor_name!r}, which has {made.ntensors}")
    originals = made._originals()
    original = originals[0]
    if leave_parametrized:
        with no_grad():
            value = np.array(_array(name, getattr(module, tensor_name)))
        if isinstance(original, Parameter) and made.is_tensor:
            original.data = value
        elif isinstance(original, Parameter):
            original = Parameter(value, any(each.requires_grad for each in originals))
        else:
            original = value
    del lists[tensor_name]
    if not len(lists):
        del module._modules["parametrizations"]
        vars(module).pop("_former_keys", None)
        object.__setattr__(module, "__class__", type(module).__mro__[2])
    if isinstance(original, Parameter):
        module.register_parameter(tensor_name, original)
    else:
        module.register_buffer(tensor_name, original)
    return module
