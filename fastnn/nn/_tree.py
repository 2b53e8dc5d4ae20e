"""The tree of a Module: parameters, buffers and child modules by name, and walks over all modules below."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _check
from .._check import Array
from ..autograd import Tensor, value_of

if TYPE_CHECKING:
    from ._module import Module


class Parameter(Tensor):
    """A Tensor that a Module counts among its parameters when it is assigned as an attribute.

    Parameters
    ----------
    data : array_like of float
    requires_grad : bool

    Examples
    --------
    >>> Parameter(np.ones(2))
    Parameter containing:
    tensor([1., 1.], requires_grad=True)
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True):
        super().__init__(data, requires_grad)

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


class Tree:
    """The part of Module that holds parameters, buffers and modules by name; every Tree is a Module."""

    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Array | None]
    _modules: dict[str, Module | None]
    _transient: set[str]  # buffers that state_dict leaves out

    # -- attributes ---------------------------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        tables = vars(self)
        if "_parameters" not in tables:
            if isinstance(value, (Parameter, Tree)):
                raise AttributeError(f"{type(self).__name__}: call super().__init__() before assigning {name}")
            object.__setattr__(self, name, value)
        elif isinstance(value, Parameter):
            self._put(self._parameters, name, value)
        elif isinstance(value, Tree):
            self._put(self._modules, name, value)
        elif self._parameters.get(name) is not None and value is not None:
            raise TypeError(
                f"{type(self).__name__}: expected {name} to be a Parameter or None, got {type(value).__name__}"
            )
        elif self._modules.get(name) is not None and value is not None:
            raise TypeError(
                f"{type(self).__name__}: expected {name} to be a Module or None, got {type(value).__name__}"
            )
        elif name in self._parameters:
            self._parameters[name] = value
        elif name in self._modules:
            self._modules[name] = value
        elif name in self._buffers:
            if value is not None and not isinstance(value, (np.ndarray, np.generic, Tensor)):
                raise TypeError(
                    f"{type(self).__name__}: expected {name} to be an array or None, got {type(value).__name__}"
                )
            self._buffers[name] = None if value is None else _check.as_array(type(self).__name__, value_of(value), name)
        else:
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        own = vars(self)
        if "_modules" in own:  # absent before __init__, or while a copy is made
            for entries in (own["_parameters"], own["_buffers"], own["_modules"]):
                if name in entries:
                    return entries[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __delattr__(self, name: str) -> None:
        if any(name in table for table in (self._parameters, self._buffers, self._modules)):
            self._forget(name)
        else:
            object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._parameters, *self._buffers, *self._modules})

    def _forget(self, name: str, but: dict[str, Any] | None = None) -> None:
        for table in (self._parameters, self._buffers, self._modules, vars(self)):
            if table is not but:
                table.pop(name, None)
        self._transient.discard(name)

    def _put(self, table: dict[str, Any], name: str, value: Any) -> None:
        """Enter a name into one table; a name that is already there keeps its place in the order."""
        self._forget(name, but=table)
        table[name] = value

    def _check_name(self, method: str, name: Any, table: dict[str, Any]) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{method}: expected a name that is a string, got {type(name).__name__}")
        if not name or "." in name or (hasattr(self, name) and name not in table):
            raise ValueError(f"{method}: expected a new name without dots, got {name!r}")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter, or None for one that a layer is made without."""
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(f"register_parameter: expected a Parameter or None for {name}, got {type(param).__name__}")
        self._check_name("register_parameter", name, self._parameters)
        self._put(self._parameters, name, param)

    def register_buffer(self, name: str, tensor: Any, persistent: bool = True) -> None:
        """Add an array of the module's state that is not trained; `state_dict` skips it if not persistent."""
        self._check_name("register_buffer", name, self._buffers)
        self._put(
            self._buffers, name, None if tensor is None else _check.as_array("register_buffer", value_of(tensor), name)
        )
        if not persistent:
            self._transient.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a child module under a name."""
        if module is not None and not isinstance(module, Tree):
            raise TypeError(f"add_module: expected a Module or None for {name}, got {type(module).__name__}")
        self._check_name("add_module", name, self._modules)
        self._put(self._modules, name, module)

    register_module = add_module

    # -- walking ------------------------------------------------------------------------------------------------------

    def named_modules(self, prefix: str = "", remove_duplicate: bool = True) -> Iterator[tuple[str, Module]]:
        """All modules from this one down, each once, with their paths."""
        seen: set[int] = set()
        stack: list[tuple[str, Any]] = [(prefix, self)]
        while stack:
            path, module = stack.pop()
            if id(module) in seen:
                continue
            if remove_duplicate:
                seen.add(id(module))
            yield path, module
            stack.extend(
                reversed([(joined(path, name), child) for name, child in module._modules.items() if child is not None])
            )

    def modules(self) -> Iterator[Module]:
        """All modules from this one down, each once."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The direct children with their names, each once."""
        seen: set[int] = set()
        for name, child in self._modules.items():
            if child is not None and id(child) not in seen:
                seen.add(id(child))
                yield name, child

    def children(self) -> Iterator[Module]:
        """The direct children."""
        return (child for _, child in self.named_children())

    def _named(
        self, table: str, prefix: str, recurse: bool, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        for path, module in self.named_modules(prefix, remove_duplicate) if recurse else [(prefix, self)]:
            for name, value in getattr(module, table).items():
                if value is not None and id(value) not in seen:
                    if remove_duplicate:
                        seen.add(id(value))
                    yield joined(path, name), value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """All parameters with their paths, a shared one once."""
        return self._named("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters, a shared one once."""
        return (value for _, value in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Array]]:
        """All buffers with their paths."""
        return self._named("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Array]:
        """All buffers."""
        return (value for _, value in self.named_buffers(recurse=recurse))

    def _at(self, path: str, kind: str, found: Callable[[Module, str], Any]) -> Any:
        *parents, name = path.split(".")
        module: Any = self
        try:
            for parent in parents:
                module = module._modules[parent]
            return found(module, name)
        except (KeyError, AttributeError):
            raise AttributeError(f"{type(self).__name__}: no {kind} {path!r}") from None

    def get_submodule(self, target: str) -> Module:
        """Return the module of this path, itself for ""."""
        own: Any = self
        return own if target == "" else self._at(target, "module", lambda module, name: module._modules[name])

    def get_parameter(self, target: str) -> Parameter:
        """Return the parameter of this path."""
        return self._at(target, "parameter", lambda module, name: module._parameters[name])

    def get_buffer(self, target: str) -> Array:
        """Return the buffer of this path."""
        return self._at(target, "buffer", lambda module, name: module._buffers[name])


def joined(path: str, name: str) -> str:
    """A path extended by a name."""
    return f"{path}.{name}" if path else name
